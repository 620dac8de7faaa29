//! Calls: everything between a caller wanting an answer and having it. A call is what the caller asked for; its
//! attempts are what is sent. Retries, hedges, timeouts and gates live here; who works on it does not.

mod attempt;
mod bound;
mod edge;
mod pacing;

use foreshock_systems::bulkhead::Ticket;
use foreshock_systems::circuit_breaker::Permit;
use foreshock_systems::retry::{FailedAttempt, Pauses, RetryCause, RetryDecision};

pub(crate) use edge::{EdgeState, Gate, ResetChance};

use super::core::{Engine, Event, Ready};
use super::node::{CallSpec, Done, NodeId, Path};
use super::slab::Ref;
use crate::kernel::agenda::Handle;
use crate::kernel::draw::Lineage;
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;

/// What a caller asked for.
pub(crate) struct Call {
    pub(crate) owner: NodeId,
    pub(crate) edge_state: u32,
    pub(crate) spec: CallSpec,
    /// Identity of this call in keyed draws.
    pub(crate) lineage: Lineage,
    state: CallState,
    /// Attempts begun, whether or not they were sent.
    begun: u32,
    pub(crate) sent: u32,
    hedges: u32,
    /// First of the attempts under way.
    first_attempt: Ref,
    previous_pause: Span,
    /// The word it was drawn with.
    previous_entropy: u64,
    /// Whether the wait for the client's own rate is over for the attempt that comes next.
    is_paced: bool,
    /// Set when the budget was charged for the attempt that comes next: why it was needed.
    retry_charged: Option<RetryCause>,
    backoff_timer: Handle,
    hedge_timer: Handle,
    deadline: Option<CallDeadline>,
    /// Ring of the calls made together; [`Ref::NONE`] for one that was always alone.
    next: Ref,
    previous: Ref,
    ended: Ended,
}

impl Call {
    fn is_open(&self) -> bool {
        self.state == CallState::Open
    }

