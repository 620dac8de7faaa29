//! The scenario layer as its users meet it: text in, plans or messages out.

mod diagnostics;
mod edits;
mod hostile;
mod mutations;
mod plans;
mod schema;
mod swarms;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::plan::{JobsRole, Plan, TelemetryRole};
use crate::nodes::Kinds;

use super::{Around, Compiled, Files, KindsCheck, ScenarioError, Source, compile};

/// Trace files by name.
pub(super) struct Traces(BTreeMap<&'static str, &'static str>);

pub(super) fn traces() -> Traces {
    Traces(BTreeMap::from([
        ("good.txt", "# three requests\n0s buy 1\n1.5s browse\n\n2s 7\n"),
        ("broken.txt", "0s buy\n5 buy\n"),
        ("unsorted.txt", "2s\n1s\n"),
    ]))
}

impl Files for Traces {
    fn read(&self, relative: &str) -> Result<String, String> {
        self.0.get(relative).map(|text| text.to_string()).ok_or_else(|| "no such file".to_string())
    }
}

/// Kinds whose settings are those of the kinds themselves: what jobs and notifications need.
const REAL_KINDS: [&str; 7] = [
    "job-scheduler",
    "job-worker",
    "job-enqueuer",
    "job-sink",
    "notifier",
    "notification-provider",
    "alert-router",
];

/// Knows plain services, a store of limits without settings, a cache with three, a collector of reports, a writer that
/// admits everything and needs calls, and those that are real.
pub(super) struct FewKinds;

impl KindsCheck for FewKinds {
    fn names(&self) -> Vec<String> {
        let own = ["service", "cache", "limit-store", "metrics", "writer"].map(str::to_string);
        let real = REAL_KINDS.map(str::to_string);
        own.into_iter().chain(real).collect()
    }

    fn check_settings(&self, kind: &str, settings: &Map<String, Value>) -> Vec<(String, String)> {
        if REAL_KINDS.contains(&kind) {
            return Kinds::default().check_settings(kind, settings);
        }
        let known: &[&str] = match kind {
            "cache" => &["capacity", "ttl", "eviction"],
            "metrics" => &["alerts"],
            _ => &[],
        };
        let unknown = settings.keys().filter(|key| !known.contains(&key.as_str()));
        unknown.map(|key| (key.clone(), format!("a {kind} has no `{key}`"))).collect()
    }

    fn check_around(
        &self,
        kind: &str,
        settings: &Map<String, Value>,
        around: &Around<'_>,
    ) -> Vec<(String, String)> {
        Kinds::default().check_around(kind, settings, around)
    }

    fn most_replicas(&self, kind: &str) -> Option<u32> {
        Kinds::default().most_replicas(kind)
    }

    fn has_admission(&self, kind: &str) -> bool {
        kind != "writer"
    }

    fn needs_calls(&self, kind: &str) -> bool {
        kind == "writer" || REAL_KINDS.contains(&kind) && Kinds::default().needs_calls(kind)
    }

    fn telemetry_role(&self, kind: &str) -> TelemetryRole {
        match kind {
            "service" => TelemetryRole::Reports,
            "metrics" => TelemetryRole::Collects,
            _ => TelemetryRole::None,
        }
    }

    fn jobs_role(&self, kind: &str) -> JobsRole {
        Kinds::default().jobs_role(kind)
    }
}

pub(super) fn compiled_bytes(text: &[u8]) -> Result<Compiled, ScenarioError> {
    compile(Source { name: "case.yaml", text }, &traces(), &FewKinds)
}

pub(super) fn compiled(text: &str) -> Result<Compiled, ScenarioError> {
    compiled_bytes(text.as_bytes())
}

pub(super) fn plan(text: &str) -> Plan {
    match compiled(text) {
        Ok(compiled) => compiled.plan,
        Err(error) => panic!("the scenario should compile:\n{error}"),
    }
}

/// A text with what every scenario needs, where it does not have it itself. Added below, so that lines keep their
/// numbers.
pub(super) fn completed(text: &str) -> String {
    let needed = [
        ("version:", "version: 1"),
        ("name:", "name: case"),
        ("run:", "run: {duration: 5m}"),
        ("services:", "services: {api: {}}"),
        ("load:", "load: [{name: users, to: api, rate: 1/s}]"),
    ];
    let mut whole = text.to_string();
    for (key, line) in needed {
        if !text.lines().any(|own| own.starts_with(key)) {
            whole.push_str(line);
            whole.push('\n');
        }
    }
    whole
}

/// A scenario that uses nearly everything there is.
pub(super) const LARGE: &str = include_str!("large.yaml");
/// Limits of every kind.
pub(super) const LIMITS: &str = include_str!("limits.yaml");
/// A service that reports on itself in every way.
pub(super) const MONITORING: &str = include_str!("monitoring.yaml");
/// Entries that each seed draws, and marks.
pub(super) const SWEEPS: &str = include_str!("sweeps.yaml");
/// The example of the design: a config change that cascades.
pub(super) const CASCADE: &str = include_str!("cascade.yaml");
