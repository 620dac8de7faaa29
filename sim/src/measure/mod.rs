//! Measuring: counters, histograms, time series on a fixed grid. Reads the simulation, never changes it, and
//! its memory does not grow with virtual time.

mod histogram;
mod measured;
mod outcome_kind;
mod recorder;
mod trace;
mod watch;

pub use measured::{
    BreakerMeasured, EdgeInterval, EdgeMeasured, EntryMeasured, LinkMeasured, LoadInterval, LoadMeasured,
    Measured, PathShares, RequestCounts, ServiceCounts, ServiceInterval, ServiceMeasured, SloMeasured,
    Summary, TimelineEvent, Violation,
};
pub use outcome_kind::OutcomeKind;
pub use trace::{Trace, TraceSpan, TracedRequest};

pub(crate) use recorder::{AttemptSent, Departure, EndState, Recorder, ServiceLevels};
pub(crate) use trace::TraceRecorder;
