//! The journal: lines appended to segments on a disk, made durable by policy, read by position, removed when they have
//! been shipped. A segment is known by its generation, never by the number of its file, which may be used again.

use super::audit::Violation;
use super::frame::{self, Content};
use super::record::Record;
use crate::store::{Disk, DiskError};
use crate::time::{Span, Time};
use std::collections::VecDeque;
use std::fmt;

/// When lines are made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalFsync {
    /// Each, before it counts as written.
    EveryRecord,
    /// When the oldest has waited so long: that much is lost in a crash.
    Interval(Span),
    /// Whenever the operating system likes.
    Never,
}

/// What happens to a line when the disk is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDiskFull {
    /// It is dropped and counted.
    DropCounted,
    /// It has to be appended again later.
    Block,
    /// Whoever logs is told, and may fail.
    Fail,
}

/// How a journal is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// When lines are made durable.
    pub fsync: JournalFsync,
    /// A segment larger than this is closed, and a new one begun.
    pub segment_bytes: u64,
    /// A segment older than this, too.
    pub segment_age: Span,
    /// When there is no room. A line for the auditors is never dropped; it blocks.
    pub on_disk_full: OnDiskFull,
}

impl Default for JournalConfig {
    /// Synced every second, segments of 1 MiB or an hour, drops when full.
    fn default() -> JournalConfig {
        JournalConfig {
            fsync: JournalFsync::Interval(Span::from_secs(1)),
            segment_bytes: 1 << 20,
            segment_age: Span::from_secs(3_600),
            on_disk_full: OnDiskFull::DropCounted,
        }
    }
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in the journal, under this number.
    Written(u64),
    /// It was dropped and counted: the disk is full.
    Dropped,
}

/// Why a line is not in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalError {
    /// The disk is full and the line may not be dropped: append it again when there is room.
    Blocked,
    /// The disk failed. Lines after the last durable one count as lost; further ones go to a new segment.
    Disk(DiskError),
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalError::Blocked => {
                f.write_str("the disk is full: append the line again when there is room")
            }
            JournalError::Disk(error) => write!(f, "{error}: the last lines count as lost"),
        }
    }
}

impl std::error::Error for JournalError {}

/// Where somebody reads: the generation of a segment, and bytes into it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Position {
    /// Of the segment.
    pub generation: u64,
    /// Into it.
    pub offset: u64,
}

/// What a journal counts. Every line offered is written or dropped; of those written some are lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalCounts {
    /// Lines written.
    pub written: u64,
    /// Lines dropped because the disk was full.
    pub disk_full: u64,
    /// Lines written and lost because a sync failed.
    pub lost: u64,
    /// Syncs that succeeded.
    pub syncs: u64,
    /// Segments begun.
    pub segments: u64,
}

/// A segment, as the journal knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) file: u64,
    pub(super) generation: u64,
    /// That are believed.
    pub(super) bytes: u64,
    /// Of these, those that a sync has covered.
    pub(super) synced_bytes: u64,
    /// The last line in it; the one before its first if it holds none.
    pub(super) last: u64,
    pub(super) begun_at: Time,
}

/// Lines on a disk.
#[derive(Clone, Debug)]
pub struct Journal<D> {
    pub(super) disk: D,
    pub(super) config: JournalConfig,
    /// The last is the one that is written; none as long as the disk has no room for one.
    pub(super) segments: VecDeque<Segment>,
    /// Whether what the last one's end holds is unknown, so that nothing may follow there.
    pub(super) is_suspect: bool,
    pub(super) generation: u64,
    pub(super) last: u64,
    pub(super) durable: u64,
    pub(super) oldest_unsynced: Option<Time>,
    pub(super) counts: JournalCounts,
    pub(super) scratch: Vec<u8>,
}

