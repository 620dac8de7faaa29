//! Reservations, given-back permits, and what a changed limit leaves of what was saved: token bucket and GCRA alike.

use super::*;

#[test]
fn a_reservation_owes_permits_and_says_how_long_to_wait() {
    let (mut bucket, mut gcra) =
        (TokenBucket::new(per_second(10, 2), at(0)), Gcra::new(per_second(10, 2), at(0)));
    let cases = [
        // at, cost, max wait, expected
        (0, 2, 0, Ok(0)),
        (0, 1, 1_000, Ok(100)),
        (0, 2, 1_000, Ok(300)),
        (0, 0, 0, Ok(0)),
        (0, 1, 300, Err(100)),
        (99, 1, 300, Err(1)),
        (100, 1, 300, Ok(300)),
        (400, 1, 0, Err(100)),
        (500, 1, 0, Ok(0)),
        (500, 3, u64::MAX, Err(u64::MAX)),
    ];
    for (now, cost, max_wait, expected) in cases {
        let span = |ms_or_never| if ms_or_never == u64::MAX { Span::MAX } else { ms(ms_or_never) };
        let expected = expected.map(span).map_err(|wait| RetryAt(span(wait)));
        assert_eq!(bucket.reserve(at(now), cost, span(max_wait)), expected, "bucket, {cost} at {now}");
        assert_eq!(gcra.reserve(at(now), cost, span(max_wait)), expected, "gcra, {cost} at {now}");
    }
}

#[test]
fn a_reservation_given_up_leaves_no_trace() {
    let mut bucket = TokenBucket::new(per_second(10, 2), at(0));
    bucket.check(at(0), 2).unwrap();
    let wait = bucket.reserve(at(0), 2, ms(500)).unwrap();
    assert_eq!((wait, bucket.estimated_wait(at(0), 1)), (ms(200), ms(300)));
    bucket.give_back(at(0), 2);
    assert_eq!(bucket.estimated_wait(at(0), 1), ms(100));
}

#[test]
fn a_bucket_may_begin_with_less_than_its_burst() {
    let mut bucket = TokenBucket::with_initial(per_second(10, 5), 1, at(0));
    assert_eq!(bucket.check(at(0), 1), Ok(()));
    assert_eq!(bucket.check(at(0), 1), Err(RetryAt(ms(100))));
    assert_eq!(TokenBucket::with_initial(per_second(10, 5), 9, at(0)).available(at(0)), 5);
}

#[test]
fn each_way_to_inherit_leaves_what_it_says() {
    // Six of eight permits are left when the burst changes.
    let cases = [
        // to, keep, proportional, add, reset
        (20, 6, 15, 18, 20),
        (4, 4, 3, 4, 4),
        (8, 6, 6, 6, 8),
        (1, 1, 0, 1, 1),
    ];
    for (burst, keep, proportional, add, reset) in cases {
        let expected = [
            (Inherit::Keep, keep),
            (Inherit::Proportional, proportional),
            (Inherit::Add, add),
            (Inherit::Reset, reset),
        ];
        for (inherit, left) in expected {
            let mut bucket = TokenBucket::new(per_second(10, 8), at(0));
            let mut gcra = Gcra::new(per_second(10, 8), at(0));
            bucket.check(at(0), 2).unwrap();
            gcra.check(at(0), 2).unwrap();
            bucket.reconfigure_with(per_second(7, burst), at(0), inherit);
            gcra.reconfigure_with(per_second(7, burst), at(0), inherit);
            assert_eq!(bucket.available(at(0)), left, "{inherit:?} to {burst}");
            assert_eq!(gcra.quota(at(0)), bucket.quota(at(0)), "{inherit:?} to {burst}");
        }
    }
}

#[test]
fn a_debt_is_owed_under_every_new_limit_but_a_reset() {
    for (inherit, left_to_wait) in [
        (Inherit::Keep, ms(300)),
        (Inherit::Proportional, ms(300)),
        (Inherit::Add, Span::ZERO),
        (Inherit::Reset, Span::ZERO),
    ] {
        let mut bucket = TokenBucket::new(per_second(10, 2), at(0));
        bucket.reserve(at(0), 2, Span::ZERO).unwrap();
        bucket.reserve(at(0), 2, ms(200)).unwrap();
        bucket.reconfigure_with(per_second(10, 8), at(0), inherit);
        assert_eq!(bucket.estimated_wait(at(0), 1), left_to_wait, "{inherit:?}");
    }
}

fn any_inherit() -> impl Strategy<Value = Inherit> {
    prop_oneof![Just(Inherit::Keep), Just(Inherit::Proportional), Just(Inherit::Add), Just(Inherit::Reset)]
}

