//! What bounds the retries of a client as a whole: without a budget, layers of retries multiply. Never
//! decides about a single call; never refuses a first attempt.

use crate::arithmetic::share_of;
use crate::time::{Span, Time};
use std::fmt;

/// Which rule bounds the retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetConfig {
    /// gRPC's retry throttling: tokens start full, a failed attempt takes one, a success gives `token_ratio`
    /// back, and there is no retry while half of the tokens or fewer are left.
    Grpc {
        /// Tokens when full, in thousandths. 1 to 1 000 000 (a thousand tokens).
        max_tokens_milli: u32,
        /// Given back by a success, in thousandths of a token. At least 1.
        token_ratio_milli: u32,
    },
    /// The AWS SDKs' bucket: a retry takes its cost; the success of a retried call gives the cost of its last
    /// retry back, the success of a first attempt gives `success_return`.
    TokenBucket {
        /// Tokens when full, and at the start.
        capacity: u32,
        /// Cost of a retry after a failure. At least 1.
        retry_cost: u32,
        /// Cost of a retry after a timeout. At least 1.
        timeout_cost: u32,
        /// Given back by a call that succeeded at once.
        success_return: u32,
    },
    /// Finagle's: every request deposits a share of a retry, and some more accrue per second; deposits and
    /// withdrawals live for `window`, in ten steps.
    Ratio {
        /// Retries per request, in parts per million. At most 10 000 000.
        ratio_ppm: u32,
        /// Retries per second allowed however few requests there are.
        reserve_per_s: u32,
        /// How long a deposit lives. Usually 10 s.
        window: Span,
    },
    /// Envoy's: retries in flight stay within a share of all attempts in flight, retries included.
    Percent {
        /// The share, in parts per million. At most 1 000 000.
        percent_ppm: u32,
        /// Retries in flight that are always allowed.
        min_in_flight: u32,
    },
}

impl BudgetConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`BudgetError`] names the first field out of range. A config that was not checked is safe to use all
    /// the same.
    pub fn validate(&self) -> Result<(), BudgetError> {
        match *self {
            BudgetConfig::Grpc { max_tokens_milli, token_ratio_milli } => {
                if max_tokens_milli == 0 || max_tokens_milli > 1_000_000 {
                    return Err(BudgetError::MaxTokens { max_tokens_milli });
                }
                if token_ratio_milli == 0 { Err(BudgetError::NothingReturned) } else { Ok(()) }
            }
            BudgetConfig::TokenBucket { capacity, retry_cost, timeout_cost, .. } => {
                if retry_cost == 0 || timeout_cost == 0 {
                    return Err(BudgetError::FreeRetries);
                }
                let cost = retry_cost.min(timeout_cost);
                if cost > capacity { Err(BudgetError::CostAboveCapacity { cost, capacity }) } else { Ok(()) }
            }
            BudgetConfig::Ratio { ratio_ppm, window, .. } => {
                if ratio_ppm > 10_000_000 {
                    return Err(BudgetError::Ratio { ratio_ppm });
                }
                if window.is_zero() { Err(BudgetError::EmptyWindow) } else { Ok(()) }
            }
            BudgetConfig::Percent { percent_ppm, .. } => {
                if percent_ppm > 1_000_000 {
                    Err(BudgetError::Percent { percent_ppm })
                } else {
                    Ok(())
                }
            }
        }
    }
}

