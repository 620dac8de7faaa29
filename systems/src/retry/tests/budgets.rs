//! What each kind of budget does, the bound every window keeps, and mutants that break it.

use super::*;
use std::ops::Range;

#[test]
fn a_grpc_budget_stops_at_half_and_recovers_by_successes() {
    let mut budget = Budget::new(BudgetConfig::Grpc { max_tokens_milli: 10_000, token_ratio_milli: 100 });
    for failure in 1..=4 {
        budget.on_failure(Time::ZERO);
        assert!(budget.try_retry(Time::ZERO), "after {failure} failures {} are left", 10 - failure);
    }
    budget.on_failure(Time::ZERO);
    assert!(!budget.try_retry(Time::ZERO), "five of ten left is half");
    budget.on_success(Time::ZERO);
    assert!(budget.try_retry(Time::ZERO), "5.1 is more than half");
    for _ in 0..20 {
        budget.on_failure(Time::ZERO);
    }
    assert_eq!(budget.tokens_milli(Time::ZERO), 0);
}

#[test]
fn an_odd_number_of_grpc_tokens_is_halved_exactly() {
    let mut budget = Budget::new(BudgetConfig::Grpc { max_tokens_milli: 2_001, token_ratio_milli: 1 });
    budget.on_failure(Time::ZERO);
    assert!(budget.try_retry(Time::ZERO), "1.001 is more than half of 2.001");
    let mut even = Budget::new(BudgetConfig::Grpc { max_tokens_milli: 2_000, token_ratio_milli: 1 });
    even.on_failure(Time::ZERO);
    assert!(!even.try_retry(Time::ZERO), "1 is half of 2");
}

#[test]
fn an_aws_budget_returns_the_cost_of_the_retry_that_succeeded() {
    let config = BudgetConfig::TokenBucket {
        capacity: 20,
        retry_cost: 5,
        timeout_cost: 10,
        throttling_cost: 5,
        success_return: 1,
    };
    let mut budget = Budget::new(config);
    assert!(budget.try_retry_after(Time::ZERO, RetryCause::Timeout));
    assert!(budget.try_retry(Time::ZERO));
    assert_eq!(budget.tokens_milli(Time::ZERO), 5_000);
    assert!(!budget.try_retry_after(Time::ZERO, RetryCause::Timeout));
    budget.on_success_after_retry(Time::ZERO, RetryCause::Timeout);
    assert_eq!(budget.tokens_milli(Time::ZERO), 15_000);
    budget.on_success(Time::ZERO);
    assert_eq!(budget.tokens_milli(Time::ZERO), 16_000);
    budget.on_success_after_retry(Time::ZERO, RetryCause::Failure);
    assert_eq!(budget.tokens_milli(Time::ZERO), 20_000, "never above full");
}

#[test]
fn a_ratio_budget_spends_what_requests_deposit_and_forgets_it_after_the_window() {
    let window = Span::from_secs(10);
    let mut budget = Budget::new(BudgetConfig::Ratio { ratio_ppm: 200_000, reserve_per_s: 1, window });
    let at = |s| Time::ZERO + Span::from_secs(s);
    for _ in 0..50 {
        budget.on_request(at(0));
    }
    assert_eq!(budget.tokens_milli(at(0)), 20_000, "a fifth of 50, and a reserve of 1/s over 10 s");
    assert_eq!((0..100).filter(|_| budget.try_retry(at(3))).count(), 20);
    assert_eq!(budget.tokens_milli(at(9)), 0);
    assert_eq!(budget.tokens_milli(at(10)), 0, "the deposits are gone, the retries of second 3 still count");
    assert_eq!(budget.tokens_milli(at(13)), 10_000, "only the reserve is left");
    assert_eq!(budget.tokens_milli(Time::MAX), 10_000);
}

#[test]
fn a_ratio_budget_is_not_refilled_by_a_clock_that_jumps_back() {
    let window = Span::from_secs(10);
    let mut budget = Budget::new(BudgetConfig::Ratio { ratio_ppm: 0, reserve_per_s: 1, window });
    let at = |s| Time::ZERO + Span::from_secs(s);
    assert_eq!((0..100).filter(|_| budget.try_retry(at(100))).count(), 10);
    assert_eq!((0..100).filter(|_| budget.try_retry(at(5))).count(), 0);
    assert_eq!((0..100).filter(|_| budget.try_retry(at(110))).count(), 10);
}

