//! What the file says about further attempts: how many, at what pace, and what bounds them as a whole.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::quantity::{Count, Duration, Factor, Percentage, Positive, Rate, Real, Share};

/// Further attempts after a failure.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRetry {
    /// Most attempts, the first one included.
    pub(crate) max_attempts: Positive,
    /// Pauses between attempts.
    #[serde(default)]
    pub(crate) backoff: RawBackoff,
    /// What bounds retries as a whole: a share of the first attempts, or a table.
    #[serde(default)]
    pub(crate) budget: Option<RawBudget>,
    /// Outcomes worth another attempt. Default timeout, error, rejected, refused, reset.
    #[serde(default)]
    pub(crate) retry_on: Option<Vec<RawRetryOn>>,
    /// Whether a pause asked for by the callee is kept. Default true.
    #[serde(default)]
    pub(crate) honour_retry_after: Option<bool>,
    /// Whether the client lowers its own rate when it is told to send less, as the AWS SDKs do in adaptive mode.
    /// Default false.
    #[serde(default)]
    pub(crate) adaptive: Option<bool>,
}

/// An outcome worth another attempt.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawRetryOn {
    /// No answer in time.
    Timeout,
    /// An error answer.
    Error,
    /// The callee had no place left.
    Rejected,
    /// The connection was refused.
    Refused,
    /// The connection broke.
    Reset,
}

/// Pauses between attempts.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBackoff {
    /// How pauses grow. Default exponential.
    #[serde(default)]
    pub(crate) kind: Option<RawBackoffKind>,
    /// The first pause. Default 100ms.
    #[serde(default)]
    pub(crate) base: Option<Duration>,
    /// The longest pause. Default 10s.
    #[serde(default)]
    pub(crate) cap: Option<Duration>,
    /// Growth from one pause to the next. Default 2.
    #[serde(default)]
    pub(crate) multiplier: Option<Factor>,
    /// Of `power`: to which power of the attempts the pauses grow. Default 4.
    #[serde(default)]
    pub(crate) exponent: Option<Positive>,
    /// Where growth starts: 0 with the base itself (the default), 1 one step further on.
    #[serde(default)]
    pub(crate) first_exponent: Option<Count>,
    /// How pauses are spread. Default full.
    #[serde(default)]
    pub(crate) jitter: Option<RawJitter>,
}

/// How pauses grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawBackoffKind {
    /// Not at all.
    Constant,
    /// By the base each time.
    Linear,
    /// By the multiplier each time.
    Exponential,
    /// By the Fibonacci numbers.
    Fibonacci,
    /// By a power of the attempts made.
    Power,
    /// Drawn between the base and three times the pause before.
    Decorrelated,
    /// Polly's smoother successor of it.
    DecorrelatedV2,
}

/// How pauses are spread.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RawJitter {
    /// By name.
    Named(RawJitterName),
    /// By a share of the pause to both sides.
    Around(RawJitterAround),
}

/// How pauses are spread, by name.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawJitterName {
    /// Not at all.
    None,
    /// Between nothing and the whole pause.
    Full,
    /// Between half and the whole pause.
    Equal,
    /// A fifth of the pause to both sides.
    Grpc,
    /// A quarter of the pause to both sides.
    Polly,
}

/// A share of the pause to both sides.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawJitterAround {
    /// The share.
    pub(crate) around: Share,
}

/// What bounds retries as a whole.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RawBudget {
    /// One in wide use, with the numbers its system ships.
    Named(RawBudgetName),
    /// A share of the first attempts.
    Ratio(Percentage),
    /// Any kind of budget with its parameters.
    Table(Box<RawBudgetTable>),
}

/// Budgets in wide use.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawBudgetName {
    /// The AWS SDKs' standard mode: 500 tokens, a retry costs 14.
    Aws,
    /// The same as it used to be: a retry costs 5, after a timeout 10.
    AwsLegacy,
    /// gRPC's example: 10 tokens, a tenth of one back for a success.
    Grpc,
    /// Finagle's: a fifth of the requests and 10 retries a second.
    Finagle,
    /// Envoy's: a fifth of what is in flight, and 3 retries always.
    Percent,
}

/// A retry budget with its parameters: `ratio`, `token_bucket` or `in_flight`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBudgetTable {
    /// Retries as a share of first attempts in the window.
    #[serde(default)]
    pub(crate) ratio: Option<Percentage>,
    /// Retries allowed in any case.
    #[serde(default)]
    pub(crate) reserve: Option<Rate>,
    /// How far back attempts count. Default 10s.
    #[serde(default)]
    pub(crate) window: Option<Duration>,
    /// Tokens taken by failures and given back by successes.
    #[serde(default)]
    pub(crate) token_bucket: Option<RawTokenBucket>,
    /// Retries in flight as a share of all attempts in flight.
    #[serde(default)]
    pub(crate) in_flight: Option<RawInFlight>,
}

/// Tokens taken by failures and given back by successes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTokenBucket {
    /// Tokens at the start and at most. No retries at or below half of them.
    pub(crate) max_tokens: Positive,
    /// Tokens a success gives back.
    pub(crate) token_ratio: Real,
}

/// Retries in flight as a share of all attempts in flight.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawInFlight {
    /// The share.
    pub(crate) percent: Percentage,
    /// Retries allowed in any case. Default 3.
    #[serde(default)]
    pub(crate) floor: Option<Count>,
}
