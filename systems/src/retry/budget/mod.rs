//! What bounds the retries of a client as a whole: without a budget, layers of retries multiply. Never
//! decides about a single call; never refuses a first attempt.

mod config;
mod deposits;
mod shared;

pub use config::{BudgetConfig, BudgetError, BudgetKind, UnknownBudget};
pub use shared::SharedBudget;

use crate::arithmetic::share_of;
use crate::time::Time;
use deposits::Deposits;

/// Why an attempt is to be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryCause {
    /// It was answered with a failure.
    Failure,
    /// It was not answered in time.
    Timeout,
    /// The callee asked to be called less often.
    Throttling,
}

/// The retry allowance of one client, shared by all its calls.
///
/// The law of driving it: [`on_request`](Self::on_request) when a call begins; for every attempt exactly one
/// of [`on_success`](Self::on_success), [`on_success_after_retry`](Self::on_success_after_retry),
/// [`on_failure`](Self::on_failure) and [`on_cancel`](Self::on_cancel) when it ends; for every granted
/// [`try_retry`](Self::try_retry) also one [`on_retry_finished`](Self::on_retry_finished), whether the retry
/// was sent or given up in its pause. Hedges are retries. A breach of this law skews the balance; it never
/// makes it negative or larger than full.
#[derive(Clone, Debug)]
pub struct Budget {
    meter: Meter,
    attempts_in_flight: u32,
    retries_in_flight: u32,
    granted: u64,
    refused: u64,
}

/// The balance of one kind of budget, with its rates.
#[derive(Clone, Debug)]
enum Meter {
    Grpc { tokens: u64, full: u64, per_success: u64 },
    Bucket { tokens: u32, capacity: u32, costs: Costs, success_return: u32 },
    Ratio(Deposits),
    Percent { percent_ppm: u32, min_in_flight: u32 },
}

/// One gRPC token, and one retry in [`Budget::tokens_milli`].
const TOKEN_MILLI: u64 = 1_000;

impl Budget {
    /// A budget at its start: token kinds are full.
    pub fn new(config: BudgetConfig) -> Budget {
        Budget {
            meter: Meter::new(config),
            attempts_in_flight: 0,
            retries_in_flight: 0,
            granted: 0,
            refused: 0,
        }
    }

    /// A call begins; this is its first attempt.
    pub fn on_request(&mut self, now: Time) {
        self.attempts_in_flight = self.attempts_in_flight.saturating_add(1);
        match &mut self.meter {
            Meter::Ratio(deposits) => deposits.deposit(now),
            Meter::Grpc { .. } | Meter::Bucket { .. } | Meter::Percent { .. } => {}
        }
    }

    /// A first attempt succeeded.
    pub fn on_success(&mut self, _now: Time) {
        self.attempts_in_flight = self.attempts_in_flight.saturating_sub(1);
        match &mut self.meter {
            Meter::Grpc { tokens, full, per_success } => *tokens = (*tokens + *per_success).min(*full),
            Meter::Bucket { tokens, capacity, success_return, .. } => {
                *tokens = tokens.saturating_add(*success_return).min(*capacity);
            }
            Meter::Ratio(_) | Meter::Percent { .. } => {}
        }
    }

    /// A retry succeeded; `cause` is what it was granted for.
    pub fn on_success_after_retry(&mut self, now: Time, cause: RetryCause) {
        match &mut self.meter {
            Meter::Bucket { tokens, capacity, costs, .. } => {
                self.attempts_in_flight = self.attempts_in_flight.saturating_sub(1);
                *tokens = tokens.saturating_add(costs.of(cause)).min(*capacity);
            }
            Meter::Grpc { .. } | Meter::Ratio(_) | Meter::Percent { .. } => self.on_success(now),
        }
    }

    /// An attempt failed. Call it before asking for a retry.
    pub fn on_failure(&mut self, _now: Time) {
        self.attempts_in_flight = self.attempts_in_flight.saturating_sub(1);
        match &mut self.meter {
            Meter::Grpc { tokens, .. } => *tokens = tokens.saturating_sub(TOKEN_MILLI),
            Meter::Bucket { .. } | Meter::Ratio(_) | Meter::Percent { .. } => {}
        }
    }

    /// An attempt ended without saying anything about how the callee bears its load: cancelled, never sent, or
    /// answered with a failure that nobody would retry (gRFC A6 counts only failures that are retried, and those
    /// where the server says not to).
    pub fn on_cancel(&mut self, _now: Time) {
        self.attempts_in_flight = self.attempts_in_flight.saturating_sub(1);
    }

    /// Asks for a retry after a failure; `true` grants and charges it.
    pub fn try_retry(&mut self, now: Time) -> bool {
        self.try_retry_after(now, RetryCause::Failure)
    }

