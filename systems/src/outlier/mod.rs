//! Takes endpoints that do worse than they should out of rotation for a while, by what callers see of them: after
//! failures in a row at once, by success rate or failure percentage at sweeps. Never more than a set share at
//! once. Never probes and never chooses an endpoint: the balancer asks.
//!
//! The rules are those of Envoy and of gRPC's proposal A50, with two differences: an endpoint is back exactly when
//! its time is over, not at the next sweep after it; and where the cap does not take all outliers of a sweep, the
//! worst go first, not those that happen to come first.

mod config;
mod detector;
mod rules;

pub use config::{OutlierConfig, OutlierError, OutlierWarning};
pub use detector::{Ejection, EjectionReason, OutlierDetector};
pub use rules::{CallCounts, FailurePercentage, OutlierRule, SuccessRate};

#[cfg(test)]
mod tests;
