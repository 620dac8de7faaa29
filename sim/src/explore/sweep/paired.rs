//! Paired comparison: two scenarios, the same seeds, differences seed by seed. The chance that is common to both runs
//! of a seed cancels out, so that far fewer seeds show which one is better.

use std::fmt::Write;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use indexmap::IndexMap;
use serde::Serialize;

use super::report::{SEED_PLACE, ShareReport};
use super::seeds::Seeds;
use super::seen::SeedSeen;
use super::slice::{Header, ObjectiveHeader};
use super::spread::Spread;
use super::{Subject, SweepError};
use crate::explore::parallel::in_order;
use crate::explore::statistics::{CONFIDENCE_PPM, median_ranks, sign_test_ppm};
use crate::report::{Role, Style, canonical, count, counted, in_unit, table};

/// Two scenarios over the same seeds.
#[derive(Clone, Debug)]
pub struct Paired {
    /// Seeds that ran, in both.
    pub seeds: u64,
    /// Whether all that were wanted did.
    pub complete: bool,
    /// Both passed, both failed, only the second passed, only the first did.
    pub verdicts: [Side; 4],
    /// By id; of objectives that both scenarios have.
    pub objectives: IndexMap<String, PairedObjective>,
}

/// Seeds on one side of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// How many.
    pub seeds: u64,
    /// The first of them.
    pub first: Option<u64>,
}

impl Side {
    fn add(&mut self, seed: u64) {
        self.seeds += 1;
        self.first.get_or_insert(seed);
    }
}

/// The differences of one objective's values, seed by seed.
#[derive(Clone, Debug)]
pub struct PairedObjective {
    /// What it is about.
    pub about: ObjectiveHeader,
    /// Seeds in which the second is better, by how much at most, and where.
    pub better: Side,
    /// Seeds in which it is worse.
    pub worse: Side,
    /// Seeds in which both have the same value.
    pub same: u64,
    /// Seeds in which one of them has no value.
    pub not_compared: u64,
    /// The first's values less the second's, where the first's are larger.
    fewer: Spread,
    /// The second's values less the first's, where the second's are larger.
    more: Spread,
    /// The largest worsening, and its seed.
    worst: Option<(u64, u64)>,
}

/// A difference with its sign.
type Signed = i128;

impl PairedObjective {
    fn new(about: ObjectiveHeader) -> PairedObjective {
        PairedObjective {
            about,
            better: Side::default(),
            worse: Side::default(),
            same: 0,
            not_compared: 0,
            fewer: Spread::default(),
            more: Spread::default(),
            worst: None,
        }
    }

    fn add(&mut self, seed: u64, first: Option<u64>, second: Option<u64>) {
        let (Some(first), Some(second)) = (first, second) else {
            self.not_compared += 1;
            return;
        };
        let apart = first.abs_diff(second);
        if apart == 0 {
            self.same += 1;
            return;
        }
        let is_less = second < first;
        if is_less { self.fewer.record(apart) } else { self.more.record(apart) }
        if is_less == self.about.less_is_better {
            self.better.add(seed);
        } else {
            self.worse.add(seed);
            if self.worst.is_none_or(|(most, _)| apart > most) {
                self.worst = Some((apart, seed));
            }
        }
    }

    fn compared(&self) -> u64 {
        self.better.seeds + self.worse.seeds + self.same
    }

    /// The difference of `rank`, from 1 for the one farthest below zero.
    fn ranked(&self, rank: u64) -> Option<Signed> {
        let fewer = self.fewer.count();
        if rank <= fewer {
            return self.fewer.ranked(fewer + 1 - rank).map(|apart| -Signed::from(apart));
        }
        match rank - fewer {
            rank if rank <= self.same => Some(0),
            rank => self.more.ranked(rank - self.same).map(Signed::from),
        }
    }
}

