//! Caches: who loads, who waits, what is told of writes, what is out of date, and what a restart leaves.

use std::collections::BTreeMap;

use foreshock::run::Outcome;

use crate::harness::{check, check_calls, edge, ran, system};

/// A front that loads what `cache` misses from `origin`, each with the settings given.
fn aside(cache: &str, origin: &str, load: &str) -> String {
    format!(
        "
services:
  front: {{workers: unlimited, calls: [{{to: cache, on_miss: origin}}, {{to: origin, timeout: 5s}}]}}
  cache: {{kind: cache, workers: unlimited, capacity: 100, {cache}}}
  origin: {{workers: unlimited, {origin}}}
load:
  - {{name: users, to: front, {load}}}
"
    )
}

/// A cache that loads for itself.
fn through(cache: &str, origin: &str, load: &str) -> String {
    format!(
        "
services:
  cache: {{kind: cache, workers: 2, capacity: 100, {cache}, calls: [{{to: origin}}]}}
  origin: {{workers: unlimited, {origin}}}
load:
  - {{name: users, to: cache, {load}}}
"
    )
}

const SAME_KEY: &str = "arrivals: {trace: '0ms get 7,10ms get 7,20ms get 7'}";

#[test]
fn without_single_flight_everybody_who_misses_a_key_loads_it() {
    let outcome = check(
        "a load takes 100 ms, and two more ask for the key meanwhile",
        &aside("ttl: 10s", "service_time: 100ms", SAME_KEY),
        "
        users 0: 0s..100ms ok
        users 1: 10ms..110ms ok
        users 2: 20ms..120ms ok",
    );
    assert_eq!(edge(&outcome, "front -> origin").requests, 3);
    assert_eq!(system(&outcome, "cache")["loads_of_one_key_max"], 3);
}

#[test]
fn with_single_flight_one_loads_and_the_others_wait_for_what_it_brings() {
    let outcome = check_calls(
        "all three have the value when the first one brings it",
        &aside("single_flight: true", "service_time: 100ms", SAME_KEY),
        "
        users 0: 0s..100ms ok
          users -> front #1 0s..100ms
          front -> origin #1 0s..100ms
          front -> cache #1 0s..0s
        users 1: 10ms..100ms ok
          users -> front #1 10ms..100ms
          front -> cache #1 10ms..100ms
        users 2: 20ms..100ms ok
          users -> front #1 20ms..100ms
          front -> cache #1 20ms..100ms",
    );
    let cache = system(&outcome, "cache");
    assert_eq!((cache["loads"], cache["coalesced"], cache["misses"]), (1, 2, 3));
}

#[test]
fn waiting_for_a_load_takes_no_worker_and_no_other_key_waits() {
    check(
        "one worker, whose own work takes 1 ms: the other key is answered while two wait for the first one",
        &aside(
            "single_flight: true, workers: 1, service_time: 1ms",
            "service_time: 100ms",
            "
    arrivals: {trace: '0ms get 7,10ms get 7,20ms get 8'}",
        )
        .replace("workers: unlimited, capacity", "capacity"),
        "
        users 0: 0s..101ms ok
        users 1: 10ms..101ms ok
        users 2: 20ms..121ms ok",
    );
}

#[test]
fn a_load_that_fails_hands_the_lease_to_the_next_who_waits() {
    let scenario = aside("single_flight: true", "service_time: 100ms", SAME_KEY)
        + "timeline: [{id: broken, at: 0s, for: 50ms, fault: {error: {service: origin, share: 100%}}}]";
    let outcome = check_calls(
        "the first load fails at once, before anybody waits; the second one is taken up and shared",
        &scenario.replace("0ms get 7,10ms", "0ms get 7,60ms").replace("20ms get 7", "70ms get 7"),
        "
        users 0: 0s..0s error
          users -> front #1 0s..0s
          front -> origin #1 0s..0s
          front -> cache #1 0s..0s
        users 1: 60ms..160ms ok
          users -> front #1 60ms..160ms
          front -> origin #1 60ms..160ms
          front -> cache #1 60ms..60ms
        users 2: 70ms..160ms ok
          users -> front #1 70ms..160ms
          front -> cache #1 70ms..160ms",
    );
    assert_eq!(system(&outcome, "cache")["loads_failed"], 1);
    check_calls(
        "the one who loads runs into its timeout after 50 ms; of those who wait the next one loads, the last waits on",
        &(aside("single_flight: true", "service_time: 40ms", SAME_KEY)
            .replace("timeout: 5s", "timeout: 50ms")
            + "timeline: [{id: stuck, at: 0s, for: 160ms, fault: {pause: {service: origin}}}]"),
        "
        users 0: 0s..50ms error
          users -> front #1 0s..50ms
          front -> origin #1 0s..50ms
          front -> cache #1 0s..0s
        users 1: 10ms..100ms error
          users -> front #1 10ms..100ms
          front -> cache #1 10ms..50ms
          front -> origin #1 50ms..100ms
        users 2: 20ms..150ms error
          users -> front #1 20ms..150ms
          front -> cache #1 20ms..100ms
          front -> origin #1 100ms..150ms",
    );
}

