//! An empirical distribution in the form that is sampled: sorted points, found by bisection.
//! Never extrapolates beyond what was measured.

use super::distribution::{DistributionError, Empirical};
use super::{below, wide};
use crate::kernel::time::Span;

/// A checked empirical distribution.
#[derive(Clone, Debug)]
pub(super) enum Points {
    /// Quantiles in ascending order, at least one.
    Quantiles(Vec<(u32, Span)>),
    /// Observations in ascending order, at least one.
    Samples(Vec<Span>),
}

impl Points {
    /// Checks and sorts.
    pub(super) fn new(empirical: &Empirical) -> Result<Points, DistributionError> {
        match empirical {
            Empirical::Quantiles(points) => {
                check_quantiles(points)?;
                Ok(Points::Quantiles(points.clone()))
            }
            Empirical::Samples(samples) => {
                if samples.is_empty() {
                    return Err(DistributionError::Empty);
                }
                let mut sorted = samples.clone();
                sorted.sort_unstable();
                Ok(Points::Samples(sorted))
            }
        }
    }

    /// The value that `word` stands for; it never falls as `word` grows.
    pub(super) fn at(&self, word: u64) -> Span {
        match self {
            Points::Samples(samples) => samples[below(word, samples.len() as u64) as usize],
            Points::Quantiles(points) => interpolate(points, word),
        }
    }

    /// The mean, to the nearest nanosecond.
    pub(super) fn mean(&self) -> Span {
        match self {
            Points::Samples(samples) => {
                let sum: u128 = samples.iter().map(|sample| u128::from(sample.as_nanos())).sum();
                rounded_quotient(sum, samples.len() as u128)
            }
            Points::Quantiles(points) => {
                let (first, last) = (points[0], points[points.len() - 1]);
                let area = |ppm: u32, twice_height: u128| u128::from(ppm) * twice_height;
                let mut twice = area(first.0, 2 * u128::from(first.1.as_nanos()));
                for pair in points.windows(2) {
                    let sides = u128::from(pair[0].1.as_nanos()) + u128::from(pair[1].1.as_nanos());
                    twice += area(pair[1].0 - pair[0].0, sides);
                }
                twice += area(1_000_000 - last.0, 2 * u128::from(last.1.as_nanos()));
                rounded_quotient(twice, 2_000_000)
            }
        }
    }
}

fn check_quantiles(points: &[(u32, Span)]) -> Result<(), DistributionError> {
    if points.is_empty() {
        return Err(DistributionError::Empty);
    }
    if let Some((ppm, _)) = points.iter().find(|(ppm, _)| *ppm > 1_000_000) {
        return Err(DistributionError::QuantileAboveOne { ppm: *ppm });
    }
    for pair in points.windows(2) {
        let ((before_ppm, before), (ppm, value)) = (pair[0], pair[1]);
        if ppm <= before_ppm {
            return Err(DistributionError::QuantilesNotAscending { before_ppm, ppm });
        }
        if value < before {
            return Err(DistributionError::ValuesDescending { ppm, before, value });
        }
    }
    Ok(())
}

/// The value at the quantile that `word` stands for.
fn interpolate(points: &[(u32, Span)], word: u64) -> Span {
    const STEP: f64 = 1.0 / (1_u64 << 32) as f64 / (1_u64 << 32) as f64;
    // `word` parts of 2^64 are this many whole parts per million and a rest in parts of 2^64 of one.
    let (rest, ppm) = wide(word, 1_000_000);
    let after = points.partition_point(|(point, _)| u64::from(*point) <= ppm);
    if after == 0 {
        return points[0].1;
    }
    let (before_ppm, before) = points[after - 1];
    let Some(&(after_ppm, value)) = points.get(after) else { return before };
    let into = (ppm - u64::from(before_ppm)) as f64 + rest as f64 * STEP;
    let share = into / f64::from(after_ppm - before_ppm);
    let rise_ns = value.as_nanos() - before.as_nanos();
    let risen = super::sampler::nearest(rise_ns as f64 * share);
    before + risen.min(Span::from_nanos(rise_ns))
}

/// `dividend / divisor` to the nearest nanosecond; neither is near the end of its range.
fn rounded_quotient(dividend: u128, divisor: u128) -> Span {
    Span::from_nanos(u64::try_from((dividend + divisor / 2) / divisor).unwrap_or(u64::MAX))
}
