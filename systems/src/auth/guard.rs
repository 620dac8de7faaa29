//! How many logins may fail: per account, so that damage is bounded however many addresses try, and per address, so that
//! one cannot try everybody. A login that succeeds gives its permit back.

use crate::rate_limiter::{Gcra, Limiter, RateLimitConfig, RetryAt};
use crate::time::{Span, Time};
use std::collections::BTreeMap;

/// What happens to an account that fails too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockPolicy {
    /// It is only slowed down. Nobody can lock out somebody else.
    Throttle,
    /// After so many failures in a row it is locked for a time.
    Lock {
        /// Failures in a row; zero counts as one.
        failures: u32,
        /// For how long.
        pause: Span,
    },
}

/// Limits on failed logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginGuardConfig {
    /// Of each account.
    pub per_account: RateLimitConfig,
    /// From each address.
    pub per_address: RateLimitConfig,
    /// Besides.
    pub lock: LockPolicy,
    /// Accounts and addresses remembered, each; the one untouched for longest is forgotten.
    pub max_entries: u32,
}

/// Why a login is not even tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginRefused {
    /// Too many for this account.
    Account(RetryAt),
    /// Too many from this address.
    Address(RetryAt),
    /// The account is locked.
    Locked(RetryAt),
}

#[derive(Clone, Debug)]
struct Entry {
    limiter: Gcra,
    failures: u32,
    locked_until: Time,
    touched: (Time, u64),
}

#[derive(Clone, Debug, Default)]
struct Side {
    entries: BTreeMap<u64, Entry>,
    by_touch: BTreeMap<(Time, u64), u64>,
}

impl Side {
    fn entry(&mut self, now: Time, turn: u64, id: u64, limit: RateLimitConfig, most: u32) -> &mut Entry {
        if let Some(entry) = self.entries.get(&id) {
            self.by_touch.remove(&entry.touched);
        } else if self.entries.len() >= most.max(1) as usize
            && let Some((_, oldest)) = self.by_touch.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.by_touch.insert((now, turn), id);
        let entry = self.entries.entry(id).or_insert_with(|| Entry {
            limiter: Gcra::new(limit, now),
            failures: 0,
            locked_until: Time::ZERO,
            touched: (now, turn),
        });
        entry.touched = (now, turn);
        entry
    }
}

/// Admits logins.
#[derive(Clone, Debug)]
pub struct LoginGuard {
    config: LoginGuardConfig,
    accounts: Side,
    addresses: Side,
    turn: u64,
}

impl LoginGuard {
    /// Nobody has tried.
    pub fn new(config: LoginGuardConfig) -> LoginGuard {
        LoginGuard { config, accounts: Side::default(), addresses: Side::default(), turn: 0 }
    }

    /// Whether a login may be tried; takes a permit of account and address, or of neither.
    ///
    /// # Errors
    /// [`LoginRefused`].
    pub fn admit(&mut self, now: Time, account: u64, address: u64) -> Result<(), LoginRefused> {
        let (config, turn) = (self.config, self.turn);
        self.turn = turn.saturating_add(1);
        let by_account = self.accounts.entry(now, turn, account, config.per_account, config.max_entries);
        if now < by_account.locked_until {
            return Err(LoginRefused::Locked(RetryAt(by_account.locked_until.since(now))));
        }
        by_account.limiter.check(now, 1).map_err(LoginRefused::Account)?;
        let by_address = self.addresses.entry(now, turn, address, config.per_address, config.max_entries);
        let passed = by_address.limiter.check(now, 1).map_err(LoginRefused::Address);
        if passed.is_err() {
            by_account.limiter.give_back(now, 1);
        }
        passed
    }

    /// What became of a login that was tried.
    pub fn tried(&mut self, now: Time, account: u64, address: u64, succeeded: bool) {
        let lock = self.config.lock;
        if let Some(entry) = self.accounts.entries.get_mut(&account) {
            entry.failures = if succeeded { 0 } else { entry.failures.saturating_add(1) };
            if let LockPolicy::Lock { failures, pause } = lock
                && entry.failures >= failures.max(1)
            {
                (entry.failures, entry.locked_until) = (0, now + pause);
            }
            if succeeded {
                entry.limiter.give_back(now, 1);
            }
        }
        if succeeded && let Some(entry) = self.addresses.entries.get_mut(&address) {
            entry.limiter.give_back(now, 1);
        }
    }
}
