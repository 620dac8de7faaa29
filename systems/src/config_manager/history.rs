//! What every key was at every revision since the last compaction, for every instance: main releases, with the canary
//! laid over them for those whom its rule reaches. Pure memory; never refuses a write.

use super::canary::CanaryRule;
use super::key::{Key, Revision, Scope};
use super::value::Value;
use super::versions::{Version, Versions};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A value and how it came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Arc<Value>,
    /// The revision that wrote it (etcd's `mod_revision`, Consul's `ModifyIndex`).
    pub revision: Revision,
    /// The revision that made the key.
    pub created: Revision,
    /// How often it has been written since: 1, 2, ...
    pub version: u64,
}

/// What one revision did to one key, as one instance sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The revision that did it. That of the entry may be older: when a canary ends, main's value is back.
    pub revision: Revision,
    /// Which key.
    pub key: Key,
    /// What it is now; `None` if it is gone.
    pub entry: Option<Entry>,
}

/// One change of the rows under a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mutation {
    /// A key of the main release.
    Main(Key, Option<Value>),
    /// A key of the canary: no longer one, or with a value, or hidden.
    Canary(Key, Option<Option<Value>>),
    /// Whom the canary of a scope reaches.
    Rule(Scope, Option<CanaryRule>),
}

/// Which row a mutation is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Row {
    Main(Key),
    Canary(Key),
    Rule(Scope),
}

impl Row {
    pub(super) fn scope(&self) -> &Scope {
        match self {
            Row::Main(key) | Row::Canary(key) => key.scope(),
            Row::Rule(scope) => scope,
        }
    }
}

impl Mutation {
    fn row(&self) -> Row {
        match self {
            Mutation::Main(key, _) => Row::Main(key.clone()),
            Mutation::Canary(key, _) => Row::Canary(key.clone()),
            Mutation::Rule(scope, _) => Row::Rule(scope.clone()),
        }
    }
}

/// A row at the last compaction, as it is kept in a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Base {
    pub(super) revision: Revision,
    pub(super) created: Revision,
    pub(super) version: u64,
    pub(super) content: Mutation,
}

/// What asked for is no longer known: the history begins after this revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted(pub Revision);

/// All rows, their versions, and which rows each revision touched.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    main: Versions<Key, Arc<Value>>,
    canary: Versions<Key, Option<Arc<Value>>>,
    rules: Versions<Scope, CanaryRule>,
    touched: BTreeMap<Revision, Vec<Row>>,
    current: Revision,
    compacted: Revision,
}

impl History {
    /// An empty history in which everything up to a revision has been compacted away.
    pub(super) fn compacted_at(compacted: Revision) -> History {
        History { current: compacted, compacted, ..History::default() }
    }

    /// The last revision.
    pub(super) const fn current(&self) -> Revision {
        self.current
    }

    /// What was before this revision is not known any more.
    pub(super) const fn compacted(&self) -> Revision {
        self.compacted
    }

    /// How many versions are kept.
    pub(super) fn versions(&self) -> usize {
        self.main.len() + self.canary.len() + self.rules.len()
    }

    /// Makes the next revision.
    pub(super) fn apply(&mut self, mutations: Vec<Mutation>) -> Revision {
        let revision = self.current.next();
        self.touched.insert(revision, mutations.iter().map(Mutation::row).collect());
        for mutation in mutations {
            match mutation {
                Mutation::Main(key, value) => self.main.write(&key, revision, value.map(Arc::new)),
                Mutation::Canary(key, value) => {
                    self.canary.write(&key, revision, value.map(|shown| shown.map(Arc::new)));
                }
                Mutation::Rule(scope, rule) => self.rules.write(&scope, revision, rule),
            }
        }
        self.current = revision;
        revision
    }

    /// Puts back a row as it was at the last compaction.
    pub(super) fn restore(&mut self, base: Base) {
        let Base { revision, created, version, content } = base;
        match content {
            Mutation::Main(key, value) => {
                let value = value.map(Arc::new);
                self.main.restore(key, Version { revision, created, version, value });
            }
            Mutation::Canary(key, value) => {
                let value = value.map(|shown| shown.map(Arc::new));
                self.canary.restore(key, Version { revision, created, version, value });
            }
            Mutation::Rule(scope, value) => {
                self.rules.restore(scope, Version { revision, created, version, value });
            }
        }
    }

    /// The rule of a scope's canary.
    pub(super) fn rule(&self, scope: &Scope, at: Revision) -> Option<&CanaryRule> {
        self.rules.at(scope, at)?.value.as_ref()
    }

    /// Whether an instance is reached by the canary of a scope.
    pub(super) fn is_canary(&self, scope: &Scope, instance: &str, at: Revision) -> bool {
        self.rule(scope, at).is_some_and(|rule| rule.reaches(instance))
    }

    /// A key of the main release.
    pub(super) fn main(&self, key: &Key, at: Revision) -> Option<Entry> {
        let version = self.main.at(key, at)?;
        entry(version, version.value.as_ref())
    }

