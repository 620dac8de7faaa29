//! A scheduler's durable state as rows, and how they lie in a [`Store`](crate::store::Store): one key each, written in
//! batches. Never decides anything.

mod code; // rows as bytes

use super::job::{Job, JobId, QueueId, ScheduleId};
use super::message::Leadership;
use crate::store::{Batch, Store};
use crate::time::Time;

/// One durable row: the whole of it, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// A job; boxed, for it is larger than all others.
    Job(Box<Job>),
    /// A job that is no longer kept.
    Removed(JobId),
    /// Counts that no other row tells.
    Counts(Counts),
    /// Whether a queue is paused.
    Queue { queue: QueueId, paused: bool },
    /// Who leads, or led last.
    Leader(Leadership),
    /// Up to when a schedule's ticks are noted.
    Schedule { schedule: ScheduleId, last_tick: Time },
}

/// Counts that no other row tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Jobs ever enqueued; the last one's id.
    pub(super) enqueued: u64,
    /// Jobs that ended and are no longer kept.
    pub(super) pruned: u64,
}

/// Before the keys of all rows, so that a store can be shared with other systems.
const PREFIX: &[u8; 5] = b"jobs/";

/// A key: prefix, kind, number.
const KEY_BYTES: usize = PREFIX.len() + 1 + 8;

/// Adds the rows to a batch: all of them are written, or none.
pub(super) fn write(rows: &[Row], batch: &mut Batch) {
    for row in rows {
        let (kind, number) = place(row);
        let mut key = [0; KEY_BYTES];
        let (prefix, rest) = key.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX);
        rest[0] = kind;
        // Big end first: the order of the keys is that of the numbers.
        rest[1..].copy_from_slice(&number.to_be_bytes());
        match row {
            Row::Removed(_) => batch.remove(key),
            Row::Job(_) | Row::Counts(_) | Row::Queue { .. } | Row::Leader(_) | Row::Schedule { .. } => {
                batch.put_with(key, |bytes| code::encode(row, bytes))
            }
        };
    }
}

/// What a row is about: a later one of the same place replaces it.
fn place(row: &Row) -> (u8, u64) {
    match row {
        Row::Job(job) => (b'j', job.id.0),
        Row::Removed(id) => (b'j', id.0),
        Row::Counts(_) => (b'c', 0),
        Row::Queue { queue, .. } => (b'q', u64::from(queue.0)),
        Row::Leader(_) => (b'l', 0),
        Row::Schedule { schedule, .. } => (b's', u64::from(schedule.0)),
    }
}

/// All rows in a store; `None` if there is one that cannot be read.
pub(super) fn load<S: Store>(store: &S) -> Option<Vec<Row>> {
    let mut rows = Some(Vec::new());
    store.scan(PREFIX, &mut |key, stored| {
        let row = read(&key[PREFIX.len()..], stored.value);
        rows = rows.take().and_then(|mut rows| {
            rows.push(row?);
            Some(rows)
        });
        rows.is_some()
    });
    rows
}

fn read(place: &[u8], value: &[u8]) -> Option<Row> {
    let (kind, number) = place.split_first()?;
    let number = u64::from_be_bytes(number.try_into().ok()?);
    code::decode(*kind, number, value)
}

#[cfg(test)]
mod tests;