#[test]
fn a_percent_budget_bounds_retries_in_flight_with_a_floor() {
    let mut budget = Budget::new(BudgetConfig::Percent { percent_ppm: 200_000, min_in_flight: 3 });
    let now = Time::ZERO;
    assert_eq!((0..10).filter(|_| budget.try_retry(now)).count(), 3, "the floor");
    for _ in 0..97 {
        budget.on_request(now);
    }
    assert_eq!(budget.attempts_in_flight(), 100);
    assert_eq!(
        (0..50).filter(|_| budget.try_retry(now)).count(),
        21,
        "24 of 121 with every grant counted in"
    );
    budget.on_success(now);
    budget.on_retry_finished(now);
    assert!(budget.try_retry(now), "one over, one more");
    for _ in 0..1_000 {
        budget.on_cancel(now);
        budget.on_retry_finished(now);
    }
    assert_eq!((budget.attempts_in_flight(), budget.retries_in_flight()), (0, 0), "never below zero");
}

#[test]
fn a_new_config_keeps_the_balance_of_the_same_kind() {
    let now = Time::ZERO;
    let mut bucket = Budget::new(BudgetConfig::TokenBucket {
        capacity: 20,
        retry_cost: 5,
        timeout_cost: 5,
        throttling_cost: 5,
        success_return: 0,
    });
    bucket.on_request(now);
    assert!(bucket.try_retry(now));
    for (capacity, left) in [(100, 15_000), (8, 8_000), (100, 8_000)] {
        bucket.reconfigure(
            BudgetConfig::TokenBucket {
                capacity,
                retry_cost: 5,
                timeout_cost: 5,
                throttling_cost: 5,
                success_return: 0,
            },
            now,
        );
        assert_eq!(bucket.tokens_milli(now), left);
    }
    bucket.reconfigure(BudgetConfig::Grpc { max_tokens_milli: 9_000, token_ratio_milli: 1 }, now);
    assert_eq!((bucket.tokens_milli(now), bucket.max_tokens_milli()), (9_000, Some(9_000)));
    assert_eq!((bucket.attempts_in_flight(), bucket.retries_in_flight()), (2, 1));

    let ratio = |reserve_per_s, s| BudgetConfig::Ratio {
        ratio_ppm: 100_000,
        reserve_per_s,
        window: Span::from_secs(s),
    };
    let mut budget = Budget::new(ratio(1, 10));
    (0..50).for_each(|_| budget.on_request(now));
    assert_eq!(budget.tokens_milli(now), 15_000);
    budget.reconfigure(ratio(3, 4), now);
    assert_eq!(budget.tokens_milli(now), 17_000, "the deposits stay, the reserve is the new one");
}

/// What happens to a budget in a trace: one of these, some time after the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Request,
    Success,
    SuccessAfterRetry,
    /// A failure, and the wish for a retry.
    Failure,
}

/// What a driver sees of a trace, with the time of each event.
struct Seen {
    step: Step,
    at: Time,
    granted: bool,
}

/// How a trace is played: faithfully, or with a fault the law has to catch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    None,
    RefundsTwice,
    DepositsTwice,
    ForgetsFailures,
}

fn play(config: BudgetConfig, trace: &[(Step, u32)], mutant: Mutant) -> Result<Vec<Seen>, String> {
    let mut budget = Budget::new(config);
    let mut now = Time::ZERO;
    let mut seen = Vec::new();
    for (step, pause_ms) in trace {
        now += ms(u64::from(*pause_ms));
        let mut granted = false;
        match step {
            Step::Request => {
                budget.on_request(now);
                if mutant == Mutant::DepositsTwice {
                    budget.on_request(now);
                }
            }
            Step::Success => budget.on_success(now),
            Step::SuccessAfterRetry => {
                budget.on_success_after_retry(now, RetryCause::Failure);
                if mutant == Mutant::RefundsTwice {
                    budget.on_success_after_retry(now, RetryCause::Failure);
                }
            }
            Step::Failure => {
                if mutant != Mutant::ForgetsFailures {
                    budget.on_failure(now);
                }
                granted = budget.try_retry(now);
                budget.on_retry_finished(now);
            }
        }
        let tokens = budget.tokens_milli(now);
        if budget.max_tokens_milli().is_some_and(|full| tokens > full) {
            return Err(format!("{tokens} thousandths are more than full"));
        }
        seen.push(Seen { step: *step, at: now, granted });
    }
    Ok(seen)
}

