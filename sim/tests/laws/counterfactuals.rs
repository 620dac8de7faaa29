//! What makes a counterfactual fair: each candidate of each shipped scenario is taken out in turn, and whatever it does
//! not touch draws the same, one by one: when requests arrive, how long they take, how long their messages are on the
//! way.
//!
//! The usual tests look at all scenarios with a planted cause, and of the others at each that is the first, in the order
//! of their names, with some kind of service or of candidate. All of them:
//! `cargo test --test laws counterfactuals -- --ignored --nocapture`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use foreshock::explore::why::candidates::{Candidate, find};
use foreshock::kernel::draw::Seed;
use foreshock::kernel::time::{Span, Time};
use foreshock::nodes::Kinds;
use foreshock::run::{Outcome, run};
use foreshock::scenario::plan::{Arrivals, Discipline, Plan};
use foreshock::scenario::{edited, materialized};
use serde_json::{Value, json};

use crate::harness::{plan_with, traced};

/// Scenarios are told in a sixtieth of their time.
const FASTER: u64 = 60;

/// Long enough that something happens, however short a scenario is.
const SHORTEST: Span = Span::from_secs(1);

/// A shipped scenario, told in less time.
struct Told {
    /// `why/cache-restart`.
    name: String,
    plan: Plan,
}

fn usual() -> Kinds {
    Kinds::default().with_test_kinds()
}

/// All shipped scenarios, by family and name.
fn scenarios() -> Vec<Told> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut files: Vec<PathBuf> = Vec::new();
    for family in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|it| it.is_dir()) {
        files.extend(fs::read_dir(family).unwrap().map(|entry| entry.unwrap().path()));
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    // Those with a planted cause come first: they have the most to take out.
    files.sort_by_key(|file| (!file.parent().unwrap().ends_with("why"), file.clone()));
    files.iter().map(|file| told_shorter(file)).collect()
}

fn told_shorter(file: &Path) -> Told {
    let kinds = usual();
    let family = file.parent().and_then(Path::file_name).unwrap().to_str().unwrap();
    let name = format!("{family}/{}", file.file_stem().unwrap().to_str().unwrap());
    let whole = plan_with(&fs::read_to_string(file).unwrap(), &kinds);
    // Of a swarm, what its seed draws.
    let seed = whole.seed;
    let whole = materialized(whole, seed, &kinds).unwrap();
    let mut document = (*whole.document).clone();
    for key in ["slo", "expect", "liveness", "sometimes", "defaults"] {
        document.as_object_mut().unwrap().remove(key);
    }
    shorten(&mut document);
    Told { name, plan: plan_with(&document.to_string(), &kinds) }
}

/// What makes a scenario worth a look of its own: the kinds of its services and of what can be taken out of it.
fn kinds_in(plan: &Plan) -> BTreeSet<String> {
    let services = plan.services.iter().map(|service| format!("service {}", service.kind));
    let candidates = find(plan).into_iter().map(|candidate| format!("candidate {}", candidate.kind));
    services.chain(candidates).collect()
}

/// Divides what says when something happens; what says how long work takes stays. Scenarios of a minute and more are
/// told in a sixtieth of their time, shorter ones in one second.
fn shorten(document: &mut Value) {
    let duration: Span = document["run"]["duration"].as_str().unwrap().parse().unwrap();
    let times = (duration.as_nanos() / SHORTEST.as_nanos()).clamp(1, FASTER);
    let divided = |text: &str| {
        let span: Span = text.trim().parse().unwrap();
        Span::from_nanos(span.as_nanos() / times).to_string()
    };
    let divide = |value: &mut Value, keys: &[&str]| {
        for key in keys {
            if let Some(text) = value.get(*key).and_then(Value::as_str) {
                value[*key] = json!(divided(text));
            }
        }
    };
    divide(&mut document["run"], &["duration", "warmup", "grid"]);
    document["run"]["drain"] = json!("1s");
    for load in document["load"].as_array_mut().unwrap() {
        for stage in load.get_mut("stages").and_then(Value::as_array_mut).into_iter().flatten() {
            divide(stage, &["for"]);
        }
    }
    for entry in document.get_mut("timeline").and_then(Value::as_array_mut).into_iter().flatten() {
        divide(entry, &["at", "for", "delay"]);
        if let Some(deploy) = entry.get_mut("deploy") {
            divide(deploy, &["every"]);
        }
        if let Some((edge, pause)) =
            entry.get("after").and_then(Value::as_str).and_then(|text| text.split_once('+'))
        {
            entry["after"] = json!(format!("{edge}+ {}", divided(pause)));
        }
    }
}

