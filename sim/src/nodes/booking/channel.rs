//! Kind `hotel-channel`: an agency that sells a hotel's rooms by what it was last told. It asks every so often what is
//! left of each night, sells at once, and tells the house some time later; what the house refuses then is called off and
//! the money given back. What it has sold it never forgets, and tells until it is heard.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::hotel::{Channel, ChannelView, Night, RoomType, SaleRefused};
use serde_json::{Map, Value};

use super::settings::{self, AgencySettings, DeskSettings};
use crate::cluster::{CallSpec, Cx, Done, Durable, Probes, Ref, Request};
use crate::kernel::draw::{Key, Lineage, below};
use crate::kernel::time::Time;
use crate::measure::OutcomeKind;
use crate::nodes::payments::calls_of;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::scenario::plan::{EdgeId, LoadId, Plan, ServiceId, ServicePlan};

/// Tell what an agency says from whatever else a desk is asked.
const LEFT: u64 = 0x4C;
const SOLD: u64 = 0x4F;

/// A stay that an agency has sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sale {
    pub(super) channel: Channel,
    pub(super) arrival: Night,
    pub(super) nights: u16,
    pub(super) rooms: u32,
}

/// What an agency says to a house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// What is left of this night?
    Left { channel: Channel, night: Night },
    /// The key of the request is the booking.
    Sold(Sale),
}

fn arguments(said: Said) -> [u64; 3] {
    let head = |tag: u64, channel: Channel| tag | u64::from(channel.0) << 16;
    let night = |night: Night| u64::from(night.0.cast_unsigned());
    match said {
        Said::Left { channel, night: of } => [head(LEFT, channel), night(of), 0],
        Said::Sold(sale) => {
            let length = u64::from(sale.nights) << 32 | u64::from(sale.rooms);
            [head(SOLD, sale.channel), night(sale.arrival), length]
        }
    }
}

/// What an agency has said, if it is that.
pub(super) fn said([head, second, third]: [u64; 3]) -> Option<Said> {
    let (channel, night) = (Channel((head >> 16) as u16), Night((second as u32).cast_signed()));
    match head & 0xFFFF {
        LEFT => Some(Said::Left { channel, night }),
        SOLD => Some(Said::Sold(Sale {
            channel,
            arrival: night,
            nights: (third >> 32) as u16,
            rooms: third as u32,
        })),
        _ => None,
    }
}

/// A sale that the house has not answered.
#[derive(Clone, Copy)]
struct Untold {
    sale: Sale,
    due: Time,
    is_under_way: bool,
    tries: u32,
    lineage: Lineage,
    load: LoadId,
}

#[derive(Default)]
struct Counts {
    guests: u64,
    sold: u64,
    confirmed: u64,
    called_off: u64,
    found_nothing: u64,
    too_old: u64,
    taken_minor: u64,
    given_back_minor: u64,
    questions: u64,
}

const ARRIVAL: u64 = 1;
const NIGHTS: u64 = 2;
const PARTY: u64 = 3;
const KIND: RoomType = RoomType(0);

/// Tokens of questions have this bit; what is below is the night.
const QUESTION: u64 = 1 << 63;

pub(super) struct Agency {
    settings: AgencySettings,
    house: DeskSettings,
    edge: Option<EdgeId>,
    view: ChannelView,
    untold: BTreeMap<u64, Untold>,
    ask_at: Option<Time>,
    wish: Option<Key>,
    identity: u64,
    keeps_money: bool,
    counts: Counts,
}

