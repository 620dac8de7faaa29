//! Kind `job-worker`: fetches jobs from the scheduler that its first call goes to, works on them, makes its other calls
//! for each, and says that it is done, all over the network. Each of its workers has one job at a time.
//!
//! It never looks at the scheduler: a worker that was paused, cut off or slow goes on with a lease that is somebody
//! else's by now, and finds out when it commits.

mod settings;
mod steps;

use std::sync::Arc;

use self::settings::{Settings, WorkerCounts, read};
pub(super) use self::settings::{pool_named, written};
use super::body::Body;
use super::words::{Ask, assigned};
use crate::cluster::{
    CallSpec, ConfigEdit, Cx, Done, Durable, Message, Node, NodeId, Probes, Ref, Request, Token,
};
use crate::kernel::agenda::Handle;
use crate::kernel::draw::{Key, Lineage, Sampler, below, chance_ppm, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;
use crate::scenario::plan::{EdgeId, LoadId, OperationId, Plan, ServiceId, ServicePlan};

/// One replica: so many workers in one process.
pub(super) struct Worker {
    service: ServiceId,
    plan: Arc<Plan>,
    settings: Settings,
    samplers: Vec<Sampler>,
    keys: Option<Keys>,
    slots: Vec<Slot>,
    busy: u32,
    counts: WorkerCounts,
}

#[derive(Clone, Copy)]
struct Keys {
    demand: Key,
    error: Key,
    poison: Key,
    branch: Key,
    rest: Key,
    /// Names this replica in the identities of what it asks.
    node: u64,
}

/// One worker.
struct Slot {
    state: State,
    /// Goes up with everything it begins: late answers are told by it.
    turn: u32,
    fetches: u64,
    timer: Handle,
    heartbeat: Handle,
    run: Option<Run>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing to do for a while.
    Resting,
    Fetching,
    Working,
    Calling,
    /// Says how it went.
    Committing,
    /// The process that ran the job is gone.
    Dead,
    /// There are fewer workers now.
    Gone,
}

/// A job under a lease.
#[derive(Clone, Copy)]
struct Run {
    job: u64,
    token: u64,
    body: Body,
    lineage: Lineage,
    started_at: Time,
    step: u32,
    /// Things asked of the scheduler about it.
    asked: u32,
    outstanding: u32,
    succeeded: u32,
    needed: u32,
    group: Ref,
    is_done: bool,
}

/// What a call was made for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Fetch,
    Heartbeat,
    Step,
    Commit,
}

const PURPOSES: [For; 4] = [For::Fetch, For::Heartbeat, For::Step, For::Commit];

const SLOT_BITS: u32 = 20;
const REST: u32 = 1 << SLOT_BITS;
const HEARTBEAT: u32 = 2 << SLOT_BITS;
const RESPAWN: u32 = 3 << SLOT_BITS;

impl Slot {
    fn new() -> Slot {
        Slot {
            state: State::Resting,
            turn: 0,
            fetches: 0,
            timer: Handle::NONE,
            heartbeat: Handle::NONE,
            run: None,
        }
    }
}

