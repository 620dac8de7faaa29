//! A box office: shows, seats by wish or the best there are, a waiting room in front, the map as it is shown. Every
//! decision about what is taken is the desk's.

use super::seat_map::{Seat, ShowId, ShowSeat, Theatre};
use super::view::SeatView;
use super::waiting_room::{Admitted, Place, TurnedAway, WaitingRoom, WaitingRoomConfig};
use crate::booking::{
    Answer, Ask, BookingId, Clocks, Command, CustomerId, Desk, DeskConfig, Followed, OpenError, Output,
    Pending, Refusal, Rejected, Token,
};
use crate::store::Store;
use crate::time::{Span, Time};
use std::collections::BTreeMap;

/// How a box office sells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BoxOfficeConfig {
    /// How its desk sells.
    pub desk: DeskConfig,
    /// The room in front of it, if there is one.
    pub waiting_room: Option<WaitingRoomConfig>,
    /// How old a seat map may be that is shown; nothing: it is always new.
    pub seat_view_ttl: Span,
    /// Tickets are taken back until so long before the show.
    pub refundable_before: Span,
    /// What is kept of the price of tickets that are taken back, in parts per million.
    pub return_fee_ppm: u32,
}

/// What happened at a box office beside bookings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Refused because they came past the waiting room.
    pub without_pass: u64,
    /// Wanted seats that the map they were shown had as free, and which were not.
    pub stale_offers: u64,
}

/// A map as it is shown, and how far it follows the desk.
struct Shown {
    view: SeatView,
    followed: Followed,
}

/// Sells tickets over a store.
pub struct BoxOffice<S> {
    desk: Desk<Theatre, S>,
    config: BoxOfficeConfig,
    room: Option<WaitingRoom>,
    views: BTreeMap<ShowId, Shown>,
    counts: Counts,
}

