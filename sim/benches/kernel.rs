//! The kernel by the clock: PHOLD, M/M/1, arming and disarming timeouts, on both agendas.
//! `cargo bench --package foreshock-benches --bench kernel`, or with a part of a name to run only what matches it.
//!
//! Figures of one machine compare only with figures of the same run: see `compare_simpy.py` for ratios and
//! `kernel_instructions.rs` for counts that repeat exactly.

#[allow(missing_docs, reason = "shared with the other benchmarks")]
mod workload;

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};
use foreshock::kernel::AgendaTuning;
use workload::{ArmCancel, Delays};

/// How many events one measured call of a steady workload handles.
const EVENTS: u64 = 100_000;

fn phold(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("phold");
    group.throughput(Throughput::Elements(EVENTS));
    for (delays_name, delays) in [("exponential", Delays::Exponential), ("mixed", Delays::Mixed)] {
        for pending in [1 << 10, 1 << 14, 1 << 18] {
            for tuning in AgendaTuning::ALL {
                let mut simulation = workload::phold(pending, delays, tuning);
                simulation.run_to_event(4 * u64::from(pending));
                group.bench_function(format!("{delays_name}/{pending}/{}", tuning.name()), |bencher| {
                    bencher.iter(|| simulation.run_to_event(simulation.events_handled() + EVENTS));
                });
            }
        }
    }
    group.finish();
}

fn mm1(criterion: &mut Criterion) {
    const CUSTOMERS: u64 = 1_000_000;
    let mut group = criterion.benchmark_group("mm1");
    group.throughput(Throughput::Elements(CUSTOMERS)).sample_size(10);
    for tuning in AgendaTuning::ALL {
        group.bench_function(format!("{CUSTOMERS}/{}", tuning.name()), |bencher| {
            bencher.iter_batched_ref(
                || workload::mm1(CUSTOMERS, tuning),
                |simulation| simulation.run(),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn timers(criterion: &mut Criterion) {
    const IN_FLIGHT: usize = 10_000;
    let mut group = criterion.benchmark_group("timers");
    group.throughput(Throughput::Elements(EVENTS));
    for tuning in AgendaTuning::ALL {
        let mut simulation = workload::timers(IN_FLIGHT, tuning);
        group.bench_function(format!("call/{}", tuning.name()), |bencher| {
            bencher.iter(|| simulation.run_to_event(simulation.events_handled() + EVENTS));
        });
        let mut agenda = ArmCancel::new(IN_FLIGHT, tuning);
        group.bench_function(format!("arm_cancel/{}", tuning.name()), |bencher| {
            bencher.iter(|| agenda.run(EVENTS));
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .configure_from_args();
    phold(&mut criterion);
    mm1(&mut criterion);
    timers(&mut criterion);
    criterion.final_summary();
}
