//! What a run really exercised: which faults happened and touched something, which branches policies took, which
//! invariants were judged. Reads outcomes; an empty one says what could be exercised at all.

use std::collections::BTreeMap;

use crate::judge::{call_took, service_took};
use crate::run::Outcome;
use crate::scenario::plan::{CallBranch, Plan, ServiceBranch};

/// What can be exercised, by name, and whether it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exercised {
    /// `slow-link (latency) started`, `slow-link (latency) touched something`.
    pub faults: BTreeMap<String, bool>,
    /// `checkout -> db breaker_opened`, `checkout queue_full`.
    pub branches: BTreeMap<String, bool>,
    /// `conservation_requests`: those that were judged.
    pub invariants: BTreeMap<String, bool>,
}

/// What can be exercised in runs of a plan, none of it yet. Invariants are known when they are judged.
pub fn possible(plan: &Plan) -> Exercised {
    let mut possible = Exercised::default();
    for entry in &plan.timeline {
        let [started, touched] = fault_names(&entry.id, entry.action.kind());
        possible.faults.insert(started, false);
        possible.faults.insert(touched, false);
    }
    for edge in &plan.edges {
        let branches = CallBranch::ALL.iter().filter(|branch| branch.is_possible(&edge.policy));
        possible.branches.extend(branches.map(|branch| (call_name(&edge.name, *branch), false)));
    }
    for service in &plan.services {
        let branches = ServiceBranch::ALL.iter().filter(|branch| branch.is_possible(service));
        possible.branches.extend(branches.map(|branch| (service_name(&service.name, *branch), false)));
    }
    possible
}

/// What a run exercised, among what its plan can.
pub fn exercised(outcome: &Outcome) -> Exercised {
    let (plan, measured) = (&outcome.plan, &outcome.measured);
    let mut exercised = possible(plan);
    for (entry, seen) in plan.timeline.iter().zip(&measured.entries) {
        let [started, touched] = fault_names(&entry.id, entry.action.kind());
        exercised.faults.insert(started, seen.started.is_some());
        exercised.faults.insert(touched, seen.touched > 0);
    }
    for (edge, seen) in plan.edges.iter().zip(&measured.edges) {
        for branch in CallBranch::ALL.iter().filter(|branch| branch.is_possible(&edge.policy)) {
            exercised.branches.insert(call_name(&edge.name, *branch), call_took(*branch, seen));
        }
    }
    for (service, seen) in plan.services.iter().zip(&measured.services) {
        for branch in ServiceBranch::ALL.iter().filter(|branch| branch.is_possible(service)) {
            exercised.branches.insert(service_name(&service.name, *branch), service_took(*branch, seen));
        }
    }
    exercised.invariants.extend(outcome.judgement.invariants.iter().map(|judged| (judged.id.clone(), true)));
    exercised
}

fn fault_names(id: &str, kind: &str) -> [String; 2] {
    [format!("{id} ({kind}) started"), format!("{id} ({kind}) touched something")]
}

fn call_name(call: &str, branch: CallBranch) -> String {
    format!("{call} {}", branch.name())
}

fn service_name(service: &str, branch: ServiceBranch) -> String {
    format!("{service} {}", branch.name())
}
