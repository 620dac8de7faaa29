//! Kind `job-scheduler`: requests enqueue jobs, workers fetch, extend and end them, enqueuers campaign and tick. The
//! state machine is that of the library; here are its store, its clock, and when an answer may leave the house.
//!
//! An answer leaves when what it says is durable. With `fsync: every_commit` that is at once; with a group of syncs
//! requests wait for it.

mod asks;
mod workflows;

use std::collections::VecDeque;
use std::sync::Arc;

use foreshock_systems::job_scheduler::{
    Input, Job, JobId, JobState, Outbox, Output, Rejected, Scheduler, TickOutcome, Token,
};
use foreshock_systems::store::{Batch, CommitNumber, Store};

use super::body::Body;
use super::calendar::Walls;
use super::counts::Counts;
use super::settings::{Settings, read};
use super::words::Ask;
use crate::cluster::{Cx, Durable, Probes, Ref, Request};
use crate::kernel::draw::{Lineage, name_hash};
use crate::kernel::time::Time;
use crate::measure::{Broken, StoredJob};
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::store::AnyStore;
use crate::scenario::plan::{LoadId, OperationId, Plan, ServiceId, ServicePlan};

/// What a scheduler of the family `negative/` does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nodes) enum Flaw {
    /// Nothing.
    None,
    /// It takes every commit, whatever the token.
    IgnoresTokens,
    /// It forgets a job at each restart.
    ForgetsAJob,
    /// It answers before what it says is durable.
    AnswersEarly,
    /// It enqueues the steps of a workflow as if none came after another.
    IgnoresOrder,
}

/// Something that has happened, with the job's serial number: to be told, and written in the books, when it is durable.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Promised(u64),
    Given { serial: u64, token: u64 },
    Settled(u64),
    Died(u64),
}

/// What waits to be durable.
struct Held {
    commit: CommitNumber,
    /// Who waits for which answer.
    answer: Option<(Ref, Verdict)>,
    entries: Vec<Entry>,
}

/// A job scheduler beside its workers.
pub(super) struct JobServer {
    service: ServiceId,
    plan: Arc<Plan>,
    settings: Settings,
    walls: Walls,
    flaw: Flaw,
    /// `None` before the first start.
    engine: Option<Scheduler<AnyStore>>,
    /// What a crash left, until the next start.
    keep: Durable,
    out: Outbox<Output>,
    entries: Vec<Entry>,
    held: VecDeque<Held>,
    /// Answers that may leave now.
    ready: VecDeque<(Ref, Verdict)>,
    /// The last instant on its own clock.
    seen: Time,
    counts: Counts,
}

