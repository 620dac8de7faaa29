//! Says who leads each partition and who is in sync, and notices brokers that are not heard of. Never touches a record.

use super::super::{BrokerId, LeaderEpoch, PartitionId};
use super::config::{ControllerConfig, Sabotage};
use super::message::{AlterIsr, Assignment};
use crate::store::{Batch, Store, StoreError};
use crate::time::Time;
use std::collections::BTreeMap;
use std::fmt;

/// What a controller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControllerInput {
    /// A partition is to be kept on these brokers; the first is the one that should lead. One that is there already is
    /// left as it is.
    Create {
        /// Which.
        partition: PartitionId,
        /// Where. At least one.
        replicas: Vec<BrokerId>,
    },
    /// A broker has started.
    Register {
        /// Which.
        broker: BrokerId,
        /// Names this start of it: any number but 0 that it has not used before.
        incarnation: u64,
        /// Whether it has everything that it had: not after its machine has died with writes that were not synced.
        has_everything: bool,
    },
    /// A broker is there.
    Heartbeat {
        /// Which.
        broker: BrokerId,
        /// Which start of it.
        incarnation: u64,
    },
    /// A broker is about to stop on purpose.
    Leave {
        /// Which.
        broker: BrokerId,
    },
    /// A leader wants other replicas to count as in sync.
    AlterIsr(AlterIsr),
    /// The first replica of a partition should lead again, if it is in sync.
    Prefer {
        /// Of which partition.
        partition: PartitionId,
    },
}

/// Why a leader was elected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ElectionCause {
    /// The partition is new.
    Created,
    /// The leader was not heard of.
    SessionEnded,
    /// The leader has started again.
    Restarted,
    /// The leader left on purpose.
    Left,
    /// A replica that may lead has come.
    Returned,
    /// It was asked for.
    Preferred,
}

/// What should happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControllerOutput {
    /// To a broker. May be lost: [`Controller::changes_since`] tells it again.
    Assign {
        /// To whom.
        broker: BrokerId,
        /// What.
        assignment: Assignment,
    },
    /// For the record: a leader was elected.
    Elected {
        /// Who leads what.
        assignment: Assignment,
        /// Why.
        cause: ElectionCause,
    },
    /// For the record: nobody may lead.
    Offline {
        /// What.
        partition: PartitionId,
    },
    /// For the record: a broker is not heard of any more.
    Fenced {
        /// Which.
        broker: BrokerId,
    },
}

/// Why an input is refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControllerRejected {
    /// This start of the broker is not registered: register again.
    NotRegistered(BrokerId),
    /// There is no such partition.
    UnknownPartition(PartitionId),
    /// It has to be on at least one broker, and on none twice.
    BadReplicas,
    /// Whoever asks does not lead in that epoch, knows an older state, or names somebody who cannot be in sync. Here is
    /// how it stands.
    Stale(Assignment),
    /// Nothing could be written down.
    Store(StoreError),
}

impl fmt::Display for ControllerRejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControllerRejected::NotRegistered(BrokerId(id)) => {
                write!(f, "broker {id} is not registered: register again")
            }
            ControllerRejected::UnknownPartition(id) => write!(f, "there is no partition {id}: create it"),
            ControllerRejected::BadReplicas => f.write_str("name at least one broker, and none twice"),
            ControllerRejected::Stale(now) => write!(
                f,
                "partition {} stands at version {} in epoch {}: go on from there",
                now.partition, now.version, now.epoch.0
            ),
            ControllerRejected::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ControllerRejected {}

#[derive(Clone, Copy, Debug)]
struct Session {
    incarnation: u64,
    until: Time,
    is_there: bool,
}

#[derive(Clone, Debug)]
struct Kept {
    assignment: Assignment,
    /// Whether the only replica in sync has lost what it had not synced.
    is_torn: bool,
}

/// The controller of a cluster.
#[derive(Clone, Debug)]
pub struct Controller<S> {
    config: ControllerConfig,
    brokers: BTreeMap<BrokerId, Session>,
    partitions: BTreeMap<PartitionId, Kept>,
    store: S,
    batch: Batch,
    changes: u64,
    sabotage: Option<Sabotage>,
}

/// The start of a broker that was up before this controller was.
const UNKNOWN: u64 = 0;
/// Where the rows of partitions begin in a store.
const ROWS: &[u8] = b"c";