impl Agency {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>, keeps_money: bool) -> Agency {
        let edge = calls_of(plan, service).first().copied();
        let settings = read(&plan.services[service.index()]);
        let house = edge.map(|edge| &plan.services[plan.edges[edge.index()].callee.index()]);
        let house = house.and_then(|house| settings::hotel(&house.settings).ok()).unwrap_or_default();
        Agency {
            view: ChannelView::new(settings.channel, settings.stops_after),
            settings,
            house,
            edge,
            untold: BTreeMap::new(),
            ask_at: None,
            wish: None,
            identity: 0,
            keeps_money,
            counts: Counts::default(),
        }
    }

    fn first_night(&self, now: Time) -> u64 {
        self.house.first_night(now)
    }

    fn price_minor(&self, sale: &Sale) -> u64 {
        let nights = u64::from(sale.nights) * u64::from(sale.rooms);
        u64::from(self.house.price_minor).saturating_mul(nights)
    }

    fn wanted(&self, wish: Key, identity: u64, now: Time) -> Sale {
        let word = |purpose: u64| wish.draw2(identity, purpose);
        let between =
            |(least, most): (u32, u32), word: u64| least + below(word, u64::from(most - least) + 1) as u32;
        let day = self.first_night(now) + below(word(ARRIVAL), u64::from(self.house.horizon));
        Sale {
            channel: self.settings.channel,
            arrival: Night(day as i32),
            nights: between(self.house.nights, word(NIGHTS)) as u16,
            rooms: between(self.house.party, word(PARTY)),
        }
    }

    /// Asks what is left of every night that can be booked.
    fn ask(&mut self, local: Time, cx: &mut Cx<'_>) {
        let Some(edge) = self.edge else { return };
        let (first, longest) = (self.first_night(local), u64::from(self.house.nights.1));
        for night in first..first + u64::from(self.house.horizon) + longest {
            self.counts.questions += 1;
            let lineage = Lineage(self.identity).call(LEFT, self.counts.questions as u32);
            let said = Said::Left { channel: self.settings.channel, night: Night(night as i32) };
            let spec = CallSpec {
                arguments: arguments(said),
                token: QUESTION | night,
                ..CallSpec::of_its_own(edge, lineage, cx.now())
            };
            cx.call(spec, Ref::NONE);
        }
        self.ask_at = Some(local + self.settings.sync_every);
    }

    /// What it is told, without what it has sold and not told of.
    fn learns(&mut self, now: Time, night: Night, left: u64) {
        let covers = |sale: &Sale| night >= sale.arrival && night < sale.arrival.plus(sale.nights);
        let own = self.untold.values().filter(|untold| covers(&untold.sale));
        let own = own.map(|untold| u64::from(untold.sale.rooms)).sum::<u64>();
        let left = u32::try_from(left.saturating_sub(own)).unwrap_or(u32::MAX);
        self.view.told_one(now, (KIND, night), left);
    }

    fn tell(&mut self, booking: u64, cx: &mut Cx<'_>) {
        let (Some(edge), Some(untold)) = (self.edge, self.untold.get_mut(&booking)) else { return };
        untold.is_under_way = true;
        untold.tries += 1;
        let spec = CallSpec {
            load: untold.load,
            key: booking,
            copy: untold.tries - 1,
            arguments: arguments(Said::Sold(untold.sale)),
            token: booking & !QUESTION,
            ..CallSpec::of_its_own(edge, untold.lineage.call(SOLD, 0), cx.now())
        };
        cx.call(spec, Ref::NONE);
    }

    fn told(&mut self, done: &Done, cx: &Cx<'_>) {
        let found = self.untold.keys().copied().find(|booking| booking & !QUESTION == done.token);
        let Some(booking) = found else { return };
        if done.outcome != OutcomeKind::Ok {
            if let Some(untold) = self.untold.get_mut(&booking) {
                untold.is_under_way = false;
                untold.due = cx.local_time() + self.settings.tell_after;
            }
            return;
        }
        let Some(untold) = self.untold.remove(&booking) else { return };
        if done.missed {
            self.counts.called_off += 1;
            if !self.keeps_money {
                self.counts.given_back_minor += self.price_minor(&untold.sale);
            }
        } else {
            self.counts.confirmed += 1;
        }
    }
}

fn read(plan: &ServicePlan) -> AgencySettings {
    settings::agency(&plan.settings).expect("the plan's settings were checked")
}

