//! Several bandwidths in one bucket: ten a second and a hundred a minute, say. A request takes its cost out of all of
//! them or of none. After Bucket4j; exact, in units of a permit divided by the period in nanoseconds.

mod band; // one bandwidth and what is in it
mod config; // what a bandwidth is told

pub use config::{Bandwidth, BandwidthError, MAX_BANDWIDTH_PERMITS, Refill};

use super::config::within;
use super::{Forgettable, Inherit, Limiter, Quota, QuotaStatus, Reserve, RetryAt};
use crate::time::{Span, Time};
use band::Band;

/// A token bucket with one or more bandwidths.
///
/// A clock that goes back mints nothing: filling goes on from the new time, and a refill aligned to the clock that was
/// given already is not given again.
#[derive(Clone, Debug)]
pub struct MultiBucket {
    bands: Vec<Band>,
    last: Time,
}

impl MultiBucket {
    /// A bucket that holds each bandwidth's initial permits.
    ///
    /// # Errors
    /// [`BandwidthError`] names the first bandwidth out of range.
    pub fn new(bandwidths: &[Bandwidth], now: Time) -> Result<MultiBucket, BandwidthError> {
        config::validate(bandwidths)?;
        let bands = bandwidths.iter().map(|bandwidth| Band::new(*bandwidth, now)).collect();
        Ok(MultiBucket { bands, last: now })
    }

    /// Whole permits that could be taken at `now`.
    pub fn available(&mut self, now: Time) -> u64 {
        self.refill(now);
        self.bands.iter().map(Band::available).min().unwrap_or(0)
    }

    /// How long `cost` permits would have to be waited for, taking none; [`Span::MAX`] if they never come.
    pub fn estimated_wait(&mut self, now: Time, cost: u64) -> Span {
        self.refill(now);
        self.bands.iter().map(|band| band.wait(now, cost)).max().unwrap_or(Span::MAX)
    }

    /// Gives permits back that were taken and not used; never more than fit.
    pub fn give_back(&mut self, now: Time, cost: u64) {
        self.refill(now);
        for band in &mut self.bands {
            band.put(cost);
        }
    }

    /// Follows new bandwidths. The first inherits from the first, the second from the second; those without a
    /// predecessor start with their initial permits.
    ///
    /// # Errors
    /// As from [`MultiBucket::new`]; nothing is changed then.
    pub fn reconfigure(
        &mut self,
        bandwidths: &[Bandwidth],
        now: Time,
        inherit: Inherit,
    ) -> Result<(), BandwidthError> {
        config::validate(bandwidths)?;
        self.refill(now);
        let successor = |(index, bandwidth): (usize, &Bandwidth)| match self.bands.get(index) {
            Some(band) => band.followed_by(*bandwidth, now, inherit),
            None => Band::new(*bandwidth, now),
        };
        self.bands = bandwidths.iter().enumerate().map(successor).collect();
        Ok(())
    }

    fn refill(&mut self, now: Time) {
        for band in &mut self.bands {
            band.refill(self.last, now);
        }
        self.last = now;
    }
}

impl Limiter for MultiBucket {
    fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
        self.reserve(now, cost, Span::ZERO).map(|_| ())
    }
}

impl Reserve for MultiBucket {
    fn reserve(&mut self, now: Time, cost: u64, max_wait: Span) -> Result<Span, RetryAt> {
        let wait = within(self.estimated_wait(now, cost), max_wait)?;
        for band in &mut self.bands {
            band.take(cost);
        }
        Ok(wait)
    }
}

impl Forgettable for MultiBucket {
    /// Full, whatever the initial permits: it stands for one that had time to fill. Its intervals begin anew.
    fn renewed(&self, now: Time) -> MultiBucket {
        let bands = self.bands.iter().map(|band| band.filled(now)).collect();
        MultiBucket { bands, last: now }
    }

    fn settled_at(&self) -> Time {
        self.bands.iter().map(|band| self.last + band.wait_until_full(self.last)).max().unwrap_or(self.last)
    }
}

impl Quota for MultiBucket {
    fn quota(&mut self, now: Time) -> QuotaStatus {
        let remaining = self.available(now);
        let limit = self.bands.iter().map(|band| band.config().capacity).min().unwrap_or(0);
        QuotaStatus { limit, remaining, reset: self.settled_at().since(now) }
    }
}
