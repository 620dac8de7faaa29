//! Faults inside a service: errors, aborted requests, late answers, by share and operation.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checker, Fault, Path, ResolveFault};
use crate::faults::{DependencyAbort, DependencyDelay, DependencyError};
use crate::scenario::quantity::Share;
use crate::scenario::raw::RawDistribution;

/// A service answers with errors.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawError {
    /// Which service.
    service: String,
    /// Which share of requests. Default 100%.
    #[serde(default)]
    share: Option<Share>,
    /// Only these operations. Default all.
    #[serde(default)]
    operations: Option<Vec<String>>,
}

impl ResolveFault for RawError {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let operations = checker.operations(&path.key("operations"), self.operations.as_deref());
        let share_ppm = checker.share_or_whole(&path.key("share"), self.share.as_ref());
        let service = checker.service(&path.key("service"), &self.service)?;
        Some(Fault::Error(DependencyError { service, share_ppm, operations }))
    }
}

/// A service drops requests without an answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAbort {
    /// Which service.
    service: String,
    /// Which share of requests. Default 100%.
    #[serde(default)]
    share: Option<Share>,
    /// Only these operations. Default all.
    #[serde(default)]
    operations: Option<Vec<String>>,
}

impl ResolveFault for RawAbort {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let operations = checker.operations(&path.key("operations"), self.operations.as_deref());
        let share_ppm = checker.share_or_whole(&path.key("share"), self.share.as_ref());
        let service = checker.service(&path.key("service"), &self.service)?;
        Some(Fault::Abort(DependencyAbort { service, share_ppm, operations }))
    }
}

/// A service answers late.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDelay {
    /// Which service.
    service: String,
    /// How much later.
    add: RawDistribution,
    /// Which share of requests. Default 100%.
    #[serde(default)]
    share: Option<Share>,
    /// Only these operations. Default all.
    #[serde(default)]
    operations: Option<Vec<String>>,
}

impl ResolveFault for RawDelay {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let operations = checker.operations(&path.key("operations"), self.operations.as_deref());
        let share_ppm = checker.share_or_whole(&path.key("share"), self.share.as_ref());
        let add = checker.distribution(&path.key("add"), &self.add);
        let service = checker.service(&path.key("service"), &self.service)?;
        Some(Fault::Delay(DependencyDelay { service, share_ppm, add: add?, operations }))
    }
}
