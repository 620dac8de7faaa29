//! The house in operation: offers, stays, arrivals and departures, walks, the close of the day. Every decision about
//! what is taken is the desk's.

use super::calendar::{Calendar, Night};
use super::figures::NightFigures;
use super::free_rooms::FreeRooms;
use super::house::{Channel, HotelUnit, House, Plan, Room, RoomType, Stay};
use crate::booking::{
    Answer, Ask, Booking, BookingId, Clocks, Command, CustomerId, Desk, DeskConfig, OpenError, Output,
    Pending, Phase, Refusal, Rejected, Token,
};
use crate::store::Store;
use crate::time::Time;
use std::collections::BTreeMap;

/// What a guest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StayRequest {
    /// The first night.
    pub arrival: Night,
    /// How many.
    pub nights: u16,
    /// In which room type.
    pub kind: RoomType,
    /// How many rooms.
    pub rooms: u32,
    /// By which plan.
    pub plan: Plan,
    /// Through which channel; `None`: the house itself.
    pub channel: Option<Channel>,
}

/// What a house offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// In this room type.
    pub kind: RoomType,
    /// By this plan.
    pub plan: Plan,
    /// So many rooms are free in every night of the stay.
    pub rooms: u32,
    /// One of them costs that, taxes included.
    pub total_minor: i64,
}

/// What comes of a guest at the counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Their rooms, as many as were booked.
    Rooms(Vec<Room>),
    /// There is none; one was found elsewhere, and the house pays for that.
    Walked {
        /// What the guest is given.
        compensation_minor: i64,
    },
    /// There is none anywhere; everything that was paid goes back.
    TurnedAway,
}

/// What has come of guests so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Came with a confirmation.
    pub arrived: u64,
    /// Were given a room.
    pub housed: u64,
    /// Of these, one of another type than was booked.
    pub moved_up: u64,
    /// Were walked.
    pub walked: u64,
    /// Were turned away.
    pub turned_away: u64,
    /// Did not come.
    pub no_shows: u64,
    /// Given to guests who were walked, in minor units.
    pub compensation_minor: i64,
    /// Sold by a channel that did not know that it was gone.
    pub channel_oversells: u64,
}

/// What a broken variant does wrong.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// Forgets who it has walked.
    ForgetsTheWalked,
    /// Puts a second party into a room rather than walk it.
    DoublesUp,
}

/// A hotel over a store. Stays are booked and changed through it, so that it knows who comes when; whatever is not about
/// stays may go to its [`desk`](Hotel::desk_mut).
pub struct Hotel<S> {
    desk: Desk<House, S>,
    calendar: Calendar,
    /// Bookings by their day of arrival, as they came; some may have moved since, some be there twice.
    by_arrival: BTreeMap<Night, Vec<BookingId>>,
    /// Once somebody has arrived.
    free_rooms: Option<FreeRooms>,
    counts: Arrivals,
    walked_tonight: (Night, u32),
    #[cfg(test)]
    pub(super) sabotage: Option<Sabotage>,
}

