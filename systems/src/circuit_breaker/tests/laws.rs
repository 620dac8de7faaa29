//! Laws over random histories, checked on the log of what a driver saw; and the breaker against the model. What
//! checks has to catch breakers broken on purpose.

use super::drive::{Act, Mutant, Mutated, Step, Subject, any_config, difference, steps};
use super::model::Model;
use super::*;
use crate::circuit_breaker::window::Window;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// One thing a driver saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Granted(Permit),
    Refused(BreakerRejection),
    Ended(Permit, Recorded, Taken),
    Became(Transition),
}

/// Drives a breaker through a history and logs what a driver sees, each with its time.
fn drive(config: &BreakerConfig, steps: &[Step], timer: bool, mutant: Mutant) -> Vec<(Time, Seen)> {
    let mut subject = Mutated::new(config, 7, mutant);
    let (mut log, mut held, mut gone) = (Vec::new(), Vec::<Permit>::new(), Vec::<Permit>::new());
    let (mut now, mut lost) = (at(0), 0);
    for (act, pause) in steps {
        let until = now + ms(pause.unsigned_abs());
        while timer && let Some(due) = subject.deadline().filter(|due| *due <= until) {
            subject.expire(due);
            log.extend(subject.changes().into_iter().map(|change| (due, Seen::Became(change))));
        }
        now = until;
        let mut seen = None;
        match *act {
            Act::Ask => {
                let answer = subject.try_acquire(now);
                held.extend(answer.ok());
                seen = Some(answer.map_or_else(Seen::Refused, Seen::Granted));
            }
            Act::End(which, recorded, took) if !held.is_empty() => {
                let permit = held.remove(which % held.len());
                gone.push(permit);
                seen = Some(Seen::Ended(permit, recorded, subject.record(now, permit, recorded, ms(took))));
            }
            Act::Lose(which) if !held.is_empty() => {
                held.remove(which % held.len());
                lost += 1;
            }
            Act::End(..) | Act::Lose(_) | Act::Again(..) | Act::Expire | Act::Look => {}
            Act::Command(code) => drop(subject.command(now, State::ALL[code])),
        }
        // A change caused by time comes before what was asked, one caused by a result after it.
        let by_time =
            |change: &Transition| matches!(change.reason, Reason::WaitOver | Reason::ProbesUnanswered);
        let (before, after): (Vec<Transition>, Vec<Transition>) =
            subject.changes().into_iter().partition(by_time);
        log.extend(before.into_iter().map(|change| (now, Seen::Became(change))));
        log.extend(seen.map(|seen| (now, seen)));
        log.extend(after.into_iter().map(|change| (now, Seen::Became(change))));
        if mutant == Mutant::None {
            let counters = subject.breaker.counters();
            let out = held.len() as u64 + lost;
            assert_eq!(counters.under_way(), out, "permits are conserved at every instant");
        }
    }
    log
}

/// What the laws have to remember of a log.
struct Stay {
    state: State,
    number: u64,
    entered_at: Time,
    wait: Span,
    judged: u64,
    probes_out: u32,
    probes_answered: u32,
}

/// The first law that a log breaks.
fn broken_law(config: &BreakerConfig, log: &[(Time, Seen)]) -> Option<String> {
    let mut stay = Stay {
        state: State::Closed,
        number: 0,
        entered_at: at(0),
        wait: Span::ZERO,
        judged: 0,
        probes_out: 0,
        probes_answered: 0,
    };
    for (now, seen) in log {
        let law = match *seen {
            Seen::Granted(permit) => granted(config, &mut stay, permit),
            Seen::Refused(refused) => needlessly_refused(config, &stay, refused),
            Seen::Ended(permit, recorded, taken) => ended(&mut stay, permit, recorded, taken),
            Seen::Became(change) => {
                let law = wrong_change(config, &stay, change);
                stay = Stay {
                    state: change.to,
                    number: stay.number + 1,
                    entered_at: change.at,
                    wait: change.open_for,
                    judged: 0,
                    probes_out: 0,
                    probes_answered: 0,
                };
                law
            }
        };
        if let Some(law) = law {
            return Some(format!("at {now}: {law}: {seen:?}"));
        }
    }
    None
}

fn granted(config: &BreakerConfig, stay: &mut Stay, permit: Permit) -> Option<&'static str> {
    stay.probes_out += u32::from(stay.state == State::HalfOpen);
    if matches!(stay.state, State::Open | State::ForcedOpen) {
        Some("open admits nobody")
    } else if stay.probes_out + stay.probes_answered > config.half_open_probes {
        Some("half open admits N at most")
    } else if permit.generation != stay.number || permit.is_probe() != (stay.state == State::HalfOpen) {
        Some("a permit belongs to its stay")
    } else {
        None
    }
}

fn needlessly_refused(
    config: &BreakerConfig,
    stay: &Stay,
    refused: BreakerRejection,
) -> Option<&'static str> {
    let full = stay.probes_out + stay.probes_answered == config.half_open_probes;
    let needless =
        refused.state != stay.state || stay.state.admits_all() || (stay.state == State::HalfOpen && !full);
    needless.then_some("nobody is refused needlessly")
}

