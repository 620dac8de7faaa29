//! Alerts that a router has heard of, and who was told. One entry for each alert, no history.

use std::collections::BTreeMap;

use super::{Broken, MOST_WITNESSES, notified};
use crate::kernel::time::{Span, Time};
use crate::scenario::plan::ServiceId;

/// An alert as it was last heard of.
struct Heard {
    /// From when on it is to be told.
    since: Time,
    ends_at: Time,
    within: Span,
    /// A receiver knows that it fires.
    is_known: bool,
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
    /// Routers that stand in for this one.
    pub(super) peers: Vec<ServiceId>,
    /// Alerts told by it although a peer had told them.
    pub(super) told_by_both: u64,
}

impl AlertBook {
    /// Alerts come again by themselves; what receivers know they go on knowing.
    pub(super) fn restarted(&mut self) {
        self.alerts.retain(|_, heard| heard.is_known);
    }

    pub(super) fn heard(&mut self, alert: u64, ends_at: Time, within: Span, now: Time) {
        self.heard += 1;
        let is_new = self.alerts.get(&alert).is_none_or(|heard| heard.ends_at <= now);
        self.distinct += u64::from(is_new);
        let heard =
            self.alerts.entry(alert).or_insert(Heard { since: now, ends_at, within, is_known: false });
        heard.ends_at = ends_at;
        if is_new {
            heard.since = now;
        }
    }

    pub(super) fn sent(&mut self, is_first: bool) {
        self.notifications += u64::from(is_first);
        self.attempts += 1;
    }

    /// Whether a receiver knows from it that an alert fires.
    pub(super) fn is_known(&self, alert: u64) -> bool {
        self.alerts.get(&alert).is_some_and(|heard| heard.is_known)
    }

    /// A receiver knows that some fire and that others are over. Those that it did not know from here.
    pub(super) fn told(&mut self, firing: &[u64], resolved: &[u64], now: Time) -> Vec<u64> {
        let mut news = Vec::new();
        for alert in firing {
            if let Some(heard) = self.alerts.get_mut(alert)
                && !std::mem::replace(&mut heard.is_known, true)
            {
                self.told += 1;
                news.push(*alert);
            }
        }
        for alert in resolved {
            if let Some(heard) = self.alerts.get_mut(alert) {
                (heard.is_known, heard.since) = (false, heard.since.max(now));
                if heard.ends_at <= now {
                    self.alerts.remove(alert);
                }
            }
        }
        news
    }

    /// They are said not to be told: the next tick decides anew.
    pub(super) fn failed(&mut self, alerts: &[u64], now: Time) {
        for alert in alerts {
            if let Some(heard) = self.alerts.get_mut(alert) {
                heard.since = now;
            }
        }
    }

    pub(super) fn delivered(&mut self, key: u64) {
        let deliveries = self.deliveries.entry(key).or_default();
        self.duplicates += u64::from(*deliveries > 0);
        *deliveries += 1;
    }

    /// Alerts that still fire and of which nobody was told in time.
    pub(super) fn untold(&self, is_excused: impl Fn(u64) -> bool, now: Time) -> Vec<Broken> {
        let late = self.alerts.iter().filter(|(alert, heard)| {
            !heard.is_known && heard.ends_at > now && heard.since + heard.within < now && !is_excused(**alert)
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
        let of_peers = (!self.peers.is_empty()).then_some(("alerts_told_by_both", self.told_by_both));
        counts.into_iter().chain(of_peers).map(|(count, value)| (count.to_string(), value)).collect()
    }
}
