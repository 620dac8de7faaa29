//! The rule for one failed attempt: again, when, or not at all. A pure function of the facts and one random word;
//! a budget is asked last.

use super::backoff::{Backoff, BackoffConfig, BackoffError, Pauses};
use super::budget::{Budget, RetryCause};
use super::jitter::Jitter;
use super::pushback::{Pushback, PushbackRule};
use crate::retry::BackoffKind;
use crate::time::{Span, Time};
use std::fmt;

/// How often and at what pace one call is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryConfig {
    /// Attempts a call may make, the first one included. At least 1; 1 means no retries.
    pub max_attempts: u32,
    /// Pause before each further attempt.
    pub backoff: BackoffConfig,
    /// Takes the place of the back-off's base after throttling. AWS: 1 s.
    pub throttling_base: Option<Span>,
    /// How far a server that asks for a pause is believed.
    pub pushback: PushbackRule,
    /// How often an attempt that never left the client, or that the server says it did not look at, is sent again at
    /// once without counting. gRPC: once for the latter.
    pub max_transparent: u32,
}

impl Default for RetryConfig {
    /// Three attempts, the default back-off, server pauses kept up to a minute, one transparent retry.
    fn default() -> RetryConfig {
        RetryConfig {
            max_attempts: 3,
            backoff: BackoffConfig::default(),
            throttling_base: None,
            pushback: PushbackRule::Lengthen { longest: Span::from_secs(60) },
            max_transparent: 1,
        }
    }
}

/// The most attempts that gRPC makes, whatever a service config says (gRFC A6).
const GRPC_MAX_ATTEMPTS: u32 = 5;

impl RetryConfig {
    /// No second attempt whatever happens.
    pub const NEVER: RetryConfig = RetryConfig {
        max_attempts: 1,
        backoff: BackoffConfig {
            kind: BackoffKind::Constant,
            base: Span::ZERO,
            cap: Span::ZERO,
            jitter: Jitter::None,
            first_exponent: 0,
        },
        throttling_base: None,
        pushback: PushbackRule::Ignore,
        max_transparent: 0,
    };

    /// The AWS SDKs' standard mode: three attempts, 50 ms doubling to 20 s with full jitter, from 1 s after
    /// throttling; the server may add up to 5 s. Goes with [`BudgetKind::Aws`](super::BudgetKind::Aws).
    pub const fn aws() -> RetryConfig {
        RetryConfig {
            throttling_base: Some(Span::from_secs(1)),
            pushback: PushbackRule::OwnAndUpTo { extra: Span::from_secs(5) },
            ..RetryConfig::aws_from(Span::from_millis(50))
        }
    }

    /// The same as it was until then: from 1 s, and deaf to the server. Goes with
    /// [`BudgetKind::AwsLegacy`](super::BudgetKind::AwsLegacy).
    pub const fn aws_legacy() -> RetryConfig {
        RetryConfig::aws_from(Span::from_secs(1))
    }

    const fn aws_from(base: Span) -> RetryConfig {
        RetryConfig {
            max_attempts: 3,
            backoff: BackoffConfig {
                kind: BackoffKind::Exponential { multiplier_milli: 2_000 },
                base,
                cap: Span::from_secs(20),
                jitter: Jitter::Full,
                first_exponent: 0,
            },
            throttling_base: None,
            pushback: PushbackRule::Ignore,
            max_transparent: 0,
        }
    }

    /// gRPC's retry policy: `initial` times `multiplier_milli` up to `cap`, times 0.8 to 1.2; more than five attempts
    /// count as five; a server's pause takes the place of the own one. Goes with
    /// [`BudgetKind::Grpc`](super::BudgetKind::Grpc).
    pub fn grpc(max_attempts: u32, initial: Span, cap: Span, multiplier_milli: u32) -> RetryConfig {
        RetryConfig {
            max_attempts: max_attempts.min(GRPC_MAX_ATTEMPTS),
            backoff: BackoffConfig {
                kind: BackoffKind::Exponential { multiplier_milli },
                base: initial,
                cap,
                jitter: Jitter::GRPC,
                first_exponent: 0,
            },
            throttling_base: None,
            pushback: PushbackRule::Replace { longest: Span::MAX },
            max_transparent: 1,
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`RetryError`] names the first field out of range. A config that was not checked is safe to use all
    /// the same: zero attempts count as one.
    pub fn validate(&self) -> Result<(), RetryError> {
        if self.max_attempts == 0 {
            return Err(RetryError::NoAttempts);
        }
        self.backoff.validate().map_err(RetryError::Backoff)?;
        match self.throttling_base {
            Some(base) => BackoffConfig { base, ..self.backoff }.validate().map_err(RetryError::Backoff),
            None => Ok(()),
        }
    }
}

/// How far an attempt got before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Progress {
    /// It never left the client.
    NotSent,
    /// It did, and the server says that it did not look at it (HTTP/2 `REFUSED_STREAM`, or a stream above the last
    /// one that a `GOAWAY` names).
    NotProcessed,
    /// It may have had its effect.
    Unknown,
    /// Part of the answer has been handed on to the application (gRPC: response headers), so that another attempt
    /// could contradict it.
    Committed,
}

