//! One call from beginning to end: attempts, pauses, hedges, timeouts, a deadline and a budget in one state machine.
//! Sends nothing and waits for nothing; it says what to do and when to be asked again.

mod client;
mod flights;
mod output;

pub use client::{CallConfig, CallConfigError, Client, ClientStats, DoomedRule, HedgeConfig, MAX_IN_FLIGHT};
pub use output::{Action, AttemptEnd, AttemptKind, AttemptResult, CallEnd, CallEvent, CallOutput, Failure};

use super::backoff::Pauses;
use super::budget::RetryCause;
use super::classify::FailureClass;
use super::decision::{FailedAttempt, GiveUpReason, Progress, RetryDecision};
use super::pushback::Pushback;
use crate::time::{Span, Time};
use flights::{Flight, Flights};
use std::fmt;

/// One call.
///
/// # The law of driving it
/// 1. [`begin`](Self::begin) it. After this and every other step carry out [`CallOutput::actions`] in their order.
/// 2. After every step ask for the [`deadline`](Self::deadline), and call [`expire`](Self::expire) when it has come.
///    Too early does nothing; too late is made up for.
/// 3. Report each sending's end once with [`handle_result`](Self::handle_result), and with
///    [`handle_committed`](Self::handle_committed) when a part of its answer has been handed on. Results of sendings
///    that were cancelled are refused with [`NotExpected`] and change nothing.
/// 4. [`cancel`](Self::cancel) it when its caller has lost interest. A call that is dropped without having ended keeps
///    its share of a budget that counts what is in flight.
/// 5. Pass the same client to every step. After [`Action::Finish`] nothing comes any more.
///
/// What is due at the instant of a step is done first: an answer that comes at the deadline comes too late.
/// `entropy` is a uniformly distributed word; a step uses it at most once. A clock that goes back is taken as standing
/// still.
#[derive(Clone, Debug)]
pub struct Call {
    idempotent: bool,
    latest: Time,
    /// [`Time::MAX`] is never.
    give_up_at: Time,
    phase: Phase,
    flights: Flights,
    /// Sendings so far, transparent retries included.
    sendings: u32,
    /// Attempts so far.
    numbered: u32,
    hedges: u32,
    transparent: u32,
    pauses: Pauses,
    retry: Option<PendingRetry>,
    hedge_at: Option<Time>,
    told_to_stop: bool,
    last: Option<FailureClass>,
}

/// What is particular to one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// Whether it does no more by being done twice. If not, it is not hedged, and never sent again once it may have had
    /// its effect.
    pub idempotent: bool,
    /// When the caller's own caller gives up; the call ends no later. `None` leaves the client's overall timeout alone.
    pub deadline: Option<Time>,
}

impl CallOptions {
    /// A call that may be repeated at will, without a deadline of its own.
    pub const IDEMPOTENT: CallOptions = CallOptions { idempotent: true, deadline: None };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Part of an answer has been handed on; only its attempt is left.
    Committed,
    Ended,
}

/// A retry that the budget has granted and that waits for its pause to end.
#[derive(Clone, Copy, Debug)]
struct PendingRetry {
    at: Time,
    cause: RetryCause,
}

/// What steps of a call share: the client, the instant, the output.
struct Step<'a> {
    client: &'a Client,
    now: Time,
    out: &'a mut CallOutput,
}

impl Call {
    /// Begins a call. One whose deadline has come already ends without having been sent.
    pub fn begin(client: &Client, now: Time, options: CallOptions, out: &mut CallOutput) -> Call {
        let own = client.config().overall_timeout.map_or(Time::MAX, |timeout| now + timeout);
        let mut call = Call {
            idempotent: options.idempotent,
            latest: now,
            give_up_at: own.min(options.deadline.unwrap_or(Time::MAX)),
            phase: Phase::Open,
            flights: Flights::default(),
            sendings: 0,
            numbered: 0,
            hedges: 0,
            transparent: 0,
            pauses: Pauses::after(0),
            retry: None,
            hedge_at: None,
            told_to_stop: false,
            last: None,
        };
        client.call_begins(now);
        let step = &mut Step { client, now, out };
        let refused = if call.is_past_deadline(now) {
            Some(CallEnd::DeadlineExceeded)
        } else if !call.may_send(step) {
            Some(CallEnd::Failed { reason: GiveUpReason::DeadlineTooClose, last: None })
        } else {
            None
        };
        match refused {
            Some(end) => {
                client.attempt_over(now, None, false);
                call.end(step, end);
            }
            None => {
                call.send(step, AttemptKind::First, None);
                call.do_what_is_due(step, 0);
            }
        }
        call
    }

