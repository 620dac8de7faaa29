//! Stories of consumer groups: generations, owners, commits, and the defects that the audit notices.

use crate::arithmetic::keyed_word;
use crate::broker::group::*;
use crate::broker::{MemberId, PartitionId};
use crate::store::MemoryStore;
use crate::time::{Span, Time};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn p(index: u16) -> PartitionId {
    PartitionId { topic: 0, index }
}

fn second(s: u64) -> Time {
    Time::ZERO + Span::from_secs(s)
}

/// A group with members that do what they are told, unless they are stuck.
struct Desk {
    now: Time,
    group: Coordinator<MemoryStore>,
    audit: GroupAudit,
    broken: Option<GroupViolation>,
    /// What each member reads, and of which generation it is.
    members: BTreeMap<MemberId, (u32, Vec<PartitionId>)>,
    rebalances: Vec<(RebalanceCause, u32)>,
    token: u64,
}

impl Desk {
    fn new(config: GroupConfig, partitions: u16, sabotage: Option<GroupSabotage>) -> Desk {
        assert_eq!(config.validate(), Ok(()));
        let group = Coordinator::open("readers", config, MemoryStore::new()).sabotaged(sabotage);
        let (members, audit) = (BTreeMap::new(), GroupAudit::new());
        let mut desk =
            Desk { now: second(1), group, audit, broken: None, members, rebalances: Vec::new(), token: 0 };
        let _ = desk.say(GroupInput::Partitions((0..partitions).map(p).collect()));
        desk
    }

    fn say(&mut self, input: GroupInput) -> Result<(), GroupRejected> {
        let mut out = Vec::new();
        let done = self.group.handle(self.now, input, &mut out);
        self.hear(out);
        done
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Span::from_secs(seconds);
        let mut out = Vec::new();
        self.group.expire(self.now, &mut out).expect("memory does not fail");
        self.hear(out);
    }

    fn hear(&mut self, out: Vec<GroupOutput>) {
        for output in &out {
            let verdict = self.audit.said(output);
            self.broken = self.broken.or(verdict.err());
            match output {
                GroupOutput::Joined { member, generation, assigned, .. } => {
                    let read = assigned.iter().map(|(partition, _)| *partition).collect();
                    self.members.insert(*member, (*generation, read));
                }
                GroupOutput::Rebalanced { cause, moved, .. } => self.rebalances.push((*cause, *moved)),
                GroupOutput::Removed { .. } | GroupOutput::Rebalancing { .. } => {}
            }
        }
        self.broken = self.broken.or(self.audit.check(&self.group).err());
        // Whoever has to give something up does so, and joins again.
        for output in out {
            if let GroupOutput::Joined { member, revoked, .. } = output
                && !revoked.is_empty()
            {
                self.rejoin(member).expect("it is a member");
            }
        }
    }

    fn join(&mut self) {
        self.token += 1;
        self.say(GroupInput::Join { token: self.token, member: None, owned: Vec::new() })
            .expect("there is room");
    }

    fn rejoin(&mut self, member: MemberId) -> Result<(), GroupRejected> {
        let owned = self.members.get(&member).map(|(_, read)| read.clone()).unwrap_or_default();
        self.audit.joins(member, &owned);
        self.token += 1;
        self.say(GroupInput::Join { token: self.token, member: Some(member), owned })
    }

    /// Everybody who hears that the group rebalances joins again.
    fn heartbeats(&mut self, except: Option<MemberId>) {
        let ids: Vec<MemberId> = self.members.keys().copied().filter(|id| Some(*id) != except).collect();
        for member in ids {
            let generation = self.members[&member].0;
            match self.say(GroupInput::Heartbeat { member, generation }) {
                Ok(()) => {}
                Err(GroupRejected::Rebalancing | GroupRejected::IllegalGeneration { .. }) => {
                    let _ = self.rejoin(member);
                }
                Err(_) => {
                    self.members.remove(&member);
                }
            }
        }
    }

    fn commit(
        &mut self,
        member: MemberId,
        generation: u32,
        partition: PartitionId,
        offset: u64,
    ) -> Result<(), GroupRejected> {
        let offsets = vec![(partition, offset)];
        self.say(GroupInput::Commit { member, generation, offsets: offsets.clone() })?;
        let verdict = self.audit.committed(member, generation, &offsets, true);
        self.broken = self.broken.or(verdict.err());
        Ok(())
    }

    fn owner(&self, partition: PartitionId) -> Option<MemberId> {
        self.group.members().find(|(_, read)| read.contains(&partition)).map(|(id, _)| id)
    }
}

fn config(protocol: Protocol) -> GroupConfig {
    GroupConfig { protocol, ..GroupConfig::default() }
}

