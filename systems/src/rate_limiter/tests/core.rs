//! Token bucket and GCRA: the reference case, both against each other and against an exact log, and mutants.

use super::*;

#[test]
fn gcra_conforms_as_the_standard_says() {
    // Case `gcra-0` of the project's reference cases; origin: ITU-T I.371, ATM Forum TM 4.0, virtual
    // scheduling.
    let arrivals = [0, 1, 2, 3, 10, 11, 20, 21, 30];
    let conforming = [true, true, false, false, true, false, true, false, true];
    let mut gcra = Gcra::with_tolerance(ms(10), ms(15), at(0));
    let decided = arrivals.map(|arrival| gcra.check(at(arrival), 1).is_ok());
    assert_eq!(decided, conforming);
}

#[test]
fn both_limiters_let_a_burst_through_and_then_the_rate() {
    let cases = [
        // at, cost, decision
        (0, 3, Ok(())),
        (0, 1, Err(RetryAt(ms(100)))),
        (99, 1, Err(RetryAt(ms(1)))),
        (100, 1, Ok(())),
        (100, 0, Ok(())),
        (100, 2, Err(RetryAt(ms(200)))),
        (100, 4, Err(RetryAt(Span::MAX))),
        (300, 2, Ok(())),
        (1_000_000_000, 3, Ok(())),
        (1_000_000_000, 1, Err(RetryAt(ms(100)))),
    ];
    let mut bucket = TokenBucket::new(per_second(10, 3), at(0));
    let mut gcra = Gcra::new(per_second(10, 3), at(0));
    for (now, cost, expected) in cases {
        assert_eq!(bucket.check(at(now), cost), expected, "bucket, {cost} at {now}");
        assert_eq!(gcra.check(at(now), cost), expected, "gcra, {cost} at {now}");
    }
}

#[test]
fn a_rate_that_divides_no_nanosecond_loses_nothing_to_rounding() {
    let (mut bucket, mut gcra) =
        (TokenBucket::new(per_second(3, 2), at(0)), Gcra::new(per_second(3, 2), at(0)));
    assert_eq!((bucket.check(at(0), 2), gcra.check(at(0), 2)), (Ok(()), Ok(())));
    for third in 1..30_000_u64 {
        // The exact instants are multiples of 333 333 333 1/3 ns.
        let due = Time::from_nanos((third * 1_000_000_000).div_ceil(3));
        for early in [1_000_000, 1_000, 2, 1].map(Span::from_nanos) {
            assert_eq!(bucket.check(due - early, 1), Err(RetryAt(early)));
            assert_eq!(gcra.check(due - early, 1), Err(RetryAt(early)));
        }
        assert_eq!((bucket.check(due, 1), gcra.check(due, 1)), (Ok(()), Ok(())), "third {third}");
    }
}

#[test]
fn under_overload_it_passes_rate_times_time_plus_burst() {
    let mut bucket = TokenBucket::new(per_second(500, 50), at(0));
    let passed =
        (0..4_030_000).filter(|us| us % 34 == 0 && bucket.check(Time::from_nanos(us * 1_000), 1).is_ok());
    assert_eq!(passed.count(), 500 * 4_030 / 1_000 + 50 - 1, "the last one is due just after the end");
}

#[test]
fn a_clock_that_jumps_back_mints_nothing_and_freezes_nothing() {
    let (mut bucket, mut gcra) =
        (TokenBucket::new(per_second(10, 2), at(9_000)), Gcra::new(per_second(10, 2), at(9_000)));
    let cases = [
        (9_000, true),
        (9_000, true),
        (9_000, false),
        (4_000, false),
        (4_099, false),
        (4_100, true),
        (4_100, false),
    ];
    for (now, passes) in cases {
        assert_eq!(bucket.check(at(now), 1).is_ok(), passes, "bucket at {now}");
        assert_eq!(gcra.check(at(now), 1).is_ok(), passes, "gcra at {now}");
    }
}

