//! In which order available jobs are given out: by rank, where a rank is fixed when a job becomes available. Never
//! decides whether a job may start.

use super::config::{Fairness, PriorityOrder, QueueConfig};
use super::job::{Job, JobId, KindId, TenantId};
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// A job's place among the available ones: lower goes first.
///
/// Ageing makes all ranks fall equally fast, so that their order never changes while jobs wait: a rank is the instant
/// from which a job of the highest priority would have had to wait to be its equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// 0 if strict; else the instant above, in nanoseconds, or in steps where tenants take turns.
    class: u128,
    priority: u8,
    /// The tenant's turn; 0 where tenants take none.
    turn: u64,
    since: Time,
    id: JobId,
}

/// The available jobs of one queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Ready {
    /// By kind, so that a kind that may not start costs nothing to pass over.
    by_kind: BTreeMap<KindId, BTreeSet<Rank>>,
    /// The latest turn given to a tenant that still waits, by priority.
    turns: BTreeMap<(u8, TenantId), u64>,
    /// The latest turn taken, by priority: the virtual time of fair queueing.
    taken: BTreeMap<u8, u64>,
    len: usize,
}

impl Ready {
    /// Jobs in it.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a job and says which turn it got.
    pub(super) fn insert(&mut self, job: &Job, queue: &QueueConfig) -> u64 {
        let turn = match queue.fairness {
            Fairness::Fifo => 0,
            Fairness::Tenants => self.next_turn(job.priority, job.tenant),
        };
        self.by_kind.entry(job.kind).or_default().insert(rank(job, turn, queue));
        self.len += 1;
        turn
    }

    fn next_turn(&mut self, priority: u8, tenant: TenantId) -> u64 {
        let taken = self.taken.get(&priority).copied().unwrap_or(0);
        let turn = self.turns.entry((priority, tenant)).or_insert(taken);
        *turn = (*turn).max(taken).saturating_add(1);
        *turn
    }

    /// Takes a job out that was given this turn: it was given away, or it is no longer available.
    pub(super) fn remove(&mut self, job: &Job, turn: u64, queue: &QueueConfig, given: bool) {
        if let Some(ranks) = self.by_kind.get_mut(&job.kind) {
            // A kind stays when its last job goes: the next one is not far.
            self.len -= usize::from(ranks.remove(&rank(job, turn, queue)));
        }
        if turn == 0 {
            return;
        }
        if given {
            let taken = self.taken.entry(job.priority).or_default();
            *taken = (*taken).max(turn);
        }
        let tenant = (job.priority, job.tenant);
        if self.turns.get(&tenant) == Some(&turn) {
            self.turns.remove(&tenant);
        }
    }

    /// The first job of the kinds that may start.
    pub(super) fn first(&self, mut may_start: impl FnMut(KindId) -> bool) -> Option<JobId> {
        let heads = self.by_kind.iter().filter_map(|(kind, ranks)| Some((*kind, ranks.first()?)));
        heads.filter(|(kind, _)| may_start(*kind)).map(|(_, rank)| rank).min().map(|rank| rank.id)
    }

    /// Kinds that have a job in it.
    pub(super) fn kinds(&self) -> impl Iterator<Item = KindId> + '_ {
        self.by_kind.iter().filter(|(_, ranks)| !ranks.is_empty()).map(|(kind, _)| *kind)
    }
}

/// Where a job stands that was given this turn.
fn rank(job: &Job, turn: u64, queue: &QueueConfig) -> Rank {
    let since = u128::from(job.due_at.as_nanos());
    let class = match (queue.order, queue.fairness) {
        (PriorityOrder::Strict, _) => 0,
        (PriorityOrder::Aging { step }, Fairness::Fifo) => {
            since + u128::from(step.as_nanos()) * u128::from(job.priority)
        }
        (PriorityOrder::Aging { step }, Fairness::Tenants) => {
            since / u128::from(step.as_nanos().max(1)) + u128::from(job.priority)
        }
    };
    Rank { class, priority: job.priority, turn, since: job.due_at, id: job.id }
}
