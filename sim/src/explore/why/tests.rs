//! The explainer on small worlds with a planted cause: who is named, who is not, and which explainers that think less
//! are caught.

use std::num::NonZero;

use serde_json::Value;

use super::answer::{Answer, Role, VerdictKind, to_json};
use super::candidates::{Standing, find};
use super::counterfactual::Replays;
use super::diagnosis::{diagnose, diagnose_again};
use super::{Question, explain};
use crate::kernel::draw::Seed;
use crate::nodes::Kinds;
use crate::scenario::plan::Plan;
use crate::scenario::{Files, Source, compile};

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, relative: &str) -> Result<String, String> {
        Err(format!("{relative} is not there"))
    }
}

pub(super) fn plan(text: &str) -> Plan {
    let source = Source { name: "small.yaml", text: text.as_bytes() };
    compile(source, &NoFiles, &Kinds::default()).unwrap_or_else(|error| panic!("{error}\n{text}")).plan
}

pub(super) fn jobs(count: usize) -> NonZero<usize> {
    NonZero::new(count).unwrap()
}

pub(super) fn asked(plan: &Plan, seeds: u32) -> Answer {
    let kinds = Kinds::default();
    explain(&Question { plan, seed: plan.seed, kinds: &kinds, seeds, jobs: jobs(2) }).unwrap()
}

/// Twelve seconds of a shop and its store: the store can do 100 requests a second and gets 50.
pub(super) fn world(timeline: &str, more: &str) -> String {
    format!(
        "
version: 1
name: small
seed: 5
run: {{duration: 12s, warmup: 1s, drain: 2s}}
services:
  shop:
    workers: unlimited
    service_time: 1ms
    calls:
      - {{to: store, timeout: 300ms}}
      - {{to: mail, timeout: 100ms, optional: true}}
  store: {{replicas: 2, workers: 1, balance: least_requests, queue: {{capacity: 64}}, service_time: 20ms}}
  mail: {{workers: 2, service_time: 2ms}}
network: {{default: {{latency: 300us}}}}
load:
  - {{name: users, to: shop, rate: 50/s, timeout: 1s}}
timeline: [{timeline}]
slo:
  - {{id: errors, metric: error_rate, of: users, must_be: '< 5%'}}
{more}
"
    )
}

pub(super) const SLOW: &str = "{id: slow, at: 4s, for: 7s, fault: {slow: {service: store, factor: x4}}}";
pub(super) const FEWER: &str = "{id: fewer, at: 3s, scale: {service: store, replicas: 1}}";
pub(super) const SURGE: &str = "{id: surge, at: 5s, for: 6s, fault: {surge: {load: users, factor: x1.7}}}";
pub(super) const MAIL: &str = "{id: mail-down, at: 4s, for: 2s, fault: {refuse: {service: mail}}}";
const LATER: &str =
    "{id: later, at: 6s, deploy: {service: mail, version: v2, set: {mail.service_time: 3ms}}}";

/// The same with a store of which one replica carries an ordinary day, and two a surge.
fn together(entries: &[&str]) -> String {
    world(&entries.join(", "), "").replace("service_time: 20ms", "service_time: 14ms")
}

fn roots(answer: &Answer) -> Vec<&str> {
    answer.root.iter().map(|root| root.id.as_str()).collect()
}

fn role_of(answer: &Answer, id: &str) -> Role {
    answer.but_for.iter().find(|line| line.id == id).unwrap_or_else(|| panic!("{id} is a candidate")).role
}

#[test]
fn one_fault_among_decoys_is_named_and_the_decoys_are_not() {
    let answer = asked(&plan(&world(&[MAIL, SLOW, LATER].join(", "), "")), 1);
    assert_eq!(answer.verdict.kind, VerdictKind::Cause);
    assert_eq!(roots(&answer), ["slow"]);
    assert_eq!(answer.minimal, [["slow"]]);
    assert_eq!(role_of(&answer, "mail-down"), Role::Innocent);
    assert_eq!(role_of(&answer, "later"), Role::Innocent);
    let how = answer.mechanism.unwrap();
    assert_eq!(how.saturation[0].service, "store");
    assert!((4_000_000..7_000_000).contains(&how.onset_us.unwrap()), "{:?}", how.onset_us);
}

