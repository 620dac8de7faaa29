//! Swarms: what a seed draws, and what draws do not depend on.

use serde_json::Value;

use super::super::plan::{Action, Edit, Plan, Trigger};
use super::super::{edited, materialized, to_yaml};
use super::{FewKinds, SWEEPS, compiled, plan};
use crate::kernel::draw::Seed;

fn drawn(plan: &Plan, seed: u64) -> Plan {
    materialized(plan.clone(), Seed(seed), &FewKinds).unwrap_or_else(|error| panic!("seed {seed}: {error}"))
}

/// Ids, starts, lengths and actions; places of ids among others left out.
fn entries(plan: &Plan) -> Vec<(String, String)> {
    let timeline = plan.document.get("timeline").and_then(Value::as_array).expect("a timeline");
    timeline
        .iter()
        .map(|entry| (entry["id"].as_str().expect("an id").to_string(), entry.to_string()))
        .collect()
}

#[test]
fn what_is_drawn_reads_back_as_the_same_plan() {
    let swarm = plan(SWEEPS);
    assert_eq!(swarm.swarm.len(), 9);
    for seed in 0..40 {
        let drawn = drawn(&swarm, seed);
        let text = to_yaml(&drawn.document);
        let read = compiled(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}")).plan;
        assert_eq!(
            (read.digest, &read.timeline, read.seed),
            (drawn.digest, &drawn.timeline, Seed(seed)),
            "{text}"
        );
        assert_eq!(read.slos, drawn.slos);
        assert!(read.swarm.is_empty() && drawn.swarm.is_empty());
    }
}

#[test]
fn every_entry_happens_about_as_often_as_its_chance_says() {
    let swarm = plan(SWEEPS);
    let all: Vec<Vec<(String, String)>> = (0..200).map(|seed| entries(&drawn(&swarm, seed))).collect();
    let times = |id: &str| all.iter().flatten().filter(|(other, _)| other == id).count();
    assert_eq!((times("always"), times("loss")), (200, 200));
    assert!((40..=80).contains(&times("slow")), "{} of 200 at 30 %", times("slow"));
    assert!((75..=125).contains(&times("crash")), "{} of 200 at 50 %", times("crash"));
    let slow: std::collections::BTreeSet<&str> =
        all.iter().flatten().filter(|(id, _)| id == "slow").map(|(_, text)| text.as_str()).collect();
    assert_eq!(slow.len(), times("slow"), "each is drawn anew");
    for link in ["api -> db", "users -> api"] {
        assert!(slow.iter().any(|text| text.contains(link)), "{link} is chosen sometimes");
    }
}

#[test]
fn the_draws_of_one_entry_do_not_depend_on_any_other() {
    let swarm = plan(SWEEPS);
    let lines: Vec<&str> = SWEEPS.lines().filter(|line| !line.contains("{id: surge,")).collect();
    let without = plan(&lines.join("\n"));
    let removed =
        edited(&swarm, &[Edit::Without("surge".to_string())], &FewKinds).expect("it can be left out");
    for seed in 0..60 {
        let mut all = entries(&drawn(&swarm, seed));
        all.retain(|(id, _)| id != "surge");
        assert_eq!(all, entries(&drawn(&without, seed)), "seed {seed}");
        assert_eq!(all, entries(&drawn(&removed, seed)), "seed {seed}");
    }
}

/// Draws in one sequence, as one would without keys: what the law above has to catch.
#[test]
fn draws_in_one_sequence_would_break_the_law() {
    let sequence = |ids: &[&str]| -> Vec<(String, u64)> {
        let mut stream = crate::kernel::draw::Key::derive(Seed(1), "swarm", "all").stream(0);
        ids.iter().map(|id| (id.to_string(), stream.next_u64())).collect()
    };
    let mut all = sequence(&["slow", "surge", "scale"]);
    all.retain(|(id, _)| id != "surge");
    assert_ne!(all, sequence(&["slow", "scale"]));
}

#[test]
fn what_made_sense_with_an_entry_only_goes_with_it() {
    let swarm = plan(SWEEPS);
    let has = |plan: &Plan, id: &str| plan.timeline.iter().any(|entry| entry.id == id);
    let mut seen = [false; 2];
    for seed in 0..40 {
        let drawn = drawn(&swarm, seed);
        assert_eq!(drawn.slos.len(), 1 + usize::from(has(&drawn, "slow")), "seed {seed}");
        assert!(has(&drawn, "deploy") || !has(&drawn, "undo"), "nothing is rolled back that never was");
        seen[usize::from(has(&drawn, "slow"))] = true;
    }
    assert_eq!(seen, [true; 2]);
}

#[test]
fn a_swarm_that_is_not_drawn_has_every_range_at_its_lower_end() {
    let swarm = plan(SWEEPS);
    let slow = swarm.timeline.iter().find(|entry| entry.id == "slow").expect("it is in the timeline");
    assert_eq!(
        slow.trigger,
        Trigger::At(
            "10s"
                .parse::<crate::kernel::time::Span>()
                .map(|at| crate::kernel::time::Time::ZERO + at)
                .unwrap()
        )
    );
    assert!(matches!(&slow.action, Action::Fault(_)));
    assert!(swarm.document.get("swarm").is_some_and(Value::is_array));
    assert_eq!(swarm.document["timeline"].as_array().map(Vec::len), Some(1));
}

#[test]
fn marks_change_no_digest_and_swarms_do() {
    let swarm = plan(SWEEPS);
    let lines: Vec<&str> = SWEEPS.lines().filter(|line| !line.contains("{id: full,")).collect();
    assert_eq!(plan(&lines.join("\n")).digest, swarm.digest);
    assert_ne!(plan(&SWEEPS.replace("x2..x5", "x2..x6")).digest, swarm.digest);
}
