//! What a desk of the library sells in a scenario: seats of one show, or nights in a house. Turns a customer into a wish;
//! decides nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foreshock_systems::booking::{
    Ask, Booking, BookingId, Clocks, Command, CustomerId, Desk, Goods, Output, Pending, Phase, Refusal,
    Rejected,
};
use foreshock_systems::hotel::{
    Calendar, Channel, ChannelConfig, Hotel, HotelUnit, House, HouseConfig, Night, Plan, RatePlan, Room,
    RoomKind, RoomType, Stay, StayRequest,
};
use foreshock_systems::ticket_booking::{
    BoxOffice, BoxOfficeConfig, Seat, SeatMap, Show, ShowId, ShowSeat, Theatre,
};

use super::channel::Sale;
use super::settings::{Choice, DeskSettings};
use crate::kernel::draw::{below, chance_ppm};
use crate::kernel::time::Time;
use crate::nodes::store::AnyStore;

/// A uniformly distributed word for each thing that chance decides about a customer.
pub(super) type Words<'a> = &'a dyn Fn(u64) -> u64;

const PARTY: u64 = 1;
const WHERE: u64 = 2;
const ARRIVAL: u64 = 3;
const NIGHTS: u64 = 4;

/// A command about these goods.
pub(super) type Order<G> = Command<<G as Goods>::Unit, <G as Goods>::Detail>;

/// What a wish came to.
pub(super) type Wish<G> = Result<Ask<<G as Goods>::Unit, <G as Goods>::Detail>, Refusal>;

/// A desk with what it sells.
pub(super) trait Front: Sized {
    /// What it sells.
    type Goods: Goods;

    /// Opens what a store holds.
    fn open(settings: &DeskSettings, store: AnyStore) -> Self;
    fn desk(&self) -> &Desk<Self::Goods, AnyStore>;
    fn desk_mut(&mut self) -> &mut Desk<Self::Goods, AnyStore>;
    fn into_store(self) -> AnyStore;
    /// Decides a command, and commits nothing yet.
    ///
    /// # Errors
    /// [`Rejected`].
    fn begin(
        &mut self,
        clocks: Clocks,
        command: Order<Self::Goods>,
    ) -> Result<Pending<Self::Goods>, Rejected>;
    /// What a customer wants, by what they are shown; the how manieth time they choose is `tries`.
    ///
    /// # Errors
    /// [`Refusal`]: there is nothing for them.
    fn wish(
        &mut self,
        now: Time,
        id: BookingId,
        who: CustomerId,
        tries: u32,
        words: Words<'_>,
    ) -> Wish<Self::Goods>;
    /// A unit as one word.
    fn word_of(unit: <Self::Goods as Goods>::Unit) -> u64;
    /// Whether everything is sold.
    fn is_sold_out(&self) -> bool;