#[test]
fn a_fill_that_is_lost_blocks_nobody_longer_than_its_lease() {
    let scenario = aside("single_flight: true, lease_timeout: 300ms", "service_time: 100ms", SAME_KEY)
        + "network: {default: {latency: 1ms}}\n"
        + "timeline: [{id: lost, at: 50ms, for: 100ms, fault: {loss: {link: front -> cache, share: 100%}}}]";
    let outcome = check_calls(
        "the value of the first load is lost on its way to the cache; at 303 ms its lease is over and the next one loads",
        &scenario,
        "
        users 0: 0s..106ms ok
          users -> front #1 0s..106ms
          front -> cache #1 1ms..3ms
          front -> origin #1 3ms..105ms
        users 1: 10ms..406ms ok
          users -> front #1 10ms..406ms
          front -> cache #1 11ms..303ms
          front -> origin #1 303ms..405ms
        users 2: 20ms..408ms ok
          users -> front #1 20ms..408ms
          front -> cache #1 21ms..407ms",
    );
    let cache = system(&outcome, "cache");
    assert_eq!((cache["lease_timeouts"], cache["loads"], cache["late_fills"]), (1, 2, 0));
}

#[test]
fn a_value_that_comes_after_its_lease_is_not_kept() {
    let outcome = ran(&aside(
        "single_flight: true, lease_timeout: 50ms",
        "service_time: 100ms",
        "
    arrivals: {trace: '0ms get 7,200ms get 7'}",
    ));
    let cache = system(&outcome, "cache");
    assert_eq!((cache["late_fills"], cache["hits"], cache["lease_timeouts"]), (2, 0, 2));
}

#[test]
fn a_cache_with_calls_of_its_own_loads_once_and_answers_all() {
    let outcome = check(
        "hits do not reach the origin",
        &through(
            "single_flight: true",
            "service_time: 100ms",
            "
    arrivals: {trace: '0ms get 7,10ms get 7,20ms get 7,200ms get 7'}",
        ),
        "
        users 0: 0s..100ms ok
        users 1: 10ms..100ms ok
        users 2: 20ms..100ms ok
        users 3: 200ms..200ms ok",
    );
    assert_eq!(edge(&outcome, "cache -> origin").requests, 1);
}

#[test]
fn a_value_is_refreshed_behind_the_back_of_who_reads_it() {
    let outcome = check(
        "after 300 ms the value is read and loaded anew; nobody ever waits again",
        &through(
            "single_flight: true, ttl: 500ms, refresh_after: 300ms",
            "service_time: 50ms",
            "
    arrivals: {trace: '0ms get 7,400ms get 7,600ms get 7'}",
        ),
        "
        users 0: 0s..50ms ok
        users 1: 400ms..400ms ok
        users 2: 600ms..600ms ok",
    );
    let cache = system(&outcome, "cache");
    assert_eq!((cache["refreshes"], cache["loads"], cache["expired"]), (1, 2, 0));
}

#[test]
fn a_value_past_its_expiry_is_served_while_it_is_loaded_anew_or_when_that_fails() {
    let outcome = check(
        "expired at 150 ms; at 200 ms it is served all the same",
        &through(
            "single_flight: true, ttl: 100ms, stale_while_revalidate: 1s",
            "service_time: 50ms",
            "
    arrivals: {trace: '0ms get 7,200ms get 7,260ms get 7'}",
        ),
        "
        users 0: 0s..50ms ok
        users 1: 200ms..200ms ok
        users 2: 260ms..260ms ok",
    );
    assert_eq!(system(&outcome, "cache")["served_expired"], 1);
    let outage =
        "timeline: [{id: broken, at: 100ms, for: 5s, fault: {error: {service: origin, share: 100%}}}]";
    check(
        "the origin fails; the old value is better than none for half a second",
        &(through(
            "single_flight: true, ttl: 100ms, stale_if_error: 500ms",
            "service_time: 50ms",
            "
    arrivals: {trace: '0ms get 7,200ms get 7,800ms get 7'}",
        ) + outage),
        "
        users 0: 0s..50ms ok
        users 1: 200ms..200ms ok
        users 2: 800ms..800ms error",
    );
}

