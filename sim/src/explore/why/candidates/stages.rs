//! The stages of a load that are above its first level, as candidates. Reads the plan, runs nothing.

use serde_json::json;

use super::{Candidate, Standing, Subject, place_of_load, set};
use crate::kernel::time::Time;
use crate::scenario::names_a_policy;
use crate::scenario::plan::{Arrivals, LoadPlan, Plan, StagePlan};

/// The stages in which a load is above its first level. Removed, each stays at that level.
pub(super) fn stages(plan: &Plan, load: &LoadPlan) -> Vec<Candidate> {
    let stages: &[StagePlan] = match &load.arrivals {
        Arrivals::Poisson(stages) | Arrivals::Constant(stages) => stages,
        Arrivals::Trace(_) | Arrivals::Closed { .. } => &[],
    };
    let Some(level) = level(stages) else { return Vec::new() };
    let numbered = stages.iter().enumerate();
    let grown = numbered.filter(|(_, stage)| peak(stage) > level);
    let candidates = grown.filter_map(|(index, stage)| {
        let path = format!("{}.stages.{index}", place_of_load(plan, &load.name));
        let id = path.clone();
        let value = json!({"for": stage.lasts.to_string(), "rate": rate_text(level)});
        names_a_policy(&plan.document, &path).then(|| Candidate {
            id,
            kind: "load_stage",
            standing: Standing::Load,
            removal: vec![set(path, value)],
            stage: Some((
                begins(stages, index),
                format!("{} in place of {}", rate_text(peak(stage)), rate_text(level)),
            )),
            subject: Subject::Load,
        })
    });
    candidates.collect()
}

/// The rate that a load is measured by: its first one. One that begins with nothing has begun late, unless it ends with
/// nothing as well: then it is a burst.
fn level(stages: &[StagePlan]) -> Option<u64> {
    let is_idle = |stage: &StagePlan| peak(stage) == 0;
    if let [first, .., last] = stages
        && is_idle(first)
        && is_idle(last)
    {
        return Some(0);
    }
    stages.iter().map(|stage| stage.to_milli_per_s).find(|rate| *rate > 0)
}

fn peak(stage: &StagePlan) -> u64 {
    stage.from_milli_per_s.max(stage.to_milli_per_s)
}

/// When the stage at `index` begins.
fn begins(stages: &[StagePlan], index: usize) -> Time {
    stages[..index].iter().fold(Time::ZERO, |at, stage| at + stage.lasts)
}

/// `200/s`, `0.5/s`.
fn rate_text(milli_per_s: u64) -> String {
    let (whole, rest) = (milli_per_s / 1_000, milli_per_s % 1_000);
    if rest == 0 {
        return format!("{whole}/s");
    }
    let rest = format!("{rest:03}");
    format!("{whole}.{}/s", rest.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::time::Span;

    #[test]
    fn a_load_is_measured_by_its_first_rate_and_a_burst_by_the_calm_around_it() {
        let cases: [(&[u64], Option<u64>); 6] = [
            (&[200], Some(200)),
            (&[200, 600], Some(200)),
            (&[0, 200, 600], Some(200)),
            (&[0, 500, 0], Some(0)),
            (&[200, 500, 0], Some(200)),
            (&[0], None),
        ];
        for (rates, expected) in cases {
            let stage = |rate: &u64| StagePlan {
                lasts: Span::from_secs(1),
                from_milli_per_s: *rate,
                to_milli_per_s: *rate,
            };
            assert_eq!(level(&rates.iter().map(stage).collect::<Vec<_>>()), expected, "{rates:?}");
        }
    }

    #[test]
    fn rates_are_written_as_in_a_file() {
        for (milli, text) in [(200_000, "200/s"), (500, "0.5/s"), (1_250, "1.25/s"), (1, "0.001/s")] {
            assert_eq!(rate_text(milli), text);
        }
    }
}
