//! What a scheduler is asked and what it answers. Plain data; never decides.

use super::job::*;
use super::workflow::{Workflow, WorkflowError};
use crate::store::StoreError;
use crate::time::{Span, Time};
use std::fmt;
use std::sync::Arc;

/// What a scheduler is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Enqueue a job.
    Enqueue(NewJob),
    /// Enqueue jobs that depend on each other: all of them or none.
    EnqueueWorkflow(Workflow),
    /// A worker asks for up to `max` jobs.
    Fetch {
        /// Who asks.
        worker: WorkerId,
        /// From which queues.
        pool: PoolId,
        /// How many at most.
        max: u32,
        /// A uniformly distributed word, for [`QueueChoice::Weighted`](super::QueueChoice::Weighted).
        entropy: u64,
    },
    /// A worker is still at it.
    Heartbeat {
        /// At what.
        job: JobId,
        /// Its lease.
        token: Token,
        /// How far, in parts per million.
        progress_ppm: u32,
    },
    /// A worker is done.
    Complete {
        /// With what.
        job: JobId,
        /// Its lease.
        token: Token,
        /// What it came to, if anybody will ask.
        result: Option<Arc<[u8]>>,
    },
    /// A worker failed.
    Fail {
        /// At what.
        job: JobId,
        /// Its lease.
        token: Token,
        /// How.
        failure: JobFailure,
    },
    /// A worker gives a job back; the attempt does not count.
    Snooze {
        /// Which.
        job: JobId,
        /// Its lease.
        token: Token,
        /// For how long it should wait.
        pause: Span,
    },
    /// Call a job off. One that is running is told to stop.
    Cancel {
        /// Which.
        job: JobId,
    },
    /// Run a job now that waits for its time, was cancelled or was discarded.
    RetryNow {
        /// Which.
        job: JobId,
    },
    /// Give nothing from a queue until it is resumed. Durable.
    Pause {
        /// Which.
        queue: QueueId,
    },
    /// Give from a queue again.
    Resume {
        /// Which.
        queue: QueueId,
    },
    /// Start nothing more; after the grace tell workers to stop, and extend no lease. Not durable.
    Drain {
        /// How long what runs may go on.
        grace: Span,
    },
    /// Start jobs again.
    Reopen,
    /// A node wants to lead, or to go on leading.
    Campaign {
        /// Which.
        node: NodeId,
    },
    /// A leader steps down.
    Resign {
        /// Which.
        node: NodeId,
        /// Its term.
        term: Term,
    },
    /// The leader's periodic enqueuer has come to a tick.
    Tick {
        /// Its term.
        term: Term,
        /// Of which schedule.
        schedule: ScheduleId,
        /// For when.
        at: Time,
        /// Whether to enqueue a job; else this tick and all before it are only noted as missed.
        fire: bool,
    },
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobFailure {
    /// Worth another attempt, after the kind's pause.
    Retryable,
    /// Worth another attempt, after this pause.
    RetryAfter(Span),
    /// No attempt will do.
    NotRetryable,
    /// The job should not run any more.
    Cancel,
}

/// What a scheduler answers, and what it has done by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A job is in.
    Enqueued {
        /// Which.
        job: JobId,
    },
    /// An equal job was in already; nothing was enqueued.
    Duplicate {
        /// The one that was there.
        job: JobId,
    },
    /// A queue has something to give: a good moment for idle workers to ask.
    Ready {
        /// Which.
        queue: QueueId,
    },
    /// A worker got a job.
    Started(Assignment),
    /// A worker got less than it asked for.
    Idle {
        /// Who.
        worker: WorkerId,
        /// When to ask again if only rates stand in the way; else wait for [`Output::Ready`] or for a job to end.
        retry_after: Option<Span>,
    },
    /// A lease goes on.
    Extended {
        /// Of which job.
        job: JobId,
        /// The lease.
        token: Token,
        /// Until when.
        until: Time,
        /// Whether the worker should stop.
        stop: Option<StopReason>,
    },
    /// A worker should stop.
    Stop {
        /// Who.
        worker: WorkerId,
        /// With what.
        job: JobId,
        /// Its lease.
        token: Token,
        /// Why.
        why: StopReason,
    },
    /// A worker has lost its lease. Whatever it still does will not be accepted.
    LeaseLost {
        /// Who.
        worker: WorkerId,
        /// Of which job.
        job: JobId,
        /// The lease.
        token: Token,
    },
    /// An attempt failed and there will be another.
    Retrying {
        /// At what.
        job: JobId,
        /// Attempts so far.
        attempt: u32,
        /// When the next may begin.
        at: Time,
    },
    /// A job was put off by its worker.
    Snoozed {
        /// Which.
        job: JobId,
        /// Until when.
        until: Time,
    },
    /// A job has ended.
    Finished {
        /// Which.
        job: JobId,
        /// Of what kind.
        kind: KindId,
        /// How.
        state: JobState,
        /// Why.
        reason: EndReason,
        /// The lease it ended under; the latest one's if it was not running.
        token: Token,
    },
    /// A job that ended is in again.
    Revived {
        /// Which.
        job: JobId,
    },
    /// A job that ended is no longer kept.
    Pruned {
        /// Which.
        job: JobId,
    },
    /// A node leads.
    Leading {
        /// Which, and until when.
        leadership: Leadership,
        /// Up to when each schedule's ticks are noted: where its enqueuer goes on.
        last_ticks: Vec<(ScheduleId, Time)>,
    },
    /// A leader has stepped down.
    Vacant,
    /// A tick is noted.
    Ticked {
        /// Of which schedule.
        schedule: ScheduleId,
        /// For when.
        at: Time,
        /// What came of it.
        outcome: TickOutcome,
    },
    /// Nothing runs any more.
    Drained,
}

