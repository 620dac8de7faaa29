//! The records of one replica of one partition, in segments. Knows its ends, its epochs and what has become of every
//! record it ever took; knows no leader, no follower and no disk.

use super::super::LeaderEpoch;
use super::epochs::EpochHistory;
use super::record::Record;
use crate::time::{Span, Time};
use std::collections::VecDeque;

/// What happens to old records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cleanup {
    /// They go by age and size, whole segments at once.
    #[default]
    Delete,
    /// Of each key the last one stays.
    Compact,
    /// Both.
    CompactAndDelete,
}

/// How a partition is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A segment that would grow beyond this is closed, in bytes. Above zero.
    pub segment_bytes: u64,
    /// A segment whose first record is older is closed. Above zero.
    pub segment_age: Span,
    /// What happens to old records.
    pub cleanup: Cleanup,
    /// Segments whose last record is older go; `None` keeps them for ever.
    pub retention: Option<Span>,
    /// The oldest segments go while all together are larger, in bytes; `None` is no bound.
    pub retention_bytes: Option<u64>,
    /// How old a tombstone has to be before compaction takes it away.
    pub keep_tombstones: Span,
}

impl Default for LogConfig {
    /// Kafka's: segments of 1 GiB or a week, records kept for a week, tombstones for a day.
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_age: Span::from_secs(7 * 86_400),
            cleanup: Cleanup::Delete,
            retention: Some(Span::from_secs(7 * 86_400)),
            retention_bytes: None,
            keep_tombstones: Span::from_secs(86_400),
        }
    }
}

/// What became of the records a replica took, its own and copied ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounts {
    /// Taken.
    pub appended: u64,
    /// Given up because another leader's log says otherwise, or has left them behind.
    pub truncated: u64,
    /// Gone by age or size.
    pub expired: u64,
    /// Gone because a later record has their key.
    pub compacted: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Segment {
    base: u64,
    pub(super) records: Vec<Record>,
    bytes: u64,
    newest_at: Time,
}

impl Segment {
    const fn at(base: u64) -> Segment {
        Segment { base, records: Vec::new(), bytes: 0, newest_at: Time::ZERO }
    }

    pub(super) fn recount(&mut self) {
        self.bytes = self.records.iter().map(Record::size_bytes).sum();
    }
}

/// The records of a replica.
#[derive(Clone, Debug)]
pub struct PartitionLog {
    config: LogConfig,
    /// Never empty; the last one takes what comes.
    pub(super) segments: VecDeque<Segment>,
    start: u64,
    end: u64,
    epochs: EpochHistory,
    pub(super) counts: LogCounts,
    pub(super) bytes: u64,
}

impl PartitionLog {
    /// An empty log that begins at `start`.
    pub fn new(config: LogConfig, start: u64) -> PartitionLog {
        PartitionLog {
            config,
            segments: VecDeque::from([Segment::at(start)]),
            start,
            end: start,
            epochs: EpochHistory::default(),
            counts: LogCounts::default(),
            bytes: 0,
        }
    }

    /// The offset of the first record that is kept, or would be.
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// The offset that the next record gets (the log end offset, LEO).
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Where each leader's epoch begins.
    pub const fn epochs(&self) -> &EpochHistory {
        &self.epochs
    }

    /// What became of all records.
    pub const fn counts(&self) -> LogCounts {
        self.counts
    }

    /// What the records take, in bytes.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How it is kept.
    pub const fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Records that are kept.
    pub fn retained(&self) -> u64 {
        self.segments.iter().map(|segment| segment.records.len() as u64).sum()
    }

    /// The files a log like this has: named by the first offset, 20 digits, with their sizes in bytes.
    pub fn files(&self) -> impl Iterator<Item = (String, u64)> {
        self.segments.iter().map(|segment| (format!("{:020}.log", segment.base), segment.bytes))
    }

    /// The record at an offset; `None` if there is none, any more or yet.
    pub fn get(&self, offset: u64) -> Option<&Record> {
        self.from(offset).next().filter(|record| record.offset == offset)
    }

    /// The records from an offset on, in order.
    pub fn from(&self, offset: u64) -> impl Iterator<Item = &Record> {
        let first = self.segments.partition_point(|segment| segment.base <= offset).saturating_sub(1);
        let within = self
            .segments
            .get(first)
            .map_or(0, |segment| segment.records.partition_point(|record| record.offset < offset));
        self.segments.range(first..).flat_map(|segment| &segment.records).skip(within)
    }

