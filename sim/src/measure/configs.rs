//! The harness' own books on configuration: what was truly released, and from it what each replica should have been
//! told and should act upon. The simulated world never sees them. They are a second, simpler history: whole states, one
//! for each release, compared with each other; the server keeps rows and their versions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foreshock_systems::config_manager::watch_log::{self, Guarantee, LogEntry};
use foreshock_systems::config_manager::{CanaryRule, Entry, Event, ReleaseId, Revision, Scope, Value};

use crate::kernel::time::{Span, Time};

/// Ids of the invariants on configuration.
pub(crate) mod config_invariant {
    /// What a replica is told never goes back.
    pub(crate) const ORDERED: &str = "config_ordered";
    /// No change is told twice.
    pub(crate) const UNIQUE: &str = "config_unique";
    /// A release is told in one piece.
    pub(crate) const ATOMIC: &str = "config_atomic";
    /// Between two releases that were told, every one was.
    pub(crate) const RELIABLE: &str = "config_reliable";
    /// Whoever begins anew misses nothing, or is told that it comes too late.
    pub(crate) const RESUMABLE: &str = "config_resumable";
    /// After it was said that all has been told, nothing older is.
    pub(crate) const BOOKMARKABLE: &str = "config_bookmarkable";
    /// What a replica acts upon is what was released to it, whole, at the revision it says.
    pub(crate) const EFFECTIVE: &str = "config_effective";
}

/// An invariant that does not hold, and what was seen.
type Broken = (&'static str, String);

/// What a release was meant to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Released {
    /// These values, for everybody.
    Publish { set: Vec<(String, Value)> },
    /// These values, for some.
    Canary { rule: CanaryRule, set: Vec<(String, Value)> },
    /// What was at an earlier release.
    Rollback(ReleaseId),
}

/// A value with its history, as an event shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    value: Arc<Value>,
    revision: Revision,
    created: Revision,
    version: u64,
}

type Rows = BTreeMap<String, Row>;

/// All of an application's settings after a release.
#[derive(Clone, Debug, Default)]
struct State {
    release: u64,
    revision: Revision,
    main: Rows,
    canary: Rows,
    rule: Option<CanaryRule>,
}

impl State {
    fn seen_by(&self, instance: &str) -> Rows {
        let mut rows = self.main.clone();
        if self.rule.as_ref().is_some_and(|rule| rule.reaches(instance)) {
            rows.extend(self.canary.iter().map(|(name, row)| (name.clone(), row.clone())));
        }
        rows
    }
}

/// Makes rows what they shall be; those that stay the same keep their history.
fn rewritten(rows: &Rows, values: &BTreeMap<String, Value>, revision: Revision) -> Rows {
    let rewrite = |(name, value): (&String, &Value)| {
        let row = match rows.get(name) {
            Some(row) if *row.value == *value => row.clone(),
            Some(row) => Row {
                value: Arc::new(value.clone()),
                revision,
                created: row.created,
                version: row.version + 1,
            },
            None => Row { value: Arc::new(value.clone()), revision, created: revision, version: 1 },
        };
        (name.clone(), row)
    };
    values.iter().map(rewrite).collect()
}

fn values(rows: &Rows) -> BTreeMap<String, Value> {
    rows.iter().map(|(name, row)| (name.clone(), Value::clone(&row.value))).collect()
}

/// What a replica was told, and what it should have been.
#[derive(Debug)]
struct Watcher {
    scope: Scope,
    log: Vec<LogEntry>,
    truth: Vec<Event>,
    /// States of its application that `truth` has.
    known_states: usize,
    in_force: Revision,
    heard_at: Time,
    broken: BTreeSet<Guarantee>,
    is_misled: bool,
    /// Since when something stands in the log that was not looked at.
    unchecked_since: Option<Time>,
}

/// A log is looked at when nothing was added to it for so long: what is told in several messages is judged as a whole.
const SETTLED: Span = Span::from_millis(500);

/// Entries of a log before it is begun anew; only replicas that cannot reach their server come so far.
const MOST_ENTRIES: usize = 4_096;

/// A release that has not come to all whom it is for.
#[derive(Debug)]
struct Spreading {
    at: Time,
    revision: Revision,
    waiting: BTreeSet<String>,
}

