//! Message brokers and queues: what is acknowledged stays, who processes what how often, and what the books see.

use foreshock::nodes::Kinds;
use foreshock::run::Outcome;

use crate::harness::{broken, found, plan, ran, run_plan, shown};

/// Three brokers, a controller, a producer and consumers, each with the settings given.
fn cluster(producer: &str, controller: &str, broker: &str, consumer: &str, rest: &str) -> String {
    format!(
        "
run: {{duration: 20s, drain: 20s}}
services:
  orders: {{kind: broker-producer, workers: 256, request_timeout: 500ms, delivery_timeout: 30s, {producer}, calls: [{{to: keeper}}, {{to: one}}, {{to: two}}, {{to: three}}]}}
  keeper: {{kind: broker-controller, session: 2s, initial_delay: 500ms, {controller}, calls: [{{to: one}}, {{to: two}}, {{to: three}}]}}
  one: {{kind: broker, {broker}, calls: [{{to: keeper}}, {{to: two}}, {{to: three}}]}}
  two: {{kind: broker, {broker}, calls: [{{to: keeper}}, {{to: one}}, {{to: three}}]}}
  three: {{kind: broker, {broker}, calls: [{{to: keeper}}, {{to: one}}, {{to: two}}]}}
  billing: {{kind: broker-consumer, workers: 1, {consumer}, calls: [{{to: keeper}}, {{to: one}}, {{to: two}}, {{to: three}}]}}
network: {{default: {{latency: 1ms}}}}
load:
  - {{name: buyers, to: orders, rate: 50/s, keys: {{uniform: {{items: 100}}}}}}
{rest}
"
    )
}

const SIX: &str = "partitions: 6";
const TWO_IN_SYNC: &str = "min_insync_replicas: 2";
const QUICK: &str = "replicas: 2, service_time: {exponential: {mean: 2ms}}";
const CUT: &str = "timeline: [{at: 8s, for: 6s, id: cut, fault: {partition: {between: [[one], [two, three, keeper]], mode: drop}}}]";

fn run(text: &str) -> Outcome {
    run_plan(&plan(text), &Kinds::default())
}

#[test]
fn every_record_that_is_acknowledged_is_processed_once_on_a_quiet_day() {
    let outcome = ran(&cluster("acks: all", SIX, TWO_IN_SYNC, QUICK, ""));
    let delivered = shown(&outcome, "orders", "records_delivered");
    assert!(delivered > 900);
    assert_eq!(shown(&outcome, "keeper", "acknowledged"), delivered);
    assert_eq!(shown(&outcome, "billing", "processed_distinct"), delivered);
    let others = ["processed_again", "processed_duplicates", "lag"];
    assert_eq!(others.map(|count| shown(&outcome, "billing", count)), [0, 0, 0]);
    // Each broker leads what it is the first replica of.
    let led = ["one", "two", "three"].map(|broker| shown(&outcome, broker, "records_acknowledged"));
    assert!(led.iter().all(|records| *records > 100), "{led:?}");
}

#[test]
fn a_leader_that_is_cut_off_loses_what_it_alone_acknowledged_and_nothing_that_all_did() {
    let lost = |acks: &str| {
        let outcome = ran(&cluster(acks, SIX, TWO_IN_SYNC, QUICK, CUT));
        assert_eq!(found(&outcome, "broker_records_lost"), acks == "acks: leader");
        assert_eq!(shown(&outcome, "keeper", "brokers_fenced"), 1);
        (shown(&outcome, "keeper", "lost_acks_leader"), shown(&outcome, "one", "records_truncated"))
    };
    let (of_leader, truncated) = lost("acks: leader");
    assert!(of_leader > 0 && truncated >= of_leader);
    assert_eq!(lost("acks: all").0, 0);
}

