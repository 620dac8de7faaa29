//! What a cache must never tell, watched beside every cache and independent of it: a value past its lifetime, and one
//! that it was told is no longer true. Never decides what is told, and knows no values.

use std::collections::BTreeMap;

use super::settings::Settings;
use crate::kernel::time::{Span, Time};
use crate::measure::cache_invariant::{AFTER_INVALIDATION, WITHIN_LIFETIME};

/// An invariant that does not hold, and what was seen.
type Broken = (&'static str, String);

/// Keys remembered beyond a multiple of those that are kept.
const SPARE_KEYS: usize = 1_024;

/// What was last done with a key.
#[derive(Clone, Copy, Debug)]
struct Past {
    /// When a value was last brought, on the cache's clock, and in which step.
    brought: Time,
    brought_in: u64,
    /// The step of the last invalidation, and the version it was about; 0 for any.
    invalidated_in: u64,
    invalidated_below: u64,
}

/// What was done with the keys of one cache.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pasts: BTreeMap<u64, Past>,
    step: u64,
}

impl Watch {
    /// A value was brought to be kept.
    pub(super) fn brought(&mut self, now: Time, key: u64) {
        self.step += 1;
        let step = self.step;
        let past = self.pasts.entry(key).or_insert(Past::at(now));
        (past.brought, past.brought_in) = (now, step);
    }

    /// The cache heard that a key has another value now: of this version, or of one nobody knows (0).
    pub(super) fn invalidated(&mut self, key: u64, version: u64) {
        self.step += 1;
        // Of a key that never had a value there is nothing to tell.
        if let Some(past) = self.pasts.get_mut(&key) {
            (past.invalidated_in, past.invalidated_below) = (self.step, version);
        }
    }

    /// The cache tells this version of a key.
    pub(super) fn told(&self, settings: &Settings, now: Time, key: u64, version: u64) -> Option<Broken> {
        let past = self.pasts.get(&key)?;
        let age = now.since(past.brought);
        if let Some(lifetime) = lifetime(settings).filter(|lifetime| age >= *lifetime) {
            let witness =
                format!("key {key} was told {age} after it had been brought; it lives for {lifetime}");
            return Some((WITHIN_LIFETIME, witness));
        }
        let is_outdated = past.invalidated_below == 0 || version < past.invalidated_below;
        (past.invalidated_in > past.brought_in && is_outdated).then(|| {
            let witness =
                format!("key {key} was told after it had been invalidated, with nothing brought since");
            (AFTER_INVALIDATION, witness)
        })
    }

    /// Forgets keys that the cache no longer has, once they are many.
    pub(super) fn forget(&mut self, kept: u32, is_kept: impl Fn(u64) -> bool) {
        if self.pasts.len() > 4 * kept as usize + SPARE_KEYS {
            self.pasts.retain(|key, _| is_kept(*key));
        }
    }
}

impl Past {
    const fn at(now: Time) -> Past {
        Past { brought: now, brought_in: 0, invalidated_in: 0, invalidated_below: 0 }
    }
}

/// How long a value may be told after it was brought; stale spans are part of the settings and count.
fn lifetime(settings: &Settings) -> Option<Span> {
    let loading = &settings.loading;
    let stale = match settings.single_flight {
        true => loading.stale_while_revalidate.max(loading.stale_if_error),
        false => Span::ZERO,
    };
    Some(loading.cache.ttl? + stale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(stale: bool) -> Settings {
        let mut written = json!({"capacity": 10, "ttl": "5s"});
        if stale {
            written =
                json!({"capacity": 10, "ttl": "5s", "single_flight": true, "stale_while_revalidate": "2s"});
        }
        super::super::settings::read(written.as_object().expect("a mapping")).expect("nothing is wrong")
    }

    fn at(s: u64) -> Time {
        Time::ZERO + Span::from_secs(s)
    }

    fn broken(told: Option<Broken>) -> Option<&'static str> {
        told.map(|(invariant, _)| invariant)
    }

    #[test]
    fn a_value_is_told_until_its_lifetime_and_not_at_it() {
        let mut watch = Watch::default();
        watch.brought(at(10), 7);
        assert_eq!(broken(watch.told(&settings(false), at(14), 7, 1)), None);
        assert_eq!(broken(watch.told(&settings(false), at(15), 7, 1)), Some(WITHIN_LIFETIME));
        assert_eq!(broken(watch.told(&settings(true), at(16), 7, 1)), None, "stale for two seconds more");
        assert_eq!(broken(watch.told(&settings(true), at(17), 7, 1)), Some(WITHIN_LIFETIME));
    }

    #[test]
    fn what_was_invalidated_is_told_again_once_it_was_brought_again_or_was_newer_anyway() {
        let mut watch = Watch::default();
        watch.invalidated(7, 0);
        watch.brought(at(1), 7);
        assert_eq!(broken(watch.told(&settings(false), at(1), 7, 3)), None);
        watch.invalidated(7, 4);
        assert_eq!(broken(watch.told(&settings(false), at(1), 7, 3)), Some(AFTER_INVALIDATION));
        assert_eq!(broken(watch.told(&settings(false), at(1), 7, 4)), None);
        watch.invalidated(7, 0);
        assert_eq!(broken(watch.told(&settings(false), at(1), 7, 4)), Some(AFTER_INVALIDATION));
        watch.brought(at(2), 7);
        assert_eq!(broken(watch.told(&settings(false), at(2), 7, 4)), None);
    }

    #[test]
    fn memory_follows_what_is_kept_and_not_what_was_ever_asked_for() {
        let mut watch = Watch::default();
        for key in 0..100_000 {
            watch.brought(at(1), key);
            watch.forget(10, |kept| key - kept < 10);
        }
        assert!(watch.pasts.len() <= 2_000, "{}", watch.pasts.len());
    }
}
