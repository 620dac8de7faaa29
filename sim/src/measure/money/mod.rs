//! The harness' own books on money: who was really charged, beside what processors and switches write down of it. The
//! simulated world never sees them. Each movement costs a look-up or two; all of it is compared again after crashes and
//! at the end.

mod audit;
mod cards;
#[cfg(test)]
mod tests;
mod upi;

pub use audit::{BookedPayment, MoneyProbe};
pub use cards::{KeyPolicy, MoneyMeasured, Movement, OrderEnd};
pub use upi::{LegDone, UnsettledTxn};

pub(crate) use audit::MoneyEnd;
pub(crate) use cards::OrderPlaced;

use self::cards::Cards;
use self::upi::Transfers;
use crate::kernel::time::{Span, Time};
use crate::scenario::plan::ServiceId;
use std::collections::BTreeMap;

/// Ids of the invariants on money.
pub(crate) mod invariant {
    /// A payment takes its amount from its payer at most once.
    pub(crate) const CAPTURED_ONCE: &str = "captured_once";
    /// An order is charged once, unless its client makes another payment of it on purpose or after its key's time.
    pub(crate) const CHARGED_ONCE: &str = "charged_once";
    /// At each payment no more is captured than was authorized.
    pub(crate) const WITHIN_AUTHORIZED: &str = "captured_within_authorized";
    /// At each payment no more is given back, by refunds and chargebacks together, than was captured.
    pub(crate) const WITHIN_CAPTURED: &str = "refunded_within_captured";
    /// All debits of a ledger are all its credits, after every step.
    pub(crate) const BALANCED: &str = "ledger_balanced";
    /// What a ledger says was taken and given back is what was, but for what is still asked about.
    pub(crate) const CONSERVED: &str = "money_conserved";
    /// Who is told that an order is paid has been paid.
    pub(crate) const CONFIRMED: &str = "confirmed_is_charged";
    /// A transfer between banks is debited once and then credited or reversed, once.
    pub(crate) const ONE_OUTCOME: &str = "upi_one_outcome";
    /// What a bank takes from an account or puts there is what it owes or is owed by the other banks.
    pub(crate) const BANKS_BALANCED: &str = "upi_conserved";
    /// What is in suspense is on its way: the switch still works on it.
    pub(crate) const SUSPENSE_OWNED: &str = "upi_suspense_owned";
}

/// An invariant that does not hold, and what was seen.
pub(crate) type Broken = (&'static str, String);

/// The books on all money of a run.
#[derive(Debug, Default)]
pub(crate) struct Money {
    pub(crate) cards: Option<Box<Cards>>,
    pub(crate) transfers: Option<Box<Transfers>>,
    /// Whether no books are kept.
    pub(crate) is_unwatched: bool,
}

impl Money {
    /// A processor keeps what was asked with a key for so long.
    pub(crate) fn keys_kept(&mut self, processor: ServiceId, ttl: Span) {
        if self.is_unwatched {
            return;
        }
        self.cards.get_or_insert_default().keys_kept(processor, ttl);
    }

    /// There are banks that pay each other.
    pub(crate) fn has_banks(&mut self) {
        if self.is_unwatched {
            return;
        }
        self.transfers.get_or_insert_default();
    }

    pub(crate) fn order_placed(&mut self, placed: OrderPlaced) {
        if self.is_unwatched {
            return;
        }
        self.cards.get_or_insert_default().order_placed(placed);
    }

    pub(crate) fn order_ended(&mut self, order: u64, end: OrderEnd) -> Option<Broken> {
        self.cards.as_mut()?.order_ended(order, end)
    }

    pub(crate) fn payment_made(&mut self, payment: (ServiceId, u64), order: u64, now: Time) {
        if self.is_unwatched {
            return;
        }
        self.cards.get_or_insert_default().payment_made(payment, order, now);
    }

    pub(crate) fn moved(&mut self, movement: &Movement) -> Vec<Broken> {
        if self.is_unwatched {
            return Vec::new();
        }
        self.cards.get_or_insert_default().moved(movement)
    }

    pub(crate) fn charged_back(&mut self, payment: (ServiceId, u64), minor: i64) -> Vec<Broken> {
        self.cards.as_mut().map_or_else(Vec::new, |cards| cards.charged_back(payment, minor))
    }

    pub(crate) fn chargeback_told(&mut self, payment: (ServiceId, u64), minor: i64) {
        if let Some(cards) = &mut self.cards {
            cards.chargeback_told(payment, minor);
        }
    }

    /// A processor does not keep a payment any more: compared for the last time, and dropped here as well.
    pub(crate) fn archived(&mut self, processor: ServiceId, booked: &BookedPayment) -> Option<Broken> {
        let truth = self.cards.as_mut()?.archived((processor, booked.intent));
        audit::difference(booked.intent, &truth, booked)
    }

    pub(crate) fn leg_done(&mut self, leg: &LegDone) -> Vec<Broken> {
        if self.is_unwatched {
            return Vec::new();
        }
        self.transfers.get_or_insert_default().leg_done(leg)
    }

    /// Compares everything with what a processor or a switch has in its store.
    pub(crate) fn audit(&self, service: ServiceId, probe: &MoneyProbe) -> Vec<Broken> {
        if self.is_unwatched {
            return Vec::new();
        }
        audit::compare(self, service, probe)
    }

    /// What was counted, by service, and what is wrong at the end.
    pub(crate) fn finish(&self, name: impl Fn(ServiceId) -> String, end: &MoneyEnd) -> Option<MoneyMeasured> {
        if self.cards.is_none() && self.transfers.is_none() {
            return None;
        }
        let mut measured = MoneyMeasured {
            has_cards: self.cards.is_some(),
            has_transfers: self.transfers.is_some(),
            ..MoneyMeasured::default()
        };
        if let Some(cards) = &self.cards {
            cards.finish(&name, &mut measured);
        }
        if let Some(transfers) = &self.transfers {
            transfers.finish(&mut measured);
        }
        let mut broken: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (service, probe) in &end.probes {
            if let MoneyProbe::Switch { .. } = probe {
                measured.systems.entry(name(*service)).or_default().extend(measured.transfers.clone());
            }
            for (invariant, witness) in self.audit(*service, probe) {
                broken.entry(invariant.to_string()).or_default().push(witness);
            }
        }
        measured.broken_at_end = broken;
        Some(measured)
    }
}
