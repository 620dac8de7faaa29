//! Who leads, and the ticks that the leader enqueues. A term is the leader's fencing token; what is noted of a
//! schedule's ticks keeps a second leader from enqueueing one again even within its term.

use super::enqueue;
use super::txn::Txn;
use crate::arithmetic::{keyed_word, uniform};
use crate::job_scheduler::config::Overlap;
use crate::job_scheduler::job::*;
use crate::job_scheduler::message::{Leadership, Output, Rejected, TickOutcome};
use crate::job_scheduler::row::Row;
use crate::time::{Span, Time};

/// The one who leads now.
fn current(txn: &Txn<'_>) -> Option<Leadership> {
    txn.state.leader.filter(|leader| txn.now < leader.until)
}

pub(super) fn campaign(txn: &mut Txn<'_>, node: NodeId) -> Result<(), Rejected> {
    let current = current(txn);
    if current.is_some_and(|leader| leader.node != node) {
        return Err(Rejected::NotLeader(current));
    }
    let until = txn.now + txn.config.leader_lease;
    let leadership = match current {
        Some(leader) => Leadership { until: leader.until.max(until), ..leader },
        None => {
            let last = txn.state.leader.map_or(0, |leader| leader.term.0);
            Leadership { node, term: Term(last.saturating_add(1)), until }
        }
    };
    txn.row(Row::Leader(leadership));
    let last_ticks = txn.state.last_ticks.iter().map(|(schedule, tick)| (*schedule, *tick)).collect();
    txn.out.push(Output::Leading { leadership, last_ticks });
    Ok(())
}

pub(super) fn resign(txn: &mut Txn<'_>, node: NodeId, term: Term) -> Result<(), Rejected> {
    let current = current(txn);
    match current {
        Some(leader) if leader.node == node && leader.term == term => {
            txn.row(Row::Leader(Leadership { until: txn.now, ..leader }));
            txn.out.push(Output::Vacant);
            Ok(())
        }
        Some(_) | None => Err(Rejected::NotLeader(current)),
    }
}

pub(super) fn tick(
    txn: &mut Txn<'_>,
    term: Term,
    schedule: ScheduleId,
    at: Time,
    fire: bool,
) -> Result<(), Rejected> {
    if usize::from(schedule.0) >= txn.config.schedules.len() {
        return Err(Rejected::UnknownSchedule(schedule));
    }
    let current = current(txn);
    if current.is_none_or(|leader| leader.term != term) {
        return Err(Rejected::NotLeader(current));
    }
    let last = txn.state.last_ticks.get(&schedule).copied();
    #[cfg(test)]
    let last = last.filter(|_| txn.sabotage != super::Sabotage::ForgetsTicks);
    if let Some(last) = last.filter(|last| at <= *last) {
        return Err(Rejected::TickNoted { last });
    }
    txn.row(Row::Schedule { schedule, last_tick: at });
    let outcome = if fire { enqueue_tick(txn, schedule, at) } else { TickOutcome::Missed };
    txn.out.push(Output::Ticked { schedule, at, outcome });
    Ok(())
}

fn enqueue_tick(txn: &mut Txn<'_>, schedule: ScheduleId, at: Time) -> TickOutcome {
    let config = &txn.config.schedules[usize::from(schedule.0)];
    let live: Vec<JobId> = txn.state.live_of(schedule).map(|job| job.id).collect();
    let waiting_on = match config.overlap {
        Overlap::Allow => Vec::new(),
        Overlap::Skip if live.is_empty() => Vec::new(),
        Overlap::QueueOne if live.len() < 2 => live,
        Overlap::Skip | Overlap::QueueOne => return TickOutcome::Overlapped,
        Overlap::CancelPrevious => {
            live.iter().for_each(|id| txn.stop(*id, StopReason::Cancelled));
            // Those that were running end when their workers stop.
            live.into_iter().filter(|id| txn.job(*id).is_some_and(|job| !job.state.is_terminal())).collect()
        }
    };
    let kind = &txn.config.kinds[usize::from(config.job.kind.0)];
    let queue = config.job.queue.unwrap_or(kind.queue);
    if txn.state.queues[usize::from(queue.0)].live >= txn.config.queues[usize::from(queue.0)].max_live {
        return TickOutcome::QueueFull;
    }
    let seed = keyed_word(txn.config.seed, u64::from(schedule.0).wrapping_add(1 << 32));
    let jitter = Span::from_nanos(uniform(keyed_word(seed, at.as_nanos()), 0, config.jitter.as_nanos()));
    let new =
        NewJob { run_at: Some(at + jitter), on_parent_failure: OnParentFailure::Run, ..config.job.clone() };
    TickOutcome::Enqueued(enqueue::add(txn, new, waiting_on, Some(schedule)))
}
