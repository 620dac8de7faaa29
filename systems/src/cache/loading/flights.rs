//! Loads under way, at most one per key that newcomers join. Never starts a load; knows when each counts as late.

use crate::key_index::KeyIndex;
use crate::time::{Span, Time};
use std::collections::BTreeSet;

/// The right to bring in what a load found. Given out once for each load; worthless after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease {
    place: u32,
    /// Number of the load, counted from 1.
    pub(super) number: u64,
}

/// A load under way.
#[derive(Clone, Debug)]
pub(super) struct Flight<K, W> {
    pub(super) key: K,
    pub(super) number: u64,
    pub(super) started: Time,
    pub(super) waiters: Vec<W>,
    /// Versions below this were invalidated after the start.
    pub(super) least_version: u64,
    /// Whether newcomers may join and what is found may be kept: nothing was invalidated since the start.
    pub(super) is_current: bool,
    hash: u64,
    late_at: Time,
}

/// All loads under way.
#[derive(Clone, Debug)]
pub(super) struct Flights<K, W> {
    places: Vec<Option<Flight<K, W>>>,
    free: Vec<u32>,
    /// The current ones, by key.
    index: KeyIndex,
    late: BTreeSet<(Time, u32)>,
    numbers: u64,
}

impl<K: Eq, W> Flights<K, W> {
    pub(super) const fn new() -> Flights<K, W> {
        Flights {
            places: Vec::new(),
            free: Vec::new(),
            index: KeyIndex::new(),
            late: BTreeSet::new(),
            numbers: 0,
        }
    }

    /// The number of the last load that began.
    pub(super) const fn last_number(&self) -> u64 {
        self.numbers
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// The load newcomers may join.
    pub(super) fn current(&mut self, hash: u64, key: &K) -> Option<&mut Flight<K, W>> {
        let place = self.index.find(hash, |place| {
            self.places[place as usize].as_ref().is_some_and(|flight| flight.key == *key)
        })?;
        self.places[place as usize].as_mut()
    }

    /// Begins a load for a key that has no current one.
    pub(super) fn begin(&mut self, now: Time, hash: u64, key: K, timeout: Option<Span>) -> Lease {
        self.numbers += 1;
        let number = self.numbers;
        let late_at = timeout.map_or(Time::MAX, |timeout| now + timeout);
        let flight = Flight {
            key,
            number,
            started: now,
            waiters: Vec::new(),
            least_version: 0,
            is_current: true,
            hash,
            late_at,
        };
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            (self.places.len() - 1) as u32
        });
        self.places[place as usize] = Some(flight);
        self.index.insert(hash, place);
        if late_at != Time::MAX {
            self.late.insert((late_at, place));
        }
        Lease { place, number }
    }

    /// Ends a load; `None` if it has ended before.
    pub(super) fn end(&mut self, lease: Lease) -> Option<Flight<K, W>> {
        let place = self.places.get_mut(lease.place as usize)?;
        let flight = place.take_if(|flight| flight.number == lease.number)?;
        self.free.push(lease.place);
        self.late.remove(&(flight.late_at, lease.place));
        if flight.is_current {
            self.index.remove(flight.hash, lease.place);
        }
        Some(flight)
    }

    /// Lets nobody join the current load of a key any more, and nothing it finds be kept.
    pub(super) fn outdate(&mut self, hash: u64, key: &K) {
        let place = self.index.find(hash, |place| {
            self.places[place as usize].as_ref().is_some_and(|flight| flight.key == *key)
        });
        if let Some(place) = place {
            self.index.remove(hash, place);
            if let Some(flight) = &mut self.places[place as usize] {
                flight.is_current = false;
            }
        }
    }

    /// The same for all.
    pub(super) fn outdate_all(&mut self) {
        self.index.clear();
        self.places.iter_mut().flatten().for_each(|flight| flight.is_current = false);
    }

    /// A load that is late.
    pub(super) fn late(&self, now: Time) -> Option<Lease> {
        let (late_at, place) = self.late.first().copied()?;
        let flight = self.places[place as usize].as_ref().filter(|_| late_at <= now)?;
        Some(Lease { place, number: flight.number })
    }

    /// When the next load will be late.
    pub(super) fn next_late(&self) -> Option<Time> {
        self.late.first().map(|(late_at, _)| *late_at)
    }
}
