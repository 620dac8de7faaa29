//! The calls that a worker makes for its job, step by step, branches of one step together. Says nothing to the
//! scheduler.

use std::sync::Arc;

use super::super::SINK;
use super::super::words::Ask;
use super::{For, Run, State, Worker, word};
use crate::cluster::{CallSpec, Cx, Done, Ref};
use crate::kernel::draw::{chance_ppm, name_hash};
use crate::kernel::time::Time;
use crate::measure::OutcomeKind;
use crate::scenario::plan::{BranchPlan, Join};

impl Worker {
    /// Makes the calls of the next step that has any for this job, or commits.
    pub(super) fn next_step(&mut self, at: u32, cx: &mut Cx<'_>) {
        loop {
            let Some(run) = self.slots.get(at as usize).and_then(|slot| slot.run) else { return };
            let plan = Arc::clone(&self.plan);
            let Some(step) = plan.services[self.service.index()].steps.get(run.step as usize) else {
                return self.commit(at, true, cx);
            };
            let mut started = 0;
            let mut group = Ref::NONE;
            for branch in &step.branches {
                if !self.takes(branch, &run, cx) {
                    continue;
                }
                for copy in 0..branch.fan_out {
                    group = cx.call(self.step_spec(branch, copy, at, &run, cx.now()), group);
                    started += 1;
                }
            }
            let Some(slot) = self.slots.get_mut(at as usize) else { return };
            let Some(run) = &mut slot.run else { return };
            if started == 0 {
                run.step += 1;
                continue;
            }
            slot.state = State::Calling;
            (run.outstanding, run.succeeded, run.group) = (started, 0, group);
            run.needed = match step.join {
                Join::All => started,
                Join::AtLeast(wanted) => wanted.min(started),
            };
            return;
        }
    }

    fn takes(&self, branch: &BranchPlan, run: &Run, cx: &Cx<'_>) -> bool {
        let operation = branch.operations.as_ref().is_none_or(|only| only.contains(&run.body.operation));
        operation && (branch.share_ppm >= 1_000_000 || self.draws_branch(branch, run, cx))
    }

    fn draws_branch(&self, branch: &BranchPlan, run: &Run, cx: &Cx<'_>) -> bool {
        let edge = &self.plan.edges[branch.edge.index()];
        let callee = name_hash(&self.plan.services[edge.callee.index()].name);
        let identity = run.lineage.call(callee, edge.occurrence).raw();
        chance_ppm(self.keys().branch.draw(cx.redrawn(identity)), branch.share_ppm)
    }

    fn step_spec(&self, branch: &BranchPlan, copy: u32, at: u32, run: &Run, now: Time) -> CallSpec {
        let callee = self.plan.edges[branch.edge.index()].callee;
        let is_sink = self.plan.services[callee.index()].kind == SINK;
        let effect = Ask::Effect { job: run.job, token: run.token };
        let turn = self.slots.get(at as usize).map_or(0, |slot| slot.turn);
        CallSpec {
            edge: branch.edge,
            copy,
            lineage: run.lineage,
            load: run.body.load,
            operation: run.body.operation,
            key: if is_sink { run.body.serial } else { run.body.key },
            arguments: if is_sink { effect.arguments() } else { [0; 3] },
            wanted_at: now,
            deadline: Time::MAX,
            patience: None,
            is_retry: run.token > 1,
            priority: 0,
            traced: 0,
            token: word(For::Step, at, turn),
        }
    }

    pub(super) fn step_done(&mut self, at: u32, done: &Done, cx: &mut Cx<'_>) {
        let plan = Arc::clone(&self.plan);
        let Some(run) = self.slots.get_mut(at as usize).and_then(|slot| slot.run.as_mut()) else { return };
        let steps = &plan.services[self.service.index()].steps;
        let branch = steps
            .get(run.step as usize)
            .and_then(|step| step.branches.iter().find(|branch| branch.edge == done.edge));
        let Some(branch) = branch else { return };
        let is_ok = done.outcome == OutcomeKind::Ok;
        let callee = &plan.services[plan.edges[done.edge.index()].callee.index()];
        if is_ok && done.missed && callee.kind == SINK {
            // A later lease has been at the sink: the job is somebody else's.
            self.counts.effects_refused += 1;
            return self.give_up(at, cx);
        }
        run.outstanding = run.outstanding.saturating_sub(1);
        run.succeeded += u32::from(is_ok || branch.optional);
        run.group = done.sibling;
        let (outstanding, succeeded, needed, group) = (run.outstanding, run.succeeded, run.needed, run.group);
        if succeeded < needed && succeeded + outstanding >= needed {
            return;
        }
        if outstanding > 0 {
            cx.abandon(group);
        }
        if succeeded >= needed {
            run.step += 1;
            self.next_step(at, cx);
        } else {
            self.counts.calls_failed += 1;
            self.commit(at, false, cx);
        }
    }
}