    /// Whether a timer, an attempt or a charge is still to be taken back when it ends.
    fn leaves_something(&self) -> bool {
        self.first_attempt != Ref::NONE
            || self.deadline.is_some()
            || self.retry_charged.is_some()
            || self.backoff_timer != Handle::NONE
            || self.hedge_timer != Handle::NONE
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallState {
    Open,
    /// Ended; the owner is still to be told.
    Closed,
    /// Ended; nobody wants to know.
    Forgotten,
}

/// When a call is given up as a whole.
#[derive(Clone, Copy)]
struct CallDeadline {
    at: Time,
    outcome: OutcomeKind,
    timer: Handle,
}

/// How a call ended.
#[derive(Clone, Copy)]
struct Ended {
    outcome: OutcomeKind,
    missed: bool,
    value: u64,
    answered_by: NodeId,
    path: Path,
}

/// One sending of a call.
#[derive(Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) call: Ref,
    next: Ref,
    number: u32,
    is_hedge: bool,
    /// Set if the budget was charged for it: why it was needed.
    charged: Option<RetryCause>,
    begun_at: Time,
    stage: Stage,
    pub(crate) replica: u32,
    to: NodeId,
    sent_at: Time,
    waited: Span,
    timeout_timer: Handle,
    gate_timer: Handle,
    ticket: Option<Ticket>,
    permit: Option<Permit>,
    /// Whether the connection breaks before the answer arrives.
    reset: bool,
    holds_bulkhead: bool,
    holds_pool: bool,
    pub(crate) lineage: Lineage,
    deadline: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// For its turn at the rate limit.
    WaitingForTurn,
    WaitingForBulkhead,
    WaitingForPool,
    Sent,
}

/// How an attempt ended.
#[derive(Clone, Copy)]
struct AttemptEnd {
    outcome: OutcomeKind,
    missed: bool,
    value: u64,
    retry_after: Option<Span>,
    path: Path,
    answered_by: NodeId,
}

impl AttemptEnd {
    fn early(outcome: OutcomeKind) -> AttemptEnd {
        AttemptEnd {
            outcome,
            missed: false,
            value: 0,
            retry_after: None,
            path: Path::default(),
            answered_by: NodeId(u32::MAX),
        }
    }
}

/// Why another attempt is needed; budgets may charge it by that.
fn retry_cause(outcome: OutcomeKind) -> RetryCause {
    match outcome {
        OutcomeKind::Timeout => RetryCause::Timeout,
        OutcomeKind::Rejected => RetryCause::Throttling,
        OutcomeKind::Ok
        | OutcomeKind::Error
        | OutcomeKind::Refused
        | OutcomeKind::Reset
        | OutcomeKind::DeadlineExceeded
        | OutcomeKind::BreakerOpen
        | OutcomeKind::RateLimited
        | OutcomeKind::BulkheadFull
        | OutcomeKind::PoolTimeout
        | OutcomeKind::NoHealthyReplica
        | OutcomeKind::Abandoned
        | OutcomeKind::Cancelled
        | OutcomeKind::ConcurrencyLimited => RetryCause::Failure,
    }
}

impl Engine<'_> {
    /// Begins a call of `owner`; its end comes back as `Done`. `group` is another call made for the same request.
    #[inline]
    pub(crate) fn call(&mut self, owner: NodeId, spec: CallSpec, group: Ref) -> Ref {
        let index = self.core.edge_state_index(owner, spec.edge);
        let state = &mut self.core.edge_states[index];
        let lineage = spec.lineage.call(state.name_hash, state.occurrence << 16 | spec.copy);
        let local = self.core.nodes[owner.index()].clock.local(self.now);
        if let Some(budget) = &mut state.budget {
            budget.on_request(local);
        }
        self.core.recorder.call_wanted(spec.edge, self.now);
        let hedged = state.policy.hedge.is_some();
        let bounded = spec.patience.is_some()
            || state.policy.overall_timeout.is_some()
            || state.policy.propagate_deadline && spec.deadline != Time::MAX;
        let call = self.core.calls.insert(Call {
            owner,
            edge_state: index as u32,
            spec,
            lineage,
            state: CallState::Open,
            begun: 0,
            sent: 0,
            hedges: 0,
            first_attempt: Ref::NONE,
            previous_pause: Span::ZERO,
            previous_entropy: 0,
            is_paced: false,
            retry_charged: None,
            backoff_timer: Handle::NONE,
            hedge_timer: Handle::NONE,
            deadline: None,
            next: Ref::NONE,
            previous: Ref::NONE,
            ended: Ended {
                outcome: OutcomeKind::Cancelled,
                missed: false,
                value: 0,
                answered_by: NodeId(u32::MAX),
                path: Path::default(),
            },
        });
        if group != Ref::NONE {
            self.join_ring(call, group);
        }
        if !bounded || self.arm_call_deadline(call, local) {
            self.begin_attempt(call, false);
            if hedged {
                self.arm_hedge(call);
            }
        } else {
            if let Some(budget) = &mut self.core.edge_states[index].budget {
                budget.on_cancel(local);
            }
            self.close_call(call, &AttemptEnd::early(OutcomeKind::DeadlineExceeded));
        }
        call
    }

    fn join_ring(&mut self, call: Ref, group: Ref) {
        let Some(member) = self.core.calls.get_mut(group) else { return };
        let next = if member.next == Ref::NONE { group } else { member.next };
        member.next = call;
        if let Some(this) = self.core.calls.get_mut(call) {
            this.previous = group;
            this.next = next;
        }
        if let Some(member) = self.core.calls.get_mut(next) {
            member.previous = call;
        }
    }