impl JobServer {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>, flaw: Flaw) -> JobServer {
        let settings =
            read(&plan.services[service.index()].settings).expect("the plan's settings were checked");
        JobServer {
            service,
            plan: Arc::clone(plan),
            walls: settings.walls(),
            counts: Counts::new(plan.operations.len(), settings.schedules.len()),
            settings,
            flaw,
            engine: None,
            keep: Durable::Disk,
            out: Outbox::new(),
            entries: Vec::new(),
            held: VecDeque::new(),
            ready: VecDeque::new(),
            seen: Time::ZERO,
        }
    }

    fn do_it(&mut self, input: Input) -> Result<(), Rejected> {
        let Some(engine) = &mut self.engine else { return Ok(()) };
        engine.handle(self.seen, input, &mut self.out)
    }

    /// Asks the library and follows what it said by itself; what it answered is in `entries` and `said`.
    fn ask(&mut self, input: Input, cx: &mut Cx<'_>) -> (Result<(), Rejected>, Said) {
        let result = self.do_it(input);
        let said = self.take_down(cx);
        (result, said)
    }

    /// Goes through everything that was said.
    fn take_down(&mut self, cx: &mut Cx<'_>) -> Said {
        let mut said = Said::default();
        let Some(engine) = &self.engine else { return said };
        for output in self.out.drain() {
            match output {
                // Of a workflow the first one stands for all.
                Output::Enqueued { job } => said.job = said.job.or(Some(job)),
                Output::Duplicate { job } => {
                    self.counts.duplicates += 1;
                    said.duplicate = said.duplicate.or(Some(job));
                }
                Output::Started(given) => {
                    let Some(body) = engine
                        .job(given.job)
                        .and_then(|job| body_of(job, self.service, (&self.plan, &self.settings), cx))
                    else {
                        continue;
                    };
                    self.counts.started(given.kind, given.waited, given.attempt);
                    cx.hand_over((given.job.0, given.token.0), body);
                    self.entries.push(Entry::Given { serial: body.serial, token: given.token.0 });
                    said.given = Some((given.job, given.token));
                }
                Output::LeaseLost { job, token, .. } => {
                    self.counts.leases_lost += 1;
                    cx.forget_handed((job.0, token.0));
                }
                Output::Retrying { .. } => self.counts.retried += 1,
                Output::Finished { job, kind, state, reason, .. } => {
                    let serial = engine.job(job).and_then(|job| serial_of(job, self.service, cx));
                    self.counts.finished(kind, state, reason);
                    let entry = match state {
                        JobState::Completed => Entry::Settled,
                        _ => Entry::Died,
                    };
                    self.entries.extend(serial.map(entry));
                    said.finished = true;
                }
                Output::Pruned { job } => cx.job_book(self.service).forget_tick(job.0),
                Output::Leading { leadership, .. } => {
                    self.counts.terms = self.counts.terms.max(leadership.term.0);
                    said.term = leadership.term.0;
                }
                Output::Ticked { schedule, at, outcome } => {
                    let late = self.seen.since(at);
                    self.counts.ticked(outcome, self.walls.has(schedule.0).then_some((schedule, late)));
                    if let TickOutcome::Enqueued(job) = outcome {
                        let book = cx.job_book(self.service);
                        let serial = book.wanted();
                        self.entries.push(Entry::Promised(serial));
                        said.broken = book.ticked(self.walls.booked(schedule.0, at), job.0, serial);
                    }
                }
                Output::Ready { .. }
                | Output::Idle { .. }
                | Output::Extended { .. }
                | Output::Stop { .. }
                | Output::Snoozed { .. }
                | Output::Revived { .. }
                | Output::Vacant
                | Output::Drained => {}
            }
        }
        report(said.broken.take(), cx);
        said
    }

    fn is_durable(&self) -> bool {
        let durable = |engine: &Scheduler<AnyStore>| engine.durable() >= engine.last_commit();
        self.flaw == Flaw::AnswersEarly || self.engine.as_ref().is_none_or(durable)
    }

    /// Answers now if that is durable, or later.
    fn conclude(&mut self, job: Ref, verdict: Verdict, cx: &mut Cx<'_>) -> Verdict {
        if self.is_durable() {
            self.release(cx);
            write_down(self.service, self.entries.drain(..), cx);
            return verdict;
        }
        self.hold(Some((job, verdict)));
        Verdict::Wait
    }

    fn hold(&mut self, answer: Option<(Ref, Verdict)>) {
        let commit = self.engine.as_ref().map_or(CommitNumber::NONE, Scheduler::last_commit);
        self.held.push_back(Held { commit, answer, entries: std::mem::take(&mut self.entries) });
    }

    /// Lets go what has become durable.
    fn release(&mut self, cx: &mut Cx<'_>) {
        let durable = self.engine.as_ref().map_or(CommitNumber::NONE, Scheduler::durable);
        while self.held.front().is_some_and(|held| held.commit <= durable) {
            let Some(held) = self.held.pop_front() else { return };
            write_down(self.service, held.entries, cx);
            self.ready.extend(held.answer);
        }
    }

    fn serial(&self, job: u64, cx: &mut Cx<'_>) -> Option<u64> {
        serial_of(self.engine.as_ref()?.job(JobId(job))?, self.service, cx)
    }

    /// All jobs that are kept, for the books.
    fn stored(&self) -> Vec<StoredJob> {
        let jobs = self.engine.iter().flat_map(|engine| engine.jobs());
        let stored = jobs.map(|job| StoredJob {
            serial: Body::of(&job.args).map(|body| body.serial),
            job: job.id.0,
            has_ended: job.state.is_terminal(),
        });
        stored.collect()
    }

    fn open(&mut self, store: AnyStore, cx: &Cx<'_>) {
        let config = self.settings.config(&self.plan.operations, cx.key("jobs").draw(cx.redrawn(0)));
        let engine = Scheduler::open(config, store, self.seen)
            .expect("the settings were checked, and what is stored fits them: lists never shrink");
        self.engine = Some(engine);
    }
}

