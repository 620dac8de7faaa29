//! What workers say about the jobs they have, and people about the ones they had. Whoever does not hold the latest lease
//! changes nothing.

use super::lease_end;
use super::txn::{Txn, end_of};
use crate::arithmetic::keyed_word;
use crate::job_scheduler::job::*;
use crate::job_scheduler::message::{JobFailure, Output, Rejected};
use crate::retry::Backoff;
use crate::time::Span;
use std::sync::Arc;

/// Refuses whoever does not hold the latest lease of a running job.
fn check_lease(txn: &Txn<'_>, id: JobId, token: Token) -> Result<(), Rejected> {
    let job = txn.known(id)?;
    #[cfg(test)]
    if txn.sabotage == super::Sabotage::NoFence {
        return Ok(());
    }
    if job.state == JobState::Running && job.token == token {
        return Ok(());
    }
    Err(Rejected::Fenced { job: id, token, current: job.token })
}

pub(super) fn heartbeat(
    txn: &mut Txn<'_>,
    id: JobId,
    token: Token,
    progress_ppm: u32,
    extends: bool,
) -> Result<(), Rejected> {
    check_lease(txn, id, token)?;
    let (now, config) = (txn.now, txn.config);
    #[cfg(test)]
    let extends = extends && txn.sabotage != super::Sabotage::RescuesTheLiving;
    let Some(job) = txn.edit(id) else { return Err(Rejected::UnknownJob(id)) };
    job.progress_ppm = progress_ppm.min(1_000_000);
    let kind = &config.kinds[usize::from(job.kind.0)];
    let stop = job.stop.or((!extends).then_some(StopReason::Draining));
    if let Some(lease) = &mut job.lease {
        if extends {
            lease.until = lease.until.max(lease_end(now, lease.started_at, kind));
        }
        let until = lease.until;
        txn.out.push(Output::Extended { job: id, token, until, stop });
    }
    Ok(())
}

pub(super) fn complete(
    txn: &mut Txn<'_>,
    id: JobId,
    token: Token,
    result: Option<Arc<[u8]>>,
) -> Result<(), Rejected> {
    let job = txn.known(id)?;
    if job.state == JobState::Completed && job.token == token {
        // The answer was lost and the worker says it again: it is done already, by this very lease.
        return Ok(());
    }
    check_lease(txn, id, token)?;
    if let Some(job) = txn.edit(id) {
        job.result = result;
        job.progress_ppm = 1_000_000;
        #[cfg(test)]
        if txn.sabotage == super::Sabotage::NoFence {
            txn.reopen_for_sabotage(id);
        }
    }
    txn.end(id, JobState::Completed, EndReason::Succeeded);
    Ok(())
}

pub(super) fn fail(txn: &mut Txn<'_>, id: JobId, token: Token, failure: JobFailure) -> Result<(), Rejected> {
    check_lease(txn, id, token)?;
    match failure {
        JobFailure::Retryable => retry(txn, id, None),
        JobFailure::RetryAfter(pause) => retry(txn, id, Some(pause)),
        JobFailure::NotRetryable => txn.end(id, JobState::Discarded, EndReason::NotRetryable),
        JobFailure::Cancel => txn.end(id, JobState::Cancelled, EndReason::CancelledByWorker),
    }
    Ok(())
}

/// Another attempt after a pause, if there is one left and nobody wants the job stopped.
pub(super) fn retry(txn: &mut Txn<'_>, id: JobId, pause: Option<Span>) {
    let (now, config) = (txn.now, txn.config);
    let Some(job) = txn.edit(id) else { return };
    if let Some(why) = job.stop {
        let (state, reason) = end_of(why);
        txn.end(id, state, reason);
        return;
    }
    if job.attempt >= job.max_attempts {
        txn.end(id, JobState::Discarded, EndReason::AttemptsExhausted);
        return;
    }
    let kind = &config.kinds[usize::from(job.kind.0)];
    // Named by the job and the attempt: what else is in the queue does not change a pause.
    let word = keyed_word(keyed_word(config.seed, id.0), u64::from(job.attempt));
    let pause = pause.unwrap_or_else(|| kind.backoff.delay(&job.pauses(), word));
    job.previous_pause = pause;
    job.lease = None;
    job.due_at = now + pause;
    job.state = JobState::Retryable;
    let (attempt, at) = (job.attempt, job.due_at);
    txn.out.push(Output::Retrying { job: id, attempt, at });
    if pause.is_zero() {
        txn.make_available(id);
    }
}

pub(super) fn snooze(txn: &mut Txn<'_>, id: JobId, token: Token, pause: Span) -> Result<(), Rejected> {
    check_lease(txn, id, token)?;
    let now = txn.now;
    let Some(job) = txn.edit(id) else { return Err(Rejected::UnknownJob(id)) };
    if let Some(why) = job.stop {
        let (state, reason) = end_of(why);
        txn.end(id, state, reason);
        return Ok(());
    }
    // Attempts never fall; one more is allowed instead, as River does.
    job.max_attempts = job.max_attempts.saturating_add(1);
    job.lease = None;
    job.due_at = now + pause;
    let until = job.due_at;
    txn.release(id);
    txn.out.push(Output::Snoozed { job: id, until });
    Ok(())
}

pub(super) fn cancel(txn: &mut Txn<'_>, id: JobId) -> Result<(), Rejected> {
    let state = txn.known(id)?.state;
    match state {
        // Said again after the answer was lost.
        JobState::Cancelled => Ok(()),
        JobState::Completed | JobState::Discarded => Err(Rejected::WrongState { job: id, state }),
        JobState::Pending
        | JobState::Scheduled
        | JobState::Available
        | JobState::Running
        | JobState::Retryable => {
            txn.stop(id, StopReason::Cancelled);
            Ok(())
        }
    }
}

pub(super) fn retry_now(txn: &mut Txn<'_>, id: JobId) -> Result<(), Rejected> {
    let now = txn.now;
    let job = txn.known(id)?;
    let state = job.state;
    match state {
        JobState::Scheduled | JobState::Retryable => {}
        JobState::Cancelled | JobState::Discarded => {
            let key = job.unique.as_ref();
            if let Some(other) = key.and_then(|key| txn.state.holder(key)).filter(|other| *other != id) {
                return Err(Rejected::HeldBy(other));
            }
            let queue = job.queue;
            let max_live = txn.config.queues[usize::from(queue.0)].max_live;
            if txn.state.queues[usize::from(queue.0)].live >= max_live {
                return Err(Rejected::QueueFull { queue, max_live });
            }
            txn.out.push(Output::Revived { job: id });
        }
        JobState::Pending | JobState::Available | JobState::Running | JobState::Completed => {
            return Err(Rejected::WrongState { job: id, state });
        }
    }
    let Some(job) = txn.edit(id) else { return Err(Rejected::UnknownJob(id)) };
    if state.is_terminal() {
        job.max_attempts = job.max_attempts.max(job.attempt.saturating_add(1));
        job.lost_leases = 0;
        job.finished_at = None;
        job.end = None;
        // Whoever revives it wants it in spite of its deadline.
        job.deadline = job.deadline.filter(|deadline| *deadline > now);
    }
    job.due_at = now;
    txn.make_available(id);
    Ok(())
}
