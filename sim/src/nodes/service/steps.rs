//! The calls a service makes for a request: step by step, branches of one step together.

use super::ServiceNode;
use super::job::Miss;
use crate::cluster::{CallSpec, Cx, Done, Fill, Filled, Ref, Request};
use crate::kernel::draw::{chance_ppm, name_hash};
use crate::kernel::time::Time;
use crate::measure::OutcomeKind;
use crate::scenario::plan::{BranchPlan, Join};

impl ServiceNode {
    /// Goes on with the next step that has something to call, or ends the job.
    #[inline]
    pub(super) fn next_step(&mut self, at: Ref, cx: &mut Cx<'_>) {
        loop {
            let Some(job) = self.jobs.get(at) else { return };
            let position = job.step as usize;
            if position >= self.own().steps.len() {
                return self.finish(at, OutcomeKind::Ok, cx);
            }
            let plan = std::sync::Arc::clone(&self.plan);
            let step = &plan.services[self.service.index()].steps[position];
            let (request, missed_steps, flags) = (job.request, job.missed_steps, job.flags);
            let mut started = 0;
            let mut group = Ref::NONE;
            let patience = self.config.as_ref().and_then(|config| config.call_deadline());
            for branch in &step.branches {
                if self.takes(branch, &request, (missed_steps, flags), cx) {
                    for copy in 0..branch.fan_out {
                        let spec = CallSpec { patience, ..spec(branch, copy, &request, at, cx.now()) };
                        group = cx.call(spec, group);
                        started += 1;
                    }
                }
            }
            let Some(job) = self.jobs.get_mut(at) else { return };
            if started == 0 {
                job.step += 1;
                continue;
            }
            job.outstanding = started;
            job.succeeded = 0;
            job.group = group;
            job.needed = match step.join {
                Join::All => started,
                Join::AtLeast(wanted) => wanted.min(started),
            };
            return;
        }
    }

    fn takes(
        &self,
        branch: &BranchPlan,
        request: &Request,
        (missed, flags): (u64, u64),
        cx: &Cx<'_>,
    ) -> bool {
        let on_miss = branch.loads_for.is_none_or(|cache_step| missed >> cache_step & 1 == 1);
        let operation = branch.operations.as_ref().is_none_or(|only| only.contains(&request.operation));
        let flag = branch.gate.is_none_or(|gate| gate.is_open(flags));
        let share = branch.share_ppm >= 1_000_000 || self.draws_branch(branch, request, cx);
        on_miss && operation && flag && share
    }

    /// Whether this request belongs to the share that takes the branch; named by the callee, not by position.
    fn draws_branch(&self, branch: &BranchPlan, request: &Request, cx: &Cx<'_>) -> bool {
        let edge = &self.plan.edges[branch.edge.index()];
        let callee = name_hash(&self.plan.services[edge.callee.index()].name);
        let identity = request.lineage.call(callee, edge.occurrence).raw();
        chance_ppm(self.keys().branch.draw(cx.redrawn(identity)), branch.share_ppm)
    }

    /// A call of a job has ended.
    pub(super) fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) {
        let at = Ref::unpack(done.token);
        let plan = std::sync::Arc::clone(&self.plan);
        let steps = &plan.services[self.service.index()].steps;
        let Some(job) = self.jobs.get_mut(at) else { return };
        let step = job.step;
        let branch = steps
            .get(step as usize)
            .and_then(|step| step.branches.iter().find(|branch| branch.edge == done.edge));
        let Some(branch) = branch else { return };
        let ok = done.outcome == OutcomeKind::Ok;
        let missed = branch.on_miss.is_some() && (!ok || done.missed);
        if missed {
            job.missed_steps |= 1 << step;
            if ok {
                job.note_miss(Miss { step, at: done.answered_by, lease: done.value });
            }
        }
        // A cache that fails is a miss, not a failure.
        job.call_ended(done, ok || branch.optional || branch.on_miss.is_some());
        Self::note_loaded(job, done);
        if !missed && let Some(cache_step) = branch.loads_for {
            self.fill(at, cache_step, done, cx);
        }
        self.after_call(at, done, cx);
    }

    /// Brings what a call has loaded to the cache that missed it, and to the one before that.
    fn fill(&mut self, at: Ref, cache_step: u32, done: &Done, cx: &mut Cx<'_>) {
        let Some(job) = self.jobs.get_mut(at) else { return };
        if done.outcome != OutcomeKind::Ok && job.outstanding > 0 {
            return;
        }
        let found = match (done.outcome == OutcomeKind::Ok, done.missed) {
            (true, false) => Filled::Value(done.value),
            (true, true) => Filled::Absent,
            (false, _) => Filled::Failed,
        };
        let steps = &self.plan.services[self.service.index()].steps;
        let mut next = Some(cache_step);
        while let Some(step) = next {
            let Some(call) = steps[step as usize].branches.first() else { return };
            next = call.loads_for;
            // A cache that gave out no lease does not wait to hear of a failure.
            if let Some(miss) = job.take_miss(step)
                && (found != Filled::Failed || miss.lease != 0)
            {
                let fill = Fill { key: job.request.key, found, lease: miss.lease };
                cx.fill(call.edge, miss.at, fill, job.request.lineage.raw());
            }
        }
    }

    fn after_call(&mut self, at: Ref, done: &Done, cx: &mut Cx<'_>) {
        let Some(job) = self.jobs.get_mut(at) else { return };
        if job.succeeded >= job.needed {
            // The call that completes the step is the one the request waited for.
            job.path.add(done.path);
            job.step += 1;
            if job.outstanding > 0 {
                cx.abandon(job.group);
            }
            self.next_step(at, cx);
        } else if job.succeeded + job.outstanding < job.needed {
            job.path.add(done.path);
            job.starved = done.outcome.is_overload();
            if job.outstanding > 0 {
                cx.abandon(job.group);
            }
            self.finish(at, OutcomeKind::Error, cx);
        }
    }
}

fn spec(branch: &BranchPlan, copy: u32, request: &Request, job: Ref, now: Time) -> CallSpec {
    CallSpec {
        edge: branch.edge,
        copy,
        lineage: request.lineage,
        load: request.load,
        operation: request.operation,
        key: request.key,
        arguments: request.arguments,
        wanted_at: now,
        deadline: request.deadline,
        patience: None,
        is_retry: request.is_retry,
        priority: request.priority,
        traced: request.traced,
        token: job.pack(),
    }
}
