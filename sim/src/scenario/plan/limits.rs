//! Limits on calls and on what a service takes in, resolved. Plain data and the arithmetic of dividing it.

use foreshock_systems::rate_limiter::concurrency::ConcurrencyConfig;
use foreshock_systems::rate_limiter::distributed::{NodeConfig, SharedLimit};
use foreshock_systems::rate_limiter::{
    EmptyKey, HierarchyConfig, KeyedConfig, OnFull, RateLimitConfig, WindowConfig,
};

use super::EdgeId;
use crate::kernel::time::Span;

/// How much may pass, and how that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitRule {
    /// Fills at the rate up to the burst.
    TokenBucket(RateLimitConfig),
    /// Paces: what passes leaves evenly spaced, the burst waits.
    LeakyBucket(RateLimitConfig),
    /// The leaky bucket as a meter.
    Gcra(RateLimitConfig),
    /// Counts per window.
    FixedWindow(WindowConfig),
    /// Remembers all that passed in the last window.
    SlidingLog(WindowConfig),
    /// Two counters that stand for a sliding window.
    SlidingWindow(WindowConfig),
}

impl LimitRule {
    /// Its name in a scenario.
    pub const fn name(self) -> &'static str {
        match self {
            LimitRule::TokenBucket(_) => "token_bucket",
            LimitRule::LeakyBucket(_) => "leaky_bucket",
            LimitRule::Gcra(_) => "gcra",
            LimitRule::FixedWindow(_) => "fixed_window",
            LimitRule::SlidingLog(_) => "sliding_log",
            LimitRule::SlidingWindow(_) => "sliding_window",
        }
    }

    /// One of so many equal parts, never nothing.
    pub fn divided(self, parts: u32) -> LimitRule {
        match self {
            LimitRule::TokenBucket(config) => LimitRule::TokenBucket(config.divided(parts)),
            LimitRule::LeakyBucket(config) => LimitRule::LeakyBucket(config.divided(parts)),
            LimitRule::Gcra(config) => LimitRule::Gcra(config.divided(parts)),
            LimitRule::FixedWindow(config) => LimitRule::FixedWindow(config.divided(parts)),
            LimitRule::SlidingLog(config) => LimitRule::SlidingLog(config.divided(parts)),
            LimitRule::SlidingWindow(config) => LimitRule::SlidingWindow(config.divided(parts)),
        }
    }

    /// The stretch of time by which it is judged, and the most that it should let pass in one.
    pub fn most_in_window(self) -> (Span, u64) {
        match self {
            LimitRule::TokenBucket(config) | LimitRule::LeakyBucket(config) | LimitRule::Gcra(config) => {
                let in_a_second = config.rate_per_s_milli.div_ceil(1_000);
                (Span::from_secs(1), config.burst.saturating_add(in_a_second))
            }
            LimitRule::FixedWindow(config)
            | LimitRule::SlidingLog(config)
            | LimitRule::SlidingWindow(config) => (config.window, config.limit),
        }
    }
}

/// A limit on the calls of one caller over one edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimitPlan {
    /// How much may pass.
    pub rule: LimitRule,
    /// How long a call waits for its turn at most; it is refused if it would take longer.
    pub max_wait: Span,
    /// Whether it only counts.
    pub shadow: bool,
}

/// What is checked when a request arrives at a service, before it waits for a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionPlan {
    /// How much may pass.
    pub rate: Option<RateAdmission>,
    /// How many may be inside at once.
    pub concurrency: Option<ConcurrencyPlan>,
    /// Whether a refusal says when to come back.
    pub retry_after: bool,
}

/// How much a service takes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateAdmission {
    /// One limit, for all or for each of something.
    Single(Box<AdmissionLimitPlan>),
    /// Several levels, each of which has to let a request pass.
    Levels {
        /// The rules.
        config: HierarchyConfig,
        /// By load: whether its requests bear a key.
        bears_key: Vec<bool>,
    },
}

/// One limit on what a service takes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionLimitPlan {
    /// How much may pass.
    pub rule: LimitRule,
    /// How long a request is kept until its turn at most.
    pub max_wait: Span,
    /// Whether it only counts.
    pub shadow: bool,
    /// What is counted together.
    pub per: LimitPer,
    /// How many keys are counted at once, and what happens at the edges.
    pub keys: KeyedConfig,
    /// By load: whether its requests bear the key that is counted by.
    pub bears_key: Vec<bool>,
    /// By operation: what a request takes out of the limit.
    pub costs: Vec<u64>,
    /// Where all replicas share the limit.
    pub store: Option<LimitStorePlan>,
}

/// What a limit counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitPer {
    /// All that the service takes in. Without a store each replica has an even part of it.
    Service,
    /// All that one replica takes in.
    Replica,
    /// What one caller sends.
    Caller,
    /// What one load caused.
    Load,
    /// What bears one key.
    Key,
    /// One operation.
    Operation,
}

/// How the replicas of a service share a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitStorePlan {
    /// The way to the store.
    pub edge: EdgeId,
    /// What each replica is told.
    pub node: NodeConfig,
}

/// A limit that a store keeps for the replicas of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedLimitPlan {
    /// Over which edge they ask.
    pub edge: EdgeId,
    /// The limit of all together.
    pub limit: SharedLimit,
}

/// How many requests may be inside a replica, or calls of one caller under way, at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrencyPlan {
    /// How the bound is found.
    pub kind: ConcurrencyKind,
    /// Its range.
    pub bounds: ConcurrencyConfig,
    /// Whether it only counts.
    pub shadow: bool,
}

/// How a bound on concurrency is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConcurrencyKind {
    /// It stays.
    Fixed,
    /// Additive increase, multiplicative decrease.
    Aimd {
        /// What is left of it after congestion.
        backoff_ppm: u32,
        /// What took longer counts as congestion; zero: only what was dropped does.
        slow_call: Span,
    },
    /// From the queue that round-trip times let one guess.
    Vegas,
    /// From the gradient of round-trip times.
    Gradient2 {
        /// How many times longer than on average a request may take, thousandths.
        tolerance_milli: u32,
        /// Requests over which the average is taken.
        long_window: u32,
        /// By how much it may grow at each step.
        queue: u32,
    },
}

/// One counter, that nobody else can crowd out.
pub(crate) const ONE_KEY: KeyedConfig =
    KeyedConfig { max_keys: 1, on_full: OnFull::Reject, empty_key: EmptyKey::Count, hash_seed: 0 };
