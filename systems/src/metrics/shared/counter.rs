//! A counter many threads add to without waiting for each other.

use super::{Alone, Turns, shard_count};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter in shards. Clones count together.
#[derive(Clone, Debug)]
pub struct SharedCounter(Arc<Shards>);

#[derive(Debug)]
struct Shards {
    shards: Vec<Alone<AtomicU64>>,
    turns: Turns,
}

impl SharedCounter {
    /// A counter at zero, for about `threads` threads (1 to 1 024; more threads share shards).
    pub fn new(threads: usize) -> SharedCounter {
        let shards = (0..shard_count(threads)).map(|_| Alone::default()).collect();
        SharedCounter(Arc::new(Shards { shards, turns: Turns::default() }))
    }

    /// What one thread adds through.
    pub fn recorder(&self) -> CounterRecorder {
        CounterRecorder { shard: self.0.turns.next(self.0.shards.len()), shared: Arc::clone(&self.0) }
    }

    /// The sum, saturating. What is added meanwhile may or may not be in it.
    pub fn get(&self) -> u64 {
        let shards = self.0.shards.iter().map(|shard| shard.0.load(Ordering::Relaxed));
        shards.fold(0, u64::saturating_add)
    }
}

/// One thread's way into a [`SharedCounter`].
#[derive(Debug)]
pub struct CounterRecorder {
    shared: Arc<Shards>,
    shard: usize,
}

impl CounterRecorder {
    /// Adds `amount`, saturating.
    pub fn add(&self, amount: u64) {
        let shard = &self.shared.shards[self.shard].0;
        // Never contended as long as there are no more threads than shards.
        let mut before = shard.load(Ordering::Relaxed);
        while let Err(seen) = shard.compare_exchange_weak(
            before,
            before.saturating_add(amount),
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            before = seen;
        }
    }
}
