//! The systems by the clock, each beside a peer that does the same work in the same run; one file per system.
//! `cargo bench --package foreshock-benches --bench systems [-- rate_limiter]`

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "benchmarks read the wall clock and start threads"
)]

mod auth;
mod booking;
mod broker;
mod cache;
mod circuit_breaker;
mod config_manager;
mod elevator;
mod feature_flags;
mod job_scheduler;
mod logging;
mod metrics;
mod notification;
mod parking_lot;
mod payment;
mod rate_limiter;
mod retry;

use criterion::Criterion;

/// A system's benchmarks.
type Benchmarks = fn(&mut Criterion);

/// One line per system.
const SYSTEMS: &[Benchmarks] = &[
    circuit_breaker::benchmarks,
    metrics::benchmarks,
    retry::benchmarks,
    rate_limiter::benchmarks,
    cache::benchmarks,
    feature_flags::benchmarks,
    config_manager::benchmarks,
    payment::benchmarks,
    job_scheduler::benchmarks,
    notification::benchmarks,
    logging::benchmarks,
    auth::benchmarks,
    booking::benchmarks,
    broker::benchmarks,
    elevator::benchmarks,
    parking_lot::benchmarks,
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for benchmarks in SYSTEMS {
        benchmarks(&mut criterion);
    }
    criterion.final_summary();
}