#[test]
fn permits_given_back_never_lift_it_above_its_burst() {
    let (mut bucket, mut gcra) =
        (TokenBucket::new(per_second(10, 5), at(0)), Gcra::new(per_second(10, 5), at(0)));
    assert_eq!((bucket.check(at(0), 4), gcra.check(at(0), 4)), (Ok(()), Ok(())));
    bucket.give_back(at(0), 2);
    gcra.give_back(at(0), 2);
    assert_eq!(bucket.available(at(0)), 3);
    bucket.give_back(at(0), u64::MAX);
    gcra.give_back(at(0), u64::MAX);
    assert_eq!((bucket.check(at(0), 5), gcra.check(at(0), 5)), (Ok(()), Ok(())));
    assert!(bucket.check(at(0), 1).is_err() && gcra.check(at(0), 1).is_err());
}

#[test]
fn a_new_config_keeps_the_permits_saved_up() {
    let (mut bucket, mut gcra) =
        (TokenBucket::new(per_second(10, 8), at(0)), Gcra::new(per_second(10, 8), at(0)));
    assert_eq!((bucket.check(at(0), 2), gcra.check(at(0), 2)), (Ok(()), Ok(())));
    // Six are left; a tenth of the rate, then little room.
    let wait = Err(RetryAt(ms(1_000)));
    let never = Err(RetryAt(Span::MAX));
    let changes = [(per_second(1, 20), 6, wait), (per_second(1, 4), 4, never), (per_second(1, 20), 4, wait)];
    for (config, left, one_more) in changes {
        bucket.reconfigure(config, at(0));
        gcra.reconfigure(config, at(0));
        assert_eq!(bucket.available(at(0)), left);
        assert_eq!(bucket.clone().check(at(0), left + 1), one_more);
        assert_eq!(gcra.clone().check(at(0), left), Ok(()));
        assert_eq!(gcra.clone().check(at(0), left + 1), one_more);
    }
    let mut standard = Gcra::with_tolerance(ms(10), ms(15), at(0));
    standard.reconfigure(per_second(1, 20), at(0));
    assert_eq!(standard.check(at(0), 3), Err(RetryAt(ms(500))), "a burst of two and a half was saved up");
}

#[test]
fn a_config_out_of_range_is_refused_with_what_to_write_instead() {
    assert_eq!(per_second(1, 1).validate(), Ok(()));
    for config in
        [per_second(0, 1), RateLimitConfig { rate_per_s_milli: u64::MAX, burst: 1 }, per_second(1, 0)]
    {
        let error = config.validate().expect_err("out of range").to_string();
        assert!(error.contains("use 1"), "{error}");
    }
    let mut never = TokenBucket::new(per_second(0, 1), at(0));
    assert_eq!(never.check(at(0), 1), Ok(()));
    assert_eq!(never.check(at(0), 1), Err(RetryAt(Span::MAX)));
    assert_eq!(Gcra::new(per_second(1, 0), at(0)).check(at(0), 1), Err(RetryAt(Span::MAX)));
}

/// The law both ways: in every window of admitted requests the cost is at most burst + rate * length; and
/// whatever is refused would have broken that bound. Times a thousand billion, so that all is exact.
fn broken_law(config: RateLimitConfig, decided: &[(u64, u64, bool)]) -> Option<String> {
    let mut admitted: Vec<(u64, u64)> = Vec::new();
    for (now, cost, passed) in decided {
        admitted.push((*now, *cost));
        let mut window_cost = 0u128;
        let over = admitted.iter().rev().any(|(since, cost)| {
            window_cost += u128::from(*cost) * u128::from(PERMIT);
            let allowed = u128::from(config.burst) * u128::from(PERMIT)
                + u128::from(now - since) * u128::from(config.rate_per_s_milli);
            window_cost > allowed
        });
        if !passed {
            admitted.pop();
        }
        match (passed, over) {
            (true, true) => return Some(format!("{cost} at {now} ns should have been refused")),
            (false, false) => return Some(format!("{cost} at {now} ns was refused needlessly")),
            (true, false) | (false, true) => {}
        }
    }
    None
}

fn decide(limiter: &mut dyn Limiter, trace: &[(u64, u64)]) -> Vec<(u64, u64, bool)> {
    let mut now = 0;
    let decision = |(pause, cost): &(u64, u64)| {
        now += pause;
        (now, *cost, limiter.check(Time::from_nanos(now), *cost).is_ok())
    };
    trace.iter().map(decision).collect()
}

