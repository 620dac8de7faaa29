//! Drafts, publishing, canaries, rollback. A release takes effect in one revision, and only if the schema allows
//! everything that anybody will see of it.

#[cfg(test)]
use super::Sabotage;
use super::rows::{self, Rows};
use super::{Server, Stop};
use crate::config_manager::history::Mutation;
use crate::config_manager::key::{Key, Scope};
use crate::config_manager::message::{Answer, Command, Refusal};
use crate::config_manager::release::{
    Action, Canary, Release, ReleaseId, ReleaseKind, ScopeState, diff, lay_over,
};
use crate::config_manager::schema::{Schema, Violation};
use crate::config_manager::value::Value;
use crate::store::Store;
use crate::time::Time;
use std::collections::BTreeMap;

/// What a scope is after a release.
struct Target {
    main: BTreeMap<String, Value>,
    canary: Option<Canary>,
}

/// Who does what to which scope, and when.
struct Act<'a> {
    now: Time,
    scope: &'a Scope,
    author: &'a str,
}

impl<S: Store> Server<S> {
    pub(super) fn command(
        &mut self,
        now: Time,
        scope: &Scope,
        author: &str,
        command: Command,
    ) -> Result<Answer, Stop> {
        let state = self.scopes.get(scope).cloned().unwrap_or_default();
        let act = Act { now, scope, author };
        match command {
            Command::Show => Ok(Answer::Scope { state, canary: self.canary(scope) }),
            Command::ShowRelease(id) => Ok(Answer::Release(self.known_release(scope, id)?)),
            Command::Diff(old, new) => {
                let (old, new) = (self.known_release(scope, old)?, self.known_release(scope, new)?);
                Ok(Answer::Differences(diff(&old.main, &new.main)))
            }
            Command::DryRun => {
                let target = self.drafted(scope, &state);
                let differences = diff(&self.history.main_values(scope), &target.main);
                Ok(Answer::DryRun { differences, violations: violations(state.schema.as_ref(), &target) })
            }
            Command::Unlock if state.locked_by.is_none() => Err(Refusal::NotLocked.into()),
            _ if state.locked_by.as_ref().is_some_and(|holder| holder != author) => {
                Err(Refusal::Locked(state.locked_by.unwrap_or_default()).into())
            }
            Command::Edit { name, value } => {
                scope.key(&name).map_err(Refusal::Name)?;
                self.change(&act, Action::Edited(name.clone()), |state| drop(state.draft.insert(name, value)))
            }
            Command::Discard => self.change(&act, Action::Discarded, |state| state.draft.clear()),
            Command::Lock => {
                self.change(&act, Action::Locked, |state| state.locked_by = Some(author.to_string()))
            }
            Command::Unlock => self.change(&act, Action::Unlocked, |state| state.locked_by = None),
            Command::SetSchema(schema) => {
                let is = Target { main: self.history.main_values(scope), canary: self.canary(scope) };
                refuse(violations(schema.as_ref(), &is))?;
                self.change(&act, Action::SchemaSet, |state| state.schema = schema)
            }
            Command::Publish { comment, expected } => {
                if expected.is_some() && expected != state.latest {
                    return Err(Refusal::Outdated(state.latest).into());
                }
                let target = self.drafted(scope, &state);
                self.publish(&act, ReleaseKind::Publish, comment, target)
            }
            Command::PublishCanary { rule, comment } => {
                rule.validate().map_err(Refusal::Rule)?;
                // With nothing drafted, the canary that is out gets another rule.
                let drafted = Some(state.draft).filter(|draft| !draft.is_empty());
                let running = self.canary(scope).map(|canary| canary.changes);
                let changes = drafted.or(running).ok_or(Refusal::NothingToPublish)?;
                let main = self.history.main_values(scope);
                let target = Target { main, canary: Some(Canary { rule, changes }) };
                self.publish(&act, ReleaseKind::Canary, comment, target)
            }
            Command::Promote => {
                let canary = self.canary(scope).ok_or(Refusal::NoCanary)?;
                let mut main = self.history.main_values(scope);
                lay_over(&mut main, &canary.changes);
                self.publish(&act, ReleaseKind::Promote, String::new(), Target { main, canary: None })
            }
            Command::Abandon => {
                self.canary(scope).ok_or(Refusal::NoCanary)?;
                let main = self.history.main_values(scope);
                self.publish(&act, ReleaseKind::Abandon, String::new(), Target { main, canary: None })
            }
            Command::Rollback(id) => {
                let release = self.known_release(scope, id)?;
                #[cfg_attr(not(test), expect(unused_mut, reason = "only a test breaks it"))]
                let mut target = Target { main: release.main, canary: release.canary };
                #[cfg(test)]
                if self.is_broken(Sabotage::RollbackKeepsAdded) {
                    for (name, value) in self.history.main_values(scope) {
                        target.main.entry(name).or_insert(value);
                    }
                }
                self.publish(&act, ReleaseKind::Rollback(id), String::new(), target)
            }
        }
    }

    /// The canary of a scope, if one is out.
    fn canary(&self, scope: &Scope) -> Option<Canary> {
        let rule = self.history.rule(scope, self.history.current())?.clone();
        Some(Canary { rule, changes: self.history.canary_values(scope) })
    }

