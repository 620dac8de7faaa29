//! What runs a scenario more than once: to prove, to find, to explain. Only ever calls `run`, never looks into a
//! simulation.

pub mod bisect; // where between good and bad does it tip over?
pub mod coverage; // what a run really exercised
pub mod ddmin; // which of many things are enough?
pub mod diverge; // where two runs part, and what led to it
pub mod failure; // in what way a run failed
pub mod parallel; // many runs side by side, results in order
pub mod predicate; // what counts as a failure when something is searched for
pub mod shrink; // the smallest scenario that still fails in the same way
pub mod statistics; // what a number of seeds says about all seeds
pub mod sweep; // many seeds
pub mod verify; // is a scenario deterministic?
pub mod why; // what made a run fail, by replaying it with one thing changed
