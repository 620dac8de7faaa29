//! `foreshock merge`: the slices of a sweep become the sweep.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};
use super::format::Format;
use super::slice_file::write_whole;
use super::sweep::show;
use super::terminal::Terminal;
use crate::explore::sweep::{NotASlice, Slice, SweepReport, join};

/// Join the slices of a sweep: the result is byte for byte that of the sweep in one piece
///
/// Ends with 5 if slices are missing, foreign, damaged or not complete, and names them.
#[derive(Args, Debug)]
pub(crate) struct MergeArguments {
    /// The files that `foreshock sweep --partition` wrote
    #[arg(required = true)]
    slices: Vec<PathBuf>,
    /// Write the report into this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn execute(arguments: &MergeArguments, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let (mut slices, mut problems) = (Vec::new(), Vec::new());
    for path in &arguments.slices {
        let name = path.display().to_string();
        match fs::read(path) {
            Err(error) => problems.push(format!("`{name}` cannot be read: {error}")),
            Ok(text) => match Slice::from_json(&text) {
                Ok(slice) => slices.push((name, slice)),
                Err(NotASlice::SomethingElse) => problems.push(format!("`{name}` is no slice of a sweep")),
                Err(NotASlice::Damaged(why)) => problems.push(format!("`{name}` is damaged: {why}")),
            },
        }
    }
    let joined = match (join(slices), problems.is_empty()) {
        (Ok(joined), true) => joined,
        (Ok(_), false) => return Err(incomplete(&problems)),
        (Err(further), _) => {
            problems.extend(further);
            return Err(incomplete(&problems));
        }
    };
    let report = SweepReport::new(&joined);
    if let Some(out) = &arguments.out {
        write_whole(out, &report.to_json())?;
    }
    show(&report, arguments.format, terminal);
    Ok(if report.verdict.as_expected { Exit::AsExpected } else { Exit::Differs })
}

fn incomplete(problems: &[String]) -> Failure {
    let problems: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    let message = format!("the slices are not a whole sweep{problems}\nrun the slices named here again");
    Failure::Told(Exit::InputOutput, message)
}
