//! Results of sweeps as files: found again, written whole or not at all. The only place that opens them.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use super::exit::{Exit, Failure};
use crate::explore::sweep::{NotASlice, SWEEP_SCHEMA, Slice};

/// What stands where a slice is to be written.
pub(super) enum Found {
    /// Nothing, or the report of an earlier sweep.
    Nothing,
    /// A slice that is not as it was written.
    Damaged(String),
    /// A slice of another scenario or another build of the program: of no use to this sweep.
    Stale(&'static str),
    /// The slice, with some of its seeds.
    Partial(Box<Slice>),
    /// The slice, with all of its seeds.
    Complete(Box<Slice>),
}

/// Looks at `path` for the slice that is `wanted`.
///
/// # Errors
/// When it cannot be read, or holds something that no sweep wrote and none should replace.
pub(super) fn look_for(path: &Path, wanted: &Slice) -> Result<Found, Failure> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(Failure::io("read", path, &error)),
    };
    let slice = match Slice::from_json(&text) {
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
    if let Some(what) = slice.foreign_to(&wanted.header) {
        return Ok(Found::Stale(what));
    }
    if (slice.header.seeds(), slice.part()) != (wanted.header.seeds(), wanted.part()) {
        let message = format!(
            "`{}` holds slice {} of the seeds {}, not {} of {}: write into another file, or remove it",
            path.display(),
            slice.part(),
            slice.header.seeds(),
            wanted.part(),
            wanted.header.seeds()
        );
        return Err(Failure::Told(Exit::InputOutput, message));
    }
    let slice = Box::new(slice);
    Ok(if slice.is_complete() { Found::Complete(slice) } else { Found::Partial(slice) })
}

fn is_report(text: &[u8]) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_slice(text).ok();
    let schema = value.as_ref().and_then(|value| value.get("schema")?.as_str());
    text.is_empty() || schema == Some(SWEEP_SCHEMA)
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
