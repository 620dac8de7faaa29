//! The invariants, checked from scratch and from outside. The audit holds a scheduler's indexes against its jobs; the
//! ledger sees only what the scheduler says, as its users do. Neither changes anything.

use super::config::SchedulerConfig;
use super::job::*;
use super::message::Output;
use super::state::State;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// An invariant that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Enqueued is not live plus ended.
    JobLost {
        /// Ever enqueued.
        enqueued: u64,
        /// Live, or ended and kept or not.
        accounted: u64,
    },
    /// More attempts than allowed, or fewer than before.
    Attempts(JobId),
    /// A queue runs more than it may.
    Concurrency(QueueId),
    /// Two jobs have one unique key.
    Unique(JobId, JobId),
    /// A job is in a state that its other fields contradict.
    Contradiction(JobId),
    /// An index does not say what the jobs say.
    Index(&'static str),
    /// A job ended twice without having been revived.
    EndedTwice(JobId),
    /// A lease was given that is not newer than the one before, or of a job that had ended or was running.
    StartedTwice(JobId),
    /// A job ended by a lease that was not the latest.
    StaleCommit(JobId),
    /// A job that nobody enqueued.
    Unknown(JobId),
    /// A tick was enqueued twice.
    TickTwice(ScheduleId),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::JobLost { enqueued, accounted } => {
                write!(f, "{enqueued} jobs were enqueued and {accounted} are accounted for")
            }
            Violation::Attempts(job) => write!(f, "job {}: attempts fell or passed their maximum", job.0),
            Violation::Concurrency(queue) => write!(f, "queue {} runs more jobs than it may", queue.0),
            Violation::Unique(a, b) => write!(f, "jobs {} and {} have one unique key", a.0, b.0),
            Violation::Contradiction(job) => write!(f, "job {} contradicts itself", job.0),
            Violation::Index(which) => write!(f, "the index of {which} does not say what the jobs say"),
            Violation::EndedTwice(job) => write!(f, "job {} ended twice", job.0),
            Violation::StartedTwice(job) => write!(f, "job {} was started when it must not be", job.0),
            Violation::StaleCommit(job) => write!(f, "job {} was ended by a lease that was lost", job.0),
            Violation::Unknown(job) => write!(f, "job {} was never enqueued", job.0),
            Violation::TickTwice(schedule) => {
                write!(f, "a tick of schedule {} was enqueued twice", schedule.0)
            }
        }
    }
}

impl std::error::Error for Violation {}

/// Everything against everything else.
pub(super) fn audit(state: &State, config: &SchedulerConfig) -> Result<(), Violation> {
    let (mut live, mut ended) = (0u64, state.counts.pruned);
    let mut running = vec![0u32; config.queues.len()];
    let mut by_kind = vec![0u32; config.kinds.len()];
    let mut available = vec![0usize; config.queues.len()];
    let mut keys = BTreeMap::new();
    for job in state.jobs() {
        consistent(job)?;
        *if job.state.is_terminal() { &mut ended } else { &mut live } += 1;
        if job.state == JobState::Running {
            running[usize::from(job.queue.0)] += 1;
            by_kind[usize::from(job.kind.0)] += 1;
        }
        available[usize::from(job.queue.0)] += usize::from(job.state == JobState::Available);
        if job.holds_unique_key()
            && let Some(other) = keys.insert(job.unique.as_ref(), job.id)
        {
            return Err(Violation::Unique(other, job.id));
        }
        if job.waiting_on.iter().any(|parent| state.job(*parent).is_none_or(|job| job.state.is_terminal())) {
            return Err(Violation::Contradiction(job.id));
        }
    }
    let (enqueued, accounted) = (state.counts.enqueued, live + ended);
    if enqueued != accounted {
        return Err(Violation::JobLost { enqueued, accounted });
    }
    for (id, queue) in (0u16..).zip(&state.queues) {
        let at = usize::from(id);
        if queue.running > queue.running_bound {
            return Err(Violation::Concurrency(QueueId(id)));
        }
        if queue.running != running[at] || queue.ready.len() != available[at] {
            return Err(Violation::Index("queues"));
        }
    }
    if state.running_by_kind != by_kind || state.live != live || state.terminal != ended - state.counts.pruned
    {
        return Err(Violation::Index("counts"));
    }
    Ok(())
}

/// Whether a job's fields agree with its state.
fn consistent(job: &Job) -> Result<(), Violation> {
    if job.attempt > job.max_attempts || u64::from(job.attempt) > job.token.0 {
        return Err(Violation::Attempts(job.id));
    }
    let ended = job.state.is_terminal();
    let agrees = job.lease.is_some() == (job.state == JobState::Running)
        && job.finished_at.is_some() == ended
        && job.end.is_some() == ended
        && job.waiting_on.is_empty() == (job.state != JobState::Pending)
        && (job.stop.is_none() || job.state == JobState::Running);
    if agrees { Ok(()) } else { Err(Violation::Contradiction(job.id)) }
}

