//! Counts per window and starts from zero in the next. Two numbers; lets up to twice the limit through in a
//! window's length across a boundary, which the sliding ones do not.

use super::{Forgettable, Limiter, Quota, QuotaStatus, RetryAt, WindowAlignment, WindowConfig};
use crate::time::{Span, Time};

/// A fixed window counter.
///
/// When the clock goes back, what was used stays used for at least a whole window: nothing is minted, and
/// nobody waits for longer than two windows.
#[derive(Clone, Debug)]
pub struct FixedWindow {
    config: WindowConfig,
    used: u64,
    /// When the present window ends, on the given clock.
    ends: Time,
    last: Time,
}

impl FixedWindow {
    /// Nothing used yet.
    pub fn new(config: WindowConfig, now: Time) -> FixedWindow {
        FixedWindow { config, used: 0, ends: now, last: now }
    }

    /// Gives permits back that were taken in the present window and not used.
    pub fn give_back(&mut self, now: Time, cost: u64) {
        self.turn_over(now);
        self.used = self.used.saturating_sub(cost);
    }

    /// Follows a new config. What was used in the present window stays used; a window of another length counts
    /// from now on.
    pub fn reconfigure(&mut self, config: WindowConfig, now: Time) {
        self.turn_over(now);
        let same_windows = config.window == self.config.window && config.alignment == self.config.alignment;
        self.config = config;
        if !same_windows && self.used > 0 {
            self.ends = self.next_end(now);
        }
    }

    /// What is left of the present window; below zero if more was used than fits.
    pub(super) fn balance(&mut self, now: Time) -> i64 {
        self.turn_over(now);
        signed_difference(self.config.limit, self.used)
    }

    /// Tells the present window from others, once something is used in it.
    pub(super) const fn present(&self) -> u64 {
        self.ends.as_nanos()
    }

    /// Puts permits back that were taken in a window, if it is the present one, and counts `used` at once, whether there
    /// is room or not.
    pub(super) fn settle(&mut self, now: Time, (back, taken_in): (u64, u64), used: u64) {
        self.turn_over(now);
        if taken_in == self.present() {
            self.used = self.used.saturating_sub(back);
        }
        if self.used == 0 && used > 0 {
            self.ends = self.next_end(now);
        }
        self.used = self.used.saturating_add(used);
    }

    fn turn_over(&mut self, now: Time) {
        if now < self.last && self.used > 0 {
            // A whole window from here, then on to the next boundary.
            self.ends = match self.config.alignment {
                WindowAlignment::FirstRequest => now + Span::from_nanos(self.config.window_ns()),
                WindowAlignment::Clock => self.next_end(now + Span::from_nanos(self.config.window_ns() - 1)),
            };
        }
        self.last = now;
        if now >= self.ends {
            self.used = 0;
        }
    }

    /// The end of a window that begins with, or around, `now`.
    fn next_end(&self, now: Time) -> Time {
        let window = self.config.window_ns();
        match self.config.alignment {
            WindowAlignment::FirstRequest => now + Span::from_nanos(window),
            WindowAlignment::Clock => {
                Time::from_nanos((now.as_nanos() / window).saturating_add(1).saturating_mul(window))
            }
        }
    }
}

/// The difference of two counts, saturating.
pub(super) fn signed_difference(left: u64, right: u64) -> i64 {
    i64::try_from(i128::from(left) - i128::from(right)).unwrap_or(if left < right {
        i64::MIN
    } else {
        i64::MAX
    })
}

impl Limiter for FixedWindow {
    fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
        self.turn_over(now);
        if cost == 0 {
            return Ok(());
        }
        if cost > self.config.limit {
            return Err(RetryAt(Span::MAX));
        }
        if cost > self.config.limit.saturating_sub(self.used) {
            return Err(RetryAt(self.ends.since(now)));
        }
        if self.used == 0 {
            self.ends = self.next_end(now);
        }
        self.used += cost;
        Ok(())
    }
}

impl Forgettable for FixedWindow {
    fn renewed(&self, now: Time) -> FixedWindow {
        FixedWindow::new(self.config, now)
    }

    fn settled_at(&self) -> Time {
        if self.used == 0 { self.last } else { self.ends }
    }
}

impl Quota for FixedWindow {
    fn quota(&mut self, now: Time) -> QuotaStatus {
        self.turn_over(now);
        QuotaStatus {
            limit: self.config.limit,
            remaining: self.config.limit.saturating_sub(self.used),
            reset: self.settled_at().since(now),
        }
    }
}
