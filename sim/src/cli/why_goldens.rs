//! The blessed answers of `why`: `reports/<family>/<name>.why.json`, for every scenario that expects an answer or has
//! a blessed one.

use std::num::NonZero;

use super::Setup;
use super::accept::{Blessed, write};
use super::compared::{Change, Compared, Standing};
use super::examine::blessed;
use super::exit::{Exit, Failure};
use super::repository::Entry;
use super::scenario::{KindsChoice, compiled, quoted};
use super::why::SEEDS;
use crate::explore::why::answer::{Answer, to_json};
use crate::explore::why::{Question, explain};

/// A scenario that was asked why.
struct Asked {
    answer: Answer,
    json: String,
    golden: Option<String>,
}

impl Asked {
    /// How it differs from what is blessed.
    fn change(&self) -> Change {
        Change::between(self.golden.as_deref(), &self.json)
    }

    /// What was named, in words.
    fn named(&self) -> String {
        let verdict = &self.answer.verdict;
        let roots: Vec<&str> = self.answer.root.iter().map(|root| root.id.as_str()).collect();
        match (verdict.as_expected, roots.is_empty()) {
            (true, false) => format!("because of {} as expected", roots.join(", ")),
            (true, true) => "because of nothing in particular, as expected".to_string(),
            (false, _) => verdict.surprises.join("; "),
        }
    }
}

/// Asks a scenario; `None` if nobody expects an answer of it.
fn ask(entry: &Entry, setup: &Setup, jobs: NonZero<usize>) -> Result<Option<Asked>, Failure> {
    let kinds = KindsChoice::of(&entry.path, setup.with_test_kinds).table(&setup.kinds);
    let golden = blessed(&entry.golden_answer())?;
    let plan = match compiled(&entry.path, &entry.shown, &kinds) {
        Ok(compiled) => compiled.plan,
        // The report of this scenario says so already.
        Err(Failure::Scenario(_)) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    if plan.expect.why_root.is_empty() && plan.expect.why_not_root.is_empty() && golden.is_none() {
        return Ok(None);
    }
    let question = Question { plan: &plan, seed: plan.seed, kinds: &kinds, seeds: SEEDS, jobs };
    let answer = explain(&question)?;
    Ok(Some(Asked { json: to_json(&answer), answer, golden }))
}

fn reproduce(entry: &Entry, asked: &Asked) -> String {
    format!("foreshock why {} --seed {}", quoted(&entry.shown), asked.answer.seed)
}

/// The answer of a scenario compared with the blessed one; `None` if nobody expects one.
pub(super) fn compared(entry: &Entry, setup: &Setup, jobs: NonZero<usize>) -> Option<Compared> {
    let asked = match ask(entry, setup, jobs) {
        Ok(asked) => asked?,
        Err(failure) => return Some(Compared::failed(&entry.shown, "cannot be asked why", failure)),
    };
    let change = asked.change();
    let bless = format!("bless it: foreshock accept --why {}", quoted(&entry.shown));
    let standing = Compared::standing(asked.answer.verdict.as_expected, &change, bless);
    let summary = match &standing {
        Standing::New { .. } => "has no blessed answer".to_string(),
        Standing::Differs => "differs from its blessed answer".to_string(),
        Standing::Same | Standing::Unexpected | Standing::Failed(_) => asked.named(),
    };
    let reproduce = Some(reproduce(entry, &asked));
    Some(Compared { scenario: entry.shown.clone(), standing, summary, change, reproduce })
}

/// Writes the answer of a scenario if it changed and is as expected.
pub(super) fn bless(entry: &Entry, setup: &Setup, jobs: NonZero<usize>) -> Result<Option<Blessed>, Failure> {
    let Some(asked) = ask(entry, setup, jobs)? else { return Ok(None) };
    if !asked.answer.verdict.as_expected {
        let message = format!(
            "the answer of `{}` is not blessed: {}; correct the scenario or its `expect.why`\nreproduce: {}",
            entry.shown,
            asked.named(),
            reproduce(entry, &asked)
        );
        return Err(Failure::Told(Exit::Differs, message));
    }
    let change = asked.change();
    if change.is_none() {
        return Ok(None);
    }
    let path = entry.golden_answer();
    write(&path, &asked.json).map_err(|error| Failure::io("write", &path, &error))?;
    Ok(Some(Blessed { scenario: entry.shown.clone(), summary: asked.named(), change }))
}