/// What a scheduler has said, held against what it may say. Hand it every output, over crashes and all, and it finds
/// what no audit of the scheduler's own state can: a job completed twice, a commit by a lease that was lost, a job
/// that was promised and is gone.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    jobs: BTreeMap<JobId, Entry>,
    ticks: BTreeSet<(ScheduleId, u64)>,
    completed: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    token: Token,
    attempt: u32,
    running: bool,
    ended: bool,
    pruned: bool,
}

impl Ledger {
    /// Nothing said yet.
    pub fn new() -> Ledger {
        Ledger::default()
    }

    /// Jobs completed.
    pub fn completed(&self) -> u64 {
        self.completed
    }

    /// Takes in one output.
    ///
    /// # Errors
    /// [`Violation`]: it may not be said after what was said before.
    pub fn observe(&mut self, output: &Output) -> Result<(), Violation> {
        match output {
            Output::Enqueued { job } => {
                if self.jobs.insert(*job, Entry::default()).is_some() {
                    return Err(Violation::EndedTwice(*job));
                }
            }
            Output::Started(given) => {
                let entry = self.known(given.job)?;
                if entry.ended || entry.running || given.token <= entry.token {
                    return Err(Violation::StartedTwice(given.job));
                }
                if given.attempt <= entry.attempt {
                    return Err(Violation::Attempts(given.job));
                }
                *entry = Entry { token: given.token, attempt: given.attempt, running: true, ..*entry };
            }
            Output::LeaseLost { job, token, .. } => self.lost(*job, *token)?,
            Output::Retrying { job, .. } | Output::Snoozed { job, .. } => self.known(*job)?.running = false,
            Output::Finished { job, token, state, .. } => {
                let entry = self.known(*job)?;
                if entry.ended {
                    return Err(Violation::EndedTwice(*job));
                }
                if *token != entry.token || (*state == JobState::Completed && !entry.running) {
                    return Err(Violation::StaleCommit(*job));
                }
                (entry.ended, entry.running) = (true, false);
                self.completed += u64::from(*state == JobState::Completed);
            }
            Output::Revived { job } => self.known(*job)?.ended = false,
            Output::Pruned { job } => self.known(*job)?.pruned = true,
            Output::Ticked { schedule, at, .. } => {
                if !self.ticks.insert((*schedule, at.as_nanos())) {
                    return Err(Violation::TickTwice(*schedule));
                }
            }
            Output::Duplicate { job } | Output::Extended { job, .. } | Output::Stop { job, .. } => {
                self.known(*job)?;
            }
            Output::Ready { .. }
            | Output::Idle { .. }
            | Output::Leading { .. }
            | Output::Vacant
            | Output::Drained => {}
        }
        Ok(())
    }

    /// Holds what was said against what a scheduler has: after a crash, for example.
    ///
    /// # Errors
    /// [`Violation`]: a job that was promised is gone, or one that had ended lives.
    pub fn compare<'a>(&self, jobs: impl Iterator<Item = &'a Job>) -> Result<(), Violation> {
        let found: BTreeMap<JobId, &Job> = jobs.map(|job| (job.id, job)).collect();
        for (id, entry) in &self.jobs {
            let Some(job) = found.get(id) else {
                if entry.pruned {
                    continue;
                }
                let (enqueued, accounted) = (self.jobs.len() as u64, found.len() as u64);
                return Err(Violation::JobLost { enqueued, accounted });
            };
            if entry.ended && !job.state.is_terminal() {
                return Err(Violation::EndedTwice(*id));
            }
            if job.attempt < entry.attempt || job.token < entry.token {
                return Err(Violation::Attempts(*id));
            }
        }
        Ok(())
    }

    /// What a ledger knows after a crash: what was said before, and what can be read now. What was written and never
    /// answered is learned from the jobs.
    pub fn resumed<'a>(before: &Ledger, jobs: impl Iterator<Item = &'a Job>) -> Ledger {
        let mut ledger = before.clone();
        for job in jobs {
            let entry = ledger.jobs.entry(job.id).or_default();
            let ended = job.state.is_terminal();
            ledger.completed += u64::from(job.state == JobState::Completed && !entry.ended);
            *entry = Entry {
                token: job.token,
                attempt: job.attempt,
                running: job.state == JobState::Running,
                ended,
                pruned: false,
            };
        }
        ledger
    }

    fn known(&mut self, job: JobId) -> Result<&mut Entry, Violation> {
        self.jobs.get_mut(&job).ok_or(Violation::Unknown(job))
    }

    fn lost(&mut self, job: JobId, token: Token) -> Result<(), Violation> {
        let entry = self.known(job)?;
        if token != entry.token {
            return Err(Violation::StaleCommit(job));
        }
        entry.running = false;
        Ok(())
    }
}
