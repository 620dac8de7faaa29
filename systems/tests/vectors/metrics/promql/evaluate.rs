//! Evaluates an expression at a time: looks series up, calls the library's functions, and does the little arithmetic
//! around them.

use super::expression::{Expression, Selector, Test};
use super::seconds;
use super::store::{LabelSet, Store, Stored};
use foreshock_systems::metrics::functions::{self, CumulativeBucket};
use foreshock_systems::metrics::{LOOKBACK, Range, Sample};
use foreshock_systems::{Span, Time};
use std::collections::BTreeMap;

/// One value of a result.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) labels: LabelSet,
    pub(super) value: f64,
}

/// Why there is no result.
pub(super) enum Failure {
    /// The walker cannot do it.
    OutOfReach(&'static str),
    /// It is an error.
    Refused(String),
}

enum Value {
    Scalar(f64),
    Vector(Vec<Element>),
}

type Evaluated<T> = Result<T, Failure>;

/// A function of a range alone.
type OfRange = fn(&Range<'_>) -> Option<f64>;

const OF_RANGE: [(&str, OfRange); 23] = [
    ("rate", functions::rate),
    ("increase", functions::increase),
    ("irate", functions::irate),
    ("delta", functions::delta),
    ("idelta", functions::idelta),
    ("resets", functions::resets),
    ("changes", functions::changes),
    ("deriv", functions::deriv),
    ("sum_over_time", functions::sum_over_time),
    ("avg_over_time", functions::avg_over_time),
    ("count_over_time", functions::count_over_time),
    ("present_over_time", functions::present_over_time),
    ("min_over_time", functions::min_over_time),
    ("max_over_time", functions::max_over_time),
    ("stddev_over_time", functions::stddev_over_time),
    ("stdvar_over_time", functions::stdvar_over_time),
    ("mad_over_time", functions::mad_over_time),
    ("last_over_time", functions::last_over_time),
    ("first_over_time", functions::first_over_time),
    ("ts_of_min_over_time", |range| functions::ts_of_min_over_time(range).map(seconds)),
    ("ts_of_max_over_time", |range| functions::ts_of_max_over_time(range).map(seconds)),
    ("ts_of_first_over_time", |range| functions::ts_of_first_over_time(range).map(seconds)),
    ("ts_of_last_over_time", |range| functions::ts_of_last_over_time(range).map(seconds)),
];

/// The value of an expression at a time.
pub(super) fn evaluate(expression: &Expression, store: &Store, at: Time) -> Evaluated<Vec<Element>> {
    Ok(match value(expression, store, at)? {
        Value::Scalar(value) => vec![Element { labels: LabelSet::new(), value }],
        Value::Vector(elements) => elements,
    })
}

fn value(expression: &Expression, store: &Store, at: Time) -> Evaluated<Value> {
    match expression {
        Expression::Number(number) => Ok(Value::Scalar(*number)),
        Expression::Instant(selector) => instant(selector, store, at).map(Value::Vector),
        Expression::Range(..) => Err(Failure::OutOfReach("the samples of a range")),
        Expression::Call(name, arguments) => call(name, arguments, store, at),
        Expression::Aggregate { operator, by, inner } => {
            aggregate(operator, by, vector(inner, store, at)?).map(Value::Vector)
        }
        Expression::Binary { operator, left, right } => {
            binary(operator, value(left, store, at)?, value(right, store, at)?)
        }
    }
}

fn scalar(expression: &Expression, store: &Store, at: Time) -> Evaluated<f64> {
    match value(expression, store, at)? {
        Value::Scalar(value) => Ok(value),
        Value::Vector(_) => Err(Failure::Refused("a scalar is wanted".to_string())),
    }
}

fn vector(expression: &Expression, store: &Store, at: Time) -> Evaluated<Vec<Element>> {
    match value(expression, store, at)? {
        Value::Vector(elements) => Ok(elements),
        Value::Scalar(_) => Err(Failure::Refused("a vector is wanted".to_string())),
    }
}

/// The series a selector means; none of them may have histograms for samples.
fn select<'a>(selector: &Selector, store: &'a Store) -> Evaluated<Vec<(&'a LabelSet, &'a Stored)>> {
    let accepted = |labels: &LabelSet| selector.matchers.iter().all(|matcher| matcher.accepts(labels));
    let selected: Vec<_> = store.iter().filter(|(labels, _)| accepted(labels)).collect();
    if selected.iter().any(|(_, stored)| stored.has_histograms) {
        return Err(Failure::OutOfReach("native histograms"));
    }
    Ok(selected)
}

/// When a selector looks; `None` before the origin of time, where there is nothing.
fn looks_at(selector: &Selector, at: Time) -> Option<Time> {
    let at = selector.at.unwrap_or(at);
    at.as_nanos().checked_sub(selector.offset.as_nanos()).map(Time::from_nanos)
}

fn instant(selector: &Selector, store: &Store, at: Time) -> Evaluated<Vec<Element>> {
    let selected = select(selector, store)?;
    let Some(at) = looks_at(selector, at) else { return Ok(Vec::new()) };
    let found = selected.into_iter().filter_map(|(labels, stored)| {
        let sample = stored.series.at(at, LOOKBACK)?;
        Some(Element { labels: labels.clone(), value: sample.value })
    });
    Ok(found.collect())
}

fn call(name: &str, arguments: &[Expression], store: &Store, at: Time) -> Evaluated<Value> {
    let elements = match (name, arguments) {
        ("timestamp", [Expression::Instant(selector)]) => timestamps(selector, store, at)?,
        ("histogram_quantile", [q, buckets]) => {
            let q = scalar(q, store, at)?;
            of_buckets(vector(buckets, store, at)?, |buckets| functions::histogram_quantile(q, buckets))?
        }
        ("histogram_fraction", [lower, upper, buckets]) => {
            let (lower, upper) = (scalar(lower, store, at)?, scalar(upper, store, at)?);
            of_buckets(vector(buckets, store, at)?, |buckets| {
                functions::histogram_fraction(lower, upper, buckets)
            })?
        }
        ("quantile_over_time", [q, Expression::Range(selector, length)]) => {
            let q = scalar(q, store, at)?;
            of_range(selector, *length, store, at, false, |range| functions::quantile_over_time(range, q))?
        }
        ("predict_linear", [Expression::Range(selector, length), ahead]) => {
            let ahead = scalar(ahead, store, at)?;
            of_range(selector, *length, store, at, false, |range| {
                functions::predict_linear(range, at, ahead)
            })?
        }
        ("absent_over_time", [Expression::Range(selector, length)]) => absent(selector, *length, store, at)?,
        (name, [Expression::Range(selector, length)]) => {
            let known = OF_RANGE.iter().find(|(known, _)| *known == name);
            let (_, function) = known.ok_or(Failure::OutOfReach("a function of the query engine"))?;
            let keeps_name = matches!(name, "last_over_time" | "first_over_time");
            of_range(selector, *length, store, at, keeps_name, function)?
        }
        _ => return Err(Failure::OutOfReach("a function of the query engine")),
    };
    Ok(Value::Vector(elements))
}

fn of_range(
    selector: &Selector,
    length: Span,
    store: &Store,
    at: Time,
    keeps_name: bool,
    function: impl Fn(&Range<'_>) -> Option<f64>,
) -> Evaluated<Vec<Element>> {
    let selected = select(selector, store)?;
    let Some(end) = looks_at(selector, at) else { return Ok(Vec::new()) };
    let found = selected.into_iter().filter_map(|(labels, stored)| {
        let value = function(&stored.series.range(end, length))?;
        let labels = if keeps_name { labels.clone() } else { nameless(labels) };
        Some(Element { labels, value })
    });
    unique(found.collect())
}

fn timestamps(selector: &Selector, store: &Store, at: Time) -> Evaluated<Vec<Element>> {
    let selected = select(selector, store)?;
    let Some(at) = looks_at(selector, at) else { return Ok(Vec::new()) };
    let found = selected.into_iter().filter_map(|(labels, stored)| {
        let sample = stored.series.at(at, LOOKBACK)?;
        Some(Element { labels: nameless(labels), value: seconds(sample.at) })
    });
    unique(found.collect())
}

/// One element, if no series has a sample: with the labels that are asked for once, by equality.
fn absent(selector: &Selector, length: Span, store: &Store, at: Time) -> Evaluated<Vec<Element>> {
    let selected = select(selector, store)?;
    let end = looks_at(selector, at).unwrap_or(Time::ZERO);
    let is_absent =
        |stored: &Stored| functions::absent_over_time(&stored.series.range(end, length)).is_some();
    if !selected.iter().all(|(_, stored)| is_absent(stored)) {
        return Ok(Vec::new());
    }
    let mut labels = LabelSet::new();
    for matcher in &selector.matchers {
        let asked = selector.matchers.iter().filter(|other| other.label == matcher.label).count();
        if let (Test::Equals(text), true, 1) = (&matcher.test, matcher.wanted, asked) {
            labels.insert(matcher.label.clone(), text.clone());
        }
    }
    Ok(vec![Element { labels: nameless(&labels), value: 1.0 }])
}

/// Gathers the buckets of each histogram by their bounds.
fn of_buckets(
    elements: Vec<Element>,
    function: impl Fn(&mut Vec<CumulativeBucket>) -> f64,
) -> Evaluated<Vec<Element>> {
    let mut by_histogram: BTreeMap<LabelSet, Vec<CumulativeBucket>> = BTreeMap::new();
    for Element { mut labels, value } in elements {
        let bound = labels.remove("le").and_then(|bound| super::script::number(&bound));
        if let Some(upper_bound) = bound {
            by_histogram.entry(labels).or_default().push(CumulativeBucket { upper_bound, count: value });
        }
    }
    let found = by_histogram
        .into_iter()
        .map(|(labels, mut buckets)| Element { labels: nameless(&labels), value: function(&mut buckets) });
    unique(found.collect())
}

fn aggregate(operator: &str, by: &[String], elements: Vec<Element>) -> Evaluated<Vec<Element>> {
    let mut groups: BTreeMap<LabelSet, Vec<f64>> = BTreeMap::new();
    for Element { labels, value } in elements {
        let kept = labels.into_iter().filter(|(name, _)| by.contains(name)).collect();
        groups.entry(kept).or_default().push(value);
    }
    let function = match operator {
        "sum" => functions::sum_over_time,
        "avg" => functions::avg_over_time,
        "count" => functions::count_over_time,
        "min" => functions::min_over_time,
        "max" => functions::max_over_time,
        _ => return Err(Failure::OutOfReach("an aggregation of the query engine")),
    };
    // Over series as over time: each value at a time of its own.
    let of = |values: Vec<f64>| {
        let samples: Vec<Sample> =
            (1..).zip(values).map(|(ns, value)| Sample { at: Time::from_nanos(ns), value }).collect();
        function(&Range::of(&samples, Time::MAX, Span::MAX))
    };
    let found =
        groups.into_iter().filter_map(|(labels, values)| Some(Element { labels, value: of(values)? }));
    Ok(found.collect())
}

fn binary(operator: &str, left: Value, right: Value) -> Evaluated<Value> {
    let compares = !matches!(operator, "+" | "-" | "*" | "/");
    let elements = match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) if !compares => {
            return Ok(Value::Scalar(calculate(operator, left, right).unwrap_or(f64::NAN)));
        }
        (Value::Scalar(_), Value::Scalar(_)) => {
            return Err(Failure::OutOfReach("a comparison of two scalars"));
        }
        (Value::Vector(elements), Value::Scalar(right)) => {
            map(elements, compares, |left| calculate(operator, left, right))
        }
        (Value::Scalar(left), Value::Vector(elements)) => map(elements, compares, |right| {
            calculate(operator, left, right).map(|v| if compares { right } else { v })
        }),
        (Value::Vector(left), Value::Vector(right)) => {
            let right = unique_by_labels(right)?;
            let pairs = left.into_iter().filter_map(|element| {
                let other = right.get(&nameless(&element.labels))?;
                let value = calculate(operator, element.value, *other)?;
                let labels = if compares { element.labels } else { nameless(&element.labels) };
                Some(Element { labels, value })
            });
            pairs.collect()
        }
    };
    unique(elements).map(Value::Vector)
}

