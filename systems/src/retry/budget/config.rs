//! The rules of budgets as data: their numbers, their ranges, and the ones that are in wide use under a name.

use crate::time::Span;
use std::fmt;
use std::str::FromStr;

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
        /// Cost of a retry after throttling. At least 1.
        throttling_cost: u32,
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

/// The budgets that are in wide use, by the names of the systems they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BudgetKind {
    /// The AWS SDKs' standard mode: 500 tokens, a retry costs 14, after throttling 5.
    Aws,
    /// The AWS SDKs' standard mode as it was until then: 500 tokens, a retry costs 5, after a timeout 10.
    AwsLegacy,
    /// gRPC's example (gRFC A6): 10 tokens, a tenth of one back for a success.
    Grpc,
    /// Finagle's: a fifth of the requests, and 10 retries a second beside; deposits live 10 s.
    Finagle,
    /// Envoy's: a fifth of what is in flight, and 3 retries always.
    Percent,
}

impl BudgetKind {
    /// All kinds.
    pub const ALL: [BudgetKind; 5] =
        [BudgetKind::Aws, BudgetKind::AwsLegacy, BudgetKind::Grpc, BudgetKind::Finagle, BudgetKind::Percent];

    /// The name in configuration files.
    pub const fn name(self) -> &'static str {
        match self {
            BudgetKind::Aws => "aws",
            BudgetKind::AwsLegacy => "aws_legacy",
            BudgetKind::Grpc => "grpc",
            BudgetKind::Finagle => "finagle",
            BudgetKind::Percent => "percent",
        }
    }

    /// The budget with the numbers its system ships.
    pub const fn usual(self) -> BudgetConfig {
        const fn aws(retry_cost: u32, timeout_cost: u32, throttling_cost: u32) -> BudgetConfig {
            BudgetConfig::TokenBucket {
                capacity: 500,
                retry_cost,
                timeout_cost,
                throttling_cost,
                success_return: 1,
            }
        }
        match self {
            BudgetKind::Aws => aws(14, 14, 5),
            BudgetKind::AwsLegacy => aws(5, 10, 5),
            BudgetKind::Grpc => BudgetConfig::Grpc { max_tokens_milli: 10_000, token_ratio_milli: 100 },
            BudgetKind::Finagle => {
                BudgetConfig::Ratio { ratio_ppm: 200_000, reserve_per_s: 10, window: Span::from_secs(10) }
            }
            BudgetKind::Percent => BudgetConfig::Percent { percent_ppm: 200_000, min_in_flight: 3 },
        }
    }
}

impl fmt::Display for BudgetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for BudgetKind {
    type Err = UnknownBudget;

    fn from_str(name: &str) -> Result<BudgetKind, UnknownBudget> {
        BudgetKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or(UnknownBudget)
    }
}

/// A name that is no kind of budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownBudget;

impl fmt::Display for UnknownBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown kind of budget: use aws, aws_legacy, grpc, finagle or percent")
    }
}

impl std::error::Error for UnknownBudget {}

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
            BudgetConfig::TokenBucket { capacity, retry_cost, timeout_cost, throttling_cost, .. } => {
                let cost = retry_cost.min(timeout_cost).min(throttling_cost);
                if cost == 0 {
                    return Err(BudgetError::FreeRetries);
                }
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
