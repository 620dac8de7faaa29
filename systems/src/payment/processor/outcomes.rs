//! What a provider's word changes, whichever way it came: answer, status check, webhook, settlement file. An
//! operation ends once; later words about it are repetitions or contradictions.

use super::config::Sabotage;
use super::step::Step;
use super::{Notice, Output, Rejected};
use crate::payment::intent::{Attempt, Intent};
use crate::payment::ledger::{self, Account, Leg, Transfer, TransferId};
use crate::payment::money::Money;
use crate::payment::operation::{
    Decline, Operation, OperationId, OperationKind, OperationState, Outcome, ProviderId,
};
use crate::payment::request::{Answer, Refusal};
use crate::payment::state::{AttemptEvent, AttemptState};
use crate::store::Store;
use crate::time::Time;

/// How often giving back a late charge is asked for before a person has to.
const COMPENSATIONS: usize = 3;

impl<S: Store> Step<'_, S> {
    /// Takes a word about an operation; from that provider only, if one is named.
    pub(super) fn word(
        &mut self,
        from: Option<ProviderId>,
        id: OperationId,
        outcome: Outcome,
    ) -> Result<(), Rejected> {
        let mut intent = self.load(id.intent).ok_or(Rejected::UnknownOperation(id))?;
        let operation = intent.operation(id).map(Operation::facts).ok_or(Rejected::UnknownOperation(id))?;
        let provider = intent.attempts[operation.attempt as usize].provider;
        if from.is_some_and(|from| from != provider) {
            return Err(Rejected::UnknownOperation(id));
        }
        self.take_word(&mut intent, &operation, outcome)?;
        self.save(intent);
        Ok(())
    }

    fn take_word(
        &mut self,
        intent: &mut Intent,
        operation: &Operation,
        outcome: Outcome,
    ) -> Result<(), Rejected> {
        use OperationState as K;
        match (operation.state, outcome) {
            (K::Succeeded, Outcome::Succeeded { minor }) if minor == operation.minor => {
                if self.rules.is_broken(Sabotage::ForgetsOutcomes) {
                    self.book_again(intent, operation)?;
                }
            }
            (K::Mismatched(known), Outcome::Succeeded { minor }) if known == minor => {}
            (K::Succeeded | K::Mismatched(_), Outcome::Succeeded { .. } | Outcome::Declined(_)) => {
                self.contradiction(operation, outcome);
            }
            (K::Declined(_) | K::Abandoned, Outcome::Succeeded { minor }) if operation.kind.is_opening() => {
                self.late(intent, operation, minor)?;
            }
            (K::Declined(_) | K::Abandoned, Outcome::Succeeded { .. }) => {
                self.contradiction(operation, outcome)
            }
            (K::Abandoned, Outcome::Declined(decline)) => {
                intent.operations[operation.id.serial as usize].state = K::Declined(decline);
            }
            (K::InFlight | K::Pending | K::Unresolved, Outcome::Succeeded { minor }) => {
                self.succeeded(intent, operation, minor)?;
            }
            (K::InFlight | K::Pending | K::Unresolved, Outcome::Declined(decline)) => {
                self.declined(intent, operation, decline)?;
            }
            (K::InFlight, Outcome::Pending) => {
                intent.operations[operation.id.serial as usize].state = K::Pending;
                if !operation.kind.gives_back() {
                    Self::transition(intent, operation.attempt, AttemptEvent::ProviderPending)?;
                }
            }
            // It may still be on its way: the same name again, so it happens once.
            (K::InFlight, Outcome::NotFound) => self.execute(intent, operation.id),
            // Older than what is known.
            (_, Outcome::Pending | Outcome::NotFound) | (K::Declined(_), Outcome::Declined(_)) => {}
        }
        Ok(())
    }

    fn contradiction(&mut self, operation: &Operation, said: Outcome) {
        let notice = Notice::Contradiction { operation: operation.id, known: operation.state, said };
        self.push(Output::Notice(notice));
    }

    fn succeeded(&mut self, intent: &mut Intent, operation: &Operation, minor: i64) -> Result<(), Rejected> {
        if minor != operation.minor {
            return self.mismatched(intent, operation, minor);
        }
        intent.operations[operation.id.serial as usize].state = OperationState::Succeeded;
        let attempt = operation.attempt;
        match operation.kind {
            OperationKind::Authorize => Self::transition(intent, attempt, AttemptEvent::Approved)?,
            OperationKind::Sale => Self::transition(intent, attempt, AttemptEvent::CapturedAll)?,
            OperationKind::Capture { is_final } => {
                let is_all = intent.captured_minor(attempt) >= intent.authorized_minor(attempt);
                let event = match (is_all, is_final) {
                    (true, _) => AttemptEvent::CapturedAll,
                    (false, true) => AttemptEvent::CapturedFinalPart,
                    (false, false) => AttemptEvent::CapturedPart,
                };
                Self::transition(intent, attempt, event)?;
            }
            OperationKind::Void { is_compensation } => {
                Self::transition(intent, attempt, AttemptEvent::VoidDone)?;
                intent.is_canceled |= !is_compensation;
            }
            OperationKind::Refund { .. } => {}
        }
        self.book(intent, operation)?;
        let answer = Answer::of(200, intent.view());
        self.conclude(intent, operation.id, answer);
        Ok(())
    }

    fn mismatched(&mut self, intent: &mut Intent, operation: &Operation, minor: i64) -> Result<(), Rejected> {
        intent.operations[operation.id.serial as usize].state = OperationState::Mismatched(minor);
        if !operation.kind.gives_back() {
            Self::transition(intent, operation.attempt, AttemptEvent::AmountMismatch)?;
        }
        self.push(Output::Notice(Notice::AmountMismatch(operation.id, minor)));
        let answer = Answer::of(202, intent.view());
        self.conclude(intent, operation.id, answer);
        Ok(())
    }

    fn declined(
        &mut self,
        intent: &mut Intent,
        operation: &Operation,
        decline: Decline,
    ) -> Result<(), Rejected> {
        intent.operations[operation.id.serial as usize].state = OperationState::Declined(decline);
        let attempt = operation.attempt;
        match operation.kind {
            OperationKind::Authorize | OperationKind::Sale => {
                Self::transition(intent, attempt, AttemptEvent::Declined)?;
                if self.fail_over(intent, operation, decline)? {
                    return Ok(());
                }
            }
            OperationKind::Capture { .. } => Self::transition(intent, attempt, AttemptEvent::CaptureRefused)?,
            OperationKind::Void { .. } => Self::transition(intent, attempt, AttemptEvent::VoidRefused)?,
            OperationKind::Refund { is_compensation: false } => {}
            OperationKind::Refund { is_compensation: true }
                if intent.compensations(attempt) < COMPENSATIONS =>
            {
                self.send(intent, attempt, operation.kind, operation.minor);
            }
            OperationKind::Refund { is_compensation: true } => {
                self.push(Output::Notice(Notice::CompensationFailed(operation.id)));
            }
        }
        let answer = Answer::refused(Refusal::Declined(decline), Some(intent.view()));
        self.conclude(intent, operation.id, answer);
        Ok(())
    }

    /// Asks another provider, if the refusal allows it and there is one; whoever waited goes on waiting.
    fn fail_over(
        &mut self,
        intent: &mut Intent,
        operation: &Operation,
        decline: Decline,
    ) -> Result<bool, Rejected> {
        let is_last = intent.last_attempt() == Some(operation.attempt);
        let is_over = intent.is_canceled || self.now >= Time::from_nanos(intent.expires_ns);
        let has_room = intent.attempts.len() < self.rules.config.max_attempts as usize
            && intent.operations.len() < self.rules.config.max_operations as usize;
        if !is_last || is_over || !has_room || !self.rules.policies.failover.allows(decline) {
            return Ok(false);
        }
        let tried: Vec<ProviderId> = intent.attempts.iter().map(|attempt| attempt.provider).collect();
        let Some(provider) =
            self.rules.policies.route.choose(intent, &tried).filter(|next| !tried.contains(next))
        else {
            return Ok(false);
        };
        self.begin_again(intent, operation, provider)?;
        self.push(Output::Notice(Notice::FailedOver(operation.id)));
        Ok(true)
    }

    /// Another attempt in place of one that has failed; key and caller go with it.
    pub(super) fn begin_again(
        &mut self,
        intent: &mut Intent,
        operation: &Operation,
        provider: ProviderId,
    ) -> Result<(), Rejected> {
        let instrument = intent.attempts[operation.attempt as usize].instrument.clone();
        intent.attempts.push(Attempt { provider, state: AttemptState::Started, instrument });
        let next = self.open(intent)?;
        let key = intent.operations[operation.id.serial as usize].key.take();
        intent.operations[next.serial as usize].key = key;
        if let Some(request) = self.waiting.remove(&operation.id) {
            self.waiting.insert(next, request);
        }
        Ok(())
    }

    /// An approval after the attempt has ended without one: it is undone, once.
    fn late(&mut self, intent: &mut Intent, operation: &Operation, minor: i64) -> Result<(), Rejected> {
        if minor != operation.minor {
            return self.mismatched(intent, operation, minor);
        }
        intent.operations[operation.id.serial as usize].state = OperationState::Succeeded;
        let attempt = operation.attempt;
        self.push(Output::Notice(Notice::LateSuccess(operation.id)));
        if operation.kind == OperationKind::Authorize {
            Self::transition(intent, attempt, AttemptEvent::LateApproval)?;
            self.send(intent, attempt, OperationKind::Void { is_compensation: true }, minor);
            return Ok(());
        }
        Self::transition(intent, attempt, AttemptEvent::LateCharge)?;
        self.book(intent, operation)?;
        if !self.rules.is_broken(Sabotage::KeepsLateCharges) {
            self.send(intent, attempt, OperationKind::Refund { is_compensation: true }, minor);
        }
        Ok(())
    }

    /// Books what an operation moved.
    fn book(&mut self, intent: &Intent, operation: &Operation) -> Result<(), Rejected> {
        let provider = Account::Provider(intent.attempts[operation.attempt as usize].provider);
        let merchant = Account::Merchant(intent.merchant);
        let amount = Money::new(operation.minor, intent.amount.currency);
        let name = |leg| TransferId { operation: operation.id, leg };
        if operation.kind.takes_money() {
            let charge = Transfer { id: name(Leg::Charge), debit: provider, credit: merchant, amount };
            ledger::post(&mut self.unit, &charge)?;
            let fee = Money { minor: self.rules.config.fees.on(amount.minor), ..amount };
            if fee.minor > 0 {
                let fee =
                    Transfer { id: name(Leg::Fee), debit: merchant, credit: Account::Fees, amount: fee };
                ledger::post(&mut self.unit, &fee)?;
                if self.rules.is_broken(Sabotage::OneSidedFees) {
                    ledger::forget_debit(&mut self.unit, &fee);
                }
            }
        }
        if operation.kind.gives_back() {
            let refund = Transfer { id: name(Leg::Refund), debit: merchant, credit: provider, amount };
            ledger::post(&mut self.unit, &refund)?;
        }
        Ok(())
    }

    /// What a processor does that does not know that it has done it: under test only.
    fn book_again(&mut self, intent: &mut Intent, operation: &Operation) -> Result<(), Rejected> {
        let mut twin = operation.facts();
        twin.id.serial = intent.operations.len() as u32;
        intent.operations.push(twin.clone());
        self.book(intent, &twin)
    }
}
