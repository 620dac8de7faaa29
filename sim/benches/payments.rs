//! Payments through the simulator by the clock, with the always-on invariants and without.
//! `cargo bench --package foreshock-benches --bench payments`; for a million of them,
//! `cargo run --release --package foreshock-benches -- million_payments million_payments_unwatched`.

#[allow(missing_docs, reason = "shared with the other benchmarks")]
mod workload;

use criterion::{Criterion, Throughput};

/// How many payments one measured run has.
const PAYMENTS: u64 = 20_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("payments");
    group.throughput(Throughput::Elements(PAYMENTS)).sample_size(20);
    let plan = workload::payments::plan(PAYMENTS);
    for (name, is_watched) in [("watched", true), ("unwatched", false)] {
        group
            .bench_function(name, |bencher| bencher.iter(|| workload::payments::simulate(&plan, is_watched)));
    }
    group.finish();
    criterion.final_summary();
}
