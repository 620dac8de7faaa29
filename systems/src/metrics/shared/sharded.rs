//! Any accumulator for many threads: one behind a lock per shard, which nobody else wants but the reporter.

use super::super::histogram::{Accumulator, ShapeMismatch};
use super::{Alone, Turns, shard_count};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An accumulator in shards. Clones record together.
#[derive(Debug)]
pub struct Sharded<A>(Arc<Shards<A>>);

#[derive(Debug)]
struct Shards<A> {
    shards: Vec<Alone<Mutex<A>>>,
    turns: Turns,
}

impl<A: Accumulator + Clone> Sharded<A> {
    /// Shards for about `threads` threads (1 to 1 024; more threads share them), each beginning as an empty copy of
    /// `blank`.
    pub fn new(blank: &A, threads: usize) -> Sharded<A> {
        let mut blank = blank.clone();
        blank.clear();
        let shards = (0..shard_count(threads)).map(|_| Alone(Mutex::new(blank.clone()))).collect();
        Sharded(Arc::new(Shards { shards, turns: Turns::default() }))
    }

    /// What one thread records through.
    pub fn recorder(&self) -> ShardedRecorder<A> {
        ShardedRecorder { shard: self.0.turns.next(self.0.shards.len()), shared: Arc::clone(&self.0) }
    }

    /// Adds everything recorded so far to `into`, and goes on.
    ///
    /// # Errors
    /// [`ShapeMismatch`] if `into` has another shape; nothing is changed then.
    pub fn snapshot_into(&self, into: &mut A) -> Result<(), ShapeMismatch> {
        self.0.shards.iter().try_for_each(|shard| into.merge(&lock(&shard.0)))
    }

    /// Moves everything recorded since the last time to `into`, for reports by interval. A value being recorded
    /// meanwhile is in this interval or in the next.
    ///
    /// # Errors
    /// [`ShapeMismatch`] if `into` has another shape; nothing is changed then.
    pub fn take_into(&self, into: &mut A) -> Result<(), ShapeMismatch> {
        self.0.shards.iter().try_for_each(|shard| {
            let mut content = lock(&shard.0);
            into.merge(&content)?;
            content.clear();
            Ok(())
        })
    }
}

impl<A> Clone for Sharded<A> {
    fn clone(&self) -> Sharded<A> {
        Sharded(Arc::clone(&self.0))
    }
}

/// One thread's way into a [`Sharded`] accumulator.
#[derive(Debug)]
pub struct ShardedRecorder<A> {
    shared: Arc<Shards<A>>,
    shard: usize,
}

impl<A: Accumulator> ShardedRecorder<A> {
    /// Records `value`.
    #[inline]
    pub fn record(&self, value: u64) {
        lock(&self.shared.shards[self.shard].0).record(value);
    }

    /// Records `value` as often as `count` says.
    pub fn record_n(&self, value: u64, count: u64) {
        lock(&self.shared.shards[self.shard].0).record_n(value, count);
    }
}

/// A thread that panicked while it recorded leaves a shard that at worst lacks its value.
fn lock<A>(shard: &Mutex<A>) -> MutexGuard<'_, A> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