#[test]
fn the_first_members_wait_for_each_other_and_then_share_everything() {
    let mut desk = Desk::new(config(Protocol::Eager), 7, None);
    for _ in 0..3 {
        desk.join();
    }
    assert!(desk.members.is_empty());
    desk.pass(3);
    let mut shares: Vec<usize> = desk.members.values().map(|(_, read)| read.len()).collect();
    shares.sort_unstable();
    assert_eq!((shares, desk.group.generation(), desk.broken), (vec![2, 2, 3], 1, None));
    assert_eq!(desk.rebalances, [(RebalanceCause::MemberJoined, 7)]);
}

#[test]
fn in_a_cooperative_rebalance_only_what_moves_is_given_up_and_that_first() {
    let mut desk = Desk::new(config(Protocol::Cooperative), 4, None);
    desk.join();
    desk.pass(3);
    desk.join();
    desk.heartbeats(None);
    // One generation in which two partitions are given up: their owner joins again at once, the other when it hears.
    assert_eq!((desk.group.generation(), desk.group.rebalancing()), (2, Some(RebalanceCause::Revoked)));
    let reads = |desk: &Desk| desk.group.members().map(|(_, read)| read.len()).collect::<Vec<_>>();
    assert_eq!(reads(&desk), [2, 0]);
    desk.heartbeats(None);
    assert_eq!((desk.group.generation(), desk.group.rebalancing()), (3, None));
    assert_eq!((reads(&desk), desk.broken), (vec![2, 2], None));
    let moved: Vec<u32> = desk.rebalances.iter().map(|(_, moved)| *moved).collect();
    assert_eq!(moved, [4, 0, 2]);
}

#[test]
fn a_member_that_is_not_heard_of_loses_its_partitions_and_cannot_commit_them() {
    for sabotage in [None, Some(GroupSabotage::IgnoresGeneration)] {
        let mut desk = Desk::new(config(Protocol::Eager), 2, sabotage);
        desk.join();
        desk.join();
        desk.pass(3);
        let ids: Vec<MemberId> = desk.members.keys().copied().collect();
        let (stuck, partition) = (ids[0], desk.members[&ids[0]].1[0]);
        desk.audit.processed(partition, 4);
        for _ in 0..5 {
            desk.pass(10);
            desk.heartbeats(Some(stuck));
        }
        assert_eq!(desk.owner(partition), Some(ids[1]));
        assert_eq!(desk.rebalances.last().map(|(cause, _)| *cause), Some(RebalanceCause::SessionEnded));
        let late = desk.commit(stuck, 1, partition, 5);
        assert_eq!(late.is_ok(), sabotage.is_some());
        let expected = sabotage.map(|_| GroupViolation::StaleCommit(stuck));
        assert_eq!((desk.broken, desk.group.committed(partition).is_some()), (expected, sabotage.is_some()));
        assert_eq!(desk.group.counts().fenced_commits, u64::from(sabotage.is_none()));
    }
}

#[test]
fn processing_longer_than_the_poll_bound_makes_one_rebalance_after_the_other() {
    let mut desk = Desk::new(config(Protocol::Eager), 2, None);
    desk.join();
    desk.join();
    desk.pass(3);
    let before = desk.group.generation();
    for _ in 0..5 {
        // One of them is stuck in its records, says so itself, and comes back as somebody new.
        let member = *desk.members.keys().next().expect("there are two");
        desk.members.remove(&member);
        desk.say(GroupInput::Leave { member, reason: LeaveReason::PollBound }).expect("it was a member");
        desk.join();
        desk.heartbeats(None);
    }
    assert_eq!(desk.group.generation(), before + 5);
    assert!(desk.rebalances.iter().skip(1).all(|(cause, _)| *cause == RebalanceCause::PollBound));
    assert_eq!(desk.broken, None);
}

#[test]
fn whoever_does_not_join_in_time_is_left_out_of_the_next_generation() {
    let quick = GroupConfig { poll_interval: Span::from_secs(20), ..config(Protocol::Eager) };
    let mut desk = Desk::new(quick, 2, None);
    desk.join();
    desk.pass(3);
    desk.join();
    assert_eq!(desk.group.rebalancing(), Some(RebalanceCause::MemberJoined));
    desk.pass(20);
    assert_eq!((desk.group.members().count(), desk.group.generation()), (1, 2));
}

