//! One replica of one partition: its log, its high watermark, and what it is to the others. The two roles are in
//! `leading` and `following`. Never sends and never decides who leads.

use super::super::{BrokerId, LeaderEpoch, PartitionId};
use super::config::{BrokerConfig, Sabotage, TruncateBy};
use super::following::Following;
use super::leading::Leading;
use super::message::{Assignment, Output};
use super::producers::Producers;
use super::record::Record;
use super::segments::PartitionLog;
use crate::store::{Batch, Store};
use crate::time::Time;

/// What a step of a replica works with.
pub(super) struct Step<'a> {
    pub(super) now: Time,
    pub(super) config: &'a BrokerConfig,
    pub(super) sabotage: Option<Sabotage>,
    /// What is to be written down before anything of `out` is carried out.
    pub(super) batch: &'a mut Batch,
    pub(super) out: &'a mut Vec<Output>,
}

#[derive(Clone, Debug)]
pub(super) enum Role {
    /// Nobody has said who leads.
    Waits,
    Leads(Leading),
    Follows(Following),
}

/// A replica.
#[derive(Clone, Debug)]
pub struct Replica {
    pub(super) partition: PartitionId,
    pub(super) me: BrokerId,
    pub(super) log: PartitionLog,
    pub(super) high_watermark: u64,
    pub(super) checkpointed: u64,
    pub(super) epoch: LeaderEpoch,
    version: u64,
    /// Up to which epoch an earlier life of this broker has known the partition: it does not lead in any of these again,
    /// since it may have lost what it wrote in them.
    lived_epoch: LeaderEpoch,
    pub(super) leader: Option<BrokerId>,
    pub(super) producers: Producers,
    pub(super) role: Role,
    pub(super) questions: u64,
}

/// Kinds of rows of a partition.
const RECORD: u8 = b'r';
const START: u8 = b's';
const HIGH_WATERMARK: u8 = b'h';
const EPOCH: u8 = b'e';

impl Replica {
    pub(super) fn new(partition: PartitionId, me: BrokerId, log: PartitionLog) -> Replica {
        Replica {
            partition,
            me,
            high_watermark: log.start(),
            checkpointed: log.start(),
            producers: Producers::of(log.from(log.start())),
            log,
            epoch: LeaderEpoch::default(),
            version: 0,
            lived_epoch: LeaderEpoch::default(),
            leader: None,
            role: Role::Waits,
            questions: 0,
        }
    }

    /// The replicas that a store has.
    pub(super) fn restored(store: &impl Store, me: BrokerId, config: &BrokerConfig) -> Vec<Replica> {
        struct Found {
            partition: PartitionId,
            start: u64,
            high_watermark: u64,
            epoch: LeaderEpoch,
            records: Vec<Record>,
        }
        let mut all: Vec<Found> = Vec::new();
        store.scan(&PartitionId::rows(), &mut |key, stored| {
            let Some((partition, kind, number)) = PartitionId::of_row(key) else { return true };
            if all.last().is_none_or(|found| found.partition != partition) {
                let (epoch, records) = (LeaderEpoch::default(), Vec::new());
                all.push(Found { partition, start: 0, high_watermark: 0, epoch, records });
            }
            let found = all.last_mut().expect("one was pushed if there was none");
            let word = || stored.value.split_first_chunk().map_or(0, |(word, _)| u64::from_le_bytes(*word));
            match (kind, number) {
                (RECORD, Some(offset)) => found.records.extend(Record::of(offset, stored.value)),
                (START, _) => found.start = word(),
                (HIGH_WATERMARK, _) => found.high_watermark = word(),
                (EPOCH, _) => found.epoch = LeaderEpoch(word() as u32),
                _ => {}
            }
            true
        });
        let replica = |found: Found| {
            let log = PartitionLog::restored(config.log, found.start, found.records);
            let high_watermark = found.high_watermark.clamp(log.start(), log.end());
            let (checkpointed, epoch) = (found.high_watermark, found.epoch);
            let fresh = Replica::new(found.partition, me, log);
            Replica { high_watermark, checkpointed, epoch, lived_epoch: epoch, ..fresh }
        };
        all.into_iter().map(replica).collect()
    }

