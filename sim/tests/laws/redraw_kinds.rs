//! Chance drawn anew reaches every kind of node: in worlds where one thing alone is left to chance, what follows the
//! instant is another one exactly if that is there.

use foreshock::kernel::time::Time;
use foreshock::nodes::Kinds;
use foreshock::run::{Detail, Outcome, run};
use foreshock::scenario::plan::{Plan, Redraw};

use crate::harness::{ms, plan};

/// A world in which nothing is left to chance, and what puts one thing in it that is.
struct Case {
    what: &'static str,
    world: String,
    /// This stands in the world, and that in its place leaves something to chance.
    chance: (&'static str, &'static str),
}

/// Arrivals at a fixed pace, with nothing drawn for a request.
const PACE: &str = "rate: 20/s, arrivals: constant, timeout: 5s";

fn money(load: &str) -> String {
    format!(
        "
run: {{duration: 6s, drain: 60s}}
services:
  shop: {{kind: payment-client, workers: unlimited, attempts: 5, pause: 1s, merchants: 1, capture: automatic, calls: [{{to: payments, timeout: 1s}}]}}
  payments: {{kind: payments, workers: unlimited, first_check_after: 1s, check_interval: 1s, fsync: every_commit, calls: [{{to: acquirer, timeout: 1s}}]}}
  acquirer: {{kind: payment-provider, workers: unlimited, service_time: 10ms, webhook_delay: 100ms, calls: [{{to: payments, timeout: 1s}}]}}
network: {{default: {{latency: 1ms}}}}
load: [{{name: buyers, to: shop, {load}}}]
timeline: [{{at: 4s, for: 1s, id: cut, fault: {{crash: {{service: payments, mode: host}}}}}}]
"
    )
}

fn transfers(load: &str) -> String {
    format!(
        "
run: {{duration: 6s, drain: 60s}}
services:
  app: {{kind: upi-psp, workers: unlimited, patience: 20s, think: 500ms, collect: 0%, agree: 100%, calls: [{{to: switch, timeout: 1s}}]}}
  switch: {{kind: upi-switch, workers: unlimited, leg_timeout: 1s, settle_interval: 2s, fsync: every_commit, calls: [{{to: app, timeout: 1s}}, {{to: east, timeout: 1s}}]}}
  east: {{kind: upi-bank, workers: unlimited, accounts: 1, service_time: 10ms, calls: [{{to: switch, timeout: 1s}}]}}
network: {{default: {{latency: 1ms}}}}
load: [{{name: payers, to: app, {load}}}]
timeline: [{{at: 4s, for: 1s, id: cut, fault: {{crash: {{service: switch, mode: host}}}}}}]
"
    )
}

fn jobs(load: &str) -> String {
    format!(
        "
run: {{duration: 6s, drain: 30s}}
services:
  jobs: {{kind: job-scheduler, workers: unlimited, fsync: every_commit, jobs: {{mail: {{lease: 5s, retry_after: 500ms, jitter: none}}}}}}
  workers: {{kind: job-worker, workers: 1, service_time: 60ms, error_rate: 0%, calls: [{{to: jobs, timeout: 500ms}}, {{to: side, timeout: 500ms, share: 100%}}]}}
  side: {{workers: unlimited, service_time: 1ms}}
network: {{default: {{latency: 1ms}}}}
load: [{{name: shop, to: jobs, mix: {{mail: 100%}}, {load}}}]
timeline: [{{at: 4s, for: 1s, id: cut, fault: {{crash: {{service: jobs, mode: host}}}}}}]
"
    )
}

fn notices(load: &str) -> String {
    format!(
        "
run: {{duration: 6s, drain: 60s}}
services:
  notifier: {{kind: notifier, workers: unlimited, retry_base: 500ms, fsync: every_commit, calls: [{{to: mail, timeout: 10s}}]}}
  mail: {{kind: notification-provider, workers: unlimited, service_time: 10ms, late_acks: 0%, late_by: 1s}}
network: {{default: {{latency: 1ms}}}}
load: [{{name: shop, to: notifier, mix: {{receipt: 100%}}, {load}}}]
timeline: [{{at: 4s, for: 1s, id: cut, fault: {{crash: {{service: notifier, mode: host}}}}}}]
"
    )
}

