//! What is not valid any more although it has not expired. The list forgets what has expired by itself; a copy of it is
//! good for a time, so that acceptance ends within that time.

use super::token::TokenId;
use crate::time::{Span, Time};
use std::collections::BTreeMap;

/// Revoked tokens and sessions, with the end of their natural life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevocationList {
    tokens: BTreeMap<TokenId, Time>,
    sessions: BTreeMap<u64, Time>,
}

impl RevocationList {
    /// Nothing revoked.
    pub fn new() -> RevocationList {
        RevocationList::default()
    }

    /// Revokes a token that would expire at `expires`, leeway included.
    pub fn revoke_token(&mut self, token: TokenId, expires: Time) {
        self.tokens.insert(token, expires);
    }

    /// Revokes all tokens of a session, the last of which would expire at `expires`.
    pub fn revoke_session(&mut self, session: u64, expires: Time) {
        self.sessions.insert(session, expires);
    }

    /// Whether a token is revoked.
    pub fn is_revoked(&self, token: TokenId, session: u64) -> bool {
        self.tokens.contains_key(&token) || self.sessions.contains_key(&session)
    }

    /// Forgets what nobody would accept any more.
    pub fn expire(&mut self, now: Time) {
        self.tokens.retain(|_, expires| *expires > now);
        self.sessions.retain(|_, expires| *expires > now);
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.tokens.len() + self.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A verifier's copy of a list. Also what an introspection with a cache is: one answer for a time.
#[derive(Clone, Debug)]
pub struct CachedRevocations {
    ttl: Span,
    list: RevocationList,
    fetched_at: Option<Time>,
}

impl CachedRevocations {
    /// Without a copy.
    pub fn new(ttl: Span) -> CachedRevocations {
        CachedRevocations { ttl, list: RevocationList::new(), fetched_at: None }
    }

    /// A copy taken at `taken`: that is what its age counts from, not when it came.
    pub fn fetched(&mut self, taken: Time, list: RevocationList) {
        self.list = list;
        self.fetched_at = Some(taken);
    }

    /// Whether a token is revoked; `None` if the copy is too old to tell.
    pub fn is_revoked(&self, now: Time, token: TokenId, session: u64) -> Option<bool> {
        let is_fresh = self.fetched_at.is_some_and(|at| now.since(at) < self.ttl);
        // What was revoked stays so, however old the copy is.
        let is_revoked = self.list.is_revoked(token, session);
        (is_fresh || is_revoked).then_some(is_revoked)
    }
}
