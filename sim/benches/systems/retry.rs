//! Retries beside backon: the pauses of ten attempts, and a whole call that fails twice; and budgets, the one that two
//! threads share beside a mutex around the plain one. backon's loop calls the operation itself and here sleeps for no
//! time; ours goes through the state machine, with timeouts, deadline and budget.

use std::hint::black_box;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, BlockingRetryable, ExponentialBuilder};
use criterion::Criterion;
use foreshock_systems::retry::{
    Action, AttemptResult, Backoff, BackoffConfig, Budget, BudgetConfig, BudgetKind, Call, CallConfig,
    CallOptions, CallOutput, Client, Failure, FailureClass, Pauses, RetryCause, SharedBudget,
};
use foreshock_systems::{Span, Time};

/// Attempts whose pauses are computed.
const ATTEMPTS: u32 = 10;

/// A bucket that some hundred million calls do not drain: one that refuses would end calls early.
const INEXHAUSTIBLE: BudgetConfig = BudgetConfig::TokenBucket {
    capacity: u32::MAX,
    retry_cost: 14,
    timeout_cost: 14,
    throttling_cost: 5,
    success_return: 1,
};

/// The next word of splitmix64: what a driver would pass in.
fn word(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn peer() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(10))
        .with_factor(2.0)
        .with_max_times(ATTEMPTS as usize)
        .with_jitter()
}

fn pauses(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("retry_pauses_of_10_attempts");
    let config = BackoffConfig::default();
    let mut state = 1;
    group.bench_function("foreshock", |bencher| {
        bencher.iter(|| {
            let mut pauses = Pauses::FIRST;
            for _ in 0..ATTEMPTS {
                let entropy = word(&mut state);
                pauses = pauses.then(config.delay(black_box(&pauses), entropy), entropy);
            }
            pauses
        });
    });
    group.bench_function("backon", |bencher| {
        bencher.iter(|| black_box(peer()).build().map(black_box).sum::<Duration>());
    });
    group.finish();
}

/// Runs one call of which the first `failing` attempts fail; returns the attempts.
fn drive(client: &Client, out: &mut CallOutput, failing: u32, state: &mut u64) -> u32 {
    out.clear();
    let mut now = Time::ZERO;
    let mut call = Call::begin(client, now, CallOptions::IDEMPOTENT, out);
    while !call.has_ended() {
        let sent = out.actions.last().copied();
        out.clear();
        match sent {
            Some(Action::Send { attempt, .. }) => {
                let result = if attempt <= failing {
                    AttemptResult::Failure(Failure::of(FailureClass::Transient))
                } else {
                    AttemptResult::Success
                };
                now += Span::from_micros(50);
                let _ = call.handle_result(client, now, attempt, result, word(state), out);
            }
            Some(Action::Cancel { .. } | Action::Finish(_)) | None => {
                now = call.deadline().unwrap_or(now);
                call.expire(client, now, word(state), out);
            }
        }
    }
    call.attempts()
}

fn calls(criterion: &mut Criterion) {
    for (name, failing) in [("retry_call_that_succeeds", 0), ("retry_call_that_fails_twice", 2)] {
        let mut group = criterion.benchmark_group(name);
        let bare = Client::new(CallConfig::default()).expect("the policy is in range");
        let budget = Arc::new(SharedBudget::new(INEXHAUSTIBLE));
        let bounded = Client::new(CallConfig::default()).expect("the policy is in range").with_budget(budget);
        for (variant, client) in [("foreshock", &bare), ("foreshock_with_budget", &bounded)] {
            let (mut out, mut state) = (CallOutput::default(), 1);
            group.bench_function(variant, |bencher| {
                bencher.iter(|| drive(client, &mut out, black_box(failing), &mut state));
            });
        }
        group.bench_function("backon", |bencher| {
            bencher.iter(|| {
                let failing = black_box(failing);
                let mut attempts = 0u32;
                let operation = || {
                    attempts += 1;
                    if attempts <= failing { Err(()) } else { Ok(()) }
                };
                let ended = operation.retry(peer()).sleep(|pause| _ = black_box(pause)).call();
                (ended, attempts)
            });
        });
        group.finish();
    }
}

/// A request, its failure, the wish for a retry, and how that ends.
fn budgets(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("retry_budget_round");
    for kind in BudgetKind::ALL {
        let mut budget = Budget::new(kind.usual());
        let mut now = Time::ZERO;
        group.bench_function(kind.name(), |bencher| {
            bencher.iter(|| {
                now += Span::from_micros(10);
                budget.on_request(now);
                budget.on_failure(now);
                let granted = budget.try_retry(now);
                if granted {
                    budget.on_success(now);
                    budget.on_retry_finished(now);
                }
                granted
            });
        });
    }
    group.finish();
}

/// Two threads that share a budget: how long they take for `rounds` each.
fn contended(rounds: u64, round: impl Fn(Time) + Sync) -> Duration {
    let barrier = Barrier::new(3);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                barrier.wait();
                (0..rounds).for_each(|number| round(Time::from_nanos(number * 10_000)));
            });
        }
        barrier.wait();
        Instant::now()
    })
    .elapsed()
}

/// The shared budget beside a mutex around the plain one: a request, its failure, and a retry that is granted.
fn budgets_of_two_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("retry_budget_two_threads");
    let shared = SharedBudget::new(INEXHAUSTIBLE);
    group.bench_function("shared", |bencher| {
        bencher.iter_custom(|rounds| {
            contended(rounds, |now| {
                shared.on_request(now);
                shared.on_failure(now);
                black_box(shared.try_retry_after(now, RetryCause::Failure));
                shared.on_success(now);
            })
        });
    });
    let mutex = Mutex::new(Budget::new(INEXHAUSTIBLE));
    let plain = || mutex.lock().expect("nobody panics");
    group.bench_function("mutex", |bencher| {
        bencher.iter_custom(|rounds| {
            contended(rounds, |now| {
                plain().on_request(now);
                plain().on_failure(now);
                black_box(plain().try_retry_after(now, RetryCause::Failure));
                plain().on_success(now);
            })
        });
    });
    group.finish();
}

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    pauses(criterion);
    calls(criterion);
    budgets(criterion);
    budgets_of_two_threads(criterion);
}
