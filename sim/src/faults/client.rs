//! Faults of callers: retry storms, surges, herds, hot keys.

use crate::kernel::time::Span;
use crate::scenario::plan::{EdgeId, LoadId};

/// Callers drop their back-off and budgets and multiply their attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryStorm {
    /// Over which edges.
    pub edges: Vec<EdgeId>,
    /// Attempts are multiplied by this, at least 1; an edge without retries makes this many attempts.
    pub attempts_factor: u32,
}

/// More requests of an open load: further ones are added, those of the load itself stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surge {
    /// Which load.
    pub load: LoadId,
    /// The whole rate as a multiple of the load's own, in thousandths, at least 1000.
    pub factor_milli: u64,
}

/// Many further requests at once, all for the same key if one is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThunderingHerd {
    /// Which load they belong to.
    pub load: LoadId,
    /// How many.
    pub requests: u32,
    /// Spread evenly over this time; zero: in the same instant.
    pub over: Span,
    /// Their key, or `None` to draw one each.
    pub key: Option<u64>,
}

/// A share of a load's requests bears one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotKey {
    /// Which load.
    pub load: LoadId,
    /// Which share.
    pub share_ppm: u32,
    /// Which key.
    pub key: u64,
}
