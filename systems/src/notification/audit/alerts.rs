//! Watches dispatchers: invariants 1 to 4 and 11, by plain loops over everything.

use super::Violation;
use crate::notification::cluster::PeerId;
use crate::notification::dispatch::{Alert, Notification};
use crate::notification::inhibit::InhibitRule;
use crate::notification::label::Labels;
use crate::notification::route::{RouteId, RouteTree};
use crate::notification::silence::{Silence, SilenceState};
use crate::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};

/// Whether the routes of an alert are those that the tree means: a route is one of them if it and all above it match, no
/// child of it does, and nowhere on the way down a sibling before matched without `continue`. In tree order, at least one.
///
/// # Errors
/// [`Violation::Routes`].
pub fn check_routes(tree: &RouteTree, labels: &Labels, routes: &[RouteId]) -> Result<(), Violation> {
    let matches = |id: RouteId| tree.get(id).is_some_and(|route| route.matchers.matches(labels));
    let children = |parent: RouteId| tree.iter().filter(move |(_, route)| route.parent == Some(parent));
    let is_reached = |start: RouteId| {
        let mut id = start;
        loop {
            let Some(route) = tree.get(id).filter(|_| matches(id)) else { return false };
            let Some(parent) = route.parent else { return true };
            let stops = |(other, sibling): (RouteId, &crate::notification::Route)| {
                other < id && matches(other) && !sibling.continues
            };
            if children(parent).any(stops) {
                return false;
            }
            id = parent;
        }
    };
    let is_leaf = |id: RouteId| !children(id).any(|(child, _)| matches(child));
    let expected: Vec<RouteId> =
        tree.iter().map(|(id, _)| id).filter(|id| is_reached(*id) && is_leaf(*id)).collect();
    if expected.is_empty() || expected != routes {
        return Err(Violation::Routes(labels.clone()));
    }
    Ok(())
}

/// An alert as it was last heard of.
#[derive(Clone, Debug)]
struct Heard {
    ends_at: Time,
    /// Since when it could have been told: since it began, or since it was last muted.
    clear_since: Time,
}

/// What a receiver was last told of a group, by one node.
#[derive(Clone, Debug)]
struct Told {
    at: Time,
    firing: BTreeSet<Labels>,
    resolved: BTreeSet<Labels>,
}

/// Watches any number of dispatchers with one config that see the same alerts. Tell it everything, in order.
#[derive(Clone, Debug)]
pub struct AlertAudit {
    tree: RouteTree,
    rules: Vec<InhibitRule>,
    /// How long beyond `group_wait` or `group_interval` it may take: for other nodes and for failed attempts.
    slack: Span,
    alerts: BTreeMap<Labels, Heard>,
    silences: BTreeMap<String, Silence>,
    first: BTreeMap<(String, String), Time>,
    told: BTreeMap<(String, String), BTreeMap<PeerId, Told>>,
    /// What the receiver was told last by anybody, and by whom at which tick.
    last: BTreeMap<(String, String), (Told, BTreeMap<PeerId, Time>)>,
    /// From when on nodes can know what others told; `None` during a cut.
    connected_since: Option<Time>,
    /// What was found.
    pub violations: Vec<Violation>,
}

impl AlertAudit {
    /// With nothing heard yet.
    pub fn new(tree: RouteTree, rules: Vec<InhibitRule>, slack: Span) -> AlertAudit {
        AlertAudit {
            tree,
            rules,
            slack,
            alerts: BTreeMap::new(),
            silences: BTreeMap::new(),
            first: BTreeMap::new(),
            told: BTreeMap::new(),
            last: BTreeMap::new(),
            connected_since: Some(Time::ZERO),
            violations: Vec::new(),
        }
    }

    /// An alert was given to every node; `ends_at` is when it is over.
    pub fn alert(&mut self, now: Time, alert: &Alert, ends_at: Time) {
        self.look(now);
        let begins = self.alerts.get(&alert.labels).is_none_or(|heard| heard.ends_at <= now);
        if ends_at > now {
            for id in self.tree.matching(&alert.labels) {
                let Some(route) = self.tree.get(id) else { continue };
                let group = format!("{}:{}", route.key, route.options.group_of(&alert.labels));
                self.first.entry((group, route.options.receiver.clone())).or_insert(now);
            }
        }
        let heard = self.alerts.entry(alert.labels.clone()).or_insert(Heard { ends_at, clear_since: now });
        heard.ends_at = ends_at;
        if begins {
            heard.clear_since = now;
        }
        self.look(now);
    }

    /// A silence was made or changed on every node.
    pub fn silence(&mut self, now: Time, silence: &Silence) {
        self.look(now);
        self.silences.insert(silence.id.clone(), silence.clone());
        self.look(now);
    }

    /// A silence was ended.
    pub fn unsilence(&mut self, now: Time, id: &str) {
        self.look(now);
        if let Some(silence) = self.silences.get_mut(id) {
            silence.ends_at = silence.ends_at.min(now);
        }
    }

    /// Nodes can hear each other no more, or again and within `bound` from now on know all.
    pub fn connected(&mut self, now: Time, is_connected: bool, bound: Span) {
        self.connected_since = is_connected.then(|| now + bound);
    }

