//! Faults of links: latency, loss, duplicates, reordering, corruption, bandwidth.

use crate::kernel::draw::Distribution;
use crate::kernel::time::Span;
use crate::scenario::plan::LinkId;

/// Messages of these links take longer by a drawn amount.
#[derive(Clone, Debug, PartialEq)]
pub struct AddedLatency {
    /// Which links.
    pub links: Vec<LinkId>,
    /// What is added to each message.
    pub add: Distribution,
}

/// A share of messages is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Which links.
    pub links: Vec<LinkId>,
    /// Which share, combined with the link's own loss as independent chances.
    pub share_ppm: u32,
}

/// A share of messages arrives twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplication {
    /// Which links.
    pub links: Vec<LinkId>,
    /// Which share.
    pub share_ppm: u32,
}

/// A share of messages is held back so that later ones overtake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reordering {
    /// Which links.
    pub links: Vec<LinkId>,
    /// Which share.
    pub share_ppm: u32,
    /// How long they are held back.
    pub delay: Span,
}

/// A share of messages arrives damaged; the receiver notices, drops and counts them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// Which links.
    pub links: Vec<LinkId>,
    /// Which share.
    pub share_ppm: u32,
}

/// The line carries less; the narrowest of all active limits holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// Which links.
    pub links: Vec<LinkId>,
    /// Bytes a second.
    pub bytes_per_s: u64,
    /// Bytes that may wait.
    pub buffer_bytes: u64,
}
