//! Under one seed: what failed, and which candidates that is due to. Events on the timeline come first; loads are
//! looked at only where no event explains it, policies only where nothing else does.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::candidates::{Candidate, Standing};
use super::counterfactual::{Ending, FULL_PPM, Replays, World};
use super::roots::{Present, causes};
use crate::kernel::draw::Seed;
use crate::run::Enough;
use crate::scenario::plan::Edit;

/// What a failure is due to, under one seed. Players are positions in the list of candidates.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// How the run to explain ends.
    pub factual: Arc<Ending>,
    /// Among what the cause was found.
    pub basis: Basis,
    /// The root causes.
    pub root: BTreeSet<usize>,
    /// Smallest sets of candidates that fail.
    pub minimal: Vec<Vec<usize>>,
    /// What fails on a quiet day as well.
    pub design: Vec<String>,
}

/// Among what a cause was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Faults and changes.
    Events,
    /// Growth of a load, with or without events.
    Load,
    /// The design itself: it fails on a quiet day.
    Design,
}

/// Candidates of some standing, by position.
pub fn of_standing(candidates: &[Candidate], standings: &[Standing]) -> Vec<usize> {
    let numbered = candidates.iter().enumerate();
    numbered
        .filter(|(_, candidate)| standings.contains(&candidate.standing))
        .map(|(index, _)| index)
        .collect()
}

/// The edits that leave only `there` of `players` in place.
pub fn only(candidates: &[Candidate], players: &[usize], there: &BTreeSet<usize>) -> Vec<Edit> {
    let gone = players.iter().filter(|player| !there.contains(player));
    gone.flat_map(|player| candidates[*player].removal.clone()).collect()
}

/// What the failure under `seed` is due to; `None` if nothing fails. Of the run that is explained, and with each event
/// alone taken out of it, more will be asked than what fails: those runs go to their end.
///
/// # Errors
/// Why the scenario cannot be run.
pub fn diagnose(
    replays: &mut Replays<'_>,
    candidates: &[Candidate],
    seed: Seed,
) -> Result<Option<Diagnosis>, String> {
    let factual = replays.ending(&[], seed)?;
    if factual.failing.is_empty() {
        return Ok(None);
    }
    let found = found(replays, candidates, seed, &factual.failing, true);
    Ok(Some(Diagnosis {
        factual,
        basis: found.basis,
        root: found.root,
        minimal: found.minimal,
        design: found.design,
    }))
}

/// What the failure of these under another seed is due to; `None` if none of them fails. Whatever else fails there is
/// another question. Every run is stopped when it has told enough.
///
/// # Errors
/// Why the scenario cannot be run.
pub fn diagnose_again(
    replays: &mut Replays<'_>,
    candidates: &[Candidate],
    seed: Seed,
    of: &[String],
) -> Result<Option<(Basis, BTreeSet<usize>)>, String> {
    let told = replays.failing(&[(Vec::new(), seed)], Enough::All(of)).pop();
    let mut failing = told.unwrap_or_else(|| Err("nothing was asked".to_string()))?;
    failing.retain(|id| of.contains(id));
    if failing.is_empty() {
        return Ok(None);
    }
    let found = found(replays, candidates, seed, &failing, false);
    Ok(Some((found.basis, found.root)))
}

/// What was found out of a failure.
struct Found {
    basis: Basis,
    root: BTreeSet<usize>,
    minimal: Vec<Vec<usize>>,
    design: Vec<String>,
}

fn found(
    replays: &mut Replays<'_>,
    candidates: &[Candidate],
    seed: Seed,
    failing: &[String],
    is_explained: bool,
) -> Found {
    let events = of_standing(candidates, &[Standing::Event]);
    let with_loads = of_standing(candidates, &[Standing::Event, Standing::Load]);
    let mut found =
        Found { basis: Basis::Design, root: BTreeSet::new(), minimal: Vec::new(), design: Vec::new() };
    let mut basis = None;
    for id in failing {
        let mut look = Look { replays, candidates, seed, id, failing, is_explained };
        let (here, root, minimal) = look.cause(&events, &with_loads);
        match here {
            Basis::Design => found.design.push(id.clone()),
            Basis::Events | Basis::Load => {
                // One objective that an event explains makes an event the cause; the load is then a condition.
                if basis == Some(Basis::Load) && here == Basis::Events {
                    found.root.clear();
                    found.minimal.clear();
                }
                if basis == Some(Basis::Events) && here == Basis::Load {
                    continue;
                }
                basis = Some(here);
                found.root.extend(root);
                for set in minimal {
                    if !found.minimal.contains(&set) {
                        found.minimal.push(set);
                    }
                }
            }
        }
    }
    match basis {
        Some(basis) => found.basis = basis,
        None => found.root = flaws(replays, candidates, seed, &with_loads, failing),
    }
    found
}

