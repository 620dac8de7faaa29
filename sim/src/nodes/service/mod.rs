//! Kind `service`: a waiting line, workers, own work, then calls in order, then the answer.

mod admission;
mod behaviour;
mod codel;
mod door;
mod job;
mod levels;
mod steps;
mod store_client;
mod verdicts;

use std::collections::BTreeSet;
use std::sync::Arc;

use foreshock_systems::rate_limiter::concurrency::{CallOutcome, InFlight};
use serde_json::{Map, Value};

pub(super) use self::behaviour::{Answered, Behaviour, Verdict, Woken};
use self::codel::Codel;
use self::door::Door;
use self::job::{Job, JobState, Purpose};
pub(super) use self::store_client::{decode, encode_answer};
use super::Kind;
use super::alarm::Alarm;
use super::broker::Mail;
use super::config::{ConfigClient, Told};
use super::flags::{Bucketing, FlagClient};
use super::notification::PeerMail;
use super::telemetry::Agent;
use super::tokens::{ALARM, CONFIG, FLAGS, FLUSH};
use crate::cluster::{
    ConfigEdit, Cx, Durable, Line, Message, Node, NodeId, Note, Path, Probes, Ref, Reply, Request, Slab,
    Token,
};
use crate::kernel::draw::{Key, Sampler, chance_ppm};
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;
use crate::scenario::plan::{
    ConfigRole, Discipline, KindTraits, OnFull, Plan, ServiceId, ServicePlan, TelemetryRole,
};

/// Kind `service`.
pub(super) struct Service;

impl Kind for Service {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        settings.keys().map(|key| (key.clone(), "is no setting of kind `service`".to_string())).collect()
    }

    fn traits() -> KindTraits {
        KindTraits { config: ConfigRole::Follows, ..traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(ServiceNode::new(service, plan, None))
    }
}

/// What is special about any kind that is a service with a behaviour of its own.
pub(super) fn traits() -> KindTraits {
    KindTraits { telemetry: TelemetryRole::Reports, has_admission: true, ..KindTraits::default() }
}

/// A replica of a kind that is a service with a behaviour of its own.
pub(super) fn node(
    service: ServiceId,
    plan: &Arc<Plan>,
    behaviour: impl Behaviour + 'static,
) -> Box<dyn Node> {
    Box::new(ServiceNode::new(service, plan, Some(Box::new(behaviour))))
}

/// One replica.
pub(super) struct ServiceNode {
    service: ServiceId,
    plan: Arc<Plan>,
    samplers: Vec<Sampler>,
    keys: Option<Keys>,
    jobs: Slab<Job>,
    line: Line,
    waiting: u32,
    busy: u32,
    codel: Codel,
    started_at: Time,
    /// Attempts that may be cancelled, with their jobs: more than one where the network made copies.
    cancellable: BTreeSet<(Ref, Ref)>,
    /// Set while the next jobs are being taken up, so that a job that ends at once does not recurse.
    serving: bool,
    behaviour: Option<Box<dyn Behaviour>>,
    /// Where requests ask to be admitted; without admission there is none.
    door: Option<Box<Door>>,
    /// The wake-up that the kind has asked for.
    alarm: Alarm,
    /// Jobs whose request has been answered already.
    detached: u32,
    /// The system's own monitoring, where the scenario has one.
    telemetry: Option<Box<Agent>>,
    /// The copy of the feature flags, where the service looks at any.
    flags: Option<Box<FlagClient>>,
    /// What follows a configuration server, where the scenario has one.
    config: Option<Box<ConfigClient>>,
}

#[derive(Clone, Copy)]
struct Keys {
    demand: Key,
    error: Key,
    branch: Key,
    order: Key,
}

