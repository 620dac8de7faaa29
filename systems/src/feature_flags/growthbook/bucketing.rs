//! GrowthBook's numbers: a hash between 0 and 1, ranges of it, and who falls into which. Weights and coverage are
//! decimal fractions in the format, so they are floats here; only sums, products and quotients, which are the same
//! everywhere.

use crate::feature_flags::hash::{Digits, fnv1a32};

/// From the first number on, up to but without the second.
pub type Range = (f64, f64);

/// A number from 0 up to but without 1, the same for the same seed and value. Version 1 has three digits, version 2 four
/// and less bias; any other version has none.
pub fn hash(seed: &str, value: &str, version: u64) -> Option<f64> {
    match version {
        1 => Some(f64::from(fnv1a32(&[value, seed]) % 1_000) / 1_000.0),
        2 => {
            let first = fnv1a32(&[seed, value]);
            Some(f64::from(fnv1a32(&[Digits::of(first.into()).as_str()]) % 10_000) / 10_000.0)
        }
        _ => None,
    }
}

/// Whether `number` lies in `range`.
pub fn in_range(number: f64, range: Range) -> bool {
    range.0 <= number && number < range.1
}

/// The same weight for each of `variations`; none for a number that is not positive.
pub fn equal_weights(variations: i64) -> Vec<f64> {
    let count = usize::try_from(variations).unwrap_or(0);
    vec![1.0 / count as f64; count]
}

/// By how much the sum of weights may differ from 1 before they are not used.
const WEIGHT_TOLERANCE: f64 = 0.01;

/// A range for each of `variations`, side by side by weight, each filled from its lower end as far as the coverage says.
/// Coverage outside of 0 to 1 is 0 or 1; weights that do not fit the number of variations, or do not add up to 1, are
/// equal ones instead.
pub fn bucket_ranges(variations: usize, coverage: f64, weights: Option<&[f64]>) -> Vec<Range> {
    let coverage = if coverage.is_nan() { 0.0 } else { coverage.clamp(0.0, 1.0) };
    let adds_up = |weights: &&[f64]| (weights.iter().sum::<f64>() - 1.0).abs() <= WEIGHT_TOLERANCE;
    let equal;
    let weights = match weights.filter(|weights| weights.len() == variations).filter(adds_up) {
        Some(weights) => weights,
        None => {
            equal = equal_weights(variations as i64);
            &equal
        }
    };
    let mut start = 0.0;
    let ranges = weights.iter().map(|weight| {
        let range = (start, start + coverage * weight);
        start += weight;
        range
    });
    ranges.collect()
}

/// The first range that `number` lies in.
pub fn choose_variation(number: f64, ranges: &[Range]) -> Option<usize> {
    ranges.iter().position(|range| in_range(number, *range))
}

/// Whether whoever has the value `id` belongs to that part of a namespace: parts that do not overlap share nobody.
pub fn in_namespace(id: &str, namespace: &str, part: Range) -> bool {
    let number = f64::from(fnv1a32(&[id, "__", namespace]) % 1_000) / 1_000.0;
    in_range(number, part)
}

/// The variation that the query string of `url` asks for with `key=number`, if there are that many.
pub fn query_string_override(key: &str, url: &str, variations: usize) -> Option<usize> {
    let query = url.split('?').nth(1)?.split('#').next()?;
    let asked = query.split('&').find_map(|pair| pair.split_once('=').filter(|(name, _)| *name == key))?.1;
    let digits = asked.len() - asked.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    asked[..digits].parse().ok().filter(|variation| *variation < variations)
}
