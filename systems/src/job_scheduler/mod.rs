//! Runs work later, elsewhere, again if it fails, and by the calendar: queues, workers, leases, retries, workflows, cron.
//! Decides only: it runs no job, reads no clock and starts no thread.
//!
//! ```text
//!            Enqueue                    Fetch                   Complete
//! (Pending) --------> Scheduled -> Available -> Running -----------------> Completed
//!                                      ^           | Fail, lease lost
//!                                      +-Retryable-+------> Discarded      Cancel -> Cancelled
//! ```

mod audit; // the invariants, checked from scratch and from outside
mod config; // what a scheduler is told
#[cfg(feature = "cron")]
pub mod cron; // calendars in cron's notation
mod fence; // the other end of a fencing token
mod job; // a job, and what has become of it
mod message; // what a scheduler is asked and what it answers
mod outbox; // what should happen next
mod pages; // what is kept by job
pub mod periodic; // enqueues by the calendar
mod ready; // in which order available jobs are given out
mod row; // the durable state, and how it lies in a store
mod scheduler; // the scheduler
mod state; // all jobs and every index over them
mod unique; // what makes two jobs the same
mod workflow; // chains, batches, graphs

pub use audit::{Ledger, Violation};
pub use config::{
    ConfigError, Fairness, KindConfig, Overlap, PoolConfig, PriorityOrder, QueueChoice, QueueConfig,
    Retention, ScheduleConfig, SchedulerConfig, river_backoff,
};
pub use fence::{Fence, FencedOut};
pub use job::{
    EndReason, Job, JobId, JobState, KindId, Lease, NewJob, NodeId, OnParentFailure, PoolId, QueueId,
    RequestId, ScheduleId, StopReason, TenantId, Term, Token, WorkerId,
};
pub use message::{Assignment, Input, JobFailure, Leadership, Output, Rejected, TickOutcome};
pub use outbox::Outbox;
pub use scheduler::{OpenError, QueueStats, Scheduler, Totals};
pub use unique::{TerminalStates, UniqueBy, UniqueKey};
pub use workflow::{Workflow, WorkflowError};

#[cfg(test)]
mod tests;
