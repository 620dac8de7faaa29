//! Why a run failed: by replaying it with one thing changed. Every draw is keyed, so what differs between two replays
//! is the effect of that change alone. Only ever calls `run`; reads no clock, prints nothing.
//!
//! The order of questions: what failed; without which fault or change it would not have ([`roots`]); if none, without
//! which growth of a load; if none, which policies of the design. Then how the damage is shared among several causes
//! ([`shapley`]), what each other candidate is ([`answer::Role`]), by which way it came to this ([`mechanism`]), what
//! would have helped (`remedies`), and whether other seeds say the same ([`confidence`]).

pub mod answer; // the answer, as data
pub mod candidates; // what could be taken out
pub mod confidence; // do other seeds say the same?
pub mod counterfactual; // replays, each world once
pub mod diagnosis; // what a failure is due to, under one seed
mod expectation; // is that what the author of the scenario expects?
pub mod mechanism; // how the cause led to the failure
mod remedies; // what would have helped
mod roles; // what each candidate turned out to be
pub mod roots; // who is to blame, told by an oracle
pub mod shapley; // shares of the damage
mod story; // one sentence
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_remedies; // each of the standard list where it is the right one
#[cfg(test)]
mod tests_of_verdicts; // runs that are stopped early
mod weak_settings; // settings of kinds that could be safer
pub mod words; // edits as options of a command line

use std::collections::BTreeSet;
use std::num::NonZero;
use std::sync::Arc;

use answer::{Answer, Confidence, Root, SCHEMA, ShapleyShare, Verdict, VerdictKind};
use candidates::{Candidate, Standing};
use counterfactual::{Ending, FULL_PPM, Replays};
use diagnosis::{Basis, Diagnosis, damage_ppm, diagnose, of_standing, only};
use mechanism::Mechanism;

use crate::kernel::draw::Seed;
use crate::kernel::time::Time;
use crate::nodes::Kinds;
use crate::run::{Detail, Outcome};
use crate::scenario::ScenarioError;
use crate::scenario::plan::{Action, Edit, Plan};

/// What is explained, and how thoroughly.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// The scenario, changes already made.
    pub plan: &'q Plan,
    /// The seed of the run.
    pub seed: Seed,
    /// The kinds of services.
    pub kinds: &'q Kinds,
    /// How many seeds are asked for the same cause, this one included.
    pub seeds: u32,
    /// How many runs are made at once. Never changes the answer.
    pub jobs: NonZero<usize>,
}

/// Explains a run.
///
/// # Errors
/// When the scenario cannot be run.
pub fn explain(question: &Question<'_>) -> Result<Answer, ScenarioError> {
    let mut replays = Replays::new(question.plan, question.kinds, question.jobs);
    explain_with(&mut replays, question)
}

fn explain_with(replays: &mut Replays<'_>, question: &Question<'_>) -> Result<Answer, ScenarioError> {
    let seed = question.seed;
    let failed = replays.watch(&[], seed, &Detail::default())?;
    let candidates = candidates::find(question.plan);
    replays.keep_well(seed);
    let diagnosis = match diagnose(replays, &candidates, seed) {
        Ok(Some(diagnosis)) => diagnosis,
        Ok(None) => return Ok(held(question, replays)),
        Err(reason) => return Err(ScenarioError::plainly(&question.plan.name, reason, None)),
    };
    let confidence = confidence::confidence(replays, &candidates, seed, &diagnosis, question.seeds);
    let mut case = Case { replays, candidates: &candidates, diagnosis: &diagnosis, failed: &failed, seed };
    let but_for = roles::but_for(&mut case);
    let shapley = case.shapley();
    let root = case.roots();
    let (mechanism, remedies) = case.mechanism_and_remedies(question, &but_for)?;
    let kind = match diagnosis.basis {
        _ if !confidence.identifiable => VerdictKind::NotIdentifiable,
        Basis::Events => VerdictKind::Cause,
        Basis::Load => VerdictKind::LoadGrowth,
        Basis::Design if diagnosis.root.is_empty() => VerdictKind::NothingMatters,
        Basis::Design => VerdictKind::Design,
    };
    let mut answer = Answer {
        verdict: Verdict {
            kind,
            failing: diagnosis.factual.failing.clone(),
            failing_on_a_quiet_day: diagnosis.design.clone(),
            sentence: String::new(),
            as_expected: true,
            surprises: Vec::new(),
        },
        root,
        minimal: diagnosis.minimal.iter().map(|set| names(&candidates, set)).collect(),
        shapley,
        but_for,
        mechanism: Some(mechanism),
        remedies,
        confidence,
        ..held(question, replays)
    };
    answer.verdict.sentence = story::sentence(&answer);
    expectation::compare(&mut answer, &question.plan.expect);
    Ok(answer)
}

