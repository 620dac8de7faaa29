//! Jobs through the simulator by the clock, with the always-on invariants and without.
//! `cargo bench --package foreshock-benches --bench jobs`; for a million of them,
//! `cargo run --release --package foreshock-benches -- million_jobs million_jobs_unwatched`.

#[allow(missing_docs, reason = "shared with the other benchmarks")]
mod workload;

use criterion::{Criterion, Throughput};

/// How many jobs one measured run has.
const JOBS: u64 = 20_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("jobs");
    group.throughput(Throughput::Elements(JOBS)).sample_size(20);
    let plan = workload::jobs::plan(JOBS);
    for (name, is_watched) in [("watched", true), ("unwatched", false)] {
        group.bench_function(name, |bencher| bencher.iter(|| workload::jobs::simulate(&plan, is_watched)));
    }
    group.finish();
    criterion.final_summary();
}
