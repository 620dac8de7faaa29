//! What runs a scenario more than once: to prove, to find, to explain. Only ever calls `run`, never looks into a
//! simulation.

pub mod failure; // in what way a run failed
pub mod parallel; // many runs side by side, results in order
pub mod verify; // is a scenario deterministic?
pub mod why; // what made a run fail, by replaying it with one thing changed
