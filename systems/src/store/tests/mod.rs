//! Both stores against the laws; stores broken on purpose against the same laws.

mod broken;

use super::conformance::{Crash, Crashing, check, check_crashes};
use super::*;
use crate::time::Span;
use proptest::prelude::*;

const EVERY: FsyncPolicy = FsyncPolicy::EveryCommit;
const GROUP: FsyncPolicy = FsyncPolicy::Group { max_commits: 8, max_wait: Span::from_millis(5) };

fn wal(fsync: FsyncPolicy, compact_above_bytes: usize) -> WalStore<SimDisk> {
    let config = WalConfig { fsync, compact_above_bytes };
    WalStore::open(SimDisk::new(), config).expect("an empty disk is an empty store").0
}

impl Crashing for WalStore<SimDisk> {
    fn arm(&mut self, crash: Crash) {
        self.disk_mut().cut_power(PowerCut { after_operations: crash.after_steps, entropy: crash.entropy });
    }

    fn reopen(self) -> Result<Self, String> {
        let config = self.config();
        let opened = WalStore::open(self.into_disk().restart(), config).map_err(|error| error.to_string())?;
        Ok(opened.0)
    }
}

#[test]
fn every_store_keeps_the_laws() {
    check(&mut MemoryStore::new).expect("memory");
    for fsync in [EVERY, GROUP, FsyncPolicy::Never] {
        check(&mut || wal(fsync, 1 << 20)).expect("a log");
        check(&mut || wal(fsync, 0)).expect("a log that is compacted all the time");
    }
}

#[test]
fn a_log_survives_a_crash_at_each_of_its_steps() {
    for fsync in [EVERY, GROUP] {
        for compact_above_bytes in [1 << 20, 300] {
            let crashes =
                check_crashes(&mut || wal(fsync, compact_above_bytes), 120).expect("nothing durable is lost");
            assert_eq!(crashes, 480);
        }
    }
}

#[test]
fn without_syncs_a_crash_takes_what_was_acknowledged() {
    let lost = check_crashes(&mut || wal(FsyncPolicy::Never, 1 << 20), 60).unwrap_err();
    assert!(lost.seen.contains("was durable"), "{lost}");
}

#[test]
fn a_group_is_synced_when_it_is_full_or_has_waited() {
    let mut store = wal(GROUP, 1 << 20);
    let mut batch = Batch::new();
    batch.put("k", "v");
    let at = |ms| Time::ZERO + Span::from_millis(ms);
    for number in 1..8 {
        store.commit(at(number), &batch).expect("it is written");
        assert_eq!((store.durable(), store.deadline()), (CommitNumber::NONE, Some(at(6))));
    }
    store.commit(at(8), &batch).expect("it is written");
    assert_eq!((store.durable(), store.deadline()), (CommitNumber(8), None));
}

#[test]
fn after_a_failed_sync_nothing_is_promised_until_the_log_is_opened_again() {
    let mut store = wal(EVERY, 1 << 20);
    let mut batch = Batch::new();
    batch.put("k", "v");
    store.commit(Time::ZERO, &batch).expect("it is written");
    store.disk_mut().fail_syncs(1);
    let failed = Err(StoreError::Disk(DiskError::SyncFailed));
    assert_eq!(store.commit(Time::ZERO, &batch), failed);
    // The next sync would succeed, and would not bring back what the first one lost.
    assert_eq!(store.commit(Time::ZERO, &batch), failed);
    assert_eq!(store.sync(Time::ZERO), failed);
    assert_eq!(store.durable(), CommitNumber(1));
    assert!(store.reopen().expect("the log is whole").get(b"k").is_some());
}

#[test]
fn a_full_disk_refuses_and_keeps_what_it_has() {
    let mut store = wal(EVERY, 1 << 20);
    store.disk_mut().set_capacity(Some(100));
    let mut batch = Batch::new();
    batch.put("k", vec![1; 40]);
    store.commit(Time::ZERO, &batch).expect("there is room for one");
    assert_eq!(store.commit(Time::ZERO, &batch), Err(StoreError::Disk(DiskError::Full)));
}

#[test]
fn a_compacted_log_stays_small_and_loses_nothing() {
    let mut store = wal(EVERY, 400);
    for number in 0..1_000u64 {
        let mut batch = Batch::new();
        batch.put(format!("k{}", number % 4), number.to_le_bytes());
        store.commit(Time::ZERO, &batch).expect("it is written");
    }
    let disk = store.disk();
    assert!(disk.files().iter().map(|file| disk.read(*file).len()).sum::<usize>() < 1_000);
    let reopened = store.reopen().expect("the log is whole");
    assert_eq!(reopened.get(b"k3").map(|stored| stored.value.to_vec()), Some(999u64.to_le_bytes().to_vec()));
}

