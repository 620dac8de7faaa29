//! Where a node keeps what it knows, as its settings say: in memory, or behind a log on a simulated disk that a crash
//! leaves in the state it happens to be in. Knows no kind.

use foreshock_systems::store::{
    Batch, CommitNumber, FsyncPolicy, MemoryStore, PowerCut, SimDisk, Store, StoreError, Stored, WalConfig,
    WalStore,
};

use serde_json::{Map, Value};

use crate::cluster::{Cx, Durable};
use crate::kernel::time::Time;
use crate::nodes::setting_table::{choice, lifetime, up_to};
use crate::scenario::quantity::Problem;

/// Where a node keeps what it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreKind {
    /// Nowhere: it is gone with the process.
    Memory,
    /// In a log, synced so.
    Wal(FsyncPolicy),
}

/// The settings that every kind with a store has.
pub(super) const STORE_KEYS: [&str; 2] = ["store", "fsync"];

/// Reads where a node keeps what it knows from its settings `store` and `fsync`; or says what is wrong, by setting.
pub(super) fn store_kind(written: &Map<String, Value>) -> Result<StoreKind, Vec<(String, String)>> {
    let mut wrong = Vec::new();
    let mut note = |key: &str, problem: Problem| wrong.push((key.to_string(), problem.sentence()));
    let in_memory = written.get("store").map(|value| choice(value, &[("wal", false), ("memory", true)]));
    let in_memory = in_memory.unwrap_or(Ok(false)).unwrap_or_else(|problem| {
        note("store", problem);
        false
    });
    let policy = written.get("fsync").map_or(Ok(FsyncPolicy::EveryCommit), fsync);
    let policy = policy.unwrap_or_else(|problem| {
        note("fsync", problem);
        FsyncPolicy::EveryCommit
    });
    if in_memory && written.contains_key("fsync") {
        let message = "a store in memory has nothing to sync";
        note("fsync", Problem::new(message, "remove one of `store` and `fsync`"));
    }
    match wrong.is_empty() {
        true if in_memory => Ok(StoreKind::Memory),
        true => Ok(StoreKind::Wal(policy)),
        false => Err(wrong),
    }
}

/// Reads when a log is synced.
pub(super) fn fsync(value: &Value) -> Result<FsyncPolicy, Problem> {
    const HELP: &str = "write `every_commit`, `never`, or `{group: {commits: 16, wait: 2ms}}`";
    let Value::Object(written) = value else {
        return choice(value, &[("every_commit", FsyncPolicy::EveryCommit), ("never", FsyncPolicy::Never)]);
    };
    let group = written.get("group").and_then(Value::as_object).filter(|_| written.len() == 1);
    let group = group.ok_or_else(|| Problem::new("this is no policy", HELP))?;
    let of = |key: &str| group.get(key).ok_or_else(|| Problem::new(format!("`{key}` is missing"), HELP));
    let (commits, wait) = (up_to(of("commits")?, 1_000_000)?, lifetime(of("wait")?)?);
    if group.len() != 2 {
        return Err(Problem::new("a group has `commits` and `wait`", HELP));
    }
    Ok(FsyncPolicy::Group { max_commits: commits, max_wait: wait })
}

enum Kept {
    Memory(MemoryStore),
    Wal(Box<WalStore<SimDisk>>),
}

/// A store with a choice.
pub(super) struct AnyStore {
    kept: Kept,
    /// A defect, for tests of the checks that have to notice: of the keys that begin so, every so many writes are lost.
    loses: Option<(&'static [u8], u64)>,
    writes: u64,
}

impl AnyStore {
    /// Opens what a disk holds. Nothing but a defect of the log itself could keep it from being opened.
    pub(super) fn open(kind: StoreKind, disk: Option<SimDisk>) -> AnyStore {
        let kept = match kind {
            StoreKind::Memory => Kept::Memory(MemoryStore::new()),
            StoreKind::Wal(fsync) => {
                let config = WalConfig { fsync, ..WalConfig::default() };
                let opened = WalStore::open(disk.unwrap_or_default(), config);
                let (store, _) = opened.expect("a log loses its end in a crash, and nothing else");
                Kept::Wal(Box::new(store))
            }
        };
        AnyStore { kept, loses: None, writes: 0 }
    }

