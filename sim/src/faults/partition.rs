//! Partitions: pairs of node groups that cannot reach each other.

use super::NodeSelector;
use crate::kernel::time::Span;
use crate::scenario::plan::LoadId;

/// Messages from a node of one side to a node of the other do not get through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Each pair is cut from its first group to its second.
    pub cuts: Vec<Cut>,
    /// What happens to messages that would cross.
    pub mode: CutMode,
}

/// One directed cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Senders cut off.
    pub from: Vec<Member>,
    /// Receivers they cannot reach.
    pub to: Vec<Member>,
}

/// Who belongs to a side of a cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// Replicas of a service.
    Nodes(NodeSelector),
    /// The clients of a load.
    Clients(LoadId),
}

/// What happens to messages that would cross a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutMode {
    /// They are lost, those in flight too.
    Drop,
    /// They are kept and delivered in sending order when the cut heals.
    Hold,
    /// They arrive this much later.
    Slow(Span),
}
