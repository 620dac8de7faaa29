//! Each remedy of the standard list in a small world in which it is the right one, and some in which it is not.

use super::answer::Answer;
use super::tests::{METASTABLE, SLOW, asked, plan, world};

fn remedies(answer: &Answer) -> Vec<String> {
    let named = answer.remedies.iter();
    named.map(|it| format!("{} {}", it.name, it.value.as_deref().unwrap_or_default())).collect()
}

/// Asserts that remedies whose names begin so are listed, and others are not.
#[track_caller]
fn check(story: &str, text: &str, listed: &[&str], not_listed: &[&str]) -> Answer {
    let answer = asked(&plan(text), 1);
    let told = remedies(&answer);
    let is_told = |start: &&&str| told.iter().any(|name| name.starts_with(**start));
    let missing: Vec<_> = listed.iter().filter(|start| !is_told(start)).collect();
    let wrong: Vec<_> = not_listed.iter().filter(is_told).collect();
    assert!(
        missing.is_empty() && wrong.is_empty(),
        "{story}: without {missing:?}, with {wrong:?}: {told:#?}"
    );
    answer
}

#[test]
fn a_loop_of_retries_is_ended_by_whatever_breaks_it() {
    let listed = [
        "no retries over `users -> backend`",
        "a retry budget for `users -> backend` <= ",
        "a shorter line at `backend` <= ",
        "the newest first at `backend`",
        "no work for callers that have left at `backend`",
        "load shedding at `backend` <= ",
        "adaptive concurrency (AIMD) at `backend`",
        "adaptive concurrency (gradient) at `backend`",
        "controlled delay at `backend`",
        "a breaker on `users -> backend`",
        "a longer timeout on `users -> backend` >= ",
        "more workers at `backend` >= 3 workers",
    ];
    check("retries sustain it", METASTABLE, &listed, &["full jitter", "do not make the change"]);
}

#[test]
fn the_smallest_value_that_suffices_is_told_and_one_step_less_does_not() {
    let answer = check("retries sustain it", METASTABLE, &["a retry budget"], &[]);
    let budget = answer.remedies.iter().find(|remedy| remedy.name.starts_with("a retry budget")).unwrap();
    let share: u32 = budget
        .value
        .as_ref()
        .unwrap()
        .chars()
        .filter(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .unwrap();
    let with = |share: u32| {
        let text = METASTABLE.replace("retry: {max", &format!("retry: {{budget: {share}%, max"));
        asked(&plan(&text), 1).root.is_empty()
    };
    let steps = [50_u32, 40, 30, 25, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1];
    let position = steps.iter().position(|step| *step == share).unwrap();
    assert!(with(share), "{share} % holds");
    assert!(position == 0 || !with(steps[position - 1]), "{} % does not", steps[position.saturating_sub(1)]);
}

#[test]
fn clients_that_come_back_all_together_are_spread_by_jitter() {
    let text = "
version: 1
name: herd
seed: 61
run: {duration: 40s, warmup: 1s, drain: 20s}
services:
  collector: {workers: 4, queue: {capacity: 20}, service_time: {constant: 40ms}}
network: {default: {latency: {constant: 2ms}}}
load:
  - {name: devices, to: collector, rate: 20/s, timeout: 1s, retry: {max_attempts: 6, backoff: {kind: exponential, base: 1s, cap: 8s, jitter: none}}}
timeline:
  - {id: power-back, at: 10s, fault: {thundering_herd: {load: devices, requests: 200, over: 0s}}}
slo:
  - {id: errors, metric: error_rate, of: devices, must_be: '< 0.5%'}
";
    check("nothing spreads their pauses", text, &["full jitter over `devices -> collector`"], &[]);
}

#[test]
fn a_change_can_be_taken_back_or_be_made_by_less() {
    let text = world("{id: smaller, at: 3s, config: {shop.calls.store.pool.size: 1}}", "").replace(
        "{to: store, timeout: 300ms}",
        "{to: store, timeout: 300ms, pool: {size: 20, acquire_timeout: 50ms}}",
    );
    let listed = ["do not make the change", "a larger pool for `shop -> store` >= 2 connections"];
    check("too few connections", &text, &listed, &["more workers at `mail`"]);

    let text = world("{id: hasty, at: 3s, config: {shop.calls.store.timeout: 21ms}}", "");
    let listed = ["do not make the change", "a longer timeout on `shop -> store` >= "];
    check("a timeout below the tail", &text, &listed, &[]);
}

#[test]
fn a_fault_is_no_change_that_could_be_taken_back_and_more_workers_carry_it() {
    let listed = ["more workers at `store` >= "];
    check("slow work", &world(SLOW, ""), &listed, &["do not make the change", "no retries"]);
}

#[test]
fn where_only_the_client_has_a_deadline_it_has_to_be_handed_on() {
    // The front waits for the store as long as it takes; only its client knows that 300 ms are too long.
    let text = "
version: 1
name: handed-on
seed: 3
run: {duration: 40s, warmup: 1s, drain: 1s}
services:
  front: {workers: unlimited, service_time: 100us, calls: [{to: store}]}
  store: {workers: 1, service_time: 20ms}
network: {default: {latency: 300us}}
load:
  - {name: users, to: front, rate: 35/s, timeout: 300ms, retry: {max_attempts: 3, backoff: {base: 20ms, cap: 50ms}}}
timeline:
  - {id: cut, at: 5s, for: 3s, fault: {partition: {between: [[front], [store]], mode: hold}}}
slo:
  - {id: errors, metric: error_rate, of: users, must_be: '< 1%', over: 30s..40s}
";
    let listed = ["deadlines handed on to `store`, which drops what is past them"];
    check("nobody hands it on", text, &listed, &["no work for callers that have left"]);
}
