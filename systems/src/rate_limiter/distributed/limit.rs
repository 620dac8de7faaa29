//! The limit that nodes share: by rate or by window. Plain data.

use super::super::{RateLimitConfig, RateLimitError, WindowConfig, WindowError};
use std::fmt;

/// The limit of all nodes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedLimit {
    /// Fills at the rate up to the burst.
    TokenBucket(RateLimitConfig),
    /// Counts per window.
    FixedWindow(WindowConfig),
    /// Two counters that stand for a sliding window.
    SlidingWindow(WindowConfig),
}

impl From<RateLimitConfig> for SharedLimit {
    fn from(config: RateLimitConfig) -> SharedLimit {
        SharedLimit::TokenBucket(config)
    }
}

impl SharedLimit {
    /// Checks the ranges.
    ///
    /// # Errors
    /// As from [`RateLimitConfig::validate`] and [`WindowConfig::validate`].
    pub fn validate(&self) -> Result<(), SharedLimitError> {
        match self {
            SharedLimit::TokenBucket(config) => config.validate().map_err(SharedLimitError::Rate),
            SharedLimit::FixedWindow(config) | SharedLimit::SlidingWindow(config) => {
                config.validate().map_err(SharedLimitError::Window)
            }
        }
    }

    /// One of so many equal parts, never nothing.
    pub(super) fn divided(self, parts: u32) -> SharedLimit {
        match self {
            SharedLimit::TokenBucket(config) => SharedLimit::TokenBucket(config.divided(parts)),
            SharedLimit::FixedWindow(config) => SharedLimit::FixedWindow(config.divided(parts)),
            SharedLimit::SlidingWindow(config) => SharedLimit::SlidingWindow(config.divided(parts)),
        }
    }

    /// The most that can be asked for at once.
    pub(super) const fn most_at_once(&self) -> u64 {
        match self {
            SharedLimit::TokenBucket(config) => config.burst,
            SharedLimit::FixedWindow(config) | SharedLimit::SlidingWindow(config) => config.limit,
        }
    }
}

/// Why a shared limit is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedLimitError {
    /// The rate or the burst is out of range.
    Rate(RateLimitError),
    /// The window is.
    Window(WindowError),
}

impl fmt::Display for SharedLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SharedLimitError::Rate(error) => error.fmt(f),
            SharedLimitError::Window(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SharedLimitError {}
