//! Gaps, look-back, retention; and any history against a plain list.

use super::*;
use proptest::prelude::*;

const EVERYTHING: Retention = Retention { age: Span::MAX, samples: 1_000 };

fn at(s: u64) -> Time {
    Time::ZERO + Span::from_secs(s)
}

fn of(retention: Retention, samples: &[(u64, f64)]) -> Series {
    let mut series = Series::new(retention);
    samples.iter().for_each(|(s, value)| series.append(at(*s), *value).unwrap());
    series
}

fn value(series: &Series, s: u64) -> Option<f64> {
    series.at(at(s), LOOKBACK).map(|sample| sample.value)
}

#[test]
fn a_lost_node_is_a_gap_and_not_a_zero() {
    let mut series = of(EVERYTHING, &[(0, 7.0), (10, 8.0)]);
    series.mark_stale(at(20)).unwrap();
    assert_eq!((value(&series, 19), value(&series, 20), value(&series, 25)), (Some(8.0), None, None));
    series.append(at(30), 9.0).unwrap();
    assert_eq!((value(&series, 25), value(&series, 30)), (None, Some(9.0)));
    // Without a mark it takes the look-back to notice.
    assert_eq!((value(&series, 329), value(&series, 330)), (Some(9.0), None));
    assert_eq!(
        series.range(at(30), Span::from_secs(100)).samples().len(),
        3,
        "a range does not see the mark"
    );
}

#[test]
fn a_range_is_open_to_the_left_even_before_the_origin_of_time() {
    let series = of(EVERYTHING, &[(0, 1.0), (10, 2.0), (20, 3.0)]);
    let count = |end: u64, length: u64| series.range(at(end), Span::from_secs(length)).samples().len();
    assert_eq!((count(20, 10), count(20, 11), count(20, 20), count(20, 21)), (1, 2, 2, 3));
    assert_eq!((count(5, 100), count(19, 9), count(0, 0), count(0, 1)), (1, 0, 0, 1));
}

#[test]
fn samples_that_are_not_newer_are_refused_and_the_reason_says_what_to_do() {
    let mut series = of(EVERYTHING, &[(10, 1.0)]);
    assert_eq!(series.append(at(10), 2.0), Err(AppendError::Duplicate));
    let error = series.append(at(9), 2.0).unwrap_err();
    assert_eq!(error, AppendError::OutOfOrder { newest: at(10) });
    assert!(
        error.to_string().contains("count it as late")
            && AppendError::Duplicate.to_string().contains("first")
    );
    assert_eq!(series.mark_stale(at(10)), Err(AppendError::Duplicate));
    assert_eq!((series.newest(), value(&series, 10)), (Some(at(10)), Some(1.0)));
}

#[test]
fn memory_does_not_grow_with_time() {
    let mut series = Series::new(Retention { age: Span::from_secs(50), samples: 100 });
    let mut capacity = 0;
    for s in 0..10_000 {
        let _ = if s % 7 == 0 { series.mark_stale(at(s)) } else { series.append(at(s), s as f64) };
        assert!(series.samples.all().len() <= 50);
        if s == 1_000 {
            capacity = series.samples.items.capacity();
        }
    }
    assert_eq!(series.samples.items.capacity(), capacity);
    assert!(capacity <= 256 && series.gone.items.capacity() <= 64);
}

/// A list that keeps everything.
#[derive(Default)]
struct Plain {
    samples: Vec<Sample>,
    gone: Vec<Time>,
}

impl Plain {
    fn range(&self, end: Time, length: Span) -> Vec<Sample> {
        let start = i128::from(end.as_nanos()) - i128::from(length.as_nanos());
        let inside = |sample: &&Sample| i128::from(sample.at.as_nanos()) > start && sample.at <= end;
        self.samples.iter().filter(inside).copied().collect()
    }

    fn at(&self, instant: Time) -> Option<Sample> {
        let sample = self.range(instant, LOOKBACK).last().copied()?;
        let gone = self.gone.iter().any(|gone| *gone > sample.at && *gone <= instant);
        (!gone).then_some(sample)
    }
}

proptest! {
    #[test]
    fn any_history_reads_as_a_plain_list_would(
        steps in prop::collection::vec((1u64..200, any::<bool>(), -5i8..5), 1..60), end in 0u64..8_000, length in 0u64..2_000,
    ) {
        let mut series = Series::new(EVERYTHING);
        let mut plain = Plain::default();
        let mut now = Time::ZERO;
        for (step, gone, value) in steps {
            now += Span::from_secs(step);
            if gone && step % 3 == 0 {
                series.mark_stale(now).unwrap();
                plain.gone.push(now);
            } else {
                series.append(now, f64::from(value)).unwrap();
                plain.samples.push(Sample { at: now, value: f64::from(value) });
            }
        }
        let (end, length) = (at(end), Span::from_secs(length));
        prop_assert_eq!(series.range(end, length).samples().to_vec(), plain.range(end, length));
        prop_assert_eq!(series.at(end, LOOKBACK), plain.at(end));
    }

    #[test]
    fn a_bounded_series_keeps_the_latest_samples(
        keep in 0usize..9, age in 1u64..100, steps in prop::collection::vec(1u64..30, 1..80),
    ) {
        let mut series = Series::new(Retention { age: Span::from_secs(age), samples: keep });
        let mut all: Vec<u64> = Vec::new();
        let mut now = 0;
        for step in steps {
            now += step;
            series.append(at(now), 0.0).unwrap();
            all.push(now);
            let latest: Vec<u64> = all.iter().rev().take(keep.max(1)).rev().copied().filter(|s| now - s <= age).collect();
            let kept: Vec<Time> = series.samples.all().iter().map(|sample| sample.at).collect();
            prop_assert_eq!(kept, latest.into_iter().map(at).collect::<Vec<_>>());
        }
    }
}
