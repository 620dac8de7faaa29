//! How many logins an issuer lets fail, and a witness that counts by itself whether it does. Knows no passwords.

use std::collections::BTreeMap;

use foreshock_systems::auth::{LockPolicy, LoginGuard, LoginGuardConfig, LoginRefused};
use foreshock_systems::rate_limiter::RateLimitConfig;

use crate::kernel::time::{Span, Time};

/// Accounts and addresses that are remembered.
const MOST_ENTRIES: u32 = 1_000_000;

/// One limit: so many at once, and one more after each such time; none: any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) burst: u32,
    pub(super) every: Option<Span>,
}

impl Limit {
    fn config(self) -> RateLimitConfig {
        match self.every {
            Some(every) => RateLimitConfig {
                rate_per_s_milli: (1_000_000_000_000 / every.as_nanos().max(1)).max(1),
                burst: u64::from(self.burst),
            },
            None => RateLimitConfig { rate_per_s_milli: 1_000_000_000_000, burst: 1_000_000_000 },
        }
    }
}

/// What an issuer says of logins that fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ThrottleSettings {
    pub(super) account: Limit,
    pub(super) address: Limit,
    /// So many failures in a row lock an account for a time.
    pub(super) lock_after: Option<u32>,
    pub(super) lock_for: Span,
}

impl ThrottleSettings {
    pub(super) const NONE: ThrottleSettings = ThrottleSettings {
        account: Limit { burst: 5, every: None },
        address: Limit { burst: 20, every: None },
        lock_after: None,
        lock_for: Span::from_secs(300),
    };

    fn is_on(&self) -> bool {
        self.account.every.is_some() || self.address.every.is_some() || self.lock_after.is_some()
    }

    fn guard(&self) -> LoginGuardConfig {
        LoginGuardConfig {
            per_account: self.account.config(),
            per_address: self.address.config(),
            lock: self
                .lock_after
                .map_or(LockPolicy::Throttle, |failures| LockPolicy::Lock { failures, pause: self.lock_for }),
            max_entries: MOST_ENTRIES,
        }
    }
}

/// Logins of one account that were tried and have not succeeded, since the first of them.
#[derive(Clone, Copy, Debug)]
struct Tries {
    since: Time,
    count: u64,
}

/// The guard of one process, with its witness.
pub(super) struct Throttle {
    settings: ThrottleSettings,
    guard: LoginGuard,
    /// For tests of the witness: nobody is asked.
    is_open: bool,
    tries: BTreeMap<u64, Tries>,
    pub(super) tried: u64,
    pub(super) refused_account: u64,
    pub(super) refused_address: u64,
    pub(super) refused_locked: u64,
}

impl Throttle {
    pub(super) fn new(settings: ThrottleSettings, is_open: bool) -> Throttle {
        Throttle {
            settings,
            guard: LoginGuard::new(settings.guard()),
            is_open,
            tries: BTreeMap::new(),
            tried: 0,
            refused_account: 0,
            refused_address: 0,
            refused_locked: 0,
        }
    }

    /// Another process: it remembers nobody.
    pub(super) fn restart(&mut self) {
        self.guard = LoginGuard::new(self.settings.guard());
        self.tries.clear();
    }

    /// Follows new settings. Changed ones begin anew.
    pub(super) fn reconfigure(&mut self, settings: ThrottleSettings) {
        if settings != self.settings {
            self.settings = settings;
            self.restart();
        }
    }

    /// Whether anybody is ever refused.
    pub(super) fn is_on(&self) -> bool {
        self.settings.is_on()
    }

    /// Whether a login may be tried; or what is wrong with that it may.
    pub(super) fn admit(&mut self, now: Time, account: u64, address: u64) -> Result<bool, String> {
        if !self.is_on() {
            self.tried += 1;
            return Ok(true);
        }
        match self.guard.admit(now, account, address) {
            Err(_) if self.is_open => {}
            Err(LoginRefused::Account(_)) => {
                self.refused_account += 1;
                return Ok(false);
            }
            Err(LoginRefused::Address(_)) => {
                self.refused_address += 1;
                return Ok(false);
            }
            Err(LoginRefused::Locked(_)) => {
                self.refused_locked += 1;
                return Ok(false);
            }
            Ok(()) => {}
        }
        self.tried += 1;
        self.witness(now, account).map(|()| true)
    }

    /// Counts by itself: at most a burst, and one more for each time that has passed.
    fn witness(&mut self, now: Time, account: u64) -> Result<(), String> {
        let Some(every) = self.settings.account.every else { return Ok(()) };
        let tries = self.tries.entry(account).or_insert(Tries { since: now, count: 0 });
        tries.count += 1;
        let more = now.since(tries.since).as_nanos() / every.as_nanos().max(1);
        let most = u64::from(self.settings.account.burst).saturating_add(more);
        match tries.count > most {
            true => {
                Err(format!("{} logins of account {account} were tried where {most} may fail", tries.count))
            }
            false => Ok(()),
        }
    }

    /// What became of a login that was tried.
    pub(super) fn ended(&mut self, now: Time, account: u64, address: u64, succeeded: bool) {
        if !self.is_on() {
            return;
        }
        self.guard.tried(now, account, address, succeeded);
        if succeeded && let Some(tries) = self.tries.get_mut(&account) {
            tries.count = tries.count.saturating_sub(1);
            if tries.count == 0 {
                self.tries.remove(&account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Span = Span::from_secs(10);

    fn tried(is_open: bool) -> (u64, u64) {
        let account = Limit { burst: 3, every: Some(EVERY) };
        let settings = ThrottleSettings { account, ..ThrottleSettings::NONE };
        let mut throttle = Throttle::new(settings, is_open);
        let (mut passed, mut wrong) = (0, 0);
        for second in 0..100 {
            let now = Time::ZERO + Span::from_secs(second);
            match throttle.admit(now, 7, second) {
                Ok(true) => {
                    passed += 1;
                    throttle.ended(now, 7, second, false);
                }
                Ok(false) => {}
                Err(_) => wrong += 1,
            }
        }
        (passed, wrong)
    }

    #[test]
    fn an_account_lets_a_burst_fail_and_then_one_after_each_time_whatever_the_addresses() {
        assert_eq!(tried(false), (3 + 9, 0));
    }

    #[test]
    fn the_witness_notices_an_open_door() {
        let (passed, wrong) = tried(true);
        assert!(wrong > 80 && passed < 20, "{passed} passed, {wrong} were noticed");
    }
}