/// The books on one server.
#[derive(Debug, Default)]
pub(crate) struct ConfigBook {
    states: BTreeMap<Scope, Vec<State>>,
    watchers: BTreeMap<String, Watcher>,
    spreading: Vec<Spreading>,
    converge_max: Span,
    converged: u64,
    revisions_at_once_max: u64,
    age_max: Span,
}

/// What the books on a server say when a run is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigsMeasured {
    /// The server.
    pub server: String,
    /// Releases that came to all whom they were for.
    pub converged: u64,
    /// The longest time that took.
    pub converge_max: Span,
    /// Releases that did not come to all, unless another one made up for it.
    pub unconverged: u64,
    /// Most revisions that replicas of one application acted upon at once.
    pub revisions_at_once_max: u64,
    /// The longest time for which a replica did not hear of its server.
    pub age_max: Span,
}

impl ConfigsMeasured {
    pub(crate) fn counts(&self) -> [(String, u64); 5] {
        [
            ("converged".to_string(), self.converged),
            ("converge_us_max".to_string(), self.converge_max.as_nanos() / 1_000),
            ("unconverged".to_string(), self.unconverged),
            ("revisions_at_once_max".to_string(), self.revisions_at_once_max),
            ("age_us_max".to_string(), self.age_max.as_nanos() / 1_000),
        ]
    }
}

impl ConfigBook {
    /// A release has taken effect.
    pub(crate) fn released(
        &mut self,
        scope: &Scope,
        (release, revision): (ReleaseId, Revision),
        what: &Released,
        now: Time,
    ) {
        let states = self.states.entry(scope.clone()).or_default();
        // A store that lost its end gives numbers a second time.
        states.retain(|state| state.revision < revision);
        let before = states.last().cloned().unwrap_or_default();
        let lay_over = |mut values: BTreeMap<String, Value>, set: &[(String, Value)]| {
            values.extend(set.iter().cloned());
            values
        };
        let (main, canary, rule) = match what {
            Released::Publish { set } => {
                (lay_over(values(&before.main), set), values(&before.canary), before.rule.clone())
            }
            Released::Canary { rule, set } => {
                (values(&before.main), set.iter().cloned().collect(), Some(rule.clone()))
            }
            Released::Rollback(to) => {
                let target = states.iter().find(|state| state.release == to.0).cloned().unwrap_or_default();
                (values(&target.main), values(&target.canary), target.rule)
            }
        };
        let state = State {
            release: release.0,
            revision,
            main: rewritten(&before.main, &main, revision),
            canary: rewritten(&before.canary, &canary, revision),
            rule,
        };
        let reaches = |instance: &str| before.seen_by(instance) != state.seen_by(instance);
        let concerned = self.watchers.iter().filter(|(_, watcher)| watcher.scope == *scope);
        let waiting: BTreeSet<String> =
            concerned.map(|(name, _)| name.clone()).filter(|name| reaches(name)).collect();
        if !waiting.is_empty() {
            self.spreading.push(Spreading { at: now, revision, waiting });
        }
        states.push(state);
    }

    /// A replica was told something.
    pub(crate) fn heard(
        &mut self,
        scope: &Scope,
        instance: &str,
        log: Vec<LogEntry>,
        now: Time,
    ) -> Vec<Broken> {
        let watcher = self.watchers.entry(instance.to_string()).or_insert_with(|| Watcher::new(scope, now));
        let is_told = log.iter().any(|entry| !matches!(entry, LogEntry::Begun { .. }));
        if is_told {
            self.age_max = self.age_max.max(now.since(watcher.heard_at));
            watcher.heard_at = now;
        }
        let states = self.states.get(&watcher.scope).map_or(&[] as &[State], Vec::as_slice);
        let is_due = watcher.unchecked_since.is_some_and(|since| now.since(since) >= SETTLED);
        let broken = if is_due { watcher.check(states, instance) } else { Vec::new() };
        for entry in log {
            if watcher.write_down(entry) {
                watcher.unchecked_since = Some(now);
            }
        }
        broken
    }

    /// Looks at everything that was not looked at yet.
    pub(crate) fn close(&mut self) -> Vec<Broken> {
        let mut broken = Vec::new();
        for (instance, watcher) in &mut self.watchers {
            let states = self.states.get(&watcher.scope).map_or(&[] as &[State], Vec::as_slice);
            broken.extend(watcher.check(states, instance));
        }
        broken
    }

