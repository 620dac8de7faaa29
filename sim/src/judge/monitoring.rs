//! What the system's own monitoring told against what was the case: where the recorded latencies are, and what somebody
//! who looks at the dashboards would not know.

use super::Evidence;
use super::words::{decimal, grouped};
use crate::measure::MonitoringMeasured;

/// What replicas recorded is in a window, dropped with a reason, lost, or on the way.
pub(super) fn conservation(evidence: &Evidence<'_>) -> Vec<String> {
    evidence.measured.monitoring.iter().filter_map(MonitoringMeasured::unbalanced).collect()
}

/// From this many times too low on, what is told is misleading.
const MISLEADING_MILLI: u64 = 2_000;

/// A window whose percentile was told much lower than it was.
pub(super) fn blind(evidence: &Evidence<'_>) -> Vec<String> {
    let monitored = evidence.measured.monitoring.iter();
    let gaps = monitored.filter_map(|measured| {
        let gap = measured.windows.too_low.filter(|gap| gap.ratio_milli() >= MISLEADING_MILLI)?;
        Some(format!(
            "monitoring reported p99 {} for `{}` while the harness measured {} ({}x; window from {} s)",
            millis(gap.told_ns),
            measured.service,
            millis(gap.was_ns),
            times(gap.ratio_milli()),
            grouped(gap.start.as_micros() / 1_000_000),
        ))
    });
    gaps.collect()
}

/// Alerts that ceased to fire because what they were about was no longer heard of.
pub(super) fn resolved_blind(evidence: &Evidence<'_>) -> Vec<String> {
    let alerts = evidence.measured.alerts.iter();
    let blind = alerts.filter_map(|((service, name), alert)| {
        Some(format!(
            "alert `{name}` of `{service}` resolved at {} s while a replica was silent: missing data is no good news",
            grouped(alert.first_resolved_blind?.as_micros() / 1_000_000)
        ))
    });
    blind.collect()
}

/// Percentiles averaged over replicas that are far from the percentile of all requests.
pub(super) fn averaged(evidence: &Evidence<'_>) -> Vec<String> {
    let monitored = evidence.measured.monitoring.iter();
    let found = monitored.filter_map(|measured| {
        let collected = measured.collected.as_ref()?;
        let (averaged_ns, merged_ns) = (collected.averaged_p99_ns?, collected.p99_ns?);
        let (low, high) = (averaged_ns.min(merged_ns), averaged_ns.max(merged_ns));
        let ratio_milli = u128::from(high) * 1_000 / u128::from(low.max(1));
        let ratio_milli = u64::try_from(ratio_milli).unwrap_or(u64::MAX);
        // Of few requests a percentile is as good as any: there has to be a window that shows it, too.
        let in_a_window = measured.windows.averaged.is_some_and(|gap| gap.ratio_milli() >= MISLEADING_MILLI);
        (ratio_milli >= MISLEADING_MILLI && in_a_window).then(|| {
            format!(
                "the averaged p99 of `{}` ({}) is {}x {} the merged one ({}): percentiles are not to be averaged",
                measured.service,
                millis(averaged_ns),
                times(ratio_milli),
                if averaged_ns < merged_ns { "below" } else { "above" },
                millis(merged_ns),
            )
        })
    });
    found.collect()
}

/// Replicas of which nothing was heard for longer than whoever collects puts up with.
pub(super) fn silent(evidence: &Evidence<'_>) -> Vec<String> {
    let monitored = evidence.measured.monitoring.iter();
    let silences = monitored.filter_map(|measured| {
        let silences = &measured.collected.as_ref()?.silences;
        let longest =
            silences.iter().max_by_key(|silence| (silence.lasted, std::cmp::Reverse(silence.replica)))?;
        let others = match silences.len() - 1 {
            0 => String::new(),
            1 => " (and another one of it)".to_string(),
            others => format!(" (and {others} others of it)"),
        };
        Some(format!(
            "replica `{}/{}` was silent for {} s from {} s on{others}: its windows have a gap, not zeros",
            measured.service,
            longest.replica + 1,
            whole_seconds(longest.lasted.as_nanos()),
            whole_seconds(longest.since.as_nanos()),
        ))
    });
    silences.collect()
}

/// Labels that take more values than anybody can keep apart.
pub(super) fn overflowing(evidence: &Evidence<'_>) -> Vec<String> {
    let systems = evidence.measured.systems.iter();
    let full = systems.filter_map(|(name, counts)| {
        let overflowed = counts.get("series_overflowed").copied().filter(|count| *count > 0)?;
        let series = counts.get("series").copied().unwrap_or(0);
        Some(format!(
            "`{name}` tells {} series apart and counts {} further requests in the overflow series: a label takes too \
             many values",
            grouped(series),
            grouped(overflowed)
        ))
    });
    full.collect()
}

/// Nanoseconds as seconds, to the nearest.
fn whole_seconds(ns: u64) -> String {
    grouped(ns.saturating_add(500_000_000) / 1_000_000_000)
}

/// Nanoseconds as milliseconds with three digits that count.
fn millis(ns: u64) -> String {
    match ns {
        0..10_000_000 => format!("{} ms", decimal(ns / 10_000, 2)),
        10_000_000..100_000_000 => format!("{} ms", decimal(ns / 100_000, 1)),
        100_000_000.. => format!("{} ms", grouped(ns / 1_000_000)),
    }
}

/// Thousandths as a factor with one decimal.
fn times(milli: u64) -> String {
    decimal(milli / 100, 1)
}
