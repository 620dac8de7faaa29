//! Holds the limit of every key for all nodes, and answers them one by one. Never takes the initiative.

use super::super::Inherit;
use super::counter::{Counter, Granted};
use super::{FromStore, NodeIdentity, SharedLimit, SharedLimitError, ToStore};
use crate::time::Time;
use std::collections::BTreeMap;

/// What a node was given and has not accounted for.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// The latest total it reported.
    seen_total: u64,
    /// Permits taken out for it, to be settled with its next report.
    granted: Granted,
}

#[derive(Clone, Debug)]
struct KeyState {
    counter: Counter,
    parts: BTreeMap<NodeIdentity, Part>,
}

/// The store behind a distributed limiter.
#[derive(Clone, Debug)]
pub struct LimiterStore {
    limit: SharedLimit,
    keys: BTreeMap<u64, KeyState>,
    /// Keys that were active when idle ones were last dropped.
    kept: usize,
}

/// Fewer keys than this are not searched for idle ones.
const FEW_KEYS: usize = 16;

impl LimiterStore {
    /// Nothing used yet.
    ///
    /// # Errors
    /// As from [`SharedLimit::validate`].
    pub fn new(limit: impl Into<SharedLimit>) -> Result<LimiterStore, SharedLimitError> {
        let limit = limit.into();
        limit.validate()?;
        Ok(LimiterStore { limit, keys: BTreeMap::new(), kept: 0 })
    }

    /// Answers a message. A message that arrives twice is charged twice if it is a [`ToStore::Take`], once if it is a
    /// [`ToStore::Report`].
    pub fn handle(&mut self, now: Time, from: NodeIdentity, message: ToStore) -> FromStore {
        self.drop_idle(now);
        let limit = self.limit;
        let fresh = || KeyState { counter: Counter::new(limit, now), parts: BTreeMap::new() };
        match message {
            ToStore::Take { request, key, cost, wanted } => {
                let counter = &mut self.keys.entry(key).or_insert_with(fresh).counter;
                let available = u64::try_from(counter.balance(now)).unwrap_or(0);
                let permits = wanted.min(available).max(cost);
                match counter.check(now, permits) {
                    Ok(()) => FromStore::Granted { request, permits },
                    Err(retry_at) => FromStore::Refused { request, retry_at },
                }
            }
            ToStore::Report { request, key, used_total, confirmed_total, nodes, leaving } => {
                let state = self.keys.entry(key).or_insert_with(fresh);
                let part = state.parts.entry(from).or_default();
                let used = used_total.saturating_sub(part.seen_total.max(confirmed_total));
                state.counter.settle(now, part.granted, used);
                let balance = state.counter.balance(now);
                let permits = if leaving { 0 } else { balance.div_euclid(i64::from(nodes.max(1))) };
                let granted = state.counter.grant(now, u64::try_from(permits).unwrap_or(0));
                *part = Part { seen_total: used_total, granted };
                FromStore::Part { request, permits }
            }
        }
    }

    /// Follows a new limit; `inherit` says what becomes of what was left.
    ///
    /// # Errors
    /// As from [`SharedLimit::validate`]; nothing is changed then.
    pub fn reconfigure(
        &mut self,
        now: Time,
        limit: impl Into<SharedLimit>,
        inherit: Inherit,
    ) -> Result<(), SharedLimitError> {
        let limit = limit.into();
        limit.validate()?;
        self.limit = limit;
        for state in self.keys.values_mut() {
            state.counter.reconfigure(limit, now, inherit);
        }
        Ok(())
    }

    /// Keys kept at present.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is kept.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Drops keys of which nothing is used once there are twice as many as were active last time: a constant share of the
    /// work of each message. What a node was given of such a key has been refilled since.
    fn drop_idle(&mut self, now: Time) {
        if self.keys.len() > FEW_KEYS.max(2 * self.kept) {
            self.keys.retain(|_, state| state.counter.settled_at() > now);
            self.kept = self.keys.len();
        }
    }
}
