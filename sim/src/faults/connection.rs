//! Faults of connections: refused when opened, reset while in use.

use super::NodeSelector;
use crate::scenario::plan::EdgeId;

/// A share of requests to these replicas is refused at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRefuse {
    /// Which replicas.
    pub nodes: Vec<NodeSelector>,
    /// Which share.
    pub share_ppm: u32,
}

/// A share of attempts over these edges breaks: the callee does the work, the answer never arrives, and the
/// caller learns of a reset instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionReset {
    /// Which edges.
    pub edges: Vec<EdgeId>,
    /// Which share.
    pub share_ppm: u32,
}
