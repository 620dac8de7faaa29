//! Sweeps: the rules of the proposal in numbers, beside floating point, and over random histories.

use super::*;
use proptest::prelude::*;

const fn counts(succeeded: u64, failed: u64) -> CallCounts {
    CallCounts { succeeded, failed }
}

fn outliers(rule: &dyn OutlierRule, interval: &[CallCounts]) -> Vec<usize> {
    let mut found = Vec::new();
    rule.outliers(interval, &mut found);
    found
}

/// Gives every endpoint calls of an interval that begins at `from` ms, then sweeps at its end.
fn interval(detector: &mut OutlierDetector, from: u64, calls: &[(u64, u64)]) -> Vec<Ejection> {
    for (endpoint, (succeeded, failed)) in calls.iter().enumerate() {
        for number in 0..succeeded + failed {
            detector.record(at(from), endpoint, number < *succeeded);
        }
    }
    detector.expire(at(from + 10_000));
    std::iter::from_fn(|| detector.take_ejection()).collect()
}

fn only_rates(max_ejected_ppm: u32) -> OutlierConfig {
    OutlierConfig { max_ejected_ppm, ..OutlierConfig::grpc() }
}

#[test]
fn one_that_always_fails_among_four_that_never_do_is_1_9_deviations_below() {
    let rule = SuccessRate::default();
    // Mean 80 %, deviation 40 %: the threshold is 4 %.
    let mut calls = [counts(100, 0); 5];
    calls[3] = counts(0, 100);
    assert_eq!(outliers(&rule, &calls), [3]);
    calls[3] = counts(10, 90);
    assert_eq!(outliers(&rule, &calls), [3], "the deviation shrinks with the distance");
    // At two deviations, the most there can be among five, nobody is ever below.
    let never = SuccessRate { sd_factor_milli: 2_000, ..rule };
    calls[3] = counts(0, 100);
    assert_eq!(outliers(&never, &calls), [0usize; 0]);
    assert_eq!(outliers(&SuccessRate { sd_factor_milli: 1_999, ..rule }, &calls), [3]);
}

#[test]
fn rates_are_not_compared_without_enough_endpoints_or_calls() {
    let rule = SuccessRate::default();
    let bad_and = |good: usize| [vec![counts(0, 100)], vec![counts(100, 0); good]].concat();
    assert_eq!(outliers(&rule, &bad_and(3)), [0usize; 0]);
    assert_eq!(outliers(&rule, &bad_and(4)), [0]);
    let mut few_calls = bad_and(5);
    few_calls[0] = counts(0, 99);
    assert_eq!(outliers(&rule, &few_calls), [0usize; 0]);
    assert_eq!(outliers(&rule, &[counts(50, 50); 9]), [0usize; 0], "all alike, none below");
    assert_eq!(outliers(&SuccessRate { sd_factor_milli: 0, ..rule }, &bad_and(4)), [0], "below the mean");
}

#[test]
fn a_failure_percentage_needs_no_comparison() {
    let rule = FailurePercentage::default();
    let calls = [counts(0, 100), counts(15, 85), counts(16, 84), counts(0, 49), counts(5, 45), counts(90, 0)];
    assert_eq!(outliers(&rule, &calls), [0, 1, 4]);
    assert_eq!(outliers(&rule, &calls[..4]), [0usize; 0], "three endpoints with enough calls are too few");
}

#[test]
fn sweeps_eject_the_worst_first_and_keep_to_the_cap() {
    let mut detector = OutlierDetector::new(only_rates(400_000), 6);
    let calls = [(10, 90), (0, 100), (100, 0), (5, 95), (100, 0), (100, 0)];
    let ejected = interval(&mut detector, 0, &calls);
    let told: Vec<(usize, EjectionReason)> = ejected.iter().map(|e| (e.endpoint, e.reason)).collect();
    assert_eq!(
        told,
        [(1, EjectionReason::FailurePercentage), (3, EjectionReason::FailurePercentage)],
        "three of six failing are no outliers of the rest, but they fail too often"
    );
    assert_eq!(detector.ejected_until(at(10_000), 1), Some(at(40_000)));
    assert_eq!((detector.max_ejected(), detector.deadline()), (2, Some(at(20_000))));
    assert_eq!(detector.call_counts(0), CallCounts::default(), "each interval begins anew");
}

