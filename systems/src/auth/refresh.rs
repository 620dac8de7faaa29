//! Refresh tokens: each is good once, and gives the next one. One that comes again is either a lost answer, within a
//! grace, or a thief, and then the whole family ends (RFC 9700, section 4.14). Families survive a crash in a store.

use crate::store::{Batch, Expected, Store, StoreError};
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A refresh token: its family, its number in it, and a word that nobody guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RefreshToken {
    /// All tokens of one login.
    pub family: u64,
    /// 0, 1, 2, ...
    pub generation: u32,
    /// Uniformly distributed.
    pub secret: u64,
}

/// How families live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshConfig {
    /// For how long a rotated token gives the same new one once more, for answers that were lost. Zero: not at all.
    pub grace: Span,
    /// Without a refresh for so long, the family ends.
    pub idle: Span,
    /// The family ends so long after its login, whatever happens.
    pub absolute: Span,
    /// Whether a token is synced before it leaves the house. If not, one that a crash takes makes its owner look like a
    /// thief.
    pub is_synced: bool,
}

impl Default for RefreshConfig {
    /// 30 s of grace, a week idle, 30 days in all.
    fn default() -> RefreshConfig {
        RefreshConfig {
            grace: Span::from_secs(30),
            idle: Span::from_secs(7 * 86_400),
            absolute: Span::from_secs(30 * 86_400),
            is_synced: true,
        }
    }
}

/// What a refresh gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// The next token.
    pub next: RefreshToken,
    /// Whose it is.
    pub subject: u64,
    /// Whether it had been given before: the answer was lost.
    pub is_repeat: bool,
}

/// Why there is no new token. Log in again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshError {
    /// Nobody gave that token.
    Unknown,
    /// It was used before: the family has ended now.
    Reused,
    /// The family was ended before.
    Revoked,
    /// Not refreshed for too long, or the login is too old.
    Expired,
    /// The store did not take it; try again.
    Store(StoreError),
}

