//! The adaptive limit: what it does to a client, bounds, and nonsense. The published rows stand in the vectors.

use super::*;

fn at(ms: u64) -> Time {
    Time::ZERO + Span::from_millis(ms)
}

#[test]
fn a_client_that_was_never_throttled_is_never_held() {
    let mut limiter = AdaptiveLimiter::new(AdaptiveConfig::default());
    for request in 0..1_000 {
        assert_eq!(limiter.reserve(at(request), Span::ZERO), Ok(Span::ZERO));
        limiter.on_answer(at(request), false);
    }
    assert!(!limiter.is_enabled());
}

#[test]
fn throttling_cuts_to_seven_tenths_of_what_was_sent_and_time_brings_it_back() {
    let mut limiter = AdaptiveLimiter::new(AdaptiveConfig::default());
    (1..=500).for_each(|request| limiter.on_answer(at(request * 10), false));
    let sent = limiter.measured_per_s();
    assert!((95.0..=100.0).contains(&sent), "{sent}");
    limiter.on_answer(at(5_010), true);
    let cut = limiter.fill_per_s();
    assert!((cut / sent - 0.7).abs() < 0.02, "{cut} of {sent}");
    for request in 502..=3_000 {
        limiter.on_answer(at(request * 10), false);
    }
    assert!(limiter.fill_per_s() > sent, "{}", limiter.fill_per_s());
    assert!(limiter.fill_per_s() <= 2.0 * limiter.measured_per_s());
}

#[test]
fn a_token_that_has_not_come_in_yet_can_be_waited_for_or_left() {
    let mut limiter = AdaptiveLimiter::new(AdaptiveConfig::default());
    limiter.on_answer(Time::ZERO, true);
    assert!((limiter.fill_per_s() - 0.5).abs() < 1e-12, "half a request a second at the least");
    let refused = limiter.reserve(Time::ZERO, Span::from_secs(1));
    assert_eq!(refused, Err(RateTooLow { wait: Span::from_secs(2) }));
    assert_eq!(limiter.reserve(Time::ZERO, Span::MAX), Ok(Span::from_secs(2)), "nothing was taken before");
    assert_eq!(limiter.reserve(Time::ZERO, Span::MAX), Ok(Span::from_secs(4)), "behind the first");
    assert_eq!(limiter.reserve(at(6_000), Span::ZERO), Ok(Span::ZERO));
}

#[test]
fn constants_out_of_range_are_refused_with_the_range() {
    let usual = AdaptiveConfig::default();
    assert_eq!(usual.validate(), Ok(()));
    let cases = [
        (AdaptiveConfig { beta_milli: 1_000, ..usual }, "beta_milli 1000: use 1 to 999"),
        (AdaptiveConfig { scale_milli: 0, ..usual }, "scale_milli 0: use 1 to 1000000"),
        (AdaptiveConfig { smooth_milli: 1_001, ..usual }, "smooth_milli 1001: use 1 to 1000"),
        (AdaptiveConfig { min_fill_milli: 0, ..usual }, "min_fill_milli 0: use 1"),
        (AdaptiveConfig { min_capacity_milli: 999, ..usual }, "min_capacity_milli 999: use 1000"),
    ];
    for (config, advice) in cases {
        let error = config.validate().unwrap_err().to_string();
        assert!(error.starts_with(advice), "{error}");
    }
}

/// What an attempt does to the limit.
#[derive(Clone, Copy, Debug)]
enum Step {
    Reserve,
    Answer { throttled: bool },
}

/// Everything that has to be true after each step.
fn broken_law(config: AdaptiveConfig, limiter: &AdaptiveLimiter) -> Option<String> {
    let (fill, tokens, measured) = (limiter.fill_per_s(), limiter.tokens(), limiter.measured_per_s());
    let least = f64::from(config.min_fill_milli) / 1e3;
    let burst = fill.max(f64::from(config.min_capacity_milli) / 1e3);
    let law = |holds: bool, what: &str| (!holds).then(|| format!("{what}: {limiter:?}"));
    law(fill.is_finite() && tokens.is_finite() && measured.is_finite(), "a number is none")
        .or_else(|| law(measured >= 0.0, "less than nothing was measured"))
        .or_else(|| law(!limiter.is_enabled() || fill >= least, "below the lowest rate"))
        .or_else(|| law(fill <= least.max(2.0 * measured), "more than double of what is sent"))
        .or_else(|| law(tokens <= burst, "more saved up than a burst"))
}

proptest! {
    #[test]
    fn whatever_the_constants_and_the_clock_every_number_stays_one(
        numbers in any::<(u32, u32, u32, u32, u32)>(), usual in any::<bool>(),
        trace in prop::collection::vec((0u8..4, prop_oneof![any::<u64>(), 0u64..20_000_000_000]), 0..80),
    ) {
        let (beta_milli, scale_milli, smooth_milli, min_fill_milli, min_capacity_milli) = numbers;
        let wild =
            AdaptiveConfig { beta_milli, scale_milli, smooth_milli, min_fill_milli, min_capacity_milli };
        let config = if usual { AdaptiveConfig::default() } else { wild };
        let used = AdaptiveConfig {
            min_fill_milli: config.min_fill_milli.max(1),
            min_capacity_milli: config.min_capacity_milli.max(1_000),
            ..config
        };
        let mut limiter = AdaptiveLimiter::new(config);
        for (what, ns) in trace {
            let step = match what {
                0 | 1 => Step::Reserve,
                2 => Step::Answer { throttled: false },
                _ => Step::Answer { throttled: true },
            };
            match step {
                Step::Reserve => {
                    let _ = limiter.reserve(Time::from_nanos(ns), Span::from_secs(60));
                }
                Step::Answer { throttled } => limiter.on_answer(Time::from_nanos(ns), throttled),
            }
            prop_assert_eq!(broken_law(used, &limiter), None);
        }
    }
}

#[test]
fn attempts_that_wait_as_told_never_pass_the_rate() {
    let mut limiter = AdaptiveLimiter::new(AdaptiveConfig::default());
    (1..=200).for_each(|request| limiter.on_answer(at(request * 10), false));
    limiter.on_answer(at(2_010), true);
    let rate = limiter.fill_per_s();
    let mut starts: Vec<Time> = Vec::new();
    for request in 0..300 {
        let now = at(2_010 + request);
        if let Ok(wait) = limiter.reserve(now, Span::from_secs(3_600)) {
            starts.push(now + wait);
        }
    }
    let lasted = starts.iter().max().unwrap().since(at(2_010)).as_nanos() as f64 / 1e9;
    let most = rate * lasted + rate.max(1.0) + 1.0;
    assert_eq!(starts.len(), 300);
    assert!(300.0 <= most, "300 attempts in {lasted} s at {rate}/s");
}