impl ServiceNode {
    pub(super) fn new(
        service: ServiceId,
        plan: &Arc<Plan>,
        behaviour: Option<Box<dyn Behaviour>>,
    ) -> ServiceNode {
        let own = &plan.services[service.index()];
        ServiceNode {
            service,
            plan: Arc::clone(plan),
            samplers: samplers(own),
            keys: None,
            jobs: Slab::new(),
            line: Line::new(own.queue.discipline),
            waiting: 0,
            busy: 0,
            codel: Codel::new(own.queue.codel),
            started_at: Time::ZERO,
            cancellable: BTreeSet::new(),
            serving: false,
            telemetry: own.telemetry.as_ref().map(|telemetry| Box::new(Agent::new(telemetry))),
            flags: flag_client(own, plan, Bucketing::User),
            config: own.config_client.as_ref().map(|plan| Box::new(ConfigClient::new(service, plan))),
            behaviour,
            door: None,
            alarm: Alarm::default(),
            detached: 0,
        }
    }

    /// A replica that tells users apart in another way than by their keys.
    pub(super) fn bucketing(service: ServiceId, plan: &Arc<Plan>, bucketing: Bucketing) -> ServiceNode {
        let flags = flag_client(&plan.services[service.index()], plan, bucketing);
        ServiceNode { flags, ..ServiceNode::new(service, plan, None) }
    }

    /// The same, with a client that believes whatever comes.
    pub(super) fn with_naive_config_client(mut self) -> ServiceNode {
        if let Some(config) = &mut self.config {
            config.believe_everything();
        }
        self
    }

    #[inline]
    fn own(&self) -> &ServicePlan {
        &self.plan.services[self.service.index()]
    }

    fn keys(&self) -> Keys {
        self.keys.expect("a node is started before anything reaches it")
    }

    fn shares_processors(&self) -> bool {
        self.own().queue.discipline == Discipline::ProcessorSharing
    }

    /// The processor time this request takes, a cold start included; the same draw whatever its flags are.
    #[inline]
    fn demand(&self, request: &Request, flags: u64, cx: &Cx<'_>) -> Span {
        let for_flag = self.flags.as_ref().and_then(|client| client.cost(flags, request.operation));
        let sampler = match for_flag {
            Some(sampler) => sampler,
            None => &self.samplers[request.operation.index().min(self.samplers.len() - 1)],
        };
        let demand = sampler.sample(self.keys().demand, cx.redrawn(request.lineage.raw()));
        let Some(cold) = self.own().cold_start else { return demand };
        let age = cx.now().since(self.started_at);
        if age >= cold.lasts {
            return demand;
        }
        let extra_milli = cold.slowdown_milli.saturating_sub(1000);
        let left = cold.lasts.saturating_sub(age);
        demand + demand.mul_ratio(extra_milli, 1000).mul_ratio(left.as_nanos(), cold.lasts.as_nanos())
    }

    #[inline]
    fn priority(&self, request: &Request) -> u8 {
        let own =
            self.own().operations.get(request.operation.index()).map_or(0, |operation| operation.priority);
        own.saturating_add(request.priority)
    }

    fn rank(&self, job: &Job) -> u64 {
        match self.own().queue.discipline {
            Discipline::ShortestFirst => job.demand.as_nanos(),
            Discipline::Priority { .. } => u64::from(u8::MAX - job.priority),
            Discipline::Fifo | Discipline::Lifo | Discipline::Random | Discipline::ProcessorSharing => 0,
        }
    }

    #[inline]
    fn arrive(&mut self, request: &Request, cx: &mut Cx<'_>) {
        if let Some(config) = &mut self.config
            && !config.takes_requests()
        {
            cx.reply(request, Reply::refusal(OutcomeKind::Rejected));
            return;
        }
        if let Some(behaviour) = &mut self.behaviour
            && let Some(Answered { missed, value }) = behaviour.answer_at_door(request, cx)
        {
            cx.reply(request, Reply { missed, value, ..Reply::refusal(OutcomeKind::Ok) });
            return;
        }
        match self.door {
            None => self.accept(request, None, cx),
            Some(_) => self.knock(*request, cx),
        }
    }

