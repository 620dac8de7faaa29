//! Faults of clocks: skew, drift, jump.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checker, Fault, Path, ResolveFault};
use crate::faults::{ClockChange, ClockFault};
use crate::scenario::quantity::{Drift, Offset};
use crate::scenario::raw::RawNodeList;

/// A node's clock is wrong: exactly one of `skew`, `drift` and `jump`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawClock {
    /// Which replicas: `svc`, `svc/2`, `svc/*`, or `{service: svc, pick: one}`.
    service: RawNodeList,
    /// Ahead by this much while the fault lasts.
    #[serde(default)]
    skew: Option<Offset>,
    /// Gains this much while the fault lasts.
    #[serde(default)]
    drift: Option<Drift>,
    /// Steps by this much once and stays so.
    #[serde(default)]
    jump: Option<Offset>,
}

impl ResolveFault for RawClock {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let nodes = checker.nodes(&path.key("service"), &self.service);
        let change = match (&self.skew, &self.drift, &self.jump) {
            (Some(skew), None, None) => ClockChange::Skew(skew.0),
            (None, Some(drift), None) => ClockChange::DriftPpb(drift.0),
            (None, None, Some(jump)) => ClockChange::Jump(jump.0),
            (None, None, None) | (Some(_), _, _) | (None, Some(_), Some(_)) => {
                let help = "give one of `skew: +500ms`, `drift: 200ppm` and `jump: -5s`".to_string();
                checker.missing(path, "a clock is wrong in exactly one way".to_string(), Some(help));
                return None;
            }
        };
        Some(Fault::Clock(ClockFault { nodes: nodes?, change }))
    }
}
