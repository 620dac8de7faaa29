//! Stories of the choices a config offers.

use super::*;
use std::sync::Arc;

fn end(breaker: &mut Breaker, now: u64, recorded: Recorded) -> Taken {
    let permit = breaker.try_acquire(at(now)).expect("it lets calls pass");
    breaker.record(at(now), permit, recorded, ms(1))
}

fn opened(config: BreakerConfig, seed: u64) -> Breaker {
    let mut breaker = Breaker::new(config).with_seed(seed);
    end(&mut breaker, 0, Recorded::Failure);
    assert_eq!(breaker.state(), State::Open);
    breaker
}

#[test]
fn k_failures_of_the_latest_n_open_it() {
    let three_of_five = BreakerConfig {
        window: WindowConfig::Count { calls: 5 },
        min_requests: 1,
        open_at_ppm: 0,
        failures_in_window: Some(3),
        slow_call: None,
        ..small()
    };
    assert_eq!(three_of_five.validate(), Ok(()));
    let mut breaker = Breaker::new(three_of_five);
    for recorded in "ff...ff...f.f".chars() {
        end(&mut breaker, 0, if recorded == 'f' { Recorded::Failure } else { Recorded::Success });
        assert_eq!(breaker.state(), State::Closed);
    }
    end(&mut breaker, 0, Recorded::Failure);
    let change = breaker.take_transition().expect("it opened");
    assert_eq!((change.to, change.reason, change.tally.calls), (State::Open, Reason::FailureCount, 5));
}

#[test]
fn a_sliding_window_forgets_a_call_exactly_its_length_after_it() {
    let window = WindowConfig::Sliding { length: ms(100), max_calls: 50 };
    let mut breaker = Breaker::new(BreakerConfig { window, slow_call: None, ..small() });
    for now in [3, 50, 50] {
        end(&mut breaker, now, Recorded::Failure);
    }
    let just_before = Time::from_nanos(at(103).as_nanos() - 1);
    assert_eq!(breaker.metrics(just_before).window.calls, 3);
    assert_eq!(breaker.metrics(at(103)).window.calls, 2);
    // The clock goes back: nothing comes to life again.
    assert_eq!(breaker.metrics(at(60)).window.calls, 2);
    assert_eq!(breaker.metrics(at(149)).failure_rate_ppm(), Some(1_000_000));
    assert_eq!(breaker.metrics(at(150)).failure_rate_ppm(), None);
}

#[test]
fn enough_good_probes_close_it_before_the_others_have_answered() {
    let two_of_four = BreakerConfig {
        half_open_probes: 4,
        half_open_decision: HalfOpenDecision::Successes(2),
        ..fragile()
    };
    let cases = [
        ("ok ok", State::Closed),
        ("no ok no ok", State::Closed),
        ("no no ok", State::HalfOpen),
        ("no no no", State::Open),
        ("ok no slow slow", State::Open),
    ];
    for (story, expected) in cases {
        let mut breaker = opened(two_of_four.clone(), 0);
        for answer in story.split(' ') {
            let probe = breaker.try_acquire(at(1_000)).expect(story);
            let recorded = if answer == "no" { Recorded::Failure } else { Recorded::Success };
            breaker.record(at(1_000), probe, recorded, ms(if answer == "slow" { 100 } else { 1 }));
        }
        assert_eq!(breaker.state(), expected, "{story}");
    }
}

#[test]
fn a_lazy_breaker_says_it_is_open_until_somebody_calls() {
    let mut lazy = opened(BreakerConfig { half_open_by: HalfOpenBy::Lazy, ..fragile() }, 0);
    lazy.expire(at(5_000));
    assert_eq!((lazy.state(), lazy.deadline()), (State::Open, None));
    let probe = lazy.try_acquire(at(5_000)).expect("the wait is long over");
    assert!(probe.is_probe());
    assert_eq!(lazy.metrics(at(5_000)).since, at(5_000));

    let mut timed = opened(fragile(), 0);
    assert_eq!(timed.deadline(), Some(at(1_000)));
    timed.expire(at(5_000));
    assert_eq!((timed.state(), timed.metrics(at(5_000)).since), (State::HalfOpen, at(1_000)));
}

