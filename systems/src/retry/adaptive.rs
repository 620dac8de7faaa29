//! A client that learns how fast it may send: the adaptive mode of the AWS SDKs. A rate that follows CUBIC
//! (RFC 9438, with a constant of time instead of a round trip), fed into a token bucket. Decides when to send; never
//! whether to retry. Off until the first throttling answer.

use crate::time::{Span, Time};
use std::fmt;

/// Constants of an [`AdaptiveLimiter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveConfig {
    /// What is left of the rate after throttling, thousandths. 1 to 999; AWS: 700.
    pub beta_milli: u32,
    /// How steeply the rate grows back, thousandths. 1 to 1 000 000; AWS: 400.
    pub scale_milli: u32,
    /// Weight of the newest half second in the measured rate, thousandths. 1 to 1000; AWS: 800.
    pub smooth_milli: u32,
    /// Lowest rate, thousandths of a request per second. At least 1; AWS: 500.
    pub min_fill_milli: u32,
    /// Smallest burst, thousandths of a request. At least 1000, or no request would ever be paid; AWS: 1000.
    pub min_capacity_milli: u32,
}

impl Default for AdaptiveConfig {
    /// The constants of the AWS SDKs.
    fn default() -> AdaptiveConfig {
        AdaptiveConfig {
            beta_milli: 700,
            scale_milli: 400,
            smooth_milli: 800,
            min_fill_milli: 500,
            min_capacity_milli: 1_000,
        }
    }
}

impl AdaptiveConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`AdaptiveError`] names the first field out of range. A limiter takes an unchecked config as cut to its ranges.
    pub fn validate(&self) -> Result<(), AdaptiveError> {
        let fields = [
            ("beta_milli", self.beta_milli, 1, 999),
            ("scale_milli", self.scale_milli, 1, 1_000_000),
            ("smooth_milli", self.smooth_milli, 1, 1_000),
            ("min_fill_milli", self.min_fill_milli, 1, u32::MAX),
            ("min_capacity_milli", self.min_capacity_milli, 1_000, u32::MAX),
        ];
        match fields.into_iter().find(|(_, given, low, high)| !(low..=high).contains(&given)) {
            Some((field, given, low, high)) => Err(AdaptiveError { field, given, low, high }),
            None => Ok(()),
        }
    }

    fn cut_to_ranges(self) -> AdaptiveConfig {
        AdaptiveConfig {
            beta_milli: self.beta_milli.clamp(1, 999),
            scale_milli: self.scale_milli.clamp(1, 1_000_000),
            smooth_milli: self.smooth_milli.clamp(1, 1_000),
            min_fill_milli: self.min_fill_milli.max(1),
            min_capacity_milli: self.min_capacity_milli.max(1_000),
        }
    }
}

/// Why an [`AdaptiveConfig`] is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveError {
    /// The field.
    pub field: &'static str,
    /// Its value.
    pub given: u32,
    /// The lowest one allowed.
    pub low: u32,
    /// The highest one allowed.
    pub high: u32,
}

impl fmt::Display for AdaptiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AdaptiveError { field, given, low, high } = self;
        write!(f, "{field} {given}: use {low} to {high}")
    }
}

impl std::error::Error for AdaptiveError {}

/// The curve: back to the rate that was too much, slowly around it, then beyond it ever faster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CubicRate {
    beta: f64,
    scale: f64,
    /// The rate at which throttling began, requests per second.
    last_max: f64,
    throttled_at: Time,
}

impl CubicRate {
    /// The curve after throttling at `throttled_at`, where `last_max_milli` thousandths of a request per second were
    /// too much.
    pub fn new(config: AdaptiveConfig, last_max_milli: u64, throttled_at: Time) -> CubicRate {
        let config = config.cut_to_ranges();
        CubicRate {
            beta: f64::from(config.beta_milli) / 1e3,
            scale: f64::from(config.scale_milli) / 1e3,
            last_max: last_max_milli as f64 / 1e3,
            throttled_at,
        }
    }

    /// The rate at `now`, requests per second. Finite; negative never.
    pub fn at(&self, now: Time) -> f64 {
        let seconds = now.since(self.throttled_at).as_nanos() as f64 / 1e9;
        // When the curve is back at `last_max`.
        let back = libm::cbrt(self.last_max * (1.0 - self.beta) / self.scale);
        let off = seconds - back;
        (self.scale * off * off * off + self.last_max).max(0.0)
    }

    /// Throttled at `now`: the curve now turns at `last_max` requests per second.
    pub fn throttle(&mut self, now: Time, last_max: f64) {
        self.throttled_at = now.max(self.throttled_at);
        self.last_max = bounded(last_max);
    }

    /// What is left of a rate after throttling.
    pub fn reduced(&self, rate: f64) -> f64 {
        bounded(rate) * self.beta
    }
}

/// A number that later arithmetic can neither make infinite nor undefined.
fn bounded(rate: f64) -> f64 {
    const MOST: f64 = 1e15;
    if rate > 0.0 { rate.min(MOST) } else { 0.0 }
}

