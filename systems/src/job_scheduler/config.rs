//! What a scheduler is told: queues, kinds, pools of workers, schedules. Plain data with a check that says what to
//! write instead; never decides.

use super::job::{NewJob, QueueId};
use crate::rate_limiter::{RateLimitConfig, RateLimitError};
use crate::retry::{BackoffConfig, BackoffError, BackoffKind, Jitter};
use crate::time::Span;
use std::fmt;

/// Everything a scheduler is told. Ids are places in these lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchedulerConfig {
    /// Where jobs wait. At least one.
    pub queues: Vec<QueueConfig>,
    /// What can be run. At least one.
    pub kinds: Vec<KindConfig>,
    /// Which queues a worker fetches from. At least one.
    pub pools: Vec<PoolConfig>,
    /// What is enqueued by the calendar.
    pub schedules: Vec<ScheduleConfig>,
    /// How long a leader leads without being heard of. Above zero.
    pub leader_lease: Span,
    /// How long jobs that have ended are kept.
    pub keep: Retention,
    /// Names the sequence that pauses and cron jitter are drawn from.
    pub seed: u64,
    /// How long `expire` waits after the store refused a write. Above zero.
    pub store_retry: Span,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// For people.
    pub name: String,
    /// Jobs running at once, over all workers; the dead ones' count until their leases end. At least 1.
    pub max_running: u32,
    /// Jobs that have not ended; more are refused. At least 1.
    pub max_live: u64,
    /// What priorities mean.
    pub order: PriorityOrder,
    /// Who goes first among equal priorities.
    pub fairness: Fairness,
}

/// What priorities mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorityOrder {
    /// A higher priority always goes first; lower ones may starve, as River's documentation warns.
    Strict,
    /// Every `step` of waiting is worth one priority: a job waits behind those of a priority d levels higher only if
    /// they became available less than d steps after it. With [`Fairness::Tenants`] to within a step.
    Aging {
        /// What a level of priority is worth. Above zero.
        step: Span,
    },
}

/// Who goes first among jobs of equal rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fairness {
    /// The one that has waited longest.
    #[default]
    Fifo,
    /// Tenants take turns: start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996) with jobs of length one.
    Tenants,
}

/// A kind of job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindConfig {
    /// For people.
    pub name: String,
    /// Where its jobs wait unless they say otherwise.
    pub queue: QueueId,
    /// Their priority unless they say otherwise; lower goes first.
    pub priority: u8,
    /// Attempts in all, the first included. At least 1.
    pub max_attempts: u32,
    /// The pause before the next attempt.
    pub backoff: BackoffConfig,
    /// How long a worker owns a job without a heartbeat. Above zero.
    pub lease: Span,
    /// How long an attempt may take whatever its heartbeats say. At least `lease`; [`Span::MAX`] for no bound.
    pub max_run: Span,
    /// Leases a job may lose until it counts as poison. At least 1.
    pub max_lost_leases: u32,
    /// Jobs of this kind running at once, over all queues: what keeps a bad kind from taking every slot. At least 1.
    pub max_running: u32,
    /// Starts of this kind, over all queues. Not kept across a crash: then one burst may start again.
    pub rate: Option<RateLimitConfig>,
}

impl Default for KindConfig {
    /// 25 attempts by River's pace in the first queue, priority 1, leases of 30 s, 3 lost leases, no other bound.
    fn default() -> KindConfig {
        KindConfig {
            name: String::new(),
            queue: QueueId(0),
            priority: 1,
            max_attempts: 25,
            backoff: river_backoff(),
            lease: Span::from_secs(30),
            max_run: Span::MAX,
            max_lost_leases: 3,
            max_running: u32::MAX,
            rate: None,
        }
    }
}

/// River's pace: the fourth power of the attempt, in seconds, plus or minus a tenth; from attempt 310 on as long as
/// its clock allows, 292 years.
pub const fn river_backoff() -> BackoffConfig {
    BackoffConfig {
        kind: BackoffKind::Power { exponent: 4 },
        base: Span::from_secs(1),
        cap: Span::from_nanos(i64::MAX as u64),
        jitter: Jitter::Proportional { ppm: 100_000 },
        first_exponent: 0,
    }
}

