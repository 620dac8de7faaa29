//! Stops sending to a dependency that fails, waits, probes it, and starts again. Never sends, never reads a
//! clock, never arms a timer: the driver asks before a call, reports after it, and may call
//! [`Breaker::expire`] when [`Breaker::deadline`] is due. Without that, waits end lazily at the next call.
//!
//! ```text
//!            too many failures                 wait over
//!   Closed --------------------> Open -----------------------> HalfOpen
//!     ^                            ^                             |   |
//!     |                            +-----------------------------+   |
//!     |                             probes failed or unanswered      |
//!     +--------------------------------------------------------------+
//!                               probes passed
//! ```
//!
//! # With other policies
//!
//! From the outside in: fallback, retry, breaker, rate limit, bulkhead, timeout, the call.
//!
//! - The **retry** stands outside, so that the breaker sees every attempt. A refusal is not worth a retry before
//!   [`BreakerRejection::retry_after`]: retried without that delay, attempts rise while nothing is sent.
//! - The **timeout** stands inside: what took too long is recorded as a failure, or else a dependency that hangs
//!   never opens the breaker, and probes are lost.
//! - The **bulkhead** and the **rate limit** stand inside too, and what they refuse is recorded as
//!   [`Recorded::Cancelled`]: it says nothing about the dependency, but the permit has to come back.
//! - The **fallback** stands outside all: it answers refusals of each of them.
//! - **Scope**: one breaker over several shards cuts off the healthy ones with the sick one. [`KeyedBreakers`] and
//!   [`BreakerRegistry`] keep one for each.

mod breaker;
mod config;
mod counters;
mod error;
mod interval;
mod keyed;
mod log;
mod permit;
mod probes;
mod shared;
mod state;
mod window;

pub use breaker::Breaker;
pub use config::{
    BreakerConfig, HalfOpenBy, HalfOpenDecision, LateResults, MAX_BUCKETS, MAX_CALLS, MAX_PROBES,
    WindowConfig,
};
pub use counters::{BreakerCounters, BreakerMetrics, StateCounters};
pub use error::BreakerError;
pub use interval::{OpenInterval, Opening};
pub use keyed::{KeyedBreakers, KeyedPermit, KeyedRejection};
pub use log::{LOG_LENGTH, LogCursor, TransitionLog};
pub use permit::{BreakerRejection, Permit, Recorded, Taken};
pub use shared::{BreakerRegistry, CallGuard, RegistryFull, SharedBreaker};
pub use state::{IllegalTransition, Reason, State, Transition, WAYS, Way};
pub use window::Tally;

#[cfg(test)]
mod tests;