#[test]
fn logs_cut_at_the_high_watermark_lose_what_two_fast_leader_changes_would_otherwise_keep() {
    let timeline = "timeline:
  - {at: 8s, for: 3s, id: cut, fault: {partition: {between: [[one], [two]], mode: drop}}}
  - {at: 8.2s, for: 300ms, id: restart, fault: {crash: {service: two}}}
  - {at: 9s, for: 8s, id: dies, fault: {crash: {service: one}}}";
    let kept = |truncate_by: &str| {
        let settings = format!("min_insync_replicas: 1, truncate_by: {truncate_by}");
        let two = "partitions: 6, replication: 2";
        run(&cluster("acks: all", two, &settings, QUICK, timeline))
    };
    let outcome = kept("high_watermark");
    assert_eq!(broken(&outcome).first(), Some(&"broker_acknowledged_kept"));
    assert!(shown(&outcome, "keeper", "lost_unexcused") > 0);
    assert_eq!(broken(&kept("leader_epoch")), Vec::<&str>::new());
}

#[test]
fn consumers_and_their_settings_change_nothing_for_producers() {
    let latencies = |consumer: &str| {
        let outcome = ran(&cluster("acks: all", SIX, TWO_IN_SYNC, consumer, ""));
        let ends: Vec<_> =
            outcome.trace.requests.iter().map(|request| (request.started, request.ended)).collect();
        assert!(ends.len() > 900);
        ends
    };
    assert_eq!(latencies(QUICK), latencies("replicas: 1, max_poll_records: 7, service_time: 10ms"));
}

#[test]
fn a_member_that_is_stuck_in_a_batch_leaves_and_its_records_are_processed_again() {
    let slow = "replicas: 2, service_time: 100ms, poll_interval: 2s, heartbeat: 500ms";
    let outcome = ran(&cluster("acks: all", "partitions: 6, poll_interval: 2s", TWO_IN_SYNC, slow, ""));
    assert!(shown(&outcome, "billing", "left_stuck") > 3);
    assert!(shown(&outcome, "keeper", "members_stuck") > 3);
    assert!(shown(&outcome, "billing", "processed_again") > 50);
    assert!(found(&outcome, "broker_rebalance_storm"));
    let small = format!("{slow}, max_poll_records: 1");
    let outcome = ran(&cluster("acks: all", "partitions: 6, poll_interval: 2s", TWO_IN_SYNC, &small, ""));
    assert_eq!(shown(&outcome, "billing", "left_stuck"), 0);
}

#[test]
fn a_member_that_dies_loses_what_it_committed_before_the_work_or_repeats_what_it_would_have_after() {
    let dies = |commit: &str| {
        let slow = format!(
            "replicas: 2, service_time: {{exponential: {{mean: 30ms}}}}, max_poll_records: 20, commit: {commit}"
        );
        let crash = "timeline: [{at: 9s, for: 8s, id: dies, fault: {crash: {service: billing/1}}}]";
        let session = "partitions: 6, group_session: 6s";
        let outcome = ran(&cluster("acks: all", session, TWO_IN_SYNC, &slow, crash));
        let delivered = shown(&outcome, "orders", "records_delivered");
        let never = delivered - shown(&outcome, "billing", "processed_distinct");
        (never > 0, shown(&outcome, "billing", "processed_again") > 0)
    };
    assert_eq!(dies("after"), (false, true));
    assert_eq!(dies("before"), (true, false));
}

/// A queue, consumers and a load, each with the settings given.
fn queue(queue: &str, consumer: &str, rest: &str) -> String {
    format!(
        "
run: {{duration: 20s, drain: 40s}}
services:
  mails: {{kind: message-queue, workers: 64, {queue}}}
  mailers: {{kind: queue-consumer, {consumer}, calls: [{{to: mails, timeout: 3s}}]}}
load:
  - {{name: shop, to: mails, rate: 20/s, keys: {{uniform: {{items: 10}}}}, timeout: 1s, retry: {{max_attempts: 6, backoff: {{kind: constant, base: 500ms}}}}}}
{rest}
"
    )
}

#[test]
fn every_message_is_processed_once_and_deleted_if_nobody_is_late() {
    let outcome = ran(&queue("visibility: 30s", "workers: 8, service_time: {exponential: {mean: 50ms}}", ""));
    let sent = shown(&outcome, "mails", "sent");
    assert!(sent > 300);
    let counts = ["deleted", "received", "processed_distinct"].map(|count| shown(&outcome, "mails", count));
    assert_eq!(counts, [sent; 3]);
    let none = ["redelivered", "live", "dead", "stale_handles", "processed_again"];
    assert_eq!(none.map(|count| shown(&outcome, "mails", count)), [0; 5]);
}