/// The most retries that a budget may grant in a window of a trace, in thousandths of a retry.
fn most_retries_milli(config: BudgetConfig, seen: &[Seen], window: Range<usize>) -> u64 {
    let count = |events: &[Seen], step| events.iter().filter(|seen| seen.step == step).count() as u64;
    let inside = &seen[window.clone()];
    match config {
        BudgetConfig::Grpc { max_tokens_milli, token_ratio_milli } => {
            let successes = count(inside, Step::Success) + count(inside, Step::SuccessAfterRetry);
            u64::from(max_tokens_milli).div_ceil(2) + successes * u64::from(token_ratio_milli)
        }
        BudgetConfig::TokenBucket { capacity, retry_cost, success_return, .. } => {
            let returned = count(inside, Step::Success) * u64::from(success_return)
                + count(inside, Step::SuccessAfterRetry) * u64::from(retry_cost);
            (u64::from(capacity) + returned) * 1_000 / u64::from(retry_cost)
        }
        BudgetConfig::Ratio { ratio_ppm, reserve_per_s, window: life } => {
            // Deposits count that were alive when the window began, or came later. Each life uses the reserve
            // once; a part of one counts as one, and the steps in which a window moves on may add another.
            let (first, last) = (seen[window.start].at, seen[window.end - 1].at);
            let alive = seen[..window.start].partition_point(|seen| seen.at + life <= first);
            let requests = count(&seen[alive..window.end], Step::Request);
            let lives = last.since(first).as_nanos() / life.as_nanos() + 2;
            let reserve_milli = u64::from(reserve_per_s) * life.as_nanos() / 1_000_000;
            requests * u64::from(ratio_ppm) / 1_000 + reserve_milli * lives
        }
        BudgetConfig::Percent { .. } => u64::MAX,
    }
}

/// The law: in every window, attempts <= requests * (1 + budget) + reserve.
fn broken_law(config: BudgetConfig, seen: &[Seen]) -> Option<String> {
    (0..seen.len()).find_map(|start| {
        let mut retries = 0;
        (start + 1..=seen.len()).find_map(|end| {
            retries += u64::from(seen[end - 1].granted);
            let most = most_retries_milli(config, seen, start..end);
            let broken = retries * 1_000 > most;
            broken.then(|| format!("{retries} retries in {start}..{end}, {most} thousandths allowed"))
        })
    })
}

const BUDGETS: [BudgetConfig; 4] = [
    BudgetConfig::Grpc { max_tokens_milli: 6_500, token_ratio_milli: 300 },
    BudgetConfig::TokenBucket {
        capacity: 50,
        retry_cost: 14,
        timeout_cost: 14,
        throttling_cost: 5,
        success_return: 1,
    },
    BudgetConfig::Ratio { ratio_ppm: 200_000, reserve_per_s: 2, window: Span::from_secs(1) },
    BudgetConfig::Ratio { ratio_ppm: 1_500_000, reserve_per_s: 0, window: Span::from_secs(2) },
];

fn any_step() -> impl Strategy<Value = (Step, u32)> {
    let step = prop_oneof![
        3 => Just(Step::Request),
        1 => Just(Step::Success),
        1 => Just(Step::SuccessAfterRetry),
        4 => Just(Step::Failure),
    ];
    (step, prop_oneof![4 => 0u32..40, 1 => 0u32..1_500])
}

