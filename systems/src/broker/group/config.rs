//! What a group is told. Plain data; never decides.

use super::super::log::{ConfigError, none_is_zero};
use super::assign::Assignor;
use crate::time::Span;

/// What members give up while a group rebalances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Everything: nobody reads until the new generation begins.
    Eager,
    /// Only what somebody else gets, and that in a second rebalance (KIP-429).
    #[default]
    Cooperative,
}

/// Everything a group is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// How long a member that is not heard of counts as there. Above zero.
    pub session: Span,
    /// How long a member may take from one poll to the next, and how long a rebalance waits for it. Above zero.
    pub poll_interval: Span,
    /// How long the first rebalance of an empty group waits for more members.
    pub initial_delay: Span,
    /// Who gets what.
    pub assignor: Assignor,
    /// What is given up meanwhile.
    pub protocol: Protocol,
    /// Most members. At least 1.
    pub max_members: u32,
}

impl Default for GroupConfig {
    /// Kafka's: sessions of 45 s, five minutes between polls, three seconds for the others to come.
    fn default() -> GroupConfig {
        GroupConfig {
            session: Span::from_secs(45),
            poll_interval: Span::from_secs(300),
            initial_delay: Span::from_secs(3),
            assignor: Assignor::default(),
            protocol: Protocol::default(),
            max_members: 10_000,
        }
    }
}

impl GroupConfig {
    /// Checks the config. One that was not checked is safe, but may never settle.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        none_is_zero(&[
            ("session", self.session.as_nanos()),
            ("poll_interval", self.poll_interval.as_nanos()),
            ("max_members", u64::from(self.max_members)),
        ])
    }
}

/// A defect, for tests of the checks that have to notice it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupSabotage {
    /// Takes commits of any generation.
    IgnoresGeneration,
    /// Gives the first partition to everybody.
    AssignsTwice,
    /// Gives the last partition to nobody.
    ForgetsPartition,
    /// Gives a partition to its new owner before the old one has given it up.
    AssignsBeforeRevoked,
}
