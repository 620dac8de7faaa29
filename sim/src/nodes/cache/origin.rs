//! Where the values of a cache come from, as far as the plan tells. Looks at nothing but the plan.

use crate::scenario::plan::{Plan, ServiceId};

const CACHE: &str = "cache";
const STORE: &str = "versioned-store";

/// The store whose versions the values of a cache have: the first one that is asked for what it misses, through other
/// caches if need be. `None`: what is asked counts no versions.
pub(in crate::nodes) fn origin_of(plan: &Plan, cache: ServiceId) -> Option<ServiceId> {
    let mut at = cache;
    // Calls do not go in circles, but loads for a cache could lead back to it.
    for _ in 0..plan.services.len() {
        at = asked_on_a_miss(plan, at)?;
        match plan.services[at.index()].kind.as_str() {
            STORE => return Some(at),
            CACHE => {}
            _ => return None,
        }
    }
    None
}

/// Whether the values of some cache come from this store.
pub(in crate::nodes) fn is_origin(plan: &Plan, store: ServiceId) -> bool {
    let caches = (0..plan.services.len()).map(|index| ServiceId(index as u32));
    caches
        .filter(|service| plan.services[service.index()].kind == CACHE)
        .any(|cache| origin_of(plan, cache) == Some(store))
}

/// Whom a cache itself asks, or else whom its callers do when it misses.
fn asked_on_a_miss(plan: &Plan, cache: ServiceId) -> Option<ServiceId> {
    let own = plan.services[cache.index()].steps.first().and_then(|step| step.branches.first());
    if let Some(own) = own {
        return Some(plan.edges[own.edge.index()].callee);
    }
    plan.services.iter().find_map(|caller| {
        let mut calls = caller.steps.iter().filter_map(|step| step.branches.first());
        let miss =
            calls.find(|call| plan.edges[call.edge.index()].callee == cache && call.on_miss.is_some())?;
        let loads = caller.steps.get(miss.on_miss? as usize)?.branches.first()?;
        Some(plan.edges[loads.edge.index()].callee)
    })
}