#[test]
fn offsets_and_generations_outlive_the_coordinator_and_members_do_not() {
    let mut desk = Desk::new(config(Protocol::Eager), 2, None);
    desk.join();
    desk.pass(3);
    let member = *desk.members.keys().next().expect("it has joined");
    desk.audit.processed(p(0), 9);
    desk.commit(member, 1, p(0), 10).expect("it owns everything");
    assert_eq!(desk.group.lag(p(0), 0, 25), 15);
    assert_eq!(desk.group.lag(p(1), 20, 25), 5, "what has expired is no lag");
    let store = desk.group.into_store();
    let mut group = Coordinator::open("readers", config(Protocol::Eager), store);
    assert_eq!((group.committed(p(0)), group.generation()), (Some(10), 1));
    let stale = GroupInput::Commit { member, generation: 1, offsets: vec![(p(0), 11)] };
    assert_eq!(group.handle(desk.now, stale, &mut Vec::new()), Err(GroupRejected::UnknownMember(member)));
    let other = Coordinator::open("others", config(Protocol::Eager), group.into_store());
    assert_eq!(other.committed(p(0)), None);
}

#[test]
fn more_than_was_processed_is_not_to_be_committed_and_the_audit_says_so() {
    let mut desk = Desk::new(config(Protocol::Eager), 1, None);
    desk.join();
    desk.pass(3);
    let member = *desk.members.keys().next().expect("it has joined");
    desk.audit.processed(p(0), 3);
    desk.commit(member, 1, p(0), 4).expect("it owns everything");
    assert_eq!(desk.broken, None);
    desk.commit(member, 1, p(0), 5).expect("the coordinator cannot know");
    assert_eq!(desk.broken, Some(GroupViolation::CommittedAhead(p(0))));
}

#[test]
fn every_defect_of_an_assignment_is_noticed() {
    let defects = [
        (GroupSabotage::AssignsTwice, GroupViolation::TwoOwners(p(0))),
        (GroupSabotage::ForgetsPartition, GroupViolation::NoOwner(p(3))),
    ];
    for (sabotage, expected) in defects {
        let mut desk = Desk::new(config(Protocol::Eager), 4, Some(sabotage));
        desk.join();
        desk.join();
        desk.pass(3);
        assert_eq!(desk.broken, Some(expected), "{sabotage:?}");
    }
    let mut desk = Desk::new(config(Protocol::Cooperative), 4, Some(GroupSabotage::AssignsBeforeRevoked));
    desk.join();
    desk.pass(3);
    desk.join();
    desk.heartbeats(None);
    assert!(matches!(desk.broken, Some(GroupViolation::NotGivenUp(_))), "{:?}", desk.broken);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whoever_comes_goes_or_is_silent_nobody_reads_what_another_reads_and_in_the_end_all_is_read(
        seed in any::<u64>(), partitions in 1u16..9, which in 0usize..6,
    ) {
        let assignor = [Assignor::Range, Assignor::RoundRobin, Assignor::Sticky][which % 3];
        let protocol = if which < 3 { Protocol::Eager } else { Protocol::Cooperative };
        let config = GroupConfig { assignor, protocol, poll_interval: Span::from_secs(40), ..GroupConfig::default() };
        let mut desk = Desk::new(config, partitions, None);
        for step in 0..60 {
            let word = keyed_word(seed, step);
            let somebody = desk.members.keys().nth(word as usize >> 8 & 3).copied();
            match (word % 8, somebody) {
                (0, _) if desk.members.len() < 6 => desk.join(),
                (1, Some(member)) => {
                    desk.members.remove(&member);
                    let _ = desk.say(GroupInput::Leave { member, reason: LeaveReason::Closed });
                }
                (2, _) => desk.pass(word >> 16 & 15),
                (3, silent) => desk.heartbeats(silent),
                (4, Some(member)) => {
                    let (generation, read) = desk.members[&member].clone();
                    if let Some(partition) = read.first() {
                        desk.audit.processed(*partition, step);
                        let _ = desk.commit(member, generation, *partition, step + 1);
                    }
                }
                _ => desk.heartbeats(None),
            }
            prop_assert_eq!(desk.broken, None);
        }
        for _ in 0..20 {
            desk.pass(3);
            desk.heartbeats(None);
            prop_assert_eq!(desk.broken, None);
        }
        prop_assert_eq!(desk.group.rebalancing(), None);
        if desk.group.members().next().is_some() {
            let mut read: Vec<PartitionId> = desk.group.members().flat_map(|(_, read)| read.to_vec()).collect();
            read.sort_unstable();
            prop_assert_eq!(read, (0..partitions).map(p).collect::<Vec<_>>());
            if assignor == Assignor::Sticky || assignor == Assignor::RoundRobin {
                let sizes: Vec<usize> = desk.group.members().map(|(_, read)| read.len()).collect();
                let (least, most) = (sizes.iter().min(), sizes.iter().max());
                prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1));
            }
        }
    }
}