#[test]
fn that_there_is_nothing_is_remembered_for_as_long_as_the_settings_say() {
    let store = "kind: versioned-store, items: 5, service_time: 50ms";
    let arrivals = "arrivals: {trace: '0ms get 7,100ms get 7,200ms get 3'}";
    let outcome = ran(&aside("ttl: 10s", store, arrivals));
    assert_eq!(edge(&outcome, "front -> origin").requests, 3, "what is not there is asked for every time");
    let outcome = ran(&aside("ttl: 10s, negative_ttl: 1s", store, arrivals));
    assert_eq!(edge(&outcome, "front -> origin").requests, 2);
    let outcome = ran(&aside("ttl: 10s, negative_ttl: 1s, single_flight: true", store, arrivals));
    assert_eq!(
        (edge(&outcome, "front -> origin").requests, system(&outcome, "cache")["negative_hits"]),
        (2, 1)
    );
    let outcome = ran(&through("negative_ttl: 1s, single_flight: true", store, arrivals));
    assert_eq!(edge(&outcome, "cache -> origin").requests, 2);
}

/// Readers of key 7 from 0 on, every 100 ms, and a write at 250 ms.
fn written(cache: &str, timeline: &str) -> String {
    aside(
        cache,
        "kind: versioned-store, operations: {put: {writes: true}}, invalidates: cache",
        "
    arrivals: {trace: '0ms get 7,100ms get 7,200ms get 7,300ms get 7,400ms get 7,500ms get 7,600ms get 7'}",
    ) + "  - {name: writers, to: origin, arrivals: {trace: '250ms put 7'}}\n"
        + "network: {default: {latency: 1ms}}\n"
        + timeline
}

const CUT: &str =
    "timeline: [{id: cut, at: 200ms, for: 100ms, fault: {loss: {link: origin -> cache, share: 100%}}}]";

#[test]
fn a_write_drops_the_value_at_the_cache_unless_the_message_is_lost() {
    let told = system(&ran(&written("ttl: 10s", "")), "cache");
    assert_eq!((told["invalidations"], told["invalidated"], told["stale_reads"]), (1, 1, 0));
    let lost = system(&ran(&written("ttl: 10s", CUT)), "cache");
    assert_eq!((lost["invalidations"], lost["stale_reads"]), (0, 4));
    // Written at 251 ms, read at 602 ms.
    assert_eq!(lost["stale_age_max_us"], 351_000);
}

#[test]
fn a_ttl_bounds_how_long_a_lost_write_goes_unnoticed() {
    let lost = system(&ran(&written("ttl: 350ms", CUT)), "cache");
    // Loaded at 5 ms and gone at 355 ms: only the read of 302 ms is out of date.
    assert_eq!((lost["stale_reads"], lost["stale_age_max_us"]), (1, 51_000));
}

#[test]
fn an_older_value_is_not_brought_in_after_its_invalidation_where_there_are_leases() {
    // Read at the store at 2 ms and on its way for 100 ms; written at 50 ms.
    let race = |cache: &str| {
        aside(
            cache,
            "kind: versioned-store, operations: {put: {writes: true}}, invalidates: cache",
            "
    arrivals: {trace: '0ms get 7,300ms get 7'}",
        ) + "  - {name: writers, to: origin, arrivals: {trace: '50ms put 7'}}\n"
            + "network: {links: [{link: origin -> front, latency: 100ms}]}\n"
    };
    let plain = system(&ran(&race("ttl: 10s")), "cache");
    assert_eq!((plain["stale_reads"], plain["hits"]), (1, 1), "the stale set of a cache without leases");
    let leased = system(&ran(&race("ttl: 10s, single_flight: true")), "cache");
    assert_eq!((leased["stale_reads"], leased["hits"], leased["outdated_fills"]), (0, 0, 1));
}

