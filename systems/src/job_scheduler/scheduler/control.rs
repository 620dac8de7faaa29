//! Pausing a queue, draining the whole. Never ends a job.

use super::Scheduler;
use super::txn::Txn;
use crate::job_scheduler::job::{QueueId, StopReason};
use crate::job_scheduler::message::{Output, Rejected};
use crate::job_scheduler::outbox::Outbox;
use crate::job_scheduler::row::Row;
use crate::store::Store;
use crate::time::{Span, Time};

/// A drain under way. It is over at the latest when the grace and then the longest lease have passed: from the end of
/// the grace on, no lease is extended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    stop_at: Time,
    told: bool,
    done: bool,
}

impl Drain {
    pub(super) fn deadline(&self) -> Option<Time> {
        (!self.told && !self.done).then_some(self.stop_at)
    }
}

pub(super) fn pause(txn: &mut Txn<'_>, queue: QueueId, paused: bool) -> Result<(), Rejected> {
    let Some(state) = txn.state.queues.get(usize::from(queue.0)) else {
        return Err(Rejected::UnknownQueue(queue));
    };
    if state.paused != paused {
        txn.row(Row::Queue { queue, paused });
    }
    if !paused && state.ready.len() > 0 {
        txn.out.push(Output::Ready { queue });
    }
    Ok(())
}

impl<S: Store> Scheduler<S> {
    pub(super) fn begin_drain(&mut self, now: Time, grace: Span, out: &mut Outbox<Output>) {
        let stop_at = now + grace;
        // A second drain may shorten the first one's grace, never lengthen it.
        let drain = self.drain.get_or_insert(Drain { stop_at, told: false, done: false });
        drain.stop_at = drain.stop_at.min(stop_at);
        self.tell_workers(now, out);
        self.note_drained(out);
    }

    pub(super) fn reopen(&mut self, out: &mut Outbox<Output>) {
        self.drain = None;
        let queues = (0u16..).zip(&self.state.queues).filter(|(_, queue)| queue.ready.len() > 0);
        out.extend(queues.map(|(id, _)| Output::Ready { queue: QueueId(id) }));
    }

    pub(super) fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    pub(super) fn extends_leases(&self, now: Time) -> bool {
        #[cfg(test)]
        if self.sabotage == super::Sabotage::EndlessDrain {
            return true;
        }
        self.drain.is_none_or(|drain| now < drain.stop_at)
    }

    /// When the grace is over, tells the workers that are still running.
    pub(super) fn tell_workers(&mut self, now: Time, out: &mut Outbox<Output>) {
        let Some(drain) = self.drain.as_mut().filter(|drain| !drain.told && drain.stop_at <= now) else {
            return;
        };
        drain.told = true;
        out.extend(self.state.running().filter_map(|job| {
            let worker = job.lease?.worker;
            Some(Output::Stop { worker, job: job.id, token: job.token, why: StopReason::Draining })
        }));
    }

    /// Says once that nothing runs any more.
    pub(super) fn note_drained(&mut self, out: &mut Outbox<Output>) {
        if let Some(drain) = self.drain.as_mut().filter(|drain| !drain.done)
            && !self.state.is_running_any()
        {
            drain.done = true;
            out.push(Output::Drained);
        }
    }
}
