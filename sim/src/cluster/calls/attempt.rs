//! The way of one attempt: breaker, rate limit, bound on concurrency, bulkhead, pool, balancer, link, and back.

use foreshock_systems::bulkhead::{Entry, Ticket};
use foreshock_systems::circuit_breaker::Recorded;
use foreshock_systems::retry::RetryCause;

use super::super::balance::Pick;
use super::super::core::{Engine, Event, Ready};
use super::super::network::{Answer, Payload};
use super::super::node::{NodeId, Path, Request};
use super::super::slab::Ref;
use super::{Attempt, AttemptEnd, Stage};
use crate::kernel::agenda::Handle;
use crate::kernel::draw::chance_ppm;
use crate::kernel::time::{Span, Time};
use crate::measure::{CallVerdict, OutcomeKind};

impl Engine<'_> {
    /// Begins the next attempt of a call.
    pub(super) fn begin_attempt(&mut self, call: Ref, is_hedge: bool) {
        let Some(this) = self.core.calls.get_mut(call) else { return };
        if self.core.edge_states[this.edge_state as usize].pacing.is_some()
            && self.waits_for_rate(call, is_hedge)
        {
            return;
        }
        let Some(this) = self.core.calls.get_mut(call) else { return };
        this.begun += 1;
        let number = this.begun;
        let owner = this.owner;
        let charged = this.retry_charged.take();
        let index = this.edge_state as usize;
        let state = &mut self.core.edge_states[index];
        let local = self.core.nodes[owner.index()].clock.local(self.now);
        let permit = match state.acquire_edge_permit(local) {
            Ok(permit) => permit,
            Err(_) => return self.fail_unsent(call, OutcomeKind::BreakerOpen, charged),
        };
        let mut turn_after = Span::ZERO;
        if let Some(verdict) = state.ask_limiter(local) {
            match self.turn_at_limit(index, verdict) {
                Ok(wait) => turn_after = wait,
                Err(()) => {
                    if let Some(permit) = permit {
                        let state = &mut self.core.edge_states[index];
                        state.record_edge_breaker(local, permit, Recorded::Ignored, Span::ZERO);
                    }
                    return self.fail_unsent(call, OutcomeKind::RateLimited, charged);
                }
            }
        }
        let Some(this) = self.core.calls.get_mut(call) else { return };
        let state = &self.core.edge_states[index];
        let timeout = state.policy.timeout;
        let is_gated = state.bound.is_some() || state.bulkhead.is_some() || state.pool.is_some();
        let lineage = this.lineage.attempt(number);
        let time_left = this.deadline.map(|deadline| deadline.at.since(self.now));
        let bound = match (timeout, time_left) {
            (Some(timeout), Some(time_left)) => Some(timeout.min(time_left)),
            (one, None) | (None, one) => one,
        };
        let attempt = self.core.attempts.insert(Attempt {
            call,
            next: this.first_attempt,
            number,
            is_hedge,
            charged,
            begun_at: self.now,
            stage: Stage::WaitingForBulkhead,
            replica: u32::MAX,
            to: NodeId(u32::MAX),
            sent_at: self.now,
            waited: Span::ZERO,
            timeout_timer: Handle::NONE,
            gate_timer: Handle::NONE,
            ticket: None,
            permit,
            reset: false,
            holds_bulkhead: false,
            holds_pool: false,
            lineage,
            deadline: bound.map_or(Time::MAX, |bound| local + bound),
        });
        this.first_attempt = attempt;
        self.watch_breaker(index);
        if let Some(timeout) = timeout
            && let Some(entry) = self.core.attempts.get_mut(attempt)
        {
            entry.timeout_timer =
                self.agenda.schedule(self.now + timeout, Event::AttemptTimeout(attempt.slot()));
        }
        if !turn_after.is_zero() {
            self.wait_for_turn(attempt, turn_after);
        } else if is_gated {
            self.enter_bound(attempt);
        } else {
            self.send_attempt(attempt);
        }
    }

    /// Counts what the rate limit said; how long to wait for the turn, or `Err` if it is refused.
    fn turn_at_limit(&mut self, index: usize, verdict: CallVerdict) -> Result<Span, ()> {
        let edge = self.core.edge_states[index].edge;
        self.core.recorder.call_limited(edge, verdict, self.now);
        match verdict {
            CallVerdict::Refused => Err(()),
            CallVerdict::WouldRefuse => Ok(Span::ZERO),
            CallVerdict::Passed { waited, .. } => {
                if waited.is_zero() {
                    self.note_passed(index);
                }
                Ok(waited)
            }
        }
    }

    /// An attempt has passed the rate limit.
    fn note_passed(&mut self, index: usize) {
        let state = &self.core.edge_states[index];
        if let Some(plan) = state.policy.rate_limit.filter(|plan| !plan.shadow) {
            let key = (state.owner.0, 0);
            self.core.recorder.passed_call_limit(state.edge, plan.rule, key, self.now);
        }
    }

    fn wait_for_turn(&mut self, attempt: Ref, wait: Span) {
        let Some(entry) = self.core.attempts.get_mut(attempt) else { return };
        entry.stage = Stage::WaitingForTurn;
        entry.gate_timer = self.agenda.schedule(self.now + wait, Event::GateTimeout(attempt.slot()));
    }

    /// The turn of an attempt has come.
    fn turn_has_come(&mut self, attempt: Ref) {
        let Some((index, _)) = self.caller_of(attempt) else { return };
        let Some(entry) = self.core.attempts.get_mut(attempt) else { return };
        entry.gate_timer = Handle::NONE;
        entry.stage = Stage::WaitingForBulkhead;
        self.note_passed(index);
        self.enter_bound(attempt);
    }

    /// An attempt that a policy of the caller forbids: it is over before it was made.
    pub(super) fn fail_unsent(&mut self, call: Ref, outcome: OutcomeKind, charged: Option<RetryCause>) {
        let Some(this) = self.core.calls.get(call) else { return };
        let (edge, first) = (this.spec.edge, this.first_attempt);
        let index = this.edge_state as usize;
        let local = self.core.nodes[this.owner.index()].clock.local(self.now);
        if let Some(budget) = &mut self.core.edge_states[index].budget {
            budget.on_cancel(local);
            if charged.is_some() {
                budget.on_retry_finished(local);
            }
        }
        self.watch_breaker(index);
        self.core.recorder.attempt_ended(edge, outcome, self.now);
        if first == Ref::NONE {
            self.after_failure(call, AttemptEnd::early(outcome));
        }
    }

    pub(super) fn enter_bulkhead(&mut self, attempt: Ref) {
        let Some((edge_state, _)) = self.caller_of(attempt) else { return };
        let state = &self.core.edge_states[edge_state];
        let Some(gate) = state.bulkhead else { return self.enter_pool(attempt) };
        let longest_wait = state.policy.bulkhead.as_ref().and_then(|bulkhead| bulkhead.max_wait);
        match self.core.gates[gate as usize].places.try_enter(attempt) {
            Entry::Admitted => {
                if let Some(entry) = self.core.attempts.get_mut(attempt) {
                    entry.holds_bulkhead = true;
                }
                self.enter_pool(attempt);
            }
            Entry::Waiting(ticket) => {
                self.wait_at_gate(attempt, ticket, Stage::WaitingForBulkhead, longest_wait)
            }
            Entry::Full => self.end_attempt(attempt, AttemptEnd::early(OutcomeKind::BulkheadFull)),
        }
    }

    fn enter_pool(&mut self, attempt: Ref) {
        let Some((edge_state, _)) = self.caller_of(attempt) else { return };
        let Some(gate) = self.core.edge_states[edge_state].pool else { return self.send_attempt(attempt) };
        let gate = &mut self.core.gates[gate as usize];
        let longest_wait = gate.longest_wait;
        match gate.places.try_enter(attempt) {
            Entry::Admitted => {
                if let Some(entry) = self.core.attempts.get_mut(attempt) {
                    entry.holds_pool = true;
                }
                self.send_attempt(attempt);
            }
            Entry::Waiting(ticket) => {
                self.core.recorder.touch(gate.leak_entry);
                self.wait_at_gate(attempt, ticket, Stage::WaitingForPool, longest_wait);
            }
            Entry::Full => {
                self.core.recorder.touch(gate.leak_entry);
                self.end_attempt(attempt, AttemptEnd::early(OutcomeKind::PoolTimeout));
            }
        }
    }

    fn wait_at_gate(&mut self, attempt: Ref, ticket: Ticket, stage: Stage, longest_wait: Option<Span>) {
        let Some(entry) = self.core.attempts.get_mut(attempt) else { return };
        entry.stage = stage;
        entry.ticket = Some(ticket);
        if let Some(wait) = longest_wait {
            entry.gate_timer = self.agenda.schedule(self.now + wait, Event::GateTimeout(attempt.slot()));
        }
    }

    /// A gate has let an attempt in.
    pub(crate) fn admitted(&mut self, attempt: Ref) {
        let Some(entry) = self.core.attempts.get_mut(attempt) else { return };
        self.agenda.cancel(std::mem::take(&mut entry.gate_timer));
        match entry.stage {
            Stage::WaitingForBulkhead => self.enter_pool(attempt),
            Stage::WaitingForPool => self.send_attempt(attempt),
            Stage::WaitingForTurn | Stage::Sent => {}
        }
    }

    pub(super) fn caller_of(&self, attempt: Ref) -> Option<(usize, NodeId)> {
        let call = self.core.calls.get(self.core.attempts.get(attempt)?.call)?;
        Some((call.edge_state as usize, call.owner))
    }

    fn send_attempt(&mut self, attempt: Ref) {
        let Some(entry) = self.core.attempts.get(attempt) else { return };
        let Some(call) = self.core.calls.get(entry.call) else { return };
        let (edge_state, owner) = (call.edge_state as usize, call.owner);
        let local = self.core.nodes[owner.index()].clock.local(self.now);
        // A further copy goes to another replica than the one before it.
        let avoid =
            if entry.is_hedge { self.core.attempts.get(entry.next).map(|other| other.replica) } else { None };
        let (lineage, salt) = (entry.lineage, self.core.salt);
        let state = &mut self.core.edge_states[edge_state];
        let balancer = &mut self.core.balancers[state.balancer as usize];
        let Pick::Replica(replica) = balancer.pick(local, lineage.raw() ^ salt, call.spec.key, avoid) else {
            return self.end_attempt(attempt, AttemptEnd::early(OutcomeKind::NoHealthyReplica));
        };
        if state.has_endpoint_breakers() {
            match state.acquire_endpoint_permit(replica, local) {
                Ok(permit) => {
                    if let Some(entry) = self.core.attempts.get_mut(attempt) {
                        entry.permit = Some(permit);
                    }
                }
                Err(_) => return self.end_attempt(attempt, AttemptEnd::early(OutcomeKind::BreakerOpen)),
            }
        }
        self.core.balancers[self.core.edge_states[edge_state].balancer as usize].started(replica);
        self.transmit(attempt, replica, edge_state, local);
    }

    #[inline]
    fn transmit(&mut self, attempt: Ref, replica: u32, edge_state: usize, local: Time) {
        let state = &self.core.edge_states[edge_state];
        let Some(entry) = self.core.attempts.get_mut(attempt) else { return };
        let Some(call) = self.core.calls.get_mut(entry.call) else { return };
        call.sent += 1;
        let owner = call.owner;
        let callee = state.callee;
        let to = NodeId(self.core.service_base[callee.index()] + replica);
        let identity = entry.lineage.raw() ^ self.core.salt;
        let reset = state.resets.iter().find(|reset| chance_ppm(reset.key.draw(identity), reset.share_ppm));
        if let Some(reset) = reset {
            entry.reset = true;
            self.core.recorder.touch(Some(reset.entry));
        }
        entry.stage = Stage::Sent;
        entry.replica = replica;
        entry.to = to;
        entry.sent_at = self.now;
        entry.waited = self.now.since(entry.begun_at);
        let number = entry.number;
        let time_left = entry.deadline.since(local);
        let doomed = entry.deadline != Time::MAX && state.fastest != Span::MAX && time_left < state.fastest;
        self.core.recorder.attempt_sent(
            call.spec.edge,
            crate::measure::AttemptSent {
                number,
                is_hedge: entry.is_hedge,
                replica,
                waited: entry.waited,
                doomed,
            },
            self.now,
        );
        self.core.trace.span(call.spec.traced, "wait", owner, entry.begun_at, self.now, number);
        let request = Request {
            attempt,
            edge: call.spec.edge,
            caller: owner,
            load: call.spec.load,
            operation: call.spec.operation,
            key: call.spec.key,
            arguments: call.spec.arguments,
            lineage: entry.lineage,
            call: call.lineage,
            deadline: entry.deadline,
            attempt_number: number,
            is_retry: call.spec.is_retry || number > 1,
            cancellable: state.policy.cancel,
            priority: call.spec.priority,
            arrived_at: Time::ZERO,
            path: Path::default(),
            traced: call.spec.traced,
            via: None,
            forward_to: None,
        };
        let identity = entry.lineage.raw();
        let bytes = self.core.plan.services[callee.index()].request_bytes;
        match self.core.effects.hop(state.request_link) {
            Some(hop) => self.send_through_hop(hop, owner, to, bytes, request),
            None => {
                let link = state.request_link;
                self.send(link, (owner, to), bytes, identity, &Payload::Request(request));
            }
        }
    }

    /// An answer has reached its caller.
    #[inline]
    pub(crate) fn answered(&mut self, answer: &Answer, network: Span) {
        let Some(entry) = self.core.attempts.get(answer.attempt) else {
            self.core.recorder.late_answer(answer.edge, self.now);
            return;
        };
        let Some(call) = self.core.calls.get(entry.call) else { return };
        let mut path = answer.path;
        path.network_ns += network.as_nanos();
        path.waiting_ns += entry.waited.as_nanos();
        path.retrying_ns += entry.begun_at.since(call.spec.wanted_at).as_nanos();
        let outcome = if entry.reset { OutcomeKind::Reset } else { answer.outcome };
        let taken = self.now.since(entry.begun_at);
        if outcome == OutcomeKind::Ok {
            let state = &mut self.core.edge_states[call.edge_state as usize];
            state.fastest = state.fastest.min(taken);
        }
        self.end_attempt(
            answer.attempt,
            AttemptEnd {
                outcome,
                missed: answer.missed,
                value: answer.value,
                retry_after: answer.retry_after,
                path,
                answered_by: answer.answered_by,
            },
        );
    }

    /// An attempt has taken too long.
    pub(crate) fn attempt_timed_out(&mut self, slot: u32) {
        let Some(attempt) = self.core.attempts.by_slot(slot) else { return };
        let end = match self.core.attempts.get(attempt).map(|entry| entry.stage) {
            Some(Stage::WaitingForTurn) => OutcomeKind::RateLimited,
            Some(Stage::WaitingForBulkhead) => OutcomeKind::BulkheadFull,
            Some(Stage::WaitingForPool) => OutcomeKind::PoolTimeout,
            Some(Stage::Sent) => OutcomeKind::Timeout,
            None => return,
        };
        self.end_attempt(attempt, AttemptEnd::early(end));
    }

    /// An attempt has waited too long at a gate.
    pub(crate) fn gate_timed_out(&mut self, slot: u32) {
        let Some(at) = self.core.attempts.by_slot(slot) else { return };
        match self.core.attempts.get(at).map(|attempt| attempt.stage) {
            Some(Stage::WaitingForTurn) => self.turn_has_come(at),
            Some(Stage::WaitingForBulkhead | Stage::WaitingForPool) => self.attempt_timed_out(slot),
            // A paused caller learns late that its time was up; it may have been let in since.
            Some(Stage::Sent) | None => {}
        }
    }

    /// Ends an attempt and goes on with its call.
    #[inline]
    pub(super) fn end_attempt(&mut self, attempt: Ref, end: AttemptEnd) {
        let Some(call) = self.retire_attempt(attempt, end.outcome) else { return };
        if end.outcome == OutcomeKind::Ok {
            return self.close_call(call, &end);
        }
        let this = self.core.calls.get(call);
        if this.is_some_and(|this| this.is_open() && this.first_attempt == Ref::NONE) {
            self.after_failure(call, end);
        }
    }

    /// Takes an attempt out of the books: timers, places, breaker, balancer, budget, counts. Returns its call.
    #[inline]
    pub(super) fn retire_attempt(&mut self, attempt: Ref, outcome: OutcomeKind) -> Option<Ref> {
        let entry = *self.core.attempts.remove(attempt)?;
        self.agenda.cancel(entry.timeout_timer);
        if entry.gate_timer != Handle::NONE {
            self.agenda.cancel(entry.gate_timer);
        }
        let call = self.core.calls.get_mut(entry.call)?;
        let (owner, index) = (call.owner, call.edge_state as usize);
        let (edge, traced) = (call.spec.edge, call.spec.traced);
        if call.first_attempt == attempt {
            call.first_attempt = entry.next;
        } else {
            self.unlink(entry.call, attempt, entry.next);
        }
        let local = self.core.nodes[owner.index()].clock.local(self.now);
        let taken = self.now.since(entry.sent_at);
        let sent = entry.stage == Stage::Sent;
        self.core.recorder.attempt_ended(edge, outcome, self.now);
        if sent {
            self.core.trace.call_span(traced, edge, owner, entry.sent_at, self.now, entry.number);
        }
        self.leave_gates(&entry, index);
        let core = &mut *self.core;
        if let Some(bound) = &mut core.edge_states[index].bound {
            bound.leave(attempt, local, outcome);
            core.recorder.bound_is(edge, bound.levels());
        }
        if entry.stage == Stage::WaitingForTurn
            && let Some(limiter) = &mut self.core.edge_states[index].limiter
        {
            limiter.give_back(local, 1);
        }
        let state = &mut self.core.edge_states[index];
        if let Some(permit) = entry.permit {
            let recorded = if sent { recorded_as(outcome) } else { Recorded::Ignored };
            state.record_breaker(entry.replica, local, permit, recorded, taken);
            self.watch_breaker(index);
        }
        let state = &mut self.core.edge_states[index];
        if state.pacing.is_some()
            && matches!(outcome, OutcomeKind::Ok | OutcomeKind::Error | OutcomeKind::Rejected)
        {
            self.rate_answered(index, local, outcome == OutcomeKind::Rejected);
        }
        let state = &mut self.core.edge_states[index];
        if let Some(budget) = &mut state.budget {
            match recorded_as(outcome) {
                Recorded::Success => match entry.charged {
                    Some(cause) => budget.on_success_after_retry(local, cause),
                    None => budget.on_success(local),
                },
                Recorded::Failure => budget.on_failure(local),
                Recorded::Ignored | Recorded::Cancelled => budget.on_cancel(local),
            }
            if entry.charged.is_some() {
                budget.on_retry_finished(local);
            }
        }
        if sent {
            let ok = recorded_as(outcome) != Recorded::Failure;
            self.core.balancers[state.balancer as usize].ended(local, entry.replica, ok);
            if state.policy.cancel
                && matches!(
                    outcome,
                    OutcomeKind::Timeout
                        | OutcomeKind::Cancelled
                        | OutcomeKind::Abandoned
                        | OutcomeKind::DeadlineExceeded
                )
            {
                let link = state.request_link;
                let identity = entry.lineage.raw() ^ CANCEL_IDENTITY;
                self.send(link, (owner, entry.to), 64, identity, &Payload::Cancel(attempt));
            }
        }
        Some(entry.call)
    }

    /// Takes an attempt that is not the first out of the list of its call.
    fn unlink(&mut self, call: Ref, attempt: Ref, next: Ref) {
        let Some(this) = self.core.calls.get(call) else { return };
        let mut at = this.first_attempt;
        while let Some(entry) = self.core.attempts.get_mut(at) {
            if entry.next == attempt {
                entry.next = next;
                return;
            }
            at = entry.next;
        }
    }

    fn leave_gates(&mut self, entry: &Attempt, index: usize) {
        let state = &self.core.edge_states[index];
        let (bulkhead, pool) = (state.bulkhead, state.pool);
        if let Some(gate) = bulkhead {
            let waits = entry.stage == Stage::WaitingForBulkhead;
            self.leave_gate(gate, entry.holds_bulkhead, entry.ticket.filter(|_| waits));
        }
        if let Some(gate) = pool {
            let waits = entry.stage == Stage::WaitingForPool;
            self.leave_gate(gate, entry.holds_pool, entry.ticket.filter(|_| waits));
        }
    }

    fn leave_gate(&mut self, gate: u32, holds: bool, waits: Option<Ticket>) {
        let places = &mut self.core.gates[gate as usize].places;
        if holds {
            if let Some(next) = places.leave() {
                self.let_in(next, gate);
            }
        } else if let Some(ticket) = waits {
            places.forget_ticket(ticket);
        }
    }

    /// Gives a place that came free to a waiting attempt.
    pub(crate) fn let_in(&mut self, attempt: Ref, gate: u32) {
        let Some((edge_state, _)) = self.caller_of(attempt) else { return };
        let is_bulkhead = self.core.edge_states[edge_state].bulkhead == Some(gate);
        let Some(entry) = self.core.attempts.get_mut(attempt) else { return };
        if is_bulkhead {
            entry.holds_bulkhead = true;
        } else {
            entry.holds_pool = true;
        }
        self.core.ready.push_back(Ready::Admitted(attempt));
    }
}

/// Keeps the fate of a cancellation apart from that of the request it follows.
const CANCEL_IDENTITY: u64 = 0xC0A7_CE11_0000_0001;

/// What an outcome tells about the callee.
pub(super) fn recorded_as(outcome: OutcomeKind) -> Recorded {
    match outcome {
        OutcomeKind::Ok => Recorded::Success,
        OutcomeKind::Error
        | OutcomeKind::Rejected
        | OutcomeKind::Timeout
        | OutcomeKind::Refused
        | OutcomeKind::Reset
        | OutcomeKind::DeadlineExceeded => Recorded::Failure,
        OutcomeKind::BreakerOpen
        | OutcomeKind::RateLimited
        | OutcomeKind::BulkheadFull
        | OutcomeKind::PoolTimeout
        | OutcomeKind::NoHealthyReplica
        | OutcomeKind::Abandoned
        | OutcomeKind::Cancelled
        | OutcomeKind::ConcurrencyLimited => Recorded::Ignored,
    }
}
