//! What a sweep showed, as data: `foreshock.sweep/1`. Whole numbers with the unit in the key, nothing of the machine,
//! the clock or the way in which the sweep was cut. Built from the joined slices alone.

use std::collections::BTreeMap;

use serde::Serialize;

use super::aggregate::{Group, ObjectiveSpread, Seen, Way};
use super::piece::Piece;
use super::slice::{Ended, Header, ObjectiveHeader, Slice};
use super::spread::Spread;
use crate::explore::statistics::{CONFIDENCE_PPM, share_ppm, wilson};
use crate::report::{canonical, count};

/// Names this format and its version.
pub const SWEEP_SCHEMA: &str = "foreshock.sweep/1";

/// What a sweep showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SweepReport {
    /// [`SWEEP_SCHEMA`].
    pub schema: &'static str,
    /// The scenario's name.
    pub scenario: String,
    /// Hash of the whole scenario with its edits.
    pub scenario_digest: String,
    /// Which seeds were wanted and which ran.
    pub seeds: SeedsReport,
    /// Events of all runs.
    pub events: u64,
    /// Whether everything is as expected.
    pub verdict: SweepVerdict,
    /// How often anything failed.
    pub failing: ShareReport,
    /// The objectives in the scenario's order.
    pub objectives: Vec<ObjectiveReport>,
    /// Ways to fail, the most frequent first.
    pub groups: Vec<GroupReport>,
    /// Failing seeds that are in none of the groups, because there are too many ways to fail.
    pub failing_otherwise: u64,
    /// The marks in the scenario's order.
    pub sometimes: Vec<MarkSeenReport>,
    /// What was exercised: in how many seeds, and the first.
    pub coverage: CoverageReport,
}

/// Which seeds were wanted and which ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeedsReport {
    /// The first.
    pub from: u64,
    /// The one after the last.
    pub to: u64,
    /// Those that ran: all before this one.
    pub done_to: u64,
    /// How many ran.
    pub ran: u64,
    /// Whether all did.
    pub complete: bool,
    /// `complete`, `fail_fast`, `interrupted`.
    pub ended: Ended,
}

/// Whether everything is as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SweepVerdict {
    /// What the author expects of a run: `pass` or `fail`.
    pub expected: String,
    /// Seeds that did not end so.
    pub unexpected: u64,
    /// The first of them.
    pub first_unexpected: Option<u64>,
    /// The command that runs it.
    pub reproduce: Option<String>,
    /// Whether every seed ended as expected and every mark was hit.
    pub as_expected: bool,
    /// What is not, one sentence each.
    pub surprises: Vec<String>,
}

/// A share of seeds with its 95 % interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShareReport {
    /// How many.
    pub seeds: u64,
    /// The share.
    pub rate_ppm: u64,
    /// Where the share of all seeds lies: lower end.
    pub low_ppm: u64,
    /// Upper end.
    pub high_ppm: u64,
    /// With this confidence.
    pub confidence_ppm: u64,
}

impl ShareReport {
    /// The share of `seeds` among `of`.
    pub fn new(seeds: u64, of: u64) -> ShareReport {
        let interval = wilson(seeds, of);
        ShareReport {
            seeds,
            rate_ppm: share_ppm(seeds, of),
            low_ppm: interval.low_ppm,
            high_ppm: interval.high_ppm,
            confidence_ppm: CONFIDENCE_PPM,
        }
    }
}

/// An objective over seeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectiveReport {
    /// What it is about.
    #[serde(flatten)]
    pub about: ObjectiveHeader,
    /// Seeds in which there was something to judge.
    pub judged: u64,
    /// How often it did not hold, among those.
    pub broken: ShareReport,
    /// Seeds without a value: nothing was answered, or the recovery never came.
    pub without_value: u64,
    /// How its value is spread over the other seeds, in `unit`.
    pub value: SpreadReport,
}

/// How a value is spread over seeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SpreadReport {
    /// The smallest.
    pub min: Option<u64>,
    /// One in ten is not above.
    pub p10: Option<u64>,
    /// The median.
    pub p50: Option<u64>,
    /// Nine in ten are not above.
    pub p90: Option<u64>,
    /// 99 in a hundred are not above.
    pub p99: Option<u64>,
    /// The largest.
    pub max: Option<u64>,
    /// The mean, rounded down.
    pub mean: Option<u64>,
}

impl SpreadReport {
    /// The usual figures of a spread.
    pub fn new(values: &Spread) -> SpreadReport {
        SpreadReport {
            min: values.least(),
            p10: values.quantile(100_000),
            p50: values.quantile(500_000),
            p90: values.quantile(900_000),
            p99: values.quantile(990_000),
            max: values.most(),
            mean: values.mean(),
        }
    }
}

/// The seeds that fail in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupReport {
    /// What failed, in the order in which it was seen.
    pub failing: Vec<String>,
    /// How many seeds.
    pub seeds: u64,
    /// Their share of those that ran.
    pub share_ppm: u64,
    /// The one that fails earliest.
    pub earliest: EarliestReport,
    /// The one that is the cheapest to run again.
    pub cheapest: CheapestReport,
    /// The first ones.
    pub examples: Vec<u64>,
}

/// The seed that fails earliest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EarliestReport {
    /// Which.
    pub seed: u64,
    /// When anything is first seen broken.
    pub failed_at_us: u64,
    /// The command that runs it.
    pub reproduce: String,
}

/// The seed with the fewest events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheapestReport {
    /// Which.
    pub seed: u64,
    /// How many.
    pub events: u64,
    /// The command that runs it.
    pub reproduce: String,
}

