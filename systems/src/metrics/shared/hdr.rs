//! A high dynamic range histogram many threads record into without waiting for each other: two atomic additions
//! per value.

use super::super::histogram::{HdrConfig, HdrError, HdrHistogram, HdrLayout, ShapeMismatch, ShardTotals};
use super::{Alone, Turns, shard_count};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A histogram in shards. Clones record together.
///
/// Memory is that of a plain histogram per shard.
#[derive(Clone, Debug)]
pub struct SharedHdr(Arc<Shards>);

#[derive(Debug)]
struct Shards {
    layout: HdrLayout,
    shards: Vec<Alone<Shard>>,
    turns: Turns,
}

#[derive(Debug)]
struct Shard {
    counts: Box<[AtomicU64]>,
    /// Of the recorded values, modulo 2^64.
    sum: AtomicU64,
    /// How often `sum` has passed 2^64.
    sum_carries: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
    clamped: AtomicU64,
}

impl Shard {
    fn new(layout: &HdrLayout) -> Shard {
        Shard {
            counts: (0..layout.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
            sum_carries: AtomicU64::new(0),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
            clamped: AtomicU64::new(0),
        }
    }

    #[inline]
    fn record(&self, layout: &HdrLayout, value: u64) {
        let kept = value.min(layout.highest());
        if kept != value {
            self.clamped.fetch_add(1, Ordering::Relaxed);
        }
        // The extremes rarely change: looking is cheaper than writing.
        if kept > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(kept, Ordering::Relaxed);
        }
        if kept < self.min.load(Ordering::Relaxed) {
            self.min.fetch_min(kept, Ordering::Relaxed);
        }
        let before = self.sum.fetch_add(kept, Ordering::Relaxed);
        if before.checked_add(kept).is_none() {
            self.sum_carries.fetch_add(1, Ordering::Relaxed);
        }
        // Last, and released: who sees the count sees the sum and the extremes it belongs to.
        self.counts[layout.index_of(kept)].fetch_add(1, Ordering::Release);
    }
}

impl SharedHdr {
    /// An empty histogram for about `threads` threads (1 to 1 024; more threads share shards). Takes all the memory
    /// it will ever have.
    ///
    /// # Errors
    /// [`HdrError`] names the field of the config out of range.
    pub fn new(config: HdrConfig, threads: usize) -> Result<SharedHdr, HdrError> {
        let layout = config.layout()?;
        let shards = (0..shard_count(threads)).map(|_| Alone(Shard::new(&layout))).collect();
        Ok(SharedHdr(Arc::new(Shards { layout, shards, turns: Turns::default() })))
    }

    /// What one thread records through.
    pub fn recorder(&self) -> HdrRecorder {
        HdrRecorder { shard: self.0.turns.next(self.0.shards.len()), shared: Arc::clone(&self.0) }
    }

    /// Adds everything recorded so far to `into`, and goes on. Returns the number of values.
    ///
    /// # Errors
    /// [`ShapeMismatch`] if `into` has another layout; nothing is changed then.
    pub fn snapshot_into(&self, into: &mut HdrHistogram) -> Result<u64, ShapeMismatch> {
        self.visit(into, |cell| cell.load(Ordering::Acquire), |cell, _| cell.load(Ordering::Relaxed))
    }

    /// Moves everything recorded since the last time to `into`, for reports by interval. Returns the number of
    /// values. A value being recorded meanwhile is in this interval or in the next, its count and its sum perhaps
    /// not in the same; over all intervals nothing is lost or counted twice.
    ///
    /// # Errors
    /// [`ShapeMismatch`] if `into` has another layout; nothing is changed then.
    pub fn take_into(&self, into: &mut HdrHistogram) -> Result<u64, ShapeMismatch> {
        let take = |cell: &AtomicU64| {
            // Most buckets are empty, and reading does not take the line away from its writer.
            if cell.load(Ordering::Relaxed) == 0 { 0 } else { cell.swap(0, Ordering::AcqRel) }
        };
        self.visit(into, take, |cell, blank| cell.swap(blank, Ordering::AcqRel))
    }

    /// How many values were recorded and not taken.
    pub fn count(&self) -> u64 {
        let counts = self.0.shards.iter().flat_map(|shard| shard.0.counts.iter());
        counts.fold(0, |sum, count| sum.saturating_add(count.load(Ordering::Relaxed)))
    }

    fn visit(
        &self,
        into: &mut HdrHistogram,
        mut read_count: impl FnMut(&AtomicU64) -> u64,
        mut read: impl FnMut(&AtomicU64, u64) -> u64,
    ) -> Result<u64, ShapeMismatch> {
        if *into.layout() != self.0.layout {
            return Err(ShapeMismatch);
        }
        let mut added: u64 = 0;
        for Alone(shard) in &self.0.shards {
            // The counts first: what belongs to them was written before them.
            let counts = shard.counts.iter().map(&mut read_count);
            let rest = || ShardTotals {
                sum: (u128::from(read(&shard.sum_carries, 0)) << 64) + u128::from(read(&shard.sum, 0)),
                min: read(&shard.min, u64::MAX),
                max: read(&shard.max, 0),
                clamped: read(&shard.clamped, 0),
            };
            added = added.saturating_add(into.take_in(counts, rest));
        }
        Ok(added)
    }
}

/// One thread's way into a [`SharedHdr`].
#[derive(Debug)]
pub struct HdrRecorder {
    shared: Arc<Shards>,
    shard: usize,
}

impl HdrRecorder {
    /// Records a value; one above the range counts as its highest value.
    #[inline]
    pub fn record(&self, value: u64) {
        self.shared.shards[self.shard].0.record(&self.shared.layout, value);
    }
}
