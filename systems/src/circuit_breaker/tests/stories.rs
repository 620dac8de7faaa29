//! Stories of single breakers, one event a line, and the transition table.

use super::*;
use std::collections::BTreeMap;

/// Plays a story, one event a line: `<ms> <event> | <state> <calls>/<failures>/<slow>`. Events: `ask a`
/// (granted, as permit a), `probe a` (granted as a probe), `refused <ms to wait>`,
/// `ok|fail|ignore|slow|slowfail a` (permit a ends), `time` (the timer rings).
fn play(config: BreakerConfig, story: &str) {
    assert_eq!(config.validate(), Ok(()));
    let mut breaker = Breaker::new(config);
    let mut permits = BTreeMap::new();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (event, expected) = line.split_once('|').expect("a line has an expectation");
        let words: Vec<&str> = event.split_whitespace().collect();
        let now = at(words[0].parse().expect("a line starts with milliseconds"));
        let name = words.get(2).copied().unwrap_or("");
        match words[1] {
            "ask" | "probe" => {
                let permit = breaker.try_acquire(now).unwrap_or_else(|refused| panic!("{line}: {refused:?}"));
                assert_eq!(permit.is_probe(), words[1] == "probe", "{line}");
                permits.insert(name, permit);
            }
            "refused" => {
                let refused = breaker.try_acquire(now).expect_err(line);
                assert_eq!(refused.retry_after, ms(name.parse().expect("a wait in milliseconds")), "{line}");
            }
            "time" => breaker.expire(now),
            ended => {
                let (recorded, took) = match ended {
                    "ok" => (Recorded::Success, 10),
                    "slow" => (Recorded::Success, 100),
                    "fail" => (Recorded::Failure, 10),
                    "slowfail" => (Recorded::Failure, 100),
                    "ignore" => (Recorded::Ignored, 10),
                    other => panic!("unknown event {other}"),
                };
                breaker.record(now, permits[name], recorded, ms(took));
            }
        }
        let Tally { calls, failures, slow } = breaker.tally();
        assert_eq!(format!("{:?} {calls}/{failures}/{slow}", breaker.state()), expected.trim(), "{line}");
    }
}

#[test]
fn failures_open_it_a_wait_half_opens_it_probes_close_it() {
    play(
        small(),
        "
        0    ask a      | Closed 0/0/0
        0    fail a     | Closed 1/1/0
        1    ask a      | Closed 1/1/0
        1    fail a     | Closed 2/2/0
        # two of three failed, but three calls are too few to judge by
        2    ask a      | Closed 2/2/0
        2    ok a       | Closed 3/2/0
        3    ask a      | Closed 3/2/0
        # two of four
        3    ok a       | Open 0/0/0
        3    refused 1000 | Open 0/0/0
        1002 refused 1  | Open 0/0/0
        1003 probe a    | HalfOpen 0/0/0
        1003 probe b    | HalfOpen 0/0/0
        1004 refused 0  | HalfOpen 0/0/0
        1005 ok b       | HalfOpen 0/0/0
        1005 refused 0  | HalfOpen 0/0/0
        1006 ok a       | Closed 0/0/0
        1007 ask a      | Closed 0/0/0
        ",
    );
}

#[test]
fn slow_calls_open_it_even_if_they_succeed() {
    play(
        small(),
        "
        0 ask a  | Closed 0/0/0
        0 slow a | Closed 1/0/1
        0 ask a  | Closed 1/0/1
        0 slow a | Closed 2/0/2
        0 ask a  | Closed 2/0/2
        0 ok a   | Closed 3/0/2
        0 ask a  | Closed 3/0/2
        0 slow a | Open 0/0/0
        # a slow probe is no better: both would have to be slow for three quarters
        1000 probe a | HalfOpen 0/0/0
        1000 probe b | HalfOpen 0/0/0
        1100 slow a  | HalfOpen 0/0/0
        1100 slow b  | Open 0/0/0
        ",
    );
}

