//! Kind `queue-consumer`: each of its workers receives a message from the queue that its first call goes to, works on it
//! for the service time of its operation, and deletes it. It never looks at the queue: one that takes longer than the
//! message is its own finds out when it deletes. It takes no requests.

use std::sync::Arc;

use foreshock_systems::broker::queue::Handle;

use super::settings::{self, ConsumerSettings};
use super::words::{Ask, handle};
use crate::cluster::{
    CallSpec, ConfigEdit, Cx, Done, Durable, Message, Node, NodeId, Probes, Ref, Reply, Request, Token,
};
use crate::kernel::draw::{Key, Lineage, Sampler, chance_ppm, name_hash};
use crate::measure::{OutcomeKind, QueuedBody};
use crate::scenario::plan::{EdgeId, LoadId, Plan, ServiceId};

const SLOT_BITS: u32 = 20;
const REST: u32 = 1 << SLOT_BITS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Receiving,
    Working,
    Deleting,
}

/// One worker.
#[derive(Clone, Copy)]
struct Slot {
    state: State,
    turn: u32,
    asked: u64,
    held: Option<(Handle, QueuedBody)>,
}

#[derive(Default)]
struct Counts {
    receives: u64,
    received: u64,
    processed: u64,
    deleted: u64,
    too_late: u64,
    failed: u64,
    unanswered: u64,
}

pub(super) struct Consumer {
    service: ServiceId,
    plan: Arc<Plan>,
    settings: ConsumerSettings,
    samplers: Vec<Sampler>,
    keys: Option<(Key, Key, u64)>,
    slots: Vec<Slot>,
    counts: Counts,
}

impl Consumer {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>) -> Consumer {
        let written = &plan.services[service.index()].settings;
        let settings = settings::consumer(written).expect("the plan's settings were checked");
        let mut consumer = Consumer {
            service,
            plan: Arc::clone(plan),
            settings,
            samplers: Vec::new(),
            keys: None,
            slots: Vec::new(),
            counts: Counts::default(),
        };
        consumer.read_samplers();
        consumer
    }

    fn read_samplers(&mut self) {
        let operations = &self.plan.services[self.service.index()].operations;
        let samplers = operations.iter().map(|operation| {
            Sampler::new(&operation.service_time).expect("the plan's distributions were checked")
        });
        self.samplers = samplers.collect();
    }

    fn queue(&self) -> (EdgeId, ServiceId) {
        let edge = self.plan.services[self.service.index()].steps[0].branches[0].edge;
        (edge, self.plan.edges[edge.index()].callee)
    }

    fn ask(&mut self, at: u32, ask: Ask, cx: &mut Cx<'_>) {
        let edge = self.queue().0;
        let Some((_, _, name)) = self.keys else { return };
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        slot.asked += 1;
        slot.turn = slot.turn.wrapping_add(1);
        let lineage = match slot.held {
            Some((handle, body)) => body.lineage.call(name, handle.receive),
            None => Lineage::root(name ^ u64::from(at), slot.asked),
        };
        let token = u64::from(slot.turn) << 32 | u64::from(at);
        let load = slot.held.map_or(LoadId(0), |(_, body)| body.load);
        let arguments = ask.arguments();
        let spec = CallSpec { load, arguments, token, ..CallSpec::of_its_own(edge, lineage, cx.now()) };
        cx.call(spec, Ref::NONE);
    }

    fn receive(&mut self, at: u32, cx: &mut Cx<'_>) {
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        (slot.state, slot.held) = (State::Receiving, None);
        if !cx.is_member() {
            slot.state = State::Idle;
            return;
        }
        self.counts.receives += 1;
        self.ask(at, Ask::Receive { wait: self.settings.wait }, cx);
    }

    fn rest(&mut self, at: u32, cx: &mut Cx<'_>) {
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        (slot.state, slot.held) = (State::Idle, None);
        cx.wake_at(cx.now() + self.settings.rest, Token(REST | at));
    }

    fn done(&mut self, done: &Done, cx: &mut Cx<'_>) {
        let at = done.token as u32;
        let Some(slot) = self.slots.get(at as usize).copied() else { return };
        if u64::from(slot.turn) != done.token >> 32 {
            return;
        }
        match slot.state {
            State::Receiving if done.outcome != OutcomeKind::Ok => {
                self.counts.unanswered += 1;
                self.rest(at, cx);
            }
            State::Receiving if done.missed => self.receive(at, cx),
            State::Receiving => self.begin(at, handle(done.value), cx),
            State::Deleting => {
                let is_ok = done.outcome == OutcomeKind::Ok;
                self.counts.deleted += u64::from(is_ok && !done.missed);
                self.counts.too_late += u64::from(is_ok && done.missed);
                self.counts.unanswered += u64::from(!is_ok);
                self.receive(at, cx);
            }
            State::Idle | State::Working => {}
        }
    }

    fn begin(&mut self, at: u32, handle: Handle, cx: &mut Cx<'_>) {
        self.counts.received += 1;
        let queue = self.queue().1;
        let Some(body) = cx.queue_body(queue, handle.message.0) else { return self.rest(at, cx) };
        let Some((demand, _, _)) = self.keys else { return };
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        (slot.state, slot.held) = (State::Working, Some((handle, body)));
        let operation = body.operation.index().min(self.samplers.len().saturating_sub(1));
        let span = self.samplers[operation].sample(demand, cx.redrawn(body.lineage.raw()));
        if span.is_zero() { self.worked(at, cx) } else { cx.work(Token(at), span) }
    }

    fn worked(&mut self, at: u32, cx: &mut Cx<'_>) {
        let Some((_, poison, _)) = self.keys else { return };
        let Some((handle, body)) = self.slots.get(at as usize).and_then(|slot| slot.held) else { return };
        let share_ppm = self.settings.poison_ppm;
        if share_ppm > 0 && chance_ppm(poison.draw(body.lineage.raw()), share_ppm) {
            // It is left alone, and comes back when its visibility ends.
            self.counts.failed += 1;
            return self.receive(at, cx);
        }
        self.counts.processed += 1;
        cx.queue_processed(self.queue().1, handle.message.0);
        if let Some(slot) = self.slots.get_mut(at as usize) {
            slot.state = State::Deleting;
        }
        self.ask(at, Ask::Delete { handle }, cx);
    }
}