    /// What is left of a night for a channel; `None` if it has none.
    fn left(&self, _channel: Channel, _night: Night) -> Option<u32> {
        None
    }
    /// Takes in what a channel has sold, and says what it costs.
    ///
    /// # Errors
    /// [`Rejected`]: it has to be called off.
    fn channel_sale(
        &mut self,
        _clocks: Clocks,
        _id: BookingId,
        _sale: &Sale,
        _out: &mut Vec<Output>,
    ) -> Result<i64, Rejected> {
        Err(Refusal::Malformed.into())
    }
    /// When [`turn`](Front::turn) wants to be called.
    fn deadline(&self) -> Option<Time> {
        None
    }
    /// What happens by itself as days go by; `word` decides of a booking whether they come.
    fn turn(&mut self, _now: Time, _word: Words<'_>, _out: &mut Vec<Output>) {}
    /// What it counts beside what a desk has in its store.
    fn counts(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

fn party(settings: &DeskSettings, words: Words<'_>) -> u32 {
    let (least, most) = settings.party;
    least + below(words(PARTY), u64::from(most - least) + 1) as u32
}

const SHOW: ShowId = ShowId(1);

/// A box office with one show.
pub(super) struct Tickets {
    office: BoxOffice<AnyStore>,
    settings: DeskSettings,
    map: Arc<SeatMap>,
}

impl Tickets {
    /// A block beside each other that is free on the map, beginning to look at a drawn seat.
    fn anywhere(&mut self, now: Time, count: u16, word: u64) -> Option<Vec<Seat>> {
        let (rows, width) = (self.settings.rows as u16, self.settings.seats as u16);
        let view = self.office.view(now, SHOW).filter(|view| view.count() >= usize::from(count))?;
        let seats = u64::from(self.map.seats());
        let first = below(word, seats);
        let block = |(row, number): (u16, u16)| {
            (number..number.saturating_add(count)).map(move |number| Seat { row, number })
        };
        let places = (0..seats).map(|step| (first + step) % seats);
        let places = places.map(|at| ((at / u64::from(width)) as u16, (at % u64::from(width)) as u16));
        let mut blocks = places.filter(|(row, number)| *row < rows && number.saturating_add(count) <= width);
        let found = blocks.find(|place| block(*place).all(|seat| view.is_free(seat)))?;
        Some(block(found).collect())
    }
}

impl Front for Tickets {
    type Goods = Theatre;

    fn open(settings: &DeskSettings, store: AnyStore) -> Tickets {
        let (rows, seats) = (settings.rows as u16, settings.seats as u16);
        let map = SeatMap::even(rows, seats, i64::from(settings.price_minor));
        let map = Arc::new(map.expect("the plan's settings were checked"));
        let show = Show {
            map: Arc::clone(&map),
            starts_at: Time::MAX,
            allows_gaps: settings.gaps,
            blocked: BTreeSet::new(),
        };
        let config = BoxOfficeConfig {
            desk: settings.config,
            seat_view_ttl: settings.view_ttl,
            ..BoxOfficeConfig::default()
        };
        let office = BoxOffice::open(store, Theatre::new().with(SHOW, show), config);
        let office = office.expect("the plan's settings were checked, and the store is this desk's own");
        Tickets { office, settings: settings.clone(), map }
    }

    fn desk(&self) -> &Desk<Theatre, AnyStore> {
        self.office.desk()
    }

    fn desk_mut(&mut self) -> &mut Desk<Theatre, AnyStore> {
        self.office.desk_mut()
    }

    fn into_store(self) -> AnyStore {
        self.office.into_store()
    }

    fn begin(&mut self, clocks: Clocks, command: Order<Theatre>) -> Result<Pending<Theatre>, Rejected> {
        self.office.begin(clocks, command)
    }

    fn wish(
        &mut self,
        now: Time,
        id: BookingId,
        who: CustomerId,
        tries: u32,
        words: Words<'_>,
    ) -> Wish<Theatre> {
        let count = u16::try_from(party(&self.settings, words)).unwrap_or(u16::MAX);
        let seats = match self.settings.choice {
            Choice::Best => {
                let no_gaps = !self.settings.gaps;
                let map = Arc::clone(&self.map);
                let view = self.office.view(now, SHOW).ok_or(Refusal::Unknown)?;
                map.best(count, None, no_gaps, &mut |seat| view.is_free(seat))
            }
            Choice::Anywhere => self.anywhere(now, count, words(WHERE | u64::from(tries) << 8)),
        };
        self.office.ask(id, who, SHOW, &seats.ok_or(Refusal::NotFree)?)
    }

    fn word_of(unit: ShowSeat) -> u64 {
        u64::from(unit.show.0) << 32 | u64::from(unit.seat.row) << 16 | u64::from(unit.seat.number)
    }

    fn is_sold_out(&self) -> bool {
        self.office.desk().totals().sold >= u64::from(self.map.seats())
    }
}

/// A house with one room type.
pub(super) struct Nights {
    hotel: Hotel<AnyStore>,
    settings: DeskSettings,
    /// Days that are over and were closed.
    days: u64,
    /// Who is in the house, and the night of departure.
    inside: BTreeMap<BookingId, Night>,
    /// Rooms to be cleaned.
    unclean: Vec<Room>,
    occupied: u64,
    revenue_minor: u64,
}

const KIND: RoomType = RoomType(0);

impl Nights {
    /// Who leaves leaves, who comes comes, and the day is closed.
    fn close(&mut self, now: Time, word: Words<'_>, out: &mut Vec<Output>) {
        let (today, clocks) = (Night(self.days as i32), Clocks::agreed(now));
        let comes = self.hotel.expected(today);
        let leaves: Vec<BookingId> =
            self.inside.iter().filter(|(_, leaves)| **leaves <= today).map(|(id, _)| *id).collect();
        for id in leaves {
            for room in self.hotel.rooms_of(id) {
                self.unclean.push(room);
            }
            // What meets another transaction is done at the end of the next day.
            let _ = self.hotel.depart(clocks, id, out);
            if self.phase(id) != Some(Phase::Arrived) {
                self.inside.remove(&id);
            }
        }
        for room in std::mem::take(&mut self.unclean) {
            if self.hotel.set_usable(clocks, room, true, out).is_err() {
                self.unclean.push(room);
            }
        }
        for id in comes {
            if chance_ppm(word(id.0), self.settings.show_ppm) {
                let _ = self.hotel.arrive(clocks, today, id, out);
                self.inside.extend(self.hotel.desk().booking(id).and_then(guest));
            }
        }
        if let Ok(figures) = self.hotel.close_day(clocks, today, out) {
            self.occupied += figures.occupied;
            self.revenue_minor += figures.revenue_minor.unsigned_abs();
        }
        self.days += 1;
    }

    fn phase(&self, id: BookingId) -> Option<Phase> {
        self.hotel.desk().booking(id).map(|kept| kept.phase)
    }
}

/// Whoever is in the house, and until when.
fn guest(kept: &Booking<HotelUnit, Stay>) -> Option<(BookingId, Night)> {
    (kept.phase == Phase::Arrived).then(|| (kept.id, kept.detail.departure()))
}

impl Front for Nights {
    type Goods = House;

    fn open(settings: &DeskSettings, store: AnyStore) -> Nights {
        let house = House::new(HouseConfig {
            kinds: vec![RoomKind { rooms: settings.rooms, overbooking: settings.overbooking }],
            plans: vec![RatePlan {
                night_minor: vec![i64::from(settings.price_minor)],
                ..RatePlan::default()
            }],
            channels: vec![
                ChannelConfig {
                    allotment: (settings.allotment > 0).then_some(settings.allotment).into_iter().collect(),
                };
                settings.channels as usize
            ],
            max_nights: settings.nights.1 as u16,
            partner_rooms: settings.partner_rooms,
            compensation_minor: i64::from(settings.compensation_minor),
            ..HouseConfig::default()
        });
        let house = house.expect("the plan's settings were checked");
        let hotel = Hotel::open(store, house, Calendar::utc(), settings.config);
        let hotel = hotel.expect("the plan's settings were checked, and the store is this desk's own");
        let inside = hotel.desk().bookings().filter_map(guest).collect();
        Nights {
            hotel,
            inside,
            settings: settings.clone(),
            days: 0,
            unclean: Vec::new(),
            occupied: 0,
            revenue_minor: 0,
        }
    }

    fn desk(&self) -> &Desk<House, AnyStore> {
        self.hotel.desk()
    }

    fn desk_mut(&mut self) -> &mut Desk<House, AnyStore> {
        self.hotel.desk_mut()
    }

    fn into_store(self) -> AnyStore {
        self.hotel.into_store()
    }

    fn begin(&mut self, clocks: Clocks, command: Order<House>) -> Result<Pending<House>, Rejected> {
        self.hotel.begin(clocks, command)
    }

    fn wish(
        &mut self,
        now: Time,
        id: BookingId,
        who: CustomerId,
        tries: u32,
        words: Words<'_>,
    ) -> Wish<House> {
        let (least, most) = self.settings.nights;
        let nights = least + below(words(NIGHTS), u64::from(most - least) + 1) as u32;
        let day = below(words(ARRIVAL | u64::from(tries) << 8), u64::from(self.settings.horizon));
        let request = StayRequest {
            arrival: Night((self.settings.first_night(now) + day) as i32),
            nights: nights as u16,
            kind: KIND,
            rooms: party(&self.settings, words),
            plan: Plan(0),
            channel: None,
        };
        self.hotel.ask(id, who, request)
    }

    fn word_of(unit: HotelUnit) -> u64 {
        match unit {
            HotelUnit::Night(kind, night) => u64::from(kind.0) << 32 | u64::from(night.0.unsigned_abs()),
            HotelUnit::Allotment(channel, kind, night) => {
                1 << 63
                    | u64::from(channel.0) << 48
                    | u64::from(kind.0) << 32
                    | u64::from(night.0.unsigned_abs())
            }
            HotelUnit::Room(room) => 1 << 62 | u64::from(room.kind.0) << 32 | u64::from(room.number),
        }
    }

    fn is_sold_out(&self) -> bool {
        let nights = u64::from(self.settings.horizon);
        let house = self.hotel.desk().goods();
        self.settings.day.is_none()
            && self.hotel.desk().totals().sold >= nights * u64::from(house.accepted(KIND))
    }

    fn left(&self, channel: Channel, night: Night) -> Option<u32> {
        let has_it = u32::from(channel.0) < self.settings.channels;
        has_it.then(|| self.hotel.left_for(channel, KIND, night))
    }

    fn channel_sale(
        &mut self,
        clocks: Clocks,
        id: BookingId,
        sale: &Sale,
        out: &mut Vec<Output>,
    ) -> Result<i64, Rejected> {
        if u32::from(sale.channel.0) >= self.settings.channels {
            return Err(Refusal::Malformed.into());
        }
        let request = StayRequest {
            arrival: sale.arrival,
            nights: sale.nights,
            kind: KIND,
            rooms: sale.rooms,
            plan: Plan(0),
            channel: Some(sale.channel),
        };
        self.hotel.channel_sale(clocks, id, CustomerId(id.0), request, out)?;
        Ok(self.hotel.desk().booking(id).map_or(0, |kept| kept.price_minor))
    }

    fn deadline(&self) -> Option<Time> {
        Some(Time::ZERO + self.settings.day?.saturating_mul(self.days + 1))
    }

    fn turn(&mut self, now: Time, word: Words<'_>, out: &mut Vec<Output>) {
        while self.deadline().is_some_and(|due| due <= now) {
            self.close(now, word, out);
        }
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.hotel.arrivals();
        let mut shown = Vec::new();
        if self.settings.channels > 0 {
            let sold = self.hotel.desk().bookings().filter(|kept| kept.detail.channel.is_some());
            let (stays, minor) = sold
                .fold((0, 0), |(stays, minor), kept| (stays + 1, minor + kept.price_minor.unsigned_abs()));
            shown.extend([
                ("channel_stays", stays),
                ("channel_minor", minor),
                ("channel_oversells", counts.channel_oversells),
            ]);
        }
        if self.settings.day.is_none() {
            return shown;
        }
        let room_nights = self.days * u64::from(self.settings.rooms);
        shown.extend([
            ("days", self.days),
            ("parties_arrived", counts.arrived),
            ("parties_housed", counts.housed),
            ("parties_walked", counts.walked),
            ("parties_turned_away", counts.turned_away),
            ("no_shows", counts.no_shows),
            ("compensation_minor", counts.compensation_minor.unsigned_abs()),
            ("room_nights", room_nights),
            ("room_nights_occupied", self.occupied),
            ("room_revenue_minor", self.revenue_minor),
        ]);
        shown
    }
}
