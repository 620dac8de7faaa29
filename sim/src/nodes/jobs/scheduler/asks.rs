//! What clients, workers and enqueuers ask of a job scheduler, and what each of them hears. Answers only; when they may
//! leave is not decided here.

use std::sync::Arc;

use foreshock_systems::job_scheduler::{
    Input, JobFailure, JobId, KindId, NewJob, NodeId as LeaderId, PoolId, Rejected, RequestId, ScheduleId,
    Term, Token, WorkerId,
};

use super::super::body::Body;
use super::super::words::assignment;
use super::{Entry, Flaw, JobServer, answer, report};
use crate::cluster::{Cx, Ref, Request};
use crate::kernel::draw::name_hash;
use crate::kernel::time::Time;
use crate::nodes::service::Verdict;

impl JobServer {
    pub(super) fn enqueue(
        &mut self,
        request: &Request,
        job: Ref,
        tick: Option<(u16, Time)>,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        let number = self.number_of(request);
        let serial = cx.job_book(self.service).wanted();
        let body = Body {
            serial,
            operation: request.operation,
            key: request.key,
            lineage: request.lineage,
            load: request.load,
        };
        let new = NewJob {
            args: Arc::from(body.bytes()),
            request: Some(RequestId(number)),
            ..NewJob::of(KindId(request.operation.0 as u16))
        };
        let (result, said) = self.ask(Input::Enqueue(new), cx);
        if let (Some((schedule, at)), Some(job)) = (tick, said.job) {
            self.counts.ticks_enqueued += 1;
            let broken = cx.job_book(self.service).ticked(self.walls.booked(schedule, at), job.0, serial);
            report(broken, cx);
        }
        let verdict = match (result, said.job.or(said.duplicate)) {
            (Ok(()), Some(job)) => answer(false, job.0),
            (Ok(()), None) => Verdict::Fail,
            (Err(Rejected::QueueFull { .. }), _) => {
                self.counts.refused += 1;
                Verdict::TurnAway
            }
            (Err(_), _) => Verdict::Fail,
        };
        match said.job {
            Some(_) => {
                self.counts.enqueued += 1;
                self.entries.push(Entry::Promised(serial));
            }
            None => cx.job_book(self.service).refused(serial),
        }
        self.conclude(job, verdict, cx)
    }

    /// The network may bring a request twice; a key may stand for one.
    pub(super) fn number_of(&self, request: &Request) -> u64 {
        let name = &self.plan.operations[request.operation.index()];
        if self.settings.once_per_key(name) { name_hash(name) ^ request.key } else { request.lineage.raw() }
    }

    pub(super) fn fetch(
        &mut self,
        request: &Request,
        (worker, pool): (u32, u16),
        job: Ref,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        let entropy = cx.redrawn(request.lineage.raw());
        let input = Input::Fetch { worker: WorkerId(worker), pool: PoolId(pool), max: 1, entropy };
        let (result, said) = self.ask(input, cx);
        let verdict = match (result, said.given) {
            (Ok(()), Some((job, token))) => answer(false, assignment(job.0, token.0)),
            (Ok(()), None) => {
                self.counts.idle_fetches += 1;
                answer(true, 0)
            }
            (Err(_), _) => Verdict::Fail,
        };
        self.conclude(job, verdict, cx)
    }

    /// A worker has ended a job, well or not.
    pub(super) fn end(
        &mut self,
        request: &Request,
        (job, token): (u64, u64),
        is_done: bool,
        at: Ref,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        let input = |token: Token| {
            if is_done {
                Input::Complete { job: JobId(job), token, result: None }
            } else {
                Input::Fail { job: JobId(job), token, failure: JobFailure::Retryable }
            }
        };
        let serial = self.serial(job, cx);
        let (mut result, mut said) = self.ask(input(Token(token)), cx);
        if let (Err(Rejected::Fenced { current, .. }), Flaw::IgnoresTokens) = (&result, self.flaw) {
            let current = *current;
            (result, said) = self.ask(input(current), cx);
            said.finished |= is_done && result.is_ok();
        }
        let verdict = match result {
            Ok(()) => {
                self.counts.failed += u64::from(!is_done);
                if let (true, true, Some(serial)) = (is_done, said.finished, serial) {
                    let broken = cx.job_book(self.service).committed(serial, request.key, token);
                    report(broken, cx);
                }
                answer(false, 0)
            }
            Err(Rejected::Fenced { .. } | Rejected::UnknownJob(_)) => {
                self.counts.fenced += 1;
                answer(true, 0)
            }
            Err(_) => Verdict::Fail,
        };
        self.conclude(at, verdict, cx)
    }

    pub(super) fn heartbeat(&mut self, (job, token): (u64, u64), at: Ref, cx: &mut Cx<'_>) -> Verdict {
        let input = Input::Heartbeat { job: JobId(job), token: Token(token), progress_ppm: 0 };
        let (result, _) = self.ask(input, cx);
        let verdict = match result {
            Ok(()) => {
                self.counts.heartbeats += 1;
                answer(false, 0)
            }
            Err(Rejected::Fenced { .. } | Rejected::UnknownJob(_)) => {
                self.counts.fenced_heartbeats += 1;
                answer(true, 0)
            }
            Err(_) => Verdict::Fail,
        };
        self.conclude(at, verdict, cx)
    }

    pub(super) fn campaign(&mut self, node: u32, at: Ref, cx: &mut Cx<'_>) -> Verdict {
        let (result, said) = self.ask(Input::Campaign { node: LeaderId(node) }, cx);
        let verdict = match result {
            Ok(()) => answer(false, said.term),
            Err(Rejected::NotLeader(_)) => answer(true, 0),
            Err(_) => Verdict::Fail,
        };
        self.conclude(at, verdict, cx)
    }

    pub(super) fn tick(
        &mut self,
        (schedule, term): (u16, u64),
        (tick, fire): (Time, bool),
        at: Ref,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        let input = Input::Tick { term: Term(term), schedule: ScheduleId(schedule), at: tick, fire };
        let (result, _) = self.ask(input, cx);
        let verdict = match result {
            Ok(()) => answer(false, 0),
            Err(Rejected::NotLeader(_)) => {
                self.counts.ticks_refused += 1;
                answer(true, 0)
            }
            Err(Rejected::TickNoted { last }) => {
                self.counts.ticks_refused += 1;
                answer(true, last.as_nanos())
            }
            Err(_) => Verdict::Fail,
        };
        self.conclude(at, verdict, cx)
    }

    pub(super) fn last_tick(&mut self, schedule: u16, at: Ref, cx: &mut Cx<'_>) -> Verdict {
        let last = self.engine.as_ref().and_then(|engine| engine.last_tick(ScheduleId(schedule)));
        let verdict = last.map_or(answer(true, 0), |last| answer(false, last.as_nanos()));
        self.conclude(at, verdict, cx)
    }
}