    /// The same, and of the writes of keys that begin so, every so many are lost.
    pub(super) fn leaky(mut self, loses: Option<(&'static [u8], u64)>) -> AnyStore {
        self.loses = loses;
        self
    }

    /// What a crash leaves: a disk as it comes back, or nothing. When the machine died, a part of what was not synced,
    /// drawn by `entropy`.
    pub(super) fn crash(self, keep: Durable, entropy: u64) -> Option<SimDisk> {
        let Kept::Wal(store) = self.kept else { return None };
        let mut disk = store.into_disk();
        match keep {
            Durable::Written => Some(disk),
            Durable::Disk => {
                disk.cut_power(PowerCut { after_operations: 0, entropy });
                Some(disk.restart())
            }
            Durable::Nothing => None,
        }
    }

    /// The process is gone; what a crash leaves is drawn when the next one looks.
    pub(super) fn fallen(self, keep: Durable) -> Fallen {
        Fallen { store: self, keep }
    }

    fn store(&self) -> &dyn Store {
        match &self.kept {
            Kept::Memory(store) => store,
            Kept::Wal(store) => store.as_ref(),
        }
    }

    fn store_mut(&mut self) -> &mut dyn Store {
        match &mut self.kept {
            Kept::Memory(store) => store,
            Kept::Wal(store) => store.as_mut(),
        }
    }

    /// A batch without the write that is lost.
    fn damaged(&mut self, batch: &Batch, (prefix, every): (&[u8], u64)) -> Option<Batch> {
        let mut lost = None;
        for key in batch.keys().filter(|key| key.starts_with(prefix)) {
            self.writes += 1;
            if self.writes.is_multiple_of(every) {
                lost = Some(key.to_vec());
            }
        }
        lost.map(|key| batch.without(&key))
    }
}

/// A store whose process crashed.
pub(super) struct Fallen {
    store: AnyStore,
    keep: Durable,
}

impl Fallen {
    /// What is there when a process looks again after its `crashes`-th crash.
    pub(super) fn disk(self, crashes: u64, cx: &Cx<'_>) -> Option<SimDisk> {
        self.store.crash(self.keep, cx.key("power").draw(cx.redrawn(crashes)))
    }
}

impl Store for AnyStore {
    fn get(&self, key: &[u8]) -> Option<Stored<'_>> {
        self.store().get(key)
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], Stored<'_>) -> bool) {
        self.store().scan(prefix, visit);
    }

    fn commit(&mut self, now: Time, batch: &Batch) -> Result<CommitNumber, StoreError> {
        let damaged = self.loses.and_then(|loses| self.damaged(batch, loses));
        self.store_mut().commit(now, damaged.as_ref().unwrap_or(batch))
    }

    fn sync(&mut self, now: Time) -> Result<CommitNumber, StoreError> {
        self.store_mut().sync(now)
    }

    fn durable(&self) -> CommitNumber {
        self.store().durable()
    }

    fn deadline(&self) -> Option<Time> {
        self.store().deadline()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::Kinds;
    use crate::scenario::KindsCheck;
    use serde_json::json;

    fn wrong(kind: &str, settings: &Value) -> Vec<(String, String)> {
        Kinds::default().check_settings(kind, settings.as_object().expect("settings are a mapping"))
    }

    #[test]
    fn all_kinds_have_the_same_words_for_where_they_keep_what_they_know() {
        for kind in ["job-scheduler", "payments", "upi-switch", "config-server", "notifier"] {
            let group = json!({"group": {"commits": 8, "wait": "2ms"}});
            for sound in [json!({"store": "memory"}), json!({"fsync": group, "store": "wal"})] {
                assert_eq!(wrong(kind, &sound), [], "{kind}");
            }
            let told = wrong(kind, &json!({"store": "log", "fsync": {"commits": 8, "wait": "2ms"}}));
            let [(first, store), (second, fsync)] = &told[..] else { panic!("{kind}: {told:?}") };
            assert_eq!((first.as_str(), second.as_str()), ("store", "fsync"), "{kind}");
            assert_eq!(store, "`log` is not known here; use wal or memory", "{kind}");
            assert!(fsync.starts_with("this is no policy; write"), "{kind}: {fsync}");
            let told = wrong(kind, &json!({"store": "memory", "fsync": "never"}));
            let [(_, told)] = &told[..] else { panic!("{kind}: {told:?}") };
            assert_eq!(told, "a store in memory has nothing to sync; remove one of `store` and `fsync`");
        }
    }
}
