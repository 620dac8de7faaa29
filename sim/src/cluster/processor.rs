//! Processor time: jobs share cores equally, each at most one core. Owns the clock of attained service, no queue.
//!
//! All jobs of a processor progress at the same rate, so one clock of *attained service* per processor is
//! enough: a job ends when the clock has advanced by its demand. Rate changes touch the clock, never the jobs.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::node::{NodeId, Token};
use crate::kernel::time::{Span, Time};

/// Attained service is kept in 1/1024 ns, so that shares of a core lose less than a nanosecond a job.
const UNITS_PER_NS: u64 = 1024;

/// A processor: index into [`Processors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessorId(pub(crate) u32);

#[derive(Clone, Copy)]
struct Running {
    finish: u64,
    sequence: u64,
    node: u32,
    token: Token,
}

impl Running {
    /// No two jobs have one sequence number, so nothing else has to be looked at; and one wide number is compared
    /// without a branch, several times in the heap for every job.
    #[inline]
    fn rank(&self) -> u128 {
        u128::from(self.finish) << 64 | u128::from(self.sequence)
    }
}

impl PartialEq for Running {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Running {}

impl PartialOrd for Running {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Running {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

struct Processor {
    /// Cores in thousandths; `u64::MAX` never contends.
    cores_milli: u64,
    attained: u64,
    attained_at: Time,
    running: BinaryHeap<Reverse<Running>>,
}

impl Processor {
    /// Service attained by each running job up to `now`, in units.
    #[inline]
    fn attained(&self, now: Time) -> u64 {
        let elapsed_ns = now.since(self.attained_at).as_nanos();
        let jobs = self.running.len() as u64;
        let full = elapsed_ns.saturating_mul(UNITS_PER_NS);
        let gained = if jobs.saturating_mul(1000) <= self.cores_milli {
            full
        } else {
            (u128::from(full) * u128::from(self.cores_milli) / (u128::from(jobs) * 1000)) as u64
        };
        self.attained.saturating_add(gained)
    }

    fn settle(&mut self, now: Time) {
        if self.running.is_empty() {
            self.attained = 0;
        } else {
            self.attained = self.attained(now);
        }
        self.attained_at = now;
    }

    /// When the first job ends if nothing changes.
    fn next_finish(&self) -> Option<Time> {
        let Reverse(first) = self.running.peek()?;
        let left = first.finish.saturating_sub(self.attained);
        let jobs = self.running.len() as u64;
        let ns = if jobs.saturating_mul(1000) <= self.cores_milli {
            left.div_ceil(UNITS_PER_NS)
        } else {
            let wide = u128::from(left) * u128::from(jobs) * 1000;
            let rate = u128::from(UNITS_PER_NS) * u128::from(self.cores_milli.max(1));
            u64::try_from(wide.div_ceil(rate)).unwrap_or(u64::MAX)
        };
        Some(self.attained_at + Span::from_nanos(ns))
    }
}

/// A processor-time limit of a node: run, then stand still to the end of the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) quota: Span,
    pub(crate) period: Span,
}

/// What a node takes from its processor.
struct Share {
    processor: u32,
    /// Work takes this multiple of its time, thousandths.
    factor_milli: u64,
    running: u32,
    /// Reasons to stand still: pause, exhausted quota.
    stopped: u32,
    suspended: Vec<(Token, u64)>,
    quota: Option<Quota>,
    consumed: u64,
}

/// A job taken off its processor: its demand left, in nanoseconds of a full-speed core.
pub(crate) struct Remaining(u64);

/// All processors, and which node runs where.
pub(crate) struct Processors {
    processors: Vec<Processor>,
    shares: Vec<Share>,
    sequence: u64,
    /// Nodes with a quota; empty in most runs, which then pay nothing.
    quota_nodes: Vec<u32>,
}

impl Processors {
    pub(crate) fn new() -> Self {
        Processors { processors: Vec::new(), shares: Vec::new(), sequence: 0, quota_nodes: Vec::new() }
    }

    pub(crate) fn add_processor(&mut self, cores_milli: u64) -> ProcessorId {
        self.processors.push(Processor {
            cores_milli,
            attained: 0,
            attained_at: Time::ZERO,
            running: BinaryHeap::new(),
        });
        ProcessorId(self.processors.len() as u32 - 1)
    }

