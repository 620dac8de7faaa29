//! Prometheus' test scripts, as far as they need plain numbers and no full query language. A line that is out of
//! reach is skipped for a reason that is counted; a line that is within reach has to come out right.

mod evaluate;
mod expression;
mod script;
mod store;

use crate::folder::vectors;
use evaluate::{Element, Failure, evaluate};
use foreshock_systems::Time;
use script::{Evaluation, Expected, Step};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use store::{LabelSet, Store};

/// What became of the lines of one kind.
#[derive(Debug, Default)]
struct Tally {
    ran: usize,
    /// By reason.
    skipped: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn count(&mut self, outcome: Result<(), &'static str>) {
        match outcome {
            Ok(()) => self.ran += 1,
            Err(reason) => *self.skipped.entry(reason).or_default() += 1,
        }
    }

    fn ran(&self) -> usize {
        self.ran
    }

    fn skipped(&self) -> usize {
        self.skipped.values().sum()
    }

    fn say(&self, what: &str) {
        let all = self.ran + self.skipped();
        println!("prometheus, {what}: {} of {all} evaluations ran; skipped {:?}", self.ran, self.skipped);
    }
}

/// The kinds of lines that the aggregator's functions are about.
fn kind(expression: &str) -> &'static str {
    const KINDS: [(&str, &str); 7] = [
        ("histogram_quantile", "quantiles and shares of buckets"),
        ("histogram_fraction", "quantiles and shares of buckets"),
        ("rate(", "rate, increase and their kin"),
        ("increase(", "rate, increase and their kin"),
        ("resets(", "rate, increase and their kin"),
        ("changes(", "rate, increase and their kin"),
        ("_over_time(", "aggregates over time"),
    ];
    KINDS.iter().find(|(word, _)| expression.contains(word)).map_or("everything else", |(_, kind)| kind)
}