impl fmt::Display for RefreshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RefreshError::Unknown => f.write_str("there is no such refresh token: log in again"),
            RefreshError::Reused => {
                f.write_str("the refresh token was used before, so all of its family ended: log in again")
            }
            RefreshError::Revoked => f.write_str("the login was ended: log in again"),
            RefreshError::Expired => f.write_str("the login is too old: log in again"),
            RefreshError::Store(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for RefreshError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Family {
    subject: u64,
    begun_ns: u64,
    /// The token that is good, and since when.
    current: RefreshToken,
    rotated_ns: u64,
    /// The one before it.
    previous: Option<RefreshToken>,
    is_revoked: bool,
}

/// All families of an issuer.
#[derive(Clone, Debug)]
pub struct RefreshTokens<S> {
    config: RefreshConfig,
    store: S,
}

impl<S: Store> RefreshTokens<S> {
    /// On a store, with what is in it.
    pub const fn new(config: RefreshConfig, store: S) -> RefreshTokens<S> {
        RefreshTokens { config, store }
    }

    /// Follows a new config.
    pub const fn reconfigure(&mut self, config: RefreshConfig) {
        self.config = config;
    }

    /// The store, for instance to open it again after a crash.
    pub fn into_store(self) -> S {
        self.store
    }

    /// A login begins a family. `entropy` is a uniformly distributed word.
    ///
    /// # Errors
    /// [`RefreshError::Store`], also if there is such a family already.
    pub fn begin(
        &mut self,
        now: Time,
        family: u64,
        subject: u64,
        entropy: u64,
    ) -> Result<RefreshToken, RefreshError> {
        let current = RefreshToken { family, generation: 0, secret: entropy };
        let now_ns = now.as_nanos();
        let row = Family {
            subject,
            begun_ns: now_ns,
            current,
            rotated_ns: now_ns,
            previous: None,
            is_revoked: false,
        };
        self.write(now, family, row, Expected::Absent)?;
        Ok(current)
    }

    /// Gives the next token for one. `entropy` is a uniformly distributed word.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub fn refresh(
        &mut self,
        now: Time,
        token: RefreshToken,
        entropy: u64,
    ) -> Result<Refreshed, RefreshError> {
        let (row, version) = self.read(token.family).ok_or(RefreshError::Unknown)?;
        let since = |ns| now.since(Time::from_nanos(ns));
        if row.is_revoked {
            return Err(RefreshError::Revoked);
        }
        if since(row.begun_ns) >= self.config.absolute || since(row.rotated_ns) >= self.config.idle {
            return Err(RefreshError::Expired);
        }
        if token == row.current {
            let next = RefreshToken {
                family: token.family,
                generation: token.generation.saturating_add(1),
                secret: entropy,
            };
            let row = Family { current: next, rotated_ns: now.as_nanos(), previous: Some(token), ..row };
            self.write(now, token.family, row, version)?;
            return Ok(Refreshed { next, subject: row.subject, is_repeat: false });
        }
        if row.previous == Some(token) && since(row.rotated_ns) < self.config.grace {
            // It may have failed to become durable the first time, which is why it is asked for again.
            self.store.sync(now).map_err(RefreshError::Store)?;
            return Ok(Refreshed { next: row.current, subject: row.subject, is_repeat: true });
        }
        // Made up, not given: a guess must not be able to end somebody's login.
        if token.generation >= row.current.generation {
            return Err(RefreshError::Unknown);
        }
        self.write(now, token.family, Family { is_revoked: true, ..row }, version)?;
        Err(RefreshError::Reused)
    }

    /// A logout ends a family. Whether there was one.
    ///
    /// # Errors
    /// [`RefreshError::Store`].
    pub fn revoke(&mut self, now: Time, family: u64) -> Result<bool, RefreshError> {
        let Some((row, version)) = self.read(family) else { return Ok(false) };
        self.write(now, family, Family { is_revoked: true, ..row }, version)?;
        Ok(true)
    }

    /// Whether a family has ended by reuse or logout.
    pub fn is_revoked(&self, family: u64) -> bool {
        self.read(family).is_some_and(|(row, _)| row.is_revoked)
    }

    /// The newest generation of a family that is known.
    pub fn newest(&self, family: u64) -> Option<u32> {
        self.read(family).map(|(row, _)| row.current.generation)
    }

    fn read(&self, family: u64) -> Option<(Family, Expected)> {
        let stored = self.store.get(&key(family))?;
        Some((postcard::from_bytes(stored.value).ok()?, Expected::Version(stored.version)))
    }

    fn write(&mut self, now: Time, family: u64, row: Family, expected: Expected) -> Result<(), RefreshError> {
        let bytes = postcard::to_allocvec(&row).expect("plain numbers always encode");
        let mut batch = Batch::new();
        batch.expect(key(family), expected);
        batch.put(key(family), bytes);
        self.store.commit(now, &batch).map_err(RefreshError::Store)?;
        if self.config.is_synced {
            self.store.sync(now).map_err(RefreshError::Store)?;
        }
        Ok(())
    }
}

fn key(family: u64) -> Vec<u8> {
    let mut key = b"family/".to_vec();
    key.extend_from_slice(&family.to_be_bytes());
    key
}

/// What somebody who wants a refresh is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flight {
    /// Ask the issuer, and tell [`Flights::land`].
    Lead,
    /// Wait for what the leader brings.
    Join,
}

/// One question on its way per key, such as a refresh of a session: all who want one wait for the same answer.
#[derive(Clone, Debug)]
pub struct Flights<K, W> {
    by_key: BTreeMap<K, Vec<W>>,
}

impl<K, W> Default for Flights<K, W> {
    fn default() -> Flights<K, W> {
        Flights { by_key: BTreeMap::new() }
    }
}

impl<K: Ord, W> Flights<K, W> {
    /// Nothing on its way.
    pub fn new() -> Flights<K, W> {
        Flights::default()
    }

    /// Somebody wants an answer.
    pub fn board(&mut self, key: K, who: W) -> Flight {
        let waiting = self.by_key.entry(key).or_default();
        waiting.push(who);
        if waiting.len() == 1 { Flight::Lead } else { Flight::Join }
    }

    /// The answer is here: everybody who waited for it, in the order in which they came.
    pub fn land(&mut self, key: &K) -> Vec<W> {
        self.by_key.remove(key).unwrap_or_default()
    }

    /// Questions on their way.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether none is on its way.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}
