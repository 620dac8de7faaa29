//! Fronts for many threads, with `&self`: each thread records through a recorder of its own into a shard, and
//! whoever reports merges the shards. Never loses a value, and never starts a thread.

mod counter;
mod hdr;
mod sharded;

pub use counter::{CounterRecorder, SharedCounter};
pub use hdr::{HdrRecorder, SharedHdr};
pub use sharded::{Sharded, ShardedRecorder};

use std::sync::atomic::{AtomicUsize, Ordering};

/// Alone on its cache lines: threads that write next to each other would fetch them from each other all the time.
/// Two lines, because processors prefetch in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Alone<T>(T);

/// Shards for `threads` threads: at least one, and no more than anybody has use for.
fn shard_count(threads: usize) -> usize {
    threads.clamp(1, 1_024)
}

/// Hands out shards one after the other.
#[derive(Debug, Default)]
struct Turns(AtomicUsize);

impl Turns {
    fn next(&self, shards: usize) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) % shards
    }
}

#[cfg(test)]
mod tests;
