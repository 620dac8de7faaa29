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

use super::plan::{FlagServed, KindTraits, Plan, TelemetryRole};
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

/// Kinds that are as they are: those of jobs, configuration, notifications, car parks and hotels.
const REAL_KINDS: [&str; 12] = [
    "job-scheduler",
    "job-worker",
    "job-enqueuer",
    "job-sink",
    "config-server",
    "notifier",
    "notification-provider",
    "alert-router",
    "parking-lot",
    "parking-gate",
    "hotel",
    "hotel-channel",
];

/// Knows plain services, a store of limits without settings, a cache with three, a collector of reports, a writer that
/// admits everything and needs calls, a keeper of flags, and those that are as they are.
pub(super) struct FewKinds;

impl KindsCheck for FewKinds {
    fn names(&self) -> Vec<String> {
        let own = ["service", "cache", "limit-store", "metrics", "writer", "flag-server"].map(str::to_string);
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
            "flag-server" => &["rollouts"],
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

    fn traits(&self, kind: &str) -> KindTraits {
        match kind {
            "writer" => KindTraits { needs_calls: true, ..KindTraits::default() },
            _ if REAL_KINDS.contains(&kind) => Kinds::default().traits(kind),
            "service" => KindTraits { has_admission: true, ..Kinds::default().traits(kind) },
            "metrics" => KindTraits {
                telemetry: TelemetryRole::Collects,
                has_admission: true,
                ..KindTraits::default()
            },
            "cache" => KindTraits { has_admission: true, keeps_copies: true, ..KindTraits::default() },
            _ => KindTraits { has_admission: true, ..KindTraits::default() },
        }
    }

    /// Those that are on or off have no percentage here.
    fn flags_served(&self, kind: &str, settings: &Map<String, Value>) -> Option<Vec<FlagServed>> {
        let rollouts = settings.get("rollouts").and_then(Value::as_object);
        let flags = rollouts.into_iter().flatten();
        let served =
            flags.map(|(name, share)| FlagServed { name: name.clone(), has_rollout: share.is_string() });
        (kind == "flag-server").then(|| served.collect())
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
/// Feature flags and changes of them.
pub(super) const FLAGS: &str = include_str!("flags.yaml");
/// A service that follows a configuration server in every way.
pub(super) const CONFIGS: &str = include_str!("configs.yaml");
/// The example of the design: a config change that cascades.
pub(super) const CASCADE: &str = include_str!("cascade.yaml");
