//! What happens by itself when its time has come. Never answers anybody; only tells.

use super::Scheduler;
use super::finish::retry;
use super::txn::{Txn, end_of};
use crate::job_scheduler::job::*;
use crate::job_scheduler::message::Output;
use crate::job_scheduler::outbox::Outbox;
use crate::job_scheduler::state::{Due, due};
use crate::store::{Store, StoreError};
use crate::time::Time;

/// Things written down together: bounds a commit, however much has come due.
const AT_ONCE: usize = 256;

impl<S: Store> Scheduler<S> {
    /// Does all that is due at `now`.
    pub(super) fn settle(&mut self, now: Time, out: &mut Outbox<Output>) -> Result<(), StoreError> {
        while self.state.next_timer().is_some_and(|(at, ..)| at <= now) {
            let mut txn = Txn::new(now, &self.config, &self.state, std::mem::take(&mut self.room));
            #[cfg(test)]
            {
                txn.sabotage = self.sabotage;
            }
            for &(at, what, id) in self.state.timers().iter().take_while(|(at, ..)| *at <= now).take(AT_ONCE)
            {
                fire(&mut txn, at, what, id);
            }
            let staged = txn.staged();
            self.commit(now, staged, out)?;
        }
        self.tell_workers(now, out);
        Ok(())
    }
}

fn fire(txn: &mut Txn<'_>, at: Time, what: Due, id: JobId) {
    let keep = &txn.config.keep;
    // What came due with it may have changed the job: what is due then, comes up again.
    let Some(job) = txn.job(id).filter(|job| due(job, keep).contains(&Some((at, what)))) else { return };
    let due_at = job.due_at;
    match what {
        Due::Deadline => txn.stop(id, StopReason::DeadlinePassed),
        Due::LeaseEnd => rescue(txn, id),
        Due::Wake => {
            debug_assert_eq!(due_at, at, "a job wakes when it is due");
            txn.make_available(id);
        }
        Due::Prune => txn.prune(id),
    }
}

/// Takes back a job whose worker has not been heard of.
fn rescue(txn: &mut Txn<'_>, id: JobId) {
    let config = txn.config;
    #[cfg(test)]
    let forgives = txn.sabotage == super::Sabotage::ForgivesPoison;
    let Some(job) = txn.edit(id) else { return };
    let Some(lease) = job.lease.take() else { return };
    job.lost_leases = job.lost_leases.saturating_add(1);
    #[cfg(test)]
    if forgives {
        job.lost_leases -= 1;
        job.max_attempts = job.max_attempts.saturating_add(1);
    }
    let poison = job.lost_leases >= config.kinds[usize::from(job.kind.0)].max_lost_leases;
    let (token, stop) = (job.token, job.stop);
    txn.out.push(Output::LeaseLost { worker: lease.worker, job: id, token });
    match stop {
        Some(why) => {
            let (state, reason) = end_of(why);
            txn.end(id, state, reason);
        }
        None if poison => txn.end(id, JobState::Discarded, EndReason::Poison),
        None => retry(txn, id, None),
    }
}
