//! Consumer groups: which member reads which partition, and how far the group is. A change of members is a *rebalance*:
//! everybody joins again, and a new generation begins with a new assignment. Decides only.

mod assign; // who gets what
mod audit; // the invariants, from outside
mod config; // what a group is told
mod coordinator; // members, generations, offsets
mod message; // what is said

pub use assign::Assignor;
pub use audit::{GroupAudit, GroupViolation};
pub use config::{GroupConfig, GroupSabotage, Protocol};
pub use coordinator::{Coordinator, GroupCounts};
pub use message::{GroupInput, GroupOutput, GroupRejected, LeaveReason, RebalanceCause};
