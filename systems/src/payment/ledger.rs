//! The books: double entry in minor units. A transfer names the account it debits and the account it credits, so
//! that debits equal credits at every instant; a transfer that was posted is not posted again. Never a balance
//! without its transfers.

use super::intent::Intent;
use super::money::{Currency, Money};
use super::operation::{OperationId, ProviderId};
use super::unit::Unit;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// An account of the books; one per currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Account {
    /// What a provider has taken for us and not paid out yet (an asset).
    Provider(ProviderId),
    /// What has been paid out to us (an asset).
    Bank,
    /// What we owe a merchant (a liability).
    Merchant(u64),
    /// What we have earned.
    Fees,
    /// What is held back while a chargeback is decided: the suspense account.
    Disputed,
}

/// Which part of an operation a transfer books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Leg {
    /// What was taken.
    Charge,
    /// Our share of it.
    Fee,
    /// What was given back.
    Refund,
    /// What the provider has paid out, or kept back, for it.
    Settlement,
    /// Held back by the chargeback of this number.
    Dispute(u64),
    /// And decided.
    DisputeEnd(u64),
}

/// Names a transfer: posting it again changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransferId {
    /// What it is for.
    pub operation: OperationId,
    /// Which part of that.
    pub leg: Leg,
}

/// Money from one account to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Its name.
    pub id: TransferId,
    /// The account that is debited.
    pub debit: Account,
    /// The account that is credited.
    pub credit: Account,
    /// How much: more than zero.
    pub amount: Money,
}

/// What an account has been debited and credited with, ever, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// All debits.
    pub debits: u64,
    /// All credits.
    pub credits: u64,
}

impl Balance {
    /// Debits less credits: what an asset is worth; negative for what is owed.
    pub const fn net(self) -> i128 {
        self.debits as i128 - self.credits as i128
    }
}

/// Names a balance.
pub type BalanceName = (Account, Currency);

/// Why a transfer is not posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerError {
    /// Zero or less.
    NotPositive,
    /// From an account to itself.
    SameAccount,
    /// Another transfer has this name.
    NameTaken,
    /// An account cannot hold so much.
    Overflow,
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LedgerError::NotPositive => "a transfer moves more than nothing: swap its accounts instead",
            LedgerError::SameAccount => "a transfer has two accounts",
            LedgerError::NameTaken => "another transfer has this name: one operation, one transfer a leg",
            LedgerError::Overflow => "the account cannot hold so much",
        })
    }
}

impl std::error::Error for LedgerError {}

/// Room for the longest key.
const KEY_BYTES: usize = 32;

pub(super) fn transfer_key(id: TransferId) -> Vec<u8> {
    let mut key = Vec::with_capacity(KEY_BYTES);
    key.extend_from_slice(b"transfer/");
    key.extend_from_slice(&id.operation.intent.0.to_be_bytes());
    key.extend_from_slice(&id.operation.serial.to_be_bytes());
    postcard::to_extend(&id.leg, key).expect("plain numbers always encode")
}

/// Before the names of balances.
const BALANCE: &[u8] = b"balance/";

/// Before the names of sums that are carried forward.
const FORWARD: &[u8] = b"forward/";

fn balance_key(account: Account, currency: Currency) -> Vec<u8> {
    name_key(BALANCE, account, currency)
}

fn name_key(prefix: &[u8], account: Account, currency: Currency) -> Vec<u8> {
    let mut key = Vec::with_capacity(KEY_BYTES);
    key.extend_from_slice(prefix);
    postcard::to_extend(&(account, currency), key).expect("plain numbers always encode")
}

/// Posts a transfer, unless it was. Whether it is new.
pub(super) fn post<S: Store>(unit: &mut Unit<'_, S>, transfer: &Transfer) -> Result<bool, LedgerError> {
    let minor = u64::try_from(transfer.amount.minor)
        .ok()
        .filter(|minor| *minor > 0)
        .ok_or(LedgerError::NotPositive)?;
    if transfer.debit == transfer.credit {
        return Err(LedgerError::SameAccount);
    }
    let key = transfer_key(transfer.id);
    if let Some(posted) = unit.get::<Transfer>(&key) {
        return if posted == *transfer { Ok(false) } else { Err(LedgerError::NameTaken) };
    }
    let debit_key = balance_key(transfer.debit, transfer.amount.currency);
    let credit_key = balance_key(transfer.credit, transfer.amount.currency);
    let mut debited: Balance = unit.get(&debit_key).unwrap_or_default();
    let mut credited: Balance = unit.get(&credit_key).unwrap_or_default();
    debited.debits = debited.debits.checked_add(minor).ok_or(LedgerError::Overflow)?;
    credited.credits = credited.credits.checked_add(minor).ok_or(LedgerError::Overflow)?;
    unit.put(&key, transfer);
    unit.put(&debit_key, &debited);
    unit.put(&credit_key, &credited);
    unit.note_balance((transfer.debit, transfer.amount.currency));
    unit.note_balance((transfer.credit, transfer.amount.currency));
    Ok(true)
}

