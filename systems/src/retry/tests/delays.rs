//! Golden delays, the reference means, and the interval every delay lies in.

use super::*;
use std::ops::RangeInclusive;

#[test]
fn delays_without_jitter_follow_their_formula() {
    let cases = [
        (backoff(BackoffKind::Constant, 7, 100, Jitter::None), [7, 7, 7, 7, 7, 7]),
        (backoff(BackoffKind::Linear, 7, 30, Jitter::None), [7, 14, 21, 28, 30, 30]),
        (backoff(DOUBLING, 5, 100, Jitter::None), [5, 10, 20, 40, 80, 100]),
        (
            backoff(BackoffKind::Exponential { multiplier_milli: 1_500 }, 16, 100, Jitter::None),
            [16, 24, 36, 54, 81, 100],
        ),
        (backoff(BackoffKind::Fibonacci, 10, 70, Jitter::None), [10, 10, 20, 30, 50, 70]),
        (
            BackoffConfig { first_exponent: 1, ..backoff(DOUBLING, 5, 100, Jitter::None) },
            [10, 20, 40, 80, 100, 100],
        ),
        (
            BackoffConfig { first_exponent: 1, ..backoff(BackoffKind::Fibonacci, 10, 70, Jitter::None) },
            [10, 20, 30, 50, 70, 70],
        ),
    ];
    for (config, expected) in cases {
        assert_eq!(config.validate(), Ok(()));
        for (failed, expected_ms) in (1..).zip(expected) {
            assert_eq!(config.delay(failed, Span::ZERO, 99), ms(expected_ms), "{config:?} after {failed}");
        }
    }
}

#[test]
fn the_random_word_runs_through_the_interval_of_its_jitter() {
    let cases = [
        (Jitter::None, 80, 80, 80),
        (Jitter::Full, 0, 40, 80),
        (Jitter::Equal, 40, 60, 80),
        (Jitter::Proportional { ppm: 200_000 }, 64, 80, 96),
    ];
    for (jitter, lowest, middle, highest) in cases {
        let config = backoff(DOUBLING, 5, 100, jitter);
        let delay = |entropy| config.delay(5, Span::ZERO, entropy);
        assert_eq!(
            (delay(0), delay(1 << 63), delay(u64::MAX)),
            (ms(lowest), ms(middle), ms(highest)),
            "{jitter:?}"
        );
    }
}

#[test]
fn proportional_jitter_does_not_pile_up_at_the_cap() {
    let config = backoff(DOUBLING, 5, 100, Jitter::Proportional { ppm: 200_000 });
    let at_cap = words(3).take(1_000).filter(|word| config.delay(30, Span::ZERO, *word) == ms(100)).count();
    assert_eq!((config.delay(30, Span::ZERO, 0), at_cap), (ms(80), 0));
}

#[test]
fn decorrelated_delays_start_from_the_base_and_triple_at_most() {
    let config = backoff(BackoffKind::Decorrelated, 5, 100, Jitter::None);
    assert_eq!(config.delay(1, Span::ZERO, 0), ms(5));
    assert_eq!(config.delay(1, Span::ZERO, u64::MAX), ms(15));
    assert_eq!(config.delay(2, ms(15), u64::MAX), ms(45));
    assert_eq!(config.delay(3, ms(45), u64::MAX), ms(100));
    assert_eq!(config.delay(4, ms(100), 0), ms(5));
}

/// Case `retry-fulljitter-means` of the project's reference cases: mean delays in milliseconds after attempts
/// 1 to 12, base 5 ms, cap 2000 ms. Origin: aws-samples/aws-arch-backoff-simulator, whose first back-off is 2
/// * base.
const MEANS: [(Jitter, [f64; 12]); 3] = [
    (Jitter::Full, [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1000.0, 1000.0, 1000.0, 1000.0]),
    (Jitter::Equal, [7.5, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1500.0, 1500.0, 1500.0, 1500.0]),
    (Jitter::None, [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 2000.0, 2000.0, 2000.0, 2000.0]),
];

