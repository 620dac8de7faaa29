//! Where a simulated scheduler keeps its jobs: in memory, or behind a log on a simulated disk. Decides nothing.

use foreshock_systems::store::{
    Batch, CommitNumber, MemoryStore, PowerCut, SimDisk, Store, StoreError, Stored, WalConfig, WalStore,
};

use crate::cluster::Durable;
use crate::kernel::time::Time;

/// Any of the stores of the library.
pub(super) enum JobStore {
    Memory(MemoryStore),
    Log(Box<WalStore<SimDisk>>),
}

impl JobStore {
    /// An empty one; `None`: in memory.
    pub(super) fn new(log: Option<WalConfig>) -> JobStore {
        match log {
            None => JobStore::Memory(MemoryStore::new()),
            Some(config) => JobStore::opened(SimDisk::new(), config),
        }
    }

    fn opened(disk: SimDisk, config: WalConfig) -> JobStore {
        let (store, _) = WalStore::open(disk, config)
            .expect("a disk without damage of its own can be read: a crash tears ends off, never holes");
        JobStore::Log(Box::new(store))
    }

    /// What the next process finds. When the machine died, a part of what was not synced, drawn by `entropy`.
    pub(super) fn restarted(self, keep: Durable, entropy: u64, log: Option<WalConfig>) -> JobStore {
        let (store, config) = match (self, log) {
            (JobStore::Log(store), Some(config)) => (store, config),
            (JobStore::Memory(_), log) | (JobStore::Log(_), log @ None) => return JobStore::new(log),
        };
        let mut disk = store.into_disk();
        match keep {
            Durable::Written => {}
            Durable::Disk => {
                disk.cut_power(PowerCut { after_operations: 0, entropy });
                disk = disk.restart();
            }
            Durable::Nothing => disk = SimDisk::new(),
        }
        JobStore::opened(disk, config)
    }
}

impl Store for JobStore {
    fn get(&self, key: &[u8]) -> Option<Stored<'_>> {
        match self {
            JobStore::Memory(store) => store.get(key),
            JobStore::Log(store) => store.get(key),
        }
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], Stored<'_>) -> bool) {
        match self {
            JobStore::Memory(store) => store.scan(prefix, visit),
            JobStore::Log(store) => store.scan(prefix, visit),
        }
    }

    fn commit(&mut self, now: Time, batch: &Batch) -> Result<CommitNumber, StoreError> {
        match self {
            JobStore::Memory(store) => store.commit(now, batch),
            JobStore::Log(store) => store.commit(now, batch),
        }
    }

    fn sync(&mut self, now: Time) -> Result<CommitNumber, StoreError> {
        match self {
            JobStore::Memory(store) => store.sync(now),
            JobStore::Log(store) => store.sync(now),
        }
    }

    fn durable(&self) -> CommitNumber {
        match self {
            JobStore::Memory(store) => store.durable(),
            JobStore::Log(store) => store.durable(),
        }
    }

    fn deadline(&self) -> Option<Time> {
        match self {
            JobStore::Memory(store) => store.deadline(),
            JobStore::Log(store) => store.deadline(),
        }
    }
}