#[test]
fn poison_goes_to_the_dead_letters_after_its_receives_and_holds_up_nobody() {
    let poison = "workers: 8, service_time: 10ms, poison: 10%";
    let outcome = ran(&queue("visibility: 2s, max_receives: 3", poison, ""));
    let (sent, dead) = (shown(&outcome, "mails", "sent"), shown(&outcome, "mails", "dead_letters"));
    assert!(dead > 10);
    assert_eq!(shown(&outcome, "mails", "deleted"), sent - dead);
    assert_eq!(shown(&outcome, "mails", "redelivered"), 2 * dead);
    assert!(found(&outcome, "messages_dead"));
}

#[test]
fn a_queue_whose_machine_dies_loses_nothing_it_has_answered_for() {
    let crash = "timeline: [{id: crash, at: 10s, for: 1s, fault: {crash: {service: mails, mode: host}}}]";
    let outcome = ran(&queue("fifo: true, visibility: 2s", "workers: 16, service_time: 30ms", crash));
    let offered = outcome.measured.loads[0].all.offered;
    assert_eq!(outcome.measured.loads[0].all.good, offered);
    assert_eq!(shown(&outcome, "mails", "processed_distinct"), offered);
    assert_eq!((shown(&outcome, "mails", "live"), shown(&outcome, "mails", "restarts")), (0, 1));
}

#[test]
fn what_brokers_are_asked_queues_on_their_processors_and_loses_nothing() {
    const SLOW: &str = "timeline: [{at: 8s, for: 6s, id: slow, fault: {slow: {service: one, factor: x6}}}]";
    let of = |costs: &str, rest: &str| {
        let broker = format!("{TWO_IN_SYNC}, workers: 2, cpu: {{cores: 1}}, {costs}");
        let outcome = ran(&cluster("acks: all, linger: 0ms", SIX, &broker, QUICK, rest));
        let delivered = shown(&outcome, "orders", "records_delivered");
        assert_eq!(shown(&outcome, "keeper", "acknowledged"), delivered);
        assert_eq!(shown(&outcome, "billing", "processed_distinct"), delivered);
        let busy_ns = crate::harness::service(&outcome, "one").service.sum_ns;
        (outcome.measured.loads[0].latency.sum_ns / 1_000_000, busy_ns, outcome)
    };
    const COSTS: &str = "produce_time: 3ms, fetch_time: 500us, record_time: 100us";
    let (free_ms, nothing, _) = of("fetch_wait: 100ms", "");
    let (quiet_ms, busy_ns, quiet) = of(COSTS, "");
    let (slow_ms, ..) = of(COSTS, SLOW);
    assert_eq!(nothing, 0);
    assert!(busy_ns > 1_000_000_000, "{busy_ns}");
    assert!(free_ms < quiet_ms && quiet_ms < slow_ms, "{free_ms} ms, {quiet_ms} ms, {slow_ms} ms in all");
    assert!(shown(&quiet, "one", "requests_handled") > 500);
    assert_eq!(shown(&quiet, "one", "requests_turned_away"), 0);
}

#[test]
fn a_broker_whose_line_is_full_turns_requests_away_and_they_are_asked_again() {
    let broker = format!(
        "{TWO_IN_SYNC}, workers: 1, cpu: {{cores: 1}}, queue: {{capacity: 2}}, produce_time: 25ms, fetch_time: 5ms"
    );
    let outcome = ran(&cluster("acks: all", SIX, &broker, QUICK, ""));
    let turned_away: u64 =
        ["one", "two", "three"].map(|broker| shown(&outcome, broker, "requests_turned_away")).iter().sum();
    assert!(turned_away > 0);
    let delivered = shown(&outcome, "orders", "records_delivered");
    assert_eq!(shown(&outcome, "billing", "processed_distinct"), delivered);
}