/// Why an attempt is to be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryCause {
    /// It was answered with a failure.
    Failure,
    /// It was not answered in time.
    Timeout,
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
    Bucket { tokens: u32, capacity: u32, retry_cost: u32, timeout_cost: u32, success_return: u32 },
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
            Meter::Bucket { tokens, capacity, retry_cost, timeout_cost, .. } => {
                self.attempts_in_flight = self.attempts_in_flight.saturating_sub(1);
                let returned = cost_of(cause, *retry_cost, *timeout_cost);
                *tokens = tokens.saturating_add(returned).min(*capacity);
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

    /// An attempt ended without saying anything about the callee: cancelled, or never sent.
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
            Meter::Bucket { tokens, retry_cost, timeout_cost, .. } => {
                match tokens.checked_sub(cost_of(cause, *retry_cost, *timeout_cost)) {
                    Some(rest) => {
                        *tokens = rest;
                        true
                    }
                    None => false,
                }
            }
            Meter::Ratio(deposits) => deposits.withdraw(now),
            Meter::Percent { percent_ppm, min_in_flight } => {
                self.retries_in_flight < most_in_flight(self.attempts_in_flight, *percent_ppm, *min_in_flight)
            }
        };
        if granted {
            self.granted += 1;
            self.retries_in_flight = self.retries_in_flight.saturating_add(1);
            self.attempts_in_flight = self.attempts_in_flight.saturating_add(1);
        } else {
            self.refused += 1;
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
            BudgetConfig::TokenBucket { capacity, retry_cost, timeout_cost, success_return } => {
                Meter::Bucket { tokens: capacity, capacity, retry_cost, timeout_cost, success_return }
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

const fn cost_of(cause: RetryCause, retry_cost: u32, timeout_cost: u32) -> u32 {
    match cause {
        RetryCause::Failure => retry_cost,
        RetryCause::Timeout => timeout_cost,
    }
}

fn most_in_flight(attempts: u32, percent_ppm: u32, floor: u32) -> u32 {
    let share = share_of(u64::from(attempts), percent_ppm);
    u32::try_from(share).unwrap_or(u32::MAX).max(floor)
}

/// Steps in which a window of deposits moves on.
const STEPS: usize = 10;

/// One retry, in the unit of deposits.
const RETRY_PPM: i64 = 1_000_000;

/// Deposits minus withdrawals of the last ten steps, in millionths of a retry. A clock that goes back stays
/// in the latest step seen, so that nothing comes to life again.
#[derive(Clone, Debug)]
struct Deposits {
    net: [i64; STEPS],
    step: u64,
    step_ns: u64,
    step_ends_ns: u64,
    per_request: i64,
    reserve: i64,
}

impl Deposits {
    fn new(ratio_ppm: u32, reserve_per_s: u32, window: Span) -> Deposits {
        // Retries a second times nanoseconds, in millionths of a retry.
        let reserve = u128::from(reserve_per_s) * u128::from(window.as_nanos()) / 1_000;
        let step_ns = (window.as_nanos() / STEPS as u64).max(1);
        Deposits {
            net: [0; STEPS],
            step: 0,
            step_ns,
            step_ends_ns: step_ns,
            per_request: i64::from(ratio_ppm),
            reserve: i64::try_from(reserve).unwrap_or(i64::MAX),
        }
    }

    fn advance(&mut self, now: Time) {
        // Most events come in the same step as the one before: no division for them.
        if now.as_nanos() < self.step_ends_ns {
            return;
        }
        let step = now.as_nanos() / self.step_ns;
        for expired in 1..=step.saturating_sub(self.step).min(STEPS as u64) {
            self.net[((self.step + expired) % STEPS as u64) as usize] = 0;
        }
        self.step = step;
        self.step_ends_ns = step.saturating_add(1).saturating_mul(self.step_ns);
    }

    fn add(&mut self, amount: i64) {
        let slot = &mut self.net[(self.step % STEPS as u64) as usize];
        *slot = slot.saturating_add(amount);
    }

    fn deposit(&mut self, now: Time) {
        self.advance(now);
        self.add(self.per_request);
    }

    fn withdraw(&mut self, now: Time) -> bool {
        self.advance(now);
        let affordable = self.balance_after(0) >= RETRY_PPM;
        if affordable {
            self.add(-RETRY_PPM);
        }
        affordable
    }

    /// What could be withdrawn at `now`; negative after deposits have expired before the retries they paid
    /// for.
    fn balance_ppm(&self, now: Time) -> i64 {
        let expired = (now.as_nanos() / self.step_ns).saturating_sub(self.step);
        self.balance_after(expired.min(STEPS as u64) as usize)
    }

    /// The balance once the `expired` oldest steps are gone.
    fn balance_after(&self, expired: usize) -> i64 {
        let newest = (self.step % STEPS as u64) as usize;
        (0..STEPS - expired)
            .map(|age| (newest + STEPS - age) % STEPS)
            .fold(self.reserve, |sum, slot| sum.saturating_add(self.net[slot]))
    }

    /// Carries the balance of another window over, as if all of it had happened in this step.
    fn take_over(&mut self, old: &Deposits, now: Time) {
        self.advance(now);
        self.add(old.balance_ppm(now).saturating_sub(old.reserve));
    }
}

/// Why a budget is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetError {
    /// gRPC tokens out of range.
    MaxTokens {
        /// Tokens in thousandths.
        max_tokens_milli: u32,
    },
    /// gRPC successes return nothing, so the budget would never recover.
    NothingReturned,
    /// A retry costs nothing, so the budget would bound nothing.
    FreeRetries,
    /// Even a full bucket pays for no retry.
    CostAboveCapacity {
        /// Cost of the cheaper retry.
        cost: u32,
        /// Tokens when full.
        capacity: u32,
    },
    /// More than ten retries per request.
    Ratio {
        /// Retries per request in parts per million.
        ratio_ppm: u32,
    },
    /// Deposits would not live at all.
    EmptyWindow,
    /// More than all attempts in flight.
    Percent {
        /// The share in parts per million.
        percent_ppm: u32,
    },
}

impl fmt::Display for BudgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BudgetError::MaxTokens { max_tokens_milli } => {
                write!(
                    f,
                    "{max_tokens_milli} thousandths of a token: use more than 0 and at most 1000 tokens"
                )
            }
            BudgetError::NothingReturned => {
                f.write_str("a token ratio of 0 never lets the budget recover: use at least 0.001")
            }
            BudgetError::FreeRetries => {
                f.write_str("a retry that costs nothing is not bounded: use a cost of at least 1")
            }
            BudgetError::CostAboveCapacity { cost, capacity } => {
                write!(
                    f,
                    "a retry costs {cost}, a full bucket holds {capacity}: raise the capacity to {cost}"
                )
            }
            BudgetError::Ratio { ratio_ppm } => {
                write!(f, "{ratio_ppm} ppm is more than ten retries per request: use at most 10000000")
            }
            BudgetError::EmptyWindow => {
                f.write_str("deposits have to live for some time: use a window of 10s")
            }
            BudgetError::Percent { percent_ppm } => {
                write!(f, "{percent_ppm} ppm of the attempts in flight: use at most 1000000")
            }
        }
    }
}

impl std::error::Error for BudgetError {}
