//! What counts as a failure when something is searched for: the verdict, one objective or invariant, or a comparison
//! of a value in the report. Looks at reports as JSON, so that those of another version of the program count as well.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::judge::{LIVENESS_ID, STOP_ID, invariant_ids};
use crate::report::{Report, to_json};
use crate::run::Outcome;
use crate::scenario::plan::{Bound, Comparison};
use crate::scenario::suggest;

/// What counts as a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Predicate {
    /// Anything did not hold.
    Verdict,
    /// The objective or invariant of this id did not hold; `liveness` and `stop` are such ids too.
    Broken(String),
    /// A value of the report, by its path, is as said.
    Compared {
        /// Keys joined by dots, as in `load.buyers.latency_us.p99`.
        path: String,
        /// What makes it a failure.
        bound: Bound,
        /// As it was written.
        written: String,
    },
}

impl FromStr for Predicate {
    type Err = String;

    /// Reads `verdict`, the id of an objective or invariant, or `path comparison value`, where the value has the unit
    /// that the path's key names: `load.buyers.latency_us.p99 > 200ms`.
    fn from_str(text: &str) -> Result<Predicate, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err(format!("nothing is said to fail; {FORMS}"));
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["verdict"] => Ok(Predicate::Verdict),
            [path @ .., operator, value] if !path.is_empty() && comparison(operator).is_some() => {
                let comparison = comparison(operator).unwrap_or(Comparison::Above);
                let path = path.join(" ");
                let limit = quantity(&path, value)?;
                Ok(Predicate::Compared { path, bound: Bound { comparison, limit }, written: words.join(" ") })
            }
            [id] if !id.contains(['<', '>', '=']) => Ok(Predicate::Broken((*id).to_string())),
            _ => Err(format!("`{text}` is neither an id nor a comparison; {FORMS}")),
        }
    }
}

const FORMS: &str = "write `verdict`, the id of an objective or invariant, or a comparison such as `load.buyers.latency_us.p99 > 200ms`";

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Predicate::Verdict => f.write_str("verdict"),
            Predicate::Broken(id) => f.write_str(id),
            Predicate::Compared { written, .. } => f.write_str(written),
        }
    }
}

impl Predicate {
    /// Whether a run failed.
    ///
    /// # Errors
    /// What the predicate names and the report does not have, with what was probably meant.
    pub fn fails(&self, outcome: &Outcome) -> Result<bool, String> {
        if *self == Predicate::Verdict {
            return Ok(!outcome.judgement.failing.is_empty());
        }
        let report: Value = serde_json::from_str(&to_json(&Report::new(outcome)))
            .map_err(|error| format!("the report cannot be read back: {error}"))?;
        self.fails_in(&report)
    }

    /// Whether the run failed that this report tells of.
    ///
    /// # Errors
    /// As [`Predicate::fails`]; also for a text that is not a report.
    pub fn fails_in(&self, report: &Value) -> Result<bool, String> {
        let failing: Option<Vec<&str>> = report
            .pointer("/verdict/failing")
            .and_then(Value::as_array)
            .map(|ids| ids.iter().filter_map(Value::as_str).collect());
        let failing = failing.ok_or("this is not a report: it has no `verdict.failing`")?;
        match self {
            Predicate::Verdict => Ok(!failing.is_empty()),
            Predicate::Broken(id) if failing.contains(&id.as_str()) => Ok(true),
            Predicate::Broken(id) => {
                let known = known_ids(report);
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                if known.contains(&id.as_str()) {
                    return Ok(false);
                }
                let help = suggest::help(id, &known).map_or(String::new(), |help| format!("; {help}"));
                Err(format!("there is no objective or invariant `{id}`{help}"))
            }
            Predicate::Compared { path, bound, .. } => {
                let number = look_up(report, path)?;
                Ok(number.is_some_and(|number| bound.holds(number)))
            }
        }
    }
}

fn known_ids(report: &Value) -> Vec<String> {
    let listed = ["slo", "invariants"].into_iter().filter_map(|key| report.get(key)?.as_array()).flatten();
    let listed = listed.filter_map(|item| item.get("id")?.as_str()).map(str::to_string);
    let always = invariant_ids().map(str::to_string);
    listed.chain(always).chain([LIVENESS_ID.to_string(), STOP_ID.to_string()]).collect()
}

/// The number at a path; `None` for `null`: nothing was measured.
fn look_up(report: &Value, path: &str) -> Result<Option<u64>, String> {
    let mut value = report;
    let mut rest = path;
    while !rest.is_empty() {
        let (next, below) = step(value, rest).ok_or_else(|| {
            let known: Vec<&str> = match value {
                Value::Object(map) => map.keys().map(String::as_str).collect(),
                _ => Vec::new(),
            };
            let word = rest.split('.').next().unwrap_or(rest);
            let help = suggest::help(word, &known).map_or(String::new(), |help| format!("; {help}"));
            format!("the report has no `{path}`: there is no `{word}`{help}")
        })?;
        (value, rest) = (next, below);
    }
    match value {
        Value::Null => Ok(None),
        Value::Number(number) => number
            .as_u64()
            .map(Some)
            .ok_or_else(|| format!("`{path}` is `{number}`, which is never compared")),
        _ => Err(format!("`{path}` is not a number: name one of the numbers of the report")),
    }
}

