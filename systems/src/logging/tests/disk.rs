//! The journal on a disk that crashes, fills up and fails to sync.

use super::*;
use crate::logging::*;
use crate::store::{Disk, DiskError, PowerCut, SimDisk};
use proptest::prelude::*;

fn config(fsync: JournalFsync) -> JournalConfig {
    JournalConfig { fsync, segment_bytes: 300, ..JournalConfig::default() }
}

fn open(disk: SimDisk, fsync: JournalFsync) -> (Journal<SimDisk>, JournalRecovered) {
    Journal::open(disk, config(fsync), 0, Time::ZERO).expect("an honest disk opens")
}

fn numbers(journal: &Journal<SimDisk>) -> Vec<u64> {
    journal.read(Position::default(), usize::MAX).0.iter().map(|line| line.sequence).collect()
}

#[test]
fn with_every_record_no_acknowledged_line_is_lost_wherever_the_power_goes() {
    for after_operations in 0..60 {
        for entropy in [0, 1, 0x9E37_79B9_7F4A_7C15, u64::MAX] {
            let mut disk = SimDisk::new();
            disk.cut_power(PowerCut { after_operations, entropy });
            let (mut journal, _) = open(disk, JournalFsync::EveryRecord);
            let mut acknowledged = 0;
            for n in 0..12 {
                if let Ok(Appended::Written(number)) = journal.append(at(n), info("line")) {
                    acknowledged = number;
                }
                journal.audit().unwrap();
            }
            let (journal, recovered) = open(journal.into_disk().restart(), JournalFsync::EveryRecord);
            assert!(recovered.last >= acknowledged, "{} of {acknowledged}", recovered.last);
            let all: Vec<u64> = (1..=recovered.last).collect();
            assert_eq!(numbers(&journal), all);
        }
    }
}

#[test]
fn with_an_interval_what_a_crash_takes_was_written_after_the_last_sync() {
    let interval = JournalFsync::Interval(Span::from_millis(100));
    for cut_ms in (5..1_000).step_by(35) {
        let (mut journal, _) = open(SimDisk::new(), interval);
        for ms in (0..cut_ms).step_by(10) {
            if journal.deadline().is_some_and(|due| due <= at(ms)) {
                journal.sync().unwrap();
            }
            journal.append(at(ms), info("line")).unwrap();
        }
        let (written, durable) = (journal.last(), journal.durable());
        assert!(written - durable <= 10, "at most an interval of lines");
        journal.disk_mut().cut_power(PowerCut { after_operations: 0, entropy: cut_ms });
        let (_, recovered) = open(journal.into_disk().restart(), interval);
        assert!((durable..=written).contains(&recovered.last));
    }
}

#[test]
fn a_crash_at_every_byte_of_the_last_line_cuts_off_that_line_and_no_other() {
    let (mut journal, _) = open(SimDisk::new(), JournalFsync::EveryRecord);
    for n in 0..3 {
        journal.append(at(n), info("a line of some length")).unwrap();
    }
    let disk = journal.into_disk();
    let whole = disk.read(0).to_vec();
    let (_, before) = reopened(&whole);
    assert_eq!((before.last, before.torn_bytes), (3, 0));
    let mut third = whole.len();
    for cut in (0..whole.len()).rev() {
        let (_, recovered) = reopened(&whole[..cut]);
        if recovered.last < 2 {
            break;
        }
        third = cut;
        assert_eq!((recovered.last, recovered.torn_bytes as usize), (2, cut - length_of_two(&whole)));
    }
    assert_eq!(third, length_of_two(&whole));
}

fn reopened(bytes: &[u8]) -> (Journal<SimDisk>, JournalRecovered) {
    let mut disk = SimDisk::new();
    disk.append(0, bytes).unwrap();
    open(disk, JournalFsync::EveryRecord)
}

/// All lines are of one length, so the third is a third of what follows the header.
fn length_of_two(whole: &[u8]) -> usize {
    let header = 8 + u32::from_le_bytes(whole[..4].try_into().unwrap()) as usize;
    header + (whole.len() - header) / 3 * 2
}

#[test]
fn damage_in_the_middle_is_an_error_and_a_reader_that_skips_it_would_lose_lines_in_silence() {
    let (mut journal, _) = open(SimDisk::new(), JournalFsync::EveryRecord);
    for n in 0..3 {
        journal.append(at(n), info("a line of some length")).unwrap();
    }
    let whole = journal.into_disk().read(0).to_vec();
    let second_ends = length_of_two(&whole);
    for at in 10..second_ends {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        let mut disk = SimDisk::new();
        disk.append(0, &damaged).unwrap();
        let opened = Journal::open(disk, config(JournalFsync::EveryRecord), 0, Time::ZERO);
        assert!(matches!(opened, Err(JournalRecoverError::Damaged { .. })), "byte {at}");
    }
}

