//! Faults of pools: connections leak and come back when the fault ends.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checker, Fault, Path, ResolveFault};
use crate::faults::PoolExhaustion;
use crate::scenario::plan::Party;
use crate::scenario::quantity::Positive;

/// Connections of a pool leak.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPoolExhaustion {
    /// The service whose pool it is.
    #[serde(default)]
    service: Option<String>,
    /// The load whose pool it is.
    #[serde(default)]
    load: Option<String>,
    /// The pool's name; a pool of a single call has the callee's name.
    pool: String,
    /// How many connections leak in each replica, or `all`.
    leaked: RawLeaked,
}

/// How many connections leak.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RawLeaked {
    /// All of them.
    All(RawAll),
    /// So many.
    Some(Positive),
}

/// Every one.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawAll {
    /// Every one.
    All,
}

impl ResolveFault for RawPoolExhaustion {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let owner = match (&self.service, &self.load) {
            (Some(service), None) => Party::Service(checker.service(&path.key("service"), service)?),
            (None, Some(load)) => Party::Load(checker.load(&path.key("load"), load)?),
            (None, None) => {
                let help = "add `service:` or `load:`".to_string();
                checker.missing(path, "it does not say whose pool leaks".to_string(), Some(help));
                return None;
            }
            (Some(_), Some(_)) => {
                let message = "both `service` and `load`".to_string();
                checker.error_at_key(&path.key("load"), message, Some("keep one".to_string()));
                return None;
            }
        };
        let pool = checker.pool_of(&path.key("pool"), owner, &self.pool)?;
        let size = checker.pool_size(owner, pool);
        let leaked = match &self.leaked {
            RawLeaked::All(RawAll::All) => size,
            RawLeaked::Some(number) => number.0,
        };
        if leaked > size {
            let help = format!("the pool has {size}: write `all` for all of them");
            checker.error_at_value(
                &path.key("leaked"),
                format!("{leaked} connections cannot leak"),
                Some(help),
            );
            return None;
        }
        Some(Fault::PoolExhaustion(PoolExhaustion { owner, pool, leaked }))
    }
}

impl Checker<'_> {
    fn pool_size(&self, owner: Party, pool: u32) -> u32 {
        let pools = match owner {
            Party::Service(service) => self.services.get(service.index()).map(|plan| &plan.pools),
            Party::Load(load) => self.loads.get(load.index()).map(|plan| &plan.pools),
        };
        pools.and_then(|pools| pools.get(pool as usize)).map_or(0, |pool| pool.size.max_in_flight)
    }
}
