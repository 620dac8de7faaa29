//! Kind `job-enqueuer`: enqueues by the calendar. Its replicas campaign at the scheduler that its call goes to; the one
//! that leads names the ticks. Two that believe to lead do no harm: a tick bears the leader's term, and is noted once.

use std::sync::Arc;

use foreshock_systems::job_scheduler::periodic::{Calendar, Enqueuer as Library, EnqueuerConfig, Periodic};
use foreshock_systems::job_scheduler::{
    Input, Leadership, NodeId as LeaderId, Outbox, Output, Rejected, ScheduleId, Term,
};
use serde_json::{Map, Value};

use super::settings::ScheduleSettings;
use super::words::Ask;
use crate::cluster::{
    CallSpec, ConfigEdit, Cx, Done, Durable, Message, Node, NodeId, Probes, Ref, Reply, Request, Slab, Token,
};
use crate::kernel::draw::{Lineage, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;
use crate::nodes::alarm::{Alarm, SHORTEST_NAP, at_least};
use crate::nodes::settings::{Reader, Wrong};
use crate::nodes::tokens::ALARM;
use crate::scenario::plan::{EdgeId, OperationId, Plan, ServiceId};

/// Settings of kind `job-enqueuer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// From one campaign to the next; `None`: a third of the scheduler's `leader_lease`.
    campaign: Option<Span>,
    /// How long it believes to lead; `None`: the scheduler's `leader_lease`.
    believe: Option<Span>,
}

/// The settings, or everything that is wrong with them.
pub(super) fn read(settings: &Map<String, Value>) -> Result<Settings, Wrong> {
    let mut wrong = Wrong::new();
    let mut reader = Reader { map: settings, at: String::new(), wrong: &mut wrong };
    reader.refuse_unknown(&["campaign", "believe"], "kind `job-enqueuer`");
    let read =
        Settings { campaign: reader.positive_span("campaign"), believe: reader.positive_span("believe") };
    if wrong.is_empty() { Ok(read) } else { Err(wrong) }
}

/// What an enqueuer of the family `negative/` does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nodes) enum Mistake {
    /// Nothing.
    None,
    /// It enqueues without asking who leads.
    NeverAsks,
    /// It enqueues a time of day twice that the clock on the wall shows twice.
    TicksTwice,
}

/// How long after its instant a tick is still on time.
const GRACE: Span = Span::from_secs(1);
/// How old a missed tick may be and still be looked at.
const LOOK_BACK: Span = Span::from_secs(86_400);

/// One replica.
pub(super) struct Enqueuer {
    service: ServiceId,
    plan: Arc<Plan>,
    mistake: Mistake,
    /// The scheduler's, as they were when it started.
    schedules: Vec<ScheduleSettings>,
    /// `None` while it does not run.
    library: Option<Library>,
    node: u32,
    /// Names this replica in the identities of what it asks.
    name: u64,
    /// What was asked and not answered yet.
    asked: Slab<What>,
    questions: u64,
    /// A new term, and what is known by now of where its schedules stand.
    coming: Option<Coming>,
    alarm: Alarm,
    campaigns: u64,
    terms_won: u64,
    ticks: u64,
    refused: u64,
}

/// What was asked.
#[derive(Clone, Debug)]
enum What {
    Input(Input),
    LastTick(u16),
}

struct Coming {
    leadership: Leadership,
    missing: usize,
    last_ticks: Vec<(ScheduleId, Time)>,
}

