//! What runs a scenario more than once: to prove, to find, to explain. Only ever calls `run`, never looks into a
//! simulation.

pub mod verify;
