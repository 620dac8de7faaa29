//! What one command changes: rows that are written together before anything is answered. Nothing of it is visible
//! until then.

use crate::job_scheduler::config::SchedulerConfig;
use crate::job_scheduler::job::*;
use crate::job_scheduler::message::{Output, Rejected};
use crate::job_scheduler::row::{Counts, Row};
use crate::job_scheduler::state::State;
use crate::time::Time;

/// Changes on top of a state.
pub(super) struct Txn<'a> {
    pub(super) now: Time,
    pub(super) config: &'a SchedulerConfig,
    pub(super) state: &'a State,
    /// In the order of their numbers: mostly one, or some that are new and come at the end.
    #[allow(clippy::vec_box, reason = "they become rows and then slots as they are")]
    jobs: Vec<Box<Job>>,
    counts: Counts,
    rows: Vec<Row>,
    pub(super) out: Vec<Output>,
    /// Each of them once, in order.
    ready: Vec<QueueId>,
    #[cfg(test)]
    pub(super) sabotage: super::Sabotage,
}

/// What is to be written, and to be said once it is. Empty, it is room for the next one.
#[derive(Clone, Debug, Default)]
pub(super) struct Staged {
    #[allow(clippy::vec_box, reason = "they become rows and then slots as they are")]
    jobs: Vec<Box<Job>>,
    ready: Vec<QueueId>,
    pub(super) rows: Vec<Row>,
    pub(super) out: Vec<Output>,
}