    /// Takes a call out of its ring; returns another member, if any.
    #[inline]
    fn leave_ring(&mut self, call: Ref) -> Ref {
        let Some(this) = self.core.calls.get(call) else { return Ref::NONE };
        let (previous, next) = (this.previous, this.next);
        if next == Ref::NONE || next == call {
            return Ref::NONE;
        }
        if let Some(member) = self.core.calls.get_mut(previous) {
            member.next = next;
        }
        if let Some(member) = self.core.calls.get_mut(next) {
            member.previous = previous;
        }
        next
    }

    /// Arms the timer for the whole call if anything bounds it; `false` if it has no time at all.
    fn arm_call_deadline(&mut self, call: Ref, local: Time) -> bool {
        let Some(this) = self.core.calls.get(call) else { return false };
        let policy = &self.core.edge_states[this.edge_state as usize].policy;
        let spec = &this.spec;
        let mut bound: Option<(Time, OutcomeKind)> = None;
        let mut tighten = |at: Time, outcome: OutcomeKind| {
            if bound.is_none_or(|(earliest, _)| at < earliest) {
                bound = Some((at, outcome));
            }
        };
        if let Some(patience) = spec.patience {
            tighten(spec.wanted_at + patience, OutcomeKind::Abandoned);
        }
        if let Some(overall) = policy.overall_timeout {
            tighten(self.now + overall, OutcomeKind::Timeout);
        }
        if policy.propagate_deadline && spec.deadline != Time::MAX {
            tighten(self.now + spec.deadline.since(local), OutcomeKind::DeadlineExceeded);
        }
        let Some((at, outcome)) = bound else { return true };
        if at <= self.now {
            return false;
        }
        let timer = self.agenda.schedule(at, Event::CallDeadline(call.slot()));
        if let Some(this) = self.core.calls.get_mut(call) {
            this.deadline = Some(CallDeadline { at, outcome, timer });
        }
        true
    }

    fn arm_hedge(&mut self, call: Ref) {
        let Some(this) = self.core.calls.get(call) else { return };
        if this.state != CallState::Open {
            return;
        }
        let Some(hedge) = self.core.edge_states[this.edge_state as usize].policy.hedge else { return };
        if this.hedges >= hedge.max_extra {
            return;
        }
        let timer = self.agenda.schedule(self.now + hedge.after, Event::Hedge(call.slot()));
        if let Some(this) = self.core.calls.get_mut(call) {
            this.hedge_timer = timer;
        }
    }

    /// The wait before a further copy is over.
    pub(crate) fn hedge_due(&mut self, slot: u32) {
        let Some(call) = self.core.calls.by_slot(slot) else { return };
        let Some(this) = self.core.calls.get_mut(call) else { return };
        this.hedge_timer = Handle::NONE;
        let local = self.core.nodes[this.owner.index()].clock.local(self.now);
        let state = &mut self.core.edge_states[this.edge_state as usize];
        // Between attempts there is nothing to copy: the pause before a retry is deliberate.
        let under_way = this.first_attempt != Ref::NONE;
        if under_way && state.budget.as_mut().is_none_or(|budget| budget.try_retry(local)) {
            this.hedges += 1;
            this.retry_charged = state.budget.is_some().then_some(RetryCause::Timeout);
            self.begin_attempt(call, true);
        }
        self.arm_hedge(call);
    }

    /// The pause before a retry is over.
    pub(crate) fn backoff_over(&mut self, slot: u32) {
        let Some(call) = self.core.calls.by_slot(slot) else { return };
        if let Some(this) = self.core.calls.get_mut(call) {
            this.backoff_timer = Handle::NONE;
        }
        self.begin_attempt(call, false);
    }

    /// The call as a whole has taken too long.
    pub(crate) fn call_deadline_passed(&mut self, slot: u32) {
        let Some(call) = self.core.calls.by_slot(slot) else { return };
        let Some(deadline) = self.core.calls.get(call).and_then(|this| this.deadline) else { return };
        self.close_call(call, &AttemptEnd::early(deadline.outcome));
    }

