//! `Distribution`: how long something takes, as a scenario says it, and what makes one impossible.
//! Never draws: a [`super::Sampler`] compiles it first.

use std::fmt;

use crate::kernel::time::Span;

/// How long something takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Constant(Span),
    /// Every nanosecond from `min` to `max`, both included, with the same chance.
    Uniform {
        /// Shortest.
        min: Span,
        /// Longest, at least `min`.
        max: Span,
    },
    /// Memoryless.
    Exponential {
        /// Mean.
        mean: Span,
    },
    /// Normal; what would be below zero is zero, so that the mean over all is a little above `mean` where `sd`
    /// is large ([`super::Sampler::mean`] knows it).
    Normal {
        /// Mean of the normal distribution before cutting at zero.
        mean: Span,
        /// Standard deviation before cutting at zero.
        sd: Span,
    },
    /// Lognormal.
    LogNormal {
        /// Half of all are shorter.
        median: Span,
        /// One in a hundred is longer; at least `median`.
        p99: Span,
    },
    /// Heavy-tailed: the share that is longer than x is (`min` / x)^`shape`.
    Pareto {
        /// Shortest, above zero.
        min: Span,
        /// Tail exponent, finite and above 0; smaller is heavier. Without a cap the mean is infinite up to 1.
        shape: f64,
        /// Whatever would be longer takes this long; at least `min`.
        cap: Option<Span>,
    },
    /// Gamma.
    Gamma {
        /// Mean.
        mean: Span,
        /// Shape, from 0.001 to 10^9: 1 is exponential, larger is narrower.
        shape: f64,
    },
    /// Mostly one, sometimes another.
    Bimodal {
        /// The usual one.
        fast: Box<Distribution>,
        /// The other one.
        slow: Box<Distribution>,
        /// How often the other one, in parts per million.
        slow_ppm: u32,
    },
    /// As measured.
    Empirical(Empirical),
}

impl Distribution {
    /// Takes no time.
    pub const ZERO: Distribution = Distribution::Constant(Span::ZERO);

    /// How deep bimodal distributions may lie in each other.
    pub const MAX_DEPTH: usize = 16;
    /// The least shape of a gamma distribution; below it, all but one in thousands would round to zero.
    pub const MIN_GAMMA_SHAPE: f64 = 0.001;
    /// The greatest shape of a gamma distribution; above it, it is a constant to five digits.
    pub const MAX_GAMMA_SHAPE: f64 = 1e9;
}

/// A distribution given by measurements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Empirical {
    /// Points (cumulative parts per million, value), both ascending, the former strictly. Linear in between,
    /// flat outside: nothing is shorter than the first value or longer than the last. Points at 0 and at
    /// 1 000 000 say more.
    Quantiles(Vec<(u32, Span)>),
    /// Single observations in any order, each with the same chance.
    Samples(Vec<Span>),
}

/// Why there is no such distribution.
#[derive(Clone, Debug, PartialEq)]
pub enum DistributionError {
    /// A uniform distribution from more to less.
    MinAboveMax {
        /// The shortest, as given.
        min: Span,
        /// The longest, as given.
        max: Span,
    },
    /// A 99th percentile that is shorter than the median.
    P99BelowMedian {
        /// The median, as given.
        median: Span,
        /// The 99th percentile, as given.
        p99: Span,
    },
    /// A lognormal distribution with a median of zero, but not all zero.
    ZeroMedian {
        /// The 99th percentile, as given.
        p99: Span,
    },
    /// A Pareto distribution that starts at zero.
    ZeroMin,
    /// A Pareto distribution whose cap is below its start.
    CapBelowMin {
        /// The shortest, as given.
        min: Span,
        /// The cap, as given.
        cap: Span,
    },
    /// A Pareto shape that is not a finite number above 0.
    ParetoShape(f64),
    /// A gamma shape outside of 0.001 to 10^9.
    GammaShape(f64),
    /// A share above 1 000 000 parts per million.
    ShareAboveOne {
        /// The share, as given.
        slow_ppm: u32,
    },
    /// Bimodal distributions too deep in each other.
    TooDeep,
    /// Neither a quantile nor a sample.
    Empty,
    /// A quantile above 1 000 000 parts per million.
    QuantileAboveOne {
        /// The quantile, as given.
        ppm: u32,
    },
    /// A quantile that is not above the one before.
    QuantilesNotAscending {
        /// The one before.
        before_ppm: u32,
        /// The quantile, as given.
        ppm: u32,
    },
    /// A quantile whose value is below that of the one before.
    ValuesDescending {
        /// The quantile, as given.
        ppm: u32,
        /// The value of the one before.
        before: Span,
        /// Its value, as given.
        value: Span,
    },
}

impl fmt::Display for DistributionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DistributionError::MinAboveMax { min, max } => {
                write!(f, "min {min} is above max {max}: swap them, or write `constant` for a single value")
            }
            DistributionError::P99BelowMedian { median, p99 } => {
                write!(f, "p99 {p99} is below the median {median}: give a p99 of at least {median}")
            }
            DistributionError::ZeroMedian { p99 } => {
                write!(f, "no lognormal has a median of 0 and a p99 of {p99}: give a median of at least 1ns")
            }
            DistributionError::ZeroMin => {
                f.write_str("a pareto distribution starts above 0: give a min of at least 1ns")
            }
            DistributionError::CapBelowMin { min, cap } => {
                write!(f, "the cap {cap} is below the min {min}: give a cap of at least {min}, or none")
            }
            DistributionError::ParetoShape(shape) => {
                write!(
                    f,
                    "no pareto distribution has the shape {shape}: give a finite number above 0, often 1 to 3"
                )
            }
            DistributionError::GammaShape(shape) => {
                write!(
                    f,
                    "a gamma distribution of shape {shape} is out of range: give 0.001 to 1000000000, or write \
                     `constant` for no spread at all"
                )
            }
            DistributionError::ShareAboveOne { slow_ppm } => {
                write!(f, "a slow share of {} is above 100%: give 0% to 100%", Percent(*slow_ppm))
            }
            DistributionError::TooDeep => {
                write!(
                    f,
                    "bimodal distributions lie more than {} deep in each other: write them as one `empirical`",
                    Distribution::MAX_DEPTH
                )
            }
            DistributionError::Empty => {
                f.write_str("an empirical distribution is empty: give at least one quantile or sample")
            }
            DistributionError::QuantileAboveOne { ppm } => {
                write!(f, "the quantile {} is above 100%: give 0% to 100%", Percent(*ppm))
            }
            DistributionError::QuantilesNotAscending { before_ppm, ppm } => {
                let (before, this) = (Percent(*before_ppm), Percent(*ppm));
                write!(f, "the quantile {this} comes after {before}: list them ascending, each one once")
            }
            DistributionError::ValuesDescending { ppm, before, value } => {
                let this = Percent(*ppm);
                write!(f, "{value} at {this} is below the {before} before it: give at least {before}")
            }
        }
    }
}

impl std::error::Error for DistributionError {}

/// Parts per million as people write them: `99.9%`.
struct Percent(u32);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / 10_000, self.0 % 10_000);
        if fraction == 0 {
            return write!(f, "{whole}%");
        }
        let digits = format!("{fraction:04}");
        write!(f, "{whole}.{}%", digits.trim_end_matches('0'))
    }
}
