//! Settings of kind `alert-router`, read from the file or refused with the place and what to write instead.

use std::collections::BTreeMap;

use foreshock_systems::notification::dispatch::DispatchConfig;
use foreshock_systems::notification::{
    ClusterConfig, GroupBy, HaMode, InhibitRule, Labels, Matchers, PeerId, RouteConfig, RouteTree, Silence,
};
use foreshock_systems::store::FsyncPolicy;
use serde_json::{Map, Value};

use super::peers::PeerSettings;
use crate::kernel::time::{Span, Time};
use crate::nodes::settings::{Reader, Wrong};
use crate::nodes::store::StoreKind;
use crate::scenario::Around;
use crate::scenario::quantity::Positive;
use crate::scenario::suggest;

/// Settings of a router of alerts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) store: StoreKind,
    /// Labels made of the key of a request: by name, by how much the key is divided.
    key_labels: BTreeMap<String, u64>,
    /// Further labels, by operation.
    alerts: BTreeMap<String, BTreeMap<String, String>>,
    /// Without a receiver at the root it is whom it calls first.
    route: RouteConfig,
    pub(super) inhibit: Vec<InhibitRule>,
    pub(super) silences: Vec<Silence>,
    pub(super) resolve_timeout: Span,
    notify_timeout: Span,
    attempts: u32,
    retry_base: Span,
    retry_cap: Span,
    /// `None`: it is alone.
    pub(super) peers: Option<PeerSettings>,
}

const KEYS: [&str; 16] = [
    "store",
    "key_labels",
    "alerts",
    "route",
    "inhibit",
    "silences",
    "resolve_timeout",
    "notify_timeout",
    "attempts",
    "retry_base",
    "retry_cap",
    "peers",
    "peer_timeout",
    "gossip_interval",
    "failure_timeout",
    "ha",
];
/// Settings that say something of peers.
const PEER_KEYS: [&str; 4] = ["peer_timeout", "gossip_interval", "failure_timeout", "ha"];
/// Most peers of a router.
const MOST_PEERS: usize = 32;
const ROUTE_KEYS: [&str; 8] = [
    "receiver",
    "match",
    "group_by",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "continue",
    "routes",
];

/// Deepest nesting of routes.
const DEEPEST: usize = 32;

/// The settings, or everything that is wrong with them.
pub(super) fn read(written: &Map<String, Value>) -> Result<Settings, Wrong> {
    let mut wrong = Wrong::new();
    let mut reader = Reader { map: written, at: String::new(), wrong: &mut wrong };
    reader.refuse_unknown(&KEYS, "kind `alert-router`");
    let retry_base = reader.positive_span("retry_base").unwrap_or(Span::from_millis(500));
    let retry_cap = reader.positive_span("retry_cap").unwrap_or(Span::from_secs(60).max(retry_base));
    if retry_cap < retry_base {
        reader.wrong_at("retry_cap", format!("is below `retry_base`, which is {retry_base}; raise it"));
    }
    let in_memory = reader.choice("store", &[("wal", false), ("memory", true)]).unwrap_or(false);
    let read = Settings {
        store: if in_memory { StoreKind::Memory } else { StoreKind::Wal(FsyncPolicy::EveryCommit) },
        key_labels: key_labels(&mut reader),
        alerts: reader
            .mappings("alerts", "write `alerts: {node_down: {severity: critical}}`", |name, reader| {
                let text =
                    |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToString::to_string);
                let labels = reader.map.iter().map(|(label, value)| (label.clone(), text(value)));
                Some((name.to_string(), labels.collect()))
            })
            .into_iter()
            .collect(),
        route: match reader.map.get("route") {
            None => RouteConfig::default(),
            Some(Value::Object(map)) => {
                let mut inner = Reader { map, at: "route.".to_string(), wrong: reader.wrong };
                route(&mut inner, 0)
            }
            Some(_) => {
                reader.wrong_at("route", "is no mapping; write `{group_by: [alertname], group_wait: 30s}`");
                RouteConfig::default()
            }
        },
        inhibit: listed(&mut reader, "inhibit", inhibit_rule),
        silences: silences(&mut reader),
        resolve_timeout: reader.positive_span("resolve_timeout").unwrap_or(Span::from_secs(300)),
        notify_timeout: reader.positive_span("notify_timeout").unwrap_or(Span::from_secs(60)),
        attempts: reader.value("attempts", Positive::read).map_or(10, |attempts| attempts.0),
        retry_base,
        retry_cap,
        peers: peers(&mut reader),
    };
    if wrong.is_empty()
        && let Err(error) = RouteTree::new(&read.with_receiver("somebody"))
    {
        wrong.push(("route".to_string(), error.to_string()));
    }
    if wrong.is_empty() { Ok(read) } else { Err(wrong) }
}