    /// A failed attempt is over and no other is under way: another one, or the end of the call.
    fn after_failure(&mut self, call: Ref, end: AttemptEnd) {
        let Some(this) = self.core.calls.get_mut(call) else { return };
        let state = &mut self.core.edge_states[this.edge_state as usize];
        let local = self.core.nodes[this.owner.index()].clock.local(self.now);
        let time_left = this.deadline.map(|deadline| deadline.at.since(self.now));
        let (config, retryable) = state.retry_rule(end.outcome);
        let entropy = state.backoff_key.draw2(this.lineage.raw() ^ self.core.salt, u64::from(this.begun));
        let budget = if state.storm_factor > 1 { None } else { state.budget.as_mut() };
        let attempt = this.begun - this.hedges;
        let failed = FailedAttempt {
            attempt,
            pauses: Pauses {
                failed_attempts: attempt,
                previous: this.previous_pause,
                previous_entropy: this.previous_entropy,
            },
            retryable,
            cause: retry_cause(end.outcome),
            pushback: end.retry_after.into(),
            time_left,
            ..FailedAttempt::FIRST
        };
        let charges = budget.is_some();
        match config.decide(&failed, budget, local, entropy) {
            RetryDecision::RetryAfter(pause) => {
                this.previous_pause = pause;
                this.previous_entropy = entropy;
                this.retry_charged = charges.then_some(failed.cause);
                if state.storm_factor > 1 {
                    self.core.recorder.touch(state.storm_entry);
                }
                self.core.recorder.backoff(this.spec.edge, pause, self.now);
                self.core.trace.span(
                    this.spec.traced,
                    "backoff",
                    this.owner,
                    self.now,
                    self.now + pause,
                    this.begun,
                );
                if pause.is_zero() {
                    self.core.ready.push_back(Ready::Retry(call));
                } else {
                    this.backoff_timer = self.agenda.schedule(self.now + pause, Event::Backoff(call.slot()));
                }
            }
            RetryDecision::Resend => self.core.ready.push_back(Ready::Retry(call)),
            RetryDecision::GiveUp(reason) => {
                self.core.recorder.gave_up(this.spec.edge, reason, self.now);
                self.close_call(call, &end);
            }
        }
    }

    /// A retry without a pause is due.
    pub(crate) fn retry_now(&mut self, call: Ref) {
        if self.core.calls.get(call).is_some_and(|this| this.state == CallState::Open) {
            self.begin_attempt(call, false);
        }
    }

    /// Ends a call, takes back what is still under way and lets the owner know.
    #[inline]
    fn close_call(&mut self, call: Ref, end: &AttemptEnd) {
        let Some(this) = self.core.calls.get_mut(call) else { return };
        if this.state != CallState::Open {
            return;
        }
        this.state = CallState::Closed;
        this.ended = Ended {
            outcome: end.outcome,
            missed: end.missed,
            value: end.value,
            answered_by: end.answered_by,
            path: end.path,
        };
        let (edge, latency) = (this.spec.edge, self.now.since(this.spec.wanted_at));
        if this.leaves_something() {
            self.take_back(call);
        }
        self.core.recorder.call_ended(edge, end.outcome, latency, self.now);
        self.core.ready.push_back(Ready::Done(call));
    }

    /// Cancels timers and attempts of a call that is over.
    fn take_back(&mut self, call: Ref) {
        let Some(this) = self.core.calls.get_mut(call) else { return };
        for timer in [
            std::mem::take(&mut this.backoff_timer),
            std::mem::take(&mut this.hedge_timer),
            this.deadline.map_or(Handle::NONE, |deadline| deadline.timer),
        ] {
            self.agenda.cancel(timer);
        }
        if this.retry_charged.take().is_some() {
            let local = self.core.nodes[this.owner.index()].clock.local(self.now);
            if let Some(budget) = &mut self.core.edge_states[this.edge_state as usize].budget {
                budget.on_cancel(local);
                budget.on_retry_finished(local);
            }
        }
        let outcome =
            if this.ended.outcome == OutcomeKind::Ok { OutcomeKind::Cancelled } else { this.ended.outcome };
        while let Some(attempt) = self.core.calls.get(call).map(|this| this.first_attempt) {
            if attempt == Ref::NONE {
                break;
            }
            self.retire_attempt(attempt, outcome);
        }
    }