fn cases() -> Vec<Case> {
    let of = |world: fn(&str) -> String, cases: &[(&'static str, &'static str, &'static str)]| -> Vec<Case> {
        let case = |(what, from, to): &(&'static str, &'static str, &'static str)| Case {
            what,
            world: world(PACE),
            chance: (from, to),
        };
        cases.iter().map(case).collect()
    };
    let money = of(
        money,
        &[
            ("what an order is worth", "merchants: 1,", "merchants: 1, amount: {min: 1, max: 100_000},"),
            ("what is given back", "merchants: 1,", "merchants: 1, refund: 50%,"),
            ("what an acquirer declines", "webhook_delay", "decline: 50%, webhook_delay"),
            ("what takes an acquirer longer", "webhook_delay", "pending: 50%, webhook_delay"),
            ("whose answer an acquirer loses", "webhook_delay", "answer_lost: 50%, webhook_delay"),
            ("when an acquirer tells", "webhook_delay", "webhook_jitter: 2s, webhook_delay"),
            ("what a power cut leaves of payments", "fsync: every_commit", "fsync: never"),
        ],
    );
    let transfers = of(
        transfers,
        &[
            ("who asks for money", "collect: 0%", "collect: 50%"),
            ("what is transferred", "collect: 0%", "collect: 0%, amount: {min: 1, max: 100_000}"),
            ("what a power cut leaves of transfers", "fsync: every_commit", "fsync: never"),
        ],
    );
    let jobs = of(
        jobs,
        &[
            ("how long a job takes", "service_time: 60ms", "service_time: {exponential: {mean: 60ms}}"),
            ("which job fails", "error_rate: 0%", "error_rate: 30%"),
            ("which job makes a call", "share: 100%", "share: 50%"),
            ("what a power cut leaves of jobs", "fsync: every_commit", "fsync: never"),
        ],
    );
    let notices = of(
        notices,
        &[
            ("which acknowledgement is late", "late_acks: 0%", "late_acks: 50%"),
            ("what a power cut leaves of notices", "fsync: every_commit", "fsync: never"),
        ],
    );
    [money, transfers, jobs, notices].into_iter().flatten().collect()
}

/// All that shows what happened: events, counts of systems, ends of requests.
fn shown(outcome: &Outcome) -> String {
    format!("{:x} {:?}", outcome.fingerprint, outcome.measured.systems)
}

fn drawn_anew(plan: &Plan, from: Time, variant: u64) -> String {
    let mut plan = plan.clone();
    plan.run.redraw = Some(Redraw { from, variant });
    shown(&run(&plan, plan.seed, &[], &Kinds::default(), &Detail::default()).unwrap())
}

/// How many ways to go on four variants find.
fn ways(world: &str) -> usize {
    let plan = plan(world);
    let mut seen: Vec<String> = (1..=4).map(|variant| drawn_anew(&plan, ms(2_000), variant)).collect();
    seen.sort();
    seen.dedup();
    seen.len()
}

#[test]
fn what_every_kind_of_node_leaves_to_chance_is_drawn_anew() {
    let mut wrong = Vec::new();
    for Case { what, world, chance: (from, to) } in cases() {
        assert_eq!(world.matches(from).count(), 1, "{what}: `{from}`");
        let found = ways(&world.replace(from, to));
        if found < 2 {
            wrong.push(format!("{what}: {found} ways to go on"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Without this the test above would pass whatever is drawn anew.
#[test]
fn where_nothing_is_left_to_chance_there_is_one_way_to_go_on() {
    for world in [money(PACE), transfers(PACE), notices(PACE)] {
        assert_eq!(ways(&world), 1, "{world}");
    }
}

/// What a person or a job is like is no chance of the moment: it stays.
#[test]
fn a_job_that_is_poison_stays_poison() {
    let world = jobs(PACE).replace("error_rate: 0%", "poison: {mail: 10%}");
    let plan = plan(&world);
    let died = |outcome: &Outcome| outcome.measured.systems["workers"]["died"];
    let as_it_was = run(&plan, plan.seed, &[], &Kinds::default(), &Detail::default()).unwrap();
    assert!(died(&as_it_was) > 0, "{:?}", as_it_was.measured.systems["workers"]);
    let mut anew = plan.clone();
    anew.run.redraw = Some(Redraw { from: ms(2_000), variant: 1 });
    let anew = run(&anew, anew.seed, &[], &Kinds::default(), &Detail::default()).unwrap();
    let books = |outcome: &Outcome| outcome.measured.systems["jobs"].get("dead").copied();
    assert_eq!(books(&anew), books(&as_it_was));
}