/// The limit of one client, shared by all its calls.
///
/// The law of driving it: [`reserve`](Self::reserve) before each attempt, retries included, then wait as told;
/// [`on_answer`](Self::on_answer) after each attempt that was answered. A clock that goes back is taken as standing
/// still.
#[derive(Clone, Debug)]
pub struct AdaptiveLimiter {
    curve: CubicRate,
    smooth: f64,
    min_fill: f64,
    min_capacity: f64,
    enabled: bool,
    /// Answers since `bucket_start`.
    answers: u64,
    bucket_start: Time,
    /// Answers per second, smoothed.
    measured: f64,
    /// Tokens per second.
    fill: f64,
    capacity: f64,
    /// Below zero while reserved attempts still wait.
    tokens: f64,
    refilled_at: Time,
}

/// Answers are counted in steps of half a second.
const BUCKET_NS: u64 = 500_000_000;

impl AdaptiveLimiter {
    /// A limiter that has seen nothing yet and limits nothing.
    pub fn new(config: AdaptiveConfig) -> AdaptiveLimiter {
        let config = config.cut_to_ranges();
        AdaptiveLimiter {
            curve: CubicRate::new(config, 0, Time::ZERO),
            smooth: f64::from(config.smooth_milli) / 1e3,
            min_fill: f64::from(config.min_fill_milli) / 1e3,
            min_capacity: f64::from(config.min_capacity_milli) / 1e3,
            enabled: false,
            answers: 0,
            bucket_start: Time::ZERO,
            measured: 0.0,
            fill: 0.0,
            capacity: 0.0,
            tokens: 0.0,
            refilled_at: Time::ZERO,
        }
    }

    /// Takes one token and says how long to wait before sending: not at all, or until the token that was taken has
    /// come in.
    ///
    /// # Errors
    /// [`RateTooLow`] if the wait would be longer than `longest_wait`; nothing is taken then.
    pub fn reserve(&mut self, now: Time, longest_wait: Span) -> Result<Span, RateTooLow> {
        let wait = self.wait(now);
        if wait > longest_wait {
            return Err(RateTooLow { wait });
        }
        if self.enabled {
            self.tokens -= 1.0;
        }
        Ok(wait)
    }

    /// How long [`reserve`](Self::reserve) would make the next attempt wait. Takes nothing.
    pub fn wait(&mut self, now: Time) -> Span {
        if !self.enabled {
            return Span::ZERO;
        }
        self.refill(now);
        let missing = 1.0 - self.tokens;
        // At most 1 + 584 years of debt over the lowest rate: finite, and the conversion saturates.
        if missing > 0.0 {
            Span::from_nanos(libm::ceil(missing / self.fill * 1e9) as u64)
        } else {
            Span::ZERO
        }
    }

    /// An attempt was answered; `throttled` if the answer was to send less.
    pub fn on_answer(&mut self, now: Time, throttled: bool) {
        self.measure(now);
        let new = if throttled {
            let sending = if self.enabled { self.measured.min(self.fill) } else { self.measured };
            self.enabled = true;
            self.curve.throttle(now, sending);
            self.curve.reduced(sending)
        } else {
            self.curve.at(now)
        };
        self.set_rate(now, new.min(2.0 * self.measured));
    }

    /// Counts an answer, and takes up the rate of the last steps when a new one has begun.
    fn measure(&mut self, now: Time) {
        self.answers = self.answers.saturating_add(1);
        let bucket = Time::from_nanos(now.as_nanos() / BUCKET_NS * BUCKET_NS);
        if bucket > self.bucket_start {
            let seconds = bucket.since(self.bucket_start).as_nanos() as f64 / 1e9;
            let rate = self.answers as f64 / seconds;
            self.measured = bounded(rate * self.smooth + self.measured * (1.0 - self.smooth));
            self.answers = 0;
            self.bucket_start = bucket;
        }
    }

    fn set_rate(&mut self, now: Time, rate: f64) {
        // What was saved up so far came in at the old rate.
        self.refill(now);
        self.fill = rate.max(self.min_fill);
        self.capacity = rate.max(self.min_capacity);
        self.tokens = self.tokens.min(self.capacity);
    }

    fn refill(&mut self, now: Time) {
        let seconds = now.since(self.refilled_at).as_nanos() as f64 / 1e9;
        self.tokens = (self.tokens + seconds * self.fill).min(self.capacity);
        self.refilled_at = now.max(self.refilled_at);
    }

    /// Whether it limits: from the first throttling answer on.
    pub const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Answers per second, smoothed.
    pub const fn measured_per_s(&self) -> f64 {
        self.measured
    }

    /// Attempts per second that may be sent.
    pub const fn fill_per_s(&self) -> f64 {
        self.fill
    }

    /// Attempts that may be sent at once; below zero while reserved ones still wait.
    pub const fn tokens(&self) -> f64 {
        self.tokens
    }
}

/// The limiter's rate is too low for the wait that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateTooLow {
    /// How long the wait would be.
    pub wait: Span,
}

impl fmt::Display for RateTooLow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the adaptive limit asks for {}: wait longer, or give the call up", self.wait)
    }
}

impl std::error::Error for RateTooLow {}
