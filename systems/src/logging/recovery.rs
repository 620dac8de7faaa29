//! Opens what a disk still holds of a journal. A torn end is cut off and told; damage in the middle is an error, and never
//! passed over.

use super::frame::{self, Content};
use super::journal::{Journal, JournalConfig, JournalCounts, Segment};
use crate::store::{Disk, DiskError};
use crate::time::Time;
use std::collections::VecDeque;
use std::fmt;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalRecovered {
    /// The last line that is there.
    pub last: u64,
    /// Lines that are there.
    pub lines: u64,
    /// Bytes cut off: a last line that was being written.
    pub torn_bytes: u64,
    /// Lines passed over because a failed sync had made them count as lost.
    pub distrusted: u64,
}

/// Why a journal cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalRecoverError {
    /// A line in the middle is damaged: whole ones follow. Restore the segment, or decide to lose it.
    Damaged {
        /// The file.
        file: u64,
        /// Where in it.
        offset: u64,
    },
    /// A line has not a larger number than the one before.
    Disordered {
        /// The file.
        file: u64,
        /// The number.
        sequence: u64,
    },
    /// The disk failed.
    Disk(DiskError),
}

impl fmt::Display for JournalRecoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalRecoverError::Damaged { file, offset } => {
                write!(
                    f,
                    "file {file} is damaged at byte {offset}, with whole lines behind: restore it from a copy"
                )
            }
            JournalRecoverError::Disordered { file, sequence } => {
                write!(f, "line {sequence} of file {file} is out of order: restore it from a copy")
            }
            JournalRecoverError::Disk(error) => write!(f, "{error}: try again"),
        }
    }
}

impl std::error::Error for JournalRecoverError {}

/// A segment as it was found.
struct Found {
    segment: Segment,
    trusted_before: u64,
    /// Number and end of each line.
    lines: Vec<(u64, u64)>,
    header_bytes: u64,
    torn_bytes: u64,
}

impl<D: Disk> Journal<D> {
    /// Opens what a disk holds; an empty disk is an empty journal. New lines get numbers above `at_least` (the shipper's
    /// checkpoint), so that no number is given twice although lines were lost. Opening twice gives the same.
    ///
    /// # Errors
    /// [`JournalRecoverError`].
    pub fn open(
        mut disk: D,
        config: JournalConfig,
        at_least: u64,
        now: Time,
    ) -> Result<(Journal<D>, JournalRecovered), JournalRecoverError> {
        let mut found = Vec::new();
        for file in disk.files() {
            match scan(file, disk.read(file), now)? {
                Some(segment) => found.push(segment),
                // A segment that never came to be: its header was being written.
                None => disk.remove(file).map_err(JournalRecoverError::Disk)?,
            }
        }
        found.sort_by_key(|found| found.segment.generation);
        let mut recovered = JournalRecovered::default();
        // From the newest: each says up to where the older ones are to be believed.
        let mut trusted = u64::MAX;
        for found in found.iter_mut().rev() {
            let all = found.lines.len();
            found.lines.retain(|(sequence, _)| *sequence <= trusted);
            recovered.distrusted += (all - found.lines.len()) as u64;
            if let Some((_, end)) = found.lines.last() {
                found.segment.bytes = *end;
            } else if all > 0 {
                found.segment.bytes = found.header_bytes;
            }
            found.segment.synced_bytes = found.segment.bytes;
            trusted = trusted.min(found.trusted_before);
            recovered.torn_bytes += found.torn_bytes;
        }
        let mut last = 0;
        for found in &mut found {
            for (sequence, _) in &found.lines {
                if *sequence <= last {
                    let file = found.segment.file;
                    return Err(JournalRecoverError::Disordered { file, sequence: *sequence });
                }
                last = *sequence;
            }
            found.segment.last = last;
            recovered.lines += found.lines.len() as u64;
        }
        recovered.last = last;
        let generation = found.last().map_or(0, |found| found.segment.generation);
        let last = last.max(at_least);
        let journal = Journal {
            disk,
            config,
            segments: found.into_iter().map(|found| found.segment).collect::<VecDeque<_>>(),
            // Nothing is appended behind the remains of a crash.
            is_suspect: true,
            generation,
            last,
            durable: last,
            oldest_unsynced: None,
            counts: JournalCounts::default(),
            scratch: Vec::new(),
        };
        Ok((journal, recovered))
    }
}

/// What a file holds; `None` if it does not begin with a whole header.
fn scan(file: u64, bytes: &[u8], now: Time) -> Result<Option<Found>, JournalRecoverError> {
    let Some((Content::Segment { generation, trusted }, header)) = frame::decode(bytes) else {
        let is_damaged = frame::any_frame_in(bytes.get(1..).unwrap_or_default());
        return if is_damaged { Err(JournalRecoverError::Damaged { file, offset: 0 }) } else { Ok(None) };
    };
    let (mut at, mut lines) = (header, Vec::new());
    while let Some((content, length)) = frame::decode(&bytes[at..]) {
        at += length;
        match content {
            Content::Line(line) => lines.push((line.sequence, at as u64)),
            Content::Segment { .. } => {
                return Err(JournalRecoverError::Damaged { file, offset: (at - length) as u64 });
            }
        }
    }
    let rest = &bytes[at..];
    if !rest.is_empty() && frame::any_frame_in(&rest[1..]) {
        return Err(JournalRecoverError::Damaged { file, offset: at as u64 });
    }
    let bytes = at as u64;
    let segment = Segment { file, generation, bytes, synced_bytes: bytes, last: trusted, begun_at: now };
    Ok(Some(Found {
        segment,
        trusted_before: trusted,
        lines,
        header_bytes: header as u64,
        torn_bytes: rest.len() as u64,
    }))
}
