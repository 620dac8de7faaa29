//! Marks: a metric that has to be within a bound, or a branch that a policy has to take, in some run of a sweep.

use super::Checker;
use crate::scenario::path::Path;
use crate::scenario::plan::{
    CallBranch, MarkCondition, MarkPlan, RunPlan, ServiceBranch, SloPlan, SloWindow,
};
use crate::scenario::raw::{RawMark, RawMetric, RawSlo};
use crate::scenario::suggest;

impl Checker<'_> {
    /// All marks.
    pub(crate) fn resolve_marks(&mut self, raw: &[RawMark], run: &RunPlan) -> Vec<MarkPlan> {
        let mut marks: Vec<MarkPlan> = Vec::with_capacity(raw.len());
        for (index, mark) in raw.iter().enumerate() {
            let path = Path::root().key("sometimes").index(index);
            if raw.iter().take(index).any(|earlier| earlier.id.0 == mark.id.0) {
                let message = format!("two marks have the id `{}`", mark.id.0);
                self.error_at_value(&path.key("id"), message, Some("rename one of the two".to_string()));
            }
            if let Some(condition) = self.mark_condition(&path, mark, run) {
                marks.push(MarkPlan { id: mark.id.0.clone(), condition });
            }
        }
        marks
    }

    fn mark_condition(&mut self, path: &Path, raw: &RawMark, run: &RunPlan) -> Option<MarkCondition> {
        match (raw.metric, &raw.branch) {
            (None, None) => {
                let help = "add `metric:` with `is: \"> 300ms\"`, or `branch: breaker_opened`".to_string();
                self.missing(path, format!("nothing hits the mark `{}`", raw.id.0), Some(help));
                None
            }
            (Some(_), Some(_)) => {
                let message = "both `metric` and `branch` say what hits it".to_string();
                self.error_at_key(&path.key("branch"), message, Some("make two marks of it".to_string()));
                None
            }
            (Some(metric), None) => self.mark_of_metric(path, raw, metric, run),
            (None, Some(branch)) => self.mark_of_branch(path, raw, branch),
        }
    }

    fn mark_of_metric(
        &mut self,
        path: &Path,
        raw: &RawMark,
        metric: RawMetric,
        run: &RunPlan,
    ) -> Option<MarkCondition> {
        if metric == RawMetric::RecoveryTime {
            let message = "a mark cannot measure `recovery_time`".to_string();
            let help = "make an objective of it, or use a metric over a stretch of time".to_string();
            self.error_at_value(&path.key("metric"), message, Some(help));
            return None;
        }
        let Some(is) = &raw.is else {
            let help = "add what it has to be, as in `is: \"> 300ms\"`".to_string();
            self.missing(path, "a metric without a bound".to_string(), Some(help));
            return None;
        };
        let measured = RawSlo {
            id: raw.id.clone(),
            metric,
            of: raw.of.clone(),
            at: raw.at.clone(),
            on: raw.on.clone(),
            operation: raw.operation.clone(),
            stat: raw.stat.clone(),
            must_be: is.clone(),
            over: raw.over.clone(),
            within: None,
            after: None,
        };
        let target = self.target(path, &measured);
        let stat = self.stat(path, &measured);
        let bound = self.bound(&path.key("is"), &measured);
        let window = self.window(path, &measured, run, bound);
        let (window, metric) = (window?, stat?);
        debug_assert!(matches!(window, SloWindow::Over { .. }), "a mark waits for no timeline edge");
        Some(MarkCondition::Metric(SloPlan {
            id: raw.id.0.clone(),
            metric,
            target: target?,
            bound: bound?,
            window,
        }))
    }

    fn mark_of_branch(&mut self, path: &Path, raw: &RawMark, branch: &str) -> Option<MarkCondition> {
        let without = [
            ("of", raw.of.is_some()),
            ("operation", raw.operation.is_some()),
            ("stat", raw.stat.is_some()),
            ("is", raw.is.is_some()),
            ("over", raw.over.is_some()),
        ];
        for (key, _) in without.into_iter().filter(|(_, given)| *given) {
            let message = format!("`{key}` goes with `metric`, not with `branch`");
            self.error_at_key(&path.key(key), message, Some("remove it".to_string()));
        }
        match (CallBranch::from_name(branch), ServiceBranch::from_name(branch)) {
            (Some(branch), _) => self.mark_of_call(path, raw, branch),
            (None, Some(branch)) => {
                let Some(at) = raw.at.as_ref().filter(|_| raw.on.is_none()) else {
                    let help = Some("write `at:` with a service".to_string());
                    self.missing(path, format!("`{}` happens at a service", branch.name()), help);
                    return None;
                };
                self.service(&path.key("at"), at).map(|service| MarkCondition::Service(service, branch))
            }
            (None, None) => {
                let of_calls = CallBranch::ALL.iter().map(|branch| branch.name());
                let known: Vec<&str> =
                    of_calls.chain(ServiceBranch::ALL.iter().map(|branch| branch.name())).collect();
                let help = suggest::nearest(branch, known.iter().copied()).map_or_else(
                    || format!("known here: {}", known.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                self.error_at_value(&path.key("branch"), format!("unknown branch `{branch}`"), Some(help));
                None
            }
        }
    }

    fn mark_of_call(&mut self, path: &Path, raw: &RawMark, branch: CallBranch) -> Option<MarkCondition> {
        let Some(on) = raw.on.as_ref().filter(|_| raw.at.is_none()) else {
            let help = Some("write `on:` with a call such as `a -> b`".to_string());
            self.missing(path, format!("`{}` happens on a call", branch.name()), help);
            return None;
        };
        let path = path.key("on");
        let edge = self.edge_named(&path, on)?;
        let policy = self.edges.get(edge.index()).map(|edge| &edge.policy);
        if self.calls_are_whole() && policy.is_some_and(|policy| !branch.is_possible(policy)) {
            let message = format!("the call `{on}` has no policy that comes to `{}`", branch.name());
            self.error_at_value(&path, message, None);
        }
        Some(MarkCondition::Call(edge, branch))
    }
}
