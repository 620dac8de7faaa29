//! All checks of a token. Each is made, and the first that fails is told.

use super::key_ring::Key;
use super::token::{Algorithm, Claims, Token};
use crate::time::{Span, Time};
use std::fmt;

/// What a verifier accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierConfig {
    /// The only issuer.
    pub issuer: String,
    /// Who it is itself.
    pub audience: String,
    /// The algorithms it allows. [`Algorithm::None`] is never allowed, even if it stands here.
    pub algorithms: Vec<Algorithm>,
    /// By how much clocks may be apart: 60 s is usual. More than [`Verifier::MAX_LEEWAY`] is cut to that.
    pub leeway: Span,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rejection {
    /// The algorithm is not allowed, or not that of the key.
    Algorithm,
    /// No such key.
    UnknownKey,
    /// The signature is not that of the key.
    Signature,
    /// Another issuer.
    Issuer,
    /// For somebody else.
    Audience,
    /// Not valid yet.
    TooEarly,
    /// Not valid any more.
    Expired,
    /// Revoked.
    Revoked,
    /// What is revoked cannot be fetched.
    RevocationsUnavailable,
    /// The keys cannot be fetched.
    KeysUnavailable,
    /// The issuer says that its login is over.
    Inactive,
    /// The issuer does not say whether it is.
    IntrospectionUnavailable,
}

impl Rejection {
    /// As a key of a report.
    pub const fn name(self) -> &'static str {
        match self {
            Rejection::Algorithm => "rejected_algorithm",
            Rejection::UnknownKey => "rejected_unknown_key",
            Rejection::Signature => "rejected_signature",
            Rejection::Issuer => "rejected_issuer",
            Rejection::Audience => "rejected_audience",
            Rejection::TooEarly => "rejected_too_early",
            Rejection::Expired => "rejected_expired",
            Rejection::Revoked => "rejected_revoked",
            Rejection::RevocationsUnavailable => "rejected_revocations_unavailable",
            Rejection::KeysUnavailable => "rejected_keys_unavailable",
            Rejection::Inactive => "rejected_inactive",
            Rejection::IntrospectionUnavailable => "rejected_introspection_unavailable",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rejection::Algorithm => "the algorithm is not allowed for this key: sign as agreed",
            Rejection::UnknownKey => "the key is not published: publish it before it signs",
            Rejection::Signature => "the signature does not match: log in again",
            Rejection::Issuer => "the token comes from another issuer: ask the right one",
            Rejection::Audience => "the token is for somebody else: ask for one for this service",
            Rejection::TooEarly => "the token is not valid yet: check both clocks",
            Rejection::Expired => "the token has expired: refresh it",
            Rejection::Revoked => "the token was revoked: log in again",
            Rejection::RevocationsUnavailable => {
                "the list of what is revoked cannot be fetched: try again later"
            }
            Rejection::KeysUnavailable => "the issuer's keys cannot be fetched: try again later",
            Rejection::Inactive => "the issuer has ended the login: log in again",
            Rejection::IntrospectionUnavailable => "the issuer cannot be asked: try again later",
        })
    }
}

impl std::error::Error for Rejection {}

/// Checks tokens.
#[derive(Clone, Debug)]
pub struct Verifier {
    config: VerifierConfig,
}

impl Verifier {
    /// The most leeway there is: five minutes.
    pub const MAX_LEEWAY: Span = Span::from_secs(300);

    /// With a config; too much leeway is cut.
    pub fn new(config: VerifierConfig) -> Verifier {
        let leeway = config.leeway.min(Verifier::MAX_LEEWAY);
        Verifier { config: VerifierConfig { leeway, ..config } }
    }

    /// What it accepts.
    pub const fn config(&self) -> &VerifierConfig {
        &self.config
    }

    /// Checks algorithm, signature, issuer, audience and time, by this verifier's clock.
    ///
    /// # Errors
    /// [`Rejection`].
    pub fn verify<'a>(&self, now: Time, token: &'a Token, key: &Key) -> Result<&'a Claims, Rejection> {
        let (config, claims) = (&self.config, &token.claims);
        let algorithm = token.header.algorithm;
        // The key decides what it is for, not the token.
        let is_allowed = algorithm != Algorithm::None && config.algorithms.contains(&algorithm);
        if !is_allowed || algorithm != key.algorithm {
            return Err(Rejection::Algorithm);
        }
        if token.header.key != key.id {
            return Err(Rejection::UnknownKey);
        }
        if !token.is_signed_by(key) {
            return Err(Rejection::Signature);
        }
        if claims.issuer != config.issuer {
            return Err(Rejection::Issuer);
        }
        if claims.audience != config.audience {
            return Err(Rejection::Audience);
        }
        self.check_time(now, claims)?;
        Ok(claims)
    }

    fn check_time(&self, now: Time, claims: &Claims) -> Result<(), Rejection> {
        let second = |seconds| Time::ZERO + Span::from_secs(seconds);
        // A token whose end is before its beginning is never valid, leeway or not.
        if claims.expires_at_s <= claims.not_before_s {
            return Err(Rejection::Expired);
        }
        if now + self.config.leeway < second(claims.not_before_s) {
            return Err(Rejection::TooEarly);
        }
        if now >= second(claims.expires_at_s) + self.config.leeway {
            return Err(Rejection::Expired);
        }
        Ok(())
    }
}