    /// Which partition.
    pub const fn partition(&self) -> PartitionId {
        self.partition
    }
    /// On which broker.
    pub const fn broker(&self) -> BrokerId {
        self.me
    }
    /// Its records.
    pub const fn log(&self) -> &PartitionLog {
        &self.log
    }
    /// Behind the last record that it knows to be on all replicas in sync.
    pub const fn high_watermark(&self) -> u64 {
        self.high_watermark
    }
    /// The high watermark as it was last written down: where it begins after a restart.
    pub const fn checkpointed(&self) -> u64 {
        self.checkpointed
    }
    /// In which epoch it leads or follows.
    pub const fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }
    /// Who leads, as far as it knows.
    pub const fn leader(&self) -> Option<BrokerId> {
        self.leader
    }
    /// Whether it believes to lead.
    pub const fn leads(&self) -> bool {
        matches!(self.role, Role::Leads(_))
    }
    /// Who is in sync, as it knows, if it leads.
    pub fn in_sync(&self) -> &[BrokerId] {
        match &self.role {
            Role::Leads(leading) => &leading.isr,
            Role::Waits | Role::Follows(_) => &[],
        }
    }
    /// If it leads: how many replicas there are.
    pub fn replica_count(&self) -> usize {
        match &self.role {
            Role::Leads(leading) => leading.replica_count(),
            Role::Waits | Role::Follows(_) => 0,
        }
    }
    /// If it leads: the lowest end among all that are in sync or about to be and have not lost what they had, where that
    /// is known.
    pub fn lowest_end_in_sync(&self) -> Option<u64> {
        match &self.role {
            Role::Leads(leading) => leading.lowest_end_of_sound(self.me, self.log.end()),
            Role::Waits | Role::Follows(_) => None,
        }
    }
    /// Producers, readers and followers that wait here.
    pub fn waiting(&self) -> usize {
        match &self.role {
            Role::Leads(leading) => leading.waiting_count(),
            Role::Waits | Role::Follows(_) => 0,
        }
    }

    /// The controller says who leads. What is older than what is known is ignored.
    pub(super) fn assign(&mut self, assignment: &Assignment, step: &mut Step<'_>) {
        if assignment.epoch < self.epoch
            || (assignment.epoch == self.epoch && assignment.version <= self.version)
            || (assignment.epoch == self.lived_epoch && assignment.leader == Some(self.me))
        {
            return;
        }
        let is_new_epoch = assignment.epoch > self.epoch;
        if is_new_epoch {
            let epoch = u64::from(assignment.epoch.0);
            step.batch.put(self.partition.row(EPOCH, None), epoch.to_le_bytes());
        }
        (self.epoch, self.version, self.leader) = (assignment.epoch, assignment.version, assignment.leader);
        if assignment.leader == Some(self.me) {
            if let (Role::Leads(leading), false) = (&mut self.role, is_new_epoch) {
                leading.adopt(assignment);
                self.advance(step);
                return;
            }
            self.resign(step);
            self.role = Role::Leads(Leading::new(assignment, self.log.end(), step.now));
            step.out.push(Output::Leads {
                partition: self.partition,
                epoch: self.epoch,
                end: self.log.end(),
                is_unclean: assignment.is_unclean,
            });
            self.advance(step);
        } else if is_new_epoch || !matches!(self.role, Role::Follows(_)) {
            self.resign(step);
            self.role = assignment
                .leader
                .map_or(Role::Waits, |leader| Role::Follows(Following::new(leader, step.now)));
            if step.config.truncate_by == TruncateBy::HighWatermark {
                self.truncate(self.high_watermark, step);
            }
        }
    }

    /// Takes a record behind all others.
    pub(super) fn take(&mut self, record: Record, step: &mut Step<'_>) -> bool {
        if record.offset < self.log.end() {
            return false;
        }
        step.batch.put(self.partition.row(RECORD, Some(record.offset)), record.bytes());
        self.log.append(record)
    }

    /// Gives up all records from `end` on.
    pub(super) fn truncate(&mut self, end: u64, step: &mut Step<'_>) {
        let gone = self.log.truncate(end);
        self.gave_up(end, &gone, step);
    }

    /// Gives up everything and begins anew at `start`.
    pub(super) fn restart_at(&mut self, start: u64, step: &mut Step<'_>) {
        let from = self.log.start();
        let gone = self.log.restart_at(start);
        step.batch.put(self.partition.row(START, None), start.to_le_bytes());
        self.gave_up(from, &gone, step);
    }

    fn gave_up(&mut self, from: u64, gone: &[u64], step: &mut Step<'_>) {
        self.high_watermark = self.high_watermark.clamp(self.log.start(), self.log.end());
        for offset in gone {
            step.batch.remove(self.partition.row(RECORD, Some(*offset)));
        }
        if !gone.is_empty() {
            self.producers = Producers::of(self.log.from(self.log.start()));
            let (partition, records) = (self.partition, gone.len() as u64);
            step.out.push(Output::Truncated { partition, from, records });
        }
    }

    /// Retention and compaction.
    pub(super) fn clean(&mut self, step: &mut Step<'_>) {
        let start = self.log.start();
        let mut gone = self.log.expire(step.now, self.high_watermark);
        gone.extend(self.log.compact(step.now, self.high_watermark));
        for offset in gone {
            step.batch.remove(self.partition.row(RECORD, Some(offset)));
        }
        if self.log.start() != start {
            step.batch.put(self.partition.row(START, None), self.log.start().to_le_bytes());
        }
        if step.sabotage == Some(Sabotage::ForgetsRecords) {
            self.log.counts.expired = 0;
        }
    }

    /// Writes down the high watermark if it has moved.
    pub(super) fn checkpoint(&mut self, step: &mut Step<'_>) {
        if self.checkpointed != self.high_watermark {
            self.checkpointed = self.high_watermark;
            step.batch.put(self.partition.row(HIGH_WATERMARK, None), self.high_watermark.to_le_bytes());
        }
    }

    pub(super) fn deadline(&self, config: &BrokerConfig) -> Option<Time> {
        match &self.role {
            Role::Waits => None,
            Role::Leads(leading) => leading.deadline(self.me, self.log.end(), config),
            Role::Follows(following) => Some(following.deadline()),
        }
    }

    pub(super) fn expire(&mut self, step: &mut Step<'_>) {
        match &self.role {
            Role::Waits => {}
            Role::Leads(_) => self.expire_leader(step),
            Role::Follows(_) => self.ask_leader(step),
        }
    }
}
