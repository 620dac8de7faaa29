//! Measuring: counters, histograms, time series on a fixed grid. Reads the simulation, never changes it, and
//! its memory does not grow with virtual time.

mod auth;
mod bookings;
mod brokers;
mod caches;
mod configs;
mod flags;
mod histogram;
mod index;
mod jobs;
mod limits;
mod log_books;
mod logs;
mod measured;
mod money;
mod monitoring;
mod notifications;
mod outcome_kind;
mod queues;
mod recorder;
mod trace;
mod watch;
mod workflows;

pub use bookings::BookingsMeasured;
pub use configs::ConfigsMeasured;
pub use flags::{CopiesMeasured, EvaluationsMeasured, FlagsMeasured};
pub use jobs::{
    JOBS_COMPLETED_ONCE, JOBS_CONSISTENT, JOBS_FENCED, JOBS_IN_ORDER, JOBS_NOT_LOST, JOBS_TICKED_ONCE,
    JobsMeasured, WorkflowsMeasured,
};
pub use measured::{
    BreakerMeasured, ConcurrencyMeasured, EdgeInterval, EdgeMeasured, EntryMeasured, LimitMeasured,
    LinkMeasured, LoadInterval, LoadMeasured, Measured, PathShares, RateLimitMeasured, RequestCounts,
    ServiceCounts, ServiceInterval, ServiceMeasured, SloMeasured, Summary, TimelineEvent, Violation,
};
pub use money::{
    BookedPayment, KeyPolicy, LegDone, MoneyMeasured, MoneyProbe, Movement, OrderEnd, UnsettledTxn,
};
pub use monitoring::{
    AlertMeasured, CollectedProbe, EventAccounts, Gap, MonitoringMeasured, Silence, Unreported, WindowTold,
    WindowsMeasured,
};
pub use notifications::NotificationsMeasured;
pub use outcome_kind::OutcomeKind;
pub use trace::{Trace, TraceSpan, TracedRequest};

pub(crate) use auth::auth_invariant;
pub(crate) use bookings::{BookingFact, booked};
pub(crate) use brokers::brokered;
pub(crate) use caches::cache_invariant;
pub(crate) use configs::{ConfigBook, Released, config_invariant};
pub(crate) use flags::FlagSeen;
pub(crate) use histogram::Durations;
pub(crate) use index::Index;
pub(crate) use jobs::{BookedTick, Broken, JobBook, StoredJob};
pub(crate) use limits::LimitKey;
pub(crate) use log_books::{LogFiles, Taken, Written};
pub(crate) use logs::log_invariant;
pub(crate) use money::{MoneyEnd, OrderPlaced, invariant};
pub(crate) use monitoring::MonitoringEnd;
pub(crate) use notifications::{Asked, Kept, NoticeFact, NoticeProbe, notified};
pub(crate) use queues::{QueuedBody, queued};
pub(crate) use recorder::{
    AttemptSent, BoundVerdict, CallVerdict, Departure, EndState, Recorder, ServiceLevels,
};
pub(crate) use trace::TraceRecorder;
pub(crate) use workflows::PlannedStep;
