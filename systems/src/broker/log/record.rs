//! A record, and its bytes. Never changed once written.

use super::super::{LeaderEpoch, ProducerId};
use crate::key_hash::hash_of;
use crate::time::Time;
use std::sync::Arc;

/// Bytes that many copies share.
pub type Bytes = Arc<[u8]>;

/// What a producer wants to have written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// Decides the partition, and under compaction what replaces what.
    pub key: Option<Bytes>,
    /// `None` is a tombstone: under compaction it takes its key away.
    pub value: Option<Bytes>,
}

/// Whose record it is, and the how-manieth of this producer in this partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Who.
    pub producer: ProducerId,
    /// Goes up whenever a producer begins anew; older ones are fenced.
    pub epoch: u16,
    /// 0, 1, 2, ... in each epoch.
    pub sequence: u64,
}

/// A record in its partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub offset: u64,
    /// In which leader's epoch it was written.
    pub epoch: LeaderEpoch,
    /// When, by the leader's clock.
    pub written_at: Time,
    /// Whose, if its producer is idempotent.
    pub stamp: Option<Stamp>,
    /// See [`NewRecord::key`].
    pub key: Option<Bytes>,
    /// See [`NewRecord::value`].
    pub value: Option<Bytes>,
}

/// What a record takes besides its key and value, in bytes.
const HEADER_BYTES: u64 = 48;
/// Stands for "there is none" where a length would stand.
const ABSENT: u32 = u32::MAX;

impl NewRecord {
    /// A record of this key and value.
    pub fn of(key: &[u8], value: &[u8]) -> NewRecord {
        NewRecord { key: Some(key.into()), value: Some(value.into()) }
    }

    /// What it will take in a log, in bytes.
    pub fn size_bytes(&self) -> u64 {
        size_bytes(self.key.as_ref(), self.value.as_ref())
    }
}

fn size_bytes(key: Option<&Bytes>, value: Option<&Bytes>) -> u64 {
    HEADER_BYTES + key.map_or(0, |key| key.len() as u64) + value.map_or(0, |value| value.len() as u64)
}

impl Record {
    /// What it takes in a log, in bytes.
    pub fn size_bytes(&self) -> u64 {
        size_bytes(self.key.as_ref(), self.value.as_ref())
    }

    /// Tells it from every other record that could stand in its place.
    pub fn digest(&self) -> u64 {
        let stamp = self.stamp.map(|stamp| (stamp.producer.0, stamp.epoch, stamp.sequence));
        hash_of(u64::from(self.epoch.0), &(self.offset, stamp, &self.key, &self.value))
    }

    /// As a store keeps it; the offset is in its key.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size_bytes() as usize);
        bytes.extend_from_slice(&self.epoch.0.to_le_bytes());
        bytes.extend_from_slice(&self.written_at.as_nanos().to_le_bytes());
        bytes.push(u8::from(self.stamp.is_some()));
        if let Some(stamp) = self.stamp {
            bytes.extend_from_slice(&stamp.producer.0.to_le_bytes());
            bytes.extend_from_slice(&stamp.epoch.to_le_bytes());
            bytes.extend_from_slice(&stamp.sequence.to_le_bytes());
        }
        for part in [&self.key, &self.value] {
            let len = part.as_ref().map_or(ABSENT, |part| part.len() as u32);
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(part.as_deref().unwrap_or_default());
        }
        bytes
    }

    /// What [`bytes`](Record::bytes) were of; `None` if of nothing.
    pub(super) fn of(offset: u64, mut bytes: &[u8]) -> Option<Record> {
        let bytes = &mut bytes;
        let epoch = LeaderEpoch(u32::from_le_bytes(take(bytes)?));
        let written_at = Time::from_nanos(u64::from_le_bytes(take(bytes)?));
        let [is_stamped] = take(bytes)?;
        let stamp = if is_stamped == 1 {
            let producer = ProducerId(u64::from_le_bytes(take(bytes)?));
            let epoch = u16::from_le_bytes(take(bytes)?);
            Some(Stamp { producer, epoch, sequence: u64::from_le_bytes(take(bytes)?) })
        } else {
            None
        };
        let key = take_part(bytes)?;
        let value = take_part(bytes)?;
        Some(Record { offset, epoch, written_at, stamp, key, value })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

fn take_part(bytes: &mut &[u8]) -> Option<Option<Bytes>> {
    let len = u32::from_le_bytes(take(bytes)?);
    if len == ABSENT {
        return Some(None);
    }
    let (taken, rest) = bytes.split_at_checked(len as usize)?;
    *bytes = rest;
    Some(Some(taken.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_survives_being_bytes_and_its_beginning_is_no_record(
            key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9)),
            value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9)),
            stamped in any::<bool>(), number in any::<u64>(),
        ) {
            let stamp = stamped.then_some(Stamp { producer: ProducerId(number), epoch: 7, sequence: !number });
            let (key, value) = (key.map(Bytes::from), value.map(Bytes::from));
            let (epoch, written_at) = (LeaderEpoch(3), Time::from_nanos(number));
            let record = Record { offset: number, epoch, written_at, stamp, key, value };
            let bytes = record.bytes();
            prop_assert_eq!(Record::of(number, &bytes), Some(record));
            for end in 0..bytes.len() {
                prop_assert_eq!(Record::of(number, &bytes[..end]), None);
            }
        }
    }
}
