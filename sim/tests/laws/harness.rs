//! Runs small scenarios and tells what happened in them as a journal: one line for each request, in words that can
//! be computed by hand. Never judges.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use foreshock::kernel::draw::Seed;
use foreshock::kernel::time::Time;
use foreshock::measure::{EdgeMeasured, ServiceMeasured, TracedRequest};
use foreshock::nodes::Kinds;
use foreshock::run::{Detail, Outcome, run};
use foreshock::scenario::plan::Plan;
use foreshock::scenario::{Files, Source, compile};

/// Trace files whose name is their content, one arrival after each comma: `{trace: "0ms,5ms buy 3"}`.
struct NamedByContent;

impl Files for NamedByContent {
    fn read(&self, relative: &str) -> Result<String, String> {
        Ok(relative.replace(',', "\n"))
    }
}

/// The plan of a scenario. What every scenario needs is added where the text does not have it.
pub(crate) fn plan_with(text: &str, kinds: &Kinds) -> Plan {
    let text = &dedented(text);
    let needed =
        [("version:", "version: 1"), ("name:", "name: case"), ("run:", "run: {duration: 1s, drain: 9s}")];
    let mut whole = text.to_string();
    for (key, line) in needed {
        if !text.lines().any(|own| own.starts_with(key)) && !text.starts_with('{') {
            write!(whole, "\n{line}").unwrap();
        }
    }
    let source = Source { name: "case.yaml", text: whole.as_bytes() };
    match compile(source, &NamedByContent, kinds) {
        Ok(compiled) => compiled.plan,
        Err(error) => panic!("the scenario should compile:\n{error}\n{whole}"),
    }
}

/// The text without the indentation that all its lines share.
fn dedented(text: &str) -> String {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let shared = text.lines().filter(|line| !line.trim().is_empty()).map(indentation).min().unwrap_or(0);
    text.lines().map(|line| format!("{}\n", line.get(shared..).unwrap_or(""))).collect()
}

/// The plan of a scenario of the kinds that Foreshock brings along.
pub(crate) fn plan(text: &str) -> Plan {
    plan_with(text, &Kinds::default())
}

/// Every request is traced.
pub(crate) fn traced() -> Detail {
    Detail { traced_requests: u32::MAX, ..Detail::default() }
}

/// Runs a plan with its own seed and traces every request.
pub(crate) fn run_plan(plan: &Plan, kinds: &Kinds) -> Outcome {
    run(plan, plan.seed, &[], kinds, &traced()).unwrap()
}

/// Runs a scenario and traces every request. Its books always balance.
pub(crate) fn ran(text: &str) -> Outcome {
    ran_with(text, &Kinds::default())
}

/// As [`ran`], with kinds of the test's own.
pub(crate) fn ran_with(text: &str, kinds: &Kinds) -> Outcome {
    let outcome = run_plan(&plan_with(text, kinds), kinds);
    assert_balanced(&outcome);
    outcome
}

/// As [`ran`], with another seed than the scenario's.
pub(crate) fn ran_with_seed(text: &str, seed: u64) -> Outcome {
    let kinds = Kinds::default();
    let outcome = run(&plan(text), Seed(seed), &[], &kinds, &traced()).unwrap();
    assert_balanced(&outcome);
    outcome
}

/// Whether every invariant held.
pub(crate) fn assert_balanced(outcome: &Outcome) {
    let broken: Vec<_> = outcome.judgement.invariants.iter().filter(|verdict| !verdict.held).collect();
    assert!(broken.is_empty(), "the books do not balance: {broken:?}");
}

/// Ids of the invariants that did not hold.
pub(crate) fn broken(outcome: &Outcome) -> Vec<&str> {
    let broken = outcome.judgement.invariants.iter().filter(|verdict| !verdict.held);
    broken.map(|verdict| verdict.id.as_str()).collect()
}

/// Whether there is a finding of this kind.
pub(crate) fn found(outcome: &Outcome, kind: &str) -> bool {
    outcome.judgement.findings.iter().any(|finding| finding.kind == kind)
}