impl Behaviour for JobServer {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        self.seen = cx.local_time();
        match Ask::of(request.arguments) {
            Ask::Enqueue if self.is_workflow(request) => self.enqueue_workflow(request, job, cx),
            Ask::Enqueue => self.enqueue(request, job, None, cx),
            Ask::TickAlone { schedule, at } => self.enqueue(request, job, Some((schedule, at)), cx),
            Ask::Fetch { worker, pool } => self.fetch(request, (worker, pool), job, cx),
            Ask::Heartbeat { job: of, token } => self.heartbeat((of, token), job, cx),
            Ask::Complete { job: of, token } => self.end(request, (of, token), true, job, cx),
            Ask::Fail { job: of, token } => self.end(request, (of, token), false, job, cx),
            Ask::Campaign { node } => self.campaign(node, job, cx),
            Ask::LastTick { schedule } => self.last_tick(schedule, job, cx),
            Ask::Tick { schedule, term, at, fire } => self.tick((schedule, term), (at, fire), job, cx),
            Ask::Effect { .. } => Verdict::Fail,
        }
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.seen = cx.local_time();
        let Some(engine) = self.engine.take() else {
            self.open(AnyStore::open(self.settings.store, None), cx);
            return;
        };
        self.counts.restarts += 1;
        let entropy = cx.key("power").draw(cx.redrawn(self.counts.restarts));
        let disk = engine.into_store().crash(self.keep, entropy);
        let mut store = AnyStore::open(self.settings.store, disk);
        if self.flaw == Flaw::ForgetsAJob {
            forget_a_job(&mut store, self.seen);
        }
        self.open(store, cx);
        let broken = cx.job_book(self.service).recovered(&self.stored());
        report(broken, cx);
    }

    fn crash(&mut self, keep: Durable) {
        self.keep = keep;
        self.held.clear();
        self.ready.clear();
        self.entries.clear();
        self.out.drain();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        let Ok(settings) = read(&plan.settings) else { return };
        if settings == self.settings {
            return;
        }
        if let Some(engine) = &mut self.engine {
            let config = settings.config(&self.plan.operations, engine.config().seed);
            // Lists that got shorter are not followed: jobs may still refer to what was in them.
            if engine.reconfigure(config, self.seen).is_err() {
                return;
            }
        }
        self.walls = settings.walls();
        self.settings = settings;
    }

    fn deadline(&self) -> Option<Time> {
        if !self.ready.is_empty() {
            return Some(Time::ZERO);
        }
        self.engine.as_ref().and_then(Scheduler::deadline)
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        self.seen = local;
        if self.engine.as_ref().and_then(Scheduler::deadline).is_some_and(|due| due <= local) {
            if let Some(engine) = &mut self.engine {
                engine.expire(local, &mut self.out);
            }
            self.take_down(cx);
            if !self.entries.is_empty() {
                self.hold(None);
            }
            self.release(cx);
        }
        let (job, verdict) = self.ready.pop_front()?;
        Some(Woken { jobs: vec![job], verdict: Some(verdict) })
    }

    fn probe(&self, out: &mut Probes) {
        self.counts.probe(&self.plan.operations, &self.settings.schedules, out);
        let Some(engine) = &self.engine else { return };
        out.counts.insert("live", engine.totals().live);
        if self.settings.has_workflows() {
            let waiting = engine.jobs().filter(|job| job.state == JobState::Pending).count();
            out.counts.insert("steps_waiting", waiting as u64);
            out.counts.insert("workflows", self.counts.workflows);
        }
        let mut live = vec![0; self.plan.operations.len()];
        for job in engine.jobs().filter(|job| !job.state.is_terminal()) {
            live[usize::from(job.kind.0)] += 1;
        }
        let named = self.plan.operations.iter().zip(live).filter(|(_, live)| *live > 0);
        out.named.extend(named.map(|(name, live)| (format!("{name}.live"), live)));
        out.jobs = Some(Box::new(super::JobsProbe {
            stored: self.stored(),
            audit: engine.audit().err().map(|violation| violation.to_string()),
        }));
    }
}