impl Worker {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>) -> Worker {
        let mut worker = Worker {
            service,
            plan: Arc::clone(plan),
            settings: read(plan, service),
            samplers: Vec::new(),
            keys: None,
            slots: Vec::new(),
            busy: 0,
            counts: WorkerCounts::default(),
        };
        worker.follow_plan();
        worker
    }

    fn own(&self) -> &ServicePlan {
        &self.plan.services[self.service.index()]
    }

    fn keys(&self) -> Keys {
        self.keys.expect("a node is started before anything reaches it")
    }

    fn follow_plan(&mut self) {
        self.settings = read(&self.plan, self.service);
        let samplers = self.own().operations.iter().map(|operation| {
            Sampler::new(&operation.service_time).expect("the plan's distributions were checked")
        });
        self.samplers = samplers.collect();
    }

    /// The edge to the scheduler.
    fn scheduler(&self) -> (EdgeId, ServiceId) {
        let edge = self.own().steps[0].branches[0].edge;
        (edge, self.plan.edges[edge.index()].callee)
    }

    /// Says something to the scheduler.
    fn ask(&mut self, at: u32, ask: Ask, purpose: For, cx: &mut Cx<'_>) {
        let edge = self.scheduler().0;
        let node = self.keys().node;
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        let (lineage, copy, load, operation, key) = match &mut slot.run {
            Some(run) => {
                run.asked += 1;
                (run.lineage, run.asked, run.body.load, run.body.operation, run.body.serial)
            }
            None => {
                slot.fetches += 1;
                (Lineage::root(node ^ u64::from(at), slot.fetches), 0, LoadId(0), OperationId(0), 0)
            }
        };
        let token = word(purpose, at, slot.turn);
        let spec = CallSpec {
            copy,
            load,
            operation,
            key,
            arguments: ask.arguments(),
            token,
            ..CallSpec::of_its_own(edge, lineage, cx.now())
        };
        cx.call(spec, Ref::NONE);
    }

    fn fetch(&mut self, at: u32, cx: &mut Cx<'_>) {
        let workers = self.own().workers;
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        slot.turn = slot.turn.wrapping_add(1);
        // A replica that is not wanted any more ends what it has and takes nothing new.
        if at >= workers || !cx.is_member() {
            slot.state = State::Gone;
            return;
        }
        slot.state = State::Fetching;
        self.counts.fetches += 1;
        let worker = cx.node().0 << 12 | at & 0xFFF;
        self.ask(at, Ask::Fetch { worker, pool: self.settings.pool }, For::Fetch, cx);
    }

    /// Waits before it asks again; not all workers at the same instant.
    fn rest(&mut self, at: u32, cx: &mut Cx<'_>) {
        let key = self.keys().rest;
        let node = self.keys().node;
        let poll = self.settings.poll;
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        slot.state = State::Resting;
        let half_ns = poll.as_nanos() / 2;
        let identity = cx.redrawn(Lineage::root(node ^ u64::from(at), slot.fetches).raw());
        let drawn = below(key.draw(identity), half_ns.max(1));
        slot.timer = cx.wake_at(cx.now() + Span::from_nanos(half_ns + drawn), Token(REST | at));
    }

    fn fetched(&mut self, at: u32, done: &Done, cx: &mut Cx<'_>) {
        if done.outcome != OutcomeKind::Ok || done.missed {
            self.counts.fetches_failed += u64::from(done.outcome != OutcomeKind::Ok);
            return self.rest(at, cx);
        }
        let (job, token) = assigned(done.value);
        let Some(body) = cx.take_over(self.scheduler().1, (job, token)) else { return self.rest(at, cx) };
        let own = name_hash(&self.own().name);
        let lineage = body.lineage.call(own, 0).attempt(token as u32);
        self.begin(
            at,
            Run {
                job,
                token,
                body,
                lineage,
                started_at: cx.now(),
                step: 1,
                asked: 0,
                outstanding: 0,
                succeeded: 0,
                needed: 0,
                group: Ref::NONE,
                is_done: false,
            },
            cx,
        );
    }

    fn begin(&mut self, at: u32, run: Run, cx: &mut Cx<'_>) {
        self.counts.runs += 1;
        self.busy += 1;
        let operation = run.body.operation.index().min(self.samplers.len() - 1);
        let demand = self.samplers[operation].sample(self.keys().demand, cx.redrawn(run.lineage.raw()));
        let heartbeat = self.settings.heartbeat;
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        slot.run = Some(run);
        slot.state = State::Working;
        if let Some(every) = heartbeat {
            slot.heartbeat = cx.wake_at(cx.now() + every, Token(HEARTBEAT | at));
        }
        if demand.is_zero() {
            self.work_done(at, cx);
        } else {
            cx.work(Token(at), demand);
        }
    }

    fn work_done(&mut self, at: u32, cx: &mut Cx<'_>) {
        let keys = self.keys();
        let error_ppm = self.own().error_ppm;
        let Some(run) = self.slots.get(at as usize).and_then(|slot| slot.run) else { return };
        cx.ran(cx.now().since(run.started_at));
        if self.is_poison(&run, keys.poison) {
            return self.die(at, cx);
        }
        let fails_ppm = self.settings.fails_ppm(run.body.operation).max(error_ppm);
        if fails_ppm > 0 && chance_ppm(keys.error.draw(cx.redrawn(run.lineage.raw())), fails_ppm) {
            return self.commit(at, false, cx);
        }
        self.next_step(at, cx);
    }

    /// Whether whoever runs this job dies of it: every time, or never, so it is not drawn anew on the way.
    fn is_poison(&self, run: &Run, key: Key) -> bool {
        let share_ppm = self.settings.poison_ppm(run.body.operation);
        share_ppm > 0 && chance_ppm(key.draw(run.body.lineage.raw()), share_ppm)
    }

    /// The process that ran the job is gone without a word.
    fn die(&mut self, at: u32, cx: &mut Cx<'_>) {
        self.counts.died += 1;
        self.drop_run(at, cx);
        let respawn = self.settings.respawn;
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        slot.state = State::Dead;
        slot.timer = cx.wake_at(cx.now() + respawn, Token(RESPAWN | at));
    }

    /// The worker has no job any more, and whatever it still does about it is of no account.
    fn drop_run(&mut self, at: u32, cx: &mut Cx<'_>) {
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        slot.turn = slot.turn.wrapping_add(1);
        cx.cancel_wake(std::mem::take(&mut slot.heartbeat));
        self.busy -= u32::from(slot.run.take().is_some());
    }

    /// Tells the scheduler how it went.
    fn commit(&mut self, at: u32, is_done: bool, cx: &mut Cx<'_>) {
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        slot.state = State::Committing;
        let Some(run) = &mut slot.run else { return };
        run.is_done = is_done;
        let (job, token) = (run.job, run.token);
        let ask = if is_done { Ask::Complete { job, token } } else { Ask::Fail { job, token } };
        self.ask(at, ask, For::Commit, cx);
    }

    fn committed(&mut self, at: u32, done: &Done, cx: &mut Cx<'_>) {
        let is_done = self.slots.get(at as usize).and_then(|slot| slot.run).is_some_and(|run| run.is_done);
        match (done.outcome == OutcomeKind::Ok, done.missed) {
            (true, false) => {
                self.counts.completed += u64::from(is_done);
                self.counts.failed += u64::from(!is_done);
            }
            (true, true) => self.counts.fenced += 1,
            (false, _) => self.counts.commits_unanswered += 1,
        }
        self.drop_run(at, cx);
        self.fetch(at, cx);
    }

    fn heartbeat_due(&mut self, at: u32, cx: &mut Cx<'_>) {
        let Some(every) = self.settings.heartbeat else { return };
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        let Some(run) = slot.run else { return };
        slot.heartbeat = cx.wake_at(cx.now() + every, Token(HEARTBEAT | at));
        self.ask(at, Ask::Heartbeat { job: run.job, token: run.token }, For::Heartbeat, cx);
    }

    /// The lease is somebody else's: stops, unless it is about to find out anyway.
    fn heartbeat_answered(&mut self, at: u32, done: &Done, cx: &mut Cx<'_>) {
        let state = self.slots.get(at as usize).map(|slot| slot.state);
        if done.outcome == OutcomeKind::Ok && done.missed && state != Some(State::Committing) {
            self.counts.stopped += 1;
            self.give_up(at, cx);
        }
    }

    fn give_up(&mut self, at: u32, cx: &mut Cx<'_>) {
        let Some(slot) = self.slots.get(at as usize) else { return };
        match slot.state {
            State::Working => {
                cx.stop_work(Token(at));
            }
            State::Calling => {
                if let Some(run) = slot.run.filter(|run| run.outstanding > 0) {
                    cx.abandon(run.group);
                }
            }
            State::Resting | State::Fetching | State::Committing | State::Dead | State::Gone => {}
        }
        self.drop_run(at, cx);
        self.fetch(at, cx);
    }

    /// As many workers as the settings say; those too many end with what they have.
    fn hire(&mut self, cx: &mut Cx<'_>) {
        let workers = self.own().workers;
        for at in 0..workers {
            if at as usize == self.slots.len() {
                self.slots.push(Slot::new());
                self.rest(at, cx);
            } else if self.slots[at as usize].state == State::Gone {
                self.rest(at, cx);
            }
        }
    }
}