    /// Asks for a retry; `true` grants and charges it, and counts it as in flight from now on, its pause
    /// included.
    pub fn try_retry_after(&mut self, now: Time, cause: RetryCause) -> bool {
        let granted = match &mut self.meter {
            Meter::Grpc { tokens, full, .. } => *tokens * 2 > *full,
            Meter::Bucket { tokens, costs, .. } => match tokens.checked_sub(costs.of(cause)) {
                Some(rest) => {
                    *tokens = rest;
                    true
                }
                None => false,
            },
            Meter::Ratio(deposits) => deposits.withdraw(now),
            Meter::Percent { percent_ppm, min_in_flight } => {
                self.retries_in_flight < most_in_flight(self.attempts_in_flight, *percent_ppm, *min_in_flight)
            }
        };
        if granted {
            self.granted = self.granted.saturating_add(1);
            self.retries_in_flight = self.retries_in_flight.saturating_add(1);
            self.attempts_in_flight = self.attempts_in_flight.saturating_add(1);
        } else {
            self.refused = self.refused.saturating_add(1);
        }
        granted
    }

    /// A granted retry is over, sent or not.
    pub fn on_retry_finished(&mut self, _now: Time) {
        self.retries_in_flight = self.retries_in_flight.saturating_sub(1);
    }

    /// Follows a new config: the same kind keeps its balance, cut to the new size; another kind starts
    /// afresh. What is in flight stays known.
    pub fn reconfigure(&mut self, config: BudgetConfig, now: Time) {
        let mut meter = Meter::new(config);
        match (&self.meter, &mut meter) {
            (Meter::Grpc { tokens: old, .. }, Meter::Grpc { tokens, full, .. }) => *tokens = *old.min(full),
            (Meter::Bucket { tokens: old, .. }, Meter::Bucket { tokens, capacity, .. }) => {
                *tokens = *old.min(capacity);
            }
            (Meter::Ratio(old), Meter::Ratio(deposits)) => deposits.take_over(old, now),
            (Meter::Grpc { .. } | Meter::Bucket { .. } | Meter::Ratio(_) | Meter::Percent { .. }, _) => {}
        }
        self.meter = meter;
    }

    /// The balance in thousandths: of a token for the token kinds, of a retry for [`BudgetConfig::Ratio`],
    /// and of a retry that may still go in flight for [`BudgetConfig::Percent`]. Never negative.
    pub fn tokens_milli(&self, now: Time) -> u64 {
        match &self.meter {
            Meter::Grpc { tokens, .. } => *tokens,
            Meter::Bucket { tokens, .. } => u64::from(*tokens) * TOKEN_MILLI,
            Meter::Ratio(deposits) => deposits.balance_ppm(now).max(0).unsigned_abs() / TOKEN_MILLI,
            Meter::Percent { percent_ppm, min_in_flight } => {
                let most = most_in_flight(self.attempts_in_flight, *percent_ppm, *min_in_flight);
                u64::from(most.saturating_sub(self.retries_in_flight)) * TOKEN_MILLI
            }
        }
    }

    /// The largest balance, in thousandths of a token; `None` for kinds whose allowance grows with the load.
    pub fn max_tokens_milli(&self) -> Option<u64> {
        match &self.meter {
            Meter::Grpc { full, .. } => Some(*full),
            Meter::Bucket { capacity, .. } => Some(u64::from(*capacity) * TOKEN_MILLI),
            Meter::Ratio(_) | Meter::Percent { .. } => None,
        }
    }

    /// Attempts under way, retries included.
    pub const fn attempts_in_flight(&self) -> u32 {
        self.attempts_in_flight
    }

    /// Retries under way, those in their pause included.
    pub const fn retries_in_flight(&self) -> u32 {
        self.retries_in_flight
    }

    /// Retries granted so far.
    pub const fn granted(&self) -> u64 {
        self.granted
    }

    /// Retries refused so far.
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

impl Meter {
    fn new(config: BudgetConfig) -> Meter {
        match config {
            BudgetConfig::Grpc { max_tokens_milli, token_ratio_milli } => Meter::Grpc {
                tokens: u64::from(max_tokens_milli),
                full: u64::from(max_tokens_milli),
                per_success: u64::from(token_ratio_milli),
            },
            BudgetConfig::TokenBucket {
                capacity,
                retry_cost,
                timeout_cost,
                throttling_cost,
                success_return,
            } => {
                let costs = Costs { failure: retry_cost, timeout: timeout_cost, throttling: throttling_cost };
                Meter::Bucket { tokens: capacity, capacity, costs, success_return }
            }
            BudgetConfig::Ratio { ratio_ppm, reserve_per_s, window } => {
                Meter::Ratio(Deposits::new(ratio_ppm, reserve_per_s, window))
            }
            BudgetConfig::Percent { percent_ppm, min_in_flight } => {
                Meter::Percent { percent_ppm, min_in_flight }
            }
        }
    }
}

/// What a retry costs, by its cause.
#[derive(Clone, Copy, Debug)]
struct Costs {
    failure: u32,
    timeout: u32,
    throttling: u32,
}

impl Costs {
    const fn of(self, cause: RetryCause) -> u32 {
        match cause {
            RetryCause::Failure => self.failure,
            RetryCause::Timeout => self.timeout,
            RetryCause::Throttling => self.throttling,
        }
    }
}

fn most_in_flight(attempts: u32, percent_ppm: u32, floor: u32) -> u32 {
    let share = share_of(u64::from(attempts), percent_ppm);
    u32::try_from(share).unwrap_or(u32::MAX).max(floor)
}
