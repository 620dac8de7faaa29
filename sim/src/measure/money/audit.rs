//! Everything once more: what a store says against what was done. After each crash, and at the end.

use std::collections::BTreeSet;

use super::cards::{Cards, PaymentBook};
use super::{Broken, Money, UnsettledTxn, invariant};
use crate::measure::Index;
use crate::scenario::plan::ServiceId;

/// A payment as a processor has it in its store, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookedPayment {
    /// Its name.
    pub intent: u64,
    /// Known to be captured.
    pub captured_minor: i64,
    /// Known to be given back.
    pub refunded_minor: i64,
    /// Asked for and not known: may have been captured.
    pub maybe_captured_minor: i64,
    /// Asked for and not known: may have been given back.
    pub maybe_refunded_minor: i64,
    /// Known to be charged back.
    pub charged_back_minor: i64,
}

/// What a node has in its store.
#[derive(Clone, Debug)]
pub enum MoneyProbe {
    /// A processor: its payments, and what its own audit finds.
    Processor {
        /// All of them, each once.
        payments: Vec<BookedPayment>,
        /// What the library's audit of the store says.
        violations: Vec<String>,
    },
    /// A switch: the transfers it still works on.
    Switch {
        /// Their names.
        unsettled: BTreeSet<UnsettledTxn>,
    },
}

/// What all nodes have when the run stops.
#[derive(Debug, Default)]
pub(crate) struct MoneyEnd {
    pub(crate) probes: Vec<(ServiceId, MoneyProbe)>,
}

/// Sentences enough to see what is wrong.
const MOST_WITNESSES: usize = 20;

pub(super) fn compare(money: &Money, service: ServiceId, probe: &MoneyProbe) -> Vec<Broken> {
    match probe {
        MoneyProbe::Processor { payments, violations } => {
            let own = violations
                .iter()
                .map(|text| (invariant::CONSERVED, format!("the store's own audit: {text}")));
            let against = compare_payments(money, service, payments);
            own.chain(against).take(MOST_WITNESSES).collect()
        }
        MoneyProbe::Switch { unsettled } => compare_transfers(money, unsettled),
    }
}

fn compare_payments(money: &Money, service: ServiceId, booked: &[BookedPayment]) -> Vec<Broken> {
    let Some(cards) = &money.cards else { return Vec::new() };
    if agrees(cards, service, booked) {
        return Vec::new();
    }
    let mut booked: Index<u64, &BookedPayment> =
        booked.iter().map(|payment| (payment.intent, payment)).collect();
    let nothing = BookedPayment::default();
    let mut broken = Vec::new();
    for ((processor, intent), truth) in cards.payments.each() {
        if *processor == service.0 {
            let known = booked.swap_remove(intent).unwrap_or(&nothing);
            broken.extend(difference(*intent, truth, known));
        }
    }
    booked.sort_unstable_keys();
    for (intent, known) in booked {
        broken.extend(difference(intent, &PaymentBook::default(), known));
    }
    broken
}

/// Whether all is well, in the order in which payments lie in memory; what is not is then looked for in that of the books.
fn agrees(cards: &Cards, service: ServiceId, booked: &[BookedPayment]) -> bool {
    let nothing = PaymentBook::default();
    let mut in_both = 0;
    let is_right = booked.iter().all(|known| {
        let truth = cards.payments.get(&(service.0, known.intent));
        in_both += usize::from(truth.is_some());
        difference(known.intent, truth.unwrap_or(&nothing), known).is_none()
    });
    let in_books = cards.payments.each().filter(|((processor, _), _)| *processor == service.0);
    is_right && in_both == in_books.count()
}

pub(super) fn difference(intent: u64, truth: &PaymentBook, known: &BookedPayment) -> Option<Broken> {
    let fits = |truth: i64, known: i64, maybe: i64| known <= truth && truth <= known.saturating_add(maybe);
    let is_captured = fits(truth.captured_minor, known.captured_minor, known.maybe_captured_minor);
    let is_refunded = fits(truth.refunded_minor, known.refunded_minor, known.maybe_refunded_minor);
    // A chargeback that nobody has told of yet is not in the store.
    let is_charged_back =
        (truth.charged_back_told_minor..=truth.charged_back_minor).contains(&known.charged_back_minor);
    if is_captured && is_refunded && !is_charged_back {
        let witness = format!(
            "payment {intent} of order {:016x}: {} was charged back and {} of it told, the store has {}",
            truth.order, truth.charged_back_minor, truth.charged_back_told_minor, known.charged_back_minor
        );
        return Some((invariant::CONSERVED, witness));
    }
    (!is_captured || !is_refunded).then(|| {
        let witness = format!(
            "payment {intent} of order {:016x}: {} was taken and {} given back, the store has {} and {}",
            truth.order,
            truth.captured_minor,
            truth.refunded_minor,
            known.captured_minor,
            known.refunded_minor
        );
        (invariant::CONSERVED, witness)
    })
}

fn compare_transfers(money: &Money, unsettled: &BTreeSet<UnsettledTxn>) -> Vec<Broken> {
    let Some(transfers) = &money.transfers else { return Vec::new() };
    let waiting = transfers.legs.iter().filter(|(_, legs)| legs.is_in_suspense());
    let lost = waiting.filter(|(txn, _)| !unsettled.contains(&UnsettledTxn(**txn)));
    let told = lost.map(|(txn, legs)| {
        let witness =
            format!("{} of transfer {txn:016x} was taken, and nobody works on it any more", legs.minor);
        (invariant::SUSPENSE_OWNED, witness)
    });
    told.take(MOST_WITNESSES).collect()
}
