//! A bank: accounts, and each leg of a payment once, whatever is repeated, late or out of order. What passes between
//! banks goes over a settlement account, so that no paisa appears or vanishes here. State is taken to be durable.

use super::message::{Leg, LegResult, TxnId};
use std::collections::BTreeMap;

/// Why an account does not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BankRefusal {
    /// There is no such account, or it is closed.
    NoAccount,
    /// Less than that is in it.
    NoFunds,
    /// Zero, less, or more than an account can hold.
    BadAmount,
}

/// A bank.
#[derive(Clone, Debug, Default)]
pub struct Bank {
    accounts: BTreeMap<u64, i64>,
    /// What the other banks owe this one, less what it owes them.
    settlement_minor: i64,
    legs: BTreeMap<(TxnId, Leg), LegResult>,
    #[cfg(test)]
    pub(super) forgets_legs: bool,
}

impl Bank {
    /// With no accounts.
    pub fn new() -> Bank {
        Bank::default()
    }

    /// Opens an account with so much in it.
    pub fn open_account(&mut self, account: u64, minor: i64) {
        self.accounts.insert(account, minor);
    }

    /// Closes an account: nothing is paid to it any more. What was in it.
    pub fn close_account(&mut self, account: u64) -> Option<i64> {
        self.accounts.remove(&account)
    }

    /// What is in an account.
    pub fn balance(&self, account: u64) -> Option<i64> {
        self.accounts.get(&account).copied()
    }

    /// What is in all of them.
    pub fn deposits_minor(&self) -> i64 {
        self.accounts.values().fold(0, |sum, balance| sum.saturating_add(*balance))
    }

    /// What it has taken for others less what it has paid for them: zero over all banks once all is settled.
    pub const fn settlement_minor(&self) -> i64 {
        self.settlement_minor
    }

    /// How a leg ended, if it was asked for.
    pub fn leg(&self, txn: TxnId, leg: Leg) -> Option<LegResult> {
        self.legs.get(&(txn, leg)).copied()
    }

    /// Carries out a leg, once: the same question has the same answer for ever.
    pub fn handle(&mut self, txn: TxnId, leg: Leg, account: u64, minor: i64) -> LegResult {
        if let Some(known) = self.legs.get(&(txn, leg)).filter(|_| !self.is_forgetful()) {
            return *known;
        }
        let result = match leg {
            Leg::Debit => self.pay(account, minor.checked_neg()),
            Leg::Credit => self.pay(account, Some(minor).filter(|minor| *minor > 0)),
            Leg::Reversal => self.reverse(txn, account, minor),
        };
        let result = if result.is_ok() { LegResult::Done } else { LegResult::Refused };
        // A reversal that an account does not take now has to be taken some day.
        if (leg, result) != (Leg::Reversal, LegResult::Refused) {
            self.legs.insert((txn, leg), result);
        }
        result
    }

    /// Gives back what was taken. A debit that has not come yet is refused from now on.
    fn reverse(&mut self, txn: TxnId, account: u64, minor: i64) -> Result<(), BankRefusal> {
        match *self.legs.entry((txn, Leg::Debit)).or_insert(LegResult::Refused) {
            LegResult::Refused => Ok(()),
            LegResult::Done => self.pay(account, Some(minor)),
        }
    }

    /// Between an account and the settlement account; negative takes from the account.
    fn pay(&mut self, account: u64, minor: Option<i64>) -> Result<(), BankRefusal> {
        let minor = minor.filter(|minor| *minor != 0).ok_or(BankRefusal::BadAmount)?;
        let balance = self.accounts.get_mut(&account).ok_or(BankRefusal::NoAccount)?;
        let after = balance.checked_add(minor).ok_or(BankRefusal::BadAmount)?;
        let settled = self.settlement_minor.checked_sub(minor).ok_or(BankRefusal::BadAmount)?;
        if minor < 0 && after < 0 {
            return Err(BankRefusal::NoFunds);
        }
        *balance = after;
        self.settlement_minor = settled;
        Ok(())
    }

    #[cfg(test)]
    const fn is_forgetful(&self) -> bool {
        self.forgets_legs
    }

    #[cfg(not(test))]
    const fn is_forgetful(&self) -> bool {
        false
    }
}