#[test]
fn failures_in_a_row_open_it_below_the_minimum() {
    play(
        BreakerConfig { consecutive_failures: Some(3), open_at_ppm: 0, slow_call: None, ..small() },
        "
        0 ask a  | Closed 0/0/0
        0 fail a | Closed 1/1/0
        0 ask a  | Closed 1/1/0
        0 fail a | Closed 2/2/0
        0 ask a  | Closed 2/2/0
        0 ok a   | Closed 3/2/0
        0 ask a  | Closed 3/2/0
        0 fail a | Closed 4/3/0
        0 ask a  | Closed 4/3/0
        0 ignore a | Closed 4/3/0
        0 ask a  | Closed 4/3/0
        0 fail a | Closed 5/4/0
        0 ask a  | Closed 5/4/0
        0 fail a | Open 0/0/0
        # without a failure rate one failed probe is enough
        1000 probe a | HalfOpen 0/0/0
        1000 fail a  | Open 0/0/0
        ",
    );
}

#[test]
fn a_failed_probe_opens_it_again_for_longer_up_to_the_cap() {
    play(
        BreakerConfig { consecutive_failures: Some(1), ..small() },
        "
        0    ask a   | Closed 0/0/0
        0    fail a  | Open 0/0/0
        1000 probe a | HalfOpen 0/0/0
        1000 fail a  | Open 0/0/0
        1000 refused 2000 | Open 0/0/0
        3000 probe a | HalfOpen 0/0/0
        3000 fail a  | Open 0/0/0
        3000 refused 3000 | Open 0/0/0
        6000 probe a | HalfOpen 0/0/0
        6000 fail a  | Open 0/0/0
        6000 refused 3000 | Open 0/0/0
        # a close forgives
        9000 probe a | HalfOpen 0/0/0
        9000 probe b | HalfOpen 0/0/0
        9000 ok a    | HalfOpen 0/0/0
        9000 ok b    | Closed 0/0/0
        9000 ask a   | Closed 0/0/0
        9000 fail a  | Open 0/0/0
        9000 refused 1000 | Open 0/0/0
        ",
    );
}

#[test]
fn results_of_an_earlier_stay_change_nothing() {
    play(
        BreakerConfig { consecutive_failures: Some(2), ..small() },
        "
        0    ask early   | Closed 0/0/0
        0    ask earlier | Closed 0/0/0
        0    ask a       | Closed 0/0/0
        0    fail a      | Closed 1/1/0
        0    ask a       | Closed 1/1/0
        0    fail a      | Open 0/0/0
        10   ok early    | Open 0/0/0
        1000 probe b     | HalfOpen 0/0/0
        1000 probe c     | HalfOpen 0/0/0
        # neither stands for a probe
        1001 ok earlier  | HalfOpen 0/0/0
        1001 fail early  | HalfOpen 0/0/0
        1002 ok b        | HalfOpen 0/0/0
        1002 ok c        | Closed 0/0/0
        # nor does a probe count after the close
        1003 fail b      | Closed 0/0/0
        ",
    );
}

#[test]
fn an_ignored_probe_gives_its_permit_back() {
    play(
        BreakerConfig { consecutive_failures: Some(1), ..small() },
        "
        0    ask a    | Closed 0/0/0
        0    fail a   | Open 0/0/0
        1000 probe a  | HalfOpen 0/0/0
        1000 probe b  | HalfOpen 0/0/0
        1000 refused 0 | HalfOpen 0/0/0
        1001 ignore a | HalfOpen 0/0/0
        1001 probe c  | HalfOpen 0/0/0
        1001 refused 0 | HalfOpen 0/0/0
        1002 ok b     | HalfOpen 0/0/0
        1002 ok c     | Closed 0/0/0
        ",
    );
}

#[test]
fn half_open_admits_at_most_n_probes_even_if_probes_never_return() {
    play(
        BreakerConfig { consecutive_failures: Some(1), ..small() },
        "
        0    ask a     | Closed 0/0/0
        0    fail a    | Open 0/0/0
        # nobody calls: an idle half-open breaker waits, since nothing speaks against the dependency
        1000 time      | HalfOpen 0/0/0
        8000 time      | HalfOpen 0/0/0
        8000 probe a   | HalfOpen 0/0/0
        8100 probe b   | HalfOpen 0/0/0
        8499 refused 0 | HalfOpen 0/0/0
        # half a second after the first probe; then open for the second time in a row, since then
        8600 refused 1900 | Open 0/0/0
        8601 ok a      | Open 0/0/0
        # both waits at once, had no timer rung
        99999 probe c  | HalfOpen 0/0/0
        ",
    );
}

