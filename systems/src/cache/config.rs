//! How much is kept, for how long, and what goes first: plain data and its checks.

use super::eviction::{Admission, EvictionKind};
use crate::arithmetic::WHOLE_PPM;
use crate::time::Span;
use std::fmt;

/// How much is kept, for how long, and what goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// Weight kept at most. An entry weighs 1 unless its [`Terms`](super::Terms) say otherwise, so this is a number
    /// of entries for who does not weigh them. At least 1; however light they are, never more than
    /// [`MAX_ENTRIES`] entries are kept.
    pub capacity: u64,
    /// Age at which an entry has expired, counted from its writing; `None`: it does not age.
    pub ttl: Option<Span>,
    /// Share of the ttl by which it is shortened at most, evenly spread by key and time of writing, so that what was
    /// written together does not expire together. 0 to 1,000,000 ppm.
    pub ttl_jitter_ppm: u32,
    /// Time without a use after which an entry has expired; `None`: never.
    pub time_to_idle: Option<Span>,
    /// How long an expired entry is kept for [`Cache::stale`](super::Cache::stale). A get never returns it.
    pub grace: Span,
    /// What goes when there is no room.
    pub eviction: EvictionKind,
    /// Who is let in when something has to go for it.
    pub admission: Admission,
    /// Seeds the hashes of keys, random eviction and jitter. Any value; for keys chosen by strangers, one they cannot
    /// know.
    pub seed: u64,
}

/// Most entries a cache can hold.
pub const MAX_ENTRIES: u32 = 1 << 30;

impl Default for CacheConfig {
    /// A thousand entries, LRU, never expiring.
    fn default() -> CacheConfig {
        CacheConfig {
            capacity: 1_000,
            ttl: None,
            ttl_jitter_ppm: 0,
            time_to_idle: None,
            grace: Span::ZERO,
            eviction: EvictionKind::Lru,
            admission: Admission::All,
            seed: 0,
        }
    }
}

impl CacheConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`CacheError`] names the first field out of range. A cache made from a config that was not checked is
    /// safe all the same: without capacity it keeps nothing, without lifetime everything has expired at once, and
    /// jitter beyond the whole counts as the whole.
    pub fn validate(&self) -> Result<(), CacheError> {
        if self.capacity == 0 {
            return Err(CacheError::NoCapacity);
        }
        if self.ttl == Some(Span::ZERO) {
            return Err(CacheError::NoLifetime { field: "ttl" });
        }
        if self.time_to_idle == Some(Span::ZERO) {
            return Err(CacheError::NoLifetime { field: "time_to_idle" });
        }
        if self.ttl_jitter_ppm > WHOLE_PPM {
            return Err(CacheError::Share { field: "ttl_jitter_ppm", ppm: self.ttl_jitter_ppm });
        }
        Ok(())
    }
}

/// Why a cache config is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheError {
    /// The capacity is zero.
    NoCapacity,
    /// A lifetime is zero.
    NoLifetime {
        /// The field.
        field: &'static str,
    },
    /// A share is above the whole.
    Share {
        /// The field.
        field: &'static str,
        /// Its value.
        ppm: u32,
    },
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CacheError::NoCapacity => f.write_str("a capacity of 0 keeps nothing: use 1 or more"),
            CacheError::NoLifetime { field } => {
                write!(
                    f,
                    "a {field} of zero keeps nothing: use a longer one, or leave it out to keep for ever"
                )
            }
            CacheError::Share { field, ppm } => write!(f, "{field} is {ppm}: use 0 to {WHOLE_PPM}"),
        }
    }
}

impl std::error::Error for CacheError {}
