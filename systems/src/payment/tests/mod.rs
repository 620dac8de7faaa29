//! Payments against a world with providers that lose answers, tell things twice and late; the invariants are asked
//! after every step.

mod broken; // processors with one defect each, and what finds it
mod crashes; // a crash at each step
mod keeping; // how long payments are kept, and what becomes of their transfers
mod keys; // idempotency
mod laws; // random stories
mod small; // money, card numbers, addresses, signatures, books
mod stories; // captures, refunds, failover, late charges, chargebacks, reconciliation
mod table; // the transition table, pair by pair
mod workflows; // sagas
mod world; // providers, and whoever drives them

use super::*;
use crate::store::MemoryStore;
use crate::time::{Span, Time};
use world::config;

const FIRST: ProviderId = ProviderId(1);
const SECOND: ProviderId = ProviderId(2);

const fn card() -> Instrument {
    Instrument::Token(7)
}

fn rupees(minor: i64) -> Money {
    Money::new(minor, Currency::INR)
}
