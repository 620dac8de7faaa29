//! Who works for which job scheduler, and what their settings name of each other.

use serde_json::{Map, Value};

use super::{Checker, PLAIN_KIND};
use crate::nodes::jobs::pool_named;
use crate::scenario::path::Path;
use crate::scenario::plan::{JobsRole, ServiceId};
use crate::scenario::raw::{RawScenario, RawService};
use crate::scenario::suggest;

/// Most workers of a replica.
const MOST_WORKERS: u32 = 4_096;
/// Most kinds of jobs, which are the operations of the scenario.
const MOST_OPERATIONS: usize = 60_000;

impl Checker<'_> {
    /// What schedulers, workers and enqueuers need of each other.
    pub(crate) fn check_jobs(&mut self, raw: &RawScenario) {
        for (index, (name, service)) in raw.services.iter().enumerate() {
            let path = Path::root().key("services").key(name);
            match self.jobs_role(service) {
                JobsRole::None => {}
                JobsRole::Schedules => self.check_scheduler(&path, index, service),
                JobsRole::Works => {
                    self.check_worker(&path, index, service);
                    self.check_job_client(&path, index, name);
                }
                JobsRole::Enqueues => self.check_job_client(&path, index, name),
            }
        }
    }

    fn jobs_role(&self, service: &RawService) -> JobsRole {
        self.around.kinds.traits(service.kind.as_deref().unwrap_or(PLAIN_KIND)).jobs
    }

    fn check_scheduler(&mut self, path: &Path, index: usize, raw: &RawService) {
        let replicas = self.services.get(index).map_or(1, |service| service.max_replicas);
        if replicas > 1 {
            let message = format!("{replicas} replicas of a job scheduler would be as many stores");
            let help = "use one replica: what is replicated are workers and enqueuers".to_string();
            self.error_at_key(path, message, Some(help));
        }
        if self.names.operations().count() > MOST_OPERATIONS {
            let help = Some(format!("the most is {MOST_OPERATIONS}"));
            self.error_at_key(path, "too many operations for kinds of jobs".to_string(), help);
        }
        self.check_named_operations(path, raw, &["jobs"]);
        self.check_workflows(path, raw);
    }

    /// A workflow that no load asks for would never be enqueued.
    fn check_workflows(&mut self, path: &Path, raw: &RawService) {
        let named = raw.settings.get("workflows").and_then(Value::as_object);
        for workflow in named.map_or_else(Vec::new, |named| named.keys().cloned().collect()) {
            self.operation(&path.key("workflows").key(&workflow), &workflow);
        }
    }

    fn check_worker(&mut self, path: &Path, index: usize, raw: &RawService) {
        let workers = self.services.get(index).map_or(1, |service| service.workers);
        if workers > MOST_WORKERS {
            let help = format!("write a number, {MOST_WORKERS} at most: each of them has a job at a time");
            let message = "a job worker needs to know how many jobs it runs at once".to_string();
            self.error_at_key(&path.key("workers"), message, Some(help));
        }
        self.check_named_operations(path, raw, &["poison", "fails"]);
    }

    /// Keys of these settings are operations.
    fn check_named_operations(&mut self, path: &Path, raw: &RawService, settings: &[&str]) {
        for setting in settings {
            let named = raw.settings.get(*setting).and_then(Value::as_object);
            for operation in named.map_or_else(Vec::new, |named| named.keys().cloned().collect()) {
                self.operation(&path.key(setting).key(&operation), &operation);
            }
        }
    }

    /// The first call has to go to a scheduler, and must not wait for ever.
    fn check_job_client(&mut self, path: &Path, index: usize, name: &str) {
        let Some(service) = self.services.get(index) else { return };
        let first = service.steps.first().and_then(|step| step.branches.first()).map(|branch| branch.edge);
        let settings = service.settings.clone();
        let Some(edge) = first else {
            let message = format!("`{name}` has no job scheduler to work for");
            let help = "its first call goes there: add `calls: [{to: jobs, timeout: 1s}]`".to_string();
            return self.missing(path, message, Some(help));
        };
        let Some((callee, has_timeout)) = self.edges.get(edge.index()).map(|edge| {
            (edge.callee, edge.policy.timeout.is_some() || edge.policy.overall_timeout.is_some())
        }) else {
            return;
        };
        let Some(scheduler) = self.services.get(callee.index()).cloned() else { return };
        let at = self.edge_paths.get(edge.index()).cloned().unwrap_or_default();
        if self.around.kinds.traits(&scheduler.kind).jobs != JobsRole::Schedules {
            let message = format!(
                "`{}` is no job scheduler, and the first call of `{name}` has to go to one",
                scheduler.name
            );
            let help = "put the call to the scheduler first".to_string();
            return self.error_at_value(&at.key("to"), message, Some(help));
        }
        if !has_timeout {
            let message = format!("`{name}` would wait for ever for an answer that is lost");
            self.error_at_key(&at, message, Some("add `timeout: 1s`".to_string()));
        }
        self.check_pool(path, &settings, callee);
    }

    fn check_pool(&mut self, path: &Path, settings: &Map<String, Value>, scheduler: ServiceId) {
        let Some(pool) = pool_named(settings) else { return };
        let Some(scheduler) = self.services.get(scheduler.index()) else { return };
        let pools = scheduler.settings.get("worker_pools").and_then(Value::as_object);
        let known: Vec<String> = pools.map_or_else(Vec::new, |pools| pools.keys().cloned().collect());
        if !known.iter().any(|name| name == pool) {
            let message = format!("`{}` has no pool `{pool}`", scheduler.name);
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let help = suggest::help(pool, &known);
            self.error_at_value(&path.key("pool"), message, help);
        }
    }
}