#[test]
fn two_changes_that_only_fail_together_are_both_named_and_share_the_damage() {
    let answer = asked(&plan(&together(&[FEWER, MAIL, SURGE])), 1);
    assert_eq!(roots(&answer), ["fewer", "surge"]);
    assert_eq!(answer.minimal, [["fewer", "surge"]]);
    let shares: Vec<(&str, i64)> =
        answer.shapley.iter().map(|share| (share.id.as_str(), share.share_ppm)).collect();
    assert_eq!(shares, [("fewer", 500_000), ("surge", 500_000)]);
    assert!(answer.verdict.sentence.contains("together"), "{}", answer.verdict.sentence);
}

#[test]
fn two_faults_each_of_which_is_enough_are_both_named_although_neither_is_necessary() {
    let other = "{id: also-slow, at: 5s, for: 6s, fault: {slow: {service: store, factor: x5}}}";
    let answer = asked(&plan(&world(&[SLOW, other, MAIL].join(", "), "")), 1);
    assert_eq!(roots(&answer), ["slow", "also-slow"]);
    assert_eq!(answer.minimal.len(), 2);
    assert!(answer.but_for.iter().all(|line| line.role != Role::Root || !line.prevents));
    assert!(answer.verdict.sentence.contains("each alone is enough"), "{}", answer.verdict.sentence);
}

#[test]
fn a_load_that_grew_is_the_cause_where_no_event_is_and_a_condition_where_one_is() {
    let grown = |text: String, rate: &str| {
        let stages = format!("stages: [{{for: 4s, rate: 30/s}}, {{for: 8s, rate: {rate}}}]");
        text.replace("rate: 50/s", &stages)
    };
    let alone = asked(&plan(&grown(world(MAIL, ""), "160/s")), 1);
    assert_eq!((alone.verdict.kind, roots(&alone)), (VerdictKind::LoadGrowth, vec!["users.stages.1"]));
    assert_eq!(role_of(&alone, "mail-down"), Role::Innocent);
    let with_event = asked(&plan(&grown(world(SLOW, ""), "50/s")), 1);
    assert_eq!((with_event.verdict.kind, roots(&with_event)), (VerdictKind::Cause, vec!["slow"]));
}

#[test]
fn a_design_that_fails_on_a_quiet_day_is_told_so() {
    let text = world(MAIL, "").replace("rate: 50/s", "rate: 130/s");
    let answer = asked(&plan(&text), 1);
    assert_eq!(answer.verdict.kind, VerdictKind::NothingMatters);
    assert_eq!(answer.verdict.failing_on_a_quiet_day, ["errors"]);
    assert!(answer.root.is_empty());
    let impatient = world(MAIL, "").replace("timeout: 300ms", "timeout: 10ms");
    let answer = asked(&plan(&impatient), 1);
    assert_eq!(
        (answer.verdict.kind, roots(&answer)),
        (VerdictKind::Design, vec!["shop.calls.store.timeout"])
    );
}

#[test]
fn what_held_needs_no_explanation() {
    let answer = asked(&plan(&world(MAIL, "")), 3);
    assert_eq!((answer.verdict.kind, answer.runs), (VerdictKind::Held, 1));
    let expected = asked(&plan(&world(MAIL, "expect: {why: {root: mail-down}}")), 1);
    assert!(!expected.verdict.as_expected);
}

#[test]
fn an_answer_that_is_not_the_expected_one_says_where() {
    let expect = "expect: {failing: [errors], why: {root: mail-down, not_root: slow}}";
    let answer = asked(&plan(&world(&[MAIL, SLOW].join(", "), expect)), 1);
    assert_eq!(answer.verdict.surprises.len(), 2, "{:?}", answer.verdict.surprises);
}

#[test]
fn a_change_of_several_settings_is_narrowed_to_those_that_matter() {
    let release = "{id: release, at: 4s, config: {store.service_time: 80ms, shop.service_time: 2ms}}";
    let answer = asked(&plan(&world(release, "")), 1);
    assert_eq!(answer.root[0].settings, ["store.service_time=80ms"]);
}

