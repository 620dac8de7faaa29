//! Objectives and expectations.

use super::Checker;
use super::distribution::quantile;
use crate::judge::{LIVENESS_ID, STOP_ID, invariant_ids};
use crate::kernel::time::{Span, Time};
use crate::scenario::edit;
use crate::scenario::path::Path;
use crate::scenario::plan::{
    Bound, Comparison, Expectation, ExpectedVerdict, Metric, RunPlan, SloPlan, SloWindow, Stat, Target,
};
use crate::scenario::quantity::{Duration, Factor, Percentage, Problem, Rate, show_percentage};
use crate::scenario::raw::{OneOrMany, RawExpect, RawMetric, RawScenario, RawSlo, RawVerdict};
use crate::scenario::suggest;

/// What ids of invariants of every scenario start with, and the id under which a run fails that reached a bound.
const ALWAYS_ON: [&str; 4] = ["conservation", "little_law", "every_end_is_timed", STOP_ID];

/// The targets a metric can have.
struct Targets {
    of: bool,
    at: bool,
    on: bool,
}

impl Checker<'_> {
    /// All objectives.
    pub(crate) fn resolve_slos(&mut self, raw: &[RawSlo], run: &RunPlan) {
        for (index, slo) in raw.iter().enumerate() {
            let path = Path::root().key("slo").index(index);
            self.declare_slo(&path.key("id"), &slo.id.0);
            let target = self.target(&path, slo);
            let stat = self.stat(&path, slo);
            let bound = self.bound(&path.key("must_be"), slo);
            let window = self.window(&path, slo, run, bound);
            if let (Some(target), Some(metric), Some(bound), Some(window)) = (target, stat, bound, window) {
                self.slos.push(SloPlan { id: slo.id.0.clone(), metric, target, bound, window });
            }
        }
    }

    pub(super) fn target(&mut self, path: &Path, raw: &RawSlo) -> Option<Target> {
        let allowed = targets_of(raw.metric);
        let keys = [
            ("of", raw.of.is_some(), allowed.of),
            ("at", raw.at.is_some(), allowed.at),
            ("on", raw.on.is_some(), allowed.on),
        ];
        let wanted: Vec<&str> =
            keys.iter().filter(|(_, _, allowed)| *allowed).map(|(key, _, _)| target_example(key)).collect();
        let wanted = wanted.join(", or ");
        let given: Vec<&(&str, bool, bool)> = keys.iter().filter(|(_, given, _)| *given).collect();
        match given.as_slice() {
            [] => {
                let message = format!("`{}` without a target", metric_name(raw.metric));
                self.missing(path, message, Some(format!("add {wanted}")));
                return None;
            }
            [(key, _, false)] => {
                let message = format!("`{}` cannot be measured with `{key}`", metric_name(raw.metric));
                self.error_at_key(&path.key(key), message, Some(format!("use {wanted}")));
                return None;
            }
            [_] => {}
            [first, second, ..] => {
                let message = format!("both `{}` and `{}` say who is measured", first.0, second.0);
                self.error_at_key(&path.key(second.0), message, Some("keep one of them".to_string()));
                return None;
            }
        }
        let operation = match &raw.operation {
            None => None,
            Some(name) => {
                if raw.of.is_none() {
                    let message = "`operation` goes with `of: load` only".to_string();
                    self.error_at_key(&path.key("operation"), message, None);
                }
                Some(self.operation(&path.key("operation"), name)?)
            }
        };
        if let Some(name) = &raw.of {
            let load = self.load(&path.key("of"), name)?;
            self.check_offered(&path.key("operation"), load, operation);
            return Some(Target::Load(load, operation));
        }
        if let Some(name) = &raw.at {
            return self.service(&path.key("at"), name).map(Target::Service);
        }
        self.edge_named(&path.key("on"), raw.on.as_ref()?).map(Target::Edge)
    }

    /// Refuses to measure an operation that the load never asks for.
    fn check_offered(
        &mut self,
        path: &Path,
        load: crate::scenario::plan::LoadId,
        operation: Option<crate::scenario::plan::OperationId>,
    ) {
        let (Some(operation), Some(plan)) = (operation, self.loads.get(load.index())) else { return };
        let traced = matches!(plan.arrivals, crate::scenario::plan::Arrivals::Trace(_));
        if !traced
            && self.lost.is_whole(&Path::root().key("load"))
            && !plan.mix.iter().any(|(offered, _)| *offered == operation)
        {
            let message = format!("the load `{}` has no such operation in its mix", plan.name);
            self.error_at_value(path, message, None);
        }
    }

    pub(super) fn stat(&mut self, path: &Path, raw: &RawSlo) -> Option<Metric> {
        let stat = match &raw.stat {
            None => None,
            Some(text) => match read_stat(text) {
                Some(stat) => Some(stat),
                None => {
                    let help =
                        "use `mean`, `p50`, `p90`, `p95`, `p99`, `p999`, `max`, or one such as `p99.5`";
                    self.error_at_value(
                        &path.key("stat"),
                        format!("unknown stat `{text}`"),
                        Some(help.to_string()),
                    );
                    return None;
                }
            },
        };
        let with_stat =
            matches!(raw.metric, RawMetric::Latency | RawMetric::LatencyAll | RawMetric::QueueDepth);
        if stat.is_some() && !with_stat {
            let message = format!("`{}` is one number: it has no `stat`", metric_name(raw.metric));
            self.error_at_key(&path.key("stat"), message, Some("remove it".to_string()));
        }
        let p99 = Stat::Quantile(990_000);
        Some(match raw.metric {
            RawMetric::Latency => Metric::Latency(stat.unwrap_or(p99)),
            RawMetric::LatencyAll => Metric::LatencyAll(stat.unwrap_or(p99)),
            RawMetric::ErrorRate => Metric::ErrorRate,
            RawMetric::Availability => Metric::Availability,
            RawMetric::Goodput => Metric::Goodput,
            RawMetric::AttemptsPerRequest => Metric::AttemptsPerRequest,
            RawMetric::Amplification => Metric::Amplification,
            RawMetric::QueueDepth => {
                let stat = stat.unwrap_or(Stat::Mean);
                if matches!(stat, Stat::Quantile(_)) {
                    let message = "`queue_depth` has a mean and a maximum, no percentiles".to_string();
                    self.error_at_value(&path.key("stat"), message, Some("use `mean` or `max`".to_string()));
                }
                Metric::QueueDepth(stat)
            }
            RawMetric::Utilization => Metric::Utilization,
            RawMetric::RecoveryTime => Metric::RecoveryTime,
        })
    }

    pub(super) fn bound(&mut self, path: &Path, raw: &RawSlo) -> Option<Bound> {
        match read_bound(raw.metric, &raw.must_be) {
            Ok(bound) => Some(bound),
            Err(problem) => {
                self.error_at_value(path, problem.message, problem.help);
                None
            }
        }
    }

    pub(super) fn window(
        &mut self,
        path: &Path,
        raw: &RawSlo,
        run: &RunPlan,
        bound: Option<Bound>,
    ) -> Option<SloWindow> {
        if raw.metric == RawMetric::RecoveryTime {
            return self.recovery_window(path, raw, bound);
        }
        match (&raw.over, &raw.within, &raw.after) {
            (None, None, None) => {
                Some(SloWindow::Over { from: Time::ZERO + run.warmup, to: Time::ZERO + run.duration })
            }
            (Some(over), None, None) => self.over(&path.key("over"), over, run),
            (None, Some(within), Some(after)) => {
                let after = self.awaited_edge(&path.key("after"), after)?;
                Some(SloWindow::Within { within: within.0, after })
            }
            (None, Some(_), None) => {
                let help = "add `after: slow-link.end`".to_string();
                self.missing(path, "`within` without `after`".to_string(), Some(help));
                None
            }
            (None, None, Some(_)) => {
                let help = "add `within: 30s`".to_string();
                self.missing(path, "`after` without `within`".to_string(), Some(help));
                None
            }
            (Some(_), _, _) => {
                let message = "both `over` and `within` say when it has to hold".to_string();
                self.error_at_key(&path.key("over"), message, Some("keep one of them".to_string()));
                None
            }
        }
    }

    fn awaited_edge(&mut self, path: &Path, text: &str) -> Option<crate::scenario::plan::EntryEdge> {
        let edge = self.entry_edge(path, text)?;
        self.check_that_it_ends(path, edge);
        Some(edge)
    }

    fn recovery_window(&mut self, path: &Path, raw: &RawSlo, bound: Option<Bound>) -> Option<SloWindow> {
        for (key, given) in [("over", raw.over.is_some()), ("within", raw.within.is_some())] {
            if given {
                let help = "remove it: `must_be` says how long it may take".to_string();
                self.error_at_key(&path.key(key), format!("`recovery_time` has no `{key}`"), Some(help));
            }
        }
        let Some(after) = &raw.after else {
            let help = "add `after: slow-link.end`".to_string();
            self.missing(path, "`recovery_time` without `after`".to_string(), Some(help));
            return None;
        };
        let after = self.awaited_edge(&path.key("after"), after)?;
        Some(SloWindow::Within { within: Span::from_nanos(bound?.limit), after })
    }

    fn over(&mut self, path: &Path, text: &str, run: &RunPlan) -> Option<SloWindow> {
        let ends = text.split_once("..").and_then(|(from, to)| {
            Some((from.trim().parse::<Span>().ok()?, to.trim().parse::<Span>().ok()?))
        });
        let Some((from, to)) = ends else {
            let help = "write it as in `30s..5m`".to_string();
            self.error_at_value(path, format!("`{text}` is not a stretch of time"), Some(help));
            return None;
        };
        if from >= to {
            self.error_at_value(path, format!("`{text}` ends before it starts"), None);
            return None;
        }
        let last = run.duration + run.drain;
        if from >= run.duration || to > last {
            let help = format!("the load ends at {}, the run at {last}", run.duration);
            self.error_at_value(path, format!("`{text}` is outside the run"), Some(help));
            return None;
        }
        Some(SloWindow::Over { from: Time::ZERO + from, to: Time::ZERO + to })
    }

    /// What the author expects.
    pub(crate) fn expectation(&mut self, raw: &RawExpect, scenario: &RawScenario) -> Expectation {
        let path = Path::root().key("expect");
        let texts = |list: &Option<OneOrMany>| list.as_ref().map_or(Vec::new(), |list| list.texts().to_vec());
        let failing = texts(&raw.failing);
        for (index, id) in failing.iter().enumerate() {
            let at = at_text(&path.key("failing"), raw.failing.as_ref(), index);
            self.check_failing(&at, id, scenario.liveness.is_some());
        }
        if matches!(raw.verdict, Some(RawVerdict::Pass)) && !failing.is_empty() {
            let message = "a run that passes has nothing failing".to_string();
            self.error_at_key(&path.key("failing"), message, Some("write `verdict: fail`".to_string()));
        }
        let why_path = path.key("why");
        let root = raw.why.as_ref().map_or(&None, |why| &why.root);
        let not_root = raw.why.as_ref().map_or(&None, |why| &why.not_root);
        for (key, list) in [("root", root), ("not_root", not_root)] {
            for (index, id) in texts(list).iter().enumerate() {
                self.check_cause(&at_text(&why_path.key(key), list.as_ref(), index), id);
            }
        }
        Expectation {
            verdict: raw.verdict.map(|verdict| match verdict {
                RawVerdict::Pass => ExpectedVerdict::Pass,
                RawVerdict::Fail => ExpectedVerdict::Fail,
            }),
            failing,
            findings: texts(&raw.findings),
            why_root: texts(root),
            why_not_root: texts(not_root),
        }
    }

    fn check_failing(&mut self, path: &Path, id: &str, has_liveness: bool) {
        if id == LIVENESS_ID {
            if !has_liveness {
                let help = "add `liveness: {recovered_within: 60s}`".to_string();
                self.missing(path, "there is no liveness check to fail".to_string(), Some(help));
            }
            return;
        }
        let always_on =
            ALWAYS_ON.iter().any(|prefix| id.starts_with(prefix)) || invariant_ids().any(|known| known == id);
        if !always_on && !self.names.has_slo(id) {
            let mut known = self.names.slo_ids();
            known.push(LIVENESS_ID);
            let help = suggest::help(id, &known);
            self.error_at_value(path, format!("no objective or invariant has the id `{id}`"), help);
        }
    }

    fn check_cause(&mut self, path: &Path, id: &str) {
        if self.names.has_entry(id) || edit::names_a_policy(&self.tree.to_value(), id) {
            return;
        }
        let help = self.suggestion(id, |names| names.entry_ids());
        self.error_at_value(path, format!("no timeline entry has the id `{id}`"), help);
    }
}