    /// Takes a request in, which holds a place if they are counted.
    #[inline]
    fn accept(&mut self, request: &Request, place: Option<InFlight>, cx: &mut Cx<'_>) {
        let flags = self.flags.as_ref().map_or(0, |client| client.evaluate(request, cx));
        let mut demand = self.demand(request, flags, cx);
        let mut is_spoilt = false;
        if let Some(behaviour) = &self.behaviour {
            demand = behaviour.demand(request, demand);
        }
        if let Some(config) = &mut self.config {
            (demand, is_spoilt) = config.begin_request(demand, request.lineage.raw(), cx);
        }
        // Written once where it is to stay: a job fills several cache lines.
        let priority = self.priority(request);
        let job = self.jobs.insert(Job::new(request, demand, priority, place, flags, is_spoilt));
        if request.cancellable {
            self.cancellable.insert((request.attempt, job));
        }
        let workers = self.own().workers;
        if self.shares_processors() {
            let places = workers.saturating_add(self.own().queue.capacity);
            if self.busy < places {
                self.take_up(job, cx);
            } else {
                self.turn_away(job, Reply::refusal(OutcomeKind::Rejected), cx);
            }
        } else if self.busy < workers {
            self.take_up(job, cx);
        } else if !self.preempt_for(job, cx) {
            self.enqueue(job, cx);
        }
    }

    fn enqueue(&mut self, job: Ref, cx: &mut Cx<'_>) {
        let queue = self.own().queue.clone();
        if self.waiting >= queue.capacity {
            let victim = match queue.on_full {
                OnFull::Reject => Some(job),
                OnFull::DropOldest => {
                    let jobs = &self.jobs;
                    let oldest = self.line.pop_oldest(|job| {
                        jobs.get(job)
                            .filter(|job| job.is_waiting())
                            .map(|job| job.request.arrived_at.as_nanos())
                    });
                    self.waiting -= u32::from(oldest.is_some());
                    Some(oldest.unwrap_or(job))
                }
            };
            if let Some(victim) = victim {
                self.turn_away(victim, Reply::refusal(OutcomeKind::Rejected), cx);
            }
        }
        if let Some(entry) = self.jobs.get(job) {
            let rank = self.rank(entry);
            self.line.push(job, rank);
            self.waiting += 1;
        }
    }

    /// Lets an urgent newcomer take the worker of the least urgent job in service.
    fn preempt_for(&mut self, job: Ref, cx: &mut Cx<'_>) -> bool {
        if self.own().queue.discipline != (Discipline::Priority { preemptive: true }) {
            return false;
        }
        let Some(urgency) = self.jobs.get(job).map(|job| job.priority) else { return false };
        let weakest = self
            .jobs
            .iter()
            .filter(|(_, other)| matches!(other.state, JobState::Working) && other.priority < urgency)
            .min_by_key(|(at, other)| {
                // Of two that arrived together their identity decides, not the place they happen to have got.
                let latest_first = std::cmp::Reverse(other.request.arrived_at);
                (other.priority, latest_first, other.request.lineage.raw(), *at)
            })
            .map(|(at, _)| at);
        let Some(weakest) = weakest else { return false };
        let Some(left) = cx.stop_work(Token(weakest.slot())) else { return false };
        let rank = self.jobs.get(weakest).map_or(0, |job| self.rank(job));
        if let Some(other) = self.jobs.get_mut(weakest) {
            other.worked += cx.now().since(other.since);
            other.since = cx.now();
            other.state = JobState::Preempted(left);
        }
        self.line.push_back_in(weakest, rank);
        self.waiting += 1;
        self.busy -= 1;
        self.take_up(job, cx);
        true
    }

