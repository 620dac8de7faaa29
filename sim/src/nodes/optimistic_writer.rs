//! Kind `optimistic-writer`: for each request reads a version at the versioned store it calls, writes with that version,
//! and after a conflict pauses and begins anew, until the write is accepted.
//!
//! The pace is that of the call's own `retry`: `backoff` is the pause after a conflict, `max_attempts` bounds the rounds
//! of reading and writing. It works on nothing itself and has no line; requests do not wait for each other. Its first
//! call is the one to the store; without any, it answers everything with an error.

use std::collections::BTreeSet;
use std::sync::Arc;

use foreshock_systems::retry::{FailedAttempt, Pauses, RetryConfig, RetryDecision};
use serde_json::{Map, Value};

use super::Kind;
use super::versioned_store::Wish;
use crate::cluster::{
    CallSpec, ConfigEdit, Cx, Done, Durable, Message, Node, NodeId, Path, Probes, Ref, Reply, Request, Slab,
    Token,
};
use crate::kernel::agenda::Handle;
use crate::kernel::draw::Key;
use crate::kernel::time::Time;
use crate::measure::OutcomeKind;
use crate::scenario::plan::{EdgeId, KindTraits, Plan, ServiceId};

/// Kind `optimistic-writer`.
pub(super) struct OptimisticWriter;

impl Kind for OptimisticWriter {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        let message = "is no setting of kind `optimistic-writer`: the pace is the `retry` of its call";
        settings.keys().map(|key| (key.clone(), message.to_string())).collect()
    }

    fn traits() -> KindTraits {
        KindTraits { needs_calls: true, ..KindTraits::default() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(Writer {
            service,
            plan: Arc::clone(plan),
            pace: None,
            jobs: Slab::new(),
            by_attempt: BTreeSet::new(),
            written: 0,
            conflicts: 0,
            given_up: 0,
        })
    }
}

/// Two calls a round, and calls of one request are told apart by 16 bits.
const MOST_ROUNDS: u32 = 1 << 15;

struct Writer {
    service: ServiceId,
    plan: Arc<Plan>,
    /// Of the pauses after conflicts.
    pace: Option<Key>,
    jobs: Slab<Job>,
    /// Jobs by the attempt that brought them, for cancellations. The network may have made copies of one.
    by_attempt: BTreeSet<(Ref, Ref)>,
    written: u64,
    conflicts: u64,
    given_up: u64,
}

/// A request on its way to an accepted write.
struct Job {
    request: Request,
    /// Rounds of reading and writing begun.
    round: u32,
    pauses: Pauses,
    stage: Stage,
    path: Path,
}

#[derive(Clone, Copy)]
enum Stage {
    Reading(Ref),
    Writing(Ref),
    Pausing(Handle),
}

impl Writer {
    /// The edge to the store; `None` if the service calls nothing.
    fn edge(&self) -> Option<EdgeId> {
        let steps = &self.plan.services[self.service.index()].steps;
        steps.first().and_then(|step| step.branches.first()).map(|branch| branch.edge)
    }

    fn retry(&self, edge: EdgeId) -> RetryConfig {
        let retry = self.plan.edges[edge.index()].policy.retry.as_ref();
        retry.map_or(RetryConfig::NEVER, |retry| retry.config)
    }

    fn arrive(&mut self, request: Request, cx: &mut Cx<'_>) {
        cx.taken_up(&request);
        let Some(edge) = self.edge() else {
            cx.reply(&request, Reply::refusal(OutcomeKind::Error));
            return;
        };
        let job = Job {
            request,
            round: 0,
            pauses: Pauses::FIRST,
            stage: Stage::Pausing(Handle::NONE),
            path: Path::default(),
        };
        let at = self.jobs.insert(job);
        self.by_attempt.insert((request.attempt, at));
        self.begin_round(at, edge, cx);
    }

    fn begin_round(&mut self, at: Ref, edge: EdgeId, cx: &mut Cx<'_>) {
        let Some(job) = self.jobs.get_mut(at) else { return };
        job.round += 1;
        job.stage = Stage::Reading(cx.call(spec(edge, job, at, Wish::Read, cx.now()), Ref::NONE));
    }

    fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) {
        let at = Ref::unpack(done.token);
        let Some(job) = self.jobs.get_mut(at) else { return };
        job.path.add(done.path);
        if done.outcome != OutcomeKind::Ok {
            return self.finish(at, OutcomeKind::Error, cx);
        }
        match job.stage {
            Stage::Reading(_) => {
                let wish = Wish::Write { version: done.value };
                job.stage = Stage::Writing(cx.call(spec(done.edge, job, at, wish, cx.now()), Ref::NONE));
            }
            Stage::Writing(_) if done.missed => self.conflicted(at, done.edge, cx),
            Stage::Writing(_) => {
                self.written += 1;
                self.finish(at, OutcomeKind::Ok, cx);
            }
            Stage::Pausing(_) => {}
        }
    }

    /// Another write came first.
    fn conflicted(&mut self, at: Ref, edge: EdgeId, cx: &mut Cx<'_>) {
        self.conflicts += 1;
        let retry = self.retry(edge);
        let Some(pace) = self.pace else { return };
        let Some(job) = self.jobs.get_mut(at) else { return };
        let word = pace.draw2(cx.redrawn(job.request.lineage.raw()), u64::from(job.round));
        let failed = FailedAttempt { attempt: job.round, pauses: job.pauses, ..FailedAttempt::FIRST };
        let pause = match retry.propose(&failed, word) {
            RetryDecision::RetryAfter(pause) if job.round < MOST_ROUNDS => pause,
            RetryDecision::RetryAfter(_) | RetryDecision::Resend | RetryDecision::GiveUp(_) => {
                self.given_up += 1;
                return self.finish(at, OutcomeKind::Error, cx);
            }
        };
        job.pauses = job.pauses.then(pause, word);
        job.path.retrying_ns += pause.as_nanos();
        if pause.is_zero() {
            self.begin_round(at, edge, cx);
        } else {
            job.stage = Stage::Pausing(cx.wake_at(cx.now() + pause, Token(at.slot())));
        }
    }

    fn finish(&mut self, at: Ref, outcome: OutcomeKind, cx: &mut Cx<'_>) {
        let Some(job) = self.jobs.remove(at) else { return };
        self.by_attempt.remove(&(job.request.attempt, at));
        cx.reply(&job.request, Reply { path: job.path, ..Reply::refusal(outcome) });
    }

    fn cancel(&mut self, attempt: Ref, cx: &mut Cx<'_>) {
        let copies = (attempt, Ref::FIRST)..=(attempt, Ref::NONE);
        while let Some((_, at)) = self.by_attempt.range(copies.clone()).next().copied() {
            self.by_attempt.remove(&(attempt, at));
            let Some(job) = self.jobs.remove(at) else { continue };
            match job.stage {
                Stage::Reading(call) | Stage::Writing(call) => cx.abandon(call),
                Stage::Pausing(wake) => cx.cancel_wake(wake),
            }
            cx.drop_cancelled(&job.request);
        }
    }
}

fn spec(edge: EdgeId, job: &Job, at: Ref, wish: Wish, now: Time) -> CallSpec {
    let request = &job.request;
    // Reads have even numbers, writes odd ones: each is a call of its own in keyed draws.
    let copy = job.round.wrapping_sub(1).wrapping_mul(2) + u32::from(wish != Wish::Read);
    CallSpec {
        edge,
        copy,
        lineage: request.lineage,
        load: request.load,
        operation: request.operation,
        key: request.key,
        arguments: wish.arguments(),
        wanted_at: now,
        deadline: request.deadline,
        patience: None,
        is_retry: request.is_retry || job.round > 1,
        priority: request.priority,
        traced: request.traced,
        token: at.pack(),
    }
}

impl Node for Writer {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.pace = Some(cx.key("conflict"));
    }

    fn deliver(&mut self, _from: NodeId, message: Message, cx: &mut Cx<'_>) {
        match message {
            Message::Request(request) => self.arrive(request, cx),
            Message::Done(done) => self.call_done(&done, cx),
            Message::Cancel(attempt) => self.cancel(attempt, cx),
            Message::Fill(_)
            | Message::Invalidate { .. }
            | Message::Note(_)
            | Message::Load(_)
            | Message::Entry { .. }
            | Message::Flag(_) => {}
        }
        cx.occupancy(self.jobs.len() as u32, 0);
    }

    fn wake(&mut self, token: Token, cx: &mut Cx<'_>) {
        if token != Token::RECONFIGURED
            && let Some(at) = self.jobs.by_slot(token.0)
            && let Some(edge) = self.edge()
        {
            self.begin_round(at, edge, cx);
        }
    }

    fn crash(&mut self, _keep: Durable, lost: &mut dyn FnMut(&Request)) {
        for (_, job) in self.jobs.iter() {
            lost(&job.request);
        }
        self.jobs = Slab::new();
        self.by_attempt.clear();
    }

    fn reconfigure(&mut self, edit: &ConfigEdit<'_>) -> Result<(), String> {
        self.plan = Arc::clone(edit.plan);
        Ok(())
    }

    fn probe(&self, out: &mut Probes) {
        out.in_system = self.jobs.len() as u64;
        out.counts.insert("written", self.written);
        out.counts.insert("conflicts", self.conflicts);
        out.counts.insert("given_up", self.given_up);
    }
}
