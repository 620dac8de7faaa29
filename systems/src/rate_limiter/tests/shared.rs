//! The fronts for many threads: alone they decide as the plain ones do, together they admit exactly the bound.

use super::*;
use crate::rate_limiter::shared::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many of `tries` checks by each of four threads pass; every thread reads the time off `clock`.
fn admitted_by_threads(tries: u64, check: impl Fn(u64) -> bool + Sync) -> u64 {
    let admitted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (admitted, check) = (&admitted, &check);
            scope.spawn(move || {
                let passed = (0..tries).filter(|attempt| check(attempt * 4 + thread)).count();
                admitted.fetch_add(passed as u64, Ordering::Relaxed);
            });
        }
    });
    admitted.into_inner()
}

#[test]
fn threads_that_race_get_exactly_the_burst() {
    let lock_free = SharedGcra::new(per_second(1, 1_000), at(0)).unwrap();
    assert_eq!(admitted_by_threads(5_000, |_| lock_free.check(at(0), 1).is_ok()), 1_000);
    let locked = Shared::new(TokenBucket::new(per_second(1, 1_000), at(0)));
    assert_eq!(admitted_by_threads(5_000, |_| locked.check(at(0), 1).is_ok()), 1_000);
    assert_eq!(locked.into_inner().available(at(0)), 0);
}

#[test]
fn threads_whose_clocks_differ_a_little_mint_nothing() {
    // 20 000 readings of a clock, each shifted by up to a millisecond; the last real one is at 200 ms.
    let reading = |attempt: u64| {
        let shift = attempt.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44;
        Time::from_nanos(1_000_000_000 + attempt * 10_000 - shift.min(1_000_000))
    };
    let last = reading(19_999).max(reading(19_998));
    let bound = |admitted: u64, rate: u64| {
        let allowed = 10 + (last.as_nanos() - 999_000_000) * rate / 1_000_000_000;
        assert!((allowed - allowed / 5..=allowed + 1).contains(&admitted), "{admitted} of {allowed}");
    };
    let lock_free = SharedGcra::new(per_second(10_000, 10), at(999)).unwrap();
    bound(admitted_by_threads(5_000, |attempt| lock_free.check(reading(attempt), 1).is_ok()), 10_000);
    let locked = Shared::new(Gcra::new(per_second(10_000, 10), at(999)));
    bound(admitted_by_threads(5_000, |attempt| locked.check(reading(attempt), 1).is_ok()), 10_000);
}

#[test]
fn readings_that_swing_mint_nothing_behind_a_lock_and_do_behind_none() {
    let swing = |step: u64| Time::from_nanos(1_000_000_000 - step % 2 * 100_000_000);
    let shared = Shared::new(TokenBucket::new(per_second(10, 2), at(1_000)));
    let admitted = (0..1_000).filter(|step| shared.check(swing(*step), 1).is_ok()).count();
    assert_eq!(admitted, 2);
    // The front without its sense of order: every swing fills the bucket again.
    let mut plain = TokenBucket::new(per_second(10, 2), at(1_000));
    let admitted = (0..1_000).filter(|step| plain.check(swing(*step), 1).is_ok()).count();
    assert!(admitted > 400, "a broken variant would pass for right: {admitted}");
}

#[test]
fn a_clock_that_jumps_back_freezes_no_front() {
    let lock_free = SharedGcra::new(per_second(10, 2), at(0)).unwrap();
    let locked = Shared::new(Gcra::new(per_second(10, 2), at(0)));
    let cases = [
        // at, decision
        (9_000, Ok(())),
        (9_000, Ok(())),
        (4_000, Err(RetryAt(ms(100)))),
        (4_099, Err(RetryAt(ms(1)))),
        (4_100, Ok(())),
        (4_100, Err(RetryAt(ms(100)))),
    ];
    for (now, expected) in cases {
        assert_eq!(lock_free.check(at(now), 1), expected, "lock-free at {now}");
        assert_eq!(locked.check(at(now), 1), expected, "locked at {now}");
    }
}

