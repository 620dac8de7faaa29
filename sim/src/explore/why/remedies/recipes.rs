//! The standard list of remedies as edits, each with its values from the mildest to the strongest. Makes edits, runs
//! nothing.

use serde_json::{Value, json};

use super::Need;
use super::lasting::{changed_to, lasting};
use crate::explore::why::candidates::{place_of_edge, place_of_service, set};
use crate::explore::why::weak_settings;
use crate::kernel::time::Span;
use crate::scenario::names_a_policy;
use crate::scenario::plan::{BreakerScope, Discipline, EdgePlan, Edit, Party, Plan, ServicePlan};

/// A remedy with its values from the mildest to the strongest.
pub(super) struct Recipe {
    pub(super) name: String,
    pub(super) rungs: Vec<Rung>,
}

/// One value of a remedy.
#[derive(Clone)]
pub(super) struct Rung {
    pub(super) value: Option<String>,
    pub(super) edits: Vec<Edit>,
}

/// Of services that ran full, so many are looked at, the first ones first.
const MOST_SERVICES: usize = 2;

/// The standard list, as far as it applies.
pub(super) fn recipes(plan: &Plan, need: &Need<'_>) -> Vec<Recipe> {
    let mut list = Vec::new();
    if let Some(edits) = &need.rollback {
        list.push(once("do not make the change", edits.clone()));
    }
    let repeated: Vec<&EdgePlan> = need
        .mechanism
        .amplification
        .iter()
        .filter_map(|call| plan.edges.get(call.edge.index()))
        .filter(|edge| edge.policy.retry.is_some())
        .collect();
    for_retries(plan, &repeated, &mut list);
    for service in strained(plan, need) {
        for_line(plan, service, &mut list);
        for_door(plan, service, &mut list);
        for_unwanted_work(plan, service, &mut list);
        for_capacity(plan, service, &mut list);
    }
    for_calls(plan, &mut list);
    for_caches(plan, &mut list);
    for service in &plan.services {
        let safer = weak_settings::of_service(plan, service);
        list.extend(safer.into_iter().map(|weak| once(weak.instead, vec![weak.edit])));
    }
    list
}

/// The services that ran full, or where the time of requests goes if none did.
fn strained<'p>(plan: &'p Plan, need: &Need<'_>) -> Vec<&'p ServicePlan> {
    let named = |name: &String| plan.services.iter().find(|it| it.name == *name && it.hop_of.is_none());
    let full: Vec<&ServicePlan> =
        need.mechanism.saturation.iter().filter_map(|full| named(&full.service)).collect();
    if full.is_empty() {
        return need.mechanism.path_after.iter().find_map(|part| named(&part.place)).into_iter().collect();
    }
    full.into_iter().take(MOST_SERVICES).collect()
}

fn once(name: impl Into<String>, edits: Vec<Edit>) -> Recipe {
    Recipe { name: name.into(), rungs: vec![Rung { value: None, edits }] }
}

fn ladder(name: impl Into<String>, rungs: impl Iterator<Item = (String, Vec<Edit>)>) -> Recipe {
    let rungs = rungs.map(|(value, edits)| Rung { value: Some(value), edits }).collect();
    Recipe { name: name.into(), rungs }
}

/// Fewer or better spread attempts.
fn for_retries(plan: &Plan, repeated: &[&EdgePlan], list: &mut Vec<Recipe>) {
    let places: Vec<String> = repeated.iter().filter_map(|edge| place_of_edge(plan, edge)).collect();
    if places.is_empty() {
        return;
    }
    let on = repeated.iter().map(|edge| format!("`{}`", edge.name)).collect::<Vec<_>>().join(", ");
    let without = places.iter().map(|place| Edit::Without(format!("{place}.retry"))).collect();
    list.push(once(format!("no retries over {on}"), without));
    let shares = [50, 40, 30, 25, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1];
    let each = |value: Value, key: &str| -> Vec<Edit> {
        places.iter().map(|place| set(format!("{place}.{key}"), value.clone())).collect()
    };
    list.push(ladder(
        format!("a retry budget for {on}"),
        shares
            .iter()
            .map(|share| (format!("<= {share} %"), each(json!(format!("{share}%")), "retry.budget"))),
    ));
    list.push(once(format!("full jitter over {on}"), each(json!("full"), "retry.backoff.jitter")));
}

