//! What services call: steps, edges, joins, and which step loads what a cache missed.

use std::collections::BTreeMap;

use super::Checker;
use super::selectors::counted;
use super::services::PLAIN_KIND;
use crate::scenario::path::Path;
use crate::scenario::plan::{BranchPlan, EdgeId, EdgePlan, Join, Party, PoolPlan, ServiceId, StepPlan};
use crate::scenario::raw::{RawCall, RawJoin, RawJoinName, RawPolicy, RawScenario, RawStep};

/// Most equal calls made at once.
const MOST_FAN_OUT: u32 = 10_000;

/// A caller whose calls are being resolved.
pub(crate) struct Caller<'p> {
    /// Who calls.
    pub(crate) party: Party,
    /// Its pools so far; calls with a pool of their own add to them.
    pub(crate) pools: &'p mut Vec<PoolPlan>,
    /// How many calls to each service there are so far.
    pub(crate) occurrences: BTreeMap<ServiceId, u32>,
}

impl Checker<'_> {
    /// The calls of all services.
    pub(crate) fn resolve_calls(&mut self, raw: &RawScenario) {
        for (index, (name, service)) in raw.services.iter().enumerate() {
            let whole = Path::root().key("services").key(name);
            let path = whole.key("calls");
            let mut pools =
                self.services.get_mut(index).map_or(Vec::new(), |plan| std::mem::take(&mut plan.pools));
            let mut caller = Caller {
                party: Party::Service(ServiceId(index as u32)),
                pools: &mut pools,
                occurrences: BTreeMap::new(),
            };
            let mut steps = Vec::with_capacity(service.calls.len());
            for (position, step) in service.calls.iter().enumerate() {
                steps.push(self.step(&path.index(position), step, &mut caller));
            }
            let kind = service.kind.as_deref().unwrap_or(PLAIN_KIND);
            if steps.is_empty() && self.around.kinds.traits(kind).needs_calls {
                let message = format!("a service of kind `{kind}` can do nothing without a call");
                self.missing(&whole, message, Some("add `calls`".to_string()));
            }
            self.resolve_misses(&path, &service.calls, &mut steps);
            // Last, so that a store that is asked changes no other call's occurrence.
            let admission = self.admission(&whole, raw, service, &mut caller);
            let config_client = self.config_client(&whole, service, &mut caller);
            if let Some(plan) = self.services.get_mut(index) {
                plan.pools = pools;
                plan.steps = steps;
                plan.admission = admission;
                plan.config_client = config_client;
            }
        }
    }

    fn step(&mut self, path: &Path, raw: &RawStep, caller: &mut Caller<'_>) -> StepPlan {
        match raw {
            RawStep::Call(call) => {
                let branches: Vec<BranchPlan> = self.branch(path, call, caller).into_iter().collect();
                let calls = call.fan_out.as_ref().map_or(1, |fan_out| fan_out.0);
                let join = self.join(path, call.join.as_ref(), calls);
                StepPlan { branches, join }
            }
            RawStep::Parallel(parallel) => {
                let path_of_calls = path.key("parallel");
                if parallel.parallel.is_empty() {
                    self.missing(&path_of_calls, "nothing to do in parallel".to_string(), None);
                }
                let mut branches = Vec::with_capacity(parallel.parallel.len());
                let mut calls: u32 = 0;
                for (index, call) in parallel.parallel.iter().enumerate() {
                    let path = path_of_calls.index(index);
                    self.reject_in_parallel(&path, call);
                    branches.extend(self.branch(&path, call, caller));
                    calls = calls.saturating_add(call.fan_out.as_ref().map_or(1, |fan_out| fan_out.0));
                }
                let join = self.join(path, parallel.join.as_ref(), calls);
                StepPlan { branches, join }
            }
        }
    }

    fn reject_in_parallel(&mut self, path: &Path, call: &RawCall) {
        if call.join.is_some() {
            let help = "write `join` beside `parallel`".to_string();
            self.error_at_key(&path.key("join"), "`join` belongs to the whole step".to_string(), Some(help));
        }
        if call.on_miss.is_some() {
            let help = "make the call to the cache a step of its own".to_string();
            self.error_at_key(&path.key("on_miss"), "`on_miss` inside `parallel`".to_string(), Some(help));
        }
    }

    fn join(&mut self, path: &Path, raw: Option<&RawJoin>, calls: u32) -> Join {
        match raw {
            None | Some(RawJoin::Named(RawJoinName::All)) => Join::All,
            Some(RawJoin::Named(RawJoinName::Any)) => Join::AtLeast(1),
            Some(RawJoin::AtLeast(number)) => {
                if number.0 > calls && self.lost.is_whole(path) {
                    let message = format!("{} of {} cannot succeed", number.0, counted(calls, "call"));
                    self.error_at_value(&path.key("join"), message, Some(format!("use at most {calls}")));
                }
                Join::AtLeast(number.0)
            }
        }
    }

    fn branch(&mut self, path: &Path, raw: &RawCall, caller: &mut Caller<'_>) -> Option<BranchPlan> {
        let operations = self.operations(&path.key("operations"), raw.operations.as_deref());
        let fan_out = raw.fan_out.as_ref().map_or(1, |fan_out| fan_out.0);
        if fan_out > MOST_FAN_OUT {
            let message = format!("{fan_out} calls at once are too many");
            self.error_at_value(&path.key("fan_out"), message, Some(format!("the most is {MOST_FAN_OUT}")));
        }
        let edge = self.edge(path, &raw.to, &raw.policy, caller)?;
        Some(BranchPlan {
            edge,
            fan_out,
            share_ppm: raw.share.as_ref().map_or(1_000_000, |share| share.0),
            operations,
            gate: None,
            optional: raw.optional.unwrap_or(false),
            on_miss: None,
            loads_for: None,
        })
    }

    /// One call entry of a caller: the edge, its links and its pool.
    pub(crate) fn edge(
        &mut self,
        path: &Path,
        to: &str,
        policy: &RawPolicy,
        caller: &mut Caller<'_>,
    ) -> Option<EdgeId> {
        let callee = self.service(&path.key("to"), to);
        let own_pool_name = format!("{} -> {to}", self.party_name(caller.party));
        let occurrence = callee.map_or(0, |callee| {
            let count = caller.occurrences.entry(callee).or_insert(0);
            *count += 1;
            *count - 1
        });
        let name = match occurrence {
            0 => own_pool_name,
            further => format!("{own_pool_name} #{}", further + 1),
        };
        let policy = self.policy(path, policy, &name, caller.pools);
        let callee = callee?;
        if let Some(hop) = self.services.get(callee.index()).filter(|service| service.hop_of.is_some()) {
            let message = format!("`{}` is an extra hop: it is inserted into calls, not called", hop.name);
            self.error_at_value(&path.key("to"), message, None);
            return None;
        }
        let request_link = self.link(caller.party, Party::Service(callee));
        let response_link = self.link(Party::Service(callee), caller.party);
        let id = EdgeId(self.edges.len() as u32);
        self.edges.push(EdgePlan {
            name,
            caller: caller.party,
            callee,
            occurrence,
            request_link,
            response_link,
            policy,
        });
        self.edge_paths.push(path.clone());
        Some(id)
    }

    /// Joins calls to caches with the steps that load what they missed.
    fn resolve_misses(&mut self, path: &Path, raw: &[RawStep], steps: &mut [StepPlan]) {
        for (position, step) in raw.iter().enumerate() {
            let RawStep::Call(call) = step else { continue };
            let Some(wanted) = &call.on_miss else { continue };
            let at = path.index(position).key("on_miss");
            let later = raw.iter().enumerate().skip(position + 1);
            let target = later.clone().find(|(_, step)| calls(step, wanted)).map(|(index, _)| index);
            let Some(target) = target else {
                let known: Vec<&str> = later.flat_map(|(_, step)| callees(step)).collect();
                let help = match known.as_slice() {
                    [] => Some("add the step that loads what the cache missed after this one".to_string()),
                    known => crate::scenario::suggest::help(wanted, known),
                };
                self.error_at_value(&at, format!("no later step calls `{wanted}`"), help);
                continue;
            };
            if steps
                .get(target)
                .is_some_and(|step| step.branches.iter().any(|branch| branch.loads_for.is_some()))
            {
                self.error_at_value(
                    &at,
                    format!("the step that calls `{wanted}` loads for another cache already"),
                    None,
                );
                continue;
            }
            if let Some(branch) = steps.get_mut(position).and_then(|step| step.branches.first_mut()) {
                branch.on_miss = Some(target as u32);
            }
            for branch in steps.get_mut(target).into_iter().flat_map(|step| &mut step.branches) {
                branch.loads_for = Some(position as u32);
            }
        }
    }
}

fn callees(step: &RawStep) -> Vec<&str> {
    match step {
        RawStep::Call(call) => vec![call.to.as_str()],
        RawStep::Parallel(parallel) => parallel.parallel.iter().map(|call| call.to.as_str()).collect(),
    }
}

fn calls(step: &RawStep, service: &str) -> bool {
    callees(step).contains(&service)
}