/// All that a service has shown of itself, by name.
pub(crate) fn system(outcome: &Outcome, service: &str) -> BTreeMap<String, u64> {
    outcome.measured.systems[service].clone()
}

/// A number that a service has shown of itself.
#[track_caller]
pub(crate) fn shown(outcome: &Outcome, service: &str, name: &str) -> u64 {
    let counts = &outcome.measured.systems[service];
    *counts.get(name).unwrap_or_else(|| panic!("there is no `{name}` in {counts:#?}"))
}

/// One line for each request: `users 0: 0s..10ms ok`.
pub(crate) fn ends(outcome: &Outcome) -> String {
    outcome.trace.requests.iter().map(|request| format!("{}\n", end_of(request))).collect()
}

fn end_of(request: &TracedRequest) -> String {
    let (load, number, started) = (&request.load, request.number, request.started);
    match request.ended {
        Some(ended) => format!("{load} {number}: {started}..{ended} {}", request.outcome.name()),
        None => format!("{load} {number}: {started}.. under way"),
    }
}

/// As [`ends`], each followed by its spans of one kind: `  api -> db #1 0s..4ms`, in the order of their
/// starts, the longer ones first.
pub(crate) fn ends_with(outcome: &Outcome, kind: &str) -> String {
    let mut text = String::new();
    for request in &outcome.trace.requests {
        writeln!(text, "{}", end_of(request)).unwrap();
        let mut spans: Vec<_> = request.spans.iter().rev().filter(|span| span.kind == kind).collect();
        spans.sort_by_key(|span| (span.from, Reverse(span.to)));
        for span in spans {
            let what = if kind == "call" { &span.name } else { &span.node };
            writeln!(text, "  {what} #{} {}..{}", span.attempt, span.from, span.to).unwrap();
        }
    }
    text
}

/// Asserts that a journal reads as expected, whatever the indentation.
#[track_caller]
pub(crate) fn assert_journal(story: &str, journal: &str, expected: &str) {
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim().to_string()).filter(|line| !line.is_empty()).collect()
    };
    let (was, wanted) = (lines(journal), lines(expected));
    assert!(was == wanted, "{story}\nwas:\n{}\nexpected:\n{}", was.join("\n"), wanted.join("\n"));
}

/// Runs a scenario and compares the ends of its requests.
#[track_caller]
pub(crate) fn check(story: &str, scenario: &str, expected: &str) -> Outcome {
    let outcome = ran(scenario);
    assert_journal(story, &ends(&outcome), expected);
    outcome
}

/// Runs a scenario and compares the ends of its requests and all attempts made for them.
#[track_caller]
pub(crate) fn check_calls(story: &str, scenario: &str, expected: &str) -> Outcome {
    let outcome = ran(scenario);
    assert_journal(story, &ends_with(&outcome, "call"), expected);
    outcome
}

/// Runs a scenario and compares the ends of its requests and all work done for them.
#[track_caller]
pub(crate) fn check_work(story: &str, scenario: &str, expected: &str) -> Outcome {
    let outcome = ran(scenario);
    assert_journal(story, &ends_with(&outcome, "service"), expected);
    outcome
}

/// What was measured of a service.
pub(crate) fn service<'o>(outcome: &'o Outcome, name: &str) -> &'o ServiceMeasured {
    outcome.measured.services.iter().find(|service| service.name == name).unwrap()
}

/// What was measured of an edge.
pub(crate) fn edge<'o>(outcome: &'o Outcome, name: &str) -> &'o EdgeMeasured {
    outcome.measured.edges.iter().find(|edge| edge.name == name).unwrap()
}

/// What happened to the timeline: `1s slow started: api/1`.
pub(crate) fn timeline(outcome: &Outcome) -> String {
    let events = outcome.measured.timeline.iter();
    events
        .map(|event| {
            let detail = if event.detail.is_empty() { String::new() } else { format!(": {}", event.detail) };
            format!("{} {} {}{detail}\n", event.at, event.id, event.phase)
        })
        .collect()
}

/// An instant, in milliseconds.
pub(crate) fn ms(n: u64) -> Time {
    Time::from_nanos(n * 1_000_000)
}
