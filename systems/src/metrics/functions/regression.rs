//! A straight line through samples (least squares): where a disk will be full. Never sees a trend in one sample.

use super::super::series::Range;
use super::over_time::Compensated;
use super::seconds;
use crate::time::Time;

/// Change per second of a gauge: the slope of the line through its samples. `None` with fewer than two samples.
pub fn deriv(range: &Range<'_>) -> Option<f64> {
    // From the first sample on, so that the numbers stay small.
    let origin = range.samples().first()?.at;
    line(range, origin).map(|(slope, _)| slope)
}

/// The value that the line through the samples has `ahead_s` seconds after `now`. `None` with fewer than two
/// samples.
pub fn predict_linear(range: &Range<'_>, now: Time, ahead_s: f64) -> Option<f64> {
    let (slope, at_now) = line(range, now)?;
    Some(at_now + slope * ahead_s)
}

/// Slope per second, and the value at `origin`.
fn line(range: &Range<'_>, origin: Time) -> Option<(f64, f64)> {
    let samples = range.samples();
    let first = samples.first()?.value;
    if samples.len() < 2 {
        return None;
    }
    if samples.iter().all(|sample| sample.value == first) {
        // Exactly level, whatever the rounding; an infinite level has no slope.
        return Some(if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) });
    }
    let n = samples.len() as f64;
    let [mut x_sum, mut y_sum, mut xy_sum, mut xx_sum] = [Compensated::ZERO; 4];
    for sample in samples {
        let x = seconds(sample.at.since(origin)) - seconds(origin.since(sample.at));
        x_sum.add(x);
        y_sum.add(sample.value);
        xy_sum.add(x * sample.value);
        xx_sum.add(x * x);
    }
    let (x_sum, y_sum) = (x_sum.total(), y_sum.total());
    let covariance = xy_sum.total() - x_sum * y_sum / n;
    let variance = xx_sum.total() - x_sum * x_sum / n;
    let slope = covariance / variance;
    Some((slope, y_sum / n - slope * x_sum / n))
}
