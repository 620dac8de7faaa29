//! Settlement files: what a provider says it has moved and paid out, against what is known here. The last resort for
//! outcomes that nobody told.

use super::step::Step;
use super::{Output, Processor, Rejected};
use crate::payment::intent::Intent;
use crate::payment::ledger::{self, Account, Leg, Transfer, TransferId};
use crate::payment::money::Money;
use crate::payment::operation::{OperationId, OperationState, Outcome, ProviderId};
use crate::store::Store;
use crate::time::Time;
use serde::{Deserialize, Serialize};

/// A line of a settlement file: something that was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementLine {
    /// What.
    pub operation: OperationId,
    /// How much, in minor units.
    pub minor: i64,
}

/// What a file and the books have to say about each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    /// Lines that agree.
    pub matched: u64,
    /// Lines that settled what was not known.
    pub resolved: Vec<OperationId>,
    /// Lines with another amount.
    pub mismatched: Vec<OperationId>,
    /// Lines about nothing that was asked for.
    pub not_ours: Vec<OperationId>,
    /// Moved, by all that is known here, and not in this file or one before.
    pub missing: Vec<OperationId>,
}

/// What became of a line.
enum Line {
    Matched,
    Resolved,
    Mismatched,
    NotOurs,
}

impl<S: Store> Processor<S> {
    /// Compares a provider's file with what is known, settles what was not, and books the payout.
    ///
    /// # Errors
    /// [`Rejected::Store`]; lines before it are done, and doing them again does no harm.
    pub fn reconcile(
        &mut self,
        now: Time,
        provider: ProviderId,
        file: &[SettlementLine],
        out: &mut Vec<Output>,
    ) -> Result<ReconcileReport, Rejected> {
        self.changed_balances.clear();
        let mut report = ReconcileReport::default();
        for line in file {
            match self.run(now, |step| step.line(provider, line))? {
                Line::Matched => report.matched += 1,
                Line::Resolved => report.resolved.push(line.operation),
                Line::Mismatched => report.mismatched.push(line.operation),
                Line::NotOurs => report.not_ours.push(line.operation),
            }
        }
        self.store().scan(b"intent/", &mut |_, stored| {
            if let Ok(intent) = postcard::from_bytes::<Intent>(stored.value) {
                report.missing.extend(unsettled(&intent, provider));
            }
            true
        });
        self.release(out);
        Ok(report)
    }
}

fn unsettled(intent: &Intent, provider: ProviderId) -> impl Iterator<Item = OperationId> {
    let moved = intent.operations.iter().filter(move |operation| {
        let moves = operation.kind.takes_money() || operation.kind.gives_back();
        let is_theirs = intent.attempts[operation.attempt as usize].provider == provider;
        moves && is_theirs && operation.state == OperationState::Succeeded && !operation.is_settled
    });
    moved.map(|operation| operation.id)
}

impl<S: Store> Step<'_, S> {
    fn line(&mut self, provider: ProviderId, line: &SettlementLine) -> Result<Line, Rejected> {
        let id = line.operation;
        let before = self.load(id.intent).and_then(|intent| {
            let operation = intent.operation(id)?.facts();
            (intent.attempts[operation.attempt as usize].provider == provider).then_some(operation)
        });
        let Some(before) = before else { return Ok(Line::NotOurs) };
        if before.state != OperationState::Succeeded {
            self.word(Some(provider), id, Outcome::Succeeded { minor: line.minor })?;
        }
        let Some(mut intent) = self.load(id.intent) else { return Ok(Line::NotOurs) };
        let operation = &mut intent.operations[id.serial as usize];
        if operation.state != OperationState::Succeeded || operation.minor != line.minor {
            return Ok(Line::Mismatched);
        }
        operation.is_settled = true;
        let (kind, amount) = (operation.kind, Money::new(line.minor, intent.amount.currency));
        self.save(intent);
        let transfer_id = TransferId { operation: id, leg: Leg::Settlement };
        let (bank, provider) = (Account::Bank, Account::Provider(provider));
        let payout = match (kind.takes_money(), kind.gives_back()) {
            (true, _) => Some((bank, provider)),
            (false, true) => Some((provider, bank)),
            (false, false) => None, // authorizations and voids move nothing
        };
        if let Some((debit, credit)) = payout {
            ledger::post(&mut self.unit, &Transfer { id: transfer_id, debit, credit, amount })?;
        }
        Ok(if before.state == OperationState::Succeeded { Line::Matched } else { Line::Resolved })
    }
}
