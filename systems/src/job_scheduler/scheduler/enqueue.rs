//! Letting jobs in: once for each request and each unique key, and only as many as a queue holds. Never starts one.

use super::txn::Txn;
use crate::job_scheduler::job::*;
use crate::job_scheduler::message::{Output, Rejected};
use crate::job_scheduler::unique::UniqueKey;
use crate::job_scheduler::workflow::Workflow;
use crate::time::Span;

pub(super) fn one(txn: &mut Txn<'_>, new: NewJob) -> Result<(), Rejected> {
    match admit(txn, &new)? {
        Admission::Present(job) => txn.out.push(Output::Duplicate { job }),
        Admission::New => {
            let after = new.after.clone();
            let waiting_on = parents(txn, &after, new.on_parent_failure)?;
            add(txn, new, waiting_on, None);
        }
    }
    Ok(())
}

pub(super) fn workflow(txn: &mut Txn<'_>, workflow: Workflow) -> Result<(), Rejected> {
    workflow.validate().map_err(Rejected::Workflow)?;
    // A request that was answered before is answered again, by all of its jobs.
    let requested = workflow.jobs.first().and_then(|job| job.request);
    if let Some(first) = requested.and_then(|request| txn.state.requested(request)) {
        let jobs = (first.0..).map(JobId).take(workflow.jobs.len());
        txn.out.extend(jobs.map(|job| Output::Duplicate { job }));
        return Ok(());
    }
    let first = txn.next_id().0;
    let mut waiting_on = vec![Vec::new(); workflow.jobs.len()];
    for (before, after) in workflow.edges {
        waiting_on[after].push(JobId(first + before as u64));
    }
    for (new, mut parents_inside) in workflow.jobs.into_iter().zip(waiting_on) {
        if let Admission::Present(holder) = admit(txn, &new)? {
            return Err(Rejected::HeldBy(holder));
        }
        let after = new.after.clone();
        parents_inside.extend(parents(txn, &after, new.on_parent_failure)?);
        parents_inside.sort_unstable();
        parents_inside.dedup();
        add(txn, new, parents_inside, None);
    }
    Ok(())
}

enum Admission {
    New,
    Present(JobId),
}

/// Whether there is room for a job, and none like it.
fn admit(txn: &Txn<'_>, new: &NewJob) -> Result<Admission, Rejected> {
    let Some(kind) = txn.config.kinds.get(usize::from(new.kind.0)) else {
        return Err(Rejected::UnknownKind(new.kind));
    };
    let queue = new.queue.unwrap_or(kind.queue);
    let Some(limits) = txn.config.queues.get(usize::from(queue.0)) else {
        return Err(Rejected::UnknownQueue(queue));
    };
    let requested = new.request.and_then(|request| {
        let added = txn.added().find(|job| job.request == Some(request)).map(|job| job.id);
        txn.state.requested(request).or(added)
    });
    if let Some(job) = requested.or_else(|| holder(txn, new, queue)) {
        return Ok(Admission::Present(job));
    }
    if new.deadline.is_some_and(|deadline| deadline <= txn.now) {
        return Err(Rejected::DeadlinePassed);
    }
    if txn.state.queues[usize::from(queue.0)].live + txn.added_to(queue) >= limits.max_live {
        return Err(Rejected::QueueFull { queue, max_live: limits.max_live });
    }
    Ok(Admission::New)
}

/// The job that has the unique key.
fn holder(txn: &Txn<'_>, new: &NewJob, queue: QueueId) -> Option<JobId> {
    #[cfg(test)]
    if txn.sabotage == super::Sabotage::NoUniqueKey {
        return None;
    }
    let key = UniqueKey::new(new.unique.as_ref()?, new, queue, txn.now);
    let added = || txn.added().find(|job| job.unique.as_ref() == Some(&key)).map(|job| job.id);
    txn.state.holder(&key).or_else(added)
}

/// Those of the jobs named that have not completed.
fn parents(txn: &Txn<'_>, after: &[JobId], on_failure: OnParentFailure) -> Result<Vec<JobId>, Rejected> {
    let mut waiting_on = Vec::new();
    for id in after {
        match txn.known(*id)?.state {
            JobState::Completed => {}
            JobState::Cancelled | JobState::Discarded => {
                if on_failure == OnParentFailure::Cancel {
                    return Err(Rejected::ParentFailed(*id));
                }
            }
            JobState::Pending
            | JobState::Scheduled
            | JobState::Available
            | JobState::Running
            | JobState::Retryable => waiting_on.push(*id),
        }
    }
    waiting_on.sort_unstable();
    waiting_on.dedup();
    Ok(waiting_on)
}

/// Adds a job that was admitted.
pub(super) fn add(
    txn: &mut Txn<'_>,
    new: NewJob,
    waiting_on: Vec<JobId>,
    schedule: Option<ScheduleId>,
) -> JobId {
    let kind = &txn.config.kinds[usize::from(new.kind.0)];
    let queue = new.queue.unwrap_or(kind.queue);
    let waits = !waiting_on.is_empty();
    let job = Box::new(Job {
        id: JobId(0),
        kind: new.kind,
        queue,
        priority: new.priority.unwrap_or(kind.priority),
        tenant: new.tenant,
        unique: new.unique.as_ref().map(|by| UniqueKey::new(by, &new, queue, txn.now)),
        args: new.args,
        state: JobState::Pending,
        attempt: 0,
        max_attempts: new.max_attempts.unwrap_or(kind.max_attempts).max(1),
        token: Token(0),
        lost_leases: 0,
        enqueued_at: txn.now,
        due_at: new.run_at.unwrap_or(txn.now),
        deadline: new.deadline,
        previous_pause: Span::ZERO,
        lease: None,
        stop: None,
        waiting_on,
        on_parent_failure: new.on_parent_failure,
        request: new.request,
        schedule,
        progress_ppm: 0,
        finished_at: None,
        end: None,
        result: None,
    });
    let id = txn.add(job);
    txn.out.push(Output::Enqueued { job: id });
    if !waits {
        txn.release(id);
    }
    id
}