#[test]
fn each_ejection_lasts_longer_up_to_the_longest_and_each_sweep_forgives_one() {
    let config = OutlierConfig { max_ejection: Span::from_secs(70), ..only_rates(200_000) };
    let mut detector = OutlierDetector::new(config, 5);
    let calls = [(0, 100), (100, 0), (100, 0), (100, 0), (100, 0)];
    // Ejected at 10 s for 30 s; back at 40 s.
    for (from, times, until) in [(0, 1, 40), (40_000, 1, 80), (80_000, 1, 120)] {
        let ejected = interval(&mut detector, from, &calls);
        assert_eq!(ejected.len(), 1);
        let held = (ejected[0].times, ejected[0].until);
        assert_eq!(held, (times, at(until * 1_000)), "one sweep in rotation forgave one");
    }
    let unforgiving = OutlierConfig { forgiven_after: None, ..config };
    let mut detector = OutlierDetector::new(unforgiving, 5);
    for (from, times, until) in [(0, 1, 40), (40_000, 2, 110), (110_000, 3, 190), (190_000, 4, 270)] {
        let ejected = interval(&mut detector, from, &calls);
        assert_eq!((ejected[0].times, ejected[0].until), (times, at(until * 1_000)));
    }
}

#[test]
fn without_a_timer_the_next_result_sweeps() {
    let mut detector = OutlierDetector::new(only_rates(200_000), 5);
    assert_eq!(detector.deadline(), None);
    for endpoint in (0..5).cycle().take(500) {
        detector.record(at(3), endpoint, endpoint != 2);
    }
    assert_eq!(detector.deadline(), Some(at(10_003)));
    detector.record(at(10_002), 0, true);
    assert!(!detector.is_ejected(at(10_002), 2));
    detector.record(at(25_000), 0, true);
    assert!(detector.is_ejected(at(25_000), 2));
    assert_eq!((detector.deadline(), detector.call_counts(0).total()), (Some(at(35_000)), 1));
}

#[test]
fn an_outlier_is_ejected_as_often_as_the_rule_is_enforced() {
    let rule = FailurePercentage { enforced_ppm: 250_000, ..FailurePercentage::default() };
    let config =
        OutlierConfig { success_rate: None, failure_percentage: Some(rule), ..only_rates(1_000_000) };
    let calls = [(0, 50), (50, 0), (50, 0), (50, 0), (50, 0)];
    let ejected = (0..400).filter(|seed| {
        let mut detector = OutlierDetector::new(config, 5).with_seed(*seed);
        !interval(&mut detector, 0, &calls).is_empty()
    });
    // 100 expected, standard deviation 8.7.
    assert!(ejected.count().abs_diff(100) < 35);
}

#[test]
fn at_least_one_may_go_if_it_is_not_the_only_one() {
    let config = OutlierConfig { at_least_one: true, ..OutlierConfig::default() };
    assert_eq!([1, 2, 9, 10, 25].map(|endpoints| config.max_ejected(endpoints)), [0, 1, 1, 1, 2]);
}

#[test]
fn a_balancer_panics_below_its_threshold() {
    let config =
        OutlierConfig { consecutive_failures: 1, max_ejected_ppm: 750_000, ..OutlierConfig::default() };
    let mut detector = OutlierDetector::new(config, 4);
    for (endpoint, panics) in [(0, false), (1, false), (2, true)] {
        assert!(detector.record(at(0), endpoint, false));
        assert_eq!(detector.in_panic(at(0), 500_000), panics);
    }
    assert!(!detector.in_panic(at(30_000), 500_000), "all are back");
    assert!(!OutlierDetector::new(config, 0).in_panic(at(0), 500_000));
}

/// Calls whoever was called at all an outlier.
struct Everybody;

