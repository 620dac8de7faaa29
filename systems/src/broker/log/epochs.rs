//! Where each leader's epoch begins in a log (KIP-101). Follows from the records and nothing else.

use super::super::LeaderEpoch;

/// The epochs of a log's records, each with the offset of its first one; both ascend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochHistory {
    starts: Vec<(LeaderEpoch, u64)>,
}

impl EpochHistory {
    /// The epoch of the last record.
    pub fn last(&self) -> Option<LeaderEpoch> {
        self.starts.last().map(|(epoch, _)| *epoch)
    }

    /// The epochs and where they begin.
    pub fn starts(&self) -> &[(LeaderEpoch, u64)] {
        &self.starts
    }

    /// The latest epoch not after `epoch`, and the offset behind its last record in a log that ends at `log_end`.
    /// `None`: every record is of a later epoch.
    pub fn end_of(&self, epoch: LeaderEpoch, log_end: u64) -> Option<(LeaderEpoch, u64)> {
        let behind = self.starts.partition_point(|(start, _)| *start <= epoch);
        let (found, _) = self.starts.get(behind.checked_sub(1)?)?;
        Some((*found, self.starts.get(behind).map_or(log_end, |(_, start)| *start)))
    }

    /// The epoch of the record at an offset of the log.
    pub fn at(&self, offset: u64) -> Option<LeaderEpoch> {
        let behind = self.starts.partition_point(|(_, start)| *start <= offset);
        Some(self.starts.get(behind.checked_sub(1)?)?.0)
    }

    /// A record of `epoch` stands at `offset`, behind all others.
    pub(super) fn note(&mut self, epoch: LeaderEpoch, offset: u64) {
        if self.last().is_none_or(|last| last < epoch) {
            self.starts.push((epoch, offset));
        }
    }

    /// Nothing is left from `end` on.
    pub(super) fn truncate(&mut self, end: u64) {
        self.starts.truncate(self.starts.partition_point(|(_, start)| *start < end));
    }

    /// Nothing is left before `start`. The epoch that `start` falls into stays, even if none of its records does.
    pub(super) fn trim(&mut self, start: u64) {
        let kept = self.starts.partition_point(|(_, begin)| *begin <= start).saturating_sub(1);
        self.starts.drain(..kept);
        if let Some((_, first)) = self.starts.first_mut() {
            *first = (*first).max(start);
        }
    }
}
