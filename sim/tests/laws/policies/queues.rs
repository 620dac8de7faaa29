//! Waiting lines: who is served next, who gives way, who shares, and where replicas are chosen.

use crate::harness::{check, check_work, edge, ran, service};

/// Three operations of 1, 5 and 10 ms, urgent in that order, at one worker.
fn three_sizes(discipline: &str, arrivals: &str) -> String {
    format!(
        "services:
  api:
    queue: {{discipline: {discipline}}}
    operations:
      small: {{service_time: 1ms, priority: 9}}
      middle: {{service_time: 5ms, priority: 5}}
      big: {{service_time: 10ms}}
load:
  - {{name: users, to: api, arrivals: {{trace: '{arrivals}'}}, mix: {{small: 40%, middle: 30%, big: 30%}}}}"
    )
}

#[test]
fn each_discipline_serves_in_its_own_order() {
    let arrivals = "0ms big,1ms big,2ms small,3ms middle";
    for (discipline, [second, third, fourth]) in [
        ("fifo", ["1ms..20ms", "2ms..21ms", "3ms..26ms"]),
        ("lifo", ["1ms..26ms", "2ms..16ms", "3ms..15ms"]),
        ("shortest_first", ["1ms..26ms", "2ms..11ms", "3ms..16ms"]),
        ("priority", ["1ms..26ms", "2ms..11ms", "3ms..16ms"]),
        // The small job takes the worker at 2 ms for 1 ms, the middle one at 3 ms for 5; the first resumes at 8 ms.
        ("priority_preemptive", ["1ms..26ms", "2ms..3ms", "3ms..8ms"]),
    ] {
        let first = if discipline == "priority_preemptive" { "0s..16ms" } else { "0s..10ms" };
        let expected =
            format!("users 0: {first} ok\nusers 1: {second} ok\nusers 2: {third} ok\nusers 3: {fourth} ok");
        check(discipline, &three_sizes(discipline, arrivals), &expected);
    }
}

#[test]
fn random_order_serves_everybody_and_differs_from_seed_to_seed() {
    let scenario =
        three_sizes("random", "0ms big,1ms small,2ms small,3ms small,4ms small,5ms small,6ms small");
    let order = |seed| {
        let outcome = crate::harness::ran_with_seed(&scenario, seed);
        let mut ends: Vec<_> =
            outcome.trace.requests.iter().map(|request| (request.ended.unwrap(), request.number)).collect();
        ends.sort_unstable();
        ends.into_iter().map(|(_, number)| number).collect::<Vec<_>>()
    };
    let orders: std::collections::BTreeSet<Vec<u64>> = (1..9).map(order).collect();
    assert!(orders.len() > 4, "eight seeds give {} orders of six waiting", orders.len());
    for order in &orders {
        let mut everybody = order.clone();
        everybody.sort_unstable();
        assert_eq!(everybody, [0, 1, 2, 3, 4, 5, 6]);
    }
}

#[test]
fn a_preempted_job_resumes_where_it_was_and_within_a_priority_the_first_is_first() {
    check_work(
        "the big job works 0..4, 6..7 and 17..22 ms; the second middle one does not preempt the first",
        &three_sizes("priority_preemptive", "0ms big,4ms small,5ms small,7ms middle,8ms middle"),
        "
        users 0: 0s..22ms ok
          api/1 #1 12ms..22ms
        users 1: 4ms..5ms ok
          api/1 #1 4ms..5ms
        users 2: 5ms..6ms ok
          api/1 #1 5ms..6ms
        users 3: 7ms..12ms ok
          api/1 #1 7ms..12ms
        users 4: 8ms..17ms ok
          api/1 #1 12ms..17ms",
    );
}

#[test]
fn a_preempted_job_goes_on_before_those_who_came_after_it() {
    check(
        "both big jobs are as urgent; the one that had begun resumes at 3 ms",
        &three_sizes("priority_preemptive", "0ms big,1ms big,2ms small"),
        "
        users 0: 0s..11ms ok
        users 1: 1ms..21ms ok
        users 2: 2ms..3ms ok",
    );
}

