//! Stores with one defect each, and the law that finds it.

use crate::store::conformance::{Crash, Crashing, check, check_crashes};
use crate::store::{Batch, CommitNumber, FsyncPolicy, SimDisk, Store, StoreError, Stored, WalStore};
use crate::time::Time;

#[derive(Clone, Copy, PartialEq)]
enum Defect {
    IgnoresConditions,
    LosesRemovals,
    AcknowledgesBeforeSync,
    TearsBatches,
}

struct BrokenStore {
    inner: WalStore<SimDisk>,
    defect: Defect,
}

fn broken(defect: Defect) -> BrokenStore {
    let fsync = match defect {
        Defect::AcknowledgesBeforeSync => super::GROUP,
        Defect::IgnoresConditions | Defect::LosesRemovals | Defect::TearsBatches => FsyncPolicy::EveryCommit,
    };
    BrokenStore { inner: super::wal(fsync, 1 << 20), defect }
}

impl Store for BrokenStore {
    fn get(&self, key: &[u8]) -> Option<Stored<'_>> {
        self.inner.get(key)
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], Stored<'_>) -> bool) {
        self.inner.scan(prefix, visit);
    }

    fn commit(&mut self, now: Time, batch: &Batch) -> Result<CommitNumber, StoreError> {
        let mut batch = batch.clone();
        match self.defect {
            Defect::IgnoresConditions => batch.conditions.clear(),
            Defect::LosesRemovals => batch = batch.filtered(|(_, value)| value.is_some()),
            Defect::AcknowledgesBeforeSync => {}
            Defect::TearsBatches => {
                // The first write goes by itself, in a commit of its own.
                let mut places = 0..;
                self.inner.commit(now, &batch.filtered(|_| places.next() == Some(0)))?;
                places = 0..;
                batch = batch.filtered(|_| places.next() != Some(0));
            }
        }
        self.inner.commit(now, &batch)
    }

    fn sync(&mut self, now: Time) -> Result<CommitNumber, StoreError> {
        self.inner.sync(now)
    }

    fn durable(&self) -> CommitNumber {
        match self.defect {
            Defect::AcknowledgesBeforeSync => self.inner.last(),
            Defect::IgnoresConditions | Defect::LosesRemovals | Defect::TearsBatches => self.inner.durable(),
        }
    }

    fn deadline(&self) -> Option<Time> {
        self.inner.deadline()
    }
}

impl Crashing for BrokenStore {
    fn arm(&mut self, crash: Crash) {
        self.inner.arm(crash);
    }

    fn reopen(self) -> Result<Self, String> {
        Ok(BrokenStore { inner: self.inner.reopen()?, defect: self.defect })
    }
}

#[test]
fn each_defect_breaks_a_law() {
    let cases = [
        (Defect::IgnoresConditions, "a batch with a condition that does not hold writes nothing"),
        (Defect::LosesRemovals, "what was written is read, what was removed is not"),
        (Defect::TearsBatches, "a batch with a condition that does not hold writes nothing"),
        (
            Defect::AcknowledgesBeforeSync,
            "a crash takes only what was never durable, and takes batches whole",
        ),
    ];
    for (defect, law) in cases {
        let found = check(&mut || broken(defect))
            .and_then(|()| check_crashes(&mut || broken(defect), 40).map(|_| ()));
        assert_eq!(found.map_err(|broken| broken.law), Err(law));
    }
}
