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
        (backoff(BackoffKind::Power { exponent: 4 }, 1, 1_000, Jitter::None), [1, 16, 81, 256, 625, 1_000]),
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
            assert_eq!(
                config.delay(&Pauses::after(failed), 99),
                ms(expected_ms),
                "{config:?} after {failed}"
            );
        }
    }
}

#[test]
fn the_random_word_runs_through_the_interval_of_its_jitter() {
    let cases = [
        (Jitter::None, 80, 80, 80),
        (Jitter::Full, 0, 40, 80),
        (Jitter::Equal, 40, 60, 80),
        (Jitter::GRPC, 64, 80, 96),
        (Jitter::POLLY, 60, 80, 100),
    ];
    for (jitter, lowest, middle, highest) in cases {
        let config = backoff(DOUBLING, 5, 100, jitter);
        let delay = |entropy| config.delay(&Pauses::after(5), entropy);
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
    let at_cap =
        words(3).take(1_000).filter(|word| config.delay(&Pauses::after(30), *word) == ms(100)).count();
    assert_eq!((config.delay(&Pauses::after(30), 0), at_cap), (ms(80), 0));
}

#[test]
fn decorrelated_delays_start_from_the_base_and_triple_at_most() {
    let config = backoff(BackoffKind::Decorrelated, 5, 100, Jitter::None);
    let delay =
        |failed, previous, entropy| config.delay(&Pauses { previous, ..Pauses::after(failed) }, entropy);
    assert_eq!(delay(1, Span::ZERO, 0), ms(5));
    assert_eq!(delay(1, Span::ZERO, u64::MAX), ms(15));
    assert_eq!(delay(2, ms(15), u64::MAX), ms(45));
    assert_eq!(delay(3, ms(45), u64::MAX), ms(100));
    assert_eq!(delay(4, ms(100), 0), ms(5));
}

#[test]
fn the_fourth_power_of_seconds_reaches_its_cap_however_many_attempts_there_were() {
    let river = BackoffConfig {
        kind: BackoffKind::Power { exponent: 4 },
        base: Span::from_secs(1),
        cap: Span::MAX,
        jitter: Jitter::None,
        first_exponent: 0,
    };
    // 2^63 ns is where River stops counting; 2^64 ns, between 368 and 369, is where a span ends.
    for (failed, seconds) in [(25, 390_625), (310, 9_235_210_000), (368, 18_339_659_776)] {
        assert_eq!(river.delay(&Pauses::after(failed), 0), Span::from_secs(seconds));
    }
    for failed in [369, 1_000_000, u32::MAX] {
        assert_eq!(river.delay(&Pauses::after(failed), 0), Span::MAX);
    }
}

#[test]
fn pauses_of_polly_add_up_to_its_curve_and_their_medians_double() {
    let polly = BackoffConfig {
        kind: BackoffKind::DecorrelatedV2,
        cap: Span::from_secs(1 << 20),
        ..backoff(DOUBLING, 1_000, 1, Jitter::None)
    };
    // f(t) = 2^t * tanh(2 * sqrt(t)) / 1.4 at t = 0.5, 1.5, 2.5, 3.5, 4.5.
    let curve_ms = [897.4, 1_990.4, 4_026.2, 8_072.1, 16_155.8];
    let mut pauses = Pauses::FIRST;
    let mut total = Span::ZERO;
    for expected_ms in curve_ms {
        let pause = polly.delay(&pauses, 1 << 63);
        total += pause;
        let off = total.as_nanos() as f64 / 1e6 - expected_ms;
        assert!(off.abs() < 1.0, "{total} for {expected_ms} ms");
        pauses = pauses.then(pause, 1 << 63);
    }
    let mut medians = Vec::new();
    for failed in 1..=6u32 {
        let pairs = words(1).zip(words(2)).take(4_001);
        let mut drawn: Vec<Span> = pairs
            .map(|(previous_entropy, entropy)| {
                polly.delay(&Pauses { previous_entropy, ..Pauses::after(failed) }, entropy)
            })
            .collect();
        drawn.sort_unstable();
        medians.push(drawn[2_000].as_nanos() as f64 / 1e9);
    }
    for (median, doubled) in medians.iter().zip([1.0, 1.0, 2.0, 4.0, 8.0, 16.0]) {
        assert!((median / doubled - 1.0f64).abs() < 0.35, "{medians:?}");
    }
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
                words(u64::from(failed)).take(DRAWS).map(|word| config.delay(&Pauses::after(failed), word));
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
        (BackoffConfig { kind: BackoffKind::Power { exponent: 0 }, ..fine }, "use 1 (linear)"),
        (BackoffConfig { kind: BackoffKind::Power { exponent: 17 }, ..fine }, "to 16"),
        (BackoffConfig { jitter: Jitter::Proportional { ppm: 1_000_001 }, ..fine }, "at most 1000000"),
        (BackoffConfig { jitter: Jitter::Factor { ppm: 2_000_002 }, ..fine }, "at most 1000000"),
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
        BudgetConfig::TokenBucket {
            capacity: 10,
            retry_cost: 0,
            timeout_cost: 1,
            throttling_cost: 1,
            success_return: 1,
        },
        BudgetConfig::TokenBucket {
            capacity: 10,
            retry_cost: 11,
            timeout_cost: 12,
            throttling_cost: 13,
            success_return: 1,
        },
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
        any::<u32>().prop_map(|exponent| BackoffKind::Power { exponent }),
        (1u32..6).prop_map(|exponent| BackoffKind::Power { exponent }),
        Just(BackoffKind::Decorrelated),
        Just(BackoffKind::DecorrelatedV2),
    ]
}

