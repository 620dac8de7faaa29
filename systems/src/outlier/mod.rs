//! Takes endpoints that fail several times in a row out of rotation for a while, by what callers see of them;
//! never more than a set share at once. Never probes and never chooses an endpoint: the balancer asks.

use crate::arithmetic::{WHOLE_PPM, share_of};
use crate::time::{Span, Time};
use std::fmt;

/// When an endpoint is ejected and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlierConfig {
    /// Failures without a success between them that eject an endpoint. At least 1.
    pub consecutive_failures: u32,
    /// How long the first ejection lasts; the nth lasts n times as long. A stretch this long back in rotation
    /// takes one from n. More than zero.
    pub base_ejection: Span,
    /// Largest share of endpoints ejected at once, in parts per million. Rounded down: 10 % of three is none.
    pub max_ejected_ppm: u32,
}

impl Default for OutlierConfig {
    /// Five failures in a row eject for 30 s; at most a tenth of the endpoints.
    fn default() -> OutlierConfig {
        OutlierConfig {
            consecutive_failures: 5,
            base_ejection: Span::from_secs(30),
            max_ejected_ppm: 100_000,
        }
    }
}

impl OutlierConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`OutlierError`] names the first field out of range. A detector made from a config that was not
    /// checked is safe all the same.
    pub fn validate(&self) -> Result<(), OutlierError> {
        if self.consecutive_failures == 0 {
            return Err(OutlierError::NoFailures);
        }
        if self.base_ejection.is_zero() {
            return Err(OutlierError::NoEjection);
        }
        if !(1..=WHOLE_PPM).contains(&self.max_ejected_ppm) {
            return Err(OutlierError::Share { max_ejected_ppm: self.max_ejected_ppm });
        }
        Ok(())
    }

    /// How many of `endpoints` may be ejected at once.
    pub fn max_ejected(&self, endpoints: usize) -> usize {
        share_of(endpoints as u64, self.max_ejected_ppm.min(WHOLE_PPM)) as usize
    }
}

/// Why an outlier config is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutlierError {
    /// `consecutive_failures` is zero.
    NoFailures,
    /// `base_ejection` is zero.
    NoEjection,
    /// The share is zero or above all.
    Share {
        /// In parts per million.
        max_ejected_ppm: u32,
    },
}

impl fmt::Display for OutlierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutlierError::NoFailures => {
                f.write_str("consecutive_failures 0 would eject everybody: use 1 or more")
            }
            OutlierError::NoEjection => {
                f.write_str("an ejection of no length: use a base_ejection above zero, such as 30s")
            }
            OutlierError::Share { max_ejected_ppm } => {
                write!(
                    f,
                    "max_ejected_ppm {max_ejected_ppm}: use 1 to 1000000; without ejection leave it out"
                )
            }
        }
    }
}

impl std::error::Error for OutlierError {}

#[derive(Clone, Copy, Debug, Default)]
struct Endpoint {
    failures_in_a_row: u32,
    /// Ejections, less those grown old; as of the beginning of the latest.
    times_ejected: u32,
    /// End of the latest ejection; [`Time::ZERO`] if there was none.
    ejected_until: Time,
}

/// Watches the endpoints of one callee.
#[derive(Clone, Debug)]
pub struct OutlierDetector {
    config: OutlierConfig,
    endpoints: Vec<Endpoint>,
    latest: Time,
    ejections: u64,
}

impl OutlierDetector {
    /// `endpoints` endpoints, all in rotation, named 0, 1, 2 and so on.
    pub fn new(config: OutlierConfig, endpoints: usize) -> OutlierDetector {
        OutlierDetector {
            config,
            endpoints: vec![Endpoint::default(); endpoints],
            latest: Time::ZERO,
            ejections: 0,
        }
    }

    /// A call to an endpoint ended; `true` if that ejects it. What comes in about an endpoint already ejected
    /// was sent before, and does not count. O(1), but O(endpoints) for a failure that could eject.
    pub fn record(&mut self, now: Time, endpoint: usize, ok: bool) -> bool {
        self.latest = self.latest.max(now);
        let limit = self.config.consecutive_failures.max(1);
        let Some(this) = self.endpoints.get_mut(endpoint).filter(|this| this.ejected_until <= now) else {
            return false;
        };
        this.failures_in_a_row = if ok { 0 } else { this.failures_in_a_row.saturating_add(1) };
        if this.failures_in_a_row < limit || self.ejected(now) >= self.max_ejected() {
            return false;
        }
        self.eject(now, endpoint);
        true
    }

    /// Whether an endpoint is out of rotation. One that does not exist is not.
    pub fn is_ejected(&self, now: Time, endpoint: usize) -> bool {
        self.endpoints.get(endpoint).is_some_and(|this| now < this.ejected_until)
    }

    /// When an endpoint comes back into rotation, if it is out of it.
    pub fn ejected_until(&self, now: Time, endpoint: usize) -> Option<Time> {
        self.endpoints.get(endpoint).map(|this| this.ejected_until).filter(|until| now < *until)
    }

    /// Endpoints out of rotation. O(endpoints).
    pub fn ejected(&self, now: Time) -> usize {
        self.endpoints.iter().filter(|this| now < this.ejected_until).count()
    }

    /// Endpoints that may be out of rotation at once.
    pub fn max_ejected(&self) -> usize {
        self.config.max_ejected(self.endpoints.len())
    }

    /// Endpoints watched.
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether there is nothing to watch.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Ejections so far.
    pub const fn ejections(&self) -> u64 {
        self.ejections
    }

    /// Follows the number of endpoints. New ones are in rotation; the highest go. Where fewer endpoints may
    /// be ejected now than are, those that would be back first come back at once.
    pub fn resize(&mut self, endpoints: usize) {
        self.endpoints.resize(endpoints, Endpoint::default());
        self.release_surplus();
    }

    /// Follows a new config. Ejections under way keep their length, but for those above a lower share.
    pub fn reconfigure(&mut self, config: OutlierConfig) {
        self.config = config;
        self.release_surplus();
    }

    /// An endpoint is another process now: nothing is held against it.
    pub fn forget(&mut self, endpoint: usize) {
        if let Some(this) = self.endpoints.get_mut(endpoint) {
            *this = Endpoint::default();
        }
    }

    fn eject(&mut self, now: Time, endpoint: usize) {
        let base = self.config.base_ejection;
        let this = &mut self.endpoints[endpoint];
        let grown_old = now.since(this.ejected_until).as_nanos() / base.as_nanos().max(1);
        let held_against = u64::from(this.times_ejected).saturating_sub(grown_old) as u32;
        this.times_ejected = held_against.saturating_add(1);
        this.ejected_until = now + base.saturating_mul(u64::from(this.times_ejected));
        this.failures_in_a_row = 0;
        self.ejections += 1;
    }

    fn release_surplus(&mut self) {
        let latest = self.latest;
        let mut surplus = self.ejected(latest).saturating_sub(self.max_ejected());
        while surplus > 0 {
            let ejected = self.endpoints.iter_mut().filter(|this| latest < this.ejected_until);
            if let Some(first_back) = ejected.min_by_key(|this| this.ejected_until) {
                first_back.ejected_until = latest;
            }
            surplus -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
