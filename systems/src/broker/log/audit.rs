//! The invariants of the log, held by somebody who sees all replicas. Looks only at what is new since the last time, so
//! that it can look after every step. Changes nothing.

use super::super::{BrokerId, LeaderEpoch, PartitionId, ProducerId};
use super::message::Acks;
use super::record::Record;
use super::replica::Replica;
use super::segments::Cleanup;
use std::collections::BTreeMap;
use std::fmt;

/// An invariant that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A leader's high watermark went back in its epoch.
    HighWatermarkFell(PartitionId),
    /// A leader's high watermark is not where the first of those in sync ends.
    HighWatermarkMisplaced {
        /// Where.
        partition: PartitionId,
        /// The high watermark.
        found: u64,
        /// Where the first of those in sync ends.
        lowest: u64,
    },
    /// A follower has another record below its high watermark than the leader.
    NotAPrefix {
        /// Where.
        partition: PartitionId,
        /// Whose log.
        broker: BrokerId,
        /// Which record.
        offset: u64,
    },
    /// A record that was acknowledged by all in sync is not in the leader's log, and no unclean election excuses it.
    AcknowledgedLost {
        /// Where.
        partition: PartitionId,
        /// The first record of its batch.
        offset: u64,
    },
    /// A leader's log ends before what was committed.
    CommittedLost {
        /// Where.
        partition: PartitionId,
        /// Up to where was committed.
        committed: u64,
        /// Where the leader's log ends.
        end: u64,
    },
    /// A consumer was given a record at or above the high watermark.
    ReadTooFar(PartitionId),
    /// A consumer was given records out of order, or not all of them.
    ReadWithGap(PartitionId),
    /// A record of an idempotent producer is in the log twice.
    WrittenTwice(PartitionId, ProducerId),
    /// A record of an idempotent producer is missing between others.
    SequenceGap(PartitionId, ProducerId),
    /// What a replica took is not what it has and what it has accounted for.
    Unbalanced(PartitionId, BrokerId),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::HighWatermarkFell(at) => write!(f, "the high watermark of {at} fell within an epoch"),
            Violation::HighWatermarkMisplaced { partition, found, lowest } => write!(
                f,
                "the high watermark of {partition} is {found}, and the replicas in sync end at {lowest}"
            ),
            Violation::NotAPrefix { partition, broker, offset } => {
                write!(f, "record {offset} of {partition} is another one on broker {}", broker.0)
            }
            Violation::AcknowledgedLost { partition, offset } => {
                write!(f, "record {offset} of {partition} was acknowledged by all and is gone")
            }
            Violation::CommittedLost { partition, committed, end } => {
                write!(f, "{partition} was committed up to {committed}, and its leader ends at {end}")
            }
            Violation::ReadTooFar(at) => write!(f, "a record of {at} was read above the high watermark"),
            Violation::ReadWithGap(at) => write!(f, "records of {at} were read with a gap or out of order"),
            Violation::WrittenTwice(at, producer) => {
                write!(f, "a record of producer {} is twice in {at}", producer.0)
            }
            Violation::SequenceGap(at, producer) => {
                write!(f, "a record of producer {} is missing in {at}", producer.0)
            }
            Violation::Unbalanced(at, broker) => {
                write!(f, "broker {} took records of {at} that it cannot account for", broker.0)
            }
        }
    }
}

impl std::error::Error for Violation {}

/// Records that were acknowledged and are gone, by what excuses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Acknowledged by the leader alone (`acks = 1`), which was then lost or left behind.
    pub of_leader_acks: u64,
    /// Acknowledged by all in sync, then lost by an election of somebody who was not, or by a last replica that had lost
    /// what it had not synced.
    pub of_unclean_election: u64,
    /// Acknowledged by all in sync and lost without any excuse: each is a violation.
    pub unexcused: u64,
}

#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    count: u64,
    epoch: LeaderEpoch,
    acks: Acks,
}

#[derive(Clone, Debug, Default)]
struct Watched {
    /// By the offset and the epoch of the first record; those that every replica will always know to be committed are forgotten.
    acknowledged: BTreeMap<(u64, LeaderEpoch), Acknowledged>,
    /// Up to which epoch of a leader they are verified.
    verified_epoch: LeaderEpoch,
    has_stale: bool,
    /// The last unclean election.
    unclean_epoch: LeaderEpoch,
    /// The leader seen last, its epoch and high watermark.
    leader: Option<(BrokerId, LeaderEpoch, u64)>,
    /// Up to where was ever committed, and in which epoch.
    committed: (u64, LeaderEpoch),
    /// Up to where each follower was compared.
    compared: BTreeMap<BrokerId, u64>,
    /// The last epoch and sequence of each producer, up to `sequences_to`.
    sequences: BTreeMap<ProducerId, (u16, u64)>,
    sequences_to: u64,
}

