//! Kind `notifier`: the library's delivery with a store. Each request is a trigger: its operation is the category, its key
//! the recipient. It hands messages to the providers that it calls, in their order. What it has written survives a crash
//! as far as its store lets it; a request is answered when what it asks for is durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::notification::WallClock;
use foreshock_systems::notification::delivery::{
    Account, Answer, CategoryId, Channel, Delivery, DeliveryConfig, Input, MessageId, Order, Output,
    ProviderId, RecipientId, Rejected, Tally, Trigger,
};
use foreshock_systems::notification::template::{Escape, MissingVariable, PlainTemplates, TemplateSource};

use super::notifier_settings::{self, Settings};
use super::people::{Draws, People};
use super::{DIGESTS_AGAIN, IGNORES_OPT_OUTS, LOSES_WRITES, NOW_AND_THEN, SWALLOWS, wire};
use crate::cluster::{CallSpec, Cx, Done, Durable, Probes, Ref, Request};
use crate::kernel::draw::{Lineage, name_hash};
use crate::kernel::time::Time;
use crate::measure::{Asked, Kept, NoticeFact, NoticeProbe};
use crate::nodes::payments::calls_of;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::store::{AnyStore, Fallen};
use crate::scenario::plan::{EdgeId, LoadId, OperationId, Plan, ServiceId, ServicePlan};

/// The name of the one template.
pub(super) const TEMPLATE: &str = "notice";

/// Under which keys messages are written.
const MESSAGES: &[u8] = b"notification/message/";

/// Bits of a call's token that are the attempt; the others are the message.
const ATTEMPT_BITS: u32 = 16;

#[derive(Default)]
struct Counts {
    asked: u64,
    repeated: u64,
    refused: u64,
    hand_outs: u64,
    failovers: u64,
    late_answers: u64,
    crashes: u64,
}

pub(super) struct Notifier {
    service: ServiceId,
    plan: Arc<Plan>,
    settings: Settings,
    /// To the providers, which are numbered in this order.
    edges: Vec<EdgeId>,
    delivery: Option<Delivery<AnyStore>>,
    fallen: Option<Fallen>,
    people: People,
    /// Requests whose trigger is not durable yet.
    waiting: BTreeMap<String, Vec<Ref>>,
    /// Requests that have their answers.
    woken: Vec<Ref>,
    /// Which provider had a message last.
    last_provider: BTreeMap<MessageId, ProviderId>,
    draws: Option<Draws>,
    retries: u64,
    /// The last instant on its own clock.
    seen: Time,
    service_hash: u64,
    counts: Counts,
    defect: u8,
}

const DONE: Verdict = Verdict::Answer(Answered { missed: false, value: 0 });

