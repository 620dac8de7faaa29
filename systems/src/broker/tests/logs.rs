//! Stories and laws of one log: segments, retention, compaction, producers' sequences.

use super::cluster;
use crate::arithmetic::keyed_word;
use crate::broker::log::*;
use crate::broker::{BrokerId, PartitionId, ProducerId};
use crate::store::MemoryStore;
use crate::time::{Span, Time};
use proptest::prelude::*;
use std::collections::BTreeMap;

const P: PartitionId = PartitionId { topic: 0, index: 0 };

fn second(s: u64) -> Time {
    Time::ZERO + Span::from_secs(s)
}

/// A broker that leads alone, so that everything is committed at once.
fn alone(log: LogConfig, sabotage: Option<Sabotage>) -> Broker<MemoryStore> {
    let config = BrokerConfig {
        log,
        min_insync_replicas: 1,
        clean_every: Span::from_secs(1),
        ..BrokerConfig::default()
    };
    let mut broker = Broker::open(BrokerId(1), config, MemoryStore::new(), Time::ZERO).sabotaged(sabotage);
    let assignment = cluster::alone(P, BrokerId(1), 1);
    broker.handle(Time::ZERO, Input::Assign(assignment), &mut Vec::new()).expect("it has the partition");
    broker
}

fn write(broker: &mut Broker<MemoryStore>, now: Time, key: u8, value: Option<u8>) {
    let records = vec![NewRecord {
        key: Some([key].as_slice().into()),
        value: value.map(|value| [value].as_slice().into()),
    }];
    let produce = Produce { partition: P, acks: Acks::All, stamp: None, records };
    broker.handle(now, Input::Produce { token: 0, produce }, &mut Vec::new()).expect("it leads");
}

fn log(broker: &Broker<MemoryStore>) -> &PartitionLog {
    broker.replica(P).expect("it was assigned").log()
}

fn offsets(broker: &Broker<MemoryStore>) -> Vec<u64> {
    log(broker).from(0).map(|record| record.offset).collect()
}

fn expire(broker: &mut Broker<MemoryStore>, now: Time) {
    broker.expire(now, &mut Vec::new()).expect("memory does not fail");
}

const SMALL: u64 = 150;

#[test]
fn segments_are_named_by_their_first_offset_and_go_as_a_whole() {
    let config =
        LogConfig { segment_bytes: SMALL, retention: Some(Span::from_secs(100)), ..LogConfig::default() };
    let mut broker = alone(config, None);
    for number in 0..7 {
        write(&mut broker, second(u64::from(number) * 10), number, Some(number));
    }
    let files: Vec<String> = log(&broker).files().map(|(name, _)| name).collect();
    let names = ["0", "3", "6"].map(|base| format!("{base:0>20}.log"));
    assert_eq!(files, names);
    expire(&mut broker, second(121));
    assert_eq!(offsets(&broker), [3, 4, 5, 6], "the last record of the first segment is 101 s old");
    assert_eq!((log(&broker).start(), log(&broker).counts().expired), (3, 3));
    expire(&mut broker, second(1_000));
    assert_eq!((offsets(&broker), log(&broker).start(), log(&broker).end()), (vec![], 7, 7));
    write(&mut broker, second(1_001), 9, Some(9));
    assert_eq!(offsets(&broker), [7]);
    assert!(log(&broker).is_consistent());
}

#[test]
fn the_oldest_segments_go_while_all_together_are_too_large() {
    let config = LogConfig {
        segment_bytes: SMALL,
        retention: None,
        retention_bytes: Some(250),
        ..LogConfig::default()
    };
    let mut broker = alone(config, None);
    for number in 0..9 {
        write(&mut broker, second(1), number, Some(number));
    }
    expire(&mut broker, second(2));
    assert_eq!(offsets(&broker), [6, 7, 8]);
    assert!(log(&broker).bytes() <= 250);
}

#[test]
fn compaction_keeps_the_last_of_each_key_and_a_tombstone_for_a_while() {
    let config = LogConfig {
        segment_bytes: SMALL,
        cleanup: Cleanup::Compact,
        keep_tombstones: Span::from_secs(50),
        ..LogConfig::default()
    };
    let mut broker = alone(config, None);
    for (key, value) in [(1, Some(1)), (2, Some(1)), (1, Some(2)), (2, None), (3, Some(1)), (3, Some(2))] {
        write(&mut broker, second(1), key, value);
    }
    for filler in 10..13 {
        write(&mut broker, second(1), filler, Some(0));
    }
    expire(&mut broker, second(2));
    assert_eq!(offsets(&broker), [2, 3, 5, 6, 7, 8]);
    expire(&mut broker, second(60));
    assert_eq!(offsets(&broker), [2, 5, 6, 7, 8], "the tombstone of key 2 has gone");
    assert_eq!(log(&broker).counts().compacted, 4);
    assert!(log(&broker).is_consistent());
    // A reader goes over the gaps.
    let read = Read { partition: P, from: 0, max_records: 3, max_wait: Span::ZERO };
    let mut out = Vec::new();
    broker.handle(second(60), Input::Read { token: 1, read }, &mut out).expect("0 is the start of the log");
    let Some(Output::Records { records, .. }) = out.first() else { panic!("it is answered at once") };
    assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), [2, 5, 6]);
}

