//! Bounds how many calls are in flight at once, and finds the bound from how they fare. After Netflix
//! concurrency-limits. Never queues: who finds no room is refused at once. By Little's law the best bound is
//! throughput times the round-trip time without a queue.

mod aimd; // up by one, down by a factor
mod gradient; // Gradient2: short against long round-trip times
mod partition; // shares of the limit
mod vegas; // estimates the queue

pub use aimd::{Aimd, AimdConfig};
pub use gradient::{Gradient, GradientConfig};
pub use partition::{PartitionError, PartitionPermit, PartitionRefusal, PartitionedLimit};
pub use vegas::{Vegas, VegasConfig};

use crate::time::{Span, Time};
use std::fmt;

/// One call in flight, in millionths: algorithms move the limit by fractions.
pub const CALL_MICRO: u64 = 1_000_000;

/// Finds the limit from the calls that end. Implement it for an algorithm of your own.
pub trait LimitAlgorithm: fmt::Debug + Send {
    /// The limit after a call ended, in millionths of a call, given the present one. Whatever it says is cut to the
    /// bounds of the [`ConcurrencyConfig`].
    fn next_limit_micro(&mut self, limit_micro: u64, sample: &Sample) -> u64;
}

/// A call that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was let in.
    pub started: Time,
    /// When it ended.
    pub ended: Time,
    /// Calls in flight when it was let in, itself included.
    pub in_flight: u32,
    /// Whether it was dropped: timed out, or refused by the other side for overload.
    pub dropped: bool,
}

impl Sample {
    /// How long it took; at least a nanosecond.
    pub fn rtt_ns(&self) -> u64 {
        self.ended.since(self.started).as_nanos().max(1)
    }

    /// Whether the limit was used by half or more: below that a good call says nothing about a higher limit.
    pub const fn limit_was_in_use(&self, limit_micro: u64) -> bool {
        self.in_flight as u64 * 2 * CALL_MICRO >= limit_micro
    }
}

/// How a call ended, as far as the limit is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It came back; its round-trip time counts.
    Completed,
    /// It timed out or was refused for overload.
    Dropped,
    /// Its time says nothing: it failed early, or was cancelled. Only its place is given back.
    Ignored,
}

/// The bounds of the limit. `1 <= min <= initial <= max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrencyConfig {
    /// Never fewer calls than this. At least 1.
    pub min: u32,
    /// Never more calls than this.
    pub max: u32,
    /// Where it begins.
    pub initial: u32,
}

impl ConcurrencyConfig {
    /// A limit that does not move.
    pub const fn fixed(limit: u32) -> ConcurrencyConfig {
        ConcurrencyConfig { min: limit, max: limit, initial: limit }
    }

    /// Checks the order of the bounds.
    ///
    /// # Errors
    /// [`ConcurrencyError`] if they are not `1 <= min <= initial <= max`.
    pub fn validate(&self) -> Result<(), ConcurrencyError> {
        let ordered = 1 <= self.min && self.min <= self.initial && self.initial <= self.max;
        if ordered { Ok(()) } else { Err(ConcurrencyError { config: *self }) }
    }
}

/// The bounds of a limit are out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrencyError {
    /// As they are.
    pub config: ConcurrencyConfig,
}

impl fmt::Display for ConcurrencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConcurrencyConfig { min, max, initial } = self.config;
        write!(f, "limit of {min} to {max}, at first {initial}: use 1 <= min <= initial <= max")
    }
}

impl std::error::Error for ConcurrencyError {}

/// A limit that stays where it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed;

impl LimitAlgorithm for Fixed {
    fn next_limit_micro(&mut self, limit_micro: u64, _: &Sample) -> u64 {
        limit_micro
    }
}

/// A place among the calls in flight. Give it back with [`ConcurrencyLimit::release`] however the call ends: a place
/// that is lost is taken for ever.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a place that is not released is taken for ever"]
pub struct InFlight {
    started: Time,
    in_flight: u32,
}

/// As many calls as allowed are in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitReached {
    /// Calls allowed.
    pub limit: u32,
    /// Calls in flight; more than allowed right after the limit fell.
    pub in_flight: u32,
}

/// Bounds the calls in flight.
#[derive(Debug)]
pub struct ConcurrencyLimit {
    bounds: ConcurrencyConfig,
    limit_micro: u64,
    in_flight: u32,
    algorithm: Box<dyn LimitAlgorithm>,
}

impl ConcurrencyLimit {
    /// Nothing in flight.
    ///
    /// # Errors
    /// As from [`ConcurrencyConfig::validate`].
    pub fn new(
        config: ConcurrencyConfig,
        algorithm: Box<dyn LimitAlgorithm>,
    ) -> Result<ConcurrencyLimit, ConcurrencyError> {
        config.validate()?;
        let limit_micro = u64::from(config.initial) * CALL_MICRO;
        Ok(ConcurrencyLimit { bounds: config, limit_micro, in_flight: 0, algorithm })
    }

    /// A place, if fewer calls than allowed are in flight.
    ///
    /// # Errors
    /// [`LimitReached`]. There is no time to come back at: a place is free when a call ends.
    pub fn try_acquire(&mut self, now: Time) -> Result<InFlight, LimitReached> {
        if self.in_flight >= self.limit() {
            return Err(LimitReached { limit: self.limit(), in_flight: self.in_flight });
        }
        self.in_flight += 1;
        Ok(InFlight { started: now, in_flight: self.in_flight })
    }

    /// Gives a place back, and lets the limit learn from how the call fared.
    pub fn release(&mut self, now: Time, place: InFlight, outcome: CallOutcome) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let dropped = match outcome {
            CallOutcome::Completed => false,
            CallOutcome::Dropped => true,
            CallOutcome::Ignored => return,
        };
        let InFlight { started, in_flight } = place;
        let sample = Sample { started, ended: now, in_flight, dropped };
        let next = self.algorithm.next_limit_micro(self.limit_micro, &sample);
        self.set(next);
    }

    /// Follows new bounds; the limit moves only as far as they force it to. Calls in flight stay.
    ///
    /// # Errors
    /// As from [`ConcurrencyConfig::validate`]; nothing is changed then.
    pub fn reconfigure(&mut self, config: ConcurrencyConfig) -> Result<(), ConcurrencyError> {
        config.validate()?;
        self.bounds = config;
        self.set(self.limit_micro);
        Ok(())
    }

    /// Calls allowed at once. At least 1.
    pub const fn limit(&self) -> u32 {
        (self.limit_micro / CALL_MICRO) as u32
    }

    /// Calls in flight.
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    fn set(&mut self, limit_micro: u64) {
        let ConcurrencyConfig { min, max, .. } = self.bounds;
        self.limit_micro = limit_micro.clamp(u64::from(min) * CALL_MICRO, u64::from(max) * CALL_MICRO);
    }
}

/// `value` cut to a share in parts per million, exact.
fn times_ppm(value: u64, ppm: u64) -> u64 {
    u64::try_from(u128::from(value) * u128::from(ppm) / 1_000_000).unwrap_or(u64::MAX)
}

/// A span that stands for none at all: used where zero switches a rule off.
const fn is_set(span: Span) -> bool {
    !span.is_zero()
}
