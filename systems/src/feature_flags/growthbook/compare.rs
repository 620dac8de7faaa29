//! How GrowthBook compares values: by the rules of the language that its reference is written in. Takes no memory.

use serde_json::{Number, Value};
use std::cmp::Ordering;

/// A number out of anything, as `Number(value)` makes it: nothing is 0, a text is what it says, else not a number.
pub(super) fn to_number(value: &Value) -> f64 {
    match value {
        Value::Null => 0.0,
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        Value::Number(number) => float(number),
        Value::String(text) if text.trim().is_empty() => 0.0,
        Value::String(text) => match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => number,
            _ => f64::NAN,
        },
        Value::Array(_) | Value::Object(_) => f64::NAN,
    }
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

/// Texts by their letters, anything else by number. `None` if a side is no number.
pub(super) fn relational(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => to_number(left).partial_cmp(&to_number(right)),
    }
}

/// The same type and the same content; `1` and `1.0` are the same number.
pub(super) fn strictly_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || float(left) == float(right),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| strictly_equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, left)| right.get(key).is_some_and(|right| strictly_equal(left, right)))
        }
        (left, right) => left == right,
    }
}

/// As [`strictly_equal`], texts without regard to case.
pub(super) fn equal_in_any_case(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => same_in_any_case(left, right),
        _ => strictly_equal(left, right),
    }
}

pub(super) fn same_in_any_case(left: &str, right: &str) -> bool {
    left.chars().flat_map(char::to_lowercase).eq(right.chars().flat_map(char::to_lowercase))
}

/// What counts as on.
pub(super) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => float(number) != 0.0,
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// Compares versions as GrowthBook does: without a leading `v` and the build, parts between dots and dashes as texts,
/// numbers among them right-aligned to five places, three parts alone behind those with a pre-release.
pub(super) fn versions(left: &str, right: &str) -> Ordering {
    padded(left).cmp(padded(right))
}

fn padded(version: &str) -> impl Iterator<Item = u8> {
    const WIDTH: usize = 5;
    let version = if version.is_empty() { "0" } else { version };
    let version = version.strip_prefix('v').unwrap_or(version);
    let version = version.split_once('+').map_or(version, |(version, _)| version);
    let parts = || version.split(['.', '-']);
    let tail = if parts().count() == 3 { "-~" } else { "" };
    let padded = parts().enumerate().flat_map(|(index, part)| {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let blanks = if is_number { WIDTH.saturating_sub(part.len()) } else { 0 };
        let dash = (index > 0).then_some(b'-');
        dash.into_iter().chain(std::iter::repeat_n(b' ', blanks)).chain(part.bytes())
    });
    padded.chain(tail.bytes())
}