/// A shorter line, or another order in it.
fn for_line(plan: &Plan, service: &ServicePlan, list: &mut Vec<Recipe>) {
    let (place, name) = (place_of_service(plan, &service.name), &service.name);
    let capacities = [512_u32, 256, 128, 64, 32, 16, 8, 4, 2, 1];
    let shorter = capacities.into_iter().filter(|capacity| *capacity < service.queue.capacity);
    let capacity = format!("{place}.queue.capacity");
    list.push(ladder(
        format!("a shorter line at `{name}`"),
        shorter.map(|places| (format!("<= {places}"), lasting(plan, &capacity, &json!(places)))),
    ));
    if service.queue.discipline != Discipline::Lifo {
        let newest = lasting(plan, &format!("{place}.queue.discipline"), &json!("lifo"));
        list.push(once(format!("the newest first at `{name}`"), newest));
    }
}

/// Load shedding: turning away at the door, or in the line, what cannot be done in time.
fn for_door(plan: &Plan, service: &ServicePlan, list: &mut Vec<Recipe>) {
    let (place, name) = (place_of_service(plan, &service.name), &service.name);
    if service.queue.codel.is_none() {
        let codel = json!({"target": "20ms", "interval": "200ms"});
        let edits = vec![set(format!("{place}.queue.codel"), codel)];
        list.push(once(format!("controlled delay at `{name}`"), edits));
    }
    let has_bound = service.admission.as_ref().is_some_and(|admission| admission.concurrency.is_some());
    if service.workers == u32::MAX || has_bound {
        return;
    }
    let inside = |kind: &str, initial: u64| {
        let bound = json!({"kind": kind, "initial": initial.max(1)});
        vec![set(format!("{place}.admission.concurrency"), bound)]
    };
    let workers = u64::from(service.workers);
    let fixed = [16, 8, 4, 3, 2, 1].map(|times| workers.saturating_mul(times));
    list.push(ladder(
        format!("load shedding at `{name}`"),
        fixed.into_iter().map(|most| (format!("<= {most} inside"), inside("fixed", most))),
    ));
    let twice = workers.saturating_mul(2);
    list.push(once(format!("adaptive concurrency (AIMD) at `{name}`"), inside("aimd", twice)));
    list.push(once(format!("adaptive concurrency (gradient) at `{name}`"), inside("gradient2", twice)));
}

/// Less work for callers that have left: at the service, and with their deadlines handed on all the way to it.
fn for_unwanted_work(plan: &Plan, service: &ServicePlan, list: &mut Vec<Recipe>) {
    let (place, name) = (place_of_service(plan, &service.name), &service.name);
    let drop = vec![set(format!("{place}.drop_expired"), json!(true))];
    if !service.drop_expired {
        list.push(once(format!("no work for callers that have left at `{name}`"), drop.clone()));
    }
    let inner =
        |edge: &&EdgePlan| matches!(edge.caller, Party::Service(_)) && !edge.policy.propagate_deadline;
    let places = plan.edges.iter().filter(inner).filter_map(|edge| written(plan, edge));
    let handed_on: Vec<Edit> =
        places.map(|place| set(format!("{place}.propagate_deadline"), json!(true))).collect();
    if !handed_on.is_empty() {
        let edits = handed_on.into_iter().chain(drop).collect();
        list.push(once(format!("deadlines handed on to `{name}`, which drops what is past them"), edits));
    }
}

/// More of the service, or a better use of its replicas.
fn for_capacity(plan: &Plan, service: &ServicePlan, list: &mut Vec<Recipe>) {
    let (place, name) = (place_of_service(plan, &service.name), &service.name);
    let key = |key: &str| format!("{place}.{key}");
    if service.workers != u32::MAX {
        let now = changed_to(plan, &key("workers")).and_then(Value::as_u64);
        let now = now.unwrap_or(u64::from(service.workers));
        let more = TENTHS.into_iter().map(|tenths| {
            let workers = (now * tenths).div_ceil(10).max(now + 1);
            let mut edits = lasting(plan, &key("workers"), &json!(workers));
            if service.cores_milli.is_some() {
                let cores = (service.cores_milli.unwrap_or(1_000) * tenths).div_ceil(10_000);
                edits.push(set(key("cpu.cores"), json!(cores)));
            }
            (format!(">= {workers} workers"), edits)
        });
        list.push(ladder(format!("more workers at `{name}`"), more));
    }
    if service.replicas > 1 {
        let fewest = vec![set(key("balance"), json!("least_requests"))];
        list.push(once(format!("`{name}`: the replica with the fewest requests"), fewest));
        let eject = vec![set(key("outlier_ejection"), json!({}))];
        list.push(once(format!("`{name}`: replicas that fail are left out"), eject));
    }
}

