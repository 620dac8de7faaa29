//! One step in the making: the batch, the outputs behind it, the timers it sets. Nothing of it happens before the
//! processor commits it.

use super::config::Rules;
use super::hot::Hot;
use super::{Output, Rejected};
use crate::payment::idempotency::KeyRecord;
use crate::payment::intent::{Attempt, Intent};
use crate::payment::ledger::BalanceName;
use crate::payment::money::Money;
use crate::payment::operation::{
    IntentId, Operation, OperationId, OperationKind, OperationState, Order, ProviderId,
};
use crate::payment::request::{Answer, RequestId};
use crate::payment::state::AttemptEvent;
use crate::payment::unit::Unit;
use crate::store::{Batch, Store};
use crate::time::{Span, Time};
use std::collections::BTreeMap;

/// What is due at some time. Checked against the record when it fires, so that an old one does no harm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Ask what became of an operation.
    Check(OperationId),
    /// A payment's time is over.
    Expiry(IntentId),
    /// A key may be forgotten.
    Key(String),
    /// The number of a webhook may be forgotten.
    Event(ProviderId, u64),
    /// A payment may be put away.
    Forget(IntentId),
}

impl Timer {
    pub(super) const KINDS: usize = 5;

    /// Whether it only forgets what nobody asks about any more: late by up to [`SWEEP`] it does the same.
    pub(super) const fn is_sweeping(&self) -> bool {
        match self {
            Timer::Check(_) | Timer::Expiry(_) => false,
            Timer::Key(_) | Timer::Event(..) | Timer::Forget(_) => true,
        }
    }

    /// Timers of one kind wait equally long, as long as nobody changes the config.
    pub(super) const fn kind(&self) -> usize {
        match self {
            Timer::Check(_) => 0,
            Timer::Expiry(_) => 1,
            Timer::Key(_) => 2,
            Timer::Event(..) => 3,
            Timer::Forget(_) => 4,
        }
    }
}

/// What is only forgotten is forgotten together, at the next whole one of these.
pub(super) const SWEEP: Span = Span::from_secs(1);

pub(in crate::payment) fn intent_key(id: IntentId) -> [u8; 15] {
    let mut key = *b"intent/........";
    key[7..].copy_from_slice(&id.0.to_be_bytes());
    key
}

pub(super) fn record_key(key: &str) -> Vec<u8> {
    [b"key/".as_slice(), key.as_bytes()].concat()
}

pub(super) fn event_key(provider: ProviderId, event: u64) -> [u8; 18] {
    let mut key = *b"event/............";
    key[6..10].copy_from_slice(&provider.0.to_be_bytes());
    key[10..].copy_from_slice(&event.to_be_bytes());
    key
}

/// What a step comes to.
pub(super) struct Finished {
    pub(super) batch: Batch,
    /// Balances that it changed.
    pub(super) balances: Vec<BalanceName>,
    pub(super) outputs: Vec<Output>,
    pub(super) timers: Vec<(Time, Timer)>,
    /// Payments that it changed, as they are in the batch.
    #[allow(clippy::vec_box, reason = "they come from the hot ones and go back there as they are")]
    pub(super) changed: Vec<Box<Intent>>,
}

pub(super) struct Step<'p, S> {
    pub(super) now: Time,
    pub(super) rules: &'p Rules,
    pub(super) unit: Unit<'p, S>,
    pub(super) waiting: &'p mut BTreeMap<OperationId, RequestId>,
    hot: &'p mut Hot,
    #[allow(clippy::vec_box, reason = "they come from the hot ones and go back there as they are")]
    changed: Vec<Box<Intent>>,
    outputs: Vec<Output>,
    timers: Vec<(Time, Timer)>,
}

