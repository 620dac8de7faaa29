//! What would have held every objective: the standard remedies as edits, each replayed, each at the mildest value that
//! suffices. Listed is only what held under every seed, with what it costs.

mod lasting; // settings that hold through changes
mod recipes; // the standard list

use std::collections::BTreeMap;

use recipes::{Recipe, recipes};

use super::answer::Remedy;
use super::counterfactual::{Ending, Replays, World};
use super::mechanism::Mechanism;
use super::words::options;
use crate::kernel::draw::Seed;
use crate::run::Enough;
use crate::scenario::plan::Edit;

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
        for (index, failing) in alive.into_iter().zip(replays.failing(&worlds, Enough::One)) {
            holds[index] = failing.is_ok_and(|ids| ids.is_empty());
        }
    }
    holds
}

/// Of each remedy the mildest value that holds under one seed: the strongest is tried, one in the middle, and one in each
/// half, as the strongest may do too much; then the range between what fails and what holds is halved, all remedies at
/// once.
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
        for ((recipe, rung), failing) in asked.into_iter().zip(replays.failing(&worlds, Enough::One)) {
            known[recipe].insert(rung, failing.is_ok_and(|ids| ids.is_empty()));
        }
    }
}

/// Which of `rungs` values to try next; `None` if the mildest that holds is known.
fn next_question(rungs: usize, known: &BTreeMap<usize, bool>) -> Option<usize> {
    let strongest = rungs.checked_sub(1)?;
    let Some(mildest) = mildest_known(known) else {
        let open = [strongest, strongest / 2, strongest * 3 / 4, strongest / 4];
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
                assert!(asked <= 9, "{asked} questions about {rungs}");
            }
            let (none, asked) = found(rungs, |_| false);
            assert!(none.is_none() && asked <= rungs.min(4), "{asked} questions about {rungs}");
        }
        assert_eq!(found(0, |_| true), (None, 0));
    }

    #[test]
    fn a_remedy_that_is_too_strong_at_its_end_is_found_in_the_middle() {
        let (mildest, _) = found(16, |rung| (5..12).contains(&rung));
        assert_eq!(mildest, Some(5));
    }
}