#[test]
fn a_fleet_that_opened_together_does_not_probe_together() {
    let spread = BreakerConfig { open_jitter_ppm: 200_000, ..fragile() };
    let waits = |config: &BreakerConfig| {
        let wait = |seed| opened(config.clone(), seed).deadline().expect("it waits").since(at(0));
        (0..20).map(wait).collect::<Vec<Span>>()
    };
    assert!(waits(&fragile()).iter().all(|wait| *wait == ms(1_000)), "without a spread, all in step");
    let mut spread_out = waits(&spread);
    assert!(spread_out.iter().all(|wait| (ms(800)..=ms(1_200)).contains(wait)), "{spread_out:?}");
    spread_out.sort_unstable();
    spread_out.dedup();
    assert_eq!(spread_out.len(), 20);
    assert_eq!(waits(&spread), waits(&spread), "the same seeds draw the same waits");
    let (first, last) = (spread_out[0], spread_out[19]);
    assert!(last.saturating_sub(first) > ms(200), "they use the room they have: {first} to {last}");
}

/// Waits a second for each failure it opened for.
#[derive(Debug)]
struct ByDamage;

impl OpenInterval for ByDamage {
    fn open_for(&self, opening: &Opening) -> Span {
        Span::from_secs(opening.tally.failures)
    }
}

#[test]
fn a_driver_brings_its_own_rule_for_how_long_it_stays_open() {
    let mut breaker = Breaker::new(BreakerConfig { consecutive_failures: Some(3), ..small() })
        .with_open_interval(Arc::new(ByDamage));
    for _ in 0..3 {
        end(&mut breaker, 0, Recorded::Failure);
    }
    assert_eq!(breaker.deadline(), Some(at(3_000)));
    breaker.command(at(10), State::Closed).expect("listed");
    breaker.command(at(20), State::Open).expect("listed");
    assert_eq!(breaker.deadline(), Some(at(20) + Span::from_nanos(1)), "no wait at all is the shortest");
}

#[test]
fn a_breaker_told_to_open_probes_its_way_back() {
    for from in [State::Closed, State::ForcedOpen, State::Disabled, State::MetricsOnly] {
        let mut breaker = Breaker::new(small());
        let _ = breaker.command(at(0), from);
        breaker.command(at(100), State::Open).expect("listed");
        assert!(breaker.try_acquire(at(1_099)).is_err());
        for _ in 0..2 {
            end(&mut breaker, 1_100, Recorded::Success);
        }
        assert_eq!(breaker.state(), State::Closed, "from {from:?}");
    }
}

#[test]
fn metrics_only_counts_and_never_opens() {
    let mut breaker = Breaker::new(small());
    breaker.command(at(0), State::MetricsOnly).expect("listed");
    for _ in 0..50 {
        assert_eq!(end(&mut breaker, 0, Recorded::Failure), Taken::Counted);
    }
    let metrics = breaker.metrics(at(0));
    assert_eq!((metrics.state, metrics.failure_rate_ppm()), (State::MetricsOnly, Some(1_000_000)));
    assert_eq!((metrics.window.calls, metrics.counters.failed), (10, 50));
    breaker.command(at(0), State::Closed).expect("listed");
    assert_eq!(breaker.tally(), Tally::default(), "counters start empty after closed");
}

