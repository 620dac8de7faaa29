//! Two scenarios differ in many keys, and one of them fails: which keys are enough? Compares documents by structure
//! and reduces the differences by delta debugging, so that keys which only act together are found together.

use std::num::NonZero;

use serde_json::{Map, Value, json};

use super::{BisectError, check_ends, fails};
use crate::explore::ddmin::ddmin;
use crate::explore::predicate::Predicate;
use crate::kernel::draw::Seed;
use crate::nodes::Kinds;
use crate::scenario::plan::{Edit, Plan, Setting};
use crate::scenario::{edited, materialized, replanned};

/// A key in which two documents differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where, as `--set` takes it.
    pub path: String,
    /// Its value in the good one; `None` if it has no such key.
    pub good: Option<Value>,
    /// Its value in the bad one.
    pub bad: Option<Value>,
}

/// What is enough to make the good scenario fail.
#[derive(Clone, Debug)]
pub struct KeysFound {
    /// All differences, in the order of the good document.
    pub differences: Vec<Difference>,
    /// Positions in `differences` of those that are enough; none of them can be left out.
    pub minimal: Vec<usize>,
    /// The good scenario with these alone.
    pub document: Value,
    /// Combinations that were tried.
    pub tests: u64,
    /// The changes as edits of the good scenario, if they can be written as such.
    pub settings: Option<Vec<Setting>>,
}

/// Which differing keys are enough to make `good` fail as `bad` does. Of swarms, what the seed draws is compared.
///
/// # Errors
/// When `good` fails or `bad` does not, when nothing differs, or the predicate names nothing.
pub fn bisect_keys(
    good: &Plan,
    bad: &Plan,
    seed: Seed,
    kinds: &Kinds,
    predicate: &Predicate,
    jobs: NonZero<usize>,
) -> Result<KeysFound, BisectError> {
    let as_written = good;
    let drawn = |plan: &Plan| materialized(plan.clone(), seed, kinds);
    let (good, bad) = (&drawn(good)?, &drawn(bad)?);
    let (good_document, bad_document) =
        (influential(&good.document, &good.name), influential(&bad.document, &good.name));
    let differences = differences(&good_document, &bad_document);
    if differences.is_empty() {
        return Err(BisectError::Same);
    }
    check_ends(fails(good, seed, kinds, predicate)?, fails(bad, seed, kinds, predicate)?)?;
    let with = |chosen: &[usize]| match chosen.len() == differences.len() {
        // The order of keys in the file is that of the bad one too, then.
        true => bad_document.clone(),
        false => merged(&good_document, &bad_document, chosen),
    };
    let fails_with = |chosen: &[usize]| -> Result<bool, std::convert::Infallible> {
        // What cannot be run, or has not what the predicate is about, answers nothing.
        let plan = replanned(&[good, bad], &with(chosen), kinds).ok();
        Ok(plan.is_some_and(|plan| fails(&plan, seed, kinds, predicate).unwrap_or(false)))
    };
    let Ok(minimal) = ddmin(differences.len(), jobs, u64::MAX, fails_with);
    let document = with(&minimal.kept);
    let wanted = replanned(&[good, bad], &document, kinds)?.digest;
    let settings = settings(as_written, seed, wanted, minimal.kept.iter().map(|at| &differences[*at]), kinds);
    Ok(KeysFound { settings, differences, document, minimal: minimal.kept, tests: minimal.tests })
}

/// The chosen differences as settings of the good scenario as it is written, if those make the wanted one.
fn settings<'d>(
    good: &Plan,
    seed: Seed,
    wanted: u128,
    chosen: impl Iterator<Item = &'d Difference>,
    kinds: &Kinds,
) -> Option<Vec<Setting>> {
    let setting = |difference: &Difference| Setting {
        path: difference.path.clone(),
        value: difference.bad.clone().unwrap_or(Value::Null),
    };
    let settings: Vec<Setting> = chosen.map(setting).collect();
    let edits: Vec<Edit> = settings.iter().cloned().map(Edit::Set).collect();
    let made = materialized(edited(good, &edits, kinds).ok()?, seed, kinds).ok()?;
    (made.digest == wanted).then_some(settings)
}