#[test]
fn mean_delays_are_those_of_the_published_simulator() {
    const DRAWS: usize = 20_000;
    for (jitter, means) in MEANS {
        let config = BackoffConfig { first_exponent: 1, ..backoff(DOUBLING, 5, 2_000, jitter) };
        for (failed, expected_ms) in (1..).zip(means) {
            let delays =
                words(u64::from(failed)).take(DRAWS).map(|word| config.delay(failed, Span::ZERO, word));
            let mean_ms = delays.map(|delay| delay.as_nanos() as f64 / 1e6).sum::<f64>() / DRAWS as f64;
            let off = (mean_ms - expected_ms).abs() / expected_ms;
            assert!(off <= 0.015, "{jitter:?} after {failed}: {mean_ms} ms for {expected_ms} ms");
        }
    }
}

#[test]
fn a_config_out_of_range_is_refused_with_what_to_write_instead() {
    let fine = BackoffConfig::default();
    let cases = [
        (BackoffConfig { cap: ms(1), ..fine }, "raise the cap"),
        (BackoffConfig { first_exponent: 2, ..fine }, "use 0, or 1"),
        (
            BackoffConfig { kind: BackoffKind::Exponential { multiplier_milli: 999 }, ..fine },
            "use 1000 or more",
        ),
        (BackoffConfig { jitter: Jitter::Proportional { ppm: 1_000_001 }, ..fine }, "at most 1000000"),
    ];
    for (backoff, advice) in cases {
        let error = RetryConfig { backoff, ..RetryConfig::default() }.validate().unwrap_err();
        assert!(error.to_string().contains(advice), "{error}");
    }
    let none = RetryConfig { max_attempts: 0, ..RetryConfig::default() };
    assert_eq!(none.validate(), Err(RetryError::NoAttempts));
    assert_eq!(RetryConfig::default().validate(), Ok(()));

    let budgets = [
        BudgetConfig::Grpc { max_tokens_milli: 0, token_ratio_milli: 1 },
        BudgetConfig::Grpc { max_tokens_milli: 1_000_001, token_ratio_milli: 1 },
        BudgetConfig::Grpc { max_tokens_milli: 1_000, token_ratio_milli: 0 },
        BudgetConfig::TokenBucket { capacity: 10, retry_cost: 0, timeout_cost: 1, success_return: 1 },
        BudgetConfig::TokenBucket { capacity: 10, retry_cost: 11, timeout_cost: 12, success_return: 1 },
        BudgetConfig::Ratio { ratio_ppm: 10_000_001, reserve_per_s: 1, window: ms(1) },
        BudgetConfig::Ratio { ratio_ppm: 1, reserve_per_s: 1, window: Span::ZERO },
        BudgetConfig::Percent { percent_ppm: 1_000_001, min_in_flight: 1 },
    ];
    for budget in budgets {
        assert!(
            budget.validate().is_err_and(
                |error| error.to_string().contains("use ") || error.to_string().contains("raise ")
            )
        );
    }
}

fn any_kind() -> impl Strategy<Value = BackoffKind> {
    prop_oneof![
        Just(BackoffKind::Constant),
        Just(BackoffKind::Linear),
        any::<u32>().prop_map(|multiplier_milli| BackoffKind::Exponential { multiplier_milli }),
        (1_000u32..4_000).prop_map(|multiplier_milli| BackoffKind::Exponential { multiplier_milli }),
        Just(BackoffKind::Fibonacci),
        Just(BackoffKind::Decorrelated),
    ]
}

fn any_jitter() -> impl Strategy<Value = Jitter> {
    prop_oneof![
        Just(Jitter::None),
        Just(Jitter::Full),
        Just(Jitter::Equal),
        any::<u32>().prop_map(|ppm| Jitter::Proportional { ppm }),
        (0u32..1_000_000).prop_map(|ppm| Jitter::Proportional { ppm }),
    ]
}

