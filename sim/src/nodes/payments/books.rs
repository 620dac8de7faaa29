//! What a processor has in its store, for the books that no node sees, and what it counts itself. Decides nothing.

use foreshock_systems::payment::audit::audit;
use foreshock_systems::payment::{Intent, OperationState, Processor};

use crate::cluster::Probes;
use crate::measure::{BookedPayment, MoneyProbe};
use crate::nodes::store::AnyStore;

/// What a processor counts.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) not_understood: u64,
    pub(super) answered_under_way: u64,
    pub(super) status_checks: u64,
    pub(super) webhooks: u64,
    pub(super) webhooks_repeated: u64,
    pub(super) webhooks_refused: u64,
    pub(super) unresolved: u64,
    pub(super) late_charges: u64,
    pub(super) failovers: u64,
    pub(super) contradictions: u64,
    pub(super) crashes: u64,
}

impl Counts {
    pub(super) fn probe(&self, out: &mut Probes) {
        out.counts.extend([
            ("requests", self.requests),
            ("not_understood", self.not_understood),
            ("answered_under_way", self.answered_under_way),
            ("status_checks", self.status_checks),
            ("webhooks", self.webhooks),
            ("webhooks_repeated", self.webhooks_repeated),
            ("webhooks_refused", self.webhooks_refused),
            ("unresolved", self.unresolved),
            ("late_charges", self.late_charges),
            ("failovers", self.failovers),
            ("contradictions", self.contradictions),
            ("crashes", self.crashes),
        ]);
    }
}

/// What payments come to that a processor does not keep any more.
#[derive(Default)]
pub(super) struct Archived {
    payments: u64,
    captured_minor: u64,
    refunded_minor: u64,
    in_doubt_minor: u64,
}

impl Archived {
    pub(super) fn add(&mut self, payment: &BookedPayment) {
        self.payments += 1;
        for (sum, minor) in [
            (&mut self.captured_minor, payment.captured_minor),
            (&mut self.refunded_minor, payment.refunded_minor),
            (&mut self.in_doubt_minor, payment.maybe_captured_minor),
        ] {
            *sum = sum.saturating_add(minor.unsigned_abs());
        }
    }
}

/// Everything in a processor's store, and what the library's audit says of it.
pub(super) fn of(processor: &Processor<AnyStore>) -> MoneyProbe {
    let mut payments = Vec::new();
    processor.intents(&mut |intent| payments.push(booked(&intent)));
    let violations = audit(processor.store()).iter().map(ToString::to_string).collect();
    MoneyProbe::Processor { payments, violations }
}

/// The same, with the sums among what is shown.
pub(super) fn probe(processor: &Processor<AnyStore>, archived: &Archived, out: &mut Probes) -> MoneyProbe {
    let probe = of(processor);
    if let MoneyProbe::Processor { payments, .. } = &probe {
        let sum = |before: u64, of: fn(&BookedPayment) -> i64| {
            payments.iter().map(|payment| of(payment).unsigned_abs()).fold(before, u64::saturating_add)
        };
        out.counts.insert("payments", payments.len() as u64 + archived.payments);
        out.counts
            .insert("booked_captured_minor", sum(archived.captured_minor, |payment| payment.captured_minor));
        out.counts
            .insert("booked_refunded_minor", sum(archived.refunded_minor, |payment| payment.refunded_minor));
        out.counts
            .insert("in_doubt_minor", sum(archived.in_doubt_minor, |payment| payment.maybe_captured_minor));
    }
    probe
}

/// A payment as it is in the store.
pub(super) fn booked(intent: &Intent) -> BookedPayment {
    let mut booked = BookedPayment { intent: intent.id.0, ..BookedPayment::default() };
    for operation in &intent.operations {
        let (known, maybe) = match operation.state {
            OperationState::Succeeded => (operation.minor, 0),
            OperationState::Declined(_) => (0, 0),
            OperationState::Mismatched(minor) => (0, minor.max(operation.minor)),
            OperationState::InFlight
            | OperationState::Pending
            | OperationState::Unresolved
            | OperationState::Abandoned => (0, operation.minor),
        };
        if operation.kind.takes_money() {
            booked.captured_minor = booked.captured_minor.saturating_add(known);
            booked.maybe_captured_minor = booked.maybe_captured_minor.saturating_add(maybe);
        }
        if operation.kind.gives_back() {
            booked.refunded_minor = booked.refunded_minor.saturating_add(known);
            booked.maybe_refunded_minor = booked.maybe_refunded_minor.saturating_add(maybe);
        }
    }
    booked
}