/// What comes back with the end of a call.
const fn word(purpose: For, at: u32, turn: u32) -> u64 {
    (purpose as u64) << 56 | (at as u64) << 32 | turn as u64
}

impl Node for Worker {
    fn start(&mut self, cx: &mut Cx<'_>) {
        let name = format!("{}/{}", self.own().name, cx.replica());
        self.keys = Some(Keys {
            demand: cx.key("service_time"),
            error: cx.key("error"),
            poison: cx.key("poison"),
            branch: cx.key("branch"),
            rest: cx.key("rest"),
            node: name_hash(&name),
        });
        if cx.is_member() {
            self.hire(cx);
        }
    }

    fn deliver(&mut self, _from: NodeId, message: Message, cx: &mut Cx<'_>) {
        match message {
            Message::Done(done) => {
                let purpose = PURPOSES[(done.token >> 56) as usize & 3];
                let (at, turn) = ((done.token >> 32) as u32 & 0x00FF_FFFF, done.token as u32);
                if self.slots.get(at as usize).is_none_or(|slot| slot.turn != turn) {
                    return;
                }
                match purpose {
                    For::Fetch => self.fetched(at, &done, cx),
                    For::Heartbeat => self.heartbeat_answered(at, &done, cx),
                    For::Step => self.step_done(at, &done, cx),
                    For::Commit => self.committed(at, &done, cx),
                }
            }
            // Nobody has anything to ask of a worker.
            Message::Request(request) => {
                cx.reply(&request, crate::cluster::Reply::refusal(OutcomeKind::Error))
            }
            Message::Cancel(_)
            | Message::Fill(_)
            | Message::Invalidate { .. }
            | Message::Note(_)
            | Message::Flag(_)
            | Message::Entry { .. }
            | Message::Load(_) => {}
        }
        cx.occupancy(self.busy, 0);
    }

    fn wake(&mut self, token: Token, cx: &mut Cx<'_>) {
        if token == Token::RECONFIGURED {
            self.hire(cx);
            return;
        }
        let at = token.0 & (REST - 1);
        match token.0 & !(REST - 1) {
            REST | RESPAWN => self.fetch(at, cx),
            HEARTBEAT => self.heartbeat_due(at, cx),
            _ => self.work_done(at, cx),
        }
        cx.occupancy(self.busy, 0);
    }

    fn crash(&mut self, _keep: Durable, _lost: &mut dyn FnMut(&Request)) {
        self.slots.clear();
        self.busy = 0;
    }

    fn reconfigure(&mut self, edit: &ConfigEdit<'_>) -> Result<(), String> {
        self.plan = Arc::clone(edit.plan);
        self.follow_plan();
        Ok(())
    }

    fn probe(&self, out: &mut Probes) {
        self.counts.probe(out);
    }
}
