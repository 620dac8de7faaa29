//! Laws over random histories, checked by a second telling of the rules; mutants that break them are caught.

use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// What a driver does next, some milliseconds after the last thing.
#[derive(Clone, Copy, Debug)]
enum Act {
    Ask,
    /// Ends the permit at this position among those held.
    End(usize, Recorded, u64),
    /// Lets the permit at this position be forgotten.
    Lose(usize),
    Command(usize),
}

fn any_recorded() -> impl Strategy<Value = Recorded> {
    prop_oneof![3 => Just(Recorded::Success), 5 => Just(Recorded::Failure), 1 => Just(Recorded::Ignored)]
}

fn any_act(commands: bool) -> impl Strategy<Value = (Act, u64)> {
    let act = prop_oneof![
        8 => Just(Act::Ask),
        8 => (any::<prop::sample::Index>(), any_recorded(), 0u64..200)
            .prop_map(|(which, recorded, took)| Act::End(which.index(64), recorded, took)),
        1 => (0usize..64).prop_map(Act::Lose),
        u32::from(commands) => (0usize..5).prop_map(Act::Command),
    ];
    (act, prop_oneof![6 => 0u64..30, 1 => 0u64..2_500])
}

prop_compose! {
    fn any_config()(
        calls in 1u32..12, by_time in any::<bool>(), buckets in 1u32..6, min_requests in 1u32..8,
        open_at_ppm in prop_oneof![Just(0), Just(500_000u32), 1u32..=1_000_000], slow in any::<bool>(),
        in_a_row in prop::option::of(1u32..5), growth in 1_000u32..3_000, half_open_probes in 1u32..5,
        max_wait in prop_oneof![Just(0u64), 1u64..800],
    ) -> BreakerConfig {
        let by_time = by_time.then_some(WindowConfig::Time { length: ms(400), buckets });
        BreakerConfig {
            window: by_time.unwrap_or(WindowConfig::Count { calls }),
            min_requests,
            open_at_ppm,
            slow_call: slow.then_some(ms(150)),
            consecutive_failures: in_a_row,
            open_growth_milli: growth,
            half_open_probes,
            half_open_max_wait: ms(max_wait),
            ..small()
        }
    }
}

/// One thing a driver saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Granted(Permit),
    Refused(BreakerRejection),
    Ended(Permit, Recorded),
    Lost,
    Became(Transition),
}

/// How faithful the breaker under test is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    None,
    /// Half open admits one more.
    OneProbeTooMany,
    /// A late result passes for a result of now.
    LateResultCounts,
    /// Opens below the minimum.
    NoMinimum,
    /// Half open comes early.
    ImpatientWait,
}

/// Drives a breaker through a history and logs what a driver sees, each with its time.
fn drive(config: &BreakerConfig, acts: &[(Act, u64)], timer: bool, mutant: Mutant) -> Vec<(Time, Seen)> {
    let mut told = config.clone();
    match mutant {
        Mutant::OneProbeTooMany => told.half_open_probes += 1,
        Mutant::NoMinimum => told.min_requests = 1,
        Mutant::ImpatientWait => told.open_for = Span::from_nanos(told.open_for.as_nanos() - 1_000_000),
        Mutant::None | Mutant::LateResultCounts => {}
    }
    let mut breaker = Breaker::new(told);
    let (mut log, mut held, mut now) = (Vec::new(), Vec::<Permit>::new(), 0);
    for (act, pause) in acts {
        let until = now + pause;
        while timer && let Some(due) = breaker.deadline().filter(|due| *due <= at(until)) {
            breaker.expire(due);
            log.extend(
                std::iter::from_fn(|| breaker.take_transition()).map(|change| (due, Seen::Became(change))),
            );
        }
        now = until;
        let mut seen = None;
        match *act {
            Act::Ask => {
                let answer = breaker.try_acquire(at(now));
                held.extend(answer.ok());
                seen = Some(answer.map_or_else(Seen::Refused, Seen::Granted));
            }
            Act::End(which, recorded, took) if !held.is_empty() => {
                let permit = held.remove(which % held.len());
                let mut shown = permit;
                if mutant == Mutant::LateResultCounts {
                    shown.generation = breaker.generation;
                }
                breaker.record(at(now), shown, recorded, ms(took));
                seen = Some(Seen::Ended(permit, recorded));
            }
            Act::Lose(which) if !held.is_empty() => {
                held.remove(which % held.len());
                seen = Some(Seen::Lost);
            }
            Act::End(..) | Act::Lose(_) => {}
            Act::Command(state) => drop(breaker.command(State::ALL[state])),
        }
        // A change caused by time comes before what was asked, one caused by a result after it.
        let changes: Vec<Transition> = std::iter::from_fn(|| breaker.take_transition()).collect();
        let (before, after): (Vec<Transition>, Vec<Transition>) = changes
            .into_iter()
            .partition(|change| matches!(change.reason, Reason::WaitOver | Reason::ProbesUnanswered));
        log.extend(before.into_iter().map(|change| (at(now), Seen::Became(change))));
        log.extend(seen.map(|seen| (at(now), seen)));
        log.extend(after.into_iter().map(|change| (at(now), Seen::Became(change))));
    }
    let counters = breaker.counters();
    let given_back = counters.recorded + counters.late;
    let lost = log.iter().filter(|(_, seen)| *seen == Seen::Lost).count() as u64;
    assert_eq!(counters.permitted, given_back + lost + held.len() as u64, "permits are conserved");
    log
}

