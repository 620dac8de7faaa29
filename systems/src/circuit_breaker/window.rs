//! The calls a breaker judges by: the latest N, or those of the latest stretch of time. Adding and forgetting
//! keep running totals, so that a judgement costs the same however long the window is.

use super::config::{MAX_BUCKETS, MAX_CALLS, WindowConfig};
use crate::time::{Span, Time};
use std::collections::VecDeque;

/// Calls by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All calls.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that were slow, failed or not.
    pub slow: u64,
}

impl Tally {
    /// No calls.
    pub(super) const NONE: Tally = Tally { calls: 0, failures: 0, slow: 0 };

    pub(super) fn of(failed: bool, slow: bool) -> Tally {
        Tally { calls: 1, failures: u64::from(failed), slow: u64::from(slow) }
    }

    pub(super) fn add(&mut self, other: Tally) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
    }

    fn subtract(&mut self, other: Tally) {
        self.calls -= other.calls;
        self.failures -= other.failures;
        self.slow -= other.slow;
    }
}

/// A sliding window over recorded calls.
#[derive(Clone, Debug)]
pub(super) struct Window {
    total: Tally,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    /// Ring of single calls; `next` is the place of the oldest once the ring is full.
    Count { ring: Vec<(bool, bool)>, size: usize, next: usize },
    /// Ring of buckets; `current` is the number of the bucket being filled, since the origin of time, `place`
    /// its place in the ring, `ends_ns` its end.
    Time { ring: Vec<Tally>, bucket_ns: u64, current: u64, place: usize, ends_ns: u64 },
    /// The calls themselves, oldest first, each with the time it was recorded.
    Sliding { calls: VecDeque<Call>, size: usize, length: Span, latest: Time },
}

/// One call of a sliding window.
#[derive(Clone, Copy, Debug)]
struct Call {
    at: Time,
    failed: bool,
    slow: bool,
}

impl Window {
    pub(super) fn new(config: WindowConfig) -> Window {
        let shape = match config {
            WindowConfig::Count { calls } => {
                let size = calls.clamp(1, MAX_CALLS) as usize;
                Shape::Count { ring: Vec::with_capacity(size), size, next: 0 }
            }
            WindowConfig::Time { length, buckets } => {
                let buckets = buckets.clamp(1, MAX_BUCKETS);
                let bucket_ns = (length.as_nanos() / u64::from(buckets)).max(1);
                let ring = vec![Tally::default(); buckets as usize];
                Shape::Time { ring, bucket_ns, current: 0, place: 0, ends_ns: bucket_ns }
            }
            WindowConfig::Sliding { length, max_calls } => {
                let size = max_calls.clamp(1, MAX_CALLS) as usize;
                let length = length.max(Span::from_nanos(1));
                Shape::Sliding { calls: VecDeque::new(), size, length, latest: Time::ZERO }
            }
        };
        Window { total: Tally::default(), shape }
    }

    /// Records a call. A clock that goes back records into the latest bucket seen.
    pub(super) fn record(&mut self, now: Time, failed: bool, slow: bool) {
        self.advance(now);
        let call = Tally::of(failed, slow);
        self.total.add(call);
        match &mut self.shape {
            Shape::Count { ring, size, next } => {
                if ring.len() < *size {
                    ring.push((failed, slow));
                } else {
                    let (failed, slow) = std::mem::replace(&mut ring[*next], (failed, slow));
                    self.total.subtract(Tally::of(failed, slow));
                    *next = (*next + 1) % *size;
                }
            }
            Shape::Time { ring, place, .. } => ring[*place].add(call),
            Shape::Sliding { calls, size, latest, .. } => {
                if calls.len() == *size
                    && let Some(Call { failed, slow, .. }) = calls.pop_front()
                {
                    self.total.subtract(Tally::of(failed, slow));
                }
                calls.push_back(Call { at: *latest, failed, slow });
            }
        }
    }

    /// Forgets what has become too old.
    pub(super) fn advance(&mut self, now: Time) {
        let (ring, bucket_ns, current, place, ends_ns) = match &mut self.shape {
            Shape::Count { .. } => return,
            Shape::Sliding { .. } => return self.slide(now),
            Shape::Time { ring, bucket_ns, current, place, ends_ns } => {
                (ring, bucket_ns, current, place, ends_ns)
            }
        };
        // Most calls come in the same bucket as the one before: no division for them.
        if now.as_nanos() < *ends_ns {
            return;
        }
        let arrived = now.as_nanos() / *bucket_ns;
        let buckets = ring.len() as u64;
        for passed in 1..=arrived.saturating_sub(*current).min(buckets) {
            let at = (*current + passed) % buckets;
            self.total.subtract(std::mem::take(&mut ring[at as usize]));
        }
        *current = arrived;
        *place = (arrived % buckets) as usize;
        *ends_ns = arrived.saturating_add(1).saturating_mul(*bucket_ns);
    }

    fn slide(&mut self, now: Time) {
        let Shape::Sliding { calls, length, latest, .. } = &mut self.shape else { return };
        *latest = now.max(*latest);
        while let Some(oldest) = calls.front().filter(|oldest| latest.since(oldest.at) >= *length) {
            self.total.subtract(Tally::of(oldest.failed, oldest.slow));
            calls.pop_front();
        }
    }

    /// The calls in the window as of the latest record or advance.
    pub(super) fn total(&self) -> Tally {
        self.total
    }

    /// Before when a call counts the same whenever it is recorded: the end of the latest bucket. Never where calls
    /// are kept with their time.
    pub(super) fn unchanged_until(&self) -> Time {
        match &self.shape {
            Shape::Count { .. } => Time::MAX,
            Shape::Time { ends_ns, .. } => Time::from_nanos(*ends_ns),
            Shape::Sliding { .. } => Time::ZERO,
        }
    }

    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.total = Tally::default();
        match &mut self.shape {
            Shape::Count { ring, next, .. } => {
                ring.clear();
                *next = 0;
            }
            Shape::Time { ring, .. } => ring.fill(Tally::default()),
            Shape::Sliding { calls, .. } => calls.clear(),
        }
    }

    #[cfg(test)]
    pub(super) fn recounted(&self) -> Tally {
        let mut sum = Tally::default();
        match &self.shape {
            Shape::Count { ring, .. } => {
                ring.iter().for_each(|(failed, slow)| sum.add(Tally::of(*failed, *slow)))
            }
            Shape::Time { ring, .. } => ring.iter().for_each(|bucket| sum.add(*bucket)),
            Shape::Sliding { calls, .. } => {
                calls.iter().for_each(|call| sum.add(Tally::of(call.failed, call.slow)));
            }
        }
        sum
    }
}
