//! Clients: when requests start, what they ask for, how long they wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Checker;
use super::calls::Caller;
use crate::kernel::draw::Distribution;
use crate::kernel::time::{Span, Time};
use crate::scenario::path::Path;
use crate::scenario::plan::{
    Arrivals, EdgeId, Keys, LoadId, LoadPlan, OperationId, Party, RunPlan, StagePlan, TraceArrival,
};
use crate::scenario::quantity::show_percentage;
use crate::scenario::raw::{RawArrivals, RawClosed, RawKeys, RawLoad, RawScenario, RawStage};
use crate::scenario::trace::Recorded;

/// Most clients of a closed load.
const MOST_CLIENTS: u32 = 10_000_000;
/// Everything, in parts per million.
const WHOLE_PPM: u64 = 1_000_000;

impl Checker<'_> {
    /// Reads the trace files, so that their operations are known before anything refers to them.
    pub(crate) fn read_traces(&mut self, raw: &[RawLoad]) -> Vec<Option<Recorded>> {
        let mut all = Vec::with_capacity(raw.len());
        for (index, load) in raw.iter().enumerate() {
            let Some(RawArrivals::Trace(file)) = &load.arrivals else {
                all.push(None);
                continue;
            };
            let path = Path::root().key("load").index(index).key("arrivals").key("trace");
            match self.around.traces.recorded(&load.name.0, file) {
                Ok(recorded) => {
                    for operation in &recorded.operations {
                        self.check_name(&path, operation);
                        self.names.operation_declared(operation);
                    }
                    all.push(Some(recorded));
                }
                Err(problem) => {
                    self.traces_are_broken = true;
                    self.error_at_value(&path, problem.message, problem.help);
                    all.push(None);
                }
            }
        }
        all
    }

    /// All loads with their edges.
    pub(crate) fn resolve_loads(
        &mut self,
        raw: &RawScenario,
        run: &RunPlan,
        recorded: Vec<Option<Recorded>>,
    ) {
        if raw.load.is_empty() {
            self.missing(
                &Path::root().key("load"),
                "there is no load: nothing would happen".to_string(),
                None,
            );
        }
        for (index, (load, recorded)) in raw.load.iter().zip(recorded).enumerate() {
            let path = Path::root().key("load").index(index);
            let id = LoadId(index as u32);
            let mut pools = self.pools(&path.key("pools"), &load.pools);
            let mut caller =
                Caller { party: Party::Load(id), pools: &mut pools, occurrences: BTreeMap::new() };
            let edge = self.edge(&path, &load.to, &load.policy, &mut caller);
            let plan = LoadPlan {
                name: load.name.0.clone(),
                edge: edge.unwrap_or(EdgeId(u32::MAX)),
                arrivals: self.arrivals(&path, load, run, recorded),
                mix: self.mix(&path.key("mix"), load),
                keys: self.keys(&path.key("keys"), load.keys.as_ref()),
                patience: load.patience.as_ref().map(|patience| patience.0),
                priority: self.priority(&path.key("priority"), load.priority.as_ref()),
                pools,
            };
            if plan.patience == Some(Span::ZERO) {
                self.error_at_value(&path.key("patience"), "a client that never waits".to_string(), None);
            }
            self.loads.push(plan);
        }
    }

    fn arrivals(
        &mut self,
        path: &Path,
        raw: &RawLoad,
        run: &RunPlan,
        recorded: Option<Recorded>,
    ) -> Arrivals {
        let is_trace = matches!(raw.arrivals, Some(RawArrivals::Trace(_)));
        let ways: Vec<&str> = [
            (raw.stages.is_some(), "stages"),
            (raw.rate.is_some(), "rate"),
            (raw.closed.is_some(), "closed"),
            (is_trace, "arrivals"),
        ]
        .into_iter()
        .filter_map(|(given, key)| given.then_some(key))
        .collect();
        match ways.as_slice() {
            [] => {
                let help = "give it a `rate`, `stages`, `closed` clients or a trace".to_string();
                self.missing(path, format!("the load `{}` has no requests", raw.name.0), Some(help));
            }
            [_] => {}
            [first, second, ..] => {
                let message = format!("both `{first}` and `{second}` say when requests start");
                self.error_at_key(&path.key(second), message, Some("keep one of them".to_string()));
            }
        }
        if let Some(closed) = &raw.closed {
            if raw.arrivals.is_some() && !is_trace {
                let message = "closed clients have no `arrivals`".to_string();
                self.error_at_key(&path.key("arrivals"), message, Some("remove it".to_string()));
            }
            return self.closed(&path.key("closed"), closed);
        }
        if let Some(recorded) = recorded {
            return self.recorded_arrivals(path, recorded, run);
        }
        let stages = match (&raw.stages, &raw.rate) {
            (Some(stages), _) => self.stages(&path.key("stages"), stages, run),
            (None, Some(rate)) => {
                vec![StagePlan { lasts: run.duration, from_milli_per_s: rate.0, to_milli_per_s: rate.0 }]
            }
            (None, None) => Vec::new(),
        };
        match raw.arrivals {
            None | Some(RawArrivals::Poisson | RawArrivals::Trace(_)) => Arrivals::Poisson(stages),
            Some(RawArrivals::Constant) => Arrivals::Constant(stages),
        }
    }

    fn closed(&mut self, path: &Path, raw: &RawClosed) -> Arrivals {
        let clients = raw.clients.0;
        if clients > MOST_CLIENTS {
            let message = format!("{clients} clients are too many");
            self.error_at_value(&path.key("clients"), message, Some(format!("the most is {MOST_CLIENTS}")));
        }
        let think = raw.think.as_ref().and_then(|think| self.distribution(&path.key("think"), think));
        Arrivals::Closed { clients, think: think.unwrap_or(Distribution::ZERO) }
    }

    fn stages(&mut self, path: &Path, raw: &[RawStage], run: &RunPlan) -> Vec<StagePlan> {
        if raw.is_empty() {
            self.missing(path, "no stages".to_string(), Some("add `{for: 30s, rate: 100/s}`".to_string()));
        }
        let mut stages = Vec::with_capacity(raw.len());
        let mut total = Span::ZERO;
        for (index, stage) in raw.iter().enumerate() {
            let at = path.index(index);
            if stage.lasts.0.is_zero() {
                self.error_at_value(&at.key("for"), "a stage of no length".to_string(), None);
            }
            if total >= run.duration {
                let message = format!("this stage starts at {total}, the run has ended at {}", run.duration);
                self.warn(&at, message, None);
            }
            total += stage.lasts.0;
            let (from, to) = match (&stage.rate, &stage.from, &stage.to) {
                (Some(rate), None, None) => (rate.0, rate.0),
                (None, Some(from), Some(to)) => (from.0, to.0),
                (None, None, None) => {
                    let help = "write `rate: 100/s`, or `from: 0/s, to: 100/s`".to_string();
                    self.missing(&at, "the stage has no rate".to_string(), Some(help));
                    (0, 0)
                }
                (None, Some(rate), None) | (None, None, Some(rate)) => {
                    let help = "a ramp has both `from` and `to`".to_string();
                    self.missing(&at, "half a ramp".to_string(), Some(help));
                    (rate.0, rate.0)
                }
                (Some(rate), _, _) => {
                    let help = "keep `rate`, or `from` and `to`".to_string();
                    self.error_at_key(
                        &at.key("rate"),
                        "both a level rate and a ramp".to_string(),
                        Some(help),
                    );
                    (rate.0, rate.0)
                }
            };
            stages.push(StagePlan { lasts: stage.lasts.0, from_milli_per_s: from, to_milli_per_s: to });
        }
        let known = self.lost.is_whole(path) && self.lost.is_whole(&Path::root().key("run"));
        if total < run.duration && known && !raw.is_empty() {
            let message =
                format!("the stages end at {total}, the run at {}: no load after that", run.duration);
            let help = "lengthen the last stage, or add one with `rate: 0/s` if this is meant".to_string();
            self.warn(path, message, Some(help));
        }
        stages
    }

    fn recorded_arrivals(&mut self, path: &Path, recorded: Recorded, run: &RunPlan) -> Arrivals {
        let ids: Vec<OperationId> =
            recorded.operations.iter().map(|name| self.names.operation_declared(name)).collect();
        let same = ids.iter().enumerate().all(|(index, id)| id.index() == index);
        let arrivals = if same {
            recorded.arrivals
        } else {
            let renumbered = |arrival: &TraceArrival| TraceArrival {
                operation: arrival.operation.and_then(|local| ids.get(local.index()).copied()),
                ..*arrival
            };
            Arc::new(recorded.arrivals.iter().map(renumbered).collect())
        };
        let late = arrivals.iter().filter(|arrival| arrival.at >= Time::ZERO + run.duration).count();
        if late > 0 {
            let message =
                format!("{late} recorded requests start after the end of the run at {}", run.duration);
            self.warn(&path.key("arrivals"), message, None);
        }
        Arrivals::Trace(arrivals)
    }

    fn mix(&mut self, path: &Path, raw: &RawLoad) -> Vec<(OperationId, u32)> {
        let Some(shares) = &raw.mix else {
            return vec![(OperationId(0), WHOLE_PPM as u32)];
        };
        let mut mix = Vec::with_capacity(shares.len());
        for (name, share) in shares {
            self.check_name(&path.key(name), name);
            mix.extend(self.operation(&path.key(name), name).map(|operation| (operation, share.0)));
        }
        let total: u64 = shares.values().map(|share| u64::from(share.0)).sum();
        if shares.is_empty() {
            self.missing(
                path,
                "an empty mix".to_string(),
                Some("leave the key out for one operation".to_string()),
            );
        } else if total != WHOLE_PPM && self.lost.is_whole(path) {
            let rest = show_percentage(total.abs_diff(WHOLE_PPM));
            let help = if total < WHOLE_PPM {
                format!("{rest} are missing")
            } else {
                format!("{rest} are too much")
            };
            let total = show_percentage(total);
            self.error_at_key(path, format!("the mix adds up to {total}, not 100%"), Some(help));
        }
        mix
    }

    fn keys(&mut self, path: &Path, raw: Option<&RawKeys>) -> Keys {
        let keys = match raw {
            None => Keys::Uniform { items: 1 },
            Some(RawKeys::Uniform(raw)) => Keys::Uniform { items: raw.items.0 },
            Some(RawKeys::Zipf(raw)) => {
                self.check_zipf(&path.key("zipf"), raw.items.0, raw.s.0);
                Keys::Zipf { items: raw.items.0, s: raw.s.0 }
            }
        };
        if let Keys::Uniform { items: 0 } = keys {
            self.error_at_value(&path.key("uniform").key("items"), "no keys".to_string(), None);
        }
        keys
    }

    /// Whether a load's requests start without waiting for answers.
    pub(crate) fn is_open(&self, load: LoadId) -> bool {
        match self.loads.get(load.index()).map(|plan| &plan.arrivals) {
            None | Some(Arrivals::Poisson(_) | Arrivals::Constant(_) | Arrivals::Trace(_)) => true,
            Some(Arrivals::Closed { .. }) => false,
        }
    }
}
