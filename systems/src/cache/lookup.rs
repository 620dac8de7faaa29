//! What a lookup finds and what a write does.

use crate::time::Span;

/// What is found under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// It is there and fresh.
    Hit(T),
    /// Nothing.
    Miss,
    /// It was there but too old. It is gone now, unless it is kept for a grace.
    Expired,
}

impl<T> Lookup<T> {
    /// The value of a hit.
    pub fn hit(self) -> Option<T> {
        match self {
            Lookup::Hit(value) => Some(value),
            Lookup::Miss | Lookup::Expired => None,
        }
    }
}

impl<T: Clone> Lookup<&T> {
    /// The same with the value itself, so that the cache is no longer borrowed.
    pub fn cloned(self) -> Lookup<T> {
        match self {
            Lookup::Hit(value) => Lookup::Hit(value.clone()),
            Lookup::Miss => Lookup::Miss,
            Lookup::Expired => Lookup::Expired,
        }
    }
}

/// A value that has expired and is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale<T> {
    /// The value.
    pub value: T,
    /// How long ago it expired.
    pub expired_for: Span,
}

/// How one value is kept. The default: as the cache's config says, weighing 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms<'a> {
    /// Its own time to live, in place of the cache's and without jitter, until it is written again.
    pub ttl: Option<Span>,
    /// What it takes of the capacity, in the unit of that; 0 counts as 1.
    pub weight: u32,
    /// Groups it can be invalidated with.
    pub tags: &'a [u64],
    /// A value with a lower version never replaces one with a higher.
    pub version: u64,
}

/// What a write did. What else had to go for it is told to the removal listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted<V> {
    /// The value is there, under a new key.
    Added,
    /// The value is there; this is the former one, expired or not.
    Replaced(V),
    /// The value is not there: it weighs more than the capacity, or the policy did not let it in. A former value of
    /// the same key is gone all the same.
    Refused(V),
    /// The value is not there: what is there has a higher version.
    Outdated(V),
}