impl<D: Disk> Journal<D> {
    /// Appends a line and gives it the next number.
    ///
    /// # Errors
    /// [`JournalError`]. After [`JournalError::Blocked`] the line is not in the journal.
    pub fn append(&mut self, now: Time, mut line: Record) -> Result<Appended, JournalError> {
        if let Err(error) = self.rotate_if_due(now) {
            return self.refuse(error, line.is_audit);
        }
        line.sequence = self.last.saturating_add(1);
        let (sequence, is_audit) = (line.sequence, line.is_audit);
        self.scratch.clear();
        frame::encode(&Content::Line(line), &mut self.scratch);
        let Some(segment) = self.segments.back_mut() else { return self.refuse(DiskError::Full, is_audit) };
        if let Err(error) = self.disk.append(segment.file, &self.scratch) {
            self.is_suspect = true;
            return self.refuse(error, is_audit);
        }
        segment.bytes += self.scratch.len() as u64;
        segment.last = sequence;
        self.last = sequence;
        self.counts.written += 1;
        self.oldest_unsynced.get_or_insert(now);
        if self.config.fsync == JournalFsync::EveryRecord {
            self.sync()?;
        }
        Ok(Appended::Written(sequence))
    }

    /// A line that found no room.
    fn refuse(&mut self, error: DiskError, is_audit: bool) -> Result<Appended, JournalError> {
        match (error, self.config.on_disk_full) {
            (DiskError::Full, OnDiskFull::DropCounted) if !is_audit => {
                self.counts.disk_full += 1;
                Ok(Appended::Dropped)
            }
            (DiskError::Full, OnDiskFull::DropCounted | OnDiskFull::Block) => Err(JournalError::Blocked),
            (DiskError::Full, OnDiskFull::Fail) | (DiskError::SyncFailed | DiskError::Off, _) => {
                Err(JournalError::Disk(error))
            }
        }
    }

    /// Makes everything durable, and says which line is the last of them.
    ///
    /// # Errors
    /// [`JournalError::Disk`]: the lines since the last sync count as lost, even if a later sync succeeds, because the
    /// operating system may have marked their pages clean.
    pub fn sync(&mut self) -> Result<u64, JournalError> {
        if self.is_suspect {
            self.settle_suspect();
            return Ok(self.durable);
        }
        let Some(segment) = self.segments.back_mut() else { return Ok(self.durable) };
        if let Err(error) = self.disk.sync(segment.file) {
            self.counts.lost += self.last.saturating_sub(self.durable);
            segment.bytes = segment.synced_bytes;
            segment.last = self.durable;
            self.is_suspect = true;
            self.oldest_unsynced = None;
            return Err(JournalError::Disk(error));
        }
        segment.synced_bytes = segment.bytes;
        self.counts.syncs += 1;
        self.durable = self.last;
        self.oldest_unsynced = None;
        Ok(self.durable)
    }

    fn rotate_if_due(&mut self, now: Time) -> Result<(), DiskError> {
        let config = &self.config;
        let is_due = self.segments.back().is_none_or(|segment| {
            segment.bytes >= config.segment_bytes || now.since(segment.begun_at) >= config.segment_age
        });
        if !is_due && !self.is_suspect {
            return Ok(());
        }
        // What is in the old segment is settled before a new one says up to where it is to be believed.
        match self.sync() {
            Ok(_) | Err(JournalError::Disk(DiskError::SyncFailed)) => {}
            Err(JournalError::Disk(error)) => return Err(error),
            Err(JournalError::Blocked) => return Err(DiskError::Full),
        }
        self.settle_suspect();
        self.begin_segment(now)
    }

    /// A segment whose end is not known keeps what a sync has covered, or if that is still possible, all of it.
    fn settle_suspect(&mut self) {
        if !self.is_suspect {
            return;
        }
        let Some(segment) = self.segments.back_mut() else { return };
        if segment.synced_bytes < segment.bytes && self.disk.sync(segment.file).is_ok() {
            segment.synced_bytes = segment.bytes;
            self.durable = segment.last;
            self.counts.syncs += 1;
        } else if segment.synced_bytes < segment.bytes {
            self.counts.lost += segment.last.saturating_sub(self.durable);
            (segment.bytes, segment.last) = (segment.synced_bytes, self.durable);
        }
        self.oldest_unsynced = None;
    }