/// Where the text at `index` of one or many stands.
fn at_text(path: &Path, list: Option<&OneOrMany>, index: usize) -> Path {
    match list {
        Some(OneOrMany::Many(_)) => path.index(index),
        Some(OneOrMany::One(_)) | None => path.clone(),
    }
}

fn targets_of(metric: RawMetric) -> Targets {
    match metric {
        RawMetric::Latency
        | RawMetric::LatencyAll
        | RawMetric::ErrorRate
        | RawMetric::Availability
        | RawMetric::Goodput => Targets { of: true, at: true, on: true },
        RawMetric::AttemptsPerRequest => Targets { of: false, at: true, on: true },
        RawMetric::Amplification | RawMetric::QueueDepth | RawMetric::Utilization => {
            Targets { of: false, at: true, on: false }
        }
        RawMetric::RecoveryTime => Targets { of: true, at: false, on: false },
    }
}

fn target_example(key: &str) -> &'static str {
    match key {
        "of" => "`of:` with a load",
        "at" => "`at:` with a service",
        _ => "`on:` with a call such as `a -> b`",
    }
}

fn metric_name(metric: RawMetric) -> &'static str {
    match metric {
        RawMetric::Latency => "latency",
        RawMetric::LatencyAll => "latency_all",
        RawMetric::ErrorRate => "error_rate",
        RawMetric::Availability => "availability",
        RawMetric::Goodput => "goodput",
        RawMetric::AttemptsPerRequest => "attempts_per_request",
        RawMetric::Amplification => "amplification",
        RawMetric::QueueDepth => "queue_depth",
        RawMetric::Utilization => "utilization",
        RawMetric::RecoveryTime => "recovery_time",
    }
}