#[test]
fn scripts_come_out_as_prometheus_says() {
    let Some(folder) = vectors("prometheus") else { return };
    let mut tallies: BTreeMap<(String, &'static str), Tally> = BTreeMap::new();
    let mut quantiles_of_buckets = Tally::default();
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&folder).expect("the folder can be listed") {
        let path = entry.expect("its entries too").path();
        if path.extension().is_none_or(|extension| extension != "test") {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        walk(&path, &mut wrong, |expression, outcome| {
            tallies.entry((name.clone(), kind(expression))).or_default().count(outcome);
            let of_buckets = expression.contains("histogram_quantile(") && expression.contains("_bucket");
            if of_buckets && name == "histograms.test" {
                quantiles_of_buckets.count(outcome);
            }
        });
    }
    tallies.iter().for_each(|((name, kind), tally)| tally.say(&format!("{name}, {kind}")));
    quantiles_of_buckets.say("histograms.test, histogram_quantile over buckets alone");
    assert!(wrong.is_empty(), "{} evaluations came out wrong:\n{}", wrong.len(), wrong.join("\n"));
    let [ran, skipped] = [Tally::ran, Tally::skipped].map(|of| tallies.values().map(of).sum::<usize>());
    println!("prometheus: {ran} of {} evaluations ran", ran + skipped);
    assert_eq!(ran + skipped, 1_333, "every line is accounted for");
    assert_eq!((quantiles_of_buckets.ran, quantiles_of_buckets.skipped()), (43, 0));
    let stale = tallies.iter().filter(|((name, _), _)| name == "staleness.test");
    assert_eq!(stale.map(|(_, tally)| tally.skipped()).sum::<usize>(), 0, "all of staleness");
    assert!(
        ran >= LEAST_RAN,
        "{ran} ran, {LEAST_RAN} have before: what is within reach must not become less"
    );
}

/// As many as come out right by now.
const LEAST_RAN: usize = 321;

/// Runs a script; tells each evaluation's expression with its outcome, or the reason why it was skipped.
fn walk(path: &Path, wrong: &mut Vec<String>, mut tell: impl FnMut(&str, Result<(), &'static str>)) {
    let text = fs::read_to_string(path).expect("the script can be read");
    let mut store = Store::default();
    for step in script::read(&text) {
        match step {
            Step::Clear => store = Store::default(),
            Step::Load(series) => series.into_iter().for_each(|loaded| store.load(loaded)),
            Step::Evaluate(evaluation) => match run(&store, &evaluation) {
                Ok(()) => tell(&evaluation.expression, Ok(())),
                Err(Trouble::Skipped(reason)) => tell(&evaluation.expression, Err(reason)),
                Err(Trouble::Wrong(what)) => {
                    tell(&evaluation.expression, Ok(()));
                    let place = format!("{}:{}", path.display(), evaluation.line);
                    wrong.push(format!("{place}: {}: {what}", evaluation.expression));
                }
            },
        }
    }
}

enum Trouble {
    Skipped(&'static str),
    Wrong(String),
}

fn run(store: &Store, evaluation: &Evaluation) -> Result<(), Trouble> {
    let expression = expression::parse(&evaluation.expression).map_err(Trouble::Skipped)?;
    let expected = match &evaluation.expected {
        Expected::OutOfReach(reason) => return Err(Trouble::Skipped(reason)),
        Expected::Failure => None,
        Expected::Result(rows) => Some(rows),
    };
    let mut found: BTreeMap<LabelSet, Vec<Option<f64>>> = BTreeMap::new();
    for (column, at) in evaluation.times.iter().enumerate() {
        let elements = match evaluate(&expression, store, *at) {
            Ok(elements) => elements,
            Err(Failure::OutOfReach(reason)) => return Err(Trouble::Skipped(reason)),
            Err(Failure::Refused(why)) => {
                return if expected.is_none() {
                    Ok(())
                } else {
                    Err(Trouble::Wrong(format!("refused: {why}")))
                };
            }
        };
        for Element { labels, value } in elements {
            let row = found.entry(labels).or_insert_with(|| vec![None; evaluation.times.len()]);
            row[column] = Some(value);
        }
    }
    let Some(expected) = expected else { return Err(Trouble::Wrong(format!("not refused: {found:?}"))) };
    compare(expected, &found).map_err(Trouble::Wrong)
}

fn compare(
    expected: &BTreeMap<LabelSet, Vec<Option<f64>>>,
    found: &BTreeMap<LabelSet, Vec<Option<f64>>>,
) -> Result<(), String> {
    if expected.keys().ne(found.keys()) {
        return Err(format!("{found:?}, not {expected:?}"));
    }
    for (labels, row) in expected {
        let got = &found[labels];
        let differs = |column: usize| {
            let cell = |row: &[Option<f64>]| row.get(column).copied().flatten();
            !same(cell(row), cell(got))
        };
        if (0..row.len().max(got.len())).any(differs) {
            return Err(format!("{labels:?}: {got:?}, not {row:?}"));
        }
    }
    Ok(())
}

/// Equal within a millionth.
fn same(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            let close = (one - other).abs() <= 1e-6 * one.abs().max(other.abs());
            one == other || close && one.is_finite() && other.is_finite() || one.is_nan() && other.is_nan()
        }
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// A time in seconds, as the scripts count.
fn seconds(at: Time) -> f64 {
    at.as_nanos() as f64 / 1e9
}

#[test]
fn the_comparison_notices_a_value_a_label_and_a_point_too_few() {
    let row = |name: &str, values: &[Option<f64>]| {
        BTreeMap::from([(store::labels(&[("l", name)]), values.to_vec())])
    };
    let expected = row("a", &[Some(1.0), None]);
    assert!(compare(&expected, &row("a", &[Some(1.000_000_5), None])).is_ok());
    for other in [
        row("a", &[Some(1.000_01), None]),
        row("b", &[Some(1.0), None]),
        row("a", &[Some(1.0), Some(0.0)]),
        row("a", &[None, None]),
        row("a", &[Some(f64::NAN), None]),
        BTreeMap::new(),
    ] {
        assert!(compare(&expected, &other).is_err(), "{other:?}");
    }
}