/// What chance decided, by whose it is.
#[derive(Default)]
struct Decided {
    /// Intended starts, by load and number.
    arrivals: BTreeMap<(String, u64), Time>,
    /// Work of first attempts, by service, load and number.
    demands: BTreeMap<(String, String, u64), Lengths>,
    /// Time on the way of the requests of first attempts, likewise.
    ways: BTreeMap<(String, String, u64), Lengths>,
}

/// How long some spans of a request were, the shortest first.
#[derive(Debug, PartialEq, Eq)]
struct Lengths {
    lengths: Vec<Span>,
    /// Whether nothing of the request was ever tried again: then all of them were meant to be.
    is_plain: bool,
}

fn decided(outcome: &Outcome) -> Decided {
    let mut decided = Decided::default();
    for request in &outcome.trace.requests {
        decided.arrivals.insert((request.load.clone(), request.number), request.started);
        let is_plain = request.spans.iter().all(|span| span.attempt <= 1);
        for span in request.spans.iter().filter(|span| span.attempt == 1) {
            let map = match span.kind {
                "service" => &mut decided.demands,
                "network" => &mut decided.ways,
                _ => continue,
            };
            let service = span.node.split('/').next().unwrap().to_string();
            let lengths = map
                .entry((service, request.load.clone(), request.number))
                .or_insert_with(|| Lengths { lengths: Vec::new(), is_plain });
            lengths.lengths.push(span.to.since(span.from));
        }
    }
    for lengths in decided.demands.values_mut().chain(decided.ways.values_mut()) {
        lengths.lengths.sort_unstable();
    }
    decided
}

/// Whether what two runs drew can be told apart by anything but chance: as many spans, of which each is known.
fn comparable(ours: &Lengths, theirs: &Lengths) -> bool {
    let (one, other) = (ours.lengths.len(), theirs.lengths.len());
    one == other && (one == 1 || (ours.is_plain && theirs.is_plain))
}

/// Services that the timeline or the candidate names, by themselves or by their host.
fn named(plan: &Plan, candidate: &Candidate) -> Vec<String> {
    let timeline = plan.document.get("timeline").map(Value::to_string).unwrap_or_default();
    let hosts = |service: &str| {
        let document = &plan.document["services"][service];
        let of = |key: &str| document.get(key).map(Value::to_string).unwrap_or_default();
        let text = of("host") + &of("hosts");
        text.split(|c: char| "[]\",".contains(c)).any(|host| !host.is_empty() && timeline.contains(host))
    };
    // A flag touches whoever looks at it.
    let entries = plan.document.get("timeline").and_then(Value::as_array).into_iter().flatten();
    let flags: Vec<&str> = entries.filter_map(|entry| entry["flag"]["flag"].as_str()).collect();
    let looks_at_a_flag = |service: &str| {
        let text = plan.document["services"][service].to_string();
        flags.iter().any(|flag| text.contains(flag))
    };
    let services = plan.services.iter().filter(|service| {
        service.hop_of.is_some()
            || timeline.contains(&service.name)
            || hosts(&service.name)
            || looks_at_a_flag(&service.name)
            || candidate.id.split('.').any(|word| word == service.name)
    });
    let loads = plan.loads.iter().filter(|load| timeline.contains(&load.name));
    services.map(|service| service.name.clone()).chain(loads.map(|load| load.name.clone())).collect()
}

