//! The keys a verifier knows: kept for a time, asked for by one caller at a time, kept longer while the endpoint is down.
//! A key it does not know makes it ask once more, but not as often as somebody likes to make up key names.

use super::key_ring::{Key, KeyId, KeySet};
use crate::rate_limiter::{Gcra, Limiter, RateLimitConfig};
use crate::time::{Span, Time};

/// What happens while keys cannot be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysUnavailable {
    /// Those that are there stay good until they are so old.
    StaleWhileError {
        /// Since they were fetched.
        max_age: Span,
    },
    /// Nothing is accepted after their time.
    Fail,
}

/// How keys are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCacheConfig {
    /// How long keys are fresh.
    pub ttl: Span,
    /// When they cannot be fetched.
    pub on_error: KeysUnavailable,
    /// How often unknown key names make it ask.
    pub unknown_key_fetches: RateLimitConfig,
    /// The pause after a failed fetch.
    pub retry_after: Span,
}

impl Default for KeyCacheConfig {
    /// Fresh for 5 minutes, stale for a day, asked for unknown names every 10 s at most, again a second after a failure.
    fn default() -> KeyCacheConfig {
        KeyCacheConfig {
            ttl: Span::from_secs(300),
            on_error: KeysUnavailable::StaleWhileError { max_age: Span::from_secs(86_400) },
            unknown_key_fetches: RateLimitConfig { rate_per_s_milli: 100, burst: 1 },
            retry_after: Span::from_secs(1),
        }
    }
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// Here it is. Whether keys should be fetched besides, with nobody waiting, says [`KeyCache::wants_fetch`].
    Found(&'a Key),
    /// Fetch the keys (or wait for the fetch that is on its way), then look again.
    Fetch,
    /// There is no such key, as far as could be found out.
    Unknown,
    /// There may be one, but the keys cannot be fetched and are too old.
    Unavailable,
}

/// The keys a verifier has.
#[derive(Clone, Debug)]
pub struct KeyCache {
    config: KeyCacheConfig,
    keys: KeySet,
    fetched_at: Option<Time>,
    failed_at: Option<Time>,
    is_fetching: bool,
    unknown: Gcra,
    fetches: u64,
}

impl KeyCache {
    /// Knows nothing.
    pub fn new(config: KeyCacheConfig, now: Time) -> KeyCache {
        KeyCache {
            unknown: Gcra::new(config.unknown_key_fetches, now),
            config,
            keys: KeySet::default(),
            fetched_at: None,
            failed_at: None,
            is_fetching: false,
            fetches: 0,
        }
    }

    fn age(&self, now: Time) -> Option<Span> {
        self.fetched_at.map(|at| now.since(at))
    }

    fn is_fresh(&self, now: Time) -> bool {
        self.age(now).is_some_and(|age| age < self.config.ttl)
    }

    fn may_retry(&self, now: Time) -> bool {
        self.failed_at.is_none_or(|at| now.since(at) >= self.config.retry_after)
    }

    fn is_usable(&self, now: Time) -> bool {
        match self.config.on_error {
            KeysUnavailable::Fail => self.is_fresh(now),
            KeysUnavailable::StaleWhileError { max_age } => {
                self.is_fresh(now) || self.age(now).is_some_and(|age| age < max_age)
            }
        }
    }

    /// Looks for a key. `has_fetched` says that this caller has waited for a fetch already.
    pub fn look_up(&mut self, now: Time, id: KeyId, has_fetched: bool) -> Lookup<'_> {
        let is_known = self.keys.get(id).is_some();
        // A usable key is used at once, fresh or not; whoever drives fetches beside it.
        if is_known && self.is_usable(now) {
            return self.keys.get(id).map_or(Lookup::Unknown, Lookup::Found);
        }
        if !self.is_usable(now) {
            let gives_up = has_fetched || (!self.is_fetching && !self.may_retry(now));
            return if gives_up { Lookup::Unavailable } else { Lookup::Fetch };
        }
        if has_fetched {
            return Lookup::Unknown;
        }
        if self.is_fetching || (self.may_retry(now) && self.unknown.check(now, 1).is_ok()) {
            return Lookup::Fetch;
        }
        Lookup::Unknown
    }

    /// Whether keys should be fetched because those that are there are not fresh.
    pub fn wants_fetch(&self, now: Time) -> bool {
        !self.is_fetching && !self.is_fresh(now) && self.may_retry(now)
    }

    /// Somebody begins a fetch; `false` if one is on its way, and its result is to be waited for.
    pub const fn begin_fetch(&mut self) -> bool {
        let begins = !self.is_fetching;
        self.is_fetching = true;
        self.fetches = self.fetches.saturating_add(begins as u64);
        begins
    }

    /// The keys came.
    pub fn fetched(&mut self, now: Time, keys: KeySet) {
        self.keys = keys;
        (self.fetched_at, self.failed_at, self.is_fetching) = (Some(now), None, false);
    }

    /// They did not.
    pub const fn fetch_failed(&mut self, now: Time) {
        (self.failed_at, self.is_fetching) = (Some(now), false);
    }

    /// Fetches begun.
    pub const fn fetches(&self) -> u64 {
        self.fetches
    }
}