/// How much more of something is tried, in tenths of what there is.
const TENTHS: [u64; 10] = [11, 12, 13, 15, 17, 20, 25, 30, 40, 60];

/// Where a call stands in the file, if it does.
fn written(plan: &Plan, edge: &EdgePlan) -> Option<String> {
    let place = place_of_edge(plan, edge)?;
    names_a_policy(&plan.document, &format!("{place}.to")).then_some(place)
}

/// Breakers, patience and connections of every call of the plan.
fn for_calls(plan: &Plan, list: &mut Vec<Recipe>) {
    for edge in &plan.edges {
        let Some(place) = written(plan, edge) else { continue };
        for_breaker(plan, edge, &place, list);
        let timeout = changed_to(plan, &format!("{place}.timeout"));
        let timeout = timeout.and_then(Value::as_str).and_then(|text| text.parse::<Span>().ok());
        if let Some(timeout) = timeout.or(edge.policy.timeout) {
            let tenths = [12_u64, 15, 20, 30, 50, 100];
            let longer = tenths.into_iter().map(|tenths| {
                let timeout = timeout.mul_ratio(tenths, 10).to_string();
                let edits = lasting(plan, &format!("{place}.timeout"), &json!(timeout));
                (format!(">= {timeout}"), edits)
            });
            list.push(ladder(format!("a longer timeout on `{}`", edge.name), longer));
        }
        let size = format!("{place}.pool.size");
        let has_own = names_a_policy(&plan.document, &size);
        let written = has_own.then(|| connections(plan, edge)).flatten();
        if let Some(now) = changed_to(plan, &size).and_then(Value::as_u64).or(written) {
            let larger = [15_u64, 20, 30, 40, 60, 100].into_iter().map(|tenths| {
                let more = now.saturating_mul(tenths).div_ceil(10).max(now.saturating_add(1));
                (format!(">= {more} connections"), lasting(plan, &size, &json!(more)))
            });
            list.push(ladder(format!("a larger pool for `{}`", edge.name), larger));
        }
    }
}

/// How many connections a call's pool has.
fn connections(plan: &Plan, edge: &EdgePlan) -> Option<u64> {
    let pools = match edge.caller {
        Party::Service(caller) => &plan.services.get(caller.index())?.pools,
        Party::Load(load) => &plan.loads.get(load.index())?.pools,
    };
    Some(u64::from(pools.get(edge.policy.pool? as usize)?.size.max_in_flight))
}

fn for_breaker(plan: &Plan, edge: &EdgePlan, place: &str, list: &mut Vec<Recipe>) {
    let replicas = plan.services.get(edge.callee.index()).map_or(1, |callee| callee.replicas);
    match &edge.policy.breaker {
        None => {
            let breaker = json!({"window": "5s", "min_requests": 20, "open_at": "50%", "open_for": "5s"});
            let edits = vec![set(format!("{place}.breaker"), breaker)];
            list.push(once(format!("a breaker on `{}`", edge.name), edits));
        }
        Some(breaker) if breaker.scope == BreakerScope::Edge && replicas > 1 => {
            let own = vec![set(format!("{place}.breaker.scope"), json!("endpoint"))];
            list.push(once(format!("a breaker for each replica on `{}`", edge.name), own));
        }
        Some(_) => {}
    }
}

/// One load for each key that is missing, however many ask for it.
fn for_caches(plan: &Plan, list: &mut Vec<Recipe>) {
    for service in plan.services.iter().filter(|service| service.kind == "cache") {
        let place = place_of_service(plan, &service.name);
        let single = vec![set(format!("{place}.single_flight"), json!(true))];
        list.push(once(format!("one load for each key of `{}`", service.name), single));
        if let Some(ttl) = changed_to(plan, &format!("{place}.ttl")) {
            let Some(ttl) = ttl.as_str().and_then(|text| text.parse::<Span>().ok()) else { continue };
            let longer = [2_u64, 3, 5, 10, 20, 30, 60].into_iter().map(|times| {
                let ttl = ttl.mul_ratio(times, 1).to_string();
                let edits = lasting(plan, &format!("{place}.ttl"), &json!(ttl));
                (format!(">= {ttl}"), edits)
            });
            list.push(ladder(format!("a longer ttl of `{}`", service.name), longer));
        }
    }
}
