//! Stories, laws and crashes of a desk, and every schedule of small transactions at each level.

mod crashes;
mod isolation;
mod laws;
mod mutants;
mod processor;
mod skew;
mod stories;
mod world;

use super::*;
use crate::time::{Span, Time};
