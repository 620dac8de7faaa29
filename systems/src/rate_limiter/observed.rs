//! Counts what a limiter decides, how often it was near its limit, and in shadow mode lets everybody through while it
//! counts whom it would have refused. Never changes what the limiter inside decides.

use super::{Forgettable, Limiter, Quota, QuotaStatus, RetryAt};
use crate::arithmetic::{WHOLE_PPM, reaches_share};
use crate::time::Time;

/// Whether refusals count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// They do.
    #[default]
    Enforce,
    /// Everybody passes; refusals are only counted. For trying a limit out on live traffic.
    Shadow,
}

/// What a limiter has decided so far, in requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimiterCounts {
    /// Let through because the limit allowed it.
    pub passed: u64,
    /// Of those, the ones after which at least the near-limit share was used up.
    pub near_limit: u64,
    /// Refused.
    pub refused: u64,
    /// Let through by shadow mode alone.
    pub shadowed: u64,
}

impl LimiterCounts {
    /// Requests in all: what was offered, first attempts and retries alike.
    pub const fn offered(&self) -> u64 {
        self.passed + self.refused + self.shadowed
    }
}

/// Envoy's near-limit share: four fifths of the limit.
pub const NEAR_LIMIT_PPM: u32 = 800_000;

/// A limiter under observation.
#[derive(Clone, Debug)]
pub struct Observed<L> {
    limiter: L,
    enforcement: Enforcement,
    near_limit_ppm: u32,
    counts: LimiterCounts,
}

impl<L: Limiter + Quota> Observed<L> {
    /// Observes a limiter; near its limit from [`NEAR_LIMIT_PPM`] on.
    pub fn new(limiter: L, enforcement: Enforcement) -> Observed<L> {
        Observed { limiter, enforcement, near_limit_ppm: NEAR_LIMIT_PPM, counts: LimiterCounts::default() }
    }

    /// From which used share on it counts as near its limit, in parts per million; above a million counts as
    /// a million.
    pub fn near_limit_from(mut self, share_ppm: u32) -> Observed<L> {
        self.near_limit_ppm = share_ppm.min(WHOLE_PPM);
        self
    }

    /// Switches between counting and refusing while running.
    pub fn enforce(&mut self, enforcement: Enforcement) {
        self.enforcement = enforcement;
    }

    /// What it has decided so far.
    pub const fn counts(&self) -> LimiterCounts {
        self.counts
    }

    /// The limiter inside: to reconfigure, to give back.
    pub fn inner(&mut self) -> &mut L {
        &mut self.limiter
    }
}

impl<L: Limiter + Quota> Limiter for Observed<L> {
    fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
        match (self.limiter.check(now, cost), self.enforcement) {
            (Ok(()), _) => {
                self.counts.passed += 1;
                let QuotaStatus { limit, remaining, .. } = self.limiter.quota(now);
                let near = reaches_share(limit.saturating_sub(remaining), limit, self.near_limit_ppm);
                self.counts.near_limit += u64::from(near);
                Ok(())
            }
            (Err(_), Enforcement::Shadow) => {
                self.counts.shadowed += 1;
                Ok(())
            }
            (Err(refused), Enforcement::Enforce) => {
                self.counts.refused += 1;
                Err(refused)
            }
        }
    }
}

impl<L: Quota> Quota for Observed<L> {
    fn quota(&mut self, now: Time) -> QuotaStatus {
        self.limiter.quota(now)
    }
}

impl<L: Forgettable> Forgettable for Observed<L> {
    fn renewed(&self, now: Time) -> Observed<L> {
        Observed {
            limiter: self.limiter.renewed(now),
            enforcement: self.enforcement,
            near_limit_ppm: self.near_limit_ppm,
            counts: LimiterCounts::default(),
        }
    }

    fn settled_at(&self) -> Time {
        self.limiter.settled_at()
    }
}
