//! Reads a script: what is loaded, what is evaluated, and what has to come out.

use super::expression;
use super::store::LabelSet;
use foreshock_systems::{Span, Time};
use std::collections::BTreeMap;

/// One command of a script.
pub(super) enum Step {
    Clear,
    Load(Vec<Loaded>),
    Evaluate(Evaluation),
}

/// A series to load.
pub(super) struct Loaded {
    pub(super) labels: LabelSet,
    pub(super) points: Vec<(Time, Point)>,
}

/// What is loaded for one time.
#[derive(Clone, Copy)]
pub(super) enum Point {
    Value(f64),
    Stale,
    Histogram,
}

/// An expression to evaluate.
pub(super) struct Evaluation {
    pub(super) line: usize,
    pub(super) expression: String,
    pub(super) times: Vec<Time>,
    pub(super) expected: Expected,
}

/// What has to come out.
pub(super) enum Expected {
    /// Rows of values, one for each time.
    Result(BTreeMap<LabelSet, Vec<Option<f64>>>),
    Failure,
    OutOfReach(&'static str),
}

/// All commands of a script, in order.
pub(super) fn read(text: &str) -> Vec<Step> {
    let lines: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with('#'))
        .collect();
    let mut steps = Vec::new();
    let mut rest = lines.as_slice();
    while let Some(((number, line), after)) = rest.split_first() {
        // What belongs to a command is indented and ends with an empty line.
        let body_len = after
            .iter()
            .position(|(_, line)| line.trim().is_empty() || !line.starts_with([' ', '\t']))
            .unwrap_or(after.len());
        let (body, next) = after.split_at(body_len);
        let body: Vec<&str> = body.iter().map(|(_, line)| line.trim()).collect();
        rest = next;
        let line = line.trim();
        if line == "clear" {
            steps.push(Step::Clear);
        } else if let Some((command @ ("load" | "load_with_nhcb"), step)) = line.split_once(' ') {
            let step = span(step.trim()).expect("a load has its step");
            let mut all: Vec<Loaded> = body.iter().map(|line| loaded(line, step)).collect();
            if command == "load_with_nhcb" {
                let copies: Vec<Loaded> = all.iter().filter_map(native_copy).collect();
                all.extend(copies);
            }
            steps.push(Step::Load(all));
        } else if line.starts_with("eval") {
            steps.push(Step::Evaluate(evaluation(*number, line, &body)));
        } else {
            assert!(line.is_empty(), "line {number} is no command: {line}");
        }
    }
    steps
}

fn loaded(line: &str, step: Span) -> Loaded {
    let (labels, values) = series(line).expect("what is loaded has a name and labels");
    let mut points = Vec::new();
    for (place, point) in (0u64..).zip(expand(values)) {
        if let Some(point) = point {
            points.push((Time::ZERO + step.saturating_mul(place), point));
        }
    }
    Loaded { labels, points }
}

/// The series that holds the same histogram as a native one: known by name, so that nobody takes it for absent.
fn native_copy(bucket: &Loaded) -> Option<Loaded> {
    let mut labels = bucket.labels.clone();
    labels.remove("le");
    let name = labels.get_mut("__name__")?;
    *name = name.strip_suffix("_bucket")?.to_string();
    Some(Loaded { labels, points: vec![(Time::ZERO, Point::Histogram)] })
}

/// Name, labels and the rest of a line.
fn series(line: &str) -> Option<(LabelSet, &str)> {
    let name_len = line.find(|c: char| c == '{' || c.is_whitespace()).unwrap_or(line.len());
    let (name, rest) = line.split_at(name_len);
    let mut labels = LabelSet::new();
    let rest = match rest.strip_prefix('{') {
        Some(inner) => {
            let (pairs, rest) = expression::label_pairs(inner)?;
            labels.extend(pairs);
            rest
        }
        None => rest,
    };
    if !name.is_empty() {
        labels.insert("__name__".to_string(), name.to_string());
    }
    labels.retain(|_, value| !value.is_empty());
    Some((labels, rest))
}

/// The values of a line; `None` where a time has none.
fn expand(text: &str) -> Vec<Option<Point>> {
    let mut points = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix("{{") {
            Some(_) => {
                let end = rest.find("}}").expect("a histogram has its end") + 2;
                let repeats = rest[end..].find(char::is_whitespace).map_or(rest.len(), |length| end + length);
                // A histogram that grows by another one: `{{..}}+{{..}}x5`.
                let repeats = match rest[end..].strip_prefix(['+', '-']) {
                    Some(step) if step.starts_with("{{") => {
                        let step_end = end + 1 + step.find("}}").expect("a step has its end") + 2;
                        rest[step_end..]
                            .find(char::is_whitespace)
                            .map_or(rest.len(), |length| step_end + length)
                    }
                    _ => repeats,
                };
                rest.split_at(repeats)
            }
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        expand_word(word, &mut points);
        rest = after.trim_start();
    }
    points
}

