//! A node's part of what is left of a key, under delayed sync. Grows only as far as the limit itself lets the node know.

use super::super::{Limiter, RetryAt, TokenBucket};
use super::SharedLimit;
use crate::time::{Span, Time};

/// What a node may let pass before it hears from the store again.
#[derive(Clone, Debug)]
pub(super) enum Share {
    /// Under a limit by rate the whole rate comes on top: nodes that ask for little leave it to the others.
    Bucket(TokenBucket),
    /// Under a limit by window there is nothing on top: how much of a window the others use only the store knows.
    Permits(i64),
}

impl Share {
    pub(super) fn new(limit: SharedLimit, permits: i64, now: Time) -> Share {
        match limit {
            SharedLimit::TokenBucket(config) => {
                Share::Bucket(TokenBucket::with_balance(config, permits, now))
            }
            SharedLimit::FixedWindow(_) | SharedLimit::SlidingWindow(_) => Share::Permits(permits),
        }
    }

    /// Takes `cost` permits, or none. `until_sync` is how long it is to the next word from the store.
    pub(super) fn check(
        &mut self,
        now: Time,
        cost: u64,
        limit: &SharedLimit,
        until_sync: Span,
    ) -> Result<(), RetryAt> {
        match self {
            Share::Bucket(bucket) => bucket.check(now, cost),
            Share::Permits(_) if cost == 0 => Ok(()),
            Share::Permits(_) if cost > limit.most_at_once() => Err(RetryAt(Span::MAX)),
            Share::Permits(left) => {
                let rest = i64::try_from(cost).ok().and_then(|cost| left.checked_sub(cost));
                *left = rest.filter(|rest| *rest >= 0).ok_or(RetryAt(until_sync.max(Span::from_nanos(1))))?;
                Ok(())
            }
        }
    }

    /// Follows a new limit; of one of another kind nothing is known.
    pub(super) fn followed(self, limit: SharedLimit, now: Time) -> Option<Share> {
        match (self, limit) {
            (Share::Bucket(mut bucket), SharedLimit::TokenBucket(config)) => {
                bucket.reconfigure(config, now);
                Some(Share::Bucket(bucket))
            }
            (Share::Permits(left), SharedLimit::FixedWindow(config) | SharedLimit::SlidingWindow(config)) => {
                Some(Share::Permits(left.min(i64::try_from(config.limit).unwrap_or(i64::MAX))))
            }
            (Share::Bucket(_) | Share::Permits(_), _) => None,
        }
    }
}
