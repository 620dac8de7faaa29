//! Kind `message-queue`: requests go through the waiting line and the workers of a service; long polls wait without a
//! worker. A message is answered for when it is in the store. A crash leaves of the queue what its disk has.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use foreshock_systems::broker::queue::{
    Handle, NewMessage, Queue, QueueAudit, QueueInput, QueueOutput, QueueRejected, QueueSabotage,
    QueueViolation,
};

use super::settings::{self, QueueSettings};
use super::words::{Ask, word};
use crate::cluster::{Cx, Durable, Probes, Ref, Request};
use crate::kernel::time::{Span, Time};
use crate::measure::queued;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::store::{AnyStore, Fallen};
use crate::scenario::plan::{Plan, ServiceId, ServicePlan};

const NOTHING: Answered = Answered { missed: true, value: 0 };

pub(super) struct QueueServer {
    service: ServiceId,
    settings: QueueSettings,
    sabotage: Option<QueueSabotage>,
    queue: Option<Queue<AnyStore>>,
    fallen: Option<Fallen>,
    audit: QueueAudit,
    /// Receives by token.
    waiting: BTreeMap<u64, Ref>,
    /// Receives whose answer is there.
    ready: VecDeque<(Ref, Answered)>,
    tokens: u64,
    restarts: u64,
    /// Of lives that are over.
    retired: Vec<(&'static str, u64)>,
    over_limit: u64,
    seen: Time,
}

impl QueueServer {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>, sabotage: Option<QueueSabotage>) -> QueueServer {
        let written = &plan.services[service.index()].settings;
        let settings = settings::queue(written).expect("the plan's settings were checked");
        QueueServer {
            service,
            audit: QueueAudit::new(settings.config.max_receives),
            settings,
            sabotage,
            queue: None,
            fallen: None,
            waiting: BTreeMap::new(),
            ready: VecDeque::new(),
            tokens: 0,
            restarts: 0,
            retired: Vec::new(),
            over_limit: 0,
            seen: Time::ZERO,
        }
    }

    /// Lets the queue do something; whatever it says is looked at.
    fn handle(&mut self, input: QueueInput, cx: &mut Cx<'_>) -> Result<Vec<QueueOutput>, QueueRejected> {
        let Some(queue) = &mut self.queue else { return Ok(Vec::new()) };
        let mut out = Vec::new();
        let done = queue.handle(self.seen, input, &mut out);
        self.said(&out, cx);
        done.map(|()| out)
    }

    fn said(&mut self, out: &[QueueOutput], cx: &mut Cx<'_>) {
        for output in out {
            let verdict = self.audit.said(self.seen, output);
            note(verdict, cx);
            match output {
                QueueOutput::Received { token, messages } => {
                    let Some(job) = self.waiting.remove(token) else { continue };
                    let first = messages.first().map(|delivery| word(delivery.handle));
                    let answer = first.map_or(NOTHING, |value| Answered { missed: false, value });
                    self.ready.push_back((job, answer));
                }
                QueueOutput::Deleted { message } | QueueOutput::Expired { message, .. } => {
                    cx.queue_forgets(self.service, message.0);
                }
                QueueOutput::Sent { .. }
                | QueueOutput::Dead { .. }
                | QueueOutput::Returned { .. }
                | QueueOutput::Redriven { .. } => {}
            }
        }
        if let Some(queue) = &self.queue {
            note(queue.balance(), cx);
        }
    }

    fn send(&mut self, request: &Request, cx: &mut Cx<'_>) -> Verdict {
        self.tokens += 1;
        let group = request.key.to_le_bytes();
        let group = self.settings.config.is_fifo.then(|| group.as_slice().into());
        let identity = request.call.raw();
        let dedup = self.settings.is_deduplicated.then(|| identity.to_le_bytes().as_slice().into());
        let body = identity.to_le_bytes().as_slice().into();
        let message = NewMessage { body, delay: None, group: group.clone(), dedup };
        match self.handle(QueueInput::Send { token: self.tokens, message }, cx) {
            Ok(out) => {
                for output in out {
                    let QueueOutput::Sent { message, is_duplicate: false, .. } = output else { continue };
                    cx.queue_keeps(self.service, message.0, request);
                    if let Some(group) = &group {
                        let group: Arc<[u8]> = Arc::clone(group);
                        self.audit.sent_to_group(message, group);
                    }
                }
                Verdict::Answer(Answered::default())
            }
            Err(QueueRejected::Full { .. } | QueueRejected::OverLimit { .. }) => Verdict::TurnAway,
            Err(_) => Verdict::Fail,
        }
    }

