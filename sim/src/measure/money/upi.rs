//! Transfers between banks: which legs of each were really done, and what is in suspense meanwhile.

use foreshock_systems::payment::upi::Leg;

use super::{Broken, MoneyMeasured, invariant};
use crate::measure::Index;

/// A leg that a bank has just carried out.
#[derive(Clone, Copy, Debug)]
pub struct LegDone {
    /// Of which transfer.
    pub txn: u64,
    /// Which leg.
    pub leg: Leg,
    /// Of how much, in minor units.
    pub minor: i64,
    /// What the account has more than before.
    pub account_delta: i64,
    /// What the bank owes the others less than before.
    pub settlement_delta: i64,
}

/// A transfer that a switch still works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnsettledTxn(pub u64);

/// What was done of a transfer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Legs {
    pub(super) minor: i64,
    pub(super) debits: u32,
    pub(super) credits: u32,
    pub(super) reversals: u32,
}

impl Legs {
    /// Taken, and neither arrived nor given back.
    pub(super) const fn is_in_suspense(&self) -> bool {
        self.debits > 0 && self.credits + self.reversals == 0
    }
}

/// The books on transfers.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    pub(super) legs: Index<u64, Legs>,
    suspense_minor: i64,
    suspense_max_minor: i64,
}

impl Transfers {
    pub(super) fn leg_done(&mut self, done: &LegDone) -> Vec<Broken> {
        let legs = self.legs.entry(done.txn).or_default();
        legs.minor = done.minor;
        match done.leg {
            Leg::Debit => legs.debits += 1,
            Leg::Credit => legs.credits += 1,
            Leg::Reversal => legs.reversals += 1,
        }
        self.suspense_minor = self.suspense_minor.saturating_sub(done.account_delta);
        self.suspense_max_minor = self.suspense_max_minor.max(self.suspense_minor);
        let mut broken = Vec::new();
        if legs.debits > 1 || legs.credits + legs.reversals > legs.debits {
            let Legs { minor, debits, credits, reversals } = *legs;
            let witness = format!(
                "transfer {:016x} of {minor}: {debits} debits, {credits} credits, {reversals} reversals",
                done.txn
            );
            broken.push((invariant::ONE_OUTCOME, witness));
        }
        if done.account_delta.checked_add(done.settlement_delta) != Some(0) {
            let witness = format!(
                "transfer {:016x}: the account changed by {}, what the bank owes by {}",
                done.txn, done.account_delta, done.settlement_delta
            );
            broken.push((invariant::BANKS_BALANCED, witness));
        }
        broken
    }

    pub(super) fn finish(&self, measured: &mut MoneyMeasured) {
        let count = |of: fn(&Legs) -> bool| self.legs.values().filter(|legs| of(legs)).count() as u64;
        measured.transfers.insert("debited", count(|legs| legs.debits > 0));
        measured.transfers.insert("credited", count(|legs| legs.credits > 0));
        measured.transfers.insert("reversed", count(|legs| legs.reversals > 0 && legs.debits > 0));
        measured.transfers.insert("suspense_minor", self.suspense_minor.max(0).unsigned_abs());
        measured.transfers.insert("suspense_max_minor", self.suspense_max_minor.max(0).unsigned_abs());
    }
}