/// A breaker kept as plain lists: everything in the log is checked against the rules, said again in full.
fn broken_law(config: &BreakerConfig, log: &[(Time, Seen)]) -> Option<String> {
    let mut state = State::Closed;
    let (mut stay, mut opened_at, mut in_a_row) = (0, Time::ZERO, 0);
    let (mut judged, mut probes_out, mut probes_answered) = (0u32, 0u32, 0u32);
    for (now, seen) in log {
        let complain = |law: &str| Some(format!("at {now}: {law}: {seen:?}"));
        match *seen {
            Seen::Granted(permit) => {
                match state {
                    State::Open | State::ForcedOpen => return complain("open admits nobody"),
                    State::HalfOpen => probes_out += 1,
                    State::Closed | State::Disabled => {}
                }
                if probes_out + probes_answered > config.half_open_probes {
                    return complain("half open admits N at most");
                }
                if permit.generation != stay || permit.probe != (state == State::HalfOpen) {
                    return complain("a permit belongs to its stay");
                }
            }
            Seen::Refused(refused) => {
                let full = probes_out + probes_answered == config.half_open_probes;
                if refused.state != state || state == State::Closed || (state == State::HalfOpen && !full) {
                    return complain("nobody is refused needlessly");
                }
            }
            Seen::Ended(permit, recorded) if permit.generation == stay => {
                judged += u32::from(recorded != Recorded::Ignored);
                if permit.probe {
                    probes_out -= 1;
                    probes_answered += u32::from(recorded != Recorded::Ignored);
                }
            }
            Seen::Ended(..) | Seen::Lost => {}
            Seen::Became(change) => {
                if change.from != state || !change.is_legal() {
                    return complain("changes follow the table");
                }
                match change.reason {
                    Reason::FailureRate | Reason::SlowCallRate
                        if judged < config.min_requests.min(window_size(config)) =>
                    {
                        return complain("too few calls to judge by");
                    }
                    Reason::WaitOver if now.since(opened_at) < config.open_interval(in_a_row) => {
                        return complain("the wait is not over");
                    }
                    Reason::ProbesPassed if probes_answered < config.half_open_probes => {
                        return complain("not all probes were answered");
                    }
                    Reason::ProbesFailed if probes_answered == 0 => return complain("no probe was answered"),
                    Reason::FailureRate
                    | Reason::SlowCallRate
                    | Reason::ConsecutiveFailures
                    | Reason::WaitOver
                    | Reason::ProbesPassed
                    | Reason::ProbesFailed
                    | Reason::ProbesUnanswered
                    | Reason::Command => {}
                }
                if change.to == State::Open {
                    (opened_at, in_a_row) = (*now, in_a_row + 1);
                } else if change.to == State::Closed {
                    in_a_row = 0;
                }
                state = change.to;
                (stay, judged, probes_out, probes_answered) = (stay + 1, 0, 0, 0);
            }
        }
    }
    None
}

fn window_size(config: &BreakerConfig) -> u32 {
    match config.window {
        WindowConfig::Count { calls } => calls,
        WindowConfig::Time { .. } => u32::MAX,
    }
}

fn acts(commands: bool) -> impl Strategy<Value = Vec<(Act, u64)>> {
    prop::collection::vec(any_act(commands), 0..250)
}

