//! Limits at the door of a service and on calls, in scenarios so small that the result is computed by hand; and the
//! promises over many requests: what is cut off, what is kept by whom, what is told to whom.

use foreshock::run::Outcome;

use crate::harness::{check, check_calls, edge, ends, ran, service};

/// What a system counted, 0 if it did not.
fn count(outcome: &Outcome, system: &str, name: &str) -> u64 {
    outcome.measured.systems.get(system).and_then(|counts| counts.get(name)).copied().unwrap_or(0)
}

/// A finding that contains `text`.
fn found(outcome: &Outcome, text: &str) -> bool {
    outcome.judgement.findings.iter().any(|finding| finding.text.contains(text))
}

#[test]
fn a_refusal_names_the_instant_at_which_the_request_passes_and_the_caller_keeps_it() {
    check_calls(
        "a permit comes every 100 ms; the second is told 100 ms less the 5 ms that have passed",
        "
        services:
          api: {service_time: 1ms, workers: unlimited, admission: {rate_limit: {rate: 10/s}}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,5ms'}
            retry: {max_attempts: 2, backoff: {kind: constant, base: 1ms, jitter: none}}",
        "
        users 0: 0s..1ms ok
          users -> api #1 0s..1ms
        users 1: 5ms..101ms ok
          users -> api #1 5ms..5ms
          users -> api #2 100ms..101ms",
    );
}

#[test]
fn with_retry_after_off_the_caller_is_told_nothing() {
    check(
        "the retry after a millisecond comes too early",
        "
        services:
          api: {service_time: 1ms, workers: unlimited, admission: {rate_limit: {rate: 10/s}, retry_after: false}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,5ms'}
            retry: {max_attempts: 2, backoff: {kind: constant, base: 1ms, jitter: none}}",
        "
        users 0: 0s..1ms ok
        users 1: 5ms..6ms rejected",
    );
}

#[test]
fn what_is_refused_at_the_door_takes_no_place_in_the_line() {
    let outcome = check(
        "one is worked on, one waits, the third would find a full line but is refused before it comes that far",
        "
        services:
          api:
            service_time: 10ms
            queue: {capacity: 1}
            admission: {rate_limit: {rate: 1/s, burst: 2}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,1ms,2ms,30ms'}}]",
        "
        users 0: 0s..10ms ok
        users 1: 1ms..20ms ok
        users 2: 2ms..2ms rejected
        users 3: 30ms..30ms rejected",
    );
    assert_eq!((count(&outcome, "api", "admitted"), count(&outcome, "api", "refused")), (2, 2));
    assert_eq!(service(&outcome, "api").rejected, 2);
}

#[test]
fn a_fixed_window_lets_twice_its_limit_pass_across_an_edge_and_the_others_do_not() {
    let scenario = |limit: &str| {
        format!(
            "services: {{api: {{workers: unlimited, admission: {{rate_limit: {{{limit}}}}}}}}}
load: [{{name: users, to: api, arrivals: {{trace: '0.9s,0.9s,0.9s,0.9s,1.1s,1.1s,1.1s,1.1s'}}}}]
run: {{duration: 2s, drain: 1s}}"
        )
    };
    let passed = |limit: &str| {
        let outcome = ran(&scenario(limit));
        let admitted = count(&outcome, "api", "admitted");
        (admitted, count(&outcome, "api", "most_in_window"), count(&outcome, "api", "over_admitted"), outcome)
    };
    let (admitted, most, over, outcome) = passed("kind: fixed_window, limit: 4, window: 1s");
    assert_eq!((admitted, most, over), (8, 8, 4));
    assert!(found(&outcome, "8 requests passed the limit of `api` in 1s across a window edge"));
    let (admitted, most, over, outcome) = passed("kind: sliding_log, limit: 4, window: 1s");
    assert_eq!((admitted, most, over), (4, 4, 0));
    assert!(!found(&outcome, "passed the limit"));
    // A tenth into the second window nine tenths of the four before still count, which is three, rounded down.
    let (admitted, most, over, _) = passed("kind: sliding_window, limit: 4, window: 1s");
    assert_eq!((admitted, most, over), (5, 5, 1));
    for kind in ["token_bucket", "gcra"] {
        // 200 ms after an empty bucket nothing is in it.
        let (admitted, _, over, _) = passed(&format!("kind: {kind}, rate: 4/s, burst: 4"));
        assert_eq!((admitted, over), (4, 0), "{kind}");
    }
}

#[test]
fn a_leaky_bucket_at_the_door_paces_those_it_lets_wait() {
    let outcome = check(
        "one leaves at once, two wait for 100 ms and 200 ms, the fourth finds the bucket full",
        "
        services:
          api:
            service_time: 1ms
            workers: unlimited
            admission: {rate_limit: {kind: leaky_bucket, rate: 10/s, burst: 2}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,1ms,2ms,3ms'}}]",
        "
        users 0: 0s..1ms ok
        users 1: 1ms..101ms ok
        users 2: 2ms..201ms ok
        users 3: 3ms..3ms rejected",
    );
    assert_eq!((count(&outcome, "api", "waited"), count(&outcome, "api", "over_admitted")), (2, 0));
}

#[test]
fn a_call_waits_for_its_turn_up_to_max_wait() {
    let outcome = check(
        "the second waits; the third would have to wait for 200 ms less the 2 ms that have passed, and is refused",
        "
        services: {api: {service_time: 1ms, workers: unlimited}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,1ms,2ms'}
            rate_limit: {rate: 10/s, max_wait: 150ms}",
        "
        users 0: 0s..1ms ok
        users 1: 1ms..101ms ok
        users 2: 2ms..2ms rate_limited",
    );
    let limit = edge(&outcome, "users -> api").rate_limit;
    assert_eq!((limit.passed, limit.refused, limit.waited, limit.waited_ns), (2, 1, 1, 99_000_000));
}

#[test]
fn the_timeout_of_an_attempt_covers_the_wait_for_its_turn() {
    check(
        "the second has to wait for 99 ms and does so for 20 ms",
        "
        services: {api: {service_time: 1ms, workers: unlimited}}
        load:
          - name: users
            to: api
            arrivals: {trace: '0ms,1ms'}
            timeout: 20ms
            rate_limit: {rate: 10/s, max_wait: 150ms}",
        "
        users 0: 0s..1ms ok
        users 1: 1ms..21ms rate_limited",
    );
}

#[test]
fn a_turn_that_is_given_up_is_there_for_the_next() {
    check(
        "the second holds the turn at 100 ms and is cancelled at 21 ms; the third gets it, which it would not wait for \
         if it were the one at 200 ms",
        "
        services:
          front: {workers: unlimited, calls: [{to: api, rate_limit: {rate: 10/s, max_wait: 150ms}}]}
          api: {service_time: 1ms, workers: unlimited}
        load:
          - {name: users, to: front, arrivals: {trace: '0ms,1ms'}, timeout: 20ms, cancel: true}
          - {name: others, to: front, arrivals: {trace: '30ms'}}",
        "
        users 0: 0s..1ms ok
        users 1: 1ms..21ms timeout
        others 0: 30ms..101ms ok",
    );
}

#[test]
fn shadow_lets_everybody_pass_and_counts_whom_it_would_have_refused() {
    let outcome = ran("
        services:
          api: {workers: unlimited, admission: {rate_limit: {rate: 10/s}, concurrency: {initial: 1}, shadow: true}}
        load:
          - {name: users, to: api, arrivals: {trace: '0ms,1ms,2ms'}}
          - {name: others, to: api, arrivals: {trace: '0ms,1ms'}, rate_limit: {rate: 1/s, shadow: true}}");
    assert_eq!(ends(&outcome).lines().filter(|line| line.ends_with("ok")).count(), 5);
    assert_eq!((count(&outcome, "api", "refused"), count(&outcome, "api", "would_refuse")), (0, 4));
    assert_eq!(count(&outcome, "api", "over_admitted"), 0, "what is not in force cannot be exceeded");
    assert_eq!(edge(&outcome, "others -> api").rate_limit.would_refuse, 1);
    assert!(found(&outcome, "in shadow: the limit of `api` would have refused 4 of 5 requests"));
}

#[test]
fn one_hot_key_leaves_the_others_what_is_theirs() {
    let scenario = |hot: &str| {
        format!(
            "services: {{api: {{workers: unlimited, admission: {{rate_limit: {{rate: 10/s, burst: 5, per: load}}}}}}}}
load:
  - {{name: quiet, to: api, arrivals: constant, rate: 8/s}}
  - {{name: hot, to: api, arrivals: constant, rate: {hot}}}"
        )
    };
    let (calm, storm) = (ran(&scenario("1/s")), ran(&scenario("2000/s")));
    let quiet = |outcome: &Outcome| -> Vec<String> {
        ends(outcome).lines().filter(|line| line.starts_with("quiet")).map(str::to_string).collect()
    };
    assert_eq!(quiet(&calm), quiet(&storm));
    assert!(count(&storm, "api", "refused") > 1_900);
}

#[test]
fn a_request_costs_what_its_operation_costs() {
    check(
        "of ten permits an export takes six",
        "
        services:
          api: {workers: unlimited, admission: {rate_limit: {rate: 1/s, burst: 10, cost: {export: 6}}}}
        load:
          - {name: users, to: api, mix: {export: 50%, browse: 50%}, arrivals: {trace: '0ms export,1ms export,2ms browse'}}",
        "
        users 0: 0s..0s ok
        users 1: 1ms..1ms rejected
        users 2: 2ms..2ms ok",
    );
}

#[test]
fn a_key_that_nobody_sends_switches_the_limit_off_on_without_a_word_or_refuses_all() {
    let scenario = |empty_key: &str| {
        format!(
            "services:
  api:
    workers: unlimited
    admission: {{rate_limit: {{rate: 1/s, per: key, header: x-api-key, empty_key: {empty_key}}}}}
load:
  - {{name: users, to: api, arrivals: constant, rate: 10/s, key_header: x-api-key, keys: {{uniform: {{items: 1}}}}}}
timeline: [{{id: renamed, at: 500ms, config: {{api.admission.rate_limit.header: x-tenant}}}}]"
        )
    };
    let outcome = |empty_key: &str| {
        let outcome = ran(&scenario(empty_key));
        (count(&outcome, "api", "admitted"), count(&outcome, "api", "empty_keys"), outcome)
    };
    let (skipped, empty, outcome_of_skip) = outcome("skip");
    assert_eq!((skipped, empty), (6, 5), "one of the first five, and all that came after the change");
    assert!(found(
        &outcome_of_skip,
        "5 of 10 requests lacked the key that the limit of `api` counts by (50 %)"
    ));
    let (rejected, ..) = outcome("reject");
    let (counted, ..) = outcome("count");
    assert_eq!((rejected, counted), (1, 2), "refused, or one limit for all of them");
}

#[test]
fn a_limit_can_be_changed_while_it_is_in_force() {
    let outcome = ran("
        services: {api: {workers: unlimited, admission: {rate_limit: {rate: 100/s}}}}
        load: [{name: users, to: api, arrivals: constant, rate: 1000/s}]
        run: {duration: 2s, drain: 1s}
        timeline: [{id: cut, at: 1s, config: {api.admission.rate_limit.rate: 10/s}}]");
    assert_eq!(count(&outcome, "api", "admitted"), 100 + 10);
    assert_eq!(count(&outcome, "api", "over_admitted"), 0);
}

#[test]
fn admission_can_be_taken_away_and_put_back_while_things_run() {
    let outcome = ran("
        services: {api: {workers: unlimited, admission: {rate_limit: {rate: 10/s}}}}
        load: [{name: users, to: api, arrivals: constant, rate: 100/s}]
        run: {duration: 3s, drain: 1s}
        timeline:
          - {id: gone, at: 1s, for: 1s, config: {api.admission: null}}");
    let ok = |from: u64, to: u64| {
        let requests = outcome.trace.requests.iter();
        requests
            .filter(|request| (from..to).contains(&(request.started.as_nanos() / 1_000_000)))
            .filter(|request| request.outcome.name() == "ok")
            .count()
    };
    assert_eq!((ok(0, 1_000), ok(1_000, 2_000), ok(2_000, 3_000)), (10, 100, 10));
}

#[test]
fn a_service_divides_its_limit_among_its_replicas() {
    let outcome = ran("
        services:
          api: {replicas: 2, workers: unlimited, admission: {rate_limit: {rate: 100/s, burst: 10, per: service}}}
        load: [{name: users, to: api, arrivals: constant, rate: 1000/s}]");
    let admitted = count(&outcome, "api", "admitted");
    assert!((100..=110).contains(&admitted), "{admitted}");
    assert_eq!(count(&outcome, "api", "over_admitted"), 0);
}

#[test]
fn a_clock_that_steps_back_neither_mints_permits_nor_freezes_the_limit() {
    let outcome = ran("
        services: {api: {workers: unlimited, admission: {rate_limit: {rate: 100/s, burst: 10}}}}
        load: [{name: users, to: api, arrivals: constant, rate: 1000/s}]
        run: {duration: 12s, drain: 1s}
        timeline: [{id: back, at: 6s, fault: {clock: {service: api, jump: -5s}}}]");
    let admitted = count(&outcome, "api", "admitted");
    assert!((1_195..=1_212).contains(&admitted), "{admitted}");
    assert_eq!(count(&outcome, "api", "over_admitted"), 0);
}

#[test]
fn a_process_that_starts_again_has_forgotten_what_was_used() {
    let outcome = ran("
        services: {api: {workers: unlimited, admission: {rate_limit: {rate: 1/s, burst: 10}}}}
        load: [{name: users, to: api, arrivals: constant, rate: 100/s}]
        timeline: [{id: crash, at: 400ms, for: 100ms, fault: {crash: {service: api}}}]");
    assert_eq!(count(&outcome, "api", "admitted"), 20, "a bucket in each life");
    assert!(count(&outcome, "api", "over_admitted") >= 9, "and the harness has not forgotten");
}

/// Limits of 100 in a second, by rate and by window.
const HUNDREDS: [&str; 3] = [
    "rate: 100/s, burst: 10",
    "kind: fixed_window, limit: 100, window: 1s",
    "kind: sliding_window, limit: 100, window: 1s",
];

/// Two replicas with one limit of 100/s under ten times that, cut off from the store for the middle two of four
/// seconds.
fn cut_off(limit: &str, mode: &str, on_error: &str) -> Outcome {
    ran(&format!(
        "services:
  limits: {{kind: limit-store, workers: unlimited}}
  api:
    replicas: 2
    workers: unlimited
    admission:
      rate_limit:
        {{{limit}, per: service, store: {{to: limits, mode: {mode}, timeout: 10ms, retry_after: 100ms, on_error: {on_error}}}}}
network: {{default: {{latency: 1ms}}}}
load: [{{name: users, to: api, arrivals: constant, rate: 1000/s}}]
run: {{duration: 4s, drain: 1s}}
timeline: [{{id: cut, at: 1s, for: 2s, fault: {{partition: {{between: [[api], [limits]], mode: drop}}}}}}]"
    ))
}

#[test]
fn replicas_with_a_store_keep_one_limit_and_without_it_what_they_were_told() {
    // The window in which the store is back may be used twice: by what each goes on with alone, and by what it grants.
    let modes = [("central", 0), ("batching, batch: 5", 10), ("delayed_sync, every: 50ms", 100)];
    for (limit, (mode, slack)) in HUNDREDS.into_iter().flat_map(|limit| modes.map(|mode| (limit, mode))) {
        let shares = |on_error: &str| {
            let outcome = cut_off(limit, mode, on_error);
            (count(&outcome, "api", "admitted"), outcome)
        };
        let mode = format!("{limit}, {mode}");
        let (local, _) = shares("local");
        assert!((390..=430 + slack).contains(&local), "{mode}, local: {local}");
        let (open, outcome) = shares("open");
        assert!((560..=640 + slack).contains(&open), "{mode}, open: {open}");
        assert!(count(&outcome, "api", "over_admitted") > 150, "{mode}");
        assert!(found(&outcome, "without the store of their limit"), "{mode}");
        let (closed, outcome) = shares("closed");
        assert!((190..=235 + slack).contains(&closed), "{mode}, closed: {closed}");
        assert_eq!(count(&outcome, "api", "fallback_admitted"), 0, "{mode}");
        assert!(count(&outcome, "api", "fallback_refused") > 1_000, "{mode}");
        let (unlimited, _) = shares("unlimited");
        assert!(unlimited > 2_000, "{mode}, unlimited: {unlimited}");
    }
}

#[test]
fn permits_of_a_shared_window_that_were_taken_ahead_pass_across_its_edge() {
    let admitted_in = |mode: &str| {
        let outcome = ran(&format!(
            "services:
  limits: {{kind: limit-store, workers: unlimited}}
  api:
    replicas: 4
    workers: unlimited
    admission:
      rate_limit: {{kind: fixed_window, limit: 100, window: 1s, per: service, store: {{to: limits, {mode}}}}}
load: [{{name: users, to: api, arrivals: {{trace: '{}'}}}}]
run: {{duration: 3s, drain: 1s}}",
            // Four at 900 ms, one for each replica; from the second second on as many as there are.
            (0..4)
                .map(|_| "900ms".to_string())
                .chain((1_000..2_000).map(|at| format!("{at}ms")))
                .collect::<Vec<_>>()
                .join(",")
        ));
        count(&outcome, "api", "admitted")
    };
    assert_eq!(admitted_in("mode: central"), 104, "four of the first window, a hundred of the second");
    assert_eq!(
        admitted_in("mode: batching, batch: 20, keep_for: 1s"),
        4 * 20 + 100,
        "each replica has nineteen more of the first, which nobody takes back"
    );
    let short = admitted_in("mode: batching, batch: 20, keep_for: 50ms");
    assert!((60..=104).contains(&short), "what is too old is used by nobody: {short}");
}

#[test]
fn a_request_that_waits_for_the_store_is_lost_with_its_process_and_the_books_balance() {
    let outcome = ran("
        services:
          limits: {kind: limit-store, workers: unlimited, service_time: 200ms}
          api:
            workers: unlimited
            admission: {rate_limit: {rate: 100/s, per: service, store: {to: limits, timeout: 500ms}}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,50ms'}}]
        timeline: [{id: crash, at: 100ms, for: 100ms, fault: {crash: {service: api}}}]");
    assert_eq!(service(&outcome, "api").lost, 2);
    assert_eq!(ends(&outcome).lines().filter(|line| line.ends_with("reset")).count(), 2);
}

#[test]
fn a_fixed_bound_is_a_bound_on_requests_inside_waiting_ones_included() {
    check(
        "two inside, one worked on and one waiting; the third finds no place until one has left",
        "
        services: {api: {service_time: 10ms, admission: {concurrency: {initial: 2}}}}
        load: [{name: users, to: api, arrivals: {trace: '0ms,1ms,2ms,11ms'}}]",
        "
        users 0: 0s..10ms ok
        users 1: 1ms..20ms ok
        users 2: 2ms..2ms rejected
        users 3: 11ms..30ms ok",
    );
}

#[test]
fn an_adaptive_bound_falls_when_answers_come_too_late_and_finds_its_way_back() {
    // Vegas takes the slow pace for the usual one whenever it measures afresh.
    for (kind, least) in [("aimd, backoff: 60%", 180), ("vegas", 100), ("gradient2", 150)] {
        let outcome = ran(&format!(
            "services:
  api: {{workers: 8, service_time: 20ms, admission: {{concurrency: {{kind: {kind}, initial: 60, min: 2, max: 60}}}}}}
load: [{{name: users, to: api, rate: 300/s, timeout: 150ms}}]
run: {{duration: 12s, drain: 1s}}
timeline: [{{id: slow, at: 4s, for: 4s, fault: {{slow: {{service: api, factor: x4}}}}}}]"
        ));
        let good = |from: u64, to: u64| {
            let requests = outcome.trace.requests.iter();
            requests
                .filter(|request| (from..to).contains(&(request.started.as_nanos() / 1_000_000_000)))
                .filter(|request| request.outcome.name() == "ok")
                .count()
        };
        // It can do 100 a second while it is slow.
        assert!(good(5, 8) > least, "{kind}: {} good in three slow seconds", good(5, 8));
        assert!(good(10, 12) > 560, "{kind}: {} good in two seconds after", good(10, 12));
        assert!(count(&outcome, "api", "concurrency_limit_min") < 30, "{kind}");
    }
}

#[test]
fn every_level_has_to_let_a_request_pass_and_each_key_has_its_own() {
    let outcome = check(
        "two keys have one each at first; the third of all finds the whole used up",
        "
        services:
          api:
            workers: unlimited
            admission:
              levels:
                caller: {each-key: {each: [key], rate: 1/s}}
                whole: {all: {rate: 1/s, burst: 2}}
        load: [{name: users, to: api, arrivals: {trace: '0ms default 1,1ms default 1,2ms default 2,3ms default 3'}}]",
        "
        users 0: 0s..0s ok
        users 1: 1ms..1ms rejected
        users 2: 2ms..2ms ok
        users 3: 3ms..3ms rejected",
    );
    assert_eq!(count(&outcome, "api", "rule_each-key_refused"), 1);
    assert_eq!(count(&outcome, "api", "rule_all_refused"), 1);
}

#[test]
fn taking_a_limit_away_changes_no_arrival_and_no_demand() {
    let scenario = |admission: &str| {
        format!(
            "services:
  limits: {{kind: limit-store, workers: 4, service_time: 1ms}}
  api: {{replicas: 2, workers: 4, service_time: {{exponential: {{mean: 5ms}}}}, {admission} calls: [{{to: db}}]}}
  db: {{workers: unlimited, service_time: {{lognormal: {{median: 2ms, p99: 9ms}}}}}}
network: {{default: {{latency: {{normal: {{mean: 400us, sd: 80us}}}}}}}}
load: [{{name: users, to: api, rate: 300/s, keys: {{uniform: {{items: 20}}}}, timeout: 400ms}}]"
        )
    };
    let decided = |admission: &str| {
        let outcome = ran(&scenario(admission));
        let mut arrivals = Vec::new();
        let mut demands = std::collections::BTreeMap::new();
        for request in &outcome.trace.requests {
            arrivals.push((request.number, request.started));
            for span in request.spans.iter().filter(|span| span.kind == "service" && span.attempt == 1) {
                let service = span.node.split('/').next().unwrap().to_string();
                demands.insert((service, request.number), span.to.since(span.from).as_nanos());
            }
        }
        (arrivals, demands)
    };
    let (arrivals, demands) = decided("");
    for admission in [
        "admission: {rate_limit: {rate: 150/s, burst: 20}},",
        "admission: {rate_limit: {kind: leaky_bucket, rate: 150/s, burst: 20, per: key}},",
        "admission: {concurrency: {kind: gradient2, initial: 8}},",
        "admission: {rate_limit: {rate: 150/s, burst: 20, per: service, store: {to: limits, mode: delayed_sync}}},",
        "admission: {rate_limit: {rate: 150/s, burst: 20, per: key, store: {to: limits}}},",
        "admission: {rate_limit: {kind: sliding_window, limit: 150, per: service, store: {to: limits}}},",
    ] {
        let (limited_arrivals, limited_demands) = decided(admission);
        assert_eq!(limited_arrivals, arrivals, "{admission}");
        let mut compared = 0;
        for (who, demand) in limited_demands.iter().filter(|((service, _), _)| service != "limits") {
            if let Some(free) = demands.get(who) {
                assert_eq!(demand, free, "{admission}: {who:?}");
                compared += 1;
            }
        }
        assert!(compared > 250, "{admission}: {compared} demands compared");
    }
}

#[test]
fn a_replica_that_is_replaced_while_requests_wait_at_its_door_loses_none() {
    for limit in [
        "{kind: leaky_bucket, rate: 100/s, burst: 20}",
        "{rate: 100/s, per: service, store: {to: limits, timeout: 90ms}}",
    ] {
        let outcome = ran(&format!(
            "services:
  limits: {{kind: limit-store, workers: unlimited, service_time: 30ms}}
  api: {{workers: unlimited, admission: {{rate_limit: {limit}, concurrency: {{initial: 50}}}}}}
load: [{{name: users, to: api, arrivals: constant, rate: 80/s, timeout: 50ms, cancel: true}}]
timeline: [{{id: v2, at: 300ms, for: 300ms, deploy: {{service: api, version: v2, strategy: rolling, every: 10ms}}}}]"
        ));
        assert!(count(&outcome, "api", "admitted") > 0, "{limit}");
    }
}

#[test]
fn whoever_is_cancelled_at_the_door_leaves_no_wake_up_behind_for_the_next() {
    check(
        "the second would come in at 100 ms and is cancelled at 21 ms; the third takes its place in the arena and has \
         its own turn at 200 ms",
        "
        services:
          api: {workers: unlimited, admission: {rate_limit: {kind: leaky_bucket, rate: 10/s, burst: 5}}}
        load:
          - {name: users, to: api, arrivals: {trace: '0ms,1ms'}, timeout: 20ms, cancel: true}
          - {name: others, to: api, arrivals: {trace: '30ms'}}",
        "
        users 0: 0s..0s ok
        users 1: 1ms..21ms timeout
        others 0: 30ms..200ms ok",
    );
}
