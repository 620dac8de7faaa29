//! Bounds how fast, or how many at once, something may be used. Exact integers, so nothing is lost to rounding
//! however often one asks. Never waits: a refusal says when to come back.
//!
//! A *permit* is the unit of all limits; a request costs one or more. All decide on `now` as it is passed in.

pub mod concurrency; // bounds calls in flight: fixed, AIMD, Vegas, Gradient2
mod config; // RateLimitConfig and the exact units behind it
pub mod distributed; // one limit for many nodes
mod fixed_window; // counts per window
mod gcra; // the leaky bucket as a meter
mod headers; // RateLimit-* and Retry-After
mod hierarchy; // user x route x plan: limits on several levels
mod inherit; // what becomes of saved permits when the limit changes
mod keyed; // one limiter for each key, idle ones dropped
mod leaky_bucket; // the leaky bucket as a queue: pacing
mod multi_bucket; // several bandwidths in one bucket
mod observed; // counts, near-limit, shadow mode
pub mod shared; // fronts for many threads
pub mod shedding; // reserve for critical calls, shedding by utilisation
mod sliding_log; // remembers every permit of the window
mod sliding_window; // two counters that stand for a sliding window
mod token_bucket; // fills at the rate up to the burst
mod warm_up; // paced, slower while cold
mod window; // what limits by window are told

pub use config::{MAX_RATE_PER_S_MILLI, RateLimitConfig, RateLimitError};
pub use fixed_window::FixedWindow;
pub use gcra::Gcra;
pub use headers::RateLimitHeaders;
pub use hierarchy::{
    Hierarchy, HierarchyConfig, HierarchyError, HierarchyRefusal, Level, Match, Pattern, Rule,
};
pub use inherit::Inherit;
pub use keyed::{EmptyKey, Keyed, KeyedConfig, KeyedRefusal, KeyedStats, NoKeysAllowed, OnFull};
pub use leaky_bucket::{LeakyBucket, LeakyBucketConfig};
pub use multi_bucket::{Bandwidth, BandwidthError, MAX_BANDWIDTH_PERMITS, MultiBucket, Refill};
pub use observed::{Enforcement, LimiterCounts, NEAR_LIMIT_PPM, Observed};
pub use sliding_log::SlidingLog;
pub use sliding_window::SlidingWindowCounter;
pub use token_bucket::TokenBucket;
pub use warm_up::{WarmUp, WarmUpConfig};
pub use window::{MAX_LOG_LIMIT, WindowAlignment, WindowConfig, WindowError};

use crate::time::{Span, Time};
use config::PERMIT;

/// Decides whether something may happen now. Implement it for a rule of your own.
pub trait Limiter {
    /// Takes `cost` permits at once, or none of them. A cost of zero always passes.
    ///
    /// # Errors
    /// [`RetryAt`] with the exact wait: asked again any earlier it is refused, asked again then it passes,
    /// provided that nobody else took permits meanwhile.
    fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt>;
}

/// How long to wait before the same cost would pass, counted from now; [`Span::MAX`] if it never will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryAt(pub Span);

/// Takes permits that are not there yet, for later use.
pub trait Reserve: Limiter {
    /// Takes `cost` permits now for use after the wait it returns, which is at most `max_wait`; they are owed
    /// until then. Whoever gives up a reservation gives its permits back. What is used when its wait is over
    /// keeps every window within `burst + rate * length`, to the nanosecond to which waits are rounded up.
    ///
    /// # Errors
    /// [`RetryAt`]: asked again then, `max_wait` will suffice. A cost above the burst never passes.
    fn reserve(&mut self, now: Time, cost: u64, max_wait: Span) -> Result<Span, RetryAt>;
}

/// A limiter that after a pause is as good as new, so that it need not be kept.
pub trait Forgettable {
    /// A new one with the same limit.
    fn renewed(&self, now: Time) -> Self;

    /// From when on it decides like a new one if nobody asks meanwhile; [`Time::MAX`] if never.
    fn settled_at(&self) -> Time;
}

/// Tells how much of a limit is left, for response headers and near-limit counts.
pub trait Quota {
    /// The state at `now`.
    fn quota(&mut self, now: Time) -> QuotaStatus;
}

/// How much of a limit is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaStatus {
    /// Permits at most at once.
    pub limit: u64,
    /// Whole permits left now.
    pub remaining: u64,
    /// How long until all of them are back if nobody asks; [`Span::MAX`] if never.
    pub reset: Span,
}

#[cfg(test)]
mod tests;
