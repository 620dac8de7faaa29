//! What a person should know about limits: let through beyond, off without a word, on their own, only counting.

use super::Evidence;
use super::words::{decimal, grouped};

/// A limit that let more pass than it should, by the harness's own count.
pub(super) fn exceeded(evidence: &Evidence<'_>) -> Vec<String> {
    let exceeded = evidence.measured.limits.iter().filter(|(_, limit)| limit.over_admitted > 0);
    exceeded
        .map(|(name, limit)| {
            let (most, allowed) = (grouped(limit.most_in_window), grouped(limit.allowed_in_window));
            let beyond = grouped(limit.over_admitted);
            let (window, at) = (limit.window, limit.most_until.as_nanos());
            let at = format!("{} s", decimal(at / 1_000_000, 3));
            match limit.kind {
                "fixed_window" => format!(
                    "{most} requests passed the limit of `{name}` in {window} across a window edge (at {at}); the \
                     limit is {allowed} in {window}; {beyond} passed beyond it in all"
                ),
                _ if limit.most_in_window > limit.allowed_in_window => format!(
                    "{beyond} requests passed the limit of `{name}` that it should have refused, up to {most} in \
                     {window} (at {at}) where {allowed} are allowed"
                ),
                _ => format!(
                    "{beyond} of {} requests passed the limit of `{name}` that it should have refused",
                    grouped(limit.passed)
                ),
            }
        })
        .collect()
}

/// Requests that nothing was counted for, because they lacked the key.
pub(super) fn off(evidence: &Evidence<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for service in &evidence.plan.services {
        let empty = count(evidence, &service.name, "empty_keys");
        let arrivals = evidence.measured.services.iter().find(|measured| measured.name == service.name);
        let arrivals = arrivals.map_or(0, |measured| measured.all.arrivals);
        if empty == 0 || empty.saturating_mul(100) < arrivals {
            continue;
        }
        texts.push(format!(
            "{} of {} requests lacked the key that the limit of `{}` counts by ({} %): a limit whose key is empty \
             limits nothing, or everything",
            grouped(empty),
            grouped(arrivals),
            service.name,
            percent(empty, arrivals)
        ));
    }
    texts
}

/// Replicas that decided on their own because the store did not answer.
pub(super) fn alone(evidence: &Evidence<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for service in &evidence.plan.services {
        let admitted = count(evidence, &service.name, "fallback_admitted");
        let refused = count(evidence, &service.name, "fallback_refused");
        if admitted + refused > 0 {
            texts.push(format!(
                "the replicas of `{}` decided {} times without the store of their limit: {} let in, {} refused",
                service.name,
                grouped(admitted + refused),
                grouped(admitted),
                grouped(refused)
            ));
        }
    }
    texts
}

/// What limits that only count would have refused.
pub(super) fn shadowed(evidence: &Evidence<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for service in &evidence.plan.services {
        let would_refuse = count(evidence, &service.name, "would_refuse");
        let admitted = count(evidence, &service.name, "admitted");
        if would_refuse > 0 {
            texts.push(format!(
                "in shadow: the limit of `{}` would have refused {} of {} requests ({} %)",
                service.name,
                grouped(would_refuse),
                grouped(admitted),
                percent(would_refuse, admitted)
            ));
        }
    }
    for edge in evidence.measured.edges.iter().filter(|edge| edge.rate_limit.would_refuse > 0) {
        let (would_refuse, passed) = (edge.rate_limit.would_refuse, edge.rate_limit.passed);
        texts.push(format!(
            "in shadow: the limit of `{}` would have refused {} of {} attempts ({} %)",
            edge.name,
            grouped(would_refuse),
            grouped(would_refuse + passed),
            percent(would_refuse, would_refuse + passed)
        ));
    }
    for edge in evidence.measured.edges.iter().filter(|edge| edge.concurrency.would_refuse > 0) {
        let (would_refuse, passed) = (edge.concurrency.would_refuse, edge.concurrency.passed);
        texts.push(format!(
            "in shadow: the bound on concurrency of `{}` would have refused {} of {} attempts ({} %)",
            edge.name,
            grouped(would_refuse),
            grouped(would_refuse + passed),
            percent(would_refuse, would_refuse + passed)
        ));
    }
    texts
}

/// A bound on concurrency that moved far from where it began.
pub(super) fn bound_moved(evidence: &Evidence<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for service in &evidence.plan.services {
        let Some(plan) = service.admission.as_ref().and_then(|admission| admission.concurrency) else {
            continue;
        };
        let lowest = count(evidence, &service.name, "concurrency_limit_min");
        let last = count(evidence, &service.name, "concurrency_limit_last");
        let initial = u64::from(plan.bounds.initial);
        if lowest > 0 && lowest.saturating_mul(2) <= initial {
            texts.push(format!(
                "the bound on requests inside `{}` fell from {} to {} and was {} at the end; {} requests found no place",
                service.name,
                grouped(initial),
                grouped(lowest),
                grouped(last),
                grouped(count(evidence, &service.name, "refused_by_concurrency"))
            ));
        }
    }
    for (edge, plan) in evidence.measured.edges.iter().zip(&evidence.plan.edges) {
        let Some(plan) = plan.policy.concurrency else { continue };
        let (lowest, initial) = (u64::from(edge.concurrency.limit_min), u64::from(plan.bounds.initial));
        if lowest > 0 && lowest.saturating_mul(2) <= initial {
            texts.push(format!(
                "the bound on calls under way on `{}` fell from {} to {} and was {} at the end; {} attempts found no place",
                edge.name,
                grouped(initial),
                grouped(lowest),
                grouped(u64::from(edge.concurrency.limit_last)),
                grouped(edge.concurrency.refused)
            ));
        }
    }
    texts
}

fn count(evidence: &Evidence<'_>, service: &str, name: &str) -> u64 {
    evidence.measured.systems.get(service).and_then(|counts| counts.get(name)).copied().unwrap_or(0)
}

/// `part` of `whole` in percent with one decimal, rounded down.
fn percent(part: u64, whole: u64) -> String {
    let permille = u128::from(part) * 1_000 / u128::from(whole.max(1));
    decimal(u64::try_from(permille).unwrap_or(u64::MAX), 1)
}