#[test]
fn answered_probes_stop_the_wait_however_rarely_calls_come() {
    play(
        BreakerConfig { consecutive_failures: Some(1), half_open_probes: 3, ..small() },
        "
        0    ask a   | Closed 0/0/0
        0    fail a  | Open 0/0/0
        1000 probe a | HalfOpen 0/0/0
        1010 ok a    | HalfOpen 0/0/0
        7000 probe a | HalfOpen 0/0/0
        7010 ok a    | HalfOpen 0/0/0
        9000 probe a | HalfOpen 0/0/0
        9010 ok a    | Closed 0/0/0
        ",
    );
}

#[test]
fn a_time_window_forgets_bucket_by_bucket() {
    play(
        BreakerConfig {
            window: WindowConfig::Time { length: ms(1_000), buckets: 4 },
            slow_call: None,
            ..small()
        },
        "
        0    ask a  | Closed 0/0/0
        0    fail a | Closed 1/1/0
        250  ask a  | Closed 1/1/0
        260  fail a | Closed 2/2/0
        800  ask a  | Closed 2/2/0
        999  fail a | Closed 3/3/0
        # the first bucket ends its life with the window
        1000 ask a  | Closed 3/3/0
        1000 ok a   | Closed 3/2/0
        1300 ask a  | Closed 3/2/0
        1300 ok a   | Closed 3/1/0
        # the clock goes back: the call joins the latest bucket, nothing comes to life again
        100  ask a  | Closed 3/1/0
        100  ok a   | Closed 4/1/0
        90000 ask a | Closed 4/1/0
        90000 ok a  | Closed 1/0/0
        ",
    );
}

#[test]
fn a_clock_that_jumps_back_never_opens_the_door_early() {
    let mut breaker = Breaker::new(BreakerConfig { consecutive_failures: Some(1), ..small() });
    let permit = breaker.try_acquire(at(10_000)).expect("closed");
    breaker.record(at(10_000), permit, Recorded::Failure, ms(1));
    for (now, admitted) in [(10_999, false), (0, false), (5_000, false), (10_999, false), (11_000, true)] {
        assert_eq!(breaker.try_acquire(at(now)).is_ok(), admitted, "at {now} ms");
    }
}

#[test]
fn a_second_result_for_a_probe_stands_for_no_other() {
    let mut breaker =
        Breaker::new(BreakerConfig { consecutive_failures: Some(1), half_open_probes: 3, ..small() });
    let permit = breaker.try_acquire(at(0)).expect("closed");
    breaker.record(at(0), permit, Recorded::Failure, ms(1));
    let probe = breaker.try_acquire(at(1_000)).expect("half open");
    for _ in 0..5 {
        breaker.record(at(1_001), probe, Recorded::Success, ms(1));
    }
    assert_eq!(breaker.state(), State::HalfOpen);
    assert_eq!(breaker.counters().stray, 4);
}

#[test]
fn commands_hold_until_the_next_command() {
    let mut breaker = Breaker::new(small());
    breaker.command(at(0), State::ForcedOpen).expect("listed");
    assert_eq!(breaker.deadline(), None);
    let refused = BreakerRejection { state: State::ForcedOpen, retry_after: Span::MAX };
    assert_eq!(breaker.try_acquire(Time::MAX), Err(refused));

    breaker.command(at(0), State::Disabled).expect("listed");
    for _ in 0..50 {
        let permit = breaker.try_acquire(at(0)).expect("disabled");
        breaker.record(at(0), permit, Recorded::Failure, ms(1_000));
    }
    assert_eq!((breaker.state(), breaker.tally()), (State::Disabled, Tally::default()));

    breaker.command(at(0), State::Closed).expect("listed");
    let taken: Vec<Transition> = std::iter::from_fn(|| breaker.take_transition()).collect();
    let chain: Vec<State> = taken.iter().map(|transition| transition.to).collect();
    assert_eq!(chain, [State::ForcedOpen, State::Disabled, State::Closed]);
}

