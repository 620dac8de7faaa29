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

fn bookings(load: &str) -> String {
    format!(
        "
run: {{duration: 6s, drain: 60s}}
services:
  lobby: {{kind: waiting-room, workers: unlimited, service_time: 1ms, admits: 1, order: fifo, opens_after: 4s, calls: [{{to: tickets, timeout: 60s}}]}}
  tickets: {{kind: box-office, workers: unlimited, service_time: 1ms, choice: best, party: {{min: 1, max: 1}}, checkout: 1s, checkout_jitter: 0s, abandon: 0%, cancel: 0%, cancel_after: 1s, fsync: every_commit, calls: [{{to: acquirer, timeout: 1s}}]}}
  acquirer: {{kind: payment-provider, workers: unlimited, service_time: 10ms, webhook_delay: 100ms, calls: [{{to: tickets, timeout: 1s}}]}}
network: {{default: {{latency: 1ms}}}}
load:
  - {{name: guests, to: tickets, {load}}}
  - {{name: fans, to: lobby, {load}}}
timeline: [{{at: 3s, for: 1s, id: cut, fault: {{crash: {{service: tickets, mode: host}}}}}}]
"
    )
}

fn cars(load: &str) -> String {
    format!(
        "
run: {{duration: 6s, drain: 60s}}
services:
  lot: {{kind: parking-lot, workers: unlimited, service_time: 1ms, spots: {{compact: 1_000}}}}
  gate: {{kind: parking-gate, workers: unlimited, service_time: 1ms, stay: 3s, stays: constant, calls: [{{to: lot, timeout: 1s}}]}}
network: {{default: {{latency: 1ms}}}}
load: [{{name: drivers, to: gate, {load}}}]
"
    )
}

fn lifts(load: &str) -> String {
    format!(
        "
run: {{duration: 6s, drain: 10m}}
services:
  lifts: {{kind: elevator-bank, workers: unlimited, service_time: 1us, floors: 2, cars: 2, persons: 8, traffic: up_peak}}
load: [{{name: people, to: lifts, {load}}}]
"
    )
}

fn logs(load: &str) -> String {
    format!(
        "
run: {{duration: 6s, drain: 20s}}
services:
  shop: {{kind: logging-service, workers: unlimited, service_time: 1ms, line_time: 100us, lines: 3, audited: 0%, fails: 0%, fsync: every_record}}
network: {{default: {{latency: 1ms}}}}
load: [{{name: buyers, to: shop, {load}}}]
timeline: [{{at: 4s, for: 1s, id: cut, fault: {{crash: {{service: shop, mode: host}}}}}}]
"
    )
}

fn shipped(load: &str) -> String {
    format!(
        "
run: {{duration: 6s, drain: 20s}}
services:
  shop: {{kind: logging-service, workers: unlimited, service_time: 1ms, line_time: 100us, lines: 3, fsync: every_record}}
  shipper: {{kind: log-shipper, reads: shop, checkpoint_every: 0s, calls: [{{to: archive, timeout: 500ms}}]}}
  archive: {{kind: log-store, workers: unlimited, service_time: 1ms, fsync: every_commit}}
network: {{default: {{latency: 1ms}}}}
load: [{{name: buyers, to: shop, {load}}}]
timeline: [{{at: 4s, for: 1s, id: cut, fault: {{crash: {{service: shipper, mode: host}}}}}}]
"
    )
}

fn tokens(load: &str) -> String {
    format!(
        "
run: {{duration: 20s, drain: 10s}}
services:
  apps: {{kind: auth-client, workers: unlimited, service_time: 1ms, refresh_after: 50%, jitter: 0s, calls: [{{to: login, timeout: 1s}}, {{to: api, timeout: 1s}}]}}
  api: {{kind: token-verifier, workers: unlimited, service_time: 1ms, calls: [{{to: login, timeout: 1s}}]}}
  login: {{kind: auth-server, workers: unlimited, service_time: 1ms, token_life: 6s}}
network: {{default: {{latency: 1ms}}}}
load: [{{name: users, to: apps, {load}}}]
"
    )
}

