//! What the file says about links.

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::RawDistribution;
use crate::scenario::quantity::{ByteRate, Bytes, Duration, Share};

/// Links between callers and services.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawNetwork {
    /// What holds for every link.
    #[serde(default)]
    pub(crate) default: RawLinkFields,
    /// What differs for single links.
    #[serde(default)]
    pub(crate) links: Vec<RawLink>,
}

/// A link that differs from the default.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawLink {
    /// `a -> b` for one direction, `a <-> b` for both.
    pub(crate) link: String,
    /// What differs.
    #[serde(flatten)]
    pub(crate) fields: RawLinkFields,
}

/// Properties of a link.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawLinkFields {
    /// Time on the way. Default no time.
    #[serde(default)]
    pub(crate) latency: Option<RawDistribution>,
    /// Share of messages lost. Default 0%.
    #[serde(default)]
    pub(crate) loss: Option<Share>,
    /// Share of messages delivered twice. Default 0%.
    #[serde(default)]
    pub(crate) duplicate: Option<Share>,
    /// Messages held back so that later ones overtake.
    #[serde(default)]
    pub(crate) reorder: Option<RawReorder>,
    /// Capacity of the line. Default unlimited.
    #[serde(default)]
    pub(crate) bandwidth: Option<RawBandwidth>,
}

/// Messages held back so that later ones overtake.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawReorder {
    /// Share of messages held back.
    pub(crate) share: Share,
    /// How long.
    pub(crate) delay: Duration,
}

/// Capacity of a line.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBandwidth {
    /// Bytes per second.
    pub(crate) rate: ByteRate,
    /// Bytes that may wait; more are lost. Default 1MiB.
    #[serde(default)]
    pub(crate) buffer: Option<Bytes>,
}