impl Notifier {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>, defect: u8) -> Notifier {
        let own = &plan.services[service.index()];
        Notifier {
            service,
            plan: Arc::clone(plan),
            settings: read(own),
            edges: calls_of(plan, service),
            delivery: None,
            fallen: None,
            people: People::default(),
            waiting: BTreeMap::new(),
            woken: Vec::new(),
            last_provider: BTreeMap::new(),
            draws: None,
            retries: 0,
            seen: Time::ZERO,
            service_hash: name_hash(&own.name),
            counts: Counts::default(),
            defect,
        }
    }

    fn config(&self) -> DeliveryConfig {
        let plan = &self.plan;
        let callees = self.edges.iter().map(|edge| {
            let callee = &plan.services[plan.edges[edge.index()].callee.index()];
            (callee.name.as_str(), &callee.settings)
        });
        self.settings.config(&plan.operations, callees, self.retries)
    }

    fn open(&mut self, cx: &mut Cx<'_>) {
        let leak = (self.defect == LOSES_WRITES).then_some((MESSAGES, NOW_AND_THEN));
        let disk = self.fallen.take().and_then(|fallen| fallen.disk(self.counts.crashes, cx));
        let store = AnyStore::open(self.settings.store, disk).leaky(leak);
        let templates = PlainTemplates::new(MissingVariable::Empty).with(TemplateSource {
            name: TEMPLATE.to_string(),
            locale: String::new(),
            version: 1,
            subject: String::new(),
            body: "{{ event_count }}".to_string(),
            escape: Escape::None,
        });
        let now = cx.local_time();
        let opened = Delivery::open(store, self.config(), Box::new(templates), now);
        let mut delivery = opened.expect("the plan's settings were checked");
        if self.defect != IGNORES_OPT_OUTS {
            self.people.introduce(delivery.preferences_mut());
        }
        if self.counts.crashes > 0 {
            cx.notice(self.service, NoticeFact::Found(kept(&delivery)));
        }
        let mut out = Vec::new();
        let clock = WallClock { origin_unix_s: self.settings.wall_clock_s };
        // A store that was just opened takes writes, and nothing is to be written yet but what is due.
        let _ = delivery.set_clock(now, clock, &mut out);
        self.delivery = Some(delivery);
        self.carry_out(out, cx);
    }

    /// Lets the delivery take something, and does what it wants done. How it went.
    fn handle(&mut self, input: Input, cx: &mut Cx<'_>) -> Result<(), Rejected> {
        self.seen = cx.local_time();
        let Some(delivery) = &mut self.delivery else { return Ok(()) };
        let mut out = Vec::new();
        let result = delivery.handle(self.seen, input, &mut out);
        self.carry_out(out, cx);
        result
    }

    fn carry_out(&mut self, out: Vec<Output>, cx: &mut Cx<'_>) {
        for output in out {
            match output {
                Output::Accepted { message, trigger, channel, .. } => {
                    let id = trigger_id(&trigger);
                    let fact = NoticeFact::Accepted { message: message.0, trigger: id, channel };
                    cx.notice(self.service, fact);
                    self.woken.extend(self.waiting.remove(&trigger).unwrap_or_default());
                }
                Output::Duplicate { key } => {
                    self.counts.repeated += 1;
                    self.woken.extend(self.waiting.remove(&key).unwrap_or_default());
                }
                Output::Send(order) => self.send(&order, cx),
                Output::State { message, state, events } => {
                    if state.account() != Account::Pending {
                        self.last_provider.remove(&message);
                        let fact = NoticeFact::Ended { message: message.0, account: state.account(), events };
                        cx.notice(self.service, fact);
                    }
                }
                Output::TemplateFailed { .. } => {}
            }
        }
    }

    /// Gives a message to a provider.
    fn send(&mut self, order: &Order, cx: &mut Cx<'_>) {
        let Some(edge) = self.edges.get(order.provider.0 as usize).copied() else { return };
        self.counts.hand_outs += 1;
        let before = self.last_provider.insert(order.message, order.provider);
        self.counts.failovers += u64::from(before.is_some_and(|before| before != order.provider));
        let key = wire::key_word(&order.idempotency_key);
        let triggers = order.triggers.iter().map(|trigger| trigger_id(trigger)).collect();
        let (message, channel) = (order.message.0, order.channel);
        cx.notice(self.service, NoticeFact::HandedOut { message, key, channel, triggers });
        if self.defect == SWALLOWS && self.counts.hand_outs.is_multiple_of(NOW_AND_THEN) {
            let (message, attempt) = (order.message, order.attempt);
            // What is refused is not sent: there is nothing more to it.
            let _ = self.handle(Input::Answer { message, attempt, answer: Answer::Accepted }, cx);
            return;
        }
        let (load, operation) = origin(order.triggers.first().map_or("", String::as_str));
        let attempt = order.attempt & ((1 << ATTEMPT_BITS) - 1);
        cx.call(
            CallSpec {
                load,
                operation,
                key: order.recipient.0,
                arguments: wire::arguments(key, message, order.attempt),
                is_retry: order.attempt > 1,
                token: message << ATTEMPT_BITS | u64::from(attempt),
                ..CallSpec::of_its_own(edge, Lineage(key).call(self.service_hash, order.attempt), cx.now())
            },
            Ref::NONE,
        );
    }

    /// Somebody is to be told something.
    fn trigger(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Option<Verdict> {
        self.counts.asked += 1;
        let draws = self.draws?;
        let (recipient, category) = (RecipientId(request.key), CategoryId(request.operation.0));
        let name = &self.plan.operations[request.operation.index()];
        let wanted = self.settings.category(name).clone();
        let whose = (recipient, category, name_hash(name));
        let preferences = self.delivery.as_mut().map(Delivery::preferences_mut);
        let preferences = preferences.filter(|_| self.defect != IGNORES_OPT_OUTS);
        let is_opted_out = self.people.meet(whose, &self.settings, wanted.opted_out_ppm, draws, preferences);
        let asked = Asked {
            trigger: request.call.raw(),
            is_opted_out,
            is_critical: wanted.is_critical,
            is_digested: wanted.digest.is_some(),
            priority: wanted.priority,
        };
        cx.notice(self.service, NoticeFact::Asked(asked));
        let key = trigger_key(request);
        self.waiting.entry(key.clone()).or_default().push(job);
        let again = (self.defect == DIGESTS_AGAIN && wanted.digest.is_some()).then(|| format!("{key}.again"));
        let taken = self.handle(Input::Trigger(Trigger::new(key.clone(), category, recipient)), cx);
        if let Some(again) = again {
            // What is refused is not digested twice.
            let _ = self.handle(Input::Trigger(Trigger::new(again, category, recipient)), cx);
        }
        match taken {
            Ok(()) => None,
            Err(error) => {
                self.counts.refused += 1;
                self.waiting.remove(&key);
                let is_full = error == Rejected::Full;
                Some(if is_full { Verdict::TurnAway } else { Verdict::Fail })
            }
        }
    }

    fn take_woken(&mut self) -> Option<Woken> {
        let jobs = std::mem::take(&mut self.woken);
        (!jobs.is_empty()).then_some(Woken { jobs, verdict: Some(DONE) })
    }
}

