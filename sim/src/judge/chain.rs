//! The way through the call graph on which retries multiply most. Linear in the number of edges, whatever the
//! graph looks like.

use crate::measure::Measured;
use crate::scenario::plan::{LoadPlan, Party, Plan};

/// A way from a load to a service and how retries add up on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// The load and the services on the way, up to the last one that is called with retries.
    pub(super) names: Vec<String>,
    /// Attempts that arrive at its end for each request of the load, in thousandths.
    pub(super) attempts_milli: u64,
    /// How many calls of the way are retried at all.
    pub(super) retrying_layers: usize,
    /// Attempts for each call of the one that is retried most, in thousandths.
    pub(super) largest_milli: u64,
}

/// With fewer attempts for each call, in thousandths, a call does not count as retried.
const RETRIED_MILLI: u64 = 1050;

/// The way from `load` on which retries multiply most; `None` if nothing on any way is retried.
pub(super) fn worst(plan: &Plan, measured: &Measured, load: &LoadPlan) -> Option<Chain> {
    let factors: Vec<u64> = (0..plan.edges.len()).map(|edge| attempts_milli(measured, edge)).collect();
    // The largest product of factors up to each service, and the edge it came over.
    let mut best: Vec<Option<(u64, usize)>> = vec![None; plan.services.len()];
    let reach = |edge: usize, so_far: u64, best: &mut Vec<Option<(u64, usize)>>| {
        let product = so_far.saturating_mul(factors[edge]) / 1000;
        if let Some(known) = best.get_mut(plan.edges[edge].callee.index())
            && known.is_none_or(|(known, _)| product > known)
        {
            *known = Some((product, edge));
        }
    };
    if load.edge.index() >= plan.edges.len() {
        return None;
    }
    reach(load.edge.index(), 1000, &mut best);
    let calls = calls_of(plan);
    for service in callers_first(plan) {
        if let Some((product, _)) = best[service] {
            for edge in &calls[service] {
                reach(*edge, product, &mut best);
            }
        }
    }
    let retried = |(_, edge): &(u64, usize)| factors[*edge] >= RETRIED_MILLI;
    let (attempts_milli, last) =
        best.iter().flatten().filter(|end| retried(end)).fold(None, |worst: Option<(u64, usize)>, end| {
            if worst.is_none_or(|worst| end.0 > worst.0) { Some(*end) } else { worst }
        })?;
    Some(way_to(plan, load, &best, &factors, last, attempts_milli))
}

/// The chain that ends with the edge `last`.
fn way_to(
    plan: &Plan,
    load: &LoadPlan,
    best: &[Option<(u64, usize)>],
    factors: &[u64],
    last: usize,
    attempts_milli: u64,
) -> Chain {
    let mut names = Vec::new();
    let (mut retrying_layers, mut largest_milli) = (0, 0);
    let mut next = Some(last);
    while let Some(edge) = next {
        names.push(plan.services[plan.edges[edge].callee.index()].name.clone());
        largest_milli = largest_milli.max(factors[edge]);
        retrying_layers += usize::from(factors[edge] >= RETRIED_MILLI);
        next = match plan.edges[edge].caller {
            Party::Service(caller) if names.len() <= plan.services.len() => {
                best.get(caller.index()).copied().flatten().map(|(_, edge)| edge)
            }
            Party::Service(_) | Party::Load(_) => None,
        };
    }
    names.push(load.name.clone());
    names.reverse();
    Chain { names, attempts_milli, retrying_layers, largest_milli }
}

/// Attempts over an edge for each call, in thousandths, at least 1000.
fn attempts_milli(measured: &Measured, edge: usize) -> u64 {
    measured
        .edges
        .get(edge)
        .and_then(|edge| edge.retries.saturating_mul(1000).checked_div(edge.requests))
        .map_or(1000, |retries| retries.saturating_add(1000))
}

/// The edges over which each service calls.
fn calls_of(plan: &Plan) -> Vec<Vec<usize>> {
    let mut calls = vec![Vec::new(); plan.services.len()];
    for (index, edge) in plan.edges.iter().enumerate() {
        if let Party::Service(caller) = edge.caller
            && let Some(calls) = calls.get_mut(caller.index())
        {
            calls.push(index);
        }
    }
    calls
}

/// The services in an order in which each stands after all that call it; services on a circle are left out.
fn callers_first(plan: &Plan) -> Vec<usize> {
    let calls = calls_of(plan);
    let mut callers = vec![0_usize; plan.services.len()];
    for edge in calls.iter().flatten() {
        callers[plan.edges[*edge].callee.index()] += 1;
    }
    let mut order: Vec<usize> = (0..callers.len()).filter(|service| callers[*service] == 0).collect();
    let mut done = 0;
    while done < order.len() {
        for edge in &calls[order[done]] {
            let callee = plan.edges[*edge].callee.index();
            callers[callee] -= 1;
            if callers[callee] == 0 {
                order.push(callee);
            }
        }
        done += 1;
    }
    order
}
