//! Measuring: counters, histograms, time series on a fixed grid. Reads the simulation, never changes it, and
//! its memory does not grow with virtual time.

mod flags;
mod histogram;
mod limits;
mod measured;
mod monitoring;
mod outcome_kind;
mod recorder;
mod trace;
mod watch;

pub use flags::{CopiesMeasured, EvaluationsMeasured, FlagsMeasured};
pub use measured::{
    BreakerMeasured, EdgeInterval, EdgeMeasured, EntryMeasured, LimitMeasured, LinkMeasured, LoadInterval,
    LoadMeasured, Measured, PathShares, RateLimitMeasured, RequestCounts, ServiceCounts, ServiceInterval,
    ServiceMeasured, SloMeasured, Summary, TimelineEvent, Violation,
};
pub use monitoring::{
    AlertMeasured, CollectedProbe, EventAccounts, Gap, MonitoringMeasured, Silence, Unreported, WindowTold,
    WindowsMeasured,
};
pub use outcome_kind::OutcomeKind;
pub use trace::{Trace, TraceSpan, TracedRequest};

pub(crate) use flags::FlagSeen;
pub(crate) use limits::LimitKey;
pub(crate) use monitoring::MonitoringEnd;
pub(crate) use recorder::{AttemptSent, CallVerdict, Departure, EndState, Recorder, ServiceLevels};
pub(crate) use trace::TraceRecorder;