fn messages(load: &str) -> String {
    format!(
        "
run: {{duration: 6s, drain: 30s}}
services:
  moves: {{kind: message-queue, workers: unlimited, service_time: 1ms, visibility: 3s, fsync: every_commit}}
  movers: {{kind: queue-consumer, workers: 2, service_time: 60ms, calls: [{{to: moves, timeout: 3s}}]}}
network: {{default: {{latency: 1ms}}}}
load: [{{name: players, to: moves, {load}}}]
timeline: [{{at: 4s, for: 1s, id: cut, fault: {{crash: {{service: moves, mode: host}}}}}}]
"
    )
}

fn records(load: &str) -> String {
    format!(
        "
run: {{duration: 6s, drain: 30s}}
services:
  orders: {{kind: broker-producer, workers: unlimited, acks: leader, calls: [{{to: keeper}}, {{to: one}}]}}
  keeper: {{kind: broker-controller, partitions: 1, calls: [{{to: one}}]}}
  one: {{kind: broker, fsync: every_commit, calls: [{{to: keeper}}]}}
  billing: {{kind: broker-consumer, workers: 1, service_time: 20ms, calls: [{{to: keeper}}, {{to: one}}]}}
network: {{default: {{latency: 1ms}}}}
load: [{{name: buyers, to: orders, {load}}}]
timeline: [{{at: 4s, for: 1s, id: cut, fault: {{crash: {{service: one, mode: host}}}}}}]
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
            ("who disputes", "webhook_delay", "disputes: 50%, disputed_after: 0s, webhook_delay"),
            (
                "when a payer disputes",
                "webhook_delay",
                "disputes: 100%, disputed_after: 0s, dispute_jitter: 5s, webhook_delay",
            ),
            (
                "who wins a dispute",
                "webhook_delay",
                "disputes: 100%, disputed_after: 0s, disputes_won: 50%, webhook_delay",
            ),
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
    let bookings = of(
        bookings,
        &[
            ("which seat a guest wants", "choice: best", "view_ttl: 5s, choice: anywhere"),
            ("how many come together", "party: {min: 1, max: 1}", "party: {min: 1, max: 5}"),
            ("when a guest pays", "checkout_jitter: 0s", "checkout_jitter: 2s"),
            ("who never pays", "abandon: 0%", "abandon: 50%"),
            ("who calls it off", "cancel: 0%", "cancel: 50%"),
            ("who is let in first", "order: fifo", "order: lottery"),
            ("what a power cut leaves of bookings", "fsync: every_commit", "fsync: never"),
        ],
    );
    let cars = of(cars, &[("how long a car stays", "stays: constant", "stays: exponential")]);
    let lifts = of(lifts, &[("where a person wants to", "floors: 2", "floors: 11")]);
    let logs = of(
        logs,
        &[
            ("what goes wrong", "fails: 0%", "fails: 30%"),
            ("which line is for the auditors", "audited: 0%", "audited: 30%"),
            ("what a power cut leaves of logs", "fsync: every_record", "fsync: never"),
        ],
    );
    let shipped =
        of(shipped, &[("how long a shipper pauses", "crash: {service: shipper", "crash: {service: archive")]);
    let tokens = of(
        tokens,
        &[
            ("when a token is renewed", "jitter: 0s", "jitter: 2s"),
            ("whose token is stolen", "jitter: 0s", "jitter: 0s, stolen: 10%"),
        ],
    );
    let messages = of(
        messages,
        &[
            ("how long a message takes", "service_time: 60ms", "service_time: {exponential: {mean: 60ms}}"),
            ("what a power cut leaves of messages", "fsync: every_commit", "fsync: never"),
        ],
    );
    let records = of(
        records,
        &[
            ("how long a record takes", "service_time: 20ms", "service_time: {exponential: {mean: 20ms}}"),
            ("what a power cut leaves of records", "fsync: every_commit", "fsync: never"),
        ],
    );
    let new = [bookings, cars, lifts, logs, shipped, tokens, messages, records];
    [money, transfers, jobs, notices].into_iter().chain(new).flatten().collect()
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
    let worlds = [money, transfers, notices, bookings, cars, lifts, logs, shipped, tokens, messages, records];
    for world in worlds.map(|world| world(PACE)) {
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
