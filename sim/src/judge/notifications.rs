//! What people were told: what is wrong with the books at the end, who was told twice, and storms that nobody grouped.

use super::Evidence;
use super::words::grouped;
use crate::measure::{Measured, notified};

pub(super) fn has_notifiers(evidence: &Evidence<'_>) -> bool {
    evidence.measured.notifications.as_ref().is_some_and(|measured| measured.has_notifiers)
}

pub(super) fn has_routers(evidence: &Evidence<'_>) -> bool {
    evidence.measured.notifications.as_ref().is_some_and(|measured| measured.has_routers)
}

fn at_end(evidence: &Evidence<'_>, id: &str) -> Vec<String> {
    let measured = evidence.measured.notifications.as_ref();
    measured.and_then(|measured| measured.broken_at_end.get(id)).cloned().unwrap_or_default()
}

/// What was accepted is delivered, or accounted for.
pub(super) fn delivered(evidence: &Evidence<'_>) -> Vec<String> {
    at_end(evidence, notified::DELIVERED)
}

/// What was accepted by a channel is what became of it.
pub(super) fn conserved(evidence: &Evidence<'_>) -> Vec<String> {
    at_end(evidence, notified::CONSERVED)
}

/// Who should know of an alert does.
pub(super) fn alerts_told(evidence: &Evidence<'_>) -> Vec<String> {
    at_end(evidence, notified::ALERTS)
}

/// A sentence for each service that notifies of which `sentence` has something to say.
fn of_each(
    measured: &Measured,
    sentence: impl Fn(&str, &dyn Fn(&str) -> u64) -> Option<String>,
) -> Vec<String> {
    let services = measured.notifications.iter().flat_map(|notifications| notifications.systems.keys());
    let told = services.filter_map(|service| {
        let counts = measured.systems.get(service)?;
        sentence(service, &|count| counts.get(count).copied().unwrap_or(0))
    });
    told.collect()
}

/// Alerts that two routers told which stand in for each other.
pub(super) fn told_by_both(measured: &Measured) -> Vec<String> {
    of_each(measured, |service, count| {
        let both = count("alerts_told_by_both");
        (both > 0).then(|| {
            format!(
                "{} alerts were told by both: `{service}` told them although a router that stands in for it had",
                grouped(both)
            )
        })
    })
}

/// People who got the same more than once.
pub(super) fn twice(measured: &Measured) -> Vec<String> {
    of_each(measured, |service, count| {
        let again = count("true_duplicates");
        (again > 0).then(|| {
            format!(
                "{} notifications of `{service}` came to somebody who had them already: an acknowledgement was lost or \
                 late, and a provider without idempotency keys, or another one, was given them again",
                grouped(again)
            )
        })
    })
}

/// Messages that are said to have failed and have arrived.
pub(super) fn untrue_failures(measured: &Measured) -> Vec<String> {
    of_each(measured, |service, count| {
        let untrue = count("delivered_though_failed");
        (untrue > 0).then(|| {
            let untrue = grouped(untrue);
            format!("{untrue} messages of `{service}` are counted as failed and have arrived: nobody told it")
        })
    })
}

/// From so many notifications on it may be a storm.
const STORM: u64 = 100;

/// More than half as many notifications as alerts: whoever gets them reads none.
pub(super) fn storm(measured: &Measured) -> Vec<String> {
    of_each(measured, |service, count| {
        let (alerts, notifications) = (count("alerts_distinct"), count("notifications"));
        (notifications >= STORM && notifications > alerts / 2).then(|| {
            format!(
                "`{service}` made {} notifications of {} alerts, and {} attempts to deliver them: group them by what they \
                 have in common (`group_by`)",
                grouped(notifications),
                grouped(alerts),
                grouped(count("notification_attempts")),
            )
        })
    })
}

/// Notifications that a router did not get through to a receiver.
pub(super) fn given_up(measured: &Measured) -> Vec<String> {
    of_each(measured, |service, count| {
        let given_up = count("given_up");
        (given_up > 0).then(|| {
            let given_up = grouped(given_up);
            format!(
                "`{service}` gave up on {given_up} notifications: their receiver did not take them in time"
            )
        })
    })
}