    /// Gives a job a worker.
    #[inline]
    fn take_up(&mut self, at: Ref, cx: &mut Cx<'_>) {
        let drop_expired = self.own().drop_expired;
        let now = cx.now();
        let Some(job) = self.jobs.get_mut(at) else { return };
        let waited = now.since(job.since);
        job.path.queue_ns += waited.as_nanos();
        job.since = now;
        if let JobState::Preempted(_) = job.state {
            let JobState::Preempted(left) = std::mem::replace(&mut job.state, JobState::Working) else {
                return;
            };
            self.busy += 1;
            cx.resume_work(Token(at.slot()), left);
            return;
        }
        let demand = job.demand;
        cx.taken_up(&job.request);
        if drop_expired && cx.local_time() >= job.request.deadline {
            let reply = Reply { path: job.path, ..Reply::refusal(OutcomeKind::DeadlineExceeded) };
            self.turn_away(at, reply, cx);
            return;
        }
        job.state = JobState::Working;
        self.busy += 1;
        if demand.is_zero() {
            self.work_done(at, cx);
        } else {
            cx.work(Token(at.slot()), demand);
        }
    }

    /// A job without a worker leaves.
    fn turn_away(&mut self, at: Ref, reply: Reply, cx: &mut Cx<'_>) {
        self.leave_place(at, CallOutcome::Dropped, cx);
        if let Some(job) = self.jobs.remove(at) {
            self.cancellable.remove(&(job.request.attempt, at));
            if let Some(agent) = &mut self.telemetry {
                agent.answered(&job.request, reply.outcome, cx);
            }
            cx.reply(&job.request, reply);
        }
    }

    /// The own work of a job is done.
    #[inline]
    fn work_done(&mut self, at: Ref, cx: &mut Cx<'_>) {
        let now = cx.now();
        let error_ppm = self.own().error_ppm;
        let key = self.keys().error;
        let Some(job) = self.jobs.get_mut(at) else { return };
        job.worked += now.since(job.since);
        job.path.service_ns += job.worked.as_nanos();
        job.state = JobState::Calling;
        cx.worked(&job.request, Time::from_nanos(now.as_nanos() - job.worked.as_nanos()));
        let is_spoilt = job.is_spoilt;
        if is_spoilt
            || error_ppm > 0 && chance_ppm(key.draw(cx.redrawn(job.request.lineage.raw())), error_ppm)
        {
            self.finish(at, OutcomeKind::Error, cx);
            return;
        }
        match &mut self.behaviour {
            Some(behaviour) => {
                let request = job.request;
                let verdict = behaviour.answer(&request, at, cx);
                self.follow(at, verdict, cx);
            }
            None => self.proceed(at, cx),
        }
    }

    /// Goes on to the calls.
    #[inline]
    fn proceed(&mut self, at: Ref, cx: &mut Cx<'_>) {
        if !(self.own().blocking || self.own().steps.is_empty()) {
            self.release_worker(at);
            self.serve_next(cx);
        }
        self.next_step(at, cx);
    }

    fn release_worker(&mut self, at: Ref) {
        if let Some(job) = self.jobs.get_mut(at)
            && std::mem::take(&mut job.holds_worker)
        {
            self.busy -= 1;
        }
    }

    /// A job that had a worker leaves with an answer.
    #[inline]
    fn finish(&mut self, at: Ref, outcome: OutcomeKind, cx: &mut Cx<'_>) {
        if self.behaviour.is_some() && self.jobs.get(at).is_some_and(|job| job.purpose != Purpose::Own) {
            return self.finish_for_kind(at, outcome, cx);
        }
        if self.door.is_some() {
            self.leave_place(at, self.fared(at, outcome, cx), cx);
        }
        let Some(job) = self.jobs.remove(at) else { return };
        if job.request.cancellable {
            self.cancellable.remove(&(job.request.attempt, at));
        }
        self.busy -= u32::from(job.holds_worker);
        if let Some(agent) = &mut self.telemetry {
            agent.answered(&job.request, outcome, cx);
        }
        if job.detached {
            self.detached -= 1;
        } else if job.request.forward_to.is_some() && outcome == OutcomeKind::Ok {
            cx.forward(&job.request, job.path);
        } else {
            let Answered { missed, value } = job.answered;
            cx.reply(&job.request, Reply { missed, value, path: job.path, ..Reply::refusal(outcome) });
        }
        self.serve_next(cx);
    }

