//! Lengths and bounds of the run, and hosts.

use indexmap::IndexMap;

use super::Checker;
use crate::kernel::time::Span;
use crate::scenario::path::Path;
use crate::scenario::plan::{HostId, HostPlan, LivenessPlan, RunPlan};
use crate::scenario::quantity::Duration;
use crate::scenario::raw::{RawHost, RawLiveness, RawRun};

/// Runs up to this length are measured by the second.
const FINE_UP_TO: Span = Span::from_secs(20 * 60);
/// Measuring intervals of longer runs.
const INTERVALS: u64 = 1_200;
/// Most measuring intervals a file may ask for.
const MOST_INTERVALS: u64 = 100_000;
/// Longest run: a year.
const LONGEST: Span = Span::from_secs(366 * 86_400);

impl Checker<'_> {
    /// Lengths and bounds of the run.
    pub(crate) fn run(&mut self, raw: &RawRun) -> RunPlan {
        let path = Path::root().key("run");
        let duration = raw.duration.0;
        if duration.is_zero() {
            self.error_at_value(&path.key("duration"), "a run of no length".to_string(), None);
        }
        if duration > LONGEST {
            let help = "the longest run is 366d".to_string();
            self.error_at_value(
                &path.key("duration"),
                format!("a run of {duration} is too long"),
                Some(help),
            );
        }
        let warmup = span_or(raw.warmup.as_ref(), Span::ZERO);
        if !warmup.is_zero() && warmup >= duration {
            let message =
                format!("the warm-up of {warmup} leaves nothing of the run of {duration} to measure");
            self.error_at_value(&path.key("warmup"), message, None);
        }
        let drain = span_or(raw.drain.as_ref(), Span::from_secs(10));
        if drain > LONGEST {
            self.error_at_value(&path.key("drain"), format!("a drain of {drain} is too long"), None);
        }
        let grid = span_or(raw.grid.as_ref(), default_grid(duration));
        let plan = RunPlan {
            duration,
            warmup,
            drain,
            grid,
            max_events: raw.max_events.as_ref().map_or(500_000_000, |total| total.0),
            max_memory_bytes: raw.max_memory.as_ref().map_or(2 << 30, |bytes| bytes.0),
            redraw: None,
        };
        if grid.is_zero() {
            self.error_at_value(&path.key("grid"), "measuring intervals of no length".to_string(), None);
        } else if plan.intervals() as u64 > MOST_INTERVALS {
            let message = format!("{} measuring intervals are too many", plan.intervals());
            let help = format!("use a grid of at least {}", default_grid(duration));
            self.error_at_value(&path.key("grid"), message, Some(help));
        }
        if plan.max_events == 0 {
            self.error_at_value(&path.key("max_events"), "a run of no events".to_string(), None);
        }
        if plan.max_memory_bytes == 0 {
            self.error_at_value(&path.key("max_memory"), "a run in no memory".to_string(), None);
        }
        plan
    }

    /// The machines replicas are placed on.
    pub(crate) fn resolve_hosts(&mut self, raw: &IndexMap<String, RawHost>) {
        for (name, host) in raw {
            let id = HostId(self.hosts.len() as u32);
            self.declare_host(&Path::root().key("hosts").key(name), name, id);
            self.hosts.push(HostPlan { name: name.clone(), cores_milli: host.cores.0 });
        }
    }

    /// How fast loads have to recover.
    pub(crate) fn liveness(&mut self, raw: Option<&RawLiveness>) -> Option<LivenessPlan> {
        let recovered_within = raw?.recovered_within.0;
        if recovered_within.is_zero() {
            let path = Path::root().key("liveness").key("recovered_within");
            self.error_at_value(&path, "nothing recovers in no time".to_string(), None);
        }
        Some(LivenessPlan { recovered_within })
    }
}

/// The span given, or `default`.
pub(crate) fn span_or(raw: Option<&Duration>, default: Span) -> Span {
    raw.map_or(default, |duration| duration.0)
}

fn default_grid(duration: Span) -> Span {
    if duration <= FINE_UP_TO {
        return Span::from_secs(1);
    }
    let second = 1_000_000_000;
    Span::from_secs(duration.as_nanos().div_ceil(INTERVALS).div_ceil(second))
}
