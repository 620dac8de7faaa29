//! Who may do what: roles that inherit, rules that allow or deny, and a deny that always wins. What is not allowed is
//! denied.

use crate::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};

/// What a role says of a permission. A permission ends in `.*` to mean all below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// May.
    Allow(String),
    /// Must not, whoever else allows it.
    Deny(String),
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// May.
    Allowed,
    /// May not.
    Denied,
}

/// Roles, what they inherit, and who has them.
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    rules: BTreeMap<String, Vec<Rule>>,
    parents: BTreeMap<String, Vec<String>>,
    roles: BTreeMap<u64, BTreeSet<String>>,
}

impl Permissions {
    /// Nobody may do anything.
    pub fn new() -> Permissions {
        Permissions::default()
    }

    /// A role has a rule.
    pub fn rule(&mut self, role: &str, rule: Rule) {
        self.rules.entry(role.to_string()).or_default().push(rule);
    }

    /// A role has all rules of another. Circles are harmless.
    pub fn inherit(&mut self, role: &str, from: &str) {
        self.parents.entry(role.to_string()).or_default().push(from.to_string());
    }

    /// Somebody gets a role.
    pub fn assign(&mut self, subject: u64, role: &str) {
        self.roles.entry(subject).or_default().insert(role.to_string());
    }

    /// Somebody loses a role. Whether they had it.
    pub fn withdraw(&mut self, subject: u64, role: &str) -> bool {
        self.roles.get_mut(&subject).is_some_and(|roles| roles.remove(role))
    }

    /// Whether somebody may.
    pub fn decide(&self, subject: u64, permission: &str) -> Decision {
        let mut open: Vec<&str> =
            self.roles.get(&subject).into_iter().flatten().map(String::as_str).collect();
        let (mut seen, mut is_allowed) = (BTreeSet::new(), false);
        while let Some(role) = open.pop() {
            if !seen.insert(role) {
                continue;
            }
            open.extend(self.parents.get(role).into_iter().flatten().map(String::as_str));
            for rule in self.rules.get(role).into_iter().flatten() {
                match rule {
                    Rule::Deny(pattern) if covers(pattern, permission) => return Decision::Denied,
                    Rule::Allow(pattern) => is_allowed |= covers(pattern, permission),
                    Rule::Deny(_) => {}
                }
            }
        }
        if is_allowed { Decision::Allowed } else { Decision::Denied }
    }
}

fn covers(pattern: &str, permission: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(above) => permission.strip_prefix(above).is_some_and(|rest| rest.starts_with('.')),
        None => pattern == permission,
    }
}

/// Decisions kept for a time; denials for a shorter one, so that a grant is felt soon.
#[derive(Clone, Debug)]
pub struct CachedDecisions {
    allowed_ttl: Span,
    denied_ttl: Span,
    max_entries: usize,
    kept: BTreeMap<(u64, String), (Decision, Time)>,
}

impl CachedDecisions {
    /// None kept yet.
    pub fn new(allowed_ttl: Span, denied_ttl: Span, max_entries: u32) -> CachedDecisions {
        CachedDecisions { allowed_ttl, denied_ttl, max_entries: max_entries as usize, kept: BTreeMap::new() }
    }

    /// Decides, or remembers.
    pub fn decide(
        &mut self,
        now: Time,
        permissions: &Permissions,
        subject: u64,
        permission: &str,
    ) -> Decision {
        let key = (subject, permission.to_string());
        if let Some((decision, until)) = self.kept.get(&key)
            && now < *until
        {
            return *decision;
        }
        let decision = permissions.decide(subject, permission);
        let ttl = match decision {
            Decision::Allowed => self.allowed_ttl,
            Decision::Denied => self.denied_ttl,
        };
        if self.kept.len() >= self.max_entries && !self.kept.contains_key(&key) {
            self.kept.retain(|_, (_, until)| now < *until);
        }
        if self.kept.len() < self.max_entries || self.kept.contains_key(&key) {
            self.kept.insert(key, (decision, now + ttl));
        }
        decision
    }
}
