//! A paired comparison as JSON (`foreshock.paired/1`) and for people. Only shows what was compared.

use std::fmt::Write;

use serde::Serialize;

use super::paired::Signed;
use super::paired_slice::PairedSlice;
use super::piece::Piece;
use super::report::{ShareReport, reproduce};
use super::slice::ObjectiveHeader;
use crate::explore::statistics::{CONFIDENCE_PPM, median_ranks, sign_test_ppm};
use crate::report::{Role, Style, canonical, count, counted, in_unit, table};

/// Names the format of a comparison and its version.
pub const PAIRED_SCHEMA: &str = "foreshock.paired/1";

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
    fn new(slice: &PairedSlice) -> PairedReport {
        let (headers, paired, wanted) = (slice.headers(), &slice.seen, slice.seeds());
        let commands = |seed: u64| headers.map(|header| reproduce(header, seed));
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
                    reproduce: commands(seed),
                }),
            }
        });
        let parted = [second_only.first, first_only.first].into_iter().flatten();
        PairedReport {
            schema: PAIRED_SCHEMA,
            scenarios: headers.map(|header| header.scenario.clone()),
            scenario_digests: headers.map(|header| header.scenario_digest.clone()),
            seeds_from: wanted.from,
            seeds_to: wanted.to,
            seeds: paired.seeds,
            complete: slice.is_complete(),
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
                reproduce: parted.flat_map(commands).collect(),
            },
            objectives: objectives.collect(),
        }
    }
}

/// The canonical JSON of a comparison.
pub fn paired_json(slice: &PairedSlice) -> String {
    canonical(&PairedReport::new(slice))
}

/// A comparison for people.
pub fn paired_text(slice: &PairedSlice, style: Style) -> String {
    let report = PairedReport::new(slice);
    let [first, second] = &report.scenarios;
    let mut text = format!("{first} (A) against {second} (B), {}\n", counted(report.seeds, "seed"));
    if !report.complete {
        let _ = writeln!(text, "  {}: interrupted", style.paint(Role::Bad, "PARTIAL"));
    }
    for (name, failing) in ["A", "B"].iter().zip(&report.failing) {
        let _ = writeln!(
            text,
            "  {name} fails in {}: {}",
            counted(failing.seeds, "seed"),
            super::text::share(failing)
        );
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
    let worst =
        report.objectives.iter().filter_map(|objective| Some((&objective.about, objective.worst.as_ref()?)));
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