fn peers(reader: &mut Reader<'_>) -> Option<PeerSettings> {
    let Some(names) = texts(reader, "peers") else {
        for key in PEER_KEYS.into_iter().filter(|key| reader.map.contains_key(*key)) {
            reader.wrong_at(key, "has no effect without `peers`; add `peers: [alerts-2]`");
        }
        return None;
    };
    if names.is_empty() || names.len() > MOST_PEERS {
        reader.wrong_at("peers", format!("names nobody, or too many; from 1 to {MOST_PEERS} are possible"));
        return None;
    }
    let usual = ClusterConfig::new(PeerId(0), Vec::new());
    let choices = [("at_least_once", HaMode::AtLeastOnce), ("single_leader", HaMode::SingleLeader)];
    let settings = PeerSettings {
        names,
        peer_timeout: reader.span("peer_timeout").unwrap_or(usual.peer_timeout),
        gossip_interval: reader.positive_span("gossip_interval").unwrap_or(usual.gossip_interval),
        failure_timeout: reader.positive_span("failure_timeout").unwrap_or(usual.failure_timeout),
        mode: reader.choice("ha", &choices).unwrap_or_default(),
    };
    if settings.failure_timeout <= settings.gossip_interval {
        let message =
            format!("is not longer than `gossip_interval`, which is {}; raise it", settings.gossip_interval);
        reader.wrong_at("failure_timeout", message);
    }
    Some(settings)
}

fn key_labels(reader: &mut Reader<'_>) -> BTreeMap<String, u64> {
    let Some(value) = reader.map.get("key_labels") else { return BTreeMap::from([("key".to_string(), 1)]) };
    let Value::Object(map) = value else {
        reader.wrong_at("key_labels", "says nothing; write `{instance: 1, rack: 40}`");
        return BTreeMap::new();
    };
    let mut inner = Reader { map, at: "key_labels.".to_string(), wrong: reader.wrong };
    let labels = map.keys().filter_map(|name| {
        inner.value(name, Positive::read).map(|divisor| (name.clone(), u64::from(divisor.0)))
    });
    labels.collect()
}

fn route(reader: &mut Reader<'_>, depth: usize) -> RouteConfig {
    reader.refuse_unknown(&ROUTE_KEYS, "a route");
    let map = reader.map;
    let receiver = map.get("receiver").and_then(Value::as_str).map(ToString::to_string);
    if receiver.is_none() && map.contains_key("receiver") {
        reader.wrong_at("receiver", "is no name of a service that is called");
    }
    if depth == 0 && map.contains_key("match") {
        reader.wrong_at("match", "has no sense at the root, which takes everything; move it into `routes`");
    }
    let routes = match map.get("routes") {
        Some(_) if depth >= DEEPEST => {
            reader.wrong_at("routes", format!("are nested too deeply; the most is {DEEPEST}"));
            Vec::new()
        }
        _ => listed(reader, "routes", |reader| Some(route(reader, depth + 1))),
    };
    RouteConfig {
        receiver,
        matchers: matchers(reader, "match").iter().cloned().collect(),
        group_by: group_by(reader),
        group_wait: reader.span("group_wait"),
        group_interval: reader.positive_span("group_interval"),
        repeat_interval: reader.positive_span("repeat_interval"),
        continues: reader.switch("continue").unwrap_or(false),
        mute_intervals: Vec::new(),
        active_intervals: Vec::new(),
        routes,
    }
}