/// The names of all transfers that a payment may have.
pub(super) fn names_of(intent: &Intent) -> impl Iterator<Item = TransferId> {
    let legs = intent.operations.iter().flat_map(|operation| {
        let takes = operation.kind.takes_money();
        let gives = operation.kind.gives_back();
        let may_have = [
            (Leg::Charge, takes),
            (Leg::Fee, takes),
            (Leg::Refund, gives),
            (Leg::Settlement, operation.is_settled),
        ];
        may_have
            .into_iter()
            .filter(|(_, may)| *may)
            .map(|(leg, _)| TransferId { operation: operation.id, leg })
    });
    let disputes = intent.disputes.iter().flat_map(|dispute| {
        let legs = [Leg::Dispute(dispute.id), Leg::DisputeEnd(dispute.id)];
        legs.map(|leg| TransferId { operation: dispute.operation, leg })
    });
    legs.chain(disputes)
}

/// Takes a transfer out of the books, if it was posted, and carries what it moved forward, in a sum for each account:
/// balances are what is carried forward and what was posted since. Only a sabotaged processor does not carry it.
pub(super) fn take_out<S: Store>(
    unit: &mut Unit<'_, S>,
    id: TransferId,
    is_carried: bool,
) -> Result<(), LedgerError> {
    let key = transfer_key(id);
    let Some(transfer) = unit.get::<Transfer>(&key) else { return Ok(()) };
    unit.remove(&key);
    if !is_carried {
        return Ok(());
    }
    let minor = transfer.amount.minor.unsigned_abs();
    let currency = transfer.amount.currency;
    let (debit_key, credit_key) =
        (name_key(FORWARD, transfer.debit, currency), name_key(FORWARD, transfer.credit, currency));
    let mut debited: Balance = unit.get(&debit_key).unwrap_or_default();
    let mut credited: Balance = unit.get(&credit_key).unwrap_or_default();
    debited.debits = debited.debits.checked_add(minor).ok_or(LedgerError::Overflow)?;
    credited.credits = credited.credits.checked_add(minor).ok_or(LedgerError::Overflow)?;
    unit.put(&debit_key, &debited);
    unit.put(&credit_key, &credited);
    Ok(())
}

/// All debits and all credits of a store, whatever their currency, in minor units; they are equal. Reads every balance
/// once, and from then on those that have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DebitsAndCredits {
    seen: BTreeMap<BalanceName, Balance>,
    debits: u128,
    credits: u128,
}

impl DebitsAndCredits {
    /// What a store has now.
    pub fn read(store: &impl Store) -> DebitsAndCredits {
        let seen = balances(store);
        let sum = |of: fn(&Balance) -> u64| seen.values().map(|balance| u128::from(of(balance))).sum();
        let (debits, credits) = (sum(|balance| balance.debits), sum(|balance| balance.credits));
        DebitsAndCredits { seen, debits, credits }
    }

    /// Reads these balances anew, as the store has them.
    pub fn follow(&mut self, store: &impl Store, changed: &[BalanceName]) {
        for name in changed {
            let stored = store.get(&balance_key(name.0, name.1));
            let now: Option<Balance> = stored.and_then(|stored| postcard::from_bytes(stored.value).ok());
            let before = match now {
                Some(now) => self.seen.insert(*name, now),
                None => self.seen.remove(name),
            };
            let (now, before) = (now.unwrap_or_default(), before.unwrap_or_default());
            self.debits = self.debits + u128::from(now.debits) - u128::from(before.debits);
            self.credits = self.credits + u128::from(now.credits) - u128::from(before.credits);
        }
    }

    /// All debits, then all credits.
    pub const fn totals(&self) -> (u128, u128) {
        (self.debits, self.credits)
    }
}

