//! What to think of a run: objectives, invariants, liveness, findings, and whether that is what its author
//! expected. A pure function of the plan and what was measured; never looks into the simulation.

mod brokers;
mod caches;
mod chain;
mod channels;
mod configs;
mod findings;
mod flags;
mod grid;
mod invariants;
mod jobs;
mod limits;
mod liveness;
mod logs;
mod marks;
mod money;
mod monitoring;
mod notifications;
#[cfg(test)]
pub(crate) mod sample;
mod slo;
#[cfg(test)]
mod tests;
mod words;

pub use findings::Finding;
pub use invariants::{InvariantVerdict, invariant_ids};
pub use liveness::{Blocker, Liveness, LoadRecovery};
pub use marks::{MarkVerdict, call_took, service_took};
pub use slo::SloVerdict;
pub use words::Unit;
pub(crate) use words::grouped;

use crate::kernel::StopReason;
use crate::kernel::time::Time;
use crate::measure::Measured;
use crate::scenario::plan::{Expectation, ExpectedVerdict, Plan};

/// What to think of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// One for each objective of the plan, in its order.
    pub slos: Vec<SloVerdict>,
    /// One for each invariant that is always on, then one for each further one that something in the run saw
    /// broken.
    pub invariants: Vec<InvariantVerdict>,
    /// One for each mark of the plan, in its order.
    pub marks: Vec<MarkVerdict>,
    /// How the loads fared after the last fault had ended.
    pub liveness: Liveness,
    /// What a person should know beyond the verdict, the gravest first.
    pub findings: Vec<Finding>,
    /// Whether everything held.
    pub outcome: Verdict,
    /// Ids of the objectives and invariants that did not hold, `liveness`, `stop`; in that order.
    pub failing: Vec<String>,
    /// The verdict the author expects; `pass` where none is stated.
    pub expected: Verdict,
    /// Whether outcome, failing ids and findings are what the author expects.
    pub as_expected: bool,
    /// Where they are not, one sentence each.
    pub surprises: Vec<String>,
}

/// Whether everything held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every objective and invariant did, every load recovered, and the run reached its end.
    Pass,
    /// Something did not.
    Fail,
}

impl Verdict {
    /// `pass` or `fail`.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
        }
    }
}

/// The id under which a missed recovery stands among what failed.
pub const LIVENESS_ID: &str = "liveness";
/// The id under which a run that reached a bound stands among what failed.
pub const STOP_ID: &str = "stop";

/// What all checkers look at.
#[derive(Clone, Copy)]
struct Evidence<'a> {
    plan: &'a Plan,
    measured: &'a Measured,
    ended: Time,
    stop: StopReason,
}

/// Judges a run that stopped at `ended` because of `stop`.
pub fn judge(plan: &Plan, measured: &Measured, ended: Time, stop: StopReason) -> Judgement {
    let evidence = Evidence { plan, measured, ended, stop };
    let slos = slo::judge(&evidence);
    let invariants = invariants::judge(&evidence);
    let marks = marks::judge(&evidence);
    let liveness = liveness::judge(&evidence);
    let findings = findings::find(&evidence, &slos, &liveness);

    let mut failing: Vec<String> = Vec::new();
    failing.extend(slos.iter().filter(|slo| !slo.held).map(|slo| slo.id.clone()));
    failing
        .extend(invariants.iter().filter(|invariant| !invariant.held).map(|invariant| invariant.id.clone()));
    if !liveness.held {
        failing.push(LIVENESS_ID.to_string());
    }
    if !reached_its_end(stop) {
        failing.push(STOP_ID.to_string());
    }
    let outcome = if failing.is_empty() { Verdict::Pass } else { Verdict::Fail };
    let surprises = surprises(&plan.expect, outcome, &failing, &findings);
    Judgement {
        slos,
        invariants,
        marks,
        liveness,
        findings,
        outcome,
        failing,
        expected: expected_verdict(&plan.expect),
        as_expected: surprises.is_empty(),
        surprises,
    }
}

/// What runs of a plan are judged by, in words: every objective and every mark without a value, and the verdict that
/// the author expects.
pub fn described(plan: &Plan) -> (Vec<SloVerdict>, Vec<MarkVerdict>, Verdict) {
    let measured = Measured::default();
    let evidence = Evidence { plan, measured: &measured, ended: Time::ZERO, stop: StopReason::EndOfTime };
    (slo::judge(&evidence), marks::judge(&evidence), expected_verdict(&plan.expect))
}

/// Whether the run ended as planned, not at a bound of events or memory.
const fn reached_its_end(stop: StopReason) -> bool {
    match stop {
        StopReason::Finished | StopReason::EndOfTime => true,
        StopReason::TooManyEvents | StopReason::OutOfMemory => false,
    }
}

fn expected_verdict(expect: &Expectation) -> Verdict {
    match expect.verdict {
        Some(ExpectedVerdict::Pass) => Verdict::Pass,
        Some(ExpectedVerdict::Fail) => Verdict::Fail,
        None if expect.failing.is_empty() => Verdict::Pass,
        None => Verdict::Fail,
    }
}

/// Where a run differs from what its author expects.
fn surprises(
    expect: &Expectation,
    outcome: Verdict,
    failing: &[String],
    findings: &[Finding],
) -> Vec<String> {
    let mut surprises = Vec::new();
    let expected = expected_verdict(expect);
    if outcome != expected {
        let because =
            if failing.is_empty() { String::new() } else { format!(": {} failed", failing.join(", ")) };
        surprises.push(format!("expected {}, was {}{because}", expected.name(), outcome.name()));
    }
    if !expect.failing.is_empty() {
        let missing = expect.failing.iter().filter(|id| !failing.contains(id));
        surprises.extend(missing.map(|id| format!("`{id}` was expected to fail and held")));
        let extra = failing.iter().filter(|id| !expect.failing.contains(id));
        surprises.extend(extra.map(|id| format!("`{id}` failed and was not expected to")));
    }
    let unfound =
        expect.findings.iter().filter(|text| !findings.iter().any(|finding| finding.text.contains(*text)));
    surprises.extend(unfound.map(|text| format!("no finding contains `{text}`")));
    surprises
}
