//! Kind `versioned-store`: a store under optimistic concurrency control. A read answers with the version of its key, a
//! write names the version it has read and is refused if that is not the present one any more (compare and set).
//!
//! An operation that `writes` puts a new version in the place of whatever is there. Every write is told to the caches
//! that the store `invalidates`. With `items` only so many keys are there from the start.
//!
//! What is stored outlives the process. Replicas are stores of their own and know nothing of each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Kind;
use super::cache::is_origin;
use super::service::{self, Answered, Behaviour, Verdict};
use crate::cluster::{Cx, Node, Probes, Ref, Request};
use crate::scenario::plan::{KindTraits, Plan, ServiceId, ServicePlan};
use crate::scenario::quantity::{Positive, scalar_text};

/// Kind `versioned-store`.
pub(super) struct VersionedStore;

impl Kind for VersionedStore {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        let wrong = settings.iter().filter_map(|(key, value)| Some((key.clone(), wrong(key, value)?)));
        wrong.collect()
    }

    fn traits() -> KindTraits {
        service::traits()
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let store = Store::new(&plan.services[service.index()], is_origin(plan, service));
        service::node(service, plan, store)
    }
}

fn wrong(key: &str, value: &Value) -> Option<String> {
    match key {
        "items" => items(value).err(),
        _ => Some(format!("a versioned store has no setting `{key}`; it has items")),
    }
}

fn items(value: &Value) -> Result<u32, String> {
    let text = scalar_text(value).unwrap_or_default();
    Positive::read(&text).map(|items| items.0).map_err(|problem| problem.message)
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

struct Store {
    /// By key; one that was never written has version 0.
    versions: BTreeMap<u64, u64>,
    /// Keys from here on are not there until they are written; `None`: all are there from the start.
    items: Option<u32>,
    /// By operation: whether it writes.
    blind_writes: Vec<bool>,
    tells_caches: bool,
    /// Whether somebody measures against what it holds.
    is_watched: bool,
    reads: u64,
    absent: u64,
    writes: u64,
    conflicts: u64,
}

impl Store {
    fn new(plan: &ServicePlan, is_watched: bool) -> Store {
        let mut store = Store {
            versions: BTreeMap::new(),
            items: None,
            blind_writes: Vec::new(),
            tells_caches: !plan.invalidates.is_empty(),
            is_watched,
            reads: 0,
            absent: 0,
            writes: 0,
            conflicts: 0,
        };
        store.reconfigure(plan);
        store
    }

    fn read(&mut self, key: u64, cx: &mut Cx<'_>) -> Answered {
        self.reads += 1;
        let written = self.versions.get(&key).copied();
        let missed = written.is_none() && self.items.is_some_and(|items| key >= u64::from(items));
        self.absent += u64::from(missed);
        if self.is_watched {
            cx.read_out(cx.service(), key);
        }
        Answered { missed, value: written.unwrap_or(0) }
    }

    fn write(&mut self, request: &Request, expected: Option<u64>, cx: &mut Cx<'_>) -> Answered {
        let key = request.key;
        let present = self.versions.get(&key).copied().unwrap_or(0);
        self.writes += 1;
        if expected.is_some_and(|version| version != present) {
            self.conflicts += 1;
            return Answered { missed: true, value: present };
        }
        let version = present + 1;
        self.versions.insert(key, version);
        if self.is_watched {
            cx.stored(key, version);
        }
        if self.tells_caches {
            cx.invalidate(key, version, request.lineage);
        }
        Answered { missed: false, value: version }
    }
}

impl Behaviour for Store {
    fn answer(&mut self, request: &Request, _job: Ref, cx: &mut Cx<'_>) -> Verdict {
        let is_blind_write = self.blind_writes.get(request.operation.index()).copied().unwrap_or(false);
        Verdict::Proceed(match Wish::of(request.arguments) {
            Wish::Write { version } => self.write(request, Some(version), cx),
            Wish::Read if is_blind_write => self.write(request, None, cx),
            Wish::Read => self.read(request.key, cx),
        })
    }

    fn start(&mut self, _cx: &mut Cx<'_>) {}

    fn reconfigure(&mut self, plan: &ServicePlan) {
        self.items = plan.settings.get("items").and_then(|value| items(value).ok());
        self.blind_writes = plan.operations.iter().map(|operation| operation.writes).collect();
        self.tells_caches = !plan.invalidates.is_empty();
    }

    fn probe(&self, out: &mut Probes) {
        out.counts.insert("reads", self.reads);
        out.counts.insert("writes", self.writes);
        out.counts.insert("conflicts", self.conflicts);
        out.counts.insert("keys", self.versions.len() as u64);
        if self.items.is_some() {
            out.counts.insert("absent", self.absent);
        }
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