    /// A replica acts upon these values from now on, and says that they are of this revision.
    pub(crate) fn in_force(
        &mut self,
        scope: &Scope,
        instance: &str,
        revision: Revision,
        acts_upon: &BTreeMap<String, Value>,
        now: Time,
    ) -> Option<Broken> {
        let watcher = self.watchers.entry(instance.to_string()).or_insert_with(|| Watcher::new(scope, now));
        watcher.in_force = revision;
        for spreading in &mut self.spreading {
            if spreading.revision <= revision
                && spreading.waiting.remove(instance)
                && spreading.waiting.is_empty()
            {
                self.converge_max = self.converge_max.max(now.since(spreading.at));
                self.converged += 1;
            }
        }
        self.spreading.retain(|spreading| !spreading.waiting.is_empty());
        let of_scope = self.watchers.values().filter(|watcher| watcher.scope == *scope);
        let at_once: BTreeSet<Revision> =
            of_scope.map(|watcher| watcher.in_force).filter(|revision| *revision > Revision::ZERO).collect();
        self.revisions_at_once_max = self.revisions_at_once_max.max(at_once.len() as u64);
        let states = self.states.get(scope).map_or(&[] as &[State], Vec::as_slice);
        let state = states.iter().rev().find(|state| state.revision <= revision);
        let should = state.map(|state| values(&state.seen_by(instance))).unwrap_or_default();
        let watcher = self.watchers.get_mut(instance)?;
        if should == *acts_upon || std::mem::replace(&mut watcher.is_misled, true) {
            return None;
        }
        let witness = format!(
            "{instance} acts upon {} at revision {revision}, released to it was {}",
            listed(acts_upon),
            listed(&should)
        );
        Some((config_invariant::EFFECTIVE, witness))
    }

    pub(crate) fn finish(&self, server: String, now: Time) -> ConfigsMeasured {
        let ages = self.watchers.values().map(|watcher| now.since(watcher.heard_at));
        ConfigsMeasured {
            server,
            converged: self.converged,
            converge_max: self.converge_max,
            unconverged: self.spreading.len() as u64,
            revisions_at_once_max: self.revisions_at_once_max,
            age_max: ages.max().unwrap_or(Span::ZERO).max(self.age_max),
        }
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        const ITEM_BYTES: usize = 64;
        let states: usize =
            self.states.values().flatten().map(|state| state.main.len() + state.canary.len() + 1).sum();
        let watched = self.watchers.values().map(|watcher| watcher.log.len() + watcher.truth.len() + 4);
        (ITEM_BYTES * (states + watched.sum::<usize>())) as u64
    }
}

impl Watcher {
    fn new(scope: &Scope, now: Time) -> Watcher {
        Watcher {
            scope: scope.clone(),
            log: Vec::new(),
            truth: Vec::new(),
            known_states: 0,
            in_force: Revision::ZERO,
            heard_at: now,
            broken: BTreeSet::new(),
            is_misled: false,
            unchecked_since: None,
        }
    }

    /// Adds an entry; `false` if it says nothing that the one before did not say. So a log does not grow with time.
    fn write_down(&mut self, entry: LogEntry) -> bool {
        match (&entry, self.log.as_slice()) {
            (LogEntry::Bookmark(new), [.., LogEntry::Bookmark(old)]) if new == old => false,
            (LogEntry::Begun { from: new }, [.., LogEntry::Begun { from: old }]) if new == old => false,
            // A poll that brought nothing, after another.
            (
                LogEntry::Bookmark(new),
                [
                    ..,
                    LogEntry::Begun { from: first },
                    LogEntry::Bookmark(old),
                    LogEntry::Begun { from: second },
                ],
            ) if new == old && first == second => {
                self.log.pop();
                false
            }
            _ => {
                self.log.push(entry);
                true
            }
        }
    }

    /// What it should have been told by now.
    fn follow(&mut self, states: &[State], instance: &str) {
        self.known_states = self.known_states.min(states.len());
        let mut before = match self.known_states.checked_sub(1) {
            Some(last) => states[last].seen_by(instance),
            None => Rows::new(),
        };
        for state in &states[self.known_states..] {
            let after = state.seen_by(instance);
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for name in names.into_iter().filter(|name| before.get(*name) != after.get(*name)) {
                let Ok(key) = self.scope.key(name) else { continue };
                let entry = after.get(name).map(|row| Entry {
                    value: Arc::clone(&row.value),
                    revision: row.revision,
                    created: row.created,
                    version: row.version,
                });
                self.truth.push(Event { revision: state.revision, key, entry });
            }
            before = after;
        }
        self.known_states = states.len();
    }