/// Whether the hotel that it calls sells through such a channel.
pub(super) fn check_around(
    written: &Map<String, Value>,
    house: Option<(&str, &Map<String, Value>)>,
) -> Vec<(String, String)> {
    let (Ok(own), Some((name, house))) = (settings::agency(written), house) else { return Vec::new() };
    match settings::hotel(house) {
        Ok(house) if u32::from(own.channel.0) < house.channels => Vec::new(),
        Ok(house) if house.channels == 0 => {
            vec![(String::new(), format!("`{name}` sells through no channels: give it `channels: 1`"))]
        }
        Ok(house) => {
            let most = house.channels;
            vec![(
                "channel".to_string(),
                format!("`{name}` has the channels 1 to {most}: give it more, or take one of these"),
            )]
        }
        Err(_) => Vec::new(),
    }
}

impl Behaviour for Agency {
    fn answer(&mut self, request: &Request, _job: Ref, cx: &mut Cx<'_>) -> Verdict {
        let Some(wish) = self.wish else { return Verdict::Fail };
        self.counts.guests += 1;
        let (now, booking) = (cx.local_time(), request.lineage.raw());
        let sale = self.wanted(wish, cx.redrawn(booking), now);
        match self.view.sell(now, KIND, sale.arrival, sale.nights, sale.rooms) {
            Ok(()) => {
                self.counts.sold += 1;
                self.counts.taken_minor += self.price_minor(&sale);
                let due = now + self.settings.tell_after;
                let (lineage, load) = (request.lineage, request.load);
                self.untold
                    .insert(booking, Untold { sale, due, is_under_way: false, tries: 0, lineage, load });
                Verdict::Answer(Answered { missed: false, value: 1 })
            }
            Err(SaleRefused::SoldOut) => {
                self.counts.found_nothing += 1;
                Verdict::Answer(Answered { missed: true, value: 0 })
            }
            Err(SaleRefused::Unknown | SaleRefused::Stale) => {
                self.counts.too_old += 1;
                Verdict::TurnAway
            }
        }
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.wish = Some(cx.key("wish"));
        self.identity = cx.key("sync").draw(0);
        self.ask_at = Some(cx.local_time());
    }

    fn crash(&mut self, _keep: Durable) {
        self.view = ChannelView::new(self.settings.channel, self.settings.stops_after);
        self.ask_at = None;
        for untold in self.untold.values_mut() {
            untold.is_under_way = false;
        }
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        self.settings = read(plan);
        self.view.set_stops_after(self.settings.stops_after);
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) -> Option<Woken> {
        if done.token & QUESTION == 0 {
            self.told(done, cx);
        } else if done.outcome == OutcomeKind::Ok && !done.missed {
            self.learns(cx.local_time(), Night((done.token & !QUESTION) as i32), done.value);
        }
        None
    }

    fn deadline(&self) -> Option<Time> {
        let waiting = self.untold.values().filter(|untold| !untold.is_under_way);
        waiting.map(|untold| untold.due).chain(self.ask_at).min()
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        if self.ask_at.is_some_and(|due| due <= local) {
            self.ask(local, cx);
        }
        let due = self.untold.iter().filter(|(_, untold)| !untold.is_under_way && untold.due <= local);
        for booking in due.map(|(booking, _)| *booking).collect::<Vec<_>>() {
            self.tell(booking, cx);
        }
        None
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("guests", counts.guests),
            ("sold", counts.sold),
            ("confirmed", counts.confirmed),
            ("called_off", counts.called_off),
            ("found_nothing", counts.found_nothing),
            ("too_old", counts.too_old),
            ("untold", self.untold.len() as u64),
            ("taken_minor", counts.taken_minor),
            ("given_back_minor", counts.given_back_minor),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_what_is_understood_and_nobody_else_says_it() {
        let sale = Sale { channel: Channel(3), arrival: Night(-4), nights: 7, rooms: 2 };
        for words in [Said::Sold(sale), Said::Left { channel: Channel(9), night: Night(i32::MIN) }] {
            assert_eq!(said(arguments(words)), Some(words));
            assert!(super::super::sweeper::said(arguments(words)).is_none());
            assert!(crate::nodes::payments::wire::to_processor(7, arguments(words)).is_none());
        }
        assert_eq!(said([0, 0, 0]), None);
    }
}
