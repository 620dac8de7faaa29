//! The way from a journal to a store: at least once, in order, checkpointed behind the acknowledgement.

use super::*;
use crate::logging::*;
use crate::rate_limiter::RateLimitConfig;
use crate::store::{MemoryStore, SimDisk};
use proptest::prelude::*;

fn journal(lines: u64) -> Journal<SimDisk> {
    let config =
        JournalConfig { fsync: JournalFsync::EveryRecord, segment_bytes: 200, ..JournalConfig::default() };
    let (mut journal, _) = Journal::open(SimDisk::new(), config, 0, Time::ZERO).unwrap();
    for n in 0..lines {
        journal.append(at(n), info("line")).unwrap();
    }
    journal
}

fn config() -> ShipperConfig {
    ShipperConfig { batch_records: 4, checkpoint_every: Span::ZERO, ..ShipperConfig::default() }
}

#[test]
fn a_crash_between_acknowledgement_and_checkpoint_sends_that_batch_again_and_loses_none() {
    let journal = journal(10);
    let (mut kept, mut store) = (MemoryStore::new(), LogStore::new(LogStoreConfig::default()));
    let mut shipper = Shipper::resume(config(), &kept, Time::ZERO);
    for round in 0..2 {
        let batch = shipper.next(at(20), &journal).expect("lines wait").lines.clone();
        store.push(at(20), 1, &batch).unwrap();
        shipper.acknowledged();
        if round == 0 {
            shipper.checkpoint(at(20), &mut kept).unwrap();
        }
    }
    let mut shipper = Shipper::resume(config(), &kept, at(30));
    assert_eq!((shipper.saved(), store.last_sequence(1)), (4, 8));
    while let Some(batch) = shipper.next(at(30), &journal).map(|batch| batch.lines.clone()) {
        store.push(at(30), 1, &batch).unwrap();
        shipper.acknowledged();
    }
    assert_eq!((store.counts().duplicates, store.counts().stored, store.counts().gaps), (4, 10, 0));
    shipper.audit(store.last_sequence(1)).unwrap();
    store.audit().unwrap();
}

#[test]
fn a_checkpoint_before_delivery_is_noticed() {
    let journal = journal(4);
    let mut shipper = Shipper::resume(config(), &MemoryStore::new(), Time::ZERO);
    shipper.next(at(9), &journal).expect("lines wait");
    shipper.acknowledged(); // nobody has taken it
    assert_eq!(shipper.audit(0), Err(Violation::CheckpointAhead { checkpoint: 4, acknowledged: 0 }));
}

#[test]
fn a_store_that_asks_for_a_pause_gets_it() {
    let journal = journal(9);
    let stream_limit = Some(RateLimitConfig { rate_per_s_milli: 4_000, burst: 4 });
    let mut store = LogStore::new(LogStoreConfig { stream_limit, ..LogStoreConfig::default() });
    let mut shipper = Shipper::resume(config(), &MemoryStore::new(), Time::ZERO);
    let (mut now, mut rounds) = (at(10), 0);
    while store.counts().stored < 9 && rounds < 100 {
        rounds += 1;
        now = now.max(shipper.not_before());
        let Some(batch) = shipper.next(now, &journal).map(|batch| batch.lines.clone()) else { break };
        match store.push(now, 1, &batch) {
            Ok(_) => shipper.acknowledged(),
            Err(Refusal::StreamLimit(pause)) => shipper.failed(now, pause.0, 0),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((store.counts().stored, store.counts().throttled, rounds), (9, 2, 5));
}

#[test]
fn the_store_refuses_what_is_too_old_or_out_of_order_by_policy_and_keeps_the_order_of_numbers() {
    let lines = |times: [u64; 3]| {
        let line = |(number, ms)| Record { sequence: number, at: at(ms), ..info("line") };
        (1..).zip(times).map(line).collect::<Vec<Record>>()
    };
    let back = lines([3_600_000, 5, 3_600_001]);
    let strict = LogStoreConfig { out_of_order: OutOfOrder::Refuse, ..LogStoreConfig::default() };
    let pushed = |config, lines: &[Record], now| {
        let mut store = LogStore::new(config);
        let pushed = store.push(now, 1, lines).unwrap();
        store.audit().unwrap();
        pushed
    };
    assert_eq!(pushed(strict, &back, at(3_600_001)), Pushed { stored: 2, duplicates: 0, refused: 1 });
    assert_eq!(pushed(LogStoreConfig::default(), &back, at(3_600_001)).stored, 3);
    let short = LogStoreConfig { max_age: Span::from_millis(10), ..LogStoreConfig::default() };
    assert_eq!(pushed(short, &lines([1, 50, 60]), at(60)), Pushed { stored: 2, duplicates: 0, refused: 1 });
}

#[test]
fn too_many_streams_and_a_full_queue_are_refused_whole() {
    let mut store =
        LogStore::new(LogStoreConfig { max_streams: 1, queue_lines: 2, ..LogStoreConfig::default() });
    let line = |sequence| Record { sequence, ..info("line") };
    store.push(at(0), 1, &[line(1)]).unwrap();
    assert_eq!(store.push(at(0), 2, &[line(1)]), Err(Refusal::Cardinality));
    assert_eq!(store.push(at(0), 1, &[line(2), line(3)]), Err(Refusal::QueueFull));
    store.indexed(1);
    assert_eq!(store.push(at(0), 1, &[line(2), line(3)]).map(|pushed| pushed.stored), Ok(2));
}

proptest! {
    #[test]
    fn whatever_is_lost_on_the_way_or_crashes_every_line_arrives_once_and_in_order(
        lines in 1u64..40, fates in prop::collection::vec(0u8..5, 0..60),
    ) {
        let mut journal = journal(lines);
        let (mut kept, mut store) = (MemoryStore::new(), LogStore::new(LogStoreConfig::default()));
        let mut shipper = Shipper::resume(config(), &kept, Time::ZERO);
        let mut now = at(100);
        for fate in fates.into_iter().chain(std::iter::repeat_n(0, 20)) {
            now = now.max(shipper.not_before());
            let Some(batch) = shipper.next(now, &journal).map(|batch| batch.lines.clone()) else { break };
            // The batch arrives unless it is lost; the answer arrives unless that is lost; a crash forgets both.
            if fate != 1 {
                store.push(now, 1, &batch).unwrap();
            }
            match fate {
                0 => shipper.acknowledged(),
                1 | 2 => shipper.failed(now, Span::ZERO, u64::from(fate)),
                _ => shipper = Shipper::resume(config(), &kept, now),
            }
            shipper.checkpoint(now, &mut kept).unwrap();
            journal.release(shipper.saved()).unwrap();
            prop_assert_eq!(shipper.audit(store.last_sequence(1)), Ok(()));
            prop_assert_eq!(store.audit(), Ok(()));
            prop_assert_eq!(store.counts().gaps, 0);
        }
        prop_assert_eq!(store.counts().stored, lines);
        let order: Vec<u64> = store.lines(1).map(|line| line.sequence).collect();
        prop_assert_eq!(order, (1..=lines).collect::<Vec<u64>>());
    }
}
