//! Random timelines: entries of all kinds, overlapping or after one another, for whoever there is in a document.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::generator::Flavour;

/// An entry before it is known who there is: a kind, positions to resolve, times.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    kind: usize,
    who: [Index; 3],
    which: Index,
    value: Index,
    at_ms: u64,
    for_ms: Option<u64>,
    after_previous: bool,
}

/// The kinds of entries, as [`Parties::action`] makes them.
const KINDS: usize = 34;
/// The kind that copies messages.
const DUPLICATE: usize = 2;
/// The kind that stops a process.
const PAUSE: usize = 13;

pub(crate) fn entry(latest_ms: u64, forever: f64) -> BoxedStrategy<Entry> {
    let lasts =
        (1..900_u64, 0.0..1.0_f64).prop_map(move |(for_ms, chance)| (chance >= forever).then_some(for_ms));
    let times = (0..latest_ms, lasts, proptest::bool::weighted(0.15));
    (0..KINDS, any::<[Index; 3]>(), any::<Index>(), any::<Index>(), times)
        .prop_map(|(kind, who, which, value, (at_ms, for_ms, after_previous))| Entry {
            kind,
            who,
            which,
            value,
            at_ms,
            for_ms,
            after_previous,
        })
        .boxed()
}

/// Whether an entry that lasts is the same whatever was before it.
pub(crate) fn keeps_nothing(entry: &Entry) -> bool {
    entry.kind != PAUSE && entry.kind != DUPLICATE
}

/// Who there is in a document.
pub(crate) struct Parties<'d> {
    document: &'d Value,
    services: Vec<String>,
    loads: Vec<String>,
    edges: Vec<(String, String)>,
    flavour: Flavour,
    /// Whether replicas may be drawn: who is drawn depends on how many there are, which changes may change.
    may_draw: bool,
}

