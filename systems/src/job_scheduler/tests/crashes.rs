//! The power fails at every step of a day in the scheduler's life, at every entry of its log, and with every tail of
//! unsynced entries left on the disk; clients and workers then say again what was not answered.

use super::*;
use crate::job_scheduler::store::{FsyncPolicy, JournalStore, Row, check_store};

/// What happens on that day: enqueueing, a workflow, leases lost, failures, cancellation, ticks.
#[derive(Clone, Debug)]
enum Step {
    Ask(Input),
    /// Whoever is free takes a job, and completes it, fails at it or dies over it.
    Work(Fate),
    Wait(u64),
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Completes,
    Fails,
    Dies,
}

fn steps_of_a_day() -> Vec<Step> {
    let request = |number| Some(RequestId(number));
    let chain = Workflow::chain([NewJob { request: request(3), ..mail() }, mail(), mail()]);
    vec![
        Step::Ask(Input::Enqueue(NewJob { request: request(1), ..mail() })),
        Step::Ask(Input::Enqueue(NewJob { request: request(2), run_at: Some(secs(4)), ..mail() })),
        Step::Work(Fate::Dies),
        Step::Ask(Input::EnqueueWorkflow(chain)),
        Step::Work(Fate::Completes),
        Step::Work(Fate::Fails),
        Step::Ask(Input::Campaign { node: NodeId(1) }),
        Step::Ask(Input::Tick { term: Term(1), schedule: ScheduleId(0), at: secs(1), fire: true }),
        Step::Wait(5),
        Step::Work(Fate::Completes),
        Step::Work(Fate::Completes),
        Step::Ask(Input::Cancel { job: JobId(2) }),
        Step::Wait(20),
        Step::Work(Fate::Completes),
        Step::Work(Fate::Completes),
        Step::Wait(20),
        Step::Work(Fate::Completes),
        Step::Work(Fate::Completes),
        Step::Work(Fate::Completes),
        Step::Wait(20),
        Step::Work(Fate::Completes),
    ]
}

fn scheduled() -> SchedulerConfig {
    let schedule =
        ScheduleConfig { name: String::new(), job: mail(), overlap: Overlap::Allow, jitter: Span::ZERO };
    SchedulerConfig { schedules: vec![schedule], ..config() }
}

/// A day with at most one failure of the power.
struct Day {
    desk: Desk<JournalStore>,
    /// How much of what was not synced is left after the failure.
    torn: usize,
    crashes: u32,
    sabotage: Sabotage,
}

impl Day {
    fn new(policy: FsyncPolicy, crash_after: Option<usize>, torn: usize, sabotage: Sabotage) -> Day {
        let mut store = JournalStore::new(policy);
        crash_after.into_iter().for_each(|entries| store.crash_after(entries));
        let mut desk = Desk::over(scheduled(), store);
        desk.scheduler.sabotage = sabotage;
        Day { desk, torn, crashes: 0, sabotage }
    }

    /// If the power has failed: opens what is left, and holds it against everything that was answered.
    fn recover(&mut self) -> bool {
        if !self.desk.scheduler.store().has_crashed() {
            return false;
        }
        self.crashes += 1;
        let left = self.desk.scheduler.store().after_crash(self.torn);
        self.desk.scheduler =
            Scheduler::open(scheduled(), left, self.desk.now).expect("what is left can be read");
        self.desk.scheduler.sabotage = self.sabotage;
        let verdict = self.desk.ledger.compare(self.desk.scheduler.jobs());
        self.desk.broken = self.desk.broken.or(verdict.err()).or(self.desk.scheduler.audit().err());
        // What was written but never answered is now known by reading it.
        self.desk.ledger = Ledger::resumed(&self.desk.ledger, self.desk.scheduler.jobs());
        true
    }

    /// Says something, and says it again if the power failed before there was an answer.
    fn ask(&mut self, input: Input) -> Vec<Output> {
        let said = self.desk.ask(input.clone());
        if self.recover() {
            return self.desk.ask(input).unwrap_or_default();
        }
        said.unwrap_or_default()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Ask(input) => {
                self.ask(input);
            }
            Step::Work(fate) => self.work(fate),
            Step::Wait(seconds) => {
                let until = self.desk.now + Span::from_secs(seconds);
                while let Some(due) = self.desk.scheduler.deadline().filter(|due| *due <= until) {
                    self.desk.now = self.desk.now.max(due);
                    let mut out = Outbox::new();
                    self.desk.scheduler.expire(self.desk.now, &mut out);
                    self.desk.take_down(&mut out);
                    self.recover();
                }
                self.desk.now = until;
            }
        }
    }

    fn work(&mut self, fate: Fate) {
        let said = self.ask(Input::Fetch { worker: ANN, pool: PoolId(0), max: 1, entropy: 0 });
        let Some(Output::Started(given)) =
            said.into_iter().find(|output| matches!(output, Output::Started(_)))
        else {
            return;
        };
        let (job, token) = (given.job, given.token);
        match fate {
            Fate::Completes => self.ask(Input::Complete { job, token, result: None }),
            Fate::Fails => self.ask(Input::Fail { job, token, failure: JobFailure::Retryable }),
            Fate::Dies => Vec::new(),
        };
    }

    /// Lives the day and then works until nothing is left.
    fn live(&mut self) {
        for step in steps_of_a_day() {
            self.step(step);
        }
        for _ in 0..30 {
            self.step(Step::Work(Fate::Completes));
            self.step(Step::Wait(11));
        }
    }

    fn violation(&mut self) -> Option<Violation> {
        self.desk.broken.take()
    }
}

