//! Fixed window, sliding log and sliding-window counter.

use super::*;

const fn per_window(limit: u64, window_ms: u64, alignment: WindowAlignment) -> WindowConfig {
    WindowConfig { limit, window: ms(window_ms), alignment }
}

const CLOCK: WindowAlignment = WindowAlignment::Clock;
const FIRST_REQUEST: WindowAlignment = WindowAlignment::FirstRequest;

fn log(config: WindowConfig) -> SlidingLog {
    SlidingLog::new(config, at(0)).expect("the config is in range")
}

/// The most cost let through in any window's length, and whether nothing was refused that would have fitted one.
fn most_in_a_window(window_ms: u64, passed: &[(u64, u64)]) -> u64 {
    let sum_from = |(first, (from, _)): (usize, &(u64, u64))| -> u64 {
        passed[first..].iter().take_while(|(at, _)| at - from < window_ms).map(|(_, cost)| cost).sum()
    };
    passed.iter().enumerate().map(sum_from).max().unwrap_or(0)
}

fn let_through(limiter: &mut dyn Limiter, arrivals_ms: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    arrivals_ms.filter(|(now, cost)| limiter.check(at(*now), *cost).is_ok()).collect()
}

#[test]
fn a_burst_at_the_boundary_gets_twice_the_limit_of_a_fixed_window_and_once_of_the_sliding_ones() {
    let burst = || (990..1_010).flat_map(|ms| [(ms, 1); 3]);
    let config = per_window(10, 1_000, CLOCK);
    let fixed = let_through(&mut FixedWindow::new(config, at(0)), burst());
    let counter = let_through(&mut SlidingWindowCounter::new(config, at(0)), burst());
    let logged = let_through(&mut log(config), burst());
    assert_eq!(most_in_a_window(1_000, &fixed), 20);
    assert_eq!(most_in_a_window(1_000, &logged), 10);
    assert_eq!(most_in_a_window(1_000, &counter), 11, "an estimate of 9.99 leaves room for one more");
}

#[test]
fn windows_begin_on_the_clock_or_with_the_first_request() {
    let mut clock = FixedWindow::new(per_window(2, 100, CLOCK), at(70));
    let mut first = FixedWindow::new(per_window(2, 100, FIRST_REQUEST), at(70));
    let cases = [
        // at, by the clock, from the first request
        (70, Ok(()), Ok(())),
        (80, Ok(()), Ok(())),
        (90, Err(ms(10)), Err(ms(80))),
        (100, Ok(()), Err(ms(70))),
        (169, Ok(()), Err(ms(1))),
        (170, Err(ms(30)), Ok(())),
    ];
    for (now, by_clock, from_first) in cases {
        assert_eq!(clock.check(at(now), 1), by_clock.map_err(RetryAt), "clock at {now}");
        assert_eq!(first.check(at(now), 1), from_first.map_err(RetryAt), "first at {now}");
    }
}

#[test]
fn the_published_estimate_comes_out_and_passes() {
    // Case `swc-cloudflare` of the reference cases: 42 before, 18 so far, 15 s into a minute, limit 50.
    let config = WindowConfig { limit: 50, window: Span::from_secs(60), alignment: CLOCK };
    let now = Time::ZERO + Span::from_secs(75);
    let mut counter = SlidingWindowCounter::with_counts(config, 42, 18, now);
    assert_eq!(counter.estimate_milli(now), 49_500);
    assert_eq!(counter.check(now, 1), Ok(()));
    assert_eq!(counter.estimate_milli(now), 50_500);
    assert!(counter.check(now, 1).is_err());
}

#[test]
fn for_a_steady_rate_the_estimate_is_exact_to_a_permit() {
    let mut counter = SlidingWindowCounter::new(per_window(1_000, 1_000, CLOCK), at(0));
    for now in 0..5_000 {
        if now % 10 == 0 {
            counter.check(at(now), 1).unwrap();
        }
        let exact = u64::min(now / 10 + 1, 100);
        let off = counter.estimate_milli(at(now)).abs_diff(exact * 1_000);
        assert!(off <= 1_000, "{off} thousandths off at {now} ms");
    }
}