/// Watches the partitions of a cluster.
#[derive(Clone, Debug, Default)]
pub struct LogAudit {
    partitions: BTreeMap<PartitionId, Watched>,
    losses: Losses,
    acknowledged: u64,
}

impl LogAudit {
    /// Has seen nothing.
    pub fn new() -> LogAudit {
        LogAudit::default()
    }

    /// Records that were acknowledged, by the leader or by all.
    pub const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Records that were acknowledged and are gone.
    pub const fn losses(&self) -> Losses {
        self.losses
    }

    /// A broker has told a producer that its records are written: hand it that broker's replica as it is then. A batch
    /// that came again without its place being remembered is not followed.
    pub fn produced(&mut self, replica: &Replica, acks: Acks, base_offset: Option<u64>, count: u64) {
        self.acknowledged += count;
        let Some(base) = base_offset else { return };
        let Some(epoch) = replica.log().epochs().at(base) else { return };
        let watched = self.partitions.entry(replica.partition()).or_default();
        watched.has_stale |= epoch < watched.verified_epoch;
        let said = watched.acknowledged.entry((base, epoch)).or_insert(Acknowledged { count, epoch, acks });
        said.acks = said.acks.max(acks);
    }

    /// The controller has elected a leader in this epoch although it was not in sync. Not every such leader lives to lead.
    pub fn unclean(&mut self, partition: PartitionId, epoch: LeaderEpoch) {
        let watched = self.partitions.entry(partition).or_default();
        watched.unclean_epoch = watched.unclean_epoch.max(epoch);
    }

    /// A leader has given a consumer these records, for the question from this offset on.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn read(&self, leader: &Replica, from: u64, records: &[Record]) -> Result<(), Violation> {
        let partition = leader.partition();
        if records.iter().any(|record| record.offset >= leader.high_watermark()) {
            return Err(Violation::ReadTooFar(partition));
        }
        let there = leader.log().from(from).map(|record| record.offset);
        if !there.take(records.len()).eq(records.iter().map(|record| record.offset)) {
            return Err(Violation::ReadWithGap(partition));
        }
        Ok(())
    }

    /// Holds all replicas of a partition that are up against each other and against what was said.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn check(&mut self, partition: PartitionId, replicas: &[&Replica]) -> Result<(), Violation> {
        let watched = self.partitions.entry(partition).or_default();
        for replica in replicas {
            let (log, counts) = (replica.log(), replica.log().counts());
            let accounted = log.retained() + counts.truncated + counts.expired + counts.compacted;
            if counts.appended != accounted {
                return Err(Violation::Unbalanced(partition, replica.broker()));
            }
        }
        let leaders = replicas.iter().filter(|replica| replica.leads());
        let Some(leader) = leaders.max_by_key(|replica| replica.epoch()) else { return Ok(()) };
        watched.verify_acknowledged(leader, &mut self.losses)?;
        watched.check_high_watermark(leader)?;
        for replica in replicas.iter().filter(|replica| replica.broker() != leader.broker()) {
            watched.compare(leader, replica)?;
        }
        watched.check_sequences(leader)?;
        if replicas.len() == leader.replica_count() {
            watched.forget(replicas);
        }
        Ok(())
    }
}

impl Watched {
    /// Every record that was acknowledged in an earlier epoch is in the leader's log, or its loss is counted, once.
    fn verify_acknowledged(&mut self, leader: &Replica, losses: &mut Losses) -> Result<(), Violation> {
        let epoch = leader.epoch();
        if epoch < self.verified_epoch || (epoch == self.verified_epoch && !self.has_stale) {
            return Ok(());
        }
        (self.verified_epoch, self.has_stale) = (epoch, false);
        let log = leader.log();
        let is_there = |base: u64, said: &Acknowledged| {
            let last = base.saturating_add(said.count.saturating_sub(1));
            let of_epoch = |offset| offset < log.start() || log.epochs().at(offset) == Some(said.epoch);
            last < log.end() && of_epoch(base) && of_epoch(last)
        };
        let mut violation = None;
        for ((base, _), said) in self.acknowledged.extract_if(.., |key, said| !is_there(key.0, said)) {
            let lost = match (said.acks, said.epoch < self.unclean_epoch) {
                (Acks::None | Acks::Leader, _) => &mut losses.of_leader_acks,
                (Acks::All, true) => &mut losses.of_unclean_election,
                (Acks::All, false) => {
                    let partition = leader.partition();
                    violation = violation.or(Some(Violation::AcknowledgedLost { partition, offset: base }));
                    &mut losses.unexcused
                }
            };
            *lost += said.count;
        }
        if violation.is_some() {
            self.forget_the_past(leader.high_watermark(), epoch);
        }
        violation.map_or(Ok(()), Err)
    }

