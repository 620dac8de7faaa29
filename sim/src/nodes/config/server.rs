//! Kind `config-server`: questions go through the waiting line and the workers of a service, long polls wait without a
//! worker, and what the library's server wants said leaves over the links. Releases come from the timeline, as from
//! somebody who works at the server. What is told is what the library says, when it says it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use foreshock_systems::config_manager::{
    Answer, Batch, Command, Input, Output, PeerId, Push, Refusal, ReleaseId, Request as Question, RequestId,
    Scope, Server, View, WatchId,
};

use super::defects::distorted;
use super::settings::{Settings, read};
use super::wire::{Ask, Asked, Peer, Told, What};
use super::{Defect, instance};
use crate::cluster::{Cx, Durable, Note, Probes, Ref, Request};
use crate::kernel::draw::{Lineage, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::Released;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::store::AnyStore;
use crate::scenario::config_scope;
use crate::scenario::plan::{Action, EntryId, Plan, PublishPlan, ServiceId, ServicePlan};

/// Who releases.
const OPERATOR: PeerId = PeerId(u64::MAX);
const AUTHOR: &str = "operator";

/// A release that is under way.
struct Pending {
    application: String,
    what: Released,
    /// The entry of the timeline that it is, if it can be undone.
    entry: Option<EntryId>,
}

#[derive(Default)]
struct Counts {
    released: u64,
    refused: u64,
    watches_begun: u64,
    polls: u64,
    pushes: u64,
    restarts: u64,
    /// Of lives that are over.
    snapshots: u64,
    too_late: u64,
}

/// A configuration server at work.
pub(super) struct Desk {
    service: ServiceId,
    plan: Arc<Plan>,
    settings: Settings,
    defect: Defect,
    /// `None` before the first start.
    server: Option<Server<AnyStore>>,
    /// What a crash left, until the next start.
    keep: Durable,
    /// The last life of each replica that spoke.
    lives: BTreeMap<(ServiceId, u32), u32>,
    /// Messages to each replica so far: what names them in draws.
    sent: BTreeMap<(ServiceId, u32), u64>,
    /// Requests that wait for an answer.
    parked: BTreeMap<(Peer, u64), Ref>,
    /// Those whose answer is there.
    ready: VecDeque<Ref>,
    /// Questions of the operator so far.
    asked: u64,
    pending: BTreeMap<RequestId, Pending>,
    /// By application.
    latest: BTreeMap<String, ReleaseId>,
    /// By entry: what to restore.
    undo: BTreeMap<EntryId, (String, ReleaseId)>,
    stash: BTreeMap<(Peer, WatchId), Batch>,
    seen: Time,
    counts: Counts,
}

impl Desk {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>, defect: Defect) -> Desk {
        let settings =
            read(&plan.services[service.index()].settings).expect("the plan's settings were checked");
        Desk {
            service,
            plan: Arc::clone(plan),
            settings,
            defect,
            server: None,
            keep: Durable::Disk,
            lives: BTreeMap::new(),
            sent: BTreeMap::new(),
            parked: BTreeMap::new(),
            ready: VecDeque::new(),
            asked: 0,
            pending: BTreeMap::new(),
            latest: BTreeMap::new(),
            undo: BTreeMap::new(),
            stash: BTreeMap::new(),
            seen: Time::ZERO,
            counts: Counts::default(),
        }
    }

    /// Lets the library do something and carries out what comes of it.
    fn handle(&mut self, input: Input, cx: &mut Cx<'_>) {
        let Some(server) = &mut self.server else { return };
        let mut out = Vec::new();
        server.handle(self.seen, input, &mut out).expect("the disk has room");
        self.carry_out(out, cx);
    }

    fn carry_out(&mut self, out: Vec<Output>, cx: &mut Cx<'_>) {
        for output in out {
            match output {
                Output::Answer { to: OPERATOR, request, answer } => self.operated(request, answer, cx),
                Output::Answer { to, request, answer } => {
                    let Some(peer) = self.peer(to) else { continue };
                    self.ready.extend(self.parked.remove(&(peer, request.0)));
                    self.tell(peer, What::Answer(request, answer), cx);
                }
                Output::Push { to, watch, push } => {
                    if let Some(peer) = self.peer(to) {
                        self.push(peer, watch, push, cx);
                    }
                }
            }
        }
    }

    fn push(&mut self, peer: Peer, watch: WatchId, push: Push, cx: &mut Cx<'_>) {
        match push {
            Push::Batch(batch) => {
                let mut stash = self.stash.remove(&(peer, watch));
                for batch in distorted(self.defect, &mut stash, batch) {
                    self.tell(peer, What::Push(watch, Push::Batch(batch)), cx);
                }
                self.stash.extend(stash.map(|batch| ((peer, watch), batch)));
            }
            Push::Compacted(_) | Push::Cancelled => self.tell(peer, What::Push(watch, push), cx),
        }
    }

    /// Says something to a replica.
    fn tell(&mut self, peer: Peer, what: What, cx: &mut Cx<'_>) {
        let Some(client) = &self.plan.services[peer.service.index()].config_client else { return };
        self.counts.pushes += u64::from(matches!(what, What::Push(..)));
        let link = self.plan.edges[client.edge.index()].response_link;
        let sent = self.sent.entry((peer.service, peer.replica)).or_default();
        *sent += 1;
        let names = (
            &self.plan.services[self.service.index()].name,
            instance(&self.plan, peer.service, peer.replica),
        );
        let identity = Lineage::root(name_hash(&format!("config/{}/{}", names.0, names.1)), *sent).raw();
        let note = cx.write(Note::Config(Box::new(Told { life: peer.life, what })));
        let to = cx.replica_of(peer.service, peer.replica);
        cx.send_note(link, to, note, identity);
        cx.forget(note);
    }

    /// Who a peer of the library is, in its present life.
    fn peer(&self, id: PeerId) -> Option<Peer> {
        let who = (ServiceId((id.0 >> 32) as u32), id.0 as u32 >> 8);
        let life = *self.lives.get(&who)?;
        let peer = Peer { service: who.0, replica: who.1, life };
        (id_of(peer) == id).then_some(peer)
    }

    /// Notes that a replica speaks; `false` if it is a life that is over.
    fn meet(&mut self, peer: Peer, cx: &mut Cx<'_>) -> bool {
        let who = (peer.service, peer.replica);
        let known = self.lives.get(&who).copied();
        if known.is_some_and(|known| known > peer.life) {
            return false;
        }
        if let Some(before) = known.filter(|known| *known < peer.life) {
            // Its connection is closed.
            let gone = Peer { life: before, ..peer };
            self.handle(Input::Gone(id_of(gone)), cx);
            self.stash.retain(|(of, _), _| *of != gone);
            let over: Vec<(Peer, u64)> = self.parked.keys().filter(|(of, _)| *of == gone).copied().collect();
            self.ready.extend(over.iter().filter_map(|key| self.parked.remove(key)));
        }
        self.lives.insert(who, peer.life);
        true
    }

    fn view(&self, peer: Peer) -> Option<View> {
        let service = self.plan.services.get(peer.service.index())?;
        let scopes = service.config_client.as_ref()?.client.view.scopes.clone();
        Some(View { instance: instance(&self.plan, peer.service, peer.replica), scopes })
    }

    /// A replica asks.
    fn asked(&mut self, mut asked: Asked, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        let Some(view) = self.view(asked.peer) else { return Verdict::Fail };
        if !self.meet(asked.peer, cx) {
            return ANSWERED;
        }
        let waits = match &mut asked.ask {
            Ask::Watch { from } => {
                self.counts.watches_begun += 1;
                if self.defect == Defect::SkipsOnResume && from.0 > 2 {
                    *from = from.next();
                }
                false
            }
            Ask::Unwatch => false,
            Ask::Snapshot => true,
            Ask::Poll { .. } => {
                self.counts.polls += 1;
                true
            }
        };
        let key = (asked.peer, asked.number);
        if waits {
            self.parked.insert(key, job);
        }
        let (from, request) = (id_of(asked.peer), RequestId(asked.number));
        self.handle(Input::Request { from, request, body: asked.request(view) }, cx);
        if waits && self.parked.contains_key(&key) {
            return Verdict::Wait;
        }
        self.ready.retain(|ready| *ready != job);
        ANSWERED
    }

    /// The operator does something.
    fn operate(&mut self, scope: &Scope, command: Command, pending: Option<Pending>, cx: &mut Cx<'_>) {
        self.asked += 1;
        let request = RequestId(self.asked);
        self.pending.extend(pending.map(|pending| (request, pending)));
        let body = Question::Release { scope: scope.clone(), author: AUTHOR.to_string(), command };
        self.handle(Input::Request { from: OPERATOR, request, body }, cx);
    }

    fn release(
        &mut self,
        application: &str,
        set: &[(String, foreshock_systems::config_manager::Value)],
        canary: Option<&foreshock_systems::config_manager::CanaryRule>,
        entry: Option<EntryId>,
        cx: &mut Cx<'_>,
    ) {
        let Some(scope) = config_scope(application) else { return };
        for (name, value) in set {
            let edit = Command::Edit { name: name.clone(), value: Some(value.clone()) };
            self.operate(&scope, edit, None, cx);
        }
        let set = set.to_vec();
        let comment = String::new();
        let (command, what) = match canary {
            Some(rule) if self.defect != Defect::CanaryForAll => (
                Command::PublishCanary { rule: rule.clone(), comment },
                Released::Canary { rule: rule.clone(), set },
            ),
            Some(rule) => {
                (Command::Publish { comment, expected: None }, Released::Canary { rule: rule.clone(), set })
            }
            None => (Command::Publish { comment, expected: None }, Released::Publish { set }),
        };
        let pending = Pending { application: application.to_string(), what, entry };
        self.operate(&scope, command, Some(pending), cx);
    }

    /// What came of something that the operator did.
    fn operated(&mut self, request: RequestId, answer: Answer, cx: &mut Cx<'_>) {
        let pending = self.pending.remove(&request);
        match (answer, pending) {
            (Answer::Done { release: Some(release), revision }, Some(pending)) => {
                let Pending { application, what, entry } = pending;
                self.counts.released += 1;
                let before = self.latest.insert(application.clone(), release);
                if let Some(entry) = entry {
                    cx.touch(entry);
                    self.undo.extend(before.map(|before| (entry, (application.clone(), before))));
                }
                cx.config_released(&application, (release, revision), what);
            }
            (Answer::Refused(refusal), Some(pending)) => {
                self.counts.refused += u64::from(!matches!(refusal, Refusal::NothingToPublish));
                if let Some(scope) = config_scope(&pending.application) {
                    self.operate(&scope, Command::Discard, None, cx);
                }
            }
            _ => {}
        }
    }

    /// Opens what the store holds, and publishes what there is from the start if it holds nothing.
    fn open(&mut self, store: AnyStore, cx: &mut Cx<'_>) {
        let server = Server::open(store, self.settings.config);
        self.server = Some(server.expect("a log loses its end in a crash, and nothing else"));
        for (name, application) in self.settings.applications.clone() {
            if self.latest.contains_key(&name) {
                continue;
            }
            let Some(scope) = config_scope(&name) else { continue };
            if let Some(schema) = application.schema {
                self.operate(&scope, Command::SetSchema(Some(schema)), None, cx);
            }
            let values: Vec<_> = application.values.into_iter().collect();
            if !values.is_empty() {
                self.release(&name, &values, None, None, cx);
            }
        }
    }

    fn publish(&mut self, entry: EntryId, publish: &PublishPlan, cx: &mut Cx<'_>) {
        self.release(&publish.application, &publish.set, publish.canary.as_ref(), Some(entry), cx);
    }

    fn take_back(&mut self, entry: EntryId, cx: &mut Cx<'_>) {
        let Some((application, before)) = self.undo.remove(&entry) else { return };
        let Some(scope) = config_scope(&application) else { return };
        let pending = Pending { application, what: Released::Rollback(before), entry: None };
        self.operate(&scope, Command::Rollback(before), Some(pending), cx);
    }
}