#[test]
fn when_the_previous_window_came_at_its_end_the_estimate_is_furthest_off() {
    let mut counter = SlidingWindowCounter::new(per_window(100, 1_000, CLOCK), at(0));
    counter.check(at(999), 100).unwrap();
    // All hundred are in the last second, of which the counter takes half to be gone.
    assert_eq!(counter.estimate_milli(at(1_500)), 50_000);
}

#[test]
fn a_clock_that_jumps_back_mints_nothing_and_freezes_no_window() {
    let config = per_window(3, 1_000, CLOCK);
    let mut limiters: [(&str, Box<dyn Limiter>); 4] = [
        ("fixed by clock", Box::new(FixedWindow::new(config, at(9_000)))),
        ("fixed from first", Box::new(FixedWindow::new(per_window(3, 1_000, FIRST_REQUEST), at(9_000)))),
        ("log", Box::new(SlidingLog::new(config, at(9_000)).unwrap())),
        ("counter", Box::new(SlidingWindowCounter::new(config, at(9_000)))),
    ];
    for (name, limiter) in &mut limiters {
        assert_eq!(limiter.check(at(9_500), 3), Ok(()), "{name}");
        assert!(limiter.check(at(4_500), 1).is_err(), "{name}: nothing minted");
        assert!(limiter.check(at(5_000), 1).is_err(), "{name}: a boundary met again mints nothing");
        let wait = limiter.check(at(5_000), 1).unwrap_err().0;
        assert!(wait <= ms(2_000), "{name}: waits for {wait}");
        assert_eq!(limiter.check(at(5_000) + wait, 1), Ok(()), "{name}: goes on");
    }
}

#[test]
fn what_is_given_back_can_be_used_again() {
    let config = per_window(3, 1_000, CLOCK);
    let mut fixed = FixedWindow::new(config, at(0));
    let mut counter = SlidingWindowCounter::new(config, at(0));
    let mut logged = log(config);
    for cost in [2, 1] {
        fixed.check(at(cost), cost).unwrap();
        counter.check(at(cost), cost).unwrap();
        logged.check(at(cost), cost).unwrap();
    }
    fixed.give_back(at(10), 2);
    counter.give_back(at(10), 2);
    logged.give_back(at(10), 2);
    assert_eq!(logged.len(), 1);
    for give_back in [0, u64::MAX] {
        fixed.give_back(at(10), give_back);
        counter.give_back(at(10), give_back);
        logged.give_back(at(10), give_back);
        let left = if give_back == 0 { 2 } else { 3 };
        for status in [fixed.quota(at(10)), counter.quota(at(10)), logged.quota(at(10))] {
            assert_eq!((status.limit, status.remaining), (3, left));
        }
    }
    assert!(logged.is_empty());
}

#[test]
fn a_new_limit_counts_what_was_used_before() {
    let narrow = per_window(2, 1_000, CLOCK);
    let wide = per_window(5, 2_000, CLOCK);
    let mut fixed = FixedWindow::new(narrow, at(0));
    let mut counter = SlidingWindowCounter::new(narrow, at(0));
    let mut logged = log(narrow);
    for limiter in [&mut fixed as &mut dyn Limiter, &mut counter, &mut logged] {
        limiter.check(at(100), 2).unwrap();
    }
    fixed.reconfigure(wide, at(500));
    counter.reconfigure(wide, at(500));
    logged.reconfigure(wide, at(500)).unwrap();
    for status in [fixed.quota(at(500)), counter.quota(at(500)), logged.quota(at(500))] {
        assert_eq!((status.limit, status.remaining), (5, 3));
    }
    fixed.reconfigure(per_window(1, 2_000, CLOCK), at(500));
    logged.reconfigure(per_window(1, 2_000, CLOCK), at(500)).unwrap();
    assert!(fixed.check(at(500), 1).is_err() && logged.check(at(500), 1).is_err());
}

#[test]
fn a_window_out_of_range_is_refused_with_what_to_write_instead() {
    let cases = [
        (per_window(0, 1, CLOCK), WindowError::NoLimit),
        (per_window(1, 0, CLOCK), WindowError::NoWindow),
        (per_window(u64::MAX, 1, CLOCK), WindowError::LogTooLong { limit: u64::MAX }),
    ];
    for (config, error) in cases {
        assert_eq!(SlidingLog::new(config, at(0)).unwrap_err(), error);
        assert!(error.to_string().contains("use"), "{error}");
    }
    let mut unchecked = FixedWindow::new(per_window(0, 0, CLOCK), at(0));
    assert_eq!(unchecked.check(at(0), 1), Err(RetryAt(Span::MAX)));
    assert_eq!(unchecked.check(at(0), 0), Ok(()));
}