#[test]
fn a_reaction_of_the_system_is_never_a_cause() {
    let scaling = "{id: helper, when: {queue_at_least: {service: store, waiting: 200}}, scale: {service: store, replicas: 4}}";
    let answer = asked(&plan(&world(&[SLOW, scaling].join(", "), "")), 1);
    assert_eq!(roots(&answer), ["slow"]);
    let candidates = find(&plan(&world(&[SLOW, scaling].join(", "), "")));
    let helper = candidates.iter().find(|candidate| candidate.id == "helper").unwrap();
    assert_eq!(helper.standing, Standing::Reaction);
}

/// An answer without what may depend on names and on the seed's draws.
fn essence(answer: &Answer) -> Value {
    serde_json::json!({
        "kind": answer.verdict.kind,
        "root": answer.root.iter().map(|root| (&root.id, root.started_us)).collect::<Vec<_>>(),
        "minimal": answer.minimal,
    })
}

#[test]
fn the_order_of_the_timeline_and_the_names_of_services_change_no_answer() {
    let entries = [FEWER, MAIL, SURGE, LATER];
    let text = together(&entries);
    let first = asked(&plan(&text), 1);
    let orders = [[3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]];
    for order in orders {
        let shuffled = asked(&plan(&together(&order.map(|index| entries[index]))), 1);
        let without_digest = |answer: &Answer| Answer { plan_digest: String::new(), ..answer.clone() };
        assert_eq!(to_json(&without_digest(&first)), to_json(&without_digest(&shuffled)), "{order:?}");
    }
    for (store, shop) in [("warehouse", "front"), ("a", "z")] {
        let renamed = text.replace("store", store).replace("shop", shop);
        assert_eq!(essence(&asked(&plan(&renamed), 1)), essence(&first), "{store}, {shop}");
    }
}

#[test]
fn how_many_run_at_once_changes_no_byte_and_no_world_is_run_twice() {
    let plan = plan(&together(&[FEWER, MAIL, SURGE]));
    let kinds = Kinds::default();
    let with = |count| {
        explain(&Question { plan: &plan, seed: plan.seed, kinds: &kinds, seeds: 2, jobs: jobs(count) })
    };
    assert_eq!(to_json(&with(1).unwrap()), to_json(&with(4).unwrap()));
    let mut replays = Replays::new(&plan, &kinds, jobs(2));
    let worlds = vec![(Vec::new(), Seed(5)), (Vec::new(), Seed(5)), (Vec::new(), Seed(6))];
    let endings = replays.endings(&worlds);
    assert_eq!((replays.made(), replays.asked()), (2, 3));
    assert_eq!(endings[0], endings[1]);
}

/// Whether taking away what touches nothing leaves every count as it is.
fn innocence_is_exact(replays: &mut Replays<'_>, plan: &Plan) -> bool {
    let factual = replays.ending(&[], plan.seed).unwrap();
    let candidates = find(plan);
    let idle = candidates.iter().find(|candidate| candidate.id == "nothing").unwrap();
    replays.ending(&idle.removal, plan.seed).unwrap() == factual
}

#[test]
fn an_explainer_with_draws_that_are_not_keyed_is_caught() {
    let nothing = "{id: nothing, at: 4s, for: 1s, fault: {loss: {link: shop -> mail, share: 0.0001%}}}";
    let text = world(&[SLOW, nothing].join(", "), "")
        .replace("service_time: 20ms", "service_time: {exponential: {mean: 20ms}}");
    let plan = plan(&text);
    let kinds = Kinds::default();
    assert!(innocence_is_exact(&mut Replays::new(&plan, &kinds, jobs(1)), &plan));
    assert!(!innocence_is_exact(&mut Replays::new(&plan, &kinds, jobs(1)).unkeyed(), &plan));
}

