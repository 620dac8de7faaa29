//! `foreshock diff`: what differs between two reports, in words.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::format::{Format, json_text};
use super::terminal::Terminal;
use crate::report::diff::{Difference, differences, to_words};

/// Say in words what differs between two JSON reports
///
/// Ends with 0 if nothing does, with 1 if something does.
#[derive(Args, Debug)]
pub(crate) struct DiffArguments {
    /// The report from before
    before: PathBuf,
    /// The report from after
    after: PathBuf,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

/// The schema of what is printed for programs.
const SCHEMA: &str = "foreshock.diff/1";

pub(super) fn execute(arguments: &DiffArguments, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let (before, after) = (report(&arguments.before)?, report(&arguments.after)?);
    let found = differences(&before, &after);
    match arguments.format {
        Format::Text if found.is_empty() => terminal.line("no difference"),
        Format::Text => terminal.print(&to_words(&found, usize::MAX)),
        Format::Json => {
            let differences: Vec<Value> = found.iter().map(Difference::to_json).collect();
            terminal.print(&json_text(json!({"schema": SCHEMA, "differences": differences})));
        }
    }
    Ok(if found.is_empty() { Exit::AsExpected } else { Exit::Differs })
}

fn report(path: &Path) -> Result<Value, Failure> {
    let text = fs::read(path).map_err(|error| Failure::io("read", path, &error))?;
    let value: Option<Value> = serde_json::from_slice(&text).ok();
    let is_report = |value: &Value| {
        value
            .get("schema")
            .and_then(Value::as_str)
            .is_some_and(|schema| schema.starts_with("foreshock.report/"))
    };
    value.filter(is_report).ok_or_else(|| {
        Failure::usage(format!(
            "`{}` is not a JSON report; `foreshock run SCENARIO --format json` writes one",
            path.display()
        ))
    })
}
