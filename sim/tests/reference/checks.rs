//! What was compared, and how it came out. Knows nothing of cases.

use std::fmt;

/// The key of checks that the sample is as large as a tolerance asks for.
pub(crate) const SAMPLE_SIZE: &str = "sample size";

/// One comparison.
pub(crate) struct Check {
    /// The expected value of the case that it is about.
    pub(crate) key: String,
    holds: bool,
    text: String,
}

/// The comparisons of a case.
#[derive(Default)]
pub(crate) struct Checks(Vec<Check>);

impl Checks {
    /// A measured number may differ from the expected one by a share of it.
    pub(crate) fn relative(&mut self, key: &str, measured: f64, expected: f64, share: f64) {
        let off = (measured - expected) / expected;
        let text = format!(
            "{measured:.6}, expected {expected}, {:+.2} % of +-{} %",
            off * 100.0,
            round(share * 100.0)
        );
        self.claim(key, off.abs() <= share, text);
    }

    /// A measured number may differ from the expected one by so much.
    pub(crate) fn absolute(&mut self, key: &str, measured: f64, expected: f64, allowed: f64) {
        let off = measured - expected;
        self.claim(
            key,
            off.abs() <= allowed,
            format!("{measured:.6}, expected {expected}, {off:+.6} of +-{allowed:.4}"),
        );
    }

    /// Something that holds or does not; `text` says what was seen.
    pub(crate) fn claim(&mut self, key: &str, holds: bool, text: String) {
        self.0.push(Check { key: key.to_string(), holds, text });
    }

    /// At least so much was measured.
    pub(crate) fn at_least(&mut self, measured: u64, wanted: f64) {
        self.claim(SAMPLE_SIZE, measured as f64 >= wanted, format!("{measured} of {wanted}"));
    }

    pub(crate) fn failed(&self) -> impl Iterator<Item = &Check> {
        self.0.iter().filter(|check| !check.holds)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|check| check.key.as_str())
    }
}

/// Without the digits that only the conversion to a percentage brought.
fn round(percent: f64) -> f64 {
    (percent * 1e9).round() / 1e9
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.text)
    }
}

impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|check| writeln!(f, "  {} {check}", if check.holds { "ok   " } else { "WRONG" }))
    }
}