    /// Gives free workers to those waiting.
    #[inline]
    fn serve_next(&mut self, cx: &mut Cx<'_>) {
        if !self.serving && self.waiting > 0 {
            self.serve_waiting(cx);
        }
    }

    fn serve_waiting(&mut self, cx: &mut Cx<'_>) {
        self.serving = true;
        let workers = self.own().workers;
        let mut taken = 0;
        while self.busy < workers && self.waiting > 0 {
            let chance = self.order_chance(taken, cx);
            taken += 1;
            let Some(at) = self.line.pop(chance) else { break };
            let Some(job) = self.jobs.get(at) else { continue };
            self.waiting -= 1;
            let sojourn = cx.now().since(job.request.arrived_at);
            if self.codel.drops(cx.now(), sojourn, self.waiting) {
                let path = Path { queue_ns: sojourn.as_nanos(), ..job.path };
                let reply = Reply { shed: true, path, ..Reply::refusal(OutcomeKind::Rejected) };
                self.turn_away(at, reply, cx);
                continue;
            }
            self.take_up(at, cx);
        }
        if self.waiting == 0 {
            // Whoever is left in it is gone, and must not take part in a draw among those who come.
            self.line.clear();
            self.codel.line_is_empty();
        }
        self.serving = false;
    }

    /// What decides who is next in random order: a word for each one taken out of the line in this instant.
    fn order_chance(&self, taken: u64, cx: &Cx<'_>) -> u64 {
        match self.own().queue.discipline {
            Discipline::Random => {
                let identity = cx.now().as_nanos() ^ u64::from(cx.replica()) << 48;
                self.keys().order.draw2(cx.redrawn(identity), taken)
            }
            Discipline::Fifo
            | Discipline::Lifo
            | Discipline::ShortestFirst
            | Discipline::ProcessorSharing
            | Discipline::Priority { .. } => 0,
        }
    }

    fn cancel(&mut self, attempt: Ref, cx: &mut Cx<'_>) {
        let copies = (attempt, Ref::FIRST)..=(attempt, Ref::NONE);
        while let Some((_, at)) = self.cancellable.range(copies.clone()).next().copied() {
            self.cancellable.remove(&(attempt, at));
            self.cancel_job(at, cx);
        }
        self.cancel_at_door(attempt, cx);
        self.forget_gone();
        self.serve_next(cx);
    }

    fn cancel_job(&mut self, at: Ref, cx: &mut Cx<'_>) {
        self.leave_place(at, CallOutcome::Ignored, cx);
        let Some(job) = self.jobs.get(at) else { return };
        match job.state {
            JobState::Waiting | JobState::Preempted(_) => self.waiting -= 1,
            JobState::Working => {
                cx.stop_work(Token(at.slot()));
            }
            // Others may wait for what it loads.
            JobState::Calling if matches!(job.purpose, Purpose::Load(lease) if lease != 0) => {
                return self.load_on(at, cx);
            }
            JobState::Calling => cx.abandon(job.group),
            JobState::Parked => {}
        }
        let Some(job) = self.jobs.remove(at) else { return };
        self.busy -= u32::from(job.has_worker());
        cx.drop_cancelled(&job.request);
    }

    /// Takes those who are gone out of the line once they are the most of it. In last-in order they would not come
    /// up for as long as the line is never empty.
    fn forget_gone(&mut self) {
        const FEW: usize = 64;
        if self.line.len() > 2 * self.waiting as usize + FEW {
            let jobs = &self.jobs;
            self.line.retain(|at| jobs.get(at).is_some_and(Job::is_waiting));
        }
    }

