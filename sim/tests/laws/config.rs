//! Configuration: who acts upon what, what survives an outage, and what the books see.

use foreshock::run::Outcome;

use crate::harness::{assert_balanced, broken, ran, service, system};

/// A service that follows a server, each with the settings given.
fn scenario(client: &str, server: &str, timeline: &str) -> String {
    format!(
        "
run: {{duration: 60s, drain: 5s}}
services:
  shop:
    replicas: 4
    workers: 16
    service_time: {{exponential: {{mean: 5ms}}}}
    {client}
  config: {{kind: config-server, workers: 4, service_time: {{constant: 1ms}}, applications: {{shop: {{schema: {{slowdown: {{min: x1, max: x10}}, error_rate: {{max: 50%}}}}, values: {{slowdown: x1}}}}}}, {server}}}
load:
  - {{name: users, to: shop, rate: 100/s, timeout: 1s}}
{}
",
        if timeline.is_empty() { String::new() } else { format!("timeline:\n{timeline}") }
    )
}

const FOLLOWS: &str = "config_client: {to: config}";
const DOUBLED: &str = "  - {id: r, at: 30s, publish: {to: config, application: shop, set: {slowdown: x2}}}";

fn started(outcome: &Outcome) -> Vec<foreshock::kernel::time::Time> {
    outcome.trace.requests.iter().map(|request| request.started).collect()
}

#[test]
fn a_release_reaches_every_replica_and_changes_what_it_does() {
    let (without, with) = (ran(&scenario(FOLLOWS, "", "")), ran(&scenario(FOLLOWS, "", DOUBLED)));
    assert_balanced(&with);
    let (before, after) = (service(&without, "shop").service.sum_ns, service(&with, "shop").service.sum_ns);
    assert!(after > before * 5 / 4 && after < before * 2, "{before} {after}");
    let config = system(&with, "config");
    assert_eq!((config["releases"], config["converged"], config["unconverged"]), (2, 1, 0));
    assert!(config["converge_us_max"] < 100_000, "{config:?}");
    assert_eq!(broken(&with), [] as [&str; 0]);
}

#[test]
fn following_a_server_that_says_nothing_new_changes_no_arrival_and_no_demand() {
    let (with, without) = (ran(&scenario(FOLLOWS, "", "")), ran(&scenario("", "", "")));
    assert_eq!(started(&with), started(&without));
    let measured = |outcome: &Outcome| {
        let shop = service(outcome, "shop");
        // Those that come before the first answer are turned away.
        (shop.service.sum_ns, shop.completed)
    };
    let (work, plain) = (measured(&with), measured(&without));
    assert!(plain.1 - work.1 <= 5 && work.0 <= plain.0, "{work:?} {plain:?}");
}

#[test]
fn a_release_leaves_all_that_came_before_it_as_it_was() {
    let (without, with) = (ran(&scenario(FOLLOWS, "", "")), ran(&scenario(FOLLOWS, "", DOUBLED)));
    assert_eq!(started(&without), started(&with));
    let ended = |outcome: &Outcome| -> Vec<u32> {
        let intervals = outcome.measured.loads[0].intervals.iter();
        intervals.take(29).map(|interval| interval.good).collect()
    };
    assert_eq!(ended(&without), ended(&with));
}

#[test]
fn what_the_schema_refuses_is_released_to_nobody() {
    let timeline = "  - {id: r, at: 30s, publish: {to: config, application: shop, set: {slowdown: x20}}}";
    let outcome = ran(&scenario(FOLLOWS, "", timeline));
    let config = system(&outcome, "config");
    assert_eq!((config["releases"], config["releases_refused"], config["revision"]), (1, 1, 1));
    assert_eq!(outcome.measured.entries[0].touched, 0);
}

#[test]
fn a_gray_release_reaches_those_it_names_and_a_rollback_restores_them() {
    let timeline = "  - {id: gray, at: 20s, publish: {to: config, application: shop, set: {error_rate: 50%}, instances: [shop/2]}}
  - {id: back, at: 40s, rollback: {of: gray}}";
    let outcome = ran(&scenario(FOLLOWS, "", timeline));
    let errors = system(&outcome, "shop")["config_errors"];
    // A quarter of 20 s at 100/s, half of which fail.
    assert!((180..=320).contains(&errors), "{errors}");
    assert_eq!(
        outcome.measured.loads[0].intervals[45..55].iter().map(|interval| interval.failed).sum::<u32>(),
        0
    );
    assert_eq!(broken(&outcome), [] as [&str; 0]);
}