impl OutlierRule for Everybody {
    fn outliers(&self, interval: &[CallCounts], outliers: &mut Vec<usize>) {
        outliers.extend((0..interval.len()).filter(|endpoint| interval[*endpoint].total() > 0));
        outliers.extend([7_000, 0]);
    }
}

#[test]
fn a_driver_brings_its_own_rule_and_the_cap_still_holds() {
    let mut detector = OutlierDetector::new(only_rates(400_000), 5);
    for (endpoint, ok) in [(1, true), (2, false), (3, false), (3, true)] {
        detector.record(at(0), endpoint, ok);
    }
    assert_eq!(detector.eject_outliers(at(1), &Everybody), 2);
    let ejected: Vec<usize> = (0..5).filter(|endpoint| detector.is_ejected(at(1), *endpoint)).collect();
    assert_eq!(ejected, [2, 3], "the worst of them");
}

#[test]
fn what_cannot_work_with_so_many_endpoints_is_said_beforehand() {
    let config = OutlierConfig::envoy();
    let said = |config: &OutlierConfig, endpoints| {
        config.warnings(endpoints).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(said(&config, 10), "");
    assert!(said(&config, 9).contains("raise max_ejected_ppm"));
    let three = said(&OutlierConfig { max_ejected_ppm: 500_000, ..config }, 4);
    assert!(three.contains("lower minimum_hosts") && three.contains("at most 1732 thousandths"), "{three}");
    assert!(config.warnings(0).len() == 3);
}

/// The success-rate rule as the proposal words it, in floating point; `None` where it is too close to call.
fn in_floating_point(rule: &SuccessRate, interval: &[CallCounts]) -> Option<Vec<usize>> {
    let judged: Vec<(usize, f64)> = (0..)
        .zip(interval)
        .filter(|(_, counts)| counts.total() >= u64::from(rule.request_volume))
        .map(|(endpoint, counts)| (endpoint, counts.succeeded as f64 / counts.total() as f64))
        .collect();
    if judged.len() < rule.minimum_hosts as usize {
        return Some(Vec::new());
    }
    let count = judged.len().max(1) as f64;
    let mean = judged.iter().map(|(_, rate)| rate).sum::<f64>() / count;
    let variance = judged.iter().map(|(_, rate)| (rate - mean) * (rate - mean)).sum::<f64>() / count;
    let threshold = mean - variance.sqrt() * f64::from(rule.sd_factor_milli) / 1e3;
    let close = judged.iter().any(|(_, rate)| (rate - threshold).abs() < 1e-6);
    let below = judged.iter().filter(|(_, rate)| *rate < threshold).map(|(endpoint, _)| *endpoint);
    (!close).then(|| below.collect())
}

/// Broken on purpose: divides by one less, as the deviation of a sample does.
fn sample_deviation(rule: &SuccessRate, interval: &[CallCounts]) -> Vec<usize> {
    let count =
        interval.iter().filter(|counts| counts.total() >= u64::from(rule.request_volume)).count() as f64;
    let wider = f64::from(rule.sd_factor_milli) * (count / (count - 1.0).max(1.0)).sqrt();
    outliers(&SuccessRate { sd_factor_milli: wider as u32, ..*rule }, interval)
}

fn any_interval() -> impl Strategy<Value = Vec<CallCounts>> {
    let calls = prop_oneof![Just((100u64, 0u64)), (0u64..200, 0u64..200), (90u64..100, 0u64..5)];
    prop::collection::vec(calls.prop_map(|(succeeded, failed)| counts(succeeded, failed)), 0..14)
}

proptest! {
    #[test]
    fn integers_find_the_outliers_that_floating_point_finds(
        interval in any_interval(), sd_factor_milli in 0u32..3_500, minimum_hosts in 0u32..7,
        request_volume in 1u32..150,
    ) {
        let rule = SuccessRate { sd_factor_milli, minimum_hosts, request_volume, enforced_ppm: 1_000_000 };
        if let Some(expected) = in_floating_point(&rule, &interval) {
            prop_assert_eq!(outliers(&rule, &interval), expected);
        }
    }

    #[test]
    fn the_cap_holds_and_whoever_is_ejected_comes_back(
        share_ppm in 1u32..=1_000_000, at_least_one in any::<bool>(), endpoints in 0usize..9,
        history in prop::collection::vec((0usize..9, 0u8..10, 0u64..3_000), 0..400),
    ) {
        let easy = SuccessRate { sd_factor_milli: 800, minimum_hosts: 2, request_volume: 3, ..SuccessRate::default() };
        let config = OutlierConfig {
            success_rate: Some(easy), consecutive_failures: 4, at_least_one, ..only_rates(share_ppm)
        };
        let mut detector = OutlierDetector::new(config, endpoints);
        let (mut now, mut taken) = (0, 0);
        for (endpoint, what, pause) in history {
            now += pause;
            if what == 9 {
                detector.expire(at(now));
            } else {
                detector.record(at(now), endpoint, !(what as usize + endpoint).is_multiple_of(4));
            }
            while let Some(ejection) = detector.take_ejection() {
                taken += 1;
                let span = ejection.until.since(ejection.at);
                prop_assert!((Span::from_secs(30)..=Span::from_secs(300)).contains(&span));
                prop_assert!(detector.is_ejected(at(now), ejection.endpoint));
                prop_assert!(!detector.is_ejected(ejection.until, ejection.endpoint));
            }
            prop_assert!(detector.ejected(at(now)) <= config.max_ejected(endpoints));
            prop_assert!(endpoints < 2 || detector.ejected(at(now)) < endpoints || share_ppm == 1_000_000);
        }
        prop_assert_eq!((detector.ejections(), detector.lost_ejections()), (taken, 0));
    }

    #[test]
    fn nothing_makes_it_panic(
        numbers in any::<(u32, u32, u32, u32)>(), spans in any::<(u64, u64, u64)>(),
        history in prop::collection::vec((0u8..6, any::<u64>(), 0usize..9), 0..80),
    ) {
        let (small, share_ppm, sd_factor_milli, enforced_ppm) = numbers;
        let minimum_hosts = small % 4;
        let config = OutlierConfig {
            consecutive_failures: small % 3,
            success_rate: Some(SuccessRate { sd_factor_milli, minimum_hosts, request_volume: small % 2, enforced_ppm }),
            failure_percentage: Some(FailurePercentage {
                failing_at_ppm: share_ppm, minimum_hosts, request_volume: 0, enforced_ppm,
            }),
            interval: Span::from_nanos(spans.0 >> (small % 64)),
            base_ejection: Span::from_nanos(spans.1),
            max_ejection: Span::from_nanos(spans.2),
            forgiven_after: Some(Span::from_nanos(spans.2 >> (small % 64))),
            max_ejected_ppm: share_ppm,
            at_least_one: small % 2 == 0,
        };
        let mut detector = OutlierDetector::new(config, 3);
        for (what, ns, number) in history {
            let now = Time::from_nanos(ns);
            match what {
                0 | 1 => drop(detector.record(now, number, what == 0)),
                2 => detector.resize(number),
                3 => detector.expire(now),
                4 => drop(detector.eject_outliers(now, &Everybody)),
                _ => detector.reconfigure(config),
            }
            let _ = (detector.ejected_until(now, number), detector.deadline(), config.warnings(number));
        }
    }
}

#[test]
fn the_deviation_of_a_sample_in_place_of_the_populations_is_caught() {
    let rule = SuccessRate::default();
    // Six endpoints: a single bad one is 2.24 deviations of the population below, 2.04 of the sample.
    let rule = SuccessRate { sd_factor_milli: 2_100, ..rule };
    let calls = [vec![counts(0, 100)], vec![counts(100, 0); 5]].concat();
    assert_eq!(in_floating_point(&rule, &calls), Some(vec![0]));
    assert_eq!(outliers(&rule, &calls), [0]);
    assert_eq!(sample_deviation(&rule, &calls), [0usize; 0]);
}
