//! All jobs and every index over them. One function puts a row in, for a command and after a crash alike, so that
//! what is rebuilt is what there was. Never decides.

use super::config::{Retention, SchedulerConfig};
use super::job::*;
use super::message::Leadership;
use super::pages::Pages;
use super::ready::Ready;
use super::row::{Counts, Row};
use super::unique::UniqueKey;
use crate::time::{Span, Time};
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
    /// The tenant's turn that it was given when it became available; 0 if it is not, or where tenants take none.
    turn: u64,
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
    jobs: Pages<Slot>,
    pub(super) queues: Vec<QueueState>,
    pub(super) running_by_kind: Vec<u32>,
    timers: BTreeSet<(Time, Due, JobId)>,
    unique: BTreeMap<UniqueKey, JobId>,
    requests: BTreeMap<RequestId, JobId>,
    /// Parent and child, while the child waits.
    children: BTreeSet<(JobId, JobId)>,
    live_by_schedule: BTreeSet<(ScheduleId, JobId)>,
    pub(super) live: u64,
    pub(super) terminal: u64,
    pub(super) counts: Counts,
    pub(super) leader: Option<Leadership>,
    pub(super) last_ticks: BTreeMap<ScheduleId, Time>,
}

impl State {
    pub(super) fn new(config: &SchedulerConfig) -> State {
        State {
            jobs: Pages::default(),
            queues: vec![QueueState::default(); config.queues.len()],
            running_by_kind: vec![0; config.kinds.len()],
            timers: BTreeSet::new(),
            unique: BTreeMap::new(),
            requests: BTreeMap::new(),
            children: BTreeSet::new(),
            live_by_schedule: BTreeSet::new(),
            live: 0,
            terminal: 0,
            counts: Counts::default(),
            leader: None,
            last_ticks: BTreeMap::new(),
        }
    }

    /// Puts rows in. Rows of queues or kinds that the config does not have are left out; the caller has checked.
    pub(super) fn put_all(&mut self, rows: impl IntoIterator<Item = Row>, config: &SchedulerConfig) {
        for row in rows {
            match row {
                Row::Job(job) => self.put(job, config),
                Row::Removed(id) => self.remove(id, config),
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
        jobs.put(job.id, |before| {
            let turn = self.index(before, Some(&job), config);
            Slot { job, turn }
        });
        self.jobs = jobs;
        let state = &mut self.queues[queue];
        state.running_bound = state.running_bound.min(state.running).max(config.queues[queue].max_running);
    }

    fn remove(&mut self, id: JobId, config: &SchedulerConfig) {
        if let Some(slot) = self.jobs.remove(id) {
            self.index(Some(&slot), None, config);
        }
    }

    /// Brings every index from what a job was to what it is; what stays the same is not touched. The turn that it got
    /// if it has become available.
    fn index(&mut self, before: Option<&Slot>, after: Option<&Job>, config: &SchedulerConfig) -> u64 {
        let was = before.map(|slot| &*slot.job);
        let Some(id) = was.or(after).map(|job| job.id) else { return 0 };
        self.index_timers(id, was, after, &config.keep);
        self.index_keys(id, was, after);
        self.index_relatives(id, was, after);
        if let Some(job) = was {
            self.count_out(job);
        }
        if let Some(job) = after {
            self.count_in(job);
        }
        if let Some(slot) = before.filter(|slot| slot.job.state == JobState::Available) {
            let queue = usize::from(slot.job.queue.0);
            let is_given = after.is_some_and(|job| job.state == JobState::Running);
            self.queues[queue].ready.remove(&slot.job, slot.turn, &config.queues[queue], is_given);
        }
        after.filter(|job| job.state == JobState::Available).map_or(0, |job| {
            let queue = usize::from(job.queue.0);
            self.queues[queue].ready.insert(job, &config.queues[queue])
        })
    }

    fn index_timers(&mut self, id: JobId, was: Option<&Job>, is: Option<&Job>, keep: &Retention) {
        let timers = |job: Option<&Job>| job.map_or([None; 2], |job| due(job, keep));
        let (old, new) = (timers(was), timers(is));
        for (at, what) in old.into_iter().filter(|timer| !new.contains(timer)).flatten() {
            self.timers.remove(&(at, what, id));
        }
        for (at, what) in new.into_iter().filter(|timer| !old.contains(timer)).flatten() {
            self.timers.insert((at, what, id));
        }
    }

    fn index_keys(&mut self, id: JobId, was: Option<&Job>, is: Option<&Job>) {
        let (old, new) = (was.and_then(|job| job.request), is.and_then(|job| job.request));
        if old != new {
            old.map(|request| self.requests.remove(&request));
            new.map(|request| self.requests.insert(request, id));
        }
        let (old, new) = (was.and_then(held_key), is.and_then(held_key));
        if old == new {
            return;
        }
        if let Some(key) = old.filter(|key| self.unique.get(key) == Some(&id)) {
            self.unique.remove(key);
        }
        new.map(|key| self.unique.insert(key.clone(), id));
    }

    /// The jobs it waits for, and the schedule that it is a live job of.
    fn index_relatives(&mut self, id: JobId, was: Option<&Job>, is: Option<&Job>) {
        let (old, new) = (waiting_on(was), waiting_on(is));
        if old != new {
            for parent in old {
                self.children.remove(&(*parent, id));
            }
            self.children.extend(new.iter().map(|parent| (*parent, id)));
        }
        let live = |job: &Job| job.schedule.filter(|_| !job.state.is_terminal());
        let (old, new) = (was.and_then(live), is.and_then(live));
        if old != new {
            old.map(|schedule| self.live_by_schedule.remove(&(schedule, id)));
            new.map(|schedule| self.live_by_schedule.insert((schedule, id)));
        }
    }

    fn count_in(&mut self, job: &Job) {
        if job.state.is_terminal() {
            self.terminal += 1;
            return;
        }
        self.live += 1;
        let queue = &mut self.queues[usize::from(job.queue.0)];
        queue.live += 1;
        if job.state == JobState::Running {
            queue.running += 1;
            self.running_by_kind[usize::from(job.kind.0)] += 1;
        }
    }

    fn count_out(&mut self, job: &Job) {
        if job.state.is_terminal() {
            self.terminal -= 1;
            return;
        }
        self.live -= 1;
        let queue = &mut self.queues[usize::from(job.queue.0)];
        queue.live -= 1;
        if job.state == JobState::Running {
            queue.running -= 1;
            self.running_by_kind[usize::from(job.kind.0)] -= 1;
        }
    }

    pub(super) fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(id).map(|slot| &*slot.job)
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values().map(|slot| &*slot.job)
    }

    /// Those that a worker has, of all there are: for what happens once.
    pub(super) fn running(&self) -> impl Iterator<Item = &Job> {
        self.jobs().filter(|job| job.state == JobState::Running)
    }

    pub(super) fn is_running_any(&self) -> bool {
        self.queues.iter().any(|queue| queue.running > 0)
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

/// The jobs it waits for.
fn waiting_on(job: Option<&Job>) -> &[JobId] {
    job.map_or(&[], |job| &job.waiting_on)
}

/// The unique key that it keeps others out by.
fn held_key(job: &Job) -> Option<&UniqueKey> {
    job.unique.as_ref().filter(|_| job.holds_unique_key())
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