fn any_jitter() -> impl Strategy<Value = Jitter> {
    prop_oneof![
        Just(Jitter::None),
        Just(Jitter::Full),
        Just(Jitter::Equal),
        any::<u32>().prop_map(|ppm| Jitter::Proportional { ppm }),
        (0u32..1_000_000).prop_map(|ppm| Jitter::Proportional { ppm }),
        any::<u32>().prop_map(|ppm| Jitter::Factor { ppm }),
        (0u32..2_000_000).prop_map(|ppm| Jitter::Factor { ppm }),
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
        BackoffKind::Power { exponent } => {
            let attempt = u128::from(step) + 1;
            let power = attempt.checked_pow(exponent).unwrap_or(u128::MAX);
            exactly(base.saturating_mul(power))
        }
        BackoffKind::Decorrelated | BackoffKind::DecorrelatedV2 => exactly(base),
    }
}

/// The interval a delay may lie in.
fn allowed(config: &BackoffConfig, failed: u32, previous: Span) -> RangeInclusive<u128> {
    let wide = |span: Span| u128::from(span.as_nanos());
    let (base, cap) = (wide(config.base), wide(config.cap));
    if config.kind == BackoffKind::Decorrelated {
        return base.min(cap)..=(wide(previous).max(base) * 3).min(cap);
    }
    if config.kind == BackoffKind::DecorrelatedV2 {
        // 2^n / 1.4 of the base, and a margin for rounding.
        let highest = base as f64 * libm::exp2(f64::from(failed.clamp(1, 100))) / 1.4 * 1.000_001;
        return 0..=(highest as u128).saturating_add(1).min(cap);
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
        Jitter::Factor { ppm } => {
            let ppm = u128::from(ppm / 2).min(1_000_000);
            lowest - lowest * ppm / 1_000_000..=(highest + highest * ppm / 1_000_000).min(cap)
        }
    }
}

proptest! {
    #[test]
    fn every_delay_lies_in_the_interval_of_its_jitter_and_below_the_cap(
        config in any_backoff(), failed in any_attempt(), previous in any_span(), entropy in any::<u64>(),
        previous_entropy in any::<u64>(),
    ) {
        let pauses = Pauses { failed_attempts: failed, previous, previous_entropy };
        let delay = config.delay(&pauses, entropy);
        prop_assert!(delay <= config.cap);
        let allowed = allowed(&config, failed, previous);
        prop_assert!(allowed.contains(&u128::from(delay.as_nanos())), "{delay} not in {allowed:?}");
    }

    #[test]
    fn a_pause_never_shrinks_as_attempts_go_on(config in any_backoff(), failed in 1u32..5_000) {
        let unspread = |failed| config.unspread(&Pauses::after(failed));
        let grows = match config.kind {
            BackoffKind::Exponential { multiplier_milli } => multiplier_milli >= 1_000,
            BackoffKind::Constant
            | BackoffKind::Linear
            | BackoffKind::Fibonacci
            | BackoffKind::Power { .. }
            | BackoffKind::Decorrelated => true,
            // Its upper end grows as well, but goes up from where the previous pause ended.
            BackoffKind::DecorrelatedV2 => false,
        };
        prop_assert!(!grows || unspread(failed + 1) >= unspread(failed));
    }
}
