//! Runs the kernel's workloads once and prints what an event of each costs: `<workload> <ns per event>`, a line each.
//! The counterpart of `benches/compare_simpy.py`, which runs it. With names as arguments, runs only those;
//! with `--heap`, on the second agenda.

#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

mod workload;

use foreshock::kernel::AgendaTuning;
use workload::Delays;
use workload::request::Chance;

/// Runs what `prepare` makes and returns nanoseconds per unit of work, the best of three.
fn cost_ns<T>(units: u64, prepare: impl Fn() -> T, work: impl Fn(&mut T)) -> f64 {
    let costs = (0..3).map(|_| cost_once_ns(units, &mut prepare(), &work));
    costs.fold(f64::INFINITY, f64::min)
}

/// The same of a single run.
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a benchmark reads the wall clock")]
fn cost_once_ns<T>(units: u64, subject: &mut T, work: impl Fn(&mut T)) -> f64 {
    let start = std::time::Instant::now();
    work(subject);
    start.elapsed().as_nanos() as f64 / units as f64
}

fn phold_ns(pending: u32, delays: Delays, tuning: AgendaTuning) -> f64 {
    let (warmup, measured) = (u64::from(pending) * 4, 4_000_000);
    let prepare = || {
        let mut simulation = workload::phold(pending, delays, tuning);
        simulation.run_to_event(warmup);
        simulation
    };
    cost_ns(measured, prepare, |simulation| assert!(simulation.run_to_event(warmup + measured).is_none()))
}

fn mm1_ns(tuning: AgendaTuning) -> f64 {
    let customers = 1_000_000;
    cost_ns(
        2 * customers,
        || workload::mm1(customers, tuning),
        |simulation| {
            simulation.run();
            let mean_ns = simulation.world().mean_sojourn_ns();
            // Theory says 9 ms: 900 us of service at 90 % load.
            assert!((8_000_000..10_000_000).contains(&mean_ns), "mean sojourn {mean_ns} ns");
        },
    )
}

fn timers_ns(tuning: AgendaTuning) -> f64 {
    let calls = 4_000_000;
    cost_ns(
        calls,
        || workload::timers(10_000, tuning),
        |simulation| {
            simulation.run_to_event(calls);
            assert_eq!(simulation.world().timed_out(), 0);
        },
    )
}

fn arm_cancel_ns(tuning: AgendaTuning) -> f64 {
    let pairs = 4_000_000;
    cost_ns(
        pairs,
        || workload::ArmCancel::new(10_000, tuning),
        |agenda| {
            assert_eq!(agenda.run(pairs), 10_000);
        },
    )
}

/// A whole simulated request, through every layer.
fn request_ns(chance: Chance) -> f64 {
    let requests = 1_000_000;
    let simulate =
        |plan: &mut _| assert!(workload::request::simulate(plan).measured.loads[0].good > requests / 2);
    cost_ns(requests, || workload::request::plan(requests, chance), simulate)
}

/// A job from enqueueing to the end, with their invariants watched or not.
fn jobs_ns(jobs: u64, is_watched: bool) -> f64 {
    let simulate = |plan: &mut _| drop(workload::jobs::simulate(plan, is_watched));
    cost_once_ns(jobs, &mut workload::jobs::plan(jobs), simulate)
}

/// A payment from the order to the end, with their invariants watched or not.
fn payments_ns(payments: u64, is_watched: bool) -> f64 {
    let simulate = |plan: &mut _| drop(workload::payments::simulate(plan, is_watched));
    cost_once_ns(payments, &mut workload::payments::plan(payments), simulate)
}

/// A line of a log from its request to its store.
fn lines_ns(lines: u64) -> f64 {
    let simulate = |plan: &mut _| drop(workload::logs::simulate(plan));
    cost_once_ns(lines, &mut workload::logs::plan(lines), simulate)
}

/// A booking of nights from the search to the confirmation, with their invariants watched or not.
fn bookings_ns(bookings: u64, is_watched: bool) -> f64 {
    let simulate = |plan: &mut _| drop(workload::bookings::simulate(plan, is_watched));
    cost_once_ns(bookings, &mut workload::bookings::nights(bookings), simulate)
}