impl KeysFound {
    /// For programs. `commands` reproduce the good and the failing run.
    pub fn to_json(&self, scenario: &str, seed: Seed, predicate: &Predicate, commands: &[String]) -> Value {
        let keys = |difference: &Difference| json!({"path": difference.path, "good": difference.good, "bad": difference.bad});
        let minimal: Vec<Value> = self.minimal.iter().map(|index| keys(&self.differences[*index])).collect();
        json!({
            "schema": super::SCHEMA,
            "axis": "keys",
            "scenario": scenario,
            "seed": seed.0,
            "fails": predicate.to_string(),
            "differences": self.differences.len(),
            "minimal": minimal,
            "tests": self.tests,
            "reproduce": commands,
        })
    }
}

/// The part of a document that influences a run, under a name that every scenario has to have.
fn influential(document: &Value, name: &str) -> Value {
    let mut document = document.clone();
    if let Some(map) = document.as_object_mut() {
        let prose = ["about", "seed", "expect", "defaults"];
        map.retain(|key, _| !prose.contains(&key.as_str()) && !key.starts_with("x-"));
        map.insert("name".to_string(), Value::from(name));
    }
    document
}

/// Where two documents differ.
pub fn differences(good: &Value, bad: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut collect = |path: &str, good: Option<&Value>, bad: Option<&Value>| {
        found.push(Difference { path: path.to_string(), good: good.cloned(), bad: bad.cloned() });
        false
    };
    walk(Some(good), Some(bad), "", &mut collect);
    found
}

/// `good` with some of the differences taken over from `bad`; `chosen` is ascending.
fn merged(good: &Value, bad: &Value, chosen: &[usize]) -> Value {
    let mut number = 0;
    let mut choose = |_: &str, _: Option<&Value>, _: Option<&Value>| {
        number += 1;
        chosen.binary_search(&(number - 1)).is_ok()
    };
    walk(Some(good), Some(bad), "", &mut choose).unwrap_or(Value::Null)
}

/// Is told a difference and says whether the bad side of it is taken.
type Choose<'c> = dyn FnMut(&str, Option<&Value>, Option<&Value>) -> bool + 'c;

/// Goes through both documents side by side and makes one of them.
fn walk(good: Option<&Value>, bad: Option<&Value>, path: &str, choose: &mut Choose<'_>) -> Option<Value> {
    match (good, bad) {
        _ if good == bad => good.cloned(),
        (Some(Value::Object(good)), Some(Value::Object(bad))) if have_common_ground(good, bad) => {
            let mut made = Map::new();
            for key in good.keys().chain(bad.keys().filter(|key| !good.contains_key(*key))) {
                let below = joined(path, key);
                if let Some(value) = walk(good.get(key), bad.get(key), &below, choose) {
                    made.insert(key.clone(), value);
                }
            }
            Some(Value::Object(made))
        }
        (Some(Value::Array(good)), Some(Value::Array(bad))) => walk_lists(good, bad, path, choose),
        // A list of named things that only one has is as good as an empty one: each thing is a difference.
        (None, Some(Value::Array(bad))) if has_named(bad) => {
            walk_lists(&[], bad, path, choose).filter(is_not_empty)
        }
        (Some(Value::Array(good)), None) if has_named(good) => {
            walk_lists(good, &[], path, choose).filter(is_not_empty)
        }
        (good, bad) => chosen(good.cloned(), bad.cloned(), path, choose),
    }
}

fn walk_lists(good: &[Value], bad: &[Value], path: &str, choose: &mut Choose<'_>) -> Option<Value> {
    match (identities(good), identities(bad)) {
        (Some(good_names), Some(bad_names)) => {
            let find = |items: &[Value], names: &[String], name: &String| {
                names.iter().position(|own| own == name).map(|index| items[index].clone())
            };
            let added = bad_names.iter().filter(|name| !good_names.contains(name));
            let all = good_names.iter().chain(added).filter_map(|name| {
                let (ours, theirs) = (find(good, &good_names, name), find(bad, &bad_names, name));
                walk(ours.as_ref(), theirs.as_ref(), &joined(path, name), choose)
            });
            Some(Value::Array(all.collect()))
        }
        _ if good.len() == bad.len() && good.iter().chain(bad).all(Value::is_object) => {
            let items = good.iter().zip(bad).enumerate().filter_map(|(index, (ours, theirs))| {
                walk(Some(ours), Some(theirs), &joined(path, &index.to_string()), choose)
            });
            Some(Value::Array(items.collect()))
        }
        _ => chosen(Some(Value::from(good.to_vec())), Some(Value::from(bad.to_vec())), path, choose),
    }
}

