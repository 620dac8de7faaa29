//! What brokers, partitions, producers and members are called. Never decides. Offsets and sequences are plain numbers,
//! since they are counted with.

use std::fmt;

/// A broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerId(pub u32);

/// A partition of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// The topic's place in a list that whoever drives keeps.
    pub topic: u16,
    /// Its place in the topic.
    pub index: u16,
}

/// How often the leader of a partition has changed; the first one leads in epoch 1. Every record bears the epoch in
/// which it was written (KIP-101).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaderEpoch(pub u32);

/// An idempotent producer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub u64);

/// A member of a consumer group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.index)
    }
}

/// Where a partition's rows begin in a store.
const ROWS: u8 = b'l';

impl PartitionId {
    /// The beginning of the keys under which a store keeps what belongs to this partition.
    pub(super) fn row(self, kind: u8, number: Option<u64>) -> Vec<u8> {
        let mut key = Vec::with_capacity(14);
        key.push(ROWS);
        key.extend_from_slice(&self.topic.to_be_bytes());
        key.extend_from_slice(&self.index.to_be_bytes());
        key.push(kind);
        key.extend(number.map(u64::to_be_bytes).into_iter().flatten());
        key
    }

    /// The partition, the kind of row and the number that a key of [`row`](PartitionId::row) names.
    pub(super) fn of_row(key: &[u8]) -> Option<(PartitionId, u8, Option<u64>)> {
        let rest = key.strip_prefix(&[ROWS])?;
        let (topic, rest) = rest.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let (kind, rest) = rest.split_first()?;
        let number = rest.split_first_chunk().map(|(number, _)| u64::from_be_bytes(*number));
        let partition = PartitionId { topic: u16::from_be_bytes(*topic), index: u16::from_be_bytes(*index) };
        Some((partition, *kind, number))
    }

    /// What all keys of all partitions begin with.
    pub(super) const fn rows() -> [u8; 1] {
        [ROWS]
    }
}
