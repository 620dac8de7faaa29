//! The leaky bucket as a queue, and the warm-up.

use super::*;

const fn leaky(rate: u64, burst: u64) -> LeakyBucketConfig {
    LeakyBucketConfig { limit: per_second(rate, burst), undelayed: 0, max_wait: Span::MAX }
}

#[test]
fn a_burst_leaves_evenly_and_what_does_not_fit_is_refused() {
    let mut bucket = LeakyBucket::new(leaky(10, 3), at(0));
    let waits: Vec<Result<Span, RetryAt>> = (0..5).map(|_| bucket.offer(at(0), 1)).collect();
    assert_eq!(waits, [Ok(ms(0)), Ok(ms(100)), Ok(ms(200)), Ok(ms(300)), Err(RetryAt(ms(100)))]);
    assert_eq!(bucket.offer(at(99), 1), Err(RetryAt(ms(1))));
    assert_eq!(bucket.offer(at(100), 1), Ok(ms(300)));
    bucket.give_back(at(100), 1);
    assert_eq!(bucket.offer(at(100), 1), Ok(ms(300)));
    assert_eq!(bucket.offer(at(100), 5), Err(RetryAt(Span::MAX)));
    assert_eq!(bucket.offer(at(100), 0), Ok(Span::ZERO));
}

#[test]
fn a_part_of_the_burst_may_leave_at_once_and_nobody_waits_for_longer_than_allowed() {
    let mut two_at_once = LeakyBucket::new(LeakyBucketConfig { undelayed: 2, ..leaky(10, 4) }, at(0));
    let waits: Vec<Result<Span, RetryAt>> = (0..6).map(|_| two_at_once.offer(at(0), 1)).collect();
    assert_eq!(waits, [Ok(ms(0)), Ok(ms(0)), Ok(ms(0)), Ok(ms(100)), Ok(ms(200)), Err(RetryAt(ms(100)))]);
    let mut impatient = LeakyBucket::new(LeakyBucketConfig { max_wait: ms(150), ..leaky(10, 99) }, at(0));
    let waits: Vec<Result<Span, RetryAt>> = (0..3).map(|_| impatient.offer(at(0), 1)).collect();
    assert_eq!(waits, [Ok(ms(0)), Ok(ms(100)), Err(RetryAt(ms(50)))]);
    assert_eq!(impatient.offer(at(50), 1), Ok(ms(150)));
}

#[test]
fn a_clock_that_jumps_back_neither_empties_nor_freezes_the_queue() {
    let mut bucket = LeakyBucket::new(leaky(10, 1), at(9_000));
    assert_eq!(bucket.offer(at(9_000), 2), Ok(ms(0)));
    assert_eq!(bucket.offer(at(4_000), 1), Err(RetryAt(ms(100))));
    assert_eq!(bucket.offer(at(4_100), 1), Ok(ms(100)));
}

proptest! {
    /// Without any delay it is the meter: a burst of b and one that leaves at once make a burst of b + 1.
    #[test]
    fn with_nobody_delayed_it_decides_as_gcra_does(
        rate in 1u64..5_000, burst in 0u64..10, trace in any_trace(200),
    ) {
        let config = LeakyBucketConfig { undelayed: u64::MAX, ..leaky(rate, burst) };
        let mut queue = LeakyBucket::new(config, at(0));
        let mut meter = Gcra::new(per_second(rate, burst + 1), at(0));
        let mut now = Time::ZERO;
        for (pause, cost) in trace {
            now += Span::from_nanos(pause);
            prop_assert_eq!(queue.offer(now, cost).map(|_| ()), meter.check(now, cost));
        }
    }

    #[test]
    fn what_is_paced_leaves_no_closer_than_the_rate_allows(
        rate in 1u64..5_000, burst in 0u64..20, pauses in prop::collection::vec(0u64..300_000_000, 1..200),
    ) {
        let mut queue = LeakyBucket::new(leaky(rate, burst), at(0));
        let mut now = Time::ZERO;
        let mut left: Vec<u64> = Vec::new();
        for pause in pauses {
            now += Span::from_nanos(pause);
            if let Ok(wait) = queue.offer(now, 1) {
                left.push((now + wait).as_nanos());
            }
        }
        for pair in left.windows(2) {
            prop_assert!(pair[1] - pair[0] + 1 >= 1_000_000_000 / rate, "{:?}", pair);
        }
    }

    #[test]
    fn nothing_makes_a_queue_or_a_warm_up_panic(
        numbers in any::<(u64, u64, u64, u64, u32)>(), acts in prop::collection::vec((0u8..3, any::<u64>(), any::<u64>()), 0..50),
    ) {
        let (rate_per_s_milli, burst, undelayed, span, cold_factor) = numbers;
        let limit = RateLimitConfig { rate_per_s_milli, burst };
        let queue_config = LeakyBucketConfig { limit, undelayed, max_wait: Span::from_nanos(span) };
        let period = Span::from_nanos(span);
        let warm_config = WarmUpConfig { rate_per_s_milli, cold_factor, period, max_wait: period };
        let mut queue = LeakyBucket::new(queue_config, at(0));
        let mut warm_up = WarmUp::new(warm_config, at(0));
        for (act, ns, cost) in acts {
            let now = Time::from_nanos(ns);
            match act {
                0 => queue.give_back(now, cost),
                1 => {
                    queue.reconfigure(queue_config, now);
                    warm_up.reconfigure(warm_config);
                }
                _ => drop((queue.offer(now, cost), warm_up.offer(now))),
            }
        }
    }
}

#[test]
fn a_cold_service_gets_a_third_of_the_rate_and_all_of_it_once_warm() {
    let config = WarmUpConfig {
        rate_per_s_milli: 100_000,
        cold_factor: 3,
        period: Span::from_secs(4),
        max_wait: Span::from_secs(1),
    };
    let mut warm_up = WarmUp::new(config, at(0));
    let mut now = Time::ZERO;
    let mut passed_in = |seconds: u64| {
        let until = now + Span::from_secs(seconds);
        let mut passed = 0;
        while now < until {
            now += warm_up.offer(now).expect("nobody waits for longer than 30 ms");
            passed += 1;
        }
        passed
    };
    let (first, rest, warm) = (passed_in(1), passed_in(3), passed_in(1));
    assert!((34..45).contains(&first), "{first} in the first second");
    assert!((150..250).contains(&rest), "{rest} in the next three");
    assert!((99..=101).contains(&warm), "{warm} in the fifth");
    assert_eq!(warm_up.interval(), ms(10));
    warm_up.offer(now + Span::from_secs(60)).unwrap();
    assert!(warm_up.interval() > ms(29), "cold again after a minute of rest: {}", warm_up.interval());
}

#[test]
fn who_would_wait_too_long_for_a_warm_up_is_told_when_to_come_back() {
    let config =
        WarmUpConfig { rate_per_s_milli: 10_000, cold_factor: 1, period: Span::ZERO, max_wait: ms(150) };
    let mut warm_up = WarmUp::new(config, at(0));
    let waits: Vec<Result<Span, RetryAt>> = (0..3).map(|_| warm_up.offer(at(0))).collect();
    assert_eq!(waits, [Ok(ms(0)), Ok(ms(100)), Err(RetryAt(ms(50)))]);
    assert_eq!(warm_up.offer(at(50)), Ok(ms(150)));
}
