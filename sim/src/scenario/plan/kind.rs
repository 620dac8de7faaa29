//! What a scenario has to know of a kind of node to check what is written about its services.

use super::{ConfigRole, JobsRole, TelemetryRole};

/// What is special about a kind; by default nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindTraits {
    /// What it has to do with the system's own monitoring.
    pub telemetry: TelemetryRole,
    /// What it has to do with jobs.
    pub jobs: JobsRole,
    /// What it has to do with configuration.
    pub config: ConfigRole,
    /// Whether it keeps copies that could be lost without harm to the truth.
    pub keeps_copies: bool,
    /// Whether its services obey an `admission`.
    pub has_admission: bool,
    /// Whether its services can do nothing without a call.
    pub needs_calls: bool,
    /// Whether it makes its calls when it sees fit instead of step by step for each request, so that calls in a circle
    /// come to an end.
    pub calls_itself: bool,
    /// The most replicas a service may have; `None` is no bound of the kind's own.
    pub most_replicas: Option<u32>,
}
