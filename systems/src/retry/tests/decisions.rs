//! The one rule that decides.

use super::delays::any_backoff;
use super::*;

/// A first failure that another attempt could mend.
const FAILED: FailedAttempt = FailedAttempt {
    attempt: 1,
    previous_delay: Span::ZERO,
    retryable: true,
    cause: RetryCause::Failure,
    retry_after: None,
    time_left: None,
};

#[test]
fn one_rule_decides_and_says_why_not() {
    let config = RetryConfig {
        max_attempts: 3,
        backoff: backoff(DOUBLING, 100, 1_000, Jitter::None),
        honour_retry_after: Some(ms(5_000)),
    };
    let deaf = RetryConfig { honour_retry_after: None, ..config };
    let again = |pause| RetryDecision::RetryAfter(ms(pause));
    let cases = [
        ("the first failure", config, FAILED, again(100)),
        ("the second failure", config, FailedAttempt { attempt: 2, ..FAILED }, again(200)),
        (
            "all attempts made",
            config,
            FailedAttempt { attempt: 3, ..FAILED },
            RetryDecision::GiveUp(GiveUpReason::AttemptsExhausted),
        ),
        (
            "more than all attempts",
            config,
            FailedAttempt { attempt: u32::MAX, ..FAILED },
            RetryDecision::GiveUp(GiveUpReason::AttemptsExhausted),
        ),
        (
            "unsafe to repeat",
            config,
            FailedAttempt { retryable: false, ..FAILED },
            RetryDecision::GiveUp(GiveUpReason::NotRetryable),
        ),
        (
            "the server asks for longer",
            config,
            FailedAttempt { retry_after: Some(ms(700)), ..FAILED },
            again(700),
        ),
        (
            "the server asks for less",
            config,
            FailedAttempt { retry_after: Some(ms(7)), ..FAILED },
            again(100),
        ),
        (
            "the server's clock is off",
            config,
            FailedAttempt { retry_after: Some(Span::MAX), ..FAILED },
            again(5_000),
        ),
        (
            "the server is not listened to",
            deaf,
            FailedAttempt { retry_after: Some(ms(700)), ..FAILED },
            again(100),
        ),
        (
            "time for a pause and more",
            config,
            FailedAttempt { time_left: Some(ms(101)), ..FAILED },
            again(100),
        ),
        (
            "time for the pause alone",
            config,
            FailedAttempt { time_left: Some(ms(100)), ..FAILED },
            RetryDecision::GiveUp(GiveUpReason::DeadlineTooClose),
        ),
        (
            "asked to wait past the deadline",
            config,
            FailedAttempt { retry_after: Some(ms(900)), time_left: Some(ms(500)), ..FAILED },
            RetryDecision::GiveUp(GiveUpReason::DeadlineTooClose),
        ),
    ];
    for (what, config, failed, expected) in cases {
        assert_eq!(config.decide(&failed, None, Time::ZERO, 0), expected, "{what}");
        let spelled_out = decide(
            &config,
            failed.attempt,
            failed.previous_delay,
            failed.retryable,
            failed.retry_after,
            failed.time_left,
            None,
            Time::ZERO,
            0,
        );
        assert_eq!(spelled_out, expected, "{what}");
    }
}

#[test]
fn a_retry_that_is_not_made_costs_the_budget_nothing() {
    let config = RetryConfig { max_attempts: 2, ..RetryConfig::default() };
    let mut budget = Budget::new(BudgetConfig::TokenBucket {
        capacity: 10,
        retry_cost: 5,
        timeout_cost: 10,
        success_return: 1,
    });
    let hopeless = [
        FailedAttempt { retryable: false, ..FAILED },
        FailedAttempt { attempt: 2, ..FAILED },
        FailedAttempt { time_left: Some(Span::ZERO), ..FAILED },
    ];
    for failed in hopeless {
        assert!(matches!(config.decide(&failed, Some(&mut budget), Time::ZERO, 0), RetryDecision::GiveUp(_)));
    }
    assert_eq!((budget.tokens_milli(Time::ZERO), budget.granted(), budget.refused()), (10_000, 0, 0));

    let timed_out = FailedAttempt { cause: RetryCause::Timeout, ..FAILED };
    assert_eq!(
        config.decide(&timed_out, Some(&mut budget), Time::ZERO, 0),
        RetryDecision::RetryAfter(Span::ZERO)
    );
    let refused = RetryDecision::GiveUp(GiveUpReason::BudgetExhausted);
    assert_eq!(config.decide(&FAILED, Some(&mut budget), Time::ZERO, 0), refused);
    assert_eq!((budget.tokens_milli(Time::ZERO), budget.granted(), budget.refused()), (0, 1, 1));
}

proptest! {
    #[test]
    fn a_call_never_makes_more_attempts_than_allowed_and_ends_before_its_deadline(
        max_attempts in 0u32..20, backoff in any_backoff(), deadline in any_span(), seed in any::<u64>(),
        asked in prop::option::of(any_span()), bound in prop::option::of(any_span()),
    ) {
        let config = RetryConfig { max_attempts, backoff, honour_retry_after: bound };
        let (mut attempt, mut previous_delay, mut now) = (1, Span::ZERO, Time::ZERO);
        for entropy in words(seed) {
            let time_left = Some((Time::ZERO + deadline).since(now));
            let failed = FailedAttempt { attempt, previous_delay, retry_after: asked, time_left, ..FAILED };
            let RetryDecision::RetryAfter(pause) = config.decide(&failed, None, now, entropy) else { break };
            (attempt, previous_delay, now) = (attempt + 1, pause, now + pause);
            prop_assert!(attempt <= max_attempts.max(1));
            prop_assert!(now < Time::ZERO + deadline);
        }
    }
}
