//! What the file says about limits: on calls, and on what a service takes in.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::quantity::{Duration, Factor, Positive, Rate, Share, Text};

/// How much may pass: `rate` and `burst`, or `limit` and `window`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct RawLimitRule {
    /// How it is counted. Default token_bucket.
    #[serde(default)]
    pub(crate) kind: Option<RawLimitKind>,
    /// What passes in the long run.
    #[serde(default)]
    pub(crate) rate: Option<Rate>,
    /// What passes at once after a pause; of a leaky bucket, how many wait. Default 1.
    #[serde(default)]
    pub(crate) burst: Option<Positive>,
    /// What passes in one window.
    #[serde(default)]
    pub(crate) limit: Option<Positive>,
    /// How long a window is. Default 1s.
    #[serde(default)]
    pub(crate) window: Option<Duration>,
    /// Where windows begin. Default clock.
    #[serde(default)]
    pub(crate) align: Option<RawWindowAlign>,
    /// How long to wait for a turn at most, in place of being refused.
    #[serde(default)]
    pub(crate) max_wait: Option<Duration>,
    /// Whether it only counts what it would refuse. Default false.
    #[serde(default)]
    pub(crate) shadow: Option<bool>,
}

/// How a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawLimitKind {
    /// A bucket that fills at the rate up to the burst.
    TokenBucket,
    /// Paces: the burst waits, what passes leaves evenly spaced.
    LeakyBucket,
    /// The generic cell rate algorithm: decides like a token bucket.
    Gcra,
    /// Counts per window.
    FixedWindow,
    /// Remembers all that passed in the last window.
    SlidingLog,
    /// Two counters that stand for a sliding window.
    SlidingWindow,
}

/// Where windows begin.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawWindowAlign {
    /// At multiples of their length on the clock.
    Clock,
    /// With the first request after the last one ended.
    FirstRequest,
}

/// Client-side rate limit.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawRateLimit {
    /// How much may pass.
    #[serde(flatten)]
    pub(crate) rule: RawLimitRule,
}

/// What is checked when a request arrives, before it waits for a worker.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAdmission {
    /// How much is taken in.
    #[serde(default)]
    pub(crate) rate_limit: Option<RawAdmissionLimit>,
    /// Limits on several levels; each level's first rule that matches has to let a request pass.
    #[serde(default)]
    pub(crate) levels: IndexMap<String, IndexMap<String, RawLevelRule>>,
    /// How many requests may be inside a replica at once.
    #[serde(default)]
    pub(crate) concurrency: Option<RawConcurrency>,
    /// Whether a refusal says when the request would pass. Default true.
    #[serde(default)]
    pub(crate) retry_after: Option<bool>,
    /// Whether all of it only counts what it would refuse. Default false.
    #[serde(default)]
    pub(crate) shadow: Option<bool>,
}

/// How much a service takes in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawAdmissionLimit {
    /// How much may pass.
    #[serde(flatten)]
    pub(crate) rule: RawLimitRule,
    /// What is counted together. Default replica.
    #[serde(default)]
    pub(crate) per: Option<RawLimitPer>,
    /// With `per: key`: the header that bears the key. Default whatever header it comes in.
    #[serde(default)]
    pub(crate) header: Option<Text>,
    /// What happens to requests without the key. Default reject.
    #[serde(default)]
    pub(crate) empty_key: Option<RawEmptyKey>,
    /// Most keys counted at once. Default 1000000.
    #[serde(default)]
    pub(crate) max_keys: Option<Positive>,
    /// What happens to a further key. Default reject.
    #[serde(default)]
    pub(crate) on_full: Option<RawKeysFull>,
    /// What requests of an operation take out of the limit. Default 1.
    #[serde(default)]
    pub(crate) cost: IndexMap<String, Positive>,
    /// A store in which all replicas share the limit.
    #[serde(default)]
    pub(crate) store: Option<RawLimitStore>,
}

/// What a limit counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawLimitPer {
    /// All that the service takes in; without a store each replica has an even part of the limit.
    Service,
    /// All that a replica takes in.
    Replica,
    /// Each caller.
    Caller,
    /// Each load, however many services lie between.
    Load,
    /// Each key.
    Key,
    /// Each operation.
    Operation,
}

/// What happens to requests without the key.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawEmptyKey {
    /// They are refused.
    Reject,
    /// They share one limit.
    Count,
    /// They pass, and nothing limits them.
    Skip,
}

/// What happens to a further key.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawKeysFull {
    /// Its requests are refused.
    Reject,
    /// The key not seen for the longest time is forgotten, with what it has used.
    ForgetOldest,
}

