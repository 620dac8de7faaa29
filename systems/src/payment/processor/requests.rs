//! What merchants ask for. A request that is refused at the door has changed nothing, and its key stays free.

use super::config::Sabotage;
use super::step::{Step, Timer, record_key};
use super::{Output, Rejected};
use crate::payment::idempotency::{Fingerprint, KeyDecision, KeyRecord};
use crate::payment::intent::{Attempt, CaptureMethod, Intent};
use crate::payment::money::Money;
use crate::payment::operation::{IntentId, OperationId, OperationKind};
use crate::payment::request::{Answer, Command, Refusal, Request};
use crate::payment::state::{AttemptEvent, AttemptState};
use crate::payment::validate::{Instrument, Invalid, Velocity};
use crate::store::Store;
use crate::time::Time;

/// The number of the next payment.
pub(super) const NEXT_INTENT: &[u8] = b"meta/next intent";

/// How a request begins.
enum Begun {
    /// And is over.
    Done(Answer),
    /// And waits for a provider.
    Waits(OperationId),
}

impl<S: Store> Step<'_, S> {
    pub(super) fn request(&mut self, velocity: &mut Velocity, request: Request) -> Result<(), Rejected> {
        let Request { id, key, command } = request;
        let payload = postcard::to_allocvec(&command).expect("commands have no types that do not encode");
        let fingerprint = Fingerprint::of(&payload);
        let known: Option<KeyRecord> = key.as_deref().and_then(|key| self.unit.get(&record_key(key)));
        let keys = self.rules.config.keys;
        let refusal = match keys.decide(self.now, key.as_deref(), known.as_ref(), fingerprint) {
            KeyDecision::InProgress if self.rules.is_broken(Sabotage::IgnoresRunningKeys) => None,
            KeyDecision::Run => None,
            KeyDecision::Replay(answer) => {
                self.push(Output::Answer { request: id, answer });
                return Ok(());
            }
            KeyDecision::InProgress => Some(Refusal::KeyInProgress),
            KeyDecision::OtherPayload => Some(Refusal::KeyReused),
            KeyDecision::Missing => Some(Refusal::KeyMissing),
        };
        let begun = refusal.map_or_else(|| self.begin(velocity, command), |refusal| Ok(Err(refusal)))?;
        let begun = match begun {
            Ok(begun) => begun,
            Err(refusal) => {
                self.push(Output::Answer { request: id, answer: Answer::refused(refusal, None) });
                return Ok(());
            }
        };
        if let Some(key) = &key {
            let expires_ns = (self.now + keys.ttl).as_nanos();
            self.unit.put(&record_key(key), &KeyRecord { fingerprint, expires_ns, answer: None });
        }
        match begun {
            Begun::Done(answer) => {
                if let Some(key) = &key {
                    self.keep_answer(key, answer);
                }
                self.push(Output::Answer { request: id, answer });
            }
            Begun::Waits(operation) => {
                self.waiting.insert(operation, id);
                let mut intent = self.load(operation.intent).expect("what waits was saved in this step");
                intent.operations[operation.serial as usize].key = key;
                self.save(intent);
            }
        }
        Ok(())
    }

    fn begin(
        &mut self,
        velocity: &mut Velocity,
        command: Command,
    ) -> Result<Result<Begun, Refusal>, Rejected> {
        let id = match command {
            Command::Create { merchant, payer, amount, capture } => {
                return Ok(self.create(velocity, (merchant, payer), amount, capture));
            }
            Command::Confirm { intent, .. } | Command::Authenticated { intent, .. } => intent,
            Command::Capture { intent, .. } | Command::Cancel { intent } | Command::Refund { intent, .. } => {
                intent
            }
        };
        let Some(mut intent) = self.load(id) else { return Ok(Err(Refusal::NoSuchIntent)) };
        if intent.operations.len() >= self.rules.config.max_operations as usize {
            return Ok(Err(Refusal::TooManyOperations));
        }
        let begun = match command {
            Command::Create { .. } => return Ok(Err(Refusal::NoSuchIntent)), // it has returned above
            Command::Confirm { instrument, needs_authentication, .. } => {
                self.confirm(&mut intent, &instrument, needs_authentication)
            }
            Command::Authenticated { has_passed, .. } => self.authenticated(&mut intent, has_passed),
            Command::Capture { minor, is_final, .. } => self.capture(&mut intent, minor, is_final),
            Command::Cancel { .. } => self.cancel(&mut intent),
            Command::Refund { minor, .. } => self.refund(&mut intent, minor),
        }?;
        if begun.is_ok() {
            self.save(intent);
        }
        Ok(begun)
    }

    fn create(
        &mut self,
        velocity: &mut Velocity,
        (merchant, payer): (u64, u64),
        amount: Money,
        capture: CaptureMethod,
    ) -> Result<Begun, Refusal> {
        let config = &self.rules.config;
        config.limits.check(amount).map_err(Refusal::Invalid)?;
        if let Some(limit) = &config.velocity {
            velocity.admit(self.now, limit, payer, amount).map_err(Refusal::Invalid)?;
        }
        let number: u64 = self.unit.get(NEXT_INTENT).unwrap_or(1);
        self.unit.put(NEXT_INTENT, &number.saturating_add(1));
        let expires = self.now + config.intent_ttl;
        let intent = Box::new(Intent {
            id: IntentId(number),
            merchant,
            payer,
            amount,
            capture,
            expires_ns: expires.as_nanos(),
            is_canceled: false,
            attempts: Vec::new(),
            operations: Vec::new(),
            disputes: Vec::new(),
        });
        self.set_timer(expires, Timer::Expiry(intent.id));
        let answer = Answer::of(200, intent.view());
        self.save(intent);
        Ok(Begun::Done(answer))
    }

    fn confirm(
        &mut self,
        intent: &mut Intent,
        instrument: &Instrument,
        needs_authentication: bool,
    ) -> Result<Result<Begun, Refusal>, Rejected> {
        let last = intent.attempts.last().map(|attempt| attempt.state);
        let may_begin = last.is_none_or(AttemptState::has_failed) && !intent.is_canceled;
        if !may_begin || intent.attempts.len() >= self.rules.config.max_attempts as usize {
            return Ok(Err(Refusal::WrongState(last)));
        }
        if self.now >= Time::from_nanos(intent.expires_ns) {
            return Ok(Err(Refusal::Expired));
        }
        if let Err(invalid) = instrument.check() {
            return Ok(Err(Refusal::Invalid(invalid)));
        }
        let Some(provider) = self.rules.policies.route.choose(intent, &[]) else {
            return Ok(Err(Refusal::NoProvider));
        };
        intent.attempts.push(Attempt {
            provider,
            state: AttemptState::Started,
            instrument: instrument.label(),
        });
        if !needs_authentication {
            return self.open(intent).map(|operation| Ok(Begun::Waits(operation)));
        }
        let attempt = intent.last_attempt().unwrap_or(0);
        Self::transition(intent, attempt, AttemptEvent::AuthenticationRequired)?;
        Ok(Ok(Begun::Done(Answer::of(202, intent.view()))))
    }

    /// Sends the authorization, or the sale, of the last attempt.
    pub(super) fn open(&mut self, intent: &mut Intent) -> Result<OperationId, Rejected> {
        let attempt = intent.last_attempt().unwrap_or(0);
        Self::transition(intent, attempt, AttemptEvent::AuthorizationSent)?;
        let kind = match intent.capture {
            CaptureMethod::Automatic => OperationKind::Sale,
            CaptureMethod::Manual => OperationKind::Authorize,
        };
        Ok(self.send(intent, attempt, kind, intent.amount.minor))
    }

    fn authenticated(
        &mut self,
        intent: &mut Intent,
        has_passed: bool,
    ) -> Result<Result<Begun, Refusal>, Rejected> {
        let last = intent.attempts.last().map(|attempt| attempt.state);
        if last != Some(AttemptState::AuthenticationPending) {
            return Ok(Err(Refusal::WrongState(last)));
        }
        let attempt = intent.last_attempt().unwrap_or(0);
        if has_passed {
            Self::transition(intent, attempt, AttemptEvent::AuthenticationPassed)?;
            return self.open(intent).map(|operation| Ok(Begun::Waits(operation)));
        }
        Self::transition(intent, attempt, AttemptEvent::AuthenticationDenied)?;
        Ok(Ok(Begun::Done(Answer::refused(Refusal::NotAuthenticated, Some(intent.view())))))
    }

    fn capture(
        &mut self,
        intent: &mut Intent,
        minor: i64,
        is_final: bool,
    ) -> Result<Result<Begun, Refusal>, Rejected> {
        let Some(attempt) = intent.last_attempt() else { return Ok(Err(Refusal::WrongState(None))) };
        if intent.is_busy() {
            return Ok(Err(Refusal::Busy));
        }
        let state = intent.attempts[attempt as usize].state;
        if state.after(AttemptEvent::CaptureSent).is_none() {
            return Ok(Err(Refusal::WrongState(Some(state))));
        }
        if minor < 1 {
            return Ok(Err(Refusal::Invalid(Invalid::TooSmall)));
        }
        let left = intent.authorized_minor(attempt).saturating_sub(intent.captured_minor(attempt));
        if minor > left && !self.rules.is_broken(Sabotage::CapturesUnbounded) {
            return Ok(Err(Refusal::TooMuch(left)));
        }
        Self::transition(intent, attempt, AttemptEvent::CaptureSent)?;
        let operation = self.send(intent, attempt, OperationKind::Capture { is_final }, minor);
        Ok(Ok(Begun::Waits(operation)))
    }

    fn cancel(&mut self, intent: &mut Intent) -> Result<Result<Begun, Refusal>, Rejected> {
        let attempt = intent.last_attempt();
        let state = attempt.map(|attempt| intent.attempts[attempt as usize].state);
        let (Some(attempt), Some(state)) = (attempt, state.filter(|state| !state.has_failed())) else {
            intent.is_canceled = true;
            return Ok(Ok(Begun::Done(Answer::of(200, intent.view()))));
        };
        if intent.is_busy() {
            return Ok(Err(Refusal::Busy));
        }
        if state == AttemptState::AuthenticationPending {
            Self::transition(intent, attempt, AttemptEvent::TimeOver)?;
            intent.is_canceled = true;
            return Ok(Ok(Begun::Done(Answer::of(200, intent.view()))));
        }
        if intent.captured_minor(attempt) > 0 || state.after(AttemptEvent::VoidSent).is_none() {
            return Ok(Err(Refusal::WrongState(Some(state))));
        }
        Self::transition(intent, attempt, AttemptEvent::VoidSent)?;
        let minor = intent.authorized_minor(attempt);
        let operation = self.send(intent, attempt, OperationKind::Void { is_compensation: false }, minor);
        Ok(Ok(Begun::Waits(operation)))
    }

    fn refund(&mut self, intent: &mut Intent, minor: i64) -> Result<Result<Begun, Refusal>, Rejected> {
        let Some(attempt) = intent.charged_attempt() else {
            return Ok(Err(Refusal::WrongState(intent.attempts.last().map(|attempt| attempt.state))));
        };
        if minor < 1 {
            return Ok(Err(Refusal::Invalid(Invalid::TooSmall)));
        }
        let refundable = intent.refundable_minor(attempt);
        if minor > refundable && !self.rules.is_broken(Sabotage::RefundsUnbounded) {
            return Ok(Err(Refusal::TooMuch(refundable)));
        }
        let operation = self.send(intent, attempt, OperationKind::Refund { is_compensation: false }, minor);
        Ok(Ok(Begun::Waits(operation)))
    }
}
