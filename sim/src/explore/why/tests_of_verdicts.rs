//! Runs of which only the verdict is wanted say what whole runs say, and a bound on what is still to come that is too
//! small is caught.

use std::collections::BTreeSet;

use super::candidates::find;
use super::counterfactual::{Replays, World};
use super::diagnosis::{diagnose, diagnose_again, only};
use super::tests::{FEWER, MAIL, METASTABLE, SLOW, SURGE, jobs, plan, world};
use crate::kernel::draw::Seed;
use crate::nodes::Kinds;
use crate::run::{Decided, Detail, Doubt, Enough, decide, offered, run};
use crate::scenario::plan::Plan;

/// Worlds that fail by errors and by slow answers, some early and some late, and one that recovers.
fn plans() -> Vec<Plan> {
    let slow_answers =
        "  - {id: p90, metric: latency, of: users, stat: p90, must_be: '< 60ms', over: 2s..11s}";
    let all_answers = "  - {id: p99, metric: latency_all, of: users, stat: p99, must_be: '< 200ms'}";
    let good = "  - {id: good, metric: availability, of: users, must_be: '> 97%', over: 3s..10s}";
    let lines = [slow_answers, all_answers, good].join("\n");
    let brief = SLOW.replace("for: 7s", "for: 1s");
    vec![
        plan(&world(&[SLOW, MAIL].join(", "), &lines)),
        plan(&world(&[FEWER, SURGE, MAIL].join(", "), &lines)),
        plan(&world(&[brief.as_str(), FEWER].join(", "), &lines)),
        plan(METASTABLE),
    ]
}

fn worlds(plan: &Plan, seed: Seed) -> Vec<World> {
    let candidates = find(plan);
    candidates.into_iter().map(|candidate| (candidate.removal, seed)).collect()
}

#[test]
fn a_run_that_is_stopped_early_says_what_the_whole_run_says() {
    let kinds = Kinds::default();
    let (mut stopped, mut compared) = (0, 0);
    for plan in plans() {
        for seed in [5, 6, 7].map(Seed) {
            let worlds = worlds(&plan, seed);
            let mut whole = Replays::new(&plan, &kinds, jobs(2));
            let factual = whole.ending(&[], seed).unwrap();
            let ended = whole.endings(&worlds);
            let one = {
                let mut quick = Replays::new(&plan, &kinds, jobs(2));
                quick.ending(&[], seed).unwrap();
                let told = quick.failing(&worlds, Enough::One);
                stopped += quick.stopped_early();
                told
            };
            let all = {
                let mut quick = Replays::new(&plan, &kinds, jobs(2));
                quick.ending(&[], seed).unwrap();
                quick.failing(&worlds, Enough::All(&factual.failing))
            };
            for ((ended, one), all) in ended.iter().zip(&one).zip(&all) {
                let (Ok(ended), Ok(one), Ok(all)) = (ended, one, all) else { continue };
                assert_eq!(ended.failing.is_empty(), one.is_empty(), "{}, {seed:?}", plan.name);
                assert!(one.iter().all(|id| ended.fails(id)), "{one:?} of {:?}", ended.failing);
                for id in &factual.failing {
                    assert_eq!(ended.fails(id), all.contains(id), "{id} of {}, {seed:?}", plan.name);
                }
                compared += 1;
            }
        }
    }
    assert!(stopped > 10 && compared > 80, "{stopped} of {compared} were stopped early");
}

#[test]
fn a_bound_on_what_is_to_come_that_is_too_small_is_caught() {
    let kinds = Kinds::default();
    // A tenth of the requests fail for one second of twelve: less than five in a hundred of all.
    let brief = "{id: down, at: 3s, for: 500ms, fault: {refuse: {service: store}}}";
    let plan = plan(&world(brief, ""));
    let decided = |most: u64| {
        let doubt = Doubt { enough: Enough::One, most_offered: &[most] };
        decide(&plan, plan.seed, &kinds, &doubt).unwrap()
    };
    let Decided::Whole(outcome) = decided(600) else { panic!("600 is what is offered: nothing is certain") };
    let offered = outcome.measured.loads[0].all.offered;
    assert!(outcome.judgement.failing.is_empty(), "{:?}", outcome.judgement.failing);
    assert!(matches!(decided(offered), Decided::Whole(_)));
    assert!(matches!(decided(offered / 3), Decided::Broken(_)), "as if nothing came after the fourth second");
}

