//! Alerts that a router has heard of, and who was told. One entry for each alert, no history.

use std::collections::{BTreeMap, BTreeSet};

use super::{Broken, MOST_WITNESSES, notified};
use crate::kernel::time::{Span, Time};

/// An alert as it was last heard of.
struct Heard {
    since: Time,
    ends_at: Time,
    within: Span,
    /// A receiver knows, or the router has said that it could not be told.
    is_done: bool,
}

/// The books on one router.
#[derive(Default)]
pub(super) struct AlertBook {
    alerts: BTreeMap<u64, Heard>,
    /// How often a provider has delivered under each key.
    deliveries: BTreeMap<u64, u32>,
    heard: u64,
    distinct: u64,
    told: u64,
    notifications: u64,
    attempts: u64,
    duplicates: u64,
}

impl AlertBook {
    pub(super) fn restarted(&mut self) {
        self.alerts.clear();
    }

    pub(super) fn heard(&mut self, alert: u64, ends_at: Time, within: Span, now: Time) {
        self.heard += 1;
        let is_known = self.alerts.get(&alert).is_some_and(|heard| heard.ends_at > now);
        if is_known {
            if let Some(heard) = self.alerts.get_mut(&alert) {
                heard.ends_at = ends_at;
            }
            return;
        }
        self.distinct += 1;
        self.alerts.insert(alert, Heard { since: now, ends_at, within, is_done: false });
    }

    pub(super) fn sent(&mut self, is_first: bool) {
        self.notifications += u64::from(is_first);
        self.attempts += 1;
    }

    pub(super) fn told(&mut self, alerts: &[u64]) {
        for alert in alerts {
            if let Some(heard) = self.alerts.get_mut(alert).filter(|heard| !heard.is_done) {
                heard.is_done = true;
                self.told += 1;
            }
        }
    }

    pub(super) fn failed(&mut self, alerts: &[u64]) {
        for alert in alerts {
            if let Some(heard) = self.alerts.get_mut(alert) {
                heard.is_done = true;
            }
        }
    }

    pub(super) fn delivered(&mut self, key: u64) {
        let deliveries = self.deliveries.entry(key).or_default();
        self.duplicates += u64::from(*deliveries > 0);
        *deliveries += 1;
    }

    /// Alerts that still fire and of which nobody was told in time.
    pub(super) fn untold(&self, excused: &BTreeSet<u64>, now: Time) -> Vec<Broken> {
        let late = self.alerts.iter().filter(|(alert, heard)| {
            !heard.is_done
                && heard.ends_at > now
                && heard.since + heard.within < now
                && !excused.contains(alert)
        });
        let witness = late.map(|(alert, heard)| {
            let fires = now.since(heard.since);
            let text = format!("alert {alert:016x} fires for {fires}, is not muted, and nobody was told");
            (notified::ALERTS, text)
        });
        witness.take(MOST_WITNESSES).collect()
    }

    pub(super) fn shown(&self) -> BTreeMap<String, u64> {
        let counts = [
            ("alerts_heard", self.heard),
            ("alerts_distinct", self.distinct),
            ("alerts_told", self.told),
            ("notifications", self.notifications),
            ("notification_attempts", self.attempts),
            ("true_duplicates", self.duplicates),
        ];
        counts.map(|(count, value)| (count.to_string(), value)).into()
    }
}
