//! All jobs and every index over them. One function puts a row in, for a command and after a crash alike, so that
//! what is rebuilt is what there was. Never decides.

use super::config::{Retention, SchedulerConfig};
use super::job::*;
use super::message::Leadership;
use super::ready::{Rank, Ready};
use super::row::{Counts, Row};
use super::unique::UniqueKey;
use crate::time::{Span, Time};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// What is due for a job, in the order it happens at the same instant: a job whose deadline comes with its turn does
/// not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Deadline,
    LeaseEnd,
    Wake,
    Prune,
}

#[derive(Clone, Debug)]
struct Slot {
    job: Box<Job>,
    rank: Option<Rank>,
}

/// One queue's jobs.
#[derive(Clone, Debug, Default)]
pub(super) struct QueueState {
    pub(super) ready: Ready,
    pub(super) running: u32,
    pub(super) live: u64,
    pub(super) paused: bool,
    /// Running jobs at most: the config's number, or what ran already when it was lowered, until that has ended.
    pub(super) running_bound: u32,
}

/// Everything a scheduler knows.
#[derive(Clone, Debug)]
pub(super) struct State {
    jobs: BTreeMap<JobId, Slot>,
    pub(super) queues: Vec<QueueState>,
    pub(super) running_by_kind: Vec<u32>,
    timers: BTreeSet<(Time, Due, JobId)>,
    unique: BTreeMap<UniqueKey, JobId>,
    requests: BTreeMap<RequestId, JobId>,
    /// Parent and child, while the child waits.
    children: BTreeSet<(JobId, JobId)>,
    live_by_schedule: BTreeSet<(ScheduleId, JobId)>,
    running: BTreeSet<JobId>,
    pub(super) live: u64,
    pub(super) terminal: u64,
    pub(super) counts: Counts,
    pub(super) leader: Option<Leadership>,
    pub(super) last_ticks: BTreeMap<ScheduleId, Time>,
}

impl State {
    pub(super) fn new(config: &SchedulerConfig) -> State {
        State {
            jobs: BTreeMap::new(),
            queues: vec![QueueState::default(); config.queues.len()],
            running_by_kind: vec![0; config.kinds.len()],
            timers: BTreeSet::new(),
            unique: BTreeMap::new(),
            requests: BTreeMap::new(),
            children: BTreeSet::new(),
            live_by_schedule: BTreeSet::new(),
            running: BTreeSet::new(),
            live: 0,
            terminal: 0,
            counts: Counts::default(),
            leader: None,
            last_ticks: BTreeMap::new(),
        }
    }

    /// Puts rows in. Rows of queues or kinds that the config does not have are left out; the caller has checked.
    pub(super) fn put_all(&mut self, rows: Vec<Row>, config: &SchedulerConfig) {
        for row in rows {
            match row {
                Row::Job(job) => self.put(job, config),
                Row::Removed(id) => self.remove(id, &config.keep),
                Row::Counts(counts) => self.counts = counts,
                Row::Queue { queue, paused } => self.queues[usize::from(queue.0)].paused = paused,
                Row::Leader(leader) => self.leader = Some(leader),
                Row::Schedule { schedule, last_tick } => {
                    self.last_ticks.insert(schedule, last_tick);
                }
            }
        }
    }

    /// What runs when a config comes in may go on running, however little the config allows.
    pub(super) fn take_over(&mut self, rows: Vec<Row>, config: &SchedulerConfig) {
        self.put_all(rows, config);
        for (queue, limits) in self.queues.iter_mut().zip(&config.queues) {
            queue.running_bound = limits.max_running.max(queue.running);
        }
    }

