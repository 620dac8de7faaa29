//! A member of a consumer group: when it has to be heard of, when it counts as stuck, where it reads on, and what it may
//! commit. Never reads or processes anything itself.

use super::super::group::{GroupRejected, LeaveReason};
use super::super::{MemberId, PartitionId};
use crate::time::{Span, Time};
use std::collections::BTreeMap;

/// When a record counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommitWhen {
    /// Once it is processed: at least once. A crash in between processes it again.
    #[default]
    After,
    /// Once it is received: at most once. A crash in between loses it.
    Before,
}

/// Everything a member is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollerConfig {
    /// From one heartbeat to the next. Less than a third of the group's session.
    pub heartbeat_every: Span,
    /// How long it may take from one poll to the next; then it leaves by itself.
    pub poll_interval: Span,
    /// What it commits.
    pub commit: CommitWhen,
    /// Under the cooperative protocol it reads on while the group rebalances: it keeps what it has until it is told
    /// otherwise. Under the eager one it stops.
    pub reads_on: bool,
}

impl Default for PollerConfig {
    /// Kafka's: three seconds, five minutes.
    fn default() -> PollerConfig {
        PollerConfig {
            heartbeat_every: Span::from_secs(3),
            poll_interval: Span::from_secs(300),
            commit: CommitWhen::After,
            reads_on: false,
        }
    }
}

/// What should happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollerOutput {
    /// Tell the coordinator that this member is there.
    Heartbeat {
        /// Who.
        member: MemberId,
        /// Of which generation.
        generation: u32,
    },
    /// Tell the coordinator that it leaves. Its partitions are not its own any more.
    Leave {
        /// Who.
        member: MemberId,
        /// Why.
        reason: LeaveReason,
    },
    /// Join, at the next poll.
    Join {
        /// Who, if it still is somebody.
        member: Option<MemberId>,
    },
}

#[derive(Clone, Copy, Debug, Default)]
struct Position {
    /// The next offset to be received.
    next: u64,
    /// The next offset to be processed.
    processed: u64,
    committed: Option<u64>,
}

/// How it stands with the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is no member, or not of this generation.
    Outside,
    /// A member that joins the next generation.
    Rejoining,
    /// A member.
    Member,
}

/// A member.
#[derive(Clone, Debug)]
pub struct Poller {
    config: PollerConfig,
    member: Option<MemberId>,
    generation: u32,
    positions: BTreeMap<PartitionId, Position>,
    standing: Standing,
    polled_at: Time,
    heartbeat_at: Time,
}

impl Poller {
    /// Somebody who is no member yet.
    pub fn new(config: PollerConfig) -> Poller {
        Poller {
            config,
            member: None,
            generation: 0,
            positions: BTreeMap::new(),
            standing: Standing::Outside,
            polled_at: Time::ZERO,
            heartbeat_at: Time::ZERO,
        }
    }

    /// Works on with another config.
    pub const fn reconfigure(&mut self, config: PollerConfig) {
        self.config = config;
    }

    /// Its name, if it has one.
    pub const fn member(&self) -> Option<MemberId> {
        self.member
    }
    /// Of which generation it is.
    pub const fn generation(&self) -> u32 {
        self.generation
    }
    /// Whether it is a member of a generation.
    pub const fn is_member(&self) -> bool {
        matches!(self.standing, Standing::Member)
    }
    /// Whether it reads what it has: as a member, or while it joins the next generation if that is usual.
    pub const fn reads(&self) -> bool {
        match self.standing {
            Standing::Member => true,
            Standing::Rejoining => self.config.reads_on,
            Standing::Outside => false,
        }
    }
    /// What it reads, and the next offset of each.
    pub fn positions(&self) -> impl Iterator<Item = (PartitionId, u64)> {
        self.positions.iter().map(|(partition, position)| (*partition, position.next))
    }
    /// What it reads.
    pub fn owned(&self) -> Vec<PartitionId> {
        self.positions.keys().copied().collect()
    }

