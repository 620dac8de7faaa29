//! Who may do what at a verifier: roles with their shares of all principals, and the permission that each operation
//! needs. Decides with the library, and holds against every decision a second one that knows nothing of it.

use std::collections::{BTreeMap, BTreeSet};

use foreshock_systems::auth::{CachedDecisions, Decision, Permissions, Rule};
use serde_json::{Map, Value};

use crate::kernel::draw::Key;
use crate::kernel::time::{Span, Time};
use crate::nodes::setting_table::Wrong as OneWrong;
use crate::nodes::settings::{Reader, Wrong};
use crate::scenario::quantity::{Duration, Share, scalar_text};
use crate::scenario::{Around, suggest};

/// The settings that are read here.
pub(super) const KEYS: [&str; 3] = ["roles", "permissions", "decisions_ttl"];
/// Decisions that are remembered.
const MOST_DECISIONS: u32 = 100_000;
const ROLE_HELP: &str = "write `clerk: {share: 10%, allow: [orders.*], deny: [orders.refund]}`";

/// One role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Role {
    share_ppm: u32,
    inherits: Vec<String>,
    allow: Vec<String>,
    deny: Vec<String>,
}

/// Who may do what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RoleSettings {
    roles: BTreeMap<String, Role>,
    /// By operation.
    permissions: BTreeMap<String, String>,
    decisions_ttl: Span,
}

impl RoleSettings {
    /// Whether anybody is asked for a permission.
    pub(super) fn is_on(&self) -> bool {
        !self.permissions.is_empty()
    }
}

/// Reads who may do what, or everything that is wrong with it.
pub(super) fn read(written: &Map<String, Value>) -> Result<RoleSettings, Vec<OneWrong>> {
    let mut wrong = Wrong::new();
    let mut settings = RoleSettings::default();
    let mut reader = Reader { map: written, at: String::new(), wrong: &mut wrong };
    settings.decisions_ttl = reader.value("decisions_ttl", Duration::read).map_or(Span::ZERO, |ttl| ttl.0);
    let roles = reader.mappings("roles", ROLE_HELP, |name, role| {
        role.refuse_unknown(&["share", "inherits", "allow", "deny"], "a role");
        let share_ppm = role.value("share", Share::read).map_or(0, |share| share.0);
        let [inherits, allow, deny] = ["inherits", "allow", "deny"].map(|key| words(role, key));
        Some((name.to_string(), Role { share_ppm, inherits, allow, deny }))
    });
    settings.roles = roles.into_iter().collect();
    match written.get("permissions") {
        Some(Value::Object(named)) => {
            for (operation, permission) in named {
                match permission.as_str() {
                    Some(permission) => {
                        settings.permissions.insert(operation.clone(), permission.to_string());
                    }
                    None => reader.wrong_at(
                        &format!("permissions.{operation}"),
                        "is no permission; write `orders.create`",
                    ),
                }
            }
        }
        Some(_) => reader.wrong_at("permissions", "has an operation for each: write `{buy: orders.create}`"),
        None => {}
    }
    let names: Vec<&str> = settings.roles.keys().map(String::as_str).collect();
    for (name, role) in &settings.roles {
        for parent in role.inherits.iter().filter(|parent| !names.contains(&parent.as_str())) {
            let help = suggest::help(parent, &names).map_or_else(String::new, |help| format!("; {help}"));
            wrong.push((format!("roles.{name}.inherits"), format!("there is no role `{parent}`{help}")));
        }
    }
    let shares: u64 = settings.roles.values().map(|role| u64::from(role.share_ppm)).sum();
    if shares > 1_000_000 {
        wrong.push(("roles".to_string(), "have shares of more than 100% together".to_string()));
    }
    if settings.permissions.is_empty() && !settings.roles.is_empty() {
        let message = "are asked for nothing: say in `permissions` what each operation needs";
        wrong.push(("roles".to_string(), message.to_string()));
    }
    if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
}

