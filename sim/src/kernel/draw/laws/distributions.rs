//! Laws of distributions: drawn values follow the cumulative function that the definition gives, worked out
//! here by slower means than the sampler's own.

use proptest::prelude::*;

use super::super::*;
use super::key;
use crate::kernel::time::Span;

const DRAWS: usize = 200_000;
const MS: f64 = 1e6;

fn ms(count: u64) -> Span {
    Span::from_millis(count)
}

fn sampler(distribution: &Distribution) -> Sampler {
    Sampler::new(distribution).expect("a possible distribution")
}

fn bimodal(fast: Distribution, slow: Distribution, slow_ppm: u32) -> Distribution {
    Distribution::Bimodal { fast: Box::new(fast), slow: Box::new(slow), slow_ppm }
}

fn quantiles(points: &[(u32, Span)]) -> Distribution {
    Distribution::Empirical(Empirical::Quantiles(points.to_vec()))
}

/// The cumulative standard normal function from the error function.
fn normal_cumulative(z: f64) -> f64 {
    0.5 * libm::erfc(-z / 2.0_f64.sqrt())
}

/// The standard normal quantile by bisection: slow, and obviously right.
fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if normal_cumulative(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The cumulative gamma function with mean 1 by its power series, for moderate shapes and values.
fn gamma_cumulative(shape: f64, value: f64) -> f64 {
    let x = shape * value;
    if x <= 0.0 {
        return 0.0;
    }
    let mut term = libm::exp(shape * libm::log(x) - x - libm::lgamma(shape + 1.0));
    let mut sum = term;
    for n in 1..10_000 {
        term *= x / (shape + f64::from(n));
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    sum.min(1.0)
}

/// How far drawn values are from a cumulative function over nanoseconds: the greatest difference of the shares
/// at or below any drawn value, times the root of the number of draws (Kolmogorov and Smirnov). Above 2.2 in
/// 1 of 8000 cases. Jumps of the function do no harm.
fn distance(sample: impl Fn(u64) -> Span, cumulative: impl Fn(f64) -> f64) -> f64 {
    let mut drawn: Vec<u64> = (0..DRAWS as u64).map(|identity| sample(identity).as_nanos()).collect();
    drawn.sort_unstable();
    let mut worst: f64 = 0.0;
    let mut upto = 0;
    for equal in drawn.chunk_by(|one, next| one == next) {
        upto += equal.len();
        // A value stands for all that is rounded to it.
        let expected = cumulative(equal[0] as f64 + 0.5);
        worst = worst.max((upto as f64 / DRAWS as f64 - expected).abs());
    }
    worst * (DRAWS as f64).sqrt()
}

const MOST_DISTANCE: f64 = 2.2;

/// A distribution and the probability that a value is at most a number of milliseconds.
type Case = (&'static str, Distribution, Box<dyn Fn(f64) -> f64>);

fn gamma_case(name: &'static str, shape: f64) -> Case {
    (name, Distribution::Gamma { mean: ms(5), shape }, Box::new(move |x| gamma_cumulative(shape, x / 5.0)))
}

fn cases() -> Vec<Case> {
    let exponential = |mean: f64| move |x: f64| -libm::expm1(-x / mean);
    let spread = libm::log(10.0) / 2.326_347_874_040_841;
    vec![
        ("uniform", Distribution::Uniform { min: ms(2), max: ms(6) }, Box::new(|x| (x - 2.0) / 4.0)),
        ("exponential", Distribution::Exponential { mean: ms(5) }, Box::new(exponential(5.0))),
        ("normal", Distribution::Normal { mean: ms(9), sd: ms(1) }, Box::new(|x| normal_cumulative(x - 9.0))),
        (
            "normal cut at zero",
            Distribution::Normal { mean: ms(1), sd: ms(2) },
            Box::new(|x| normal_cumulative((x - 1.0) / 2.0)),
        ),
        (
            "lognormal",
            Distribution::LogNormal { median: ms(4), p99: ms(40) },
            Box::new(move |x| normal_cumulative(libm::log(x / 4.0) / spread)),
        ),
        (
            "pareto",
            Distribution::Pareto { min: ms(3), shape: 1.5, cap: None },
            Box::new(|x| 1.0 - libm::pow(3.0 / x, 1.5).min(1.0)),
        ),
        (
            "pareto with a cap",
            Distribution::Pareto { min: ms(3), shape: 1.0, cap: Some(ms(30)) },
            Box::new(|x| if x < 30.0 { 1.0 - (3.0 / x).min(1.0) } else { 1.0 }),
        ),
        gamma_case("gamma that is exponential", 1.0),
        gamma_case("gamma", 2.5),
        gamma_case("narrow gamma", 80.0),
        gamma_case("wide gamma", 0.3),
        (
            "bimodal",
            bimodal(
                Distribution::Exponential { mean: ms(1) },
                Distribution::Uniform { min: ms(10), max: ms(20) },
                100_000,
            ),
            Box::new(move |x| 0.9 * exponential(1.0)(x) + 0.1 * ((x - 10.0) / 10.0).clamp(0.0, 1.0)),
        ),
        (
            "bimodal within bimodal",
            bimodal(
                bimodal(Distribution::Constant(ms(1)), Distribution::Exponential { mean: ms(2) }, 500_000),
                Distribution::Exponential { mean: ms(8) },
                500_000,
            ),
            Box::new(move |x| {
                let constant = if x >= 1.0 { 1.0 } else { 0.0 };
                0.25 * constant + 0.25 * exponential(2.0)(x) + 0.5 * exponential(8.0)(x)
            }),
        ),
        (
            "quantiles",
            quantiles(&[(100_000, ms(1)), (500_000, ms(3)), (990_000, ms(40))]),
            Box::new(|x| match x {
                _ if x < 1.0 => 0.0,
                _ if x < 3.0 => 0.1 + 0.2 * (x - 1.0),
                _ if x < 40.0 => 0.5 + 0.49 * (x - 3.0) / 37.0,
                _ => 1.0,
            }),
        ),
        (
            "samples",
            Distribution::Empirical(Empirical::Samples(vec![ms(5), ms(1), ms(1), ms(9)])),
            Box::new(|x| [1.0, 1.0, 5.0, 9.0].iter().filter(|sample| **sample <= x).count() as f64 / 4.0),
        ),
    ]
}

#[test]
fn drawn_values_follow_the_cumulative_function_of_the_definition() {
    let key = key(1);
    for (name, distribution, cumulative) in cases() {
        let sampler = sampler(&distribution);
        let found = distance(|i| sampler.sample(key, i), |ns| cumulative(ns / MS));
        assert!(found < MOST_DISTANCE, "{name}: {found}");
    }
}

#[test]
fn slightly_different_distributions_are_caught() {
    let key = key(1);
    let caught = |distribution: Distribution, cumulative: &dyn Fn(f64) -> f64| {
        let sampler = sampler(&distribution);
        let found = distance(|i| sampler.sample(key, i), |ns| cumulative(ns / MS));
        assert!(found > 1.3 * MOST_DISTANCE, "{distribution:?}: {found}");
    };
    caught(Distribution::Exponential { mean: Span::from_micros(5150) }, &|x| -libm::expm1(-x / 5.0));
    caught(Distribution::Gamma { mean: ms(5), shape: 2.4 }, &|x| gamma_cumulative(2.5, x / 5.0));
    caught(Distribution::Gamma { mean: ms(5), shape: 0.29 }, &|x| gamma_cumulative(0.3, x / 5.0));
    caught(Distribution::Normal { mean: ms(9), sd: Span::from_micros(1050) }, &|x| {
        normal_cumulative(x - 9.0)
    });
    caught(Distribution::Pareto { min: ms(3), shape: 1.55, cap: None }, &|x| 1.0 - libm::pow(3.0 / x, 1.5));
    caught(quantiles(&[(0, ms(1)), (500_000, ms(3))]), &|x| {
        if x < 3.0 { (x - 1.0) / 4.0 + 0.01 } else { 1.0 }
    });
}

/// The mean and the standard deviation of drawn values, in nanoseconds.
fn moments(sampler: &Sampler) -> (f64, f64) {
    let key = key(3);
    let drawn = (0..DRAWS as u64).map(|identity| sampler.sample(key, identity).as_nanos() as f64);
    let (mut sum, mut squares) = (0.0, 0.0);
    for value in drawn {
        sum += value;
        squares += value * value;
    }
    let mean = sum / DRAWS as f64;
    (mean, (squares / DRAWS as f64 - mean * mean).max(0.0).sqrt())
}

#[test]
fn the_stated_mean_is_the_mean_of_what_is_drawn() {
    let heavy = Distribution::Pareto { min: ms(3), shape: 0.8, cap: Some(ms(500)) };
    let extreme = [
        ("constant", Distribution::Constant(ms(7))),
        ("lighter pareto", Distribution::Pareto { min: ms(3), shape: 4.0, cap: None }),
        ("heavy pareto with a cap", heavy),
        ("lognormal that is constant", Distribution::LogNormal { median: ms(4), p99: ms(4) }),
        ("normal that is constant", Distribution::Normal { mean: ms(4), sd: Span::ZERO }),
        ("normal around zero", Distribution::Normal { mean: Span::ZERO, sd: ms(2) }),
    ];
    let common = cases().into_iter().filter(|(name, ..)| *name != "pareto");
    for (name, distribution) in common.map(|(name, distribution, _)| (name, distribution)).chain(extreme) {
        let sampler = sampler(&distribution);
        let (mean, deviation) = moments(&sampler);
        let off = (sampler.mean().as_nanos() as f64 - mean).abs();
        assert!(off <= 4.0 * deviation / (DRAWS as f64).sqrt() + 1.0, "{name}: {off} ns of {mean} ns");
    }
}

#[test]
fn stated_means_are_those_of_the_formulas() {
    let sigma = libm::log(10.0) / 2.326_347_874_040_841;
    let cases: [(Distribution, f64); 12] = [
        (Distribution::Uniform { min: ms(2), max: ms(6) }, 4.0),
        (Distribution::Exponential { mean: ms(5) }, 5.0),
        (Distribution::Normal { mean: ms(400), sd: ms(1) }, 400.0),
        (Distribution::Normal { mean: Span::ZERO, sd: ms(1) }, 1.0 / (2.0 * std::f64::consts::PI).sqrt()),
        (Distribution::LogNormal { median: ms(4), p99: ms(40) }, 4.0 * libm::exp(sigma * sigma / 2.0)),
        (Distribution::Pareto { min: ms(3), shape: 1.5, cap: None }, 9.0),
        (Distribution::Pareto { min: ms(3), shape: 3.0, cap: None }, 4.5),
        (Distribution::Pareto { min: ms(3), shape: 1.0, cap: Some(ms(30)) }, 3.0 + 3.0 * libm::log(10.0)),
        (Distribution::Pareto { min: ms(3), shape: 2.0, cap: Some(ms(6)) }, 4.5),
        (Distribution::Gamma { mean: ms(5), shape: 0.3 }, 5.0),
        (quantiles(&[(500_000, ms(2)), (1_000_000, ms(4))]), 2.5),
        (Distribution::Empirical(Empirical::Samples(vec![ms(1), ms(1), ms(10)])), 4.0),
    ];
    for (distribution, mean_ms) in cases {
        let mean_ns = sampler(&distribution).mean().as_nanos() as f64;
        // The mean of an uncapped pareto of shape 1.5 is a little short, for no span is longer than 584 years.
        assert!((mean_ns / MS / mean_ms - 1.0).abs() < 1e-6, "{distribution:?}: {mean_ns}");
    }
}

#[test]
fn a_tail_that_no_span_can_hold_has_the_longest_span_for_its_mean() {
    let cases = [
        Distribution::Pareto { min: Span::from_nanos(1), shape: f64::MIN_POSITIVE, cap: None },
        Distribution::Exponential { mean: Span::MAX },
        Distribution::LogNormal { median: ms(1), p99: Span::MAX },
    ];
    for distribution in cases {
        assert_eq!(sampler(&distribution).mean(), Span::MAX, "{distribution:?}");
    }
}

#[test]
fn spread_is_that_of_the_formulas() {
    let cases = [
        (Distribution::Uniform { min: ms(2), max: ms(8) }, 3.0_f64.sqrt()),
        (Distribution::Exponential { mean: ms(5) }, 5.0),
        (Distribution::Normal { mean: ms(400), sd: ms(2) }, 2.0),
        (Distribution::Gamma { mean: ms(5), shape: 4.0 }, 2.5),
        (Distribution::Gamma { mean: ms(5), shape: 0.25 }, 10.0),
        (Distribution::Gamma { mean: ms(5), shape: 1e6 }, 0.005),
        (bimodal(Distribution::ZERO, Distribution::Constant(ms(10)), 500_000), 5.0),
    ];
    for (distribution, deviation_ms) in cases {
        let (_, found) = moments(&sampler(&distribution));
        assert!((found / MS / deviation_ms - 1.0).abs() < 0.02, "{distribution:?}: {found}");
    }
}

#[test]
fn a_lognormal_has_the_median_and_the_99th_percentile_it_was_given() {
    let key = key(6);
    for (median, p99) in [(ms(4), ms(40)), (Span::from_micros(300), ms(9000)), (ms(100), ms(101))] {
        let sampler = sampler(&Distribution::LogNormal { median, p99 });
        let mut drawn: Vec<Span> = (0..DRAWS as u64).map(|i| sampler.sample(key, i)).collect();
        drawn.sort_unstable();
        let shares = [(median, 0.5), (p99, 0.99)];
        for (value, share) in shares {
            let below = drawn.partition_point(|span| *span <= value) as f64 / DRAWS as f64;
            let deviation = (share * (1.0 - share) / DRAWS as f64).sqrt();
            assert!((below - share).abs() < 4.0 * deviation, "{below} at or below {value}");
        }
    }
}

#[test]
fn the_normal_quantile_agrees_with_bisection_of_the_error_function() {
    let tails = (1..=53).map(|halvings| 1.0 / (1_u64 << halvings) as f64);
    let inner = (1..200).map(|i| f64::from(i) / 400.0);
    // Both sides of where one approximation gives way to the next.
    let seams = [0.075, libm::exp(-25.0)].into_iter().flat_map(|p| [p * (1.0 - 1e-12), p, p * (1.0 + 1e-12)]);
    for p in tails.chain(inner).chain(seams) {
        let (found, expected) = (normal::quantile(p), normal_quantile(p));
        assert!((found - expected).abs() <= 4e-15 * expected.abs().max(1.0), "{p}: {found} {expected}");
    }
    for word in (0..1000).map(|i| key(8).draw(i)) {
        assert_eq!(normal::quantile(unit(!word)), -normal::quantile(unit(word)), "odd about one half");
    }
    assert!((normal::Z99 - normal_quantile(0.99)).abs() < 4e-15);
}

#[test]
fn an_empirical_distribution_invents_nothing_beyond_its_ends() {
    let sampler = sampler(&quantiles(&[(500_000, ms(3)), (990_000, ms(40))]));
    assert_eq!(sampler.min(), ms(3));
    let drawn: Vec<Span> = (0..10_000).map(|i| sampler.sample(key(1), i)).collect();
    assert_eq!(drawn.iter().min(), Some(&ms(3)));
    assert_eq!(drawn.iter().max(), Some(&ms(40)));
    let one = Distribution::Empirical(Empirical::Quantiles(vec![(500_000, ms(3))]));
    assert_eq!(super::distributions::sampler(&one).mean(), ms(3));
}

#[test]
fn a_greater_slow_share_changes_only_what_becomes_slow() {
    let fast = Distribution::Exponential { mean: ms(1) };
    let slow = Distribution::Constant(ms(1000));
    let few = sampler(&bimodal(fast.clone(), slow.clone(), 10_000));
    let more = sampler(&bimodal(fast, slow, 50_000));
    let mut changed = 0;
    for identity in 0..10_000 {
        let (before, after) = (few.sample(key(1), identity), more.sample(key(1), identity));
        if before != after {
            assert_eq!(after, ms(1000));
            changed += 1;
        }
    }
    assert!((300..500).contains(&changed), "{changed} of 10000 became slow");
}

#[test]
fn an_identity_keeps_its_place_when_a_parameter_changes() {
    let pairs = [
        (Distribution::Exponential { mean: ms(1) }, Distribution::Exponential { mean: ms(3) }),
        (
            Distribution::LogNormal { median: ms(4), p99: ms(40) },
            Distribution::LogNormal { median: ms(6), p99: ms(400) },
        ),
        (
            Distribution::Uniform { min: ms(0), max: ms(4) },
            Distribution::Pareto { min: ms(1), shape: 1.1, cap: None },
        ),
    ];
    for (before, after) in pairs {
        let (before, after) = (sampler(&before), sampler(&after));
        let mut drawn: Vec<(Span, Span)> =
            (0..2000).map(|i| (before.sample(key(1), i), after.sample(key(1), i))).collect();
        drawn.sort_unstable();
        assert!(drawn.is_sorted_by_key(|(_, after)| *after));
    }
}

#[test]
fn the_values_of_distributions_never_change() {
    let expected = [
        ("uniform", [5_916_135, 3_518_381, 4_326_519, 3_183_714]),
        ("exponential", [19_324_164, 2_386_915, 4_356_941, 1_754_378]),
        ("normal", [11_034_186, 8_693_456, 9_206_064, 8_463_853]),
        ("normal cut at zero", [5_068_372, 386_912, 1_412_128, 0]),
        ("lognormal", [29_955_165, 2_953_177, 4_904_993, 2_352_843]),
        ("pareto", [39_455_263, 4_124_182, 5_363_076, 3_790_619]),
        ("pareto with a cap", [30_000_000, 4_835_552, 7_170_680, 4_260_932]),
        ("gamma that is exponential", [4_688_172, 7_667_232, 9_689_725, 1_541_108]),
        ("gamma", [5_260_864, 7_075_107, 8_201_315, 2_895_237]),
        ("narrow gamma", [5_145_513, 5_429_412, 5_585_989, 4_675_702]),
        ("wide gamma", [9_581_023, 672_688, 18_800_113, 872_912]),
        ("bimodal", [569_019, 1_421_319, 863_260, 1_279_448]),
        ("bimodal within bimodal", [3_270_565, 11_370_550, 1_000_000, 10_235_587]),
        ("quantiles", [39_171_923, 2_397_976, 9_163_870, 1_979_643]),
        ("samples", [9_000_000, 1_000_000, 5_000_000, 1_000_000]),
    ];
    let found: Vec<(&str, [u64; 4])> = cases()
        .iter()
        .map(|(name, distribution, _)| {
            let sampler = sampler(distribution);
            (*name, [0, 1, 2, 3].map(|identity| sampler.sample(key(42), identity).as_nanos()))
        })
        .collect();
    assert_eq!(found, expected);
}

fn any_span() -> impl Strategy<Value = Span> {
    prop_oneof![Just(0), Just(1), 0..100_000_u64, 0..1_000_000_000_000_u64, any::<u64>(), Just(u64::MAX)]
        .prop_map(Span::from_nanos)
}

fn any_shape() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.001..5.0_f64,
        0.0..2e9_f64,
        any::<f64>(),
        Just(f64::MIN_POSITIVE),
        Just(f64::MAX),
        Just(1.0)
    ]
}

fn any_empirical() -> impl Strategy<Value = Empirical> {
    let points = prop::collection::btree_map(0_u32..=1_000_000, any_span(), 1..8).prop_map(|points| {
        let mut values: Vec<Span> = points.values().copied().collect();
        values.sort_unstable();
        Empirical::Quantiles(points.into_keys().zip(values).collect())
    });
    prop_oneof![points, prop::collection::vec(any_span(), 1..8).prop_map(Empirical::Samples)]
}

fn any_distribution() -> impl Strategy<Value = Distribution> {
    let (span, shape) = (any_span, any_shape);
    let single = prop_oneof![
        span().prop_map(Distribution::Constant),
        (span(), span()).prop_map(|(min, max)| Distribution::Uniform { min, max }),
        span().prop_map(|mean| Distribution::Exponential { mean }),
        (span(), span()).prop_map(|(mean, sd)| Distribution::Normal { mean, sd }),
        (span(), span()).prop_map(|(median, p99)| Distribution::LogNormal { median, p99 }),
        (span(), shape(), prop::option::of(span())).prop_map(|(min, shape, cap)| Distribution::Pareto {
            min,
            shape,
            cap
        }),
        (span(), shape()).prop_map(|(mean, shape)| Distribution::Gamma { mean, shape }),
        any_empirical().prop_map(Distribution::Empirical),
    ];
    single.prop_recursive(3, 8, 2, |inner| {
        (inner.clone(), inner, 0..1_100_000_u32).prop_map(|(fast, slow, share)| bimodal(fast, slow, share))
    })
}

/// Words with the ends more often than chance would have them.
fn any_word() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), Just(0), Just(u64::MAX), 0..4096_u64, (u64::MAX - 4096)..]
}

