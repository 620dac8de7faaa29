//! An effective configuration at one revision. Never changes: a reader that keeps it never sees half of a release.

use crate::config_manager::key::Revision;
use crate::config_manager::layers::{Effective, Provenance};
use crate::config_manager::value::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// All settings that count, at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub(super) revision: Revision,
    pub(super) settings: BTreeMap<String, Effective>,
}

impl Snapshot {
    /// The revision of its remote part.
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// A setting.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.settings.get(name).map(|effective| &*effective.value)
    }

    /// Where a setting comes from.
    pub fn provenance(&self, name: &str) -> Option<&Provenance> {
        self.settings.get(name).map(|effective| &effective.provenance)
    }

    /// All settings, by name.
    pub const fn settings(&self) -> &BTreeMap<String, Effective> {
        &self.settings
    }
}

/// The configuration of a process, for its threads: one thread drives the client and
/// [`publish`](SharedSnapshot::publish)es, all others [`load`](SharedSnapshot::load).
#[derive(Debug, Default)]
pub struct SharedSnapshot {
    current: RwLock<Arc<Snapshot>>,
}

impl SharedSnapshot {
    /// Begins with a configuration.
    pub fn new(snapshot: Arc<Snapshot>) -> SharedSnapshot {
        SharedSnapshot { current: RwLock::new(snapshot) }
    }

    /// The configuration to use for one request.
    pub fn load(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What all load from now on.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }
}
