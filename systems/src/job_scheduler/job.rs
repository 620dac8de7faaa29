//! A job: what was asked for, and what has become of it. Plain data; never decides.

use super::unique::{UniqueBy, UniqueKey};
use crate::retry::Pauses;
use crate::time::{Span, Time};
use std::sync::Arc;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);
    )*};
}

ids! {
    /// A job, numbered from 1 in the order of enqueueing. Never used twice.
    JobId(u64);
    /// A queue: its place in [`SchedulerConfig::queues`](super::SchedulerConfig::queues).
    QueueId(u16);
    /// A kind of job: its place in [`SchedulerConfig::kinds`](super::SchedulerConfig::kinds).
    KindId(u16);
    /// A pool of workers: its place in [`SchedulerConfig::pools`](super::SchedulerConfig::pools).
    PoolId(u16);
    /// A schedule: its place in [`SchedulerConfig::schedules`](super::SchedulerConfig::schedules).
    ScheduleId(u16);
    /// A worker, by a number that its driver chooses.
    WorkerId(u32);
    /// A node that may lead, by a number that its driver chooses.
    NodeId(u32);
    /// On whose behalf a job runs.
    TenantId(u32);
    /// The caller's own number of a request to enqueue: the same request enqueues once.
    RequestId(u64);
    /// Fencing token: how many leases a job has had. The latest wins.
    Token(u64);
    /// How often leadership has changed hands: the leader's fencing token.
    Term(u64);
}

/// Where a job is in its life: the eight states of River.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobState {
    /// Waits for the jobs it depends on.
    Pending,
    /// Waits for its time.
    Scheduled,
    /// May be fetched.
    Available,
    /// A worker holds its lease.
    Running,
    /// Failed; waits for its next attempt.
    Retryable,
    /// Done.
    Completed,
    /// Called off.
    Cancelled,
    /// Given up: the dead letters.
    Discarded,
}

impl JobState {
    /// Whether nothing happens to it any more by itself.
    pub const fn is_terminal(self) -> bool {
        matches!(self, JobState::Completed | JobState::Cancelled | JobState::Discarded)
    }
}

/// Why a job has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndReason {
    /// Its worker said so.
    Succeeded,
    /// Somebody cancelled it.
    Cancelled,
    /// The worker found that it should not run.
    CancelledByWorker,
    /// A job it depends on was cancelled or discarded.
    ParentFailed,
    /// The last attempt failed.
    AttemptsExhausted,
    /// It failed in a way that no further attempt would cure.
    NotRetryable,
    /// It lost [`KindConfig::max_lost_leases`](super::KindConfig::max_lost_leases) leases: whoever runs it dies.
    Poison,
    /// Its deadline passed.
    DeadlinePassed,
}

/// Why a worker should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopReason {
    /// The job was cancelled.
    Cancelled,
    /// The job's deadline passed.
    DeadlinePassed,
    /// The scheduler drains and the grace is over: give the job back by [`Input::Snooze`](super::Input::Snooze).
    Draining,
}

/// What becomes of a job when one that it depends on is cancelled or discarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnParentFailure {
    /// It is cancelled, and so are those that depend on it.
    #[default]
    Cancel,
    /// It runs all the same: a clean-up, a report.
    Run,
}

/// The right to run a job, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Whose it is.
    pub worker: WorkerId,
    /// Since when.
    pub started_at: Time,
    /// Until when without a heartbeat: at that instant it is lost.
    pub until: Time,
}

/// A job to enqueue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// What to run.
    pub kind: KindId,
    /// Where to wait; the kind's queue if `None`.
    pub queue: Option<QueueId>,
    /// Lower goes first: River has 1 to 4. The kind's if `None`.
    pub priority: Option<u8>,
    /// On whose behalf; counts where a queue is fair between tenants.
    pub tenant: TenantId,
    /// What the worker is told. Never looked at here but for uniqueness.
    pub args: Arc<[u8]>,
    /// Not before; at once if `None` or past.
    pub run_at: Option<Time>,
    /// Discarded at this instant if it has not ended by then; a running one is stopped.
    pub deadline: Option<Time>,
    /// Attempts in all, the first included; the kind's if `None`. 0 counts as 1.
    pub max_attempts: Option<u32>,
    /// Enqueued once for so many equal ones.
    pub unique: Option<UniqueBy>,
    /// The same request enqueues once, for as long as the job is kept. What makes a retried enqueue, or an outbox that
    /// is relayed twice, harmless.
    pub request: Option<RequestId>,
    /// Jobs that have to complete first.
    pub after: Vec<JobId>,
    /// What if one of them does not.
    pub on_parent_failure: OnParentFailure,
}

impl NewJob {
    /// A job of this kind, at once, with everything else as the kind has it.
    pub fn of(kind: KindId) -> NewJob {
        NewJob {
            kind,
            queue: None,
            priority: None,
            tenant: TenantId(0),
            args: Arc::from([]),
            run_at: None,
            deadline: None,
            max_attempts: None,
            unique: None,
            request: None,
            after: Vec::new(),
            on_parent_failure: OnParentFailure::Cancel,
        }
    }
}

/// A job and what has become of it: one durable row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What to run.
    pub kind: KindId,
    /// Where it waits.
    pub queue: QueueId,
    /// Lower goes first.
    pub priority: u8,
    /// On whose behalf.
    pub tenant: TenantId,
    /// What the worker is told.
    pub args: Arc<[u8]>,
    /// Where it is in its life.
    pub state: JobState,
    /// Attempts begun. Never falls.
    pub attempt: u32,
    /// Attempts in all. Snoozing adds one, so that the attempt snoozed does not count.
    pub max_attempts: u32,
    /// The latest lease's; zero before the first.
    pub token: Token,
    /// Leases lost since it was enqueued or retried by hand.
    pub lost_leases: u32,
    /// When it was enqueued.
    pub enqueued_at: Time,
    /// When it becomes available, or has become so.
    pub due_at: Time,
    /// When it is given up.
    pub deadline: Option<Time>,
    /// The last pause before a retry; paces that draw on it need it.
    pub previous_pause: Span,
    /// Who runs it, while it is running.
    pub lease: Option<Lease>,
    /// What its worker was told to stop for.
    pub stop: Option<StopReason>,
    /// Jobs it still waits for, in order.
    pub waiting_on: Vec<JobId>,
    /// What if one of them fails.
    pub on_parent_failure: OnParentFailure,
    /// What makes it unique.
    pub unique: Option<UniqueKey>,
    /// The request that enqueued it.
    pub request: Option<RequestId>,
    /// The schedule that enqueued it.
    pub schedule: Option<ScheduleId>,
    /// What its worker last said about how far it is, in parts per million.
    pub progress_ppm: u32,
    /// When it ended.
    pub finished_at: Option<Time>,
    /// Why it ended.
    pub end: Option<EndReason>,
    /// What it came to.
    pub result: Option<Arc<[u8]>>,
}

impl Job {
    /// What a pace may depend on.
    pub(super) fn pauses(&self) -> Pauses {
        Pauses { failed_attempts: self.attempt, previous: self.previous_pause, previous_entropy: 0 }
    }

    /// Whether its unique key keeps others out.
    pub fn holds_unique_key(&self) -> bool {
        self.unique.as_ref().is_some_and(|key| !self.state.is_terminal() || key.also_in.contains(self.state))
    }
}