    /// A generation has begun. What it had and has still goes on where it was; the rest begins where the group has
    /// committed, or at `default_offset`.
    pub fn joined(
        &mut self,
        now: Time,
        member: MemberId,
        generation: u32,
        assigned: &[(PartitionId, Option<u64>)],
        default_offset: u64,
    ) {
        let before = std::mem::take(&mut self.positions);
        for (partition, committed) in assigned {
            let start = committed.unwrap_or(default_offset);
            let fresh = Position { next: start, processed: start, committed: *committed };
            self.positions.insert(*partition, before.get(partition).copied().unwrap_or(fresh));
        }
        (self.member, self.generation, self.standing) = (Some(member), generation, Standing::Member);
        (self.polled_at, self.heartbeat_at) = (now, now + self.config.heartbeat_every);
    }

    /// It asks for records, and by that shows that it is not stuck.
    pub const fn polled(&mut self, now: Time) {
        self.polled_at = now;
    }

    /// It gives up everything it reads, as the eager protocol wants before each rebalance.
    pub fn give_up_all(&mut self) {
        self.positions.clear();
    }

    /// Records of a partition up to before `next` were received.
    pub fn received(&mut self, partition: PartitionId, next: u64) {
        if let Some(position) = self.positions.get_mut(&partition) {
            position.next = position.next.max(next);
        }
    }

    /// A record was processed.
    pub fn processed(&mut self, partition: PartitionId, offset: u64) {
        if let Some(position) = self.positions.get_mut(&partition) {
            position.processed = position.processed.max(offset.saturating_add(1));
        }
    }

    /// It reads on somewhere else: what it wanted is not there.
    pub fn reset(&mut self, partition: PartitionId, offset: u64) {
        if let Some(position) = self.positions.get_mut(&partition) {
            (position.next, position.processed) = (offset, offset);
        }
    }

    /// What may be committed and is not.
    pub fn to_commit(&self) -> Vec<(PartitionId, u64)> {
        let done = |position: &Position| match self.config.commit {
            CommitWhen::After => position.processed,
            CommitWhen::Before => position.next,
        };
        let all = self.positions.iter().map(|(partition, position)| (*partition, position));
        let new = all.filter(|(_, position)| position.committed.unwrap_or(0) < done(position));
        new.map(|(partition, position)| (partition, done(position))).collect()
    }

    /// A commit was taken.
    pub fn committed(&mut self, offsets: &[(PartitionId, u64)]) {
        for (partition, offset) in offsets {
            if let Some(position) = self.positions.get_mut(partition) {
                position.committed = position.committed.max(Some(*offset));
            }
        }
    }

    /// The coordinator has refused something.
    pub fn refused(&mut self, reason: &GroupRejected, out: &mut Vec<PollerOutput>) {
        match reason {
            GroupRejected::UnknownMember(_) => {
                (self.member, self.standing) = (None, Standing::Outside);
                self.positions.clear();
                out.push(PollerOutput::Join { member: None });
            }
            // What was refused was asked as a member of an earlier generation than it is of by now.
            GroupRejected::IllegalGeneration { current }
                if self.is_member() && *current == self.generation => {}
            GroupRejected::IllegalGeneration { .. } => {
                self.standing = Standing::Outside;
                out.push(PollerOutput::Join { member: self.member });
            }
            GroupRejected::Rebalancing => {
                self.standing = Standing::Rejoining;
                out.push(PollerOutput::Join { member: self.member });
            }
            GroupRejected::NotAssigned(partition) => {
                self.positions.remove(partition);
            }
            GroupRejected::GroupFull { .. } | GroupRejected::Store(_) => {}
        }
    }

    /// When [`expire`](Poller::expire) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        let stuck_at = self.polled_at + self.config.poll_interval;
        self.is_member().then_some(self.heartbeat_at.min(stuck_at))
    }

    /// Heartbeats, and leaves if it is stuck.
    pub fn expire(&mut self, now: Time, out: &mut Vec<PollerOutput>) {
        let Some(member) = self.member.filter(|_| self.is_member()) else { return };
        if self.polled_at + self.config.poll_interval <= now {
            (self.member, self.standing) = (None, Standing::Outside);
            self.positions.clear();
            out.push(PollerOutput::Leave { member, reason: LeaveReason::PollBound });
            out.push(PollerOutput::Join { member: None });
        } else if self.heartbeat_at <= now {
            self.heartbeat_at = now + self.config.heartbeat_every.max(Span::from_nanos(1));
            out.push(PollerOutput::Heartbeat { member, generation: self.generation });
        }
    }
}
