//! Runs the scenarios of a repository side by side and compares each report with its blessed one. Writes nothing;
//! what comes out does not depend on how many run at once.

use std::fs;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::Path;

use super::Setup;
use super::compared::Change;
use super::exit::Failure;
use super::repository::Entry;
use super::scenario::{KindsChoice, compiled, quoted};
use super::terminal::Progress;
use crate::explore::parallel::in_order;
use crate::report::{Report, to_json};
use crate::run::{self, Detail};

/// A scenario that ran.
pub(super) struct Examined {
    /// Its report.
    pub(super) report: Report,
    /// The canonical text of the report.
    pub(super) json: String,
    /// What is blessed, if anything is.
    pub(super) golden: Option<String>,
}

impl Examined {
    /// The command that runs it again.
    pub(super) fn reproduce(&self, entry: &Entry) -> String {
        format!("foreshock run {} --seed {}", quoted(&entry.shown), self.report.seed)
    }

    /// How it differs from what is blessed.
    pub(super) fn change(&self) -> Change {
        Change::between(self.golden.as_deref(), &self.json)
    }

    /// What the verdict is, in words.
    pub(super) fn verdict(&self) -> String {
        let verdict = &self.report.verdict;
        match (verdict.as_expected, verdict.failing.is_empty()) {
            (true, true) => format!("{} as expected", verdict.outcome),
            (true, false) => format!("{} as expected: {}", verdict.outcome, verdict.failing.join(", ")),
            (false, _) => verdict.surprises.join("; "),
        }
    }
}

/// Runs every entry, `jobs` at once, and hands the results to `each` in the order of the entries.
pub(super) fn examine(
    entries: &[Entry],
    jobs: NonZero<usize>,
    setup: &Setup,
    progress: &Progress,
    mut each: impl FnMut(&Entry, Result<Examined, Failure>),
) {
    let work = |entry| (entry, examined(entry, setup));
    in_order(entries, jobs, work, |(entry, result)| {
        progress.step();
        progress.aside(|| each(entry, result));
        ControlFlow::<()>::Continue(())
    });
}

fn examined(entry: &Entry, setup: &Setup) -> Result<Examined, Failure> {
    let kinds = KindsChoice::of(&entry.path, setup.with_test_kinds).table(&setup.kinds);
    let plan = compiled(&entry.path, &entry.shown, &kinds)?.plan;
    let outcome = run::run(&plan, plan.seed, &[], &kinds, &Detail::default())?;
    let report = Report::new(&outcome);
    Ok(Examined { json: to_json(&report), report, golden: blessed(&entry.golden)? })
}

/// What is blessed, if anything is.
pub(super) fn blessed(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        // Not text: no report, and different from any.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Ok(Some(String::new())),
        Err(error) => Err(Failure::io("read", path, &error)),
    }
}
