//! What nodes and store say to each other. Keys are numbers: whoever drives them gives each key its own.

use super::super::RetryAt;

/// Which node, and which life of it: a node that lost its memory takes the next incarnation, so that its counts are
/// not mistaken for those of its former life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeIdentity {
    /// Which node.
    pub node: u32,
    /// Which life.
    pub incarnation: u32,
}

/// From a node to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToStore {
    /// Asks for permits.
    Take {
        /// Comes back in the answer.
        request: u64,
        /// Whose.
        key: u64,
        /// At least so many, or none.
        cost: u64,
        /// If possible so many.
        wanted: u64,
    },
    /// Tells what was used, and asks for a new part of what is left.
    Report {
        /// Comes back in the answer.
        request: u64,
        /// Whose.
        key: u64,
        /// Permits used by this node since it began to count.
        used_total: u64,
        /// Of those, the ones the store has confirmed.
        confirmed_total: u64,
        /// How many nodes share what is left.
        nodes: u32,
        /// Whether the node is done with this key: it wants no new part.
        leaving: bool,
    },
}

/// From the store to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromStore {
    /// So many permits are the node's.
    Granted {
        /// Of the question.
        request: u64,
        /// How many.
        permits: u64,
    },
    /// None.
    Refused {
        /// Of the question.
        request: u64,
        /// When the cost would be there.
        retry_at: RetryAt,
    },
    /// The node's part of what is left.
    Part {
        /// Of the report.
        request: u64,
        /// In permits; below zero if all nodes together have used more than there was.
        permits: i64,
    },
}

impl FromStore {
    /// The request it answers.
    pub const fn request(&self) -> u64 {
        match self {
            FromStore::Granted { request, .. }
            | FromStore::Refused { request, .. }
            | FromStore::Part { request, .. } => *request,
        }
    }
}
