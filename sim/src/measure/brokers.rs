//! The books on message brokers: whether what was acknowledged is still there, whether the replicas agree, and what
//! consumers made of it. Sees all replicas at once, as nobody in the simulated world does; never decides.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use foreshock_systems::broker::PartitionId;
use foreshock_systems::broker::log::{LogAudit, Replica, Violation};

use super::money::Broken;
use crate::scenario::plan::{Plan, ServiceId};

/// What holds of every message broker.
pub(crate) mod brokered {
    use super::Violation;

    /// What was acknowledged by all in sync is there, unless an unclean election excuses it.
    pub(crate) const KEPT: &str = "broker_acknowledged_kept";
    /// The high watermark is where it has to be, and never falls.
    pub(crate) const WATERMARK: &str = "broker_high_watermark";
    /// Followers have what the leader has.
    pub(crate) const PREFIX: &str = "broker_replicas_agree";
    /// Consumers see what is committed, all of it, in order.
    pub(crate) const READ: &str = "broker_reads_committed";
    /// An idempotent producer's records are there once, without gaps.
    pub(crate) const ONCE: &str = "broker_written_once";
    /// Every record that a replica took is there or accounted for.
    pub(crate) const CONSERVED: &str = "broker_records_conserved";
    /// A partition has one owner in each generation of a group, and always one.
    pub(crate) const OWNED: &str = "broker_partitions_owned";
    /// Only the owner of a partition commits.
    pub(crate) const COMMITTED: &str = "broker_commits_fenced";

    /// The invariant that is broken.
    pub(crate) const fn of(violation: &Violation) -> &'static str {
        match violation {
            Violation::AcknowledgedLost { .. } | Violation::CommittedLost { .. } => KEPT,
            Violation::HighWatermarkFell(_) | Violation::HighWatermarkMisplaced { .. } => WATERMARK,
            Violation::NotAPrefix { .. } => PREFIX,
            Violation::ReadTooFar(_) | Violation::ReadWithGap(_) => READ,
            Violation::WrittenTwice(..) | Violation::SequenceGap(..) => ONCE,
            Violation::Unbalanced(..) => CONSERVED,
        }
    }
}

/// Records that are remembered by what tells them apart, to notice one that was written twice.
const REMEMBERED: usize = 100_000;

/// What a consumer made of its partitions.
#[derive(Default)]
struct Consumed {
    /// Behind the last record that was processed.
    next: BTreeMap<PartitionId, u64>,
    seen: BTreeSet<u64>,
    seen_in_order: VecDeque<u64>,
    distinct: u64,
    again: u64,
    duplicates: u64,
    blocked: BTreeSet<(PartitionId, u64)>,
    /// Records that could be read and were not processed, at the last look and at most.
    lag: u64,
    lag_max: u64,
}

impl Consumed {
    /// How far it is behind what it could read of the topics of which it has read anything.
    fn look_at_lag(&mut self, replicas: &BTreeMap<PartitionId, Vec<&Replica>>) {
        let topics: BTreeSet<u16> = self.next.keys().map(|partition| partition.topic).collect();
        let read = replicas.iter().filter(|(partition, _)| topics.contains(&partition.topic));
        let behind = read.map(|(partition, all)| {
            let committed = all.iter().map(|replica| replica.high_watermark()).max().unwrap_or(0);
            committed.saturating_sub(self.next.get(partition).copied().unwrap_or(0))
        });
        self.lag = behind.sum();
        self.lag_max = self.lag_max.max(self.lag);
    }
}

/// The books.
#[derive(Default)]
pub(crate) struct BrokerBooks {
    log: LogAudit,
    is_used: bool,
    consumed: BTreeMap<ServiceId, Consumed>,
}

impl BrokerBooks {
    pub(crate) fn log(&mut self) -> &mut LogAudit {
        self.is_used = true;
        &mut self.log
    }

    /// Whether there is nothing to look at: no broker has said anything.
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_used
    }

    /// Holds all replicas that are up against each other.
    pub(crate) fn check(&mut self, replicas: Vec<&Replica>) -> Vec<Broken> {
        let mut by_partition: BTreeMap<PartitionId, Vec<&Replica>> = BTreeMap::new();
        for replica in replicas {
            by_partition.entry(replica.partition()).or_default().push(replica);
        }
        for consumed in self.consumed.values_mut() {
            consumed.look_at_lag(&by_partition);
        }
        let verdicts = by_partition.into_iter().map(|(partition, all)| self.log.check(partition, &all));
        let broken = verdicts.filter_map(Result::err);
        broken.map(|violation| (brokered::of(&violation), violation.to_string())).collect()
    }

    /// A consumer has processed a record.
    pub(crate) fn processed(
        &mut self,
        consumer: ServiceId,
        partition: PartitionId,
        offset: u64,
        identity: u64,
    ) {
        let consumed = self.consumed.entry(consumer).or_default();
        let next = consumed.next.entry(partition).or_default();
        if offset < *next {
            consumed.again += 1;
            return;
        }
        *next = offset + 1;
        if !consumed.seen.insert(identity) {
            consumed.duplicates += 1;
            return;
        }
        consumed.distinct += 1;
        consumed.seen_in_order.push_back(identity);
        if consumed.seen_in_order.len() > REMEMBERED {
            let oldest = consumed.seen_in_order.pop_front();
            oldest.map(|oldest| consumed.seen.remove(&oldest));
        }
    }

    /// A consumer cannot process a record.
    pub(crate) fn blocked(&mut self, consumer: ServiceId, partition: PartitionId, offset: u64) {
        self.consumed.entry(consumer).or_default().blocked.insert((partition, offset));
    }

    /// What is in the books, beside what the parties know of themselves.
    pub(crate) fn add_to(&self, plan: &Plan, systems: &mut BTreeMap<String, BTreeMap<String, u64>>) {
        for (service, consumed) in &self.consumed {
            let name = &plan.services[service.index()].name;
            let values = systems.entry(name.clone()).or_default();
            values.insert("processed_distinct".to_string(), consumed.distinct);
            values.insert("processed_again".to_string(), consumed.again);
            values.insert("processed_duplicates".to_string(), consumed.duplicates);
            values.insert("lag".to_string(), consumed.lag);
            values.insert("lag_max".to_string(), consumed.lag_max);
            if !consumed.blocked.is_empty() {
                values.insert("records_blocking".to_string(), consumed.blocked.len() as u64);
            }
        }
        let controllers = plan.services.iter().filter(|service| service.kind.ends_with("broker-controller"));
        let Some(controller) = controllers.map(|service| &service.name).next() else { return };
        let losses = self.log.losses();
        let values = systems.entry(controller.clone()).or_default();
        values.insert("acknowledged".to_string(), self.log.acknowledged());
        values.insert("lost_acks_leader".to_string(), losses.of_leader_acks);
        values.insert("lost_unclean".to_string(), losses.of_unclean_election);
        values.insert("lost_unexcused".to_string(), losses.unexcused);
    }
}
