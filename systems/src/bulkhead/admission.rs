//! Static limits on what one callee may be made to carry: connections, requests waiting for one, requests under
//! way, retries under way. What Envoy calls a circuit breaker; it has no memory and no states, it only counts.
//! Many threads may use it at once. Never queues and never waits: what is over a limit is refused.

use crate::arithmetic::{WHOLE_PPM, share_of};
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// An open connection.
    Connection,
    /// A request that waits for a connection.
    Pending,
    /// A request under way, a retry included.
    Request,
    /// A retry under way; it is a request as well.
    Retry,
}

impl Resource {
    /// Every resource.
    pub const ALL: [Resource; 4] =
        [Resource::Connection, Resource::Pending, Resource::Request, Resource::Retry];
}

/// How many retries may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryLimit {
    /// So many, whatever else is going on. 0 allows none.
    Count(u32),
    /// A share of the requests pending and under way, and never less than a floor that gets a quiet client going.
    Share {
        /// In parts per million.
        share_ppm: u32,
        /// The floor.
        at_least: u32,
    },
}

/// The limits. A limit of `u32::MAX` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionConfig {
    /// Connections open at once. At least 1.
    pub max_connections: u32,
    /// Requests waiting for a connection at once. 0 lets none wait.
    pub max_pending: u32,
    /// Requests under way at once. At least 1.
    pub max_requests: u32,
    /// Retries under way at once.
    pub max_retries: RetryLimit,
}

impl Default for AdmissionConfig {
    /// Envoy's defaults: 1024 connections, 1024 pending, 1024 requests, 3 retries.
    fn default() -> AdmissionConfig {
        AdmissionConfig {
            max_connections: 1_024,
            max_pending: 1_024,
            max_requests: 1_024,
            max_retries: RetryLimit::Count(3),
        }
    }
}

impl AdmissionConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`AdmissionError`] names the first field out of range. Limits made from a config that was not checked are
    /// safe all the same: a limit of 0 refuses everybody.
    pub fn validate(&self) -> Result<(), AdmissionError> {
        if self.max_connections == 0 {
            return Err(AdmissionError::NoPlaces { resource: Resource::Connection });
        }
        if self.max_requests == 0 {
            return Err(AdmissionError::NoPlaces { resource: Resource::Request });
        }
        match self.max_retries {
            RetryLimit::Share { share_ppm, .. } if share_ppm > WHOLE_PPM => {
                Err(AdmissionError::RetryShare { share_ppm })
            }
            RetryLimit::Share { .. } | RetryLimit::Count(_) => Ok(()),
        }
    }
}

/// Why limits are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionError {
    /// A limit of zero that would refuse everything.
    NoPlaces {
        /// Which.
        resource: Resource,
    },
    /// More retries than requests.
    RetryShare {
        /// In parts per million.
        share_ppm: u32,
    },
}

impl fmt::Display for AdmissionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdmissionError::NoPlaces { resource } => {
                write!(f, "a limit of 0 for {resource:?} refuses everything: use 1 or more, 1024 is usual")
            }
            AdmissionError::RetryShare { share_ppm } => {
                write!(
                    f,
                    "retries may be {share_ppm} ppm of the requests: use at most 1000000, 200000 is usual"
                )
            }
        }
    }
}

impl std::error::Error for AdmissionError {}

/// A limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow {
    /// Which.
    pub resource: Resource,
    /// What it was when it was reached.
    pub limit: u32,
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} limit of {} reached: shed this call, do not retry it at once",
            self.resource, self.limit
        )
    }
}

impl std::error::Error for Overflow {}

/// Counts what is in use, and refuses what is over a limit. No locks; all methods O(1).
#[derive(Debug)]
pub struct AdmissionLimits {
    config: AdmissionConfig,
    pub(super) in_use: [AtomicU32; Resource::ALL.len()],
    overflows: [AtomicU64; Resource::ALL.len()],
}

impl AdmissionLimits {
    /// Nothing is in use.
    pub fn new(config: AdmissionConfig) -> AdmissionLimits {
        AdmissionLimits { config, in_use: Default::default(), overflows: Default::default() }
    }

    /// Takes one of a resource. Give it back with [`release`](Self::release).
    ///
    /// # Errors
    /// [`Overflow`] if that would be one too many.
    pub fn try_admit(&self, resource: Resource) -> Result<(), Overflow> {
        let limit = self.limit(resource);
        let one_more = |in_use: u32| (in_use < limit).then(|| in_use + 1);
        match self.in_use[resource as usize].fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more) {
            Ok(_) => Ok(()),
            Err(_) => {
                self.overflows[resource as usize].fetch_add(1, Ordering::Relaxed);
                Err(Overflow { resource, limit })
            }
        }
    }

    /// Gives one of a resource back; `false` if none is in use.
    pub fn release(&self, resource: Resource) -> bool {
        let one_less = |in_use: u32| in_use.checked_sub(1);
        self.in_use[resource as usize].fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_ok()
    }

    /// How many are in use.
    pub fn in_use(&self, resource: Resource) -> u32 {
        self.in_use[resource as usize].load(Ordering::Acquire)
    }

    /// How many more may be taken now.
    pub fn remaining(&self, resource: Resource) -> u32 {
        self.limit(resource).saturating_sub(self.in_use(resource))
    }

    /// How often a resource was refused so far.
    pub fn overflows(&self, resource: Resource) -> u64 {
        self.overflows[resource as usize].load(Ordering::Relaxed)
    }

    /// How many may be in use now. For retries by share it follows the requests.
    pub fn limit(&self, resource: Resource) -> u32 {
        match resource {
            Resource::Connection => self.config.max_connections,
            Resource::Pending => self.config.max_pending,
            Resource::Request => self.config.max_requests,
            Resource::Retry => match self.config.max_retries {
                RetryLimit::Count(retries) => retries,
                RetryLimit::Share { share_ppm, at_least } => {
                    let requests =
                        u64::from(self.in_use(Resource::Pending)) + u64::from(self.in_use(Resource::Request));
                    let share = share_of(requests, share_ppm.min(WHOLE_PPM));
                    u32::try_from(share).unwrap_or(u32::MAX).max(at_least)
                }
            },
        }
    }

    /// Follows new limits. What is in use stays; over a lower limit nothing is taken until enough was given back.
    pub fn reconfigure(&mut self, config: AdmissionConfig) {
        self.config = config;
    }
}
