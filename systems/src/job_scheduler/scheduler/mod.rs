//! The scheduler: takes commands, writes down what they change, and only then answers. Holds no thread and no timer;
//! whoever drives it carries out what it says and comes back at its deadline.

mod control; // pausing, draining
mod enqueue; // letting jobs in
mod fetch; // giving jobs out
mod finish; // what workers say about their jobs
mod lead; // who leads, and the ticks it enqueues
mod timers; // what happens by itself
mod txn; // what one command changes

use super::audit::Violation;
use super::config::{ConfigError, KindConfig, SchedulerConfig};
use super::job::*;
use super::message::{Input, Leadership, Output, Rejected};
use super::outbox::Outbox;
use super::row::{self, Row};
use super::state::State;
use crate::rate_limiter::Gcra;
use crate::store::{Batch, CommitNumber, Store, StoreError};
use crate::time::Time;
use control::Drain;
use std::fmt;
use txn::{Staged, Txn};

/// A job scheduler over a store.
///
/// Drive it so: hand it inputs as they come, and call [`Scheduler::expire`] at [`Scheduler::deadline`]; after either,
/// carry out all that is in the outbox. Every command first does what has come due. An answer is given only once what
/// it says is in the store; after a crash, open the store again, and nothing that was answered is undone. With a store
/// that syncs in groups that is so only from the moment when [`Scheduler::durable`] has reached what was
/// [`Scheduler::last_commit`]: keep what is said in a [`Held`](crate::store::Held) until then.
///
/// Jobs run at least once: a worker that lost its lease may still be running. Its commit is refused, by the token; what
/// it does elsewhere is refused there if that place keeps a [`Fence`](super::Fence).
#[derive(Clone, Debug)]
pub struct Scheduler<S> {
    config: SchedulerConfig,
    store: S,
    state: State,
    limits: Vec<Option<Gcra>>,
    drain: Option<Drain>,
    /// The store refused what was due; not before then again.
    stalled_until: Option<Time>,
    /// The last one it made.
    last_commit: CommitNumber,
    /// What was written last: its memory is used again.
    spare: Batch,
    /// Empty: the room of the last change, for the next one.
    room: Staged,
    #[cfg(test)]
    pub(super) sabotage: Sabotage,
}

/// What a broken variant does wrong.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sabotage {
    #[default]
    None,
    /// The token is not compared.
    NoFence,
    /// Heartbeats do not extend leases, and the rescuer does not say so.
    RescuesTheLiving,
    /// The unique key is not looked up.
    NoUniqueKey,
    /// Answers go out although the store has failed.
    AnswersBeforeCommit,
    /// One more job than the queue's concurrency.
    OneTooMany,
    /// Any available job will do.
    NoPriorities,
    /// Drain lets heartbeats extend leases for ever.
    EndlessDrain,
    /// Ticks are enqueued without looking at what was noted.
    ForgetsTicks,
    /// A lost lease is not counted as an attempt, nor as lost.
    ForgivesPoison,
}

/// Why a scheduler could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The config is wrong.
    Config(ConfigError),
    /// The store holds a row that cannot be read: restore it from a copy.
    Corrupt,
    /// The store has a row of a queue, kind or schedule that the config does not have: add it.
    NotInConfig,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Config(error) => error.fmt(f),
            OpenError::Corrupt => f.write_str("a job in the store cannot be read: restore it from a copy"),
            OpenError::NotInConfig => f.write_str(
                "the store has jobs of a queue, a kind or a schedule that the config has not: keep old entries",
            ),
        }
    }
}

impl std::error::Error for OpenError {}

impl<S: Store> Scheduler<S> {
    /// Takes over what is in the store: after a crash, or for the first time.
    ///
    /// # Errors
    /// [`OpenError`]: the config is out of range, or does not fit what is in the store.
    pub fn open(config: SchedulerConfig, store: S, now: Time) -> Result<Scheduler<S>, OpenError> {
        config.validate().map_err(OpenError::Config)?;
        let rows = row::load(&store).ok_or(OpenError::Corrupt)?;
        if !rows.iter().all(|row| fits(row, &config)) {
            return Err(OpenError::NotInConfig);
        }
        let mut state = State::new(&config);
        state.take_over(rows, &config);
        let last_commit = store.durable();
        let limits = config.kinds.iter().map(|kind| kind.rate.map(|rate| Gcra::new(rate, now))).collect();
        Ok(Scheduler {
            config,
            store,
            state,
            limits,
            drain: None,
            stalled_until: None,
            last_commit,
            spare: Batch::new(),
            room: Staged::default(),
            #[cfg(test)]
            sabotage: Sabotage::None,
        })
    }

