//! Whether, when and how often a failed call is sent again. Decides only: it never waits, sends, or looks at
//! an answer. What counts as retryable is the caller's knowledge and comes in as a flag.
//!
//! ```text
//! attempt fails -> Budget::on_failure -> RetryConfig::decide -> RetryAfter(pause) -> wait, send again
//!                                                            -> GiveUp(reason)    -> the call has failed
//! ```

mod backoff;
mod budget;
mod jitter;

pub use backoff::{Backoff, BackoffConfig, BackoffError, BackoffKind};
pub use budget::{Budget, BudgetConfig, BudgetError, RetryCause};
pub use jitter::Jitter;

use crate::time::{Span, Time};
use std::fmt;

/// How often and at what pace one call is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryConfig {
    /// Attempts a call may make, the first one included. At least 1; 1 means no retries.
    pub max_attempts: u32,
    /// Pause before each further attempt.
    pub backoff: BackoffConfig,
    /// Whether a pause asked for by the server is kept, and the longest one that is; `None` ignores the
    /// server.
    pub honour_retry_after: Option<Span>,
}

impl Default for RetryConfig {
    /// Three attempts, the default back-off, server pauses kept up to a minute.
    fn default() -> RetryConfig {
        RetryConfig {
            max_attempts: 3,
            backoff: BackoffConfig::default(),
            honour_retry_after: Some(Span::from_secs(60)),
        }
    }
}

/// What is known about an attempt that has just failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    /// Its number; the first attempt of a call is 1.
    pub attempt: u32,
    /// The pause before it; zero before the first. Only [`BackoffKind::Decorrelated`] looks at it.
    pub previous_delay: Span,
    /// Whether sending again is safe and could help: the caller's classification.
    pub retryable: bool,
    /// Whether it failed or was given up on; a budget may charge the two differently.
    pub cause: RetryCause,
    /// Pause the server asked for.
    pub retry_after: Option<Span>,
    /// Time until the deadline of the whole call. Subtract what an attempt takes at the least to avoid
    /// attempts that cannot succeed.
    pub time_left: Option<Span>,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// Send again after this pause, counted from now.
    RetryAfter(Span),
    /// The call has failed.
    GiveUp(GiveUpReason),
}

/// Why a failed call is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GiveUpReason {
    /// The caller said that another attempt is unsafe or cannot help.
    NotRetryable,
    /// All attempts were made.
    AttemptsExhausted,
    /// The budget has no retry left.
    BudgetExhausted,
    /// The pause would last until the deadline or beyond.
    DeadlineTooClose,
}

impl RetryConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`RetryError`] names the first field out of range. A config that was not checked is safe to use all
    /// the same: zero attempts count as one.
    pub fn validate(&self) -> Result<(), RetryError> {
        if self.max_attempts == 0 {
            return Err(RetryError::NoAttempts);
        }
        self.backoff.validate().map_err(RetryError::Backoff)
    }

    /// The whole rule, in one place: classification, attempts, pause, deadline, and the budget last, so that
    /// no token is spent on a retry that is not made.
    ///
    /// A pause asked for by the server lengthens the own pause, never shortens it, and is cut to the bound of
    /// [`honour_retry_after`](Self::honour_retry_after); it may exceed the cap of the back-off.
    /// `entropy` is a uniformly distributed word. A retry granted here has to be reported to the budget with
    /// [`Budget::on_retry_finished`] once it is over, sent or not.
    pub fn decide(
        &self,
        failed: &FailedAttempt,
        budget: Option<&mut Budget>,
        now: Time,
        entropy: u64,
    ) -> RetryDecision {
        if !failed.retryable {
            return RetryDecision::GiveUp(GiveUpReason::NotRetryable);
        }
        if failed.attempt >= self.max_attempts {
            return RetryDecision::GiveUp(GiveUpReason::AttemptsExhausted);
        }
        let own = self.backoff.delay(failed.attempt, failed.previous_delay, entropy);
        let asked = match (self.honour_retry_after, failed.retry_after) {
            (Some(bound), Some(asked)) => asked.min(bound),
            (None, _) | (_, None) => Span::ZERO,
        };
        let delay = own.max(asked);
        if failed.time_left.is_some_and(|left| delay >= left) {
            return RetryDecision::GiveUp(GiveUpReason::DeadlineTooClose);
        }
        if budget.is_some_and(|budget| !budget.try_retry_after(now, failed.cause)) {
            return RetryDecision::GiveUp(GiveUpReason::BudgetExhausted);
        }
        RetryDecision::RetryAfter(delay)
    }
}

/// [`RetryConfig::decide`] for callers that hold the facts in single variables; the cause is
/// [`RetryCause::Failure`].
#[allow(clippy::too_many_arguments, reason = "the facts of one decision, all of different types but two")]
pub fn decide(
    config: &RetryConfig,
    attempt: u32,
    previous_delay: Span,
    retryable: bool,
    retry_after: Option<Span>,
    time_left: Option<Span>,
    budget: Option<&mut Budget>,
    now: Time,
    entropy: u64,
) -> RetryDecision {
    let cause = RetryCause::Failure;
    let failed = FailedAttempt { attempt, previous_delay, retryable, cause, retry_after, time_left };
    config.decide(&failed, budget, now, entropy)
}

/// Why a retry config is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryError {
    /// `max_attempts` is zero.
    NoAttempts,
    /// The back-off is out of range.
    Backoff(BackoffError),
}

impl fmt::Display for RetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RetryError::NoAttempts => {
                f.write_str("max_attempts counts the first attempt: use 1 for no retries, or more")
            }
            RetryError::Backoff(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RetryError {}

#[cfg(test)]
mod tests;