/// A word, or a list of them.
fn words(reader: &mut Reader<'_>, key: &str) -> Vec<String> {
    let one = |value: &Value| scalar_text(value).map(|text| text.into_owned());
    let all = match reader.map.get(key) {
        None => Some(Vec::new()),
        Some(Value::Array(values)) => values.iter().map(one).collect(),
        Some(value) => one(value).map(|word| vec![word]),
    };
    all.unwrap_or_else(|| {
        reader.wrong_at(key, "is no list of names; write `[orders.create, orders.read]`");
        Vec::new()
    })
}

/// Whether the operations that need a permission are ever asked for.
pub(super) fn check_around(written: &Map<String, Value>, around: &Around<'_>) -> Vec<OneWrong> {
    let Ok(settings) = read(written) else { return Vec::new() };
    let operations: Vec<&str> = around.operations.iter().map(String::as_str).collect();
    let unknown = settings.permissions.keys().filter(|name| !operations.contains(&name.as_str()));
    unknown
        .map(|name| {
            let help = suggest::help(name, &operations).map_or_else(String::new, |help| format!("; {help}"));
            (format!("permissions.{name}"), format!("no request is of the operation `{name}`{help}"))
        })
        .collect()
}

/// What was decided, and whether that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decided {
    pub(super) passes: bool,
    pub(super) is_wrong: bool,
}

/// Decides at one verifier.
pub(super) struct Roles {
    settings: RoleSettings,
    permissions: Permissions,
    decisions: CachedDecisions,
    known: BTreeSet<u64>,
    changed_at: Option<Time>,
    /// For tests of the second opinion: whoever is allowed anything by any role passes, whatever another forbids.
    forgets_denials: bool,
}

impl Roles {
    pub(super) fn new(settings: RoleSettings, forgets_denials: bool) -> Roles {
        let mut permissions = Permissions::new();
        for (name, role) in &settings.roles {
            for parent in &role.inherits {
                permissions.inherit(name, parent);
            }
            for allowed in &role.allow {
                permissions.rule(name, Rule::Allow(allowed.clone()));
            }
            for denied in role.deny.iter().filter(|_| !forgets_denials) {
                permissions.rule(name, Rule::Deny(denied.clone()));
            }
        }
        let ttl = settings.decisions_ttl;
        Roles {
            decisions: CachedDecisions::new(ttl, ttl, MOST_DECISIONS),
            settings,
            permissions,
            known: BTreeSet::new(),
            changed_at: None,
            forgets_denials,
        }
    }

    /// Follows new settings. Decisions that are remembered hold as long as they may.
    pub(super) fn reconfigure(&mut self, now: Time, settings: RoleSettings) {
        if settings == self.settings {
            return;
        }
        let fresh = Roles::new(settings, self.forgets_denials);
        let kept = std::mem::replace(&mut self.decisions, fresh.decisions.clone());
        *self = Roles { changed_at: Some(now), ..fresh };
        if !self.settings.decisions_ttl.is_zero() {
            self.decisions = kept;
        }
    }

    /// Another process: nothing is remembered.
    pub(super) fn restart(&mut self) {
        *self = Roles::new(self.settings.clone(), self.forgets_denials);
    }

    /// The role of a principal: shares of all of them, by name; beyond the last share there is none.
    fn role_of(&self, principal: u64, draws: Key) -> Option<&str> {
        let at_ppm = draws.draw(principal) % 1_000_000;
        let mut up_to = 0;
        let mut roles = self.settings.roles.iter();
        let found = roles.find(|(_, role)| {
            up_to += u64::from(role.share_ppm);
            at_ppm < up_to
        });
        found.map(|(name, _)| name.as_str())
    }

