//! How calls are protected: settings of the file become configs of `foreshock-systems`, which check their own ranges.

use std::fmt::Display;

use foreshock_systems::bulkhead::BulkheadConfig;

use super::Checker;
use super::distribution::split_advice;
use crate::scenario::path::Path;
use crate::scenario::plan::{BulkheadPolicy, CallPolicy, HedgePolicy, PoolPlan};
use crate::scenario::raw::{RawBulkhead, RawPolicy, RawPool, RawPoolChoice};
use crate::scenario::suggest;

impl Checker<'_> {
    /// Everything between wanting a call and having its answer. `edge` names the call's own pool.
    pub(crate) fn policy(
        &mut self,
        path: &Path,
        raw: &RawPolicy,
        edge: &str,
        pools: &mut Vec<PoolPlan>,
    ) -> CallPolicy {
        for (key, limit) in [("timeout", &raw.timeout), ("overall_timeout", &raw.overall_timeout)] {
            if limit.as_ref().is_some_and(|limit| limit.0.is_zero()) {
                let help = "leave the key out for no limit".to_string();
                self.error_at_value(&path.key(key), "no call is that fast".to_string(), Some(help));
            }
        }
        CallPolicy {
            timeout: raw.timeout.as_ref().map(|timeout| timeout.0),
            overall_timeout: raw.overall_timeout.as_ref().map(|timeout| timeout.0),
            propagate_deadline: raw.propagate_deadline.unwrap_or(false),
            cancel: raw.cancel.unwrap_or(false),
            retry: raw.retry.as_ref().and_then(|retry| self.retry(&path.key("retry"), retry)),
            breaker: raw.breaker.as_ref().and_then(|breaker| self.breaker(&path.key("breaker"), breaker)),
            rate_limit: raw
                .rate_limit
                .as_ref()
                .and_then(|limit| self.call_limit(&path.key("rate_limit"), limit)),
            concurrency: raw
                .concurrency
                .as_ref()
                .and_then(|bound| self.concurrency(&path.key("concurrency"), bound, None)),
            bulkhead: raw
                .bulkhead
                .as_ref()
                .and_then(|bulkhead| self.bulkhead(&path.key("bulkhead"), bulkhead)),
            pool: raw.pool.as_ref().and_then(|pool| self.pool_choice(&path.key("pool"), pool, edge, pools)),
            hedge: raw.hedge.as_ref().map(|hedge| HedgePolicy {
                after: hedge.after.0,
                max_extra: hedge.max_extra.as_ref().map_or(1, |extra| extra.0),
            }),
        }
    }

    /// The config if it is valid; otherwise says at `path` why it is not.
    pub(super) fn validated<C, E: Display>(
        &mut self,
        path: &Path,
        config: C,
        check: fn(&C) -> Result<(), E>,
    ) -> Option<C> {
        match check(&config) {
            Ok(()) => Some(config),
            Err(error) => {
                let (message, help) = split_advice(&error.to_string());
                self.error_at_key(path, message, help);
                None
            }
        }
    }

    fn bulkhead(&mut self, path: &Path, raw: &RawBulkhead) -> Option<BulkheadPolicy> {
        let config = BulkheadConfig {
            max_in_flight: raw.max_in_flight.0,
            max_waiting: raw.max_waiting.as_ref().map_or(0, |waiting| waiting.0),
        };
        if raw.max_wait.is_some() && config.max_waiting == 0 {
            let help = "add `max_waiting`".to_string();
            self.warn(
                &path.key("max_wait"),
                "nobody waits, so that `max_wait` has no effect".to_string(),
                Some(help),
            );
        }
        let size = self.validated(path, config, BulkheadConfig::validate)?;
        Some(BulkheadPolicy { size, max_wait: raw.max_wait.as_ref().map(|wait| wait.0) })
    }

    fn pool_choice(
        &mut self,
        path: &Path,
        raw: &RawPoolChoice,
        edge: &str,
        pools: &mut Vec<PoolPlan>,
    ) -> Option<u32> {
        match raw {
            RawPoolChoice::Named(name) => {
                let found = pools.iter().position(|pool| pool.name == *name);
                if found.is_none() && self.calls_are_whole() {
                    let known: Vec<&str> = pools.iter().map(|pool| pool.name.as_str()).collect();
                    let help = suggest::help(name, &known).or_else(|| {
                        Some(format!("declare it with the caller: `pools: {{{name}: {{size: 40}}}}`"))
                    });
                    self.error_at_value(path, format!("unknown pool `{name}`"), help);
                }
                found.map(|index| index as u32)
            }
            RawPoolChoice::Own(pool) => {
                let plan = self.pool(path, edge.to_string(), pool)?;
                pools.push(plan);
                Some(pools.len() as u32 - 1)
            }
        }
    }

    /// A pool of connections.
    pub(crate) fn pool(&mut self, path: &Path, name: String, raw: &RawPool) -> Option<PoolPlan> {
        let config = BulkheadConfig {
            max_in_flight: raw.size.0,
            max_waiting: raw.max_waiting.as_ref().map_or(u32::MAX, |waiting| waiting.0),
        };
        let size = self.validated(path, config, BulkheadConfig::validate)?;
        Some(PoolPlan { name, size, acquire_timeout: raw.acquire_timeout.as_ref().map(|timeout| timeout.0) })
    }
}

/// A number that fits, or the largest one that does.
pub(super) fn narrow(wide: u64) -> u32 {
    u32::try_from(wide).unwrap_or(u32::MAX)
}