#[test]
fn polls_bring_what_streams_bring_a_little_later() {
    let poll = "config_client: {to: config, transport: poll, hold: 0s, pause: 4s}";
    let outcome = ran(&scenario(poll, "", DOUBLED));
    let config = system(&outcome, "config");
    assert_eq!((config["converged"], config["pushes"]), (1, 0));
    assert!((1_000_000..5_000_000).contains(&config["converge_us_max"]), "{config:?}");
    let long = ran(&scenario("config_client: {to: config, transport: poll, hold: 20s}", "", DOUBLED));
    assert!(system(&long, "config")["converge_us_max"] < 100_000);
    assert!(system(&long, "config")["polls"] < 40, "a poll waits");
    assert_eq!(broken(&outcome), broken(&long));
    assert_eq!(broken(&long), [] as [&str; 0]);
}

#[test]
fn a_process_starts_from_its_file_while_the_server_is_away_or_not_at_all_if_told_so() {
    let timeline = "  - {id: outage, at: 10s, for: 30s, fault: {crash: {service: config}}}
  - {id: restart, at: 20s, fault: {restart: {service: shop/1, every: 0s, downtime: 1s}}}";
    let steady = ran(&scenario(FOLLOWS, "", timeline));
    let shop = system(&steady, "shop");
    assert_eq!((shop["boots_from_cache"], shop["boots_from_store"]), (1, 4));
    assert!((15_000_000..25_000_000).contains(&shop["boot_age_us_max"]), "{shop:?}");
    let strict =
        ran(&scenario("config_client: {to: config, on_store_down: fail_fast_at_boot}", "", timeline));
    assert_eq!(system(&strict, "shop")["boots_failed"], 1);
    let forgetful = ran(&scenario("config_client: {to: config, cache: false}", "", timeline));
    assert_eq!(system(&forgetful, "shop")["boots_from_local"], 1);
    for outcome in [&steady, &strict, &forgetful] {
        assert_balanced(outcome);
        assert_eq!(broken(outcome), [] as [&str; 0]);
    }
}

#[test]
fn releases_survive_a_power_cut_of_the_server_and_watches_resume() {
    let timeline = "  - {id: one, at: 10s, publish: {to: config, application: shop, set: {slowdown: x2}}}
  - {id: cut, at: 20s, for: 5s, fault: {crash: {service: config, mode: host}}}
  - {id: two, at: 40s, publish: {to: config, application: shop, set: {slowdown: x3}}}
  - {id: back, at: 50s, rollback: {of: two}}";
    for fsync in ["", "fsync: {group: {commits: 64, wait: 5ms}}"] {
        let outcome = ran(&scenario("config_client: {to: config, silence_timeout: 6s}", fsync, timeline));
        let config = system(&outcome, "config");
        assert_eq!((config["releases"], config["revision"], config["unconverged"]), (4, 4, 0), "{fsync}");
        assert_eq!(broken(&outcome), [] as [&str; 0], "{fsync}");
    }
}

#[test]
fn whoever_comes_back_after_a_compaction_asks_for_everything_and_misses_nothing() {
    let releases: String = (0..8)
        .map(|number| {
            format!(
                "  - {{id: r{number}, at: {}s, publish: {{to: config, application: shop, set: {{slowdown: x1.{}}}}}}}\n",
                12 + number,
                number + 1
            )
        })
        .collect();
    let timeline = format!(
        "{releases}  - {{id: cut, at: 10s, for: 15s, fault: {{partition: {{between: [[shop/*], [config]], mode: drop}}}}}}"
    );
    let client = "config_client: {to: config, silence_timeout: 6s, resync_jitter: 2s}";
    let outcome = ran(&scenario(client, "keep_revisions: 2", &timeline));
    let (config, shop) = (system(&outcome, "config"), system(&outcome, "shop"));
    assert_eq!((config["too_late"], shop["config_resyncs"], config["unconverged"]), (4, 4, 0), "{config:?}");
    assert!(config["compacted"] > 0);
    assert_eq!(broken(&outcome), [] as [&str; 0]);
}