    /// Follows a new config. Leases that are out stay as they are; what was saved up of a rate stays as far as the new
    /// burst has room.
    ///
    /// # Errors
    /// [`ConfigError`]: it is out of range, or lacks what jobs may refer to. The old one stays.
    pub fn reconfigure(&mut self, config: SchedulerConfig, now: Time) -> Result<(), ConfigError> {
        config.validate()?;
        let lists = [
            ("queues", config.queues.len(), self.config.queues.len()),
            ("kinds", config.kinds.len(), self.config.kinds.len()),
            ("schedules", config.schedules.len(), self.config.schedules.len()),
        ];
        if let Some((list, ..)) = lists.into_iter().find(|(_, new, old)| new < old) {
            return Err(ConfigError::Shrinks { list });
        }
        let rows = self.state.rows();
        self.state = State::new(&config);
        self.state.take_over(rows, &config);
        self.limits.resize(config.kinds.len(), None);
        for (limit, kind) in self.limits.iter_mut().zip(&config.kinds) {
            match (limit.as_mut(), kind.rate) {
                (Some(limit), Some(rate)) => limit.reconfigure(rate, now),
                (None, Some(rate)) => *limit = Some(Gcra::new(rate, now)),
                (_, None) => *limit = None,
            }
        }
        self.config = config;
        Ok(())
    }

    /// Does what is asked, after what has come due.
    ///
    /// # Errors
    /// [`Rejected`] says why not; then nothing was done but what had come due.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Outbox<Output>) -> Result<(), Rejected> {
        self.settle(now, out).map_err(Rejected::Store)?;
        match input {
            Input::Enqueue(job) => self.decide(now, out, |txn| enqueue::one(txn, job)),
            Input::EnqueueWorkflow(workflow) => self.decide(now, out, |txn| enqueue::workflow(txn, workflow)),
            Input::Fetch { worker, pool, max, entropy } => {
                self.fetch(now, fetch::Request { worker, pool, max, entropy }, out)
            }
            Input::Heartbeat { job, token, progress_ppm } => {
                let extends = self.extends_leases(now);
                self.decide(now, out, |txn| finish::heartbeat(txn, job, token, progress_ppm, extends))
            }
            Input::Complete { job, token, result } => {
                self.decide(now, out, |txn| finish::complete(txn, job, token, result))
            }
            Input::Fail { job, token, failure } => {
                self.decide(now, out, |txn| finish::fail(txn, job, token, failure))
            }
            Input::Snooze { job, token, pause } => {
                self.decide(now, out, |txn| finish::snooze(txn, job, token, pause))
            }
            Input::Cancel { job } => self.decide(now, out, |txn| finish::cancel(txn, job)),
            Input::RetryNow { job } => self.decide(now, out, |txn| finish::retry_now(txn, job)),
            Input::Pause { queue } => self.decide(now, out, |txn| control::pause(txn, queue, true)),
            Input::Resume { queue } => self.decide(now, out, |txn| control::pause(txn, queue, false)),
            Input::Drain { grace } => {
                self.begin_drain(now, grace, out);
                Ok(())
            }
            Input::Reopen => {
                self.reopen(out);
                Ok(())
            }
            Input::Campaign { node } => self.decide(now, out, |txn| lead::campaign(txn, node)),
            Input::Resign { node, term } => self.decide(now, out, |txn| lead::resign(txn, node, term)),
            Input::Tick { term, schedule, at, fire } => {
                self.decide(now, out, |txn| lead::tick(txn, term, schedule, at, fire))
            }
        }
    }

    /// When [`Scheduler::expire`] wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        let timer = self.state.next_timer().map(|(at, ..)| at);
        let drain = self.drain.as_ref().and_then(Drain::deadline);
        let due = timer.into_iter().chain(drain).chain(self.store.deadline()).min()?;
        Some(self.stalled_until.map_or(due, |until| due.max(until)))
    }

    /// Does what has come due: wakes jobs, takes lost leases back, gives up what is too late, forgets what is old, and
    /// syncs the store when it wants to be.
    pub fn expire(&mut self, now: Time, out: &mut Outbox<Output>) {
        if self.stalled_until.is_some_and(|until| now < until) {
            return;
        }
        if self.settle(now, out).and_then(|()| self.sync_if_due(now)).is_err() {
            self.stalled_until = Some(now + self.config.store_retry);
        }
    }

    fn sync_if_due(&mut self, now: Time) -> Result<(), StoreError> {
        if self.store.deadline().is_some_and(|due| due <= now) {
            self.store.sync(now)?;
        }
        Ok(())
    }

    /// The commit behind what was said last.
    pub const fn last_commit(&self) -> CommitNumber {
        self.last_commit
    }

    /// The last commit that a crash does not take: what was said on it may leave the house.
    pub fn durable(&self) -> CommitNumber {
        self.store.durable()
    }

    /// Decides on top of the state, writes, and only then changes the state and answers.
    fn decide(
        &mut self,
        now: Time,
        out: &mut Outbox<Output>,
        decision: impl FnOnce(&mut Txn<'_>) -> Result<(), Rejected>,
    ) -> Result<(), Rejected> {
        let mut txn = Txn::new(now, &self.config, &self.state, std::mem::take(&mut self.room));
        #[cfg(test)]
        {
            txn.sabotage = self.sabotage;
        }
        if let Err(rejected) = decision(&mut txn) {
            self.room = txn.dropped();
            return Err(rejected);
        }
        let staged = txn.staged();
        self.commit(now, staged, out).map_err(Rejected::Store)
    }

    fn commit(&mut self, now: Time, mut staged: Staged, out: &mut Outbox<Output>) -> Result<(), StoreError> {
        if !staged.rows.is_empty() {
            self.spare.clear();
            row::write(&staged.rows, &mut self.spare);
            let written = self.store.commit(now, &self.spare);
            #[cfg(test)]
            let written = written.or_else(|error| match self.sabotage {
                Sabotage::AnswersBeforeCommit => Ok(self.last_commit),
                _ => Err(error),
            });
            self.last_commit = written?;
        }
        self.stalled_until = None;
        self.state.put_all(staged.rows.drain(..), &self.config);
        out.extend(staged.out.drain(..));
        self.room = staged;
        self.note_drained(out);
        Ok(())
    }

    /// The config in force.
    pub fn config(&self) -> &SchedulerConfig {
        &self.config
    }

    /// A job that is still kept.
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.state.job(id)
    }

    /// All jobs that are still kept, in the order they were enqueued.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.state.jobs()
    }

    /// The discarded jobs that are still kept.
    pub fn dead_letters(&self) -> impl Iterator<Item = &Job> {
        self.jobs().filter(|job| job.state == JobState::Discarded)
    }

    /// Who leads now.
    pub fn leader(&self, now: Time) -> Option<Leadership> {
        self.state.leader.filter(|leader| now < leader.until)
    }

    /// Up to when a schedule's ticks are noted.
    pub fn last_tick(&self, schedule: ScheduleId) -> Option<Time> {
        self.state.last_ticks.get(&schedule).copied()
    }

    /// What a queue holds; nothing if there is none such.
    pub fn queue_stats(&self, queue: QueueId) -> QueueStats {
        self.state.queues.get(usize::from(queue.0)).map_or(QueueStats::default(), |queue| QueueStats {
            available: queue.ready.len() as u64,
            running: queue.running,
            live: queue.live,
            paused: queue.paused,
        })
    }

    /// Counts over all queues.
    pub fn totals(&self) -> Totals {
        Totals {
            enqueued: self.state.counts.enqueued,
            live: self.state.live,
            ended: self.state.terminal + self.state.counts.pruned,
        }
    }

    /// Holds everything against everything else, from scratch: meant for tests and for a simulation, where it may be
    /// asked after every step.
    ///
    /// # Errors
    /// [`Violation`] names the first invariant that does not hold. None is expected, ever.
    pub fn audit(&self) -> Result<(), Violation> {
        super::audit::audit(&self.state, &self.config)
    }

    /// The store, for the one who closes it.
    pub fn into_store(self) -> S {
        self.store
    }

    /// The store, to look at.
    pub fn store(&self) -> &S {
        &self.store
    }

    #[cfg(test)]
    pub(super) fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    #[cfg(test)]
    pub(super) fn rows(&self) -> Vec<Row> {
        self.state.rows()
    }
}

