//! Circuit breakers and ejection: settings of the file become configs of `foreshock_systems`, which check their own
//! ranges.

use foreshock_systems::circuit_breaker::{
    BreakerConfig, HalfOpenBy, HalfOpenDecision, LateResults, WindowConfig,
};
use foreshock_systems::outlier::{FailurePercentage, OutlierConfig, SuccessRate};

use super::Checker;
use super::policies::narrow;
use super::run::span_or;
use crate::kernel::time::Span;
use crate::scenario::path::Path;
use crate::scenario::plan::{BreakerPolicy, BreakerScope};
use crate::scenario::raw::{
    RawBreaker, RawBreakerScope, RawFailurePercentage, RawHalfOpenBy, RawLateResults, RawMaxWait, RawOutlier,
    RawSuccessRate, RawUnlimited,
};

/// Parts into which a breaker's window by time is divided.
const WINDOW_BUCKETS: u32 = 10;
/// Without `open_cap`, a growing open time stops at this multiple of the first one.
const OPEN_CAP_FACTOR: u64 = 10;

impl Checker<'_> {
    /// A circuit breaker of a call.
    pub(super) fn breaker(&mut self, path: &Path, raw: &RawBreaker) -> Option<BreakerPolicy> {
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
            window: breaker_window(raw),
            min_requests: raw.min_requests.as_ref().map_or(usual.min_requests, |requests| requests.0),
            open_at_ppm: raw.open_at.as_ref().map_or(usual.open_at_ppm, |share| share.0),
            slow_at_ppm: raw.slow_at.as_ref().map_or(usual.slow_at_ppm, |share| share.0),
            slow_call: raw.slow_call.as_ref().map(|slow| slow.0),
            consecutive_failures: raw.consecutive_failures.as_ref().map(|failures| failures.0),
            failures_in_window: raw.failures_in_window.as_ref().map(|failures| failures.0),
            open_for,
            open_growth_milli: growth,
            open_cap: span_or(raw.open_cap.as_ref(), usual_cap),
            open_jitter_ppm: raw.open_jitter.as_ref().map_or(0, |share| share.0),
            half_open_probes: raw.half_open_probes.as_ref().map_or(usual.half_open_probes, |probes| probes.0),
            half_open_by: match raw.half_open_by {
                None | Some(RawHalfOpenBy::Timer) => HalfOpenBy::Timer,
                Some(RawHalfOpenBy::Lazy) => HalfOpenBy::Lazy,
            },
            half_open_decision: raw
                .close_at
                .as_ref()
                .map_or(HalfOpenDecision::AllProbes, |good| HalfOpenDecision::Successes(good.0)),
            half_open_max_wait: match &raw.half_open_max_wait {
                None => usual.half_open_max_wait,
                Some(RawMaxWait::Unlimited(RawUnlimited::Unlimited)) => Span::ZERO,
                Some(RawMaxWait::For(wait)) => wait.0,
            },
            late_results: match raw.late_results {
                None | Some(RawLateResults::Drop) => LateResults::Drop,
                Some(RawLateResults::Count) => LateResults::Count,
            },
        };
        let config = self.validated(path, config, BreakerConfig::validate)?;
        let scope = match raw.scope {
            None | Some(RawBreakerScope::Edge) => BreakerScope::Edge,
            Some(RawBreakerScope::Endpoint) => BreakerScope::Endpoint,
        };
        Some(BreakerPolicy { config, scope })
    }

    /// When callers eject failing replicas.
    pub(crate) fn outlier(&mut self, path: &Path, raw: &RawOutlier) -> Option<OutlierConfig> {
        let usual = OutlierConfig::default();
        let config = OutlierConfig {
            consecutive_failures: match &raw.consecutive_failures {
                Some(failures) => failures.0,
                // Whoever names another rule means that one alone.
                None if raw.success_rate.is_some() || raw.failure_percentage.is_some() => 0,
                None => usual.consecutive_failures,
            },
            base_ejection: span_or(raw.base.as_ref(), usual.base_ejection),
            max_ejected_ppm: raw.max_ejected.as_ref().map_or(usual.max_ejected_ppm, |share| share.0),
            max_ejection: span_or(raw.max.as_ref(), usual.max_ejection),
            interval: span_or(raw.interval.as_ref(), usual.interval),
            success_rate: raw.success_rate.as_ref().map(success_rate),
            failure_percentage: raw.failure_percentage.as_ref().map(failure_percentage),
            forgiven_after: usual.forgiven_after,
            at_least_one: raw.at_least_one.unwrap_or(usual.at_least_one),
        };
        self.validated(path, config, OutlierConfig::validate)
    }
}

/// A window by time in steps, by count, or, with both, of single calls.
fn breaker_window(raw: &RawBreaker) -> WindowConfig {
    match (&raw.window, &raw.count) {
        (None, Some(calls)) => WindowConfig::Count { calls: calls.0 },
        (Some(length), Some(calls)) => WindowConfig::Sliding { length: length.0, max_calls: calls.0 },
        (length, None) => WindowConfig::Time {
            length: span_or(length.as_ref(), Span::from_secs(10)),
            buckets: WINDOW_BUCKETS,
        },
    }
}

fn success_rate(raw: &RawSuccessRate) -> SuccessRate {
    let usual = SuccessRate::default();
    SuccessRate {
        sd_factor_milli: raw.deviations.as_ref().map_or(usual.sd_factor_milli, |factor| narrow(factor.0)),
        minimum_hosts: raw.min_replicas.as_ref().map_or(usual.minimum_hosts, |hosts| hosts.0),
        request_volume: raw.min_requests.as_ref().map_or(usual.request_volume, |requests| requests.0),
        ..usual
    }
}

fn failure_percentage(raw: &RawFailurePercentage) -> FailurePercentage {
    let usual = FailurePercentage::default();
    FailurePercentage {
        failing_at_ppm: raw.at.as_ref().map_or(usual.failing_at_ppm, |share| share.0),
        minimum_hosts: raw.min_replicas.as_ref().map_or(usual.minimum_hosts, |hosts| hosts.0),
        request_volume: raw.min_requests.as_ref().map_or(usual.request_volume, |requests| requests.0),
        ..usual
    }
}
