//! What people and programs read about a run. The model is built once from an outcome; every renderer works
//! from it alone and does no input or output.

mod build;
pub mod diff;
mod humanise;
mod json;
mod model;
mod series;
#[cfg(test)]
mod tests;
mod text;
mod trace;
mod why_text;

pub(crate) use json::canonical;
pub use json::to_json;
pub use model::{
    BlockerReport, BreakerReport, CallReport, EntryReport, FindingReport, InvariantReport, LatencyReport,
    LinkReport, LivenessReport, LoadReport, MarkReport, PathReport, QueueReport, RecoveryReport, Report,
    RunReport, SCHEMA, ServiceReport, SloReport, TimelineReport, VerdictReport,
};
pub use series::{SeriesFile, series_csv};
pub use text::{Style, to_text};
pub use trace::to_trace_events;
pub use why_text::why_to_text;

pub(crate) use humanise::{count, counted, instant_us, share_ppm};
pub(crate) use text::{Role, aligned, in_unit, table, wrapped};