/// Replicas, those in sync, leader, epoch, version, whether the leader was unclean, whether the last one is torn.
type Row = (Vec<u32>, Vec<u32>, Option<u32>, u32, u64, bool, bool);

impl<S: Store> Controller<S> {
    /// A controller over what a store has. Every broker that it knows of has a whole session to be heard of.
    pub fn open(config: ControllerConfig, store: S, now: Time) -> Controller<S> {
        let mut partitions = BTreeMap::new();
        store.scan(ROWS, &mut |key, stored| {
            let found = PartitionId::of_row(&key[ROWS.len()..]).zip(postcard::from_bytes(stored.value).ok());
            if let Some(((partition, _, _), row)) = found {
                partitions.insert(partition, of_row(partition, row));
            }
            true
        });
        let session = Session { incarnation: UNKNOWN, until: now + config.session, is_there: true };
        let replicas = partitions.values().flat_map(|kept| &kept.assignment.replicas);
        let brokers = replicas.map(|broker| (*broker, session)).collect();
        let changes = partitions.values().map(|kept| kept.assignment.version).max().unwrap_or(0);
        Controller { config, brokers, partitions, store, batch: Batch::new(), changes, sabotage: None }
    }

    /// The same with a defect, for tests of the checks that have to notice it.
    #[must_use]
    pub fn sabotaged(mut self, sabotage: Option<Sabotage>) -> Controller<S> {
        self.sabotage = sabotage;
        self
    }

    /// What it writes to.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// What it wrote to.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Who leads a partition.
    pub fn assignment(&self, partition: PartitionId) -> Option<&Assignment> {
        self.partitions.get(&partition).map(|kept| &kept.assignment)
    }

    /// All partitions.
    pub fn assignments(&self) -> impl Iterator<Item = &Assignment> {
        self.partitions.values().map(|kept| &kept.assignment)
    }

    /// Whether a broker is heard of.
    pub fn is_there(&self, broker: BrokerId) -> bool {
        self.brokers.get(&broker).is_some_and(|session| session.is_there)
    }

    /// What has changed for a broker since a number that this returned before; 0 for everything.
    pub fn changes_since(&self, broker: BrokerId, known: u64) -> (u64, Vec<Assignment>) {
        let of_broker = self.assignments().filter(|assignment| assignment.replicas.contains(&broker));
        (self.changes, of_broker.filter(|assignment| assignment.version > known).cloned().collect())
    }

    /// Takes in what happened.
    ///
    /// # Errors
    /// [`ControllerRejected`].
    pub fn handle(
        &mut self,
        now: Time,
        input: ControllerInput,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), ControllerRejected> {
        let before = out.len();
        match input {
            ControllerInput::Create { partition, replicas } => self.create(partition, replicas, out)?,
            ControllerInput::Register { broker, incarnation, has_everything } => {
                self.register(now, broker, incarnation, has_everything, out);
            }
            ControllerInput::Heartbeat { broker, incarnation } => self.hear(now, broker, incarnation)?,
            ControllerInput::Leave { broker } => {
                if let Some(session) = self.brokers.get_mut(&broker) {
                    session.is_there = false;
                    self.lost(broker, ElectionCause::Left, out);
                }
            }
            ControllerInput::AlterIsr(alter) => self.alter(alter, out)?,
            ControllerInput::Prefer { partition } => self.prefer(partition, out)?,
        }
        self.write_down(now, before, out)
    }

    /// When the next session ends.
    pub fn deadline(&self) -> Option<Time> {
        self.brokers.values().filter(|session| session.is_there).map(|session| session.until).min()
    }

    /// Ends the sessions of those who have not been heard of.
    ///
    /// # Errors
    /// [`ControllerRejected::Store`].
    pub fn expire(&mut self, now: Time, out: &mut Vec<ControllerOutput>) -> Result<(), ControllerRejected> {
        let before = out.len();
        let silent = self.brokers.iter_mut().filter(|(_, session)| session.is_there && session.until <= now);
        let silent: Vec<BrokerId> = silent
            .map(|(broker, session)| {
                session.is_there = false;
                *broker
            })
            .collect();
        for broker in silent {
            out.push(ControllerOutput::Fenced { broker });
            self.lost(broker, ElectionCause::SessionEnded, out);
        }
        self.write_down(now, before, out)
    }