/// Entries that a day without a failure writes.
fn entries() -> usize {
    let mut day = Day::new(FsyncPolicy::EveryCommit, None, 0, Sabotage::None);
    day.live();
    assert_eq!((day.violation(), day.crashes), (None, 0));
    let totals = day.desk.scheduler.totals();
    assert_eq!((totals.enqueued, totals.live), (6, 0));
    day.desk.scheduler.store().len()
}

#[test]
fn no_job_is_lost_and_none_completed_twice_whichever_entry_the_power_fails_at() {
    let entries = entries();
    assert!(entries > 50, "{entries} entries are too few for a day");
    let mut crashes = 0;
    for crash_after in 0..=entries {
        for torn in 0..4 {
            let mut day = Day::new(FsyncPolicy::EveryCommit, Some(crash_after), torn, Sabotage::None);
            day.live();
            crashes += day.crashes;
            assert_eq!(day.violation(), None, "after {crash_after} entries, {torn} of the rest left");
            let totals = day.desk.scheduler.totals();
            assert_eq!((totals.enqueued, totals.live), (6, 0), "after {crash_after} entries, {torn} left");
        }
    }
    println!("{crashes} crashes over {entries} entries");
    assert!(crashes as usize >= entries * 4, "{crashes}");
}

/// Whether any failure of the power shows.
fn caught(policy: FsyncPolicy, sabotage: Sabotage) -> Option<Violation> {
    (0..=entries()).find_map(|crash_after| {
        let mut day = Day::new(policy, Some(crash_after), 0, sabotage);
        day.live();
        day.violation()
    })
}

#[test]
fn answering_before_the_store_has_written_is_caught() {
    assert!(caught(FsyncPolicy::EveryCommit, Sabotage::AnswersBeforeCommit).is_some());
}

#[test]
fn a_log_that_is_not_synced_loses_jobs_and_that_is_caught() {
    for policy in [FsyncPolicy::Every(3), FsyncPolicy::Manual] {
        assert!(caught(policy, Sabotage::None).is_some(), "{policy:?}");
    }
    assert_eq!(caught(FsyncPolicy::Every(1), Sabotage::None), None);
}

#[test]
fn a_scheduler_that_is_opened_again_is_the_one_that_was_closed() {
    let mut day = Day::new(FsyncPolicy::EveryCommit, None, 0, Sabotage::None);
    for step in steps_of_a_day() {
        day.step(step);
        let again = Scheduler::open(scheduled(), day.desk.scheduler.store().clone(), day.desk.now);
        let again = again.expect("it can be read");
        assert_eq!(again.rows(), day.desk.scheduler.rows());
        assert_eq!((again.deadline(), again.audit()), (day.desk.scheduler.deadline(), Ok(())));
    }
}

#[test]
fn a_store_that_refuses_writes_delays_everything_and_changes_nothing() {
    let mut desk = Desk::over(config(), JournalStore::new(FsyncPolicy::EveryCommit));
    let job = desk.enqueue(mail());
    let given = desk.fetch(ANN).expect("it is available");
    desk.scheduler.store_mut().crash_after(0);
    assert!(matches!(desk.heartbeat(&given), Err(Rejected::Store(_))));
    desk.now = secs(10);
    let mut out = Outbox::new();
    desk.scheduler.expire(desk.now, &mut out);
    assert_eq!((out.as_slice().len(), desk.state(job)), (0, JobState::Running));
    // It does not ask to be called at once again.
    assert_eq!(desk.scheduler.deadline(), Some(secs(11)));
}

fn job_row(id: JobId, version: u64) -> Row {
    let mut desk = Desk::open(config());
    let first = desk.enqueue(mail());
    let mut job = desk.scheduler.job(first).expect("it is kept").clone();
    (job.id, job.due_at) = (id, Time::from_nanos(version));
    Row::Job(Box::new(job))
}

#[test]
fn every_store_passes_the_suite() {
    assert_eq!(check_store(MemoryStore::new(), |store| store, job_row), Ok(()));
    for policy in [FsyncPolicy::EveryCommit, FsyncPolicy::Every(1)] {
        let store = JournalStore::new(policy);
        assert_eq!(check_store(store, |store| store.after_crash(0), job_row), Ok(()));
    }
    let store = JournalStore::new(FsyncPolicy::Manual);
    let restart = |mut store: JournalStore| {
        store.sync();
        store.after_crash(0)
    };
    assert_eq!(check_store(store, restart, job_row), Ok(()));
}

#[test]
fn a_store_that_forgets_is_found_out() {
    let forgetful = |store: JournalStore| store.after_crash(0);
    let verdict = check_store(JournalStore::new(FsyncPolicy::Manual), forgetful, job_row);
    assert_eq!(verdict.map_err(|broken| broken.what), Err("it lost a row"));
    let verdict = check_store(MemoryStore::new(), |_| MemoryStore::new(), job_row);
    assert!(verdict.is_err());
}

#[test]
fn a_log_is_rewritten_before_it_grows_without_bound() {
    let mut desk = Desk::over(config(), JournalStore::new(FsyncPolicy::EveryCommit));
    for _ in 0..2_000 {
        desk.enqueue(mail());
        let given = desk.fetch(ANN).expect("it is available");
        desk.complete(&given).expect("it is hers");
    }
    // Three commits a job were written; what is kept is one row a job.
    let entries = desk.scheduler.store().len();
    assert!(entries < 6_000, "{entries}");
    let again = Scheduler::open(config(), desk.scheduler.store().after_crash(0), desk.now).expect("readable");
    assert_eq!(again.rows(), desk.scheduler.rows());
}
