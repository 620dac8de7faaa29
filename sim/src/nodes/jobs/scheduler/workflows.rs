//! Requests that enqueue a whole workflow: its steps are jobs of their own, and which of them comes after which is the
//! library's to keep. Answers only.

use std::sync::Arc;

use foreshock_systems::job_scheduler::{
    Input, KindId, NewJob, OnParentFailure, Rejected, RequestId, Workflow,
};

use super::super::body::Body;
use super::super::workflow::{Step, WorkflowSettings};
use super::{Entry, Flaw, JobServer, answer};
use crate::cluster::{Cx, Ref, Request};
use crate::kernel::draw::name_hash;
use crate::measure::PlannedStep;
use crate::nodes::service::Verdict;
use crate::scenario::plan::OperationId;

impl JobServer {
    /// Whether a request stands for several jobs.
    pub(super) fn is_workflow(&self, request: &Request) -> bool {
        self.settings.has_workflows() && self.workflow_of(request).is_some()
    }

    fn workflow_of(&self, request: &Request) -> Option<&WorkflowSettings> {
        self.settings.workflow(&self.plan.operations[request.operation.index()])
    }

    pub(super) fn enqueue_workflow(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        let Some(settings) = self.workflow_of(request).cloned() else { return Verdict::Fail };
        let serials: Vec<u64> = settings.steps.iter().map(|_| cx.job_book(self.service).wanted()).collect();
        let workflow = self.workflow(&settings, &serials, request);
        let (result, said) = self.ask(Input::EnqueueWorkflow(workflow), cx);
        if said.job.is_some() {
            self.counts.workflows += 1;
            self.counts.enqueued += serials.len() as u64;
            cx.job_book(self.service).workflow_begun(planned(&settings, &serials));
            self.entries.extend(serials.into_iter().map(Entry::Promised));
        } else {
            for serial in serials {
                cx.job_book(self.service).refused(serial);
            }
        }
        let verdict = match (result, said.job.or(said.duplicate)) {
            (Ok(()), Some(first)) => answer(false, first.0),
            (Err(Rejected::QueueFull { .. }), _) => {
                self.counts.refused += 1;
                Verdict::TurnAway
            }
            (Ok(()), None) | (Err(_), _) => Verdict::Fail,
        };
        self.conclude(job, verdict, cx)
    }

    /// The library's workflow. Chance knows a step by its name, whatever else the workflow has.
    fn workflow(&self, settings: &WorkflowSettings, serials: &[u64], request: &Request) -> Workflow {
        let jobs = settings.steps.iter().zip(serials).enumerate().map(|(at, (step, serial))| {
            let operation = self.operation_of(step);
            let body = Body {
                serial: *serial,
                operation,
                key: request.key,
                lineage: request.lineage.call(name_hash(&step.name), step.occurrence),
                load: request.load,
            };
            NewJob {
                args: Arc::from(body.bytes()),
                // The library knows a request again by the first of its jobs.
                request: (at == 0).then(|| RequestId(self.number_of(request))),
                on_parent_failure: step.on_failure,
                ..NewJob::of(KindId(operation.0 as u16))
            }
        });
        let mut workflow = settings.in_order(jobs.collect());
        if self.flaw == Flaw::IgnoresOrder {
            workflow.edges.clear();
        }
        workflow
    }

    fn operation_of(&self, step: &Step) -> OperationId {
        let place = self.plan.operations.iter().position(|operation| *operation == step.operation);
        OperationId(place.unwrap_or(0) as u32)
    }
}

/// The steps as the books know them.
fn planned(settings: &WorkflowSettings, serials: &[u64]) -> Vec<PlannedStep> {
    let steps = settings.steps.iter().zip(serials).map(|(step, serial)| PlannedStep {
        serial: *serial,
        after: step.after.iter().map(|before| serials[*before]).collect(),
        runs_after_failure: step.on_failure == OnParentFailure::Run,
    });
    steps.collect()
}