fn has_named(items: &[Value]) -> bool {
    !items.is_empty() && identities(items).is_some()
}

fn is_not_empty(list: &Value) -> bool {
    list.as_array().is_some_and(|items| !items.is_empty())
}

fn chosen(good: Option<Value>, bad: Option<Value>, path: &str, choose: &mut Choose<'_>) -> Option<Value> {
    if choose(path, good.as_ref(), bad.as_ref()) { bad } else { good }
}

/// Two mappings without a common key are different forms of one thing, such as two distributions: one of them holds.
fn have_common_ground(good: &Map<String, Value>, bad: &Map<String, Value>) -> bool {
    good.keys().any(|key| bad.contains_key(key)) || good.is_empty() || bad.is_empty()
}

/// What the elements of a list are called, if each has a name of its own.
fn identities(items: &[Value]) -> Option<Vec<String>> {
    let name = |item: &Value| {
        let found = ["name", "id", "link", "to"].iter().find_map(|key| item.get(*key)?.as_str());
        found.map(str::to_string)
    };
    let names: Vec<String> = items.iter().map(name).collect::<Option<_>>()?;
    let is_unique = names.iter().enumerate().all(|(index, name)| !names[..index].contains(name));
    is_unique.then_some(names)
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pair() -> (Value, Value) {
        let good = json!({
            "services": {"a": {"workers": 4, "service_time": {"constant": "1ms"}}, "b": {"workers": 2}},
            "load": [{"name": "x", "to": "a", "rate": "10/s"}, {"name": "y", "to": "a"}],
            "timeline": [{"id": "cut", "at": "3s"}],
        });
        let bad = json!({
            "services": {"a": {"workers": 8, "service_time": {"exponential": {"mean": "1ms"}}}, "b": {"queue": {}}},
            "load": [{"name": "y", "to": "b"}, {"name": "x", "to": "a", "rate": "10/s"}],
            "timeline": [{"id": "cut", "at": "3s"}, {"id": "storm", "at": "5s"}],
        });
        (good, bad)
    }

    #[test]
    fn differences_are_named_by_path_with_both_values() {
        let (good, bad) = pair();
        let found = differences(&good, &bad);
        let shown: Vec<String> = found
            .iter()
            .map(|difference| {
                let text = |value: &Option<Value>| value.as_ref().map_or("-".to_string(), Value::to_string);
                format!("{} {} {}", difference.path, text(&difference.good), text(&difference.bad))
            })
            .collect();
        let expected = [
            "services.a.workers 4 8",
            r#"services.a.service_time {"constant":"1ms"} {"exponential":{"mean":"1ms"}}"#,
            "services.b {\"workers\":2} {\"queue\":{}}",
            r#"load.y.to "a" "b""#,
            r#"timeline.storm - {"at":"5s","id":"storm"}"#,
        ];
        let mut sorted: Vec<String> = shown.clone();
        sorted.sort();
        let mut wanted: Vec<String> = expected
            .iter()
            .map(|line| line.replace(r#"{"at":"5s","id":"storm"}"#, r#"{"id":"storm","at":"5s"}"#))
            .collect();
        wanted.sort();
        assert_eq!(sorted, wanted);
    }

    fn small_values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![(0..3_i64).prop_map(Value::from), Just(json!("a"))];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[abc]|id", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// Equal but for the order of named list elements, which a merge takes from the good document.
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Array(items) => {
                let mut items: Vec<Value> = items.iter().map(sorted).collect();
                if identities(&items).is_some() {
                    items.sort_by_key(Value::to_string);
                }
                Value::Array(items)
            }
            Value::Object(map) => {
                let mut entries: Vec<(String, Value)> =
                    map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Object(entries.into_iter().collect())
            }
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn no_difference_taken_is_the_good_document_and_all_of_them_are_the_bad_one(
            good in small_values(), bad in small_values(),
        ) {
            let (good, bad) = (json!({"k": good}), json!({"k": bad}));
            let count = differences(&good, &bad).len();
            prop_assert_eq!(&merged(&good, &bad, &[]), &good);
            let all: Vec<usize> = (0..count).collect();
            prop_assert_eq!(sorted(&merged(&good, &bad, &all)), sorted(&bad));
            prop_assert_eq!(count == 0, sorted(&good) == sorted(&bad));
        }
    }
}