    fn note_came(&mut self, note: Ref, cx: &mut Cx<'_>) {
        let taken = match cx.note(note) {
            Some(Note::TelemetryTaken { life, sequence }) => Some((*life, *sequence)),
            Some(Note::FlagsTold(_)) => {
                if let Some(client) = &mut self.flags {
                    client.note_came(note, cx);
                }
                None
            }
            Some(Note::Config(told)) => {
                let told = Told::clone(told);
                if let Some(config) = &mut self.config {
                    config.told(told, cx);
                }
                None
            }
            Some(Note::Broker(mail)) => {
                let mail = Mail::clone(mail);
                let woken = self.behaviour.as_mut().and_then(|behaviour| behaviour.note(mail, cx));
                if let Some(woken) = woken {
                    self.wake_jobs(woken, None, cx);
                }
                None
            }
            Some(Note::Peers(mail)) => {
                let mail = PeerMail::clone(mail);
                if let Some(behaviour) = &mut self.behaviour {
                    behaviour.peer_told(mail, cx);
                }
                None
            }
            Some(Note::Telemetry(_) | Note::FlagsAsked(_)) | None => None,
        };
        if let (Some(agent), Some((life, sequence))) = (&mut self.telemetry, taken) {
            agent.taken(life, sequence, cx);
        }
    }

    fn telemetry_reconfigured(&mut self, cx: &mut Cx<'_>) {
        let plan = self.plan.services[self.service.index()].telemetry.as_ref();
        if let (Some(agent), Some(plan)) = (&mut self.telemetry, plan) {
            agent.reconfigured(plan, cx);
        }
    }

    fn flags_reconfigured(&mut self, cx: &mut Cx<'_>) {
        let plan = self.plan.services[self.service.index()].flags.as_ref();
        if let (Some(client), Some(plan)) = (&mut self.flags, plan) {
            client.reconfigured(plan, cx);
        }
    }

    #[inline]
    fn report(&self, cx: &mut Cx<'_>) {
        let busy = if self.shares_processors() { self.busy.min(self.own().workers) } else { self.busy };
        cx.occupancy(busy, self.waiting);
    }
}

