//! Log lines through the simulator by the clock, from who says them to their store, with the always-on invariants.
//! `cargo bench --package foreshock-benches --bench logs`; for a million of them,
//! `cargo run --release --package foreshock-benches -- million_lines`.

#[allow(missing_docs, reason = "shared with the other benchmarks")]
mod workload;

use criterion::{Criterion, Throughput};

/// How many lines one measured run has.
const LINES: u64 = 100_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("logs");
    group.throughput(Throughput::Elements(LINES)).sample_size(20);
    let plan = workload::logs::plan(LINES);
    group.bench_function("shipped", |bencher| bencher.iter(|| workload::logs::simulate(&plan)));
    group.finish();
    criterion.final_summary();
}
