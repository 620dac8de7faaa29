//! When the status of a payment may be asked for: the app's plan, and the switch's rule. On 12 April 2025 there was a
//! plan that was not followed and no rule that was enforced.

use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};

/// When to ask for the status of a payment that was not answered.
pub trait CheckPlan {
    /// When check number `made + 1` is due after a payment of `begun`, the last check at `last`; `None` for no more.
    fn next(&self, begun: Time, made: u32, last: Option<Time>) -> Option<Time>;
}

/// NPCI's rule: at most so many checks, the first not before, in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusChecks {
    /// From the payment to the first check.
    pub first_after: Span,
    /// From one check to the next.
    pub interval: Span,
    /// Checks in all.
    pub max: u32,
    /// No check later than this after the payment.
    pub window: Span,
}

impl Default for StatusChecks {
    /// After 90 s, 90 s apart, three, within two hours.
    fn default() -> StatusChecks {
        StatusChecks {
            first_after: Span::from_secs(90),
            interval: Span::from_secs(90),
            max: 3,
            window: Span::from_secs(7_200),
        }
    }
}

impl CheckPlan for StatusChecks {
    fn next(&self, begun: Time, made: u32, last: Option<Time>) -> Option<Time> {
        let due = (begun + self.first_after).max(last.map_or(Time::ZERO, |last| last + self.interval));
        (made < self.max && due.since(begun) <= self.window).then_some(due)
    }
}

/// What the switch does about checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckRule {
    /// Answers all of them, as before the outage.
    Trust,
    /// Refuses those that break the rule: the central limiter.
    Enforce(StatusChecks),
}

/// Why a status check is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckRefusal {
    /// Ask after so many nanoseconds.
    TooEarly(u64),
    /// There were enough.
    TooMany,
}

impl CheckRule {
    /// Whether a check is answered, for a payment of `begun` that was asked about so often.
    ///
    /// # Errors
    /// [`CheckRefusal`].
    pub fn admit(&self, now: Time, begun: Time, made: u32) -> Result<(), CheckRefusal> {
        let CheckRule::Enforce(rule) = self else { return Ok(()) };
        let earliest = begun + rule.first_after;
        if now < earliest {
            return Err(CheckRefusal::TooEarly(earliest.since(now).as_nanos()));
        }
        if made >= rule.max || now.since(begun) > rule.window {
            return Err(CheckRefusal::TooMany);
        }
        Ok(())
    }
}
