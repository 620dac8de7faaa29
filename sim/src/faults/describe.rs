//! Faults in words: the kind a scenario gives them, and what they act on.

use super::{Fault, NodeSelector};
use crate::scenario::plan::{Action, EdgeId, LinkId, Plan};

impl Action {
    /// The kind, as in the scenario.
    pub fn kind(&self) -> &'static str {
        match self {
            Action::Fault(fault) => fault.kind(),
            Action::Deploy(_) => "deploy",
            Action::Config(_) => "config",
            Action::Flag(_) => "flag",
            Action::Scale { .. } => "scale",
            Action::ExtraHop { .. } => "extra_hop",
            Action::Publish(_) => "publish",
            Action::Rollback { .. } => "rollback",
        }
    }
}

impl Fault {
    /// The kind, as in the scenario.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Latency(_) => "latency",
            Fault::Loss(_) => "loss",
            Fault::Duplicate(_) => "duplicate",
            Fault::Reorder(_) => "reorder",
            Fault::Corrupt(_) => "corrupt",
            Fault::Bandwidth(_) => "bandwidth",
            Fault::Partition(_) => "partition",
            Fault::Refuse(_) => "refuse",
            Fault::Reset(_) => "reset",
            Fault::Crash(_) => "crash",
            Fault::Restart(_) => "restart",
            Fault::Pause(_) => "pause",
            Fault::Slow(_) => "slow",
            Fault::Quota(_) => "cpu_quota",
            Fault::Error(_) => "error",
            Fault::Abort(_) => "abort",
            Fault::Delay(_) => "delay",
            Fault::RetryStorm(_) => "retry_storm",
            Fault::Surge(_) => "surge",
            Fault::ThunderingHerd(_) => "thundering_herd",
            Fault::HotKey(_) => "hot_key",
            Fault::CacheWipe(_) => "cache_wipe",
            Fault::PoolExhaustion(_) => "pool_exhaustion",
            Fault::Clock(_) => "clock",
        }
    }

    /// The replicas it acts on, if it acts on replicas.
    pub fn selectors(&self) -> Option<&[NodeSelector]> {
        match self {
            Fault::Refuse(fault) => Some(&fault.nodes),
            Fault::Crash(fault) => Some(&fault.nodes),
            Fault::Restart(fault) => Some(&fault.nodes),
            Fault::Pause(fault) => Some(&fault.nodes),
            Fault::Slow(fault) => Some(&fault.nodes),
            Fault::Quota(fault) => Some(&fault.nodes),
            Fault::Clock(fault) => Some(&fault.nodes),
            Fault::CacheWipe(fault) => Some(&fault.nodes),
            Fault::Latency(_)
            | Fault::Loss(_)
            | Fault::Duplicate(_)
            | Fault::Reorder(_)
            | Fault::Corrupt(_)
            | Fault::Bandwidth(_)
            | Fault::Partition(_)
            | Fault::Reset(_)
            | Fault::Error(_)
            | Fault::Abort(_)
            | Fault::Delay(_)
            | Fault::RetryStorm(_)
            | Fault::Surge(_)
            | Fault::ThunderingHerd(_)
            | Fault::HotKey(_)
            | Fault::PoolExhaustion(_) => None,
        }
    }

    /// What it acts on, for faults that do not act on replicas.
    pub fn detail(&self, plan: &Plan) -> String {
        let links = |links: &[LinkId]| join(links.iter().map(|link| plan.links[link.index()].name.as_str()));
        let edges = |edges: &[EdgeId]| join(edges.iter().map(|edge| plan.edges[edge.index()].name.as_str()));
        match self {
            Fault::Latency(fault) => links(&fault.links),
            Fault::Loss(fault) => links(&fault.links),
            Fault::Duplicate(fault) => links(&fault.links),
            Fault::Reorder(fault) => links(&fault.links),
            Fault::Corrupt(fault) => links(&fault.links),
            Fault::Bandwidth(fault) => links(&fault.links),
            Fault::Partition(fault) => format!("{} directed cuts", fault.cuts.len()),
            Fault::Reset(fault) => edges(&fault.edges),
            Fault::RetryStorm(fault) => {
                format!("{}: attempts x{}", edges(&fault.edges), fault.attempts_factor)
            }
            Fault::Error(fault) => plan.services[fault.service.index()].name.clone(),
            Fault::Abort(fault) => plan.services[fault.service.index()].name.clone(),
            Fault::Delay(fault) => plan.services[fault.service.index()].name.clone(),
            Fault::Surge(fault) => plan.loads[fault.load.index()].name.clone(),
            Fault::ThunderingHerd(fault) => plan.loads[fault.load.index()].name.clone(),
            Fault::HotKey(fault) => format!("{}: key {}", plan.loads[fault.load.index()].name, fault.key),
            Fault::PoolExhaustion(fault) => format!("{} connections", fault.leaked),
            Fault::Refuse(_)
            | Fault::Crash(_)
            | Fault::Restart(_)
            | Fault::Pause(_)
            | Fault::Slow(_)
            | Fault::Quota(_)
            | Fault::CacheWipe(_)
            | Fault::Clock(_) => String::new(),
        }
    }
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 4;
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    if names.len() > MOST { format!("{shown} and {} more", names.len() - MOST) } else { shown }
}