/// The answer where nothing failed.
fn held(question: &Question<'_>, replays: &Replays<'_>) -> Answer {
    let mut answer = Answer {
        schema: SCHEMA,
        scenario: question.plan.name.clone(),
        seed: question.seed.0,
        plan_digest: format!("{:032x}", question.plan.digest),
        verdict: Verdict {
            kind: VerdictKind::Held,
            failing: Vec::new(),
            failing_on_a_quiet_day: Vec::new(),
            sentence: if question.plan.slos.is_empty() { story::NOTHING_ASKED } else { story::HELD }
                .to_string(),
            as_expected: true,
            surprises: Vec::new(),
        },
        root: Vec::new(),
        minimal: Vec::new(),
        shapley: Vec::new(),
        but_for: Vec::new(),
        mechanism: None,
        remedies: Vec::new(),
        confidence: Confidence::default(),
        runs: replays.made(),
        runs_stopped_early: replays.stopped_early(),
    };
    expectation::compare(&mut answer, &question.plan.expect);
    answer
}

fn names(candidates: &[Candidate], set: &[usize]) -> Vec<String> {
    set.iter().map(|index| candidates[*index].id.clone()).collect()
}

/// A diagnosis and what it takes to look further.
struct Case<'c, 'a> {
    replays: &'c mut Replays<'a>,
    candidates: &'c [Candidate],
    diagnosis: &'c Diagnosis,
    failed: &'c Outcome,
    seed: Seed,
}

/// Who changes the damage by less than this is left out of sharing it.
const WORTH_SHARING_PPM: u64 = 10_000;

impl Case<'_, '_> {
    fn ending(&mut self, edits: &[Edit]) -> Result<Arc<Ending>, String> {
        self.replays.ending(edits, self.seed)
    }

    /// The edits that take away all root causes.
    fn without_roots(&self) -> Vec<Edit> {
        only(self.candidates, &self.diagnosis.root.iter().copied().collect::<Vec<_>>(), &BTreeSet::new())
    }

    /// Shares of the damage among the roots and whoever else of their standing makes a difference.
    fn shapley(&mut self) -> Vec<ShapleyShare> {
        let standings: &[Standing] = match self.diagnosis.basis {
            Basis::Events => &[Standing::Event],
            Basis::Load => &[Standing::Event, Standing::Load],
            Basis::Design => return Vec::new(),
        };
        let factual = Arc::clone(&self.diagnosis.factual);
        let mut players: Vec<usize> = Vec::new();
        for player in of_standing(self.candidates, standings) {
            let left = self.ending(&self.candidates[player].removal.clone());
            let left = left.map_or(FULL_PPM, |left| damage_ppm(self.replays, &factual, &left));
            if self.diagnosis.root.contains(&player) || FULL_PPM - left >= WORTH_SHARING_PPM {
                players.push(player);
            }
        }
        let (candidates, seed) = (self.candidates, self.seed);
        let shares = shapley::shares(players.len(), &mut |asked| {
            let worlds: Vec<_> = asked
                .iter()
                .map(|there| {
                    let there = there.iter().map(|position| players[*position]).collect();
                    (only(candidates, &players, &there), seed)
                })
                .collect();
            let told = self.replays.endings(&worlds);
            let damage = |ending: &Result<Arc<Ending>, String>| {
                ending.as_ref().map_or(FULL_PPM, |ending| damage_ppm(self.replays, &factual, ending))
            };
            told.iter().map(damage).collect()
        });
        let told = players.iter().zip(shares);
        told.map(|(player, share)| ShapleyShare {
            id: candidates[*player].id.clone(),
            share_ppm: share.damage,
            error_ppm: share.error,
        })
        .collect()
    }

    fn roots(&mut self) -> Vec<Root> {
        let roots: Vec<usize> = self.diagnosis.root.iter().copied().collect();
        let told = roots.into_iter().map(|index| {
            let candidate = &self.candidates[index];
            let (started, ended) = self.lifetime(candidate);
            Root {
                id: candidate.id.clone(),
                kind: candidate.kind,
                started_us: started.map(Time::as_micros),
                ended_us: ended.map(Time::as_micros),
                settings: self.settings_that_matter(candidate),
                options: words::options(&candidate.removal),
            }
        });
        told.collect()
    }

