//! What limits by window are told, and a clock that never goes back for those that remember instants.

use crate::time::{Span, Time};
use std::fmt;

/// So many permits in each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowConfig {
    /// Permits in one window. At least 1.
    pub limit: u64,
    /// How long a window is. More than zero.
    pub window: Span,
    /// Where windows begin.
    pub alignment: WindowAlignment,
}

/// Where windows begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowAlignment {
    /// At multiples of the window's length on the clock: all limiters turn over together.
    #[default]
    Clock,
    /// With the first request after the last window ended.
    FirstRequest,
}

/// Most permits in the window of a sliding log, which remembers every one of them. Higher limits are cut to it.
pub const MAX_LOG_LIMIT: u64 = 1 << 24;

impl WindowConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`WindowError`] names the first field out of range. A limiter made from a config that was not checked
    /// is safe all the same: a limit of 0 lets nothing through, a window of no length is one nanosecond.
    pub fn validate(&self) -> Result<(), WindowError> {
        if self.limit == 0 {
            return Err(WindowError::NoLimit);
        }
        if self.window.is_zero() { Err(WindowError::NoWindow) } else { Ok(()) }
    }

    /// One of so many equal parts, never nothing.
    pub fn divided(self, parts: u32) -> WindowConfig {
        WindowConfig { limit: (self.limit / u64::from(parts.max(1))).max(1), ..self }
    }

    /// The window's length, at least a nanosecond.
    pub(super) fn window_ns(&self) -> u64 {
        self.window.as_nanos().max(1)
    }
}

/// Why a limit by window is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowError {
    /// The limit is zero.
    NoLimit,
    /// The window has no length.
    NoWindow,
    /// A sliding log remembers every permit: the limit is above [`MAX_LOG_LIMIT`].
    LogTooLong {
        /// Permits in a window.
        limit: u64,
    },
}

impl fmt::Display for WindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WindowError::NoLimit => f.write_str("a limit of 0 lets nothing through: use 1 or more"),
            WindowError::NoWindow => f.write_str("a window of no length: use 1ns or more"),
            WindowError::LogTooLong { limit } => write!(
                f,
                "a log of {limit} permits: use at most {MAX_LOG_LIMIT}, or a sliding-window counter, \
                 which remembers two numbers"
            ),
        }
    }
}

impl std::error::Error for WindowError {}

/// Counts the time that passes: what the given clock goes back is left out, so that nothing remembered lies in
/// the future and nothing is forgotten early.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elapsed {
    last: Time,
    total_ns: u64,
}

impl Elapsed {
    pub(super) const fn new(now: Time, total_ns: u64) -> Elapsed {
        Elapsed { last: now, total_ns }
    }

    /// Nanoseconds that have passed at `now`, on top of what it began with.
    pub(super) fn at(&mut self, now: Time) -> u64 {
        self.total_ns = self.total_ns.saturating_add(now.since(self.last).as_nanos());
        self.last = now;
        self.total_ns
    }

    /// The instant at which so many nanoseconds will have passed.
    pub(super) fn instant(&self, total_ns: u64) -> Time {
        self.last + Span::from_nanos(total_ns.saturating_sub(self.total_ns))
    }
}
