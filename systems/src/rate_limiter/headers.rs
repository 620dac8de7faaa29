//! What a response says about a limit: `RateLimit-Limit`, `RateLimit-Remaining`, `RateLimit-Reset` as Envoy and the
//! IETF drafts up to draft-ietf-httpapi-ratelimit-headers-06 have them, and `Retry-After` in seconds (RFC 9110,
//! 10.2.3). Only numbers and names: sends nothing.

use super::{QuotaStatus, RetryAt};
use crate::time::Span;

/// The numbers of the four headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitHeaders {
    /// Permits at most at once.
    pub limit: u64,
    /// Permits left.
    pub remaining: u64,
    /// Seconds until all of them are back, rounded up; none if they never are.
    pub reset_s: Option<u64>,
    /// Seconds to wait before trying again, rounded up, for a refusal. None if it passed or never will pass.
    pub retry_after_s: Option<u64>,
}

impl RateLimitHeaders {
    /// The headers for a decision and the state after it. Seconds are rounded up: a client that waits as long as it
    /// is told never comes too early.
    pub fn new(status: QuotaStatus, decision: Result<(), RetryAt>) -> RateLimitHeaders {
        RateLimitHeaders {
            limit: status.limit,
            remaining: status.remaining,
            reset_s: whole_seconds(status.reset),
            retry_after_s: decision.err().and_then(|RetryAt(wait)| whole_seconds(wait)),
        }
    }

    /// Names and values of the headers that apply.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("RateLimit-Limit", Some(self.limit)),
            ("RateLimit-Remaining", Some(self.remaining)),
            ("RateLimit-Reset", self.reset_s),
            ("Retry-After", self.retry_after_s),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, value)))
    }
}

fn whole_seconds(span: Span) -> Option<u64> {
    (span != Span::MAX).then(|| span.as_nanos().div_ceil(1_000_000_000))
}