    /// Nodes are added in the order of their ids.
    pub(crate) fn add_node(&mut self, processor: ProcessorId) {
        self.shares.push(Share {
            processor: processor.0,
            factor_milli: 1000,
            running: 0,
            stopped: 0,
            suspended: Vec::new(),
            quota: None,
            consumed: 0,
        });
    }

    /// Whether any node has a processor-time limit.
    #[inline]
    pub(crate) fn has_quotas(&self) -> bool {
        !self.quota_nodes.is_empty()
    }

    /// How many processors there are.
    pub(crate) fn len(&self) -> usize {
        self.processors.len()
    }

    pub(crate) fn processor_of(&self, node: NodeId) -> ProcessorId {
        ProcessorId(self.shares[node.index()].processor)
    }

    pub(crate) fn set_cores(&mut self, now: Time, id: ProcessorId, cores_milli: u64) {
        self.settle(now, id.0);
        self.processors[id.0 as usize].cores_milli = cores_milli;
    }

    #[inline]
    fn settle(&mut self, now: Time, processor: u32) {
        let state = &mut self.processors[processor as usize];
        let before = state.attained;
        state.settle(now);
        if !self.quota_nodes.is_empty() {
            let gained = state.attained.saturating_sub(before);
            self.consume_quotas(processor, gained);
        }
    }

    /// Charges what was attained on a processor to the nodes with a limit.
    fn consume_quotas(&mut self, processor: u32, gained: u64) {
        for &node in &self.quota_nodes {
            let share = &mut self.shares[node as usize];
            if share.processor == processor {
                share.consumed =
                    share.consumed.saturating_add(gained.saturating_mul(u64::from(share.running)));
            }
        }
    }

    /// Starts `demand` of work of `node`; the node is woken with `token` when it is done.
    #[inline]
    pub(crate) fn start(&mut self, now: Time, node: NodeId, token: Token, demand: Span) {
        let factor = self.shares[node.index()].factor_milli;
        let work = if factor == 1000 {
            demand.as_nanos().saturating_mul(UNITS_PER_NS)
        } else {
            scale(demand.as_nanos().saturating_mul(UNITS_PER_NS), factor, 1000)
        };
        self.insert(now, node, token, work);
    }

    /// Continues work that [`Processors::stop`] took off.
    pub(crate) fn resume(&mut self, now: Time, node: NodeId, token: Token, left: Remaining) {
        self.insert(now, node, token, scale(left.0, self.shares[node.index()].factor_milli, 1000));
    }

    #[inline]
    fn insert(&mut self, now: Time, node: NodeId, token: Token, work: u64) {
        let share = &mut self.shares[node.index()];
        if share.stopped > 0 {
            share.suspended.push((token, work));
            return;
        }
        let processor = share.processor;
        self.settle(now, processor);
        self.shares[node.index()].running += 1;
        self.sequence += 1;
        let processor = &mut self.processors[processor as usize];
        let finish = processor.attained.saturating_add(work);
        processor.running.push(Reverse(Running { finish, sequence: self.sequence, node: node.0, token }));
    }

    /// Takes a job off; `None` if it is not there.
    pub(crate) fn stop(&mut self, now: Time, node: NodeId, token: Token) -> Option<Remaining> {
        let share = &mut self.shares[node.index()];
        let factor = share.factor_milli;
        if let Some(position) = share.suspended.iter().position(|(other, _)| *other == token) {
            let (_, work) = share.suspended.remove(position);
            return Some(Remaining(scale(work, 1000, factor)));
        }
        let id = share.processor;
        self.settle(now, id);
        let processor = &mut self.processors[id as usize];
        let mut work = None;
        processor.running.retain(|Reverse(job)| {
            let found = job.node == node.0 && job.token == token;
            if found {
                work = Some(job.finish.saturating_sub(processor.attained));
            }
            !found
        });
        let work = work?;
        self.shares[node.index()].running -= 1;
        Some(Remaining(scale(work, 1000, factor)))
    }

    /// Drops all work of a node, as a crash does.
    pub(crate) fn clear(&mut self, now: Time, node: NodeId) {
        let id = self.shares[node.index()].processor;
        self.settle(now, id);
        self.processors[id as usize].running.retain(|Reverse(job)| job.node != node.0);
        let share = &mut self.shares[node.index()];
        share.running = 0;
        share.suspended.clear();
    }