    /// The values of a scope's main release, by name.
    pub(super) fn main_values(&self, scope: &Scope) -> BTreeMap<String, Value> {
        let rows = self.main.from(&scope.floor(), self.current).take_while(|(key, _)| key.scope() == scope);
        rows.filter_map(|(key, version)| {
            Some((key.name().to_string(), Value::clone(version.value.as_ref()?)))
        })
        .collect()
    }

    /// What the canary of a scope lays over its main release, by name.
    pub(super) fn canary_values(&self, scope: &Scope) -> BTreeMap<String, Option<Value>> {
        let rows = self.canary.from(&scope.floor(), self.current).take_while(|(key, _)| key.scope() == scope);
        rows.filter_map(|(key, version)| {
            let shown = version.value.as_ref()?;
            Some((key.name().to_string(), shown.as_ref().map(|value| Value::clone(value))))
        })
        .collect()
    }

    /// A key as an instance sees it.
    pub(super) fn effective(&self, key: &Key, at: Revision, is_canary: bool) -> Option<Entry> {
        match self.canary.at(key, at).filter(|_| is_canary) {
            Some(version) => entry(version, version.value.as_ref()?.as_ref()),
            None => self.main(key, at),
        }
    }

    /// All keys of a scope as an instance sees them at one revision, in order.
    pub(super) fn snapshot(&self, scope: &Scope, instance: &str, at: Revision) -> Vec<(Key, Entry)> {
        let is_canary = self.is_canary(scope, instance, at);
        let main = self.main.from(&scope.floor(), at).map(|(key, _)| key);
        let mut keys: BTreeSet<&Key> = main.take_while(|key| key.scope() == scope).collect();
        if is_canary {
            let canary = self.canary.from(&scope.floor(), at).map(|(key, _)| key);
            keys.extend(canary.take_while(|key| key.scope() == scope));
        }
        let seen = keys.into_iter().map(|key| (key, self.effective(key, at, is_canary)));
        seen.filter_map(|(key, entry)| Some((key.clone(), entry?))).collect()
    }

    /// The rows that a revision touched.
    pub(super) fn touched(&self, revision: Revision) -> &[Row] {
        self.touched.get(&revision).map_or(&[], Vec::as_slice)
    }

    /// The revisions after one, each with the scopes it touched.
    pub(super) fn revisions_after(&self, after: Revision) -> impl Iterator<Item = Revision> + '_ {
        self.touched.range(after.next()..).map(|(revision, _)| *revision)
    }

    /// What a revision did to a scope, in the order of the keys, for anyone who was a canary before it, and is from then
    /// on, as given.
    pub(super) fn events(&self, scope: &Scope, revision: Revision, is_canary: [bool; 2]) -> Vec<Event> {
        let before = revision.previous();
        let mut keys = BTreeSet::new();
        for row in self.touched(revision) {
            match row {
                Row::Main(key) | Row::Canary(key) if key.scope() == scope => drop(keys.insert(key)),
                Row::Main(_) | Row::Canary(_) | Row::Rule(_) => {}
            }
        }
        if is_canary[0] != is_canary[1] {
            // Coming in or going out, an instance sees every key of the canary change.
            for at in [before, revision] {
                let canary = self.canary.from(&scope.floor(), at).map(|(key, _)| key);
                keys.extend(canary.take_while(|key| key.scope() == scope));
            }
        }
        let mut events = Vec::new();
        for key in keys {
            let entry = self.effective(key, revision, is_canary[1]);
            if self.effective(key, before, is_canary[0]) != entry {
                events.push(Event { revision, key: key.clone(), entry });
            }
        }
        events
    }

    /// Forgets what was before a revision; it stays readable itself. Returns the rows about which something was
    /// forgotten and what they are at that revision.
    pub(super) fn compact(&mut self, through: Revision) -> Vec<(Row, Option<Base>)> {
        let through = through.min(self.current);
        let kept = self.touched.split_off(&through.next());
        let old = std::mem::replace(&mut self.touched, kept);
        self.compacted = self.compacted.max(through);
        let rows: BTreeSet<Row> = old.into_values().flatten().collect();
        rows.into_iter()
            .map(|row| {
                let base = self.compact_row(&row, through);
                (row, base)
            })
            .collect()
    }

    fn compact_row(&mut self, row: &Row, through: Revision) -> Option<Base> {
        match row {
            Row::Main(key) => self.main.compact(key, through).map(|version| {
                let value = version.value.as_ref().map(|value| Value::clone(value));
                base(version, Mutation::Main(key.clone(), value))
            }),
            Row::Canary(key) => self.canary.compact(key, through).map(|version| {
                let shown = version.value.as_ref();
                let value = shown.map(|shown| shown.as_ref().map(|value| Value::clone(value)));
                base(version, Mutation::Canary(key.clone(), value))
            }),
            Row::Rule(scope) => self
                .rules
                .compact(scope, through)
                .map(|version| base(version, Mutation::Rule(scope.clone(), version.value.clone()))),
        }
    }
}

fn entry<V>(version: &Version<V>, value: Option<&Arc<Value>>) -> Option<Entry> {
    let value = Arc::clone(value?);
    Some(Entry { value, revision: version.revision, created: version.created, version: version.version })
}

fn base<V>(version: &Version<V>, content: Mutation) -> Base {
    Base { revision: version.revision, created: version.created, version: version.version, content }
}