prop_compose! {
    pub(super) fn any_backoff()(
        kind in any_kind(), base in any_span(), cap in any_span(), jitter in any_jitter(),
        first_exponent in 0u32..3,
    ) -> BackoffConfig {
        BackoffConfig { kind, base, cap, jitter, first_exponent }
    }
}

fn any_attempt() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..40, Just(1_000_000), any::<u32>()]
}

/// The delay before jitter, by the formula, step by step and with wide integers. Where a factor is not whole,
/// by floating point with a margin: the lowest and the highest it may be.
fn formula(config: &BackoffConfig, failed: u32) -> (u128, u128) {
    let (base, cap) = (u128::from(config.base.as_nanos()), u128::from(config.cap.as_nanos()));
    let step = failed.max(1) - 1 + config.first_exponent.min(u32::MAX - failed.max(1) + 1);
    let exactly = |delay: u128| (delay.min(cap), delay.min(cap));
    match config.kind {
        BackoffKind::Constant => exactly(base),
        BackoffKind::Linear => exactly(base * (u128::from(step) + 1)),
        BackoffKind::Exponential { multiplier_milli } => {
            let factor = f64::from(multiplier_milli) / 1_000.0;
            let mut delay = base as f64;
            for _ in 0..step.min(200_000) {
                if delay < 0.5 || delay > 2.0 * cap as f64 || multiplier_milli == 1_000 {
                    break;
                }
                delay *= factor;
            }
            let off = delay / 1e9;
            (((delay - off) as u128).saturating_sub(1).min(cap), ((delay + off) as u128 + 1).min(cap))
        }
        BackoffKind::Fibonacci => {
            let (mut this, mut next) = (base, base);
            for _ in 0..step.min(200) {
                if this >= cap {
                    break;
                }
                (this, next) = (next, this + next);
            }
            exactly(this)
        }
        BackoffKind::Decorrelated => exactly(base),
    }
}

/// The interval a delay may lie in.
fn allowed(config: &BackoffConfig, failed: u32, previous: Span) -> RangeInclusive<u128> {
    let wide = |span: Span| u128::from(span.as_nanos());
    let (base, cap) = (wide(config.base), wide(config.cap));
    if config.kind == BackoffKind::Decorrelated {
        return base.min(cap)..=(wide(previous).max(base) * 3).min(cap);
    }
    let (lowest, highest) = formula(config, failed);
    match config.jitter {
        Jitter::None => lowest..=highest,
        Jitter::Full => 0..=highest,
        Jitter::Equal => lowest / 2..=highest,
        Jitter::Proportional { ppm } => {
            let ppm = u128::from(ppm.min(1_000_000));
            lowest - lowest * ppm / 1_000_000..=(highest + highest * ppm / 1_000_000).min(cap)
        }
    }
}

proptest! {
    #[test]
    fn every_delay_lies_in_the_interval_of_its_jitter_and_below_the_cap(
        config in any_backoff(), failed in any_attempt(), previous in any_span(), entropy in any::<u64>(),
    ) {
        let delay = config.delay(failed, previous, entropy);
        prop_assert!(delay <= config.cap);
        let allowed = allowed(&config, failed, previous);
        prop_assert!(allowed.contains(&u128::from(delay.as_nanos())), "{delay} not in {allowed:?}");
    }

    #[test]
    fn a_pause_never_shrinks_as_attempts_go_on(config in any_backoff(), failed in 1u32..5_000) {
        let unspread = |failed| config.unspread(failed, Span::ZERO);
        let grows = match config.kind {
            BackoffKind::Exponential { multiplier_milli } => multiplier_milli >= 1_000,
            BackoffKind::Constant
            | BackoffKind::Linear
            | BackoffKind::Fibonacci
            | BackoffKind::Decorrelated => true,
        };
        prop_assert!(!grows || unspread(failed + 1) >= unspread(failed));
    }
}
