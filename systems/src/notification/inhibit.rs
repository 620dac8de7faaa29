//! Inhibition: an alert that explains others keeps them quiet. Knows only what is firing; decides nothing else.

use super::label::Labels;
use super::matcher::Matchers;
use crate::time::Time;
use std::collections::BTreeMap;

/// While an alert that matches `source` is firing, alerts that match `target` and agree with it in all `equal` labels
/// are muted. Two absent labels agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InhibitRule {
    /// What explains.
    pub source: Matchers,
    /// What is explained.
    pub target: Matchers,
    /// In what they have to agree.
    pub equal: Vec<String>,
}

/// The sources of one rule.
#[derive(Clone, Debug)]
struct Watched {
    rule: InhibitRule,
    /// By their `equal` labels: each source with when it ends, and whether it matches the target side as well.
    sources: BTreeMap<Labels, BTreeMap<Labels, (Time, bool)>>,
}

/// All rules, and the sources that are firing.
#[derive(Clone, Debug)]
pub struct Inhibitor {
    rules: Vec<Watched>,
    #[cfg(test)]
    pub(super) allows_self: bool,
}

impl Inhibitor {
    /// With these rules and no source yet.
    pub fn new(rules: Vec<InhibitRule>) -> Inhibitor {
        let rules = rules.into_iter().map(|rule| Watched { rule, sources: BTreeMap::new() }).collect();
        Inhibitor {
            rules,
            #[cfg(test)]
            allows_self: false,
        }
    }

    /// An alert fires until `ends_at`; one that has ended is no source any more.
    pub fn observe(&mut self, now: Time, labels: &Labels, ends_at: Time) {
        for watched in &mut self.rules {
            if !watched.rule.source.matches(labels) {
                continue;
            }
            let key = labels.only(&watched.rule.equal);
            let sources = watched.sources.entry(key.clone()).or_default();
            if ends_at > now {
                let both = watched.rule.target.matches(labels);
                sources.insert(labels.clone(), (ends_at, both));
            } else {
                sources.remove(labels);
            }
            if sources.is_empty() {
                watched.sources.remove(&key);
            }
        }
    }

    /// The source that mutes an alert, if one does. An alert that matches both sides of a rule is muted only by sources
    /// that do not match its target side: so none mutes itself, and no two mute each other.
    pub fn muted_by(&self, now: Time, labels: &Labels) -> Option<&Labels> {
        self.rules.iter().find_map(|watched| {
            if !watched.rule.target.matches(labels) {
                return None;
            }
            let is_source = watched.rule.source.matches(labels) && !self.may_inhibit_itself();
            let sources = watched.sources.get(&labels.only(&watched.rule.equal))?;
            let active = |(ends_at, both): &(Time, bool)| *ends_at > now && !(is_source && *both);
            sources.iter().find(|(_, source)| active(source)).map(|(labels, _)| labels)
        })
    }

    /// The rules.
    pub fn rules(&self) -> impl Iterator<Item = &InhibitRule> {
        self.rules.iter().map(|watched| &watched.rule)
    }

    /// Forgets sources that have ended.
    pub fn forget_ended(&mut self, now: Time) {
        for watched in &mut self.rules {
            watched.sources.retain(|_, sources| {
                sources.retain(|_, (ends_at, _)| *ends_at > now);
                !sources.is_empty()
            });
        }
    }

    #[cfg(not(test))]
    const fn may_inhibit_itself(&self) -> bool {
        false
    }

    #[cfg(test)]
    const fn may_inhibit_itself(&self) -> bool {
        self.allows_self
    }
}