impl Enqueuer {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>, mistake: Mistake) -> Enqueuer {
        Enqueuer {
            service,
            plan: Arc::clone(plan),
            mistake,
            schedules: Vec::new(),
            library: None,
            node: 0,
            name: 0,
            asked: Slab::new(),
            questions: 0,
            coming: None,
            alarm: Alarm::default(),
            campaigns: 0,
            terms_won: 0,
            ticks: 0,
            refused: 0,
        }
    }

    fn edge(&self) -> EdgeId {
        self.plan.services[self.service.index()].steps[0].branches[0].edge
    }

    fn scheduler(&self) -> ServiceId {
        self.plan.edges[self.edge().index()].callee
    }

    /// The scheduler's schedules, how long its leaders lead, and when the run begins.
    fn written(&self) -> (Vec<ScheduleSettings>, Span, i64) {
        let settings = &self.plan.services[self.scheduler().index()].settings;
        let read = super::settings::read(settings).expect("the plan's settings were checked");
        (read.schedules, read.leader_lease, read.begins_unix_s)
    }

    fn calendar(&self, schedule: &ScheduleSettings, begins_unix_s: i64) -> Box<dyn Calendar + Send> {
        match self.mistake {
            Mistake::TicksTwice => schedule.ticks.doubled().calendar(begins_unix_s),
            Mistake::None | Mistake::NeverAsks => schedule.ticks.calendar(begins_unix_s),
        }
    }

    fn opened(&mut self, now: Time) -> Library {
        let (schedules, lease, begins_unix_s) = self.written();
        let own = read(&self.plan.services[self.service.index()].settings)
            .expect("the plan's settings were checked");
        let config = EnqueuerConfig {
            node: LeaderId(self.node),
            campaign_every: own.campaign.unwrap_or(Span::from_nanos(lease.as_nanos() / 3)),
            believe_for: own.believe.unwrap_or(lease),
        };
        let periodics = (0u16..).zip(&schedules).map(|(id, schedule)| Periodic {
            schedule: ScheduleId(id),
            calendar: self.calendar(schedule, begins_unix_s),
            misfire: schedule.misfire,
            grace: GRACE,
            look_back: LOOK_BACK,
        });
        let library = Library::new(config, periodics.collect(), now);
        self.schedules = schedules;
        library
    }

    /// Carries out what the library asks for.
    fn follow(&mut self, inputs: &mut Outbox<Input>, cx: &mut Cx<'_>) {
        let mut all: Vec<Input> = inputs.drain().collect();
        while !all.is_empty() {
            for input in std::mem::take(&mut all) {
                match (&input, self.mistake == Mistake::NeverAsks) {
                    (Input::Campaign { .. }, true) => all.extend(self.lead_alone(cx)),
                    (Input::Campaign { .. }, false) => {
                        self.campaigns += 1;
                        self.ask(Ask::Campaign { node: self.node }, What::Input(input), cx);
                    }
                    (Input::Tick { schedule, at, fire: true, .. }, true) => {
                        self.ticks += 1;
                        let ask = Ask::TickAlone { schedule: schedule.0, at: *at };
                        self.ask(ask, What::Input(input), cx);
                    }
                    (Input::Tick { fire: false, .. }, true) => {}
                    (Input::Tick { term, schedule, at, fire }, false) => {
                        self.ticks += u64::from(*fire);
                        let ask = Ask::Tick { schedule: schedule.0, term: term.0, at: *at, fire: *fire };
                        self.ask(ask, What::Input(input), cx);
                    }
                    _ => {}
                }
            }
        }
    }

    /// What somebody who never asks tells itself.
    fn lead_alone(&mut self, cx: &Cx<'_>) -> Vec<Input> {
        let leadership = Leadership { node: LeaderId(self.node), term: Term(1), until: Time::MAX };
        let mut inputs = Outbox::new();
        if let Some(library) = &mut self.library {
            let leading = Output::Leading { leadership, last_ticks: Vec::new() };
            library.handle_output(cx.local_time(), &leading, &mut inputs);
        }
        inputs.drain().collect()
    }

    fn ask(&mut self, ask: Ask, what: What, cx: &mut Cx<'_>) {
        let operation = match &what {
            What::Input(Input::Tick { schedule, .. }) => self.operation_of(*schedule),
            What::Input(_) | What::LastTick(_) => OperationId(0),
        };
        self.questions += 1;
        let token = self.asked.insert(what).pack();
        let spec = CallSpec {
            operation,
            arguments: ask.arguments(),
            token,
            ..CallSpec::of_its_own(self.edge(), Lineage::root(self.name, self.questions), cx.now())
        };
        cx.call(spec, Ref::NONE);
    }

    fn operation_of(&self, schedule: ScheduleId) -> OperationId {
        let name = self.schedules.get(usize::from(schedule.0)).map(|schedule| &schedule.operation);
        let found = self.plan.operations.iter().position(|operation| Some(operation) == name);
        OperationId(found.unwrap_or(0) as u32)
    }

    fn answered(&mut self, done: &Done, cx: &mut Cx<'_>) {
        let Some(what) = self.asked.remove(Ref::unpack(done.token)).cloned() else { return };
        // Nobody knows what became of what was not answered: ticks are named again by whoever leads next.
        if done.outcome != OutcomeKind::Ok {
            if let What::LastTick(_) = what {
                self.coming = None;
            }
            return;
        }
        match what {
            What::Input(input @ Input::Campaign { .. }) if done.missed => {
                self.refuse(&input, &Rejected::NotLeader(None));
            }
            What::Input(Input::Campaign { .. }) => self.won(done.value, cx),
            What::Input(input @ Input::Tick { .. }) if done.missed => {
                self.refused += 1;
                let why = match done.value {
                    0 => Rejected::NotLeader(None),
                    last => Rejected::TickNoted { last: Time::from_nanos(last) },
                };
                self.refuse(&input, &why);
            }
            What::Input(_) => {}
            What::LastTick(schedule) => self.schedule_known(schedule, done, cx),
        }
    }

    fn refuse(&mut self, input: &Input, why: &Rejected) {
        if let Some(library) = &mut self.library {
            library.handle_refusal(input, why);
        }
    }

    /// It leads in this term; of a new one it asks first where the schedules stand.
    fn won(&mut self, term: u64, cx: &mut Cx<'_>) {
        let leadership = Leadership { node: LeaderId(self.node), term: Term(term), until: Time::MAX };
        let leads_already = self.library.as_ref().is_some_and(|library| library.leads(cx.local_time()));
        let schedules = self.schedules.len();
        if (leads_already && self.terms_won == term) || schedules == 0 {
            self.terms_won = term;
            return self.lead(leadership, Vec::new(), cx);
        }
        self.terms_won = term;
        self.coming = Some(Coming { leadership, missing: schedules, last_ticks: Vec::new() });
        for schedule in 0..schedules as u16 {
            self.ask(Ask::LastTick { schedule }, What::LastTick(schedule), cx);
        }
    }

    fn schedule_known(&mut self, schedule: u16, done: &Done, cx: &mut Cx<'_>) {
        let Some(coming) = &mut self.coming else { return };
        if !done.missed {
            coming.last_ticks.push((ScheduleId(schedule), Time::from_nanos(done.value)));
        }
        coming.missing -= 1;
        if coming.missing == 0
            && let Some(coming) = self.coming.take()
        {
            self.lead(coming.leadership, coming.last_ticks, cx);
        }
    }

    fn lead(&mut self, leadership: Leadership, last_ticks: Vec<(ScheduleId, Time)>, cx: &mut Cx<'_>) {
        let mut inputs = Outbox::new();
        if let Some(library) = &mut self.library {
            library.handle_output(cx.local_time(), &Output::Leading { leadership, last_ticks }, &mut inputs);
        }
        self.follow(&mut inputs, cx);
    }

    fn look(&mut self, cx: &mut Cx<'_>) {
        let mut inputs = Outbox::new();
        let local = cx.local_time();
        if let Some(library) = self.library.as_mut().filter(|library| library.deadline() <= local) {
            library.expire(local, &mut inputs);
        }
        self.follow(&mut inputs, cx);
    }

    /// Tells the harness what it believes, and sets the next alarm.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        let local = cx.local_time();
        let Some(library) = &self.library else { return };
        let (leads, wanted) = (library.leads(local), library.deadline());
        let (scheduler, node, now) = (self.scheduler(), self.node, cx.now());
        cx.job_book(scheduler).believes(node, leads, now);
        self.alarm.set(Some(wanted), at_least(SHORTEST_NAP), ALARM, cx);
    }
}

