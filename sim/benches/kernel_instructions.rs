//! The kernel by instruction counts, which repeat exactly and so show a change of one part in a thousand.
//! Needs valgrind and the runner: `cargo install gungraun-runner --version 0.20.0`, then
//! `cargo bench --package foreshock-benches --bench kernel_instructions`. It compiles without either.

#![allow(missing_docs, reason = "the macros make items that cannot be documented")]

mod workload;

use std::hint::black_box;

use foreshock::kernel::{AgendaTuning, Simulation};
use foreshock::run::Outcome;
use foreshock::scenario::plan::Plan;
use gungraun::{library_benchmark, library_benchmark_group, main};
use workload::request::Chance;
use workload::{ArmCancel, Delays, Mm1, Phold, Timers};

/// How many events, customers or pairs are counted.
const COUNTED: u64 = 20_000;

fn warm_phold(pending: u32, delays: Delays) -> Simulation<Phold> {
    let mut simulation = workload::phold(pending, delays, AgendaTuning::Wheel);
    simulation.run_to_event(2 * u64::from(pending));
    simulation
}

#[library_benchmark(setup = warm_phold)]
#[bench::exponential_1k(1 << 10, Delays::Exponential)]
#[bench::exponential_16k(1 << 14, Delays::Exponential)]
#[bench::mixed_1k(1 << 10, Delays::Mixed)]
#[bench::mixed_16k(1 << 14, Delays::Mixed)]
fn phold(mut simulation: Simulation<Phold>) -> Simulation<Phold> {
    simulation.run_to_event(black_box(simulation.events_handled() + COUNTED));
    simulation
}

#[library_benchmark]
#[bench::customers_20k(workload::mm1(COUNTED, AgendaTuning::Wheel))]
fn mm1(mut simulation: Simulation<Mm1>) -> Simulation<Mm1> {
    black_box(simulation.run());
    simulation
}

#[library_benchmark]
#[bench::in_flight_10k(workload::timers(10_000, AgendaTuning::Wheel))]
fn timers(mut simulation: Simulation<Timers>) -> Simulation<Timers> {
    simulation.run_to_event(black_box(COUNTED));
    simulation
}

#[library_benchmark]
#[bench::in_flight_10k(ArmCancel::new(10_000, AgendaTuning::Wheel))]
fn arm_cancel(mut agenda: ArmCancel) -> ArmCancel {
    black_box(agenda.run(COUNTED));
    agenda
}

#[library_benchmark]
#[bench::drawn_10k(workload::request::plan(10_000, Chance::Drawn))]
#[bench::steady_10k(workload::request::plan(10_000, Chance::Steady))]
fn request(plan: Plan) -> Outcome {
    workload::request::simulate(black_box(&plan))
}

#[library_benchmark]
#[bench::watched(workload::jobs::plan(2_000), true)]
#[bench::unwatched(workload::jobs::plan(2_000), false)]
fn jobs(plan: Plan, is_watched: bool) -> Outcome {
    workload::jobs::simulate(black_box(&plan), is_watched)
}

library_benchmark_group!(name = kernel, benchmarks = [phold, mm1, timers, arm_cancel, request, jobs]);
main!(library_benchmark_groups = kernel);
