//! What runs a scenario more than once: to prove, to find, to explain. Only ever calls `run`, never looks into a
//! simulation.

pub mod coverage; // what a run really exercised
pub mod failure; // in what way a run failed
pub mod parallel; // many runs side by side, results in order
pub mod statistics; // what a number of seeds says about all seeds
pub mod sweep; // many seeds
pub mod verify; // is a scenario deterministic?
