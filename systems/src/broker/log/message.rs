//! What brokers, the controller, producers and consumers say to each other. Plain data; never decides.

use super::super::{BrokerId, LeaderEpoch, PartitionId};
use super::record::{NewRecord, Record, Stamp};
use crate::store::StoreError;
use crate::time::{Span, Time};
use std::fmt;

/// When a producer is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Acks {
    /// Never.
    None,
    /// When the leader has written it: a leader that is lost takes it along.
    Leader,
    /// When every replica in sync has it, and at least `min_insync_replicas` are.
    #[default]
    All,
}

/// Records for a partition. Written all, in order, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Produce {
    /// Where to.
    pub partition: PartitionId,
    /// When to answer.
    pub acks: Acks,
    /// Of the first record, if the producer is idempotent; the others count up from it.
    pub stamp: Option<Stamp>,
    /// What. At least one.
    pub records: Vec<NewRecord>,
}

/// A consumer wants records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Where from.
    pub partition: PartitionId,
    /// The first offset.
    pub from: u64,
    /// Most of them; zero counts as one.
    pub max_records: u32,
    /// How long to wait if there is none.
    pub max_wait: Span,
}

/// A follower wants records, and says by that what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Of which partition.
    pub partition: PartitionId,
    /// Who asks.
    pub replica: BrokerId,
    /// In which epoch it follows.
    pub epoch: LeaderEpoch,
    /// Where its log ends.
    pub from: u64,
    /// Of which epoch its last record is; `None` if it has none, or does not want its log compared.
    pub last_epoch: Option<LeaderEpoch>,
    /// The high watermark as it knows it.
    pub high_watermark: u64,
    /// Names the question; the answer bears it, too.
    pub number: u64,
}

/// What a follower hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Of which partition.
    pub partition: PartitionId,
    /// In which epoch the leader leads.
    pub epoch: LeaderEpoch,
    /// Which question.
    pub number: u64,
    /// What.
    pub found: Found,
}

/// What a leader has for a follower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// What comes next.
    Records {
        /// In order; none if there is nothing new.
        records: Vec<Record>,
        /// The leader's high watermark.
        high_watermark: u64,
    },
    /// The leader's log parts from the follower's: of epochs up to `epoch` it has records up to `end` (KIP-595).
    Diverges {
        /// `None`: of no epoch that the follower could have.
        epoch: Option<LeaderEpoch>,
        /// Where the leader's log of that epoch ends.
        end: u64,
    },
    /// The leader has no such offset.
    OutOfRange {
        /// Where its log begins.
        start: u64,
        /// Where its log ends.
        end: u64,
    },
    /// It does not lead, or not in that epoch.
    Refused,
}

/// Who leads a partition, as the controller says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// Which partition.
    pub partition: PartitionId,
    /// Who has it.
    pub replicas: Vec<BrokerId>,
    /// Who of them is in sync (the in-sync replicas, ISR).
    pub isr: Vec<BrokerId>,
    /// Who leads; `None` while nobody may.
    pub leader: Option<BrokerId>,
    /// Goes up with each leader.
    pub epoch: LeaderEpoch,
    /// Goes up with each change.
    pub version: u64,
    /// Whether the leader was elected although it was not in sync.
    pub is_unclean: bool,
}

/// A leader wants other replicas to count as in sync (KIP-497).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterIsr {
    /// Of which partition.
    pub partition: PartitionId,
    /// Who asks.
    pub leader: BrokerId,
    /// In which epoch it leads.
    pub epoch: LeaderEpoch,
    /// Which change it knows of.
    pub version: u64,
    /// Who is in sync.
    pub isr: Vec<BrokerId>,
}

/// What a broker is asked or told. `token`s come back with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A producer has records.
    Produce {
        /// Comes back.
        token: u64,
        /// Which.
        produce: Produce,
    },
    /// A consumer wants records.
    Read {
        /// Comes back.
        token: u64,
        /// Which.
        read: Read,
    },
    /// A follower wants records.
    Fetch {
        /// Comes back.
        token: u64,
        /// Which.
        fetch: Fetch,
    },
    /// A leader has answered.
    Fetched(Fetched),
    /// A leader has not answered; `number` is that of the question.
    FetchFailed {
        /// Of which partition.
        partition: PartitionId,
        /// Which question.
        number: u64,
    },
    /// The controller says who leads.
    Assign(Assignment),
    /// The process is about to end on purpose: what can be kept is kept.
    Stop,
}

