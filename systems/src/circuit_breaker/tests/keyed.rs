//! Breakers by key: one sick endpoint cuts off nobody else, and there are never more than allowed.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn keyed(max_breakers: u32) -> KeyedBreakers<u32> {
    KeyedBreakers::new(BreakerConfig { open_jitter_ppm: 100_000, ..fragile() }, max_breakers, 1)
}

fn fail(breakers: &mut KeyedBreakers<u32>, now: u64, key: u32) {
    let permit = breakers.try_acquire(at(now), &key).expect("closed");
    breakers.record(at(now), permit, Recorded::Failure, ms(1));
}

#[test]
fn a_crashed_shard_cuts_off_only_itself() {
    let mut shards = keyed(3);
    fail(&mut shards, 0, 2);
    for _ in 0..100 {
        for shard in [1, 3] {
            let permit = shards.try_acquire(at(1), &shard).expect("healthy");
            assert_eq!(shards.record(at(1), permit, Recorded::Success, ms(1)), Taken::Counted);
        }
        assert!(matches!(shards.try_acquire(at(1), &2), Err(KeyedRejection::Breaker(_))));
    }
    // One breaker over all three refuses the healthy ones as well.
    let mut one = Breaker::new(fragile());
    let permit = one.try_acquire(at(0)).expect("closed");
    one.record(at(0), permit, Recorded::Failure, ms(1));
    assert!(one.try_acquire(at(1)).is_err());
}

#[test]
fn a_newcomer_takes_the_place_of_the_closed_one_asked_least_recently() {
    let mut breakers = keyed(3);
    fail(&mut breakers, 0, 1);
    for key in [2, 3, 2] {
        breakers.try_acquire(at(1), &key).expect("closed");
    }
    let held = breakers.try_acquire(at(2), &3).expect("closed");
    breakers.try_acquire(at(2), &2).expect("closed");
    breakers.try_acquire(at(3), &4).expect("3 gives way");
    let keys: Vec<u32> = breakers.iter().map(|(key, _)| *key).collect();
    assert_eq!((keys, breakers.evicted(), breakers.len()), (vec![1, 2, 4], 1, 3));
    assert_eq!(breakers.record(at(4), held, Recorded::Failure, ms(1)), Taken::Stray, "its breaker is gone");
    assert_eq!(breakers.get(&4).map(Breaker::state), Some(State::Closed));
}

#[test]
fn breakers_that_hold_calls_back_give_way_to_nobody() {
    let mut breakers = keyed(2);
    fail(&mut breakers, 0, 1);
    fail(&mut breakers, 0, 2);
    let refused = breakers.try_acquire(at(1), &3).expect_err("no place");
    assert_eq!(refused, KeyedRejection::Full { max_breakers: 2 });
    assert!(refused.to_string().contains("raise max_breakers"));
    let closed = breakers.get_mut(&2).expect("it exists").command(at(2), State::Closed);
    assert!(closed.is_ok() && breakers.try_acquire(at(2), &3).is_ok());
}

#[test]
fn each_has_a_seed_and_changes_of_its_own() {
    let mut breakers = keyed(9);
    (0..9).for_each(|key| fail(&mut breakers, 0, key));
    let mut deadlines: Vec<Time> = breakers.iter().filter_map(|(_, breaker)| breaker.deadline()).collect();
    deadlines.sort_unstable();
    assert_eq!(breakers.deadline(), deadlines.first().copied());
    deadlines.dedup();
    assert_eq!(deadlines.len(), 9);
    breakers.expire(at(5_000));
    let mut changes: BTreeMap<u32, Vec<State>> = BTreeMap::new();
    while let Some((key, change)) = breakers.take_transition() {
        changes.entry(*key).or_default().push(change.to);
    }
    assert!(changes.len() == 9 && changes.values().all(|to| *to == [State::Open, State::HalfOpen]));
    breakers.reconfigure(BreakerConfig { half_open_probes: 1, ..fragile() }, at(5_000));
    assert!(breakers.iter().all(|(_, breaker)| breaker.config().half_open_probes == 1));
}

proptest! {
    #[test]
    fn there_are_never_more_than_allowed_and_none_holding_calls_back_is_dropped(
        max_breakers in 0u32..5, seed in any::<u64>(),
        steps in prop::collection::vec((0u32..9, 0u64..400, any::<bool>()), 0..200),
    ) {
        let mut breakers = KeyedBreakers::new(fragile(), max_breakers, seed);
        let mut now = 0;
        for (key, pause, failed) in steps {
            now += pause;
            breakers.expire(at(now));
            let holding: Vec<u32> =
                breakers.iter().filter(|(_, b)| b.state() != State::Closed).map(|(key, _)| *key).collect();
            match breakers.try_acquire(at(now), &key) {
                Ok(permit) => {
                    let recorded = if failed { Recorded::Failure } else { Recorded::Success };
                    prop_assert_eq!(breakers.record(at(now), permit, recorded, ms(1)), Taken::Counted);
                }
                Err(KeyedRejection::Breaker(refused)) => prop_assert!(refused.state != State::Closed),
                Err(KeyedRejection::Full { .. }) => {
                    prop_assert_eq!(holding.len(), max_breakers.max(1) as usize);
                }
            }
            prop_assert!(breakers.len() <= max_breakers.max(1) as usize);
            prop_assert!(holding.iter().all(|key| breakers.get(key).is_some()));
        }
    }
}
