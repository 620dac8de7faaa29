//! The coordinator of one group: who is a member, which generation it is, and how far the group has got. Offsets and
//! generations outlive it; members do not, and join again.

use super::super::{MemberId, PartitionId};
use super::assign::{Shares, assign};
use super::config::{GroupConfig, GroupSabotage, Protocol};
use super::message::{GroupInput, GroupOutput, GroupRejected, LeaveReason, RebalanceCause};
use crate::store::{Batch, Store};
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// What has happened in a group, over restarts of its coordinator not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCounts {
    /// Generations begun.
    pub generations: u64,
    /// Commits taken.
    pub commits: u64,
    /// Commits refused because they came from an older generation, or from nobody.
    pub fenced_commits: u64,
    /// Partitions that changed hands.
    pub moved: u64,
}

#[derive(Clone, Debug)]
struct Member {
    session_until: Time,
    /// Whether it waits for the next generation, and under which token.
    joining: Option<u64>,
    /// What it still reads of what it was given.
    owned: Vec<PartitionId>,
    assigned: Vec<PartitionId>,
}

#[derive(Clone, Copy, Debug)]
struct Rebalance {
    cause: RebalanceCause,
    since: Time,
    until: Time,
    /// Whether it waits to the end even if everybody has come.
    is_initial: bool,
}

/// The coordinator of a group.
#[derive(Clone, Debug)]
pub struct Coordinator<S> {
    config: GroupConfig,
    /// The beginning of its keys in the store.
    rows: Vec<u8>,
    store: S,
    partitions: BTreeSet<PartitionId>,
    members: BTreeMap<MemberId, Member>,
    generation: u32,
    named: u32,
    rebalance: Option<Rebalance>,
    /// What the members of this generation will get once others have given it up.
    awaited: BTreeSet<PartitionId>,
    offsets: BTreeMap<PartitionId, u64>,
    counts: GroupCounts,
    sabotage: Option<GroupSabotage>,
}

const OFFSET: u8 = b'o';

impl<S: Store> Coordinator<S> {
    /// A coordinator over what a store has of the group `name`. Its generations begin after the last one.
    pub fn open(name: &str, config: GroupConfig, store: S) -> Coordinator<S> {
        let rows = [b"g", name.as_bytes(), b"\0"].concat();
        let (mut offsets, mut generation) = (BTreeMap::new(), 0);
        store.scan(&rows, &mut |key, stored| {
            let word = stored.value.split_first_chunk().map_or(0, |(word, _)| u64::from_le_bytes(*word));
            match PartitionId::of_row(&key[rows.len()..]) {
                Some((partition, OFFSET, _)) => {
                    offsets.insert(partition, word);
                }
                Some(_) | None => generation = word as u32,
            }
            true
        });
        Coordinator {
            config,
            rows,
            store,
            partitions: BTreeSet::new(),
            members: BTreeMap::new(),
            generation,
            named: 0,
            rebalance: None,
            awaited: BTreeSet::new(),
            offsets,
            counts: GroupCounts::default(),
            sabotage: None,
        }
    }

    /// The same with a defect, for tests of the checks that have to notice it.
    #[must_use]
    pub fn sabotaged(mut self, sabotage: Option<GroupSabotage>) -> Coordinator<S> {
        self.sabotage = sabotage;
        self
    }