proptest! {
    #[test]
    fn every_history_keeps_the_laws(config in any_config(), acts in acts(true)) {
        prop_assert_eq!(broken_law(&config, &drive(&config, &acts, true, Mutant::None)), None);
    }

    #[test]
    fn it_decides_alike_whether_a_timer_rings_or_not(config in any_config(), acts in acts(false)) {
        let decisions = |timer| {
            let log = drive(&config, &acts, timer, Mutant::None);
            log.into_iter().filter(|(_, seen)| !matches!(seen, Seen::Became(_))).collect::<Vec<_>>()
        };
        prop_assert_eq!(decisions(true), decisions(false));
    }

    #[test]
    fn a_window_counts_what_a_list_of_all_calls_counts(
        calls in 1u32..9, buckets in 1u32..6,
        history in prop::collection::vec((0u64..300, any::<bool>(), any::<bool>()), 0..120),
    ) {
        let mut by_count = Window::new(WindowConfig::Count { calls });
        let mut by_time = Window::new(WindowConfig::Time { length: ms(300 * u64::from(buckets)), buckets });
        let mut list: Vec<(u64, Tally)> = Vec::new();
        let mut now = 0;
        let sum = |calls: &mut dyn Iterator<Item = &(u64, Tally)>| {
            let mut sum = Tally::default();
            calls.for_each(|(_, tally)| sum.add(*tally));
            sum
        };
        for (pause, failed, slow) in history {
            now += pause;
            by_count.record(at(now), failed, slow);
            by_time.record(at(now), failed, slow);
            list.push((now, Tally::of(failed, slow)));
            prop_assert_eq!(by_count.total(), sum(&mut list.iter().rev().take(calls as usize)));
            let alive = |recorded: u64| recorded / 300 + u64::from(buckets) > now / 300;
            prop_assert_eq!(by_time.total(), sum(&mut list.iter().filter(|(recorded, _)| alive(*recorded))));
            prop_assert_eq!(by_count.recounted(), by_count.total());
            prop_assert_eq!(by_time.recounted(), by_time.total());
        }
    }

    #[test]
    fn no_config_and_no_history_makes_it_panic(
        numbers in any::<(u32, u32, u32, u32, u32, u32)>(), spans in any::<(u64, u64, u64, u64)>(),
        by_time in any::<bool>(), optional in any::<(bool, bool)>(),
        history in prop::collection::vec((0u8..6, any::<u64>(), any::<(u32, bool)>()), 0..60),
    ) {
        let (size, min_requests, open_at_ppm, slow_at_ppm, growth, probes) = numbers;
        let config = BreakerConfig {
            window: if by_time {
                WindowConfig::Time { length: Span::from_nanos(spans.0), buckets: size % 5_000 }
            } else {
                WindowConfig::Count { calls: size % 5_000 }
            },
            min_requests,
            open_at_ppm,
            slow_at_ppm,
            slow_call: optional.0.then_some(Span::from_nanos(spans.1)),
            consecutive_failures: optional.1.then_some(min_requests % 3),
            open_for: Span::from_nanos(spans.2),
            open_growth_milli: growth,
            open_cap: Span::from_nanos(spans.3),
            half_open_probes: probes % 4,
            half_open_max_wait: Span::from_nanos(spans.1),
        };
        let mut breaker = Breaker::new(config.clone());
        for (what, ns, (generation, probe)) in history {
            let now = Time::from_nanos(ns);
            let permit = Permit { generation: breaker.generation.wrapping_sub(generation % 2), probe };
            match what {
                0 => drop(breaker.try_acquire(now)),
                1 => breaker.record(now, permit, Recorded::Failure, Span::MAX),
                2 => breaker.record(now, permit, Recorded::Success, Span::ZERO),
                3 => breaker.expire(now),
                4 => drop(breaker.command(State::ALL[generation as usize % 5])),
                _ => breaker.reconfigure(config.clone(), now),
            }
            let _ = (breaker.deadline(), breaker.take_transition());
        }
    }
}

#[test]
fn every_mutant_breaks_a_law() {
    let mutants =
        [Mutant::OneProbeTooMany, Mutant::LateResultCounts, Mutant::NoMinimum, Mutant::ImpatientWait];
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let histories: Vec<Vec<(Act, u64)>> = (0..200)
        .map(|_| acts(false).new_tree(&mut runner).expect("a history can be drawn").current())
        .collect();
    let caught = |mutant| {
        let broken = |acts: &Vec<(Act, u64)>| broken_law(&small(), &drive(&small(), acts, true, mutant));
        histories.iter().filter(|acts| broken(acts).is_some()).count()
    };
    assert_eq!(caught(Mutant::None), 0);
    for mutant in mutants {
        assert!(caught(mutant) > 0, "{mutant:?} got away with it");
    }
}
