//! The nights of a house, as a desk sells them in a scenario. Turns a guest into a wish, and lets days go by; decides
//! nothing else.

use std::collections::BTreeMap;

use foreshock_systems::booking::{
    Booking, BookingId, Clocks, CustomerId, Desk, Output, Pending, Phase, Refusal, Rejected,
};
use foreshock_systems::hotel::{
    Calendar, Channel, ChannelConfig, Hotel, HotelUnit, House, HouseConfig, Night, Plan, Room, RoomType,
    Stay, StayRequest,
};

use super::channel::Sale;
use super::front::{Front, Kept, Order, Wish, Words, chosen, party};
use super::settings::DeskSettings;
use super::terms;
use super::view::View;
use crate::kernel::draw::{below, chance_ppm};
use crate::kernel::time::Time;
use crate::nodes::store::AnyStore;

/// A house.
pub(super) struct Nights {
    hotel: Hotel<AnyStore>,
    settings: DeskSettings,
    view: View,
    /// Days that are over and were closed.
    days: u64,
    /// Who is in the house, and the night of departure.
    inside: BTreeMap<BookingId, Night>,
    /// Rooms to be cleaned.
    unclean: Vec<Room>,
    occupied: u64,
    revenue_minor: u64,
}

/// What a word is about that is no night in a room type.
const ALLOTTED: u64 = 1 << 63;
const NUMBERED: u64 = 1 << 62;
const WHOLE_HOUSE: u64 = 1 << 61;

fn of_type(kind: RoomType) -> u64 {
    u64::from(kind.0) << 32
}

fn of_night(night: Night) -> u64 {
    u64::from(night.0.unsigned_abs())
}

/// What agencies sell.
const KIND: RoomType = RoomType(0);

impl Nights {
    /// When a guest wants to come, for how long, in what, by which plan.
    fn dates(&self, now: Time, tries: u32, words: Words<'_>) -> StayRequest {
        let (settings, terms) = (&self.settings, &self.settings.terms);
        let (least, most) = settings.nights;
        let nights = least + below(words(chosen::NIGHTS), u64::from(most - least) + 1) as u32;
        let again = u64::from(tries) << 8;
        let day = below(words(chosen::ARRIVAL | again), u64::from(settings.horizon));
        let kind = below(words(chosen::KIND | again), u64::from(terms.types));
        let saves = chance_ppm(words(chosen::PLAN), terms.saver_ppm);
        StayRequest {
            arrival: Night((settings.first_night(now) + day) as i32),
            nights: nights as u16,
            kind: RoomType(kind as u16),
            rooms: party(settings, words),
            plan: Plan(if saves { terms::SAVER } else { terms::FLEXIBLE }),
            channel: None,
        }
    }

    /// Looks at the house for whoever searches, if what was seen is too old.
    fn look(&mut self, now: Time) {
        let Nights { settings, view, hotel, .. } = self;
        let nights = settings.horizon as usize + settings.nights.1 as usize;
        let first = settings.first_night(now) as i32;
        if !settings.view_ttl.is_zero() {
            let free = |kind, night| hotel.desk().free(HotelUnit::Night(kind, night));
            view.refresh(now, settings.view_ttl, (first, nights, settings.terms.types), free);
        }
    }

    /// The cheapest stay of that length, from the wanted day on and round, on the first day that has one.
    fn found(&self, now: Time, wanted: StayRequest) -> Option<(Night, RoomType)> {
        let (first, horizon) = (self.settings.first_night(now), u64::from(self.settings.horizon));
        let from = u64::from(wanted.arrival.0.unsigned_abs()).saturating_sub(first);
        let is_fresh = self.settings.view_ttl.is_zero();
        let shown = |unit| match unit {
            HotelUnit::Night(kind, night) if !is_fresh => self.view.free(kind, night),
            unit => self.hotel.desk().free(unit),
        };
        let mut days = (0..horizon).map(|step| Night((first + (from + step) % horizon) as i32));
        days.find_map(|arrival| {
            let offers = self.hotel.search_by(&shown, arrival, wanted.nights);
            let fits =
                offers.into_iter().find(|offer| offer.plan == wanted.plan && offer.rooms >= wanted.rooms);
            fits.map(|offer| (arrival, offer.kind))
        })
    }