fn map(elements: Vec<Element>, keeps_name: bool, function: impl Fn(f64) -> Option<f64>) -> Vec<Element> {
    let mapped = elements.into_iter().filter_map(|Element { labels, value }| {
        let labels = if keeps_name { labels } else { nameless(&labels) };
        Some(Element { labels, value: function(value)? })
    });
    mapped.collect()
}

/// Arithmetic, or the left side if a comparison holds.
fn calculate(operator: &str, left: f64, right: f64) -> Option<f64> {
    match operator {
        "+" => Some(left + right),
        "-" => Some(left - right),
        "*" => Some(left * right),
        "/" => Some(left / right),
        "==" => (left == right).then_some(left),
        "!=" => (left != right).then_some(left),
        "<" => (left < right).then_some(left),
        ">" => (left > right).then_some(left),
        "<=" => (left <= right).then_some(left),
        ">=" => (left >= right).then_some(left),
        _ => None,
    }
}

fn nameless(labels: &LabelSet) -> LabelSet {
    labels
        .iter()
        .filter(|(name, _)| *name != "__name__")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn unique_by_labels(elements: Vec<Element>) -> Evaluated<BTreeMap<LabelSet, f64>> {
    let mut by_labels = BTreeMap::new();
    for Element { labels, value } in elements {
        if by_labels.insert(nameless(&labels), value).is_some() {
            return Err(Failure::Refused(format!("several series have the labels {labels:?}")));
        }
    }
    Ok(by_labels)
}

/// No two elements of a result may have the same labels.
fn unique(elements: Vec<Element>) -> Evaluated<Vec<Element>> {
    let mut seen = std::collections::BTreeSet::new();
    match elements.iter().find(|element| !seen.insert(&element.labels)) {
        Some(twice) => Err(Failure::Refused(format!("several series have the labels {:?}", twice.labels))),
        None => Ok(elements),
    }
}
