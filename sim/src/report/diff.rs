//! What differs between two reports, in words: grouped by section, the worst first. Compares JSON values, so
//! that a golden of an older version can be read too; runs nothing.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value};

use super::humanise::count;

/// One value that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The top-level key it stands under.
    pub section: String,
    /// Its path, as in `services.checkout.rejected`; list entries go by their `id` where they have one.
    pub path: String,
    /// What it was; `None` if it was not there.
    pub before: Option<Value>,
    /// What it is; `None` if it is not there.
    pub after: Option<Value>,
}

/// Everything that differs from `before` to `after`: sections with the verdict first and then by their largest
/// relative change, in each section the largest relative change first.
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    let (before, after) = (keyed(before), keyed(after));
    for section in keys(&before, &after) {
        let (old, new) = (before.get(section), after.get(section));
        compare(section, section, old, new, &mut found);
    }
    let mut weight_of: BTreeMap<String, Weight> = BTreeMap::new();
    for difference in &found {
        let weight = difference.weight();
        let section = weight_of.entry(difference.section.clone()).or_insert(weight);
        *section = (*section).max(weight);
    }
    found.sort_by_key(|difference| {
        let section = weight_of.get(&difference.section).copied().unwrap_or_default();
        let rank = rank(&difference.section);
        (
            rank,
            Reverse(section),
            difference.section.clone(),
            Reverse(difference.weight()),
            difference.path.clone(),
        )
    });
    found
}

/// How far apart two values are: relative change in thousandths of the smaller one.
type Weight = u128;

impl Difference {
    /// The change in words: `services.checkout.rejected 0 -> 4 812`.
    pub fn words(&self) -> String {
        match (&self.before, &self.after) {
            (Some(Value::Null) | None, Some(Value::Object(_))) => format!("{} is new", self.path),
            (Some(Value::Object(_)), Some(Value::Null) | None) => format!("{} is gone", self.path),
            (before, after) => {
                format!("{} {} -> {}", self.path, shown(before.as_ref()), shown(after.as_ref()))
            }
        }
    }

    /// For programs: `path`, and `before` and `after` where there was or is something.
    pub fn to_json(&self) -> Value {
        let mut value = Map::from_iter([("path".to_string(), Value::from(self.path.as_str()))]);
        for (key, side) in [("before", &self.before), ("after", &self.after)] {
            if let Some(side) = side {
                value.insert(key.to_string(), side.clone());
            }
        }
        Value::Object(value)
    }

