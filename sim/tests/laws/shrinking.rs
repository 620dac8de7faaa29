//! Shrinking finds the planted cause of shipped scenarios again when harmless faults are strewn around it.

use std::fs;
use std::num::NonZero;
use std::path::Path;

use foreshock::explore::parallel::default_jobs;
use foreshock::explore::shrink::{ShrinkOptions, Shrunk, shrink};
use foreshock::nodes::Kinds;
use foreshock::scenario::plan::Plan;
use foreshock::scenario::{Files, Source, compile, replanned};
use serde_json::{Value, json};

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, relative: &str) -> Result<String, String> {
        Err(format!("{relative} is not needed"))
    }
}

fn shipped(name: &str) -> Plan {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name);
    let text = fs::read(&path).unwrap();
    compile(Source { name, text: &text }, &NoFiles, &Kinds::default()).unwrap().plan
}

/// The scenario with so many faults on its links and services that do next to nothing, spread over the run.
fn with_decoys(plan: &Plan, count: usize) -> Plan {
    let mut document = (*plan.document).clone();
    let links: Vec<&str> = plan.edges.iter().map(|edge| edge.name.as_str()).collect();
    let services: Vec<&String> = document["services"].as_object().unwrap().keys().collect();
    let length_ms = plan.run.duration.as_nanos() / 1_000_000;
    let mut decoys = Vec::new();
    for decoy in 0..count {
        let (link, service) = (links[decoy % links.len()], services[decoy % services.len()]);
        let fault = match decoy % 4 {
            0 => json!({"latency": {"link": link, "add": "100us"}}),
            1 => json!({"slow": {"service": service, "factor": "x1.01"}}),
            2 => json!({"duplicate": {"link": link, "share": "0.01%"}}),
            _ => json!({"pause": {"service": service}}),
        };
        let lasts = if decoy % 4 == 3 { "1ms" } else { "2s" };
        let at = (decoy as u64 + 1) * length_ms / (count as u64 + 2);
        decoys.push(
            json!({"id": format!("decoy-{decoy}"), "at": format!("{at}ms"), "for": lasts, "fault": fault}),
        );
    }
    let timeline = document["timeline"].as_array_mut().unwrap();
    // Some before, some between, some after.
    for (index, decoy) in decoys.into_iter().enumerate() {
        timeline.insert(index * timeline.len() / count, decoy);
    }
    replanned(&[plan], &document, &Kinds::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn shrunk(plan: &Plan, most_tests: u64, jobs: NonZero<usize>) -> Shrunk {
    let options = ShrinkOptions { jobs, most_tests, any_order: false };
    shrink(plan, plan.seed, &[], &Kinds::default(), options, &mut |_| {}).unwrap()
}

fn entries(shrunk: &Shrunk) -> Vec<String> {
    let entries = shrunk.document["timeline"].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["id"].as_str()).map(str::to_string).collect()
}

#[test]
fn the_planted_cause_of_shipped_scenarios_is_found_alone_among_decoys() {
    let cases: [(&str, usize, &[&str]); 2] = [
        ("why/hidden-network-hop.yaml", 8, &["mesh-proxy"]),
        ("resilience/retry-storm.yaml", 20, &["outage"]),
    ];
    for (name, decoys, cause) in cases {
        let plan = with_decoys(&shipped(name), decoys);
        // So many candidates are enough for the timeline; the rest of the scenario is not looked at here.
        let found = shrunk(&plan, 16, default_jobs());
        assert_eq!(entries(&found), cause, "{name}: {:?}", found.steps);
    }
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
    let outcome =
        foreshock::run::run(&quiet, found.seed, &[], &Kinds::default(), &Default::default()).unwrap();
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