fn expand_word(word: &str, points: &mut Vec<Option<Point>>) {
    if word.starts_with("{{") {
        let times: usize =
            word.rsplit_once("}}x").map_or(0, |(_, times)| times.parse().expect("a number of times"));
        points.extend(std::iter::repeat_n(Some(Point::Histogram), times + 1));
        return;
    }
    let (value, times) = match word.rsplit_once('x') {
        Some((value, times)) => (value, Some(times.parse::<usize>().expect("a number of times"))),
        None => (word, None),
    };
    match (value, times) {
        ("_", times) => points.extend(std::iter::repeat_n(None, times.unwrap_or(1))),
        ("stale", times) => {
            points.extend(std::iter::repeat_n(Some(Point::Stale), times.map_or(1, |n| n + 1)))
        }
        (value, None) => points.push(Some(Point::Value(number(value).expect("a value")))),
        (value, Some(times)) => {
            let (start, step) = progression(value);
            points.extend((0..=times).map(|n| Some(Point::Value(start + step * n as f64))));
        }
    }
}

/// `a+b` or `a-b`, where `a` may have a sign and an exponent of its own.
fn progression(text: &str) -> (f64, f64) {
    let signs = text.char_indices().skip(1).filter(|(_, c)| matches!(c, '+' | '-'));
    let split = signs.map(|(place, _)| place).find(|place| !text[..*place].ends_with(['e', 'E']));
    match split {
        Some(place) => {
            let (start, step) = text.split_at(place);
            (number(start).expect("a start"), number(step).expect("a step"))
        }
        None => (number(text).expect("a value"), 0.0),
    }
}

fn evaluation(line: usize, text: &str, body: &[&str]) -> Evaluation {
    let (how, rest) = text.split_once(char::is_whitespace).expect("an evaluation says what");
    let (times, expression) = match rest.trim_start().strip_prefix("range from ") {
        Some(rest) => {
            let words: Vec<&str> = rest.splitn(6, ' ').collect();
            let [from, "to", to, "step", step, expression] = words.as_slice() else {
                panic!("line {line}: {text}")
            };
            let [from, to, step] = [from, to, step].map(|word| span(word).expect("a range has its times"));
            let steps = to.saturating_sub(from).as_nanos() / step.as_nanos();
            ((0..=steps).map(|n| Time::ZERO + from + step.saturating_mul(n)).collect(), *expression)
        }
        None => {
            let rest = rest.trim_start().strip_prefix("instant at ").expect("neither a range nor an instant");
            let (at, expression) = rest.split_once(' ').expect("an instant has its expression");
            (vec![Time::ZERO + span(at).expect("an instant has its time")], expression)
        }
    };
    let columns: usize = times.len();
    let mut expected = expected(body, columns);
    if how == "eval_fail" {
        expected = Expected::Failure;
    }
    Evaluation { line, expression: expression.trim().to_string(), times, expected }
}

fn expected(body: &[&str], columns: usize) -> Expected {
    let mut rows = BTreeMap::new();
    for line in body {
        if let Some(what) = line.strip_prefix("expect ") {
            match what.split([' ', ':']).next() {
                Some("fail") => return Expected::Failure,
                Some("range") => return Expected::OutOfReach("the samples of a range"),
                Some("string") => return Expected::OutOfReach("a text"),
                // Order and annotations are a query engine's.
                Some(_) | None => continue,
            }
        }
        if line.contains("{{") {
            return Expected::OutOfReach("native histograms");
        }
        if let Some(value) = number(line) {
            rows.insert(LabelSet::new(), vec![Some(value); columns]);
            continue;
        }
        let Some((labels, values)) = series(line) else {
            return Expected::OutOfReach("a result that is no series");
        };
        let values = expand(values).into_iter().map(|point| match point {
            Some(Point::Value(value)) => Some(value),
            Some(Point::Stale | Point::Histogram) | None => None,
        });
        rows.insert(labels, values.collect());
    }
    Expected::Result(rows)
}

/// A number as Go writes them.
pub(super) fn number(text: &str) -> Option<f64> {
    match text {
        "Inf" | "+Inf" | "inf" | "+inf" => Some(f64::INFINITY),
        "-Inf" | "-inf" => Some(f64::NEG_INFINITY),
        "NaN" | "nan" => Some(f64::NAN),
        text if text.starts_with("0x") => {
            u64::from_str_radix(&text[2..], 16).ok().map(|number| number as f64)
        }
        text if text.contains(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E')) => None,
        text => text.parse().ok(),
    }
}

/// A duration: with units, or a number of seconds.
pub(super) fn span(text: &str) -> Option<Span> {
    let seconds = match text.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => return text.parse().ok(),
    };
    (seconds >= 0.0).then(|| Span::from_nanos((seconds * 1e9) as u64))
}