#[test]
fn shared_keys_are_counted_apart_by_many_threads() {
    let template = TokenBucket::new(per_second(1, 10), at(0));
    let keys: SharedKeyed<String, _> = SharedKeyed::new(KeyedConfig::default(), &template, at(0)).unwrap();
    let names: Vec<String> = (0..100).map(|name| format!("user-{name}")).collect();
    let admitted = admitted_by_threads(2_000, |attempt| {
        keys.check(at(0), Some(&names[attempt as usize % 100]), 1).is_ok()
    });
    assert_eq!((admitted, keys.len()), (1_000, 100));
    assert_eq!(keys.check(at(0), None, 1), Err(KeyedRefusal::EmptyKey));
    assert_eq!(keys.stats().empty_keys, 1);
    keys.reconfigure(|bucket| bucket.reconfigure_with(per_second(1, 20), at(0), Inherit::Add));
    assert_eq!(keys.check(at(0), Some(&names[0]), 10), Ok(()));
    assert!(!keys.is_empty());
}

#[test]
fn a_holder_that_panics_takes_no_lock_with_it() {
    let shared = Shared::new(TokenBucket::new(per_second(1, 2), at(0)));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        shared.with(at(0), |_, _| panic!("a user's own code"));
    }));
    assert!(panicked.is_err());
    assert_eq!(shared.check(at(0), 2), Ok(()));
}

#[test]
fn what_a_lock_free_limiter_cannot_count_is_refused_with_what_to_write_instead() {
    let cases = [
        (per_second(0, 1), "use 1 to"),
        (per_second(1, 0), "use 1"),
        (per_second(1, u64::MAX), "use at most 288230376"),
    ];
    for (config, says) in cases {
        let error = SharedGcra::new(config, at(0)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let limiter = SharedGcra::new(per_second(1, 2), at(0)).unwrap();
    assert_eq!(limiter.check(at(0), u64::MAX), Err(RetryAt(Span::MAX)));
    assert!(limiter.reconfigure(per_second(0, 1)).is_err());
    limiter.reconfigure(per_second(1, 1)).unwrap();
    assert_eq!(limiter.check(at(0), 2), Err(RetryAt(Span::MAX)));
}

proptest! {
    #[test]
    fn alone_a_lock_free_limiter_decides_as_the_plain_one_does(
        (twos, fives) in (0u32..=12, 0u32..=10), burst in 1u64..50, trace in any_trace(300),
        back in prop::collection::vec(0u8..12, 300),
    ) {
        // Rates whose interval is a whole number of nanoseconds are exact in both.
        let interval_ns = 2u64.pow(twos) * 5u64.pow(fives);
        let tolerance = Span::from_nanos(interval_ns * (burst - 1));
        let mut plain = Gcra::with_tolerance(Span::from_nanos(interval_ns), tolerance, at(0));
        let rate_per_s_milli = 1_000_000_000_000 / interval_ns;
        let lock_free = SharedGcra::new(RateLimitConfig { rate_per_s_milli, burst }, at(0)).unwrap();
        let mut now = Time::ZERO;
        for ((pause, cost), back) in trace.into_iter().zip(back) {
            now += Span::from_nanos(pause);
            if back == 0 {
                plain.give_back(now, cost);
                lock_free.give_back(now, cost);
            }
            prop_assert_eq!(lock_free.check(now, cost), plain.check(now, cost));
        }
    }

    /// Rounded to a sixteenth of a nanosecond, and never in favour of the caller.
    #[test]
    fn a_lock_free_limiter_never_passes_what_the_plain_one_refuses(
        rate_per_s_milli in 1u64..10_000_000_000, burst in 1u64..50, trace in any_trace(300),
    ) {
        let config = RateLimitConfig { rate_per_s_milli, burst };
        let mut plain = Gcra::new(config, at(0));
        let lock_free = SharedGcra::new(config, at(0)).unwrap();
        let mut now = Time::ZERO;
        for (pause, cost) in trace {
            now += Span::from_nanos(pause);
            if lock_free.check(now, cost).is_ok() {
                prop_assert_eq!(plain.check(now, cost), Ok(()));
            }
        }
    }

    #[test]
    fn nothing_makes_a_front_panic(
        rate_per_s_milli in any::<u64>(), burst in any::<u64>(), start in any::<u64>(),
        acts in prop::collection::vec((0u8..4, any::<u64>(), any::<u64>()), 0..60),
    ) {
        let config = RateLimitConfig { rate_per_s_milli, burst };
        if let Ok(limiter) = SharedGcra::new(config, Time::from_nanos(start)) {
            for (act, ns, cost) in acts {
                let now = Time::from_nanos(ns);
                match act {
                    0 => limiter.give_back(now, cost),
                    1 => limiter.reconfigure(per_second(ns % 1_000 + 1, cost % 1_000 + 1)).unwrap(),
                    _ => drop((limiter.check(now, cost), limiter.check(now, cost % 5))),
                }
            }
        }
    }
}
