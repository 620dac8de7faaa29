//! `foreshock check`: does every scenario still say what its blessed report says?

use std::num::NonZero;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::Setup;
use super::compared::{Compared, Standing};
use super::examine::{Examined, examine};
use super::exit::{Exit, Failure};
use super::format::{Format, json_text};
use super::repository::{Entry, Selection, select};
use super::scenario::quoted;
use super::terminal::Terminal;
use super::why_goldens;
use crate::explore::parallel::default_jobs;
use crate::report::counted;

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
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

/// The schema of what is printed for programs.
const SCHEMA: &str = "foreshock.check/1";

pub(super) fn execute(
    arguments: &CheckArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let selection = select(&arguments.paths)?;
    let mut found = Found::new(arguments.format, &selection.entries);
    let progress = terminal.progress(selection.entries.len() as u64, "checking");
    examine(&selection.entries, arguments.jobs, setup, &progress, |entry, result| {
        let compared = compared(entry, result);
        found.tell(&compared, terminal);
        found.reports.push(compared.to_json());
    });
    drop(progress);
    if arguments.why {
        let progress = terminal.progress(selection.entries.len() as u64, "asking why");
        for entry in &selection.entries {
            let compared = why_goldens::compared(entry, setup, arguments.jobs);
            progress.step();
            if let Some(compared) = compared {
                progress.aside(|| found.tell(&compared, terminal));
                found.answers.push(compared.to_json());
            }
        }
    }
    let stale = stale(&selection)?;
    found.add_stale(stale.len());
    match arguments.format {
        Format::Text => {
            for stale in &stale {
                terminal
                    .line(&format!("stale  {stale}: its scenario is gone; `foreshock accept` removes it"));
            }
            terminal.line(&found.summary(selection.entries.len()));
        }
        Format::Json => {
            let summary = found.summary(selection.entries.len());
            let mut value = json!({
                "schema": SCHEMA,
                "exit": found.worst.code(),
                "summary": summary,
                "reports": found.reports,
                "stale": stale,
            });
            if arguments.why {
                value["answers"] = found.answers.into();
            }
            terminal.print(&json_text(value));
        }
    }
    Ok(found.worst)
}

/// What was found so far.
struct Found {
    format: Format,
    width: usize,
    worst: Exit,
    wrong: u64,
    reports: Vec<Value>,
    answers: Vec<Value>,
}

impl Found {
    fn new(format: Format, entries: &[Entry]) -> Found {
        let width = entries.iter().map(|entry| entry.shown.chars().count()).max().unwrap_or(0);
        Found { format, width, worst: Exit::AsExpected, wrong: 0, reports: Vec::new(), answers: Vec::new() }
    }

    /// To people at once: a check of many scenarios takes its time. Programs are told at the end.
    fn tell(&mut self, compared: &Compared, terminal: &mut Terminal) {
        let exit = compared.exit();
        self.wrong += u64::from(exit != Exit::AsExpected);
        self.worst = self.worst.max(exit);
        match self.format {
            Format::Text => terminal.print(&compared.to_text(self.width, terminal.style())),
            Format::Json => {}
        }
    }

    fn add_stale(&mut self, count: usize) {
        if count > 0 {
            self.worst = self.worst.max(Exit::Differs);
            self.wrong += count as u64;
        }
    }

    fn summary(&self, scenarios: usize) -> String {
        let all = counted(scenarios as u64, "scenario");
        match self.wrong {
            0 => format!("{all}, everything as expected and as blessed"),
            wrong => format!("{all}, {} to look at", counted(wrong, "thing")),
        }
    }
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

/// A report compared with its blessed one.
fn compared(entry: &Entry, result: Result<Examined, Failure>) -> Compared {
    let examined = match result {
        Ok(examined) => examined,
        Err(failure) => return Compared::failed(&entry.shown, "cannot be run", failure),
    };
    let change = examined.change();
    let bless = format!("look at it and bless it: foreshock accept {}", quoted(&entry.shown));
    let standing = Compared::standing(examined.report.verdict.as_expected, &change, bless);
    let summary = match &standing {
        Standing::New { .. } => "has no blessed report".to_string(),
        Standing::Differs => "differs from its blessed report".to_string(),
        Standing::Same | Standing::Unexpected | Standing::Failed(_) => examined.verdict(),
    };
    let reproduce = Some(examined.reproduce(entry));
    Compared { scenario: entry.shown.clone(), standing, summary, change, reproduce }
}
