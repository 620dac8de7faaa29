//! The laws every distribution keeps, against sorted lists, against the crates of others, and against
//! distributions broken on purpose.

use super::*;
use proptest::prelude::*;

/// The exact quantile of sorted values.
fn exact(sorted: &[u64], q: Quantile) -> u64 {
    let at_or_below = |value: u64| sorted.iter().filter(|other| **other <= value).count() as u128;
    let wanted = sorted.len() as u128 * u128::from(q.as_ppm());
    *sorted
        .iter()
        .find(|value| at_or_below(**value) * 1_000_000 >= wanted)
        .expect("the largest has all below it")
}

/// Quantiles from end to end.
fn grid() -> impl Iterator<Item = Quantile> {
    [0, 1, 10_000, 250_000, 500_000, 750_000, 900_000, 990_000, 999_000, 999_999, 1_000_000, u32::MAX]
        .into_iter()
        .map(Quantile::from_ppm)
}

/// Whether a distribution of `values` tells the truth; `near` is its promise about a quantile.
fn judge<H: Histogram>(
    histogram: &H,
    values: &[u64],
    near: impl Fn(&H, Quantile, u64, u64) -> bool,
) -> Result<(), String> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let totals = histogram.totals();
    if totals.count() != sorted.len() as u64 || histogram.count() != totals.count() {
        return Err(format!("counts {} of {}", totals.count(), sorted.len()));
    }
    let sum: u128 = sorted.iter().map(|value| u128::from(*value)).sum();
    if totals.sum() != sum
        || totals.min() != sorted.first().copied()
        || totals.max() != sorted.last().copied()
    {
        return Err(format!("totals are off: {totals:?}"));
    }
    if sorted.is_empty() {
        return if histogram.summary().is_some() { Err("a summary of nothing".to_string()) } else { Ok(()) };
    }
    let mut before = 0;
    for q in grid() {
        let got = histogram.quantile(q).ok_or("no quantile")?;
        let truth = exact(&sorted, q);
        if got < before || got < sorted[0] || got > sorted[sorted.len() - 1] {
            return Err(format!("{q:?} = {got} falls, or is out of range"));
        }
        if !near(histogram, q, got, truth) {
            return Err(format!("{q:?} = {got}, but it is {truth}"));
        }
        before = got;
    }
    Ok(())
}

const HDR: HdrConfig = HdrConfig { lowest: 1, highest: u64::MAX, digits: 2 };
const SKETCH: RelativeConfig = RelativeConfig { accuracy_ppm: 20_000, max_buckets: 4_096 };
const SMALL_SKETCH: RelativeConfig = RelativeConfig { accuracy_ppm: 20_000, max_buckets: 64 };
const NATIVE: ExponentialConfig = ExponentialConfig { scale: 5, max_buckets: 32 };

fn classic() -> ClassicHistogram {
    ClassicHistogram::new(&ClassicConfig { bounds: vec![0, 10, 1_000, 1_000_000, 1 << 40] }).unwrap()
}

fn hdr_is_near(_: &HdrHistogram, _: Quantile, got: u64, truth: u64) -> bool {
    got.abs_diff(truth) <= truth / 100
}

fn sketch_is_near(sketch: &RelativeHistogram, q: Quantile, got: u64, truth: u64) -> bool {
    let within = u128::from(got.abs_diff(truth)) * 1_000_000 <= u128::from(truth) * 20_000;
    within || (!sketch.is_accurate(q) && got >= truth)
}

fn native_is_near(native: &ExponentialHistogram, _: Quantile, got: u64, truth: u64) -> bool {
    let ratio = libm::exp2(libm::ldexp(1.0, -i32::from(native.scale())));
    let (got, truth) = (got as f64, truth as f64);
    got <= truth * ratio + 1.0 && got + 1.0 >= truth / ratio
}

fn classic_is_near(classic: &ClassicHistogram, _: Quantile, got: u64, truth: u64) -> bool {
    let bucket =
        |value: u64| classic.cumulative().position(|(bound, _)| bound.is_none_or(|bound| value <= bound));
    // The lower bound itself is the limit of the bucket above it.
    bucket(got) == bucket(truth) || bucket(got.saturating_add(1)) == bucket(truth)
}

