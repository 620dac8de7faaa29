//! Writes on conditions: compare, then one list of writes or the other, all at one revision. Plain data.

use super::history::Entry;
use super::key::{Key, Revision};
use super::message::LeaseId;
use super::value::Value;

/// What has to hold for a transaction to succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The key is not there.
    Absent(Key),
    /// The key was last written by this revision.
    Revision(Key, Revision),
    /// The key has been written this often.
    Version(Key, u64),
    /// The key has this value.
    Value(Key, Value),
}

impl Compare {
    /// Which key it looks at.
    pub const fn key(&self) -> &Key {
        match self {
            Compare::Absent(key)
            | Compare::Revision(key, _)
            | Compare::Version(key, _)
            | Compare::Value(key, _) => key,
        }
    }

    pub(super) fn holds(&self, found: Option<&Entry>) -> bool {
        match self {
            Compare::Absent(_) => found.is_none(),
            Compare::Revision(_, revision) => found.is_some_and(|entry| entry.revision == *revision),
            Compare::Version(_, version) => found.is_some_and(|entry| entry.version == *version),
            Compare::Value(_, value) => found.is_some_and(|entry| *entry.value == *value),
        }
    }
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Gives a key a value.
    Put(Key, Value),
    /// Takes a key away. One that is not there stays away, and that is no change.
    Delete(Key),
}

impl Write {
    /// Which key it is about.
    pub const fn key(&self) -> &Key {
        match self {
            Write::Put(key, _) | Write::Delete(key) => key,
        }
    }
}

/// If all of `compare` holds, `then`, else `otherwise`; in one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// What has to hold.
    pub compare: Vec<Compare>,
    /// What is written then. Each key at most once.
    pub then: Vec<Write>,
    /// What is written if it does not hold. Each key at most once.
    pub otherwise: Vec<Write>,
    /// What is put belongs to this lease, and goes with it. What is put without one belongs to none.
    pub lease: Option<LeaseId>,
}

impl Txn {
    /// Writes, whatever was there.
    pub fn put(key: Key, value: Value) -> Txn {
        Txn { then: vec![Write::Put(key, value)], ..Txn::default() }
    }

    /// Takes away.
    pub fn delete(key: Key) -> Txn {
        Txn { then: vec![Write::Delete(key)], ..Txn::default() }
    }

    /// Writes only if the key was last written by `expected`; if that is `None`, only if the key is not there.
    pub fn compare_and_set(key: Key, expected: Option<Revision>, value: Value) -> Txn {
        let compare = match expected {
            Some(revision) => Compare::Revision(key.clone(), revision),
            None => Compare::Absent(key.clone()),
        };
        Txn { compare: vec![compare], then: vec![Write::Put(key, value)], ..Txn::default() }
    }

    /// Stands for election: who puts the key while it is not there leads until the lease ends. The revision that made
    /// the key is the fencing token, larger for each leader.
    pub fn campaign(key: Key, candidate: Value, lease: LeaseId) -> Txn {
        Txn { lease: Some(lease), ..Txn::compare_and_set(key, None, candidate) }
    }
}
