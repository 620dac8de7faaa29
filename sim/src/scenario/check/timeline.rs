//! Faults and changes: when each starts, how long it lasts, what it does.

use super::Checker;
use super::run::span_or;
use super::selectors::link_text;
use crate::faults::Fault;
use crate::kernel::time::{Span, Time};
use crate::scenario::path::Path;
use crate::scenario::plan::{
    Action, Condition, DeployPlan, EntryEdge, EntryId, EntryPlan, Party, Phase, RunPlan, Setting, Strategy,
    Trigger,
};
use crate::scenario::raw::{RawCondition, RawDeploy, RawEntry, RawExtraHop, RawScale, RawStrategy};

/// The actions an entry may have.
const ACTIONS: [&str; 8] = ["fault", "deploy", "config", "flag", "publish", "scale", "extra_hop", "rollback"];

impl Checker<'_> {
    /// All entries of the timeline.
    pub(crate) fn resolve_timeline(&mut self, raw: &[RawEntry], run: &RunPlan) {
        let path = Path::root().key("timeline");
        for (index, entry) in raw.iter().enumerate() {
            self.declare_entry(&path.index(index).key("id"), &entry.id.0, EntryId(index as u32));
        }
        for (index, entry) in raw.iter().enumerate() {
            let at = path.index(index);
            let trigger = self.trigger(&at, entry);
            let action = self.action(&at, entry, raw);
            // Placeholders keep the ids of later entries; with them there is an error, so that no plan is made.
            self.timeline.push(EntryPlan {
                id: entry.id.0.clone(),
                trigger: trigger.unwrap_or(Trigger::At(Time::ZERO)),
                lasts: entry.lasts.as_ref().map(|lasts| lasts.0),
                action: action.unwrap_or(Action::Config(Vec::new())),
            });
        }
        self.check_order(&path);
        self.check_times(&path, run);
    }

    fn trigger(&mut self, path: &Path, raw: &RawEntry) -> Option<Trigger> {
        let ways: Vec<&str> =
            [(raw.at.is_some(), "at"), (raw.after.is_some(), "after"), (raw.when.is_some(), "when")]
                .into_iter()
                .filter_map(|(given, key)| given.then_some(key))
                .collect();
        match ways.as_slice() {
            [] => {
                let help = "add `at: 60s`, `after: other.end + 5s` or `when:`".to_string();
                self.missing(path, format!("`{}` does not say when it starts", raw.id.0), Some(help));
            }
            [_] => {}
            [first, second, ..] => {
                let message = format!("both `{first}` and `{second}` say when it starts");
                self.error_at_key(&path.key(second), message, Some("keep one of them".to_string()));
            }
        }
        if raw.delay.is_some() && raw.when.is_none() && self.lost.is_whole(path) {
            let message = "`delay` has an effect with `when` only".to_string();
            self.error_at_key(&path.key("delay"), message, Some("write `after: other.end + 5s`".to_string()));
        }
        if let Some(at) = &raw.at {
            return Some(Trigger::At(Time::ZERO + at.0));
        }
        if let Some(after) = &raw.after {
            let (edge, pause) = self.entry_edge_with_pause(&path.key("after"), after)?;
            return Some(Trigger::After(edge, pause));
        }
        let condition = self.condition(&path.key("when"), raw.when.as_ref()?)?;
        Some(Trigger::When(condition, span_or(raw.delay.as_ref(), Span::ZERO)))
    }

    fn condition(&mut self, path: &Path, raw: &RawCondition) -> Option<Condition> {
        match raw {
            RawCondition::BreakerOpen(call) => {
                let path = path.key("breaker_open");
                let edge = self.edge_named(&path, call)?;
                if self.calls_are_whole()
                    && self.edges.get(edge.index()).is_some_and(|edge| edge.policy.breaker.is_none())
                {
                    self.error_at_value(&path, format!("the call `{call}` has no breaker"), None);
                }
                Some(Condition::BreakerOpen(edge))
            }
            RawCondition::QueueAtLeast(raw) => {
                let service = self.service(&path.key("queue_at_least").key("service"), &raw.service)?;
                Some(Condition::QueueAtLeast(service, raw.waiting.0))
            }
            RawCondition::AlertFires(alert) => self.alert_named(&path.key("alert_fires"), alert),
        }
    }

    /// Reads `id.start`, `id.end`.
    pub(crate) fn entry_edge(&mut self, path: &Path, text: &str) -> Option<EntryEdge> {
        let (id, phase) = match text.trim().rsplit_once('.') {
            Some((id, "start")) => (id, Phase::Start),
            Some((id, "end")) => (id, Phase::End),
            Some(_) | None => {
                let help = "write it as in `slow-link.end` or `slow-link.start`".to_string();
                self.error_at_value(
                    path,
                    format!("`{text}` is not the start or end of an entry"),
                    Some(help),
                );
                return None;
            }
        };
        Some(EntryEdge { entry: self.entry(path, id)?, phase })
    }

    /// Reads `id.end + 5s`.
    fn entry_edge_with_pause(&mut self, path: &Path, text: &str) -> Option<(EntryEdge, Span)> {
        let (edge, pause) = match text.split_once('+') {
            None => (text, Span::ZERO),
            Some((edge, pause)) => match pause.trim().parse::<Span>() {
                Ok(pause) => (edge, pause),
                Err(error) => {
                    self.error_at_value(path, error.to_string(), None);
                    return None;
                }
            },
        };
        Some((self.entry_edge(path, edge)?, pause))
    }

    fn action(&mut self, path: &Path, raw: &RawEntry, all: &[RawEntry]) -> Option<Action> {
        let given = actions_of(raw);
        match given.as_slice() {
            [] => {
                let help = format!("add one of {}", crate::scenario::suggest::listed(&ACTIONS));
                self.missing(path, format!("`{}` does nothing", raw.id.0), Some(help));
            }
            [_] => {}
            [first, second, ..] => {
                let message = format!("`{}` does two things: `{first}` and `{second}`", raw.id.0);
                self.error_at_key(&path.key(second), message, Some("make two entries of it".to_string()));
            }
        }
        if let Some(fault) = &raw.fault {
            return fault.resolve(self, &path.key("fault")).map(Action::Fault);
        }
        if let Some(deploy) = &raw.deploy {
            return self.deploy(&path.key("deploy"), deploy).map(Action::Deploy);
        }
        if let Some(config) = &raw.config {
            if config.is_empty() {
                self.missing(&path.key("config"), "no setting changes".to_string(), None);
            }
            return Some(Action::Config(settings(config)));
        }
        if let Some(flag) = &raw.flag {
            return self.flag_change(&path.key("flag"), flag).map(Action::Flag);
        }
        if let Some(scale) = &raw.scale {
            return self.scale(&path.key("scale"), scale);
        }
        if let Some(hop) = &raw.extra_hop {
            return self.extra_hop(&path.key("extra_hop"), hop);
        }
        if let Some(publish) = &raw.publish {
            return self.publish(&path.key("publish"), publish, &raw.id.0);
        }
        let of = &raw.rollback.as_ref()?.of;
        self.rollback(&path.key("rollback").key("of"), of, all)
    }

    fn deploy(&mut self, path: &Path, raw: &RawDeploy) -> Option<DeployPlan> {
        let service = self.service(&path.key("service"), &raw.service);
        let strategy = match raw.strategy {
            None | Some(RawStrategy::Rolling) => {
                Strategy::Rolling { every: span_or(raw.every.as_ref(), Span::from_secs(10)) }
            }
            Some(RawStrategy::AllAtOnce) => Strategy::AllAtOnce,
            Some(RawStrategy::Canary) => {
                if raw.share.is_none() {
                    let help = "add `share: 10%`".to_string();
                    self.missing(path, "a canary without a share".to_string(), Some(help));
                }
                Strategy::Canary { share_ppm: raw.share.as_ref().map_or(0, |share| share.0) }
            }
        };
        let only = [
            ("every", raw.every.is_some(), matches!(strategy, Strategy::Rolling { .. }), "rolling"),
            ("share", raw.share.is_some(), matches!(strategy, Strategy::Canary { .. }), "canary"),
        ];
        for (key, given, applies, strategy) in only {
            if given && !applies && self.lost.is_whole(path) {
                let message = format!("`{key}` has an effect with `strategy: {strategy}` only");
                self.error_at_key(&path.key(key), message, None);
            }
        }
        Some(DeployPlan {
            service: service?,
            version: raw.version.0.clone(),
            strategy,
            downtime: span_or(raw.downtime.as_ref(), Span::ZERO),
            set: settings(&raw.set),
        })
    }

    fn scale(&mut self, path: &Path, raw: &RawScale) -> Option<Action> {
        let service = self.service(&path.key("service"), &raw.service)?;
        Some(Action::Scale { service, replicas: raw.replicas.0 })
    }

    fn extra_hop(&mut self, path: &Path, raw: &RawExtraHop) -> Option<Action> {
        let at = path.key("link");
        let link = link_text(&raw.link).filter(|link| !link.both);
        let Some(link) = link else {
            let help = "write it as in `a -> b`".to_string();
            self.error_at_value(&at, format!("`{}` is not a directed link", raw.link), Some(help));
            return None;
        };
        let (from, to) = (self.party(&at, link.from), self.service(&at, link.to));
        let hop = self.service(&path.key("name"), &raw.name.0)?;
        let (from, to) = (from?, to?);
        if !self.edges.iter().any(|edge| edge.caller == from && edge.callee == to) {
            self.unused_link(&at, &raw.link, Some(from), Some(Party::Service(to)));
            return None;
        }
        let (proxy, far) = (Party::Service(hop), Party::Service(to));
        let links =
            [self.link(from, proxy), self.link(proxy, far), self.link(far, proxy), self.link(proxy, from)];
        Some(Action::ExtraHop { from, to, hop, links })
    }

    fn rollback(&mut self, path: &Path, of: &str, all: &[RawEntry]) -> Option<Action> {
        let of = self.entry(path, of)?;
        let undone = all.get(of.index())?;
        if undone.fault.is_some() || undone.rollback.is_some() {
            let what = if undone.fault.is_some() { "a fault" } else { "a rollback" };
            let help = "give a fault a `for` to end it; deploy, config, flag, publish, scale and extra_hop can be rolled back";
            let message = format!("`{}` is {what}, not a change that can be undone", undone.id.0);
            self.error_at_value(path, message, Some(help.to_string()));
            return None;
        }
        Some(Action::Rollback { of })
    }

    /// Refuses entries that wait for each other in a circle.
    fn check_order(&mut self, path: &Path) {
        let next = |index: usize| match self.timeline.get(index).map(|entry| &entry.trigger) {
            Some(Trigger::After(edge, _)) => Some(edge.entry.index()),
            Some(Trigger::At(_) | Trigger::When(..)) | None => None,
        };
        let mut circles: Vec<Vec<usize>> = Vec::new();
        // On which walk an entry was passed; whoever meets the present walk has closed a circle.
        let mut passed_on: Vec<Option<usize>> = vec![None; self.timeline.len()];
        for start in 0..self.timeline.len() {
            let mut way: Vec<usize> = Vec::new();
            let mut here = Some(start);
            while let Some(index) = here {
                match passed_on.get(index).copied().flatten() {
                    Some(walk) if walk == start => {
                        let first = way.iter().position(|passed| *passed == index).unwrap_or(0);
                        circles.push(way.split_off(first));
                        break;
                    }
                    Some(_) => break,
                    None => {}
                }
                if let Some(place) = passed_on.get_mut(index) {
                    *place = Some(start);
                }
                way.push(index);
                here = next(index);
            }
        }
        for circle in circles {
            let id = |index: &usize| self.timeline.get(*index).map_or("", |entry| entry.id.as_str());
            let mut names: Vec<&str> = circle.iter().map(id).collect();
            names.extend(circle.first().map(id));
            let message = format!("these entries wait for each other: {}", names.join(" after "));
            let first = circle.first().copied().unwrap_or(0);
            self.error_at_value(
                &path.index(first).key("after"),
                message,
                Some("start one with `at`".to_string()),
            );
        }
    }

    /// Says which entries start after the run, and which last beyond it.
    fn check_times(&mut self, path: &Path, run: &RunPlan) {
        let end = Time::ZERO + run.duration;
        for index in 0..self.timeline.len() {
            let Some(start) = self.start_of(index, self.timeline.len()) else { continue };
            let Some(entry) = self.timeline.get(index) else { continue };
            let lasts = entry.lasts;
            let by_instant = matches!(entry.trigger, Trigger::At(_));
            let at = path.index(index);
            if start >= end {
                let key = if by_instant { "at" } else { "after" };
                let message = format!("starts at {start}, the run ends at {end}");
                let help = "start it earlier, or lengthen `run.duration`".to_string();
                self.error_at_value(&at.key(key), message, Some(help));
            } else if let Some(lasts) = lasts.filter(|lasts| start + *lasts > end) {
                let message = format!("lasts until {}, the run ends at {end}", start + lasts);
                let help = "leave `for` out to last to the end".to_string();
                self.warn(&at.key("for"), message, Some(help));
            }
        }
        for index in 0..self.timeline.len() {
            let Some(entry) = self.timeline.get(index) else { continue };
            let awaited = match &entry.trigger {
                Trigger::After(edge, _) => Some(*edge),
                Trigger::At(_) | Trigger::When(..) => None,
            };
            if entry.lasts.is_some_and(Span::is_zero) {
                self.error_at_value(&path.index(index).key("for"), "lasts no time at all".to_string(), None);
            }
            if let Some(edge) = awaited {
                self.check_that_it_ends(&path.index(index).key("after"), edge);
            }
        }
    }

    /// Refuses to wait for the end of a fault that lasts to the end of the run.
    pub(crate) fn check_that_it_ends(&mut self, path: &Path, edge: EntryEdge) {
        let Some(entry) = self.timeline.get(edge.entry.index()) else { return };
        let endless = match &entry.action {
            Action::Fault(Fault::Restart(_)) => false,
            Action::Fault(_) => entry.lasts.is_none(),
            Action::Deploy(_)
            | Action::Config(_)
            | Action::Flag(_)
            | Action::Scale { .. }
            | Action::Publish(_)
            | Action::ExtraHop { .. }
            | Action::Rollback { .. } => false,
        };
        let place = Path::root().key("timeline").index(edge.entry.index());
        if edge.phase == Phase::End && endless && self.lost.is_whole(&place) {
            let message = format!("`{}` lasts to the end of the run", entry.id);
            self.error_at_value(path, message, Some("give it a `for`".to_string()));
        }
    }

    /// When an entry starts, if that does not depend on what happens in the run.
    pub(crate) fn start_of(&self, index: usize, steps_left: usize) -> Option<Time> {
        let entry = self.timeline.get(index)?;
        match &entry.trigger {
            Trigger::At(at) => Some(*at),
            Trigger::When(..) => None,
            Trigger::After(edge, pause) => {
                let before = self.timeline.get(edge.entry.index())?;
                let start = self.start_of(edge.entry.index(), steps_left.checked_sub(1)?)?;
                match edge.phase {
                    Phase::Start => Some(start + *pause),
                    Phase::End => Some(start + before.lasts? + *pause),
                }
            }
        }
    }
}

fn actions_of(raw: &RawEntry) -> Vec<&'static str> {
    let given = [
        raw.fault.is_some(),
        raw.deploy.is_some(),
        raw.config.is_some(),
        raw.flag.is_some(),
        raw.publish.is_some(),
        raw.scale.is_some(),
        raw.extra_hop.is_some(),
        raw.rollback.is_some(),
    ];
    ACTIONS.into_iter().zip(given).filter_map(|(action, given)| given.then_some(action)).collect()
}

fn settings(raw: &indexmap::IndexMap<String, serde_json::Value>) -> Vec<Setting> {
    raw.iter().map(|(path, value)| Setting { path: path.clone(), value: value.clone() }).collect()
}