/// Which queues a worker fetches from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// For people.
    pub name: String,
    /// The queues with their weights. At least one; weights above zero.
    pub queues: Vec<(QueueId, u32)>,
    /// Which of them goes first.
    pub choice: QueueChoice,
}

/// Which of several queues goes first; one that has nothing to give is passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueChoice {
    /// In their order, whatever the weights: the later ones may starve.
    #[default]
    Ordered,
    /// At random in proportion to their weights, as Sidekiq.
    Weighted,
}

/// What is enqueued by the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleConfig {
    /// For people.
    pub name: String,
    /// What to enqueue at each tick.
    pub job: NewJob,
    /// What if the last one has not ended.
    pub overlap: Overlap,
    /// Each tick's job waits for up to as long, at random but the same for the same tick.
    pub jitter: Span,
}

/// What a tick does while a job of the same schedule has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// Nothing.
    #[default]
    Skip,
    /// Enqueues one that waits for it; nothing if one already waits.
    QueueOne,
    /// Enqueues one as if there were none.
    Allow,
    /// Cancels it and enqueues one.
    CancelPrevious,
}

/// How long jobs that have ended are kept; [`Span::MAX`] for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Completed ones.
    pub completed: Span,
    /// Cancelled ones.
    pub cancelled: Span,
    /// Discarded ones, the dead letters.
    pub discarded: Span,
}

impl Default for Retention {
    /// A day for what is completed or cancelled, a week for dead letters: River's.
    fn default() -> Retention {
        let day = Span::from_secs(86_400);
        Retention { completed: day, cancelled: day, discarded: day.saturating_mul(7) }
    }
}

impl Default for SchedulerConfig {
    /// One queue of 100 slots, strict; one kind; one pool; leaders of 15 s.
    fn default() -> SchedulerConfig {
        SchedulerConfig {
            queues: vec![QueueConfig::default()],
            kinds: vec![KindConfig::default()],
            pools: vec![PoolConfig {
                name: String::new(),
                queues: vec![(QueueId(0), 1)],
                choice: QueueChoice::Ordered,
            }],
            schedules: Vec::new(),
            leader_lease: Span::from_secs(15),
            keep: Retention::default(),
            seed: 0,
            store_retry: Span::from_secs(1),
        }
    }
}

impl Default for QueueConfig {
    /// 100 running, a million live, strict, first come first served.
    fn default() -> QueueConfig {
        QueueConfig {
            name: String::new(),
            max_running: 100,
            max_live: 1_000_000,
            order: PriorityOrder::Strict,
            fairness: Fairness::Fifo,
        }
    }
}

impl SchedulerConfig {
    /// Checks the ranges and that everything named exists.
    ///
    /// # Errors
    /// [`ConfigError`] names the first thing that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (list, len) in
            [("queues", self.queues.len()), ("kinds", self.kinds.len()), ("pools", self.pools.len())]
        {
            if len == 0 || len > usize::from(u16::MAX) {
                return Err(ConfigError::Count { list, len });
            }
        }
        if self.schedules.len() > usize::from(u16::MAX) {
            return Err(ConfigError::Count { list: "schedules", len: self.schedules.len() });
        }
        above_zero("leader_lease", 0, self.leader_lease.as_nanos())?;
        above_zero("store_retry", 0, self.store_retry.as_nanos())?;
        for (at, queue) in self.queues.iter().enumerate() {
            above_zero("queues.max_running", at, u64::from(queue.max_running))?;
            above_zero("queues.max_live", at, queue.max_live)?;
            if let PriorityOrder::Aging { step } = queue.order {
                above_zero("queues.order.step", at, step.as_nanos())?;
            }
        }
        for (at, kind) in self.kinds.iter().enumerate() {
            self.validate_kind(at, kind)?;
        }
        for (at, pool) in self.pools.iter().enumerate() {
            above_zero("pools.queues", at, pool.queues.len() as u64)?;
            for (queue, weight) in &pool.queues {
                above_zero("pools.queues.weight", at, u64::from(*weight))?;
                self.check_queue(*queue)?;
            }
        }
        for (at, schedule) in self.schedules.iter().enumerate() {
            let job = &schedule.job;
            if usize::from(job.kind.0) >= self.kinds.len() {
                return Err(ConfigError::UnknownKind { schedule: at });
            }
            if let Some(queue) = job.queue {
                self.check_queue(queue)?;
            }
            if !job.after.is_empty()
                || job.request.is_some()
                || job.unique.is_some()
                || job.run_at.is_some()
                || job.deadline.is_some()
            {
                return Err(ConfigError::NotForSchedules { schedule: at });
            }
        }
        Ok(())
    }

    fn validate_kind(&self, at: usize, kind: &KindConfig) -> Result<(), ConfigError> {
        self.check_queue(kind.queue)?;
        above_zero("kinds.max_attempts", at, u64::from(kind.max_attempts))?;
        above_zero("kinds.lease", at, kind.lease.as_nanos())?;
        above_zero("kinds.max_lost_leases", at, u64::from(kind.max_lost_leases))?;
        above_zero("kinds.max_running", at, u64::from(kind.max_running))?;
        if kind.max_run < kind.lease {
            return Err(ConfigError::RunShorterThanLease { kind: at });
        }
        kind.backoff.validate().map_err(|error| ConfigError::Backoff { kind: at, error })?;
        if let Some(rate) = kind.rate {
            rate.validate().map_err(|error| ConfigError::Rate { kind: at, error })?;
        }
        Ok(())
    }

    fn check_queue(&self, queue: QueueId) -> Result<(), ConfigError> {
        if usize::from(queue.0) < self.queues.len() {
            Ok(())
        } else {
            Err(ConfigError::UnknownQueue { queue })
        }
    }
}