    /// A sending has ended.
    ///
    /// # Errors
    /// [`NotExpected`] if it is not under way any more, or never was.
    pub fn handle_result(
        &mut self,
        client: &Client,
        now: Time,
        attempt: u32,
        result: AttemptResult,
        entropy: u64,
        out: &mut CallOutput,
    ) -> Result<(), NotExpected> {
        let step = &mut self.step(client, now, out);
        self.do_what_is_due(step, entropy);
        let flight = self.flights.take(attempt).ok_or(NotExpected { attempt })?;
        match result {
            AttemptResult::Success => self.succeed(step, &flight),
            AttemptResult::Failure(failure) => {
                let how = AttemptEnd::Failed(failure.class);
                step.out.events.push(CallEvent::AttemptEnded { attempt, how });
                self.fail(step, &flight, failure, entropy);
            }
        }
        self.do_what_is_due(step, entropy);
        Ok(())
    }

    /// Part of an attempt's answer has been handed on (gRPC: response headers have come). The others are cancelled, and
    /// whatever becomes of this one is the call's end.
    ///
    /// # Errors
    /// [`NotExpected`] if it is not under way any more, or never was.
    pub fn handle_committed(
        &mut self,
        client: &Client,
        now: Time,
        attempt: u32,
        entropy: u64,
        out: &mut CallOutput,
    ) -> Result<(), NotExpected> {
        let step = &mut self.step(client, now, out);
        self.do_what_is_due(step, entropy);
        let chosen = self.flights.take(attempt).ok_or(NotExpected { attempt })?;
        self.cancel_flights(step);
        self.flights.push(chosen);
        self.hedge_at = None;
        self.phase = Phase::Committed;
        Ok(())
    }

    /// The caller has lost interest. Nothing is sent any more; a call that has ended stays as it is.
    pub fn cancel(&mut self, client: &Client, now: Time, out: &mut CallOutput) {
        let step = &mut self.step(client, now, out);
        self.end(step, CallEnd::Cancelled);
    }

    /// When [`expire`](Self::expire) has something to do.
    pub fn deadline(&self) -> Option<Time> {
        if self.phase == Phase::Ended {
            return None;
        }
        let retry = self.retry.map_or(Time::MAX, |retry| retry.at);
        let hedge = self.hedge_at.unwrap_or(Time::MAX);
        let next = self.give_up_at.min(retry).min(hedge).min(self.flights.next_timeout());
        (next != Time::MAX).then_some(next)
    }

    /// Does what is due: ends what takes too long, sends what was waited for.
    pub fn expire(&mut self, client: &Client, now: Time, entropy: u64, out: &mut CallOutput) {
        let step = &mut self.step(client, now, out);
        self.do_what_is_due(step, entropy);
    }

    /// Whether it is over.
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Sendings under way.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Attempts so far, transparent retries not counted.
    pub fn attempts(&self) -> u32 {
        self.numbered
    }

    fn step<'a>(&mut self, client: &'a Client, now: Time, out: &'a mut CallOutput) -> Step<'a> {
        self.latest = self.latest.max(now);
        Step { client, now: self.latest, out }
    }

    fn do_what_is_due(&mut self, step: &mut Step<'_>, entropy: u64) {
        if self.is_past_deadline(step.now) {
            self.end(step, CallEnd::DeadlineExceeded);
        }
        // An attempt that is sent meanwhile ends no earlier than a nanosecond from now.
        while let Some(flight) = self.flights.take_timed_out(step.now) {
            let attempt = flight.attempt;
            step.out.actions.push(Action::Cancel { attempt });
            step.out.events.push(CallEvent::AttemptEnded { attempt, how: AttemptEnd::TimedOut });
            self.fail(step, &flight, Failure::of(FailureClass::Timeout), entropy);
        }
        if self.retry.is_some_and(|retry| retry.at <= step.now) {
            self.send_retry(step);
        }
        while self.hedge_at.is_some_and(|at| at <= step.now) {
            self.send_hedge(step);
        }
    }

    fn is_past_deadline(&self, now: Time) -> bool {
        now >= self.give_up_at && self.give_up_at != Time::MAX
    }

