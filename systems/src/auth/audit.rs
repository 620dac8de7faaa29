//! A witness that stands beside issuer and verifiers, knows the true time and every revocation, and says when something
//! was accepted that must not be, or rejected that must not be. Changes nothing.

use super::token::{Claims, TokenId};
use crate::time::{Span, Time};
use std::collections::BTreeMap;
use std::fmt;

/// An invariant that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthViolation {
    /// Accepted after its end, plus leeway and skew.
    AcceptedExpired(TokenId),
    /// Accepted before its beginning, minus leeway and skew.
    AcceptedEarly(TokenId),
    /// Accepted although revoked for longer than it takes to be known.
    AcceptedRevoked(TokenId),
    /// A refresh token that had been used before, beyond its grace, gave a new one.
    FamilySurvivedReuse {
        /// The family.
        family: u64,
    },
    /// A family has two tokens of one generation.
    Forked {
        /// The family.
        family: u64,
    },
}

impl fmt::Display for AuthViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthViolation::AcceptedExpired(token) => {
                write!(f, "token {} was accepted after its end", token.0)
            }
            AuthViolation::AcceptedEarly(token) => {
                write!(f, "token {} was accepted before its beginning", token.0)
            }
            AuthViolation::AcceptedRevoked(token) => {
                write!(f, "token {} was accepted although its revocation had to be known", token.0)
            }
            AuthViolation::FamilySurvivedReuse { family } => {
                write!(f, "family {family} went on after one of its old tokens was used again")
            }
            AuthViolation::Forked { family } => write!(f, "family {family} has two tokens of one generation"),
        }
    }
}

impl std::error::Error for AuthViolation {}

/// What a witness allows for.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    /// Leeway of the verifiers plus the most that a clock is off.
    tolerance: Span,
    /// Time to live of copies of the revocation list, plus what it takes to arrive.
    revocation_window: Span,
    grace: Span,
    revoked: BTreeMap<u64, Time>,
    /// By family: the newest generation and its secret, and since when.
    families: BTreeMap<u64, (u32, u64, Time)>,
    /// Furthest acceptance beyond an end, by true time.
    furthest_beyond: Span,
}

impl Witness {
    /// Allows acceptance beyond the end by `tolerance`, after a revocation for `revocation_window`, of a rotated refresh
    /// token for `grace`.
    pub fn new(tolerance: Span, revocation_window: Span, grace: Span) -> Witness {
        Witness { tolerance, revocation_window, grace, ..Witness::default() }
    }

    /// A session was revoked, by true time.
    pub fn revoked(&mut self, now: Time, session: u64) {
        self.revoked.entry(session).or_insert(now);
    }

    /// A token was accepted, by true time.
    ///
    /// # Errors
    /// [`AuthViolation`].
    pub fn accepted(&mut self, now: Time, claims: &Claims) -> Result<(), AuthViolation> {
        let end = Time::ZERO + Span::from_secs(claims.expires_at_s);
        let beginning = Time::ZERO + Span::from_secs(claims.not_before_s);
        self.furthest_beyond = self.furthest_beyond.max(now.since(end));
        if now >= end + self.tolerance {
            return Err(AuthViolation::AcceptedExpired(claims.id));
        }
        if now + self.tolerance < beginning {
            return Err(AuthViolation::AcceptedEarly(claims.id));
        }
        match self.revoked.get(&claims.session) {
            Some(at) if now.since(*at) > self.revocation_window => {
                Err(AuthViolation::AcceptedRevoked(claims.id))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A refresh token was exchanged: `used` of a family gave `next` with its secret.
    ///
    /// # Errors
    /// [`AuthViolation`].
    pub fn refreshed(
        &mut self,
        now: Time,
        family: u64,
        used: u32,
        (next, secret): (u32, u64),
    ) -> Result<(), AuthViolation> {
        let (newest, known, since) = self.families.get(&family).copied().unwrap_or((0, 0, now));
        if newest == next && known != secret && next > 0 {
            return Err(AuthViolation::Forked { family });
        }
        if used < newest && (next != newest || now.since(since) >= self.grace) {
            return Err(AuthViolation::FamilySurvivedReuse { family });
        }
        if next > newest {
            self.families.insert(family, (next, secret, now));
        }
        Ok(())
    }

    /// How far beyond its end a token was accepted at most, by true time.
    pub const fn furthest_beyond(&self) -> Span {
        self.furthest_beyond
    }
}
