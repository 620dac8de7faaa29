//! Exact integer arithmetic several systems share: shares in parts per million, growth by a factor, uniform
//! draws. Never a float, never an overflow.

use crate::time::Span;

/// One whole, in parts per million.
pub(crate) const WHOLE_PPM: u32 = 1_000_000;

/// A number from `low` to `high`, both included, chosen by a uniformly distributed word.
/// With `high < low` it is `low`.
pub(crate) fn uniform(entropy: u64, low: u64, high: u64) -> u64 {
    let width = u128::from(high.saturating_sub(low)) + 1;
    low + ((u128::from(entropy) * width) >> 64) as u64
}

/// The `number`th uniformly distributed word of a sequence that `seed` names: the output function of SplitMix64
/// (Steele, Lea and Flood, OOPSLA 2014).
pub(crate) fn keyed_word(seed: u64, number: u64) -> u64 {
    let word = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// Whether `part` is at least `share_ppm` of `whole`. An empty whole reaches no share.
pub(crate) fn reaches_share(part: u64, whole: u64, share_ppm: u32) -> bool {
    whole > 0 && u128::from(part) * u128::from(WHOLE_PPM) >= u128::from(whole) * u128::from(share_ppm)
}

/// `share_ppm` of `whole`, rounded down, saturating.
pub(crate) fn share_of(whole: u64, share_ppm: u32) -> u64 {
    let wide = u128::from(whole) * u128::from(share_ppm) / u128::from(WHOLE_PPM);
    u64::try_from(wide).unwrap_or(u64::MAX)
}

/// Bits after the binary point while a span grows by a fractional factor.
const FRACTION_BITS: u32 = 32;

/// `base * (factor_milli / 1000)^steps`, rounded down to a nanosecond, at most `cap`.
///
/// Whole factors are exact; for others each step keeps 32 bits below the nanosecond. The work is bounded by
/// the steps it takes to reach the cap or to stop changing, however large `steps` is.
pub(crate) fn grown(base: Span, factor_milli: u32, steps: u32, cap: Span) -> Span {
    if factor_milli.is_multiple_of(1_000) {
        let factor = u64::from(factor_milli / 1_000).checked_pow(steps).unwrap_or(u64::MAX);
        return base.saturating_mul(factor).min(cap);
    }
    let bound = u128::from(cap.as_nanos()) << FRACTION_BITS;
    let mut fixed = u128::from(base.as_nanos()) << FRACTION_BITS;
    for _ in 0..steps {
        if fixed >= bound {
            return cap;
        }
        // Below 2^96 times below 2^32: no overflow.
        let next = fixed * u128::from(factor_milli) / 1_000;
        if next == fixed {
            break;
        }
        fixed = next;
    }
    if fixed >= bound { cap } else { Span::from_nanos((fixed >> FRACTION_BITS) as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn growth_is_exact_for_whole_and_fractional_factors() {
        let cases = [
            // base, factor, steps, cap, expected
            (5, 2_000, 0, 2_000, 5),
            (5, 2_000, 3, 2_000, 40),
            (5, 2_000, 9, 2_000, 2_000),
            (1_000_000_000, 1_600, 3, u64::MAX, 4_095_999_999),
            (1_000, 1_500, 2, u64::MAX, 2_250),
            (1_000, 1_000, u32::MAX, u64::MAX, 1_000),
            (1_000, 500, 3, u64::MAX, 125),
            (1_000, 0, 1, u64::MAX, 0),
            (0, 3_000, u32::MAX, u64::MAX, 0),
            (0, 1_500, u32::MAX, u64::MAX, 0),
            (1, 2_000, 64, u64::MAX, u64::MAX),
            (u64::MAX, u32::MAX, u32::MAX, u64::MAX, u64::MAX),
            // One step far past the cap, and past 64 bits.
            (1 << 62, 4_123_758_578, 1, u64::MAX, u64::MAX),
            (1 << 62, 4_123_758_578, 1, (1 << 62) + 1, (1 << 62) + 1),
        ];
        for (base, factor, steps, cap, expected) in cases {
            let got = grown(Span::from_nanos(base), factor, steps, Span::from_nanos(cap)).as_nanos();
            assert!(got.abs_diff(expected) <= u64::from(factor == 1_600), "{base} x {factor}^{steps}: {got}");
        }
    }

    #[test]
    fn the_ends_of_the_random_word_are_the_ends_of_the_interval() {
        for (low, high) in [(0, 0), (0, 9), (3, 4), (0, u64::MAX), (u64::MAX, u64::MAX), (7, 2)] {
            assert_eq!(uniform(0, low, high), low);
            assert_eq!(uniform(u64::MAX, low, high), high.max(low));
        }
    }

    #[test]
    fn keyed_words_are_those_of_splitmix64() {
        // The published first outputs for the seed 1234567.
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([0, 1, 2].map(|number| keyed_word(1_234_567, number)), expected);
    }

    proptest! {
        #[test]
        fn growth_never_passes_the_cap_and_never_shrinks_with_more_steps(
            base in any::<u64>(), factor in 1_000u32..=u32::MAX, steps in 0u32..200, cap in any::<u64>(),
        ) {
            let (base, cap) = (Span::from_nanos(base), Span::from_nanos(cap));
            let now = grown(base, factor, steps, cap);
            prop_assert!(now <= cap);
            prop_assert!(grown(base, factor, steps + 1, cap) >= now);
        }

        #[test]
        fn a_uniform_draw_stays_inside_and_follows_its_word(
            low in any::<u64>(), width in any::<u64>(), a in any::<u64>(), b in any::<u64>(),
        ) {
            let high = low.saturating_add(width);
            let (less, more) = (a.min(b), a.max(b));
            prop_assert!((low..=high).contains(&uniform(less, low, high)));
            prop_assert!(uniform(less, low, high) <= uniform(more, low, high));
        }
    }
}