    /// Whether an attempt could be over before the deadline, or is to be sent all the same.
    fn may_send(&self, step: &Step<'_>) -> bool {
        let in_time = match step.client.config().doomed {
            DoomedRule::Refuse => !self.is_doomed(step),
            DoomedRule::Count => true,
        };
        if !in_time {
            step.client.refused_as_doomed();
        }
        in_time
    }

    fn is_doomed(&self, step: &Step<'_>) -> bool {
        let left = self.give_up_at.since(step.now);
        self.give_up_at != Time::MAX && step.client.fastest().is_some_and(|fastest| fastest >= left)
    }

    fn send(&mut self, step: &mut Step<'_>, kind: AttemptKind, charged: Option<RetryCause>) {
        match kind {
            AttemptKind::First | AttemptKind::Retry => self.numbered = self.numbered.saturating_add(1),
            AttemptKind::Hedge => {
                self.numbered = self.numbered.saturating_add(1);
                self.hedges = self.hedges.saturating_add(1);
            }
            AttemptKind::Transparent => self.transparent = self.transparent.saturating_add(1),
        }
        self.sendings = self.sendings.saturating_add(1);
        let (attempt, number) = (self.sendings, self.numbered);
        let config = step.client.config();
        let timeout = config.attempt_timeout.map_or(Span::MAX, |timeout| timeout.max(Span::from_nanos(1)));
        let timeout_at = step.now + timeout;
        let doomed = self.is_doomed(step);
        self.flights.push(Flight { attempt, sent_at: step.now, timeout_at, charged });
        let give_up_at = Some(timeout_at.min(self.give_up_at)).filter(|at| *at != Time::MAX);
        step.out.actions.push(Action::Send { attempt, number, kind, give_up_at });
        step.out.events.push(CallEvent::AttemptSent { attempt, kind, doomed });
        step.client.attempt_sent(kind, doomed);
        self.hedge_at = match config.hedge {
            Some(hedge) if self.may_hedge(&hedge, config.retry.max_attempts) => Some(step.now + hedge.delay),
            Some(_) | None => None,
        };
    }

    fn may_hedge(&self, hedge: &HedgeConfig, max_attempts: u32) -> bool {
        self.idempotent
            && self.phase == Phase::Open
            && !self.told_to_stop
            && self.hedges < hedge.max_extra
            && self.numbered < max_attempts
            && !self.flights.is_full()
    }

    fn send_retry(&mut self, step: &mut Step<'_>) {
        let Some(retry) = self.retry.take() else { return };
        if self.may_send(step) {
            self.send(step, AttemptKind::Retry, Some(retry.cause));
        } else {
            step.client.attempt_over(step.now, Some(retry.cause), false);
            self.give_up(step, GiveUpReason::DeadlineTooClose);
        }
    }

    fn send_hedge(&mut self, step: &mut Step<'_>) {
        // Copies are for slowness: a budget that charges causes differently takes them as timeouts.
        const CAUSE: RetryCause = RetryCause::Timeout;
        self.hedge_at = None;
        if !self.may_send(step) {
            step.out.events.push(CallEvent::HedgeRefused(GiveUpReason::DeadlineTooClose));
        } else if !step.client.grants(step.now, CAUSE) {
            step.out.events.push(CallEvent::HedgeRefused(GiveUpReason::BudgetExhausted));
        } else {
            self.send(step, AttemptKind::Hedge, Some(CAUSE));
        }
    }

    fn succeed(&mut self, step: &mut Step<'_>, winner: &Flight) {
        let attempt = winner.attempt;
        step.out.events.push(CallEvent::AttemptEnded { attempt, how: AttemptEnd::Success });
        step.client.attempt_succeeded(step.now, step.now.since(winner.sent_at), winner.charged);
        self.end(step, CallEnd::Success { attempt });
    }

    /// An attempt that is no longer among those under way has failed.
    fn fail(&mut self, step: &mut Step<'_>, flight: &Flight, failure: Failure, entropy: u64) {
        self.last = Some(failure.class);
        let facts = self.facts(step, failure);
        let decision = step.client.propose(&facts, entropy);
        if decision == RetryDecision::Resend && self.phase == Phase::Open {
            return self.send(step, AttemptKind::Transparent, flight.charged);
        }
        // What never arrived, or would not be retried by anybody, says nothing about how the callee bears its load.
        let arrived = failure.progress != Progress::NotSent;
        let counts = arrived && facts.retryable || failure.pushback == Pushback::Stop;
        step.client.attempt_over(step.now, flight.charged, counts);
        self.pauses.failed_attempts = facts.pauses.failed_attempts;
        match decision {
            RetryDecision::GiveUp(
                reason @ (GiveUpReason::Committed | GiveUpReason::NotRetryable | GiveUpReason::NotIdempotent),
            ) => return self.give_up(step, reason),
            RetryDecision::GiveUp(GiveUpReason::ToldToStop) => {
                self.told_to_stop = true;
                self.hedge_at = None;
            }
            RetryDecision::GiveUp(
                GiveUpReason::AttemptsExhausted
                | GiveUpReason::BudgetExhausted
                | GiveUpReason::DeadlineTooClose,
            )
            | RetryDecision::RetryAfter(_)
            | RetryDecision::Resend => {}
        }
        if self.flights.len() > 0 {
            self.hurry_hedge(step, failure.pushback);
        } else {
            self.retry_or_give_up(step, &facts, decision, entropy);
        }
    }

