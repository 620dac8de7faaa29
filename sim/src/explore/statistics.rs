//! What a number of seeds says about all seeds: intervals for shares and medians, and the sign test. Whole numbers
//! in and out; floats only in between and only through `libm`, so that every machine says the same.

/// An interval in parts per million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Its lower end, rounded down.
    pub low_ppm: u64,
    /// Its upper end, rounded up.
    pub high_ppm: u64,
}

/// How sure the intervals are, parts per million.
pub const CONFIDENCE_PPM: u64 = 950_000;
/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;
/// What may lie beyond either end of an interval.
const TAIL: f64 = 0.025;

/// The share of `hits` among `of`, parts per million, rounded down; 0 of nothing.
pub fn share_ppm(hits: u64, of: u64) -> u64 {
    let ppm = (u128::from(hits) * 1_000_000).checked_div(u128::from(of)).unwrap_or(0);
    u64::try_from(ppm).unwrap_or(u64::MAX)
}

/// The 95 % score interval of a share (Wilson 1927, without continuity correction). Of nothing, anything is
/// possible.
pub fn wilson(hits: u64, of: u64) -> Interval {
    if of == 0 {
        return Interval { low_ppm: 0, high_ppm: 1_000_000 };
    }
    let (n, hits_of_n) = (of as f64, hits.min(of) as f64);
    let share = hits_of_n / n;
    let z_squared = Z * Z;
    let middle = share + z_squared / (2.0 * n);
    let half = Z * libm::sqrt(share * (1.0 - share) / n + z_squared / (4.0 * n * n));
    let whole = 1.0 + z_squared / n;
    let low = if hits == 0 { 0.0 } else { (middle - half) / whole };
    let high = if hits >= of { 1.0 } else { (middle + half) / whole };
    Interval {
        low_ppm: libm::floor(low.clamp(0.0, 1.0) * 1e6) as u64,
        high_ppm: libm::ceil(high.clamp(0.0, 1.0) * 1e6) as u64,
    }
}

/// How probable a split at least as uneven as `better` against `worse` is if both are equally likely: the exact
/// two-sided sign test, parts per million, rounded to the nearest. Ties do not count.
pub fn sign_test_ppm(better: u64, worse: u64) -> u64 {
    let trials = better.saturating_add(worse);
    let p = (2.0 * lower_tail(trials, better.min(worse))).min(1.0);
    libm::round(p * 1e6) as u64
}

/// The ranks, from 1, of the values that enclose the median of `count` values with at least 95 % confidence
/// whatever their distribution; `None` if there are too few to say.
pub fn median_ranks(count: u64) -> Option<(u64, u64)> {
    // The greatest rank with at most 2.5 % below: the tail grows with the rank.
    let (mut known, mut too_far) = (0, count / 2 + 1);
    while too_far - known > 1 {
        let rank = known + (too_far - known) / 2;
        if lower_tail(count, rank - 1) <= TAIL {
            known = rank;
        } else {
            too_far = rank;
        }
    }
    (known > 0).then(|| (known, count - known + 1))
}

