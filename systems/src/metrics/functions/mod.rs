//! What a query engine computes from samples: Prometheus' functions over a range, on plain numbers. They answer
//! `None` where there is nothing to say, never zero, and "not a number" only where the samples say so. Never looks
//! samples up; see [`Series`](super::Series).

mod over_time;
mod quantiles;
mod rates;
mod regression;

pub use over_time::{
    absent_over_time, avg_over_time, count_over_time, first_over_time, last_over_time, mad_over_time,
    max_over_time, min_over_time, present_over_time, quantile_over_time, stddev_over_time, stdvar_over_time,
    sum_over_time, ts_of_first_over_time, ts_of_last_over_time, ts_of_max_over_time, ts_of_min_over_time,
};
pub use quantiles::{CumulativeBucket, histogram_fraction, histogram_quantile};
pub use rates::{changes, delta, idelta, increase, irate, rate, resets};
pub use regression::{deriv, predict_linear};

use crate::time::Span;

/// A span in seconds, as the functions count.
fn seconds(span: Span) -> f64 {
    span.as_nanos() as f64 / 1e9
}

#[cfg(test)]
mod tests;