/// Runs both scenarios with every seed and compares them. `told` is given what is known after each seed, in order.
/// When `stop` is set, the seeds that run are finished and no other is begun.
///
/// # Errors
/// When one of the scenarios cannot be run with a seed.
pub fn compare(
    [first, second]: [Subject<'_>; 2],
    [about, other]: [&Header; 2],
    seeds: Seeds,
    jobs: NonZero<usize>,
    stop: &AtomicBool,
    mut told: impl FnMut(&Paired),
) -> Result<Paired, SweepError<std::convert::Infallible>> {
    let common = about.objectives.iter().filter(|objective| {
        other.objectives.iter().any(|other| other.id == objective.id && other.unit == objective.unit)
    });
    let mut paired = Paired {
        seeds: 0,
        complete: false,
        verdicts: [Side::default(); 4],
        objectives: common.map(|about| (about.id.clone(), PairedObjective::new(about.clone()))).collect(),
    };
    let work = |seed: u64| {
        let both = first.examine(seed).and_then(|one| Ok((one, second.examine(seed)?)));
        both.map_err(|error| (seed, error))
    };
    let wanted = |_: &u64| !stop.load(Ordering::Relaxed);
    let broke = in_order((seeds.from..seeds.to).take_while(wanted), jobs, work, |both| match both {
        Ok((one, other)) => {
            paired.add(&one, &other);
            told(&paired);
            ControlFlow::Continue(())
        }
        Err((seed, error)) => ControlFlow::Break(SweepError::Scenario(seed, Box::new(error))),
    });
    paired.complete = paired.seeds == seeds.count();
    broke.map_or(Ok(paired), Err)
}

impl Paired {
    fn add(&mut self, one: &SeedSeen, other: &SeedSeen) {
        self.seeds += 1;
        let side = match (one.failure.is_pass(), other.failure.is_pass()) {
            (true, true) => 0,
            (false, false) => 1,
            (false, true) => 2,
            (true, false) => 3,
        };
        self.verdicts[side].add(one.seed);
        let value = |seen: &SeedSeen, id: &str| {
            seen.objectives.iter().find(|objective| objective.id == id && objective.judged)?.value
        };
        for (id, objective) in &mut self.objectives {
            objective.add(one.seed, value(one, id), value(other, id));
        }
    }
}

/// Names the format of a comparison and its version.
const PAIRED_SCHEMA: &str = "foreshock.paired/1";

#[derive(Serialize)]
struct PairedReport {
    schema: &'static str,
    scenarios: [String; 2],
    scenario_digests: [String; 2],
    seeds_from: u64,
    seeds_to: u64,
    seeds: u64,
    complete: bool,
    failing: [ShareReport; 2],
    verdicts: VerdictsReport,
    objectives: Vec<PairedObjectiveReport>,
}

#[derive(Serialize)]
struct VerdictsReport {
    both_pass: u64,
    both_fail: u64,
    only_second_passes: u64,
    only_first_passes: u64,
    first_seed_only_second_passes: Option<u64>,
    first_seed_only_first_passes: Option<u64>,
    sign_test_ppm: u64,
    reproduce: Vec<String>,
}

#[derive(Serialize)]
struct PairedObjectiveReport {
    #[serde(flatten)]
    about: ObjectiveHeader,
    better: ShareReport,
    worse: u64,
    same: u64,
    not_compared: u64,
    sign_test_ppm: u64,
    difference: DifferenceReport,
    worst: Option<WorstReport>,
}

/// The second's value less the first's, in the objective's unit.
#[derive(Serialize)]
struct DifferenceReport {
    median: Option<i64>,
    low: Option<i64>,
    high: Option<i64>,
    confidence_ppm: u64,
}

#[derive(Serialize)]
struct WorstReport {
    seed: u64,
    worse_by: u64,
    reproduce: [String; 2],
}

/// A signed value that fits into a report; what is too far away stops at the end.
fn narrow(value: Signed) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

impl PairedReport {
    fn new(headers: [&Header; 2], paired: &Paired) -> PairedReport {
        let reproduce = |seed: u64| headers.map(|header| header.command.replace(SEED_PLACE, &seed.to_string()));
        let [both_pass, both_fail, second_only, first_only] = paired.verdicts;
        let failing = [first_only.seeds, second_only.seeds];
        let objectives = paired.objectives.values().map(|objective| {
            let (better, worse) = (objective.better.seeds, objective.worse.seeds);
            let ranks = median_ranks(objective.compared());
            let ranked = |rank: u64| objective.ranked(rank).map(narrow);
            PairedObjectiveReport {
                about: objective.about.clone(),
                better: ShareReport::new(better, better + worse),
                worse,
                same: objective.same,
                not_compared: objective.not_compared,
                sign_test_ppm: sign_test_ppm(better, worse),
                difference: DifferenceReport {
                    median: ranked(objective.compared().div_ceil(2)),
                    low: ranks.and_then(|(low, _)| ranked(low)),
                    high: ranks.and_then(|(_, high)| ranked(high)),
                    confidence_ppm: CONFIDENCE_PPM,
                },
                worst: objective.worst.map(|(worse_by, seed)| WorstReport {
                    seed,
                    worse_by,
                    reproduce: reproduce(seed),
                }),
            }
        });
        let parted = [second_only.first, first_only.first].into_iter().flatten();
        PairedReport {
            schema: PAIRED_SCHEMA,
            scenarios: headers.map(|header| header.scenario.clone()),
            scenario_digests: headers.map(|header| header.scenario_digest.clone()),
            seeds_from: headers[0].seeds_from,
            seeds_to: headers[0].seeds_to,
            seeds: paired.seeds,
            complete: paired.complete,
            failing: [second_only, first_only]
                .map(|only| ShareReport::new(both_fail.seeds + only.seeds, paired.seeds)),
            verdicts: VerdictsReport {
                both_pass: both_pass.seeds,
                both_fail: both_fail.seeds,
                only_second_passes: second_only.seeds,
                only_first_passes: first_only.seeds,
                first_seed_only_second_passes: second_only.first,
                first_seed_only_first_passes: first_only.first,
                sign_test_ppm: sign_test_ppm(failing[1], failing[0]),
                reproduce: parted.flat_map(reproduce).collect(),
            },
            objectives: objectives.collect(),
        }
    }
}

/// The canonical JSON of a comparison.
pub fn paired_report(headers: [&Header; 2], paired: &Paired) -> String {
    canonical(&PairedReport::new(headers, paired))
}

/// A comparison for people.
pub fn paired_text(headers: [&Header; 2], paired: &Paired, style: Style) -> String {
    let report = PairedReport::new(headers, paired);
    let [first, second] = &report.scenarios;
    let mut text = format!("{first} (A) against {second} (B), {}\n", counted(paired.seeds, "seed"));
    if !paired.complete {
        let _ = writeln!(text, "  {}: interrupted", style.paint(Role::Bad, "PARTIAL"));
    }
    for (name, failing) in ["A", "B"].iter().zip(&report.failing) {
        let _ = writeln!(text, "  {name} fails in {}: {}", counted(failing.seeds, "seed"), super::text::share(failing));
    }
    let verdicts = &report.verdicts;
    let _ = writeln!(
        text,
        "  only B passes in {}, only A in {}; sign test p = {}",
        counted(verdicts.only_second_passes, "seed"),
        counted(verdicts.only_first_passes, "seed"),
        probability(verdicts.sign_test_ppm)
    );
    let rows = report.objectives.iter().map(|objective| {
        let unit = &objective.about.unit;
        let difference = |value: Option<i64>| value.map_or("-".to_string(), |value| signed(unit, value));
        vec![
            objective.about.id.clone(),
            objective.about.metric.clone(),
            count(objective.better.seeds),
            count(objective.worse),
            count(objective.same),
            probability(objective.sign_test_ppm),
            difference(objective.difference.median),
            format!("{} to {}", difference(objective.difference.low), difference(objective.difference.high)),
        ]
    });
    let header = ["objective", "metric", "B better", "worse", "same", "p", "median B-A", "95 % interval"];
    let _ = write!(text, "\n{}", table(&header, &[2, 3, 4, 5, 6, 7], rows, 0));
    let worst = report.objectives.iter().filter_map(|objective| Some((&objective.about, objective.worst.as_ref()?)));
    for (about, worst) in worst {
        let by = in_unit(&about.unit, worst.worse_by);
        let _ = writeln!(text, "\nB is worst in `{}` with seed {}, by {by}", about.id, worst.seed);
        for command in &worst.reproduce {
            let _ = writeln!(text, "  {}", style.paint(Role::Aside, &format!("reproduce: {command}")));
        }
    }
    text
}

/// `0.0213`, `< 0.000001`.
fn probability(ppm: u64) -> String {
    match ppm {
        0 => "< 0.000001".to_string(),
        1_000_000.. => "1".to_string(),
        _ => format!("0.{}", format!("{ppm:06}").trim_end_matches('0')),
    }
}

/// `-1.23 ms`, `+4`.
fn signed(unit: &str, value: i64) -> String {
    let sign = match value {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", in_unit(unit, value.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objective(less_is_better: bool, pairs: &[(Option<u64>, Option<u64>)]) -> PairedObjective {
        let text = String::new;
        let about = ObjectiveHeader {
            id: "p99".into(),
            metric: text(),
            of: text(),
            bound: text(),
            window: text(),
            unit: "us".into(),
            less_is_better,
        };
        let mut objective = PairedObjective::new(about);
        (0..).zip(pairs).for_each(|(seed, (first, second))| objective.add(seed, *first, *second));
        objective
    }

    #[test]
    fn what_is_better_follows_from_the_bound() {
        let pairs = [(Some(5), Some(3)), (Some(5), Some(9)), (Some(5), Some(5)), (None, Some(1))];
        let less = objective(true, &pairs);
        assert_eq!((less.better.seeds, less.worse.seeds, less.same, less.not_compared), (1, 1, 1, 1));
        assert_eq!((less.better.first, less.worst), (Some(0), Some((4, 1))));
        let more = objective(false, &pairs);
        assert_eq!((more.better.first, more.worst), (Some(1), Some((2, 0))));
    }

    #[test]
    fn differences_are_ranked_from_the_farthest_below_zero_to_the_farthest_above() {
        let pairs: Vec<_> =
            [-30_i64, 7, 0, -1, 20, 0].iter().map(|apart| (Some(50), 50_u64.checked_add_signed(*apart))).collect();
        let objective = objective(true, &pairs);
        let ranked: Vec<Signed> = (1..=6).map(|rank| objective.ranked(rank).expect("six")).collect();
        assert_eq!(ranked, [-30, -1, 0, 0, 7, 20]);
        assert_eq!(objective.ranked(7), None);
    }

    #[test]
    fn numbers_with_a_sign_and_probabilities_read_as_people_write_them() {
        let cases = [
            (signed("us", -1_234), "-1.23 ms"),
            (signed("ppm", 0), "0 %"),
            (signed("milli", 4_000), "+4.00"),
            (probability(0), "< 0.000001"),
            (probability(21_300), "0.0213"),
            (probability(1_000_000), "1"),
        ];
        for (shown, expected) in cases {
            assert_eq!(shown, expected);
        }
    }
}