    fn known_release(&self, scope: &Scope, id: ReleaseId) -> Result<Release, Refusal> {
        rows::release(&self.store, scope, id).ok_or(Refusal::UnknownRelease(id))
    }

    /// What publishing the draft would make of a scope.
    fn drafted(&self, scope: &Scope, state: &ScopeState) -> Target {
        let mut main = self.history.main_values(scope);
        lay_over(&mut main, &state.draft);
        Target { main, canary: self.canary(scope) }
    }

    /// Changes what is known of a scope beside its settings.
    fn change(
        &mut self,
        act: &Act<'_>,
        action: Action,
        change: impl FnOnce(&mut ScopeState),
    ) -> Result<Answer, Stop> {
        let mut state = self.scopes.get(act.scope).cloned().unwrap_or_default();
        change(&mut state);
        let mut rows = Rows::default();
        rows.put_scope(act.scope, &state);
        self.put_audit(act.now, &mut rows, act.scope, act.author, action, None);
        let revision = self.commit(act.now, rows, Vec::new())?;
        self.scopes.insert(act.scope.clone(), state);
        Ok(Answer::Done { release: None, revision })
    }

    /// Makes a scope what it shall be, as a new release.
    fn publish(
        &mut self,
        act: &Act<'_>,
        kind: ReleaseKind,
        comment: String,
        target: Target,
    ) -> Result<Answer, Stop> {
        let mut state = self.scopes.get(act.scope).cloned().unwrap_or_default();
        let wrong = violations(state.schema.as_ref(), &target);
        #[cfg(test)]
        let wrong = if self.is_broken(Sabotage::SkipsSchema) { Vec::new() } else { wrong };
        refuse(wrong)?;
        let mutations = self.mutations(act.scope, &target)?;
        if mutations.is_empty() {
            return Err(Refusal::NothingToPublish.into());
        }
        #[cfg(test)]
        let mutations = self.torn(act.now, mutations)?;
        let id = ReleaseId(state.latest.map_or(0, |latest| latest.0).saturating_add(1));
        let revision = self.history.current().next();
        let release = Release {
            id,
            kind,
            revision,
            at_ns: act.now.as_nanos(),
            author: act.author.to_string(),
            comment,
            main: target.main,
            canary: target.canary,
        };
        state.latest = Some(id);
        if matches!(kind, ReleaseKind::Publish | ReleaseKind::Canary) {
            state.draft.clear();
        }
        let mut rows = Rows::default();
        rows.put_scope(act.scope, &state);
        rows.put_release(act.scope, &release);
        if let Some(old) = id.0.checked_sub(self.config.keep_releases).filter(|old| *old > 0) {
            rows.remove_release(act.scope, ReleaseId(old));
        }
        let action = Action::Released(id, kind);
        self.put_audit(act.now, &mut rows, act.scope, act.author, action, Some(revision));
        let revision = self.commit(act.now, rows, mutations)?;
        self.scopes.insert(act.scope.clone(), state);
        Ok(Answer::Done { release: Some(id), revision })
    }

    /// What it takes to make a scope what it shall be.
    fn mutations(&self, scope: &Scope, target: &Target) -> Result<Vec<Mutation>, Refusal> {
        let key = |name: &str| -> Result<Key, Refusal> { scope.key(name).map_err(Refusal::Name) };
        let mut mutations = Vec::new();
        for difference in diff(&self.history.main_values(scope), &target.main) {
            mutations.push(Mutation::Main(key(&difference.name)?, difference.new));
        }
        let nothing = BTreeMap::new();
        let was = self.history.canary_values(scope);
        let will = target.canary.as_ref().map_or(&nothing, |canary| &canary.changes);
        for name in was.keys().filter(|name| !will.contains_key(*name)) {
            mutations.push(Mutation::Canary(key(name)?, None));
        }
        for (name, change) in will.iter().filter(|(name, change)| was.get(*name) != Some(*change)) {
            mutations.push(Mutation::Canary(key(name)?, Some(change.clone())));
        }
        let rule = target.canary.as_ref().map(|canary| &canary.rule);
        if rule != self.history.rule(scope, self.history.current()) {
            mutations.push(Mutation::Rule(scope.clone(), rule.cloned()));
        }
        Ok(mutations)
    }

    /// Commits all but the last mutation one by one, if that is the defect.
    #[cfg(test)]
    fn torn(&mut self, now: Time, mut mutations: Vec<Mutation>) -> Result<Vec<Mutation>, Stop> {
        while self.is_broken(Sabotage::TearsReleases) && mutations.len() > 1 {
            let first = mutations.remove(0);
            self.commit(now, Rows::default(), vec![first])?;
        }
        Ok(mutations)
    }
}

/// Everything that the schema does not allow, for those who see the canary and for those who do not.
fn violations(schema: Option<&Schema>, target: &Target) -> Vec<Violation> {
    let Some(schema) = schema else { return Vec::new() };
    let mut found = schema.violations(&target.main);
    if let Some(canary) = &target.canary {
        let mut seen = target.main.clone();
        lay_over(&mut seen, &canary.changes);
        found.extend(schema.violations(&seen));
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found.dedup();
    }
    found
}

fn refuse(violations: Vec<Violation>) -> Result<(), Refusal> {
    if violations.is_empty() { Ok(()) } else { Err(Refusal::Invalid(violations)) }
}