    fn weight(&self) -> Weight {
        let number = |value: &Option<Value>| match value {
            Some(Value::Number(number)) => number.as_u64().map(u128::from),
            None | Some(Value::Null) => Some(0),
            Some(Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => None,
        };
        match (number(&self.before), number(&self.after)) {
            (Some(before), Some(after)) => {
                before.abs_diff(after).saturating_mul(1000) / before.min(after).max(1)
            }
            // What is not a number is a verdict, a name or a sentence: more than any amount.
            (_, _) => Weight::MAX,
        }
    }
}

/// Sections that say what to think come before those that say how much; what only identifies a run comes last.
fn rank(section: &str) -> u8 {
    match section {
        "verdict" => 0,
        "slo" => 1,
        "invariants" => 2,
        "liveness" => 3,
        "findings" => 4,
        "schema" | "scenario" | "seed" | "plan_digest" | "fingerprint" | "events" | "ended_us" | "stop"
        | "run" => 6,
        _ => 5,
    }
}

/// The differences as text, at most `most_of_section` lines of each section; empty if there are none.
pub fn to_words(differences: &[Difference], most_of_section: usize) -> String {
    let mut text = String::new();
    let mut rest = differences;
    while let Some(first) = rest.first() {
        let length = rest.iter().take_while(|difference| difference.section == first.section).count();
        let (section, others) = rest.split_at(length);
        for difference in section.iter().take(most_of_section) {
            let _ = writeln!(text, "{}", difference.words());
        }
        if length > most_of_section {
            let _ = writeln!(
                text,
                "{}: {} more changed",
                first.section,
                count((length - most_of_section) as u64)
            );
        }
        rest = others;
    }
    text
}

fn compare(
    section: &str,
    path: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for key in keys(old, new) {
                compare(section, &format!("{path}.{key}"), old.get(key), new.get(key), found);
            }
        }
        // A map of counts that appears or goes is told value by value.
        (Some(Value::Object(old)), None) if holds_counts(old) => {
            for (key, value) in old {
                compare(section, &format!("{path}.{key}"), Some(value), None, found);
            }
        }
        (None, Some(Value::Object(new))) if holds_counts(new) => {
            for (key, value) in new {
                compare(section, &format!("{path}.{key}"), None, Some(value), found);
            }
        }
        (before, after) if before == after => {}
        (before, after) => found.push(Difference {
            section: section.to_string(),
            path: path.to_string(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

fn holds_counts(map: &Map<String, Value>) -> bool {
    !map.is_empty() && map.len() <= 2 && map.values().all(Value::is_number)
}

fn keys<'a>(before: &'a Map<String, Value>, after: &'a Map<String, Value>) -> Vec<&'a str> {
    let mut keys: Vec<&str> = before.keys().chain(after.keys()).map(String::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The sections that are lists of objects.
const LISTS: [&str; 4] = ["findings", "invariants", "slo", "timeline"];

/// The report with every list of objects made a map by what names its entries, so that an entry added in the
/// middle does not make all after it differ.
fn keyed(report: &Value) -> Map<String, Value> {
    let Value::Object(sections) = report else {
        return Map::new();
    };
    let by_name = |(section, value): (&String, &Value)| {
        let value = match value {
            Value::Array(entries) if LISTS.contains(&section.as_str()) => {
                Value::Object(by_name(section, entries))
            }
            other => other.clone(),
        };
        (section.clone(), value)
    };
    sections.iter().map(by_name).collect()
}

fn by_name(section: &str, entries: &[Value]) -> Map<String, Value> {
    let mut named = Map::new();
    for entry in entries {
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let name = match section {
            "findings" => text("text").unwrap_or("?").to_string(),
            "timeline" => format!("{}.{}", text("id").unwrap_or("?"), text("phase").unwrap_or("?")),
            _ => text("id").unwrap_or("?").to_string(),
        };
        let mut unique = name.clone();
        let mut occurrence = 1;
        while named.contains_key(&unique) {
            occurrence += 1;
            unique = format!("{name} #{occurrence}");
        }
        named.insert(unique, entry.clone());
    }
    named
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "nothing".to_string(),
        Some(Value::Number(number)) => number.as_u64().map_or_else(|| number.to_string(), count),
        Some(Value::String(text)) if text.is_empty() => "\"\"".to_string(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| shown(Some(item))).collect();
            format!("[{}]", items.join(", "))
        }
        Some(Value::Object(map)) => {
            let items: Vec<String> =
                map.iter().map(|(key, value)| format!("{key} {}", shown(Some(value)))).collect();
            format!("{{{}}}", items.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn words(before: Value, after: Value) -> Vec<String> {
        differences(&before, &after).iter().map(Difference::words).collect()
    }

    #[test]
    fn changes_are_named_in_words() {
        let cases = [
            (
                json!({"services": {"checkout": {"rejected": 0}}}),
                json!({"services": {"checkout": {"rejected": 4812}}}),
                vec!["services.checkout.rejected 0 -> 4 812"],
            ),
            (
                json!({"verdict": {"outcome": "pass", "failing": []}}),
                json!({"verdict": {"outcome": "fail", "failing": ["p99", "errors"]}}),
                vec!["verdict.failing [] -> [p99, errors]", "verdict.outcome pass -> fail"],
            ),
            (
                json!({"slo": [{"id": "a", "value": 1}, {"id": "b", "value": null}]}),
                json!({"slo": [{"id": "b", "value": 7}, {"id": "a", "value": 1}]}),
                vec!["slo.b.value nothing -> 7"],
            ),
            (
                json!({"timeline": [{"id": "x", "phase": "replaced", "at_us": 1}]}),
                json!({"timeline": [{"id": "x", "phase": "replaced", "at_us": 1},
                                    {"id": "x", "phase": "replaced", "at_us": 9}]}),
                vec!["timeline.x.replaced #2 is new"],
            ),
            (
                json!({"findings": [{"kind": "k", "text": "it broke"}]}),
                json!({"findings": []}),
                vec!["findings.it broke is gone"],
            ),
            (
                json!({"load": {"buyers": {"failed": {}}}}),
                json!({"load": {"buyers": {"failed": {"timeout": 1200}}}}),
                vec!["load.buyers.failed.timeout nothing -> 1 200"],
            ),
            (
                json!({"calls": {"a -> b": {"breaker": null}}}),
                json!({"calls": {"a -> b": {"breaker": {"opened": 1, "closed": 2, "rejected": 3}}}}),
                vec!["calls.a -> b.breaker is new"],
            ),
            (json!({"events": 5}), json!({"events": 5}), vec![]),
        ];
        for (before, after, expected) in cases {
            assert_eq!(words(before.clone(), after.clone()), expected, "{before} {after}");
        }
    }

    #[test]
    fn for_programs_what_was_not_there_is_told_from_what_was_null() {
        let found = differences(&json!({"a": {"x": null, "y": 1}}), &json!({"a": {"x": 2, "z": 3}}));
        let found: Vec<Value> = found.iter().map(Difference::to_json).collect();
        let expected = [
            json!({"path": "a.z", "after": 3}),
            json!({"path": "a.x", "before": null, "after": 2}),
            json!({"path": "a.y", "before": 1}),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_verdict_comes_first_then_the_largest_relative_change_and_identities_last() {
        let report = |outcome: &str, events: u64, good: u64, rejected: u64, attempts: u64| {
            json!({
                "calls": {"a -> b": {"attempts": attempts}},
                "events": events,
                "load": {"buyers": {"good": good}},
                "services": {"b": {"rejected": rejected, "completed": good}},
                "verdict": {"outcome": outcome},
            })
        };
        let changed = words(report("pass", 100, 1000, 0, 1000), report("fail", 900, 500, 4812, 1100));
        let expected = [
            "verdict.outcome pass -> fail",
            "services.b.rejected 0 -> 4 812",
            "services.b.completed 1 000 -> 500",
            "load.buyers.good 1 000 -> 500",
            "calls.a -> b.attempts 1 000 -> 1 100",
            "events 100 -> 900",
        ];
        assert_eq!(changed, expected);
    }

    #[test]
    fn long_sections_are_cut_and_the_rest_is_counted() {
        let many = |value: u64| {
            let services: Map<String, Value> =
                (0..30).map(|index| (format!("s{index:02}"), json!({"arrivals": value}))).collect();
            json!({ "services": services })
        };
        let text = to_words(&differences(&many(1), &many(2)), 3);
        assert_eq!(text.lines().count(), 4);
        assert!(text.ends_with("services: 27 more changed\n"), "{text}");
    }

    #[test]
    fn what_is_not_a_report_differs_as_a_whole_and_panics_never() {
        assert_eq!(words(json!(3), json!([1])), Vec::<String>::new());
        assert_eq!(words(json!({"slo": [1]}), json!({"slo": 2})).len(), 1);
    }
}
