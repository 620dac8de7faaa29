//! The invariants of a group, held by somebody who hears everything that is said. Changes nothing.

use super::super::{MemberId, PartitionId};
use super::coordinator::Coordinator;
use super::message::GroupOutput;
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// An invariant that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupViolation {
    /// Two members read a partition in one generation.
    TwoOwners(PartitionId),
    /// Somebody got a partition that another member has not given up yet.
    NotGivenUp(PartitionId),
    /// A partition has no owner although the group has members and is not rebalancing.
    NoOwner(PartitionId),
    /// A commit of an older generation, or of somebody who does not own the partition, was taken.
    StaleCommit(MemberId),
    /// More was committed than was processed.
    CommittedAhead(PartitionId),
}

impl fmt::Display for GroupViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupViolation::TwoOwners(at) => write!(f, "two members read {at} in one generation"),
            GroupViolation::NotGivenUp(at) => write!(f, "{at} was given away before it was given up"),
            GroupViolation::NoOwner(at) => write!(f, "nobody reads {at}"),
            GroupViolation::StaleCommit(member) => {
                write!(f, "a commit of member {} was taken that must not be", member.0)
            }
            GroupViolation::CommittedAhead(at) => write!(f, "more of {at} was committed than processed"),
        }
    }
}

impl std::error::Error for GroupViolation {}

/// Watches a group.
#[derive(Clone, Debug, Default)]
pub struct GroupAudit {
    generation: u32,
    owners: BTreeMap<PartitionId, MemberId>,
    /// What members still read although it was not given to them in this generation.
    not_given_up: BTreeMap<PartitionId, MemberId>,
    processed: BTreeMap<PartitionId, u64>,
}

impl GroupAudit {
    /// Has heard nothing.
    pub fn new() -> GroupAudit {
        GroupAudit::default()
    }

    /// The coordinator has said something.
    ///
    /// # Errors
    /// [`GroupViolation`].
    pub fn said(&mut self, output: &GroupOutput) -> Result<(), GroupViolation> {
        match output {
            GroupOutput::Joined { member, generation, assigned, revoked, .. } => {
                if *generation != self.generation {
                    self.generation = *generation;
                    self.owners.clear();
                }
                self.not_given_up.extend(revoked.iter().map(|partition| (*partition, *member)));
                for (partition, _) in assigned {
                    if self.owners.insert(*partition, *member).is_some_and(|other| other != *member) {
                        return Err(GroupViolation::TwoOwners(*partition));
                    }
                }
                let both = self.not_given_up.iter().find(|(partition, holder)| {
                    self.owners.get(partition).is_some_and(|owner| owner != *holder)
                });
                both.map_or(Ok(()), |(partition, _)| Err(GroupViolation::NotGivenUp(*partition)))
            }
            GroupOutput::Removed { member, .. } => {
                self.not_given_up.retain(|_, holder| holder != member);
                Ok(())
            }
            GroupOutput::Rebalancing { .. } | GroupOutput::Rebalanced { .. } => Ok(()),
        }
    }

    /// A member joins again: what it does not name it has given up.
    pub fn joins(&mut self, member: MemberId, owned: &[PartitionId]) {
        self.not_given_up.retain(|partition, holder| *holder != member || owned.contains(partition));
    }

    /// A member has processed a record.
    pub fn processed(&mut self, partition: PartitionId, offset: u64) {
        let next = self.processed.entry(partition).or_insert(0);
        *next = (*next).max(offset.saturating_add(1));
    }

    /// A commit was taken. With `after_processing` nothing may be committed that was not processed.
    ///
    /// # Errors
    /// [`GroupViolation`].
    pub fn committed(
        &self,
        member: MemberId,
        generation: u32,
        offsets: &[(PartitionId, u64)],
        after_processing: bool,
    ) -> Result<(), GroupViolation> {
        for (partition, offset) in offsets {
            if generation != self.generation || self.owners.get(partition) != Some(&member) {
                return Err(GroupViolation::StaleCommit(member));
            }
            let processed = self.processed.get(partition).copied().unwrap_or(0);
            if after_processing && *offset > processed {
                return Err(GroupViolation::CommittedAhead(*partition));
            }
        }
        Ok(())
    }

    /// Everything is read by somebody, or will be once somebody else has given it up.
    ///
    /// # Errors
    /// [`GroupViolation`].
    pub fn check<S: Store>(&self, group: &Coordinator<S>) -> Result<(), GroupViolation> {
        if group.rebalancing().is_some() || group.members().next().is_none() {
            return Ok(());
        }
        let mut owned: BTreeSet<PartitionId> = group.awaited().collect();
        owned.extend(group.members().flat_map(|(_, assigned)| assigned.iter().copied()));
        let missing = group.partitions().find(|partition| !owned.contains(partition));
        missing.map_or(Ok(()), |partition| Err(GroupViolation::NoOwner(partition)))
    }
}
