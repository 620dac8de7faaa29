//! What would have held every objective: the standard remedies as edits, each replayed, each at the mildest value that
//! suffices. Listed is only what held under every seed, with what it costs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::Remedy;
use super::candidates::{place_of_edge, place_of_service, set};
use super::counterfactual::{Ending, Replays, World};
use super::mechanism::Mechanism;
use super::words::options;
use crate::kernel::draw::Seed;
use crate::scenario::plan::{BreakerScope, Discipline, EdgePlan, Edit, Plan, ServicePlan};

/// A remedy with its values from the mildest to the strongest.
struct Recipe {
    name: String,
    rungs: Vec<Rung>,
}

/// One value of a remedy.
#[derive(Clone)]
struct Rung {
    value: Option<String>,
    edits: Vec<Edit>,
}

/// What remedies are made for.
pub(super) struct Need<'n> {
    /// How the cause led to the failure.
    pub mechanism: &'n Mechanism,
    /// What takes the cause back, if it is a change.
    pub rollback: Option<Vec<Edit>>,
    /// How the run ends without the cause.
    pub well: &'n Ending,
    /// The seeds under which a remedy has to hold; the first is that of the run that is explained.
    pub seeds: &'n [Seed],
}

/// All remedies that held under every seed, those that cost least first.
pub(super) fn remedies(replays: &mut Replays<'_>, need: &Need<'_>) -> Vec<Remedy> {
    let plan = replays.plan();
    let mut recipes = recipes(plan, need);
    let Some(first) = need.seeds.first() else { return Vec::new() };
    let mildest = mildest(replays, &recipes, *first);
    let mut held: Vec<(usize, usize)> = Vec::new();
    let mut trying: Vec<(usize, usize)> =
        mildest.into_iter().enumerate().filter_map(|(recipe, rung)| Some((recipe, rung?))).collect();
    // A value that suffices under one seed may be too mild for another: then the next stronger one, a few times.
    for _ in 0..MOST_STEPS {
        let told = under_every_seed(replays, &recipes, &trying, need.seeds);
        let mut next = Vec::new();
        for ((recipe, rung), holds) in trying.into_iter().zip(told) {
            if holds {
                held.push((recipe, rung));
            } else if rung + 1 < recipes[recipe].rungs.len() {
                next.push((recipe, rung + 1));
            }
        }
        trying = next;
        if trying.is_empty() {
            break;
        }
    }
    let mut listed: Vec<Remedy> = Vec::new();
    for (recipe, rung) in held {
        let recipe = &mut recipes[recipe];
        let rung = recipe.rungs.swap_remove(rung);
        let Ok(ending) = replays.ending(&rung.edits, *first) else { continue };
        let less = i128::from(need.well.good) - i128::from(ending.good);
        listed.push(Remedy {
            name: recipe.name.clone(),
            value: rung.value,
            seeds: need.seeds.len() as u64,
            good_less_ppm: i64::try_from(less * 1_000_000 / i128::from(need.well.good.max(1)))
                .unwrap_or(i64::MAX),
            latency_p99_us: ending.latency_p99_us,
            refused: ending.refused,
            options: options(&rung.edits),
        });
    }
    listed.sort_by(|a, b| {
        (a.good_less_ppm, a.latency_p99_us, &a.name).cmp(&(b.good_less_ppm, b.latency_p99_us, &b.name))
    });
    listed
}

/// A mild value is made stronger at most so many times because of other seeds.
const MOST_STEPS: usize = 4;

/// Whether each of these values holds under all seeds. Stops asking about one that failed.
fn under_every_seed(
    replays: &mut Replays<'_>,
    recipes: &[Recipe],
    values: &[(usize, usize)],
    seeds: &[Seed],
) -> Vec<bool> {
    let mut holds = vec![true; values.len()];
    for seed in seeds {
        let alive: Vec<usize> = (0..values.len()).filter(|index| holds[*index]).collect();
        let edits = |index: &usize| recipes[values[*index].0].rungs[values[*index].1].edits.clone();
        let worlds: Vec<World> = alive.iter().map(|index| (edits(index), *seed)).collect();
        for (index, ending) in alive.into_iter().zip(replays.endings(&worlds)) {
            holds[index] = is_well(&ending.as_deref());
        }
    }
    holds
}