proptest! {
    #[test]
    fn a_token_bucket_and_gcra_decide_alike_whatever_happens(
        config in any_config(), other in any_config(), trace in any_trace(300),
        changes in prop::collection::vec((0u8..12, any::<u16>()), 300),
    ) {
        let (mut bucket, mut gcra) = (TokenBucket::new(config, at(0)), Gcra::new(config, at(0)));
        let mut now = 0u64;
        for ((pause, cost), (change, step)) in trace.iter().zip(changes) {
            now += pause;
            match change {
                0 => now = now.saturating_sub(u64::from(step) * 10_000),
                1 => {
                    bucket.give_back(Time::from_nanos(now), *cost);
                    gcra.give_back(Time::from_nanos(now), *cost);
                }
                2 => {
                    let config = if step % 2 == 0 { config } else { other };
                    bucket.reconfigure(config, Time::from_nanos(now));
                    gcra.reconfigure(config, Time::from_nanos(now));
                }
                _ => {}
            }
            let now = Time::from_nanos(now);
            prop_assert_eq!(bucket.check(now, *cost), gcra.check(now, *cost));
        }
    }

    #[test]
    fn every_window_is_bounded_and_nothing_is_refused_needlessly(
        config in any_config(), trace in any_trace(120),
    ) {
        prop_assert_eq!(broken_law(config, &decide(&mut TokenBucket::new(config, at(0)), &trace)), None);
        prop_assert_eq!(broken_law(config, &decide(&mut Gcra::new(config, at(0)), &trace)), None);
    }

    #[test]
    fn the_wait_it_names_is_exact(
        config in any_config(), trace in any_trace(60), asked_early in any::<u64>(),
    ) {
        let mut bucket = TokenBucket::new(config, at(0));
        let mut now = Time::ZERO;
        for (pause, cost) in trace {
            now += Span::from_nanos(pause);
            if let Err(RetryAt(wait)) = bucket.check(now, cost) && wait < ms(1_000_000_000) {
                let early = now + Span::from_nanos(asked_early % wait.as_nanos());
                prop_assert_eq!(bucket.clone().check(early, cost), Err(RetryAt((now + wait).since(early))));
                prop_assert_eq!(bucket.clone().check(now + wait, cost), Ok(()));
            }
        }
    }

    #[test]
    fn filling_in_many_steps_is_filling_in_one(
        config in any_config(), steps in prop::collection::vec(0u64..5_000_000_000, 0..40),
    ) {
        let mut often = TokenBucket::new(config, at(0));
        while often.check(at(0), (config.burst / 3).max(1)).is_ok() {}
        let mut once = often.clone();
        let mut now = Time::ZERO;
        for step in steps {
            now += Span::from_nanos(step);
            often.available(now);
        }
        prop_assert_eq!(often.available(now), once.available(now));
        prop_assert_eq!(often.check(now, 1), once.check(now, 1));
    }

    #[test]
    fn nothing_makes_a_limiter_panic(
        rate_per_s_milli in any::<u64>(), burst in any::<u64>(), spans in any::<(u64, u64)>(),
        trace in prop::collection::vec((0u8..4, any::<u64>(), any::<u64>()), 0..60),
    ) {
        let config = RateLimitConfig { rate_per_s_milli, burst };
        let start = Time::from_nanos(spans.0);
        let mut bucket = TokenBucket::new(config, start);
        let mut gcra = Gcra::new(config, start);
        let mut standard = Gcra::with_tolerance(Span::from_nanos(spans.0), Span::from_nanos(spans.1), start);
        for (what, ns, cost) in trace {
            let now = Time::from_nanos(ns);
            match what {
                0 | 1 => {
                    prop_assert_eq!(bucket.check(now, cost), gcra.check(now, cost));
                    let _ = standard.check(now, cost);
                }
                2 => {
                    bucket.give_back(now, cost);
                    gcra.give_back(now, cost);
                    standard.give_back(now, cost);
                }
                _ => {
                    bucket.reconfigure(config, now);
                    gcra.reconfigure(config, now);
                    standard.reconfigure(config, now);
                }
            }
        }
    }
}