/// The probability of at most `most` heads among `trials` fair coins.
fn lower_tail(trials: u64, most: u64) -> f64 {
    if most >= trials {
        return 1.0;
    }
    let (n, k) = (trials as f64, most as f64);
    let ln_choose = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
    let mut term = libm::exp(ln_choose - n * std::f64::consts::LN_2);
    let mut sum = 0.0;
    let mut heads = most;
    loop {
        sum += term;
        // From here on the terms shrink at least as fast as a geometric series, or have long become nothing.
        if heads == 0 || term < sum * 1e-12 {
            return f64::min(sum, 1.0);
        }
        term *= heads as f64 / (trials - heads + 1) as f64;
        heads -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(ppm: u64, published_in_ten_thousandths: u64) -> bool {
        ppm.abs_diff(published_in_ten_thousandths * 100) <= 50
    }

    #[test]
    fn wilson_intervals_are_those_of_newcombe_1998_table_i() {
        // Hits, of, lower and upper end in ten thousandths: method 3 of the paper.
        let published = [(81, 263, 2553, 3662), (15, 148, 624, 1605), (0, 20, 0, 1611), (1, 29, 61, 1718)];
        for (hits, of, low, high) in published {
            let interval = wilson(hits, of);
            assert!(near(interval.low_ppm, low), "{hits}/{of}: {interval:?}");
            assert!(near(interval.high_ppm, high), "{hits}/{of}: {interval:?}");
        }
    }

    #[test]
    fn nothing_of_nothing_may_be_anything() {
        assert_eq!(wilson(0, 0), Interval { low_ppm: 0, high_ppm: 1_000_000 });
        assert_eq!(share_ppm(0, 0), 0);
        assert_eq!(median_ranks(0), None);
    }

    #[test]
    fn the_sign_test_gives_the_exact_binomial_probabilities() {
        // 2 * (1 + 10 + 45) / 1024, 2 * (1 + 10) / 1024, 2 / 2^5, and no doubt at an even split.
        let exact = [(8, 2, 109_375), (9, 1, 21_484), (0, 5, 62_500), (5, 5, 1_000_000), (0, 0, 1_000_000)];
        for (better, worse, p_ppm) in exact {
            assert_eq!(sign_test_ppm(better, worse), p_ppm, "{better}:{worse}");
            assert_eq!(sign_test_ppm(worse, better), p_ppm, "{worse}:{better}");
        }
    }

    #[test]
    fn the_median_lies_between_the_ranks_of_the_published_tables() {
        // Conover, Practical Nonparametric Statistics: 95 % intervals of the median.
        let published = [
            (5, None),
            (6, Some((1, 6))),
            (10, Some((2, 9))),
            (20, Some((6, 15))),
            (50, Some((18, 33))),
            (100, Some((40, 61))),
        ];
        for (count, ranks) in published {
            assert_eq!(median_ranks(count), ranks, "{count}");
        }
    }

    #[test]
    fn a_million_seeds_take_no_time_and_a_shift_of_half_a_percent_shows() {
        assert_eq!(sign_test_ppm(500_000, 500_000), 1_000_000);
        // Four and a half standard deviations: 2 * 3.4e-6.
        assert!(sign_test_ppm(502_250, 497_750) <= 8);
        // The normal approximation: half of a million less 0.98 times a thousand.
        let (low, high) = median_ranks(1_000_000).expect("enough");
        assert!(low.abs_diff(499_021) <= 2 && low + high == 1_000_001, "{low}..{high}");
    }

    /// The same by adding up Pascal's triangle.
    fn lower_tail_by_counting(trials: u32, most: u32) -> f64 {
        let mut row = vec![1_u128];
        for _ in 0..trials {
            let mut next = vec![1_u128];
            next.extend(row.windows(2).map(|pair| pair[0] + pair[1]));
            next.push(1);
            row = next;
        }
        row.iter().take(most as usize + 1).sum::<u128>() as f64 / (1_u128 << trials) as f64
    }

    proptest! {
        #[test]
        fn tails_are_those_that_counting_gives(trials in 0_u32..100, most in 0_u32..100) {
            let (fast, counted) = (lower_tail(trials.into(), most.into()), lower_tail_by_counting(trials, most));
            prop_assert!((fast - counted).abs() < 1e-9, "{} {}", fast, counted);
        }

        #[test]
        fn an_interval_holds_its_share_and_narrows_with_more_seeds(of in 1_u64..100_000, part in 0_u64..=1_000) {
            let hits = of * part / 1_000;
            let interval = wilson(hits, of);
            let share = share_ppm(hits, of);
            prop_assert!(interval.low_ppm <= share && share <= interval.high_ppm, "{interval:?} {share}");
            let wider = interval.high_ppm - interval.low_ppm;
            let more = wilson(hits * 10, of * 10);
            prop_assert!(more.high_ppm - more.low_ppm <= wider);
        }
    }
}