fn read(plan: &ServicePlan) -> Settings {
    notifier_settings::read(&plan.settings).expect("the plan's settings were checked")
}

/// The key of a request's trigger: every attempt of a call has the same. It says as well to which load and operation the
/// messages of it belong, whichever process sends them.
fn trigger_key(request: &Request) -> String {
    format!("{:016x}.{}.{}", request.call.raw(), request.load.0, request.operation.0)
}

fn trigger_id(key: &str) -> u64 {
    key.get(..16).and_then(|id| u64::from_str_radix(id, 16).ok()).unwrap_or(0)
}

fn origin(key: &str) -> (LoadId, OperationId) {
    let mut parts = key.split('.').skip(1);
    let mut next = || parts.next().and_then(|part| part.parse().ok());
    (LoadId(next().unwrap_or(0)), OperationId(next().unwrap_or(0)))
}

/// What a delivery is not done with.
fn kept(delivery: &Delivery<AnyStore>) -> Kept {
    let messages = delivery.messages().filter(|(_, _, state, _)| state.account() == Account::Pending);
    Kept {
        pending: messages.map(|(id, channel, _, events)| (id.0, (channel, events))).collect(),
        tallies: Channel::ALL.map(|channel| (channel, delivery.tally(channel))).to_vec(),
    }
}

impl Behaviour for Notifier {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        if let Some(refused) = self.trigger(request, job, cx) {
            return refused;
        }
        match self.woken.iter().position(|at| *at == job) {
            Some(place) => {
                self.woken.swap_remove(place);
                DONE
            }
            None => Verdict::Wait,
        }
    }

    fn answer_again(&mut self, _request: &Request, _job: Ref, _cx: &mut Cx<'_>) -> Verdict {
        DONE
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        cx.notice(self.service, NoticeFact::NotifierStarts);
        self.draws = Some(Draws { opted_out: cx.key("opted_out"), quiet: cx.key("quiet_hours") });
        self.retries = cx.key("retries").draw(cx.redrawn(0));
        if self.delivery.is_none() {
            self.open(cx);
        }
    }

    fn crash(&mut self, keep: Durable) {
        self.counts.crashes += 1;
        self.fallen = self.delivery.take().map(|delivery| delivery.into_store().fallen(keep));
        self.waiting.clear();
        self.woken.clear();
        self.last_provider.clear();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        let settings = read(plan);
        if settings == self.settings {
            return; // limits of providers go on counting
        }
        // The store is opened in the new way at the next start; all else holds at once.
        self.settings = settings;
        let config = self.config();
        if let Some(delivery) = &mut self.delivery {
            delivery.reconfigure(self.seen, config).expect("the plan's settings were checked");
        }
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) -> Option<Woken> {
        let (message, attempt) =
            (MessageId(done.token >> ATTEMPT_BITS), (done.token & ((1 << ATTEMPT_BITS) - 1)) as u32);
        let answer = wire::answer(done);
        if self.handle(Input::Answer { message, attempt, answer }, cx).is_err() {
            self.counts.late_answers += 1;
        }
        self.take_woken()
    }

    fn deadline(&self) -> Option<Time> {
        if !self.woken.is_empty() {
            return Some(Time::ZERO);
        }
        self.delivery.as_ref().and_then(Delivery::deadline)
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        if let Some(delivery) = &mut self.delivery
            && delivery.deadline().is_some_and(|due| due <= local)
        {
            let mut out = Vec::new();
            // A simulated disk that is on takes every write.
            let _ = delivery.expire(local, &mut out);
            self.carry_out(out, cx);
        }
        self.take_woken()
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("asked", counts.asked),
            ("repeated", counts.repeated),
            ("refused", counts.refused),
            ("failovers", counts.failovers),
            ("late_answers", counts.late_answers),
            ("crashes", counts.crashes),
        ]);
        let Some(delivery) = &self.delivery else { return };
        let tallies = Channel::ALL.map(|channel| delivery.tally(channel));
        let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum();
        out.counts.extend([
            ("accepted", sum(|tally| tally.accepted)),
            ("delivered", sum(|tally| tally.delivered)),
            ("failed", sum(|tally| tally.failed)),
            ("expired", sum(|tally| tally.expired)),
            ("suppressed", sum(|tally| tally.suppressed)),
            ("pending", sum(|tally| tally.pending)),
        ]);
        for channel in Channel::ALL {
            let tally = delivery.tally(channel);
            if tally.accepted > 0 {
                out.named.insert(format!("accepted.{}", channel.name()), tally.accepted);
                out.named.insert(format!("delivered.{}", channel.name()), tally.delivered);
            }
        }
        out.notices = Some(NoticeProbe::Notifier(kept(delivery)));
    }
}
