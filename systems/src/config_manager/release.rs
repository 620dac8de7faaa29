//! Releases: what was published for a scope, by whom, and how it differs from what was before. Plain data.

use super::canary::CanaryRule;
use super::key::{Revision, Scope};
use super::schema::Schema;
use super::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The number of a release of a scope: 1, 2, 3, ...
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReleaseId(pub u64);

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a release came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReleaseKind {
    /// A draft became the main release.
    Publish,
    /// A draft became the canary.
    Canary,
    /// The canary became the main release.
    Promote,
    /// The canary was taken back.
    Abandon,
    /// An earlier release was restored.
    Rollback(ReleaseId),
}

/// The canary of a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// Whom it reaches.
    pub rule: CanaryRule,
    /// What it changes, by name; `None` hides a setting of the main release.
    pub changes: BTreeMap<String, Option<Value>>,
}

/// A release, with everything that it takes to restore it: it does not depend on the history of the keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its number in its scope.
    pub id: ReleaseId,
    /// How it came to be.
    pub kind: ReleaseKind,
    /// The revision at which it took effect.
    pub revision: Revision,
    /// When, in nanoseconds since the driver's origin.
    pub at_ns: u64,
    /// By whom.
    pub author: String,
    /// What for.
    pub comment: String,
    /// The settings of the main release, by name.
    pub main: BTreeMap<String, Value>,
    /// The canary beside it.
    pub canary: Option<Canary>,
}

impl Release {
    /// What an instance sees: the main release, and the canary over it if the rule reaches the instance.
    pub fn effective(&self, instance: &str) -> BTreeMap<String, Value> {
        let mut values = self.main.clone();
        if let Some(canary) = self.canary.as_ref().filter(|canary| canary.rule.reaches(instance)) {
            lay_over(&mut values, &canary.changes);
        }
        values
    }
}

/// Changes settings by name; `None` takes one away.
pub(super) fn lay_over(values: &mut BTreeMap<String, Value>, changes: &BTreeMap<String, Option<Value>>) {
    for (name, change) in changes {
        match change {
            Some(value) => drop(values.insert(name.clone(), value.clone())),
            None => drop(values.remove(name)),
        }
    }
}

/// One setting that two configurations do not agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub name: String,
    /// Its value before; `None` if there was none.
    pub old: Option<Value>,
    /// Its value now; `None` if there is none.
    pub new: Option<Value>,
}

impl fmt::Display for Difference {
    /// As in a patch: `-` what goes, `+` what comes. Secrets stay hidden.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(old) = &self.old {
            write!(f, "-{} = {old}", self.name)?;
        }
        if let Some(new) = &self.new {
            write!(f, "{}+{} = {new}", if self.old.is_some() { "\n" } else { "" }, self.name)?;
        }
        Ok(())
    }
}

/// Where two configurations differ, in the order of the names.
pub fn diff(old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>) -> Vec<Difference> {
    let gone_or_changed = old.iter().map(|(name, value)| (name, Some(value), new.get(name)));
    let come = new.iter().filter(|(name, _)| !old.contains_key(*name));
    let mut differences: Vec<Difference> = gone_or_changed
        .chain(come.map(|(name, value)| (name, None, Some(value))))
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| Difference { name: name.clone(), old: old.cloned(), new: new.cloned() })
        .collect();
    differences.sort_by(|a, b| a.name.cmp(&b.name));
    differences
}

/// What is known of a scope beside its settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeState {
    /// What its settings have to be.
    pub schema: Option<Schema>,
    /// Edits that are not published yet, by name; `None` takes a setting away.
    pub draft: BTreeMap<String, Option<Value>>,
    /// Who alone may edit and publish for now.
    pub locked_by: Option<String>,
    /// Its last release.
    pub latest: Option<ReleaseId>,
}

/// What somebody did to a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// 1, 2, 3, ... over all scopes.
    pub number: u64,
    /// When, in nanoseconds since the driver's origin.
    pub at_ns: u64,
    /// Who.
    pub author: String,
    /// To which scope.
    pub scope: Scope,
    /// What.
    pub action: Action,
    /// The revision that it made; `None` if it took no effect on anybody.
    pub revision: Option<Revision>,
}

/// What is done to a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// A setting in the draft was changed; by name, without its value.
    Edited(String),
    /// The draft was dropped.
    Discarded,
    /// Only the author may edit from now on.
    Locked,
    /// Everybody may again.
    Unlocked,
    /// What values are allowed was changed.
    SchemaSet,
    /// A release.
    Released(ReleaseId, ReleaseKind),
}