    /// One more reason for the node to stand still.
    pub(crate) fn suspend(&mut self, now: Time, node: NodeId) {
        self.shares[node.index()].stopped += 1;
        if self.shares[node.index()].stopped > 1 {
            return;
        }
        let id = self.shares[node.index()].processor;
        self.settle(now, id);
        let processor = &mut self.processors[id as usize];
        let mut taken: Vec<Running> =
            processor.running.iter().map(|Reverse(job)| *job).filter(|job| job.node == node.0).collect();
        processor.running.retain(|Reverse(job)| job.node != node.0);
        taken.sort_unstable();
        let attained = processor.attained;
        let share = &mut self.shares[node.index()];
        share.running = 0;
        share.suspended.extend(taken.into_iter().map(|job| (job.token, job.finish.saturating_sub(attained))));
    }

    /// One reason less to stand still.
    pub(crate) fn unsuspend(&mut self, now: Time, node: NodeId) {
        let share = &mut self.shares[node.index()];
        share.stopped = share.stopped.saturating_sub(1);
        if share.stopped == 0 {
            for (token, work) in std::mem::take(&mut share.suspended) {
                self.insert(now, node, token, work);
            }
        }
    }

    /// Work of the node takes `factor_milli` thousandths of its time from now on; work under way is rescaled.
    pub(crate) fn set_factor(&mut self, now: Time, node: NodeId, factor_milli: u64) {
        let factor_milli = factor_milli.max(1);
        let old = self.shares[node.index()].factor_milli;
        if old == factor_milli {
            return;
        }
        self.suspend(now, node);
        let share = &mut self.shares[node.index()];
        share.factor_milli = factor_milli;
        for (_, work) in &mut share.suspended {
            *work = scale(*work, factor_milli, old);
        }
        self.unsuspend(now, node);
    }

    /// The first job of the processor that is done, if any; to be called until it returns `None`.
    #[inline]
    pub(crate) fn pop_finished(&mut self, now: Time, id: ProcessorId) -> Option<(NodeId, Token)> {
        let state = &mut self.processors[id.0 as usize];
        let attained = state.attained(now);
        let first = state.running.peek()?.0;
        if first.finish > attained {
            return None;
        }
        let gained = attained.saturating_sub(std::mem::replace(&mut state.attained, attained));
        state.attained_at = now;
        state.running.pop();
        if !self.quota_nodes.is_empty() {
            self.consume_quotas(id.0, gained);
        }
        self.shares[first.node as usize].running -= 1;
        Some((NodeId(first.node), first.token))
    }

    /// Whether a job of the processor is done and has not been taken off yet.
    pub(crate) fn has_finished(&self, now: Time, id: ProcessorId) -> bool {
        let processor = &self.processors[id.0 as usize];
        processor.running.peek().is_some_and(|Reverse(first)| first.finish <= processor.attained(now))
    }

    /// When the processor has to be looked at again.
    pub(crate) fn next_finish(&self, id: ProcessorId) -> Option<Time> {
        self.processors[id.0 as usize].next_finish()
    }

    /// Sets or lifts a processor-time limit; returns whether the node stood still because of the old one.
    pub(crate) fn set_quota(&mut self, now: Time, node: NodeId, quota: Option<Quota>) {
        self.settle(now, self.shares[node.index()].processor);
        let share = &mut self.shares[node.index()];
        share.quota = quota;
        share.consumed = 0;
        self.quota_nodes.retain(|other| *other != node.0);
        if quota.is_some() {
            self.quota_nodes.push(node.0);
        }
    }

    /// A new period begins.
    pub(crate) fn refill_quota(&mut self, now: Time, node: NodeId) {
        self.settle(now, self.shares[node.index()].processor);
        self.shares[node.index()].consumed = 0;
    }

