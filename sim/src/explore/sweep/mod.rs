//! Sweeps: the same scenario with many seeds, all processors busy, results merged in the order of the seeds. What
//! comes out depends on scenario and seeds, never on how many run at once or how the sweep was cut into pieces.

mod aggregate;
mod paired;
mod paired_report;
mod paired_slice;
mod piece;
mod report;
mod seeds;
mod seen;
mod slice;
mod spread;
#[cfg(test)]
mod tests;
mod text;

use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

pub use aggregate::{Aggregate, Group, ObjectiveSpread, Seen, Way};
pub use paired::{Paired, PairedObjective, Side, compare};
pub use paired_report::{PAIRED_SCHEMA, paired_json, paired_text};
pub use paired_slice::{PAIRED_SLICE_SCHEMA, PairedSlice, join_paired};
pub use piece::{NotASlice, Piece};
pub use report::{SEED_PLACE, SWEEP_SCHEMA, SweepReport};
pub use seeds::{MOST_SLICES, Partition, Seeds, parse_seed};
pub use seen::{ObjectiveSeen, SeedSeen};
pub use slice::{Ended, Header, ObjectiveHeader, SLICE_SCHEMA, Slice, join};
pub use spread::Spread;
pub use text::sweep_text;

use super::parallel::in_order;
use crate::judge::described;
use crate::kernel::draw::Seed;
use crate::nodes::Kinds;
use crate::report::SloReport;
use crate::run::{self, Detail};
use crate::scenario::ScenarioError;
use crate::scenario::plan::{Comparison, Edit, Plan};

/// What is swept.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The scenario.
    pub plan: &'a Plan,
    /// What is changed about it.
    pub edits: &'a [Edit],
    /// The kinds it may name.
    pub kinds: &'a Kinds,
}

impl Subject<'_> {
    /// Runs one seed.
    ///
    /// # Errors
    /// When the scenario cannot be run with this seed.
    pub fn examine(&self, seed: u64) -> Result<SeedSeen, ScenarioError> {
        let outcome = run::run(self.plan, Seed(seed), self.edits, self.kinds, &Detail::default())?;
        Ok(SeedSeen::of(&outcome))
    }

    /// The scenario with its edits, not drawn yet: what can be seen at all.
    ///
    /// # Errors
    /// When an edit names nothing, or makes the scenario invalid.
    pub fn edited(&self) -> Result<Plan, ScenarioError> {
        match self.edits {
            [] => Ok(self.plan.clone()),
            edits => {
                let mut plan = crate::scenario::edited(self.plan, edits, self.kinds)?;
                plan.expect = Default::default();
                Ok(plan)
            }
        }
    }
}

/// How far a sweep goes.
pub struct Limits<'a> {
    /// How many seeds run at once.
    pub jobs: NonZero<usize>,
    /// Ends after so many failing seeds.
    pub fail_fast: Option<u64>,
    /// Ends when this is set; seeds that run are finished.
    pub stop: &'a AtomicBool,
}

/// Runs the seeds of `slice` that did not run yet, and adds what they show. After each seed, in order, `told` is
/// given the slice so far; it may break off.
///
/// # Errors
/// When the scenario cannot be run with a seed; the slice then holds all seeds before it.
pub fn sweep<E>(
    subject: Subject<'_>,
    slice: &mut Slice,
    limits: &Limits<'_>,
    mut told: impl FnMut(&Slice) -> Result<(), E>,
) -> Result<(), SweepError<E>> {
    let missing = slice.missing();
    let enough = |slice: &Slice| limits.fail_fast.is_some_and(|most| slice.seen.failing >= most.max(1));
    let wanted = |_: &u64| !limits.stop.load(Ordering::Relaxed);
    slice.ended = Ended::Interrupted;
    let broke = if enough(slice) {
        Some(None)
    } else {
        in_order(
            (missing.from..missing.to).take_while(wanted),
            limits.jobs,
            |seed| subject.examine(seed).map_err(|error| (seed, error)),
            |seen| {
                match seen {
                    Ok(seen) => {
                        slice.done_to = seen.seed + 1;
                        slice.seen.add(&seen);
                    }
                    Err((seed, error)) => {
                        return ControlFlow::Break(Some(SweepError::Scenario(seed, Box::new(error))));
                    }
                }
                if let Err(error) = told(slice) {
                    return ControlFlow::Break(Some(SweepError::Told(error)));
                }
                if enough(slice) { ControlFlow::Break(None) } else { ControlFlow::Continue(()) }
            },
        )
    };
    slice.ended = match (&broke, slice.is_complete()) {
        (_, true) => Ended::Complete,
        (Some(None), false) => Ended::FailFast,
        (Some(Some(_)) | None, false) => Ended::Interrupted,
    };
    broke.flatten().map_or(Ok(()), Err)
}

/// Why a sweep could not go on.
#[derive(Debug)]
pub enum SweepError<E> {
    /// The scenario cannot be run with this seed.
    Scenario(u64, Box<ScenarioError>),
    /// Whoever was told broke off.
    Told(E),
}

/// What all slices of a sweep of `plan` have in common. `edits` are a part of what is swept by their text.
pub fn header(
    plan: &Plan,
    edits: &[String],
    program_digest: String,
    seeds: Seeds,
    command: String,
) -> Header {
    let (slos, marks, expected) = described(plan);
    let objectives = slos.iter().zip(&plan.slos).map(|(verdict, slo)| {
        let report = SloReport::new(verdict);
        ObjectiveHeader {
            id: report.id,
            metric: report.metric,
            of: report.of,
            bound: report.bound,
            window: report.window,
            unit: report.unit.to_string(),
            less_is_better: match slo.bound.comparison {
                Comparison::Below | Comparison::AtMost => true,
                Comparison::Above | Comparison::AtLeast => false,
            },
        }
    });
    Header {
        scenario: plan.name.clone(),
        scenario_digest: scenario_digest(plan, edits),
        program_digest,
        seeds_from: seeds.from,
        seeds_to: seeds.to,
        command,
        expected: expected.name().to_string(),
        objectives: objectives.collect(),
        marks: marks.into_iter().map(|mark| (mark.id, mark.what)).collect(),
    }
}

/// A hash of everything a sweep shows: the plan's own digest, expectations and marks, and the edits.
fn scenario_digest(plan: &Plan, edits: &[String]) -> String {
    let mut document = (*plan.document).clone();
    document.sort_all_objects();
    let text = format!("{:032x}\n{document}\n{}", plan.digest, edits.join("\n"));
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
}
