//! What members and their coordinator say to each other. Plain data; never decides.

use super::super::{MemberId, PartitionId};
use crate::store::StoreError;
use crate::time::Span;
use std::fmt;

/// Why a member leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeaveReason {
    /// It is shut down.
    Closed,
    /// It took longer from one poll to the next than it may: its own watchdog says so.
    PollBound,
}

/// What a coordinator is asked or told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupInput {
    /// Somebody wants to be a member of the next generation. Answered when that begins.
    Join {
        /// Comes back.
        token: u64,
        /// Who, if it has been a member.
        member: Option<MemberId>,
        /// What it still reads.
        owned: Vec<PartitionId>,
    },
    /// A member is there.
    Heartbeat {
        /// Who.
        member: MemberId,
        /// Of which generation.
        generation: u32,
    },
    /// A member leaves.
    Leave {
        /// Who.
        member: MemberId,
        /// Why.
        reason: LeaveReason,
    },
    /// A member has got so far.
    Commit {
        /// Who.
        member: MemberId,
        /// Of which generation.
        generation: u32,
        /// The next offset to be read of each partition.
        offsets: Vec<(PartitionId, u64)>,
    },
    /// What there is to be read.
    Partitions(Vec<PartitionId>),
}

/// Why a group rebalances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RebalanceCause {
    /// Somebody has come.
    MemberJoined,
    /// A member has joined again: its state was lost, or it was told to.
    MemberRejoined,
    /// A member has given up what another one gets.
    Revoked,
    /// A member was shut down.
    MemberLeft,
    /// A member took too long from one poll to the next.
    PollBound,
    /// A member was not heard of.
    SessionEnded,
    /// What there is to be read has changed.
    PartitionsChanged,
}

/// What should happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupOutput {
    /// To whoever joined.
    Joined {
        /// Whose.
        token: u64,
        /// Its name from now on.
        member: MemberId,
        /// Which generation has begun.
        generation: u32,
        /// What it reads, with the offset to begin at; `None` if the group has not committed any.
        assigned: Vec<(PartitionId, Option<u64>)>,
        /// What it has to give up, and then join again.
        revoked: Vec<PartitionId>,
    },
    /// For the record: a rebalance has begun.
    Rebalancing {
        /// Which generation ends.
        generation: u32,
        /// Why.
        cause: RebalanceCause,
    },
    /// For the record: a new generation has begun.
    Rebalanced {
        /// Which.
        generation: u32,
        /// Why there was a rebalance.
        cause: RebalanceCause,
        /// How many members it has.
        members: u32,
        /// How many partitions changed hands.
        moved: u32,
        /// How long it took.
        took: Span,
    },
    /// For the record: a member does not count any more.
    Removed {
        /// Who.
        member: MemberId,
        /// Why.
        cause: RebalanceCause,
    },
}

/// Why an input is refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRejected {
    /// No such member, any more.
    UnknownMember(MemberId),
    /// Another generation has begun.
    IllegalGeneration {
        /// Which.
        current: u32,
    },
    /// The group rebalances.
    Rebalancing,
    /// Not a partition of this member in this generation.
    NotAssigned(PartitionId),
    /// No more members.
    GroupFull {
        /// The bound.
        max_members: u32,
    },
    /// Nothing could be written down.
    Store(StoreError),
}

impl fmt::Display for GroupRejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupRejected::UnknownMember(MemberId(id)) => {
                write!(f, "{id} is no member any more: give up all partitions and join as a new one")
            }
            GroupRejected::IllegalGeneration { current } => {
                write!(f, "generation {current} has begun: join again")
            }
            GroupRejected::Rebalancing => f.write_str("the group rebalances: commit, and join again"),
            GroupRejected::NotAssigned(partition) => {
                write!(f, "{partition} is read by somebody else: do not commit it")
            }
            GroupRejected::GroupFull { max_members } => write!(f, "the group has its {max_members} members"),
            GroupRejected::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for GroupRejected {}