fn filled<H: Histogram + Clone>(blank: &H, values: &[u64]) -> H {
    let mut histogram = blank.clone();
    values.iter().for_each(|value| histogram.record(*value));
    histogram
}

/// Values of every magnitude, with zeros and repetitions.
fn values() -> impl Strategy<Value = Vec<u64>> {
    let value = (any::<u64>(), 0u32..=64).prop_map(|(word, bits)| word.checked_shr(bits).unwrap_or(0));
    prop::collection::vec((value, 1usize..4).prop_map(|(value, times)| vec![value; times]), 0..60)
        .prop_map(|runs| runs.concat())
}

fn check_merge<H: Histogram + Clone + PartialEq + std::fmt::Debug>(blank: &H, parts: [&[u64]; 3]) {
    let [a, b, c] = parts.map(|part| filled(blank, part));
    let join = |left: &H, right: &H| {
        let mut joined = left.clone();
        joined.merge(right).unwrap();
        joined
    };
    assert_eq!(join(&a, &b), join(&b, &a), "commutative");
    assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)), "associative");
    assert_eq!(join(&join(&a, &b), &c), filled(blank, &parts.concat()), "as if recorded in one");
    let mut cleared = a.clone();
    cleared.clear();
    assert_eq!(&cleared, blank, "cleared is new");
    assert_eq!(join(&cleared, &a), a, "nothing is neutral");
}

proptest! {
    #[test]
    fn every_kind_tells_the_truth_within_its_promise(values in values()) {
        judge(&filled(&HdrHistogram::new(HDR).unwrap(), &values), &values, hdr_is_near).unwrap();
        judge(&filled(&RelativeHistogram::new(SKETCH).unwrap(), &values), &values, sketch_is_near).unwrap();
        judge(&filled(&RelativeHistogram::new(SMALL_SKETCH).unwrap(), &values), &values, sketch_is_near).unwrap();
        judge(&filled(&ExponentialHistogram::new(NATIVE).unwrap(), &values), &values, native_is_near).unwrap();
        judge(&filled(&classic(), &values), &values, classic_is_near).unwrap();
    }

    #[test]
    fn merging_is_recording_into_one_in_any_order(a in values(), b in values(), c in values()) {
        let parts = [a.as_slice(), b.as_slice(), c.as_slice()];
        check_merge(&HdrHistogram::new(HDR).unwrap(), parts);
        check_merge(&RelativeHistogram::new(SKETCH).unwrap(), parts);
        check_merge(&RelativeHistogram::new(SMALL_SKETCH).unwrap(), parts);
        check_merge(&ExponentialHistogram::new(NATIVE).unwrap(), parts);
        check_merge(&classic(), parts);
    }

    #[test]
    fn the_hdr_histogram_agrees_with_the_crate_of_that_name(values in values(), digits in 1u8..=4, lowest in 1u64..5_000) {
        let highest = (1 << 50) + 12_345;
        let values: Vec<u64> = values.iter().map(|value| value % highest).collect();
        let ours = filled(&HdrHistogram::new(HdrConfig { lowest, highest, digits }).unwrap(), &values);
        let mut theirs = hdrhistogram::Histogram::<u64>::new_with_bounds(lowest, highest, digits).unwrap();
        values.iter().for_each(|value| theirs.record(*value).unwrap());
        for q in grid() {
            let Some(got) = ours.quantile(q) else { continue };
            let largest = values.iter().copied().max().unwrap_or(0);
            let smallest = values.iter().copied().min().unwrap_or(0);
            let expected = theirs.value_at_quantile(f64::from(q.as_ppm()) / 1e6).clamp(smallest, largest);
            // At a rank computed in floating point the crate may be one value off.
            if q.as_ppm() % 250_000 == 0 {
                prop_assert_eq!(got, expected, "{:?}", q);
            }
        }
        for value in values {
            let index = ours.layout().index_of(value);
            prop_assert_eq!(ours.layout().lowest_at(index), theirs.lowest_equivalent(value));
            prop_assert_eq!(ours.layout().highest_at(index), theirs.highest_equivalent(value));
        }
    }

    #[test]
    fn the_sketch_agrees_with_the_ddsketch_crate_within_both_accuracies(
        values in prop::collection::vec(1u64..1 << 50, 1..200),
    ) {
        let ours = filled(&RelativeHistogram::new(RelativeConfig::ONE_PERCENT).unwrap(), &values);
        let mut theirs = sketches_ddsketch::DDSketch::new(sketches_ddsketch::Config::defaults());
        values.iter().for_each(|value| theirs.add(*value as f64));
        // The crate takes the rank q * (n - 1): at the ends both mean the same value.
        for (q, ppm) in [(0.0, 0), (1.0, 1_000_000)] {
            let expected = theirs.quantile(q).unwrap().unwrap();
            let got = ours.quantile(Quantile::from_ppm(ppm)).unwrap() as f64;
            prop_assert!((got - expected).abs() <= 0.0202 * expected, "{} {}", got, expected);
        }
    }

    #[test]
    fn correcting_for_omission_adds_what_a_plain_loop_adds(
        stalls in prop::collection::vec((0u64..30_000, 0u64..3_000), 0..12), highest in 2u64..40_000,
    ) {
        let config = HdrConfig { lowest: 1, highest, digits: 2 };
        let mut corrected = HdrHistogram::new(config).unwrap();
        let mut looped = corrected.clone();
        let mut theirs = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 40_000, 2).unwrap();
        for (stall, interval) in stalls {
            corrected.record_corrected(stall, interval);
            theirs.record_correct(stall, interval).unwrap();
            looped.record(stall);
            let mut missing = stall;
            while interval > 0 && missing >= interval.saturating_mul(2) {
                missing -= interval;
                looped.record(missing);
            }
        }
        prop_assert_eq!(&corrected, &looped);
        prop_assert_eq!(corrected.count(), theirs.len());
    }
}