impl<'d> Parties<'d> {
    pub(crate) fn of(document: &'d Value, flavour: Flavour, may_draw: bool) -> Parties<'d> {
        let services: Vec<String> = document["services"].as_object().unwrap().keys().cloned().collect();
        let mut edges = Vec::new();
        let mut loads = Vec::new();
        for load in document["load"].as_array().unwrap() {
            let name = load["name"].as_str().unwrap().to_string();
            edges.push((name.clone(), load["to"].as_str().unwrap().to_string()));
            loads.push(name);
        }
        for (name, service) in document["services"].as_object().unwrap() {
            for step in service["calls"].as_array().into_iter().flatten() {
                let calls = step
                    .get("parallel")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_else(|| vec![step.clone()]);
                for call in calls {
                    let edge = (name.clone(), call["to"].as_str().unwrap().to_string());
                    if !edges.contains(&edge) {
                        edges.push(edge);
                    }
                }
            }
        }
        Parties { document, services, loads, edges, flavour, may_draw }
    }

    fn load(&self, name: &str) -> &Value {
        self.document["load"].as_array().unwrap().iter().find(|load| load["name"] == name).unwrap()
    }

    /// Replicas by name or by a draw.
    fn nodes(&self, service: &str, which: Index) -> Value {
        match which.index(6) {
            0 => json!(format!("{service}/1")),
            _ if !self.may_draw => json!(service),
            1 => json!({"service": service, "pick": "one"}),
            2 => json!({"service": service, "pick": "minority"}),
            3 => json!({"service": service, "pick": "majority"}),
            4 => json!({"service": service, "pick": "random(1)"}),
            _ => json!(service),
        }
    }

    fn links(&self, who: Index, which: Index) -> Value {
        let (from, to) = who.get(&self.edges);
        match which.index(5) {
            0 => json!(format!("{from} -> {to}")),
            1 => json!(format!("{to} -> {from}")),
            2 => json!(format!("{from} <-> {to}")),
            3 => json!(format!("* -> {to}")),
            _ => json!("*"),
        }
    }

    /// A setting and a value for it.
    fn setting(&self, entry: &Entry) -> (String, Value) {
        let service = entry.who[0].get(&self.services);
        let load = entry.who[1].get(&self.loads);
        let (from, to) = entry.who[2].get(&self.edges);
        let call = if self.loads.contains(from) { from.clone() } else { format!("{from}.calls.{to}") };
        let mut settings = vec![
            (format!("{service}.service_time"), json!("6ms")),
            (format!("{service}.workers"), json!(1)),
            (format!("{service}.queue.capacity"), json!(3)),
            (format!("{service}.queue.discipline"), json!("lifo")),
            (format!("{service}.error_rate"), json!("30%")),
            (format!("{service}.drop_expired"), json!(true)),
            (format!("{load}.patience"), json!("50ms")),
            ("network.default.latency".to_string(), json!("4ms")),
            ("network.default.loss".to_string(), json!("5%")),
            (format!("{call}.timeout"), json!("10ms")),
            (format!("{call}.cancel"), json!(true)),
            (format!("{call}.retry"), json!({"max_attempts": 3, "backoff": {"base": "2ms"}})),
            (format!("{call}.bulkhead"), json!({"max_in_flight": 2, "max_waiting": 2})),
            (format!("{call}.concurrency"), json!({"initial": 3})),
            (format!("{call}.rate_limit"), json!({"rate": "50/s", "burst": 2})),
            (format!("{call}.hedge"), json!({"after": "5ms"})),
        ];
        if self.flavour == Flavour::Anything {
            settings.push((format!("{service}.balance"), json!("round_robin")));
            settings
                .push((format!("{service}.health_check"), json!({"interval": "40ms", "unhealthy_after": 1})));
            settings
                .push((format!("{call}.breaker"), json!({"consecutive_failures": 3, "open_for": "50ms"})));
            if self.load(load).get("rate").is_some() {
                settings.push((format!("{load}.rate"), json!("90/s")));
            }
        }
        entry.value.get(&settings).clone()
    }

    fn partition(&self, entry: &Entry) -> Value {
        let parties: Vec<&String> = self.services.iter().chain(&self.loads).collect();
        let first = entry.who[0].index(parties.len());
        let second = (first + 1 + entry.who[1].index(parties.len() - 1)) % parties.len();
        let (one, other) = (parties[first], parties[second]);
        let mode = match entry.which.index(if self.flavour == Flavour::Anything { 4 } else { 3 }) {
            0 => json!("drop"),
            1 => json!({"slow": "15ms"}),
            2 => json!({"slow": "3ms"}),
            _ => json!("hold"),
        };
        match entry.value.index(6) {
            0 => json!({"isolate": [one], "mode": mode}),
            1 => json!({"halves": [one, other], "mode": mode}),
            2 => json!({"bridge": {"left": [one], "right": [other]}, "mode": mode}),
            3 => json!({"between": [[one], [other]], "mode": mode, "one_way": true}),
            4 if parties.len() >= 4 => json!({"ring": parties[..4], "mode": mode}),
            _ => json!({"between": [[one], [other]], "mode": mode}),
        }
    }

    /// What the entry does: its key and value; `None` if there is nobody for it.
    fn action(&self, entry: &Entry, id: &str, earlier: &[Value]) -> Option<(&'static str, Value)> {
        let service = entry.who[0].get(&self.services);
        let load = entry.who[1].get(&self.loads);
        let (from, to) = entry.who[2].get(&self.edges);
        let (nodes, links) = (self.nodes(service, entry.which), self.links(entry.who[2], entry.which));
        let is_open = self.load(load).get("closed").is_none();
        let pick = |values: &[&str]| json!(*entry.value.get(values));
        let fault = match entry.kind {
            0 => json!({"latency": {"link": links, "add": pick(&["2ms", "10ms"]), "jitter": "1ms"}}),
            1 => json!({"loss": {"link": links, "share": pick(&["10%", "100%"])}}),
            DUPLICATE => json!({"duplicate": {"link": links, "share": pick(&["20%", "100%"])}}),
            3 => json!({"reorder": {"link": links, "share": pick(&["20%", "100%"]), "delay": "8ms"}}),
            4 => json!({"corrupt": {"link": links, "share": pick(&["10%", "100%"])}}),
            5 => json!({"bandwidth": {"link": links, "rate": pick(&["200kB/s", "20kB/s"])}}),
            6 | 7 => json!({"partition": self.partition(entry)}),
            8 => json!({"refuse": {"service": nodes, "share": pick(&["30%", "100%"])}}),
            9 => json!({"reset": {"call": format!("{from} -> {to}"), "share": pick(&["30%", "100%"])}}),
            10 | 11 => json!({"crash": {"service": nodes, "mode": pick(&["process", "host"])}}),
            12 => json!({"restart": {"service": nodes, "downtime": pick(&["20ms", "0s"]), "every": "30ms"}}),
            PAUSE => json!({"pause": {"service": nodes}}),
            14 => json!({"slow": {"service": nodes, "factor": pick(&["x2", "x5", "x0.5"])}}),
            15 => json!({"cpu_quota": {"service": nodes, "quota": "5ms", "period": pick(&["20ms", "10ms"])}}),
            16 => {
                json!({"error": {"service": service, "share": pick(&["30%", "100%"]), "operations": ["buy"]}})
            }
            17 => json!({"abort": {"service": service, "share": pick(&["30%", "100%"])}}),
            18 => json!({"delay": {"service": service, "add": pick(&["5ms", "50ms"]), "share": "50%"}}),
            19 => {
                json!({"retry_storm": {"call": format!("{from} -> {to}"), "attempts": pick(&["x2", "x3"])}})
            }
            20 if is_open => json!({"surge": {"load": load, "factor": pick(&["x2", "x1.5"])}}),
            21 if is_open => {
                json!({"thundering_herd": {"load": load, "requests": 30, "over": pick(&["0s", "20ms"])}})
            }
            22 => json!({"hot_key": {"load": load, "share": pick(&["50%", "100%"]), "key": 1}}),
            23 => json!({"pool_exhaustion": {"service": service, "pool": "shared", "leaked": "all"}}),
            24 => json!({"pool_exhaustion": {"load": load, "pool": "shared", "leaked": 1}}),
            25 => json!({"clock": {"service": nodes, "skew": pick(&["+30ms", "-30ms", "+5s"])}}),
            26 => json!({"clock": {"service": nodes, "drift": pick(&["50000ppm", "-50000ppm"])}}),
            27 if self.flavour == Flavour::Anything => {
                json!({"clock": {"service": nodes, "jump": pick(&["+1s", "-1s"])}})
            }
            _ => return self.change(entry, id, earlier),
        };
        Some(("fault", fault))
    }

    fn change(&self, entry: &Entry, id: &str, earlier: &[Value]) -> Option<(&'static str, Value)> {
        let service = entry.who[0].get(&self.services);
        let (path, value) = self.setting(entry);
        match entry.kind {
            28 => {
                let strategy = match entry.which.index(3) {
                    0 => json!({"strategy": "rolling", "every": "30ms"}),
                    1 => json!({"strategy": "all_at_once"}),
                    _ => json!({"strategy": "canary", "share": "40%"}),
                };
                let mut deploy = json!({"service": service, "version": "v2", "set": {path: value}});
                deploy.as_object_mut().unwrap().extend(strategy.as_object().unwrap().clone());
                if entry.value.index(2) == 0 {
                    deploy["downtime"] = json!("25ms");
                }
                Some(("deploy", deploy))
            }
            29 | 30 => Some(("config", json!({path: value}))),
            31 => Some(("scale", json!({"service": service, "replicas": 1 + entry.value.index(4)}))),
            32 => {
                let (from, to) = entry.who[2].get(&self.edges);
                let name = format!("hop-{id}");
                Some((
                    "extra_hop",
                    json!({"link": format!("{from} -> {to}"), "name": name, "service_time": "1ms"}),
                ))
            }
            33 => {
                let changes: Vec<&Value> = earlier
                    .iter()
                    .filter(|entry| entry.get("fault").is_none() && entry.get("rollback").is_none())
                    .collect();
                let undone = changes.get(entry.who[0].index(changes.len().max(1)))?;
                Some(("rollback", json!({"of": undone["id"]})))
            }
            _ => None,
        }
    }
}

/// The timeline that these entries make for these parties. Ids start with `prefix`.
pub(crate) fn timeline(parties: &Parties<'_>, prefix: &str, entries: &[Entry]) -> Vec<Value> {
    let mut made: Vec<Value> = Vec::new();
    let mut previous_end_ms = None;
    for (position, entry) in entries.iter().enumerate() {
        let id = format!("{prefix}{position}");
        let Some((key, action)) = parties.action(entry, &id, &made) else { continue };
        let mut value = json!({"id": id, key: action});
        let pause_ms = entry.at_ms % 50;
        let follows = previous_end_ms.map(|end_ms: u64| end_ms + pause_ms);
        let start_ms = match (made.last(), follows) {
            (Some(previous), Some(start_ms)) if entry.after_previous && start_ms < 2000 => {
                value["after"] = json!(format!("{}.end + {pause_ms}ms", previous["id"].as_str().unwrap()));
                start_ms
            }
            (Some(_) | None, _) => {
                value["at"] = json!(format!("{}ms", entry.at_ms));
                entry.at_ms
            }
        };
        let for_ms = entry.for_ms.filter(|_| key != "rollback");
        if let Some(for_ms) = for_ms {
            value["for"] = json!(format!("{for_ms}ms"));
        }
        previous_end_ms = for_ms.map(|for_ms| start_ms + for_ms);
        made.push(value);
    }
    made
}