impl<S: Store> Hotel<S> {
    /// A hotel over what a store holds.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        store: S,
        house: House,
        calendar: Calendar,
        config: DeskConfig,
    ) -> Result<Hotel<S>, OpenError> {
        let desk = Desk::open(store, house, config)?;
        let mut by_arrival: BTreeMap<Night, Vec<BookingId>> = BTreeMap::new();
        for booking in desk.bookings() {
            by_arrival.entry(booking.detail.arrival).or_default().push(booking.id);
        }
        let totals = desk.totals();
        let housed = totals.of(Phase::Arrived) + totals.of(Phase::Departed);
        let (walked, turned_away) = (totals.of(Phase::Walked), totals.of(Phase::TurnedAway));
        let counts = Arrivals {
            arrived: housed + walked + turned_away,
            housed,
            walked,
            turned_away,
            no_shows: totals.of(Phase::NoShow),
            compensation_minor: desk.goods().config().compensation_minor.saturating_mul(walked as i64),
            ..Arrivals::default()
        };
        Ok(Hotel {
            desk,
            calendar,
            by_arrival,
            free_rooms: None,
            counts,
            walked_tonight: (Night(i32::MIN), 0),
            #[cfg(test)]
            sabotage: None,
        })
    }

    /// What is free now, of every type and plan, cheapest first. Looks at the newest state; what others show of it may
    /// be older.
    pub fn search(&self, arrival: Night, nights: u16) -> Vec<Offer> {
        self.search_by(&|unit| self.desk.free(unit), arrival, nights)
    }

    /// The same by what somebody was shown, which may be older: `free` says how much of a unit is free.
    pub fn search_by(&self, free: &dyn Fn(HotelUnit) -> u32, arrival: Night, nights: u16) -> Vec<Offer> {
        let house = self.desk.goods();
        let mut offers = Vec::new();
        for kind in (0..house.config().kinds.len()).map(|place| RoomType(place as u16)) {
            let rooms = (0..nights.min(house.config().max_nights))
                .map(|number| HotelUnit::Night(kind, arrival.plus(number)))
                .map(free)
                .min()
                .unwrap_or(0);
            for (plan, number) in house.config().plans.iter().zip(0..) {
                if let Some(quote) = plan.quote(usize::from(kind.0), arrival, nights, 1).filter(|_| rooms > 0)
                {
                    offers.push(Offer { kind, plan: Plan(number), rooms, total_minor: quote.total_minor });
                }
            }
        }
        offers.sort_by_key(|offer| (offer.total_minor, offer.kind, offer.plan));
        offers
    }

    /// What a channel may sell of a night now: what is free, or what is left of its allotment.
    pub fn left_for(&self, channel: Channel, kind: RoomType, night: Night) -> u32 {
        let stay = Stay {
            arrival: night,
            nights: 1,
            kind,
            plan: Plan(0),
            channel: Some(channel),
            nightly_minor: Vec::new(),
        };
        let units = self.desk.goods().units(&stay);
        units.into_iter().map(|unit| self.desk.free(unit)).min().unwrap_or(0)
    }

    /// What a guest's wish is for the desk: its units, its price.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if the house has no such room type or plan, or does not sell so many nights.
    pub fn ask(
        &self,
        id: BookingId,
        guest: CustomerId,
        request: StayRequest,
    ) -> Result<Ask<HotelUnit, Stay>, Refusal> {
        let house = self.desk.goods();
        let plan = house.config().plans.get(usize::from(request.plan.0)).ok_or(Refusal::Malformed)?;
        if request.nights > house.config().max_nights {
            return Err(Refusal::Malformed);
        }
        let quote = plan
            .quote(usize::from(request.kind.0), request.arrival, request.nights, request.rooms)
            .ok_or(Refusal::Malformed)?;
        let stay = Stay {
            arrival: request.arrival,
            nights: request.nights,
            kind: request.kind,
            plan: request.plan,
            channel: request.channel,
            nightly_minor: quote.nightly_minor,
        };
        Ok(Ask {
            id,
            customer: guest,
            scope: 0,
            units: house.units(&stay),
            quantity: request.rooms,
            price_minor: quote.total_minor,
            deposit_minor: quote.deposit_minor,
            detail: stay,
        })
    }

    /// Holds a stay.
    ///
    /// # Errors
    /// [`Rejected`]; then nothing is held.
    pub fn hold(
        &mut self,
        clocks: Clocks,
        id: BookingId,
        guest: CustomerId,
        request: StayRequest,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Rejected> {
        let ask = self.ask(id, guest, request)?;
        self.handle(clocks, Command::Hold(ask), out)
    }

    /// Takes in what a channel has sold. It was sold whether or not there is room: a refusal is a sale that the channel
    /// has to call off, and is counted.
    ///
    /// # Errors
    /// [`Rejected`].
    pub fn channel_sale(
        &mut self,
        clocks: Clocks,
        id: BookingId,
        guest: CustomerId,
        request: StayRequest,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Rejected> {
        let ask = self.ask(id, guest, request)?;
        let sold = self.handle(clocks, Command::Sell(ask), out);
        if matches!(sold, Err(Rejected::Refused(Refusal::NotFree | Refusal::HouseFull | Refusal::Closed))) {
            self.counts.channel_oversells += 1;
        }
        sold
    }

    /// Decides any command, and commits nothing yet: [`commit`](Hotel::commit) it, or roll it back at the
    /// [`desk`](Hotel::desk_mut).
    ///
    /// # Errors
    /// [`Rejected`]; then nothing is open.
    pub fn begin(
        &mut self,
        clocks: Clocks,
        command: Command<HotelUnit, Stay>,
    ) -> Result<Pending<House>, Rejected> {
        let indexed = match &command {
            Command::Hold(ask) | Command::Sell(ask) | Command::Wait(ask) => {
                Some((ask.id, ask.detail.arrival))
            }
            Command::Change { booking, ask, .. } => Some((*booking, ask.detail.arrival)),
            _ => None,
        };
        let pending = self.desk.begin(clocks, command)?;
        // It may not commit: whoever looks there looks at the booking itself as well.
        if let Some((id, arrival)) = indexed {
            let is_known = self.desk.booking(id).is_some_and(|booking| booking.detail.arrival == arrival);
            if !is_known {
                self.by_arrival.entry(arrival).or_default().push(id);
            }
        }
        Ok(pending)
    }

    /// Commits what was decided.
    ///
    /// # Errors
    /// [`Rejected`]; then nothing has changed.
    pub fn commit(
        &mut self,
        now: Time,
        pending: Pending<House>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Rejected> {
        self.desk.commit(now, pending, out)
    }

    /// Any command to the desk.
    ///
    /// # Errors
    /// [`Rejected`]; then nothing has changed.
    pub fn handle(
        &mut self,
        clocks: Clocks,
        command: Command<HotelUnit, Stay>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Rejected> {
        let pending = self.begin(clocks, command)?;
        self.commit(clocks.store, pending, out)
    }

    /// Calls a confirmed stay off: free until its plan's deadline, by the store's clock and the house's calendar; then
    /// a fee is kept.
    ///
    /// # Errors
    /// [`Rejected`]; then it stands.
    pub fn cancel(
        &mut self,
        clocks: Clocks,
        id: BookingId,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Rejected> {
        let booking = self.known(id)?;
        let is_free = clocks.store < self.free_until(booking);
        let fee_minor = if is_free { 0 } else { self.fee_minor(booking) };
        self.desk.handle(clocks, Command::Cancel { booking: id, fee_minor }, out)
    }

    /// Until when a stay can be called off for nothing.
    pub fn free_until(&self, booking: &Booking<HotelUnit, Stay>) -> Time {
        let plan = self.desk.goods().config().plans.get(usize::from(booking.detail.plan.0));
        let rule = plan.map(|plan| plan.cancellation).unwrap_or_default();
        let day = Night(booking.detail.arrival.0.saturating_sub(i32::from(rule.free_days_before)));
        self.calendar.at(day, rule.free_until_minute)
    }

    fn fee_minor(&self, booking: &Booking<HotelUnit, Stay>) -> i64 {
        let plan = self.desk.goods().config().plans.get(usize::from(booking.detail.plan.0));
        plan.map_or(0, |plan| plan.fee_minor(&booking.detail.nightly_minor, booking.price_minor))
    }

    /// Other nights, another room type: all of it or nothing.
    ///
    /// # Errors
    /// [`Rejected`]; then it stays as it is.
    pub fn change(
        &mut self,
        clocks: Clocks,
        id: BookingId,
        token: Token,
        request: StayRequest,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Rejected> {
        let customer = self.known(id)?.customer;
        let ask = self.ask(id, customer, request)?;
        self.handle(clocks, Command::Change { booking: id, token, ask }, out)
    }

    /// A party with a confirmation is at the counter: all of it is given rooms, or none. `today` is the house's business
    /// date, which [`close_day`](Hotel::close_day) moves on, and not the clock.
    ///
    /// # Errors
    /// [`Rejected`]; then nothing has changed: they come on another day, or were here already.
    pub fn arrive(
        &mut self,
        clocks: Clocks,
        today: Night,
        id: BookingId,
        out: &mut Vec<Output>,
    ) -> Result<Arrival, Rejected> {
        let booking = self.known(id)?;
        if booking.phase != Phase::Confirmed {
            return Err(Refusal::Phase(booking.phase).into());
        }
        if today < booking.detail.arrival || today >= booking.detail.departure() {
            return Err(Refusal::Closed.into());
        }
        let (booked, wanted) = (booking.detail.kind, booking.quantity as usize);
        let rooms = self.free_rooms(booked, wanted);
        #[cfg(test)]
        let doubles_up = self.sabotage == Some(Sabotage::DoublesUp);
        #[cfg(not(test))]
        let doubles_up = false;
        if rooms.len() == wanted || doubles_up {
            let units = rooms.iter().map(|room| HotelUnit::Room(*room)).collect();
            self.settle(clocks, id, Phase::Arrived, None, units, out)?;
            self.counts.arrived += 1;
            self.counts.housed += 1;
            self.counts.moved_up += u64::from(rooms.iter().any(|room| room.kind != booked));
            return Ok(Arrival::Rooms(rooms));
        }
        if self.walked_tonight.0 != today {
            self.walked_tonight = (today, 0);
        }
        let config = self.desk.goods().config();
        let (compensation_minor, can_walk) =
            (config.compensation_minor, self.walked_tonight.1 < config.partner_rooms);
        let phase = if can_walk { Phase::Walked } else { Phase::TurnedAway };
        self.settle(clocks, id, phase, Some(0), Vec::new(), out)?;
        #[cfg(test)]
        if self.sabotage == Some(Sabotage::ForgetsTheWalked) {
            return Ok(Arrival::Walked { compensation_minor });
        }
        self.counts.arrived += 1;
        if can_walk {
            self.walked_tonight.1 += 1;
            self.counts.walked += 1;
            self.counts.compensation_minor =
                self.counts.compensation_minor.saturating_add(compensation_minor);
            return Ok(Arrival::Walked { compensation_minor });
        }
        self.counts.turned_away += 1;
        Ok(Arrival::TurnedAway)
    }

    fn free_rooms(&mut self, booked: RoomType, wanted: usize) -> Vec<Room> {
        let Hotel { desk, free_rooms, .. } = self;
        let free_rooms = free_rooms.get_or_insert_with(|| FreeRooms::found(desk));
        free_rooms.follow(desk);
        let house = desk.goods();
        let others = (0..house.config().kinds.len()).map(|place| RoomType(place as u16));
        let others = others.filter(|kind| house.config().upgrades && *kind != booked);
        std::iter::once(booked).chain(others).flat_map(|kind| free_rooms.of(kind)).take(wanted).collect()
    }

    /// A party leaves. Their rooms have to be cleaned before somebody else is given them.
    ///
    /// # Errors
    /// [`Rejected`]; then they are still there.
    pub fn depart(&mut self, clocks: Clocks, id: BookingId, out: &mut Vec<Output>) -> Result<(), Rejected> {
        let rooms = self.rooms_of(id);
        let units: Vec<HotelUnit> = rooms.iter().map(|room| HotelUnit::Room(*room)).collect();
        self.settle(clocks, id, Phase::Departed, None, units.clone(), out)?;
        for unit in units {
            self.desk.handle(clocks, Command::Block { unit, count: 1 }, out)?;
        }
        Ok(())
    }

    /// A room has been cleaned or repaired, or is out of order from now on.
    ///
    /// # Errors
    /// [`Rejected`]; then it stays as it is.
    pub fn set_usable(
        &mut self,
        clocks: Clocks,
        room: Room,
        is_usable: bool,
        out: &mut Vec<Output>,
    ) -> Result<(), Rejected> {
        let command = Command::Block { unit: HotelUnit::Room(room), count: u32::from(!is_usable) };
        self.desk.handle(clocks, command, out).map(drop)
    }

    /// A party is given another room in place of one of theirs.
    ///
    /// # Errors
    /// [`Rejected`]; then they keep theirs.
    pub fn move_to(
        &mut self,
        clocks: Clocks,
        id: BookingId,
        from: Room,
        to: Room,
        out: &mut Vec<Output>,
    ) -> Result<(), Rejected> {
        let (from, to) = (HotelUnit::Room(from), HotelUnit::Room(to));
        self.desk.handle(clocks, Command::Swap { booking: id, from, to }, out).map(drop)
    }

    /// Closes a day: whoever should have come and did not is a no-show, and what their plan says is kept.
    ///
    /// # Errors
    /// [`Rejected`]; then the rest of them is still expected. Call it again.
    pub fn close_day(
        &mut self,
        clocks: Clocks,
        night: Night,
        out: &mut Vec<Output>,
    ) -> Result<NightFigures, Rejected> {
        for id in self.expected(night) {
            let booking = self.known(id)?;
            let fee_minor = self.fee_minor(booking);
            self.settle(clocks, id, Phase::NoShow, Some(fee_minor), Vec::new(), out)?;
            self.counts.no_shows += 1;
        }
        Ok(self.figures(night))
    }

    /// The figures of a night, from its bookings.
    pub fn figures(&self, night: Night) -> NightFigures {
        NightFigures::of(self.rooms(), night, self.near(night))
    }

    /// Rooms there are, of all types.
    pub(super) fn rooms(&self) -> u64 {
        let kinds = &self.desk.goods().config().kinds;
        kinds.iter().fold(0u64, |sum, kind| sum + u64::from(kind.rooms))
    }

    /// All bookings that may be for a night: no stay is longer than the house allows.
    pub(super) fn near(&self, night: Night) -> impl Iterator<Item = &Booking<HotelUnit, Stay>> {
        let longest = i32::from(self.desk.goods().config().max_nights);
        let first = Night(night.0.saturating_sub(longest));
        self.by_arrival.range(first..=night).flat_map(|(arrival, _)| self.arriving(*arrival))
    }

    /// Who has a confirmation and should come on a day, and has not come yet, in the order of their keys.
    pub fn expected(&self, night: Night) -> Vec<BookingId> {
        let expected = self.arriving(night).into_iter().filter(|booking| booking.phase == Phase::Confirmed);
        expected.map(|booking| booking.id).collect()
    }

    /// All bookings for a day of arrival, each once, in the order of their keys.
    fn arriving(&self, night: Night) -> Vec<&Booking<HotelUnit, Stay>> {
        let ids = self.by_arrival.get(&night).into_iter().flatten();
        let bookings = ids.filter_map(|id| self.desk.booking(*id));
        let mut bookings: Vec<_> = bookings.filter(|booking| booking.detail.arrival == night).collect();
        bookings.sort_unstable_by_key(|booking| booking.id);
        bookings.dedup_by_key(|booking| booking.id);
        bookings
    }

    fn settle(
        &mut self,
        clocks: Clocks,
        booking: BookingId,
        phase: Phase,
        kept_minor: Option<i64>,
        units: Vec<HotelUnit>,
        out: &mut Vec<Output>,
    ) -> Result<(), Rejected> {
        self.desk.handle(clocks, Command::Settle { booking, phase, kept_minor, units }, out).map(drop)
    }

    fn known(&self, id: BookingId) -> Result<&Booking<HotelUnit, Stay>, Refusal> {
        self.desk.booking(id).ok_or(Refusal::Unknown)
    }

    /// The rooms a party is in.
    pub fn rooms_of(&self, id: BookingId) -> Vec<Room> {
        let units = self.desk.booking(id).into_iter().flat_map(|booking| &booking.units);
        units
            .filter_map(|taken| match taken.unit {
                HotelUnit::Room(room) => Some(room),
                HotelUnit::Night(..) | HotelUnit::Allotment(..) => None,
            })
            .collect()
    }

    /// What has come of guests so far.
    pub const fn arrivals(&self) -> &Arrivals {
        &self.counts
    }

    /// The calendar of the house.
    pub const fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The desk.
    pub const fn desk(&self) -> &Desk<House, S> {
        &self.desk
    }

    /// The desk, for whatever is not about stays: payments, the line, what is due.
    pub const fn desk_mut(&mut self) -> &mut Desk<House, S> {
        &mut self.desk
    }

    /// Gives the store back.
    pub fn into_store(self) -> S {
        self.desk.into_store()
    }
}