    /// One of several copies has failed: the next one need not wait for its delay, only for what the server asked for.
    fn hurry_hedge(&mut self, step: &Step<'_>, asked: Pushback) {
        if self.hedge_at.is_some() {
            let pause = step.client.config().retry.pushback.pause(Span::ZERO, asked);
            self.hedge_at = Some(step.now + pause);
        }
    }

    fn retry_or_give_up(
        &mut self,
        step: &mut Step<'_>,
        facts: &FailedAttempt,
        decision: RetryDecision,
        entropy: u64,
    ) {
        self.hedge_at = None;
        let pause = match decision {
            RetryDecision::GiveUp(reason) => return self.give_up(step, reason),
            RetryDecision::RetryAfter(_) | RetryDecision::Resend if self.told_to_stop => {
                return self.give_up(step, GiveUpReason::ToldToStop);
            }
            RetryDecision::RetryAfter(pause) => pause,
            RetryDecision::Resend => Span::ZERO,
        };
        if !step.client.grants(step.now, facts.cause) {
            return self.give_up(step, GiveUpReason::BudgetExhausted);
        }
        let restarts = step.client.config().retry.pushback.restarts_pace(facts.pushback);
        self.pauses = if restarts {
            Pauses::after(0)
        } else {
            Pauses { previous: pause, previous_entropy: entropy, ..facts.pauses }
        };
        self.retry = Some(PendingRetry { at: step.now + pause, cause: facts.cause });
        step.out.events.push(CallEvent::RetryScheduled { pause, cause: facts.cause });
        if pause.is_zero() {
            self.send_retry(step);
        }
    }

    fn facts(&self, step: &Step<'_>, failure: Failure) -> FailedAttempt {
        let progress = if self.phase == Phase::Committed { Progress::Committed } else { failure.progress };
        FailedAttempt {
            attempt: self.numbered,
            pauses: Pauses { failed_attempts: self.pauses.failed_attempts.saturating_add(1), ..self.pauses },
            retryable: failure.class.cause().is_some(),
            cause: failure.class.cause().unwrap_or(RetryCause::Failure),
            idempotent: self.idempotent,
            progress,
            transparent: self.transparent,
            pushback: failure.pushback,
            time_left: (self.give_up_at != Time::MAX).then(|| self.give_up_at.since(step.now)),
            least_service: step.client.least_service(),
        }
    }

    fn give_up(&mut self, step: &mut Step<'_>, reason: GiveUpReason) {
        self.end(step, CallEnd::Failed { reason, last: self.last });
    }

    fn cancel_flights(&mut self, step: &mut Step<'_>) {
        while let Some(flight) = self.flights.pop() {
            let attempt = flight.attempt;
            step.out.actions.push(Action::Cancel { attempt });
            step.out.events.push(CallEvent::AttemptEnded { attempt, how: AttemptEnd::Cancelled });
            step.client.attempt_over(step.now, flight.charged, false);
        }
    }

    fn end(&mut self, step: &mut Step<'_>, end: CallEnd) {
        if self.phase == Phase::Ended {
            return;
        }
        self.phase = Phase::Ended;
        self.cancel_flights(step);
        if let Some(retry) = self.retry.take() {
            step.client.attempt_over(step.now, Some(retry.cause), false);
        }
        self.hedge_at = None;
        step.out.events.push(CallEvent::Ended(end));
        step.out.actions.push(Action::Finish(end));
    }
}

/// A result of a sending that is not under way: it was cancelled, has ended already, or never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotExpected {
    /// Which.
    pub attempt: u32,
}

impl fmt::Display for NotExpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {} is not under way: drop its result", self.attempt)
    }
}

impl std::error::Error for NotExpected {}
