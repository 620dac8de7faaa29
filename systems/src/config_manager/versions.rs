//! Rows with all their versions (multi-version concurrency control): what a row was at any revision since the last
//! compaction. Knows nothing of what the rows are.

use super::key::Revision;
use std::collections::BTreeMap;

/// A row from one revision on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version<V> {
    /// The revision that wrote it.
    pub(super) revision: Revision,
    /// The revision that wrote the row after it had not been there.
    pub(super) created: Revision,
    /// How often it was written since then: 1, 2, ...; 0 for a removal.
    pub(super) version: u64,
    /// `None` if it was removed.
    pub(super) value: Option<V>,
}

/// All versions of all rows, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Versions<K, V> {
    rows: BTreeMap<K, Vec<Version<V>>>,
}

impl<K, V> Default for Versions<K, V> {
    fn default() -> Versions<K, V> {
        Versions { rows: BTreeMap::new() }
    }
}

impl<K: Ord + Clone, V> Versions<K, V> {
    /// Writes or removes a row. Revisions may not go down.
    pub(super) fn write(&mut self, key: &K, revision: Revision, value: Option<V>) {
        let versions = self.rows.entry(key.clone()).or_default();
        let live = versions.last().filter(|last| last.value.is_some());
        let created = live.map_or(revision, |last| last.created);
        let version = if value.is_some() { live.map_or(0, |last| last.version).saturating_add(1) } else { 0 };
        versions.push(Version { revision, created, version, value });
    }

    /// Puts back a version that was kept elsewhere, as the oldest.
    pub(super) fn restore(&mut self, key: K, version: Version<V>) {
        self.rows.insert(key, vec![version]);
    }

    /// The row as it was at a revision; `None` if it was not there.
    pub(super) fn at(&self, key: &K, revision: Revision) -> Option<&Version<V>> {
        alive(self.rows.get(key)?, revision)
    }

    /// The rows from one on that were there at a revision, in order.
    pub(super) fn from<'a>(
        &'a self,
        first: &K,
        revision: Revision,
    ) -> impl Iterator<Item = (&'a K, &'a Version<V>)> + use<'a, K, V> {
        let rows = self.rows.range(first.clone()..);
        rows.filter_map(move |(key, versions)| alive(versions, revision).map(|version| (key, version)))
    }

    /// Forgets the versions of a row that were over at a revision. Returns what is left of it there.
    pub(super) fn compact(&mut self, key: &K, through: Revision) -> Option<&Version<V>> {
        let versions = self.rows.get_mut(key)?;
        let newer_from = versions.partition_point(|version| version.revision <= through);
        // The last of the old ones is what the row is at `through`; a removal is as good as nothing.
        let keeps_last = newer_from.checked_sub(1).is_some_and(|last| versions[last].value.is_some());
        versions.drain(..newer_from - usize::from(keeps_last));
        if versions.is_empty() {
            self.rows.remove(key);
            return None;
        }
        alive(self.rows.get(key)?, through)
    }

    /// How many versions are kept, of all rows together.
    pub(super) fn len(&self) -> usize {
        self.rows.values().map(Vec::len).sum()
    }
}

fn alive<V>(versions: &[Version<V>], revision: Revision) -> Option<&Version<V>> {
    // Most reads are about the present.
    let last = versions.last().filter(|last| last.revision <= revision);
    let version = match last {
        Some(last) => last,
        None => {
            let newer_from = versions.partition_point(|version| version.revision <= revision);
            versions.get(newer_from.checked_sub(1)?)?
        }
    };
    Some(version).filter(|version| version.value.is_some())
}
