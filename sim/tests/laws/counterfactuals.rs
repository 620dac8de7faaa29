//! What makes a counterfactual fair: each candidate of each shipped scenario with a planted cause is taken out in turn,
//! and whatever it does not touch draws the same, one by one: when requests arrive, how long they take, how long their
//! messages are on the way.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use foreshock::explore::why::candidates::{Candidate, find};
use foreshock::kernel::draw::Seed;
use foreshock::kernel::time::{Span, Time};
use foreshock::nodes::Kinds;
use foreshock::run::{Outcome, run};
use foreshock::scenario::edited;
use foreshock::scenario::plan::{Arrivals, Discipline, Plan};
use serde_json::{Value, json};

use crate::harness::{plan_with, traced};

/// Scenarios are told in a sixtieth of their time.
const FASTER: u64 = 60;

/// The shipped scenarios with a planted cause, each in a sixtieth of its time.
fn short_scenarios() -> Vec<Plan> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/why");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let kinds = Kinds::default();
    let plans: Vec<Plan> = files
        .iter()
        .map(|file| {
            let whole = plan_with(&fs::read_to_string(file).unwrap(), &kinds);
            let mut document = (*whole.document).clone();
            for key in ["slo", "expect", "liveness", "defaults"] {
                document.as_object_mut().unwrap().remove(key);
            }
            shorten(&mut document);
            plan_with(&document.to_string(), &kinds)
        })
        .collect();
    assert!(plans.len() >= 12, "there are scenarios to look at");
    plans
}

/// Divides what says when something happens; what says how long work takes stays.
fn shorten(document: &mut Value) {
    fn divide(value: &mut Value, keys: &[&str]) {
        for key in keys {
            if let Some(text) = value.get(*key).and_then(Value::as_str) {
                let span: Span = text.parse().unwrap();
                value[*key] = json!(Span::from_nanos(span.as_nanos() / FASTER).to_string());
            }
        }
    }
    divide(&mut document["run"], &["duration", "warmup", "grid"]);
    document["run"]["drain"] = json!("1s");
    for load in document["load"].as_array_mut().unwrap() {
        for stage in load.get_mut("stages").and_then(Value::as_array_mut).into_iter().flatten() {
            divide(stage, &["for"]);
        }
    }
    for entry in document["timeline"].as_array_mut().unwrap() {
        divide(entry, &["at", "for", "delay"]);
        for action in ["deploy"] {
            if let Some(action) = entry.get_mut(action) {
                divide(action, &["every"]);
            }
        }
        if let Some((edge, pause)) =
            entry.get("after").and_then(Value::as_str).and_then(|text| text.split_once('+'))
        {
            let pause: Span = pause.trim().parse().unwrap();
            entry["after"] = json!(format!("{}+ {}", edge, Span::from_nanos(pause.as_nanos() / FASTER)));
        }
    }
}

/// What chance decided, by whose it is.
#[derive(Default)]
struct Decided {
    /// Intended starts, by load and number.
    arrivals: BTreeMap<(String, u64), Time>,
    /// Work of a first attempt, by service, load and number; only where a request works there once.
    demands: BTreeMap<(String, String, u64), Span>,
    /// Time on the way of a first attempt's request, likewise.
    ways: BTreeMap<(String, String, u64), Span>,
}

fn decided(outcome: &Outcome) -> Decided {
    let mut decided = Decided::default();
    for request in &outcome.trace.requests {
        decided.arrivals.insert((request.load.clone(), request.number), request.started);
        for (kind, into) in [("service", 0), ("network", 1)] {
            let mut once: BTreeMap<&str, Option<Span>> = BTreeMap::new();
            for span in request.spans.iter().filter(|span| span.kind == kind && span.attempt == 1) {
                let service = span.node.split('/').next().unwrap();
                let length = span.to.since(span.from);
                once.entry(service).and_modify(|known| *known = None).or_insert(Some(length));
            }
            let map = if into == 0 { &mut decided.demands } else { &mut decided.ways };
            for (service, length) in once {
                if let Some(length) = length {
                    map.insert((service.to_string(), request.load.clone(), request.number), length);
                }
            }
        }
    }
    decided
}

