//! What a sweep keeps of the run of one seed: small, and enough for everything a sweep says.

use crate::explore::coverage::{Exercised, exercised};
use crate::explore::failure::FailureFingerprint;
use crate::report::Report;
use crate::run::Outcome;

/// The run of one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedSeen {
    /// Which seed.
    pub seed: u64,
    /// Events it took: what it costs to run it again.
    pub events: u64,
    /// In what way it failed.
    pub failure: FailureFingerprint,
    /// When anything was first seen broken; the end of the run for what only the end shows.
    pub failed_at_us: u64,
    /// Whether it ended as the scenario's author expects.
    pub as_expected: bool,
    /// What became of each objective, by id.
    pub objectives: Vec<ObjectiveSeen>,
    /// The marks, and whether each was hit.
    pub marks: Vec<(String, bool)>,
    /// What was exercised.
    pub exercised: Exercised,
}

/// An objective in the run of one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectiveSeen {
    /// Its id.
    pub id: String,
    /// Whether there was anything to judge.
    pub judged: bool,
    /// Whether it held.
    pub held: bool,
    /// What was measured, in the unit of the report; `None` if nothing was, or it never came.
    pub value: Option<u64>,
}

impl SeedSeen {
    /// What is kept of an outcome.
    pub fn of(outcome: &Outcome) -> SeedSeen {
        let (report, judgement) = (Report::new(outcome), &outcome.judgement);
        let slos = judgement.slos.iter().filter(|slo| !slo.held).filter_map(|slo| slo.first_broken);
        let invariants = judgement.invariants.iter().filter(|invariant| !invariant.held);
        let first = slos.chain(invariants.filter_map(|invariant| invariant.first)).min();
        SeedSeen {
            seed: outcome.seed.0,
            events: outcome.events,
            failure: FailureFingerprint::of(judgement),
            failed_at_us: first.unwrap_or(outcome.ended).as_micros(),
            as_expected: judgement.as_expected,
            objectives: report
                .slo
                .into_iter()
                .map(|slo| ObjectiveSeen {
                    judged: slo.not_judged.is_none(),
                    id: slo.id,
                    held: slo.held,
                    value: slo.value,
                })
                .collect(),
            marks: judgement.marks.iter().map(|mark| (mark.id.clone(), mark.hit)).collect(),
            exercised: exercised(outcome),
        }
    }
}