/// Arrivals in milliseconds with costs, dense enough to be refused.
fn any_arrivals() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let pause = prop_oneof![5 => 0u64..40, 2 => 0u64..400, 1 => 0u64..3_000];
    prop::collection::vec((pause, prop_oneof![4 => Just(1u64), 1 => 1u64..4]), 1..150).prop_map(|steps| {
        let mut now = 0;
        steps
            .into_iter()
            .map(|(pause, cost)| {
                now += pause;
                (now, cost)
            })
            .collect()
    })
}

/// Says of each decision whether an exact log of the last window agrees: admits above it, or refuses below it.
fn log_law(limit: u64, window_ms: u64, decided: &[(u64, u64, bool)]) -> Option<String> {
    let mut passed: Vec<(u64, u64)> = Vec::new();
    for (now, cost, admitted) in decided {
        let used: u64 = passed.iter().filter(|(at, _)| now - at < window_ms).map(|(_, cost)| cost).sum();
        if *admitted != (used + cost <= limit) {
            return Some(format!("{cost} at {now} ms with {used} used: {admitted}"));
        }
        if *admitted {
            passed.push((*now, *cost));
        }
    }
    None
}

fn decide(limiter: &mut dyn Limiter, arrivals: &[(u64, u64)]) -> Vec<(u64, u64, bool)> {
    arrivals.iter().map(|(now, cost)| (*now, *cost, limiter.check(at(*now), *cost).is_ok())).collect()
}

