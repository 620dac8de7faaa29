//! Growth, checked by hand-worked cases and by a second computation that goes step by step; and functions broken
//! on purpose, which both have to catch.

use super::super::series::{Range, Sample};
use super::*;
use crate::time::{Span, Time};
use proptest::prelude::*;

/// A way to compute growth: samples, end and length of the range.
type Growth = fn(&[Sample], Time, Span) -> Option<f64>;

fn at(s: u64) -> Time {
    Time::ZERO + Span::from_secs(s)
}

fn samples(points: &[(u64, f64)]) -> Vec<Sample> {
    points.iter().map(|(s, value)| Sample { at: at(*s), value: *value }).collect()
}

fn ours(samples: &[Sample], end: Time, length: Span) -> Option<f64> {
    increase(&Range::of(samples, end, length))
}

/// How the second computation may be wrong.
#[derive(Clone, Copy, Default)]
struct Faults {
    closed_range: bool,
    no_zero_cut_off: bool,
    reset_is_a_drop: bool,
    no_extrapolation: bool,
}

/// Growth as the rules are written, with every sample looked at and time in whole nanoseconds that may be negative.
fn stepwise(samples: &[Sample], end: Time, length: Span, faults: Faults) -> Option<f64> {
    let ns = |time: Time| i128::from(time.as_nanos());
    let start = ns(end) - i128::from(length.as_nanos());
    let inside = |sample: &&Sample| {
        let at = ns(sample.at);
        (at > start || (faults.closed_range && at == start)) && at <= ns(end)
    };
    let inside: Vec<&Sample> = samples.iter().filter(inside).collect();
    let (first, last) = (*inside.first()?, *inside.last()?);
    if inside.len() < 2 {
        return None;
    }
    let mut grown = 0.0;
    for pair in inside.windows(2) {
        let (before, after) = (pair[0].value, pair[1].value);
        grown += if after >= before || faults.reset_is_a_drop { after - before } else { after };
    }
    let secs = |ns: i128| ns as f64 / 1e9;
    let observed = secs(ns(last.at) - ns(first.at));
    let spacing = observed / (inside.len() - 1) as f64;
    let mut to_start = secs(ns(first.at) - start);
    let mut to_end = secs(ns(end) - ns(last.at));
    if to_start >= 1.1 * spacing {
        to_start = spacing / 2.0;
    }
    if grown > 0.0 && !faults.no_zero_cut_off {
        let line_is_zero = observed * first.value / grown;
        if line_is_zero < to_start {
            to_start = line_is_zero;
        }
    }
    if to_end >= 1.1 * spacing {
        to_end = spacing / 2.0;
    }
    if faults.no_extrapolation {
        return Some(grown);
    }
    Some(grown * (observed + to_start + to_end) / observed)
}

