//! A cache before a slow store: what is safe when, what waits, and what a crash loses.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Tiers = TieredCache<u64, u32, SlowStore<MemoryStore<u64, u32>>>;

fn tiers(capacity: u64, policy: WritePolicy) -> Tiers {
    let disk = SlowStore::new(MemoryStore::default(), ms(2), ms(8));
    TieredCache::new(config(capacity, 0, EvictionKind::Lru), disk, policy)
}

fn behind(delay_ms: u64, max_waiting: usize) -> WritePolicy {
    WritePolicy::Behind { delay: ms(delay_ms), max_waiting }
}

fn read(value: Option<u32>, ready_ms: u64) -> Result<Reading<u32>, StoreError> {
    Ok(Reading { value, ready: at(ready_ms) })
}

#[test]
fn a_slow_store_does_one_thing_at_a_time() {
    let mut tiers = tiers(9, WritePolicy::Through);
    assert_eq!((tiers.put(at(0), 1, 10), tiers.put(at(0), 2, 20)), (Ok(at(10)), Ok(at(12))));
    assert_eq!(tiers.get(at(0), &1), read(Some(10), 0), "memory is not slow");
    tiers.crash();
    assert_eq!(tiers.get(at(20), &1), read(Some(10), 30));
    assert_eq!(tiers.get(at(25), &1), read(Some(10), 30), "who comes while it is fetched waits for the same");
    assert_eq!(tiers.get(at(40), &3), read(None, 50));
}

#[test]
fn writing_behind_keeps_the_last_value_until_its_time_and_a_crash_loses_it() {
    let mut tiers = tiers(1, behind(100, 2));
    assert_eq!((tiers.put(at(0), 1, 10), tiers.put(at(50), 1, 11)), (Ok(at(0)), Ok(at(50))));
    tiers.put(at(60), 2, 20).expect("nothing is written yet");
    assert_eq!(tiers.get(at(60), &1), read(Some(11), 60), "evicted from memory, not yet in the store");
    assert_eq!((tiers.deadline(), tiers.flush_due(at(99))), (Some(at(100)), Ok(None)));
    assert_eq!((tiers.flush_due(at(100)), tiers.waiting_len()), (Ok(Some(at(110))), 1));
    tiers.crash();
    assert_eq!(tiers.get(at(200), &1), read(Some(11), 210));
    assert_eq!(tiers.get(at(300), &2), read(None, 310), "it was never written");
}

#[test]
fn too_many_waiting_writes_push_the_oldest_out() {
    let mut tiers = tiers(9, behind(100, 1));
    assert_eq!((tiers.put(at(0), 1, 10), tiers.put(at(0), 2, 20)), (Ok(at(0)), Ok(at(10))));
    assert_eq!(tiers.waiting_len(), 1);
}

#[test]
fn an_outage_refuses_what_needs_the_store_and_changes_nothing() {
    let mut through = tiers(9, WritePolicy::Through);
    through.put(at(0), 1, 10).expect("it is up");
    through.store_mut().is_down = true;
    assert_eq!(through.put(at(0), 1, 11), Err(StoreError));
    assert_eq!((through.get(at(0), &1), through.get(at(0), &2)), (read(Some(10), 0), Err(StoreError)));

    let mut behind = tiers(9, behind(5, 9));
    behind.put(at(0), 1, 10).expect("it waits");
    behind.store_mut().is_down = true;
    assert_eq!((behind.flush_due(at(9)), behind.waiting_len()), (Err(StoreError), 1));
    behind.store_mut().is_down = false;
    assert_eq!((behind.flush_due(at(9)), behind.waiting_len()), (Ok(Some(at(19))), 0));

    let mut hybrid = tiers(1, WritePolicy::OnEviction);
    hybrid.store_mut().is_down = true;
    hybrid.put(at(0), 1, 10).expect("memory takes it");
    hybrid.put(at(0), 2, 20).expect("memory takes it");
    assert_eq!(hybrid.lost_writes(), 1);
}

proptest! {
    #[test]
    fn without_crashes_every_write_policy_reads_what_was_written(
        steps in prop::collection::vec((0u8..8, 0u64..9, 0u64..40), 0..200), capacity in 1u64..6,
    ) {
        for policy in [WritePolicy::Through, behind(30, 3), WritePolicy::OnEviction] {
            let mut tiers = tiers(capacity, policy);
            let mut written: BTreeMap<u64, u32> = BTreeMap::new();
            let mut now = Time::ZERO;
            for (position, (what, key, pause_ms)) in steps.iter().enumerate() {
                now += ms(*pause_ms);
                match what {
                    0..=3 => {
                        let reading = tiers.get(now, key).expect("the store is up");
                        prop_assert_eq!(reading.value, written.get(key).copied(), "{:?}", policy);
                        prop_assert!(reading.ready >= now);
                    }
                    4..=5 => {
                        prop_assert!(tiers.put(now, *key, position as u32).expect("the store is up") >= now);
                        written.insert(*key, position as u32);
                    }
                    6 => {
                        tiers.remove(now, key).expect("the store is up");
                        written.remove(key);
                    }
                    _ => drop(tiers.flush_due(now).expect("the store is up")),
                }
                prop_assert!(tiers.waiting_len() <= 3);
            }
        }
    }
}