/// The longest span that `distribution` may give, as far as it says.
fn longest(distribution: &Distribution) -> Span {
    match distribution {
        Distribution::Constant(span) => *span,
        Distribution::Uniform { max, .. } => *max,
        Distribution::Pareto { cap: Some(cap), .. } => *cap,
        Distribution::Bimodal { fast, slow, .. } => longest(fast).max(longest(slow)),
        Distribution::Empirical(Empirical::Quantiles(points)) => {
            points.last().map_or(Span::MAX, |(_, value)| *value)
        }
        Distribution::Empirical(Empirical::Samples(samples)) => {
            samples.iter().max().copied().unwrap_or(Span::MAX)
        }
        Distribution::Pareto { cap: None, .. }
        | Distribution::Exponential { .. }
        | Distribution::Normal { .. }
        | Distribution::LogNormal { .. }
        | Distribution::Gamma { .. } => Span::MAX,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_is_accepted_stays_within_its_range(
        distribution in any_distribution(), seed: u64, words in prop::collection::vec(any_word(), 1..20),
    ) {
        let Ok(sampler) = Sampler::new(&distribution) else { return Ok(()) };
        let longest = longest(&distribution);
        prop_assert!(sampler.min() <= sampler.mean() && sampler.mean() <= longest);
        for word in words {
            for value in [sampler.sample(key(seed), word), sampler.at(word)] {
                prop_assert!(sampler.min() <= value && value <= longest, "{:?}", value);
            }
        }
    }

    #[test]
    fn a_greater_word_never_gives_a_smaller_value(
        distribution in any_distribution(), word in any_word(), other in any_word(),
    ) {
        let Ok(sampler) = Sampler::new(&distribution) else { return Ok(()) };
        prop_assert!(sampler.at(word.min(other)) <= sampler.at(word.max(other)));
        prop_assert!(sampler.at(word) <= sampler.at(word.saturating_add(1 << 12)));
    }

    #[test]
    fn a_value_is_a_function_of_key_and_identity_alone(
        distribution in any_distribution(), seed: u64, identity: u64, others in prop::collection::vec(any::<u64>(), 0..9),
    ) {
        let Ok(sampler) = Sampler::new(&distribution) else { return Ok(()) };
        let alone = sampler.sample(key(seed), identity);
        for other in others {
            sampler.sample(key(seed), other);
        }
        prop_assert_eq!(sampler.clone().sample(key(seed), identity), alone);
    }
}
