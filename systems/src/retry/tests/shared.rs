//! A budget under real threads: nothing is lost, nothing is granted twice.

use super::*;
use std::thread::scope;

const THREADS: usize = 4;
const TRIES: u64 = 2_000;

#[test]
fn threads_share_one_bucket_and_get_no_more_than_it_holds() {
    let config = BudgetConfig::TokenBucket {
        capacity: 1_000,
        retry_cost: 7,
        timeout_cost: 7,
        throttling_cost: 7,
        success_return: 0,
    };
    let budget = SharedBudget::new(config);
    let granted: u64 = scope(|scope| {
        let work =
            || (0..TRIES).filter(|_| budget.try_retry_after(Time::ZERO, RetryCause::Failure)).count() as u64;
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).sum()
    });
    assert_eq!(granted, 1_000 / 7);
    let after = budget.snapshot();
    assert_eq!((after.granted(), after.refused()), (granted, THREADS as u64 * TRIES - granted));
    assert_eq!(after.tokens_milli(Time::ZERO), 6_000);
}

#[test]
fn whatever_threads_do_in_whatever_order_all_of_it_is_accounted_for() {
    for kind in BudgetKind::ALL {
        let budget = SharedBudget::new(kind.usual());
        scope(|scope| {
            for thread in 0..THREADS as u64 {
                let budget = &budget;
                scope.spawn(move || {
                    for try_number in 0..TRIES {
                        // The threads' clocks are up to 3 s apart.
                        let now = Time::ZERO + ms(try_number * 5 + thread * 1_000);
                        budget.on_request(now);
                        budget.on_failure(now);
                        if budget.try_retry_after(now, RetryCause::Timeout) {
                            budget.on_success_after_retry(now, RetryCause::Timeout);
                            budget.on_retry_finished(now);
                        }
                    }
                });
            }
        });
        let after = budget.snapshot();
        assert_eq!((after.attempts_in_flight(), after.retries_in_flight()), (0, 0), "{kind}");
        assert_eq!(after.granted() + after.refused(), THREADS as u64 * TRIES, "{kind}");
        let full = after.max_tokens_milli().unwrap_or(u64::MAX);
        assert!(after.tokens_milli(Time::MAX) <= full, "{kind}");
    }
}
