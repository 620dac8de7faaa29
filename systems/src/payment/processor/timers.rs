//! What is due: status checks, expiry, forgetting. A timer is a hint; the record decides.

use super::config::{ProcessorConfig, Sabotage};
use super::due::Timers;
use super::step::{Step, Timer, event_key, intent_key, record_key};
use super::{Notice, Output, Rejected};
use crate::payment::idempotency::KeyRecord;
use crate::payment::intent::Intent;
use crate::payment::ledger;
use crate::payment::operation::{
    IntentId, Operation, OperationId, OperationKind, OperationState, Order, ProviderId,
};
use crate::payment::request::{Answer, Refusal};
use crate::payment::state::{AttemptEvent, AttemptState};
use crate::store::Store;
use crate::time::Time;
use std::collections::BTreeSet;

/// The timers of everything a store holds, and the operations that providers were asked for: after a crash.
pub(super) fn rebuilt<S: Store>(store: &S, config: &ProcessorConfig) -> (Timers, BTreeSet<OperationId>) {
    let mut timers = Timers::default();
    let mut asked = BTreeSet::new();
    store.scan(b"intent/", &mut |_, stored| {
        let Ok(intent) = postcard::from_bytes::<Intent>(stored.value) else { return true };
        timers.insert(Time::from_nanos(intent.expires_ns), Timer::Expiry(intent.id));
        for operation in &intent.operations {
            if matches!(operation.state, OperationState::InFlight | OperationState::Pending) {
                asked.insert(operation.id);
                timers.insert(operation.next_check(), Timer::Check(operation.id));
            }
        }
        true
    });
    store.scan(b"key/", &mut |key, stored| {
        let record = postcard::from_bytes::<KeyRecord>(stored.value).ok();
        let name = std::str::from_utf8(&key[b"key/".len()..]).ok();
        if let (Some(record), Some(name)) = (record.filter(|record| record.answer.is_some()), name) {
            timers.insert(Time::from_nanos(record.expires_ns), Timer::Key(name.to_string()));
        }
        true
    });
    store.scan(b"event/", &mut |key, stored| {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        let (_, numbers) = key.split_at(b"event/".len());
        let (provider, event) = numbers.split_at(numbers.len().min(4));
        if let Ok(received_ns) = postcard::from_bytes::<u64>(stored.value) {
            let due = Time::from_nanos(received_ns) + config.inbox_ttl;
            timers.insert(due, Timer::Event(ProviderId(number(provider) as u32), number(event)));
        }
        true
    });
    (timers, asked)
}

