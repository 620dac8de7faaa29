//! Laws of impossible distributions: each one is refused for its own reason, and the reason says what to do.

use super::super::*;
use crate::kernel::time::Span;

const MS: Span = Span::from_millis(1);
const LONGER: Span = Span::from_millis(2);

fn pareto(min: Span, shape: f64, cap: Option<Span>) -> Distribution {
    Distribution::Pareto { min, shape, cap }
}

fn quantiles(points: &[(u32, Span)]) -> Distribution {
    Distribution::Empirical(Empirical::Quantiles(points.to_vec()))
}

fn bimodal(slow: Distribution, slow_ppm: u32) -> Distribution {
    Distribution::Bimodal { fast: Box::new(Distribution::ZERO), slow: Box::new(slow), slow_ppm }
}

fn bimodal_of_depth(depth: usize) -> Distribution {
    (0..depth).fold(Distribution::ZERO, |inner, _| bimodal(inner, 1))
}

#[test]
fn every_impossible_distribution_is_refused_with_what_to_write_instead() {
    use DistributionError::*;
    let cases = [
        (
            Distribution::Uniform { min: LONGER, max: MS },
            MinAboveMax { min: LONGER, max: MS },
            "min 2ms is above max 1ms: swap them",
        ),
        (
            Distribution::LogNormal { median: LONGER, p99: MS },
            P99BelowMedian { median: LONGER, p99: MS },
            "p99 1ms is below the median 2ms: give a p99 of at least 2ms",
        ),
        (
            Distribution::LogNormal { median: Span::ZERO, p99: MS },
            ZeroMedian { p99: MS },
            "give a median of at least 1ns",
        ),
        (pareto(Span::ZERO, 1.0, None), ZeroMin, "give a min of at least 1ns"),
        (
            pareto(LONGER, 1.0, Some(MS)),
            CapBelowMin { min: LONGER, cap: MS },
            "give a cap of at least 2ms, or none",
        ),
        (pareto(MS, 0.0, None), ParetoShape(0.0), "give a finite number above 0"),
        (pareto(MS, -1.0, None), ParetoShape(-1.0), "give a finite number above 0"),
        (pareto(MS, f64::INFINITY, None), ParetoShape(f64::INFINITY), "give a finite number above 0"),
        (Distribution::Gamma { mean: MS, shape: 0.0 }, GammaShape(0.0), "give 0.001 to 1000000000"),
        (Distribution::Gamma { mean: MS, shape: 2e9 }, GammaShape(2e9), "give 0.001 to 1000000000"),
        (
            bimodal(Distribution::ZERO, 1_500_000),
            ShareAboveOne { slow_ppm: 1_500_000 },
            "a slow share of 150% is above 100%",
        ),
        (bimodal_of_depth(17), TooDeep, "write them as one `empirical`"),
        (quantiles(&[]), Empty, "give at least one quantile or sample"),
        (
            Distribution::Empirical(Empirical::Samples(Vec::new())),
            Empty,
            "give at least one quantile or sample",
        ),
        (
            quantiles(&[(1_000_001, MS)]),
            QuantileAboveOne { ppm: 1_000_001 },
            "the quantile 100.0001% is above 100%",
        ),
        (
            quantiles(&[(999_000, MS), (500_000, LONGER)]),
            QuantilesNotAscending { before_ppm: 999_000, ppm: 500_000 },
            "the quantile 50% comes after 99.9%: list them ascending",
        ),
        (
            quantiles(&[(5, MS), (5, MS)]),
            QuantilesNotAscending { before_ppm: 5, ppm: 5 },
            "list them ascending, each one once",
        ),
        (
            quantiles(&[(5, LONGER), (990_000, MS)]),
            ValuesDescending { ppm: 990_000, before: LONGER, value: MS },
            "1ms at 99% is below the 2ms before it: give at least 2ms",
        ),
    ];
    for (distribution, error, advice) in cases {
        let refusal = Sampler::new(&distribution).expect_err("impossible");
        assert_eq!(refusal, error);
        assert!(refusal.to_string().contains(advice), "`{refusal}` should say `{advice}`");
    }
}

#[test]
fn a_shape_that_is_not_a_number_is_refused() {
    let refusal = Sampler::new(&pareto(MS, f64::NAN, None)).expect_err("not a number");
    assert!(matches!(refusal, DistributionError::ParetoShape(shape) if shape.is_nan()));
    let refusal = Sampler::new(&Distribution::Gamma { mean: MS, shape: f64::NAN }).expect_err("not a number");
    assert!(matches!(refusal, DistributionError::GammaShape(shape) if shape.is_nan()));
}

#[test]
fn a_fault_deep_inside_is_found() {
    let inner = Distribution::Uniform { min: LONGER, max: MS };
    let refusal = Sampler::new(&bimodal(bimodal(inner, 10), 10)).expect_err("impossible inside");
    assert_eq!(refusal, DistributionError::MinAboveMax { min: LONGER, max: MS });
    assert!(Sampler::new(&bimodal_of_depth(16)).is_ok());
}

#[test]
fn impossible_zipf_distributions_are_refused_with_what_to_write_instead() {
    let cases = [
        (0, 1.0, ZipfError::NoItems, "give at least 1"),
        (1 << 41, 1.0, ZipfError::TooManyItems(1 << 41), "give at most 1099511627776"),
        (10, -0.1, ZipfError::Exponent(-0.1), "give a number from 0"),
        (10, f64::INFINITY, ZipfError::Exponent(f64::INFINITY), "give a number from 0"),
    ];
    for (items, s, error, advice) in cases {
        let refusal = Zipf::new(items, s).expect_err("impossible");
        assert_eq!(refusal, error);
        assert!(refusal.to_string().contains(advice), "`{refusal}` should say `{advice}`");
    }
    assert!(matches!(Zipf::new(10, f64::NAN), Err(ZipfError::Exponent(s)) if s.is_nan()));
}
