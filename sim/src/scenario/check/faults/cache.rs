//! Faults of caches: all that is kept is gone.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checker, Fault, Path, ResolveFault};
use crate::faults::CacheWipe;
use crate::scenario::plan::ServiceId;
use crate::scenario::raw::RawNodeList;

/// Caches lose all they keep, in one instant; the process goes on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCacheWipe {
    /// Which caches: `svc`, `svc/2`, `svc/*`, or `{service: svc, pick: one}`.
    service: RawNodeList,
}

impl ResolveFault for RawCacheWipe {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let path = path.key("service");
        let nodes = checker.nodes(&path, &self.service)?;
        if let Some(other) = nodes.iter().find(|selector| !checker.keeps_copies(selector.service)) {
            let name = checker.service_names.get(other.service.index()).cloned().unwrap_or_default();
            let help = "name a service of kind `cache`".to_string();
            checker.error_at_value(&path, format!("`{name}` is no cache"), Some(help));
            return None;
        }
        Some(Fault::CacheWipe(CacheWipe { nodes }))
    }
}

impl Checker<'_> {
    /// Whether a service is a cache, or may be one: what is wrong with it is told elsewhere.
    fn keeps_copies(&self, service: ServiceId) -> bool {
        let plan = self.services.get(service.index());
        plan.is_none_or(|plan| self.around.kinds.traits(&plan.kind).keeps_copies)
    }
}