proptest! {
    #[test]
    fn token_bucket_and_gcra_reserve_and_inherit_alike(
        first in any_config(), second in any_config(), trace in any_trace(200),
        acts in prop::collection::vec((0u8..10, any_inherit(), 0u64..5_000_000_000), 200),
    ) {
        let (mut bucket, mut gcra) = (TokenBucket::new(first, at(0)), Gcra::new(first, at(0)));
        let mut now = Time::ZERO;
        for ((pause, cost), (act, inherit, max_wait)) in trace.into_iter().zip(acts) {
            now += Span::from_nanos(pause);
            match act {
                0 => {
                    let config = if max_wait % 2 == 0 { first } else { second };
                    bucket.reconfigure_with(config, now, inherit);
                    gcra.reconfigure_with(config, now, inherit);
                }
                1 => {
                    bucket.give_back(now, cost);
                    gcra.give_back(now, cost);
                }
                _ => {
                    prop_assert_eq!(bucket.estimated_wait(now, cost), gcra.estimated_wait(now, cost));
                    let max_wait = Span::from_nanos(max_wait);
                    prop_assert_eq!(bucket.reserve(now, cost, max_wait), gcra.reserve(now, cost, max_wait));
                }
            }
            prop_assert_eq!(bucket.quota(now), gcra.quota(now));
            prop_assert_eq!(bucket.settled_at(), gcra.settled_at());
        }
    }

    /// Counted at the instants at which they may be used, reservations keep the law of the bucket; those instants are
    /// rounded up to the nanosecond, so that two of them may be closer by less than one.
    #[test]
    fn reservations_used_when_due_keep_every_window_within_the_bound(
        config in any_config(), trace in any_trace(80), max_waits in prop::collection::vec(0u64..9_000_000_000, 80),
    ) {
        let mut bucket = TokenBucket::new(config, at(0));
        let mut now = 0u64;
        let mut used: Vec<(u64, u64)> = Vec::new();
        for ((pause, cost), max_wait) in trace.into_iter().zip(max_waits) {
            now += pause;
            if let Ok(wait) = bucket.reserve(Time::from_nanos(now), cost, Span::from_nanos(max_wait)) {
                prop_assert!(wait.as_nanos() <= max_wait);
                used.push((now + wait.as_nanos(), cost));
            }
        }
        used.sort_unstable();
        for (first, (from, _)) in used.iter().enumerate() {
            let mut sum = 0u128;
            for (until, cost) in &used[first..] {
                sum += u128::from(*cost) * u128::from(PERMIT);
                let bound = u128::from(config.burst) * u128::from(PERMIT)
                    + u128::from(until - from + 1) * u128::from(config.rate_per_s_milli);
                prop_assert!(sum <= bound, "from {} to {}", from, until);
            }
        }
    }

    #[test]
    fn what_a_reservation_is_refused_for_is_exact(
        config in any_config(), trace in any_trace(60), max_wait in 0u64..3_000_000_000, early in any::<u64>(),
    ) {
        let mut gcra = Gcra::new(config, at(0));
        let max_wait = Span::from_nanos(max_wait);
        let mut now = Time::ZERO;
        for (pause, cost) in trace {
            now += Span::from_nanos(pause);
            if let Err(RetryAt(wait)) = gcra.reserve(now, cost, max_wait) && wait < ms(1_000_000_000) {
                let early = now + Span::from_nanos(early % wait.as_nanos());
                prop_assert!(gcra.clone().reserve(early, cost, max_wait).is_err());
                prop_assert!(gcra.clone().reserve(now + wait, cost, max_wait).is_ok());
            }
        }
    }

    #[test]
    fn a_settled_limiter_decides_like_a_new_one(config in any_config(), trace in any_trace(60)) {
        let mut gcra = Gcra::new(config, at(0));
        let mut now = Time::ZERO;
        for (pause, cost) in &trace {
            now += Span::from_nanos(*pause);
            let _ = gcra.check(now, *cost);
        }
        let mut later = gcra.settled_at().max(now);
        if later < Time::from_nanos(1 << 62) {
            let mut renewed = gcra.renewed(later);
            for (pause, cost) in trace {
                later += Span::from_nanos(pause);
                prop_assert_eq!(gcra.check(later, cost), renewed.check(later, cost));
            }
        }
    }
}

/// A bucket that forgets a debt when it is reconfigured lets more through than it may; the law sees it.
#[test]
fn forgetting_a_debt_is_caught() {
    let mut bucket = TokenBucket::new(per_second(10, 2), at(0));
    bucket.reserve(at(0), 2, Span::ZERO).unwrap();
    bucket.reserve(at(0), 2, ms(200)).unwrap();
    let mut forgetful = TokenBucket::with_initial(bucket.config(), bucket.available(at(0)), at(0));
    assert_ne!(forgetful.estimated_wait(at(0), 1), bucket.estimated_wait(at(0), 1));
}
