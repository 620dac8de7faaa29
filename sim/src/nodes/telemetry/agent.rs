//! Counts and times the requests that a replica answers, and sends reports of them. Durations are those of a monotonic
//! clock; the instants on a report are what the replica's own clock shows. Never waits for an answer to go on.

use std::collections::{BTreeMap, VecDeque};

use foreshock_systems::metrics::Accumulator;

use super::{Distribution, Report, SeriesCount};
use crate::cluster::{Cx, Note, Ref, Request};
use crate::kernel::agenda::Handle;
use crate::kernel::draw::{Key, Lineage, chance_ppm, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::{OutcomeKind, Unreported};
use crate::nodes::tokens::FLUSH;
use crate::scenario::plan::{OperationId, TelemetryPlan, Temporality};

/// The monitoring inside one replica.
pub(in crate::nodes) struct Agent {
    plan: TelemetryPlan,
    keys: Option<Keys>,
    timer: Handle,
    /// Whether the process runs.
    is_up: bool,
    /// Whether whoever collects has been told of it, and not that it leaves.
    is_known: bool,
    /// Counts the lives of the process.
    life: u32,
    started: Time,
    /// Begin of the present interval.
    since: Time,
    /// Reports made in this life.
    sequence: u64,
    /// Times a report was sent in this life, first or again.
    sent: u64,
    /// Of the present interval.
    now: Counted,
    /// Since the process started, where reports say that.
    running: Option<Counted>,
    /// Reports that nobody has acknowledged yet, oldest first.
    queue: VecDeque<(u64, Ref)>,
    lost_in_crash: u64,
}

#[derive(Clone, Copy)]
struct Keys {
    /// Draws whether a request is recorded.
    sampling: Key,
    /// The replica's name, in the identity of its messages.
    name: u64,
}

/// What was counted over some time.
#[derive(Clone)]
struct Counted {
    requests: u64,
    errors: u64,
    latency: Distribution,
    corrected: Option<Distribution>,
    series: BTreeMap<(Option<OperationId>, Option<u64>), u64>,
    overflowed: u64,
}

impl Counted {
    fn new(plan: &TelemetryPlan) -> Counted {
        Counted {
            requests: 0,
            errors: 0,
            latency: Distribution::new(plan.histogram),
            corrected: plan.expected_interval.map(|_| Distribution::new(plan.histogram)),
            series: BTreeMap::new(),
            overflowed: 0,
        }
    }

    fn count(&mut self, request: &Request, is_error: bool, plan: &TelemetryPlan) {
        self.requests += 1;
        self.errors += u64::from(is_error);
        if !(plan.by_operation || plan.by_key) {
            return;
        }
        let labels = (plan.by_operation.then_some(request.operation), plan.by_key.then_some(request.key));
        if self.series.len() < plan.max_series as usize || self.series.contains_key(&labels) {
            *self.series.entry(labels).or_default() += 1;
        } else {
            self.overflowed += 1;
        }
    }

    fn record(&mut self, latency: Span, expected_interval: Option<Span>) {
        self.latency.record(latency.as_nanos());
        if let (Some(corrected), Some(interval)) = (&mut self.corrected, expected_interval) {
            corrected.record_corrected(latency, interval);
        }
    }

    /// Adds a later interval. A latency kept in other buckets than before stays out: see [`Agent::reconfigured`].
    fn add(&mut self, later: &Counted, most_series: usize) {
        self.requests += later.requests;
        self.errors += later.errors;
        self.overflowed += later.overflowed;
        let joined = self.latency.merge(&later.latency);
        debug_assert!(joined.is_ok(), "both were made from one plan");
        if let (Some(mine), Some(theirs)) = (&mut self.corrected, &later.corrected) {
            let joined = mine.merge(theirs);
            debug_assert!(joined.is_ok(), "both were made from one plan");
        }
        for (labels, requests) in &later.series {
            if self.series.len() < most_series || self.series.contains_key(labels) {
                *self.series.entry(*labels).or_default() += requests;
            } else {
                self.overflowed += requests;
            }
        }
    }
}

impl Agent {
    pub(in crate::nodes) fn new(plan: &TelemetryPlan) -> Agent {
        Agent {
            plan: plan.clone(),
            keys: None,
            timer: Handle::NONE,
            is_up: false,
            is_known: false,
            life: 0,
            started: Time::ZERO,
            since: Time::ZERO,
            sequence: 0,
            sent: 0,
            now: Counted::new(plan),
            running: None,
            queue: VecDeque::new(),
            lost_in_crash: 0,
        }
    }

    /// The process starts. One that is replaced in good order reports what it has before it goes.
    pub(in crate::nodes) fn start(&mut self, cx: &mut Cx<'_>) {
        let service = &cx.plan().services[cx.service().index()].name;
        let name = name_hash(&format!("telemetry/{service}/{}", cx.replica() + 1));
        self.keys = Some(Keys { sampling: cx.key("telemetry"), name });
        if self.is_up && (self.is_known || self.now.requests > 0) {
            self.report(cx);
            self.forget_queue(cx);
        }
        self.is_up = true;
        self.begin_life(cx);
        // A replica that was not wanted until now has been started before.
        cx.cancel_wake(std::mem::take(&mut self.timer));
        self.arm(cx);
    }

    fn begin_life(&mut self, cx: &Cx<'_>) {
        self.life += 1;
        self.lost_in_crash += self.now.latency.count();
        self.started = cx.local_time();
        self.since = self.started;
        self.sequence = 0;
        self.sent = 0;
        self.now = Counted::new(&self.plan);
        self.running = match self.plan.temporality {
            Temporality::Cumulative => Some(Counted::new(&self.plan)),
            Temporality::Delta => None,
        };
    }

    /// Reports keep to multiples of the interval: whoever stood still for a while comes back into step.
    fn arm(&mut self, cx: &mut Cx<'_>) {
        let every_ns = self.plan.every.as_nanos().max(1);
        let passed = cx.now().as_nanos() / every_ns + 1;
        self.timer = cx.wake_at(Time::from_nanos(passed.saturating_mul(every_ns)), FLUSH);
    }

    /// The replica answers a request.
    #[inline]
    pub(in crate::nodes) fn answered(&mut self, request: &Request, outcome: OutcomeKind, cx: &mut Cx<'_>) {
        let latency = cx.now().since(request.arrived_at);
        let recorded = self.is_recorded(cx.redrawn(request.lineage.raw()), latency);
        self.now.count(request, outcome != OutcomeKind::Ok, &self.plan);
        if recorded {
            self.now.record(latency, self.plan.expected_interval);
        }
        cx.answered(self.life, latency, recorded);
    }

    fn is_recorded(&self, identity: u64, latency: Span) -> bool {
        let share_ppm = match self.plan.slow {
            Some((slow, share_ppm)) if latency >= slow => share_ppm,
            Some(_) | None => self.plan.sample_ppm,
        };
        let draws = |keys: Keys| chance_ppm(keys.sampling.draw(identity), share_ppm);
        share_ppm >= 1_000_000 || self.keys.is_some_and(draws)
    }

    /// A report is due.
    pub(in crate::nodes) fn flush(&mut self, cx: &mut Cx<'_>) {
        self.arm(cx);
        if self.has_to_report(cx) {
            self.report(cx);
        } else {
            self.since = cx.local_time();
        }
    }

    /// A replica that is not there is silent, unless it was sent away with something to say.
    fn has_to_report(&self, cx: &Cx<'_>) -> bool {
        self.is_up && (cx.is_member() || self.is_known || self.now.requests > 0 || !self.queue.is_empty())
    }

    fn report(&mut self, cx: &mut Cx<'_>) {
        self.is_known = cx.is_member();
        let to = cx.local_time();
        self.sequence += 1;
        let interval = std::mem::replace(&mut self.now, Counted::new(&self.plan));
        let own_p99 = interval.latency.p99();
        let counted = match &mut self.running {
            Some(running) => {
                running.add(&interval, self.plan.max_series as usize);
                running.clone()
            }
            None => interval,
        };
        let series = counted.series.iter().map(|((operation, key), requests)| SeriesCount {
            operation: *operation,
            key: *key,
            requests: *requests,
        });
        let report = Report {
            service: cx.service(),
            replica: cx.replica(),
            life: self.life,
            sequence: self.sequence,
            started: self.started,
            // A clock that was set back makes an interval of no length, not one that ends before it begins.
            from: self.since.min(to),
            to,
            temporality: self.plan.temporality,
            wants_answer: self.keeps() > 0,
            leaves: !self.is_known,
            requests: counted.requests,
            errors: counted.errors,
            series: series.collect(),
            overflowed: counted.overflowed,
            latency: counted.latency,
            corrected: counted.corrected,
            own_p99,
        };
        self.since = to;
        let note = cx.write(Note::Telemetry(Box::new(report)));
        self.queue.push_back((self.sequence, note));
        self.send_queue(cx);
    }

    /// How many reports are kept to be sent again: running sums make up for each other.
    fn keeps(&self) -> usize {
        match self.plan.temporality {
            Temporality::Delta => self.plan.queue as usize,
            Temporality::Cumulative => 0,
        }
    }

    /// Sends all that nobody has acknowledged; what there is no room for is sent for the last time.
    fn send_queue(&mut self, cx: &mut Cx<'_>) {
        let collector = cx.replica_of(self.plan.to, 0);
        let name = self.keys.map_or(0, |keys| keys.name);
        for (_, note) in &self.queue {
            self.sent += 1;
            let identity = Lineage::root(name, self.sent).attempt(self.life).raw();
            cx.send_note(self.plan.report_link, collector, *note, identity);
        }
        while self.queue.len() > self.keeps() {
            if let Some((_, note)) = self.queue.pop_front() {
                cx.forget(note);
            }
        }
    }

    /// Whoever collects has taken a report.
    pub(in crate::nodes) fn taken(&mut self, life: u32, sequence: u64, cx: &mut Cx<'_>) {
        if life != self.life {
            return;
        }
        if let Some(position) = self.queue.iter().position(|(queued, _)| *queued == sequence)
            && let Some((_, note)) = self.queue.remove(position)
        {
            cx.forget(note);
        }
    }

    fn forget_queue(&mut self, cx: &mut Cx<'_>) {
        for (_, note) in std::mem::take(&mut self.queue) {
            cx.forget(note);
        }
    }

    /// The process dies: what was not sent is lost, and the counts begin at zero.
    pub(in crate::nodes) fn crash(&mut self) {
        self.is_up = false;
        self.lost_in_crash += self.now.latency.count();
        self.now = Counted::new(&self.plan);
        self.running = None;
        self.queue.clear();
    }

    /// New settings. Other buckets cannot be added to what was counted so far, which is reported at once.
    pub(in crate::nodes) fn reconfigured(&mut self, plan: &TelemetryPlan, cx: &mut Cx<'_>) {
        let before = std::mem::replace(&mut self.plan, plan.clone());
        let corrects = |plan: &TelemetryPlan| plan.expected_interval.is_some();
        if before.histogram != plan.histogram || corrects(&before) != corrects(plan) {
            if self.has_to_report(cx) {
                self.report(cx);
            }
            self.begin_life(cx);
        }
    }

    pub(in crate::nodes) fn unreported(&self) -> Unreported {
        Unreported { buffered: self.now.latency.count(), lost_in_crash: self.lost_in_crash }
    }
}
