//! The same without a state machine: a loop as one would write it with blocking calls. Knows no hedges, no budget and
//! no commit point; for everything else the two have to agree to the nanosecond.

use super::*;
use crate::retry::tests::delays::any_backoff;

/// Times of all sendings, and the end.
fn plainly(config: &CallConfig, world: &World) -> (Vec<Time>, Time, CallEnd) {
    let deadline = config.overall_timeout.map_or(Time::MAX, |timeout| Time::ZERO + timeout);
    let (mut now, mut sent, mut pauses) = (Time::ZERO, Vec::new(), Pauses::FIRST);
    for attempt in 1u32.. {
        sent.push(now);
        let fate = world.fate(attempt);
        let answered = now + fate.takes;
        let given_up = config.attempt_timeout.map_or(Time::MAX, |timeout| now + timeout);
        let over = answered.min(given_up);
        if over >= deadline {
            return (sent, deadline, CallEnd::DeadlineExceeded);
        }
        now = over;
        let class = match fate.result {
            _ if given_up <= answered => FailureClass::Timeout,
            AttemptResult::Success => return (sent, now, CallEnd::Success { attempt }),
            AttemptResult::Failure(failure) => failure.class,
        };
        let pause = config.retry.backoff.delay(&pauses, world.word(attempt));
        let reason = if class == FailureClass::Permanent {
            Some(GiveUpReason::NotRetryable)
        } else if attempt >= config.retry.max_attempts {
            Some(GiveUpReason::AttemptsExhausted)
        } else if pause >= deadline.since(now) && deadline != Time::MAX {
            Some(GiveUpReason::DeadlineTooClose)
        } else {
            None
        };
        if let Some(reason) = reason {
            return (sent, now, CallEnd::Failed { reason, last: Some(class) });
        }
        pauses = pauses.then(pause, world.word(attempt));
        now += pause;
    }
    unreachable!("attempts are bounded")
}

fn compare(config: CallConfig, world: &World, told: &World) -> Result<(), String> {
    let (sent, at, end) = plainly(&config, world);
    let trace = drive(&client(config), told);
    let driven: Vec<Time> = trace
        .actions
        .iter()
        .filter(|(_, action)| matches!(action, Action::Send { .. }))
        .map(|(at, _)| *at)
        .collect();
    if driven != sent {
        return Err(format!("sent at {driven:?}, plainly at {sent:?}"));
    }
    if trace.end() != Some((at, end)) {
        return Err(format!("ended {:?}, plainly {at:?} {end:?}", trace.end()));
    }
    Ok(())
}

pub(super) fn any_fate() -> impl Strategy<Value = Fate> {
    let class = prop_oneof![
        4 => Just(FailureClass::Transient),
        1 => Just(FailureClass::Throttling),
        1 => Just(FailureClass::Timeout),
        1 => Just(FailureClass::Permanent),
    ];
    let result = prop_oneof![
        2 => Just(AttemptResult::Success),
        5 => class.prop_map(|class| AttemptResult::Failure(Failure::of(class))),
    ];
    (prop_oneof![0u64..400, Just(200), Just(1_000_000)], result).prop_map(|(takes_ms, result)| Fate {
        takes: ms(takes_ms),
        result,
        commits_after: None,
    })
}

proptest! {
    #[test]
    fn a_driven_call_is_a_plain_loop_to_the_nanosecond(
        fates in prop::collection::vec(any_fate(), 1..8), seed in any::<u64>(), max_attempts in 1u32..8,
        pace in any_backoff(), base in 0u64..300, attempt_timeout in prop::option::of(1u64..300),
        overall_timeout in prop::option::of(1u64..3_000),
    ) {
        let backoff = BackoffConfig {
            base: ms(base),
            cap: ms(1_000),
            first_exponent: pace.first_exponent.min(1),
            jitter: Jitter::Full,
            kind: match pace.kind {
                BackoffKind::Exponential { .. } => DOUBLING,
                BackoffKind::Power { .. } => BackoffKind::Power { exponent: 2 },
                other => other,
            },
        };
        let config = CallConfig {
            retry: RetryConfig { max_attempts, backoff, throttling_base: None, ..RetryConfig::default() },
            attempt_timeout: attempt_timeout.map(Span::from_millis),
            overall_timeout: overall_timeout.map(Span::from_millis),
            ..config()
        };
        let world = World { seed, ..World::of(&fates) };
        prop_assert_eq!(compare(config, &world, &world), Ok(()));
    }
}

#[test]
fn a_state_machine_that_waits_or_counts_differently_is_told_from_the_loop() {
    let world = World::of(&[Fate::transient(10)]);
    assert_eq!(compare(config(), &world, &world), Ok(()));
    let later = World { seed: 2, ..world.clone() };
    let mut jittered = config();
    jittered.retry.backoff.jitter = Jitter::Full;
    assert!(compare(jittered, &world, &later).is_err(), "other words, other pauses");
    let sooner = World::of(&[Fate::transient(9)]);
    assert!(compare(config(), &world, &sooner).is_err(), "an answer of its own");
}