#[test]
fn a_write_through_the_cache_is_read_back_from_it() {
    let outcome = ran("
services:
  cache: {kind: cache, capacity: 100, operations: {put: {writes: true}}, calls: [{to: store}]}
  store: {kind: versioned-store, operations: {put: {writes: true}}}
load:
  - {name: users, to: cache, arrivals: {trace: '0ms put 7,10ms get 7,20ms put 7,30ms get 7'}}
");
    let (cache, store) = (system(&outcome, "cache"), system(&outcome, "store"));
    assert_eq!((cache["hits"], cache["stale_reads"], store["writes"], store["reads"]), (2, 0, 2, 0));
}

#[test]
fn a_restart_empties_a_cache_unless_it_is_persistent_or_filled_at_the_start() {
    let restarted = |cache: &str| {
        let scenario = aside(
            cache,
            "service_time: 1ms",
            "
    arrivals: {trace: '0ms get 3,400ms get 3'}",
        ) + "timeline: [{id: restart, at: 100ms, for: 200ms, fault: {crash: {service: cache}}}]";
        edge(&ran(&scenario), "front -> origin").requests
    };
    assert_eq!(restarted("ttl: 10s"), 2);
    assert_eq!(restarted("ttl: 10s, persistent: true"), 1);
    assert_eq!(restarted("ttl: 10s, persistent: true, single_flight: true"), 1);
    assert_eq!(restarted("ttl: 10s, preload: 5"), 0);
}

#[test]
fn a_crash_while_others_wait_for_a_load_leaves_no_lease_behind() {
    let scenario = aside(
        "single_flight: true",
        "service_time: 100ms",
        "
    arrivals: {trace: '0ms get 7,10ms get 7,60ms get 7,300ms get 7'}",
    ) + "timeline: [{id: crash, at: 30ms, for: 20ms, fault: {crash: {service: cache}}}]";
    let outcome = check(
        "the one who waits is reset and loads by itself; the next one gets a lease of the new process",
        &scenario,
        "
        users 0: 0s..100ms ok
        users 1: 10ms..130ms ok
        users 2: 60ms..160ms ok
        users 3: 300ms..300ms ok",
    );
    assert_eq!(system(&outcome, "cache")["late_fills"], 1, "what the first one brings has no lease any more");
}

#[test]
fn settings_change_while_the_cache_runs_and_what_is_there_stays() {
    let changed = |set: &str| {
        let scenario = aside(
            "ttl: 10s",
            "service_time: 100ms",
            "
    arrivals: {trace: '0ms get 7,400ms get 7,500ms get 8,510ms get 8'}",
        ) + &format!("timeline: [{{id: change, at: 300ms, config: {{{set}}}}}]");
        edge(&ran(&scenario), "front -> origin").requests
    };
    assert_eq!(changed("cache.ttl: 5s"), 3);
    assert_eq!(changed("cache.eviction: s3-fifo"), 3);
    assert_eq!(changed("cache.single_flight: true"), 2);
    assert_eq!(changed("cache.ttl: 200ms"), 4);
}

#[test]
fn a_capacity_in_bytes_holds_as_many_entries_as_fit() {
    let kept = |entry: &str| {
        let scenario = format!(
            "
services:
  front: {{workers: unlimited, calls: [{{to: cache, on_miss: origin}}, {{to: origin}}]}}
  cache: {{kind: cache, workers: unlimited, capacity: 100KiB, entry_size: {entry}}}
  origin: {{workers: unlimited}}
load:
  - {{name: users, to: front, arrivals: constant, rate: 1000/s, keys: {{uniform: {{items: 500}}}}}}
"
        );
        system(&ran(&scenario), "cache")["entries"]
    };
    assert_eq!(kept("1KiB"), 100);
    let mixed = kept("{min: 1KiB, max: 3KiB}");
    assert!((40..70).contains(&mixed), "{mixed} entries of 2 KiB on average");
}

#[test]
fn taking_the_policies_of_a_cache_away_leaves_arrivals_and_first_demands_as_they_were() {
    let scenario = |cache: &str| {
        aside(
            cache,
            "service_time: {lognormal: {median: 10ms, p99: 40ms}}",
            "
    rate: 300/s, keys: {zipf: {items: 50, s: 1.0}}",
        )
    };
    let demands = |outcome: &Outcome| {
        let mut demands = BTreeMap::new();
        let mut starts = BTreeMap::new();
        for request in &outcome.trace.requests {
            starts.insert(request.number, request.started);
            let spans = request.spans.iter().filter(|span| span.kind == "service" && span.node == "origin/1");
            for span in spans {
                demands.insert(request.number, span.to.since(span.from));
            }
        }
        (starts, demands)
    };
    let (starts, with) = demands(&ran(&scenario("ttl: 200ms, single_flight: true, ttl_jitter: 20%")));
    let (other_starts, without) = demands(&ran(&scenario("ttl: 200ms")));
    assert_eq!(starts, other_starts);
    let shared: Vec<u64> = with.keys().filter(|number| without.contains_key(number)).copied().collect();
    assert!(shared.len() > 50, "{} requests load in both runs", shared.len());
    for number in shared {
        assert_eq!(with[&number], without[&number], "request {number}");
    }
    assert!(without.len() > with.len(), "single flight saves loads");
}