#[test]
fn a_stall_of_a_second_hides_from_a_closed_loop_and_shows_once_corrected() {
    // One request each 10 ms, 1 ms each; every 10 s one of them meets a stall of a second.
    let ms = 1_000_000;
    let mut raw = HdrHistogram::new(HdrConfig::LATENCY_NS).unwrap();
    let mut corrected = raw.clone();
    let mut intended = raw.clone();
    for _ in 0..60 {
        for _ in 0..900 {
            raw.record(ms);
            corrected.record_corrected(ms, 10 * ms);
            intended.record(ms);
        }
        raw.record(1_000 * ms);
        corrected.record_corrected(1_000 * ms, 10 * ms);
        // What an open schedule would have seen: a hundred requests, each waiting for the rest of the stall.
        (1..=100).for_each(|n| intended.record(n * 10 * ms));
    }
    let p99 = |histogram: &HdrHistogram| histogram.quantile(Quantile::P99).unwrap() / ms;
    assert_eq!(p99(&raw), 1, "the loop was held up by what it measured");
    assert_eq!(corrected, intended);
    assert!(p99(&corrected) >= 890);
}

#[test]
fn correcting_a_very_long_stall_takes_no_longer_than_a_short_one() {
    let mut histogram = HdrHistogram::new(HdrConfig::LATENCY_NS).unwrap();
    histogram.record_corrected(u64::MAX, 1);
    assert_eq!(histogram.count(), u64::MAX, "2^64 - 1 missing samples and the stall");
    histogram.record_corrected(u64::MAX, u64::MAX);
    histogram.record_corrected(0, 7);
    assert!(histogram.clamped() > 1 << 60);
}