fn is_well<E>(ending: &Result<&Ending, E>) -> bool {
    ending.as_ref().is_ok_and(|ending| ending.failing.is_empty())
}

/// Of each remedy the mildest value that holds under one seed: the strongest is tried, and one in the middle; then the
/// range between what fails and what holds is halved, all remedies at once.
fn mildest(replays: &mut Replays<'_>, recipes: &[Recipe], seed: Seed) -> Vec<Option<usize>> {
    let mut known: Vec<BTreeMap<usize, bool>> = vec![BTreeMap::new(); recipes.len()];
    loop {
        let asked: Vec<(usize, usize)> = recipes
            .iter()
            .enumerate()
            .filter_map(|(recipe, it)| Some((recipe, next_question(it.rungs.len(), &known[recipe])?)))
            .collect();
        if asked.is_empty() {
            return known.iter().map(mildest_known).collect();
        }
        let worlds: Vec<World> =
            asked.iter().map(|(recipe, rung)| (recipes[*recipe].rungs[*rung].edits.clone(), seed)).collect();
        for ((recipe, rung), ending) in asked.into_iter().zip(replays.endings(&worlds)) {
            known[recipe].insert(rung, is_well(&ending.as_deref()));
        }
    }
}

/// Which of `rungs` values to try next; `None` if the mildest that holds is known.
fn next_question(rungs: usize, known: &BTreeMap<usize, bool>) -> Option<usize> {
    let strongest = rungs.checked_sub(1)?;
    let Some(mildest) = mildest_known(known) else {
        let open = [strongest, strongest / 2];
        return open.into_iter().find(|rung| !known.contains_key(rung));
    };
    let fails_below =
        known.iter().filter(|(rung, holds)| **rung < mildest && !**holds).map(|(rung, _)| *rung).max();
    let low = fails_below.map_or(0, |rung| rung + 1);
    (low < mildest).then_some(low + (mildest - low) / 2)
}

fn mildest_known(known: &BTreeMap<usize, bool>) -> Option<usize> {
    known.iter().find(|(_, holds)| **holds).map(|(rung, _)| *rung)
}

