//! Faults and changes: what starts them, how long they last, what they do.

use super::{EdgeId, EntryId, FlagChange, LinkId, Party, PublishPlan, ServiceId, Setting};
use crate::faults::Fault;
use crate::kernel::time::{Span, Time};

/// A fault or change, when it starts and how long it lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryPlan {
    /// Its unique name.
    pub id: String,
    /// What starts it.
    pub trigger: Trigger,
    /// How long it lasts; `None`: to the end of the run.
    pub lasts: Option<Span>,
    /// What it does.
    pub action: Action,
}

/// What starts a timeline entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// An instant.
    At(Time),
    /// Another entry's start or end.
    After(EntryEdge, Span),
    /// The first time a condition holds.
    When(Condition, Span),
}

/// The start or the end of a timeline entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryEdge {
    /// Which entry.
    pub entry: EntryId,
    /// Which side of it.
    pub phase: Phase,
}

/// Side of a timeline entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It takes effect.
    Start,
    /// Its effect is gone.
    End,
}

/// Something a timeline entry can wait for, looked at on the measuring grid and at breaker transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A breaker of this edge opened.
    BreakerOpen(EdgeId),
    /// A replica of the service has at least so many waiting.
    QueueAtLeast(ServiceId, u32),
    /// An alert fires.
    AlertFires {
        /// The service that evaluates it.
        at: ServiceId,
        /// Hash of its name.
        name: u64,
    },
}

/// What a timeline entry does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Something breaks.
    Fault(Fault),
    /// A new version replaces the replicas of a service.
    Deploy(DeployPlan),
    /// Settings change everywhere at once.
    Config(Vec<Setting>),
    /// A feature flag changes at its server.
    Flag(FlagChange),
    /// A service gets another number of replicas.
    Scale {
        /// Which service.
        service: ServiceId,
        /// How many replicas it has from now on.
        replicas: u32,
    },
    /// Requests of an edge's link go through a proxy first.
    ExtraHop {
        /// The link that gets longer, by the parties it joins.
        from: Party,
        /// Its other end.
        to: ServiceId,
        /// The proxy (a service with `hop_of` set).
        hop: ServiceId,
        /// Links `from -> hop`, `hop -> to`, `to -> hop`, `hop -> from`.
        links: [LinkId; 4],
    },
    /// A configuration server releases settings; undone, it restores the release before.
    Publish(PublishPlan),
    /// A deploy, config change, flag, scale, extra hop or release is undone.
    Rollback {
        /// What is undone.
        of: EntryId,
    },
}

/// How a new version replaces the old one.
#[derive(Clone, Debug, PartialEq)]
pub struct DeployPlan {
    /// Which service.
    pub service: ServiceId,
    /// Name of the new version, for the report.
    pub version: String,
    /// In which order.
    pub strategy: Strategy,
    /// How long a replica is away while it is replaced.
    pub downtime: Span,
    /// What the new version sets. Keys of the service itself hold for each replica as it is replaced; all
    /// other keys from the moment the first replica runs the new version.
    pub set: Vec<Setting>,
}

/// In which order replicas are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// One after the other.
    Rolling {
        /// From one replica to the next.
        every: Span,
    },
    /// All in the same instant.
    AllAtOnce,
    /// Only a share of the replicas, at least one.
    Canary {
        /// Which share.
        share_ppm: u32,
    },
}
