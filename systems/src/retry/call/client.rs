//! What the calls of one client share: the policy, the budget, the fastest answer so far, counters. Usable from many
//! threads; never blocks on anything but the budget's lock.

use super::output::AttemptKind;
use crate::retry::decision::{FailedAttempt, RetryConfig, RetryDecision, RetryError};
use crate::retry::{Backoff, RetryCause, SharedBudget};
use crate::time::{Span, Time};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The most attempts of one call that can be under way at once.
pub const MAX_IN_FLIGHT: usize = 8;

/// The policy for the calls of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallConfig {
    /// How failed attempts are repeated. Its `max_attempts` bounds everything that is sent, hedges included.
    pub retry: RetryConfig,
    /// Whether slow attempts are sent again while they are still under way.
    pub hedge: Option<HedgeConfig>,
    /// After this long an attempt is given up.
    pub attempt_timeout: Option<Span>,
    /// After this long the call is given up, pauses and all attempts included.
    pub overall_timeout: Option<Span>,
    /// What to do with an attempt that cannot be over before the deadline.
    pub doomed: DoomedRule,
}

impl Default for CallConfig {
    /// The default retries, 1 s for an attempt, 10 s for the call, no hedges, no doomed attempts.
    fn default() -> CallConfig {
        CallConfig {
            retry: RetryConfig::default(),
            hedge: None,
            attempt_timeout: Some(Span::from_secs(1)),
            overall_timeout: Some(Span::from_secs(10)),
            doomed: DoomedRule::Refuse,
        }
    }
}

/// Sends a second copy while the first is under way; the first answer wins. Only idempotent calls are hedged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgeConfig {
    /// How long to wait for an answer before sending the next copy. Usually the 95th percentile of the service
    /// (Dean and Barroso, "The Tail at Scale", 2013). Zero sends all copies at once.
    pub delay: Span,
    /// Copies beside the first attempt, at most 7.
    pub max_extra: u32,
}

/// What to do with an attempt that cannot be over before the deadline of its call, as the fastest answer that the
/// client has seen took longer than what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoomedRule {
    /// It is not sent.
    Refuse,
    /// It is sent and counted.
    Count,
}

impl CallConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`CallConfigError`] names what is out of range.
    pub fn validate(&self) -> Result<(), CallConfigError> {
        self.retry.validate().map_err(CallConfigError::Retry)?;
        let zero = |limit: Option<Span>| limit.is_some_and(Span::is_zero);
        if zero(self.attempt_timeout) || zero(self.overall_timeout) {
            return Err(CallConfigError::NoTime);
        }
        let Some(hedge) = self.hedge else { return Ok(()) };
        if hedge.max_extra as usize >= MAX_IN_FLIGHT {
            return Err(CallConfigError::TooManyHedges { max_extra: hedge.max_extra });
        }
        if hedge.max_extra >= self.retry.max_attempts {
            return Err(CallConfigError::HedgesBeyondAttempts { needed: hedge.max_extra + 1 });
        }
        Ok(())
    }
}

/// Why a policy is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallConfigError {
    /// The retries are out of range.
    Retry(RetryError),
    /// A timeout of zero.
    NoTime,
    /// More copies than a call keeps track of.
    TooManyHedges {
        /// Copies beside the first attempt.
        max_extra: u32,
    },
    /// Copies count as attempts, and there are more of them than of those.
    HedgesBeyondAttempts {
        /// Attempts that are needed at the least.
        needed: u32,
    },
}

impl fmt::Display for CallConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallConfigError::Retry(error) => error.fmt(f),
            CallConfigError::NoTime => {
                f.write_str("no call is over in a timeout of 0: use None for no limit, or more")
            }
            CallConfigError::TooManyHedges { max_extra } => {
                write!(f, "{max_extra} copies beside the first attempt: use at most {}", MAX_IN_FLIGHT - 1)
            }
            CallConfigError::HedgesBeyondAttempts { needed } => {
                write!(f, "copies count as attempts: raise max_attempts to {needed}, or use fewer copies")
            }
        }
    }
}

impl std::error::Error for CallConfigError {}

/// What the calls of one client share. Put it behind an [`Arc`] where several threads make calls.
pub struct Client {
    config: CallConfig,
    pace: Option<Box<dyn Backoff + Send + Sync>>,
    budget: Option<Arc<SharedBudget>>,
    /// Nanoseconds; the largest number until there is one.
    fastest_ns: AtomicU64,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    succeeded: AtomicU64,
    first: AtomicU64,
    retries: AtomicU64,
    hedges: AtomicU64,
    transparent: AtomicU64,
    doomed: AtomicU64,
    refused_by_budget: AtomicU64,
    refused_as_doomed: AtomicU64,
}

/// What a client has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientStats {
    /// Calls begun.
    pub calls: u64,
    /// Calls that ended well.
    pub succeeded: u64,
    /// First attempts sent.
    pub first: u64,
    /// Retries sent.
    pub retries: u64,
    /// Copies sent.
    pub hedges: u64,
    /// Attempts sent again without counting.
    pub transparent: u64,
    /// Attempts sent that could not be over before the deadline of their call.
    pub doomed: u64,
    /// Retries and copies that the budget refused.
    pub refused_by_budget: u64,
    /// Attempts not sent because they could not be over before the deadline of their call.
    pub refused_as_doomed: u64,
}