/// All of the books, read from a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Balances as they are kept.
    pub balances: BTreeMap<BalanceName, Balance>,
    /// What payments that are not kept any more have moved.
    pub forward: BTreeMap<BalanceName, Balance>,
    /// Transfers by name.
    pub transfers: BTreeMap<TransferId, Transfer>,
}

impl Books {
    /// Reads them. What cannot be read is left out, and shows up as a difference between balances and transfers.
    pub fn read(store: &impl Store) -> Books {
        let mut books = Books { balances: balances(store), forward: forward(store), ..Books::default() };
        transfers(store, &mut |transfer| {
            books.transfers.insert(transfer.id, *transfer);
        });
        books
    }

    /// The balance of an account.
    pub fn balance(&self, account: Account, currency: Currency) -> Balance {
        self.balances.get(&(account, currency)).copied().unwrap_or_default()
    }

    /// What the balances have to be, from what is carried forward and the transfers alone.
    pub fn recounted(&self) -> BTreeMap<BalanceName, Balance> {
        let mut recount = Recount { balances: self.forward.clone() };
        self.transfers.values().for_each(|transfer| recount.add(transfer));
        recount.balances
    }

    /// All debits and all credits of a currency. They are equal.
    pub fn totals(&self, currency: Currency) -> (u128, u128) {
        totals(&self.balances, currency)
    }
}

/// The balances that transfers make.
#[derive(Debug, Default)]
pub(super) struct Recount {
    pub(super) balances: BTreeMap<BalanceName, Balance>,
}

impl Recount {
    pub(super) fn add(&mut self, transfer: &Transfer) {
        let minor = transfer.amount.minor.unsigned_abs();
        let debited = self.balances.entry((transfer.debit, transfer.amount.currency)).or_default();
        debited.debits = debited.debits.saturating_add(minor);
        let credited = self.balances.entry((transfer.credit, transfer.amount.currency)).or_default();
        credited.credits = credited.credits.saturating_add(minor);
    }
}

/// All debits and all credits of a currency.
pub(super) fn totals(balances: &BTreeMap<BalanceName, Balance>, currency: Currency) -> (u128, u128) {
    let of_currency = balances.iter().filter(|((_, other), _)| *other == currency);
    of_currency.fold((0, 0), |(debits, credits), (_, balance)| {
        (debits + u128::from(balance.debits), credits + u128::from(balance.credits))
    })
}

/// The balances as they are kept; what cannot be read is left out.
pub(super) fn balances(store: &impl Store) -> BTreeMap<BalanceName, Balance> {
    sums(store, BALANCE)
}

/// What is carried forward; what cannot be read is left out.
pub(super) fn forward(store: &impl Store) -> BTreeMap<BalanceName, Balance> {
    sums(store, FORWARD)
}

fn sums(store: &impl Store, prefix: &[u8]) -> BTreeMap<BalanceName, Balance> {
    let mut sums = BTreeMap::new();
    store.scan(prefix, &mut |key, stored| {
        let name = key.get(prefix.len()..).and_then(|name| postcard::from_bytes::<BalanceName>(name).ok());
        let sum = postcard::from_bytes::<Balance>(stored.value);
        if let (Some(name), Ok(sum)) = (name, sum) {
            sums.insert(name, sum);
        }
        true
    });
    sums
}

/// All transfers, in the order of their payments; what cannot be read is left out.
pub(super) fn transfers(store: &impl Store, visit: &mut dyn FnMut(&Transfer)) {
    store.scan(b"transfer/", &mut |_, stored| {
        if let Ok(transfer) = postcard::from_bytes::<Transfer>(stored.value) {
            visit(&transfer);
        }
        true
    });
}

/// A transfer, if it was posted.
pub(super) fn posted(store: &impl Store, id: TransferId) -> Option<Transfer> {
    let transfer: Transfer = postcard::from_bytes(store.get(&transfer_key(id))?.value).ok()?;
    (transfer.id == id).then_some(transfer)
}

/// Takes a debit back and leaves the credit: what the audit has to find. Called by sabotaged processors only.
pub(super) fn forget_debit<S: Store>(unit: &mut Unit<'_, S>, transfer: &Transfer) {
    let key = balance_key(transfer.debit, transfer.amount.currency);
    let mut balance: Balance = unit.get(&key).unwrap_or_default();
    balance.debits = balance.debits.saturating_sub(transfer.amount.minor.unsigned_abs());
    unit.put(&key, &balance);
    unit.note_balance((transfer.debit, transfer.amount.currency));
}
