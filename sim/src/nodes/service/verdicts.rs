//! Requests that go the way their kind decides: some wait for others, some load for others, some are answered before
//! the work for them is done. A service without a kind of its own never comes here.

use super::ServiceNode;
use super::behaviour::{Answered, Verdict, Woken};
use super::job::{Job, JobState, Purpose};
use crate::cluster::{Cx, Done, Fill, Filled, Message, Ref, Reply};
use crate::kernel::time::Time;
use crate::measure::OutcomeKind;
use crate::nodes::alarm::{SHORTEST_NAP, at_once_or};
use crate::nodes::tokens::ALARM;

impl ServiceNode {
    /// Lets a job go on as its kind says.
    pub(super) fn follow(&mut self, at: Ref, verdict: Verdict, cx: &mut Cx<'_>) {
        match verdict {
            Verdict::Proceed(answered) => {
                self.note(at, answered, Purpose::Own);
                self.proceed(at, cx);
            }
            Verdict::Answer(answered) => {
                self.note(at, answered, Purpose::Own);
                self.finish(at, OutcomeKind::Ok, cx);
            }
            Verdict::Fail => self.finish(at, OutcomeKind::Error, cx),
            Verdict::TurnAway => self.finish(at, OutcomeKind::Rejected, cx),
            Verdict::Load(lease) => {
                self.note(at, Answered::default(), Purpose::Load(lease));
                self.proceed(at, cx);
            }
            Verdict::AnswerAndLoad(answered, lease) => {
                self.note(at, answered, Purpose::Load(lease));
                self.answer_early(at, cx);
                self.next_step(at, cx);
                self.serve_next(cx);
            }
            Verdict::Write => {
                self.note(at, Answered::default(), Purpose::Write);
                self.proceed(at, cx);
            }
            Verdict::Wait => {
                self.release_worker(at);
                if let Some(job) = self.jobs.get_mut(at) {
                    job.state = JobState::Parked;
                    job.since = cx.now();
                }
                self.serve_next(cx);
            }
        }
    }

    fn note(&mut self, at: Ref, answered: Answered, purpose: Purpose) {
        if let Some(job) = self.jobs.get_mut(at) {
            job.answered = answered;
            job.purpose = purpose;
        }
    }

    /// Answers a request and keeps its job.
    fn answer_early(&mut self, at: Ref, cx: &mut Cx<'_>) {
        let Some(job) = self.jobs.get(at) else { return };
        let Answered { missed, value } = job.answered;
        let (request, path) = (job.request, job.path);
        self.detach(at);
        cx.reply(&request, Reply { missed, value, path, ..Reply::refusal(OutcomeKind::Ok) });
    }

    /// Lets a job go on whose caller has cancelled it.
    pub(super) fn load_on(&mut self, at: Ref, cx: &mut Cx<'_>) {
        let Some(request) = self.jobs.get(at).map(|job| job.request) else { return };
        self.detach(at);
        cx.drop_cancelled(&request);
    }

    /// Nobody waits for this job from now on.
    fn detach(&mut self, at: Ref) {
        self.release_worker(at);
        let Some(job) = self.jobs.get_mut(at) else { return };
        self.cancellable.remove(&(job.request.attempt, at));
        job.detached = true;
        job.request.deadline = Time::MAX;
        job.request.cancellable = false;
        job.request.traced = 0;
        self.detached += 1;
    }

    /// A call of a job that loads or writes has brought something.
    pub(super) fn note_loaded(job: &mut Job, done: &Done) {
        if job.purpose != Purpose::Own && done.outcome == OutcomeKind::Ok {
            job.answered = Answered { missed: done.missed, value: done.value };
        }
    }

    /// The calls of a job that loads or writes have ended.
    pub(super) fn finish_for_kind(&mut self, at: Ref, outcome: OutcomeKind, cx: &mut Cx<'_>) {
        let Some(job) = self.jobs.get_mut(at) else { return };
        let purpose = std::mem::replace(&mut job.purpose, Purpose::Own);
        let key = job.request.key;
        let found = if outcome != OutcomeKind::Ok {
            Filled::Failed
        } else if job.answered.missed {
            Filled::Absent
        } else {
            Filled::Value(job.answered.value)
        };
        let Some(behaviour) = &mut self.behaviour else { return };
        let woken = match purpose {
            Purpose::Load(lease) => behaviour.loaded(&Fill { key, found, lease }, cx),
            Purpose::Write => {
                behaviour.written(key, found, cx);
                None
            }
            Purpose::Own => None,
        };
        // Whoever loaded is among those who waited for it, and is told what they are.
        if let Some(woken) = woken {
            self.wake_jobs(woken, Some(at), cx);
        }
        self.finish(at, outcome, cx);
    }

    /// Lets those go on whose wait is over.
    pub(super) fn wake_jobs(&mut self, woken: Woken, loader: Option<Ref>, cx: &mut Cx<'_>) {
        for at in woken.jobs {
            let Some(job) = self.jobs.get_mut(at) else { continue };
            let is_parked = matches!(job.state, JobState::Parked);
            if !is_parked && (loader != Some(at) || job.detached) {
                continue;
            }
            if is_parked {
                let since = job.since;
                job.path.queue_ns += cx.now().since(since).as_nanos();
                job.state = JobState::Calling;
                cx.waited_for(&job.request, since);
            }
            let request = job.request;
            let verdict = match (woken.verdict, &mut self.behaviour) {
                (Some(verdict), _) => verdict,
                (None, Some(behaviour)) => behaviour.answer_again(&request, at, cx),
                (None, None) => continue,
            };
            self.follow(at, verdict, cx);
        }
    }

    /// What others tell a kind rather than a service.
    pub(super) fn deliver_to_kind(&mut self, message: &Message, cx: &mut Cx<'_>) {
        let Some(behaviour) = &mut self.behaviour else { return };
        match message {
            Message::Fill(fill) => {
                if let Some(woken) = behaviour.fill(fill, cx) {
                    self.wake_jobs(woken, None, cx);
                }
            }
            Message::Invalidate { key, version } => behaviour.invalidate(*key, *version, cx),
            Message::Entry { entry, begins } => behaviour.entry(*entry, *begins, cx),
            Message::Request(_)
            | Message::Done(_)
            | Message::Cancel(_)
            | Message::Note(_)
            | Message::Load(_)
            | Message::Flag(_) => {}
        }
    }

    /// A call has ended that the kind made by itself; whether it did.
    #[inline]
    pub(super) fn kind_call_done(&mut self, done: &Done, cx: &mut Cx<'_>) -> bool {
        let Some(behaviour) = self.behaviour.as_mut().filter(|behaviour| behaviour.calls_itself()) else {
            return false;
        };
        if let Some(woken) = behaviour.call_done(done, cx) {
            self.wake_jobs(woken, None, cx);
        }
        true
    }

    /// The kind's wake-up has come.
    pub(super) fn alarm_rings(&mut self, cx: &mut Cx<'_>) {
        self.alarm.forget();
        let local = cx.local_time();
        while let Some(woken) = self.behaviour.as_mut().and_then(|behaviour| behaviour.expire(local, cx)) {
            self.wake_jobs(woken, None, cx);
        }
    }

    /// Arms the kind's next wake-up, if it has changed.
    #[inline]
    pub(super) fn arm_alarm(&mut self, cx: &mut Cx<'_>) {
        if let Some(behaviour) = &self.behaviour {
            self.alarm.set(behaviour.deadline(), at_once_or(SHORTEST_NAP), ALARM, cx);
        }
    }
}
