//! Whether, when and how often a failed call is sent again. Decides only: it never waits, sends, or looks at
//! an answer.
//!
//! ```text
//! attempt fails -> Budget::on_failure -> RetryConfig::decide -> RetryAfter(pause) -> wait, send again
//!                                                            -> Resend            -> send again now, uncounted
//!                                                            -> GiveUp(reason)    -> the call has failed
//! ```
//!
//! [`Call`] is all of it put together, with timeouts, a deadline and hedges: a state machine that an event loop drives.
//! The parts can be used without it.

mod adaptive; // how fast a client may send: CUBIC, as the AWS SDKs
mod backoff; // how long to pause: the paces, and the trait for one's own
mod budget; // how many retries a client may make as a whole
mod call; // one call from beginning to end
mod classify; // what a result means
mod composition; // in which order retries, timeouts, breakers and bulkheads stand
mod decision; // the rule for one failed attempt
mod decorrelated_v2; // Polly's pace
mod jitter; // spreads a pause
mod pushback; // what a server says about the next attempt

pub use adaptive::{AdaptiveConfig, AdaptiveError, AdaptiveLimiter, CubicRate, RateTooLow};
pub use backoff::{Backoff, BackoffConfig, BackoffError, BackoffKind, Pauses};
pub use budget::{Budget, BudgetConfig, BudgetError, BudgetKind, RetryCause, SharedBudget, UnknownBudget};
pub use call::{
    Action, AttemptEnd, AttemptKind, AttemptResult, Call, CallConfig, CallConfigError, CallEnd, CallEvent,
    CallOptions, CallOutput, Client, ClientStats, DoomedRule, Failure, HedgeConfig, MAX_IN_FLIGHT,
    NotExpected,
};
pub use classify::{AwsErrorCodes, Classify, FailureClass, GrpcStatuses, HttpStatuses, Verdict};
pub use composition::{Composition, CompositionError, Layer};
pub use decision::{FailedAttempt, GiveUpReason, Progress, RetryConfig, RetryDecision, RetryError};
pub use jitter::Jitter;
pub use pushback::{HeaderError, Pushback, PushbackRule, RetryAfter};

#[cfg(test)]
mod tests;