#[test]
fn nothing_is_decided_early_by_clients_that_wait_for_answers() {
    let kinds = Kinds::default();
    let text = world(SLOW, "").replace("rate: 50/s", "closed: {clients: 20, think: 100ms}");
    let plan = plan(&text);
    let mut replays = Replays::new(&plan, &kinds, jobs(1));
    let factual = replays.ending(&[], plan.seed).unwrap();
    assert!(!factual.failing.is_empty());
    replays.failing(&worlds(&plan, plan.seed), Enough::One);
    assert_eq!(replays.stopped_early(), 0);
}

#[test]
fn other_seeds_are_asked_with_fewer_events_and_name_the_same_cause() {
    let kinds = Kinds::default();
    let plan = plan(&world(&[SLOW, MAIL].join(", "), ""));
    let candidates = find(&plan);
    let mut quick = Replays::new(&plan, &kinds, jobs(2));
    let mut whole = Replays::new(&plan, &kinds, jobs(2));
    let explained = diagnose(&mut whole, &candidates, plan.seed).unwrap().unwrap();
    let ids = &explained.factual.failing;
    let again = diagnose_again(&mut quick, &candidates, plan.seed, ids).unwrap();
    assert_eq!(again, Some((explained.basis, explained.root)));
    assert_eq!(quick.made(), whole.made());
    assert!(quick.stopped_early() > whole.stopped_early(), "the run itself and each event away");
}

#[test]
fn what_loads_offer_is_known_before_a_run_as_it_is_after_it_or_not_told() {
    let stages = "rate: 50/s";
    let cases = [
        (world(&[SLOW, MAIL].join(", "), ""), true),
        (
            world(SLOW, "")
                .replace(stages, "stages: [{for: 3s, rate: 20/s}, {for: 5s, from: 20/s, to: 90/s}]"),
            true,
        ),
        (world(SLOW, "").replace(stages, "arrivals: constant, rate: 33/s"), true),
        (world(SURGE, ""), false),
        (world("{id: more, at: 3s, config: {load.users.rate: 90/s}}", ""), false),
        (world(SLOW, "").replace(stages, "closed: {clients: 20, think: 100ms}"), false),
    ];
    let kinds = Kinds::default();
    for (text, is_told) in cases {
        let plan = plan(&text);
        for seed in [Seed(1), Seed(2)] {
            let told = offered(&plan, seed);
            assert_eq!(told.is_some(), is_told, "{text}");
            let Some(told) = told else { continue };
            let outcome = run(&plan, seed, &[], &kinds, &Detail::default()).unwrap();
            let seen: Vec<u64> = outcome.measured.loads.iter().map(|load| load.all.offered).collect();
            assert_eq!(told, seen, "{text}");
        }
    }
}

#[test]
fn the_run_without_the_cause_is_kept_from_the_diagnosis_and_is_the_one_that_would_be_run() {
    let kinds = Kinds::default();
    let plan = plan(&world(&[MAIL, SLOW].join(", "), ""));
    let candidates = find(&plan);
    let mut replays = Replays::new(&plan, &kinds, jobs(2));
    replays.keep_well(plan.seed);
    let diagnosis = diagnose(&mut replays, &candidates, plan.seed).unwrap().unwrap();
    let root: Vec<usize> = diagnosis.root.into_iter().collect();
    let without = only(&candidates, &root, &BTreeSet::new());
    let made = replays.made();
    let kept = replays.outcome(&without, plan.seed).unwrap();
    assert_eq!(replays.made(), made, "it is not run again");
    let again = replays.outcome(&without, plan.seed).unwrap();
    assert_eq!(replays.made(), made + 1, "it is handed out once");
    assert_eq!((kept.fingerprint, kept.plan.digest), (again.fingerprint, again.plan.digest));
    assert!(kept.judgement.failing.is_empty());
}
