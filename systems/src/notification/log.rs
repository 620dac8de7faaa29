//! The notification log: what each receiver was last told of each group. It is what keeps a receiver from being told twice,
//! after a restart and by several nodes. Between nodes the later entry wins.

use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a receiver was last told of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Of which group: the route's key and the group's labels.
    pub group: String,
    /// Who.
    pub receiver: String,
    /// At which tick of the group, in nanoseconds.
    pub at_ns: u64,
    /// How often it was changed since, without the receiver being told.
    pub revision: u32,
    /// Fingerprints of the alerts that were said to be firing, ascending.
    pub firing: Vec<u64>,
    /// When it may be forgotten, in nanoseconds.
    pub expires_ns: u64,
}

impl LogEntry {
    /// At which tick of the group.
    pub const fn at(&self) -> Time {
        Time::from_nanos(self.at_ns)
    }

    /// Whether the receiver knows an alert as firing.
    pub fn is_firing(&self, fingerprint: u64) -> bool {
        self.firing.binary_search(&fingerprint).is_ok()
    }

    pub(super) fn store_key(&self) -> Vec<u8> {
        [PREFIX, self.receiver.as_bytes(), b"\0", self.group.as_bytes()].concat()
    }
}

/// Under which keys entries are stored.
pub(super) const PREFIX: &[u8] = b"notification/log/";

/// All entries.
#[derive(Clone, Debug, Default)]
pub struct NotificationLog {
    by_group: BTreeMap<String, BTreeMap<String, LogEntry>>,
}

impl NotificationLog {
    /// What a receiver was last told of a group.
    pub fn get(&self, group: &str, receiver: &str) -> Option<&LogEntry> {
        self.by_group.get(group)?.get(receiver)
    }

    /// Takes an entry unless a later one is known. Whether it was taken. Of two at the same time the one that knows more
    /// wins, and then the greater: so all nodes agree.
    pub fn merge(&mut self, entry: &LogEntry) -> bool {
        let rank = |entry: &LogEntry| (entry.at_ns, entry.revision, entry.firing.len(), entry.expires_ns);
        let of_group = self.by_group.entry(entry.group.clone()).or_default();
        let newer = of_group
            .get(&entry.receiver)
            .is_none_or(|known| (rank(entry), &entry.firing) > (rank(known), &known.firing));
        if newer {
            of_group.insert(entry.receiver.clone(), entry.clone());
        }
        newer
    }

    /// All of them, by group and receiver.
    pub fn iter(&self) -> impl Iterator<Item = &LogEntry> {
        self.by_group.values().flat_map(BTreeMap::values)
    }

    /// Takes out what has expired.
    pub fn forget_expired(&mut self, now: Time) -> Vec<LogEntry> {
        let is_over = |entry: &LogEntry| entry.expires_ns <= now.as_nanos();
        let over: Vec<LogEntry> = self.iter().filter(|entry| is_over(entry)).cloned().collect();
        self.by_group.retain(|_, of_group| {
            of_group.retain(|_, entry| !is_over(entry));
            !of_group.is_empty()
        });
        over
    }
}
