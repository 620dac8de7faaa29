//! Which idempotent producers have written what: recognises a batch that comes again, refuses one that comes too early
//! and one of a producer that has been replaced. Knows the latest batches of each only.

use super::super::ProducerId;
use super::record::{Record, Stamp};
use std::collections::{BTreeMap, VecDeque};

/// Batches of a producer that are remembered with their places, as many as it may have in flight (Kafka's bound).
pub const BATCHES_REMEMBERED: usize = 5;

/// Producers that a partition remembers; beyond it the one that has been silent longest is forgotten.
const MOST_PRODUCERS: usize = 65_536;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    epoch: u16,
    last_sequence: u64,
    last_offset: u64,
    /// First and last sequence, and the offset of the first.
    batches: VecDeque<(u64, u64, u64)>,
}

/// The producers of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Producers {
    known: BTreeMap<ProducerId, Known>,
}

/// What a batch is to a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The next one; as many of its first records have been written before (by a leader that had only these).
    New { written: u64 },
    /// It has been written: where, if that is remembered, and up to which offset this producer has written.
    Before { base_offset: Option<u64>, last_offset: u64 },
    /// Something is missing before it.
    TooEarly { expected: u64 },
    /// A later epoch of its producer has written.
    Fenced { current: u16 },
}

impl Producers {
    /// What a batch of `count` records that begins with `first` is.
    pub(super) fn look(&self, first: Stamp, count: u64) -> Seen {
        let last = first.sequence.saturating_add(count.saturating_sub(1));
        let known = self.known.get(&first.producer);
        let expected = match known {
            Some(known) if first.epoch < known.epoch => return Seen::Fenced { current: known.epoch },
            Some(known) if first.epoch == known.epoch => known.last_sequence.saturating_add(1),
            Some(_) | None => 0,
        };
        match known {
            _ if first.sequence <= expected && expected <= last => {
                Seen::New { written: expected - first.sequence }
            }
            Some(known) if first.epoch == known.epoch && last <= known.last_sequence => {
                let same = known.batches.iter().find(|batch| (batch.0, batch.1) == (first.sequence, last));
                Seen::Before { base_offset: same.map(|batch| batch.2), last_offset: known.last_offset }
            }
            Some(_) | None => Seen::TooEarly { expected },
        }
    }

    /// A batch of `count` records was written at `base_offset`.
    pub(super) fn note(&mut self, first: Stamp, count: u64, base_offset: u64) {
        let last_sequence = first.sequence.saturating_add(count.saturating_sub(1));
        let last_offset = base_offset.saturating_add(count.saturating_sub(1));
        let fresh = || Known { epoch: first.epoch, last_sequence, last_offset, batches: VecDeque::new() };
        let known = self.known.entry(first.producer).or_insert_with(fresh);
        if known.epoch != first.epoch {
            *known = fresh();
        }
        (known.last_sequence, known.last_offset) = (last_sequence, last_offset);
        known.batches.push_back((first.sequence, last_sequence, base_offset));
        if known.batches.len() > BATCHES_REMEMBERED {
            known.batches.pop_front();
        }
        if self.known.len() > MOST_PRODUCERS {
            let silent = self.known.iter().min_by_key(|(_, known)| known.last_offset);
            let silent = silent.map(|(producer, _)| *producer);
            silent.and_then(|producer| self.known.remove(&producer));
        }
    }

    /// A record was copied from a leader.
    pub(super) fn copy(&mut self, record: &Record) {
        if let Some(stamp) = record.stamp {
            self.note(stamp, 1, record.offset);
        }
    }

    /// What the records that are there say.
    pub(super) fn of<'a>(records: impl Iterator<Item = &'a Record>) -> Producers {
        let mut producers = Producers::default();
        for record in records {
            producers.copy(record);
        }
        producers
    }
}