    /// What it writes to.
    pub const fn store(&self) -> &S {
        &self.store
    }
    /// What it wrote to: all that a crash leaves of it.
    pub fn into_store(self) -> S {
        self.store
    }
    /// How it works.
    pub const fn config(&self) -> &GroupConfig {
        &self.config
    }
    /// What has happened.
    pub const fn counts(&self) -> GroupCounts {
        self.counts
    }
    /// The generation.
    pub const fn generation(&self) -> u32 {
        self.generation
    }
    /// Whether a rebalance is on, and why.
    pub fn rebalancing(&self) -> Option<RebalanceCause> {
        self.rebalance.map(|rebalance| rebalance.cause)
    }
    /// The members and what they read in this generation.
    pub fn members(&self) -> impl Iterator<Item = (MemberId, &[PartitionId])> {
        self.members.iter().map(|(id, member)| (*id, member.assigned.as_slice()))
    }
    /// What the group reads.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionId> {
        self.partitions.iter().copied()
    }
    /// What has an owner only after somebody else has given it up.
    pub fn awaited(&self) -> impl Iterator<Item = PartitionId> {
        self.awaited.iter().copied()
    }
    /// The next offset to be read, as committed.
    pub fn committed(&self, partition: PartitionId) -> Option<u64> {
        self.offsets.get(&partition).copied()
    }
    /// How many records that can be read the group has not committed.
    pub fn lag(&self, partition: PartitionId, start: u64, high_watermark: u64) -> u64 {
        high_watermark.saturating_sub(self.committed(partition).unwrap_or(0).max(start))
    }

    /// Takes in what happened.
    ///
    /// # Errors
    /// [`GroupRejected`].
    pub fn handle(
        &mut self,
        now: Time,
        input: GroupInput,
        out: &mut Vec<GroupOutput>,
    ) -> Result<(), GroupRejected> {
        match input {
            GroupInput::Join { token, member, owned } => self.join(now, token, member, owned, out),
            GroupInput::Heartbeat { member, generation } => self.hear(now, member, generation),
            GroupInput::Leave { member, reason } => {
                let cause = match reason {
                    LeaveReason::Closed => RebalanceCause::MemberLeft,
                    LeaveReason::PollBound => RebalanceCause::PollBound,
                };
                if !self.members.contains_key(&member) {
                    return Err(GroupRejected::UnknownMember(member));
                }
                self.remove(now, member, cause, out);
                self.complete_if_all_are_here(now, out)
            }
            GroupInput::Commit { member, generation, offsets } => {
                let done = self.commit(now, member, generation, &offsets);
                self.counts.fenced_commits += u64::from(done.is_err());
                done
            }
            GroupInput::Partitions(partitions) => {
                let partitions: BTreeSet<PartitionId> = partitions.into_iter().collect();
                if self.partitions != partitions {
                    self.partitions = partitions;
                    self.begin(now, RebalanceCause::PartitionsChanged, out);
                }
                Ok(())
            }
        }
    }

    /// When [`expire`](Coordinator::expire) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        let sessions = self.members.values().filter(|member| member.joining.is_none());
        let sessions = sessions.map(|member| member.session_until);
        sessions.chain(self.rebalance.map(|rebalance| rebalance.until)).min()
    }

    /// Removes who has not been heard of, and ends a rebalance that has waited long enough.
    ///
    /// # Errors
    /// [`GroupRejected::Store`].
    pub fn expire(&mut self, now: Time, out: &mut Vec<GroupOutput>) -> Result<(), GroupRejected> {
        let is_over = self.rebalance.is_some_and(|rebalance| rebalance.until <= now);
        let gone = |(id, member): (&MemberId, &Member)| {
            let is_silent = member.session_until <= now;
            let cause = if is_silent { RebalanceCause::SessionEnded } else { RebalanceCause::PollBound };
            (member.joining.is_none() && (is_silent || is_over)).then_some((*id, cause))
        };
        let gone: Vec<(MemberId, RebalanceCause)> = self.members.iter().filter_map(gone).collect();
        for (member, cause) in gone {
            self.remove(now, member, cause, out);
        }
        if is_over && let Some(rebalance) = &mut self.rebalance {
            rebalance.is_initial = false;
        }
        self.complete_if_all_are_here(now, out)
    }

    fn join(
        &mut self,
        now: Time,
        token: u64,
        member: Option<MemberId>,
        mut owned: Vec<PartitionId>,
        out: &mut Vec<GroupOutput>,
    ) -> Result<(), GroupRejected> {
        let max_members = self.config.max_members;
        let (id, cause) = match member {
            Some(id) => {
                let known = self.members.get(&id).ok_or(GroupRejected::UnknownMember(id))?;
                // Nobody owns what it was not given.
                owned.retain(|partition| known.assigned.contains(partition));
                let has_given_up = owned.len() < known.assigned.len() || !self.awaited.is_empty();
                let is_second_round = self.config.protocol == Protocol::Cooperative && has_given_up;
                let cause =
                    if is_second_round { RebalanceCause::Revoked } else { RebalanceCause::MemberRejoined };
                (id, cause)
            }
            None if self.members.len() >= max_members as usize => {
                return Err(GroupRejected::GroupFull { max_members });
            }
            None => {
                self.named = self.named.wrapping_add(1);
                let id = MemberId(u64::from(self.generation) << 32 | u64::from(self.named));
                owned.clear();
                (id, RebalanceCause::MemberJoined)
            }
        };
        if self.config.protocol == Protocol::Eager {
            owned.clear();
        }
        let session_until = now + self.config.session;
        let assigned = self.members.get(&id).map(|member| member.assigned.clone()).unwrap_or_default();
        let joining = Some(token);
        self.begin(now, cause, out);
        self.members.insert(id, Member { session_until, joining, owned, assigned });
        self.complete_if_all_are_here(now, out)
    }

    fn hear(&mut self, now: Time, id: MemberId, generation: u32) -> Result<(), GroupRejected> {
        let current = self.generation;
        let member = self.members.get_mut(&id).ok_or(GroupRejected::UnknownMember(id))?;
        if generation != current {
            return Err(GroupRejected::IllegalGeneration { current });
        }
        member.session_until = now + self.config.session;
        if self.rebalance.is_some() { Err(GroupRejected::Rebalancing) } else { Ok(()) }
    }

    fn commit(
        &mut self,
        now: Time,
        id: MemberId,
        generation: u32,
        offsets: &[(PartitionId, u64)],
    ) -> Result<(), GroupRejected> {
        let current = self.generation;
        if self.sabotage != Some(GroupSabotage::IgnoresGeneration) {
            let member = self.members.get_mut(&id).ok_or(GroupRejected::UnknownMember(id))?;
            if generation != current {
                return Err(GroupRejected::IllegalGeneration { current });
            }
            if let Some((strange, _)) =
                offsets.iter().find(|(partition, _)| !member.assigned.contains(partition))
            {
                return Err(GroupRejected::NotAssigned(*strange));
            }
            member.session_until = now + self.config.session;
        }
        let mut batch = Batch::new();
        for (partition, offset) in offsets {
            let key = [self.rows.as_slice(), &partition.row(OFFSET, None)].concat();
            batch.put(key, offset.to_le_bytes());
        }
        self.store.commit(now, &batch).map_err(GroupRejected::Store)?;
        self.offsets.extend(offsets.iter().copied());
        self.counts.commits += 1;
        Ok(())
    }

    fn remove(&mut self, now: Time, member: MemberId, cause: RebalanceCause, out: &mut Vec<GroupOutput>) {
        if self.members.remove(&member).is_some() {
            out.push(GroupOutput::Removed { member, cause });
            self.begin(now, cause, out);
        }
    }

    /// Begins a rebalance unless one is on.
    fn begin(&mut self, now: Time, cause: RebalanceCause, out: &mut Vec<GroupOutput>) {
        if self.rebalance.is_some() {
            return;
        }
        let is_initial = self.members.is_empty() && cause == RebalanceCause::MemberJoined;
        if self.members.is_empty() && !is_initial {
            return;
        }
        let wait = if is_initial { self.config.initial_delay } else { self.config.poll_interval };
        self.rebalance = Some(Rebalance { cause, since: now, until: now + wait, is_initial });
        out.push(GroupOutput::Rebalancing { generation: self.generation, cause });
    }

    fn complete_if_all_are_here(
        &mut self,
        now: Time,
        out: &mut Vec<GroupOutput>,
    ) -> Result<(), GroupRejected> {
        let Some(rebalance) = self.rebalance else { return Ok(()) };
        if self.members.is_empty() {
            self.rebalance = None;
            return Ok(());
        }
        let waits = rebalance.is_initial && rebalance.until > now;
        if waits || self.members.values().any(|member| member.joining.is_none()) {
            return Ok(());
        }
        let next = self.generation.saturating_add(1);
        let mut batch = Batch::new();
        batch.put([self.rows.as_slice(), b"generation"].concat(), u64::from(next).to_le_bytes());
        self.store.commit(now, &batch).map_err(GroupRejected::Store)?;
        self.generation = next;
        self.rebalance = None;
        self.counts.generations += 1;
        let moved = self.share_out(now, out);
        self.counts.moved += u64::from(moved);
        out.push(GroupOutput::Rebalanced {
            generation: self.generation,
            cause: rebalance.cause,
            members: self.members.len() as u32,
            moved,
            took: now.since(rebalance.since),
        });
        Ok(())
    }

    /// Gives everybody its share of the new generation; how many partitions changed hands.
    fn share_out(&mut self, now: Time, out: &mut Vec<GroupOutput>) -> u32 {
        let ids: Vec<MemberId> = self.members.keys().copied().collect();
        let partitions: Vec<PartitionId> = self.partitions.iter().copied().collect();
        let had: Shares = self.members.iter().map(|(id, member)| (*id, member.assigned.clone())).collect();
        let mut shares = assign(self.config.assignor, &ids, &partitions, &had);
        let mut owners: BTreeMap<PartitionId, MemberId> = BTreeMap::new();
        for (id, member) in &self.members {
            owners.extend(member.owned.iter().map(|partition| (*partition, *id)));
        }
        self.sabotage_shares(&mut shares);
        self.awaited.clear();
        let mut moved = 0;
        for (id, member) in &mut self.members {
            let share = shares.remove(id).unwrap_or_default();
            let revoked: Vec<PartitionId> =
                member.owned.iter().copied().filter(|partition| !share.contains(partition)).collect();
            let is_free = |partition: &PartitionId| {
                self.sabotage == Some(GroupSabotage::AssignsBeforeRevoked)
                    || owners.get(partition).is_none_or(|owner| owner == id)
            };
            let (free, awaited): (Vec<_>, Vec<_>) = share.into_iter().partition(is_free);
            self.awaited.extend(awaited);
            moved += free.iter().filter(|partition| !member.assigned.contains(partition)).count() as u32;
            member.session_until = now + self.config.session;
            let assigned =
                free.iter().map(|partition| (*partition, self.offsets.get(partition).copied())).collect();
            member.assigned = free;
            member.owned.clone_from(&member.assigned);
            if let Some(token) = member.joining.take() {
                let (generation, member) = (self.generation, *id);
                out.push(GroupOutput::Joined { token, member, generation, assigned, revoked });
            }
        }
        moved
    }

    fn sabotage_shares(&self, shares: &mut Shares) {
        match self.sabotage {
            Some(GroupSabotage::AssignsTwice) => {
                let first = self.partitions.first().copied();
                for share in shares.values_mut() {
                    share.retain(|partition| Some(*partition) != first);
                    share.extend(first);
                }
            }
            Some(GroupSabotage::ForgetsPartition) => {
                let last = self.partitions.last().copied();
                for share in shares.values_mut() {
                    share.retain(|partition| Some(*partition) != last);
                }
            }
            Some(GroupSabotage::IgnoresGeneration | GroupSabotage::AssignsBeforeRevoked) | None => {}
        }
    }
}