#[test]
fn of_a_failure_among_several_only_its_own_cause_is_named() {
    let busy = "{id: busy-mail, at: 1500ms, config: {mail.service_time: 30ms}}";
    let more = "  - {id: mail-busy, metric: utilization, at: mail, must_be: '< 20%', over: 2s..3500ms}";
    let plan = plan(&world(&[SLOW, busy].join(", "), more));
    let kinds = Kinds::default();
    let candidates = find(&plan);
    let mut replays = Replays::new(&plan, &kinds, jobs(2));
    let all = diagnose(&mut replays, &candidates, plan.seed).unwrap().unwrap().root;
    let ids = |root: &std::collections::BTreeSet<usize>| -> Vec<String> {
        root.iter().map(|root| candidates[*root].id.clone()).collect()
    };
    assert_eq!(ids(&all), ["busy-mail", "slow"]);
    let mut named = |of: &str| {
        let told = diagnose_again(&mut replays, &candidates, plan.seed, &[of.to_string()]).unwrap();
        told.map_or(Vec::new(), |(_, root)| ids(&root))
    };
    assert_eq!(named("errors"), ["slow"]);
    assert_eq!(named("mail-busy"), ["busy-mail"]);
    assert!(named("nothing").is_empty());
}

#[test]
fn what_cannot_be_taken_out_is_said_to_be_untried_and_never_blamed() {
    let plan = plan(&world(SLOW, ""));
    let kinds = Kinds::default();
    let mut replays = Replays::new(&plan, &kinds, jobs(1));
    let mut candidates = find(&plan);
    candidates[0].removal = vec![super::candidates::set("store.workers", serde_json::json!("nonsense"))];
    let told = replays.ending(&candidates[0].removal, plan.seed);
    assert!(told.is_err());
    let diagnosis = diagnose(&mut replays, &candidates, plan.seed).unwrap().unwrap();
    assert!(diagnosis.root.is_empty());
}

#[test]
fn a_failure_that_outlives_its_trigger_names_the_loop_that_sustains_it() {
    let answer = asked(&plan(METASTABLE), 1);
    assert_eq!(roots(&answer), ["cut"]);
    let how = answer.mechanism.unwrap();
    let lasting = how.metastable.expect("it outlives the cut");
    assert_eq!(lasting.trigger_over_us, 8_000_000);
    let sustained = lasting.sustained_by.expect("a loop is found");
    assert!(sustained.name.contains("retries over `users -> backend`"), "{}", sustained.name);
    assert_eq!(role_of_id(&answer.but_for, "users.retry"), Role::Amplifier);
    assert!(
        answer.remedies.iter().any(|remedy| remedy.name.contains("retry budget")),
        "{:?}",
        answer.remedies
    );
}

/// A cut of three seconds leaves a line that retries keep long.
pub(super) const METASTABLE: &str = "
version: 1
name: metastable
seed: 3
run: {duration: 40s, warmup: 1s, drain: 1s}
services:
  backend: {workers: 1, service_time: 20ms}
network: {default: {latency: 300us}}
load:
  - {name: users, to: backend, rate: 35/s, timeout: 300ms, retry: {max_attempts: 3, backoff: {base: 20ms, cap: 50ms}}}
timeline:
  - {id: cut, at: 5s, for: 3s, fault: {partition: {between: [[users], [backend]], mode: hold}}}
slo:
  - {id: errors, metric: error_rate, of: users, must_be: '< 1%', over: 30s..40s}
";

#[test]
fn amplification_is_told_over_time_as_whole_numbers_on_a_bounded_grid() {
    let how = asked(&plan(METASTABLE), 1).mechanism.unwrap();
    let [call] = how.amplification.as_slice() else {
        panic!("one call is repeated: {:?}", how.amplification)
    };
    assert!(call.series_milli.len() <= 30, "{}", call.series_milli.len());
    assert_eq!(call.series_every_us * call.series_milli.len() as u64, 40_000_000);
    let at = |us: u64| call.series_milli[(us / call.series_every_us) as usize];
    assert_eq!((call.before_milli, at(2_000_000)), (1_000, 1_000), "before the cut each call is one attempt");
    assert!(at(35_000_000) > 2_500, "long after it, nearly three: {:?}", call.series_milli);
    assert!(call.peak_milli >= call.at_onset_milli && call.peak_milli >= call.after_milli, "{call:?}");
}

fn role_of_id(lines: &[super::answer::ButFor], id: &str) -> Role {
    lines.iter().find(|line| line.id == id).unwrap().role
}