#[test]
fn segments_that_compaction_has_emptied_keep_nothing_from_growing_too_old() {
    let config = LogConfig {
        segment_bytes: SMALL,
        cleanup: Cleanup::CompactAndDelete,
        retention: Some(Span::from_secs(100)),
        ..LogConfig::default()
    };
    let mut broker = alone(config, None);
    for number in 0..9 {
        write(&mut broker, second(u64::from(number) * 10), 1, Some(number));
    }
    expire(&mut broker, second(90));
    assert_eq!(offsets(&broker), [5, 6, 7, 8], "of two closed segments the last value of the key is left");
    expire(&mut broker, second(160));
    assert_eq!(offsets(&broker), [6, 7, 8], "it is 110 s old");
    assert_eq!((log(&broker).start(), log(&broker).counts().expired), (6, 1));
    assert!(log(&broker).is_consistent());
}

#[test]
fn records_that_go_without_being_counted_are_noticed() {
    for sabotage in [None, Some(Sabotage::ForgetsRecords)] {
        let config = LogConfig { segment_bytes: SMALL, ..LogConfig::default() };
        let mut broker = alone(config, sabotage);
        for number in 0..9 {
            write(&mut broker, second(1), number, Some(number));
        }
        expire(&mut broker, second(10_000_000));
        let replica = broker.replica(P).expect("it was assigned");
        let verdict = LogAudit::new().check(P, &[replica]);
        let expected = sabotage.map(|_| Violation::Unbalanced(P, BrokerId(1)));
        assert_eq!(verdict.err(), expected);
    }
}

fn stamped(
    broker: &mut Broker<MemoryStore>,
    epoch: u16,
    sequence: u64,
    count: usize,
) -> Result<(Option<u64>, bool), Rejected> {
    let stamp = Some(Stamp { producer: ProducerId(1), epoch, sequence });
    let records = vec![NewRecord::of(b"k", b"v"); count];
    let mut out = Vec::new();
    let produce = Produce { partition: P, acks: Acks::All, stamp, records };
    broker.handle(second(1), Input::Produce { token: 0, produce }, &mut out)?;
    let produced = out.iter().find_map(|output| match output {
        Output::Produced { base_offset, is_duplicate, .. } => Some((*base_offset, *is_duplicate)),
        _ => None,
    });
    Ok(produced.expect("everything is committed at once"))
}

#[test]
fn a_batch_that_comes_again_is_written_once_and_one_that_comes_too_early_is_refused() {
    let mut broker = alone(LogConfig::default(), None);
    let broker = &mut broker;
    assert_eq!(stamped(broker, 0, 0, 3), Ok((Some(0), false)));
    assert_eq!(stamped(broker, 0, 0, 3), Ok((Some(0), true)));
    assert_eq!(stamped(broker, 0, 4, 1), Err(Rejected::OutOfOrderSequence { expected: 3 }));
    // A leader that had only a part of the batch takes the rest of it.
    assert_eq!(stamped(broker, 0, 2, 3), Ok((None, false)));
    assert_eq!(log(broker).end(), 5);
    for sequence in 5..12 {
        assert_eq!(stamped(broker, 0, sequence, 1), Ok((Some(sequence), false)));
    }
    assert_eq!(stamped(broker, 0, 11, 1), Ok((Some(11), true)));
    assert_eq!(stamped(broker, 0, 0, 3), Ok((None, true)), "its place is not remembered any more");
    assert_eq!(stamped(broker, 1, 1, 1), Err(Rejected::OutOfOrderSequence { expected: 0 }));
    assert_eq!(stamped(broker, 1, 0, 1), Ok((Some(12), false)));
    assert_eq!(stamped(broker, 0, 12, 1), Err(Rejected::ProducerFenced { current: 1 }));
    assert_eq!(log(broker).end(), 13);
}

#[test]
fn what_a_producer_has_written_is_known_after_a_restart() {
    let mut broker = alone(LogConfig::default(), None);
    stamped(&mut broker, 0, 0, 3).expect("it leads");
    let config = *broker.config();
    let mut broker = Broker::open(BrokerId(1), config, broker.into_store(), second(1));
    let assignment = cluster::alone(P, BrokerId(1), 2);
    broker.handle(second(1), Input::Assign(assignment), &mut Vec::new()).expect("it has the partition");
    assert_eq!(stamped(&mut broker, 0, 1, 2), Ok((None, true)));
    assert_eq!(stamped(&mut broker, 0, 3, 1), Ok((Some(3), false)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_cleaned_and_restarted_the_last_value_of_each_key_is_what_a_map_says(
        seed in any::<u64>(), steps in 1u64..120,
    ) {
        let config = LogConfig { segment_bytes: SMALL, cleanup: Cleanup::Compact, ..LogConfig::default() };
        let mut broker = alone(config, None);
        let mut oracle: BTreeMap<u8, Option<u8>> = BTreeMap::new();
        let mut written = 0;
        for step in 0..steps {
            let word = keyed_word(seed, step);
            let now = second(step + 1);
            if word.is_multiple_of(10) {
                expire(&mut broker, now);
            } else {
                let (key, value) = ((word >> 8) as u8 % 6, (word >> 16) as u8);
                let value = (value > 60).then_some(value);
                write(&mut broker, now, key, value);
                oracle.insert(key, value);
                written += 1;
            }
            prop_assert!(log(&broker).is_consistent());
        }
        let mut found: BTreeMap<u8, Option<u8>> = BTreeMap::new();
        for record in log(&broker).from(0) {
            let key = record.key.as_deref().map_or(0, |key| key[0]);
            found.insert(key, record.value.as_deref().map(|value| value[0]));
        }
        prop_assert_eq!(&found, &oracle);
        let counts = log(&broker).counts();
        prop_assert_eq!(counts.appended, written);
        // What the store has is what the log has.
        let before: Vec<Record> = log(&broker).from(0).cloned().collect();
        let config = *broker.config();
        let again = Broker::open(BrokerId(1), config, broker.into_store(), second(999));
        let after: Vec<Record> = log(&again).from(0).cloned().collect();
        prop_assert_eq!(before, after);
    }
}
