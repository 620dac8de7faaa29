//! A hash of everything in a scenario that influences a run. Prose, expectations and the seed do not.

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use super::plan::{Arrivals, LoadPlan};

/// Keys at the top of a document that change nothing in a run.
const WITHOUT_INFLUENCE: [&str; 6] = ["about", "expect", "seed", "name", "defaults", "sometimes"];

/// The hash of a document and the traces its loads replay.
pub(crate) fn of<'n>(
    document: &Value,
    loads: &[LoadPlan],
    operations: impl Iterator<Item = &'n str>,
) -> u128 {
    let mut text = String::new();
    let skip = |key: &str| WITHOUT_INFLUENCE.contains(&key) || key.starts_with("x-");
    match document {
        Value::Object(map) => write_mapping(map.iter().filter(|(key, _)| !skip(key)), &mut text),
        other => write_value(other, &mut text),
    }
    let operations: Vec<&str> = operations.collect();
    for load in loads {
        let Arrivals::Trace(arrivals) = &load.arrivals else { continue };
        text.push_str("\ntrace ");
        text.push_str(&load.name);
        for arrival in arrivals.iter() {
            let operation =
                arrival.operation.and_then(|operation| operations.get(operation.index()).copied());
            let key = arrival.key.map_or(String::new(), |key| key.to_string());
            text.push_str(&format!("\n{} {} {key}", arrival.at.as_nanos(), operation.unwrap_or_default()));
        }
    }
    xxh3_128(text.as_bytes())
}

fn write_mapping<'v>(entries: impl Iterator<Item = (&'v String, &'v Value)>, text: &mut String) {
    let mut entries: Vec<_> = entries.collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    text.push('{');
    for (position, (key, value)) in entries.into_iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        write_value(&Value::String(key.clone()), text);
        text.push(':');
        write_value(value, text);
    }
    text.push('}');
}

/// JSON with sorted keys and no spaces.
fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => write_mapping(map.iter(), text),
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                write_value(item, text);
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string())
        }
    }
}
