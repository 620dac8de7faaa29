//! What is counted of a key where its limit is kept: at the store, and on a node that goes on alone. Takes permits out
//! for somebody and settles later what he used of them. Knows no nodes.

use super::super::{FixedWindow, Forgettable, Inherit, Limiter, RetryAt, SlidingWindowCounter, TokenBucket};
use super::SharedLimit;
use crate::time::Time;

/// A limiter of any kind that can be shared.
#[derive(Clone, Debug)]
pub(super) enum Counter {
    TokenBucket(TokenBucket),
    FixedWindow(FixedWindow),
    SlidingWindow(SlidingWindowCounter),
}

/// Permits that were taken out, and in which window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Granted {
    permits: u64,
    window: u64,
}

impl Counter {
    /// Nothing used yet.
    pub(super) fn new(limit: SharedLimit, now: Time) -> Counter {
        match limit {
            SharedLimit::TokenBucket(config) => Counter::TokenBucket(TokenBucket::new(config, now)),
            SharedLimit::FixedWindow(config) => Counter::FixedWindow(FixedWindow::new(config, now)),
            SharedLimit::SlidingWindow(config) => {
                Counter::SlidingWindow(SlidingWindowCounter::new(config, now))
            }
        }
    }

    /// Takes `cost` permits, or none.
    pub(super) fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
        match self {
            Counter::TokenBucket(bucket) => bucket.check(now, cost),
            Counter::FixedWindow(window) => window.check(now, cost),
            Counter::SlidingWindow(window) => window.check(now, cost),
        }
    }

    /// Permits left; below zero if more was used than there was.
    pub(super) fn balance(&mut self, now: Time) -> i64 {
        match self {
            Counter::TokenBucket(bucket) => bucket.balance(now),
            Counter::FixedWindow(window) => window.balance(now),
            Counter::SlidingWindow(window) => window.balance(now),
        }
    }

    /// Takes permits out, whether they are there or not, to be settled later.
    pub(super) fn grant(&mut self, now: Time, permits: u64) -> Granted {
        self.settle(now, Granted::default(), permits);
        let window = match self {
            Counter::TokenBucket(_) => 0,
            Counter::FixedWindow(window) => window.present(),
            Counter::SlidingWindow(window) => window.present(),
        };
        Granted { permits, window }
    }

    /// Of what was granted so much was used, which counts as used now. The rest goes back, as far as the window it was
    /// taken from still counts.
    pub(super) fn settle(&mut self, now: Time, granted: Granted, used: u64) {
        let Granted { permits, window: taken_in } = granted;
        match self {
            Counter::TokenBucket(bucket) => bucket.settle(now, permits, used),
            Counter::FixedWindow(window) => window.settle(now, (permits, taken_in), used),
            Counter::SlidingWindow(window) => window.settle(now, (permits, taken_in), used),
        }
    }

    /// From when on it is as good as new.
    pub(super) fn settled_at(&self) -> Time {
        match self {
            Counter::TokenBucket(bucket) => bucket.settled_at(),
            Counter::FixedWindow(window) => window.settled_at(),
            Counter::SlidingWindow(window) => window.settled_at(),
        }
    }

    /// Follows a new limit; one of another kind begins anew. What was used in a window stays used unless all is reset.
    pub(super) fn reconfigure(&mut self, limit: SharedLimit, now: Time, inherit: Inherit) {
        match (&mut *self, limit) {
            (Counter::TokenBucket(bucket), SharedLimit::TokenBucket(config)) => {
                bucket.reconfigure_with(config, now, inherit);
            }
            (Counter::FixedWindow(window), SharedLimit::FixedWindow(config)) if inherit != Inherit::Reset => {
                window.reconfigure(config, now);
            }
            (Counter::SlidingWindow(window), SharedLimit::SlidingWindow(config))
                if inherit != Inherit::Reset =>
            {
                window.reconfigure(config, now);
            }
            (counter, limit) => *counter = Counter::new(limit, now),
        }
    }
}