    /// Who leaves leaves, who comes comes, and the day is closed.
    fn close(&mut self, now: Time, word: Words<'_>, out: &mut Vec<Output>) -> Option<String> {
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
        self.hotel.audit(today).err().map(|violation| violation.to_string())
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
        let allotment = (settings.allotment > 0).then_some(settings.allotment).into_iter().collect();
        let house = House::new(HouseConfig {
            channels: vec![ChannelConfig { allotment }; settings.channels as usize],
            ..terms::house(settings)
        });
        let house = house.expect("the plan's settings were checked");
        let hotel = Hotel::open(store, house, Calendar::utc(), settings.config);
        let hotel = hotel.expect("the plan's settings were checked, and the store is this desk's own");
        let inside = hotel.desk().bookings().filter_map(guest).collect();
        Nights {
            hotel,
            inside,
            settings: settings.clone(),
            view: View::default(),
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
        let mut request = self.dates(now, tries, words);
        if self.settings.terms.searches {
            self.look(now);
            (request.arrival, request.kind) = self.found(now, request).ok_or(Refusal::NotFree)?;
        }
        self.hotel.ask(id, who, request)
    }

    fn dream(&self, now: Time, id: BookingId, who: CustomerId, tries: u32, words: Words<'_>) -> Wish<House> {
        self.hotel.ask(id, who, self.dates(now, tries, words))
    }

    fn fee_minor(&self, now: Time, booking: &Kept<House>) -> i64 {
        let stay = &booking.detail;
        let plans = &self.hotel.desk().goods().config().plans;
        let (Some(plan), Some(today)) = (plans.get(usize::from(stay.plan.0)), self.settings.today(now))
        else {
            return 0; // where no day ends it is never too late
        };
        match self.settings.terms.is_late(plan, today, stay.arrival.0) {
            true => plan.fee_minor(&stay.nightly_minor, booking.price_minor),
            false => 0,
        }
    }

    fn ruled(&self, booking: &Kept<House>) -> Vec<(u64, u32, u32)> {
        let Some(limit) = self.settings.terms.house_limit else { return Vec::new() };
        let nights = (0..booking.detail.nights).map(|number| booking.detail.arrival.plus(number));
        nights.map(|night| (WHOLE_HOUSE | of_night(night), booking.quantity, limit)).collect()
    }

    fn word_of(unit: HotelUnit) -> u64 {
        match unit {
            HotelUnit::Night(kind, night) => of_type(kind) | of_night(night),
            HotelUnit::Allotment(channel, kind, night) => {
                ALLOTTED | u64::from(channel.0) << 48 | of_type(kind) | of_night(night)
            }
            HotelUnit::Room(room) => NUMBERED | of_type(room.kind) | u64::from(room.number),
        }
    }

    fn name_of(word: u64) -> String {
        let (kind, low) = (word >> 32 & 0xffff, word & 0xffff_ffff);
        if word & ALLOTTED != 0 {
            return format!("night {low} in room type {kind} of channel {}", word >> 48 & 0x1fff);
        }
        match (word & NUMBERED != 0, word & WHOLE_HOUSE != 0) {
            (true, _) => format!("room {low} of type {kind}"),
            (_, true) => format!("night {low} of the whole house"),
            _ => format!("night {low} in room type {kind}"),
        }
    }

    fn is_sold_out(&self) -> bool {
        let nights = u64::from(self.settings.horizon);
        let house = self.hotel.desk().goods();
        self.settings.day.is_none()
            && self.hotel.desk().totals().sold
                >= nights * u64::from(house.accepted(KIND)) * u64::from(self.settings.terms.types)
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

    fn turn(&mut self, now: Time, word: Words<'_>, out: &mut Vec<Output>) -> Option<String> {
        let mut broken = None;
        while self.deadline().is_some_and(|due| due <= now) {
            broken = broken.or(self.close(now, word, out));
        }
        broken
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
        let rooms = u64::from(self.settings.rooms) * u64::from(self.settings.terms.types);
        let room_nights = self.days * rooms;
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
