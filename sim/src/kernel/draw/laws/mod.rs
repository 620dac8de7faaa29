//! What draws promise, and the statistics that tell whether they keep it.
//! Every test has fixed seeds: it passes always or never.

mod distributions;
mod keys;
mod refusals;
mod zipf;

use super::{Key, Seed};

/// Some key; `number` picks which.
fn key(number: u64) -> Key {
    Key::derive(Seed(number), "service/checkout", "service time")
}

/// Pearson's statistic for counts against the probabilities they should have had, as its distance from what
/// is expected in standard deviations (E. B. Wilson and M. M. Hilferty, 1931). Above 4 in 1 of 30 000 cases.
fn chi_square_deviations(counts: &[u64], probabilities: &[f64]) -> f64 {
    assert_eq!(counts.len(), probabilities.len(), "one probability per count");
    let total: u64 = counts.iter().sum();
    let statistic: f64 = counts
        .iter()
        .zip(probabilities)
        .map(|(count, probability)| {
            let expected = probability * total as f64;
            assert!(expected > 5.0, "the approximation needs more draws per cell than {expected}");
            (*count as f64 - expected) * (*count as f64 - expected) / expected
        })
        .sum();
    let freedom = (counts.len() - 1) as f64;
    let spread = 2.0 / (9.0 * freedom);
    (libm::cbrt(statistic / freedom) - (1.0 - spread)) / spread.sqrt()
}

/// The same against cells that are all alike.
fn even_deviations(counts: &[u64]) -> f64 {
    chi_square_deviations(counts, &vec![1.0 / counts.len() as f64; counts.len()])
}

/// The most that a chi-square statistic may be off.
const MOST_DEVIATIONS: f64 = 4.0;