    /// When a timeline entry started and ended in the run that failed, or a stage began.
    fn lifetime(&self, candidate: &Candidate) -> (Option<Time>, Option<Time>) {
        if let Some((begins, _)) = &candidate.stage {
            return (Some(*begins), None);
        }
        let entry = self.failed.plan.timeline.iter().position(|entry| entry.id == candidate.id);
        let measured = entry.and_then(|entry| self.failed.measured.entries.get(entry));
        measured.map_or((None, None), |measured| (measured.started, measured.ended))
    }

    /// Of a change of several settings, those without any one of which nothing fails.
    fn settings_that_matter(&mut self, candidate: &Candidate) -> Vec<String> {
        if let Some((_, rates)) = &candidate.stage {
            return vec![rates.clone()];
        }
        let entry = self.failed.plan.timeline.iter().find(|entry| entry.id == candidate.id);
        let (settings, key) = match entry.map(|entry| &entry.action) {
            Some(Action::Deploy(deploy)) => (deploy.set.clone(), "deploy.set"),
            Some(Action::Config(settings)) => (settings.clone(), "config"),
            Some(Action::Publish(publish)) => (publish.written.clone(), "publish.set"),
            Some(Action::Flag(change)) => return vec![words::flag(change)],
            Some(
                Action::Fault(_) | Action::Scale { .. } | Action::ExtraHop { .. } | Action::Rollback { .. },
            )
            | None => return Vec::new(),
        };
        let text = |setting: &crate::scenario::plan::Setting| {
            format!("{}={}", setting.path, words::plain(&setting.value))
        };
        if settings.len() < 2 {
            return settings.iter().map(text).collect();
        }
        let factual = Arc::clone(&self.diagnosis.factual);
        let matters = settings.iter().enumerate().filter(|(left_out, _)| {
            let kept = settings.iter().enumerate().filter(|(index, _)| index != left_out);
            let kept: serde_json::Map<_, _> =
                kept.map(|(_, setting)| (setting.path.clone(), setting.value.clone())).collect();
            let edit =
                candidates::set(format!("timeline.{}.{key}", candidate.id), serde_json::Value::Object(kept));
            self.ending(&[edit]).is_ok_and(|ending| factual.failing.iter().any(|id| !ending.fails(id)))
        });
        matters.map(|(_, setting)| text(setting)).collect()
    }

    fn mechanism_and_remedies(
        &mut self,
        question: &Question<'_>,
        but_for: &[answer::ButFor],
    ) -> Result<(Mechanism, Vec<answer::Remedy>), ScenarioError> {
        let without = match self.diagnosis.basis {
            Basis::Events | Basis::Load => self.without_roots(),
            Basis::Design => only(
                self.candidates,
                &of_standing(self.candidates, &[Standing::Event, Standing::Load]),
                &BTreeSet::new(),
            ),
        };
        let well = self.replays.outcome(&without, self.seed)?;
        let lifetimes: Vec<_> =
            self.diagnosis.root.iter().map(|root| self.lifetime(&self.candidates[*root])).collect();
        let over: Option<Vec<Time>> = lifetimes.iter().map(|(_, ended)| *ended).collect();
        let evidence = mechanism::Evidence {
            failed: self.failed,
            well: &well,
            roots: self.diagnosis.root.iter().map(|root| self.candidates[*root].id.clone()).collect(),
            began: lifetimes.iter().filter_map(|(started, _)| *started).min(),
            over: over.and_then(|ends| ends.into_iter().max()),
            amplifiers: roles::ids_of(but_for, answer::Role::Amplifier),
            seed: self.seed,
        };
        let mechanism = mechanism::mechanism(self.replays, &evidence)?;
        let well = Ending::of(&well.measured, &well.judgement);
        let mut seeds = vec![self.seed];
        seeds.extend(confidence::further(self.seed, question.seeds));
        let need =
            remedies::Need { mechanism: &mechanism, rollback: self.rollback(), well: &well, seeds: &seeds };
        let remedies = remedies::remedies(self.replays, &need);
        Ok((mechanism, remedies))
    }

    /// What takes the roots back, if one at least is a change that somebody made.
    fn rollback(&self) -> Option<Vec<Edit>> {
        let is_change = |root: &&usize| {
            let id = &self.candidates[**root].id;
            let entry = self.failed.plan.timeline.iter().find(|entry| entry.id == *id);
            entry.is_some_and(|entry| !matches!(entry.action, Action::Fault(_)))
        };
        let changes: Vec<usize> = self.diagnosis.root.iter().filter(is_change).copied().collect();
        (!changes.is_empty()).then(|| only(self.candidates, &changes, &BTreeSet::new()))
    }
}
