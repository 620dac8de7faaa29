//! What auth promises, told as stories; each check beside a variant that breaks it.

mod keys;
mod logins;
mod refreshing;
mod tokens;

use super::*;
use crate::rate_limiter::RateLimitConfig;
use crate::time::{Span, Time};

fn s(seconds: u64) -> Time {
    Time::ZERO + Span::from_secs(seconds)
}

fn secs(seconds: u64) -> Span {
    Span::from_secs(seconds)
}

fn key(id: u64) -> Key {
    Key::from_entropy(KeyId(id), Algorithm::Hs256, id * 77)
}

fn claims(issued_at_s: u64, life_s: u64) -> Claims {
    Claims {
        issuer: "login".into(),
        audience: "shop".into(),
        subject: 7,
        issued_at_s,
        not_before_s: issued_at_s,
        expires_at_s: issued_at_s + life_s,
        id: TokenId(1),
        session: 1,
    }
}

fn verifier() -> Verifier {
    Verifier::new(VerifierConfig {
        issuer: "login".into(),
        audience: "shop".into(),
        algorithms: vec![Algorithm::Hs256, Algorithm::None],
        leeway: secs(60),
    })
}
