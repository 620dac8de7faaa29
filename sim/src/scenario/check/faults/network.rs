//! Faults of links: latency, loss, duplicates, reordering, corruption, bandwidth.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checker, Fault, Path, ResolveFault};
use crate::faults::{AddedLatency, Bandwidth, Corruption, Duplication, Loss, Reordering};
use crate::kernel::draw::Distribution;
use crate::kernel::time::Span;
use crate::scenario::quantity::{ByteRate, Bytes, Duration, Share};
use crate::scenario::raw::{OneOrMany, RawDistribution};

/// Bytes that may wait before a narrowed line.
const DEFAULT_BUFFER_BYTES: u64 = 64 << 10;

/// Messages take longer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLatency {
    /// Which links: `a -> b`, `a <-> b`, `* -> b`, `a -> *`, `*`, or a list.
    link: OneOrMany,
    /// What is added to each message.
    #[serde(default)]
    add: Option<RawDistribution>,
    /// Up to this much more, each value with the same chance.
    #[serde(default)]
    jitter: Option<Duration>,
}

impl ResolveFault for RawLatency {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let links = checker.links_of_all(&path.key("link"), &self.link);
        let add = match &self.add {
            Some(add) => checker.distribution(&path.key("add"), add),
            None => Some(Distribution::ZERO),
        };
        if self.add.is_none() && self.jitter.is_none() {
            checker.missing(
                path,
                "it does not say how much is added".to_string(),
                Some("add `add: 15ms`".to_string()),
            );
        }
        let jitter = self.jitter.as_ref().map_or(Span::ZERO, |jitter| jitter.0);
        let add = checker.with_jitter(&path.key("jitter"), add?, jitter)?;
        Some(Fault::Latency(AddedLatency { links: links?, add }))
    }
}

/// Messages are lost.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLoss {
    /// Which links: `a -> b`, `a <-> b`, `* -> b`, `a -> *`, `*`, or a list.
    link: OneOrMany,
    /// Which share.
    share: Share,
}

impl ResolveFault for RawLoss {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let share_ppm = checker.some_share(&path.key("share"), &self.share);
        let links = checker.links_of_all(&path.key("link"), &self.link)?;
        Some(Fault::Loss(Loss { links, share_ppm }))
    }
}

/// Messages arrive twice.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDuplicate {
    /// Which links: `a -> b`, `a <-> b`, `* -> b`, `a -> *`, `*`, or a list.
    link: OneOrMany,
    /// Which share.
    share: Share,
}

impl ResolveFault for RawDuplicate {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let share_ppm = checker.some_share(&path.key("share"), &self.share);
        let links = checker.links_of_all(&path.key("link"), &self.link)?;
        Some(Fault::Duplicate(Duplication { links, share_ppm }))
    }
}

/// Messages are held back so that later ones overtake.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawReordering {
    /// Which links: `a -> b`, `a <-> b`, `* -> b`, `a -> *`, `*`, or a list.
    link: OneOrMany,
    /// Which share is held back.
    share: Share,
    /// How long.
    delay: Duration,
}

impl ResolveFault for RawReordering {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let share_ppm = checker.some_share(&path.key("share"), &self.share);
        let delay = checker.some_time(&path.key("delay"), &self.delay);
        let links = checker.links_of_all(&path.key("link"), &self.link)?;
        Some(Fault::Reorder(Reordering { links, share_ppm, delay }))
    }
}

/// Messages arrive damaged and are dropped.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCorrupt {
    /// Which links: `a -> b`, `a <-> b`, `* -> b`, `a -> *`, `*`, or a list.
    link: OneOrMany,
    /// Which share.
    share: Share,
}

impl ResolveFault for RawCorrupt {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let share_ppm = checker.some_share(&path.key("share"), &self.share);
        let links = checker.links_of_all(&path.key("link"), &self.link)?;
        Some(Fault::Corrupt(Corruption { links, share_ppm }))
    }
}

/// The line is narrower.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawNarrowing {
    /// Which links: `a -> b`, `a <-> b`, `* -> b`, `a -> *`, `*`, or a list.
    link: OneOrMany,
    /// Bytes per second.
    rate: ByteRate,
    /// Bytes that may wait; more are lost. Default 64KiB.
    #[serde(default)]
    buffer: Option<Bytes>,
}

impl ResolveFault for RawNarrowing {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let links = checker.links_of_all(&path.key("link"), &self.link)?;
        let buffer_bytes = self.buffer.as_ref().map_or(DEFAULT_BUFFER_BYTES, |buffer| buffer.0);
        Some(Fault::Bandwidth(Bandwidth { links, bytes_per_s: self.rate.0, buffer_bytes }))
    }
}

impl Checker<'_> {
    /// The share of a fault: a fault of nothing is a slip.
    pub(crate) fn some_share(&mut self, path: &Path, share: &Share) -> u32 {
        if share.0 == 0 {
            self.error_at_value(path, "a fault of 0% touches nothing".to_string(), None);
        }
        share.0
    }

    /// The length of a fault's effect: none is a slip.
    pub(crate) fn some_time(&mut self, path: &Path, time: &Duration) -> Span {
        if time.0.is_zero() {
            self.error_at_value(path, "a fault of no length touches nothing".to_string(), None);
        }
        time.0
    }
}
