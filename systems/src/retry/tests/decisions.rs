//! The one rule that decides.

use super::delays::any_backoff;
use super::*;

const FAILED: FailedAttempt = FailedAttempt::FIRST;

const fn again(pause_ms: u64) -> RetryDecision {
    RetryDecision::RetryAfter(ms(pause_ms))
}

const fn no(reason: GiveUpReason) -> RetryDecision {
    RetryDecision::GiveUp(reason)
}

fn config() -> RetryConfig {
    RetryConfig {
        max_attempts: 3,
        backoff: backoff(DOUBLING, 100, 1_000, Jitter::None),
        throttling_base: Some(ms(300)),
        pushback: PushbackRule::Lengthen { longest: ms(5_000) },
        max_transparent: 1,
    }
}

fn after(ms: u64) -> Pushback {
    Pushback::After(Span::from_millis(ms))
}

#[test]
fn one_rule_decides_and_says_why_not() {
    let second = FailedAttempt { attempt: 2, pauses: Pauses::after(2), ..FAILED };
    let left = |ms| Some(Span::from_millis(ms));
    let cases = [
        ("the first failure", FAILED, again(100)),
        ("the second failure", second, again(200)),
        (
            "throttling has a base of its own",
            FailedAttempt { cause: RetryCause::Throttling, ..second },
            again(600),
        ),
        ("all attempts made", FailedAttempt { attempt: 3, ..FAILED }, no(GiveUpReason::AttemptsExhausted)),
        ("more than all", FailedAttempt { attempt: u32::MAX, ..FAILED }, no(GiveUpReason::AttemptsExhausted)),
        ("no point", FailedAttempt { retryable: false, ..FAILED }, no(GiveUpReason::NotRetryable)),
        ("time for a pause and more", FailedAttempt { time_left: left(101), ..FAILED }, again(100)),
        (
            "time for the pause alone",
            FailedAttempt { time_left: left(100), ..FAILED },
            no(GiveUpReason::DeadlineTooClose),
        ),
        (
            "no time for the fastest answer",
            FailedAttempt { time_left: left(120), least_service: ms(20), ..FAILED },
            no(GiveUpReason::DeadlineTooClose),
        ),
        (
            "asked to wait past the deadline",
            FailedAttempt { pushback: after(900), time_left: left(500), ..FAILED },
            no(GiveUpReason::DeadlineTooClose),
        ),
    ];
    for (what, failed, expected) in cases {
        assert_eq!(config().decide(&failed, None, Time::ZERO, 0), expected, "{what}");
    }
}

#[test]
fn a_call_that_may_have_had_its_effect_is_repeated_only_if_that_does_no_harm() {
    let twice = RetryDecision::Resend;
    let cases = [
        // progress, idempotent, transparent retries so far, expected
        (Progress::Unknown, true, 0, again(100)),
        (Progress::Unknown, false, 0, no(GiveUpReason::NotIdempotent)),
        (Progress::NotSent, false, 0, twice),
        (Progress::NotProcessed, false, 0, twice),
        (Progress::NotProcessed, true, 0, twice),
        (Progress::NotSent, false, 1, again(100)),
        (Progress::NotProcessed, true, 1, again(100)),
        (Progress::Committed, true, 0, no(GiveUpReason::Committed)),
        (Progress::Committed, false, 0, no(GiveUpReason::Committed)),
    ];
    for (progress, idempotent, transparent, expected) in cases {
        let failed = FailedAttempt { progress, idempotent, transparent, ..FAILED };
        assert_eq!(config().decide(&failed, None, Time::ZERO, 0), expected, "{failed:?}");
    }
    let last = FailedAttempt { attempt: 3, progress: Progress::NotSent, ..FAILED };
    assert_eq!(config().decide(&last, None, Time::ZERO, 0), twice, "it does not count");
    let late = FailedAttempt { time_left: Some(Span::ZERO), ..last };
    assert_eq!(config().decide(&late, None, Time::ZERO, 0), no(GiveUpReason::DeadlineTooClose));
    let pushed_back = FailedAttempt { pushback: after(150), progress: Progress::NotProcessed, ..FAILED };
    assert_eq!(
        config().decide(&pushed_back, None, Time::ZERO, 0),
        again(150),
        "not at once against its word"
    );
}

