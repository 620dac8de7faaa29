//! `foreshock accept`: what every scenario says now becomes its blessed report.

use std::fs;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Setup;
use super::check::changes_in_words;
use super::examine::{Examined, examine};
use super::exit::{Exit, Failure};
use super::repository::{Entry, select};
use super::scenario::is_coloured;
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
}

pub(super) fn execute(
    arguments: &AcceptArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let selection = select(&arguments.paths)?;
    let progress = terminal.progress(selection.entries.len() as u64, "running");
    let mut worst = Exit::AsExpected;
    let mut changed = 0_u64;
    examine(&selection.entries, arguments.jobs, setup, &progress, |entry, result| {
        match result.and_then(|examined| bless(entry, &examined)) {
            Ok(None) => {}
            Ok(Some(text)) => {
                changed += 1;
                terminal.print(&text);
            }
            Err(failure) => {
                let coloured = is_coloured(terminal.error_style());
                terminal.error_line(&failure.render(coloured));
                worst = worst.max(failure.exit());
            }
        }
    });
    drop(progress);
    if arguments.why {
        let progress = terminal.progress(selection.entries.len() as u64, "asking why");
        for entry in &selection.entries {
            let blessed = why_goldens::bless(entry, setup, arguments.jobs);
            progress.step();
            match blessed {
                Ok(None) => {}
                Ok(Some(text)) => {
                    changed += 1;
                    progress.aside(|| terminal.print(&text));
                }
                Err(failure) => {
                    let coloured = is_coloured(terminal.error_style());
                    progress.aside(|| terminal.error_line(&failure.render(coloured)));
                    worst = worst.max(failure.exit());
                }
            }
        }
    }
    if selection.is_complete {
        let stale = selection.repository.stale(&selection.entries);
        for file in stale.map_err(|error| {
            Failure::Told(Exit::InputOutput, format!("cannot read the folder of reports: {error}"))
        })? {
            fs::remove_file(&file).map_err(|error| Failure::io("remove", &file, &error))?;
            terminal.line(&format!("removed  {}", selection.repository.shown(&file)));
            changed += 1;
        }
    }
    terminal.line(&format!(
        "{}, {} changed",
        counted(selection.entries.len() as u64, "scenario"),
        counted(changed, "blessed report")
    ));
    Ok(worst)
}

/// Writes the report of a scenario if it changed and is as expected; what changed, in words.
fn bless(entry: &Entry, examined: &Examined) -> Result<Option<String>, Failure> {
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
    let Some(changes) = changes_in_words(examined) else {
        return Ok(None);
    };
    write(&entry.golden, &examined.json).map_err(|error| Failure::io("write", &entry.golden, &error))?;
    let word = if examined.golden.is_some() { "changed" } else { "new" };
    Ok(Some(format!("{word:7}  {}  {}\n{changes}", entry.shown, examined.verdict())))
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
