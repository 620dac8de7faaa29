//! Metrics, targets, bounds and windows of objectives in the words of the scenario file. Formats, never judges.

use crate::kernel::time::Span;
use crate::scenario::plan::{
    Bound, EntryEdge, Metric, OperationId, Phase, Plan, SloPlan, SloWindow, Stat, Target,
};

/// What the numbers of a metric count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// Parts per million.
    PartsPerMillion,
    /// Thousandths of one a second.
    MilliPerSecond,
    /// Thousandths.
    Milli,
}

impl Unit {
    /// The unit of a metric's values.
    pub const fn of(metric: Metric) -> Unit {
        match metric {
            Metric::Latency(_) | Metric::LatencyAll(_) | Metric::RecoveryTime => Unit::Nanoseconds,
            Metric::ErrorRate | Metric::Availability | Metric::Utilization => Unit::PartsPerMillion,
            Metric::Goodput => Unit::MilliPerSecond,
            Metric::AttemptsPerRequest | Metric::Amplification | Metric::QueueDepth(_) => Unit::Milli,
        }
    }
}

/// `p99`, `mean`, `p99.5`.
fn stat(stat: Stat) -> String {
    match stat {
        Stat::Mean => "mean".to_string(),
        Stat::Max => "max".to_string(),
        Stat::Quantile(999_000) => "p999".to_string(),
        Stat::Quantile(ppm) => format!("p{}", decimal(u64::from(ppm), 4)),
    }
}

/// `latency p99`, `error_rate`.
pub(super) fn metric(metric: Metric) -> String {
    match metric {
        Metric::Latency(of) => format!("latency {}", stat(of)),
        Metric::LatencyAll(of) => format!("latency_all {}", stat(of)),
        Metric::ErrorRate => "error_rate".to_string(),
        Metric::Availability => "availability".to_string(),
        Metric::Goodput => "goodput".to_string(),
        Metric::AttemptsPerRequest => "attempts_per_request".to_string(),
        Metric::Amplification => "amplification".to_string(),
        Metric::QueueDepth(of) => format!("queue_depth {}", stat(of)),
        Metric::Utilization => "utilization".to_string(),
        Metric::RecoveryTime => "recovery_time".to_string(),
    }
}

/// `buyers`, `buyers/buy`, `checkout`, `checkout -> orders-db`.
pub(super) fn target(plan: &Plan, target: Target) -> String {
    match target {
        Target::Load(load, operation) => {
            let name = plan.loads.get(load.index()).map_or("?", |load| load.name.as_str());
            match operation {
                Some(OperationId(index)) => {
                    let operation = plan.operations.get(index as usize).map_or("?", String::as_str);
                    format!("{name}/{operation}")
                }
                None => name.to_string(),
            }
        }
        Target::Service(service) => {
            plan.services.get(service.index()).map_or_else(|| "?".to_string(), |service| service.name.clone())
        }
        Target::Edge(edge) => {
            plan.edges.get(edge.index()).map_or_else(|| "?".to_string(), |edge| edge.name.clone())
        }
    }
}

/// `< 500ms`, `<= 1.3`, `>= 99.9%`, `> 600/s`.
pub(super) fn bound(bound: Bound, unit: Unit) -> String {
    let limit = match unit {
        Unit::Nanoseconds => Span::from_nanos(bound.limit).to_string(),
        Unit::PartsPerMillion => format!("{}%", decimal(bound.limit, 4)),
        Unit::MilliPerSecond => format!("{}/s", decimal(bound.limit, 3)),
        Unit::Milli => decimal(bound.limit, 3),
    };
    format!("{} {limit}", bound.comparison)
}

/// `30s..5m`, `within 30s after az-split.end`, `after az-split.end`.
pub(super) fn window(plan: &Plan, slo: &SloPlan) -> String {
    match (slo.window, slo.metric) {
        (SloWindow::Over { from, to }, _) => format!("{from}..{to}"),
        (SloWindow::Within { after, .. }, Metric::RecoveryTime) => format!("after {}", edge(plan, after)),
        (SloWindow::Within { within, after }, _) => format!("within {within} after {}", edge(plan, after)),
    }
}

/// `az-split.end`.
pub(super) fn edge(plan: &Plan, edge: EntryEdge) -> String {
    let id = plan.timeline.get(edge.entry.index()).map_or("?", |entry| entry.id.as_str());
    match edge.phase {
        Phase::Start => format!("{id}.start"),
        Phase::End => format!("{id}.end"),
    }
}

/// Digits in groups of three: `4 812`.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `1 user`, `2 users`.
pub(super) fn plural(count: u64, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {what}{ending}", grouped(count))
}

/// `value` divided by ten to the power `places`, exactly, without trailing zeros.
pub(super) fn decimal(value: u64, places: u32) -> String {
    let scale = 10_u64.pow(places);
    let (whole, fraction) = (value / scale, value % scale);
    if fraction == 0 {
        return whole.to_string();
    }
    let digits = format!("{fraction:0width$}", width = places as usize);
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::plan::Comparison;

    #[test]
    fn bounds_read_as_they_stand_in_the_file() {
        let cases = [
            (Comparison::Below, 500_000_000, Unit::Nanoseconds, "< 500ms"),
            (Comparison::Below, 10_000, Unit::PartsPerMillion, "< 1%"),
            (Comparison::AtLeast, 999_500, Unit::PartsPerMillion, ">= 99.95%"),
            (Comparison::AtMost, 1_300, Unit::Milli, "<= 1.3"),
            (Comparison::Above, 600_000, Unit::MilliPerSecond, "> 600/s"),
        ];
        for (comparison, limit, unit, expected) in cases {
            assert_eq!(bound(Bound { comparison, limit }, unit), expected);
        }
    }

    #[test]
    fn statistics_have_the_names_of_the_file() {
        let cases =
            [(500_000, "p50"), (990_000, "p99"), (999_000, "p999"), (995_000, "p99.5"), (999_900, "p99.99")];
        for (ppm, expected) in cases {
            assert_eq!(stat(Stat::Quantile(ppm)), expected);
        }
    }
}