/// What a queue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Jobs that may be fetched.
    pub available: u64,
    /// Jobs whose lease somebody has, dead or alive.
    pub running: u32,
    /// Jobs that have not ended.
    pub live: u64,
    /// Whether it gives nothing.
    pub paused: bool,
}

/// Every job ever enqueued has ended or is live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Ever enqueued.
    pub enqueued: u64,
    /// Not ended.
    pub live: u64,
    /// Ended, kept or not.
    pub ended: u64,
}

/// Whether everything that a row names is in the config.
fn fits(row: &Row, config: &SchedulerConfig) -> bool {
    let has_queue = |queue: QueueId| usize::from(queue.0) < config.queues.len();
    match row {
        Row::Job(job) => has_queue(job.queue) && usize::from(job.kind.0) < config.kinds.len(),
        Row::Queue { queue, .. } => has_queue(*queue),
        Row::Schedule { schedule, .. } => usize::from(schedule.0) < config.schedules.len(),
        Row::Removed(_) | Row::Counts(_) | Row::Leader(_) => true,
    }
}

/// Until when a lease lasts that is given or extended now, of an attempt that began at `started_at`.
fn lease_end(now: Time, started_at: Time, kind: &KindConfig) -> Time {
    (now + kind.lease).min(started_at + kind.max_run)
}
