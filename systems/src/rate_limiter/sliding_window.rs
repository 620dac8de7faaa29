//! Two counters that stand for a sliding window: what the previous window had is taken to have come evenly, and
//! counts by the part of it that the sliding window still covers. Cloudflare's "sliding window counter" ("How we
//! built rate limiting capable of scaling to millions of domains", 2017).

use super::fixed_window::signed_difference;
use super::window::Elapsed;
use super::{Forgettable, Limiter, Quota, QuotaStatus, RetryAt, WindowAlignment, WindowConfig};
use crate::time::{Span, Time};

/// A sliding-window counter: passes while `current + previous * (1 - elapsed / window)`, rounded down, leaves
/// room for the cost.
///
/// Exact for a steady rate; furthest off when all of the previous window came at its very end. After a clock
/// went back, windows turn over by the time that passed and not by the clock: nothing is minted or frozen.
#[derive(Clone, Debug)]
pub struct SlidingWindowCounter {
    config: WindowConfig,
    previous: u64,
    current: u64,
    /// When the present window began, in elapsed nanoseconds.
    began: u64,
    elapsed: Elapsed,
}

impl SlidingWindowCounter {
    /// Nothing counted yet.
    pub fn new(config: WindowConfig, now: Time) -> SlidingWindowCounter {
        SlidingWindowCounter::with_counts(config, 0, 0, now)
    }

    /// Goes on from counts made before, as of the window that `now` is in; with
    /// [`WindowAlignment::FirstRequest`] the present window begins at `now`.
    pub fn with_counts(config: WindowConfig, previous: u64, current: u64, now: Time) -> SlidingWindowCounter {
        let into_window = match config.alignment {
            WindowAlignment::Clock => now.as_nanos() % config.window_ns(),
            WindowAlignment::FirstRequest => 0,
        };
        SlidingWindowCounter { config, previous, current, began: 0, elapsed: Elapsed::new(now, into_window) }
    }

    /// The estimated use of the sliding window that ends at `now`, in thousandths of a permit, rounded down,
    /// saturating.
    pub fn estimate_milli(&mut self, now: Time) -> u64 {
        let into_window = self.turn_over(now);
        let current = u128::from(self.current) * 1_000;
        let carried = u128::from(self.previous) * u128::from(self.config.window_ns() - into_window);
        // Below 2^64 permits times below 2^64 ns: divided before it is scaled.
        let window = u128::from(self.config.window_ns());
        let scaled = carried / window * 1_000 + carried % window * 1_000 / window;
        u64::try_from(current + scaled).unwrap_or(u64::MAX)
    }

    /// Gives permits back that were taken in the present window and not used.
    pub fn give_back(&mut self, now: Time, cost: u64) {
        self.turn_over(now);
        self.current = self.current.saturating_sub(cost);
    }

    /// Follows a new config. With another window the estimated use becomes the count of a window that begins
    /// now.
    pub fn reconfigure(&mut self, config: WindowConfig, now: Time) {
        let estimate = self.estimate_milli(now).div_ceil(1_000);
        let same_windows = config.window == self.config.window && config.alignment == self.config.alignment;
        if same_windows {
            self.config = config;
        } else {
            *self = SlidingWindowCounter::with_counts(config, 0, estimate, now);
        }
    }

    /// What the sliding window that ends at `now` has room for; below zero if more was used than fits.
    pub(super) fn balance(&mut self, now: Time) -> i64 {
        let into_window = self.turn_over(now);
        let window = u128::from(self.config.window_ns());
        let carried = u128::from(self.previous) * (window - u128::from(into_window)) / window;
        signed_difference(self.config.limit, self.current.saturating_add(carried as u64))
    }

    /// Tells the present window from others.
    pub(super) const fn present(&self) -> u64 {
        self.began
    }

    /// Puts permits back that were taken in a window, if it is the present one or the one before it, and counts `used`
    /// at once, whether there is room or not.
    pub(super) fn settle(&mut self, now: Time, (back, taken_in): (u64, u64), used: u64) {
        self.turn_over(now);
        if taken_in == self.began {
            self.current = self.current.saturating_sub(back);
        } else if taken_in.saturating_add(self.config.window_ns()) == self.began {
            self.previous = self.previous.saturating_sub(back);
        }
        self.current = self.current.saturating_add(used);
    }

    /// Moves on to the window `now` is in; how many nanoseconds of it have passed.
    fn turn_over(&mut self, now: Time) -> u64 {
        let window = self.config.window_ns();
        let elapsed = self.elapsed.at(now);
        let whole = (elapsed - self.began) / window;
        if whole > 0 {
            self.previous = if whole == 1 { self.current } else { 0 };
            self.current = 0;
            self.began += whole * window;
        }
        if self.config.alignment == WindowAlignment::FirstRequest && self.previous == 0 && self.current == 0 {
            self.began = elapsed;
        }
        elapsed - self.began
    }

    /// The first instant of a window, from `from` on, at which what `previous` left in it fits `room`.
    fn first_fit(&self, previous: u64, room: u64, from: u64) -> Option<u64> {
        let window = self.config.window_ns();
        if previous == 0 {
            return Some(from);
        }
        // The largest part of the window still covered for which floor(previous * part / window) <= room.
        let bound = (u128::from(room) + 1) * u128::from(window);
        let covered = bound.div_ceil(u128::from(previous)) - 1;
        let into_window = u128::from(window).saturating_sub(covered) as u64;
        Some(into_window.max(from)).filter(|into_window| *into_window < window)
    }

    /// How long until `cost` fits, which is at most the limit.
    fn wait(&self, into_window: u64, cost: u64) -> Span {
        let window = self.config.window_ns();
        let in_this = self
            .config
            .limit
            .checked_sub(self.current)
            .and_then(|left| left.checked_sub(cost))
            .and_then(|room| self.first_fit(self.previous, room, into_window));
        let in_next = || self.first_fit(self.current, self.config.limit - cost, 0);
        let until = match in_this {
            Some(at) => at,
            None => window.saturating_add(in_next().unwrap_or(window)),
        };
        Span::from_nanos(until.saturating_sub(into_window))
    }
}

impl Limiter for SlidingWindowCounter {
    fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
        let into_window = self.turn_over(now);
        if cost == 0 {
            return Ok(());
        }
        if cost > self.config.limit {
            return Err(RetryAt(Span::MAX));
        }
        let wait = self.wait(into_window, cost);
        if !wait.is_zero() {
            return Err(RetryAt(wait));
        }
        self.current += cost;
        Ok(())
    }
}

impl Forgettable for SlidingWindowCounter {
    fn renewed(&self, now: Time) -> SlidingWindowCounter {
        SlidingWindowCounter::new(self.config, now)
    }

    fn settled_at(&self) -> Time {
        let windows = match (self.previous, self.current) {
            (0, 0) => 0,
            (_, 0) => 1,
            (_, _) => 2,
        };
        self.elapsed.instant(self.began.saturating_add(self.config.window_ns().saturating_mul(windows)))
    }
}

impl Quota for SlidingWindowCounter {
    fn quota(&mut self, now: Time) -> QuotaStatus {
        let used = self.estimate_milli(now) / 1_000;
        QuotaStatus {
            limit: self.config.limit,
            remaining: self.config.limit.saturating_sub(used),
            reset: self.settled_at().since(now),
        }
    }
}
