//! The log of changes: any number of readers, nothing silently lost.

use super::*;

fn flip(breaker: &SharedBreaker, times: usize) {
    for _ in 0..times {
        let to = if breaker.state() == State::Disabled { State::ForcedOpen } else { State::Disabled };
        breaker.command(at(0), to).expect("listed");
    }
}

#[test]
fn every_reader_sees_every_change_once_and_in_order() {
    let breaker = SharedBreaker::new(small());
    let (mut early, mut late) = (LogCursor::default(), LogCursor::default());
    let (mut seen_early, mut seen_late) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        flip(&breaker, 3);
        breaker.read_transitions(&mut early, &mut seen_early);
    }
    breaker.read_transitions(&mut late, &mut seen_late);
    assert_eq!(seen_early, seen_late);
    let numbers: Vec<u64> = seen_early.iter().map(|change| change.generation).collect();
    assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
    assert_eq!((early.missed(), late.missed()), (0, 0));
}

#[test]
fn a_reader_that_comes_too_late_is_told_how_much_it_missed() {
    let breaker = SharedBreaker::new(small());
    let (mut cursor, mut seen) = (LogCursor::default(), Vec::new());
    flip(&breaker, LOG_LENGTH + 5);
    breaker.read_transitions(&mut cursor, &mut seen);
    assert_eq!((seen.len(), cursor.missed()), (LOG_LENGTH, 5));
    flip(&breaker, 2);
    breaker.read_transitions(&mut cursor, &mut seen);
    assert_eq!((seen.len(), cursor.missed()), (LOG_LENGTH + 2, 5));
}

#[test]
fn a_driver_of_a_plain_breaker_keeps_the_same_log_itself() {
    let (mut breaker, mut log) = (Breaker::new(fragile()), TransitionLog::default());
    let permit = breaker.try_acquire(at(5)).expect("closed");
    breaker.record(at(9), permit, Recorded::Failure, ms(4));
    breaker.expire(at(2_000));
    while let Some(change) = breaker.take_transition() {
        log.push(change);
    }
    let told: Vec<(State, Reason, Time, u64, Span)> =
        log.iter().map(|c| (c.to, c.reason, c.at, c.tally.failures, c.open_for)).collect();
    assert_eq!(
        told,
        [
            (State::Open, Reason::ConsecutiveFailures, at(9), 1, ms(1_000)),
            (State::HalfOpen, Reason::WaitOver, at(1_009), 0, Span::ZERO),
        ]
    );
}