#[test]
fn averaging_the_percentiles_of_a_fleet_is_off_by_more_than_a_factor_of_two() {
    let blank = HdrHistogram::new(HdrConfig::LATENCY_NS).unwrap();
    let ms = 1_000_000;
    // Nine quiet nodes, and one that has most of the traffic and is slow for a twentieth of it.
    let mut nodes: Vec<HdrHistogram> = (0..9).map(|_| filled(&blank, &[ms; 100])).collect();
    nodes.push(filled(&blank, &[[ms; 95].as_slice(), &[1_000 * ms; 5]].concat().repeat(100)));
    let p99s: Vec<u64> = nodes.iter().map(|node| node.quantile(Quantile::P99).unwrap()).collect();
    let averaged = p99s.iter().sum::<u64>() / 10;
    let mut fleet = blank;
    nodes.iter().for_each(|node| fleet.merge(node).unwrap());
    let truth = fleet.quantile(Quantile::P99).unwrap();
    assert!(truth > 2 * averaged, "{truth} against {averaged}");
}

#[test]
fn a_collapse_is_reported_and_leaves_the_high_quantiles_accurate() {
    let mut sketch = RelativeHistogram::new(SMALL_SKETCH).unwrap();
    (0..1_000).for_each(|_| sketch.record(5));
    assert_eq!((sketch.collapsed(), sketch.is_accurate(Quantile::P50)), (0, true));
    sketch.record_n(1_000_000, 100);
    assert_eq!(sketch.collapsed(), 1_000);
    assert!(!sketch.is_accurate(Quantile::P50) && sketch.is_accurate(Quantile::P99));
    assert!(sketch.quantile(Quantile::P99).unwrap().abs_diff(1_000_000) <= 20_000);
}

#[test]
fn different_shapes_do_not_mix_and_bad_configs_say_what_to_write() {
    let hdr = |config: HdrConfig| HdrHistogram::new(config).map_err(|error| error.to_string());
    let mut one = hdr(HDR).unwrap();
    assert_eq!(one.merge(&hdr(HdrConfig { digits: 3, ..HDR }).unwrap()), Err(ShapeMismatch));
    assert!(hdr(HdrConfig { digits: 0, ..HDR }).unwrap_err().contains("use 2"));
    assert!(hdr(HdrConfig { digits: 6, ..HDR }).is_err());
    assert!(hdr(HdrConfig { lowest: 0, ..HDR }).unwrap_err().contains("use 1"));
    assert!(hdr(HdrConfig { lowest: u64::MAX, ..HDR }).is_err());
    assert!(hdr(HdrConfig { highest: 1, ..HDR }).unwrap_err().contains("at least 2"));
    assert!(hdr(HdrConfig { lowest: 1 << 45, highest: u64::MAX, digits: 5 }).is_ok());

    let sketch =
        |accuracy_ppm, max_buckets| RelativeHistogram::new(RelativeConfig { accuracy_ppm, max_buckets });
    assert!(sketch(999, 64).is_err_and(|error| error.to_string().contains("use 1000")));
    assert!(sketch(10_000, 15).is_err_and(|error| error.to_string().contains("at least 16")));
    assert!(sketch(500_001, 64).is_err() && sketch(500_000, u32::MAX).is_ok());
    assert!(sketch(10_000, 64).unwrap().merge(&sketch(20_000, 64).unwrap()).is_err());

    let native = |scale, max_buckets| ExponentialHistogram::new(ExponentialConfig { scale, max_buckets });
    assert!(native(9, 160).is_err_and(|error| error.to_string().contains("-4 to 8")));
    assert!(native(8, 7).is_err_and(|error| error.to_string().contains("8 to 65536")));
    assert!(native(8, 160).unwrap().merge(&native(8, 512).unwrap()).is_err());

    let bounds = |bounds: &[u64]| ClassicHistogram::new(&ClassicConfig { bounds: bounds.to_vec() });
    assert!(bounds(&[]).is_err_and(|error| error.to_string().contains("1 to 1024")));
    assert!(bounds(&[3, 3]).is_err_and(|error| error.to_string().contains("bound 1")));
    assert!(bounds(&[3]).unwrap().merge(&bounds(&[4]).unwrap()).is_err());
    assert!(ClassicConfig::latency_ns().validate().is_ok());
}

