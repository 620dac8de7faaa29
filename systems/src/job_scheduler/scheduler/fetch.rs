//! Giving jobs out: the first in rank that may start, under every bound on concurrency and rate. Never gives one job to
//! two.

use super::txn::Txn;
use super::{Scheduler, lease_end};
use crate::arithmetic::{keyed_word, uniform};
use crate::job_scheduler::config::{QueueChoice, SchedulerConfig};
use crate::job_scheduler::job::*;
use crate::job_scheduler::message::{Assignment, Output, Rejected};
use crate::job_scheduler::outbox::Outbox;
use crate::job_scheduler::state::State;
use crate::rate_limiter::{Gcra, Limiter};
use crate::store::Store;
use crate::time::{Span, Time};

/// Who asks, from where, for how many.
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) worker: WorkerId,
    pub(super) pool: PoolId,
    pub(super) max: u32,
    pub(super) entropy: u64,
}

impl<S: Store> Scheduler<S> {
    pub(super) fn fetch(
        &mut self,
        now: Time,
        request: Request,
        out: &mut Outbox<Output>,
    ) -> Result<(), Rejected> {
        let Request { worker, pool, max, entropy } = request;
        if usize::from(pool.0) >= self.config.pools.len() {
            return Err(Rejected::UnknownPool(pool));
        }
        for turn in 0..max {
            let Some(id) = self.choose(now, pool, keyed_word(entropy, u64::from(turn))) else {
                out.push(Output::Idle { worker, retry_after: self.next_permit(now, pool) });
                return Ok(());
            };
            let kind = self.state.job(id).map_or(0, |job| usize::from(job.kind.0));
            self.decide(now, out, |txn| start(txn, id, worker))?;
            if let Some(limit) = &mut self.limits[kind] {
                let passed = limit.check(now, 1);
                debug_assert!(
                    passed.is_ok(),
                    "it would have passed when the job was chosen, at the same instant"
                );
            }
        }
        Ok(())
    }

    /// The job that a worker of this pool gets.
    fn choose(&mut self, now: Time, pool: PoolId, word: u64) -> Option<JobId> {
        if self.is_draining() {
            return None;
        }
        let pool = &self.config.pools[usize::from(pool.0)];
        let mut door = Door { config: &self.config, state: &self.state, limits: &mut self.limits, now };
        #[cfg(test)]
        if self.sabotage == super::Sabotage::NoPriorities {
            return self.state.jobs().filter(|job| job.state == JobState::Available).map(|job| job.id).last();
        }
        #[cfg(test)]
        if self.sabotage == super::Sabotage::OneTooMany {
            let waits = |job: &&Job| job.state == JobState::Available;
            return door.first(pool.queues[0].0).or_else(|| self.state.jobs().find(waits).map(|job| job.id));
        }
        match pool.choice {
            QueueChoice::Ordered => pool.queues.iter().find_map(|(queue, _)| door.first(*queue)),
            QueueChoice::Weighted => {
                let mut offers = Vec::with_capacity(pool.queues.len());
                for (queue, weight) in &pool.queues {
                    offers.extend(door.first(*queue).map(|id| (id, u64::from(*weight))));
                }
                let total: u64 = offers.iter().map(|(_, weight)| weight).sum();
                let mut drawn = uniform(word, 0, total.saturating_sub(1));
                let chosen = offers.into_iter().find(|(_, weight)| {
                    let here = drawn < *weight;
                    drawn = drawn.saturating_sub(*weight);
                    here
                });
                chosen.map(|(id, _)| id)
            }
        }
    }

    /// How long until a rate alone no longer stands in a job's way; `None` if none does.
    fn next_permit(&mut self, now: Time, pool: PoolId) -> Option<Span> {
        if self.is_draining() {
            return None;
        }
        let pool = &self.config.pools[usize::from(pool.0)];
        let mut door = Door { config: &self.config, state: &self.state, limits: &mut self.limits, now };
        pool.queues.iter().filter_map(|(queue, _)| door.next_permit(*queue)).min()
    }
}

/// Everything that may keep a job from starting.
struct Door<'a> {
    config: &'a SchedulerConfig,
    state: &'a State,
    limits: &'a mut [Option<Gcra>],
    now: Time,
}

impl Door<'_> {
    /// The first job of a queue that may start.
    fn first(&mut self, queue: QueueId) -> Option<JobId> {
        if !self.has_slot(queue) {
            return None;
        }
        let state = self.state;
        state.queues[usize::from(queue.0)]
            .ready
            .first(|kind| self.has_kind_slot(kind) && self.wait(kind).is_zero())
    }

    fn next_permit(&mut self, queue: QueueId) -> Option<Span> {
        if !self.has_slot(queue) {
            return None;
        }
        let state = self.state;
        let kinds = state.queues[usize::from(queue.0)].ready.kinds();
        let mut waits = Vec::new();
        for kind in kinds {
            if self.has_kind_slot(kind) {
                waits.push(self.wait(kind));
            }
        }
        waits.into_iter().min()
    }

    fn has_slot(&self, queue: QueueId) -> bool {
        let queue = usize::from(queue.0);
        let state = &self.state.queues[queue];
        !state.paused && state.running < self.config.queues[queue].max_running
    }

    fn has_kind_slot(&self, kind: KindId) -> bool {
        let kind = usize::from(kind.0);
        self.state.running_by_kind[kind] < self.config.kinds[kind].max_running
    }

    /// How long until the kind's rate allows a start.
    fn wait(&mut self, kind: KindId) -> Span {
        let now = self.now;
        self.limits[usize::from(kind.0)].as_mut().map_or(Span::ZERO, |limit| limit.estimated_wait(now, 1))
    }
}

fn start(txn: &mut Txn<'_>, id: JobId, worker: WorkerId) -> Result<(), Rejected> {
    let (now, config) = (txn.now, txn.config);
    let Some(job) = txn.edit(id) else { return Err(Rejected::UnknownJob(id)) };
    let kind = &config.kinds[usize::from(job.kind.0)];
    job.state = JobState::Running;
    job.attempt = job.attempt.saturating_add(1);
    job.token = Token(job.token.0.saturating_add(1));
    job.progress_ppm = 0;
    let lease = Lease { worker, started_at: now, until: lease_end(now, now, kind) };
    job.lease = Some(lease);
    let assignment = Assignment {
        worker,
        job: id,
        kind: job.kind,
        queue: job.queue,
        priority: job.priority,
        tenant: job.tenant,
        args: job.args.clone(),
        attempt: job.attempt,
        token: job.token,
        lease_until: lease.until,
        waited: now.since(job.due_at),
    };
    txn.out.push(Output::Started(assignment));
    Ok(())
}
