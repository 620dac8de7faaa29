//! Idempotency keys, by the table of the IETF draft (draft-ietf-httpapi-idempotency-key-header): the same key and the
//! same payload are the same request. Decides only; the records live in the store, in the same batch as what they
//! guard.

use super::request::Answer;
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a request asks for, as 32 bytes: equal for equal payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// SHA-256 of a payload in its canonical form.
    pub fn of(payload: &[u8]) -> Fingerprint {
        Fingerprint(Sha256::digest(payload).into())
    }
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Of the first request with it.
    pub fingerprint: Fingerprint,
    /// When it may be forgotten, in nanoseconds; not while its request runs.
    pub expires_ns: u64,
    /// The answer, once there is one.
    pub answer: Option<Answer>,
}

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyDecision {
    /// Run it, and keep the answer.
    Run,
    /// Give the answer of the first time.
    Replay(Answer),
    /// 409: the first one is still running.
    InProgress,
    /// 422: the key belongs to another request.
    OtherPayload,
    /// 400: there has to be a key.
    Missing,
}

/// Which answers are kept for the next request with the same key. What is not kept runs again.
pub trait KeepAnswer {
    /// Whether to keep one with this status.
    fn keeps(&self, status: u16) -> bool;
}

/// The rules in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptAnswers {
    /// Every answer to a request that was begun, refusals and failures as well: Stripe's rule.
    All,
    /// Answers below 400 only.
    SuccessOnly,
}

impl KeepAnswer for KeptAnswers {
    fn keeps(&self, status: u16) -> bool {
        match self {
            KeptAnswers::All => true,
            KeptAnswers::SuccessOnly => status < 400,
        }
    }
}

/// How keys are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyConfig {
    /// Whether a request that changes something has to have one.
    pub is_required: bool,
    /// How long an answer is kept, from the first request on: at Stripe 24 hours. Shorter than the client's last
    /// retry, and that retry charges again.
    pub ttl: Span,
    /// The longest key, in bytes.
    pub max_bytes: usize,
}

impl Default for KeyConfig {
    /// Required, for 24 hours, at most 255 bytes.
    fn default() -> KeyConfig {
        KeyConfig { is_required: true, ttl: Span::from_secs(24 * 3600), max_bytes: 255 }
    }
}

impl KeyConfig {
    /// The table: what to do with a request.
    pub fn decide(
        &self,
        now: Time,
        key: Option<&str>,
        known: Option<&KeyRecord>,
        fingerprint: Fingerprint,
    ) -> KeyDecision {
        match (key, known) {
            (None, _) if self.is_required => KeyDecision::Missing,
            (Some(key), _) if key.is_empty() || key.len() > self.max_bytes => KeyDecision::Missing,
            (None, _) | (Some(_), None) => KeyDecision::Run,
            (Some(_), Some(known)) if known.has_expired(now) => KeyDecision::Run,
            (Some(_), Some(known)) if known.fingerprint != fingerprint => KeyDecision::OtherPayload,
            (Some(_), Some(known)) => known.answer.map_or(KeyDecision::InProgress, KeyDecision::Replay),
        }
    }
}

impl KeyRecord {
    /// Whether it may be forgotten: its time is over, and its request does not run any more.
    pub fn has_expired(&self, now: Time) -> bool {
        self.answer.is_some() && now.as_nanos() >= self.expires_ns
    }
}
