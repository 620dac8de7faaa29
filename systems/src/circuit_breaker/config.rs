//! What a breaker is told: window, thresholds, how long it stays open, how it probes. Plain data.

use super::error::BreakerError;
use crate::arithmetic::WHOLE_PPM;
use crate::time::Span;

/// Over which calls the rates are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowConfig {
    /// The latest calls. 1 to [`MAX_CALLS`]. A byte or two of memory for each.
    Count {
        /// How many.
        calls: u32,
    },
    /// The calls of the latest stretch of time, kept as one count per bucket.
    Time {
        /// How long. A call is forgotten at the latest this long after it was recorded, at the earliest one
        /// bucket before that.
        length: Span,
        /// Into how many equal buckets it is divided. 1 to [`MAX_BUCKETS`]; 10 is usual.
        buckets: u32,
    },
    /// The calls of the latest stretch of time, kept one by one: each is forgotten exactly `length` after it was
    /// recorded. Sixteen bytes of memory for each.
    Sliding {
        /// How long. More than zero.
        length: Span,
        /// The most calls kept; of more, the oldest are forgotten early. 1 to [`MAX_CALLS`].
        max_calls: u32,
    },
}

/// Longest window by count, and most calls of a sliding window.
pub const MAX_CALLS: u32 = 1_000_000;

/// Finest division of a window by time.
pub const MAX_BUCKETS: u32 = 3_600;

/// Most probes of one half-open stay.
pub const MAX_PROBES: u32 = 10_000;

/// Who ends the wait while open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HalfOpenBy {
    /// The driver's timer: [`Breaker::deadline`](super::Breaker::deadline) names the end of the wait. A driver
    /// without timers sees the same decisions at the next call.
    #[default]
    Timer,
    /// The first call after the wait. Until somebody calls, the breaker says it is open.
    Lazy,
}

/// When a half-open breaker makes up its mind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HalfOpenDecision {
    /// Closes once all probes are answered and the thresholds are kept; opens as soon as they cannot be kept
    /// any more. Without a failure rate a single failed probe opens it.
    #[default]
    AllProbes,
    /// Closes at this many good probes; opens as soon as too few probes are left for that. A good probe
    /// succeeded, and was not slow where slow calls are judged. 1 to `half_open_probes`.
    Successes(u32),
}

/// What is done with the result of a call that was permitted in an earlier stay in a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LateResults {
    /// It changes nothing.
    #[default]
    Drop,
    /// It joins the window if the breaker is closed or only measures. It is never taken for a probe.
    Count,
}

/// Everything about a breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Over which calls the rates are taken.
    pub window: WindowConfig,
    /// Calls the window must hold before it is judged. At least 1.
    pub min_requests: u32,
    /// Opens when at least this share of calls failed, in parts per million. 0 switches the rule off.
    pub open_at_ppm: u32,
    /// Opens when at least this share of calls was slow, in parts per million. 0 switches the rule off.
    pub slow_at_ppm: u32,
    /// A call that took this long or longer is slow, whatever its result. More than zero. `None` switches the
    /// rule off.
    pub slow_call: Option<Span>,
    /// Opens when at least this many calls of the window failed: k of the latest n with a window by count, k
    /// within a time with a window by time. Such a rule wants `min_requests` no larger than k.
    pub failures_in_window: Option<u32>,
    /// Opens after this many failures without a success between them, however few calls the window holds: the
    /// rule has its own minimum.
    pub consecutive_failures: Option<u32>,
    /// How long it stays open the first time. More than zero.
    pub open_for: Span,
    /// Factor for every further opening without a close between, in thousandths. At least 1000, which keeps
    /// `open_for`.
    pub open_growth_milli: u32,
    /// The longest it stays open, before it is spread; at least `open_for`.
    pub open_cap: Span,
    /// Spreads the time it stays open evenly, by up to this share of it to both sides, in parts per million. Up
    /// to 1000000. Give each breaker a seed of its own ([`Breaker::with_seed`](super::Breaker::with_seed)).
    pub open_jitter_ppm: u32,
    /// Who ends the wait while open.
    pub half_open_by: HalfOpenBy,
    /// Calls let through while half open. 1 to [`MAX_PROBES`].
    pub half_open_probes: u32,
    /// When a half-open breaker makes up its mind.
    pub half_open_decision: HalfOpenDecision,
    /// How long it waits for probes under way, counted from the first of them, before it opens again. Zero
    /// waits for ever.
    pub half_open_max_wait: Span,
    /// What is done with results of an earlier stay.
    pub late_results: LateResults,
}

impl Default for BreakerConfig {
    /// Half of at least 20 calls within 10 s failing opens for 5 s; then three probes, waited for up to 10 s.
    fn default() -> BreakerConfig {
        BreakerConfig {
            window: WindowConfig::Time { length: Span::from_secs(10), buckets: 10 },
            min_requests: 20,
            open_at_ppm: 500_000,
            slow_at_ppm: 800_000,
            slow_call: None,
            failures_in_window: None,
            consecutive_failures: None,
            open_for: Span::from_secs(5),
            open_growth_milli: 1_000,
            open_cap: Span::from_secs(5),
            open_jitter_ppm: 0,
            half_open_by: HalfOpenBy::Timer,
            half_open_probes: 3,
            half_open_decision: HalfOpenDecision::AllProbes,
            half_open_max_wait: Span::from_secs(10),
            late_results: LateResults::Drop,
        }
    }
}