    /// Whether a principal may do an operation; one that needs no permission passes.
    pub(super) fn decide(&mut self, now: Time, principal: u64, operation: &str, draws: Key) -> Decided {
        let Some(permission) = self.settings.permissions.get(operation).cloned() else {
            return Decided { passes: true, is_wrong: false };
        };
        let role = self.role_of(principal, draws).map(str::to_string);
        if self.known.insert(principal)
            && let Some(role) = &role
        {
            self.permissions.assign(principal, role);
        }
        let ttl = self.settings.decisions_ttl;
        let passes = match ttl.is_zero() {
            true => self.permissions.decide(principal, &permission),
            false => self.decisions.decide(now, &self.permissions, principal, &permission),
        } == Decision::Allowed;
        // A decision may be as old as it may be remembered.
        let may_be_old = self.changed_at.is_some_and(|at| now.since(at) < ttl);
        let may = role.is_some_and(|role| self.may(&role, &permission));
        Decided { passes, is_wrong: passes && !may && !may_be_old }
    }

    /// A second opinion: all rules of a role and of those it inherits, one after the other.
    fn may(&self, role: &str, permission: &str) -> bool {
        let mut all = vec![role];
        let mut at = 0;
        while let Some(role) = all.get(at).and_then(|name| self.settings.roles.get(*name)) {
            let parents = role.inherits.iter().map(String::as_str);
            let new: Vec<&str> = parents.filter(|parent| !all.contains(parent)).collect();
            all.extend(new);
            at += 1;
        }
        let rules = || all.iter().filter_map(|name| self.settings.roles.get(*name));
        let is_denied = rules().any(|role| role.deny.iter().any(|rule| matches(rule, permission)));
        let is_allowed = rules().any(|role| role.allow.iter().any(|rule| matches(rule, permission)));
        is_allowed && !is_denied
    }
}

/// Whether a rule is about a permission, word by word.
fn matches(rule: &str, permission: &str) -> bool {
    let (mut rule, mut permission) = (rule.split('.'), permission.split('.'));
    loop {
        match (rule.next(), permission.next()) {
            (Some("*"), Some(_)) => return true,
            (Some(a), Some(b)) if a == b => {}
            (None, None) => return true,
            (Some(_) | None, Some(_) | None) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::draw::Seed;
    use serde_json::json;

    fn roles(forgets_denials: bool) -> Roles {
        let written = json!({
            "roles": {
                "clerk": {"share": "100%", "inherits": "staff", "allow": ["orders.*"], "deny": ["orders.refund"]},
                "staff": {"allow": "news.read"},
            },
            "permissions": {"buy": "orders.create", "refund": "orders.refund", "read": "news.read", "fire": "staff.fire"},
        });
        Roles::new(read(written.as_object().unwrap()).unwrap(), forgets_denials)
    }

    fn passing(roles: &mut Roles) -> (Vec<&'static str>, Vec<&'static str>) {
        let draws = Key::derive(Seed(1), "api", "roles");
        let (mut passing, mut wrong) = (Vec::new(), Vec::new());
        for operation in ["buy", "refund", "read", "fire", "browse"] {
            let decided = roles.decide(Time::ZERO, 5, operation, draws);
            passing.extend(decided.passes.then_some(operation));
            wrong.extend(decided.is_wrong.then_some(operation));
        }
        (passing, wrong)
    }

    #[test]
    fn a_deny_wins_what_is_inherited_holds_and_what_nobody_allows_is_denied() {
        assert_eq!(passing(&mut roles(false)), (vec!["buy", "read", "browse"], vec![]));
    }

    #[test]
    fn a_verifier_that_forgets_denials_is_noticed() {
        assert_eq!(passing(&mut roles(true)).1, ["refund"]);
    }

    #[test]
    fn what_is_wrong_is_told_where_it_stands() {
        let written = json!({
            "roles": {"clerk": {"share": "120%", "inherits": "stuff", "may": 1}, "staff": {"share": "50%"}},
            "permissions": {"buy": 3},
        });
        let wrong = read(written.as_object().unwrap()).unwrap_err();
        let at: Vec<&str> = wrong.iter().map(|(at, _)| at.as_str()).collect();
        for place in ["roles.clerk.share", "roles.clerk.inherits", "roles.clerk.may", "permissions.buy"] {
            assert!(at.contains(&place), "{place} in {wrong:?}");
        }
    }
}
