//! Remembers when every permit was taken: exact over every window, at the price of one entry for each request let
//! through. The oracle among the window limiters, and the right one for small limits.

use super::window::Elapsed;
use super::{Forgettable, Limiter, MAX_LOG_LIMIT, Quota, QuotaStatus, RetryAt, WindowConfig, WindowError};
use crate::time::{Span, Time};
use std::collections::VecDeque;

/// A sliding log. A permit taken at `t` counts before `t + window` and no longer at it. Windows have no
/// boundaries, so the alignment means nothing here.
///
/// A clock that goes back neither mints nor freezes: entries age by the time that passes.
#[derive(Clone, Debug)]
pub struct SlidingLog {
    config: WindowConfig,
    /// Oldest first: when, in elapsed nanoseconds, and how many permits.
    taken: VecDeque<(u64, u64)>,
    used: u64,
    elapsed: Elapsed,
}

impl SlidingLog {
    /// An empty log.
    ///
    /// # Errors
    /// [`WindowError`] as from [`WindowConfig::validate`], and for a limit above [`MAX_LOG_LIMIT`].
    pub fn new(config: WindowConfig, now: Time) -> Result<SlidingLog, WindowError> {
        SlidingLog::check_config(config)?;
        Ok(SlidingLog { config, taken: VecDeque::new(), used: 0, elapsed: Elapsed::new(now, 0) })
    }

    /// Gives the latest permits back that were taken and not used.
    pub fn give_back(&mut self, now: Time, cost: u64) {
        self.forget_old(now);
        let mut back = cost.min(self.used);
        self.used -= back;
        while back > 0
            && let Some((_, taken)) = self.taken.back_mut()
        {
            let part = back.min(*taken);
            *taken -= part;
            back -= part;
            if *taken == 0 {
                self.taken.pop_back();
            }
        }
    }

    /// Follows a new config; the log stays, as far as a shorter window reaches back, and a longer one counts
    /// what is still in it.
    ///
    /// # Errors
    /// As from [`SlidingLog::new`]; nothing is changed then.
    pub fn reconfigure(&mut self, config: WindowConfig, now: Time) -> Result<(), WindowError> {
        SlidingLog::check_config(config)?;
        self.forget_old(now);
        self.config = config;
        self.forget_old(now);
        Ok(())
    }

    /// Entries in the log.
    pub fn len(&self) -> usize {
        self.taken.len()
    }

    /// Whether nothing is in the log.
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    fn check_config(config: WindowConfig) -> Result<(), WindowError> {
        config.validate()?;
        match config.limit {
            0..=MAX_LOG_LIMIT => Ok(()),
            limit => Err(WindowError::LogTooLong { limit }),
        }
    }

    fn forget_old(&mut self, now: Time) -> u64 {
        let now = self.elapsed.at(now);
        while let Some((at, cost)) = self.taken.front()
            && now - at >= self.config.window_ns()
        {
            self.used -= cost;
            self.taken.pop_front();
        }
        now
    }

    /// How long until `cost` more fit. Walks as many entries as have to go.
    fn wait(&self, now: u64, cost: u64) -> Span {
        let mut used = self.used;
        for (at, taken) in &self.taken {
            used -= taken;
            if cost <= self.config.limit.saturating_sub(used) {
                return Span::from_nanos(at.saturating_add(self.config.window_ns()).saturating_sub(now));
            }
        }
        Span::MAX
    }
}

impl Limiter for SlidingLog {
    fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
        let elapsed = self.forget_old(now);
        if cost == 0 {
            return Ok(());
        }
        if cost > self.config.limit {
            return Err(RetryAt(Span::MAX));
        }
        if cost > self.config.limit.saturating_sub(self.used) {
            return Err(RetryAt(self.wait(elapsed, cost)));
        }
        self.used += cost;
        match self.taken.back_mut() {
            Some((at, taken)) if *at == elapsed => *taken += cost,
            Some(_) | None => self.taken.push_back((elapsed, cost)),
        }
        Ok(())
    }
}

impl Forgettable for SlidingLog {
    fn renewed(&self, now: Time) -> SlidingLog {
        SlidingLog { config: self.config, taken: VecDeque::new(), used: 0, elapsed: Elapsed::new(now, 0) }
    }

    fn settled_at(&self) -> Time {
        let last = self.taken.back().map_or(0, |(at, _)| at.saturating_add(self.config.window_ns()));
        self.elapsed.instant(last)
    }
}

impl Quota for SlidingLog {
    fn quota(&mut self, now: Time) -> QuotaStatus {
        self.forget_old(now);
        QuotaStatus {
            limit: self.config.limit,
            remaining: self.config.limit.saturating_sub(self.used),
            reset: self.settled_at().since(now),
        }
    }
}
