//! Stories and laws of a box office.

mod laws;
mod rush;
mod stories;

use super::*;
use crate::booking::{
    Answer, BookingId, Clocks, Command, CustomerId, DeskConfig, HoldClock, Isolation, Output, Phase, Refusal,
    Rejected, Token,
};
use crate::store::MemoryStore;
use crate::time::{Span, Time};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) const SHOW: ShowId = ShowId(7);

pub(super) fn show(rows: u16, seats: u16) -> Show {
    let map = SeatMap::even(rows, seats, 900).expect("it has seats");
    Show {
        map: Arc::new(map),
        starts_at: Time::from_nanos(100_000_000_000_000),
        allows_gaps: true,
        blocked: BTreeSet::new(),
    }
}

pub(super) fn office(show: Show, config: BoxOfficeConfig) -> BoxOffice<MemoryStore> {
    let theatre = Theatre::new().with(SHOW, show);
    BoxOffice::open(MemoryStore::new(), theatre, config).expect("its config is in range")
}

pub(super) fn at(seconds: u64) -> Clocks {
    Clocks::agreed(Time::from_nanos(seconds * 1_000_000_000))
}

pub(super) fn seats(row: u16, numbers: &[u16]) -> Vec<Seat> {
    numbers.iter().map(|number| Seat { row, number: *number }).collect()
}

/// Holds seats by name.
pub(super) fn hold(
    office: &mut BoxOffice<MemoryStore>,
    clocks: Clocks,
    id: u64,
    wanted: &[Seat],
) -> Result<Token, Rejected> {
    let ask = office.ask(BookingId(id), CustomerId(id), SHOW, wanted)?;
    match office.handle(clocks, Command::Hold(ask), &mut Vec::new())? {
        Answer::Held { token, .. } => Ok(token),
        other => panic!("{other:?}"),
    }
}

/// Pays, and the payment system says yes at once.
pub(super) fn pay(office: &mut BoxOffice<MemoryStore>, clocks: Clocks, id: u64, token: Token) -> bool {
    let booking = BookingId(id);
    let mut out = Vec::new();
    if office.handle(clocks, Command::Pay { booking, token }, &mut out).is_err() {
        return false;
    }
    for output in out {
        if let Output::Charge { minor, .. } = output {
            let paid = Command::Paid { booking, token, payment: id, minor };
            office.handle(clocks, paid, &mut Vec::new()).expect("it is known");
        }
    }
    true
}