/// Services whose work or links something may stretch: faults and changes that name them, shared processors, kinds
/// whose work depends on what they hold, and the candidate itself.
fn touched(plan: &Plan, candidate: &Candidate) -> Vec<String> {
    let timeline = plan.document.get("timeline").map(Value::to_string).unwrap_or_default();
    let services = plan.services.iter().filter(|service| {
        service.cores_milli.is_some()
            || service.kind != "service"
            || service.cold_start.is_some()
            || matches!(service.queue.discipline, Discipline::ProcessorSharing)
            || service.hop_of.is_some()
            || timeline.contains(&service.name)
            || candidate.id.split('.').any(|word| word == service.name)
    });
    services.map(|service| service.name.clone()).collect()
}

/// How many draws were compared, or the first that differs.
fn compared(plan: &Plan, candidate: &Candidate, with: &Decided, without: &Decided) -> Result<usize, String> {
    let grows = ["load_stage", "surge", "thundering_herd"].contains(&candidate.kind);
    let mut count = 0;
    for (request, start) in &with.arrivals {
        let load = plan.loads.iter().find(|load| load.name == request.0).unwrap();
        if grows || matches!(load.arrivals, Arrivals::Closed { .. }) {
            continue;
        }
        match without.arrivals.get(request) {
            Some(other) if other == start => count += 1,
            other => return Err(format!("request {request:?} arrives at {start}, else at {other:?}")),
        }
    }
    let touched = touched(plan, candidate);
    for (what, ours, theirs) in
        [("demand", &with.demands, &without.demands), ("way", &with.ways, &without.ways)]
    {
        for (key, span) in ours.iter().filter(|((service, ..), _)| !touched.contains(service)) {
            match theirs.get(key) {
                Some(other) if other != span => {
                    return Err(format!("{what} of {key:?} is {span}, else {other}"));
                }
                Some(_) => count += 1,
                // One run did not come as far with this request.
                None => {}
            }
        }
    }
    Ok(count)
}

#[test]
fn taking_any_candidate_out_of_a_shipped_scenario_leaves_all_other_draws_as_they_are() {
    let kinds = Kinds::default();
    let (mut candidates, mut draws, mut untried) = (0, 0, Vec::new());
    for plan in short_scenarios() {
        let with = decided(&run(&plan, plan.seed, &[], &kinds, &traced()).unwrap());
        for candidate in find(&plan) {
            let Ok(changed) = edited(&plan, &candidate.removal, &kinds) else {
                untried.push(format!("{}: {}", plan.name, candidate.id));
                continue;
            };
            let without = decided(&run(&changed, plan.seed, &[], &kinds, &traced()).unwrap());
            match compared(&plan, &candidate, &with, &without) {
                Ok(count) => draws += count,
                Err(first) => panic!("{} without {}: {first}", plan.name, candidate.id),
            }
            candidates += 1;
        }
    }
    println!("{candidates} candidates taken out, {draws} draws compared");
    // A policy of which a deployment sets one key cannot go: the deployment would set a key of nothing.
    assert_eq!(untried, ["pool-shrunk-by-deploy: ledger.calls.database.pool"]);
    assert!(candidates > 100 && draws > 30_000, "{candidates} candidates, {draws} draws");
}

#[test]
fn draws_that_are_not_keyed_are_caught_at_the_first_candidate() {
    let kinds = Kinds::default();
    let plan = short_scenarios().into_iter().find(|plan| plan.name == "trigger-long-gone").unwrap();
    let with = decided(&run(&plan, plan.seed, &[], &kinds, &traced()).unwrap());
    let candidate = &find(&plan)[1];
    // As if taking it out had shifted a sequence that all draws come from.
    let without = decided(&run(&plan, Seed(plan.seed.0 + 1), &candidate.removal, &kinds, &traced()).unwrap());
    assert!(compared(&plan, candidate, &with, &without).is_err());
}