    /// Everything in it, as rows.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.jobs.values().map(|slot| Row::Job(slot.job.clone())).collect();
        rows.push(Row::Counts(self.counts));
        let queues = (0u16..).zip(&self.queues);
        rows.extend(queues.map(|(id, queue)| Row::Queue { queue: QueueId(id), paused: queue.paused }));
        rows.extend(self.leader.map(Row::Leader));
        rows.extend(
            self.last_ticks
                .iter()
                .map(|(schedule, tick)| Row::Schedule { schedule: *schedule, last_tick: *tick }),
        );
        rows
    }

    fn put(&mut self, job: Box<Job>, config: &SchedulerConfig) {
        let queue = usize::from(job.queue.0);
        // Taken out for a moment, so that a slot can be changed in its place beside the indexes.
        let mut jobs = std::mem::take(&mut self.jobs);
        match jobs.entry(job.id) {
            Entry::Occupied(mut slot) => {
                self.unindex(slot.get(), &config.keep, job.state == JobState::Running);
                let rank = self.index(&job, config);
                slot.insert(Slot { job, rank });
            }
            Entry::Vacant(place) => {
                let rank = self.index(&job, config);
                place.insert(Slot { job, rank });
            }
        }
        self.jobs = jobs;
        let state = &mut self.queues[queue];
        state.running_bound = state.running_bound.min(state.running).max(config.queues[queue].max_running);
    }

    fn remove(&mut self, id: JobId, keep: &Retention) {
        if let Some(slot) = self.jobs.remove(&id) {
            self.unindex(&slot, keep, false);
        }
    }

    fn index(&mut self, job: &Job, config: &SchedulerConfig) -> Option<Rank> {
        self.timers.extend(due(job, &config.keep).into_iter().flatten().map(|(at, what)| (at, what, job.id)));
        if job.holds_unique_key()
            && let Some(key) = &job.unique
        {
            self.unique.insert(key.clone(), job.id);
        }
        self.requests.extend(job.request.map(|request| (request, job.id)));
        self.children.extend(job.waiting_on.iter().map(|parent| (*parent, job.id)));
        if job.state.is_terminal() {
            self.terminal += 1;
            return None;
        }
        self.live += 1;
        self.live_by_schedule.extend(job.schedule.map(|schedule| (schedule, job.id)));
        let queue = &mut self.queues[usize::from(job.queue.0)];
        queue.live += 1;
        if job.state == JobState::Running {
            queue.running += 1;
            self.running_by_kind[usize::from(job.kind.0)] += 1;
            self.running.insert(job.id);
        }
        (job.state == JobState::Available)
            .then(|| queue.ready.insert(job, &config.queues[usize::from(job.queue.0)]))
    }

    fn unindex(&mut self, slot: &Slot, keep: &Retention, given: bool) {
        let job = &slot.job;
        for (at, what) in due(job, keep).into_iter().flatten() {
            self.timers.remove(&(at, what, job.id));
        }
        if let Some(key) = &job.unique
            && self.unique.get(key) == Some(&job.id)
        {
            self.unique.remove(key);
        }
        if let Some(request) = job.request {
            self.requests.remove(&request);
        }
        for parent in &job.waiting_on {
            self.children.remove(&(*parent, job.id));
        }
        if job.state.is_terminal() {
            self.terminal -= 1;
            return;
        }
        self.live -= 1;
        if let Some(schedule) = job.schedule {
            self.live_by_schedule.remove(&(schedule, job.id));
        }
        let queue = &mut self.queues[usize::from(job.queue.0)];
        queue.live -= 1;
        if let Some(rank) = slot.rank {
            queue.ready.remove(job, rank, given);
        }
        if job.state == JobState::Running {
            queue.running -= 1;
            self.running_by_kind[usize::from(job.kind.0)] -= 1;
            self.running.remove(&job.id);
        }
    }

    pub(super) fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id).map(|slot| &*slot.job)
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values().map(|slot| &*slot.job)
    }

    pub(super) fn running(&self) -> impl Iterator<Item = &Job> {
        self.running.iter().filter_map(|id| self.job(*id))
    }

    pub(super) fn holder(&self, key: &UniqueKey) -> Option<JobId> {
        self.unique.get(key).copied()
    }

    pub(super) fn requested(&self, request: RequestId) -> Option<JobId> {
        self.requests.get(&request).copied()
    }

    /// Those that wait for this job.
    pub(super) fn children(&self, parent: JobId) -> impl Iterator<Item = JobId> + '_ {
        self.children.range((parent, JobId(0))..=(parent, JobId(u64::MAX))).map(|(_, child)| *child)
    }

    /// Jobs of a schedule that have not ended.
    pub(super) fn live_of(&self, schedule: ScheduleId) -> impl Iterator<Item = &Job> {
        let ids = self.live_by_schedule.range((schedule, JobId(0))..=(schedule, JobId(u64::MAX)));
        ids.filter_map(|(_, id)| self.job(*id))
    }

    pub(super) fn next_timer(&self) -> Option<(Time, Due, JobId)> {
        self.timers.first().copied()
    }

    pub(super) fn timers(&self) -> &BTreeSet<(Time, Due, JobId)> {
        &self.timers
    }
}

/// What is due for a job, at most two things at once.
pub(super) fn due(job: &Job, keep: &Retention) -> [Option<(Time, Due)>; 2] {
    let kept = |span: Span| {
        // For ever, or past the end of time: never.
        let until = job.finished_at.and_then(|at| at.checked_add(span)).filter(|_| span != Span::MAX);
        until.map(|until| (until, Due::Prune))
    };
    // A worker that was told to stop is told once.
    let deadline = job.deadline.filter(|_| job.stop.is_none()).map(|at| (at, Due::Deadline));
    let timers = match job.state {
        JobState::Pending | JobState::Available => [deadline, None],
        JobState::Scheduled | JobState::Retryable => [deadline, Some((job.due_at, Due::Wake))],
        JobState::Running => [deadline, job.lease.map(|lease| (lease.until, Due::LeaseEnd))],
        JobState::Completed => [kept(keep.completed), None],
        JobState::Cancelled => [kept(keep.cancelled), None],
        JobState::Discarded => [kept(keep.discarded), None],
    };
    // What never comes is not waited for.
    timers.map(|timer| timer.filter(|(at, _)| *at < Time::MAX))
}