/// A mark over seeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MarkSeenReport {
    /// Its id.
    pub id: String,
    /// What hits it.
    pub what: String,
    /// In how many seeds it was hit.
    pub seeds: u64,
    /// In which one first.
    pub first_seed: Option<u64>,
}

/// What was exercised, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CoverageReport {
    /// Faults and changes.
    pub faults: BTreeMap<String, SeenReport>,
    /// Branches of policies.
    pub branches: BTreeMap<String, SeenReport>,
    /// Invariants that were judged.
    pub invariants: BTreeMap<String, SeenReport>,
    /// Names of what was never exercised.
    pub never: Vec<String>,
}

/// In how many seeds something was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenReport {
    /// How many.
    pub seeds: u64,
    /// In which one first.
    pub first_seed: Option<u64>,
}

impl SweepReport {
    /// What the seeds of a joined slice show.
    pub fn new(whole: &Slice) -> SweepReport {
        let (header, seen) = (&whole.header, &whole.seen);
        let seeds = whole.seeds();
        let mut groups: Vec<(&Way, &Group)> = seen.groups.iter().collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.seeds));
        let nothing = ObjectiveSpread::default();
        let objectives = header.objectives.iter().map(|about| {
            let spread = seen.objectives.get(&about.id).unwrap_or(&nothing);
            ObjectiveReport {
                about: about.clone(),
                judged: spread.judged,
                broken: ShareReport::new(spread.broken, spread.judged),
                without_value: spread.without_value,
                value: SpreadReport::new(&spread.values),
            }
        });
        let sometimes: Vec<MarkSeenReport> = header
            .marks
            .iter()
            .map(|(id, what)| {
                let mark = seen.marks.get(id).copied().unwrap_or_default();
                MarkSeenReport {
                    id: id.clone(),
                    what: what.clone(),
                    seeds: mark.seeds,
                    first_seed: mark.first,
                }
            })
            .collect();
        SweepReport {
            schema: SWEEP_SCHEMA,
            scenario: header.scenario.clone(),
            scenario_digest: header.scenario_digest.clone(),
            seeds: SeedsReport {
                from: seeds.from,
                to: seeds.to,
                done_to: whole.done_to,
                ran: seen.seeds,
                complete: whole.is_complete(),
                ended: whole.ended,
            },
            events: seen.events,
            verdict: SweepVerdict::new(whole, &sometimes),
            failing: ShareReport::new(seen.failing, seen.seeds),
            objectives: objectives.collect(),
            groups: groups
                .into_iter()
                .map(|(way, group)| GroupReport::new(header, way, group, seen.seeds))
                .collect(),
            failing_otherwise: seen.failing_otherwise(),
            sometimes,
            coverage: CoverageReport::new(whole),
        }
    }

    /// The canonical text.
    pub fn to_json(&self) -> String {
        canonical(self)
    }
}

impl SweepVerdict {
    fn new(whole: &Slice, marks: &[MarkSeenReport]) -> SweepVerdict {
        let (header, seen) = (&whole.header, &whole.seen);
        let mut surprises = Vec::new();
        if seen.unexpected > 0 {
            surprises.push(format!(
                "{} of {} seeds did not end as the scenario expects ({})",
                count(seen.unexpected),
                count(seen.seeds),
                header.expected
            ));
        }
        // A sweep that did not run to its end may still have hit it.
        let never = marks.iter().filter(|mark| mark.seeds == 0 && whole.is_complete());
        surprises.extend(never.map(|mark| format!("the mark `{}` was never hit: {}", mark.id, mark.what)));
        SweepVerdict {
            expected: header.expected.clone(),
            unexpected: seen.unexpected,
            first_unexpected: seen.first_unexpected,
            reproduce: seen.first_unexpected.map(|seed| reproduce(header, seed)),
            as_expected: surprises.is_empty(),
            surprises,
        }
    }
}

impl GroupReport {
    fn new(header: &Header, way: &Way, group: &Group, ran: u64) -> GroupReport {
        let ((failed_at_us, earliest), (events, cheapest)) = (group.earliest, group.cheapest);
        GroupReport {
            failing: way.failing().to_vec(),
            seeds: group.seeds,
            share_ppm: share_ppm(group.seeds, ran),
            earliest: EarliestReport { seed: earliest, failed_at_us, reproduce: reproduce(header, earliest) },
            cheapest: CheapestReport { seed: cheapest, events, reproduce: reproduce(header, cheapest) },
            examples: group.examples.iter().copied().collect(),
        }
    }
}

/// Stands for the seed in the command of a [`Header`].
pub const SEED_PLACE: &str = "{seed}";

/// The command that runs one seed again.
pub(super) fn reproduce(header: &Header, seed: u64) -> String {
    header.command.replace(SEED_PLACE, &seed.to_string())
}

impl CoverageReport {
    fn new(whole: &Slice) -> CoverageReport {
        let report = |seen: &BTreeMap<String, Seen>| -> BTreeMap<String, SeenReport> {
            let seen = seen.iter();
            seen.map(|(name, seen)| (name.clone(), SeenReport { seeds: seen.seeds, first_seed: seen.first }))
                .collect()
        };
        let seen = &whole.seen;
        let all = seen.faults.iter().chain(&seen.branches).chain(&seen.invariants);
        CoverageReport {
            faults: report(&seen.faults),
            branches: report(&seen.branches),
            invariants: report(&seen.invariants),
            never: all.filter(|(_, seen)| seen.seeds == 0).map(|(name, _)| name.clone()).collect(),
        }
    }
}
