//! The blessed answers of `why`: `reports/<family>/<name>.why.json`, for every scenario that expects an answer or has
//! a blessed one.

use std::num::NonZero;

use super::Setup;
use super::accept::write;
use super::check::{changes_between, indented};
use super::examine::blessed;
use super::exit::{Exit, Failure};
use super::repository::Entry;
use super::scenario::{KindsChoice, compiled, is_coloured, quoted};
use super::why::SEEDS;
use crate::explore::why::answer::{Answer, to_json};
use crate::explore::why::{Question, explain};
use crate::report::{Role, Style};

/// A scenario that was asked why.
struct Asked {
    answer: Answer,
    json: String,
    golden: Option<String>,
}

impl Asked {
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
    format!("reproduce: foreshock why {} --seed {}", quoted(&entry.shown), asked.answer.seed)
}

/// The exit code of one scenario and the lines about its answer.
pub(super) fn told(
    entry: &Entry,
    setup: &Setup,
    jobs: NonZero<usize>,
    width: usize,
    style: Style,
) -> (Exit, String) {
    let head = |role, word: &str, rest: &str| {
        let pad = 5_usize.saturating_sub(word.len());
        format!("{}{:pad$}  {:width$}  {rest}\n", style.paint(role, word), "", entry.shown)
    };
    let asked = match ask(entry, setup, jobs) {
        Ok(None) => return (Exit::AsExpected, String::new()),
        Ok(Some(asked)) => asked,
        Err(failure) => {
            let details = failure.render(is_coloured(style));
            return (failure.exit(), head(Role::Bad, "error", "cannot be asked why") + &indented(&details));
        }
    };
    let reproduce = reproduce(entry, &asked);
    let changes = changes_between(asked.golden.as_deref(), &asked.json);
    if !asked.answer.verdict.as_expected {
        let details = changes.unwrap_or_default() + &reproduce;
        return (Exit::Differs, head(Role::Bad, "wrong", &asked.named()) + &indented(&details));
    }
    match (changes, &asked.golden) {
        (None, _) => (Exit::AsExpected, head(Role::Good, "ok", &asked.named())),
        (Some(_), None) => {
            let details = format!("bless it: foreshock accept --why {}\n{reproduce}", quoted(&entry.shown));
            (Exit::Differs, head(Role::Bad, "new", "has no blessed answer") + &indented(&details))
        }
        (Some(changes), Some(_)) => (
            Exit::Differs,
            head(Role::Bad, "diff", "differs from its blessed answer") + &indented(&(changes + &reproduce)),
        ),
    }
}

/// Writes the answer of a scenario if it changed and is as expected; what changed, in words.
pub(super) fn bless(entry: &Entry, setup: &Setup, jobs: NonZero<usize>) -> Result<Option<String>, Failure> {
    let Some(asked) = ask(entry, setup, jobs)? else { return Ok(None) };
    if !asked.answer.verdict.as_expected {
        let message = format!(
            "the answer of `{}` is not blessed: {}; correct the scenario or its `expect.why`\n{}",
            entry.shown,
            asked.named(),
            reproduce(entry, &asked)
        );
        return Err(Failure::Told(Exit::Differs, message));
    }
    let Some(changes) = changes_between(asked.golden.as_deref(), &asked.json) else { return Ok(None) };
    let path = entry.golden_answer();
    write(&path, &asked.json).map_err(|error| Failure::io("write", &path, &error))?;
    let word = if asked.golden.is_some() { "changed" } else { "new" };
    Ok(Some(format!("{word:7}  {}  {}\n{}", entry.shown, asked.named(), indented(&changes))))
}