#[test]
fn counts_saturate_and_nothing_recorded_changes_nothing() {
    fn check<H: Histogram + Clone + PartialEq + std::fmt::Debug>(blank: H) {
        let mut full = blank.clone();
        full.record_n(7, 0);
        assert_eq!(full, blank);
        full.record_n(7, u64::MAX);
        full.record_n(u64::MAX, u64::MAX);
        full.record_n(0, 1);
        assert_eq!(full.count(), u64::MAX);
        assert!(full.summary().is_some());
        let again = full.clone();
        full.merge(&again).unwrap();
        assert_eq!(full.count(), u64::MAX);
    }
    check(HdrHistogram::new(HDR).unwrap());
    check(RelativeHistogram::new(SMALL_SKETCH).unwrap());
    check(ExponentialHistogram::new(NATIVE).unwrap());
    check(classic());
}

/// Distributions that are wrong in one way each; the judge has to catch every one.
mod broken {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Fault {
        /// Rounds the rank down, so the quantile is that of the value before.
        RankRoundedDown,
        /// Says the average of its halves' quantiles.
        AveragesQuantiles,
        /// Forgets the last value.
        LosesOne,
        /// Answers from its buckets without looking at the largest value.
        BeyondTheLargest,
    }

    struct Broken {
        inner: HdrHistogram,
        halves: [HdrHistogram; 2],
        fault: Fault,
    }

    impl Accumulator for Broken {
        fn record_n(&mut self, value: u64, count: u64) {
            let half = usize::from(value >= 1_000);
            self.halves[half].record_n(value, count);
            self.inner.record_n(value, count);
        }
        fn merge(&mut self, other: &Broken) -> Result<(), ShapeMismatch> {
            self.inner.merge(&other.inner)
        }
        fn clear(&mut self) {
            self.inner.clear();
        }
        fn count(&self) -> u64 {
            self.inner.count() - u64::from(matches!(self.fault, Fault::LosesOne))
        }
    }

    impl Histogram for Broken {
        fn totals(&self) -> &Totals {
            self.inner.totals()
        }
        fn quantile(&self, quantile: Quantile) -> Option<u64> {
            match self.fault {
                Fault::RankRoundedDown => {
                    let rank = self.count() * u64::from(quantile.as_ppm()) / 1_000_000;
                    let (index, _) = position_of_rank(self.inner.counts().iter().copied(), rank)?;
                    Some(self.totals().clamp(self.inner.layout().highest_at(index)))
                }
                Fault::AveragesQuantiles => {
                    Some(self.halves.iter().filter_map(|half| half.quantile(quantile)).sum::<u64>() / 2)
                }
                Fault::LosesOne => self.inner.quantile(quantile),
                Fault::BeyondTheLargest => {
                    let value = self.inner.quantile(quantile)?;
                    Some(self.inner.layout().highest_at(self.inner.layout().index_of(value)))
                }
            }
        }
    }

    #[test]
    fn the_judge_catches_every_broken_distribution() {
        let values: Vec<u64> = (0..37).map(|n| n * n * 97 + 500).collect();
        let blank = || HdrHistogram::new(HDR).unwrap();
        let near = |_: &Broken, _, got: u64, truth: u64| got.abs_diff(truth) <= truth / 100;
        for fault in
            [Fault::RankRoundedDown, Fault::AveragesQuantiles, Fault::LosesOne, Fault::BeyondTheLargest]
        {
            let mut broken = Broken { inner: blank(), halves: [blank(), blank()], fault };
            values.iter().for_each(|value| broken.record(*value));
            assert!(judge(&broken, &values, near).is_err(), "{fault:?} was not noticed");
        }
        assert_eq!(judge(&filled(&blank(), &values), &values, hdr_is_near), Ok(()));
    }

    #[test]
    fn a_sketch_that_hides_its_collapse_is_caught() {
        let values: Vec<u64> = (0..200).map(|n| 1 << (n % 50)).collect();
        let sketch = filled(&RelativeHistogram::new(SMALL_SKETCH).unwrap(), &values);
        let hides = |_: &RelativeHistogram, _, got: u64, truth: u64| {
            u128::from(got.abs_diff(truth)) * 1_000_000 <= u128::from(truth) * 20_000
        };
        assert!(judge(&sketch, &values, hides).is_err());
        assert_eq!(judge(&sketch, &values, sketch_is_near), Ok(()));
    }
}
