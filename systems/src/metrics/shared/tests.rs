//! The fronts under real threads: nothing is lost, whoever reports meanwhile.

use super::super::histogram::{
    Accumulator, ExponentialConfig, ExponentialHistogram, HdrConfig, HdrHistogram, Histogram, RelativeConfig,
    RelativeHistogram, ShapeMismatch, ShardTotals,
};
use super::*;
use std::thread;

const THREADS: u64 = 4;
const VALUES: u64 = 20_000;
const CONFIG: HdrConfig = HdrConfig { lowest: 1, highest: 1_000_000, digits: 2 };

/// Different for each thread, over and above the range.
fn value(thread: u64, step: u64) -> u64 {
    (thread * 7_919 + step * step) % 1_000_050
}

fn all_values() -> impl Iterator<Item = u64> {
    (0..THREADS).flat_map(|thread| (0..VALUES).map(move |step| value(thread, step)))
}

#[test]
fn intervals_taken_while_threads_record_add_up_to_everything_recorded() {
    let shared = SharedHdr::new(CONFIG, 2).unwrap();
    let mut taken = HdrHistogram::new(CONFIG).unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let recorder = shared.recorder();
            scope.spawn(move || (0..VALUES).for_each(|step| recorder.record(value(thread, step))));
        }
        for _ in 0..50 {
            let mut interval = HdrHistogram::new(CONFIG).unwrap();
            shared.take_into(&mut interval).unwrap();
            let totals = interval.totals();
            assert!(interval.summary().is_none_or(|s| s.min <= s.p50 && s.p50 <= s.p99 && s.p99 <= s.max));
            assert_eq!(interval.counts().iter().sum::<u64>(), totals.count());
            taken.merge(&interval).unwrap();
        }
    });
    shared.take_into(&mut taken).unwrap();
    let mut plain = HdrHistogram::new(CONFIG).unwrap();
    all_values().for_each(|value| plain.record(value));
    assert_eq!(taken.counts(), plain.counts());
    assert_eq!(taken.totals().sum(), plain.totals().sum());
    assert_eq!((taken.count(), taken.clamped(), shared.count()), (THREADS * VALUES, plain.clamped(), 0));
    assert_eq!(taken, plain);
}

#[test]
fn a_sum_whose_count_comes_with_the_next_interval_is_not_lost() {
    let interval = |count: u64, sum: u128| {
        let mut interval = HdrHistogram::new(CONFIG).unwrap();
        let (min, max) = if count > 0 { (7, 7) } else { (u64::MAX, 0) };
        let counts = (0..8).map(|index| if index == 7 { count } else { 0 });
        interval.take_in(counts, || ShardTotals { sum, min, max, clamped: 0 });
        interval
    };
    let mut taken = HdrHistogram::new(CONFIG).unwrap();
    taken.merge(&interval(0, 7)).unwrap();
    taken.merge(&interval(1, 0)).unwrap();
    assert_eq!((taken.count(), taken.totals().sum()), (1, 7));
}

#[test]
fn any_accumulator_is_sharded_without_loss() {
    check_sharded(&RelativeHistogram::new(RelativeConfig { accuracy_ppm: 20_000, max_buckets: 64 }).unwrap());
    check_sharded(&ExponentialHistogram::new(ExponentialConfig { scale: 8, max_buckets: 32 }).unwrap());
    check_sharded(&super::super::Totals::EMPTY);
}

fn check_sharded<A: Accumulator + Clone + PartialEq + std::fmt::Debug + Send + Sync>(blank: &A) {
    let shared = Sharded::new(blank, 3);
    let mut taken = blank.clone();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let recorder = shared.recorder();
            scope.spawn(move || (0..VALUES).for_each(|step| recorder.record(value(thread, step))));
        }
        for _ in 0..20 {
            shared.take_into(&mut taken).unwrap();
        }
    });
    shared.clone().take_into(&mut taken).unwrap();
    let mut plain = blank.clone();
    all_values().for_each(|value| plain.record(value));
    assert_eq!(taken, plain);
    shared.snapshot_into(&mut taken).unwrap();
    assert_eq!(taken, plain, "nothing is left after taking");
}

#[test]
fn a_shared_counter_is_the_sum_of_its_threads_and_never_wraps() {
    let counter = SharedCounter::new(2);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let recorder = counter.recorder();
            scope.spawn(move || (0..VALUES).for_each(|step| recorder.add(step % 3)));
        }
    });
    let each: u64 = (0..VALUES).map(|step| step % 3).sum();
    assert_eq!(counter.get(), THREADS * each);
    let (one, other) = (counter.recorder(), counter.recorder());
    one.add(u64::MAX);
    one.add(7);
    other.add(9);
    assert_eq!(counter.clone().get(), u64::MAX);
}

#[test]
fn a_snapshot_leaves_everything_in_place_and_wants_the_same_layout() {
    let shared = SharedHdr::new(CONFIG, 0).unwrap();
    shared.recorder().record(u64::MAX);
    shared.recorder().record(3);
    for _ in 0..2 {
        let mut seen = HdrHistogram::new(CONFIG).unwrap();
        assert_eq!(shared.snapshot_into(&mut seen), Ok(2));
        assert_eq!((seen.totals().min(), seen.totals().max(), seen.clamped()), (Some(3), Some(1_000_000), 1));
    }
    let mut other = HdrHistogram::new(HdrConfig { digits: 1, ..CONFIG }).unwrap();
    assert_eq!(shared.take_into(&mut other), Err(ShapeMismatch));
    assert_eq!(shared.count(), 2);
    assert!(SharedHdr::new(HdrConfig { digits: 9, ..CONFIG }, 1).is_err());
}