/// What a person worked out: samples, end, length, growth.
type Case = (&'static [(u64, f64)], u64, u64, Option<f64>);

const CASES: [Case; 9] = [
    // The sample at the left edge is not in the range: 20 in 20 s, and the gap of 10 s to the edge is bridged.
    (&[(0, 5.0), (10, 10.0), (20, 20.0), (30, 30.0)], 30, 30, Some(30.0)),
    // A sample each 10 s from 40 s on; the gap to the start is 40 s, so half a spacing is taken.
    (&[(40, 100.0), (50, 110.0), (60, 120.0)], 60, 60, Some(25.0)),
    // As before, but the line is at zero 2 s before the first sample.
    (&[(40, 2.0), (50, 12.0), (60, 22.0)], 60, 60, Some(22.0)),
    // A restart between 10 s and 20 s: 5 before it is lost, 5 after it counted. The range reaches before time 0.
    (&[(0, 0.0), (10, 50.0), (20, 5.0), (30, 25.0)], 30, 60, Some(75.0)),
    // The node goes away: 30 s without samples are not bridged.
    (&[(10, 0.0), (20, 10.0), (30, 20.0)], 60, 60, Some(25.0)),
    // One sample tells nothing, and none neither.
    (&[(10, 7.0)], 10, 60, None),
    (&[], 10, 60, None),
    // No growth is no growth.
    (&[(10, 7.0), (20, 7.0)], 20, 60, Some(0.0)),
    // Two samples at the same time are one too few.
    (&[(10, 7.0), (10, 9.0)], 20, 60, None),
];

fn judge(growth: Growth) -> Result<(), String> {
    for (points, end, length, expected) in CASES {
        let got = growth(&samples(points), at(end), Span::from_secs(length));
        let same = match (got, expected) {
            (Some(got), Some(expected)) => (got - expected).abs() < 1e-9,
            (got, expected) => got == expected,
        };
        if !same {
            return Err(format!("{points:?} at {end} over {length}: {got:?}, not {expected:?}"));
        }
    }
    Ok(())
}

#[test]
fn growth_is_what_a_person_works_out() {
    judge(ours).unwrap();
}

#[test]
fn growth_broken_on_purpose_is_caught() {
    let broken: [(&str, Growth); 4] = [
        ("closed range", |s, end, length| {
            stepwise(s, end, length, Faults { closed_range: true, ..Faults::default() })
        }),
        ("no zero cut-off", |s, end, length| {
            stepwise(s, end, length, Faults { no_zero_cut_off: true, ..Faults::default() })
        }),
        ("reset treated as a drop", |s, end, length| {
            stepwise(s, end, length, Faults { reset_is_a_drop: true, ..Faults::default() })
        }),
        ("no extrapolation", |s, end, length| {
            stepwise(s, end, length, Faults { no_extrapolation: true, ..Faults::default() })
        }),
    ];
    for (what, growth) in broken {
        // The case of equal times is beyond the second computation; all others come before it.
        let verdict = judge(growth);
        assert!(verdict.as_ref().is_err_and(|why| !why.contains("(10, 9.0)")), "{what}: {verdict:?}");
    }
    let right = judge(|s, end, length| stepwise(s, end, length, Faults::default()));
    assert!(right.unwrap_err().contains("(10, 9.0)"), "right but for samples at the same time");
}

/// Counts of a node that sometimes restarts, sampled now and then, some samples lost.
fn history() -> impl Strategy<Value = Vec<(u64, f64)>> {
    prop::collection::vec((1u64..40, 0u32..1_000, 0u8..8), 0..40).prop_map(|steps| {
        let (mut now, mut total) = (0, 0.0);
        let mut points = Vec::new();
        for (gap, amount, fate) in steps {
            now += gap;
            total = if fate == 0 { 0.0 } else { total + f64::from(amount) };
            if fate != 1 {
                points.push((now, total));
            }
        }
        points
    })
}

proptest! {
    #[test]
    fn growth_agrees_with_the_second_computation(points in history(), end in 0u64..900, length in 0u64..900) {
        let points = samples(&points);
        let (end, length) = (at(end), Span::from_secs(length));
        match (ours(&points, end, length), stepwise(&points, end, length, Faults::default())) {
            (Some(got), Some(expected)) => prop_assert!((got - expected).abs() <= 1e-9 * (1.0 + expected)),
            (got, expected) => prop_assert_eq!(got, expected),
        }
    }

    #[test]
    fn growth_is_never_negative_whatever_a_counter_does(
        points in prop::collection::vec((0u64..60, -10.0f64..1e12), 0..20), end in 0u64..100, length in 0u64..100,
    ) {
        // Any order, any doubles, any restarts, even below zero.
        let points = samples(&points);
        let range = Range::of(&points, at(end), Span::from_secs(length));
        for growth in [increase(&range), rate(&range), irate(&range), resets(&range), changes(&range)] {
            prop_assert!(growth.is_none_or(|growth| growth >= 0.0), "{:?}", growth);
        }
    }

    #[test]
    fn a_restart_never_makes_a_spike(points in history(), length in 1u64..400) {
        // Not more than all that was counted, stretched by what extrapolation may add: half a spacing or less than
        // 1.1 spacings at either end.
        let points = samples(&points);
        let range = Range::of(&points, at(900), Span::from_secs(length));
        if let Some(grown) = increase(&range) {
            let counted: f64 = range.samples().windows(2).map(|pair| {
                if pair[1].value >= pair[0].value { pair[1].value - pair[0].value } else { pair[1].value }
            }).sum();
            let spacings = (range.samples().len() - 1) as f64;
            prop_assert!(grown <= counted * (spacings + 2.2) / spacings + 1e-6);
        }
    }

    #[test]
    fn quantiles_from_buckets_never_fall_as_the_quantile_rises(
        counts in prop::collection::vec(0u32..50, 1..8), a in 0.0f64..=1.0, b in 0.0f64..=1.0,
    ) {
        let mut upto = 0.0;
        let mut buckets: Vec<CumulativeBucket> = counts.iter().enumerate().map(|(i, count)| {
            upto += f64::from(*count);
            CumulativeBucket { upper_bound: i as f64 - 2.0, count: upto }
        }).collect();
        buckets.push(CumulativeBucket { upper_bound: f64::INFINITY, count: upto + 1.0 });
        let (low, high) = (a.min(b), a.max(b));
        let low = histogram_quantile(low, &mut buckets.clone());
        let high = histogram_quantile(high, &mut buckets.clone());
        prop_assert!(low <= high + 1e-12, "{} {}", low, high);
        let all = histogram_fraction(f64::NEG_INFINITY, f64::INFINITY, &mut buckets);
        prop_assert!((all - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_node_that_restarts_in_the_middle_of_a_window_shows_its_true_rate() {
    // 10 a second, restarted at 150 s, sampled each 15 s: the 45 counted since the last sample are lost.
    let points: Vec<(u64, f64)> =
        (0..=20).map(|n| n * 15).map(|s| (s, if s < 150 { s * 10 } else { (s - 150) * 10 } as f64)).collect();
    let samples = samples(&points);
    let per_second = rate(&Range::of(&samples, at(300), Span::from_secs(300))).unwrap();
    assert!((9.0..=10.0).contains(&per_second), "{per_second}");
    assert_eq!(resets(&Range::of(&samples, at(300), Span::from_secs(300))), Some(1.0));
}

#[test]
fn quantiles_from_buckets_have_a_defined_answer_at_every_edge() {
    let buckets = |pairs: &[(f64, f64)]| -> Vec<CumulativeBucket> {
        pairs
            .iter()
            .map(|(upper_bound, count)| CumulativeBucket { upper_bound: *upper_bound, count: *count })
            .collect()
    };
    let all = f64::INFINITY;
    let usual = buckets(&[(1.0, 10.0), (2.0, 20.0), (all, 20.0)]);
    let of = |q, buckets: &[CumulativeBucket]| histogram_quantile(q, &mut buckets.to_vec());
    assert_eq!((of(-0.1, &usual), of(1.1, &usual)), (f64::NEG_INFINITY, f64::INFINITY));
    assert_eq!((of(0.25, &usual), of(0.75, &usual), of(1.0, &usual)), (0.5, 1.5, 2.0));
    for hopeless in [
        buckets(&[]),
        buckets(&[(all, 3.0)]),
        buckets(&[(1.0, 3.0), (2.0, 3.0)]),
        buckets(&[(1.0, 0.0), (all, 0.0)]),
        buckets(&[(f64::NAN, 3.0)]),
    ] {
        assert!(of(0.5, &hopeless).is_nan(), "{hopeless:?}");
    }
    assert!(of(f64::NAN, &usual).is_nan());
    assert_eq!(of(0.1, &buckets(&[(-1.0, 5.0), (all, 9.0)])), -1.0);
    assert_eq!(of(0.9, &buckets(&[(-1.0, 5.0), (all, 9.0)])), -1.0);
    assert!(histogram_fraction(0.0, f64::NAN, &mut usual.clone()).is_nan());
    assert_eq!(histogram_fraction(2.0, 1.0, &mut usual.clone()), 0.0);
}

#[test]
fn an_empty_range_has_no_answer_and_never_a_zero() {
    let range = Range::of(&[], at(10), Span::from_secs(5));
    for none in [
        sum_over_time(&range),
        avg_over_time(&range),
        count_over_time(&range),
        min_over_time(&range),
        max_over_time(&range),
        stddev_over_time(&range),
        quantile_over_time(&range, 0.5),
        mad_over_time(&range),
        last_over_time(&range),
        first_over_time(&range),
        present_over_time(&range),
        resets(&range),
        changes(&range),
        delta(&range),
        idelta(&range),
        irate(&range),
        rate(&range),
        deriv(&range),
        predict_linear(&range, at(0), 1.0),
    ] {
        assert_eq!(none, None);
    }
    assert_eq!(absent_over_time(&range), Some(1.0));
}