fn group_by(reader: &mut Reader<'_>) -> Option<GroupBy> {
    let names = texts(reader, "group_by")?;
    let is_all = names.iter().any(|name| name == "...");
    Some(if is_all { GroupBy::All } else { GroupBy::Labels(names) })
}

/// One text or several.
fn texts(reader: &mut Reader<'_>, key: &str) -> Option<Vec<String>> {
    let value = reader.map.get(key)?;
    let all = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let texts: Vec<String> = all.iter().filter_map(Value::as_str).map(ToString::to_string).collect();
    if texts.len() < all.len() {
        reader.wrong_at(key, "is a list of texts");
    }
    Some(texts)
}

fn matchers(reader: &mut Reader<'_>, key: &str) -> Matchers {
    let texts = texts(reader, key).unwrap_or_default();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Matchers::parse(&texts).unwrap_or_else(|error| {
        reader.wrong_at(key, format!("{error}; write `severity=critical` or `team=~\"a|b\"`"));
        Matchers::default()
    })
}

/// The mappings of a list.
fn listed<T>(
    reader: &mut Reader<'_>,
    key: &str,
    mut read: impl FnMut(&mut Reader<'_>) -> Option<T>,
) -> Vec<T> {
    let Some(value) = reader.map.get(key) else { return Vec::new() };
    let Value::Array(list) = value else {
        reader.wrong_at(key, "is a list");
        return Vec::new();
    };
    let mut all = Vec::with_capacity(list.len());
    for value in list {
        let Value::Object(map) = value else {
            reader.wrong_at(key, "is a list of mappings");
            continue;
        };
        // Where in the list has no name of its own: what is wrong is told at the list.
        let mut inside = Wrong::new();
        let mut inner = Reader { map, at: String::new(), wrong: &mut inside };
        all.extend(read(&mut inner));
        for (inner_key, message) in inside {
            reader.wrong_at(key, format!("`{inner_key}` {message}"));
        }
    }
    all
}

fn inhibit_rule(reader: &mut Reader<'_>) -> Option<InhibitRule> {
    reader.refuse_unknown(&["source", "target", "equal"], "an inhibition");
    for key in ["source", "target"] {
        if !reader.map.contains_key(key) {
            reader.wrong_at(key, "is missing; write `[\"severity=critical\"]`");
        }
    }
    let (source, target) = (matchers(reader, "source"), matchers(reader, "target"));
    Some(InhibitRule { source, target, equal: texts(reader, "equal").unwrap_or_default() })
}

fn silences(reader: &mut Reader<'_>) -> Vec<Silence> {
    let mut number = 0;
    listed(reader, "silences", |reader| {
        reader.refuse_unknown(&["match", "from", "until"], "a silence");
        number += 1;
        let silence = Silence {
            id: format!("silence-{number}"),
            matchers: matchers(reader, "match"),
            starts_at: Time::ZERO + reader.span("from").unwrap_or(Span::ZERO),
            ends_at: Time::ZERO + reader.positive_span("until").unwrap_or(Span::MAX),
            updated_at: Time::ZERO,
            author: String::new(),
            comment: String::new(),
        };
        if let Err(error) = silence.validate() {
            reader.wrong_at("until", format!("is too early: {error}"));
            return None;
        }
        Some(silence)
    })
}

/// What is wrong with names of operations and of receivers.
pub(super) fn check_around(written: &Map<String, Value>, around: &Around<'_>) -> Wrong {
    let Ok(settings) = read(written) else { return Wrong::new() };
    let mut wrong = Wrong::new();
    let operations: Vec<&str> = around.operations.iter().map(String::as_str).collect();
    for name in settings.alerts.keys().filter(|name| !operations.contains(&name.as_str())) {
        let help = suggest::help(name, &operations).map_or_else(String::new, |help| format!("; {help}"));
        wrong.push((format!("alerts.{name}"), format!("no request is of the operation `{name}`{help}")));
    }
    let called: Vec<&str> = around.callees.iter().map(|(name, _)| *name).collect();
    let peers = settings.peers.as_ref().map_or(&[][..], |peers| &peers.names);
    for name in peers.iter().filter(|name| !called.contains(&name.as_str())) {
        let help = suggest::help(name, &called).map_or_else(String::new, |help| format!("; {help}"));
        wrong.push(("peers".to_string(), format!("the peer `{name}` is not called{help}")));
    }
    for (name, theirs) in around.callees.iter().filter(|(name, _)| peers.iter().any(|peer| peer == name)) {
        if !theirs.contains_key("peers") {
            let message = format!("`{name}` does not know of it: add `peers` there as well");
            wrong.push(("peers".to_string(), message));
        }
    }
    let callees: Vec<&str> =
        called.into_iter().filter(|name| !peers.iter().any(|peer| peer == name)).collect();
    let Some(first) = callees.first() else {
        if !peers.is_empty() {
            let message = "are all that it calls: there is nobody to be told; add a receiver to `calls`";
            wrong.push(("peers".to_string(), message.to_string()));
        }
        return wrong;
    };
    let mut unknown = Vec::new();
    receivers(&settings.with_receiver(first), &callees, &mut unknown);
    for name in unknown {
        let help = suggest::help(&name, &callees).map_or_else(String::new, |help| format!("; {help}"));
        wrong.push(("route".to_string(), format!("the receiver `{name}` is not called{help}")));
    }
    if wrong.is_empty()
        && let Err(error) = settings.retry().validate()
    {
        wrong.push((String::new(), error.to_string()));
    }
    wrong
}

/// Receivers that are not among those who are called.
fn receivers(route: &RouteConfig, callees: &[&str], unknown: &mut Vec<String>) {
    unknown.extend(route.receiver.iter().filter(|name| !callees.contains(&name.as_str())).cloned());
    for child in &route.routes {
        receivers(child, callees, unknown);
    }
}

impl Settings {
    /// The routes, with somebody to be told at the root.
    fn with_receiver(&self, usual: &str) -> RouteConfig {
        let receiver = self.route.receiver.clone().or_else(|| Some(usual.to_string()));
        RouteConfig { receiver, ..self.route.clone() }
    }

    fn retry(&self) -> foreshock_systems::retry::RetryConfig {
        let mut retry = DispatchConfig::new(RouteConfig::default()).retry;
        retry.max_attempts = self.attempts;
        retry.backoff.base = self.retry_base;
        retry.backoff.cap = self.retry_cap;
        retry
    }

    /// The library's config; who is called first is told what no route says otherwise of.
    pub(super) fn config(&self, first: &str, seed: u64) -> DispatchConfig {
        let mut config = DispatchConfig::new(self.with_receiver(first));
        config.inhibit_rules = self.inhibit.clone();
        config.resolve_timeout = self.resolve_timeout;
        config.notify_timeout = self.notify_timeout;
        config.retry = self.retry();
        config.seed = seed;
        config
    }

    /// The labels of an alert: its name, what is made of its key, and what belongs to its name.
    pub(super) fn labels(&self, operation: &str, key: u64) -> Labels {
        let mut pairs = vec![("alertname".to_string(), operation.to_string())];
        let made = self.key_labels.iter().map(|(name, divisor)| (name.clone(), (key / divisor).to_string()));
        pairs.extend(made);
        let more = self.alerts.get(operation).into_iter().flatten();
        pairs.extend(more.map(|(name, value)| (name.clone(), value.clone())));
        Labels::new(pairs)
    }
}
