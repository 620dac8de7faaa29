//! What a replica measures of itself and reports: the part of a system's own monitoring that lives in its processes.
//! Sees only what the replica sees, by the replica's clock; a crash takes what was not sent.

mod agent;
mod distribution;
mod report;

pub(in crate::nodes) use agent::Agent;
pub use distribution::Distribution;
pub use report::{Report, SeriesCount};
