//! Kind `alert-router`: the library's dispatcher with a store. Each request is an alert: its operation is the name, its
//! key becomes labels. It tells receivers, which are the services that it calls. Who was told what, and silences, survive
//! a crash; alerts come again by themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foreshock_systems::notification::dispatch::{
    Alert, Dispatcher, Input, Notification, NotificationId, Output, Rejected,
};
use foreshock_systems::notification::{InhibitRule, Labels, PeerId};
use foreshock_systems::store::SimDisk;

use super::peers::{PeerMail, Peers};
use super::router_settings::{self, Settings};
use super::{LEAVES_IT_TO_OTHERS, NOW_AND_THEN, SWALLOWS, wire};
use crate::cluster::{CallSpec, Cx, Done, Durable, Probes, Ref, Request, Slab};
use crate::kernel::draw::{Lineage, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::{NoticeFact, NoticeProbe, OutcomeKind};
use crate::nodes::payments::calls_of;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::store::{AnyStore, Fallen};
use crate::scenario::plan::{EdgeId, LoadId, Plan, ServiceId, ServicePlan};

/// An alert as it was last heard of.
struct Heard {
    labels: Labels,
    ends_at: Time,
    load: LoadId,
}

/// A notification that is on its way.
#[derive(Clone)]
struct UnderWay {
    id: NotificationId,
    firing: Vec<u64>,
    resolved: Vec<u64>,
}

#[derive(Default)]
struct Counts {
    alerts: u64,
    refused: u64,
    delivered: u64,
    unanswered: u64,
    given_up: u64,
    told_firing: u64,
    most_in_one: u64,
    crashes: u64,
    gossip_sent: u64,
    gossip_heard: u64,
}

pub(super) struct Router {
    service: ServiceId,
    plan: Arc<Plan>,
    settings: Settings,
    peers: Peers,
    /// To receivers, by their names.
    edges: BTreeMap<String, EdgeId>,
    first: String,
    dispatcher: Option<Dispatcher<AnyStore>>,
    fallen: Option<Fallen>,
    heard: BTreeMap<u64, Heard>,
    under_way: Slab<UnderWay>,
    /// What was given up or is tried again: its alerts, until it is known that they are told.
    unanswered: BTreeMap<NotificationId, Vec<u64>>,
    within: Span,
    next_cleaning: Time,
    retries: u64,
    /// The last instant on its own clock.
    seen: Time,
    service_hash: u64,
    counts: Counts,
    defect: u8,
}

const DONE: Verdict = Verdict::Answer(Answered { missed: false, value: 0 });

impl Router {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>, defect: u8) -> Router {
        let own = &plan.services[service.index()];
        let name = |edge: EdgeId| plan.services[plan.edges[edge.index()].callee.index()].name.clone();
        let settings = read(own);
        let edges = calls_of(plan, service);
        let peers = Peers::new(service, settings.peers.as_ref(), &edges, plan);
        let is_receiver = |edge: &EdgeId| !peers.has(plan.edges[edge.index()].callee);
        let edges: Vec<EdgeId> = edges.into_iter().filter(is_receiver).collect();
        Router {
            service,
            plan: Arc::clone(plan),
            settings,
            peers,
            first: edges.first().map_or_else(String::new, |edge| name(*edge)),
            edges: edges.into_iter().map(|edge| (name(edge), edge)).collect(),
            dispatcher: None,
            fallen: None,
            heard: BTreeMap::new(),
            under_way: Slab::new(),
            unanswered: BTreeMap::new(),
            within: Span::ZERO,
            next_cleaning: Time::ZERO,
            retries: 0,
            seen: Time::ZERO,
            service_hash: name_hash(&own.name),
            counts: Counts::default(),
            defect,
        }
    }

    fn open(&mut self, disk: Option<SimDisk>) {
        let store = AnyStore::open(self.settings.store, disk);
        let mut config = self.settings.config(&self.first, self.retries);
        config.cluster = self.settings.peers.as_ref().map(|settings| self.peers.cluster(settings));
        let opened = Dispatcher::open(store, config, self.seen);
        let mut dispatcher = opened.expect("the plan's settings were checked");
        let mut out = Vec::new();
        for silence in &self.settings.silences {
            if dispatcher.silences().get(&silence.id).is_none() {
                // It was checked, and a simulated disk that is on takes every write; alone, it tells nobody.
                let _ = dispatcher.handle(self.seen, Input::SetSilence(silence.clone()), &mut out);
            }
        }
        let waits = dispatcher
            .routes()
            .iter()
            .map(|(_, route)| route.options.group_wait.max(route.options.group_interval));
        // A failed attempt may need a tick of its own.
        self.within = waits.max().unwrap_or(Span::ZERO) + self.wait_for_peers() + Span::from_secs(1);
        self.dispatcher = Some(dispatcher);
    }

    fn handle(&mut self, input: Input, cx: &mut Cx<'_>) -> Result<(), Rejected> {
        self.seen = cx.local_time();
        let Some(dispatcher) = &mut self.dispatcher else { return Ok(()) };
        let mut out = Vec::new();
        let result = dispatcher.handle(self.seen, input, &mut out);
        self.carry_out(out, cx);
        result
    }

    fn carry_out(&mut self, out: Vec<Output>, cx: &mut Cx<'_>) {
        for output in out {
            match output {
                Output::Notify(notification) => self.notify(&notification, cx),
                Output::GaveUp(id) => {
                    self.counts.given_up += 1;
                    if let Some(alerts) = self.unanswered.remove(&id) {
                        cx.notice(self.service, NoticeFact::AlertsFailed(alerts));
                    }
                }
                Output::Gossip { to, gossip } => {
                    self.counts.gossip_sent += 1;
                    self.peers.send(to, gossip, cx);
                }
            }
        }
    }

    /// How long it waits at most for those before it to tell, once it is its turn to look.
    fn wait_for_peers(&self) -> Span {
        let Some(settings) = &self.settings.peers else { return Span::ZERO };
        settings.peer_timeout.saturating_mul(settings.names.len() as u64)
    }

    /// The mistake of a broken variant: that it is not the first is enough for it.
    fn leaves_it_to_others(&self) -> bool {
        let cluster = self.dispatcher.as_ref().and_then(Dispatcher::cluster);
        self.defect == LEAVES_IT_TO_OTHERS && cluster.is_some_and(|cluster| cluster.position(self.seen) > 0)
    }

    fn notify(&mut self, notification: &Notification, cx: &mut Cx<'_>) {
        let Some(edge) = self.edges.get(&notification.receiver).copied() else { return };
        if self.leaves_it_to_others() {
            return;
        }
        let is_first = notification.attempt == 1;
        let alerts: Vec<u64> = notification.firing.iter().map(|alert| alert.labels.fingerprint()).collect();
        let resolved = notification.resolved.iter().map(|alert| alert.labels.fingerprint()).collect();
        self.counts.told_firing += if is_first { alerts.len() as u64 } else { 0 };
        self.counts.most_in_one = self.counts.most_in_one.max(alerts.len() as u64);
        cx.notice(self.service, NoticeFact::NotificationSent { is_first });
        let sent = self.counts.delivered + self.counts.unanswered + self.under_way.len() as u64 + 1;
        if self.defect == SWALLOWS && sent.is_multiple_of(NOW_AND_THEN) {
            self.counts.delivered += 1;
            // What is not awaited is not noted: there is nothing more to it.
            let _ = self.handle(Input::Delivered(notification.id), cx);
            return;
        }
        let key = wire::key_word(&notification.idempotency_key());
        let load =
            alerts.first().and_then(|alert| self.heard.get(alert)).map_or(LoadId(0), |heard| heard.load);
        let group = name_hash(&notification.group);
        self.unanswered.insert(notification.id, alerts.clone());
        let at = self.under_way.insert(UnderWay { id: notification.id, firing: alerts, resolved });
        cx.call(
            CallSpec {
                load,
                key: group,
                arguments: wire::arguments(key, notification.id.number, notification.attempt),
                is_retry: !is_first,
                token: at.pack(),
                ..CallSpec::of_its_own(
                    edge,
                    Lineage(key).call(self.service_hash, notification.attempt),
                    cx.now(),
                )
            },
            Ref::NONE,
        );
    }

    fn alert(&mut self, request: &Request, cx: &mut Cx<'_>) -> Verdict {
        self.counts.alerts += 1;
        let now = cx.local_time();
        let labels = self.settings.labels(&self.plan.operations[request.operation.index()], request.key);
        let id = labels.fingerprint();
        let ends_at = now + self.settings.resolve_timeout;
        let alert = Alert { labels: labels.clone(), annotations: Labels::default(), ends_at: None };
        match self.handle(Input::Alert(alert), cx) {
            Ok(()) => {
                self.heard.insert(id, Heard { labels, ends_at, load: request.load });
                let fact = NoticeFact::AlertHeard { alert: id, ends_at, within: self.within };
                cx.notice(self.service, fact);
                DONE
            }
            Err(error) => {
                self.counts.refused += 1;
                if error == Rejected::TooManyAlerts { Verdict::TurnAway } else { Verdict::Fail }
            }
        }
    }

    /// Forgets alerts that are over, now and then.
    fn forget_ended(&mut self, local: Time) {
        if self.next_cleaning <= local {
            self.next_cleaning = local + self.settings.resolve_timeout;
            self.heard.retain(|_, heard| heard.ends_at + self.within > local);
        }
    }

    /// Alerts of which nobody has to be told now.
    fn excused(&self, dispatcher: &Dispatcher<AnyStore>) -> BTreeSet<u64> {
        let on_the_way = self.unanswered.values().flatten().copied();
        let was_silenced = |labels: &Labels| {
            let over = |ends_at: Time| ends_at <= self.seen && ends_at + self.within > self.seen;
            dispatcher
                .silences()
                .iter()
                .any(|silence| over(silence.ends_at) && silence.matchers.matches(labels))
        };
        let quiet = self.heard.iter().filter(|(_, heard)| {
            let labels = &heard.labels;
            dispatcher.is_muted(self.seen, labels)
                || was_silenced(labels)
                || self.settings.inhibit.iter().any(|rule| self.was_inhibited(rule, labels))
        });
        on_the_way.chain(quiet.map(|(alert, _)| *alert)).collect()
    }

    /// Whether something inhibited it until just now.
    fn was_inhibited(&self, rule: &InhibitRule, labels: &Labels) -> bool {
        rule.target.matches(labels)
            && self.heard.values().any(|source| {
                source.ends_at + self.within > self.seen
                    && rule.source.matches(&source.labels)
                    && rule.equal.iter().all(|name| source.labels.get(name) == labels.get(name))
            })
    }
}