impl Node for Enqueuer {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.node = cx.node().0;
        self.name = name_hash(&format!("{}/{}", self.plan.services[self.service.index()].name, cx.replica()));
        self.library = Some(self.opened(cx.local_time()));
        if cx.is_member() {
            self.look(cx);
            self.settle(cx);
        }
    }

    fn deliver(&mut self, _from: NodeId, message: Message, cx: &mut Cx<'_>) {
        match message {
            Message::Done(done) => {
                self.answered(&done, cx);
                self.settle(cx);
            }
            // Nobody has anything to ask of an enqueuer.
            Message::Request(request) => cx.reply(&request, Reply::refusal(OutcomeKind::Error)),
            Message::Cancel(_)
            | Message::Fill(_)
            | Message::Invalidate { .. }
            | Message::Note(_)
            | Message::Flag(_)
            | Message::Entry { .. }
            | Message::Load(_) => {}
        }
    }

    fn wake(&mut self, token: Token, cx: &mut Cx<'_>) {
        if token == ALARM {
            self.alarm.forget();
        } else if token == Token::RECONFIGURED && self.library.is_none() {
            return;
        }
        self.look(cx);
        self.settle(cx);
    }

    fn crash(&mut self, _keep: Durable, _lost: &mut dyn FnMut(&Request)) {
        self.asked = Slab::new();
        self.coming = None;
        self.alarm.forget();
        self.library = None;
    }

    fn reconfigure(&mut self, edit: &ConfigEdit<'_>) -> Result<(), String> {
        let before = (self.written(), read(&self.plan.services[self.service.index()].settings));
        self.plan = Arc::clone(edit.plan);
        let after = (self.written(), read(&self.plan.services[self.service.index()].settings));
        if before == after {
            Ok(())
        } else {
            Err("an enqueuer takes up schedules when it starts".to_string())
        }
    }

    fn probe(&self, out: &mut Probes) {
        out.counts.insert("campaigns", self.campaigns);
        out.counts.insert("ticks_named", self.ticks);
        out.counts.insert("ticks_refused", self.refused);
    }
}