    /// Whether the node has used up its quota, and if not, when it will at the present rate.
    pub(crate) fn quota_state(&mut self, now: Time, node: NodeId) -> QuotaState {
        let processor = self.shares[node.index()].processor;
        self.settle(now, processor);
        let share = &self.shares[node.index()];
        let Some(quota) = share.quota else { return QuotaState::Idle };
        let limit = quota.quota.as_nanos().saturating_mul(UNITS_PER_NS);
        if share.consumed >= limit {
            return QuotaState::Exhausted;
        }
        if share.running == 0 {
            return QuotaState::Idle;
        }
        let processor = &self.processors[processor as usize];
        let jobs = processor.running.len() as u64;
        let left = u128::from(limit - share.consumed);
        let running = u128::from(share.running);
        let ns = if jobs.saturating_mul(1000) <= processor.cores_milli {
            left.div_ceil(running * u128::from(UNITS_PER_NS))
        } else {
            let rate = running * u128::from(UNITS_PER_NS) * u128::from(processor.cores_milli.max(1));
            (left * u128::from(jobs) * 1000).div_ceil(rate)
        };
        QuotaState::ExhaustedAt(now + Span::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX)))
    }
}

/// How a node stands with its processor-time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuotaState {
    /// Nothing is running, or there is no limit.
    Idle,
    /// Nothing may run until the period ends.
    Exhausted,
    /// Used up at this instant if nothing changes.
    ExhaustedAt(Time),
}

fn scale(work: u64, numerator: u64, denominator: u64) -> u64 {
    if numerator == denominator {
        return work;
    }
    u64::try_from(u128::from(work) * u128::from(numerator) / u128::from(denominator.max(1)))
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(0);

    fn one(cores_milli: u64) -> (Processors, ProcessorId) {
        let mut processors = Processors::new();
        let id = processors.add_processor(cores_milli);
        processors.add_node(id);
        (processors, id)
    }

    fn ms(n: u64) -> Time {
        Time::ZERO + Span::from_millis(n)
    }

    #[test]
    fn two_jobs_on_one_core_take_twice_as_long_and_the_second_finishes_its_rest_alone() {
        let (mut processors, id) = one(1000);
        processors.start(ms(0), NODE, Token(1), Span::from_millis(10));
        processors.start(ms(0), NODE, Token(2), Span::from_millis(20));
        assert_eq!(processors.next_finish(id), Some(ms(20)));
        assert_eq!(processors.pop_finished(ms(20), id), Some((NODE, Token(1))));
        assert_eq!(processors.pop_finished(ms(20), id), None);
        assert_eq!(processors.next_finish(id), Some(ms(30)));
    }

    #[test]
    fn a_job_never_runs_faster_than_one_core() {
        let (mut processors, id) = one(8000);
        processors.start(ms(0), NODE, Token(1), Span::from_millis(10));
        assert_eq!(processors.next_finish(id), Some(ms(10)));
    }

    #[test]
    fn standing_still_and_slowing_down_stretch_work_under_way() {
        let (mut processors, id) = one(1000);
        processors.start(ms(0), NODE, Token(1), Span::from_millis(10));
        processors.suspend(ms(4), NODE);
        assert_eq!(processors.next_finish(id), None);
        processors.unsuspend(ms(100), NODE);
        assert_eq!(processors.next_finish(id), Some(ms(106)));
        processors.set_factor(ms(103), NODE, 2000);
        assert_eq!(processors.next_finish(id), Some(ms(109)));
        processors.set_factor(ms(105), NODE, 1000);
        assert_eq!(processors.next_finish(id), Some(ms(107)));
    }

    #[test]
    fn preempted_work_resumes_where_it_stopped() {
        let (mut processors, id) = one(1000);
        processors.start(ms(0), NODE, Token(1), Span::from_millis(10));
        let left = processors.stop(ms(3), NODE, Token(1)).unwrap();
        assert_eq!(processors.next_finish(id), None);
        processors.resume(ms(50), NODE, Token(1), left);
        assert_eq!(processors.next_finish(id), Some(ms(57)));
        assert!(processors.stop(ms(51), NODE, Token(9)).is_none());
    }

    #[test]
    fn a_quota_is_used_up_faster_by_more_threads() {
        let (mut processors, _) = one(8000);
        processors.set_quota(
            ms(0),
            NODE,
            Some(Quota { quota: Span::from_millis(40), period: Span::from_millis(100) }),
        );
        for token in 0..4 {
            processors.start(ms(0), NODE, Token(token), Span::from_millis(100));
        }
        assert_eq!(processors.quota_state(ms(0), NODE), QuotaState::ExhaustedAt(ms(10)));
        assert_eq!(processors.quota_state(ms(10), NODE), QuotaState::Exhausted);
        processors.refill_quota(ms(100), NODE);
        assert_eq!(processors.quota_state(ms(100), NODE), QuotaState::ExhaustedAt(ms(110)));
    }
}
