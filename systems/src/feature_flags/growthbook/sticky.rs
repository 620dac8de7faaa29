//! Sticky buckets: who has once been given a value keeps it, though weights, coverage or conditions change.

use std::collections::BTreeMap;
use std::fmt::Debug;

/// The buckets of one user: variation keys by `experiment__version`.
pub type Assignments = BTreeMap<String, String>;

/// Where sticky buckets are kept.
pub trait StickyStore: Debug {
    /// Whether buckets are sticky at all.
    fn is_active(&self) -> bool {
        true
    }

    /// The buckets of whoever has this value of this attribute.
    fn get(&self, attribute: &str, value: &str) -> Option<&Assignments>;

    /// Adds a bucket. One that is there already, with the same variation, changes nothing.
    fn put(&mut self, attribute: &str, value: &str, bucket: String, variation: String);
}

/// No sticky buckets.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotSticky;

impl StickyStore for NotSticky {
    fn is_active(&self) -> bool {
        false
    }
    fn get(&self, _attribute: &str, _value: &str) -> Option<&Assignments> {
        None
    }
    fn put(&mut self, _attribute: &str, _value: &str, _bucket: String, _variation: String) {}
}

/// Sticky buckets in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStickyStore {
    /// By attribute, then by its value.
    users: BTreeMap<String, BTreeMap<String, Assignments>>,
}

impl MemoryStickyStore {
    /// Everybody's buckets: attribute, its value, buckets.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Assignments)> {
        self.users.iter().flat_map(|(attribute, values)| {
            values.iter().map(move |(value, buckets)| (attribute.as_str(), value.as_str(), buckets))
        })
    }
}

impl StickyStore for MemoryStickyStore {
    fn get(&self, attribute: &str, value: &str) -> Option<&Assignments> {
        self.users.get(attribute)?.get(value)
    }

    fn put(&mut self, attribute: &str, value: &str, bucket: String, variation: String) {
        let values = self.users.entry(attribute.to_string()).or_default();
        values.entry(value.to_string()).or_default().insert(bucket, variation);
    }
}