/// The same of guests who pay at the counter.
fn counter_bookings_ns(bookings: u64) -> f64 {
    let simulate = |plan: &mut _| drop(workload::bookings::simulate(plan, true));
    cost_once_ns(bookings, &mut workload::bookings::nights_at_the_counter(bookings), simulate)
}

/// The same of a seat.
fn tickets_ns(tickets: u64) -> f64 {
    let simulate = |plan: &mut _| drop(workload::bookings::simulate(plan, true));
    cost_once_ns(tickets, &mut workload::bookings::seats(tickets), simulate)
}

/// A stay from the barrier to the barrier.
fn stays_ns(stays: u64) -> f64 {
    let simulate = |plan: &mut _| drop(workload::parking::simulate(plan));
    cost_once_ns(stays, &mut workload::parking::plan(stays), simulate)
}

/// A ride from floor to floor.
fn rides_ns(rides: u64) -> f64 {
    let simulate = |plan: &mut _| drop(workload::lifts::simulate(plan));
    cost_once_ns(rides, &mut workload::lifts::plan(rides), simulate)
}

type Workload = (&'static str, fn(AgendaTuning) -> f64);

/// Enough to count instructions by, under an instrument that is fifty times slower.
const FEW: u64 = 20_000;

const MILLION: u64 = 1_000_000;

const WORKLOADS: [Workload; 33] = [
    ("phold_1k", |tuning| phold_ns(1 << 10, Delays::Exponential, tuning)),
    ("phold_16k", |tuning| phold_ns(1 << 14, Delays::Exponential, tuning)),
    ("phold_256k", |tuning| phold_ns(1 << 18, Delays::Exponential, tuning)),
    ("phold_mixed_1k", |tuning| phold_ns(1 << 10, Delays::Mixed, tuning)),
    ("phold_mixed_16k", |tuning| phold_ns(1 << 14, Delays::Mixed, tuning)),
    ("phold_mixed_256k", |tuning| phold_ns(1 << 18, Delays::Mixed, tuning)),
    ("mm1", mm1_ns),
    ("timers", timers_ns),
    ("arm_cancel", arm_cancel_ns),
    ("request", |_| request_ns(Chance::Drawn)),
    ("request_steady", |_| request_ns(Chance::Steady)),
    ("few_jobs", |_| jobs_ns(FEW, true)),
    ("few_jobs_unwatched", |_| jobs_ns(FEW, false)),
    ("million_jobs", |_| jobs_ns(MILLION, true)),
    ("million_jobs_unwatched", |_| jobs_ns(MILLION, false)),
    ("few_lines", |_| lines_ns(FEW)),
    ("million_lines", |_| lines_ns(MILLION)),
    ("few_payments", |_| payments_ns(FEW, true)),
    ("few_payments_unwatched", |_| payments_ns(FEW, false)),
    ("million_payments", |_| payments_ns(MILLION, true)),
    ("million_payments_unwatched", |_| payments_ns(MILLION, false)),
    ("few_bookings", |_| bookings_ns(FEW, true)),
    ("few_bookings_unwatched", |_| bookings_ns(FEW, false)),
    ("million_bookings", |_| bookings_ns(MILLION, true)),
    ("million_bookings_unwatched", |_| bookings_ns(MILLION, false)),
    ("few_counter_bookings", |_| counter_bookings_ns(FEW)),
    ("million_counter_bookings", |_| counter_bookings_ns(MILLION)),
    ("few_tickets", |_| tickets_ns(FEW)),
    ("million_tickets", |_| tickets_ns(MILLION)),
    ("few_stays", |_| stays_ns(FEW)),
    ("million_stays", |_| stays_ns(MILLION)),
    ("few_rides", |_| rides_ns(FEW)),
    ("million_rides", |_| rides_ns(MILLION)),
];

fn main() {
    let (options, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let tuning = match options.first().map(String::as_str) {
        Some("--heap") => AgendaTuning::Heap,
        _ => AgendaTuning::Wheel,
    };
    for (name, cost) in WORKLOADS {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            println!("{name} {:.1}", cost(tuning));
        }
    }
}
