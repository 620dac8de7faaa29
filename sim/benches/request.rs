//! One full simulated request by the clock: client, balancer, server, answer, timeout armed and disarmed.
//! `cargo bench --package foreshock-benches --bench request`

#[allow(missing_docs, reason = "shared with the other benchmarks")]
mod workload;

use criterion::{Criterion, Throughput};
use workload::request::Chance;

/// How many requests one measured run makes.
const REQUESTS: u64 = 100_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("request");
    group.throughput(Throughput::Elements(REQUESTS)).sample_size(20);
    for (name, chance) in [("drawn", Chance::Drawn), ("steady", Chance::Steady)] {
        let plan = workload::request::plan(REQUESTS, chance);
        group.bench_function(name, |bencher| bencher.iter(|| workload::request::simulate(&plan)));
    }
    group.finish();
    criterion.final_summary();
}
