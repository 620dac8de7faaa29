//! Who is told when the effective configuration changes. Each listener has its own queue: one that is slow, fails or
//! never comes back holds up nobody else. What waits is merged, so that a queue holds one change set at most.

use super::snapshot::Snapshot;
use crate::config_manager::key::Revision;
use crate::config_manager::layers::Effective;
use std::collections::{BTreeMap, BTreeSet};

/// Names a listener of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u32);

/// What a listener wants to be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Everything.
    All,
    /// These settings.
    Names(BTreeSet<String>),
    /// Settings whose names begin so.
    Prefix(String),
}

impl Interest {
    /// One setting.
    pub fn name(name: &str) -> Interest {
        Interest::Names(BTreeSet::from([name.to_string()]))
    }

    fn includes(&self, name: &str) -> bool {
        match self {
            Interest::All => true,
            Interest::Names(names) => names.contains(name),
            Interest::Prefix(prefix) => name.starts_with(prefix),
        }
    }
}

/// How a setting changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was not there.
    Added,
    /// It was something else.
    Modified,
    /// It is not there any more.
    Deleted,
}

/// A setting before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// What it was.
    pub old: Option<Effective>,
    /// What it is.
    pub new: Option<Effective>,
}

impl Change {
    /// How it changed.
    pub const fn kind(&self) -> ChangeKind {
        match (&self.old, &self.new) {
            (None, _) => ChangeKind::Added,
            (Some(_), Some(_)) => ChangeKind::Modified,
            (Some(_), None) => ChangeKind::Deleted,
        }
    }
}

/// What a listener is told at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSet {
    /// The configuration that came of it.
    pub revision: Revision,
    /// In the order of the names; never empty.
    pub changes: Vec<Change>,
}

#[derive(Clone, Debug)]
struct Listener {
    interest: Interest,
    is_busy: bool,
    waiting: Option<ChangeSet>,
    wrote_own: bool,
    own_writes: u32,
    is_cut_off: bool,
    errors: u64,
}

/// All listeners of a client.
#[derive(Clone, Debug, Default)]
pub(super) struct Listeners {
    listeners: BTreeMap<ListenerId, Listener>,
    begun: u32,
    #[cfg(test)]
    pub(super) sabotage: Option<super::config::Sabotage>,
}

impl Listeners {
    pub(super) fn add(&mut self, interest: Interest) -> ListenerId {
        self.begun = self.begun.saturating_add(1);
        let id = ListenerId(self.begun);
        let listener = Listener {
            interest,
            is_busy: false,
            waiting: None,
            wrote_own: false,
            own_writes: 0,
            is_cut_off: false,
            errors: 0,
        };
        self.listeners.insert(id, listener);
        id
    }

    pub(super) fn remove(&mut self, id: ListenerId) {
        self.listeners.remove(&id);
    }

    pub(super) fn errors(&self, id: ListenerId) -> Option<u64> {
        self.listeners.get(&id).map(|listener| listener.errors)
    }

    pub(super) fn is_cut_off(&self, id: ListenerId) -> bool {
        self.listeners.get(&id).is_some_and(|listener| listener.is_cut_off)
    }

    /// Lets a listener that was cut off listen again.
    pub(super) fn reinstate(&mut self, id: ListenerId) {
        if let Some(listener) = self.listeners.get_mut(&id) {
            (listener.is_cut_off, listener.own_writes, listener.wrote_own) = (false, 0, false);
        }
    }

    /// Tells everybody who is free; for the others it waits.
    pub(super) fn tell(&mut self, old: &Snapshot, new: &Snapshot, told: &mut Vec<(ListenerId, ChangeSet)>) {
        let changes = changes(old, new);
        for (id, listener) in &mut self.listeners {
            let of_interest = changes.iter().filter(|change| listener.interest.includes(&change.name));
            let changes: Vec<Change> = of_interest.cloned().collect();
            if changes.is_empty() || listener.is_cut_off {
                continue;
            }
            let news = ChangeSet { revision: new.revision(), changes };
            let news = match listener.waiting.take() {
                Some(before) => merged(before, news),
                None => news,
            };
            #[cfg(test)]
            if listener.is_busy && self.sabotage == Some(super::config::Sabotage::ForgetsWhatWaits) {
                continue;
            }
            if listener.is_busy {
                listener.waiting = Some(news).filter(|news| !news.changes.is_empty());
            } else if !news.changes.is_empty() {
                listener.is_busy = true;
                told.push((*id, news));
            }
        }
    }

    /// Takes note that a listener writes; `false` if it was cut off.
    pub(super) fn note_write<'a>(
        &mut self,
        id: ListenerId,
        mut names: impl Iterator<Item = &'a str>,
    ) -> bool {
        let Some(listener) = self.listeners.get_mut(&id) else { return false };
        if names.any(|name| listener.interest.includes(name)) {
            listener.wrote_own |= listener.is_busy;
            return !listener.is_cut_off;
        }
        true
    }

    /// A listener has come to an end with what it was told. Says whether it is cut off with that.
    pub(super) fn done(
        &mut self,
        id: ListenerId,
        has_failed: bool,
        most_own_writes: u32,
        told: &mut Vec<(ListenerId, ChangeSet)>,
    ) -> bool {
        let Some(listener) = self.listeners.get_mut(&id).filter(|listener| listener.is_busy) else {
            return false;
        };
        listener.is_busy = false;
        listener.errors = listener.errors.saturating_add(u64::from(has_failed));
        let wrote_own = std::mem::take(&mut listener.wrote_own);
        listener.own_writes = if wrote_own { listener.own_writes.saturating_add(1) } else { 0 };
        if listener.own_writes >= most_own_writes.max(1) {
            listener.is_cut_off = true;
            listener.waiting = None;
            return true;
        }
        if let Some(news) = listener.waiting.take() {
            listener.is_busy = true;
            told.push((id, news));
        }
        false
    }
}

/// Where two configurations differ in what they say; where a value comes from does not matter.
fn changes(old: &Snapshot, new: &Snapshot) -> Vec<Change> {
    let mut names: BTreeSet<&String> = old.settings().keys().collect();
    names.extend(new.settings().keys());
    let pairs = names.into_iter().map(|name| (name, old.settings().get(name), new.settings().get(name)));
    pairs
        .filter(|(_, old, new)| old.map(|old| &old.value) != new.map(|new| &new.value))
        .map(|(name, old, new)| Change { name: name.clone(), old: old.cloned(), new: new.cloned() })
        .collect()
}

/// Two change sets as one: from before the first to after the second.
fn merged(first: ChangeSet, second: ChangeSet) -> ChangeSet {
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    for change in first.changes {
        changes.insert(change.name.clone(), change);
    }
    for change in second.changes {
        let old = changes.remove(&change.name).map_or(change.old, |before| before.old);
        let is_back = old.as_ref().map(|old| &old.value) == change.new.as_ref().map(|new| &new.value);
        if !is_back {
            changes.insert(change.name.clone(), Change { name: change.name, old, new: change.new });
        }
    }
    ChangeSet { revision: second.revision, changes: changes.into_values().collect() }
}
