//! The smallest scenario that still fails in the same way. Takes things out and makes numbers smaller, keeps every
//! change after which the same seed fails as before, and goes on until nothing more can go. Writes no file.
//!
//! Where the scenario is well without its timeline, it must stay so: otherwise a service that has become too weak for
//! its load would do in place of the fault that is looked for.

mod amounts;
mod documents;
mod numbers;
mod removals;
mod result;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

pub use result::{Shrunk, Size};

use documents::Origin;

use super::ddmin::ddmin;
use super::failure::FailureFingerprint;
use crate::kernel::draw::Seed;
use crate::nodes::Kinds;
use crate::run::{Detail, run};
use crate::scenario::plan::{Edit, Plan};
use crate::scenario::{ScenarioError, edited, materialized, replanned};

/// How much is done, and what counts as the same failure.
#[derive(Clone, Copy, Debug)]
pub struct ShrinkOptions {
    /// Candidates that are tried at once. Changes nothing in the result.
    pub jobs: NonZero<usize>,
    /// After so many candidates what has been reached is the result.
    pub most_tests: u64,
    /// Whether the same things may break in another order.
    pub any_order: bool,
    /// Whether timeline entries alone are taken out: much sooner done, and all that is needed to know which fault it is.
    pub timeline_only: bool,
}

/// Why there is nothing to make smaller.
#[derive(Debug)]
pub enum ShrinkError {
    /// The scenario does not fail with this seed.
    Passes,
    /// The scenario, or a change made to it from outside, is not valid.
    Scenario(Box<ScenarioError>),
}

impl From<ScenarioError> for ShrinkError {
    fn from(error: ScenarioError) -> ShrinkError {
        ShrinkError::Scenario(Box::new(error))
    }
}

/// Makes a scenario smaller that fails with `seed`. Each accepted change is told to `on_step` in words. Of a swarm,
/// what the seed draws is made smaller: an ordinary scenario.
///
/// # Errors
/// When it does not fail, or an edit makes it invalid.
pub fn shrink(
    plan: &Plan,
    seed: Seed,
    edits: &[Edit],
    kinds: &Kinds,
    options: ShrinkOptions,
    on_step: &mut dyn FnMut(&str),
) -> Result<Shrunk, ShrinkError> {
    let plan = materialized(edited(plan, edits, kinds)?, seed, kinds)?;
    let outcome = run(&plan, seed, &[], kinds, &Detail::default())?;
    let failure = FailureFingerprint::of(&outcome.judgement);
    if failure.is_pass() {
        return Err(ShrinkError::Passes);
    }
    let most_events = outcome.events.saturating_mul(2).saturating_add(10_000);
    let origin = Origin { plan: &plan, kinds };
    let mut same = Same {
        origin,
        seed,
        failure: &failure,
        quiet_is_well: false,
        most_events,
        options,
        known: Mutex::new(BTreeMap::from([(plan.digest, true)])),
    };
    same.quiet_is_well = !plan.timeline.is_empty() && !same.fails_without_timeline(&plan.document);
    let document = documents::without_prose(&plan.document);
    let mut shrinker = Shrinker { same, document, tests: 0, steps: Vec::new(), on_step };
    shrinker.reduce_all();
    let Shrinker { document, tests, steps, .. } = shrinker;
    let smallest = replanned(&[&plan], &document, kinds)?;
    let is_finished = tests < options.most_tests;
    Ok(Shrunk::new(&plan, smallest, seed, failure, steps, tests, is_finished))
}

/// What a smaller scenario has to be like.
struct Same<'a> {
    origin: Origin<'a>,
    seed: Seed,
    failure: &'a FailureFingerprint,
    quiet_is_well: bool,
    /// A candidate that takes longer is none.
    most_events: u64,
    options: ShrinkOptions,
    /// Whether a plan fails alike, by its digest: many candidates are the same one without their timeline, and a later
    /// round asks again what an earlier one has. As many entries as there are tests.
    known: Mutex<BTreeMap<u128, bool>>,
}

