//! Documents with something taken out or changed. Whether the result makes sense is for the compiler to say.

use serde_json::Value;

use crate::nodes::Kinds;
use crate::scenario::plan::{Edit, Plan};
use crate::scenario::{edited, replanned, tidy};

/// A step down: the key of a mapping or a position in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// The document without what has no influence on a run, and without what its author expects.
pub(super) fn without_prose(document: &Value) -> Value {
    let mut document = document.clone();
    if let Some(map) = document.as_object_mut() {
        map.retain(|key, _| {
            !["about", "defaults", "expect"].contains(&key.as_str()) && !key.starts_with("x-")
        });
    }
    document
}

/// What every document is made from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    /// The scenario as it was.
    pub(super) plan: &'a Plan,
    pub(super) kinds: &'a Kinds,
}

impl Origin<'_> {
    /// The plan of a document.
    pub(super) fn planned(self, document: &Value) -> Option<Plan> {
        replanned(&[self.plan], document, self.kinds).ok()
    }

    /// The document with edits made, as `--without` makes them.
    pub(super) fn with_edits(self, document: &Value, edits: &[Edit]) -> Option<Value> {
        edited(&self.planned(document)?, edits, self.kinds).ok().map(|plan| (*plan.document).clone())
    }

    /// The document without these paths, after what made sense with them only has gone too.
    pub(super) fn without(self, document: &Value, paths: &[Vec<Step>]) -> Option<Value> {
        let mut document = without_paths(document, paths.iter().map(Vec::as_slice))?;
        tidy(&[self.plan], &mut document, self.kinds);
        Some(document)
    }
}

/// The value at a path.
pub(super) fn get<'v>(document: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(document, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

/// The value at a path, to be changed.
pub(super) fn get_mut<'v>(document: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(document, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}

/// The document with another value at a path.
pub(super) fn with_value(document: &Value, path: &[Step], value: Value) -> Option<Value> {
    let mut document = document.clone();
    *get_mut(&mut document, path)? = value;
    Some(document)
}

/// The document without the values at some paths, none of which lies below another.
pub(super) fn without_paths<'p>(document: &Value, paths: impl Iterator<Item = &'p [Step]>) -> Option<Value> {
    let mut document = document.clone();
    let mut paths: Vec<&[Step]> = paths.collect();
    // From the end, so that the positions before stay right.
    paths.sort();
    for path in paths.into_iter().rev() {
        let (last, above) = path.split_last()?;
        match (get_mut(&mut document, above)?, last) {
            (Value::Object(map), Step::Key(key)) => {
                map.shift_remove(key)?;
            }
            (Value::Array(items), Step::Index(index)) if *index < items.len() => {
                items.remove(*index);
            }
            _ => return None,
        }
    }
    Some(document)
}

/// All paths of a document that are exactly so many steps long, in the order of the document.
pub(super) fn paths_of_length(document: &Value, length: usize) -> Vec<Vec<Step>> {
    let mut level = vec![Vec::new()];
    for _ in 0..length {
        level = level.iter().flat_map(|path| below(document, path)).collect();
    }
    level
}

/// The paths one step below another.
pub(super) fn below(document: &Value, path: &[Step]) -> Vec<Vec<Step>> {
    let longer = |step: Step| path.iter().cloned().chain([step]).collect::<Vec<_>>();
    match get(document, path) {
        Some(Value::Object(map)) => map.keys().map(|key| longer(Step::Key(key.clone()))).collect(),
        Some(Value::Array(items)) => (0..items.len()).map(|index| longer(Step::Index(index))).collect(),
        _ => Vec::new(),
    }
}

/// A path for people: elements of lists by what they are called.
pub(super) fn shown(document: &Value, path: &[Step]) -> String {
    let mut words: Vec<String> = Vec::new();
    for (length, step) in path.iter().enumerate() {
        match step {
            Step::Key(key) => words.push(key.clone()),
            Step::Index(index) => {
                let item = get(document, &path[..=length]);
                let called = ["name", "id", "link", "to"].iter().find_map(|key| item?.get(*key)?.as_str());
                words.push(called.map_or_else(|| index.to_string(), str::to_string));
            }
        }
    }
    words.join(".")
}