    /// Tells the owner, and frees the call: `None` if nobody wants to know.
    #[inline]
    pub(crate) fn finish_call(&mut self, call: Ref) -> Option<(NodeId, Done)> {
        let sibling = self.leave_ring(call);
        let this = self.core.calls.remove(call)?;
        if this.state == CallState::Forgotten {
            return None;
        }
        let total_ns = self.now.since(this.spec.wanted_at).as_nanos();
        let mut path = this.ended.path;
        if this.ended.outcome != OutcomeKind::Ok {
            path = Path { retrying_ns: total_ns, ..Path::default() };
        }
        let done = Done {
            token: this.spec.token,
            edge: this.spec.edge,
            outcome: this.ended.outcome,
            missed: this.ended.missed,
            value: this.ended.value,
            wanted_at: this.spec.wanted_at,
            operation: this.spec.operation,
            attempts: this.sent,
            answered_by: this.ended.answered_by,
            path,
            sibling,
            traced: this.spec.traced,
        };
        Some((this.owner, done))
    }

    /// Gives up a call and all others of its group without a word to the owner.
    pub(crate) fn abandon_group(&mut self, group: Ref) {
        let mut at = group;
        while let Some(this) = self.core.calls.get_mut(at) {
            let next = this.next;
            match this.state {
                CallState::Open => {
                    this.state = CallState::Forgotten;
                    self.take_back(at);
                    let Some(this) = self.core.calls.get(at) else { return };
                    let latency = self.now.since(this.spec.wanted_at);
                    self.core.recorder.call_ended(this.spec.edge, OutcomeKind::Cancelled, latency, self.now);
                    self.core.ready.push_back(Ready::Done(at));
                }
                CallState::Closed => this.state = CallState::Forgotten,
                CallState::Forgotten => {}
            }
            at = next;
            if at == group {
                return;
            }
        }
    }

    /// Gives up all calls of a node whose process is gone.
    pub(crate) fn abandon_calls_of(&mut self, owner: NodeId) {
        let calls: Vec<Ref> =
            self.core.calls.iter().filter(|(_, call)| call.owner == owner).map(|(at, _)| at).collect();
        for call in calls {
            self.abandon_group(call);
        }
    }
}

impl Engine<'_> {
    /// A timer that a paused node missed was scheduled again: its call or attempt has to know the new one.
    pub(crate) fn rearm_held(&mut self, event: Event, handle: Handle) {
        let core = &mut *self.core;
        if let Event::AttemptTimeout(slot) | Event::GateTimeout(slot) = event {
            let Some(attempt) = core.attempts.by_slot(slot).and_then(|at| core.attempts.get_mut(at)) else {
                return;
            };
            let is_gate = matches!(event, Event::GateTimeout(_));
            *(if is_gate { &mut attempt.gate_timer } else { &mut attempt.timeout_timer }) = handle;
        }
        if let Event::Backoff(slot) | Event::Hedge(slot) | Event::CallDeadline(slot) = event {
            let Some(call) = core.calls.by_slot(slot).and_then(|at| core.calls.get_mut(at)) else { return };
            if matches!(event, Event::Backoff(_)) {
                call.backoff_timer = handle;
            } else if matches!(event, Event::Hedge(_)) {
                call.hedge_timer = handle;
            } else if let Some(deadline) = &mut call.deadline {
                deadline.timer = handle;
            }
        }
    }
}
