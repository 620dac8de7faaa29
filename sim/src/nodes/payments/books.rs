//! What a processor has in its store, for the books that no node sees, and what it counts itself. Decides nothing.

use foreshock_systems::payment::audit::audit;
use foreshock_systems::payment::{DisputePhase, Intent, OperationState, Processor, ReconcileReport};

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
    pub(super) settlement: SettlementCounts,
}

/// What came of settlement files.
#[derive(Default)]
pub(super) struct SettlementCounts {
    files: u64,
    matched: u64,
    resolved: u64,
    mismatched: u64,
    not_ours: u64,
    /// Known to be moved, and in no file up to the last one.
    missing: u64,
}

impl SettlementCounts {
    pub(super) fn reconciled(&mut self, report: &ReconcileReport) {
        self.files += 1;
        self.matched += report.matched;
        self.resolved += report.resolved.len() as u64;
        self.mismatched += report.mismatched.len() as u64;
        self.not_ours += report.not_ours.len() as u64;
        self.missing = report.missing.len() as u64;
    }
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
        let settlement = &self.settlement;
        if settlement.files > 0 {
            out.counts.extend([
                ("settlement_files", settlement.files),
                ("settlement_matched", settlement.matched),
                ("settlement_resolved", settlement.resolved),
                ("settlement_mismatched", settlement.mismatched),
                ("settlement_not_ours", settlement.not_ours),
                ("settlement_missing", settlement.missing),
            ]);
        }
    }
}

/// What payments come to that a processor does not keep any more.
#[derive(Default)]
pub(super) struct Archived {
    payments: u64,
    captured_minor: u64,
    refunded_minor: u64,
    in_doubt_minor: u64,
    charged_back_minor: u64,
}

impl Archived {
    pub(super) fn add(&mut self, payment: &BookedPayment) {
        self.payments += 1;
        for (sum, minor) in [
            (&mut self.captured_minor, payment.captured_minor),
            (&mut self.refunded_minor, payment.refunded_minor),
            (&mut self.in_doubt_minor, payment.maybe_captured_minor),
            (&mut self.charged_back_minor, payment.charged_back_minor),
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
        let charged_back = sum(archived.charged_back_minor, |payment| payment.charged_back_minor);
        if charged_back > 0 {
            out.counts.insert("booked_charged_back_minor", charged_back);
        }
        let held = held_minor(processor);
        if held > 0 {
            out.counts.insert("disputed_minor", held);
        }
    }
    probe
}

/// What disputes hold back that are not decided.
fn held_minor(processor: &Processor<AnyStore>) -> u64 {
    let mut held: u64 = 0;
    processor.intents(&mut |intent| {
        let open = intent.disputes.iter().filter(|dispute| dispute.phase == DisputePhase::Opened);
        held = open.fold(held, |held, dispute| held.saturating_add(dispute.minor.unsigned_abs()));
    });
    held
}

/// A payment as it is in the store.
pub(super) fn booked(intent: &Intent) -> BookedPayment {
    let mut booked = BookedPayment { intent: intent.id.0, ..BookedPayment::default() };
    let lost = intent.disputes.iter().filter(|dispute| dispute.phase == DisputePhase::Lost);
    booked.charged_back_minor = lost.fold(0, |sum: i64, dispute| sum.saturating_add(dispute.minor));
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
