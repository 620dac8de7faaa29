//! Faults of pools: connections leak and come back when the fault ends.

use crate::scenario::plan::Party;

/// Connections of a pool are taken and not returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolExhaustion {
    /// Whose pool.
    pub owner: Party,
    /// Index into the owner's pools.
    pub pool: u32,
    /// How many connections leak, in each replica of the owner.
    pub leaked: u32,
}