impl BreakerConfig {
    /// What resilience4j does by default: half of the latest 100 calls failing, or all of them slower than a
    /// minute, opens for a minute; then ten probes, waited for without end. Takes effect at the first call
    /// after the wait.
    pub fn resilience4j() -> BreakerConfig {
        BreakerConfig {
            window: WindowConfig::Count { calls: 100 },
            min_requests: 100,
            open_at_ppm: 500_000,
            slow_at_ppm: WHOLE_PPM,
            slow_call: Some(Span::from_secs(60)),
            open_for: Span::from_secs(60),
            open_cap: Span::from_secs(60),
            half_open_by: HalfOpenBy::Lazy,
            half_open_probes: 10,
            half_open_max_wait: Span::ZERO,
            ..BreakerConfig::default()
        }
    }

    /// What Polly 8 does by default: a tenth of at least 100 calls within 30 s failing opens for 5 s; then one
    /// probe. A probe that is lost is given up after as long as the breaker was open.
    pub fn polly() -> BreakerConfig {
        BreakerConfig {
            window: WindowConfig::Time { length: Span::from_secs(30), buckets: 10 },
            min_requests: 100,
            open_at_ppm: 100_000,
            open_for: Span::from_secs(5),
            open_cap: Span::from_secs(5),
            half_open_by: HalfOpenBy::Lazy,
            half_open_probes: 1,
            half_open_max_wait: Span::from_secs(5),
            ..BreakerConfig::default()
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`BreakerError`] names the first field out of range. A breaker made from a config that was not checked
    /// is safe all the same: counts of zero are taken as one, sizes are cut to their maximum.
    pub fn validate(&self) -> Result<(), BreakerError> {
        self.validate_window()?;
        self.validate_rules()?;
        self.validate_waiting()
    }

    fn validate_window(&self) -> Result<(), BreakerError> {
        match self.window {
            WindowConfig::Count { calls } | WindowConfig::Sliding { max_calls: calls, .. }
                if !(1..=MAX_CALLS).contains(&calls) =>
            {
                return Err(BreakerError::WindowCalls { calls });
            }
            WindowConfig::Time { length, buckets }
                if !(1..=MAX_BUCKETS).contains(&buckets) || length.as_nanos() < u64::from(buckets) =>
            {
                return Err(BreakerError::WindowBuckets { length, buckets });
            }
            WindowConfig::Sliding { length, .. } if length.is_zero() => return Err(BreakerError::NoLength),
            WindowConfig::Count { .. } | WindowConfig::Time { .. } | WindowConfig::Sliding { .. } => {}
        }
        if self.min_requests == 0 {
            return Err(BreakerError::NoMinimum);
        }
        let calls = self.window_size();
        if self.min_requests > calls {
            return Err(BreakerError::MinimumAboveWindow { min_requests: self.min_requests, calls });
        }
        Ok(())
    }

    fn validate_rules(&self) -> Result<(), BreakerError> {
        let shares = [self.open_at_ppm, self.slow_at_ppm, self.open_jitter_ppm];
        if let Some(share_ppm) = shares.into_iter().find(|ppm| *ppm > WHOLE_PPM) {
            return Err(BreakerError::ShareAboveWhole { share_ppm });
        }
        if self.slow_call == Some(Span::ZERO) {
            return Err(BreakerError::EverythingIsSlow);
        }
        if self.consecutive_failures == Some(0) {
            return Err(BreakerError::NoConsecutiveFailures);
        }
        let calls = self.window_size();
        if let Some(failures) = self.failures_in_window.filter(|failures| !(1..=calls).contains(failures)) {
            return Err(BreakerError::FailuresInWindow { failures, calls });
        }
        let counts = self.consecutive_failures.is_some() || self.failures_in_window.is_some();
        if self.open_at_ppm == 0 && self.slow_rule().is_none() && !counts {
            return Err(BreakerError::NeverOpens);
        }
        Ok(())
    }

    fn validate_waiting(&self) -> Result<(), BreakerError> {
        if self.open_for.is_zero() || self.open_cap < self.open_for || self.open_growth_milli < 1_000 {
            return Err(BreakerError::OpenFor {
                open_for: self.open_for,
                open_cap: self.open_cap,
                open_growth_milli: self.open_growth_milli,
            });
        }
        if !(1..=MAX_PROBES).contains(&self.half_open_probes) {
            return Err(BreakerError::Probes { probes: self.half_open_probes });
        }
        match self.half_open_decision {
            HalfOpenDecision::Successes(successes) if !(1..=self.half_open_probes).contains(&successes) => {
                Err(BreakerError::ProbeSuccesses { successes, probes: self.half_open_probes })
            }
            HalfOpenDecision::Successes(_) | HalfOpenDecision::AllProbes => Ok(()),
        }
    }

    /// The slow-call rule, if it is on: from how long a call is slow, and from which share of them it opens.
    pub(super) fn slow_rule(&self) -> Option<(Span, u32)> {
        self.slow_call.map(|from| (from, self.slow_at_ppm)).filter(|(_, share_ppm)| *share_ppm > 0)
    }

    /// The most calls the window can hold.
    pub(super) fn window_size(&self) -> u32 {
        match self.window {
            WindowConfig::Count { calls } | WindowConfig::Sliding { max_calls: calls, .. } => {
                calls.clamp(1, MAX_CALLS)
            }
            WindowConfig::Time { .. } => u32::MAX,
        }
    }

    /// Calls needed before the window is judged: no more than it can hold, or it could never be.
    pub(super) fn enough_calls(&self) -> u64 {
        u64::from(self.min_requests.clamp(1, self.window_size()))
    }

    /// Calls let through while half open.
    pub(super) fn probes_wanted(&self) -> u64 {
        u64::from(self.half_open_probes.clamp(1, MAX_PROBES))
    }
}
