//! Kind `flag-server`: keeps feature flags, tells their revisions to whoever follows them, on a stream or when asked.
//!
//! What it keeps is in its database: a crash costs it its streams, and what is changed meanwhile is published once it is
//! back. Who follows it is known from messages only, and each message may get lost: signs of life on a stream name
//! the present revision, so that whoever has missed one asks for everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::feature_flags::definition::{Change, Event, SegmentDefinition};
use foreshock_systems::feature_flags::{ControlPlane, Input};
use serde_json::{Map, Value};

use super::definition;
use super::settings::{self, Settings};
use super::{FlagsAsked, FlagsTold};
use crate::cluster::{
    ConfigEdit, Cx, Durable, FlagCommand, Message, Node, NodeId, Note, Probes, Request, Token,
};
use crate::kernel::draw::{Lineage, name_hash};
use crate::kernel::time::{Span, Time};
use crate::nodes::Kind;
use crate::nodes::service::ServiceNode;
use crate::nodes::tokens::FLAGS;
use crate::scenario::plan::{Action, EntryId, FlagServed, Plan, ServiceId, ServicePlan};

/// Kind `flag-server`.
pub(in crate::nodes) struct FlagServer;

impl Kind for FlagServer {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        settings::read(settings).err().unwrap_or_default()
    }

    fn flags_served(settings: &Map<String, Value>) -> Option<Vec<FlagServed>> {
        // Of settings that cannot be read nothing is known; that has been told already.
        let flags = settings::read(settings).map(|settings| settings.flags).unwrap_or_default();
        let served =
            |(name, flag): (String, Value)| FlagServed { name, has_rollout: definition::has_rollout(&flag) };
        Some(flags.into_iter().map(served).collect())
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(Server::new(service, plan))
    }
}

pub(super) fn read(plan: &ServicePlan) -> Settings {
    settings::read(&plan.settings).expect("the plan's settings were checked")
}

/// A node that keeps flags. Requests it answers like any service.
struct Server {
    service: ServiceId,
    plan: Arc<Plan>,
    inner: ServiceNode,
    settings: Settings,
    control: ControlPlane,
    /// As they were published last.
    published: BTreeMap<String, Value>,
    segments: BTreeMap<i64, SegmentDefinition>,
    /// Changes in force, in the order in which they began.
    changes: Vec<EntryId>,
    is_up: bool,
    /// Whoever has opened a stream, and whose replica it is.
    streams: BTreeMap<NodeId, ServiceId>,
    /// When something was last said on all streams.
    last_told: Time,
    /// Messages sent, by whom they go to: what others are told is none of their chance.
    told: BTreeMap<NodeId, u64>,
    asked: Asked,
}

/// How often it was asked.
#[derive(Default)]
struct Asked {
    polls: u64,
    streams: u64,
    /// The present second, and how often in it.
    second: u64,
    in_second: u64,
    most_in_second: u64,
}

impl Asked {
    fn count(&mut self, now: Time, stream: bool) {
        let count = if stream { &mut self.streams } else { &mut self.polls };
        *count += 1;
        let second = now.as_nanos() / Span::from_secs(1).as_nanos();
        if second != self.second {
            (self.second, self.in_second) = (second, 0);
        }
        self.in_second += 1;
        self.most_in_second = self.most_in_second.max(self.in_second);
    }
}

/// Who changes flags, for the audit trail.
const AUTHOR: &str = "scenario";

impl Server {
    fn new(service: ServiceId, plan: &Arc<Plan>) -> Server {
        let settings = read(&plan.services[service.index()]);
        Server {
            service,
            plan: Arc::clone(plan),
            inner: ServiceNode::new(service, plan, None),
            control: ControlPlane::new(settings.log as usize),
            published: BTreeMap::new(),
            segments: BTreeMap::new(),
            changes: Vec::new(),
            is_up: false,
            streams: BTreeMap::new(),
            last_told: Time::ZERO,
            told: BTreeMap::new(),
            asked: Asked::default(),
            settings,
        }
    }

    /// The flags as the settings and the changes in force would have them.
    fn wanted(&self) -> BTreeMap<String, Value> {
        let mut flags = self.settings.flags.clone();
        for entry in &self.changes {
            if let Action::Flag(change) = &self.plan.timeline[entry.index()].action
                && let Some(flag) = flags.get_mut(&change.flag)
            {
                definition::changed(flag, change);
            }
        }
        flags
    }

    /// Publishes what is not as it should be, and tells it on all streams.
    fn publish(&mut self, cx: &mut Cx<'_>) {
        if !self.is_up {
            return;
        }
        let after = self.control.revision();
        let was_empty = after == 0;
        let (wanted, changes) = if was_empty {
            (self.settings.flags.clone(), vec![Change::Hydration(self.settings.state())])
        } else {
            let wanted = self.wanted();
            let changes = self.differences(&wanted);
            (wanted, changes)
        };
        self.segments = self.settings.segments.iter().map(|one| (one.id, one.clone())).collect();
        let mut events: Vec<Event> = Vec::with_capacity(changes.len());
        for change in changes {
            let event = self.control.publish(cx.local_time(), AUTHOR, change);
            cx.flags_published(&event, &wanted);
            events.push(event);
        }
        self.published = wanted;
        if events.is_empty() {
            return;
        }
        self.tell_all(&Input::Delta { after, events }, cx);
        if was_empty && !self.changes.is_empty() {
            self.publish(cx);
        }
    }