    /// What was decided leaves the house once it is written.
    fn write_down(
        &mut self,
        now: Time,
        before: usize,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), ControllerRejected> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        self.store.commit(now, &batch).map(|_| ()).map_err(|error| {
            out.truncate(before);
            ControllerRejected::Store(error)
        })
    }

    fn create(
        &mut self,
        partition: PartitionId,
        replicas: Vec<BrokerId>,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), ControllerRejected> {
        let has_twice = (1..replicas.len()).any(|at| replicas[..at].contains(&replicas[at]));
        if replicas.is_empty() || has_twice {
            return Err(ControllerRejected::BadReplicas);
        }
        if self.partitions.contains_key(&partition) {
            return Ok(());
        }
        let assignment = Assignment { partition, isr: replicas.clone(), replicas, ..Assignment::default() };
        self.partitions.insert(partition, Kept { assignment, is_torn: false });
        self.elect(partition, None, ElectionCause::Created, out);
        Ok(())
    }

    fn hear(&mut self, now: Time, broker: BrokerId, incarnation: u64) -> Result<(), ControllerRejected> {
        let session = self.brokers.get_mut(&broker);
        let is_known = |session: &&mut Session| {
            session.is_there && (session.incarnation == incarnation || session.incarnation == UNKNOWN)
        };
        let session = session.filter(is_known).ok_or(ControllerRejected::NotRegistered(broker))?;
        (session.incarnation, session.until) = (incarnation, now + self.config.session);
        Ok(())
    }

    fn register(
        &mut self,
        now: Time,
        broker: BrokerId,
        incarnation: u64,
        has_everything: bool,
        out: &mut Vec<ControllerOutput>,
    ) {
        let session = Session { incarnation, until: now + self.config.session, is_there: true };
        let was_there = self
            .brokers
            .insert(broker, session)
            .is_some_and(|before| before.is_there && before.incarnation != incarnation);
        for partition in self.partitions_of(broker) {
            let Some(kept) = self.partitions.get_mut(&partition) else { continue };
            let assignment = &mut kept.assignment;
            if !has_everything && assignment.isr.contains(&broker) {
                if assignment.isr.len() > 1 {
                    assignment.isr.retain(|replica| *replica != broker);
                    self.changed(partition, out);
                } else {
                    kept.is_torn = true;
                }
            }
            let leader = self.partitions[&partition].assignment.leader;
            if leader.is_none() {
                self.elect(partition, None, ElectionCause::Returned, out);
            } else if leader == Some(broker) && (was_there || !has_everything) {
                self.elect(partition, Some(broker), ElectionCause::Restarted, out);
            } else {
                self.tell(partition, Some(broker), out);
            }
        }
    }

    /// A broker does not count any more.
    fn lost(&mut self, broker: BrokerId, cause: ElectionCause, out: &mut Vec<ControllerOutput>) {
        for partition in self.partitions_of(broker) {
            let Some(kept) = self.partitions.get_mut(&partition) else { continue };
            let assignment = &mut kept.assignment;
            // The last one in sync stays the one that has everything.
            let leaves = assignment.isr.len() > 1 && assignment.isr.contains(&broker);
            if leaves {
                assignment.isr.retain(|replica| *replica != broker);
            }
            if assignment.leader == Some(broker) {
                self.elect(partition, Some(broker), cause, out);
            } else if leaves {
                self.changed(partition, out);
            }
        }
    }

    fn partitions_of(&self, broker: BrokerId) -> Vec<PartitionId> {
        let of_broker = self.assignments().filter(|assignment| assignment.replicas.contains(&broker));
        of_broker.map(|assignment| assignment.partition).collect()
    }

    /// Elects a leader in a new epoch: one in sync, `avoid` only if there is no other, and an unclean one only if that
    /// is allowed.
    fn elect(
        &mut self,
        partition: PartitionId,
        avoid: Option<BrokerId>,
        cause: ElectionCause,
        out: &mut Vec<ControllerOutput>,
    ) {
        let brokers = &self.brokers;
        let Some(kept) = self.partitions.get_mut(&partition) else { return };
        let now = &mut kept.assignment;
        let is_there = |broker: &&BrokerId| brokers.get(broker).is_some_and(|session| session.is_there);
        let is_clean = |broker: &&BrokerId| now.isr.contains(broker);
        let there: Vec<BrokerId> = now.replicas.iter().filter(is_there).copied().collect();
        let anybody = self.sabotage == Some(Sabotage::ElectsAnybody);
        let clean = there.iter().filter(is_clean);
        let mut chosen = clean.clone().find(|broker| Some(**broker) != avoid).or(clean.clone().next());
        let mut is_unclean = chosen.is_some() && kept.is_torn;
        if anybody {
            (chosen, is_unclean) = (there.iter().rfind(|broker| Some(**broker) != avoid), false);
        } else if chosen.is_none() && self.config.unclean_election {
            (chosen, is_unclean) = (there.first(), !there.is_empty());
        }
        let chosen = chosen.copied();
        if chosen.is_none() && now.leader.is_none() {
            return;
        }
        if let Some(leader) = chosen {
            if !now.isr.contains(&leader) {
                now.isr = vec![leader];
            }
            kept.is_torn = false;
            now.epoch = LeaderEpoch(now.epoch.0.saturating_add(1));
        }
        (now.leader, now.is_unclean) = (chosen, is_unclean);
        self.changed(partition, out);
        let assignment = self.partitions[&partition].assignment.clone();
        out.push(match chosen {
            Some(_) => ControllerOutput::Elected { assignment, cause },
            None => ControllerOutput::Offline { partition },
        });
    }

    fn changed(&mut self, partition: PartitionId, out: &mut Vec<ControllerOutput>) {
        self.changes += 1;
        if let Some(kept) = self.partitions.get_mut(&partition) {
            kept.assignment.version = self.changes;
            let key = [ROWS, &partition.row(b'a', None)].concat();
            // A tuple of numbers and lists of numbers always has a form.
            let row = postcard::to_allocvec(&row_of(kept)).expect("plain numbers can be written down");
            self.batch.put(key, row);
        }
        self.tell(partition, None, out);
    }

    /// Tells one broker, or all that have the partition.
    fn tell(&self, partition: PartitionId, only: Option<BrokerId>, out: &mut Vec<ControllerOutput>) {
        let Some(kept) = self.partitions.get(&partition) else { return };
        for broker in kept.assignment.replicas.iter().copied() {
            if only.is_none_or(|only| only == broker) && self.is_there(broker) {
                out.push(ControllerOutput::Assign { broker, assignment: kept.assignment.clone() });
            }
        }
    }

    fn alter(&mut self, alter: AlterIsr, out: &mut Vec<ControllerOutput>) -> Result<(), ControllerRejected> {
        let partition = alter.partition;
        let kept = self.partitions.get(&partition);
        let now = &kept.ok_or(ControllerRejected::UnknownPartition(partition))?.assignment;
        let is_current = now.leader == Some(alter.leader)
            && now.epoch == alter.epoch
            && now.version == alter.version
            && alter.isr.contains(&alter.leader);
        let can_be = |broker: &BrokerId| now.replicas.contains(broker) && self.is_there(*broker);
        if !is_current || !alter.isr.iter().all(can_be) {
            let now = now.clone();
            self.tell(partition, Some(alter.leader), out);
            return Err(ControllerRejected::Stale(now));
        }
        if let Some(kept) = self.partitions.get_mut(&partition) {
            kept.assignment.isr = alter.isr;
        }
        self.changed(partition, out);
        Ok(())
    }

    fn prefer(
        &mut self,
        partition: PartitionId,
        out: &mut Vec<ControllerOutput>,
    ) -> Result<(), ControllerRejected> {
        let kept = self.partitions.get(&partition);
        let now = &kept.ok_or(ControllerRejected::UnknownPartition(partition))?.assignment;
        let first = now.replicas.first().copied();
        let may_lead = first.is_some_and(|first| now.isr.contains(&first) && self.is_there(first));
        if may_lead && now.leader != first {
            self.elect(partition, now.leader, ElectionCause::Preferred, out);
        }
        Ok(())
    }
}

fn row_of(kept: &Kept) -> Row {
    let numbers = |brokers: &[BrokerId]| brokers.iter().map(|broker| broker.0).collect();
    let now = &kept.assignment;
    (
        numbers(&now.replicas),
        numbers(&now.isr),
        now.leader.map(|leader| leader.0),
        now.epoch.0,
        now.version,
        now.is_unclean,
        kept.is_torn,
    )
}

fn of_row(partition: PartitionId, (replicas, isr, leader, epoch, version, is_unclean, is_torn): Row) -> Kept {
    let brokers = |numbers: Vec<u32>| numbers.into_iter().map(BrokerId).collect();
    let assignment = Assignment {
        partition,
        replicas: brokers(replicas),
        isr: brokers(isr),
        leader: leader.map(BrokerId),
        epoch: LeaderEpoch(epoch),
        version,
        is_unclean,
    };
    Kept { assignment, is_torn }
}
