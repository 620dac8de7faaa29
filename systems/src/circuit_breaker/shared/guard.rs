//! A permit that cannot be given back twice, nor be lost.

use super::super::permit::{Permit, Recorded, Taken};
use super::breaker::SharedBreaker;
use crate::time::{Span, Time};

/// Leave to make one call. Dropped without a result, it is given back as cancelled, as of the time it was
/// granted.
#[derive(Debug)]
#[must_use = "dropping the guard gives the permit back as cancelled"]
pub struct CallGuard<'a> {
    breaker: &'a SharedBreaker,
    permit: Option<Permit>,
    granted_at: Time,
}

impl<'a> CallGuard<'a> {
    pub(super) const fn new(breaker: &'a SharedBreaker, permit: Permit, granted_at: Time) -> CallGuard<'a> {
        CallGuard { breaker, permit: Some(permit), granted_at }
    }

    /// Whether the call is a probe.
    pub fn is_probe(&self) -> bool {
        self.permit.is_some_and(Permit::is_probe)
    }

    /// The call is over: it took from the grant to `now`.
    pub fn finish(mut self, now: Time, recorded: Recorded) -> Taken {
        let duration = now.since(self.granted_at);
        self.give_back(now, recorded, duration)
    }

    fn give_back(&mut self, now: Time, recorded: Recorded, duration: Span) -> Taken {
        match self.permit.take() {
            Some(permit) => self.breaker.record(now, permit, recorded, duration),
            None => Taken::Stray,
        }
    }
}

impl Drop for CallGuard<'_> {
    fn drop(&mut self) {
        if self.permit.is_some() {
            self.give_back(self.granted_at, Recorded::Cancelled, Span::ZERO);
        }
    }
}