/// A store in which all replicas share a limit.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLimitStore {
    /// A service of kind `limit-store`.
    pub(crate) to: String,
    /// Longest wait for its answer. Default 50ms.
    #[serde(default)]
    pub(crate) timeout: Option<Duration>,
    /// How replica and store share the work. Default central.
    #[serde(default)]
    pub(crate) mode: Option<RawStoreMode>,
    /// With `mode: batching`: permits asked for at once. Default 10.
    #[serde(default)]
    pub(crate) batch: Option<Positive>,
    /// With `mode: batching`: how long they may be used. Default 1s.
    #[serde(default)]
    pub(crate) keep_for: Option<Duration>,
    /// With `mode: delayed_sync`: the interval between syncs. Default 100ms.
    #[serde(default)]
    pub(crate) every: Option<Duration>,
    /// What a replica does when the store does not answer. Default local.
    #[serde(default)]
    pub(crate) on_error: Option<RawOnStoreError>,
    /// How long the store is left alone after it did not answer. Default 1s.
    #[serde(default)]
    pub(crate) retry_after: Option<Duration>,
    /// Whether a refusal is remembered until its wait is over. Default false.
    #[serde(default)]
    pub(crate) cache_refusals: Option<bool>,
}

/// How replica and store share the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawStoreMode {
    /// Every request asks the store.
    Central,
    /// A replica takes several permits at once.
    Batching,
    /// A replica decides alone and tells the store from time to time.
    DelayedSync,
}

/// What a replica does when the store does not answer.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawOnStoreError {
    /// It goes on alone with its part of the limit.
    Local,
    /// It goes on alone with the whole limit.
    Open,
    /// It refuses.
    Closed,
    /// It lets everything pass.
    Unlimited,
}

/// A rule of a level.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLevelRule {
    /// Which requests it is for. Default all.
    #[serde(default)]
    pub(crate) when: RawLevelMatch,
    /// Each value of these has a limit of its own.
    #[serde(default)]
    pub(crate) each: Vec<RawDimension>,
    /// What passes in the long run.
    pub(crate) rate: Rate,
    /// What passes at once after a pause. Default 1.
    #[serde(default)]
    pub(crate) burst: Option<Positive>,
    /// Whether it only counts what it would refuse. Default false.
    #[serde(default)]
    pub(crate) shadow: Option<bool>,
}

/// Which requests a rule is for; all that is given has to hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLevelMatch {
    /// Of this caller.
    #[serde(default)]
    pub(crate) caller: Option<String>,
    /// Caused by this load.
    #[serde(default)]
    pub(crate) load: Option<String>,
    /// Of this operation.
    #[serde(default)]
    pub(crate) operation: Option<String>,
    /// With this key.
    #[serde(default)]
    pub(crate) key: Option<Text>,
}

/// What requests are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawDimension {
    /// Who sent it.
    Caller,
    /// Which load caused it.
    Load,
    /// Which operation it is.
    Operation,
    /// Which key it bears.
    Key,
}

/// How many requests may be inside a replica, or calls of one caller under way, at once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawConcurrency {
    /// How the bound is found. Default fixed.
    #[serde(default)]
    pub(crate) kind: Option<RawConcurrencyKind>,
    /// Where it begins.
    pub(crate) initial: Positive,
    /// Its least value. Default 1.
    #[serde(default)]
    pub(crate) min: Option<Positive>,
    /// Its largest value. Default 1000.
    #[serde(default)]
    pub(crate) max: Option<Positive>,
    /// With `kind: aimd`: what is left of it after congestion. Default 90%.
    #[serde(default)]
    pub(crate) backoff: Option<Share>,
    /// With `kind: aimd`: requests that take longer count as congestion. Default only those that come too late.
    #[serde(default)]
    pub(crate) slow_call: Option<Duration>,
    /// With `kind: gradient2`: how many times longer than on average a request may take. Default x1.5.
    #[serde(default)]
    pub(crate) tolerance: Option<Factor>,
    /// With `kind: gradient2`: requests over which the average is taken. Default 600.
    #[serde(default)]
    pub(crate) long_window: Option<Positive>,
    /// With `kind: gradient2`: by how much it may grow at each step. Default 4.
    #[serde(default)]
    pub(crate) queue: Option<Positive>,
    /// Whether it only counts what it would refuse. Default false.
    #[serde(default)]
    pub(crate) shadow: Option<bool>,
}

/// How a bound on concurrency is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawConcurrencyKind {
    /// It stays.
    Fixed,
    /// Additive increase, multiplicative decrease.
    Aimd,
    /// From the queue that round-trip times let one guess.
    Vegas,
    /// From the gradient of round-trip times.
    Gradient2,
}
