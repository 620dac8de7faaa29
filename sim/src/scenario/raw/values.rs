//! Values that stand in many places: distributions, one-or-many, selectors of replicas.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::quantity::{Duration, Real, Share};

/// A random length of time; a bare duration is constant.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RawDistribution {
    /// Always the same.
    Bare(Duration),
    /// A named distribution.
    Named(Box<RawNamedDistribution>),
}

/// A named distribution.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawNamedDistribution {
    /// Always the same.
    Constant(Duration),
    /// Every value of a range with the same chance.
    Uniform(RawUniform),
    /// Memoryless, by its mean.
    Exponential(RawExponential),
    /// Normal, cut at zero.
    Normal(RawNormal),
    /// Lognormal, by its median and its 99th percentile.
    Lognormal(RawLognormal),
    /// Heavy-tailed, from a smallest value on.
    Pareto(RawPareto),
    /// Gamma, by its mean and shape.
    Gamma(RawGamma),
    /// Mostly fast, sometimes slow.
    Bimodal(RawBimodal),
    /// As measured.
    Empirical(RawEmpirical),
}

/// Every value of a range with the same chance.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawUniform {
    /// Smallest value.
    pub(crate) min: Duration,
    /// Largest value.
    pub(crate) max: Duration,
}

/// Memoryless.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawExponential {
    /// Mean.
    pub(crate) mean: Duration,
}

/// Normal, cut at zero.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawNormal {
    /// Mean.
    pub(crate) mean: Duration,
    /// Standard deviation.
    pub(crate) sd: Duration,
}

/// Lognormal.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLognormal {
    /// Half of all values are below.
    pub(crate) median: Duration,
    /// One value in a hundred is above.
    pub(crate) p99: Duration,
}

/// Heavy-tailed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPareto {
    /// Smallest value.
    pub(crate) min: Duration,
    /// Tail exponent; smaller is heavier.
    pub(crate) shape: Real,
    /// Largest value; longer ones are cut to it.
    #[serde(default)]
    pub(crate) cap: Option<Duration>,
}

/// Gamma.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawGamma {
    /// Mean.
    pub(crate) mean: Duration,
    /// Shape; 1 is exponential, larger is narrower.
    pub(crate) shape: Real,
}

/// One of two distributions.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBimodal {
    /// The usual one.
    pub(crate) fast: RawDistribution,
    /// The other one.
    pub(crate) slow: RawDistribution,
    /// How often the other one.
    pub(crate) slow_share: Share,
}

/// As measured: quantiles or samples.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawEmpirical {
    /// Values by quantile, as in `50%: 3ms`.
    #[serde(default)]
    pub(crate) quantiles: Option<IndexMap<String, Duration>>,
    /// Single values.
    #[serde(default)]
    pub(crate) samples: Option<Vec<Duration>>,
}

/// One text or a list of texts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The texts.
    pub(crate) fn texts(&self) -> &[String] {
        match self {
            OneOrMany::One(text) => std::slice::from_ref(text),
            OneOrMany::Many(texts) => texts,
        }
    }
}

/// Replicas: `svc`, `svc/2`, `svc/*`, or a number of replicas drawn from the seed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RawNodes {
    /// By name.
    Named(String),
    /// Drawn.
    Picked(RawPick),
}

/// Some replicas of a service, drawn from the seed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPick {
    /// Which service.
    pub(crate) service: String,
    /// `one`, `minority`, `majority`, `all` or `random(n)`.
    pub(crate) pick: String,
}

/// One selection of replicas or a list of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RawNodeList {
    // First, because a derived struct would read a list as its fields.
    /// Several.
    Many(Vec<RawNodes>),
    /// One selection.
    One(RawNodes),
}

impl RawNodeList {
    /// The selections.
    pub(crate) fn selections(&self) -> &[RawNodes] {
        match self {
            RawNodeList::One(nodes) => std::slice::from_ref(nodes),
            RawNodeList::Many(nodes) => nodes,
        }
    }
}