#[test]
fn a_server_is_believed_as_far_as_the_rule_says() {
    let lengthen = PushbackRule::Lengthen { longest: ms(5_000) };
    let replace = PushbackRule::Replace { longest: ms(5_000) };
    let extra = PushbackRule::OwnAndUpTo { extra: ms(5_000) };
    let cases = [
        // rule, asked, pause where the own one is 100 ms
        (lengthen, after(700), again(700)),
        (lengthen, after(7), again(100)),
        (lengthen, Pushback::After(Span::MAX), again(5_000)),
        (replace, after(700), again(700)),
        (replace, after(7), again(7)),
        (replace, Pushback::After(Span::MAX), again(5_000)),
        (extra, after(700), again(700)),
        (extra, after(7), again(100)),
        (extra, Pushback::After(Span::MAX), again(5_100)),
        (PushbackRule::Ignore, after(700), again(100)),
        (PushbackRule::Ignore, Pushback::Stop, again(100)),
        (lengthen, Pushback::Stop, no(GiveUpReason::ToldToStop)),
        (replace, Pushback::Stop, no(GiveUpReason::ToldToStop)),
        (extra, Pushback::Stop, no(GiveUpReason::ToldToStop)),
    ];
    for (pushback, asked, expected) in cases {
        let config = RetryConfig { pushback, ..config() };
        let failed = FailedAttempt { pushback: asked, ..FAILED };
        assert_eq!(config.decide(&failed, None, Time::ZERO, 0), expected, "{pushback:?}, {asked:?}");
    }
}

#[test]
fn a_pace_of_the_users_own_is_one_method() {
    struct OnTheMinute;
    impl Backoff for OnTheMinute {
        fn delay(&self, pauses: &Pauses, _entropy: u64) -> Span {
            Span::from_secs(60 * u64::from(pauses.failed_attempts))
        }
    }
    let second = FailedAttempt { attempt: 2, pauses: Pauses::after(2), ..FAILED };
    assert_eq!(config().propose_at(&OnTheMinute, &second, 0), again(120_000));
}

#[test]
fn the_policies_of_the_systems_that_made_them_known() {
    assert_eq!(RetryConfig::aws().validate(), Ok(()));
    assert_eq!(RetryConfig::aws_legacy().validate(), Ok(()));
    let longest = |config: RetryConfig, cause, attempt| {
        let failed = FailedAttempt { attempt, pauses: Pauses::after(attempt), cause, ..FAILED };
        config.decide(&failed, None, Time::ZERO, u64::MAX)
    };
    assert_eq!(longest(RetryConfig::aws(), RetryCause::Failure, 2), again(100));
    assert_eq!(longest(RetryConfig::aws(), RetryCause::Throttling, 2), again(2_000));
    assert_eq!(longest(RetryConfig::aws_legacy(), RetryCause::Throttling, 1), again(1_000));
    assert_eq!(longest(RetryConfig::aws(), RetryCause::Failure, 3), no(GiveUpReason::AttemptsExhausted));

    let grpc = RetryConfig::grpc(9, ms(100), ms(1_000), 2_000);
    assert_eq!(grpc.validate(), Ok(()));
    assert_eq!(longest(grpc, RetryCause::Failure, 4), again(960), "800 ms times 1.2");
    assert_eq!(longest(grpc, RetryCause::Failure, 5), no(GiveUpReason::AttemptsExhausted), "9 count as 5");
    assert_eq!(RetryConfig::NEVER.decide(&FAILED, None, Time::ZERO, 0), no(GiveUpReason::AttemptsExhausted));
}

#[test]
fn a_retry_that_is_not_made_costs_the_budget_nothing() {
    let config = RetryConfig { max_attempts: 2, ..RetryConfig::default() };
    let mut budget = Budget::new(BudgetConfig::TokenBucket {
        capacity: 10,
        retry_cost: 5,
        timeout_cost: 10,
        throttling_cost: 5,
        success_return: 1,
    });
    let hopeless = [
        FailedAttempt { retryable: false, ..FAILED },
        FailedAttempt { attempt: 2, ..FAILED },
        FailedAttempt { time_left: Some(Span::ZERO), ..FAILED },
        FailedAttempt { progress: Progress::NotSent, ..FAILED },
        FailedAttempt { pushback: Pushback::Stop, ..FAILED },
    ];
    for failed in hopeless {
        let decision = config.decide(&failed, Some(&mut budget), Time::ZERO, 0);
        assert!(!matches!(decision, RetryDecision::RetryAfter(_)), "{failed:?}");
    }
    assert_eq!((budget.tokens_milli(Time::ZERO), budget.granted(), budget.refused()), (10_000, 0, 0));

    let timed_out = FailedAttempt { cause: RetryCause::Timeout, ..FAILED };
    assert_eq!(config.decide(&timed_out, Some(&mut budget), Time::ZERO, 0), again(0));
    let refused = no(GiveUpReason::BudgetExhausted);
    assert_eq!(config.decide(&FAILED, Some(&mut budget), Time::ZERO, 0), refused);
    assert_eq!((budget.tokens_milli(Time::ZERO), budget.granted(), budget.refused()), (0, 1, 1));
}