#[test]
fn lines_of_a_failed_sync_count_as_lost_even_if_the_next_one_succeeds() {
    let (mut journal, _) = open(SimDisk::new(), JournalFsync::Interval(Span::from_secs(1)));
    journal.append(at(0), info("a")).unwrap();
    journal.sync().unwrap();
    journal.append(at(1), info("b")).unwrap();
    journal.append(at(2), info("c")).unwrap();
    journal.disk_mut().fail_syncs(1);
    assert_eq!(journal.sync(), Err(JournalError::Disk(DiskError::SyncFailed)));
    assert_eq!(journal.append(at(3), info("d")), Ok(Appended::Written(4)));
    journal.sync().unwrap();
    assert_eq!((journal.counts().lost, numbers(&journal)), (2, vec![1, 4]));
    let disk = journal.into_disk();
    let (again, recovered) = open(disk.clone(), JournalFsync::EveryRecord);
    assert_eq!((recovered.distrusted, numbers(&again)), (2, vec![1, 4]), "and so in the next process");
    let (again, _) = open(disk.restart(), JournalFsync::EveryRecord);
    assert_eq!(numbers(&again), [1, 4], "and after the power was cut");
}

#[test]
fn a_full_disk_drops_and_counts_blocks_or_fails_and_recovers_without_a_restart() {
    for (on_disk_full, expected) in [
        (OnDiskFull::DropCounted, Ok(Appended::Dropped)),
        (OnDiskFull::Block, Err(JournalError::Blocked)),
        (OnDiskFull::Fail, Err(JournalError::Disk(DiskError::Full))),
    ] {
        let config = JournalConfig { on_disk_full, ..config(JournalFsync::EveryRecord) };
        let (mut journal, _) = Journal::open(SimDisk::new(), config, 0, Time::ZERO).unwrap();
        journal.append(at(0), info("a")).unwrap();
        journal.disk_mut().set_capacity(Some(60));
        for n in 1..4 {
            assert_eq!(journal.append(at(n), info("b")), expected);
        }
        let audit = Record { is_audit: true, ..info("who") };
        let refused = journal.append(at(5), audit);
        assert!(refused.is_err(), "a line for the auditors is never dropped");
        journal.disk_mut().set_capacity(None);
        assert_eq!(journal.append(at(6), info("c")), Ok(Appended::Written(2)));
        assert_eq!(numbers(&journal), [1, 2]);
        let dropped = if on_disk_full == OnDiskFull::DropCounted { 3 } else { 0 };
        assert_eq!(journal.counts().disk_full, dropped);
        journal.audit().unwrap();
    }
}

#[test]
fn a_reader_follows_segments_by_identity_although_file_numbers_come_again() {
    let (mut journal, _) = open(SimDisk::new(), JournalFsync::EveryRecord);
    let (mut position, mut seen, mut files_seen) = (Position::default(), Vec::new(), 0);
    for n in 0..200 {
        journal.append(at(n), info("a line that fills segments")).unwrap();
        if n % 7 == 0 {
            let (lines, behind) = journal.read(position, 3);
            seen.extend(lines.iter().map(|line| line.sequence));
            position = behind;
            journal.release(seen.last().copied().unwrap_or(0)).unwrap();
        }
        files_seen = files_seen.max(journal.disk_mut().files().last().copied().unwrap_or(0));
    }
    seen.extend(journal.read(position, usize::MAX).0.iter().map(|line| line.sequence));
    assert_eq!(seen, (1..=200).collect::<Vec<u64>>());
    assert!(files_seen + 1 < journal.counts().segments, "numbers were used again");
}

proptest! {
    #[test]
    fn opening_twice_gives_the_same_and_never_more_than_was_written(
        appends in 0u64..40, after in 0u64..80, entropy in any::<u64>(), group in 1u64..9,
    ) {
        let interval = JournalFsync::Interval(Span::from_millis(group));
        let mut disk = SimDisk::new();
        disk.cut_power(PowerCut { after_operations: after, entropy });
        let (mut journal, _) = open(disk, interval);
        for n in 0..appends {
            if journal.deadline().is_some_and(|due| due <= at(n)) { let _ = journal.sync(); }
            let _ = journal.append(at(n), info("line"));
            prop_assert_eq!(journal.audit(), Ok(()));
        }
        let (written, durable) = (journal.last(), journal.durable());
        let (first, recovered) = open(journal.into_disk().restart(), interval);
        prop_assert!(recovered.last >= durable && recovered.last <= written);
        let lines = numbers(&first);
        prop_assert_eq!(&lines, &(1..=recovered.last).collect::<Vec<u64>>());
        let (second, again) = open(first.into_disk().restart(), interval);
        prop_assert_eq!(numbers(&second), lines);
        prop_assert_eq!(again.last, recovered.last);
    }

    #[test]
    fn no_bytes_on_a_disk_make_opening_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut disk = SimDisk::new();
        disk.append(3, &bytes).unwrap();
        let _ = Journal::open(disk, config(JournalFsync::Never), 0, Time::ZERO);
    }
}
