//! How long a breaker stays open: a policy with one method. Never waits.

use super::config::BreakerConfig;
use super::state::Reason;
use super::window::Tally;
use crate::arithmetic::{WHOLE_PPM, grown, uniform};
use crate::time::Span;
use std::fmt;

/// One opening of a breaker, as an interval policy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Which opening it is since the breaker was closed last, from 1.
    pub nth_in_a_row: u32,
    /// Why it opens.
    pub reason: Reason,
    /// The calls it opens for.
    pub tally: Tally,
    /// A uniformly distributed word, another one for each opening of each seed.
    pub random_word: u64,
}

/// Decides how long a breaker stays open. A pure function: it is asked again when the breaker is reconfigured.
pub trait OpenInterval: fmt::Debug + Send + Sync {
    /// The wait. Zero counts as a nanosecond; [`Span::MAX`] never ends.
    fn open_for(&self, opening: &Opening) -> Span;
}

impl OpenInterval for BreakerConfig {
    /// `open_for * growth^(n - 1)`, at most `open_cap`, then spread evenly over `open_jitter_ppm` of it to both
    /// sides. With a spread, breakers of a fleet that opened together do not probe together.
    fn open_for(&self, opening: &Opening) -> Span {
        let steps = opening.nth_in_a_row.saturating_sub(1);
        let cap = self.open_cap.max(self.open_for);
        let interval = grown(self.open_for, self.open_growth_milli, steps, cap);
        let jitter_ppm = u64::from(self.open_jitter_ppm.min(WHOLE_PPM));
        let spread = interval.mul_ratio(jitter_ppm, u64::from(WHOLE_PPM));
        let (low, high) = (interval.saturating_sub(spread), interval + spread);
        Span::from_nanos(uniform(opening.random_word, low.as_nanos(), high.as_nanos()))
    }
}