fn above_zero(field: &'static str, at: usize, value: u64) -> Result<(), ConfigError> {
    if value == 0 { Err(ConfigError::Zero { field, at }) } else { Ok(()) }
}

/// Why a config is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A list that is empty, or too long for its ids.
    Count {
        /// Which.
        list: &'static str,
        /// Its length.
        len: usize,
    },
    /// Something that must be above zero is not.
    Zero {
        /// Which.
        field: &'static str,
        /// Its place in the list.
        at: usize,
    },
    /// A queue that does not exist is named.
    UnknownQueue {
        /// Its id.
        queue: QueueId,
    },
    /// A schedule names a kind that does not exist.
    UnknownKind {
        /// The schedule's place.
        schedule: usize,
    },
    /// A schedule's job has what only a single job can have.
    NotForSchedules {
        /// The schedule's place.
        schedule: usize,
    },
    /// An attempt would end before its lease.
    RunShorterThanLease {
        /// The kind's place.
        kind: usize,
    },
    /// The back-off is out of range.
    Backoff {
        /// The kind's place.
        kind: usize,
        /// What about it.
        error: BackoffError,
    },
    /// The rate is out of range.
    Rate {
        /// The kind's place.
        kind: usize,
        /// What about it.
        error: RateLimitError,
    },
    /// A new config has fewer queues, kinds or schedules than jobs may refer to.
    Shrinks {
        /// Which list.
        list: &'static str,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Count { list, len } => write!(f, "{len} {list}: use 1 to 65535"),
            ConfigError::Zero { field, at } => write!(f, "{field} of entry {at} is zero: use more than that"),
            ConfigError::UnknownQueue { queue } => {
                write!(f, "there is no queue {}: add it to `queues` or name one that is there", queue.0)
            }
            ConfigError::UnknownKind { schedule } => {
                write!(f, "schedule {schedule} enqueues a kind that is not in `kinds`: add it")
            }
            ConfigError::NotForSchedules { schedule } => write!(
                f,
                "schedule {schedule}: its job must not have `after`, `request`, `unique`, `run_at` or `deadline`; \
                 ticks are unique by themselves"
            ),
            ConfigError::RunShorterThanLease { kind } => {
                write!(f, "kind {kind}: max_run is below the lease: raise it or shorten the lease")
            }
            ConfigError::Backoff { kind, error } => write!(f, "kind {kind}: {error}"),
            ConfigError::Rate { kind, error } => write!(f, "kind {kind}: {error}"),
            ConfigError::Shrinks { list } => {
                write!(f, "{list} got fewer: jobs may still refer to them; keep the old entries")
            }
        }
    }
}

impl std::error::Error for ConfigError {}