#[test]
fn damage_in_the_middle_is_said_and_not_taken_for_the_end() {
    let mut disk = SimDisk::new();
    let mut store = wal(EVERY, 1 << 20);
    let mut batch = Batch::new();
    batch.put("k", "v");
    for _ in 0..3 {
        store.commit(Time::ZERO, &batch).expect("it is written");
    }
    // A log from which the second commit was cut out.
    let log = store.disk().read(0).to_vec();
    let frame = 8 + 1 + 8 + 8 + 2;
    let snapshot = log.len() - 3 * frame;
    let _ = disk.append(0, &[&log[..snapshot + frame], &log[snapshot + 2 * frame..]].concat());
    let opened = WalStore::open(disk, WalConfig::default());
    assert_eq!(opened.unwrap_err(), RecoverError::Gap { after: CommitNumber(1), found: CommitNumber(3) });
}

/// Everything that a store shows.
fn shown(store: &impl Store) -> Vec<(Vec<u8>, CommitNumber, Vec<u8>)> {
    let mut rows = Vec::new();
    store.scan(b"", &mut |key, stored| {
        rows.push((key.to_vec(), stored.version, stored.value.to_vec()));
        true
    });
    rows
}

proptest! {
    #[test]
    fn a_log_shows_what_memory_shows_whenever_somebody_looks(
        steps in prop::collection::vec((0u8..12, 0u8..9, 0usize..60), 0..120),
        compact_above_bytes in prop_oneof![Just(0usize), 1usize..2_000, Just(1 << 20)],
    ) {
        let (mut log, mut memory) = (wal(EVERY, compact_above_bytes), MemoryStore::new());
        for (what, key, length) in steps {
            // Some are so long that the table has them elsewhere.
            let name = vec![key; 1 + usize::from(key) * 5];
            let mut batch = Batch::new();
            match what {
                0..=5 => _ = batch.put(&name, vec![what; length]).put([what], [key]),
                6 => _ = batch.remove(&name).put([what], vec![what; length]),
                7 => _ = batch.expect(&name[..], Expected::Absent).put(&name, vec![what; length]),
                8 => {
                    prop_assert_eq!(log.get(&name), memory.get(&name));
                    continue;
                }
                9 => {
                    prop_assert_eq!(shown(&log), shown(&memory));
                    continue;
                }
                _ => {
                    log = log.reopen().expect("the log is whole");
                    continue;
                }
            }
            prop_assert_eq!(log.commit(Time::ZERO, &batch), memory.commit(Time::ZERO, &batch));
        }
        prop_assert_eq!(shown(&log), shown(&memory));
        prop_assert_eq!(shown(&log.reopen().expect("the log is whole")), shown(&memory));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut disk = SimDisk::new();
        let _ = disk.append(0, &bytes);
        let _ = WalStore::open(disk, WalConfig::default());
    }

    #[test]
    fn what_is_held_leaves_in_order_and_only_when_durable(
        commits in prop::collection::vec(0u64..20, 0..30), durable in 0u64..20,
    ) {
        let mut commits = commits;
        commits.sort_unstable();
        let mut held = Held::default();
        for commit in &commits {
            held.push(CommitNumber(*commit), *commit);
        }
        let mut out = Vec::new();
        held.release(CommitNumber(durable), &mut out);
        prop_assert_eq!(&out, &commits.iter().copied().filter(|commit| *commit <= durable).collect::<Vec<_>>());
        prop_assert_eq!(held.len(), commits.len() - out.len());
    }
}

#[test]
fn a_file_that_was_removed_may_come_back_until_the_next_sync() {
    let comes_back = |is_synced: bool| {
        (0..64).any(|entropy| {
            let mut disk = SimDisk::new();
            disk.append(1, b"old").expect("there is room");
            disk.sync(1).expect("it has power");
            disk.append(2, b"new").expect("there is room");
            disk.remove(1).expect("it has power");
            if is_synced {
                disk.sync(2).expect("it has power");
            }
            disk.cut_power(PowerCut { after_operations: 0, entropy: entropy << 1 });
            disk.restart().files().contains(&1)
        })
    };
    assert!(comes_back(false));
    assert!(!comes_back(true));
}

#[test]
fn a_batch_tells_its_keys_and_can_be_had_without_one() {
    let mut batch = Batch::new();
    batch.put("a", "1").put("b", "2").remove("a");
    assert_eq!(batch.keys().collect::<Vec<_>>(), [b"a", b"b", b"a"]);
    let without = batch.without(b"a");
    assert_eq!(without.keys().collect::<Vec<_>>(), [b"b"]);
    assert_eq!(without.pending(b"a"), None);
}