    fn check(&mut self, states: &[State], instance: &str) -> Vec<Broken> {
        self.unchecked_since = None;
        self.follow(states, instance);
        let mut broken = Vec::new();
        for violation in watch_log::violations(&self.log, &self.truth) {
            let guarantee = violation.guarantee();
            if self.broken.insert(guarantee) {
                broken.push((name_of(guarantee), format!("{instance}: {violation}")));
            }
        }
        self.bound();
        broken
    }

    /// Begins a log anew that has become too long; what it said so far has been looked at.
    fn bound(&mut self) {
        if self.log.len() <= MOST_ENTRIES {
            return;
        }
        let reached = self.log.iter().map(|entry| match entry {
            LogEntry::Batch(events) => events.iter().map(|event| event.revision).max().unwrap_or_default(),
            LogEntry::Bookmark(revision) | LogEntry::Resynced(revision) => *revision,
            LogEntry::Begun { .. } | LogEntry::TooLate(_) => Revision::ZERO,
        });
        let reached = reached.max().unwrap_or_default();
        let last = self.log.iter().rev().find(|entry| matches!(entry, LogEntry::Begun { .. })).cloned();
        self.log = vec![LogEntry::Resynced(reached)];
        self.log.extend(last);
    }
}

const fn name_of(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::Ordered => config_invariant::ORDERED,
        Guarantee::Unique => config_invariant::UNIQUE,
        Guarantee::Atomic => config_invariant::ATOMIC,
        Guarantee::Reliable => config_invariant::RELIABLE,
        Guarantee::Resumable => config_invariant::RESUMABLE,
        Guarantee::Bookmarkable => config_invariant::BOOKMARKABLE,
    }
}

fn listed(values: &BTreeMap<String, Value>) -> String {
    let texts: Vec<String> = values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    if texts.is_empty() { "nothing".to_string() } else { texts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope::new("shop", "default", "application").expect("a good name")
    }

    fn set(number: i64) -> Vec<(String, Value)> {
        vec![("a".to_string(), Value::Integer(number)), ("b".to_string(), Value::Integer(-number))]
    }

    fn publish(book: &mut ConfigBook, number: u64) {
        let what = Released::Publish { set: set(number as i64) };
        book.released(&scope(), (ReleaseId(number), Revision(number)), &what, Time::ZERO);
    }

    #[test]
    fn a_log_does_not_grow_while_nothing_happens() {
        let mut book = ConfigBook::default();
        publish(&mut book, 1);
        for _ in 0..10_000 {
            let log = vec![LogEntry::Begun { from: Revision(2) }, LogEntry::Bookmark(Revision(1))];
            let first = vec![LogEntry::Resynced(Revision(1))];
            if book.watchers.is_empty() {
                assert_eq!(book.heard(&scope(), "shop/1", first, Time::ZERO), []);
            }
            assert_eq!(book.heard(&scope(), "shop/1", log, Time::ZERO), []);
        }
        assert!(book.watchers["shop/1"].log.len() < 6);
    }

    #[test]
    fn what_was_not_told_is_missed_and_what_is_acted_upon_is_compared() {
        let mut book = ConfigBook::default();
        for number in 1..=3 {
            publish(&mut book, number);
        }
        let log = vec![
            LogEntry::Resynced(Revision(1)),
            LogEntry::Begun { from: Revision(2) },
            LogEntry::Bookmark(Revision(3)),
        ];
        assert_eq!(book.heard(&scope(), "shop/1", log, Time::ZERO), [], "more of it may be on its way");
        let broken: Vec<&str> = book.close().into_iter().map(|(id, _)| id).collect();
        assert_eq!(broken, [config_invariant::RESUMABLE]);
        let acts = |number: i64| set(number).into_iter().collect::<BTreeMap<_, _>>();
        assert_eq!(book.in_force(&scope(), "shop/1", Revision(3), &acts(3), Time::ZERO), None);
        let (id, _) = book.in_force(&scope(), "shop/1", Revision(3), &acts(2), Time::ZERO).expect("stale");
        assert_eq!(id, config_invariant::EFFECTIVE);
    }
}
