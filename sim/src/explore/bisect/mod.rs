//! Where between good and bad does it tip over? One file for each axis; both ends are always looked at first, because
//! a search between two ends that do not differ finds something that means nothing.

pub mod commits; // what is a revision of the program worth?
pub mod keys; // which of the keys in which two scenarios differ?
pub mod seeds; // which seed fails first, and do two versions fail at different rates?
pub mod time; // when did a failure become inevitable?

use std::fmt;

use super::predicate::Predicate;
use crate::kernel::draw::Seed;
use crate::nodes::Kinds;
use crate::run::{Detail, run};
use crate::scenario::ScenarioError;
use crate::scenario::plan::Plan;

/// Names the format of results and its version.
pub const SCHEMA: &str = "foreshock.bisect/1";

/// Why there is nothing to search for.
#[derive(Debug)]
pub enum BisectError {
    /// The good end fails.
    GoodFails,
    /// The bad end does not fail.
    BadPasses,
    /// The two ends are the same.
    Same,
    /// The predicate names something that is not there.
    Predicate(String),
    /// A scenario cannot be run.
    Scenario(Box<ScenarioError>),
}

impl From<ScenarioError> for BisectError {
    fn from(error: ScenarioError) -> BisectError {
        BisectError::Scenario(Box::new(error))
    }
}

impl fmt::Display for BisectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BisectError::GoodFails => f.write_str("the good end fails too: name one that does not"),
            BisectError::BadPasses => f.write_str("the bad end does not fail: name one that does"),
            BisectError::Same => f.write_str("the two ends do not differ in anything that influences a run"),
            BisectError::Predicate(reason) => f.write_str(reason),
            BisectError::Scenario(error) => error.fmt(f),
        }
    }
}

/// Whether a plan fails with a seed.
pub(super) fn fails(
    plan: &Plan,
    seed: Seed,
    kinds: &Kinds,
    predicate: &Predicate,
) -> Result<bool, BisectError> {
    let outcome = run(plan, seed, &[], kinds, &Detail::default())?;
    predicate.fails(&outcome).map_err(BisectError::Predicate)
}

/// Looks at both ends.
pub(super) fn check_ends(good_fails: bool, bad_fails: bool) -> Result<(), BisectError> {
    match (good_fails, bad_fails) {
        (true, _) => Err(BisectError::GoodFails),
        (false, false) => Err(BisectError::BadPasses),
        (false, true) => Ok(()),
    }
}
