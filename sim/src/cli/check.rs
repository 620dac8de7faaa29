//! `foreshock check`: does every scenario still say what its blessed report says?

use std::num::NonZero;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::Setup;
use super::examine::{Examined, examine};
use super::exit::{Exit, Failure};
use super::repository::{Entry, Selection, select};
use super::terminal::Terminal;
use super::why_goldens;
use crate::explore::parallel::default_jobs;
use crate::report::diff::{differences, to_words};
use crate::report::{Role, Style, counted};

/// Run every scenario again and compare with the blessed reports
///
/// Ends with 0 if every verdict is as expected and every report is byte for byte the blessed one.
#[derive(Args, Debug)]
pub(crate) struct CheckArguments {
    /// Scenario files or folders; all scenarios if none is given
    paths: Vec<PathBuf>,
    /// How many scenarios run at once
    #[arg(long, value_name = "N", default_value_t = default_jobs())]
    jobs: NonZero<usize>,
    /// Ask why as well, of every scenario that expects an answer, and compare with the blessed answers
    #[arg(long)]
    why: bool,
}

/// Changed values that are named for each section of a report.
const MOST_OF_SECTION: usize = 8;

pub(super) fn execute(
    arguments: &CheckArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let selection = select(&arguments.paths)?;
    let width = name_width(&selection.entries);
    let progress = terminal.progress(selection.entries.len() as u64, "checking");
    let mut worst = Exit::AsExpected;
    let mut wrong = 0_u64;
    examine(&selection.entries, arguments.jobs, setup, &progress, |entry, result| {
        let (exit, text) = told(entry, result, width, terminal.style());
        terminal.print(&text);
        wrong += u64::from(exit != Exit::AsExpected);
        worst = worst.max(exit);
    });
    drop(progress);
    if arguments.why {
        let progress = terminal.progress(selection.entries.len() as u64, "asking why");
        for entry in &selection.entries {
            let (exit, text) = why_goldens::told(entry, setup, arguments.jobs, width, terminal.style());
            progress.step();
            progress.aside(|| terminal.print(&text));
            wrong += u64::from(exit != Exit::AsExpected);
            worst = worst.max(exit);
        }
    }
    for stale in stale(&selection)? {
        terminal.line(&format!("stale  {stale}: its scenario is gone; `foreshock accept` removes it"));
        worst = worst.max(Exit::Differs);
        wrong += 1;
    }
    let all = selection.entries.len() as u64;
    let all = counted(all, "scenario");
    terminal.line(&match wrong {
        0 => format!("{all}, everything as expected and as blessed"),
        _ => format!("{all}, {} to look at", counted(wrong, "thing")),
    });
    Ok(worst)
}

/// Blessed reports without a scenario, if all scenarios were looked at.
fn stale(selection: &Selection) -> Result<Vec<String>, Failure> {
    if !selection.is_complete {
        return Ok(Vec::new());
    }
    let repository = &selection.repository;
    let files = repository.stale(&selection.entries).map_err(|error| {
        Failure::Told(Exit::InputOutput, format!("cannot read the folder of reports: {error}"))
    })?;
    Ok(files.iter().map(|file| repository.shown(file)).collect())
}

fn name_width(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| entry.shown.chars().count()).max().unwrap_or(0)
}

/// The exit code of one scenario and the lines about it.
fn told(entry: &Entry, result: Result<Examined, Failure>, width: usize, style: Style) -> (Exit, String) {
    let head = |role, word: &str, rest: &str| {
        format!(
            "{}{:pad$}  {:width$}  {rest}\n",
            style.paint(role, word),
            "",
            entry.shown,
            pad = 5 - word.len()
        )
    };
    let examined = match result {
        Ok(examined) => examined,
        Err(failure) => {
            let details = failure.render(super::scenario::is_coloured(style));
            return (failure.exit(), head(Role::Bad, "error", "cannot be run") + &indented(&details));
        }
    };
    let reproduce = format!("reproduce: {}", examined.reproduce(entry));
    let changes = changes(&examined);
    if !examined.report.verdict.as_expected {
        let mut details = changes.unwrap_or_default();
        details.push_str(&reproduce);
        return (Exit::Differs, head(Role::Bad, "wrong", &examined.verdict()) + &indented(&details));
    }
    match (changes, &examined.golden) {
        (None, _) => (Exit::AsExpected, head(Role::Good, "ok", &examined.verdict())),
        (Some(_), None) => {
            let details = format!("look at it and bless it: foreshock accept {}\n{reproduce}", entry.shown);
            (Exit::Differs, head(Role::Bad, "new", "has no blessed report") + &indented(&details))
        }
        (Some(changes), Some(_)) => (
            Exit::Differs,
            head(Role::Bad, "diff", "differs from its blessed report") + &indented(&(changes + &reproduce)),
        ),
    }
}

/// What differs from the blessed report, in words; `None` if not a byte does.
fn changes(examined: &Examined) -> Option<String> {
    changes_between(examined.golden.as_deref(), &examined.json)
}

/// What differs between what is blessed, if anything is, and what is said now.
pub(super) fn changes_between(blessed: Option<&str>, now: &str) -> Option<String> {
    let golden = blessed.unwrap_or_default();
    if golden == now {
        return None;
    }
    if blessed.is_none() {
        return Some(String::new());
    }
    let before: Value = serde_json::from_str(golden).unwrap_or(Value::Null);
    let after: Value = serde_json::from_str(now).unwrap_or(Value::Null);
    let found = differences(&before, &after);
    Some(match found.is_empty() {
        false => to_words(&found, MOST_OF_SECTION),
        true => {
            "the values are the same, the bytes are not: the blessed report was edited by hand\n".to_string()
        }
    })
}

pub(super) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("       {line}\n")).collect()
}

/// For `accept`, which tells the same changes.
pub(super) fn changes_in_words(examined: &Examined) -> Option<String> {
    changes(examined).map(|text| indented(&text))
}
