//! Faults of processors: slower, or stopped when a quota is used up.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checker, Fault, Path, ResolveFault};
use crate::faults::{CpuQuota, SlowCpu};
use crate::kernel::time::Span;
use crate::scenario::quantity::{Duration, Factor};
use crate::scenario::raw::RawNodeList;

/// Processors are slower.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSlow {
    /// Which replicas: `svc`, `svc/2`, `svc/*`, or `{service: svc, pick: one}`.
    service: RawNodeList,
    /// Work takes this multiple of its time.
    factor: Factor,
}

impl ResolveFault for RawSlow {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        if self.factor.0 == 0 {
            let help = "use more than 0; x3 takes three times as long".to_string();
            checker.error_at_value(&path.key("factor"), "work that takes no time".to_string(), Some(help));
        }
        let nodes = checker.nodes(&path.key("service"), &self.service)?;
        Some(Fault::Slow(SlowCpu { nodes, factor_milli: self.factor.0 }))
    }
}

/// Processors stop when a quota is used up.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCpuQuota {
    /// Which replicas: `svc`, `svc/2`, `svc/*`, or `{service: svc, pick: one}`.
    service: RawNodeList,
    /// Processor time per period.
    quota: Duration,
    /// The period. Default 100ms.
    #[serde(default)]
    period: Option<Duration>,
}

impl ResolveFault for RawCpuQuota {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let period = self.period.as_ref().map_or(Span::from_millis(100), |period| period.0);
        if period.is_zero() || self.quota.0.is_zero() {
            let message = "a quota of no time stops everything".to_string();
            checker.error_at_value(
                &path.key("quota"),
                message,
                Some("use `pause` to stop a replica".to_string()),
            );
        }
        let nodes = checker.nodes(&path.key("service"), &self.service)?;
        Some(Fault::Quota(CpuQuota { nodes, quota: self.quota.0, period }))
    }
}