    /// Appends what stands at or behind the end; anything else is left alone. Gaps are what compaction left.
    pub(super) fn append(&mut self, record: Record) -> bool {
        if record.offset < self.end {
            return false;
        }
        let bytes = record.size_bytes();
        self.roll_if_due(record.written_at, record.offset, bytes);
        let active = self.segments.back_mut().expect("a log has a segment that takes what comes");
        active.bytes = active.bytes.saturating_add(bytes);
        active.newest_at = active.newest_at.max(record.written_at);
        self.bytes = self.bytes.saturating_add(bytes);
        self.epochs.note(record.epoch, record.offset);
        self.end = record.offset.saturating_add(1);
        active.records.push(record);
        self.counts.appended += 1;
        true
    }

    fn roll_if_due(&mut self, now: Time, offset: u64, bytes: u64) {
        let Some(active) = self.segments.back() else { return };
        let Some(first) = active.records.first() else { return };
        let is_full = active.bytes.saturating_add(bytes) > self.config.segment_bytes;
        if is_full || now.since(first.written_at) >= self.config.segment_age {
            self.segments.push_back(Segment::at(offset));
        }
    }

    /// Gives up everything from `end` on; the offsets given up.
    pub(super) fn truncate(&mut self, end: u64) -> Vec<u64> {
        let mut gone = Vec::new();
        if end >= self.end {
            return gone;
        }
        let end = end.max(self.start);
        while let Some(last) = self.segments.back_mut() {
            let kept = last.records.partition_point(|record| record.offset < end);
            gone.extend(last.records.drain(kept..).map(|record| record.offset));
            last.recount();
            if last.base <= end || self.segments.len() == 1 {
                break;
            }
            self.segments.pop_back();
        }
        self.counts.truncated += gone.len() as u64;
        self.end = end;
        self.epochs.truncate(end);
        self.bytes = self.segments.iter().map(|segment| segment.bytes).sum();
        gone
    }

    /// Gives up everything and begins anew at `start`: the leader has left it behind.
    pub(super) fn restart_at(&mut self, start: u64) -> Vec<u64> {
        let gone: Vec<u64> = self.from(self.start).map(|record| record.offset).collect();
        let counts = LogCounts { truncated: self.counts.truncated + gone.len() as u64, ..self.counts };
        *self = PartitionLog { counts, ..PartitionLog::new(self.config, start) };
        gone
    }

    /// Drops whole segments that are too old or too many, none that reaches beyond `below`; the offsets dropped.
    pub(super) fn expire(&mut self, now: Time, below: u64) -> Vec<u64> {
        let mut gone = Vec::new();
        if self.config.cleanup == Cleanup::Compact {
            return gone;
        }
        while let Some(oldest) = self.segments.front() {
            let end = self.segments.get(1).map_or(self.end, |next| next.base);
            let is_old = self.config.retention.is_some_and(|kept| now.since(oldest.newest_at) > kept);
            let is_too_much =
                self.segments.len() > 1 && self.config.retention_bytes.is_some_and(|most| self.bytes > most);
            // What compaction has emptied goes with the rest; the one that is being written stays.
            let is_due =
                if oldest.records.is_empty() { self.segments.len() > 1 } else { is_old || is_too_much };
            if end > below || !is_due {
                break;
            }
            gone.extend(oldest.records.iter().map(|record| record.offset));
            self.bytes = self.bytes.saturating_sub(oldest.bytes);
            self.segments.pop_front();
            if self.segments.is_empty() {
                self.segments.push_back(Segment::at(end));
            }
            self.start = end;
        }
        self.counts.expired += gone.len() as u64;
        self.epochs.trim(self.start);
        gone
    }

    /// A log as a store had it. What it lost before is not known any more: it counts from here.
    pub(super) fn restored(config: LogConfig, start: u64, records: Vec<Record>) -> PartitionLog {
        let mut log = PartitionLog::new(config, start);
        for record in records {
            log.append(record);
        }
        log
    }

    /// The epoch of the last record.
    pub fn last_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.last()
    }

    /// Whether every record it ever took is kept or accounted for, and its ends and bytes are those of its records.
    pub fn is_consistent(&self) -> bool {
        let counts = self.counts;
        let retained = self.retained();
        let bytes: u64 = self.from(self.start).map(Record::size_bytes).sum();
        let ascends = self.from(self.start).is_sorted_by(|a, b| a.offset < b.offset && a.epoch <= b.epoch);
        let mut offsets = self.from(self.start).map(|record| record.offset);
        counts.appended == retained + counts.truncated + counts.expired + counts.compacted
            && bytes == self.bytes
            && ascends
            && offsets.all(|offset| self.start <= offset && offset < self.end)
    }
}