/// What should happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To whoever produced: it is written, as `acks` says.
    Produced {
        /// Whose.
        token: u64,
        /// Where.
        partition: PartitionId,
        /// In which epoch; of a batch that came again perhaps in an earlier one.
        epoch: LeaderEpoch,
        /// Of the first record; `None` of a batch that came again and whose place is not remembered.
        base_offset: Option<u64>,
        /// How many.
        count: u64,
        /// Whether it was written before.
        is_duplicate: bool,
        /// How long to wait before the next one, by the quota.
        throttle: Span,
    },
    /// To whoever produced: it may or may not be written.
    ProduceFailed {
        /// Whose.
        token: u64,
        /// Why.
        reason: Rejected,
    },
    /// To whoever reads.
    Records {
        /// Whose.
        token: u64,
        /// Where.
        partition: PartitionId,
        /// In order, from the offset asked for on; none if there was none in time.
        records: Vec<Record>,
        /// Up to where it may read.
        high_watermark: u64,
    },
    /// To whoever reads: not here any more.
    ReadFailed {
        /// Whose.
        token: u64,
        /// Why.
        reason: Rejected,
    },
    /// To a follower.
    Fetched {
        /// Whose.
        token: u64,
        /// What.
        fetched: Fetched,
    },
    /// To the leader.
    Fetch {
        /// Who leads.
        leader: BrokerId,
        /// What.
        fetch: Fetch,
    },
    /// To the controller.
    AlterIsr(AlterIsr),
    /// For the record: this broker leads.
    Leads {
        /// What.
        partition: PartitionId,
        /// In which epoch.
        epoch: LeaderEpoch,
        /// Where its log ended then.
        end: u64,
        /// Whether it was not in sync.
        is_unclean: bool,
    },
    /// For the record: this broker has given up records.
    Truncated {
        /// Of which partition.
        partition: PartitionId,
        /// From where.
        from: u64,
        /// How many.
        records: u64,
    },
    /// For the record: the high watermark of a leader has moved.
    HighWatermark {
        /// Of which partition.
        partition: PartitionId,
        /// To where.
        to: u64,
    },
}

/// Why an input is refused. Of a `Produce` nothing was written, unless it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// This broker has no such partition.
    UnknownPartition(PartitionId),
    /// Somebody else leads: ask there.
    NotLeader {
        /// Who, as far as this broker knows.
        leader: Option<BrokerId>,
    },
    /// Too few replicas are in sync.
    NotEnoughReplicas {
        /// How many are.
        in_sync: u32,
        /// How many have to be.
        needed: u32,
    },
    /// It is written, and by then too few replicas were in sync: it may be lost or not.
    NotEnoughReplicasAfterAppend,
    /// It is written here, and not everywhere in time: it may be lost or not.
    TimedOut,
    /// It was written here before the broker stopped leading: it may be lost or not.
    NoLongerLeader,
    /// Nothing to write.
    Empty,
    /// More than a batch may hold, in bytes.
    TooLarge {
        /// The bound.
        max_bytes: u64,
    },
    /// No room: wait for retention, or ask elsewhere.
    StorageFull,
    /// Batches of this producer are missing before this one.
    OutOfOrderSequence {
        /// The next sequence to be written.
        expected: u64,
    },
    /// A later epoch of this producer has written.
    ProducerFenced {
        /// The latest.
        current: u16,
    },
    /// There are no records at this offset, any more or yet.
    OffsetOutOfRange {
        /// The first there is.
        start: u64,
        /// Behind the last that may be read.
        end: u64,
    },
    /// As many wait as may.
    TooManyWaiting,
    /// Nothing could be written down; the broker does nothing until it is opened again.
    Store(StoreError),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::UnknownPartition(partition) => {
                write!(f, "there is no partition {partition} here: ask the controller who has it")
            }
            Rejected::NotLeader { leader: Some(BrokerId(id)) } => write!(f, "broker {id} leads: ask there"),
            Rejected::NotLeader { leader: None } => f.write_str("nobody leads: ask the controller later"),
            Rejected::NotEnoughReplicas { in_sync, needed } => {
                write!(f, "{in_sync} replicas are in sync and {needed} have to be: try again later")
            }
            Rejected::NotEnoughReplicasAfterAppend => {
                f.write_str("too few replicas are in sync by now: send it again, with the same sequence")
            }
            Rejected::TimedOut => {
                f.write_str("not replicated in time: send it again, with the same sequence")
            }
            Rejected::NoLongerLeader => {
                f.write_str("the leader has changed: send it again, with the same sequence, to the new one")
            }
            Rejected::Empty => f.write_str("there is nothing in it: send at least one record"),
            Rejected::TooLarge { max_bytes } => write!(f, "more than {max_bytes} bytes: send less at once"),
            Rejected::StorageFull => f.write_str("the disk is full: wait for retention, or make room"),
            Rejected::OutOfOrderSequence { expected } => {
                write!(f, "sequence {expected} comes next: begin a new producer epoch")
            }
            Rejected::ProducerFenced { current } => {
                write!(f, "epoch {current} of this producer writes: stop")
            }
            Rejected::OffsetOutOfRange { start, end } => {
                write!(f, "there are records from {start} to before {end}: start at one of the ends")
            }
            Rejected::TooManyWaiting => f.write_str("too many requests wait: try again later"),
            Rejected::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Rejected {}

/// An instant that never comes counts as no deadline.
pub(super) fn earliest(instants: impl Iterator<Item = Time>) -> Option<Time> {
    instants.min().filter(|at| *at < Time::MAX)
}
