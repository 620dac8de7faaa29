//! What can be taken out of a scenario: timeline entries, loads, services, calls, objectives, and any other key.

use serde_json::Value;

use super::Shrinker;
use super::documents::{Step, below, get, paths_of_length, shown, without_paths};
use crate::scenario::plan::Edit;

/// Keys deeper than this stay.
const DEEPEST: usize = 9;

impl Shrinker<'_> {
    pub(super) fn remove_entries(&mut self) {
        let ids = called(&self.document, "timeline", "id");
        let origin = self.same.origin;
        self.reduce("timeline entries", &ids, |document, removed| {
            let edits: Vec<Edit> = removed.iter().map(|entry| Edit::Without(ids[*entry].clone())).collect();
            origin.with_edits(document, &edits)
        });
    }

    pub(super) fn remove_loads(&mut self) {
        let names = called(&self.document, "load", "name");
        let origin = self.same.origin;
        self.reduce("loads", &names, |document, removed| {
            let paths: Vec<_> = removed.iter().map(|load| element("load", *load)).collect();
            origin.without(document, &paths)
        });
    }

    pub(super) fn remove_services(&mut self) {
        let services = self.document.get("services").and_then(Value::as_object);
        let names: Vec<String> = services.map_or(Vec::new(), |services| services.keys().cloned().collect());
        let origin = self.same.origin;
        self.reduce("services", &names, |document, removed| {
            let gone: Vec<&str> = removed.iter().map(|service| names[*service].as_str()).collect();
            origin.without(document, &paths_about(document, &gone)?)
        });
    }

    pub(super) fn remove_calls(&mut self) {
        let calls = calls(&self.document);
        let names: Vec<String> = calls.iter().map(|call| shown(&self.document, call)).collect();
        let origin = self.same.origin;
        self.reduce("calls", &names, |document, removed| {
            let paths: Vec<_> = removed.iter().map(|call| calls[*call].clone()).collect();
            origin.without(document, &paths)
        });
    }

    /// Objectives that are not part of the failure.
    pub(super) fn remove_objectives(&mut self) {
        let ids = called(&self.document, "slo", "id");
        let idle: Vec<(usize, String)> =
            ids.into_iter().enumerate().filter(|(_, id)| !self.same.failure.failing.contains(id)).collect();
        let names: Vec<String> = idle.iter().map(|(_, id)| id.clone()).collect();
        let origin = self.same.origin;
        self.reduce("objectives", &names, |document, removed| {
            let paths: Vec<_> = removed.iter().map(|slo| element("slo", idle[*slo].0)).collect();
            origin.without(document, &paths)
        });
    }

    /// Policies and everything else that has a default, from the top down.
    pub(super) fn remove_keys(&mut self) {
        for length in 1..=DEEPEST {
            let mut paths = paths_of_length(&self.document, length);
            paths.retain(|path| may_go(path));
            let names: Vec<String> = paths.iter().map(|path| shown(&self.document, path)).collect();
            self.reduce("keys", &names, |document, removed| {
                without_paths(document, removed.iter().map(|path| paths[*path].as_slice()))
            });
        }
    }
}

fn element(list: &str, index: usize) -> Vec<Step> {
    vec![Step::Key(list.to_string()), Step::Index(index)]
}

/// What the lists of a scenario call their elements.
fn called(document: &Value, list: &str, key: &str) -> Vec<String> {
    let items = document.get(list).and_then(Value::as_array).into_iter().flatten();
    items
        .map(|item| match item.get(key) {
            Some(Value::String(name)) => name.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        })
        .collect()
}

/// Whether a key is tried: not what names the scenario, bounds the run or says what an objective is, and not whole
/// sections that have their own pass.
fn may_go(path: &[Step]) -> bool {
    let [Step::Key(top), below @ ..] = path else { return false };
    match top.as_str() {
        "version" | "name" | "seed" | "expect" | "slo" | "liveness" => false,
        "run" => *below == [Step::Key("warmup".to_string())],
        "services" | "load" | "timeline" => below.len() > 1,
        _ => true,
    }
}

/// All calls of all services, those of parallel steps included.
fn calls(document: &Value) -> Vec<Vec<Step>> {
    let key = |key: &str| Step::Key(key.to_string());
    let mut calls = Vec::new();
    for service in below(document, &[key("services")]) {
        let steps = service.iter().cloned().chain([key("calls")]).collect::<Vec<_>>();
        for step in below(document, &steps) {
            let parallel = step.iter().cloned().chain([key("parallel")]).collect::<Vec<_>>();
            let inner = below(document, &parallel);
            if inner.is_empty() { calls.push(step) } else { calls.extend(inner) }
        }
    }
    calls
}

/// Some services, the calls and loads that go to them, and what else names them.
fn paths_about(document: &Value, gone: &[&str]) -> Option<Vec<Vec<Step>>> {
    let is_gone =
        |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(|name| gone.contains(&name));
    let key = |key: &str| Step::Key(key.to_string());
    let mut paths: Vec<Vec<Step>> = gone.iter().map(|name| vec![key("services"), key(name)]).collect();
    for call in calls(document) {
        let is_below_gone = matches!(call.get(1), Some(Step::Key(owner)) if gone.contains(&owner.as_str()));
        let called = get(document, &call);
        if is_below_gone {
            continue;
        }
        if is_gone(called.and_then(|call| call.get("to"))) {
            paths.push(call);
        } else if is_gone(called.and_then(|call| call.get("on_miss"))) {
            paths.push(call.into_iter().chain([key("on_miss")]).collect());
        }
    }
    let services = document.get("services").and_then(Value::as_object)?;
    for (name, service) in services.iter().filter(|(name, _)| !gone.contains(&name.as_str())) {
        if is_gone(service.get("telemetry").and_then(|telemetry| telemetry.get("to"))) {
            paths.push(vec![key("services"), key(name), key("telemetry")]);
        }
        if is_gone(service.get("config_client").and_then(|client| client.get("to"))) {
            paths.push(vec![key("services"), key(name), key("config_client")]);
        }
        if is_gone(service.get("invalidates")) {
            paths.push(vec![key("services"), key(name), key("invalidates")]);
        }
    }
    for load in below(document, &[key("load")]) {
        if is_gone(get(document, &load).and_then(|load| load.get("to"))) {
            paths.push(load);
        }
    }
    Some(paths)
}
