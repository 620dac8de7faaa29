//! Fronts for one limiter used by many threads, all methods with `&self`. Threads read their clocks at slightly
//! different times, and their checks may come in another order than their readings: what is less than [`CLOCK_SLACK`]
//! earlier than the latest seen is such a reading and mints nothing; what is earlier still is a clock that went back.

mod gcra; // lock-free
mod keyed; // a lock for each shard of the keys

pub use gcra::SharedGcra;
pub use keyed::SharedKeyed;

use super::{Limiter, RetryAt};
use crate::time::{Span, Time};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How much earlier than the latest a reading of the clock may be and still be of the same clock.
pub const CLOCK_SLACK: Span = Span::from_secs(1);

/// Any limiter behind a lock. For [`Gcra`](super::Gcra), [`SharedGcra`] does without one.
#[derive(Debug)]
pub struct Shared<L> {
    inside: Mutex<(L, Latest)>,
}

impl<L> Shared<L> {
    /// Shares a limiter.
    pub const fn new(limiter: L) -> Shared<L> {
        Shared { inside: Mutex::new((limiter, Latest(Time::ZERO))) }
    }

    /// Does something with the limiter, alone with it: reconfigure, give back, reserve, ask for its quota. The time
    /// it is given is `now`, or the latest seen if that is a little later.
    #[inline]
    pub fn with<R>(&self, now: Time, act: impl FnOnce(&mut L, Time) -> R) -> R {
        let mut inside = locked(&self.inside);
        let (limiter, latest) = &mut *inside;
        let now = latest.settle(now);
        act(limiter, now)
    }

    /// The limiter, no longer shared.
    pub fn into_inner(self) -> L {
        self.inside.into_inner().unwrap_or_else(PoisonError::into_inner).0
    }
}

impl<L: Limiter> Shared<L> {
    /// As [`Limiter::check`].
    ///
    /// # Errors
    /// As [`Limiter::check`].
    #[inline]
    pub fn check(&self, now: Time, cost: u64) -> Result<(), RetryAt> {
        self.with(now, |limiter, now| limiter.check(now, cost))
    }
}

/// A lock whose holder panicked is taken all the same: limiters do not panic, so that only a user's own code in
/// [`Shared::with`] can, between whole operations.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The latest reading of the clock.
#[derive(Clone, Copy, Debug)]
struct Latest(Time);

impl Latest {
    #[inline]
    fn settle(&mut self, now: Time) -> Time {
        // Written only when it changes: the lock's holder keeps the others waiting.
        if now > self.0 || self.0.since(now) > CLOCK_SLACK {
            self.0 = now;
        }
        self.0
    }
}