#[test]
fn only_listed_transitions_exist() {
    for from in State::ALL {
        for to in State::ALL {
            for reason in Reason::ALL {
                let expected = match reason {
                    Reason::FailureRate
                    | Reason::SlowCallRate
                    | Reason::FailureCount
                    | Reason::ConsecutiveFailures => (from, to) == (State::Closed, State::Open),
                    Reason::WaitOver => (from, to) == (State::Open, State::HalfOpen),
                    Reason::ProbesPassed => (from, to) == (State::HalfOpen, State::Closed),
                    Reason::ProbesFailed | Reason::ProbesUnanswered => {
                        (from, to) == (State::HalfOpen, State::Open)
                    }
                    Reason::Command => from != to && to != State::HalfOpen,
                };
                assert_eq!(Way { from, to, reason }.is_legal(), expected, "{from:?} {to:?} {reason:?}");
            }
        }
    }
}

/// A breaker led into a state by what leads there.
fn in_state(state: State) -> Breaker {
    let mut breaker = Breaker::new(BreakerConfig { consecutive_failures: Some(1), ..small() });
    match state {
        State::Closed => {}
        State::Open | State::HalfOpen => {
            let permit = breaker.try_acquire(at(0)).expect("closed");
            breaker.record(at(0), permit, Recorded::Failure, ms(1));
            if state == State::HalfOpen {
                breaker.expire(at(1_000));
            }
        }
        State::ForcedOpen | State::Disabled | State::MetricsOnly => {
            breaker.command(at(0), state).expect("listed")
        }
    }
    assert_eq!(breaker.state(), state);
    breaker
}

#[test]
fn a_command_that_is_not_listed_is_refused_and_changes_nothing() {
    for from in State::ALL {
        for to in State::ALL {
            let mut breaker = in_state(from);
            let way = Way { from, to, reason: Reason::Command };
            match breaker.command(at(0), to) {
                Ok(()) => assert!(WAYS.contains(&way) && breaker.state() == to),
                Err(refused) => {
                    assert_eq!((refused, breaker.state()), (IllegalTransition(way), from));
                    assert!(!WAYS.contains(&way));
                    assert!(refused.to_string().contains(&format!("from {from:?} a command leads to ")));
                }
            }
        }
    }
}

#[test]
fn of_too_many_transitions_the_oldest_are_lost_and_counted() {
    let mut breaker = Breaker::new(small());
    for round in 0..10 {
        breaker
            .command(at(0), if round % 2 == 0 { State::Disabled } else { State::ForcedOpen })
            .expect("listed");
    }
    let taken = std::iter::from_fn(|| breaker.take_transition()).count() as u64;
    assert_eq!((taken, breaker.lost_transitions()), (4, 6));
    assert_eq!(breaker.take_transition(), None);
}

#[test]
fn a_new_config_changes_a_wait_under_way_and_keeps_the_state() {
    let base = BreakerConfig { consecutive_failures: Some(1), ..small() };
    let mut breaker = in_state(State::Open);
    breaker.reconfigure(BreakerConfig { open_for: ms(200), ..base.clone() }, at(100));
    assert_eq!((breaker.state(), breaker.deadline()), (State::Open, Some(at(200))));
    breaker.reconfigure(BreakerConfig { open_for: ms(50), ..base.clone() }, at(100));
    assert_eq!(breaker.state(), State::HalfOpen);

    let probe = breaker.try_acquire(at(100)).expect("half open");
    breaker.record(at(101), probe, Recorded::Success, ms(1));
    breaker.reconfigure(BreakerConfig { half_open_probes: 1, ..base.clone() }, at(102));
    assert_eq!(breaker.state(), State::Closed, "one good probe is enough now");

    let mut closed = Breaker::new(small());
    let permit = closed.try_acquire(at(0)).expect("closed");
    closed.record(at(0), permit, Recorded::Failure, ms(1));
    closed.reconfigure(BreakerConfig { min_requests: 9, ..small() }, at(0));
    assert_eq!(closed.tally().calls, 1, "the same window keeps its calls");
    closed.reconfigure(BreakerConfig { window: WindowConfig::Count { calls: 20 }, ..small() }, at(0));
    assert_eq!(closed.tally().calls, 0, "another window starts empty");
}

