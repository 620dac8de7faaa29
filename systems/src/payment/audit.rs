//! The invariants, counted again from what is stored. True at every instant, so it may be asked after every step.

use super::intent::Intent;
use super::ledger::{self, Account, Leg, Recount, TransferId};
use super::operation::{IntentId, OperationId, OperationState};
use super::processor::intent_key;
use super::state::AttemptState;
use crate::store::Store;
use std::collections::BTreeSet;
use std::fmt;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An attempt has captured more than was authorized.
    CapturedAboveAuthorized(IntentId),
    /// An attempt has refunded, or promised to refund, more than it captured.
    RefundedAboveCaptured(IntentId),
    /// More than the amount of the payment is taken and not being given back.
    PaidTwice(IntentId),
    /// An attempt that was voided, or failed, has taken money.
    TakenByFailedAttempt(IntentId),
    /// The state of an attempt that was charged has no capture behind it.
    ChargedWithoutCapture(IntentId),
    /// All debits of a currency are not all credits.
    Unbalanced(String),
    /// A balance is not what its transfers make it.
    BalanceDiffers(Account),
    /// An operation that moved money is not booked with its amount.
    NotBooked(OperationId),
    /// A transfer has no operation that moved its money.
    BookedWithoutOperation(TransferId),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Everything that is wrong with what a store holds; empty if all is well. Reads it row by row and keeps balances only.
pub fn audit(store: &impl Store) -> Vec<Violation> {
    let mut found = Vec::new();
    store.scan(b"intent/", &mut |_, stored| {
        if let Ok(intent) = postcard::from_bytes::<Intent>(stored.value) {
            check_intent(&intent, &mut found);
            check_booked(&intent, store, &mut found);
        }
        true
    });
    check_books(store, &mut found);
    found
}

fn check_intent(intent: &Intent, found: &mut Vec<Violation>) {
    let mut kept: i64 = 0;
    for (number, attempt) in (0u32..).zip(&intent.attempts) {
        let captured = intent.captured_minor(number);
        let refunded = intent.refund_reserved_minor(number);
        if captured > intent.authorized_minor(number) {
            found.push(Violation::CapturedAboveAuthorized(intent.id));
        }
        if refunded > captured {
            found.push(Violation::RefundedAboveCaptured(intent.id));
        }
        let has_failed = attempt.state.has_failed() && attempt.state != AttemptState::AutoRefunded;
        if has_failed && captured > 0 {
            found.push(Violation::TakenByFailedAttempt(intent.id));
        }
        let is_charged = matches!(attempt.state, AttemptState::Charged | AttemptState::PartialCharged);
        if is_charged && captured == 0 {
            found.push(Violation::ChargedWithoutCapture(intent.id));
        }
        // What is given back because it should not have been taken does not count as taken.
        let counts = if attempt.state == AttemptState::AutoRefunded {
            captured.saturating_sub(refunded)
        } else {
            captured
        };
        kept = kept.saturating_add(counts);
    }
    if kept > intent.amount.minor {
        found.push(Violation::PaidTwice(intent.id));
    }
}

fn check_booked(intent: &Intent, store: &impl Store, found: &mut Vec<Violation>) {
    for operation in intent.operations.iter().filter(|operation| operation.state == OperationState::Succeeded)
    {
        let leg = match (operation.kind.takes_money(), operation.kind.gives_back()) {
            (true, _) => Leg::Charge,
            (false, true) => Leg::Refund,
            (false, false) => continue,
        };
        let booked = ledger::posted(store, TransferId { operation: operation.id, leg });
        if booked.is_none_or(|transfer| transfer.amount.minor != operation.minor) {
            found.push(Violation::NotBooked(operation.id));
        }
    }
}

fn check_books(store: &impl Store, found: &mut Vec<Violation>) {
    let mut recounted = Recount { balances: ledger::forward(store) };
    // Transfers of one payment lie side by side.
    let mut last: Option<Intent> = None;
    ledger::transfers(store, &mut |transfer| {
        let id = transfer.id.operation;
        if last.as_ref().is_none_or(|intent| intent.id != id.intent) {
            last = stored_intent(store, id.intent);
        }
        let operation = last.as_ref().and_then(|intent| intent.operation(id));
        if operation.is_none_or(|operation| operation.state != OperationState::Succeeded) {
            found.push(Violation::BookedWithoutOperation(transfer.id));
        }
        recounted.add(transfer);
    });
    let balances = ledger::balances(store);
    let currencies: BTreeSet<_> = balances.keys().map(|(_, currency)| *currency).collect();
    for currency in currencies {
        let (debits, credits) = ledger::totals(&balances, currency);
        if debits != credits {
            found.push(Violation::Unbalanced(format!("{currency}: {debits} debited, {credits} credited")));
        }
    }
    let recounted = recounted.balances;
    let accounts: BTreeSet<_> = balances.keys().chain(recounted.keys()).copied().collect();
    for account in accounts {
        if balances.get(&account) != recounted.get(&account) {
            found.push(Violation::BalanceDiffers(account.0));
        }
    }
}

fn stored_intent(store: &impl Store, id: IntentId) -> Option<Intent> {
    postcard::from_bytes(store.get(&intent_key(id))?.value).ok()
}