const ANSWERED: Verdict = Verdict::Answer(Answered { missed: false, value: 0 });

/// A life of a replica as the library names it: lives that follow each other differ.
const fn id_of(peer: Peer) -> PeerId {
    PeerId((peer.service.0 as u64) << 32 | ((peer.replica as u64) & 0xFF_FFFF) << 8 | peer.life as u64 & 0xFF)
}

impl Behaviour for Desk {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        self.seen = self.seen.max(cx.local_time());
        match Asked::read(request.key, request.arguments) {
            Some(asked) => self.asked(asked, job, cx),
            None => Verdict::Fail,
        }
    }

    fn demand(&self, request: &Request, usual: Span) -> Span {
        match Asked::read(request.key, request.arguments) {
            Some(Asked { ask: Ask::Snapshot, .. }) => usual + self.settings.snapshot_time,
            Some(_) | None => usual,
        }
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.seen = self.seen.max(cx.local_time());
        let disk = match self.server.take() {
            None => None,
            Some(server) => {
                self.counts.restarts += 1;
                let stats = server.stats();
                self.counts.snapshots += stats.snapshots;
                self.counts.too_late += stats.too_late;
                let entropy = cx.key("power").draw(cx.redrawn(self.counts.restarts));
                server.into_store().crash(self.keep, entropy)
            }
        };
        if disk.is_none() {
            self.latest.clear();
        }
        self.open(AnyStore::open(self.settings.store, disk), cx);
    }

    fn crash(&mut self, keep: Durable) {
        self.keep = keep;
        self.lives.clear();
        self.parked.clear();
        self.ready.clear();
        self.pending.clear();
        self.stash.clear();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        let Ok(settings) = read(&plan.settings) else { return };
        let is_taken = self.server.as_mut().is_none_or(|server| server.reconfigure(settings.config).is_ok());
        if is_taken {
            self.settings = settings;
        }
    }

    fn deadline(&self) -> Option<Time> {
        if !self.ready.is_empty() {
            return Some(Time::ZERO);
        }
        self.server.as_ref().and_then(Server::deadline)
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        self.seen = self.seen.max(local);
        let due = self.server.as_ref().and_then(Server::deadline).is_some_and(|due| due <= self.seen);
        if let Some(server) = self.server.as_mut().filter(|_| due) {
            let mut out = Vec::new();
            server.expire(self.seen, &mut out).expect("the disk has room");
            self.carry_out(out, cx);
        }
        if self.ready.is_empty() {
            return None;
        }
        Some(Woken { jobs: self.ready.drain(..).collect(), verdict: Some(ANSWERED) })
    }

    fn entry(&mut self, entry: EntryId, begins: bool, cx: &mut Cx<'_>) {
        self.seen = self.seen.max(cx.local_time());
        let plan = Arc::clone(&self.plan);
        match &plan.timeline[entry.index()].action {
            Action::Publish(publish) if begins => self.publish(entry, publish, cx),
            Action::Publish(_) => self.take_back(entry, cx),
            Action::Fault(_)
            | Action::Deploy(_)
            | Action::Config(_)
            | Action::Flag(_)
            | Action::Scale { .. }
            | Action::ExtraHop { .. }
            | Action::Rollback { .. } => {}
        }
    }

    fn probe(&self, out: &mut Probes) {
        let stats = self.server.as_ref().map(Server::stats).unwrap_or_default();
        let clients: BTreeSet<&(ServiceId, u32)> = self.lives.keys().collect();
        out.counts.extend([
            ("releases", self.counts.released),
            ("releases_refused", self.counts.refused),
            ("revision", stats.revision.0),
            ("compacted", stats.compacted.0),
            ("clients", clients.len() as u64),
            ("watches_begun", self.counts.watches_begun),
            ("polls", self.counts.polls),
            ("pushes", self.counts.pushes),
            ("snapshots", self.counts.snapshots + stats.snapshots),
            ("too_late", self.counts.too_late + stats.too_late),
        ]);
        if self.counts.restarts > 0 {
            out.counts.insert("restarts", self.counts.restarts);
        }
    }
}
