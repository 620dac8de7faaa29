//! Directed links.

use super::Party;
use crate::kernel::draw::Distribution;
use crate::kernel::time::Span;

/// A directed link between two parties. Its bandwidth is shared by all their nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkPlan {
    /// `a -> b`.
    pub name: String,
    /// Sender.
    pub from: Party,
    /// Receiver.
    pub to: Party,
    /// Time on the way, without queueing for bandwidth.
    pub latency: Distribution,
    /// Share of messages lost.
    pub loss_ppm: u32,
    /// Share of messages delivered twice.
    pub duplicate_ppm: u32,
    /// Share of messages held back for `reorder_delay`, so that later ones overtake.
    pub reorder_ppm: u32,
    /// How long a reordered message is held back.
    pub reorder_delay: Span,
    /// Capacity of the line.
    pub bandwidth: Option<BandwidthPlan>,
}

/// Capacity of a line and the buffer before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BandwidthPlan {
    /// Bytes a second, at least 1.
    pub bytes_per_s: u64,
    /// Bytes that may wait; more are lost.
    pub buffer_bytes: u64,
}
