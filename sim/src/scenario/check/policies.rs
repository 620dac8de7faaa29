//! How calls are protected: settings of the file become configs of `foreshock-systems`, which check their own ranges.

use std::fmt::Display;

use foreshock_systems::bulkhead::BulkheadConfig;
use foreshock_systems::circuit_breaker::{BreakerConfig, WindowConfig};
use foreshock_systems::outlier::OutlierConfig;
use foreshock_systems::retry::{BackoffConfig, BackoffKind, BudgetConfig, Jitter, PushbackRule, RetryConfig};

use super::Checker;
use super::distribution::split_advice;
use super::run::span_or;
use crate::kernel::time::Span;
use crate::measure::OutcomeKind;
use crate::scenario::path::Path;
use crate::scenario::plan::{
    BreakerPolicy, BreakerScope, BulkheadPolicy, CallPolicy, HedgePolicy, OutcomeSet, PoolPlan, RetryPolicy,
};
use crate::scenario::raw::{
    RawBackoff, RawBackoffKind, RawBreaker, RawBreakerScope, RawBudget, RawBudgetTable, RawBulkhead,
    RawJitter, RawOutlier, RawPolicy, RawPool, RawPoolChoice, RawRetry, RawRetryOn,
};
use crate::scenario::suggest;

/// Longest pause asked for by a callee that is kept.
const LONGEST_RETRY_AFTER: Span = Span::from_secs(60);
/// Parts into which a breaker's window by time is divided.
const WINDOW_BUCKETS: u32 = 10;
/// Without `open_cap`, a growing open time stops at this multiple of the first one.
const OPEN_CAP_FACTOR: u64 = 10;

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

    fn retry(&mut self, path: &Path, raw: &RawRetry) -> Option<RetryPolicy> {
        let backoff = self.backoff(&path.key("backoff"), &raw.backoff)?;
        let config = RetryConfig {
            max_attempts: raw.max_attempts.0,
            backoff,
            throttling_base: None,
            pushback: match raw.honour_retry_after {
                None | Some(true) => PushbackRule::Lengthen { longest: LONGEST_RETRY_AFTER },
                Some(false) => PushbackRule::Ignore,
            },
            max_transparent: 0,
        };
        let config = self.validated(path, config, RetryConfig::validate)?;
        let budget = match &raw.budget {
            None => None,
            Some(budget) => Some(self.budget(&path.key("budget"), budget)?),
        };
        let every = [
            OutcomeKind::Timeout,
            OutcomeKind::Error,
            OutcomeKind::Rejected,
            OutcomeKind::Refused,
            OutcomeKind::Reset,
        ];
        let retry_on = match &raw.retry_on {
            None => OutcomeSet::of(&every),
            Some(outcomes) => {
                let outcomes: Vec<OutcomeKind> =
                    outcomes.iter().map(|outcome| outcome_kind(*outcome)).collect();
                if outcomes.is_empty() {
                    let help = "leave `retry` out for no retries".to_string();
                    self.missing(&path.key("retry_on"), "nothing is retried".to_string(), Some(help));
                }
                OutcomeSet::of(&outcomes)
            }
        };
        Some(RetryPolicy { config, budget, retry_on })
    }

    fn backoff(&mut self, path: &Path, raw: &RawBackoff) -> Option<BackoffConfig> {
        if raw.multiplier.is_some() && !matches!(raw.kind, None | Some(RawBackoffKind::Exponential)) {
            let message = "`multiplier` has an effect on exponential back-off only".to_string();
            self.warn(&path.key("multiplier"), message, None);
        }
        let multiplier = raw.multiplier.as_ref().map_or(2_000, |factor| factor.0);
        let config = BackoffConfig {
            kind: match raw.kind {
                Some(RawBackoffKind::Constant) => BackoffKind::Constant,
                Some(RawBackoffKind::Linear) => BackoffKind::Linear,
                None | Some(RawBackoffKind::Exponential) => BackoffKind::Exponential {
                    multiplier_milli: u32::try_from(multiplier).unwrap_or(u32::MAX),
                },
                Some(RawBackoffKind::Fibonacci) => BackoffKind::Fibonacci,
                Some(RawBackoffKind::Decorrelated) => BackoffKind::Decorrelated,
            },
            base: span_or(raw.base.as_ref(), Span::from_millis(100)),
            cap: span_or(raw.cap.as_ref(), Span::from_secs(10)),
            jitter: match raw.jitter {
                Some(RawJitter::None) => Jitter::None,
                None | Some(RawJitter::Full) => Jitter::Full,
                Some(RawJitter::Equal) => Jitter::Equal,
            },
            first_exponent: 0,
        };
        self.validated(path, config, BackoffConfig::validate)
    }

    fn budget(&mut self, path: &Path, raw: &RawBudget) -> Option<BudgetConfig> {
        let config = match raw {
            RawBudget::Ratio(ratio) => BudgetConfig::Ratio {
                ratio_ppm: narrow(ratio.0),
                reserve_per_s: 0,
                window: Span::from_secs(10),
            },
            RawBudget::Table(table) => self.budget_table(path, table)?,
        };
        self.validated(path, config, BudgetConfig::validate)
    }

    fn budget_table(&mut self, path: &Path, raw: &RawBudgetTable) -> Option<BudgetConfig> {
        let given: Vec<&str> = [
            (raw.ratio.is_some(), "ratio"),
            (raw.token_bucket.is_some(), "token_bucket"),
            (raw.in_flight.is_some(), "in_flight"),
        ]
        .into_iter()
        .filter_map(|(given, key)| given.then_some(key))
        .collect();
        if given.len() != 1 {
            let help = "give one of `ratio`, `token_bucket` and `in_flight`".to_string();
            self.missing(path, format!("a budget of {} kinds", given.len()), Some(help));
            return None;
        }
        if let Some(bucket) = &raw.token_bucket {
            let ratio = bucket.token_ratio.0 * 1_000.0;
            if !(0.0..=4e9).contains(&ratio) {
                let help = "the range is 0.001 to 4_000_000".to_string();
                let message = format!("a token ratio of {}", bucket.token_ratio.0);
                self.error_at_value(&path.key("token_bucket").key("token_ratio"), message, Some(help));
                return None;
            }
            return Some(BudgetConfig::Grpc {
                max_tokens_milli: bucket.max_tokens.0.saturating_mul(1_000),
                token_ratio_milli: libm::round(ratio) as u32,
            });
        }
        if let Some(in_flight) = &raw.in_flight {
            return Some(BudgetConfig::Percent {
                percent_ppm: narrow(in_flight.percent.0),
                min_in_flight: in_flight.floor.as_ref().map_or(3, |floor| floor.0),
            });
        }
        let reserve_milli = raw.reserve.as_ref().map_or(0, |reserve| reserve.0);
        if !reserve_milli.is_multiple_of(1_000) {
            let help = "give it in whole retries per second".to_string();
            self.error_at_value(&path.key("reserve"), "the reserve is too fine".to_string(), Some(help));
        }
        Some(BudgetConfig::Ratio {
            ratio_ppm: raw.ratio.as_ref().map_or(0, |ratio| narrow(ratio.0)),
            reserve_per_s: narrow(reserve_milli / 1_000),
            window: span_or(raw.window.as_ref(), Span::from_secs(10)),
        })
    }

    fn breaker(&mut self, path: &Path, raw: &RawBreaker) -> Option<BreakerPolicy> {
        if raw.window.is_some() && raw.count.is_some() {
            let help = "keep `window` for a stretch of time or `count` for a number of calls".to_string();
            self.error_at_key(&path.key("count"), "both `window` and `count`".to_string(), Some(help));
        }
        if raw.slow_at.is_some() && raw.slow_call.is_none() {
            let help = "add `slow_call`: from how long a call is slow".to_string();
            self.warn(
                &path.key("slow_at"),
                "`slow_at` has no effect without `slow_call`".to_string(),
                Some(help),
            );
        }
        let usual = BreakerConfig::default();
        let open_for = span_or(raw.open_for.as_ref(), usual.open_for);
        let growth = raw.open_growth.as_ref().map_or(usual.open_growth_milli, |growth| narrow(growth.0));
        let usual_cap = if growth > 1_000 { open_for.saturating_mul(OPEN_CAP_FACTOR) } else { open_for };
        let config = BreakerConfig {
            window: match &raw.count {
                Some(calls) => WindowConfig::Count { calls: calls.0 },
                None => WindowConfig::Time {
                    length: span_or(raw.window.as_ref(), Span::from_secs(10)),
                    buckets: WINDOW_BUCKETS,
                },
            },
            min_requests: raw.min_requests.as_ref().map_or(usual.min_requests, |requests| requests.0),
            open_at_ppm: raw.open_at.as_ref().map_or(usual.open_at_ppm, |share| share.0),
            slow_at_ppm: raw.slow_at.as_ref().map_or(usual.slow_at_ppm, |share| share.0),
            slow_call: raw.slow_call.as_ref().map(|slow| slow.0),
            consecutive_failures: raw.consecutive_failures.as_ref().map(|failures| failures.0),
            open_for,
            open_growth_milli: growth,
            open_cap: span_or(raw.open_cap.as_ref(), usual_cap),
            half_open_probes: raw.half_open_probes.as_ref().map_or(usual.half_open_probes, |probes| probes.0),
            half_open_max_wait: span_or(raw.half_open_max_wait.as_ref(), usual.half_open_max_wait),
            ..usual
        };
        let config = self.validated(path, config, BreakerConfig::validate)?;
        let scope = match raw.scope {
            None | Some(RawBreakerScope::Edge) => BreakerScope::Edge,
            Some(RawBreakerScope::Endpoint) => BreakerScope::Endpoint,
        };
        Some(BreakerPolicy { config, scope })
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

    /// When callers eject failing replicas.
    pub(crate) fn outlier(&mut self, path: &Path, raw: &RawOutlier) -> Option<OutlierConfig> {
        let usual = OutlierConfig::default();
        let config = OutlierConfig {
            consecutive_failures: raw
                .consecutive_failures
                .as_ref()
                .map_or(usual.consecutive_failures, |n| n.0),
            base_ejection: span_or(raw.base.as_ref(), usual.base_ejection),
            max_ejected_ppm: raw.max_ejected.as_ref().map_or(usual.max_ejected_ppm, |share| share.0),
            ..usual
        };
        self.validated(path, config, OutlierConfig::validate)
    }
}

fn narrow(wide: u64) -> u32 {
    u32::try_from(wide).unwrap_or(u32::MAX)
}

fn outcome_kind(raw: RawRetryOn) -> OutcomeKind {
    match raw {
        RawRetryOn::Timeout => OutcomeKind::Timeout,
        RawRetryOn::Error => OutcomeKind::Error,
        RawRetryOn::Rejected => OutcomeKind::Rejected,
        RawRetryOn::Refused => OutcomeKind::Refused,
        RawRetryOn::Reset => OutcomeKind::Reset,
    }
}
