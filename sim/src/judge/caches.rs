//! What a person should know of caches: keys that many load at once, values that are no longer true, loads that come
//! too late. Reads what the caches themselves have counted.

use std::collections::BTreeMap;

use super::words::{decimal, grouped};
use crate::measure::Measured;

/// From so many loads of one key on, they are a stampede.
const STAMPEDE: u64 = 10;

/// Answers that were out of date for less than this are the time an invalidation takes.
const STALE_US: u64 = 1_000_000;

/// What a cache has counted.
struct Cache<'a> {
    name: &'a str,
    counts: &'a BTreeMap<String, u64>,
}

impl Cache<'_> {
    fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// Whether it tells one load from another.
    fn has_leases(&self) -> bool {
        self.counts.contains_key("lease_timeouts")
    }
}

fn caches(measured: &Measured) -> impl Iterator<Item = Cache<'_>> {
    let systems = measured.systems.iter().map(|(name, counts)| Cache { name, counts });
    systems.filter(|system| system.counts.contains_key("loads_of_one_key_max"))
}

/// Many loads of one key before the first of them brought a value.
pub(super) fn stampedes(measured: &Measured) -> Vec<String> {
    let hit = caches(measured).filter(|cache| cache.count("loads_of_one_key_max") >= STAMPEDE);
    hit.map(|cache| {
        let cure = if cache.has_leases() { "" } else { "; `single_flight: true` lets one load and the others wait" };
        format!(
            "stampede: up to {} loads of one key that `{}` had missed were begun before one brought a value{cure}",
            grouped(cache.count("loads_of_one_key_max")),
            cache.name
        )
    })
    .collect()
}

/// Answers that the origin had overwritten.
pub(super) fn stale_reads(measured: &Measured) -> Vec<String> {
    let stale = caches(measured).filter(|cache| cache.count("stale_age_max_us") >= STALE_US);
    stale
        .map(|cache| {
            format!(
                "stale reads: `{}` answered {} of {} hits with a value that its origin had overwritten, one of them \
                 {} s before",
                cache.name,
                grouped(cache.count("stale_reads")),
                grouped(cache.count("hits")),
                decimal(cache.count("stale_age_max_us") / 1_000, 3)
            )
        })
        .collect()
}

/// Values that came when their lease had ended, and were of no use.
pub(super) fn late_fills(measured: &Measured) -> Vec<String> {
    let late = caches(measured).filter(|cache| {
        let late = cache.count("late_fills");
        late > 0 && late.saturating_mul(20) >= cache.count("loads")
    });
    late.map(|cache| {
        format!(
            "late fills: {} of {} loads for `{}` came back after their lease had ended and were not kept; its \
             `lease_timeout` is shorter than a load takes",
            grouped(cache.count("late_fills")),
            grouped(cache.count("loads")),
            cache.name
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(counts: &[(&str, u64)]) -> Measured {
        let counts = counts.iter().map(|(name, count)| (name.to_string(), *count)).collect();
        Measured { systems: BTreeMap::from([("prices".to_string(), counts)]), ..Measured::default() }
    }

    #[test]
    fn nine_loads_of_a_key_are_no_stampede_and_ten_are() {
        assert_eq!(stampedes(&measured(&[("loads_of_one_key_max", 9)])), [""; 0]);
        assert_eq!(
            stampedes(&measured(&[("loads_of_one_key_max", 10)])),
            [
                "stampede: up to 10 loads of one key that `prices` had missed were begun before one brought a value; \
              `single_flight: true` lets one load and the others wait"
            ]
        );
    }

    #[test]
    fn what_an_invalidation_takes_is_not_called_stale() {
        let counts = |age| {
            [("loads_of_one_key_max", 1), ("hits", 4_000), ("stale_reads", 12), ("stale_age_max_us", age)]
        };
        assert_eq!(stale_reads(&measured(&counts(999_999))), [""; 0]);
        assert_eq!(
            stale_reads(&measured(&counts(9_500_000))),
            [
                "stale reads: `prices` answered 12 of 4 000 hits with a value that its origin had overwritten, one of \
              them 9.5 s before"
            ]
        );
    }

    #[test]
    fn a_lease_that_is_too_short_shows_in_fills_that_come_late() {
        let counts = |late| [("loads_of_one_key_max", 1), ("loads", 100), ("late_fills", late)];
        assert_eq!(late_fills(&measured(&counts(4))), [""; 0]);
        assert_eq!(late_fills(&measured(&counts(5))).len(), 1);
    }
}