/// One key down: the longest key that the rest of the path begins with, because keys may hold dots themselves.
fn step<'v, 'p>(value: &'v Value, rest: &'p str) -> Option<(&'v Value, &'p str)> {
    match value {
        Value::Object(map) => {
            let begins = |key: &&String| {
                rest.strip_prefix(key.as_str())
                    .is_some_and(|below| below.is_empty() || below.starts_with('.'))
            };
            let key = map.keys().filter(begins).max_by_key(|key| key.len())?;
            let below = &rest[key.len()..];
            Some((map.get(key)?, below.strip_prefix('.').unwrap_or(below)))
        }
        Value::Array(items) => {
            let (word, below) = rest.split_once('.').unwrap_or((rest, ""));
            let named = |item: &&Value| item.get("id").and_then(Value::as_str) == Some(word);
            let by_index = word.parse::<usize>().ok().and_then(|index| items.get(index));
            Some((by_index.or_else(|| items.iter().find(named))?, below))
        }
        _ => None,
    }
}

fn comparison(word: &str) -> Option<Comparison> {
    match word {
        "<" => Some(Comparison::Below),
        "<=" => Some(Comparison::AtMost),
        ">" => Some(Comparison::Above),
        ">=" => Some(Comparison::AtLeast),
        _ => None,
    }
}

/// The value in the unit that the path's keys name; a bare whole number is in that unit already.
fn quantity(path: &str, value: &str) -> Result<u64, String> {
    let cleaned: String = value.chars().filter(|c| *c != '_').collect();
    if let Ok(number) = cleaned.parse::<u64>() {
        return Ok(number);
    }
    let has = |unit: &str| path.split('.').any(|key| key.ends_with(unit));
    let read = |what: &str, result: Option<u64>| {
        result.ok_or_else(|| format!("`{value}` is not {what}, which is what `{path}` holds"))
    };
    if has("_us") {
        let span = value.parse::<crate::kernel::time::Span>().ok();
        return read("a duration such as `200ms`", span.map(|span| span.as_nanos() / 1_000));
    }
    if has("_ppm") {
        let share = value.strip_suffix('%').and_then(|number| scaled(number, 4));
        return read("a percentage such as `20%`", share);
    }
    if has("_milli") {
        return read("a number such as `1.5`", scaled(value, 3));
    }
    read("a whole number", None)
}

/// `text * 10^digits`, exactly.
fn scaled(text: &str, digits: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let only_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !only_digits(whole) || !only_digits(fraction) || fraction.len() > digits {
        return None;
    }
    format!("{whole}{fraction:0<digits$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report() -> Value {
        json!({
            "verdict": {"failing": ["errors"]},
            "slo": [{"id": "errors", "value": 20_000}, {"id": "p99", "value": null}],
            "load": {"buyers": {"latency_us": {"p99": 250_000}, "failed": {"timeout": 3}}},
            "calls": {"a -> b.c": {"amplification_milli": 1_500, "attempts": 9}},
            "services": {"db": {"utilization_ppm": 870_000}},
        })
    }

    #[test]
    fn each_form_says_whether_the_run_failed() {
        let cases = [
            ("verdict", true),
            ("errors", true),
            ("p99", false),
            ("conservation_services", false),
            ("liveness", false),
            ("load.buyers.latency_us.p99 > 200ms", true),
            ("load.buyers.latency_us.p99 > 250ms", false),
            ("load.buyers.latency_us.p99 >= 250_000", true),
            ("calls.a -> b.c.amplification_milli > 1.4", true),
            ("calls.a -> b.c.attempts <= 8", false),
            ("services.db.utilization_ppm > 87%", false),
            ("services.db.utilization_ppm >= 87%", true),
            ("slo.errors.value > 1", true),
            ("slo.p99.value > 0", false),
        ];
        for (text, expected) in cases {
            let predicate: Predicate = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(predicate.fails_in(&report()), Ok(expected), "{text}");
            assert_eq!(predicate.to_string(), text, "it is shown as it was written");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_write() {
        for text in ["", "p99 >", "a b", "load.x > fast", "load.x.latency_us.p99 > 20%", "a==b", "> 3"] {
            let error = text.parse::<Predicate>().expect_err(text);
            assert!(error.contains('`'), "{error}");
        }
        let asked =
            |text: &str| text.parse::<Predicate>().and_then(|predicate| predicate.fails_in(&report()));
        assert!(asked("erors").is_err_and(|error| error.contains("errors")));
        assert!(asked("load.buyer.latency_us.p99 > 1ms").is_err_and(|error| error.contains("buyers")));
        assert!(asked("load.buyers > 1").is_err_and(|error| error.contains("not a number")));
        assert!(Predicate::Verdict.fails_in(&json!({})).is_err());
    }
}