#[test]
fn a_config_out_of_range_is_refused_with_what_to_write_instead() {
    let cases = [
        BreakerConfig { window: WindowConfig::Count { calls: 0 }, ..small() },
        BreakerConfig { window: WindowConfig::Count { calls: MAX_CALLS + 1 }, ..small() },
        BreakerConfig { min_requests: 11, ..small() },
        BreakerConfig { min_requests: 0, ..small() },
        BreakerConfig { window: WindowConfig::Time { length: ms(1), buckets: 0 }, ..small() },
        BreakerConfig { window: WindowConfig::Time { length: ms(1), buckets: MAX_BUCKETS + 1 }, ..small() },
        BreakerConfig { window: WindowConfig::Time { length: Span::from_nanos(3), buckets: 4 }, ..small() },
        BreakerConfig { open_at_ppm: 1_000_001, ..small() },
        BreakerConfig { slow_at_ppm: 1_000_001, ..small() },
        BreakerConfig { consecutive_failures: Some(0), ..small() },
        BreakerConfig { open_at_ppm: 0, slow_at_ppm: 0, ..small() },
        BreakerConfig { open_at_ppm: 0, slow_call: None, ..small() },
        BreakerConfig { open_for: Span::ZERO, ..small() },
        BreakerConfig { open_cap: ms(1), ..small() },
        BreakerConfig { open_growth_milli: 999, ..small() },
        BreakerConfig { half_open_probes: 0, ..small() },
        BreakerConfig { half_open_probes: MAX_PROBES + 1, ..small() },
        BreakerConfig { half_open_decision: HalfOpenDecision::Successes(0), ..small() },
        BreakerConfig { half_open_decision: HalfOpenDecision::Successes(3), ..small() },
        BreakerConfig { slow_call: Some(Span::ZERO), ..small() },
        BreakerConfig { failures_in_window: Some(0), ..small() },
        BreakerConfig { failures_in_window: Some(11), ..small() },
        BreakerConfig { open_jitter_ppm: 1_000_001, ..small() },
        BreakerConfig { window: WindowConfig::Sliding { length: Span::ZERO, max_calls: 10 }, ..small() },
        BreakerConfig { window: WindowConfig::Sliding { length: ms(1), max_calls: 0 }, ..small() },
        BreakerConfig { window: WindowConfig::Sliding { length: ms(1), max_calls: 3 }, ..small() },
    ];
    for config in cases {
        let error = config.validate().expect_err("out of range").to_string();
        assert!(["use ", "lower it", "set a"].iter().any(|advice| error.contains(advice)), "{error}");
    }
    for preset in [BreakerConfig::default(), BreakerConfig::resilience4j(), BreakerConfig::polly()] {
        assert_eq!(preset.validate(), Ok(()));
    }
}

#[test]
fn once_the_dependency_is_healthy_it_closes_within_wait_probes_and_one_gap() {
    let (gap, took, heals) = (7, 20, 30_000);
    let mut breaker = Breaker::new(BreakerConfig { open_growth_milli: 1_000, ..small() });
    let mut under_way: Vec<(u64, bool, Permit)> = Vec::new();
    let mut closed_at = None;
    for now in 0..40_000 {
        under_way.retain(|(ends, ok, permit)| {
            if *ends == now {
                let recorded = if *ok { Recorded::Success } else { Recorded::Failure };
                breaker.record(at(now), *permit, recorded, ms(took));
            }
            *ends != now
        });
        if now % gap == 0
            && let Ok(permit) = breaker.try_acquire(at(now))
        {
            under_way.push((now + took, now >= heals, permit));
        }
        if now >= heals && closed_at.is_none() && breaker.state() == State::Closed {
            closed_at = Some(now);
        }
    }
    // A probe sent just before the healing may fail and open it once more.
    let bound = heals + took + 1_000 + 2 * gap + took;
    assert!(closed_at.is_some_and(|closed| closed <= bound), "{closed_at:?} after {bound}");
    assert_eq!(breaker.state(), State::Closed);
}