/// A job, handed to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// To whom.
    pub worker: WorkerId,
    /// Which.
    pub job: JobId,
    /// What to run.
    pub kind: KindId,
    /// Where it waited.
    pub queue: QueueId,
    /// With what priority.
    pub priority: u8,
    /// On whose behalf.
    pub tenant: TenantId,
    /// What to run it with.
    pub args: Arc<[u8]>,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Pass it on with everything the job does to the outside: see [`Fence`](super::Fence).
    pub token: Token,
    /// Until when it is the worker's without a heartbeat.
    pub lease_until: Time,
    /// How long it was available.
    pub waited: Span,
}

/// Who leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// Which node.
    pub node: NodeId,
    /// Goes up whenever leadership passes on or lapses.
    pub term: Term,
    /// Until when without campaigning again.
    pub until: Time,
}

/// What came of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TickOutcome {
    /// A job.
    Enqueued(JobId),
    /// Nothing: it was missed, and the misfire policy lets it go.
    Missed,
    /// Nothing: the job before has not ended.
    Overlapped,
    /// Nothing: the queue is full.
    QueueFull,
}

/// Why an input is refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// No such kind.
    UnknownKind(KindId),
    /// No such queue.
    UnknownQueue(QueueId),
    /// No such pool.
    UnknownPool(PoolId),
    /// No such schedule.
    UnknownSchedule(ScheduleId),
    /// No such job, or it is no longer kept.
    UnknownJob(JobId),
    /// As many jobs as allowed have not ended. Enqueue later.
    QueueFull {
        /// Where.
        queue: QueueId,
        /// How many.
        max_live: u64,
    },
    /// The lease is not the job's any more: whoever holds it must not commit anything.
    Fenced {
        /// Which job.
        job: JobId,
        /// The lease that was named.
        token: Token,
        /// The latest lease.
        current: Token,
    },
    /// The job is in a state that does not allow it.
    WrongState {
        /// Which job.
        job: JobId,
        /// Where it is.
        state: JobState,
    },
    /// Another job has its unique key.
    HeldBy(JobId),
    /// A job it depends on has failed already.
    ParentFailed(JobId),
    /// The deadline is past.
    DeadlinePassed,
    /// The workflow is not one.
    Workflow(WorkflowError),
    /// Somebody else leads, or the term is over.
    NotLeader(Option<Leadership>),
    /// The tick was noted before.
    TickNoted {
        /// The last one that was.
        last: Time,
    },
    /// Nothing could be written down. Try again.
    Store(StoreError),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::UnknownKind(KindId(id)) => write!(f, "there is no kind {id}: add it to the config"),
            Rejected::UnknownQueue(QueueId(id)) => write!(f, "there is no queue {id}: add it to the config"),
            Rejected::UnknownPool(PoolId(id)) => write!(f, "there is no pool {id}: add it to the config"),
            Rejected::UnknownSchedule(ScheduleId(id)) => {
                write!(f, "there is no schedule {id}: add it to the config")
            }
            Rejected::UnknownJob(JobId(id)) => write!(f, "there is no job {id}, or it is no longer kept"),
            Rejected::QueueFull { queue, max_live } => {
                write!(f, "queue {} has its {max_live} jobs: enqueue later, or raise max_live", queue.0)
            }
            Rejected::Fenced { job, token, current } => write!(
                f,
                "lease {} of job {} was lost (now {}): stop, and undo what was not committed",
                token.0, job.0, current.0
            ),
            Rejected::WrongState { job, state } => {
                write!(f, "job {} is {state:?}: this cannot be done to it", job.0)
            }
            Rejected::HeldBy(JobId(id)) => {
                write!(f, "job {id} has the unique key: wait for it, or cancel it")
            }
            Rejected::ParentFailed(JobId(id)) => {
                write!(f, "job {id}, which has to complete first, has failed")
            }
            Rejected::DeadlinePassed => f.write_str("the deadline is past: give a later one"),
            Rejected::Workflow(error) => error.fmt(f),
            Rejected::NotLeader(Some(leader)) => {
                write!(f, "node {} leads in term {}: stop enqueueing ticks", leader.node.0, leader.term.0)
            }
            Rejected::NotLeader(None) => f.write_str("nobody leads: campaign first"),
            Rejected::TickNoted { last } => write!(f, "ticks up to {last} are noted: go on from there"),
            Rejected::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Rejected {}