/// The standard list, as far as it applies.
fn recipes(plan: &Plan, need: &Need<'_>) -> Vec<Recipe> {
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
    let full: Vec<&ServicePlan> = need
        .mechanism
        .saturation
        .iter()
        .filter_map(|full| {
            plan.services.iter().find(|service| service.name == full.service && service.hop_of.is_none())
        })
        .collect();
    for service in full.iter().take(2) {
        for_service(plan, service, &mut list);
    }
    if full.is_empty() {
        let slow = need
            .mechanism
            .path_after
            .iter()
            .find(|part| plan.services.iter().any(|it| it.name == part.place));
        if let Some(service) =
            slow.and_then(|part| plan.services.iter().find(|it| it.name == part.place && it.hop_of.is_none()))
        {
            for_service(plan, service, &mut list);
        }
    }
    for_calls(plan, &mut list);
    list
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
    let on = names(repeated);
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

fn names(edges: &[&EdgePlan]) -> String {
    edges.iter().map(|edge| format!("`{}`", edge.name)).collect::<Vec<_>>().join(", ")
}

/// A shorter line, another order, less work that nobody wants, more of the service.
fn for_service(plan: &Plan, service: &ServicePlan, list: &mut Vec<Recipe>) {
    let (place, name) = (place_of_service(plan, &service.name), &service.name);
    let key = |key: &str| format!("{place}.{key}");
    let capacities = [512_u32, 256, 128, 64, 32, 16, 8, 4, 2, 1];
    let shorter = capacities.into_iter().filter(|capacity| *capacity < service.queue.capacity);
    list.push(ladder(
        format!("a shorter line at `{name}`"),
        shorter.map(|capacity| (format!("<= {capacity}"), vec![set(key("queue.capacity"), json!(capacity))])),
    ));
    if service.queue.discipline != Discipline::Lifo {
        let newest = vec![set(key("queue.discipline"), json!("lifo"))];
        list.push(once(format!("the newest first at `{name}`"), newest));
    }
    if !service.drop_expired {
        let drop = vec![set(key("drop_expired"), json!(true))];
        list.push(once(format!("no work for callers that have left at `{name}`"), drop));
    }
    if service.queue.codel.is_none() {
        let codel = json!({"target": "20ms", "interval": "200ms"});
        list.push(once(format!("controlled delay at `{name}`"), vec![set(key("queue.codel"), codel)]));
    }
    if service.workers != u32::MAX {
        let tenths = [11_u64, 12, 13, 15, 17, 20, 25, 30, 40, 60];
        let more = tenths.into_iter().map(|tenths| {
            let workers =
                (u64::from(service.workers) * tenths).div_ceil(10).max(u64::from(service.workers) + 1);
            let mut edits = vec![set(key("workers"), json!(workers))];
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

/// Breakers, patience, caches: of every call and cache of the plan.
fn for_calls(plan: &Plan, list: &mut Vec<Recipe>) {
    for edge in &plan.edges {
        let Some(place) = place_of_edge(plan, edge) else { continue };
        if !crate::scenario::names_a_policy(&plan.document, &format!("{place}.to")) {
            continue;
        }
        let replicas = plan.services.get(edge.callee.index()).map_or(1, |callee| callee.replicas);
        match &edge.policy.breaker {
            None => {
                let breaker = json!({"window": "5s", "min_requests": 20, "open_at": "50%", "open_for": "5s"});
                list.push(once(
                    format!("a breaker on `{}`", edge.name),
                    vec![set(format!("{place}.breaker"), breaker)],
                ));
            }
            Some(breaker) if breaker.scope == BreakerScope::Edge && replicas > 1 => {
                let own = vec![set(format!("{place}.breaker.scope"), json!("endpoint"))];
                list.push(once(format!("a breaker for each replica on `{}`", edge.name), own));
            }
            Some(_) => {}
        }
        if let Some(timeout) = edge.policy.timeout {
            let tenths = [12_u64, 15, 20, 30, 50, 100];
            let longer = tenths.into_iter().map(|tenths| {
                let timeout = timeout.mul_ratio(tenths, 10).to_string();
                (format!(">= {timeout}"), vec![set(format!("{place}.timeout"), json!(timeout))])
            });
            list.push(ladder(format!("a longer timeout on `{}`", edge.name), longer));
        }
    }
    for service in plan.services.iter().filter(|service| service.kind == "cache") {
        let single =
            vec![set(format!("{}.single_flight", place_of_service(plan, &service.name)), json!(true))];
        list.push(once(format!("one load for each key of `{}`", service.name), single));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks until the mildest value is known; how often that was.
    fn found(rungs: usize, holds: impl Fn(usize) -> bool) -> (Option<usize>, usize) {
        let mut known = BTreeMap::new();
        while let Some(rung) = next_question(rungs, &known) {
            assert!(!known.contains_key(&rung), "nothing is asked twice");
            known.insert(rung, holds(rung));
        }
        (mildest_known(&known), known.len())
    }

    #[test]
    fn the_mildest_value_that_suffices_is_found_by_halving() {
        for rungs in 1..40 {
            for threshold in 0..rungs {
                let (mildest, asked) = found(rungs, |rung| rung >= threshold);
                assert_eq!(mildest, Some(threshold));
                assert!(asked <= 8, "{asked} questions about {rungs}");
            }
            assert_eq!(found(rungs, |_| false), (None, rungs.min(2)));
        }
        assert_eq!(found(0, |_| true), (None, 0));
    }

    #[test]
    fn a_remedy_that_is_too_strong_at_its_end_is_found_in_the_middle() {
        let (mildest, _) = found(16, |rung| (5..12).contains(&rung));
        assert_eq!(mildest, Some(5));
    }
}