    fn receive(&mut self, wait: Span, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        self.tokens += 1;
        self.waiting.insert(self.tokens, job);
        let ask = QueueInput::Receive { token: self.tokens, max: 1, wait, visibility: None };
        if self.handle(ask, cx).is_err() {
            self.waiting.remove(&self.tokens);
            self.over_limit += 1;
            return Verdict::TurnAway;
        }
        match self.ready.iter().position(|(ready, _)| *ready == job) {
            Some(at) => {
                let answer = self.ready.remove(at).map_or(NOTHING, |(_, answer)| answer);
                Verdict::Answer(answer)
            }
            None => Verdict::Wait,
        }
    }

    fn delete(&mut self, handle: Handle, cx: &mut Cx<'_>) -> Verdict {
        let allowed = self.audit.deletes(handle);
        match self.handle(QueueInput::Delete { handle }, cx) {
            Ok(_) => {
                note(allowed, cx);
                Verdict::Answer(Answered::default())
            }
            Err(_) => Verdict::Answer(NOTHING),
        }
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let Some(queue) = &self.queue else { return Vec::new() };
        let counts = queue.counts();
        vec![
            ("sent", counts.sent),
            ("sent_duplicates", counts.duplicates),
            ("received", counts.received),
            ("redelivered", counts.redelivered),
            ("deleted", counts.deleted),
            ("stale_handles", counts.stale),
            ("expired", counts.expired),
            ("dead", counts.dead),
        ]
    }
}

fn note(verdict: Result<(), QueueViolation>, cx: &mut Cx<'_>) {
    if let Err(violation) = verdict {
        cx.violation(queued::of(&violation), violation.to_string());
    }
}

impl Behaviour for QueueServer {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        self.seen = self.seen.max(cx.local_time());
        match Ask::of(request.arguments) {
            Ask::Send => self.send(request, cx),
            Ask::Receive { wait } => self.receive(wait, job, cx),
            Ask::Delete { handle } => self.delete(handle, cx),
        }
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.seen = self.seen.max(cx.local_time());
        let disk = self.fallen.take().and_then(|fallen| fallen.disk(self.restarts, cx));
        let store = AnyStore::open(self.settings.store, disk);
        self.queue = Some(Queue::open(self.settings.config, store).sabotaged(self.sabotage));
    }

    fn crash(&mut self, keep: Durable) {
        let live = self.queue.as_ref().map_or(0, |queue| queue.live() + queue.dead());
        for (name, count) in self.counts() {
            // What is in the store counts as sent again when it is opened.
            let carried = if name == "sent" { count.saturating_sub(live) } else { count };
            match self.retired.iter_mut().find(|(retired, _)| *retired == name) {
                Some((_, sum)) => *sum += carried,
                None => self.retired.push((name, carried)),
            }
        }
        self.restarts += 1;
        self.fallen = self.queue.take().map(|queue| queue.into_store().fallen(keep));
        self.waiting.clear();
        self.ready.clear();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        let Ok(settings) = settings::queue(&plan.settings) else { return };
        if let Some(queue) = &mut self.queue {
            queue.reconfigure(settings.config);
        }
        self.settings = settings;
    }

    fn deadline(&self) -> Option<Time> {
        if !self.ready.is_empty() {
            return Some(Time::ZERO);
        }
        self.queue.as_ref().and_then(Queue::deadline)
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        self.seen = self.seen.max(local);
        let is_due = self.queue.as_ref().and_then(Queue::deadline).is_some_and(|due| due <= self.seen);
        if let Some(queue) = self.queue.as_mut().filter(|_| is_due) {
            let mut out = Vec::new();
            // A store that refuses is asked again at the next instant that is due.
            let _ = queue.expire(self.seen, &mut out);
            self.said(&out, cx);
        }
        let (job, answer) = self.ready.pop_front()?;
        Some(Woken { jobs: vec![job], verdict: Some(Verdict::Answer(answer)) })
    }

    fn probe(&self, out: &mut Probes) {
        for (name, count) in self.counts().into_iter().chain(self.retired.iter().copied()) {
            *out.counts.entry(name).or_default() += count;
        }
        if let Some(queue) = &self.queue {
            out.counts.extend([
                ("live", queue.live()),
                ("in_flight", queue.in_flight()),
                ("dead_letters", queue.dead()),
                ("over_limit", self.over_limit),
            ]);
        }
        if self.restarts > 0 {
            out.counts.insert("restarts", self.restarts);
        }
    }
}