/// One objective that failed.
struct Look<'l, 'a> {
    replays: &'l mut Replays<'a>,
    candidates: &'l [Candidate],
    seed: Seed,
    id: &'l str,
    /// All that failed: a run in which all of this fails tells enough.
    failing: &'l [String],
    /// Whether it is the run that is explained.
    is_explained: bool,
}

impl Look<'_, '_> {
    fn cause(&mut self, events: &[usize], with_loads: &[usize]) -> (Basis, BTreeSet<usize>, Vec<Vec<usize>>) {
        for (basis, players) in [(Basis::Events, events), (Basis::Load, with_loads)] {
            let found = causes(players.len(), &mut |asked| self.fails(players, asked));
            let named = |position: &usize| players[*position];
            let root: BTreeSet<usize> = found.root().iter().map(named).collect();
            if !root.is_empty() {
                let minimal = found.minimal.iter().map(|set| set.iter().map(named).collect()).collect();
                return (basis, root, minimal);
            }
            if players.len() == with_loads.len() {
                break;
            }
        }
        (Basis::Design, BTreeSet::new(), Vec::new())
    }

    /// Whether the objective fails when only some of the players are there. What cannot be run is taken to fail: it
    /// is no proof of anything.
    fn fails(&mut self, players: &[usize], asked: &[Present]) -> Vec<bool> {
        let worlds: Vec<World> = asked
            .iter()
            .map(|there| {
                let there: BTreeSet<usize> = there.iter().map(|position| players[*position]).collect();
                (only(self.candidates, players, &there), self.seed)
            })
            .collect();
        // Who is taken out alone is asked about again, for the damage that is left.
        if self.is_explained && asked.iter().all(|there| there.len() + 1 >= players.len()) {
            let told = self.replays.endings(&worlds);
            return told.iter().map(|ending| ending.as_ref().map_or(true, |it| it.fails(self.id))).collect();
        }
        let told = self.replays.failing(&worlds, Enough::All(self.failing));
        told.iter()
            .map(|failing| failing.as_ref().map_or(true, |ids| ids.iter().any(|id| id == self.id)))
            .collect()
    }
}

/// Of a design that fails on a quiet day: the policies and reactions without which it would not.
fn flaws(
    replays: &mut Replays<'_>,
    candidates: &[Candidate],
    seed: Seed,
    with_loads: &[usize],
    failed: &[String],
) -> BTreeSet<usize> {
    let quiet = only(candidates, with_loads, &BTreeSet::new());
    let policies = of_standing(candidates, &[Standing::Policy, Standing::Reaction]);
    let worlds: Vec<World> = policies
        .iter()
        .map(|policy| ([quiet.clone(), candidates[*policy].removal.clone()].concat(), seed))
        .collect();
    let told = replays.failing(&worlds, Enough::All(failed));
    let holds = |failing: &Result<Vec<String>, String>| {
        failing.as_ref().is_ok_and(|failing| !failed.iter().any(|id| failing.contains(id)))
    };
    policies.into_iter().zip(&told).filter(|(_, failing)| holds(failing)).map(|(policy, _)| policy).collect()
}

/// The damage of a run in parts per million of that of the run to explain: the mean over what failed there.
pub fn damage_ppm(replays: &Replays<'_>, factual: &Ending, ending: &Ending) -> u64 {
    let each = factual.failing.iter().map(|id| ending.damage_ppm(replays.plan(), id, factual));
    let count = factual.failing.len().max(1) as u64;
    (each.sum::<u64>() / count).min(FULL_PPM)
}
