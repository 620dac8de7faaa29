//! When a client refreshes a token: after a share of its life, and not all at once.

use crate::arithmetic::{share_of, uniform};
use crate::time::{Span, Time};

/// When to refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshTiming {
    /// After this share of the token's life, in parts per million.
    pub after_ppm: u32,
    /// Earlier by up to this, uniformly: N clients with equal expiry then come at N / jitter a second at most.
    pub jitter: Span,
}

impl RefreshTiming {
    /// When a token issued at `issued` for `life` is refreshed. `entropy` is a uniformly distributed word.
    pub fn at(&self, issued: Time, life: Span, entropy: u64) -> Time {
        let wait = share_of(life.as_nanos(), self.after_ppm.min(1_000_000));
        let earlier = uniform(entropy, 0, self.jitter.as_nanos().min(wait));
        issued + Span::from_nanos(wait - earlier)
    }
}