fn read(plan: &ServicePlan) -> Settings {
    router_settings::read(&plan.settings).expect("the plan's settings were checked")
}

impl Behaviour for Router {
    fn answer(&mut self, request: &Request, _job: Ref, cx: &mut Cx<'_>) -> Verdict {
        self.alert(request, cx)
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        cx.notice(self.service, NoticeFact::RouterStarts);
        if self.settings.peers.is_some() {
            cx.notice(self.service, NoticeFact::RouterPeers(self.peers.services()));
        }
        self.retries = cx.key("retries").draw(cx.redrawn(0));
        self.seen = cx.local_time();
        if self.dispatcher.is_none() {
            let disk = self.fallen.take().and_then(|fallen| fallen.disk(self.counts.crashes, cx));
            self.open(disk);
        }
    }

    fn crash(&mut self, keep: Durable) {
        self.counts.crashes += 1;
        self.fallen = self.dispatcher.take().map(|dispatcher| dispatcher.into_store().fallen(keep));
        self.heard.clear();
        self.under_way = Slab::new();
        self.unanswered.clear();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        let settings = read(plan);
        if settings == self.settings {
            return;
        }
        self.peers = Peers::new(
            self.service,
            settings.peers.as_ref(),
            &calls_of(&self.plan, self.service),
            &self.plan,
        );
        self.settings = settings;
        // As a reload does it: routes and groups are made anew of the alerts that fire, who was told what stays known.
        let Some(dispatcher) = self.dispatcher.take() else { return };
        let disk = dispatcher.into_store().crash(Durable::Written, 0);
        self.open(disk);
        let Some(dispatcher) = &mut self.dispatcher else { return };
        let mut out = Vec::new();
        for heard in self.heard.values().filter(|heard| heard.ends_at > self.seen) {
            let (labels, ends_at) = (heard.labels.clone(), Some(heard.ends_at));
            // It was taken before; a group tells nobody before its wait is over.
            let alert = Alert { labels, annotations: Labels::default(), ends_at };
            let _ = dispatcher.handle(self.seen, Input::Alert(alert), &mut out);
        }
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn peer_told(&mut self, mail: PeerMail, cx: &mut Cx<'_>) {
        self.counts.gossip_heard += 1;
        let input = Input::Gossip { from: PeerId(mail.from.0), gossip: mail.gossip };
        // A simulated disk that is on takes every write.
        let _ = self.handle(input, cx);
    }

    fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) -> Option<Woken> {
        let UnderWay { id, firing, resolved } = self.under_way.remove(Ref::unpack(done.token))?.clone();
        if done.outcome == OutcomeKind::Ok {
            self.counts.delivered += 1;
            self.unanswered.remove(&id);
            cx.notice(self.service, NoticeFact::AlertsTold { firing, resolved });
            // A late answer to what was given up is none: the next tick decides anew.
            let _ = self.handle(Input::Delivered(id), cx);
        } else {
            self.counts.unanswered += 1;
            if self.handle(Input::Failed { id, retryable: true }, cx).is_err() {
                self.unanswered.remove(&id); // another took its place
            }
        }
        None
    }

    fn deadline(&self) -> Option<Time> {
        self.dispatcher.as_ref().and_then(Dispatcher::deadline)
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        self.seen = local;
        if let Some(dispatcher) = &mut self.dispatcher
            && dispatcher.deadline().is_some_and(|due| due <= local)
        {
            let mut out = Vec::new();
            // A simulated disk that is on takes every write.
            let _ = dispatcher.expire(local, &mut out);
            self.forget_ended(local);
            self.carry_out(out, cx);
        }
        None
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("alerts", counts.alerts),
            ("refused", counts.refused),
            ("delivered", counts.delivered),
            ("unanswered", counts.unanswered),
            ("given_up", counts.given_up),
            ("told_firing", counts.told_firing),
            ("crashes", counts.crashes),
        ]);
        if self.settings.peers.is_some() {
            out.counts.insert("gossip_sent", counts.gossip_sent);
            out.counts.insert("gossip_heard", counts.gossip_heard);
        }
        out.maxima.insert("most_alerts_in_one", counts.most_in_one);
        let Some(dispatcher) = &self.dispatcher else { return };
        out.counts.insert("groups", dispatcher.group_count() as u64);
        out.notices = Some(NoticeProbe::Router { excused: self.excused(dispatcher) });
    }
}
