//! Webhooks and chargebacks. An event is processed once by its number, and again without harm if the number was
//! forgotten.

use super::step::{Step, Timer, event_key};
use super::{Notice, Output, Rejected};
use crate::payment::intent::{Dispute, Intent};
use crate::payment::ledger::{self, Account, Leg, Transfer, TransferId};
use crate::payment::money::Money;
use crate::payment::operation::{OperationId, OperationState, ProviderId};
use crate::payment::webhook::{DisputePhase, EventSubject, ProviderEvent};
use crate::store::Store;

impl<S: Store> Step<'_, S> {
    /// A believed event: in the inbox and carried out, in one batch.
    pub(super) fn event(&mut self, provider: ProviderId, event: &ProviderEvent) -> Result<(), Rejected> {
        let name = event_key(provider, event.id);
        if self.unit.has(&name) {
            self.push(Output::Notice(Notice::DuplicateEvent(provider, event.id)));
            return Ok(());
        }
        match event.subject {
            EventSubject::Operation { operation, outcome } => {
                self.word(Some(provider), operation, outcome)?
            }
            EventSubject::Dispute { dispute, operation, minor, phase } => {
                self.dispute(provider, Dispute { id: dispute, operation, minor, phase })?;
            }
        }
        self.unit.put(&name, &self.now.as_nanos());
        self.set_timer(self.now + self.rules.config.inbox_ttl, Timer::Event(provider, event.id));
        Ok(())
    }

    fn dispute(&mut self, provider: ProviderId, told: Dispute) -> Result<(), Rejected> {
        let id = told.operation;
        let mut intent = self.load(id.intent).ok_or(Rejected::UnknownOperation(id))?;
        let operation = intent.operation(id).ok_or(Rejected::UnknownOperation(id))?;
        if intent.attempts[operation.attempt as usize].provider != provider {
            return Err(Rejected::UnknownOperation(id));
        }
        if !operation.kind.takes_money() || told.minor < 1 || told.minor > operation.minor {
            return Err(Rejected::BadEvent);
        }
        if operation.state != OperationState::Succeeded {
            return Err(Rejected::TooEarly);
        }
        let known =
            intent.disputes.iter().position(|dispute| dispute.id == told.id && dispute.operation == id);
        let before = known.map(|place| intent.disputes[place].phase);
        match (known, before) {
            (Some(_), Some(DisputePhase::Won | DisputePhase::Lost)) => return Ok(()), // it is decided
            (Some(place), _) => intent.disputes[place].phase = told.phase.max(intent.disputes[place].phase),
            (None, _) => intent.disputes.push(told),
        }
        self.book_dispute(&intent, provider, &told)?;
        self.save(intent);
        Ok(())
    }

    /// Held back when first heard of, whatever the phase; then given to whoever has won.
    fn book_dispute(
        &mut self,
        intent: &Intent,
        provider: ProviderId,
        told: &Dispute,
    ) -> Result<(), Rejected> {
        let merchant = Account::Merchant(intent.merchant);
        let amount = Money::new(told.minor, intent.amount.currency);
        let name = |operation: OperationId, leg| TransferId { operation, leg };
        let held = name(told.operation, Leg::Dispute(told.id));
        ledger::post(
            &mut self.unit,
            &Transfer { id: held, debit: merchant, credit: Account::Disputed, amount },
        )?;
        let winner = match told.phase {
            DisputePhase::Opened => return Ok(()),
            DisputePhase::Won => merchant,
            DisputePhase::Lost => Account::Provider(provider),
        };
        let ended = name(told.operation, Leg::DisputeEnd(told.id));
        ledger::post(
            &mut self.unit,
            &Transfer { id: ended, debit: Account::Disputed, credit: winner, amount },
        )?;
        Ok(())
    }
}
