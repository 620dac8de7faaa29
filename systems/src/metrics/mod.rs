//! Turns events into numbers over time windows: counters, gauges, distributions, windows, rates, alerts. Reads no
//! clock and keeps no registry behind anybody's back: whoever measures passes the time and holds the instruments.

mod alert; // waits before it fires and before it resolves
pub mod burn_rate; // alerts on how fast an error budget is spent
pub mod functions; // rate, increase, quantiles and the rest of what a query computes
pub mod histogram; // distributions: HDR, relative accuracy, classic, exponential
mod instruments; // counter, gauge, set
mod labels; // names of series, and a bound on their number
mod recording; // rules that keep what many would ask for
mod rollup; // a long history in coarse steps
mod series; // samples over time, gaps, look-back
pub mod shared; // fronts for many threads
pub mod temporality; // running sums to differences and back, across restarts
pub mod window; // sliding, tumbling, hopping, session, decaying

pub use alert::{Alert, AlertChange, AlertConfig, AlertState, Condition, NoDataPolicy};
pub use histogram::{Accumulator, Histogram, Quantile, ShapeMismatch, Summary, Totals};
pub use instruments::{Counter, DistinctSet, Gauge, PrecisionError};
pub use labels::{LabelError, Labels, Registry, SeriesId};
pub use recording::{Expression, Recorded, RuleError, RuleGroup};
pub use rollup::{Rollup, RollupBucket, RollupError, RollupTier};
pub use series::{AppendError, LOOKBACK, Range, Retention, Sample, Series};
