//! Feature flags: who keeps them, who follows them, what depends on them, and changes of them.

use foreshock_systems::feature_flags::NodeConfig;

use super::{LinkId, OperationId, ServiceId};
use crate::kernel::draw::Distribution;

/// Most flags that one service looks at: their answers are kept in one word for each request.
pub const MOST_FLAGS_USED: usize = 64;

/// Which flags a service follows, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct FlagsPlan {
    /// Who keeps them.
    pub from: ServiceId,
    /// From the service to whoever keeps them.
    pub ask_link: LinkId,
    /// The other way.
    pub answer_link: LinkId,
    /// How each replica keeps up. Its seed is drawn by each replica for itself.
    pub node: NodeConfig,
    /// What a process serves that has just started.
    pub boot: BootPolicy,
    /// The flags that it looks at, at most [`MOST_FLAGS_USED`]: all of them once for each request, as it comes in.
    pub uses: Vec<FlagUse>,
    /// Other service times; the first one that applies is taken.
    pub costs: Vec<FlagCost>,
}

/// A flag that a service looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagUse {
    /// Its position among those that the server keeps.
    pub flag: u32,
    /// Its name.
    pub name: String,
    /// The answer while the flag is not known.
    pub default_on: bool,
}

/// Something depends on a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagGate {
    /// Position among those that the service looks at.
    pub position: u8,
    /// Whether it has to be on, or off.
    pub on: bool,
}

impl FlagGate {
    /// Whether it is open for a request that got these answers, one bit for each flag.
    #[inline]
    pub const fn is_open(self, answers: u64) -> bool {
        (answers >> self.position & 1 == 1) == self.on
    }
}

/// A service time that depends on a flag.
#[derive(Clone, Debug, PartialEq)]
pub struct FlagCost {
    /// When it applies.
    pub gate: FlagGate,
    /// For these operations; `None` is all.
    pub operations: Option<Vec<OperationId>>,
    /// Instead of the service's own.
    pub service_time: Distribution,
}

/// What a process serves until it has heard of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootPolicy {
    /// Nothing: the callers' defaults count.
    Defaults,
    /// What the process before it had, which is on its disk.
    #[default]
    LastKnownGood,
    /// The flags as they are in the scenario: a file that was shipped with the program.
    Bootstrap,
}

/// A change of one flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagChange {
    /// Who keeps it.
    pub server: ServiceId,
    /// Its name.
    pub flag: String,
    /// For so many percent from now on.
    pub rollout_percent: Option<u32>,
    /// Switched on or off altogether from now on.
    pub enabled: Option<bool>,
}

/// A flag that a kind keeps for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagServed {
    /// Its name.
    pub name: String,
    /// Whether it has a percentage that can be changed.
    pub has_rollout: bool,
}
