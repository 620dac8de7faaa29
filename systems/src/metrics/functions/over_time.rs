//! Aggregates of one series over a range: sum, average, extremes, spread, quantiles. Sums are compensated, so the
//! order of samples hardly matters. Never answers for a range without samples.

use super::super::series::{Range, Sample};
use crate::time::Time;
use std::cmp::Ordering;

/// A sum that keeps what rounding takes away (Neumaier's variant of Kahan's).
#[derive(Clone, Copy, Debug)]
pub(super) struct Compensated {
    sum: f64,
    lost: f64,
}

impl Compensated {
    pub(super) const ZERO: Compensated = Compensated { sum: 0.0, lost: 0.0 };

    pub(super) fn add(&mut self, value: f64) {
        let next = self.sum + value;
        self.lost = if next.is_infinite() {
            0.0
        } else if self.sum.abs() >= value.abs() {
            self.lost + ((self.sum - next) + value)
        } else {
            self.lost + ((value - next) + self.sum)
        };
        self.sum = next;
    }

    pub(super) fn total(self) -> f64 {
        self.sum + self.lost
    }
}

fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let mut total = Compensated::ZERO;
    values.for_each(|value| total.add(value));
    total.total()
}

fn values<'a>(range: &Range<'a>) -> impl Iterator<Item = f64> + Clone + 'a {
    range.samples().iter().map(|sample| sample.value)
}

/// How many samples; `None` without any.
fn count(range: &Range<'_>) -> Option<f64> {
    let count = range.samples().len();
    (count > 0).then_some(count as f64)
}

/// The sum of the samples.
pub fn sum_over_time(range: &Range<'_>) -> Option<f64> {
    count(range).map(|_| sum(values(range)))
}

/// The mean of the samples, right even where their sum is too large for a number.
pub fn avg_over_time(range: &Range<'_>) -> Option<f64> {
    let n = count(range)?;
    let total = sum(values(range));
    if total.is_infinite() && values(range).all(f64::is_finite) {
        // Only the sum is too large: add the shares instead.
        return Some(sum(values(range).map(|value| value / n)));
    }
    Some(total / n)
}

/// The number of samples.
pub fn count_over_time(range: &Range<'_>) -> Option<f64> {
    count(range)
}

/// One, if there is a sample.
pub fn present_over_time(range: &Range<'_>) -> Option<f64> {
    count(range).map(|_| 1.0)
}

/// One, if there is no sample: the only way to alert on what is not there.
pub fn absent_over_time(range: &Range<'_>) -> Option<f64> {
    range.samples().is_empty().then_some(1.0)
}

/// The smallest sample; "not a number" only if all are.
pub fn min_over_time(range: &Range<'_>) -> Option<f64> {
    extreme(range, Ordering::Less).map(|sample| sample.value)
}

/// The largest sample; "not a number" only if all are.
pub fn max_over_time(range: &Range<'_>) -> Option<f64> {
    extreme(range, Ordering::Greater).map(|sample| sample.value)
}

/// When the smallest sample was measured; of several the latest.
pub fn ts_of_min_over_time(range: &Range<'_>) -> Option<Time> {
    extreme(range, Ordering::Less).map(|sample| sample.at)
}

/// When the largest sample was measured; of several the latest.
pub fn ts_of_max_over_time(range: &Range<'_>) -> Option<Time> {
    extreme(range, Ordering::Greater).map(|sample| sample.at)
}

fn extreme<'a>(range: &Range<'a>, wanted: Ordering) -> Option<&'a Sample> {
    range.samples().iter().reduce(|best, next| {
        let order = next.value.partial_cmp(&best.value);
        let better = order == Some(wanted) || order == Some(Ordering::Equal) || best.value.is_nan();
        if better { next } else { best }
    })
}

/// The oldest sample.
pub fn first_over_time(range: &Range<'_>) -> Option<f64> {
    range.samples().first().map(|sample| sample.value)
}

/// The newest sample.
pub fn last_over_time(range: &Range<'_>) -> Option<f64> {
    range.samples().last().map(|sample| sample.value)
}

/// When the oldest sample was measured.
pub fn ts_of_first_over_time(range: &Range<'_>) -> Option<Time> {
    range.samples().first().map(|sample| sample.at)
}

/// When the newest sample was measured.
pub fn ts_of_last_over_time(range: &Range<'_>) -> Option<Time> {
    range.samples().last().map(|sample| sample.at)
}

/// The population variance of the samples.
pub fn stdvar_over_time(range: &Range<'_>) -> Option<f64> {
    let n = count(range)?;
    // From the first sample on, so that equal samples differ by exactly nothing.
    let origin = first_over_time(range)?;
    let mean = sum(values(range).map(|value| value - origin)) / n;
    let squares = values(range).map(|value| {
        let off = value - origin - mean;
        off * off
    });
    Some(sum(squares) / n)
}

/// The population standard deviation of the samples.
pub fn stddev_over_time(range: &Range<'_>) -> Option<f64> {
    stdvar_over_time(range).map(libm::sqrt)
}

/// The quantile `q` of the samples, linear between neighbours. Below 0 it is minus infinity, above 1 plus infinity.
/// Sorts a copy of the samples.
pub fn quantile_over_time(range: &Range<'_>, q: f64) -> Option<f64> {
    count(range)?;
    Some(quantile_of(values(range).collect(), q))
}

/// The median distance of the samples from their median. "Not a number" among them makes it that.
pub fn mad_over_time(range: &Range<'_>) -> Option<f64> {
    count(range)?;
    if values(range).any(f64::is_nan) {
        return Some(f64::NAN);
    }
    let median = quantile_of(values(range).collect(), 0.5);
    Some(quantile_of(values(range).map(|value| libm::fabs(value - median)).collect(), 0.5))
}

fn quantile_of(mut values: Vec<f64>, q: f64) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    // What is not a number comes first, as in Prometheus.
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan())));
    let rank = q * (values.len() - 1) as f64;
    let below = libm::floor(rank) as usize;
    let above = (below + 1).min(values.len() - 1);
    let weight = rank - libm::floor(rank);
    values[below] * (1.0 - weight) + values[above] * weight
}