/// What breaks the rule on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mutant {
    None,
    CountsFromZero,
    IgnoresTheDeadline,
    ForgetsTheCapOfTheServer,
}

/// Plays one call whose every attempt takes `service` and fails; the law is checked on the way.
fn play(
    config: &RetryConfig,
    (deadline, service, asked): (Span, Span, Pushback),
    seed: u64,
    mutant: Mutant,
) -> Result<(), String> {
    let most_attempts = config.max_attempts.max(1);
    let give_up_at = Time::ZERO + deadline;
    let (mut attempt, mut pauses, mut now) = (1u32, Pauses::FIRST, Time::ZERO + service.min(deadline));
    for entropy in words(seed).take(100) {
        let mut failed = FailedAttempt { attempt, pauses, pushback: asked, least_service: service, ..FAILED };
        failed.time_left = Some(give_up_at.since(now));
        let mut config = *config;
        match mutant {
            Mutant::None => {}
            Mutant::CountsFromZero => failed.attempt -= 1,
            Mutant::IgnoresTheDeadline => failed.time_left = None,
            Mutant::ForgetsTheCapOfTheServer => {
                config.pushback = PushbackRule::Lengthen { longest: Span::MAX };
            }
        }
        let RetryDecision::RetryAfter(pause) = config.decide(&failed, None, now, entropy) else {
            return Ok(());
        };
        (attempt, pauses, now) = (attempt + 1, pauses.then(pause, entropy), now + pause + service);
        if attempt > most_attempts {
            return Err(format!("attempt {attempt} of {most_attempts}"));
        }
        if now >= give_up_at {
            return Err(format!("an attempt that ends at {now:?}, after {give_up_at:?}"));
        }
        let longest = match config_bound(&config) {
            Some(longest) if mutant == Mutant::None => longest.max(config.backoff.cap),
            Some(_) | None => ms(6_000).max(config.backoff.cap),
        };
        if pause > longest && mutant != Mutant::CountsFromZero {
            return Err(format!("a pause of {pause} on the server's word"));
        }
    }
    Ok(())
}

fn config_bound(config: &RetryConfig) -> Option<Span> {
    match config.pushback {
        PushbackRule::Ignore => Some(Span::ZERO),
        PushbackRule::Lengthen { longest } | PushbackRule::Replace { longest } => Some(longest),
        PushbackRule::OwnAndUpTo { extra } => Some(config.backoff.cap + extra),
    }
}

fn any_rule() -> impl Strategy<Value = PushbackRule> {
    prop_oneof![
        Just(PushbackRule::Ignore),
        any_span().prop_map(|longest| PushbackRule::Lengthen { longest }),
        any_span().prop_map(|longest| PushbackRule::Replace { longest }),
        any_span().prop_map(|extra| PushbackRule::OwnAndUpTo { extra }),
    ]
}

proptest! {
    #[test]
    fn a_call_keeps_to_its_attempts_its_deadline_and_the_bound_on_the_servers_word(
        max_attempts in 0u32..20, backoff in any_backoff(), deadline in any_span(), seed in any::<u64>(),
        service in any_span(), asked in prop::option::of(any_span()), pushback in any_rule(),
    ) {
        let config = RetryConfig { max_attempts, backoff, pushback, ..RetryConfig::default() };
        let played = play(&config, (deadline, service, asked.into()), seed, Mutant::None);
        prop_assert_eq!(played, Ok(()));
    }
}

#[test]
fn a_rule_that_counts_from_zero_ignores_deadlines_or_believes_any_server_is_caught() {
    let config = RetryConfig {
        max_attempts: 3,
        backoff: backoff(DOUBLING, 100, 1_000, Jitter::Full),
        pushback: PushbackRule::Lengthen { longest: ms(2_000) },
        ..RetryConfig::default()
    };
    let patient = (Span::from_secs(100), ms(1), Pushback::None);
    let hurried = (ms(150), ms(60), Pushback::None);
    let skewed = (Span::from_secs(100), ms(1), after(7_000));
    for (mutant, facts) in [
        (Mutant::CountsFromZero, patient),
        (Mutant::IgnoresTheDeadline, hurried),
        (Mutant::ForgetsTheCapOfTheServer, skewed),
    ] {
        assert_eq!(play(&config, facts, 1, Mutant::None), Ok(()));
        assert!(play(&config, facts, 1, mutant).is_err(), "{mutant:?} went unnoticed");
    }
}
