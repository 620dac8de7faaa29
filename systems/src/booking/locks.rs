//! Who holds which row, and who waits for whom. A wait that would close a circle is refused at once. Never waits by
//! itself: whoever is told to wait asks again when the other one has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A transaction, by the number its database gave it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxnId(pub u64);

/// Why a row is not locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockError {
    /// That transaction has it: ask again when it has ended.
    HeldBy(TxnId),
    /// It waits, through others or directly, for the one that asks: roll back and begin again. Whoever locks rows in one
    /// order never meets this.
    Deadlock(TxnId),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::HeldBy(holder) => {
                write!(f, "transaction {} has locked it: ask again when that has ended", holder.0)
            }
            LockError::Deadlock(holder) => {
                write!(
                    f,
                    "transaction {} waits for this one: roll back, and lock rows in one order",
                    holder.0
                )
            }
        }
    }
}

impl std::error::Error for LockError {}

/// Exclusive locks by key.
#[derive(Clone, Debug)]
pub struct LockTable<K> {
    holders: BTreeMap<K, TxnId>,
    held: BTreeMap<TxnId, BTreeSet<K>>,
    waits: BTreeMap<TxnId, TxnId>,
    deadlocks: u64,
}

impl<K> Default for LockTable<K> {
    fn default() -> LockTable<K> {
        LockTable { holders: BTreeMap::new(), held: BTreeMap::new(), waits: BTreeMap::new(), deadlocks: 0 }
    }
}

impl<K: Ord + Clone> LockTable<K> {
    /// Locks a row; one that is held already by the same transaction stays so.
    ///
    /// # Errors
    /// [`LockError`]; then the transaction keeps what it has.
    pub fn lock(&mut self, txn: TxnId, key: &K) -> Result<(), LockError> {
        self.waits.remove(&txn);
        match self.holders.get(key).copied() {
            Some(holder) if holder != txn => {
                if self.waits_for(holder, txn) {
                    self.deadlocks = self.deadlocks.saturating_add(1);
                    return Err(LockError::Deadlock(holder));
                }
                self.waits.insert(txn, holder);
                Err(LockError::HeldBy(holder))
            }
            Some(_) => Ok(()),
            None => {
                self.holders.insert(key.clone(), txn);
                self.held.entry(txn).or_default().insert(key.clone());
                Ok(())
            }
        }
    }

    /// Lets go of all that a transaction has locked, and of its wait.
    pub fn release(&mut self, txn: TxnId) {
        self.waits.remove(&txn);
        for key in self.held.remove(&txn).unwrap_or_default() {
            self.holders.remove(&key);
        }
    }

    /// Circles refused so far.
    pub const fn deadlocks(&self) -> u64 {
        self.deadlocks
    }

    /// Whether one waits for another, directly or through others. Every transaction waits for at most one, so this is a
    /// walk; it ends because no circle was ever let in.
    fn waits_for(&self, mut waiting: TxnId, wanted: TxnId) -> bool {
        while let Some(holder) = self.waits.get(&waiting) {
            if *holder == wanted {
                return true;
            }
            waiting = *holder;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_of_waits_is_refused_to_whoever_would_close_it() {
        let mut locks = LockTable::default();
        let [one, two, three] = [1, 2, 3].map(TxnId);
        for (txn, key) in [(one, 'a'), (two, 'b'), (three, 'c')] {
            assert_eq!(locks.lock(txn, &key), Ok(()));
            assert_eq!(locks.lock(txn, &key), Ok(()), "it has it already");
        }
        assert_eq!(locks.lock(one, &'b'), Err(LockError::HeldBy(two)));
        assert_eq!(locks.lock(two, &'c'), Err(LockError::HeldBy(three)));
        assert_eq!(locks.lock(three, &'a'), Err(LockError::Deadlock(one)));
        locks.release(three);
        assert_eq!(locks.lock(two, &'c'), Ok(()));
        assert_eq!(locks.lock(one, &'b'), Err(LockError::HeldBy(two)));
        locks.release(two);
        assert_eq!(locks.lock(one, &'b'), Ok(()));
        assert_eq!(locks.deadlocks(), 1);
    }
}
