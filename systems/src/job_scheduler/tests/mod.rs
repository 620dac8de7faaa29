//! A desk from which stories drive a scheduler, and what all of them share.

mod crashes; // the power fails at every step
mod laws; // random commands, every invariant after each
mod mutants; // every broken variant is caught
mod numbers; // what queueing theory says about waits
mod order; // who goes first, against a dumber twin
mod stories; // what happens in words
mod workflows; // chains, batches, graphs, leaders and ticks

use super::scheduler::Sabotage;
use super::*;
use crate::retry::{BackoffConfig, BackoffKind, Jitter};
use crate::store::{MemoryStore, Store};
use crate::time::{Span, Time};

pub(super) const ANN: WorkerId = WorkerId(1);
pub(super) const BOB: WorkerId = WorkerId(2);
pub(super) const MAIL: KindId = KindId(0);

pub(super) fn secs(seconds: u64) -> Time {
    Time::ZERO + Span::from_secs(seconds)
}

/// One queue, one kind: three attempts a second apart, leases of 10 s, two lost leases.
pub(super) fn config() -> SchedulerConfig {
    let backoff = BackoffConfig {
        kind: BackoffKind::Constant,
        base: Span::from_secs(1),
        cap: Span::from_secs(1),
        jitter: Jitter::None,
        first_exponent: 0,
    };
    SchedulerConfig {
        kinds: vec![KindConfig {
            max_attempts: 3,
            backoff,
            lease: Span::from_secs(10),
            max_lost_leases: 2,
            ..KindConfig::default()
        }],
        keep: Retention { completed: Span::MAX, cancelled: Span::MAX, discarded: Span::MAX },
        ..SchedulerConfig::default()
    }
}

/// A scheduler, everything it has said, and the ledger that watches it.
pub(super) struct Desk<S> {
    pub(super) scheduler: Scheduler<S>,
    pub(super) now: Time,
    pub(super) said: Vec<Output>,
    pub(super) ledger: Ledger,
    /// The first invariant that broke.
    pub(super) broken: Option<Violation>,
}

impl Desk<MemoryStore> {
    pub(super) fn open(config: SchedulerConfig) -> Desk<MemoryStore> {
        Desk::over(config, MemoryStore::new())
    }

    pub(super) fn sabotaged(config: SchedulerConfig, sabotage: Sabotage) -> Desk<MemoryStore> {
        let mut desk = Desk::open(config);
        desk.scheduler.sabotage = sabotage;
        desk
    }
}

impl<S: Store> Desk<S> {
    pub(super) fn over(config: SchedulerConfig, store: S) -> Desk<S> {
        let scheduler = Scheduler::open(config, store, Time::ZERO).expect("the config is in range");
        Desk { scheduler, now: Time::ZERO, said: Vec::new(), ledger: Ledger::new(), broken: None }
    }

    fn take_down(&mut self, out: &mut Outbox<Output>) -> Vec<Output> {
        let outputs: Vec<Output> = out.drain().collect();
        for output in &outputs {
            let verdict = self.ledger.observe(output);
            self.broken = self.broken.or(verdict.err());
        }
        self.broken = self.broken.or(self.scheduler.audit().err());
        self.said.extend(outputs.iter().cloned());
        outputs
    }

    pub(super) fn ask(&mut self, input: Input) -> Result<Vec<Output>, Rejected> {
        let mut out = Outbox::new();
        let verdict = self.scheduler.handle(self.now, input, &mut out);
        let outputs = self.take_down(&mut out);
        verdict.map(|()| outputs)
    }

    /// Lets time pass, with a stop at every deadline.
    pub(super) fn wait_until(&mut self, until: Time) -> Vec<Output> {
        let mut said = Vec::new();
        while let Some(due) = self.scheduler.deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            let mut out = Outbox::new();
            self.scheduler.expire(self.now, &mut out);
            said.extend(self.take_down(&mut out));
        }
        self.now = self.now.max(until);
        said
    }

    pub(super) fn wait(&mut self, seconds: u64) -> Vec<Output> {
        self.wait_until(self.now + Span::from_secs(seconds))
    }

    pub(super) fn enqueue(&mut self, new: NewJob) -> JobId {
        let said = self.ask(Input::Enqueue(new)).expect("there is room");
        match said.iter().find_map(enqueued) {
            Some(job) => job,
            None => panic!("nothing was enqueued: {said:?}"),
        }
    }

    pub(super) fn fetch(&mut self, worker: WorkerId) -> Option<Assignment> {
        let said = self.ask(Input::Fetch { worker, pool: PoolId(0), max: 1, entropy: 7 }).expect("a pool");
        said.into_iter().find_map(|output| match output {
            Output::Started(given) => Some(given),
            _ => None,
        })
    }

    pub(super) fn complete(&mut self, given: &Assignment) -> Result<Vec<Output>, Rejected> {
        self.ask(Input::Complete { job: given.job, token: given.token, result: None })
    }

    pub(super) fn fail(&mut self, given: &Assignment) -> Result<Vec<Output>, Rejected> {
        self.ask(Input::Fail { job: given.job, token: given.token, failure: JobFailure::Retryable })
    }

    pub(super) fn heartbeat(&mut self, given: &Assignment) -> Result<Vec<Output>, Rejected> {
        self.ask(Input::Heartbeat { job: given.job, token: given.token, progress_ppm: 0 })
    }

    pub(super) fn state(&self, job: JobId) -> JobState {
        self.scheduler.job(job).expect("it is kept").state
    }

    pub(super) fn end(&self, job: JobId) -> Option<EndReason> {
        self.scheduler.job(job).expect("it is kept").end
    }
}

impl<S> Drop for Desk<S> {
    /// No story ends with a broken invariant unless it has looked at it.
    fn drop(&mut self) {
        if let Some(violation) = self.broken.take().filter(|_| !std::thread::panicking()) {
            panic!("{violation}");
        }
    }
}

pub(super) fn enqueued(output: &Output) -> Option<JobId> {
    match output {
        Output::Enqueued { job } | Output::Duplicate { job } => Some(*job),
        _ => None,
    }
}

pub(super) fn mail() -> NewJob {
    NewJob::of(MAIL)
}
