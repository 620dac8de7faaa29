//! Stories of ejections, and the laws over random histories.

use super::*;
use proptest::prelude::*;

fn three_failures(max_ejected_ppm: u32) -> OutlierConfig {
    OutlierConfig {
        consecutive_failures: 3,
        base_ejection: Span::from_millis(1_000),
        max_ejected_ppm,
        ..OutlierConfig::default()
    }
}

/// Lets an endpoint fail until it is ejected or `times` are over.
fn fail(detector: &mut OutlierDetector, now: u64, endpoint: usize, times: usize) -> bool {
    (0..times).any(|_| detector.record(at(now), endpoint, false))
}

#[test]
fn failures_in_a_row_eject_for_the_base_time() {
    let mut detector = OutlierDetector::new(three_failures(500_000), 4);
    assert!(!fail(&mut detector, 0, 1, 2));
    assert!(!detector.record(at(0), 1, true), "a success begins the count anew");
    assert!(!fail(&mut detector, 0, 1, 2));
    assert!(detector.record(at(0), 1, false));
    assert_eq!(detector.ejected_until(at(0), 1), Some(at(1_000)));
    assert!(detector.is_ejected(at(999), 1) && !detector.is_ejected(at(1_000), 1));
    assert!((0..4).filter(|endpoint| *endpoint != 1).all(|endpoint| !detector.is_ejected(at(0), endpoint)));
}

#[test]
fn each_ejection_lasts_longer_and_good_conduct_is_credited() {
    let mut detector = OutlierDetector::new(three_failures(500_000), 4);
    for (now, until) in [(0, 1_000), (1_000, 3_000), (3_500, 6_500)] {
        assert!(fail(&mut detector, now, 0, 3));
        assert_eq!(detector.ejected_until(at(now), 0), Some(at(until)));
    }
    // Two and a half base times in rotation take two of three off.
    assert!(fail(&mut detector, 9_000, 0, 3));
    assert_eq!(detector.ejected_until(at(9_000), 0), Some(at(11_000)));
    assert!(fail(&mut detector, 999_000, 0, 3));
    assert_eq!(detector.ejected_until(at(999_000), 0), Some(at(1_000_000)));
    assert_eq!(detector.ejections(), 5);
}

#[test]
fn late_results_about_an_ejected_endpoint_do_not_count() {
    let mut detector = OutlierDetector::new(three_failures(500_000), 4);
    assert!(fail(&mut detector, 0, 0, 3));
    assert!(!fail(&mut detector, 500, 0, 50));
    assert!(!fail(&mut detector, 1_000, 0, 2), "it comes back with a clean count");
}

#[test]
fn no_more_than_the_share_is_ejected_and_a_free_place_is_taken_at_once() {
    let mut detector = OutlierDetector::new(three_failures(400_000), 5);
    assert!(fail(&mut detector, 0, 0, 3) && fail(&mut detector, 100, 1, 3));
    assert!(!fail(&mut detector, 200, 2, 50));
    assert_eq!((detector.ejected(at(200)), detector.max_ejected()), (2, 2));
    assert!(detector.record(at(1_000), 2, false), "endpoint 0 is back");
}

#[test]
fn a_share_of_less_than_one_endpoint_ejects_nobody() {
    let mut detector = OutlierDetector::new(three_failures(100_000), 3);
    assert!(!fail(&mut detector, 0, 0, 1_000));
    assert_eq!(detector.max_ejected(), 0);
}

#[test]
fn fewer_endpoints_call_those_back_that_were_due_first() {
    let mut detector = OutlierDetector::new(three_failures(500_000), 6);
    for (now, endpoint) in [(30, 0), (10, 1), (20, 2)] {
        assert!(fail(&mut detector, now, endpoint, 3));
    }
    detector.resize(4);
    let ejected: Vec<usize> = (0..4).filter(|endpoint| detector.is_ejected(at(40), *endpoint)).collect();
    assert_eq!(ejected, [0, 2]);
    detector.reconfigure(three_failures(250_000));
    assert_eq!((detector.ejected(at(40)), detector.is_ejected(at(40), 0)), (1, true));
    detector.forget(0);
    assert_eq!((detector.ejected(at(40)), detector.len(), detector.is_empty()), (0, 4, false));
    detector.resize(0);
    assert!(detector.is_empty() && !detector.record(at(50), 0, false) && !detector.is_ejected(at(50), 7));
}

#[test]
fn a_config_out_of_range_is_refused_with_what_to_write_instead() {
    for preset in [OutlierConfig::default(), OutlierConfig::envoy(), OutlierConfig::grpc()] {
        assert_eq!(preset.validate(), Ok(()));
    }
    let fine = OutlierConfig { max_ejected_ppm: 1, ..OutlierConfig::grpc() };
    let (rate, share) = (SuccessRate::default(), FailurePercentage::default());
    let cases = [
        OutlierConfig { consecutive_failures: 0, ..three_failures(1) },
        OutlierConfig { base_ejection: Span::ZERO, ..fine },
        OutlierConfig { max_ejected_ppm: 0, ..fine },
        OutlierConfig { max_ejected_ppm: 1_000_001, ..fine },
        OutlierConfig { interval: Span::ZERO, ..fine },
        OutlierConfig { forgiven_after: Some(Span::ZERO), ..fine },
        OutlierConfig { success_rate: Some(SuccessRate { request_volume: 0, ..rate }), ..fine },
        OutlierConfig { success_rate: Some(SuccessRate { enforced_ppm: 0, ..rate }), ..fine },
        OutlierConfig { failure_percentage: Some(FailurePercentage { failing_at_ppm: 0, ..share }), ..fine },
        OutlierConfig {
            failure_percentage: Some(FailurePercentage { failing_at_ppm: 1_000_001, ..share }),
            ..fine
        },
        OutlierConfig { failure_percentage: Some(FailurePercentage { request_volume: 0, ..share }), ..fine },
    ];
    for config in cases {
        assert!(config.validate().is_err_and(|error| error.to_string().contains("use ")), "{config:?}");
    }
}

proptest! {
    #[test]
    fn ejections_follow_failures_and_never_pass_the_share(
        share_ppm in 0u32..=1_000_000, limit in 1u32..4, endpoints in 0usize..8,
        history in prop::collection::vec((0usize..8, 0u8..10, 0u64..900), 0..300),
    ) {
        let config = OutlierConfig { consecutive_failures: limit, ..three_failures(share_ppm) };
        let mut detector = OutlierDetector::new(config, endpoints);
        let mut failures = [0u32; 8];
        let mut now = 0;
        for (endpoint, what, pause) in history {
            now += pause;
            if what == 9 {
                detector.resize(endpoint);
                failures[endpoint.min(8)..].fill(0);
            } else {
                let was_ejected = detector.is_ejected(at(now), endpoint);
                let ejected = detector.record(at(now), endpoint, what < 3);
                if endpoint < detector.len() && !was_ejected {
                    failures[endpoint] = if what < 3 { 0 } else { failures[endpoint] + 1 };
                }
                if ejected {
                    let after = failures[endpoint];
                    prop_assert!(after >= limit, "ejected after {after} failures");
                    failures[endpoint] = 0;
                }
                prop_assert_eq!(detector.is_ejected(at(now), endpoint), was_ejected || ejected);
            }
            let most = detector.len() as u64 * u64::from(share_ppm) / 1_000_000;
            prop_assert!(detector.ejected(at(now)) as u64 <= most);
            if (detector.ejected(at(now)) as u64) < most {
                let overdue = endpoint < detector.len() && failures[endpoint] >= limit;
                prop_assert!(!overdue, "there was room to eject");
            }
        }
    }
}