    /// A node hands a notification out.
    pub fn handed_out(&mut self, now: Time, told: &Notification) {
        self.look(now);
        let key = (told.group.clone(), told.receiver.clone());
        let wait = self.options(told).map_or(Span::ZERO, |options| options.0);
        if !self.told.contains_key(&key) {
            let may = self.first.get(&key).map_or(Time::MAX, |first| *first + wait);
            if now < may {
                let (group, early) = (told.group.clone(), may.since(now));
                self.violations.push(Violation::BeforeGroupWait { group, early });
            }
        }
        for alert in &told.firing {
            let is_over = self.alerts.get(&alert.labels).is_none_or(|heard| heard.ends_at <= now);
            if is_over {
                self.violations.push(Violation::ToldWhenGone(alert.labels.clone()));
            }
        }
        for alert in told.firing.iter().chain(&told.resolved) {
            if self.is_muted(now, &alert.labels) {
                self.violations.push(Violation::ToldWhenMuted(alert.labels.clone()));
            }
        }
    }

    /// A receiver has been told by a node.
    pub fn delivered(&mut self, node: PeerId, told: &Notification) {
        let labels =
            |alerts: &[std::sync::Arc<Alert>]| alerts.iter().map(|alert| alert.labels.clone()).collect();
        let new = Told { at: told.at, firing: labels(&told.firing), resolved: labels(&told.resolved) };
        let repeat = self.options(told).map_or(Span::ZERO, |options| options.1);
        let key = (told.group.clone(), told.receiver.clone());
        self.told.entry(key.clone()).or_default().insert(node, new.clone());
        let (before, by_node) = self.last.entry(key).or_insert_with(|| (new.clone(), BTreeMap::new()));
        if before.firing != new.firing || before.resolved != new.resolved {
            (*before, *by_node) = (new.clone(), BTreeMap::new());
        }
        for (other, at) in by_node.iter() {
            let after = Span::from_nanos(new.at.as_nanos().abs_diff(at.as_nanos()));
            let (receiver, group) = (told.receiver.clone(), told.group.clone());
            if after >= repeat {
                continue;
            }
            if *other == node {
                self.violations.push(Violation::RepeatedTooSoon { receiver, group, after });
            } else if self.connected_since.is_some_and(|since| *at >= since && new.at >= since) {
                self.violations.push(Violation::ToldByTwoNodes { receiver, group });
            }
        }
        by_node.insert(node, new.at);
    }

    /// Group wait and repeat interval of a notification's route.
    fn options(&self, told: &Notification) -> Option<(Span, Span)> {
        let is_it = |key: &str, receiver: &str| {
            receiver == told.receiver
                && told.group.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
        };
        let found = self.tree.iter().find(|(_, route)| is_it(&route.key, &route.options.receiver));
        found.map(|(_, route)| (route.options.group_wait, route.options.repeat_interval))
    }

    /// Whether everything that should have been told was. Receivers must have answered by now.
    pub fn check(&mut self, now: Time) {
        self.look(now);
        for (labels, heard) in self.alerts.iter().filter(|(_, heard)| heard.ends_at > now) {
            for id in self.tree.matching(labels) {
                let Some(route) = self.tree.get(id) else { continue };
                let options = &route.options;
                // When a route is silent is not known here.
                if !options.mute_intervals.is_empty() || !options.active_intervals.is_empty() {
                    continue;
                }
                let within = options.group_wait.max(options.group_interval) + self.slack;
                if now <= heard.clear_since + within {
                    continue;
                }
                let group = format!("{}:{}", route.key, options.group_of(labels));
                let told = self.told.get(&(group, options.receiver.clone()));
                let knows = |told: &Told| told.firing.contains(labels);
                if !told.is_some_and(|by_node| by_node.values().any(knows)) {
                    let receiver = options.receiver.clone();
                    self.violations.push(Violation::NotTold { receiver, labels: labels.clone() });
                }
            }
        }
    }

    /// Notes who is muted now.
    fn look(&mut self, now: Time) {
        let muted: Vec<Labels> =
            self.alerts.keys().filter(|labels| self.is_muted(now, labels)).cloned().collect();
        for labels in muted {
            if let Some(heard) = self.alerts.get_mut(&labels) {
                heard.clear_since = heard.clear_since.max(now);
            }
        }
        let ended = self.silences.values().filter(|silence| silence.state(now) == SilenceState::Expired);
        for silence in ended.filter(|silence| silence.ends_at > silence.starts_at) {
            for (labels, heard) in &mut self.alerts {
                if silence.matchers.matches(labels) {
                    heard.clear_since = heard.clear_since.max(silence.ends_at);
                }
            }
        }
    }

    fn is_muted(&self, now: Time, labels: &Labels) -> bool {
        let silenced = self
            .silences
            .values()
            .any(|silence| silence.state(now) == SilenceState::Active && silence.matchers.matches(labels));
        silenced || self.rules.iter().any(|rule| self.is_inhibited(now, rule, labels))
    }

    fn is_inhibited(&self, now: Time, rule: &InhibitRule, labels: &Labels) -> bool {
        let is_source = rule.source.matches(labels);
        rule.target.matches(labels)
            && self.alerts.iter().any(|(other, heard)| {
                heard.ends_at > now
                    && rule.source.matches(other)
                    && rule.equal.iter().all(|name| other.get(name) == labels.get(name))
                    && !(is_source && rule.target.matches(other))
            })
    }
}