impl<'p, S: Store> Step<'p, S> {
    pub(super) const fn new(
        now: Time,
        rules: &'p Rules,
        unit: Unit<'p, S>,
        waiting: &'p mut BTreeMap<OperationId, RequestId>,
        hot: &'p mut Hot,
    ) -> Step<'p, S> {
        Step { now, rules, unit, waiting, hot, changed: Vec::new(), outputs: Vec::new(), timers: Vec::new() }
    }

    pub(super) fn finish(self) -> Finished {
        let (batch, balances) = self.unit.into_parts();
        Finished { batch, balances, outputs: self.outputs, timers: self.timers, changed: self.changed }
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push(output);
    }

    pub(super) fn set_timer(&mut self, due: Time, timer: Timer) {
        self.timers.push((due, timer));
    }

    /// A payment as it is after what this step has saved, to be changed and saved. One that is not saved is read from
    /// the store again the next time, so whatever was done to it is forgotten.
    pub(super) fn load(&mut self, id: IntentId) -> Option<Box<Intent>> {
        if let Some(saved) = self.changed.iter().find(|intent| intent.id == id) {
            return Some(saved.clone());
        }
        self.hot.take(id).or_else(|| self.unit.get(&intent_key(id)).map(Box::new))
    }

    /// One that was loaded and is as it was.
    pub(super) fn put_back(&mut self, intent: Box<Intent>) {
        if self.changed.iter().all(|saved| saved.id != intent.id) {
            self.hot.put(intent);
        }
    }

    pub(super) fn save(&mut self, intent: Box<Intent>) {
        self.unit.put(&intent_key(intent.id), &*intent);
        self.changed.retain(|saved| saved.id != intent.id);
        self.changed.push(intent);
    }

    /// Moves an attempt along the table, or not at all.
    pub(super) fn transition(intent: &mut Intent, attempt: u32, event: AttemptEvent) -> Result<(), Rejected> {
        let attempt: &mut Attempt = &mut intent.attempts[attempt as usize];
        attempt.state =
            attempt.state.after(event).ok_or(Rejected::IllegalTransition(attempt.state, event))?;
        Ok(())
    }

    /// Makes an operation, asks the provider, and sets the timer for asking what became of it.
    pub(super) fn send(
        &mut self,
        intent: &mut Intent,
        attempt: u32,
        kind: OperationKind,
        minor: i64,
    ) -> OperationId {
        let id = OperationId { intent: intent.id, serial: intent.operations.len() as u32 };
        let due = self.now + self.rules.config.resolution.first_check_after;
        intent.operations.push(Operation {
            id,
            attempt,
            kind,
            minor,
            state: OperationState::InFlight,
            checks: 0,
            next_check_ns: due.as_nanos(),
            key: None,
            is_settled: false,
        });
        self.set_timer(due, Timer::Check(id));
        self.execute(intent, id);
        id
    }

    /// Asks the provider to do an operation, for the first time or again: by its name it happens once.
    pub(super) fn execute(&mut self, intent: &Intent, id: OperationId) {
        let Some(operation) = intent.operation(id) else { return };
        let order = Order::Execute {
            operation: id,
            kind: operation.kind,
            amount: Money::new(operation.minor, intent.amount.currency),
            opening: intent.opening(operation.attempt).map_or(id, |opening| opening.id),
        };
        self.push(Output::Send { provider: intent.attempts[operation.attempt as usize].provider, order });
    }

    /// Keeps an answer under its key, or frees the key, as the policy says.
    pub(super) fn keep_answer(&mut self, key: &str, answer: Answer) {
        let name = record_key(key);
        let Some(mut record) = self.unit.get::<KeyRecord>(&name) else { return };
        if !self.rules.policies.kept_answers.keeps(answer.status) {
            self.unit.remove(&name);
            return;
        }
        record.answer = Some(answer);
        self.set_timer(Time::from_nanos(record.expires_ns), Timer::Key(key.to_string()));
        self.unit.put(&name, &record);
    }

    /// Ends what waits for an operation: the caller is answered, and the answer kept under the key.
    pub(super) fn conclude(&mut self, intent: &mut Intent, id: OperationId, answer: Answer) {
        let Some(operation) = intent.operations.get_mut(id.serial as usize) else { return };
        if let Some(key) = operation.key.take() {
            self.keep_answer(&key, answer);
        }
        if let Some(request) = self.waiting.remove(&id) {
            self.push(Output::Answer { request, answer });
        }
    }
}
