//! `foreshock merge`: the slices of a sweep become the sweep.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::{Exit, Failure};
use super::format::Format;
use super::slice_file::write_whole;
use super::sweep::{show, show_paired};
use super::terminal::Terminal;
use crate::explore::sweep::{
    NotASlice, PairedSlice, Piece, Slice, SweepReport, join, join_paired, paired_json,
};

/// Join the slices of a sweep or of a comparison: the result is byte for byte that of the one in one piece
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
    pub(super) format: Format,
}

pub(super) fn execute(arguments: &MergeArguments, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let mut read = Pieces::default();
    for path in &arguments.slices {
        read.add(path);
    }
    let Pieces { slices, paired, mut problems } = read;
    if let (Some((name, _)), Some((other, _))) = (slices.first(), paired.first()) {
        problems.push(format!("`{name}` is of a sweep, `{other}` of a comparison"));
        return Err(incomplete(&problems));
    }
    match paired.is_empty() {
        true => {
            let report = SweepReport::new(&whole(join(slices), problems)?);
            if let Some(out) = &arguments.out {
                write_whole(out, &report.to_json())?;
            }
            show(&report, arguments.format, terminal);
            Ok(if report.verdict.as_expected { Exit::AsExpected } else { Exit::Differs })
        }
        false => {
            let joined = whole(join_paired(paired), problems)?;
            if let Some(out) = &arguments.out {
                write_whole(out, &paired_json(&joined))?;
            }
            show_paired(&joined, arguments.format, terminal);
            Ok(Exit::AsExpected)
        }
    }
}

/// What the files hold.
#[derive(Default)]
struct Pieces {
    slices: Vec<(String, Slice)>,
    paired: Vec<(String, PairedSlice)>,
    problems: Vec<String>,
}

impl Pieces {
    fn add(&mut self, path: &Path) {
        let name = path.display().to_string();
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) => return self.problems.push(format!("`{name}` cannot be read: {error}")),
        };
        let damaged = match (Slice::from_json(&text), PairedSlice::from_json(&text)) {
            (Ok(slice), _) => return self.slices.push((name, slice)),
            (Err(_), Ok(slice)) => return self.paired.push((name, slice)),
            (Err(NotASlice::Damaged(why)), Err(_)) | (Err(_), Err(NotASlice::Damaged(why))) => Some(why),
            (Err(NotASlice::SomethingElse), Err(NotASlice::SomethingElse)) => None,
        };
        self.problems.push(match damaged {
            Some(why) => format!("`{name}` is damaged: {why}"),
            None => format!("`{name}` is no slice of a sweep"),
        });
    }
}

/// What was joined, if nothing was wrong with any file.
fn whole<P>(joined: Result<P, Vec<String>>, mut problems: Vec<String>) -> Result<P, Failure> {
    match joined {
        Ok(joined) if problems.is_empty() => Ok(joined),
        Ok(_) => Err(incomplete(&problems)),
        Err(further) => {
            problems.extend(further);
            Err(incomplete(&problems))
        }
    }
}

fn incomplete(problems: &[String]) -> Failure {
    let problems: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    let message = format!("the slices are not a whole sweep{problems}\nrun the slices named here again");
    Failure::Told(Exit::InputOutput, message)
}