fn ended(stay: &mut Stay, permit: Permit, recorded: Recorded, taken: Taken) -> Option<&'static str> {
    let says_something = matches!(recorded, Recorded::Success | Recorded::Failure);
    if permit.generation != stay.number {
        return (taken != Taken::Late).then_some("a result of an earlier stay is late");
    }
    if (taken == Taken::Counted) != (says_something && stay.state != State::Disabled) {
        return Some("what says something counts, and nothing else");
    }
    stay.judged += u64::from(says_something);
    if permit.is_probe() {
        stay.probes_out -= 1;
        stay.probes_answered += u32::from(says_something);
    }
    None
}

fn wrong_change(config: &BreakerConfig, stay: &Stay, change: Transition) -> Option<&'static str> {
    if change.from != stay.state || change.generation != stay.number + 1 || !change.way().is_legal() {
        return Some("changes follow the table, and none is left out");
    }
    let Tally { calls, failures, slow } = change.tally;
    if failures > calls || slow > calls || calls > stay.judged {
        return Some("no more is judged than was recorded since the state was entered");
    }
    let minimum = match config.window {
        WindowConfig::Count { calls } | WindowConfig::Sliding { max_calls: calls, .. } => {
            u64::from(config.min_requests.min(calls))
        }
        WindowConfig::Time { .. } => u64::from(config.min_requests),
    };
    let answered = stay.probes_answered;
    let law = match change.reason {
        Reason::FailureRate | Reason::SlowCallRate | Reason::FailureCount if calls < minimum => {
            "too few calls to judge by"
        }
        Reason::WaitOver if change.at.since(stay.entered_at) < stay.wait => "the wait is not over",
        Reason::ProbesPassed if needed(config) > answered => "too few probes were answered",
        Reason::ProbesFailed if answered == 0 => "no probe was answered",
        Reason::ProbesUnanswered if stay.probes_out == 0 => "no probe is under way",
        Reason::FailureRate
        | Reason::SlowCallRate
        | Reason::FailureCount
        | Reason::ConsecutiveFailures
        | Reason::WaitOver
        | Reason::ProbesPassed
        | Reason::ProbesFailed
        | Reason::ProbesUnanswered
        | Reason::Command => return wrong_wait(config, change),
    };
    Some(law)
}

fn needed(config: &BreakerConfig) -> u32 {
    match config.half_open_decision {
        HalfOpenDecision::AllProbes => config.half_open_probes,
        HalfOpenDecision::Successes(successes) => successes,
    }
}

fn wrong_wait(config: &BreakerConfig, change: Transition) -> Option<&'static str> {
    let jitter = |span: Span| span.mul_ratio(u64::from(config.open_jitter_ppm), 1_000_000);
    let shortest = config.open_for.saturating_sub(jitter(config.open_for)).max(Span::from_nanos(1));
    let longest = config.open_cap + jitter(config.open_cap);
    let expected = if change.to == State::Open { shortest..=longest } else { Span::ZERO..=Span::ZERO };
    (!expected.contains(&change.open_for))
        .then_some("a wait is between the first and the cap, but for its spread")
}

