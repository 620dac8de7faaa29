//! Compaction: of each key the last record stays. Never touches the segment that is being written, nor what is not
//! below the high watermark, nor the order and the offsets of what stays.

use super::record::{Bytes, Record};
use super::segments::{Cleanup, PartitionLog};
use crate::time::Time;
use std::collections::BTreeMap;

impl PartitionLog {
    /// Compacts the closed segments that lie whole below `below`; the offsets that went.
    pub(super) fn compact(&mut self, now: Time, below: u64) -> Vec<u64> {
        let mut gone = Vec::new();
        if self.config().cleanup == Cleanup::Delete {
            return gone;
        }
        let ends = self.segments.iter().map(|segment| segment.records.last().map_or(0, |last| last.offset));
        let closed = ends.take(self.segments.len() - 1).take_while(|last| *last < below).count();
        let mut latest: BTreeMap<Bytes, u64> = BTreeMap::new();
        for record in self.segments.range(..closed).flat_map(|segment| &segment.records) {
            if let Some(key) = &record.key {
                latest.insert(key.clone(), record.offset);
            }
        }
        let keep_tombstones = self.config().keep_tombstones;
        let stays = |record: &Record| {
            let Some(key) = &record.key else { return true };
            let is_old_tombstone = record.value.is_none() && now.since(record.written_at) >= keep_tombstones;
            latest.get(key) == Some(&record.offset) && !is_old_tombstone
        };
        for segment in self.segments.range_mut(..closed) {
            segment.records.retain(|record| {
                let stays = stays(record);
                if !stays {
                    gone.push(record.offset);
                }
                stays
            });
            segment.recount();
        }
        self.counts.compacted += gone.len() as u64;
        self.bytes = self.from(self.start()).map(Record::size_bytes).sum();
        gone
    }
}
