//! What brokers, their controller, producers and consumers say to each other in the simulator. Plain data; never decides.

use foreshock_systems::broker::group::{GroupInput, GroupRejected};
use foreshock_systems::broker::log::{
    AlterIsr, Assignment, Fetch, Fetched, Found, Produce, Read, Record, Rejected,
};
use foreshock_systems::broker::{MemberId, PartitionId};

use crate::kernel::time::Span;
use crate::scenario::plan::ServiceId;

/// One replica of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(super) service: ServiceId,
    pub(super) replica: u32,
}

/// What is said, and by whom.
#[derive(Clone, Debug)]
pub struct Mail {
    pub(super) from: Address,
    pub(super) said: Said,
}

/// What is said. Numbers come back with the answer.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// Follower to leader.
    Fetch(Fetch),
    /// Leader to follower.
    Fetched(Fetched),
    /// Broker to controller: it has started.
    Register { incarnation: u64, has_everything: bool },
    /// Broker to controller: it is there, and knows all changes up to this one.
    Heartbeat { incarnation: u64, known: u64 },
    /// Broker to controller.
    AlterIsr(AlterIsr),
    /// Controller to broker: it has to register again.
    Stranger,
    /// Controller to broker; with the number up to which it knows all changes then.
    Assigned { known: Option<u64>, assignments: Vec<Assignment> },
    /// Anybody to controller: who leads?
    WhoLeads,
    /// Controller to anybody.
    Leaders(Vec<Assignment>),
    /// Producer to leader.
    Produce { number: u64, produce: Produce },
    /// Leader to producer: how long to be silent, or why not.
    Produced { number: u64, result: Result<Span, Rejected> },
    /// Consumer to leader.
    Read { number: u64, read: Read },
    /// Leader to consumer: what it may read, or why not.
    Records { number: u64, result: Result<Vec<Record>, Rejected> },
    /// Consumer to controller.
    Group { number: u64, ask: GroupInput },
    /// Controller to consumer.
    GroupAnswer { number: u64, result: Result<Joined, GroupRejected> },
}

/// What a member hears when it has joined; of anything else that was taken: nothing in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Joined {
    pub(super) member: MemberId,
    pub(super) generation: u32,
    pub(super) assigned: Vec<(PartitionId, Option<u64>)>,
    pub(super) revoked: Vec<PartitionId>,
    /// Whether it says that somebody has joined.
    pub(super) is_join: bool,
}

impl Said {
    /// Records in it.
    pub(super) fn records(&self) -> usize {
        match self {
            Said::Fetched(Fetched { found: Found::Records { records, .. }, .. })
            | Said::Records { result: Ok(records), .. } => records.len(),
            Said::Produce { produce, .. } => produce.records.len(),
            Said::Fetch(_)
            | Said::Fetched(_)
            | Said::Register { .. }
            | Said::Heartbeat { .. }
            | Said::AlterIsr(_)
            | Said::Stranger
            | Said::Assigned { .. }
            | Said::WhoLeads
            | Said::Leaders(_)
            | Said::Produced { .. }
            | Said::Read { .. }
            | Said::Records { .. }
            | Said::Group { .. }
            | Said::GroupAnswer { .. } => 0,
        }
    }

    /// Whether it is of the work of a broker, and not of what keeps the cluster together.
    pub(super) const fn is_work(&self) -> bool {
        matches!(self, Said::Fetch(_) | Said::Fetched(_) | Said::Produce { .. } | Said::Read { .. })
    }
}

impl Mail {
    /// Bytes it takes while it is under way, roughly.
    pub(crate) fn memory_bytes(&self) -> u64 {
        const RECORD_BYTES: usize = 128;
        let entries = match &self.said {
            Said::Assigned { assignments, .. } | Said::Leaders(assignments) => assignments.len(),
            said => said.records(),
        };
        (RECORD_BYTES * (entries + 1)) as u64
    }
}
