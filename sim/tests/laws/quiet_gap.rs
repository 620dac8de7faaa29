//! Nothing is left of a fault that has ended: after a pause long enough for everything under way to finish, requests
//! fare as if it had never been, whatever else is still in force.

use std::collections::BTreeMap;

use foreshock::kernel::StopReason;
use foreshock::measure::TracedRequest;
use foreshock::nodes::Kinds;
use foreshock::run::Outcome;
use proptest::prelude::*;
use serde_json::Value;

use crate::generator::{AFTER_GAP_MS, cases, with_a_gap};
use crate::harness::{assert_balanced, ms, plan, run_plan};

fn outcome(document: &Value, timelines: &[&[Value]]) -> Outcome {
    let mut document = document.clone();
    document["timeline"] = Value::Array(timelines.concat());
    run_plan(&plan(&document.to_string()), &Kinds::default())
}

/// The requests that start after the pause, by load and number.
fn late(outcome: &Outcome) -> BTreeMap<(&str, u64), &TracedRequest> {
    let requests = outcome.trace.requests.iter().filter(|request| request.started >= ms(AFTER_GAP_MS));
    requests.map(|request| ((request.load.as_str(), request.number), request)).collect()
}

/// Whether everything that began before the pause was over when it ended.
fn came_to_rest(outcome: &Outcome) -> bool {
    let rest = outcome.stop == StopReason::EndOfTime;
    let before_end = (AFTER_GAP_MS / 1000 - 1) as usize;
    let idle = outcome.measured.services.iter().all(|service| {
        service
            .intervals
            .get(before_end)
            .is_some_and(|interval| interval.queue == 0 && interval.utilization_ppm == 0)
    });
    let early = outcome.trace.requests.iter().filter(|request| request.started < ms(AFTER_GAP_MS));
    rest && idle
        && early.into_iter().all(|request| request.ended.is_some_and(|ended| ended < ms(AFTER_GAP_MS)))
}

/// Everything that is known about a request, as text.
fn story(request: &TracedRequest) -> String {
    let mut spans: Vec<String> = request
        .spans
        .iter()
        .map(|span| {
            format!("{} {} {} {}..{} #{}", span.kind, span.name, span.node, span.from, span.to, span.attempt)
        })
        .collect();
    spans.sort_unstable();
    let ended = request.ended.map(|at| at.to_string());
    format!("{} {:?} {}\n{}", request.started, ended, request.outcome.name(), spans.join("\n"))
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn what_has_ended_leaves_exactly_what_would_hold_without_it((document, past, lasting) in with_a_gap()) {
        let with = outcome(&document, &[&past, &lasting]);
        let without = outcome(&document, &[&lasting]);
        assert_balanced(&with);
        prop_assume!(came_to_rest(&with) && came_to_rest(&without));
        let (with, without) = (late(&with), late(&without));
        let world = || format!("{document}\npast {}\nlasting {}", Value::from(past.clone()), Value::from(lasting.clone()));
        prop_assert!(with.keys().eq(without.keys()), "other requests start in {}", world());
        let mut names: Vec<_> = with.keys().copied().collect();
        names.sort_unstable_by_key(|name| with[name].started);
        for name in &names {
            let request = with[name];
            let (was, would_be) = (story(request), story(without[name]));
            prop_assert!(was == would_be, "in {}\n{:?} was {}\nwould be {}", world(), name, was, would_be);
        }
    }
}