/// Services whose work something else may stretch: shared processors, and kinds that answer by what they hold or
/// wait for a disk.
fn stretched(plan: &Plan) -> Vec<String> {
    let services = plan.services.iter().filter(|service| {
        service.cores_milli.is_some()
            || service.kind == "cache"
            || service.cold_start.is_some()
            || matches!(
                service.queue.discipline,
                Discipline::ProcessorSharing | Discipline::Priority { preemptive: true }
            )
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
    let named = named(plan, candidate);
    let stretched = [named.clone(), stretched(plan)].concat();
    // On a link of limited width a message waits for those before it.
    let narrow =
        plan.document.get("network").is_some_and(|network| network.to_string().contains("bandwidth"));
    let ways = if narrow { &BTreeMap::new() } else { &with.ways };
    for (what, ours, theirs, but) in
        [("demand", &with.demands, &without.demands, stretched), ("way", ways, &without.ways, named)]
    {
        for (key, lengths) in ours.iter().filter(|((service, ..), _)| !but.contains(service)) {
            match theirs.get(key) {
                Some(other) if comparable(lengths, other) => {
                    if lengths.lengths != other.lengths {
                        return Err(format!(
                            "{what} of {key:?} is {:?}, else {:?}",
                            lengths.lengths, other.lengths
                        ));
                    }
                    count += lengths.lengths.len();
                }
                // One run did not come as far with this request, or tried again.
                Some(_) | None => {}
            }
        }
    }
    Ok(count)
}

/// What came of taking out every candidate of some scenarios.
#[derive(Default)]
struct Tally {
    scenarios: usize,
    candidates: usize,
    draws: usize,
    untried: Vec<String>,
    differ: Vec<String>,
}

#[allow(clippy::print_stdout, reason = "says how much was compared")]
fn taken_out(scenarios: impl Iterator<Item = Told>) -> Tally {
    let kinds = usual();
    let mut tally = Tally::default();
    for Told { name, plan } in scenarios {
        tally.scenarios += 1;
        let with = decided(&run(&plan, plan.seed, &[], &kinds, &traced()).unwrap());
        for candidate in find(&plan) {
            let Ok(changed) = edited(&plan, &candidate.removal, &kinds) else {
                tally.untried.push(format!("{name}: {}", candidate.id));
                continue;
            };
            let without = decided(&run(&changed, plan.seed, &[], &kinds, &traced()).unwrap());
            match compared(&plan, &candidate, &with, &without) {
                Ok(count) => tally.draws += count,
                Err(first) => tally.differ.push(format!("{name} without {}: {first}", candidate.id)),
            }
            tally.candidates += 1;
        }
    }
    println!(
        "{} scenarios, {} candidates taken out, {} draws compared, not tried: {:?}",
        tally.scenarios, tally.candidates, tally.draws, tally.untried
    );
    tally
}

/// A policy of which a deployment sets one key cannot go: the deployment would set a key of nothing. Nor can the timeout
/// towards a scheduler, which workers and enqueuers need to have.
fn assert_untried_for_a_reason(tally: &Tally) {
    let has_a_reason =
        |it: &&String| it.ends_with(": ledger.calls.database.pool") || it.ends_with(".calls.jobs.timeout");
    let without: Vec<&String> = tally.untried.iter().filter(|it| !has_a_reason(it)).collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn taking_any_candidate_out_of_a_shipped_scenario_leaves_all_other_draws_as_they_are() {
    let mut seen = BTreeSet::new();
    let chosen = scenarios().into_iter().filter(|told| {
        let own = kinds_in(&told.plan);
        let is_first = !own.is_subset(&seen);
        seen.extend(own);
        is_first || told.name.starts_with("why/")
    });
    let tally = taken_out(chosen);
    assert!(tally.differ.is_empty(), "{:#?}", tally.differ);
    assert_untried_for_a_reason(&tally);
    assert!(tally.scenarios > 60 && tally.candidates > 450 && tally.draws > 150_000);
}

#[test]
#[ignore = "takes minutes: all 140 scenarios in place of those with something new"]
fn taking_any_candidate_out_of_any_shipped_scenario_leaves_all_other_draws_as_they_are() {
    let tally = taken_out(scenarios().into_iter());
    assert!(tally.differ.is_empty(), "{:#?}", tally.differ);
    assert_untried_for_a_reason(&tally);
    assert!(tally.scenarios > 130 && tally.candidates > 800, "{} {}", tally.scenarios, tally.candidates);
}

#[test]
fn draws_that_are_not_keyed_are_caught_at_the_first_candidate() {
    let kinds = Kinds::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/why");
    let plan = told_shorter(&folder.join("trigger-long-gone.yaml")).plan;
    let with = decided(&run(&plan, plan.seed, &[], &kinds, &traced()).unwrap());
    let candidate = &find(&plan)[1];
    // As if taking it out had shifted a sequence that all draws come from.
    let without = decided(&run(&plan, Seed(plan.seed.0 + 1), &candidate.removal, &kinds, &traced()).unwrap());
    assert!(compared(&plan, candidate, &with, &without).is_err());
}
