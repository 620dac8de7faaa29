//! Results of sweeps as files: found again, written whole or not at all. The only place that opens them.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use super::exit::{Exit, Failure};
use super::terminal::Terminal;
use crate::explore::sweep::{NotASlice, PAIRED_SCHEMA, Piece, SWEEP_SCHEMA};

/// What stands where a slice is to be written.
enum Found<P> {
    /// Nothing, or the report of an earlier sweep.
    Nothing,
    /// A slice that is not as it was written.
    Damaged(String),
    /// A slice of another scenario or another build of the program: of no use to this sweep.
    Stale(&'static str),
    /// The slice, with some of its seeds.
    Partial(Box<P>),
    /// The slice, with all of its seeds.
    Complete(Box<P>),
}

/// `begun`, or what stands of it at `path` already; says which.
///
/// # Errors
/// When the file cannot be read, or holds something that none should replace.
pub(super) fn taken_up<P: Piece>(
    path: &Path,
    begun: P,
    is_part: bool,
    terminal: &mut Terminal,
) -> Result<P, Failure> {
    let shown = path.display();
    match look_for(path, &begun)? {
        Found::Nothing => Ok(begun),
        Found::Damaged(why) => {
            terminal.error_line(&format!("`{shown}` is damaged and runs again: {why}"));
            Ok(begun)
        }
        Found::Stale(what) => {
            terminal.error_line(&format!("`{shown}` is replaced: it is of {what}"));
            Ok(begun)
        }
        Found::Partial(found) => {
            let (done, all) = (found.done_to() - found.seeds().from, found.seeds().count());
            terminal.error_line(&format!("`{shown}` goes on after {done} of {all} seeds"));
            Ok(*found)
        }
        Found::Complete(found) => {
            if is_part {
                terminal.error_line(&format!("`{shown}` is there already and valid"));
            }
            Ok(*found)
        }
    }
}

/// Looks at `path` for the slice that is `wanted`.
///
/// # Errors
/// When it cannot be read, or holds something that no sweep wrote and none should replace.
fn look_for<P: Piece>(path: &Path, wanted: &P) -> Result<Found<P>, Failure> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(Failure::io("read", path, &error)),
    };
    let slice = match P::from_json(&text) {
        Ok(slice) => slice,
        Err(NotASlice::Damaged(why)) => return Ok(Found::Damaged(why)),
        Err(NotASlice::SomethingElse) if is_report(&text) => return Ok(Found::Nothing),
        Err(NotASlice::SomethingElse) => {
            let message = format!(
                "`{}` exists and is no result of a sweep: remove it, or write into another file",
                path.display()
            );
            return Err(Failure::Told(Exit::InputOutput, message));
        }
    };
    if let Some(what) = slice.foreign_to(wanted) {
        return Ok(Found::Stale(what));
    }
    if (slice.all_seeds(), slice.part()) != (wanted.all_seeds(), wanted.part()) {
        let message = format!(
            "`{}` holds slice {} of the seeds {}, not {} of {}: write into another file, or remove it",
            path.display(),
            slice.part(),
            slice.all_seeds(),
            wanted.part(),
            wanted.all_seeds()
        );
        return Err(Failure::Told(Exit::InputOutput, message));
    }
    let slice = Box::new(slice);
    Ok(if slice.is_complete() { Found::Complete(slice) } else { Found::Partial(slice) })
}

fn is_report(text: &[u8]) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_slice(text).ok();
    let schema = value.as_ref().and_then(|value| value.get("schema")?.as_str());
    text.is_empty() || schema.is_some_and(|schema| [SWEEP_SCHEMA, PAIRED_SCHEMA].contains(&schema))
}

/// Writes beside the file first and renames: whoever reads sees the old content or the new, never a half.
///
/// # Errors
/// When a file cannot be written or renamed.
pub(super) fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let mut beside = OsString::from(path);
    beside.push(format!(".{}.new", std::process::id()));
    let beside = Path::new(&beside);
    let written = fs::write(beside, text).and_then(|()| fs::rename(beside, path));
    written.map_err(|error| {
        // Whether the half can be removed changes nothing about the failure.
        let _ = fs::remove_file(beside);
        Failure::io("write", path, &error)
    })
}

/// A hash of this very program.
///
/// # Errors
/// When it cannot be read.
pub(super) fn program_digest() -> Result<String, Failure> {
    let path = std::env::current_exe()
        .map_err(|error| Failure::Told(Exit::InputOutput, format!("cannot find this program: {error}")))?;
    let bytes = fs::read(&path).map_err(|error| Failure::io("read", &path, &error))?;
    Ok(format!("{:032x}", xxh3_128(&bytes)))
}