#[test]
fn late_results_count_where_they_are_asked_for_but_never_as_probes() {
    for (late_results, expected) in [(LateResults::Drop, 0), (LateResults::Count, 1)] {
        let mut breaker = Breaker::new(BreakerConfig { late_results, half_open_probes: 1, ..fragile() });
        let early: Vec<Permit> = (0..3).map(|_| breaker.try_acquire(at(0)).expect("closed")).collect();
        end(&mut breaker, 0, Recorded::Failure);
        assert_eq!(breaker.record(at(1), early[0], Recorded::Success, ms(1)), Taken::Late);
        let probe = breaker.try_acquire(at(1_000)).expect("half open");
        assert_eq!(breaker.record(at(1_001), early[1], Recorded::Success, ms(1)), Taken::Late);
        assert_eq!(breaker.state(), State::HalfOpen, "a late success closes nothing");
        breaker.record(at(1_002), probe, Recorded::Success, ms(1));
        assert_eq!(breaker.record(at(1_003), early[2], Recorded::Success, ms(1)), Taken::Late);
        assert_eq!((breaker.state(), breaker.tally().calls), (State::Closed, expected));
        assert_eq!(breaker.record(at(1_004), early[2], Recorded::Success, ms(1)), Taken::Stray);
    }
}

#[test]
fn a_probes_result_that_comes_twice_stands_for_no_other_probe() {
    let mut breaker = opened(fragile(), 0);
    let first = breaker.try_acquire(at(1_000)).expect("half open");
    let second = breaker.try_acquire(at(1_000)).expect("half open");
    assert_eq!(breaker.record(at(1_001), first, Recorded::Success, ms(1)), Taken::Counted);
    assert_eq!(breaker.record(at(1_001), first, Recorded::Success, ms(1)), Taken::Stray);
    assert_eq!((breaker.state(), breaker.metrics(at(1_001)).probes_under_way), (State::HalfOpen, 1));
    assert_eq!(breaker.record(at(1_001), second, Recorded::Success, ms(1)), Taken::Counted);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn time_is_booked_to_the_state_it_was_spent_in() {
    let mut breaker = Breaker::new(BreakerConfig { half_open_probes: 1, ..fragile() });
    end(&mut breaker, 700, Recorded::Failure);
    assert!(breaker.try_acquire(at(1_000)).is_err());
    end(&mut breaker, 1_900, Recorded::Success);
    let counters = breaker.metrics(at(2_500)).counters;
    let spent = [State::Closed, State::Open, State::HalfOpen].map(|state| counters.of(state).time);
    assert_eq!(spent, [ms(700 + 600), ms(1_000), ms(200)]);
    assert_eq!(counters.of(State::Open).rejected, 1);
    assert_eq!((counters.opened(), counters.half_opened(), counters.closed()), (1, 1, 1));
}

#[test]
fn the_presets_hold_the_published_numbers() {
    let resilience4j = BreakerConfig::resilience4j();
    assert_eq!(resilience4j.window, WindowConfig::Count { calls: 100 });
    assert_eq!((resilience4j.open_at_ppm, resilience4j.slow_at_ppm), (500_000, 1_000_000));
    assert_eq!((resilience4j.min_requests, resilience4j.half_open_probes), (100, 10));
    assert_eq!(resilience4j.open_for, Span::from_secs(60));
    let polly = BreakerConfig::polly();
    assert_eq!(polly.window, WindowConfig::Time { length: Span::from_secs(30), buckets: 10 });
    assert_eq!((polly.open_at_ppm, polly.min_requests, polly.half_open_probes), (100_000, 100, 1));
    assert_eq!(polly.open_for, Span::from_secs(5));
}

#[test]
fn a_refusal_says_what_to_do_instead() {
    let mut breaker = opened(fragile(), 0);
    let refused = breaker.try_acquire(at(400)).expect_err("open");
    assert_eq!(refused.to_string(), "the breaker is open: fall back, and do not ask again within 600ms");
}

#[test]
fn waits_past_the_end_of_time_never_end() {
    let mut breaker = opened(BreakerConfig { open_for: Span::MAX, open_cap: Span::MAX, ..fragile() }, 0);
    assert_eq!(breaker.deadline(), None);
    breaker.expire(Time::MAX);
    assert!(breaker.try_acquire(Time::MAX).is_err());
}