    fn differences(&self, wanted: &BTreeMap<String, Value>) -> Vec<Change> {
        let different = wanted.iter().filter(|(name, flag)| self.published.get(*name) != Some(*flag));
        let flags = different.map(|(_, flag)| Change::FeatureUpdated { feature: flag.clone().into() });
        let kept = |id: &i64| self.settings.segments.iter().any(|segment| segment.id == *id);
        let gone = self.segments.keys().filter(|id| !kept(id));
        let new = self.settings.segments.iter().filter(|one| self.segments.get(&one.id) != Some(*one));
        let segments = new.map(|segment| Change::SegmentUpdated { segment: segment.clone() });
        flags.chain(segments).chain(gone.map(|id| Change::SegmentRemoved { segment_id: *id })).collect()
    }

    fn tell_all(&mut self, input: &Input, cx: &mut Cx<'_>) {
        self.last_told = cx.now();
        for (to, service) in self.streams.clone() {
            self.tell(to, service, input.clone(), cx);
        }
    }

    fn tell(&mut self, to: NodeId, service: ServiceId, input: Input, cx: &mut Cx<'_>) {
        let Some(flags) = &self.plan.services[service.index()].flags else { return };
        let link = flags.answer_link;
        let told = self.told.entry(to).or_insert(0);
        *told += 1;
        let name = &self.plan.services[self.service.index()].name;
        let identity = Lineage::root(name_hash(&format!("flags/{name}")) ^ cx.name_of(to), *told).raw();
        let note = cx.write(Note::FlagsTold(Box::new(FlagsTold { input })));
        cx.send_note(link, to, note, identity);
        cx.forget(note);
    }

    fn answer(&mut self, from: NodeId, asked: FlagsAsked, cx: &mut Cx<'_>) {
        self.asked.count(cx.now(), asked.stream);
        if asked.stream {
            self.streams.insert(from, asked.service);
            self.tell(from, asked.service, Input::StreamOpened, cx);
        }
        let answer = self.control.answer(asked.have);
        self.tell(from, asked.service, answer, cx);
    }

    /// A sign of life on all streams that have been silent: nothing new since the present revision. It could overtake
    /// news that was sent a moment before.
    fn beat(&mut self, cx: &mut Cx<'_>) {
        if cx.now() >= self.last_told + self.settings.heartbeat {
            self.tell_all(&Input::Delta { after: self.control.revision(), events: Vec::new() }, cx);
        }
        cx.wake_at(self.last_told + self.settings.heartbeat, FLAGS);
    }

    fn command(&mut self, command: FlagCommand, cx: &mut Cx<'_>) {
        self.changes.retain(|entry| *entry != command.entry);
        if command.begins {
            self.changes.push(command.entry);
        }
        self.publish(cx);
    }
}

impl Node for Server {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.inner.start(cx);
        let was_up = std::mem::replace(&mut self.is_up, true);
        self.publish(cx);
        // A process that is replaced without a crash goes on with its timer.
        if !was_up {
            cx.wake_at(cx.now() + self.settings.heartbeat, FLAGS);
        }
    }

    fn deliver(&mut self, from: NodeId, message: Message, cx: &mut Cx<'_>) {
        match message {
            Message::Note(note) => {
                if let Some(Note::FlagsAsked(asked)) = cx.note(note).cloned() {
                    self.answer(from, asked, cx);
                }
            }
            Message::Flag(command) => self.command(command, cx),
            Message::Request(_)
            | Message::Done(_)
            | Message::Cancel(_)
            | Message::Fill(_)
            | Message::Invalidate { .. }
            | Message::Entry { .. }
            | Message::Load(_) => self.inner.deliver(from, message, cx),
        }
    }

    fn wake(&mut self, token: Token, cx: &mut Cx<'_>) {
        if token == FLAGS {
            self.beat(cx);
        } else {
            if token == Token::RECONFIGURED {
                self.publish(cx);
            }
            self.inner.wake(token, cx);
        }
    }

    fn crash(&mut self, keep: Durable, lost: &mut dyn FnMut(&Request)) {
        self.is_up = false;
        self.streams.clear();
        self.inner.crash(keep, lost);
    }

    fn reconfigure(&mut self, edit: &ConfigEdit<'_>) -> Result<(), String> {
        let settings = read(&edit.plan.services[self.service.index()]);
        if settings.log != self.settings.log {
            return Err("the length of the log stays as it is while the server runs".to_string());
        }
        self.inner.reconfigure(edit)?;
        self.plan = Arc::clone(edit.plan);
        self.settings = settings;
        Ok(())
    }

    fn probe(&self, out: &mut Probes) {
        self.inner.probe(out);
        out.counts.insert("revision", self.control.revision());
        out.counts.insert("polls", self.asked.polls);
        out.counts.insert("streams_opened", self.asked.streams);
        out.counts.insert("streams", self.streams.len() as u64);
        out.counts.insert("told", self.told.values().sum());
        out.counts.insert("asked_peak_per_s", self.asked.most_in_second);
    }
}
