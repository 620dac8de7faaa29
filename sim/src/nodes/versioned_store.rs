//! Kind `versioned-store`: a store under optimistic concurrency control. A read answers with the version of its key, a
//! write names the version it has read and is refused if that is not the present one any more (compare and set).
//!
//! What is stored outlives the process. Replicas are stores of their own and know nothing of each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Kind;
use super::service::{Answered, Behaviour, ServiceNode};
use crate::cluster::{Node, Probes, Request};
use crate::kernel::time::Time;
use crate::scenario::plan::{Plan, ServiceId, ServicePlan, TelemetryRole};

/// Kind `versioned-store`.
pub(super) struct VersionedStore;

impl Kind for VersionedStore {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        settings
            .keys()
            .map(|key| (key.clone(), "is no setting of kind `versioned-store`: it has none".to_string()))
            .collect()
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(ServiceNode::new(service, plan, Some(Box::new(Store::default()))))
    }

    fn telemetry_role() -> TelemetryRole {
        TelemetryRole::Reports
    }
}

/// What a request wants of a versioned store, as its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// The version of the key. Also what a request without arguments means.
    Read,
    /// A new version in the place of this one.
    Write { version: u64 },
}

impl Wish {
    const WRITE: u64 = 1;

    pub(super) const fn arguments(self) -> [u64; 3] {
        match self {
            Wish::Read => [0; 3],
            Wish::Write { version } => [Wish::WRITE, version, 0],
        }
    }

    const fn of(arguments: [u64; 3]) -> Wish {
        match arguments {
            [Wish::WRITE, version, _] => Wish::Write { version },
            _ => Wish::Read,
        }
    }
}

#[derive(Default)]
struct Store {
    /// By key; one that was never written has version 0.
    versions: BTreeMap<u64, u64>,
    reads: u64,
    writes: u64,
    conflicts: u64,
}

impl Behaviour for Store {
    fn answer(&mut self, request: &Request, _local: Time) -> Answered {
        let present = self.versions.get(&request.key).copied().unwrap_or(0);
        match Wish::of(request.arguments) {
            Wish::Read => {
                self.reads += 1;
                Answered { missed: false, value: present }
            }
            Wish::Write { version } => {
                self.writes += 1;
                let missed = version != present;
                self.conflicts += u64::from(missed);
                if !missed {
                    self.versions.insert(request.key, present + 1);
                }
                Answered { missed, value: present + u64::from(!missed) }
            }
        }
    }

    fn fill(&mut self, _key: u64, _local: Time) {}

    fn start(&mut self) {}

    fn reconfigure(&mut self, _plan: &ServicePlan) {}

    fn probe(&self, out: &mut Probes) {
        out.counts.insert("reads", self.reads);
        out.counts.insert("writes", self.writes);
        out.counts.insert("conflicts", self.conflicts);
        out.counts.insert("keys", self.versions.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_survives_being_written_as_arguments() {
        for wish in [Wish::Read, Wish::Write { version: 0 }, Wish::Write { version: u64::MAX }] {
            assert_eq!(Wish::of(wish.arguments()), wish);
        }
    }
}