impl ClientStats {
    /// Everything sent.
    pub const fn attempts(&self) -> u64 {
        self.first + self.retries + self.hedges + self.transparent
    }
}

impl Client {
    /// A client without a budget.
    ///
    /// # Errors
    /// [`CallConfigError`] if the policy is out of range.
    pub fn new(config: CallConfig) -> Result<Client, CallConfigError> {
        config.validate()?;
        Ok(Client {
            config,
            pace: None,
            budget: None,
            fastest_ns: AtomicU64::new(u64::MAX),
            counters: Counters::default(),
        })
    }

    /// Bounds retries and copies by a budget, which other clients may share.
    #[must_use]
    pub fn with_budget(self, budget: Arc<SharedBudget>) -> Client {
        Client { budget: Some(budget), ..self }
    }

    /// Paces retries by a strategy of the user's own instead of [`RetryConfig::backoff`].
    #[must_use]
    pub fn with_pace(self, pace: Box<dyn Backoff + Send + Sync>) -> Client {
        Client { pace: Some(pace), ..self }
    }

    /// The policy.
    pub const fn config(&self) -> &CallConfig {
        &self.config
    }

    /// The budget, if there is one.
    pub fn budget(&self) -> Option<&SharedBudget> {
        self.budget.as_deref()
    }

    /// The shortest time in which an attempt succeeded so far.
    pub fn fastest(&self) -> Option<Span> {
        let ns = self.fastest_ns.load(Relaxed);
        (ns != u64::MAX).then_some(Span::from_nanos(ns))
    }

    /// What was done so far. Under several threads each number is right, but they may belong to slightly different
    /// instants.
    pub fn stats(&self) -> ClientStats {
        let counters = &self.counters;
        ClientStats {
            calls: counters.calls.load(Relaxed),
            succeeded: counters.succeeded.load(Relaxed),
            first: counters.first.load(Relaxed),
            retries: counters.retries.load(Relaxed),
            hedges: counters.hedges.load(Relaxed),
            transparent: counters.transparent.load(Relaxed),
            doomed: counters.doomed.load(Relaxed),
            refused_by_budget: counters.refused_by_budget.load(Relaxed),
            refused_as_doomed: counters.refused_as_doomed.load(Relaxed),
        }
    }

    pub(super) fn call_begins(&self, now: Time) {
        self.counters.calls.fetch_add(1, Relaxed);
        if let Some(budget) = &self.budget {
            budget.on_request(now);
        }
    }

    pub(super) fn attempt_sent(&self, kind: AttemptKind, doomed: bool) {
        let counter = match kind {
            AttemptKind::First => &self.counters.first,
            AttemptKind::Retry => &self.counters.retries,
            AttemptKind::Hedge => &self.counters.hedges,
            AttemptKind::Transparent => &self.counters.transparent,
        };
        counter.fetch_add(1, Relaxed);
        self.counters.doomed.fetch_add(u64::from(doomed), Relaxed);
    }

    pub(super) fn refused_as_doomed(&self) {
        self.counters.refused_as_doomed.fetch_add(1, Relaxed);
    }

    /// The winner is in: `charged` is what it was granted for, if it was not the first attempt.
    pub(super) fn attempt_succeeded(&self, now: Time, taken: Span, charged: Option<RetryCause>) {
        self.fastest_ns.fetch_min(taken.as_nanos(), Relaxed);
        self.counters.succeeded.fetch_add(1, Relaxed);
        let Some(budget) = &self.budget else { return };
        match charged {
            Some(cause) => {
                budget.on_success_after_retry(now, cause);
                budget.on_retry_finished(now);
            }
            None => budget.on_success(now),
        }
    }

    /// An attempt that was sent, or a granted retry that was not, is over without success.
    pub(super) fn attempt_over(&self, now: Time, charged: Option<RetryCause>, counts_as_failure: bool) {
        let Some(budget) = &self.budget else { return };
        if counts_as_failure {
            budget.on_failure(now);
        } else {
            budget.on_cancel(now);
        }
        if charged.is_some() {
            budget.on_retry_finished(now);
        }
    }

    /// Asks the budget for a retry or a copy.
    pub(super) fn grants(&self, now: Time, cause: RetryCause) -> bool {
        let granted = self.budget.as_ref().is_none_or(|budget| budget.try_retry_after(now, cause));
        self.counters.refused_by_budget.fetch_add(u64::from(!granted), Relaxed);
        granted
    }

    pub(super) fn propose(&self, failed: &FailedAttempt, entropy: u64) -> RetryDecision {
        match &self.pace {
            Some(pace) => self.config.retry.propose_at(pace.as_ref(), failed, entropy),
            None => self.config.retry.propose(failed, entropy),
        }
    }

    /// What an attempt takes at the least, if attempts are refused for it.
    pub(super) fn least_service(&self) -> Span {
        match self.config.doomed {
            DoomedRule::Refuse => self.fastest().unwrap_or(Span::ZERO),
            DoomedRule::Count => Span::ZERO,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.config)
            .field("has_own_pace", &self.pace.is_some())
            .field("budget", &self.budget)
            .field("fastest", &self.fastest())
            .field("stats", &self.stats())
            .finish()
    }
}