impl Same<'_> {
    /// Whether this document fails as the scenario did, and because of its timeline if the scenario did so.
    fn accepts(&self, document: &Value) -> bool {
        self.fails_alike(document) && !(self.quiet_is_well && self.fails_without_timeline(document))
    }

    /// Whether it fails in the same way with nothing happening in it.
    fn fails_without_timeline(&self, document: &Value) -> bool {
        let Some(plan) = self.origin.planned(document) else { return false };
        let edits: Vec<Edit> = plan.timeline.iter().map(|entry| Edit::Without(entry.id.clone())).collect();
        self.origin.with_edits(document, &edits).is_some_and(|quiet| self.fails_alike(&quiet))
    }

    fn fails_alike(&self, document: &Value) -> bool {
        let Some(mut plan) = self.origin.planned(document) else { return false };
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(&plan.digest) {
            return *known;
        }
        let digest = plan.digest;
        plan.run.max_events = plan.run.max_events.min(self.most_events);
        let fails = self.runs_alike(&plan);
        known().insert(digest, fails);
        fails
    }

    fn runs_alike(&self, plan: &Plan) -> bool {
        let Ok(outcome) = run(plan, self.seed, &[], self.origin.kinds, &Detail::default()) else {
            return false;
        };
        let found = FailureFingerprint::of(&outcome.judgement);
        match self.options.any_order {
            false => found == *self.failure,
            true => {
                let sorted = |failure: &FailureFingerprint| {
                    let mut ids = failure.failing.clone();
                    ids.sort();
                    ids
                };
                sorted(&found) == sorted(self.failure)
            }
        }
    }
}

struct Shrinker<'a> {
    same: Same<'a>,
    document: Value,
    tests: u64,
    steps: Vec<String>,
    on_step: &'a mut dyn FnMut(&str),
}

/// A pass over the whole scenario can make room for another; more than this many never found anything.
const MOST_ROUNDS: usize = 4;

impl Shrinker<'_> {
    fn reduce_all(&mut self) {
        if self.same.options.timeline_only {
            return self.remove_entries();
        }
        for _ in 0..MOST_ROUNDS {
            let before = self.document.clone();
            self.remove_entries();
            self.remove_loads();
            self.remove_services();
            self.remove_calls();
            self.remove_objectives();
            self.remove_keys();
            self.shorten();
            self.lower_numbers();
            if self.document == before || self.tests_left() == 0 {
                return;
            }
        }
    }

    fn tests_left(&self) -> u64 {
        self.same.options.most_tests.saturating_sub(self.tests)
    }

    /// Takes out as many things of one sort as can go. `without` makes the document without some of them.
    fn reduce(
        &mut self,
        what: &str,
        names: &[String],
        without: impl Fn(&Value, &[usize]) -> Option<Value> + Sync,
    ) {
        if names.is_empty() || self.tests_left() == 0 {
            return;
        }
        let others = |kept: &[usize]| -> Vec<usize> {
            (0..names.len()).filter(|thing| kept.binary_search(thing).is_err()).collect()
        };
        let (same, document) = (&self.same, &self.document);
        let accepts = |kept: &[usize]| -> Result<bool, std::convert::Infallible> {
            Ok(without(document, &others(kept)).is_some_and(|smaller| same.accepts(&smaller)))
        };
        let Ok(minimal) = ddmin(names.len(), same.options.jobs, self.tests_left(), accepts);
        self.tests += minimal.tests;
        let removed = others(&minimal.kept);
        if removed.is_empty() {
            return;
        }
        if let Some(smaller) = without(&self.document, &removed) {
            self.document = smaller;
            let removed: Vec<&str> = removed.iter().map(|thing| names[*thing].as_str()).collect();
            self.step(format!("dropped {} of {} {what}: {}", removed.len(), names.len(), listed(&removed)));
        }
    }

    /// Tries one document and keeps it if it will do.
    fn try_one(&mut self, candidate: Option<Value>) -> bool {
        let Some(candidate) = candidate.filter(|_| self.tests_left() > 0) else { return false };
        self.tests += 1;
        let is_accepted = self.same.accepts(&candidate);
        if is_accepted {
            self.document = candidate;
        }
        is_accepted
    }

    fn step(&mut self, text: String) {
        (self.on_step)(&text);
        self.steps.push(text);
    }
}

/// More names than this are counted only.
const MOST_NAMED: usize = 12;

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