impl Node for Consumer {
    fn start(&mut self, cx: &mut Cx<'_>) {
        let name = format!("{}/{}", self.plan.services[self.service.index()].name, cx.replica());
        self.keys = Some((cx.key("demand"), cx.key("poison"), name_hash(&name)));
        let asked = self.slots.first().map_or(0, |slot| slot.asked);
        let workers = self.plan.services[self.service.index()].workers.min(REST - 1);
        let slot = Slot { state: State::Idle, turn: asked as u32, asked, held: None };
        self.slots = vec![slot; workers as usize];
        for at in 0..workers {
            self.receive(at, cx);
        }
    }

    fn deliver(&mut self, _from: NodeId, message: Message, cx: &mut Cx<'_>) {
        match message {
            Message::Done(done) => self.done(&done, cx),
            Message::Request(request) => cx.reply(&request, Reply::refusal(OutcomeKind::Error)),
            Message::Cancel(_)
            | Message::Note(_)
            | Message::Fill(_)
            | Message::Invalidate { .. }
            | Message::Flag(_)
            | Message::Entry { .. }
            | Message::Load(_) => {}
        }
    }

    fn wake(&mut self, token: Token, cx: &mut Cx<'_>) {
        if token == Token::RECONFIGURED {
            return;
        }
        let at = token.0 & (REST - 1);
        match self.slots.get(at as usize).map(|slot| slot.state) {
            Some(State::Idle) if token.0 & REST != 0 => self.receive(at, cx),
            Some(State::Working) if token.0 & REST == 0 => self.worked(at, cx),
            Some(_) | None => {}
        }
    }

    fn crash(&mut self, _keep: Durable, _lost: &mut dyn FnMut(&Request)) {
        for slot in &mut self.slots {
            // A life later nothing of this is asked again under the same name.
            slot.asked += 1 << 20;
            slot.state = State::Idle;
        }
    }

    fn reconfigure(&mut self, edit: &ConfigEdit<'_>) -> Result<(), String> {
        self.plan = Arc::clone(edit.plan);
        let written = &self.plan.services[self.service.index()].settings;
        self.settings = settings::consumer(written).map_err(|_| "the settings cannot be read".to_string())?;
        self.read_samplers();
        Ok(())
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("receives", counts.receives),
            ("messages", counts.received),
            ("processed", counts.processed),
            ("deletes", counts.deleted),
            ("deletes_too_late", counts.too_late),
            ("unanswered", counts.unanswered),
        ]);
        if counts.failed > 0 {
            out.counts.insert("poison_tries", counts.failed);
        }
    }
}