#[test]
fn processor_sharing_halves_the_speed_of_two() {
    check(
        "alone to 5 ms, together to 15 ms, alone again",
        "
        services: {api: {service_time: 10ms, queue: {discipline: processor_sharing}}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,5ms,30ms'}}]",
        "
        users 0: 0s..15ms ok
        users 1: 5ms..20ms ok
        users 2: 30ms..40ms ok",
    );
    check(
        "with two workers three share: 10 ms alone at full speed, three at two thirds",
        "
        services: {api: {service_time: 10ms, workers: 2, queue: {discipline: processor_sharing, capacity: 1}}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,0ms,0ms,1ms'}}]",
        "
        users 0: 0s..15ms ok
        users 1: 0s..15ms ok
        users 2: 0s..15ms ok
        users 3: 1ms..1ms rejected",
    );
}

#[test]
fn a_full_line_turns_the_newcomer_or_the_oldest_away() {
    let scenario = |on_full: &str| {
        format!(
            "services: {{api: {{service_time: 10ms, queue: {{capacity: 1, on_full: {on_full}}}}}}}
load: [{{name: users, to: api, arrivals: {{trace: '0ms,1ms,2ms'}}}}]"
        )
    };
    let outcome = check(
        "the newcomer",
        &scenario("reject"),
        "
        users 0: 0s..10ms ok
        users 1: 1ms..20ms ok
        users 2: 2ms..2ms rejected",
    );
    assert_eq!((service(&outcome, "api").rejected, service(&outcome, "api").queue_max), (1, 1));
    check(
        "the oldest",
        &scenario("drop_oldest"),
        "
        users 0: 0s..10ms ok
        users 1: 1ms..2ms rejected
        users 2: 2ms..20ms ok",
    );
    check(
        "without places there is no oldest",
        &scenario("drop_oldest").replace("capacity: 1", "capacity: 0"),
        "
        users 0: 0s..10ms ok
        users 1: 1ms..1ms rejected
        users 2: 2ms..2ms rejected",
    );
}

#[test]
fn controlled_delay_sheds_only_after_the_delay_has_stood_above_target_for_an_interval() {
    let scenario = |codel: &str| {
        format!(
            "run: {{duration: 3s}}
services: {{api: {{service_time: 10ms, queue: {{{codel}}}}}}}
load: [{{name: users, to: api, arrivals: constant, rate: 150/s}}]"
        )
    };
    let open = ran(&scenario(""));
    let controlled = ran(&scenario("codel: {target: 5ms, interval: 100ms}"));
    let (open, shed) = (service(&open, "api"), service(&controlled, "api"));
    // 1.5 s of work arrive in each second: the last request waits for 1.5 s.
    assert_eq!(open.shed, 0);
    assert!(open.wait.max_ns > 1_400_000_000, "{}", open.wait.max_ns);
    assert!(shed.shed > 0 && shed.wait.max_ns < open.wait.max_ns, "{} shed", shed.shed);
    let first = controlled
        .trace
        .requests
        .iter()
        .filter(|request| request.outcome.name() == "rejected")
        .map(|request| request.ended.unwrap());
    // Waiting is above 5 ms from the third taken up, at 20 ms; 100 ms later the first is shed.
    assert_eq!(first.min(), Some(crate::harness::ms(130)));
    let gone = check(
        "a single one in line is never shed",
        "
        services: {api: {service_time: 200ms, queue: {codel: {target: 5ms, interval: 100ms}}}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,10ms,210ms,410ms'}}]",
        "
        users 0: 0s..200ms ok
        users 1: 10ms..400ms ok
        users 2: 210ms..600ms ok
        users 3: 410ms..800ms ok",
    );
    assert_eq!(service(&gone, "api").shed, 0);
}

#[test]
fn replicas_on_one_host_share_its_cores() {
    check(
        "two replicas with a worker each on one core: both take twice as long while both work",
        "
        hosts: {small: {cores: 1}}
        services: {api: {replicas: 2, host: small, service_time: 10ms}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,0ms,40ms'}}]",
        "
        users 0: 0s..20ms ok
        users 1: 0s..20ms ok
        users 2: 40ms..50ms ok",
    );
    check(
        "two workers of one replica on half a core each",
        "
        services: {api: {workers: 2, cpu: {cores: 1, service_time: 10ms}}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,0ms,30ms'}}]",
        "
        users 0: 0s..20ms ok
        users 1: 0s..20ms ok
        users 2: 30ms..40ms ok",
    );
}

#[test]
fn balancers_spread_requests_as_their_names_say() {
    let scenario = |replicas: u32, balance: &str| {
        format!(
            "services: {{api: {{replicas: {replicas}, workers: unlimited, service_time: 1ms, {balance}}}}}
load: [{{name: users, to: api, arrivals: constant, rate: 400/s, keys: {{uniform: {{items: 3}}}}}}]"
        )
    };
    let spread = |replicas: u32, balance: &str| {
        let mut counts = edge(&ran(&scenario(replicas, balance)), "users -> api").attempts_by_replica.clone();
        counts.sort_unstable();
        counts
    };
    assert_eq!(spread(4, "balance: round_robin"), [100, 100, 100, 100]);
    assert_eq!(spread(2, "balance: weighted, weights: [3, 1]"), [100, 300]);
    let random = spread(4, "balance: random");
    assert!(
        random.iter().all(|count| (70..130).contains(count)) && random.iter().sum::<u64>() == 400,
        "{random:?}"
    );
    let ring = spread(64, "balance: ring_hash");
    assert!(
        ring.iter().filter(|count| **count > 0).count() <= 3,
        "three keys reach at most three replicas: {ring:?}"
    );
}

#[test]
fn the_replica_with_the_fewest_requests_in_flight_is_chosen() {
    let outcome = ran("
        services: {api: {replicas: 2, service_time: 1ms, balance: least_requests}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,0ms,10ms,20ms,30ms'}}]
        timeline: [{id: stuck, at: 0s, for: 100ms, fault: {pause: {service: {service: api, pick: one}}}}]");
    // Of the two requests of the first instant one meets the replica that stands still; all others avoid it.
    let mut took: Vec<String> = outcome
        .trace
        .requests
        .iter()
        .map(|request| request.ended.unwrap().since(request.started).to_string())
        .collect();
    took.sort_unstable();
    assert_eq!(took, ["101ms", "1ms", "1ms", "1ms", "1ms"]);
}

#[test]
fn an_entry_can_wait_for_a_line_to_grow() {
    let outcome = ran(
        "
        run: {duration: 1s, grid: 10ms}
        services: {api: {service_time: 100ms}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,1ms,2ms,25ms,26ms'}}]
        timeline: [{id: help, when: {queue_at_least: {service: api, waiting: 3}}, scale: {service: api, replicas: 2}}]",
    );
    assert_eq!(crate::harness::timeline(&outcome), "30ms help started: api: 1 -> 2 replicas\n");
}