#[test]
fn a_limiter_one_burst_too_generous_or_rounding_at_each_step_breaks_the_law() {
    /// Adds whole permits at each check and forgets the rest.
    struct Rounding {
        permits: u64,
        config: RateLimitConfig,
        last_ns: u64,
    }
    impl Limiter for Rounding {
        fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
            let passed_ns = now.as_nanos() - self.last_ns;
            let came_in = passed_ns * self.config.rate_per_s_milli / PERMIT;
            (self.last_ns, self.permits) = (now.as_nanos(), (self.permits + came_in).min(self.config.burst));
            self.permits = self.permits.checked_sub(cost).ok_or(RetryAt(Span::MAX))?;
            Ok(())
        }
    }
    let config = per_second(10, 3);
    let every_70_ms: Vec<(u64, u64)> = (0..200).map(|_| (70_000_000, 1)).collect();
    let generous = RateLimitConfig { burst: 4, ..config };
    assert_eq!(broken_law(config, &decide(&mut TokenBucket::new(config, at(0)), &every_70_ms)), None);
    assert!(broken_law(config, &decide(&mut TokenBucket::new(generous, at(0)), &every_70_ms)).is_some());
    let mut rounding = Rounding { permits: 3, config, last_ns: 0 };
    assert!(broken_law(config, &decide(&mut rounding, &every_70_ms)).is_some());
}

/// The loss of M/D/1/K at load `rho`, K in service and waiting: the chain embedded at departures, solved by its own
/// recursion (Gross and Harris, "Fundamentals of Queueing Theory", 5.1.7).
fn loss_of_m_d_1_k(rho: f64, k: usize) -> f64 {
    let mut arrivals = vec![libm::exp(-rho)];
    for n in 1..k {
        arrivals.push(arrivals[n - 1] * rho / n as f64);
    }
    let mut found = vec![1.0];
    for n in 0..k - 1 {
        let from_above: f64 = (1..=n).map(|j| found[j] * arrivals[n - j + 1]).sum();
        found.push((found[n] - found[0] * arrivals[n] - from_above) / arrivals[0]);
    }
    let empty = found[0] / found.iter().sum::<f64>();
    1.0 - 1.0 / (empty + rho)
}

/// The share of Poisson arrivals at `rho` of the limit that is refused.
fn refused_share(rho: f64, limiter: &mut dyn Limiter, arrivals: u32) -> f64 {
    let (mut word, mut now_ns, mut refused) = (0x9E37_79B9_7F4A_7C15u64, 0.0, 0u32);
    for _ in 0..arrivals {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        let uniform = ((word >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        now_ns -= libm::log(uniform) * 1_000_000.0 / rho;
        refused += u32::from(limiter.check(Time::from_nanos(now_ns as u64), 1).is_err());
    }
    f64::from(refused) / f64::from(arrivals)
}

#[test]
fn poisson_arrivals_are_refused_as_often_as_a_bounded_queue_with_a_steady_server_loses_them() {
    // By hand: with K = 1 the loss is Erlang's, rho / (1 + rho).
    assert!((loss_of_m_d_1_k(0.5, 1) - 1.0 / 3.0).abs() < 1e-12);
    for (rho, burst) in [(0.5, 1), (0.8, 2), (0.9, 5), (0.95, 10)] {
        let expected = loss_of_m_d_1_k(rho, burst as usize);
        let mut gcra = Gcra::new(per_second(1_000, burst), at(0));
        let measured = refused_share(rho, &mut gcra, 300_000);
        assert!(
            (measured / expected - 1.0).abs() < 0.06,
            "rho {rho}, burst {burst}: {measured}, not {expected}"
        );
        // A burst one too long refuses too few.
        let mut generous = Gcra::new(per_second(1_000, burst + 1), at(0));
        let too_few = refused_share(rho, &mut generous, 300_000);
        assert!(
            (too_few / expected - 1.0).abs() > 0.06,
            "rho {rho}, burst {burst}: {too_few} passes for right"
        );
    }
}

#[test]
fn an_idle_year_or_five_hundred_fill_the_bucket_and_no_more() {
    let year_ns = 31_557_600_000_000_000;
    for years in [1, 500] {
        let config = RateLimitConfig { rate_per_s_milli: MAX_RATE_PER_S_MILLI, burst: 3 };
        let (mut bucket, mut gcra) = (TokenBucket::new(config, at(0)), Gcra::new(config, at(0)));
        let now = Time::from_nanos(years * year_ns);
        for limiter in [&mut bucket as &mut dyn Limiter, &mut gcra] {
            limiter.check(at(0), 3).unwrap();
            assert_eq!(limiter.check(now, 3), Ok(()));
            assert!(limiter.check(now, 1).is_err());
        }
    }
}
