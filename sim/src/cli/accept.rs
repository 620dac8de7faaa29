//! `foreshock accept`: what every scenario says now becomes its blessed report.

use std::fs;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::Setup;
use super::compared::{Change, indented};
use super::examine::{Examined, examine};
use super::exit::{Exit, Failure};
use super::format::{Format, json_text};
use super::repository::{Entry, Selection, select};
use super::terminal::Terminal;
use super::why_goldens;
use crate::explore::parallel::default_jobs;
use crate::report::counted;

/// Bless the reports of scenarios: write them where `check` compares
///
/// Says what changed. A report whose verdict is not what its scenario expects is not blessed.
#[derive(Args, Debug)]
pub(crate) struct AcceptArguments {
    /// Scenario files or folders; all scenarios if none is given
    paths: Vec<PathBuf>,
    /// How many scenarios run at once
    #[arg(long, value_name = "N", default_value_t = default_jobs())]
    jobs: NonZero<usize>,
    /// Bless the answers of `why` as well, of every scenario that expects one
    #[arg(long)]
    why: bool,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

/// The schema of what is printed for programs.
const SCHEMA: &str = "foreshock.accept/1";

pub(super) fn execute(
    arguments: &AcceptArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let selection = select(&arguments.paths)?;
    let mut done = Done::new(arguments.format);
    let progress = terminal.progress(selection.entries.len() as u64, "running");
    examine(&selection.entries, arguments.jobs, setup, &progress, |entry, result| {
        let blessed = result.and_then(|examined| bless(entry, &examined));
        let told = done.tell(entry, blessed, terminal);
        done.reports.extend(told);
    });
    drop(progress);
    if arguments.why {
        let progress = terminal.progress(selection.entries.len() as u64, "asking why");
        for entry in &selection.entries {
            let blessed = why_goldens::bless(entry, setup, arguments.jobs);
            progress.step();
            progress.aside(|| {
                let told = done.tell(entry, blessed, terminal);
                done.answers.extend(told);
            });
        }
    }
    let removed = remove_stale(&selection)?;
    done.changed += removed.len() as u64;
    let summary = format!(
        "{}, {} changed",
        counted(selection.entries.len() as u64, "scenario"),
        counted(done.changed, "blessed report")
    );
    match arguments.format {
        Format::Text => {
            for file in &removed {
                terminal.line(&format!("removed  {file}"));
            }
            terminal.line(&summary);
        }
        Format::Json => {
            let mut value = json!({
                "schema": SCHEMA,
                "exit": done.worst.code(),
                "summary": summary,
                "reports": done.reports,
                "removed": removed,
            });
            if arguments.why {
                value["answers"] = done.answers.into();
            }
            terminal.print(&json_text(value));
        }
    }
    Ok(done.worst)
}

/// Something that was written.
pub(super) struct Blessed {
    /// The scenario, as the project calls it.
    pub(super) scenario: String,
    /// What it says now.
    pub(super) summary: String,
    /// What changed.
    pub(super) change: Change,
}

impl Blessed {
    fn word(&self) -> &'static str {
        match self.change {
            Change::New => "new",
            Change::None | Change::Values(_) | Change::BytesOnly => "changed",
        }
    }

    fn to_text(&self) -> String {
        let details = indented(&self.change.words());
        format!("{:7}  {}  {}\n{details}", self.word(), self.scenario, self.summary)
    }

    fn to_json(&self) -> Value {
        json!({
            "scenario": self.scenario,
            "is": self.word(),
            "summary": self.summary,
            "changes": self.change.to_json(),
        })
    }
}

/// What was done so far.
struct Done {
    format: Format,
    worst: Exit,
    changed: u64,
    reports: Vec<Value>,
    answers: Vec<Value>,
}

impl Done {
    fn new(format: Format) -> Done {
        Done { format, worst: Exit::AsExpected, changed: 0, reports: Vec::new(), answers: Vec::new() }
    }

    /// To people at once; what programs are told at the end, if there is something to tell.
    fn tell(
        &mut self,
        entry: &Entry,
        blessed: Result<Option<Blessed>, Failure>,
        terminal: &mut Terminal,
    ) -> Option<Value> {
        match blessed {
            Ok(None) => None,
            Ok(Some(blessed)) => {
                self.changed += 1;
                match self.format {
                    Format::Text => terminal.print(&blessed.to_text()),
                    Format::Json => {}
                }
                Some(blessed.to_json())
            }
            Err(failure) => {
                self.worst = self.worst.max(failure.exit());
                match self.format {
                    Format::Text => terminal.complain(&failure),
                    Format::Json => {}
                }
                Some(json!({"scenario": entry.shown, "is": "refused", "error": failure.to_json()}))
            }
        }
    }
}

/// Removes blessed reports whose scenario is gone, if all scenarios were looked at: their names.
fn remove_stale(selection: &Selection) -> Result<Vec<String>, Failure> {
    if !selection.is_complete {
        return Ok(Vec::new());
    }
    let repository = &selection.repository;
    let stale = repository.stale(&selection.entries).map_err(|error| {
        Failure::Told(Exit::InputOutput, format!("cannot read the folder of reports: {error}"))
    })?;
    let remove = |file: &PathBuf| {
        fs::remove_file(file).map_err(|error| Failure::io("remove", file, &error))?;
        Ok(repository.shown(file))
    };
    stale.iter().map(remove).collect()
}

/// Writes the report of a scenario if it changed and is as expected.
fn bless(entry: &Entry, examined: &Examined) -> Result<Option<Blessed>, Failure> {
    if !examined.report.verdict.as_expected {
        return Err(Failure::Told(
            Exit::Differs,
            format!(
                "`{}` is not blessed: {}; correct the scenario or its `expect`\nreproduce: {}",
                entry.shown,
                examined.verdict(),
                examined.reproduce(entry)
            ),
        ));
    }
    let change = examined.change();
    if change.is_none() {
        return Ok(None);
    }
    write(&entry.golden, &examined.json).map_err(|error| Failure::io("write", &entry.golden, &error))?;
    Ok(Some(Blessed { scenario: entry.shown.clone(), summary: examined.verdict(), change }))
}

/// Writes beside the file first, so that a broken run leaves the old report whole.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("json.new");
    fs::write(&beside, text)?;
    fs::rename(&beside, path)
}