/// What is known about an attempt that has just failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    /// Its number; the first attempt of a call is 1.
    pub attempt: u32,
    /// The pauses so far.
    pub pauses: Pauses,
    /// Whether sending again could help: the caller's classification.
    pub retryable: bool,
    /// Why it is to be repeated; the pace and a budget may treat causes differently.
    pub cause: RetryCause,
    /// Whether the call does no more by being done twice.
    pub idempotent: bool,
    /// How far it got.
    pub progress: Progress,
    /// Transparent retries of this call so far.
    pub transparent: u32,
    /// What the server asked for.
    pub pushback: Pushback,
    /// Time until the deadline of the whole call.
    pub time_left: Option<Span>,
    /// What an attempt takes at the least, so that none is made that cannot succeed; zero if unknown.
    pub least_service: Span,
}

impl FailedAttempt {
    /// The first attempt of an idempotent call without a deadline was answered with a failure worth another attempt.
    pub const FIRST: FailedAttempt = FailedAttempt {
        attempt: 1,
        pauses: Pauses::FIRST,
        retryable: true,
        cause: RetryCause::Failure,
        idempotent: true,
        progress: Progress::Unknown,
        transparent: 0,
        pushback: Pushback::None,
        time_left: None,
        least_service: Span::ZERO,
    };
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// Send again after this pause, counted from now.
    RetryAfter(Span),
    /// Send the same attempt again at once: it does not count, and costs the budget nothing.
    Resend,
    /// The call has failed.
    GiveUp(GiveUpReason),
}

/// Why a failed call is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GiveUpReason {
    /// The caller said that another attempt cannot help.
    NotRetryable,
    /// The call may have had its effect already, and must not have it twice.
    NotIdempotent,
    /// Part of an answer has been handed on.
    Committed,
    /// The server said not to come back.
    ToldToStop,
    /// All attempts were made.
    AttemptsExhausted,
    /// The budget has no retry left.
    BudgetExhausted,
    /// No attempt could be over before the deadline.
    DeadlineTooClose,
}

impl RetryConfig {
    /// The whole rule, in one place: commit point, classification, idempotency, attempts, pause, deadline, and the
    /// budget last, so that no token is spent on a retry that is not made.
    ///
    /// `entropy` is a uniformly distributed word. A retry granted here has to be reported to the budget with
    /// [`Budget::on_retry_finished`] once it is over, sent or not.
    pub fn decide(
        &self,
        failed: &FailedAttempt,
        budget: Option<&mut Budget>,
        now: Time,
        entropy: u64,
    ) -> RetryDecision {
        let wanted = self.propose(failed, entropy);
        match wanted {
            RetryDecision::RetryAfter(_)
                if budget.is_some_and(|budget| !budget.try_retry_after(now, failed.cause)) =>
            {
                RetryDecision::GiveUp(GiveUpReason::BudgetExhausted)
            }
            RetryDecision::RetryAfter(_) | RetryDecision::Resend | RetryDecision::GiveUp(_) => wanted,
        }
    }

    /// The rule without a budget.
    pub fn propose(&self, failed: &FailedAttempt, entropy: u64) -> RetryDecision {
        match (failed.cause, self.throttling_base) {
            (RetryCause::Throttling, Some(base)) => {
                self.propose_at(&BackoffConfig { base, ..self.backoff }, failed, entropy)
            }
            (RetryCause::Failure | RetryCause::Timeout | RetryCause::Throttling, _) => {
                self.propose_at(&self.backoff, failed, entropy)
            }
        }
    }

    /// The rule without a budget, at a pace of the caller's own.
    pub fn propose_at(&self, pace: &dyn Backoff, failed: &FailedAttempt, entropy: u64) -> RetryDecision {
        if let Some(reason) = self.forbidden(failed) {
            return RetryDecision::GiveUp(reason);
        }
        let too_late =
            |pause: Span| failed.time_left.is_some_and(|left| pause + failed.least_service >= left);
        let untouched = failed.progress <= Progress::NotProcessed;
        if untouched && failed.transparent < self.max_transparent && failed.pushback == Pushback::None {
            return if too_late(Span::ZERO) {
                RetryDecision::GiveUp(GiveUpReason::DeadlineTooClose)
            } else {
                RetryDecision::Resend
            };
        }
        if failed.attempt >= self.max_attempts {
            return RetryDecision::GiveUp(GiveUpReason::AttemptsExhausted);
        }
        let pause = self.pushback.pause(pace.delay(&failed.pauses, entropy), failed.pushback);
        if too_late(pause) {
            return RetryDecision::GiveUp(GiveUpReason::DeadlineTooClose);
        }
        RetryDecision::RetryAfter(pause)
    }

    /// Why no further attempt may be made, however many are left.
    fn forbidden(&self, failed: &FailedAttempt) -> Option<GiveUpReason> {
        if failed.progress == Progress::Committed {
            Some(GiveUpReason::Committed)
        } else if !failed.retryable {
            Some(GiveUpReason::NotRetryable)
        } else if self.pushback.forbids(failed.pushback) {
            Some(GiveUpReason::ToldToStop)
        } else if !failed.idempotent && failed.progress == Progress::Unknown {
            Some(GiveUpReason::NotIdempotent)
        } else {
            None
        }
    }
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
