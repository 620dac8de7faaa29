//! The balance of Finagle's kind of budget: deposits and withdrawals of a window that moves on in steps. Takes no
//! memory and scans ten numbers.

use crate::time::{Span, Time};

/// Steps in which a window of deposits moves on.
const STEPS: usize = 10;

/// One retry, in the unit of deposits.
const RETRY_PPM: i64 = 1_000_000;

/// Deposits minus withdrawals of the last ten steps, in millionths of a retry. A clock that goes back stays
/// in the latest step seen, so that nothing comes to life again.
#[derive(Clone, Debug)]
pub(super) struct Deposits {
    net: [i64; STEPS],
    step: u64,
    step_ns: u64,
    step_ends_ns: u64,
    per_request: i64,
    reserve: i64,
}

impl Deposits {
    pub(super) fn new(ratio_ppm: u32, reserve_per_s: u32, window: Span) -> Deposits {
        // Retries a second times nanoseconds, in millionths of a retry.
        let reserve = u128::from(reserve_per_s) * u128::from(window.as_nanos()) / 1_000;
        let step_ns = (window.as_nanos() / STEPS as u64).max(1);
        Deposits {
            net: [0; STEPS],
            step: 0,
            step_ns,
            step_ends_ns: step_ns,
            per_request: i64::from(ratio_ppm),
            reserve: i64::try_from(reserve).unwrap_or(i64::MAX),
        }
    }

    fn advance(&mut self, now: Time) {
        // Most events come in the same step as the one before: no division for them.
        if now.as_nanos() < self.step_ends_ns {
            return;
        }
        let step = now.as_nanos() / self.step_ns;
        for expired in 1..=step.saturating_sub(self.step).min(STEPS as u64) {
            self.net[((self.step + expired) % STEPS as u64) as usize] = 0;
        }
        self.step = step;
        self.step_ends_ns = step.saturating_add(1).saturating_mul(self.step_ns);
    }

    fn add(&mut self, amount: i64) {
        let slot = &mut self.net[(self.step % STEPS as u64) as usize];
        *slot = slot.saturating_add(amount);
    }

    pub(super) fn deposit(&mut self, now: Time) {
        self.advance(now);
        self.add(self.per_request);
    }

    pub(super) fn withdraw(&mut self, now: Time) -> bool {
        self.advance(now);
        let affordable = self.balance_after(0) >= RETRY_PPM;
        if affordable {
            self.add(-RETRY_PPM);
        }
        affordable
    }

    /// What could be withdrawn at `now`; negative after deposits have expired before the retries they paid
    /// for.
    pub(super) fn balance_ppm(&self, now: Time) -> i64 {
        let expired = (now.as_nanos() / self.step_ns).saturating_sub(self.step);
        self.balance_after(expired.min(STEPS as u64) as usize)
    }

    /// The balance once the `expired` oldest steps are gone.
    fn balance_after(&self, expired: usize) -> i64 {
        let newest = (self.step % STEPS as u64) as usize;
        (0..STEPS - expired)
            .map(|age| (newest + STEPS - age) % STEPS)
            .fold(self.reserve, |sum, slot| sum.saturating_add(self.net[slot]))
    }

    /// Carries the balance of another window over, as if all of it had happened in this step.
    pub(super) fn take_over(&mut self, old: &Deposits, now: Time) {
        self.advance(now);
        self.add(old.balance_ppm(now).saturating_sub(old.reserve));
    }
}