/// What was said to whoever asked.
#[derive(Default)]
struct Said {
    job: Option<JobId>,
    duplicate: Option<JobId>,
    given: Option<(JobId, Token)>,
    finished: bool,
    term: u64,
    broken: Option<Broken>,
}

const fn answer(missed: bool, value: u64) -> Verdict {
    Verdict::Answer(Answered { missed, value })
}

fn report(broken: Option<Broken>, cx: &mut Cx<'_>) {
    if let Some(Broken { invariant, witness }) = broken {
        cx.violation(invariant, witness);
    }
}

fn write_down(service: ServiceId, entries: impl IntoIterator<Item = Entry>, cx: &mut Cx<'_>) {
    for entry in entries {
        let book = cx.job_book(service);
        let broken = match entry {
            Entry::Promised(serial) => {
                book.promised(serial);
                None
            }
            Entry::Given { serial, token } => book.given(serial, token),
            Entry::Settled(serial) => {
                book.settled(serial);
                None
            }
            Entry::Died(serial) => {
                book.died(serial);
                None
            }
        };
        report(broken, cx);
    }
}

fn serial_of(job: &Job, service: ServiceId, cx: &mut Cx<'_>) -> Option<u64> {
    Body::of(&job.args).map(|body| body.serial).or_else(|| cx.job_book(service).of_tick(job.id.0))
}

/// What a job is about; one that a schedule enqueued is named by the schedule and the instant.
fn body_of(
    job: &Job,
    service: ServiceId,
    (plan, settings): (&Plan, &Settings),
    cx: &mut Cx<'_>,
) -> Option<Body> {
    if let Some(body) = Body::of(&job.args) {
        return Some(body);
    }
    let serial = cx.job_book(service).of_tick(job.id.0)?;
    let name = &plan.services[service.index()].name;
    // Chance knows a schedule by its name: its number would be another one beside other schedules.
    let schedule = job.schedule.and_then(|schedule| settings.schedules.get(usize::from(schedule.0)));
    let schedule = schedule.map_or("", |schedule| schedule.name.as_str());
    let lineage =
        Lineage::root(name_hash(&format!("{name}/schedule/{schedule}")), job.enqueued_at.as_nanos());
    Some(Body { serial, operation: OperationId(u32::from(job.kind.0)), key: 0, lineage, load: LoadId(0) })
}

/// The mistake of a broken variant: the first job that is stored is not there any more.
fn forget_a_job(store: &mut AnyStore, now: Time) {
    let mut first = None;
    store.scan(b"jobs/j", &mut |key, _| {
        first = Some(key.to_vec());
        false
    });
    if let Some(key) = first {
        let mut batch = Batch::new();
        batch.remove(key);
        store.commit(now, &batch).expect("the disk has room");
    }
}