    /// What was committed before does not count any more: it is said once that it is gone.
    fn forget_the_past(&mut self, high_watermark: u64, epoch: LeaderEpoch) {
        self.committed = (high_watermark, epoch);
        self.compared.clear();
        self.sequences.clear();
        self.sequences_to = 0;
    }

    fn check_high_watermark(&mut self, leader: &Replica) -> Result<(), Violation> {
        let (partition, epoch, found) = (leader.partition(), leader.epoch(), leader.high_watermark());
        let before = self.leader.replace((leader.broker(), epoch, found));
        if before.is_some_and(|(broker, then, was)| (broker, then) == (leader.broker(), epoch) && was > found)
        {
            return Err(Violation::HighWatermarkFell(partition));
        }
        let end = leader.log().end();
        if self.unclean_epoch > self.committed.1 {
            self.forget_the_past(found, self.unclean_epoch);
        }
        if end < self.committed.0 {
            let committed = self.committed.0;
            self.forget_the_past(found, epoch);
            return Err(Violation::CommittedLost { partition, committed, end });
        }
        if found >= self.committed.0 {
            self.committed = (found, epoch);
        }
        match leader.lowest_end_in_sync() {
            Some(lowest) if lowest > found || (lowest < found && self.unclean_epoch < epoch) => {
                Err(Violation::HighWatermarkMisplaced { partition, found, lowest })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What a follower has committed is what the leader has there.
    fn compare(&mut self, leader: &Replica, follower: &Replica) -> Result<(), Violation> {
        let compared = self.compared.entry(follower.broker()).or_insert(0);
        if follower.epoch() != leader.epoch() {
            // It does not know yet who leads, and may have to give up something first.
            *compared = (*compared).min(follower.log().start());
            return Ok(());
        }
        let end = follower.high_watermark().min(leader.log().end());
        let first = (*compared).max(follower.log().start()).max(leader.log().start());
        let (mut theirs, mut ours) =
            (leader.log().from(first).peekable(), follower.log().from(first).peekable());
        // Both ascend; what only one of them has was compacted away by the other.
        while let (Some(a), Some(b)) = (theirs.peek(), ours.peek()) {
            if a.offset.min(b.offset) >= end {
                break;
            }
            if a.offset == b.offset && a != b {
                if b.epoch < self.unclean_epoch {
                    // What an unclean election has cost; the follower has yet to give it up.
                    return Ok(());
                }
                let (partition, broker) = (follower.partition(), follower.broker());
                return Err(Violation::NotAPrefix { partition, broker, offset: a.offset });
            }
            let (of_leader, of_follower) = (a.offset <= b.offset, b.offset <= a.offset);
            if of_leader {
                theirs.next();
            }
            if of_follower {
                ours.next();
            }
        }
        *compared = (*compared).max(end);
        Ok(())
    }

    /// What is committed of an idempotent producer is there once, and whole.
    fn check_sequences(&mut self, leader: &Replica) -> Result<(), Violation> {
        let (partition, log) = (leader.partition(), leader.log());
        if self.sequences_to < log.start() {
            self.sequences.clear();
            self.sequences_to = log.start();
        }
        let is_whole = log.config().cleanup == Cleanup::Delete;
        for record in log.from(self.sequences_to) {
            if record.offset >= leader.high_watermark() {
                break;
            }
            self.sequences_to = record.offset + 1;
            let Some(stamp) = record.stamp else { continue };
            let before = self.sequences.insert(stamp.producer, (stamp.epoch, stamp.sequence));
            let Some((epoch, last)) = before else { continue };
            if (stamp.epoch, stamp.sequence) <= (epoch, last) {
                return Err(Violation::WrittenTwice(partition, stamp.producer));
            }
            let expected = if stamp.epoch == epoch { last.saturating_add(1) } else { 0 };
            if is_whole && stamp.sequence != expected {
                return Err(Violation::SequenceGap(partition, stamp.producer));
            }
        }
        Ok(())
    }

    /// What every replica knows to be committed, even after a restart, is not given up by any of them.
    fn forget(&mut self, replicas: &[&Replica]) {
        let safe = replicas.iter().map(|replica| replica.checkpointed()).min().unwrap_or(0);
        let epochs_agree = replicas.iter().all(|replica| replica.epoch() == self.verified_epoch);
        if epochs_agree {
            let kept = self.acknowledged.split_off(&(safe, LeaderEpoch::default()));
            let safe_ones = std::mem::replace(&mut self.acknowledged, kept);
            // A batch that reaches beyond stays.
            self.acknowledged
                .extend(safe_ones.into_iter().filter(|((base, _), said)| base + said.count > safe));
        }
    }
}