impl<S: Store> BoxOffice<S> {
    /// A box office over what a store holds. Who waited in its room has to come again.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(store: S, theatre: Theatre, config: BoxOfficeConfig) -> Result<BoxOffice<S>, OpenError> {
        let desk = Desk::open(store, theatre, config.desk)?;
        let room = config.waiting_room.map(WaitingRoom::new);
        Ok(BoxOffice { desk, config, room, views: BTreeMap::new(), counts: Counts::default() })
    }

    /// Somebody comes to the waiting room, or looks where they stand; without one they are inside at once.
    ///
    /// # Errors
    /// [`TurnedAway`].
    pub fn join(&mut self, now: Time, person: CustomerId, lot: u64) -> Result<Place, TurnedAway> {
        match &mut self.room {
            Some(room) => room.join(now, person, lot),
            None => Ok(Place::Inside { until: Time::MAX }),
        }
    }

    /// The waiting room.
    pub const fn room(&self) -> Option<&WaitingRoom> {
        self.room.as_ref()
    }

    /// The map that people are shown: made anew when it is older than it may be.
    pub fn view(&mut self, now: Time, show: ShowId) -> Option<&SeatView> {
        let ttl = self.config.seat_view_ttl;
        if self.views.get(&show).is_none_or(|shown| shown.view.is_stale(now, ttl)) {
            self.look_again(now, show)?;
        }
        self.views.get(&show).map(|shown| &shown.view)
    }

    /// Follows what was written since, or looks at every seat.
    fn look_again(&mut self, now: Time, show: ShowId) -> Option<()> {
        let followed = self.desk.followed();
        if let Some(shown) = self.views.get_mut(&show)
            && let Some(written) = self.desk.written_since(shown.followed)
        {
            for unit in written.filter(|unit| unit.show == show) {
                shown.view.set(unit.seat, self.desk.free(unit) > 0);
            }
            (shown.view.as_of, shown.followed) = (now, followed);
            return Some(());
        }
        let view = self.newest_view(now, show)?;
        self.views.insert(show, Shown { view, followed });
        Some(())
    }

    /// The map as it is.
    pub fn newest_view(&self, now: Time, show: ShowId) -> Option<SeatView> {
        let map = &self.desk.goods().show(show)?.map;
        Some(SeatView::new(show, now, map.all().filter(|seat| self.is_free(show, *seat))))
    }

    fn is_free(&self, show: ShowId, seat: Seat) -> bool {
        self.desk.free(ShowSeat { show, seat }) > 0
    }

    /// What a wish for seats is for the desk.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] if there is no such show, [`Refusal::Malformed`] if there is no such seat.
    pub fn ask(
        &self,
        id: BookingId,
        customer: CustomerId,
        show: ShowId,
        seats: &[Seat],
    ) -> Result<Ask<ShowSeat, ShowId>, Refusal> {
        let map = &self.desk.goods().show(show).ok_or(Refusal::Unknown)?.map;
        let mut price_minor = 0i64;
        for seat in seats {
            let seat_minor = map.price_minor(*seat).ok_or(Refusal::Malformed)?;
            price_minor = price_minor.saturating_add(seat_minor);
        }
        Ok(Ask {
            id,
            customer,
            scope: show.0,
            units: seats.iter().map(|seat| ShowSeat { show, seat: *seat }).collect(),
            quantity: 1,
            price_minor,
            deposit_minor: price_minor,
            detail: show,
        })
    }

    /// A wish for the best seats beside each other that are free.
    ///
    /// # Errors
    /// [`Refusal::NotFree`] if there are not so many beside each other: ask for fewer, or for some by name.
    pub fn ask_best(
        &self,
        id: BookingId,
        customer: CustomerId,
        show: ShowId,
        count: u16,
        section: Option<u16>,
    ) -> Result<Ask<ShowSeat, ShowId>, Refusal> {
        let found = self.desk.goods().show(show).ok_or(Refusal::Unknown)?;
        let mut is_free = |seat| self.is_free(show, seat);
        let seats = found.map.best(count, section, !found.allows_gaps, &mut is_free);
        self.ask(id, customer, show, &seats.ok_or(Refusal::NotFree)?)
    }

    /// Decides a command, and commits nothing yet: [`commit`](BoxOffice::commit) it, or roll it back at the
    /// [`desk`](BoxOffice::desk_mut).
    ///
    /// # Errors
    /// [`Rejected`]; [`Refusal::Closed`] for whoever has not been let in, or comes when the show has begun.
    pub fn begin(
        &mut self,
        clocks: Clocks,
        command: Command<ShowSeat, ShowId>,
    ) -> Result<Pending<Theatre>, Rejected> {
        let wanted = match &command {
            Command::Hold(ask) | Command::Sell(ask) | Command::Wait(ask) | Command::Change { ask, .. } => {
                Some((ask.customer, ask.detail, self.were_shown_free(ask)))
            }
            _ => None,
        };
        let at_the_counter = matches!(command, Command::Sell(_));
        if let Some((customer, show, _)) = &wanted {
            let has_begun = self.desk.goods().show(*show).is_some_and(|show| clocks.store >= show.starts_at);
            let is_outside = self.room.as_ref().is_some_and(|room| !room.is_inside(clocks.store, *customer));
            let is_past_the_room = is_outside && !at_the_counter;
            self.counts.without_pass += u64::from(is_past_the_room);
            if has_begun || is_past_the_room {
                return Err(Refusal::Closed.into());
            }
        }
        let begun = self.desk.begin(clocks, command);
        if let (Err(Rejected::Refused(Refusal::NotFree)), Some((_, _, were_shown_free))) = (&begun, wanted) {
            self.counts.stale_offers += u64::from(were_shown_free);
        }
        begun
    }

    /// Whether the map that people are shown has all of these as free.
    fn were_shown_free(&self, ask: &Ask<ShowSeat, ShowId>) -> bool {
        let shown = self.views.get(&ask.detail);
        shown.is_some_and(|shown| ask.units.iter().all(|unit| shown.view.is_free(unit.seat)))
    }

    /// Commits what was decided.
    ///
    /// # Errors
    /// [`Rejected`]; then nothing has changed.
    pub fn commit(
        &mut self,
        now: Time,
        pending: Pending<Theatre>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Rejected> {
        self.desk.commit(now, pending, out)
    }

    /// Decides a command and commits it.
    ///
    /// # Errors
    /// [`Rejected`]; then nothing has changed.
    pub fn handle(
        &mut self,
        clocks: Clocks,
        command: Command<ShowSeat, ShowId>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Rejected> {
        let pending = self.begin(clocks, command)?;
        self.commit(clocks.store, pending, out)
    }

    /// Takes confirmed tickets back, all of them: for what they cost less the fee, until shortly before the show.
    ///
    /// # Errors
    /// [`Rejected`]; then they stay valid.
    pub fn take_back(
        &mut self,
        clocks: Clocks,
        id: BookingId,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Rejected> {
        let (kept_minor, fee_minor) = self.return_fee(clocks.store, id)?;
        let fee_minor = fee_minor.min(kept_minor);
        self.desk.handle(clocks, Command::Cancel { booking: id, fee_minor }, out)
    }

    /// Takes some of the seats of confirmed tickets back.
    ///
    /// # Errors
    /// [`Rejected`]; then they stay valid.
    pub fn take_seats_back(
        &mut self,
        clocks: Clocks,
        id: BookingId,
        seats: &[Seat],
        out: &mut Vec<Output>,
    ) -> Result<Answer, Rejected> {
        self.return_fee(clocks.store, id)?;
        let show = self.desk.booking(id).ok_or(Refusal::Unknown)?.detail;
        let less_minor = self.ask(id, CustomerId(0), show, seats)?.price_minor;
        let less_minor = less_minor.saturating_sub(self.fee_of(less_minor));
        let units = seats.iter().map(|seat| ShowSeat { show, seat: *seat }).collect();
        self.desk.handle(clocks, Command::Shrink { booking: id, units, less_minor }, out)
    }

    /// Other seats in place of those of a booking, all of them or none.
    ///
    /// # Errors
    /// [`Rejected`]; then it stays as it is.
    pub fn exchange(
        &mut self,
        clocks: Clocks,
        id: BookingId,
        token: Token,
        seats: &[Seat],
        out: &mut Vec<Output>,
    ) -> Result<Answer, Rejected> {
        let booking = self.desk.booking(id).ok_or(Refusal::Unknown)?;
        let ask = self.ask(id, booking.customer, booking.detail, seats)?;
        self.desk.handle(clocks, Command::Change { booking: id, token, ask }, out)
    }

    fn return_fee(&self, now: Time, id: BookingId) -> Result<(i64, i64), Refusal> {
        let booking = self.desk.booking(id).ok_or(Refusal::Unknown)?;
        let show = self.desk.goods().show(booking.detail).ok_or(Refusal::Unknown)?;
        if now + self.config.refundable_before >= show.starts_at {
            return Err(Refusal::Closed);
        }
        Ok((booking.kept_minor, self.fee_of(booking.price_minor)))
    }

    fn fee_of(&self, minor: i64) -> i64 {
        let wide = i128::from(minor) * i128::from(self.config.return_fee_ppm.min(1_000_000)) / 1_000_000;
        i64::try_from(wide).unwrap_or(minor)
    }

    /// When [`expire`](BoxOffice::expire) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        let room = self.room.as_ref().and_then(WaitingRoom::deadline);
        room.into_iter().chain(self.desk.deadline()).min()
    }

    /// Does what is due, at the desk and in the waiting room.
    ///
    /// # Errors
    /// [`Rejected::Store`]: the rest is still due.
    pub fn expire(
        &mut self,
        now: Time,
        out: &mut Vec<Output>,
        admitted: &mut Vec<Admitted>,
    ) -> Result<(), Rejected> {
        if let Some(room) = &mut self.room {
            room.expire(now, admitted);
        }
        self.desk.expire(now, out)
    }

    /// What happened beside bookings.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How it sells.
    pub const fn config(&self) -> &BoxOfficeConfig {
        &self.config
    }

    /// The desk.
    pub const fn desk(&self) -> &Desk<Theatre, S> {
        &self.desk
    }

    /// The desk, for whatever needs no pass: payments, releases.
    pub const fn desk_mut(&mut self) -> &mut Desk<Theatre, S> {
        &mut self.desk
    }

    /// Gives the store back.
    pub fn into_store(self) -> S {
        self.desk.into_store()
    }
}