impl Node for ServiceNode {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.started_at = cx.now();
        self.keys = Some(Keys {
            demand: cx.key("service_time"),
            error: cx.key("error"),
            branch: cx.key("branch"),
            order: cx.key("order"),
        });
        if let Some(behaviour) = &mut self.behaviour {
            behaviour.start(cx);
        }
        self.open_door(cx);
        if let Some(config) = &mut self.config {
            config.start(cx);
        }
        if let Some(agent) = &mut self.telemetry {
            agent.start(cx);
        }
        self.arm_alarm(cx);
        if let Some(client) = &mut self.flags {
            client.start(cx);
        }
    }

    fn deliver(&mut self, _from: NodeId, message: Message, cx: &mut Cx<'_>) {
        // By reference, so that what it carries is not copied once more.
        match &message {
            Message::Request(request) => self.arrive(request, cx),
            Message::Done(done) => {
                let is_question = self.config.as_mut().is_some_and(|config| config.call_done(done));
                if !is_question && !self.store_answered(done, cx) && !self.kind_call_done(done, cx) {
                    self.call_done(done, cx);
                }
            }
            Message::Cancel(attempt) => self.cancel(*attempt, cx),
            Message::Fill(_) | Message::Invalidate { .. } | Message::Entry { .. } => {
                self.deliver_to_kind(&message, cx);
            }
            Message::Note(note) => self.note_came(*note, cx),
            Message::Load(_) | Message::Flag(_) => {}
        }
        self.arm_alarm(cx);
        self.report(cx);
    }

    fn wake(&mut self, token: Token, cx: &mut Cx<'_>) {
        // The end of work comes first, because it comes most often; all other words are above the slots of jobs.
        if !door::is_for_door(token) {
            if let Some(at) = self.jobs.by_slot(token.0) {
                self.work_done(at, cx);
            }
        } else if token == Token::RECONFIGURED {
            self.change_door(cx);
            self.serve_next(cx);
            self.telemetry_reconfigured(cx);
            self.flags_reconfigured(cx);
        } else if token == FLUSH {
            if let Some(agent) = &mut self.telemetry {
                agent.flush(cx);
            }
        } else if token == FLAGS {
            if let Some(client) = &mut self.flags {
                client.due(cx);
            }
        } else if token == CONFIG {
            if let Some(config) = &mut self.config {
                config.expire(cx);
            }
        } else if token == ALARM {
            self.alarm_rings(cx);
        } else {
            self.door_due(token, cx);
        }
        self.arm_alarm(cx);
        self.report(cx);
    }

    fn crash(&mut self, keep: Durable, lost: &mut dyn FnMut(&Request)) {
        if let Some(behaviour) = &mut self.behaviour {
            behaviour.crash(keep);
        }
        for (_, job) in self.jobs.iter().filter(|(_, job)| !job.detached) {
            lost(&job.request);
        }
        if let Some(door) = &mut self.door {
            for (_, waiting) in door.waiting.iter() {
                lost(&waiting.request);
            }
            door.waiting = Slab::new();
        }
        self.jobs = Slab::new();
        self.detached = 0;
        self.alarm.forget();
        self.line.clear();
        self.cancellable.clear();
        self.waiting = 0;
        self.busy = 0;
        self.codel = Codel::new(self.own().queue.codel);
        if let Some(config) = &mut self.config {
            config.crash();
        }
        if let Some(agent) = &mut self.telemetry {
            agent.crash();
        }
        if let Some(client) = &mut self.flags {
            client.crash(keep);
        }
    }

    fn reconfigure(&mut self, edit: &ConfigEdit<'_>) -> Result<(), String> {
        let before = self.own().queue.clone();
        self.plan = Arc::clone(edit.plan);
        self.samplers = samplers(self.own());
        if before.codel != self.own().queue.codel {
            self.codel = Codel::new(self.own().queue.codel);
        }
        if before.discipline != self.own().queue.discipline {
            let mut line = Line::new(self.own().queue.discipline);
            for at in self.line.drain_all() {
                if let Some(job) = self.jobs.get(at) {
                    line.push(at, self.rank(job));
                }
            }
            self.line = line;
        }
        let own = self.plan.services[self.service.index()].clone();
        if let Some(behaviour) = &mut self.behaviour {
            behaviour.reconfigure(&own);
        }
        if let (Some(config), Some(plan)) = (&mut self.config, &own.config_client) {
            config.reconfigure(plan);
        }
        Ok(())
    }

    fn probe(&self, out: &mut Probes) {
        out.in_system = self.jobs.len() as u64 - u64::from(self.detached);
        if let Some(door) = &self.door {
            out.in_system += door.waiting.len() as u64;
            door.admission.probe(out);
        }
        if let Some(behaviour) = &self.behaviour {
            behaviour.probe(out);
        }
        if let Some(config) = &self.config {
            config.probe(out);
        }
        if let Some(agent) = &self.telemetry {
            out.unreported = agent.unreported();
        }
        if let Some(client) = &self.flags {
            client.probe(out);
        }
    }
}

fn flag_client(own: &ServicePlan, plan: &Arc<Plan>, bucketing: Bucketing) -> Option<Box<FlagClient>> {
    own.flags.as_ref().map(|flags| Box::new(FlagClient::new(flags, plan, bucketing)))
}

fn samplers(plan: &ServicePlan) -> Vec<Sampler> {
    plan.operations
        .iter()
        .map(|operation| {
            Sampler::new(&operation.service_time).expect("the plan's distributions were checked")
        })
        .collect()
}
