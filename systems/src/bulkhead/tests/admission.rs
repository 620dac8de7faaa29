//! Stories of static limits, any history against plain counts, and threads.

use super::super::*;
use proptest::prelude::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

fn limits(max_requests: u32, max_retries: RetryLimit) -> AdmissionLimits {
    AdmissionLimits::new(AdmissionConfig { max_connections: 2, max_pending: 0, max_requests, max_retries })
}

#[test]
fn what_is_over_a_limit_is_refused_and_counted() {
    let limits = limits(3, RetryLimit::Count(1));
    assert!((0..3).all(|_| limits.try_admit(Resource::Request).is_ok()));
    let refused = limits.try_admit(Resource::Request).expect_err("three are under way");
    assert_eq!(refused, Overflow { resource: Resource::Request, limit: 3 });
    assert_eq!(refused.to_string(), "Request limit of 3 reached: shed this call, do not retry it at once");
    assert!(limits.try_admit(Resource::Pending).is_err(), "none may wait");
    assert_eq!((limits.overflows(Resource::Request), limits.remaining(Resource::Request)), (1, 0));
    assert!(limits.release(Resource::Request) && limits.try_admit(Resource::Request).is_ok());
    assert!(!limits.release(Resource::Retry), "no retry is under way");
}

#[test]
fn a_share_of_retries_follows_the_requests_and_has_a_floor() {
    let limits = limits(100, RetryLimit::Share { share_ppm: 200_000, at_least: 3 });
    assert_eq!(limits.limit(Resource::Retry), 3);
    (0..50).for_each(|_| limits.try_admit(Resource::Request).expect("room"));
    assert_eq!(limits.limit(Resource::Retry), 10);
    assert_eq!((0..20).filter(|_| limits.try_admit(Resource::Retry).is_ok()).count(), 10);
    (0..50).for_each(|_| assert!(limits.release(Resource::Request)));
    assert_eq!((limits.limit(Resource::Retry), limits.remaining(Resource::Retry)), (3, 0));
}

#[test]
fn lower_limits_take_nothing_away_and_admit_nothing() {
    let mut limits = limits(3, RetryLimit::Count(1));
    (0..3).for_each(|_| limits.try_admit(Resource::Request).expect("room"));
    limits.reconfigure(AdmissionConfig { max_requests: 1, ..AdmissionConfig::default() });
    assert!(limits.release(Resource::Request) && limits.release(Resource::Request));
    assert!(limits.try_admit(Resource::Request).is_err() && limits.release(Resource::Request));
    assert!(limits.try_admit(Resource::Request).is_ok());
}

#[test]
fn limits_out_of_range_are_refused_with_what_to_write_instead() {
    let usual = AdmissionConfig::default();
    assert_eq!(usual.validate(), Ok(()));
    let too_many = RetryLimit::Share { share_ppm: 1_000_001, at_least: 0 };
    for config in [
        AdmissionConfig { max_connections: 0, ..usual },
        AdmissionConfig { max_requests: 0, ..usual },
        AdmissionConfig { max_retries: too_many, ..usual },
    ] {
        assert!(config.validate().is_err_and(|error| error.to_string().contains("use ")));
    }
}

/// What threads and histories need of limits.
trait Gate: Sync {
    fn enter(&self) -> bool;
    fn leave(&self) -> bool;
    /// What is done inside.
    fn stay(&self) {
        thread::yield_now();
    }
}

impl Gate for AdmissionLimits {
    fn enter(&self) -> bool {
        self.try_admit(Resource::Request).is_ok()
    }
    fn leave(&self) -> bool {
        self.release(Resource::Request)
    }
}

/// Broken on purpose: looks and takes in two steps, with the other thread between them.
struct LooksFirst {
    limits: AdmissionLimits,
    both_have_looked: Barrier,
}

impl Gate for LooksFirst {
    fn enter(&self) -> bool {
        let free = self.limits.remaining(Resource::Request) > 0;
        self.both_have_looked.wait();
        if free {
            self.limits.in_use[Resource::Request as usize].fetch_add(1, Ordering::AcqRel);
        }
        free
    }
    fn leave(&self) -> bool {
        self.limits.release(Resource::Request)
    }
    fn stay(&self) {
        self.both_have_looked.wait();
    }
}

/// The most that two threads were inside at once, as they saw it.
fn most_inside(gate: &impl Gate, rounds: u32) -> u32 {
    let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..rounds {
                    if gate.enter() {
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        gate.stay();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        assert!(gate.leave());
                    }
                }
            });
        }
    });
    most.into_inner()
}

#[test]
fn threads_are_never_more_inside_than_allowed() {
    let gate = limits(1, RetryLimit::Count(0));
    assert_eq!(most_inside(&gate, 2_000), 1);
    assert_eq!(gate.in_use(Resource::Request), 0);
}

#[test]
fn a_gate_that_looks_before_it_takes_is_caught() {
    let gate = LooksFirst { limits: limits(1, RetryLimit::Count(0)), both_have_looked: Barrier::new(2) };
    assert_eq!(most_inside(&gate, 1), 2);
}

proptest! {
    #[test]
    fn limits_are_plain_counts(
        numbers in any::<(u8, u8, u8, u8, u32, bool)>(),
        steps in prop::collection::vec((0usize..4, any::<bool>()), 0..200),
    ) {
        let (connections, pending, requests, retries, share_ppm, by_share) = numbers;
        let at_least = u32::from(retries % 6);
        let config = AdmissionConfig {
            max_connections: u32::from(connections % 6),
            max_pending: u32::from(pending % 6),
            max_requests: u32::from(requests % 60),
            max_retries: if by_share {
                RetryLimit::Share { share_ppm, at_least }
            } else {
                RetryLimit::Count(at_least)
            },
        };
        let limits = AdmissionLimits::new(config);
        let mut counts = [0u64; 4];
        for (which, enters) in steps {
            let share = (counts[1] + counts[2]) * u64::from(share_ppm.min(1_000_000)) / 1_000_000;
            let retries = if by_share { share.max(u64::from(at_least)) } else { u64::from(at_least) };
            let most = [config.max_connections, config.max_pending, config.max_requests].map(u64::from);
            let most = [most[0], most[1], most[2], retries];
            let resource = Resource::ALL[which];
            if enters {
                prop_assert_eq!(limits.try_admit(resource).is_ok(), counts[which] < most[which]);
                counts[which] += u64::from(counts[which] < most[which]);
            } else {
                prop_assert_eq!(limits.release(resource), counts[which] > 0);
                counts[which] = counts[which].saturating_sub(1);
            }
            prop_assert_eq!(Resource::ALL.map(|resource| u64::from(limits.in_use(resource))), counts);
        }
    }
}