fn read_stat(text: &str) -> Option<Stat> {
    match text.trim() {
        "mean" => Some(Stat::Mean),
        "max" => Some(Stat::Max),
        percentile => quantile(percentile).map(Stat::Quantile),
    }
}

/// Reads `< 500ms` in the metric's unit.
fn read_bound(metric: RawMetric, text: &str) -> Result<Bound, Problem> {
    let text = text.trim();
    let signs = [
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("<", Comparison::Below),
        (">", Comparison::Above),
    ];
    let example = match metric {
        RawMetric::Latency | RawMetric::LatencyAll | RawMetric::RecoveryTime => "< 500ms",
        RawMetric::ErrorRate => "< 1%",
        RawMetric::Availability => ">= 99.9%",
        RawMetric::Utilization => "< 80%",
        RawMetric::Goodput => ">= 500/s",
        RawMetric::AttemptsPerRequest | RawMetric::Amplification => "<= 1.3",
        RawMetric::QueueDepth => "< 50",
    };
    let Some((comparison, limit)) =
        signs.into_iter().find_map(|(sign, comparison)| Some((comparison, text.strip_prefix(sign)?.trim())))
    else {
        return Err(Problem::new(format!("`{text}` is not a bound"), format!("write it as in `{example}`")));
    };
    let limit = match metric {
        RawMetric::Latency | RawMetric::LatencyAll | RawMetric::RecoveryTime => {
            Duration::read(limit).map(|time| time.0.as_nanos())
        }
        RawMetric::ErrorRate | RawMetric::Availability | RawMetric::Utilization => Percentage::read(limit)
            .and_then(|share| match share.0 {
                ppm if ppm > 1_000_000 => Err(Problem::new(
                    format!("{} is more than everything", show_percentage(ppm)),
                    "use at most 100%",
                )),
                ppm => Ok(ppm),
            }),
        RawMetric::Goodput => Rate::read(limit).map(|rate| rate.0),
        RawMetric::AttemptsPerRequest | RawMetric::Amplification | RawMetric::QueueDepth => {
            Factor::read(limit).map(|factor| factor.0)
        }
    };
    let limit = limit.map_err(|problem| {
        let help = problem.help.unwrap_or_else(|| format!("write it as in `{example}`"));
        Problem::new(format!("in `{text}`: {}", problem.message), help)
    })?;
    Ok(Bound { comparison, limit })
}