impl<'a> Txn<'a> {
    /// Nothing changed yet, in the room of one that is over.
    pub(super) fn new(now: Time, config: &'a SchedulerConfig, state: &'a State, room: Staged) -> Txn<'a> {
        let Staged { jobs, ready, rows, out } = room;
        Txn {
            now,
            config,
            state,
            jobs,
            counts: state.counts,
            rows,
            out,
            ready,
            #[cfg(test)]
            sabotage: super::Sabotage::None,
        }
    }

    /// What an unfenced commit does to a job that has ended already.
    #[cfg(test)]
    pub(super) fn reopen_for_sabotage(&mut self, id: JobId) {
        if let Some(job) = self.edit(id) {
            job.state = JobState::Running;
        }
    }

    pub(super) fn staged(mut self) -> Staged {
        self.rows.extend(self.jobs.drain(..).map(Row::Job));
        if self.counts != self.state.counts {
            self.rows.push(Row::Counts(self.counts));
        }
        self.out.extend(self.ready.drain(..).map(|queue| Output::Ready { queue }));
        Staged { jobs: self.jobs, ready: self.ready, rows: self.rows, out: self.out }
    }

    /// The room, when nothing comes of it.
    pub(super) fn dropped(mut self) -> Staged {
        self.jobs.clear();
        self.ready.clear();
        self.rows.clear();
        self.out.clear();
        Staged { jobs: self.jobs, ready: self.ready, rows: self.rows, out: self.out }
    }

    fn place(&self, id: JobId) -> Result<usize, usize> {
        self.jobs.binary_search_by_key(&id, |job| job.id)
    }

    pub(super) fn job(&self, id: JobId) -> Option<&Job> {
        self.place(id).ok().map(|place| &*self.jobs[place]).or_else(|| self.state.job(id))
    }

    pub(super) fn known(&self, id: JobId) -> Result<&Job, Rejected> {
        self.job(id).ok_or(Rejected::UnknownJob(id))
    }

    /// A job to change.
    pub(super) fn edit(&mut self, id: JobId) -> Option<&mut Job> {
        let place = match self.place(id) {
            Ok(place) => place,
            Err(place) => {
                self.jobs.insert(place, Box::new(self.state.job(id)?.clone()));
                place
            }
        };
        Some(&mut self.jobs[place])
    }

    /// Adds a job under the next number.
    pub(super) fn add(&mut self, mut job: Box<Job>) -> JobId {
        self.counts.enqueued += 1;
        job.id = JobId(self.counts.enqueued);
        let id = job.id;
        self.jobs.push(job);
        id
    }

    /// The number that the next job will have.
    pub(super) fn next_id(&self) -> JobId {
        JobId(self.counts.enqueued + 1)
    }

    pub(super) fn prune(&mut self, id: JobId) {
        if let Ok(place) = self.place(id) {
            self.jobs.remove(place);
        }
        self.rows.push(Row::Removed(id));
        self.counts.pruned += 1;
        self.out.push(Output::Pruned { job: id });
    }

    pub(super) fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Jobs added by this command that are live in a queue.
    pub(super) fn added_to(&self, queue: QueueId) -> u64 {
        self.added().filter(|job| job.queue == queue && !job.state.is_terminal()).count() as u64
    }

    /// Jobs added by this command.
    pub(super) fn added(&self) -> impl Iterator<Item = &Job> {
        let first = self.place(self.next_of_state()).unwrap_or_else(|place| place);
        self.jobs[first..].iter().map(|job| &**job)
    }

    /// The number of the first job that this command adds.
    fn next_of_state(&self) -> JobId {
        JobId(self.state.counts.enqueued + 1)
    }

    /// A job that waits for nothing but perhaps its time.
    pub(super) fn release(&mut self, id: JobId) {
        let now = self.now;
        let Some(job) = self.edit(id) else { return };
        if job.due_at > now {
            job.state = JobState::Scheduled;
            return;
        }
        job.due_at = now;
        self.make_available(id);
    }

    /// A job that may be fetched, since the instant it was due.
    pub(super) fn make_available(&mut self, id: JobId) {
        let Some(job) = self.edit(id) else { return };
        job.state = JobState::Available;
        let queue = job.queue;
        if let Err(place) = self.ready.binary_search(&queue) {
            self.ready.insert(place, queue);
        }
    }

    /// Ends a job, and with it whatever cannot run without it; releases what has waited for it.
    pub(super) fn end(&mut self, id: JobId, state: JobState, reason: EndReason) {
        let mut ending = vec![(id, state, reason)];
        while let Some((id, state, reason)) = ending.pop() {
            let now = self.now;
            let Some(job) = self.edit(id).filter(|job| !job.state.is_terminal()) else { continue };
            job.state = state;
            job.end = Some(reason);
            job.finished_at = Some(now);
            job.lease = None;
            job.stop = None;
            job.waiting_on.clear();
            let (kind, token) = (job.kind, job.token);
            self.out.push(Output::Finished { job: id, kind, state, reason, token });
            for child in self.state.children(id) {
                let Some(job) = self.edit(child).filter(|job| job.state == JobState::Pending) else {
                    continue;
                };
                if state != JobState::Completed && job.on_parent_failure == OnParentFailure::Cancel {
                    ending.push((child, JobState::Cancelled, EndReason::ParentFailed));
                    continue;
                }
                job.waiting_on.retain(|parent| *parent != id);
                if job.waiting_on.is_empty() {
                    self.release(child);
                }
            }
        }
    }

    /// Tells the worker of a running job to stop; ends any other job at once.
    pub(super) fn stop(&mut self, id: JobId, why: StopReason) {
        let Some(job) = self.edit(id) else { return };
        let Some(lease) = job.lease else {
            let (state, reason) = end_of(why);
            self.end(id, state, reason);
            return;
        };
        if job.stop.is_none() {
            job.stop = Some(why);
            let token = job.token;
            self.out.push(Output::Stop { worker: lease.worker, job: id, token, why });
        }
    }
}

/// How a job ends that was stopped.
pub(super) fn end_of(why: StopReason) -> (JobState, EndReason) {
    match why {
        // Draining stops workers, never jobs.
        StopReason::Cancelled | StopReason::Draining => (JobState::Cancelled, EndReason::Cancelled),
        StopReason::DeadlinePassed => (JobState::Discarded, EndReason::DeadlinePassed),
    }
}
