//! What shrinking may do to a scenario and what not.

use std::num::NonZero;

use foreshock::explore::parallel::default_jobs;
use foreshock::explore::shrink::{ShrinkOptions, Shrunk, shrink};
use foreshock::kernel::draw::Seed;
use foreshock::nodes::Kinds;
use foreshock::run::{Detail, run};
use foreshock::scenario::plan::Plan;
use foreshock::scenario::{Files, Source, compile, replanned};
use serde_json::{Value, json};

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, relative: &str) -> Result<String, String> {
        Err(format!("{relative} is not needed"))
    }
}

fn shrunk(plan: &Plan, most_tests: u64, jobs: NonZero<usize>) -> Shrunk {
    let options = ShrinkOptions { jobs, most_tests, any_order: false, timeline_only: false };
    shrink(plan, plan.seed, &[], &Kinds::default(), options, &mut |_| {}).unwrap()
}

fn entries(shrunk: &Shrunk) -> Vec<String> {
    let entries = shrunk.document["timeline"].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["id"].as_str()).map(str::to_string).collect()
}

/// A quiet service and a fault; too small a service would fail in the same way without any fault.
const TEMPTING: &str = "
version: 1
name: tempting
run: {duration: 10s, drain: 1s}
services:
  shop: {workers: 20, queue: {capacity: 4}, service_time: {constant: 20ms}}
load:
  - {name: buyers, to: shop, rate: 200/s, timeout: 500ms}
timeline:
  - {at: 4s, for: 2s, id: cut, fault: {partition: {between: [[buyers], [shop]], mode: drop}}}
slo:
  - {id: errors, metric: error_rate, of: buyers, must_be: '< 1%'}
";

#[test]
fn a_service_made_too_weak_never_takes_the_place_of_the_fault() {
    let source = Source { name: "tempting", text: TEMPTING.as_bytes() };
    let plan = compile(source, &NoFiles, &Kinds::default()).unwrap().plan;
    let found = shrunk(&plan, 400, default_jobs());
    assert_eq!(entries(&found), ["cut"], "{:?}", found.steps);
    assert!(found.is_finished, "{}", found.tests);
    let mut quiet = found.document.clone();
    quiet["timeline"] = json!([]);
    quiet["expect"] = Value::Null;
    let quiet = replanned(&[&plan], &quiet, &Kinds::default()).unwrap();
    let outcome = run(&quiet, found.seed, &[], &Kinds::default(), &Detail::default()).unwrap();
    assert!(outcome.judgement.failing.is_empty(), "{:?}", outcome.judgement.failing);
}

#[test]
fn a_design_that_fails_on_a_quiet_day_is_left_without_a_timeline() {
    let text = TEMPTING.replace("workers: 20", "workers: 1");
    let source = Source { name: "tempting", text: text.as_bytes() };
    let plan = compile(source, &NoFiles, &Kinds::default()).unwrap().plan;
    let found = shrunk(&plan, 400, default_jobs());
    assert_eq!(entries(&found), Vec::<String>::new());
    assert!(found.left()[0].starts_with("no fault and no change"), "{:?}", found.left());
}

/// What a seed draws is an ordinary scenario, and that is what is made smaller: its values are settled, nothing is drawn
/// any more.
const SWARM: &str = "
version: 1
name: swarm
run: {duration: 6s, warmup: 500ms, drain: 1s}
services:
  shop: {workers: 4, service_time: {exponential: {mean: 5ms}}, calls: [{to: db, timeout: 200ms}]}
  db: {workers: 4, service_time: {exponential: {mean: 5ms}}}
load:
  - {name: buyers, to: shop, rate: 50/s, timeout: 1s}
swarm:
  - {id: cut, chance: 50%, at: 2s..3s, for: 1s..2s, fault: {partition: {between: [[shop], [db]], mode: drop}}}
  - {id: slow, chance: 80%, at: 1s..4s, for: 1s..2s, fault: {latency: {link: shop -> db, add: 1ms..5ms}}}
slo:
  - {id: errors, metric: error_rate, of: buyers, must_be: '< 5%'}
";

#[test]
fn of_a_swarm_what_the_seed_draws_is_made_smaller() {
    let source = Source { name: "swarm", text: SWARM.as_bytes() };
    let plan = compile(source, &NoFiles, &Kinds::default()).unwrap().plan;
    let fails = |seed: u64| {
        let outcome = run(&plan, Seed(seed), &[], &Kinds::default(), &Detail::default()).unwrap();
        !outcome.judgement.failing.is_empty() && outcome.plan.timeline.len() == 2
    };
    let seed = Seed((0..100).find(|seed| fails(*seed)).unwrap());
    let options =
        ShrinkOptions { jobs: default_jobs(), most_tests: 300, any_order: false, timeline_only: true };
    let found = shrink(&plan, seed, &[], &Kinds::default(), options, &mut |_| {}).unwrap();
    assert_eq!(entries(&found), ["cut"], "{:?}", found.steps);
    assert!(found.document.get("swarm").is_none(), "{}", found.document);
    assert!(!found.document["timeline"][0]["at"].as_str().unwrap().contains(".."));
    let again = replanned(&[&plan], &found.document, &Kinds::default()).unwrap();
    let outcome = run(&again, seed, &[], &Kinds::default(), &Detail::default()).unwrap();
    assert_eq!(outcome.judgement.failing, ["errors"]);
}

#[test]
fn whatever_the_number_of_jobs_and_though_answers_are_remembered_the_result_is_the_same() {
    let source = Source { name: "tempting", text: TEMPTING.as_bytes() };
    let plan = compile(source, &NoFiles, &Kinds::default()).unwrap().plan;
    let all: Vec<(Value, u64)> = [1, 2, 5]
        .map(|jobs| shrunk(&plan, 60, NonZero::new(jobs).unwrap()))
        .into_iter()
        .map(|found| (found.document, found.tests))
        .collect();
    assert!(all.iter().all(|found| *found == all[0]), "{all:?}");
}
