//! Faults of processes: crash, restart, pause.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checker, Fault, Path, ResolveFault};
use crate::faults::{Crash, CrashMode, Pause, Restart};
use crate::kernel::time::Span;
use crate::scenario::quantity::Duration;
use crate::scenario::raw::RawNodeList;

/// Processes or hosts die and start again when the fault ends.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCrash {
    /// Which replicas: `svc`, `svc/2`, `svc/*`, or `{service: svc, pick: one}`.
    service: RawNodeList,
    /// What callers notice: refused connections (`process`, the default) or silence (`host`).
    #[serde(default)]
    mode: Option<RawCrashMode>,
}

/// What callers notice of a crash.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawCrashMode {
    /// Connections are reset and refused.
    Process,
    /// Nobody answers.
    Host,
}

impl ResolveFault for RawCrash {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let nodes = checker.nodes(&path.key("service"), &self.service)?;
        let mode = match self.mode {
            None | Some(RawCrashMode::Process) => CrashMode::Process,
            Some(RawCrashMode::Host) => CrashMode::Host,
        };
        Some(Fault::Crash(Crash { nodes, mode }))
    }
}

/// Processes are stopped and started again.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRestart {
    /// Which replicas: `svc`, `svc/2`, `svc/*`, or `{service: svc, pick: one}`.
    service: RawNodeList,
    /// How long each is away.
    downtime: Duration,
    /// From one replica to the next. Default 0s: all at once.
    #[serde(default)]
    every: Option<Duration>,
}

impl ResolveFault for RawRestart {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let nodes = checker.nodes(&path.key("service"), &self.service)?;
        let every = self.every.as_ref().map_or(Span::ZERO, |every| every.0);
        Some(Fault::Restart(Restart { nodes, downtime: self.downtime.0, every }))
    }
}

/// Processes stand still.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPause {
    /// Which replicas: `svc`, `svc/2`, `svc/*`, or `{service: svc, pick: one}`.
    service: RawNodeList,
}

impl ResolveFault for RawPause {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        Some(Fault::Pause(Pause { nodes: checker.nodes(&path.key("service"), &self.service)? }))
    }
}