/// The law of a percentage: retries in flight stay within the larger of the floor and the share of all attempts in
/// flight, at every grant. Plays requests, ends of attempts and wishes for retries; a mutant never reports the end.
fn percent_law(percent_ppm: u32, floor: u32, steps: &[u8], mutant_reports_ends: bool) -> Result<(), String> {
    let now = Time::ZERO;
    let mut budget = Budget::new(BudgetConfig::Percent { percent_ppm, min_in_flight: floor });
    // What is really in flight: first attempts, retries.
    let (mut first, mut retries) = (0u64, 0u64);
    for step in steps {
        match step % 4 {
            0 => {
                budget.on_request(now);
                first += 1;
            }
            1 if first > 0 => {
                first -= 1;
                budget.on_failure(now);
            }
            2 if retries > 0 => {
                budget.on_cancel(now);
                budget.on_retry_finished(now);
                retries -= u64::from(mutant_reports_ends);
            }
            _ => {
                if budget.try_retry(now) {
                    let most = u64::from(floor).max((first + retries) * u64::from(percent_ppm) / 1_000_000);
                    retries += 1;
                    if retries > most {
                        return Err(format!("{retries} retries beside {first} attempts, {most} allowed"));
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_percent_budget_that_takes_retries_for_ended_while_they_are_not_breaks_its_law() {
    let steps: Vec<u8> = words(5).take(400).map(|word| word as u8).collect();
    assert_eq!(percent_law(200_000, 3, &steps, true), Ok(()));
    assert!(percent_law(200_000, 3, &steps, false).is_err());
}

#[test]
fn budgets_in_wide_use_have_names_and_are_in_range() {
    for kind in BudgetKind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
        assert_eq!(kind.usual().validate(), Ok(()), "{kind}");
    }
    assert_eq!("none".parse::<BudgetKind>(), Err(UnknownBudget));
    let cost = |kind: BudgetKind, cause| {
        let mut budget = Budget::new(kind.usual());
        assert!(budget.try_retry_after(Time::ZERO, cause));
        500 - budget.tokens_milli(Time::ZERO) / 1_000
    };
    use RetryCause::{Failure, Throttling, Timeout};
    let costs = |kind| [Failure, Timeout, Throttling].map(|cause| cost(kind, cause));
    assert_eq!(costs(BudgetKind::Aws), [14, 14, 5]);
    assert_eq!(costs(BudgetKind::AwsLegacy), [5, 10, 5]);
}

proptest! {
    #[test]
    fn retries_in_flight_stay_within_their_percentage(
        percent_ppm in 0u32..=1_000_000, floor in 0u32..6, steps in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        prop_assert_eq!(percent_law(percent_ppm, floor, &steps, true), Ok(()));
    }

    #[test]
    fn retries_stay_within_the_budget_in_every_window(trace in prop::collection::vec(any_step(), 0..150)) {
        for config in BUDGETS {
            let seen = play(config, &trace, Mutant::None).map_err(TestCaseError::fail)?;
            prop_assert_eq!(broken_law(config, &seen), None, "{:?}", config);
        }
    }

    #[test]
    fn a_ratio_budget_decides_like_a_list_of_everything_that_happened(
        trace in prop::collection::vec(any_step(), 0..200),
    ) {
        let (ratio_ppm, reserve_per_s, window) = (300_000u32, 2u32, ms(1_000));
        let mut budget = Budget::new(BudgetConfig::Ratio { ratio_ppm, reserve_per_s, window });
        let mut entries: Vec<(u64, i64)> = Vec::new();
        let mut now = Time::ZERO;
        for (step, pause_ms) in trace {
            now += ms(u64::from(pause_ms));
            let moved_on = now.as_nanos() / 100_000_000;
            let alive = entries.iter().filter(|(step, _)| step + 10 > moved_on);
            let balance = alive.map(|(_, ppm)| ppm).sum::<i64>() + 2_000_000;
            prop_assert_eq!(budget.tokens_milli(now), balance.max(0) as u64 / 1_000);
            match step {
                Step::Request => {
                    budget.on_request(now);
                    entries.push((moved_on, i64::from(ratio_ppm)));
                }
                Step::Failure => {
                    let expected = balance >= 1_000_000;
                    prop_assert_eq!(budget.try_retry(now), expected);
                    if expected {
                        entries.push((moved_on, -1_000_000));
                    }
                }
                Step::Success | Step::SuccessAfterRetry => {}
            }
        }
    }

    #[test]
    fn no_budget_panics_whatever_its_config_and_history(
        numbers in any::<(u32, u32, u32, u32)>(), life in any_span(), kind in 0u8..4,
        trace in prop::collection::vec((0u8..9, any::<u64>()), 0..60),
    ) {
        let (a, b, c, d) = numbers;
        let config = match kind {
            0 => BudgetConfig::Grpc { max_tokens_milli: a, token_ratio_milli: b },
            1 => BudgetConfig::TokenBucket {
                capacity: a,
                retry_cost: b,
                timeout_cost: c,
                throttling_cost: c ^ d,
                success_return: d,
            },
            2 => BudgetConfig::Ratio { ratio_ppm: a, reserve_per_s: b, window: life },
            _ => BudgetConfig::Percent { percent_ppm: a, min_in_flight: b },
        };
        let mut budget = Budget::new(config);
        for (what, ns) in trace {
            let now = Time::from_nanos(ns);
            match what {
                0 | 1 => budget.on_request(now),
                2 => budget.on_success(now),
                3 => budget.on_success_after_retry(now, RetryCause::Timeout),
                4 => budget.on_failure(now),
                5 => budget.on_cancel(now),
                6 => budget.on_retry_finished(now),
                7 => budget.reconfigure(config, now),
                _ => {
                    budget.try_retry(now);
                }
            }
            let full = budget.max_tokens_milli().unwrap_or(u64::MAX);
            prop_assert!(budget.tokens_milli(now) <= full);
        }
    }
}

#[test]
fn a_budget_that_refunds_twice_deposits_twice_or_forgets_failures_breaks_the_law() {
    let storm: Vec<(Step, u32)> = words(11)
        .take(300)
        .map(|word| {
            let step = match word % 8 {
                0..3 => Step::Request,
                3 => Step::SuccessAfterRetry,
                _ => Step::Failure,
            };
            (step, 3)
        })
        .collect();
    let [grpc, bucket, ratio, _] = BUDGETS;
    for (config, mutant) in
        [(bucket, Mutant::RefundsTwice), (ratio, Mutant::DepositsTwice), (grpc, Mutant::ForgetsFailures)]
    {
        let healthy = play(config, &storm, Mutant::None).map(|seen| broken_law(config, &seen));
        assert_eq!(healthy, Ok(None));
        let broken = play(config, &storm, mutant).map(|seen| broken_law(config, &seen));
        assert!(!matches!(broken, Ok(None)), "the law did not catch it: {config:?}");
    }
}
