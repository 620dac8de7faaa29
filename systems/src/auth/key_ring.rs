//! The keys an issuer signs with. A correct rotation rejects nobody: publish the new key, wait until every cache has it,
//! sign with it, and keep publishing the old one as long as a token signed with it may live.

use super::token::{Algorithm, Claims, Token};
use crate::arithmetic::keyed_word;
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The name of a key: `kid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyId(pub u64);

/// A key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub id: KeyId,
    /// What it is for.
    pub algorithm: Algorithm,
    pub(super) secret: [u8; 32],
}

impl Key {
    /// A key from uniformly distributed words: the same words give the same key.
    pub fn from_entropy(id: KeyId, algorithm: Algorithm, entropy: u64) -> Key {
        let mut secret = [0; 32];
        for (number, part) in (0..).zip(secret.chunks_mut(8)) {
            part.copy_from_slice(&keyed_word(entropy, number).to_le_bytes());
        }
        Key { id, algorithm, secret }
    }
}

impl fmt::Debug for Key {
    /// Which, not what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {:?})", self.id.0, self.algorithm)
    }
}

/// The keys an issuer publishes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: BTreeMap<KeyId, Key>,
}

impl KeySet {
    /// A key by its name.
    pub fn get(&self, id: KeyId) -> Option<&Key> {
        self.keys.get(&id)
    }

    /// Keys in it.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds a key.
    pub fn insert(&mut self, key: Key) {
        self.keys.insert(key.id, key);
    }
}

/// How keys change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationConfig {
    /// How long a key is published before it signs: at least the verifiers' cache time, plus what a fetch takes.
    pub publish_before: Span,
    /// How long a key is published after it signed last: at least the longest life of a token, plus leeway and skew.
    pub keep_after: Span,
}

impl RotationConfig {
    /// Whether it is right for verifiers that keep keys for `cache_ttl`, tokens that live `token_life`, and clocks and
    /// fetches that are off by `slack` at most.
    ///
    /// # Errors
    /// [`RotationError`], with the span that would do.
    pub fn validate(&self, cache_ttl: Span, token_life: Span, slack: Span) -> Result<(), RotationError> {
        let (before, after) = (cache_ttl + slack, token_life + slack);
        if self.publish_before < before {
            return Err(RotationError::SignsTooEarly { at_least: before });
        }
        if self.keep_after < after {
            return Err(RotationError::ForgetsTooEarly { at_least: after });
        }
        Ok(())
    }
}

/// Why a rotation would reject valid tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationError {
    /// The new key signs before all verifiers know it.
    SignsTooEarly {
        /// Publish it this long before.
        at_least: Span,
    },
    /// The old key is gone while tokens signed with it live.
    ForgetsTooEarly {
        /// Keep it this long.
        at_least: Span,
    },
}

impl fmt::Display for RotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RotationError::SignsTooEarly { at_least } => {
                write!(f, "verifiers will not know the new key: publish it {at_least} before it signs")
            }
            RotationError::ForgetsTooEarly { at_least } => {
                write!(f, "tokens outlive the old key: keep it for {at_least} after it signed last")
            }
        }
    }
}

impl std::error::Error for RotationError {}

/// The keys of an issuer.
#[derive(Clone, Debug)]
pub struct KeyRing {
    config: RotationConfig,
    signing: Key,
    next: Option<(Key, Time)>,
    old: Vec<(Key, Time)>,
}

impl KeyRing {
    /// With a first key that signs at once.
    pub fn new(config: RotationConfig, first: Key) -> KeyRing {
        KeyRing { config, signing: first, next: None, old: Vec::new() }
    }

    /// Begins to publish a key, which will sign later. One that was waiting to sign is replaced, and stays published as
    /// long as one that has signed.
    pub fn rotate(&mut self, now: Time, key: Key) {
        if let Some((unused, _)) = self.next.replace((key, now + self.config.publish_before)) {
            self.old.push((unused, now + self.config.keep_after));
        }
    }

    /// When [`expire`](KeyRing::expire) wants to be called.
    pub fn deadline(&self) -> Option<Time> {
        let next = self.next.iter().map(|(_, at)| *at);
        next.chain(self.old.iter().map(|(_, at)| *at)).min()
    }

    /// Signs with the new key, forgets the old ones, as far as that is due. Whether the signing key has changed.
    pub fn expire(&mut self, now: Time) -> bool {
        let due = self.next.take_if(|(_, at)| *at <= now);
        let has_changed = due.is_some();
        if let Some((key, _)) = due {
            let signed_last = std::mem::replace(&mut self.signing, key);
            self.old.push((signed_last, now + self.config.keep_after));
        }
        self.old.retain(|(_, until)| *until > now);
        has_changed
    }

    /// Signs.
    pub fn sign(&self, claims: Claims) -> Token {
        Token::sign(&self.signing, claims)
    }

    /// The key that signs.
    pub const fn signing(&self) -> &Key {
        &self.signing
    }

    /// What is published.
    pub fn published(&self) -> KeySet {
        let mut set = KeySet::default();
        let next = self.next.iter().map(|(key, _)| key);
        for key in self.old.iter().map(|(key, _)| key).chain(next).chain([&self.signing]) {
            set.insert(key.clone());
        }
        set
    }
}
