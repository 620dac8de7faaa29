//! Stories and laws of a house.

mod laws;
mod stories;

use super::front::Sabotage;
use super::*;
use crate::booking::{
    Answer, BookingId, Clocks, Command, CustomerId, DeskConfig, Isolation, Output, Phase, Refusal, Rejected,
    Token,
};
use crate::store::MemoryStore;
use crate::time::{Span, Time};

/// Thursday, the 24th of December 2026.
pub(super) fn first_night() -> Night {
    Night::on(2026, 12, 24).expect("it is a day")
}

pub(super) fn request(kind: u16, offset: u16, nights: u16) -> StayRequest {
    StayRequest {
        arrival: first_night().plus(offset),
        nights,
        kind: RoomType(kind),
        rooms: 1,
        plan: Plan(0),
        channel: None,
    }
}

pub(super) fn house(rooms: [u32; 2], overbooking: Overbooking) -> HouseConfig {
    HouseConfig {
        kinds: rooms.map(|rooms| RoomKind { rooms, overbooking }).to_vec(),
        plans: vec![
            RatePlan { night_minor: vec![10_000, 25_000], ..RatePlan::default() },
            RatePlan {
                night_minor: vec![12_000, 29_000],
                guarantee: Guarantee::None,
                cancellation: Cancellation { fee: Fee::None, ..Cancellation::default() },
                ..RatePlan::default()
            },
        ],
        max_nights: 14,
        compensation_minor: 15_000,
        partner_rooms: 1,
        ..HouseConfig::default()
    }
}

/// A hotel, and a payment system that says yes.
pub(super) struct World {
    pub(super) hotel: Hotel<MemoryStore>,
    pub(super) now: Time,
    pub(super) taken_minor: i64,
    payments: u64,
}

impl World {
    pub(super) fn new(config: HouseConfig, desk: DeskConfig) -> World {
        let house = House::new(config).expect("it is a house");
        let calendar = Calendar::utc();
        let hotel = Hotel::open(MemoryStore::new(), house, calendar, desk).expect("its config is in range");
        let now = hotel.calendar().at(Night(first_night().0 - 10), 12 * 60);
        World { hotel, now, taken_minor: 0, payments: 0 }
    }

    pub(super) fn clocks(&self) -> Clocks {
        Clocks::agreed(self.now)
    }

    pub(super) fn to(&mut self, offset: u16, minute: u16) {
        self.now = self.hotel.calendar().at(first_night().plus(offset), minute);
        let mut out = Vec::new();
        self.hotel.desk_mut().expire(self.now, &mut out).expect("memory does not fail");
        self.carry_out(out);
    }

    pub(super) fn carry_out(&mut self, mut outputs: Vec<Output>) {
        while !outputs.is_empty() {
            for output in std::mem::take(&mut outputs) {
                let word = match output {
                    Output::Charge { booking, token, minor, .. } => {
                        self.taken_minor += minor;
                        self.payments += 1;
                        Command::Paid { booking, token, payment: self.payments, minor }
                    }
                    Output::Void { booking, .. } => Command::NotPaid { booking },
                    Output::Refund { booking, refund, minor } => {
                        self.taken_minor -= minor;
                        Command::Refunded { booking, refund, minor }
                    }
                    Output::Offered { .. } | Output::Settled { .. } => continue,
                };
                let clocks = self.clocks();
                self.hotel.handle(clocks, word, &mut outputs).expect("it is known");
            }
        }
    }

    pub(super) fn hold(&mut self, id: u64, request: StayRequest) -> Result<Token, Rejected> {
        let (clocks, mut out) = (self.clocks(), Vec::new());
        match self.hotel.hold(clocks, BookingId(id), CustomerId(id), request, &mut out)? {
            Answer::Held { token, .. } => Ok(token),
            other => panic!("{other:?}"),
        }
    }

    /// Held, paid and confirmed.
    pub(super) fn book(&mut self, id: u64, request: StayRequest) -> Result<(), Rejected> {
        let token = self.hold(id, request)?;
        let (clocks, mut out) = (self.clocks(), Vec::new());
        self.hotel.handle(clocks, Command::Pay { booking: BookingId(id), token }, &mut out)?;
        self.carry_out(out);
        assert_eq!(self.phase(id), Some(Phase::Confirmed));
        Ok(())
    }

    pub(super) fn arrive(&mut self, id: u64) -> Result<Arrival, Rejected> {
        let (clocks, mut out) = (self.clocks(), Vec::new());
        let today = self.hotel.calendar().day(self.now);
        let arrival = self.hotel.arrive(clocks, today, BookingId(id), &mut out);
        self.carry_out(out);
        arrival
    }

    pub(super) fn depart(&mut self, id: u64) -> Result<(), Rejected> {
        let (clocks, mut out) = (self.clocks(), Vec::new());
        self.hotel.depart(clocks, BookingId(id), &mut out)
    }

    pub(super) fn cancel(&mut self, id: u64) -> Result<Answer, Rejected> {
        let (clocks, mut out) = (self.clocks(), Vec::new());
        let answer = self.hotel.cancel(clocks, BookingId(id), &mut out);
        self.carry_out(out);
        answer
    }

    pub(super) fn close_day(&mut self, offset: u16) -> NightFigures {
        let (clocks, mut out) = (self.clocks(), Vec::new());
        let figures = self.hotel.close_day(clocks, first_night().plus(offset), &mut out);
        self.carry_out(out);
        figures.expect("nothing else is going on")
    }

    pub(super) fn phase(&self, id: u64) -> Option<Phase> {
        self.hotel.desk().booking(BookingId(id)).map(|booking| booking.phase)
    }

    pub(super) fn assert_clean(&self) {
        let desk = self.hotel.desk();
        assert_eq!(desk.violation(), None);
        assert_eq!(desk.audit(), Ok(()));
        let totals = desk.totals();
        assert_eq!(i128::from(self.taken_minor), totals.captured_minor - totals.refunded_minor);
        assert_eq!(totals.captured_minor - totals.refunded_minor, totals.kept_minor + totals.to_refund_minor);
        let counts = self.hotel.arrivals();
        assert_eq!(counts.arrived, counts.housed + counts.walked + counts.turned_away);
        for offset in 0..8 {
            assert_eq!(self.hotel.audit(first_night().plus(offset)), Ok(()));
        }
    }
}
