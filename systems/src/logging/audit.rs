//! Why lines are not there any more, counted by reason; and what an audit may find. Changes nothing.

use std::fmt;

/// Why a line was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// The buffer was full, and the newest goes.
    Newest,
    /// The buffer was full, and the oldest went.
    Oldest,
    /// The buffer was full, and it was not the one in so many that is kept.
    FullSample,
    /// The buffer was nearly full, and the line was not worth a warning.
    Unimportant,
    /// Its trace was not among those that are kept.
    Sampled,
    /// Too many of its class.
    RateLimited,
    /// The same as the one before.
    Repeated,
    /// Larger than the whole buffer.
    TooLarge,
    /// The process died with it in memory.
    Crashed,
    /// The disk was full.
    DiskFull,
    /// The store does not want it: too old, or out of order.
    Refused,
}

/// All reasons.
const REASONS: [DropReason; 11] = [
    DropReason::Newest,
    DropReason::Oldest,
    DropReason::FullSample,
    DropReason::Unimportant,
    DropReason::Sampled,
    DropReason::RateLimited,
    DropReason::Repeated,
    DropReason::TooLarge,
    DropReason::Crashed,
    DropReason::DiskFull,
    DropReason::Refused,
];

impl DropReason {
    /// As a key of a report.
    pub const fn name(self) -> &'static str {
        match self {
            DropReason::Newest => "dropped_newest",
            DropReason::Oldest => "dropped_oldest",
            DropReason::FullSample => "dropped_full_sample",
            DropReason::Unimportant => "dropped_unimportant",
            DropReason::Sampled => "dropped_sampled",
            DropReason::RateLimited => "dropped_rate_limited",
            DropReason::Repeated => "dropped_repeated",
            DropReason::TooLarge => "dropped_too_large",
            DropReason::Crashed => "dropped_crashed",
            DropReason::DiskFull => "dropped_disk_full",
            DropReason::Refused => "dropped_refused",
        }
    }
}

/// Lines dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops([u64; REASONS.len()]);

impl Drops {
    /// Counts lines.
    pub fn add(&mut self, reason: DropReason, lines: u64) {
        let count = &mut self.0[reason as usize];
        *count = count.saturating_add(lines);
    }

    /// For one reason.
    pub const fn of(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// For all reasons.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Each reason with its count, in a fixed order.
    pub fn by_reason(&self) -> impl Iterator<Item = (DropReason, u64)> {
        REASONS.into_iter().zip(self.0)
    }

    /// What was dropped after `earlier` was taken.
    #[must_use]
    pub fn since(&self, earlier: &Drops) -> Drops {
        let mut since = *self;
        for (count, before) in since.0.iter_mut().zip(earlier.0) {
            *count = count.saturating_sub(before);
        }
        since
    }
}

/// An invariant that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Lines came in that are neither out, nor dropped and counted, nor still there.
    Unaccounted {
        /// Came in.
        emitted: u64,
        /// Are known of.
        accounted: u64,
    },
    /// A buffer holds more than it may.
    OverBound {
        /// Held.
        held_bytes: u64,
        /// Allowed.
        bound_bytes: u64,
    },
    /// The bytes or lines a buffer says it holds are not those it holds.
    Miscounted,
    /// Drops that no report has shown within the reporting interval.
    Unreported {
        /// How many.
        drops: u64,
    },
    /// A line of an audit was dropped.
    AuditDropped,
    /// A source's lines are not in the order of their numbers.
    Disordered {
        /// The source.
        source: u64,
    },
    /// A checkpoint beyond what the store has.
    CheckpointAhead {
        /// The checkpoint.
        checkpoint: u64,
        /// The last line acknowledged.
        acknowledged: u64,
    },
    /// More is called durable than was synced, or more than was written.
    FalselyDurable {
        /// Called durable.
        durable: u64,
        /// Synced.
        synced: u64,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Unaccounted { emitted, accounted } => {
                write!(f, "{emitted} lines came in and {accounted} are accounted for")
            }
            Violation::OverBound { held_bytes, bound_bytes } => {
                write!(f, "{held_bytes} bytes are held where {bound_bytes} may be")
            }
            Violation::Miscounted => f.write_str("what is held is not what is said to be held"),
            Violation::Unreported { drops } => write!(f, "{drops} drops were not reported in time"),
            Violation::AuditDropped => f.write_str("a line of the audit log was dropped"),
            Violation::Disordered { source } => write!(f, "the lines of source {source} are out of order"),
            Violation::CheckpointAhead { checkpoint, acknowledged } => {
                write!(f, "the checkpoint is at {checkpoint}, but only {acknowledged} was acknowledged")
            }
            Violation::FalselyDurable { durable, synced } => {
                write!(f, "{durable} is called durable, but only {synced} was synced")
            }
        }
    }
}

impl std::error::Error for Violation {}