proptest! {
    #[test]
    fn every_history_keeps_the_laws(config in any_config(), steps in steps(true, false)) {
        let config = BreakerConfig { late_results: LateResults::Drop, ..config };
        prop_assert_eq!(broken_law(&config, &drive(&config, &steps, true, Mutant::None)), None);
        prop_assert_eq!(broken_law(&config, &drive(&config, &steps, false, Mutant::None)), None);
    }

    #[test]
    fn it_decides_as_the_dumber_breaker_does(
        config in any_config(), seed in any::<u64>(), steps in steps(true, true),
    ) {
        prop_assert_eq!(config.validate().err(), config.clone().validate().err());
        let mut breaker = Breaker::new(config.clone()).with_seed(seed);
        prop_assert_eq!(difference(&mut breaker, &mut Model::new(&config, seed), &steps), None);
    }

    #[test]
    fn it_decides_alike_whether_a_timer_rings_or_not(config in any_config(), steps in steps(false, false)) {
        let decisions = |timer| {
            let log = drive(&config, &steps, timer, Mutant::None);
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
        let mut sliding = Window::new(WindowConfig::Sliding { length: ms(700), max_calls: 1_000 });
        let mut list: Vec<(u64, Tally)> = Vec::new();
        let mut now = 0;
        let sum = |calls: &mut dyn Iterator<Item = &(u64, Tally)>| {
            let mut sum = Tally::default();
            calls.for_each(|(_, tally)| sum.add(*tally));
            sum
        };
        for (pause, failed, slow) in history {
            now += pause;
            for window in [&mut by_count, &mut by_time, &mut sliding] {
                window.record(at(now), failed, slow);
            }
            list.push((now, Tally::of(failed, slow)));
            prop_assert_eq!(by_count.total(), sum(&mut list.iter().rev().take(calls as usize)));
            let alive = |recorded: u64| recorded / 300 + u64::from(buckets) > now / 300;
            prop_assert_eq!(by_time.total(), sum(&mut list.iter().filter(|(recorded, _)| alive(*recorded))));
            prop_assert_eq!(sliding.total(), sum(&mut list.iter().filter(|(recorded, _)| recorded + 700 > now)));
            for window in [&by_count, &by_time, &sliding] {
                prop_assert_eq!(window.recounted(), window.total());
            }
        }
    }

    #[test]
    fn no_config_and_no_history_makes_it_panic(
        numbers in any::<(u32, u32, u32, u32, u32, u32)>(), spans in any::<(u64, u64, u64, u64)>(),
        shape in 0u8..3, options in any::<(bool, bool, bool, bool, bool)>(),
        history in prop::collection::vec((0u8..7, any::<u64>(), any::<(u32, u64)>()), 0..60),
    ) {
        let (size, min_requests, open_at_ppm, slow_at_ppm, growth, probes) = numbers;
        let (size, length) = (size % 5_000, Span::from_nanos(spans.0));
        let config = BreakerConfig {
            window: match shape {
                0 => WindowConfig::Time { length, buckets: size },
                1 => WindowConfig::Count { calls: size },
                _ => WindowConfig::Sliding { length, max_calls: size },
            },
            min_requests,
            open_at_ppm,
            slow_at_ppm,
            slow_call: options.0.then_some(Span::from_nanos(spans.1)),
            failures_in_window: options.2.then_some(min_requests % 3),
            consecutive_failures: options.1.then_some(min_requests % 3),
            open_for: Span::from_nanos(spans.2),
            open_growth_milli: growth,
            open_cap: Span::from_nanos(spans.3),
            open_jitter_ppm: slow_at_ppm,
            half_open_by: if options.3 { HalfOpenBy::Lazy } else { HalfOpenBy::Timer },
            half_open_probes: probes % 4,
            half_open_decision: HalfOpenDecision::Successes(probes % 6),
            half_open_max_wait: Span::from_nanos(spans.1),
            late_results: if options.4 { LateResults::Count } else { LateResults::Drop },
        };
        let mut breaker = Breaker::new(config.clone()).with_seed(spans.0);
        let front = SharedBreaker::new(config.clone());
        for (what, ns, (number, probe)) in history {
            let now = Time::from_nanos(ns);
            let generation = breaker.generation().wrapping_sub(u64::from(number % 2));
            let permit = Permit { generation, probe: probe % 3 };
            let to = State::ALL[number as usize % 6];
            match what {
                0 => drop((breaker.try_acquire(now), front.try_acquire(now))),
                1 => drop((
                    breaker.record(now, permit, Recorded::Failure, Span::MAX),
                    front.record(now, permit, Recorded::Failure, Span::MAX),
                )),
                2 => drop(breaker.record(now, permit, Recorded::Success, Span::ZERO)),
                3 => breaker.expire(now),
                4 => drop((breaker.command(now, to), front.command(now, to))),
                5 => drop((breaker.metrics(now), front.metrics(now))),
                _ => breaker.reconfigure(config.clone(), now),
            }
            let _ = (breaker.deadline(), breaker.take_transition());
        }
    }
}

/// Every rule in play: short windows, spread and growing waits, slow calls.
fn busy() -> BreakerConfig {
    BreakerConfig {
        window: WindowConfig::Sliding { length: ms(400), max_calls: 30 },
        open_jitter_ppm: 300_000,
        half_open_probes: 3,
        ..small()
    }
}

fn histories(jumps: bool) -> Vec<Vec<Step>> {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let draw = |_| steps(false, jumps).new_tree(&mut runner).expect("a history can be drawn").current();
    (0..200).map(draw).collect()
}

#[test]
fn the_laws_catch_every_breaker_that_breaks_one() {
    let histories = histories(false);
    let caught = |mutant| {
        let broken = |steps: &Vec<Step>| broken_law(&busy(), &drive(&busy(), steps, true, mutant));
        histories.iter().filter(|steps| broken(steps).is_some()).count()
    };
    assert_eq!(caught(Mutant::None), 0);
    // Of what the others do wrong, the log alone shows nothing: the dumber breaker is for them.
    for mutant in [
        Mutant::OneProbeTooMany,
        Mutant::LateResultCounts,
        Mutant::NoMinimum,
        Mutant::CancelLeaks,
        Mutant::IgnoredCounts,
    ] {
        assert!(caught(mutant) > 0, "{mutant:?} got away with it");
    }
}

#[test]
fn the_dumber_breaker_catches_every_breaker_that_differs() {
    let histories = histories(true);
    let caught = |mutant| {
        let differs = |steps: &Vec<Step>| {
            difference(&mut Mutated::new(&busy(), 7, mutant), &mut Model::new(&busy(), 7), steps)
        };
        histories.iter().filter(|steps| differs(steps).is_some()).count()
    };
    assert_eq!(caught(Mutant::None), 0);
    for mutant in Mutant::ALL {
        assert!(caught(mutant) > 0, "{mutant:?} got away with it");
    }
}