proptest! {
    #[test]
    fn a_sliding_log_passes_exactly_what_fits(limit in 1u64..20, arrivals in any_arrivals()) {
        let decided = decide(&mut log(per_window(limit, 500, CLOCK)), &arrivals);
        prop_assert_eq!(log_law(limit, 500, &decided), None);
    }

    #[test]
    fn a_fixed_window_passes_at_most_twice_the_limit_in_a_windows_length(
        limit in 1u64..20, first_request in any::<bool>(), arrivals in any_arrivals(),
    ) {
        let alignment = if first_request { FIRST_REQUEST } else { CLOCK };
        let mut fixed = FixedWindow::new(per_window(limit, 500, alignment), at(0));
        let passed = let_through(&mut fixed, arrivals.into_iter());
        prop_assert!(most_in_a_window(500, &passed) <= 2 * limit);
    }

    /// Its true worst case: the estimate forgets the part of the previous window that it takes to have passed.
    #[test]
    fn a_sliding_window_counter_passes_less_than_a_fixed_window_may(limit in 1u64..20, arrivals in any_arrivals()) {
        let mut counter = SlidingWindowCounter::new(per_window(limit, 500, CLOCK), at(0));
        let passed = let_through(&mut counter, arrivals.into_iter());
        prop_assert!(most_in_a_window(500, &passed) <= 2 * limit);
        let mut by_window = std::collections::BTreeMap::new();
        for (now, cost) in passed {
            *by_window.entry(now / 500).or_insert(0) += cost;
        }
        prop_assert!(by_window.values().all(|used| *used <= limit));
    }

    #[test]
    fn the_wait_a_window_names_is_exact(
        limit in 1u64..6, arrivals in any_arrivals(), which in 0usize..5, early in any::<u64>(),
    ) {
        fn check<L: Limiter + Clone>(
            mut limiter: L, arrivals: &[(u64, u64)], early: u64,
        ) -> Result<(), TestCaseError> {
            for (now, cost) in arrivals {
                let now = at(*now);
                if let Err(RetryAt(wait)) = limiter.check(now, *cost) && wait != Span::MAX {
                    prop_assert!(!wait.is_zero());
                    let early = now + Span::from_nanos(early % wait.as_nanos());
                    prop_assert_eq!(limiter.clone().check(early, *cost), Err(RetryAt((now + wait).since(early))));
                    prop_assert_eq!(limiter.clone().check(now + wait, *cost), Ok(()));
                }
            }
            Ok(())
        }
        let (clock, first) = (per_window(limit, 500, CLOCK), per_window(limit, 500, FIRST_REQUEST));
        match which {
            0 => check(FixedWindow::new(clock, at(0)), &arrivals, early)?,
            1 => check(FixedWindow::new(first, at(0)), &arrivals, early)?,
            2 => check(log(clock), &arrivals, early)?,
            3 => check(SlidingWindowCounter::new(clock, at(0)), &arrivals, early)?,
            _ => check(SlidingWindowCounter::new(first, at(0)), &arrivals, early)?,
        }
    }

    #[test]
    fn a_settled_window_decides_like_a_new_one(limit in 1u64..6, arrivals in any_arrivals(), which in 0usize..5) {
        fn check<L: Limiter + Forgettable + Clone>(
            mut limiter: L, arrivals: &[(u64, u64)],
        ) -> Result<(), TestCaseError> {
            for (now, cost) in arrivals {
                let _ = limiter.check(at(*now), *cost);
            }
            let settled = limiter.settled_at();
            let mut renewed = limiter.renewed(settled);
            for (now, cost) in arrivals {
                let now = settled + ms(*now);
                prop_assert_eq!(limiter.check(now, *cost), renewed.check(now, *cost));
            }
            Ok(())
        }
        let (clock, first) = (per_window(limit, 500, CLOCK), per_window(limit, 500, FIRST_REQUEST));
        match which {
            0 => check(FixedWindow::new(clock, at(0)), &arrivals)?,
            1 => check(FixedWindow::new(first, at(0)), &arrivals)?,
            2 => check(log(clock), &arrivals)?,
            3 => check(SlidingWindowCounter::new(clock, at(0)), &arrivals)?,
            _ => check(SlidingWindowCounter::new(first, at(0)), &arrivals)?,
        }
    }

    #[test]
    fn nothing_makes_a_window_panic(
        config in (any::<u64>(), any::<u64>(), any::<bool>()), start in any::<u64>(), counts in any::<(u64, u64)>(),
        acts in prop::collection::vec((0u8..4, any::<u64>(), any::<u64>()), 0..60),
    ) {
        let (limit, window, first) = config;
        let alignment = if first { FIRST_REQUEST } else { CLOCK };
        let config = WindowConfig { limit, window: Span::from_nanos(window), alignment };
        let small = WindowConfig { limit: limit % 100 + 1, window: Span::from_nanos(window.max(1)), alignment };
        let start = Time::from_nanos(start);
        let mut fixed = FixedWindow::new(config, start);
        let mut counter = SlidingWindowCounter::with_counts(config, counts.0, counts.1, start);
        let mut logged = SlidingLog::new(small, start).unwrap();
        for (act, ns, cost) in acts {
            let now = Time::from_nanos(ns);
            match act {
                0 => {
                    fixed.give_back(now, cost);
                    counter.give_back(now, cost);
                    logged.give_back(now, cost);
                }
                1 => {
                    fixed.reconfigure(small, now);
                    counter.reconfigure(small, now);
                    logged.reconfigure(small, now).unwrap();
                }
                _ => {
                    let _ = (fixed.check(now, cost), counter.check(now, cost), logged.check(now, cost % 9));
                    let _ = (fixed.quota(now), counter.quota(now), logged.quota(now));
                }
            }
        }
    }
}

#[test]
fn a_window_not_reset_or_forgotten_a_step_early_is_caught() {
    /// Never starts from zero again.
    struct NotReset(FixedWindow, u64);
    impl Limiter for NotReset {
        fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
            self.1 += cost;
            if self.1 > 5 { Err(RetryAt(ms(500))) } else { self.0.check(now, cost) }
        }
    }
    let config = per_window(5, 500, CLOCK);
    let arrivals: Vec<(u64, u64)> = (0..200).map(|step| (step * 50, 1)).collect();
    assert_eq!(log_law(5, 500, &decide(&mut log(config), &arrivals)), None);
    let mut not_reset = NotReset(FixedWindow::new(config, at(0)), 0);
    assert!(log_law(5, 500, &decide(&mut not_reset, &arrivals)).is_some());
    let mut forgets_early = log(per_window(5, 499, CLOCK));
    let uneven: Vec<(u64, u64)> = (0..200).map(|step| (step * 499 / 5, 1)).collect();
    assert!(log_law(5, 500, &decide(&mut forgets_early, &uneven)).is_some());
}