impl<S: Store> Step<'_, S> {
    pub(super) fn timer(&mut self, timer: &Timer) -> Result<(), Rejected> {
        match timer {
            Timer::Check(id) => self.check(*id),
            Timer::Expiry(id) => self.expiry(*id),
            Timer::Key(key) => {
                let name = record_key(key);
                if self.unit.get::<KeyRecord>(&name).is_some_and(|record| record.has_expired(self.now)) {
                    self.unit.remove(&name);
                }
                Ok(())
            }
            Timer::Event(provider, event) => {
                self.unit.remove(&event_key(*provider, *event));
                Ok(())
            }
            Timer::Forget(id) => self.forget(*id),
        }
    }

    /// No word yet: asks, or gives up asking.
    fn check(&mut self, id: OperationId) -> Result<(), Rejected> {
        let Some(mut intent) = self.load(id.intent) else { return Ok(()) };
        let Some(operation) = intent.operation(id).map(Operation::facts) else { return Ok(()) };
        let is_asked = matches!(operation.state, OperationState::InFlight | OperationState::Pending);
        if !is_asked || operation.next_check() > self.now {
            return Ok(());
        }
        let charges_again = self.rules.is_broken(Sabotage::ChargesAgain) && intent.attempts.len() < 4;
        if charges_again && operation.kind == OperationKind::Sale {
            return self.charge_again(intent, id);
        }
        let resolution = self.rules.config.resolution;
        if operation.checks >= resolution.max_checks {
            intent.operations[id.serial as usize].state = OperationState::Unresolved;
            if !operation.kind.gives_back() {
                Self::transition(&mut intent, operation.attempt, AttemptEvent::OutcomeUnknown)?;
            }
            self.push(Output::Notice(Notice::Unresolved(id)));
        } else {
            let due = self.now + resolution.interval;
            let asked = &mut intent.operations[id.serial as usize];
            asked.checks = asked.checks.saturating_add(1);
            asked.next_check_ns = due.as_nanos();
            self.set_timer(due, Timer::Check(id));
            let provider = intent.attempts[operation.attempt as usize].provider;
            self.push(Output::Send { provider, order: Order::Status { operation: id } });
        }
        // The caller is told that it takes longer; its key goes on running.
        if let Some(request) = self.waiting.remove(&id) {
            self.push(Output::Answer { request, answer: Answer::of(202, intent.view()) });
        }
        self.save(intent);
        Ok(())
    }

    /// The blind second charge that must never be: under test only.
    fn charge_again(&mut self, mut intent: Box<Intent>, id: OperationId) -> Result<(), Rejected> {
        let Some(operation) = intent.operation(id).map(Operation::facts) else { return Ok(()) };
        intent.operations[id.serial as usize].state = OperationState::Abandoned;
        Self::transition(&mut intent, operation.attempt, AttemptEvent::TimeOver)?;
        let provider = intent.attempts[operation.attempt as usize].provider;
        self.begin_again(&mut intent, &operation, provider)?;
        self.save(intent);
        Ok(())
    }

    /// From its expiry on, or from the last time that an operation of it would have been asked about.
    fn may_be_forgotten_at(&self, intent: &Intent) -> Option<Time> {
        let checks = intent.operations.iter().map(|operation| operation.next_check_ns);
        let last_ns = checks.fold(intent.expires_ns, u64::max);
        Time::from_nanos(last_ns).checked_add(self.rules.config.keep).filter(|at| *at < Time::MAX)
    }

    /// A payment that is over and was kept for long enough is put away, and its transfers are carried forward.
    fn forget(&mut self, id: IntentId) -> Result<(), Rejected> {
        let Some(intent) = self.load(id) else { return Ok(()) };
        let Some(due) = self.may_be_forgotten_at(&intent) else { return Ok(()) };
        if due > self.now {
            self.set_timer(due, Timer::Forget(id));
            return Ok(());
        }
        if !intent.is_settled() {
            // Somebody still has to tell; looked at again as late as if it were new.
            let again = self.rules.config.keep.max(self.rules.config.resolution.interval);
            self.set_timer(self.now + again, Timer::Forget(id));
            return Ok(());
        }
        for transfer in ledger::names_of(&intent) {
            let is_carried = !self.rules.is_broken(Sabotage::DropsTransfers);
            ledger::take_out(&mut self.unit, transfer, is_carried)?;
        }
        self.unit.remove(&intent_key(id));
        self.push(Output::Archive(intent));
        Ok(())
    }

    /// A payment's time is over: what is reserved is released, what is under way is not waited for any longer.
    fn expiry(&mut self, id: IntentId) -> Result<(), Rejected> {
        let Some(mut intent) = self.load(id).filter(|intent| Time::from_nanos(intent.expires_ns) <= self.now)
        else {
            return Ok(());
        };
        if let Some(at) = self.may_be_forgotten_at(&intent) {
            self.set_timer(at, Timer::Forget(id));
        }
        let Some(attempt) = intent.last_attempt() else {
            intent.is_canceled = true;
            self.save(intent);
            return Ok(());
        };
        let state = intent.attempts[attempt as usize].state;
        let open = intent.operations.iter().find(|operation| {
            operation.attempt == attempt && operation.state.is_open() && !operation.kind.gives_back()
        });
        let open = open.map(|operation| (operation.id, operation.kind));
        let is_decided_elsewhere = open.is_some_and(|(_, kind)| !kind.is_opening());
        if is_decided_elsewhere {
            return Ok(());
        }
        if state == AttemptState::Authorized {
            Self::transition(&mut intent, attempt, AttemptEvent::VoidSent)?;
            let minor = intent.authorized_minor(attempt);
            self.send(&mut intent, attempt, OperationKind::Void { is_compensation: false }, minor);
        } else if state.after(AttemptEvent::TimeOver).is_some() {
            Self::transition(&mut intent, attempt, AttemptEvent::TimeOver)?;
            intent.is_canceled = true;
            if let Some((operation, _)) = open {
                intent.operations[operation.serial as usize].state = OperationState::Abandoned;
                let answer = Answer::refused(Refusal::Expired, Some(intent.view()));
                self.conclude(&mut intent, operation, answer);
            }
        } else if state.has_failed() && !intent.is_canceled {
            intent.is_canceled = true;
        } else {
            self.put_back(intent);
            return Ok(());
        }
        self.save(intent);
        Ok(())
    }
}