    pub(super) fn begin_segment(&mut self, now: Time) -> Result<(), DiskError> {
        let files = self.disk.files();
        // The smallest number that is free: numbers come again, as those of files do.
        let file =
            (0..).zip(&files).find(|(free, used)| free != *used).map_or(files.len() as u64, |(free, _)| free);
        let header =
            Content::Segment { generation: self.generation.saturating_add(1), trusted: self.durable };
        self.scratch.clear();
        frame::encode(&header, &mut self.scratch);
        let begun = self.disk.append(file, &self.scratch).and_then(|()| self.disk.sync(file));
        if let Err(error) = begun {
            // Whatever is there of it is not a segment; if it cannot be removed either, recovery passes over it.
            let _ = self.disk.remove(file);
            return Err(error);
        }
        let bytes = self.scratch.len() as u64;
        self.generation = self.generation.saturating_add(1);
        self.is_suspect = false;
        self.counts.segments += 1;
        self.segments.push_back(Segment {
            file,
            generation: self.generation,
            bytes,
            synced_bytes: bytes,
            last: self.last,
            begun_at: now,
        });
        Ok(())
    }

    /// Lines from a position on, at most so many, and the position behind them. Only lines that a crash does not take are
    /// shown, unless they are never synced anyway.
    pub fn read(&self, from: Position, max_records: usize) -> (Vec<Record>, Position) {
        let is_synced = self.config.fsync != JournalFsync::Never;
        self.read_up_to(from, max_records, is_synced)
    }

    /// The same, and of a journal that is never synced only what was synced all the same, as a segment is when it ends.
    pub fn read_synced(&self, from: Position, max_records: usize) -> (Vec<Record>, Position) {
        self.read_up_to(from, max_records, true)
    }

    fn read_up_to(&self, from: Position, max_records: usize, is_synced: bool) -> (Vec<Record>, Position) {
        let (mut lines, mut position) = (Vec::new(), from);
        for segment in self.segments.iter().filter(|segment| segment.generation >= from.generation) {
            if lines.len() >= max_records {
                break;
            }
            if segment.generation > position.generation {
                position = Position { generation: segment.generation, offset: 0 };
            }
            let end = if is_synced { segment.synced_bytes } else { segment.bytes };
            let bytes = self.disk.read(segment.file);
            let bytes = &bytes[..bytes.len().min(end as usize)];
            while lines.len() < max_records
                && let Some((content, length)) = bytes.get(position.offset as usize..).and_then(frame::decode)
            {
                position.offset += length as u64;
                if let Content::Line(line) = content {
                    lines.push(line);
                }
            }
        }
        (lines, position)
    }

    /// Removes the segments that hold nothing beyond line `shipped`, except the one that is written. Returns how many.
    ///
    /// # Errors
    /// [`JournalError::Disk`].
    pub fn release(&mut self, shipped: u64) -> Result<u64, JournalError> {
        let mut removed = 0;
        while self.segments.len() > 1 && self.segments.front().is_some_and(|segment| segment.last <= shipped)
        {
            let segment = self.segments.pop_front().expect("there are at least two");
            self.disk.remove(segment.file).map_err(JournalError::Disk)?;
            removed += 1;
        }
        Ok(removed)
    }

    /// When [`sync`](Journal::sync) wants to be called.
    pub fn deadline(&self) -> Option<Time> {
        let JournalFsync::Interval(interval) = self.config.fsync else { return None };
        self.oldest_unsynced.map(|oldest| oldest + interval)
    }

    /// The last line written.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// The last line that a crash does not take.
    pub const fn durable(&self) -> u64 {
        self.durable
    }

    /// What was counted.
    pub const fn counts(&self) -> JournalCounts {
        self.counts
    }

    /// Bytes that are believed, in all segments.
    pub fn held_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// The disk, to break it.
    pub const fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// The disk, to open the journal again after a crash.
    pub fn into_disk(self) -> D {
        self.disk
    }

    /// Follows a new config.
    pub const fn reconfigure(&mut self, config: JournalConfig) {
        self.config = config;
    }

    /// Nothing is called durable that no sync has covered.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn audit(&self) -> Result<(), Violation> {
        let is_unsynced = self.segments.back().is_some_and(|segment| segment.synced_bytes < segment.bytes);
        if self.durable > self.last || (is_unsynced && self.durable == self.last) {
            return Err(Violation::FalselyDurable { durable: self.durable, synced: self.last });
        }
        let is_ordered = self
            .segments
            .iter()
            .zip(self.segments.iter().skip(1))
            .all(|(a, b)| a.generation < b.generation && a.last <= b.last && a.synced_bytes == a.bytes);
        if is_ordered { Ok(()) } else { Err(Violation::Miscounted) }
    }
}
