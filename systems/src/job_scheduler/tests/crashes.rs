//! The power fails at every step of a day in the scheduler's life that touches the disk, and leaves some part of what
//! was not synced; clients and workers then say again what was not answered.

use super::*;
use crate::arithmetic::keyed_word;
use crate::store::{Disk, FsyncPolicy, Held, PowerCut, SimDisk, WalConfig, WalStore};

type Log = WalStore<SimDisk>;

const EVERY: FsyncPolicy = FsyncPolicy::EveryCommit;
const GROUP: FsyncPolicy = FsyncPolicy::Group { max_commits: 3, max_wait: Span::from_millis(500) };

/// Compacted now and then, so that the power also fails while it is.
fn opened(disk: SimDisk, fsync: FsyncPolicy) -> Log {
    WalStore::open(disk, WalConfig { fsync, compact_above_bytes: 2_000 }).expect("the log is whole").0
}

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
    desk: Desk<Log>,
    fsync: FsyncPolicy,
    crashes: u32,
    sabotage: Sabotage,
}

impl Day {
    fn new(fsync: FsyncPolicy, cut: Option<PowerCut>, sabotage: Sabotage) -> Day {
        let mut store = opened(SimDisk::new(), fsync);
        cut.into_iter().for_each(|cut| store.disk_mut().cut_power(cut));
        let mut desk = Desk::over(scheduled(), store);
        desk.scheduler.sabotage = sabotage;
        Day { desk, fsync, crashes: 0, sabotage }
    }

    /// If the power has failed: opens what is left, and holds it against everything that was answered.
    fn recover(&mut self) -> bool {
        if !self.desk.scheduler.store().disk().is_off() {
            return false;
        }
        self.crashes += 1;
        let left = self.desk.scheduler.store().disk().clone().restart();
        self.desk.scheduler = Scheduler::open(scheduled(), opened(left, self.fsync), self.desk.now)
            .expect("what is left can be read");
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

/// Operations of the disk on a day without a failure.
fn operations() -> u64 {
    let mut day = Day::new(EVERY, None, Sabotage::None);
    day.live();
    assert_eq!((day.violation(), day.crashes), (None, 0));
    let totals = day.desk.scheduler.totals();
    assert_eq!((totals.enqueued, totals.live), (6, 0));
    day.desk.scheduler.store().disk().operations()
}

#[test]
fn no_job_is_lost_and_none_completed_twice_whichever_operation_the_power_fails_at() {
    let operations = operations();
    assert!(operations > 50, "{operations} operations are too few for a day");
    let mut crashes = 0;
    for after_operations in 0..=operations {
        for entropy in [0, 1 << 40, u64::MAX, keyed_word(after_operations, 3)] {
            let cut = PowerCut { after_operations, entropy };
            let mut day = Day::new(EVERY, Some(cut), Sabotage::None);
            day.live();
            crashes += u64::from(day.crashes);
            assert_eq!(day.violation(), None, "{cut:?}");
            let totals = day.desk.scheduler.totals();
            assert_eq!((totals.enqueued, totals.live), (6, 0), "{cut:?}");
        }
    }
    println!("{crashes} crashes over {operations} operations");
    assert!(crashes >= operations * 3, "{crashes}");
}

/// Whether any failure of the power shows.
fn caught(fsync: FsyncPolicy, sabotage: Sabotage) -> Option<Violation> {
    (0..=operations()).find_map(|after_operations| {
        let mut day = Day::new(fsync, Some(PowerCut { after_operations, entropy: 0 }), sabotage);
        day.live();
        day.violation()
    })
}

#[test]
fn answering_before_the_store_has_written_is_caught() {
    assert!(caught(EVERY, Sabotage::AnswersBeforeCommit).is_some());
}

#[test]
fn answering_before_a_group_is_durable_loses_jobs_and_so_does_never_syncing() {
    for fsync in [GROUP, FsyncPolicy::Never] {
        assert!(caught(fsync, Sabotage::None).is_some(), "{fsync:?}");
    }
    assert_eq!(caught(EVERY, Sabotage::None), None);
}

#[test]
fn what_is_held_until_its_group_is_durable_survives_every_failure() {
    for after_operations in 0..60 {
        let mut desk = Desk::over(config(), opened(SimDisk::new(), GROUP));
        desk.scheduler.store_mut().disk_mut().cut_power(PowerCut { after_operations, entropy: 0 });
        let (mut held, mut out, mut said) = (Held::default(), Outbox::new(), Vec::new());
        for second in 0..30 {
            let now = secs(second);
            let _ = desk.scheduler.handle(now, Input::Enqueue(mail()), &mut out);
            desk.scheduler.expire(now + Span::from_millis(600), &mut out);
            out.drain().for_each(|output| held.push(desk.scheduler.last_commit(), output));
            held.release(desk.scheduler.durable(), &mut said);
        }
        let left = opened(desk.scheduler.store().disk().clone().restart(), GROUP);
        let again = Scheduler::open(config(), left, secs(30)).expect("what is left can be read");
        let promised = said.iter().filter_map(enqueued);
        assert!(promised.into_iter().all(|job| again.job(job).is_some()), "after {after_operations}");
    }
}

#[test]
fn a_scheduler_that_is_opened_again_is_the_one_that_was_closed() {
    let mut day = Day::new(EVERY, None, Sabotage::None);
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
    let mut desk = Desk::over(config(), opened(SimDisk::new(), EVERY));
    let job = desk.enqueue(mail());
    let given = desk.fetch(ANN).expect("it is available");
    desk.scheduler.store_mut().disk_mut().cut_power(PowerCut { after_operations: 0, entropy: 0 });
    assert!(matches!(desk.heartbeat(&given), Err(Rejected::Store(_))));
    desk.now = secs(10);
    let mut out = Outbox::new();
    desk.scheduler.expire(desk.now, &mut out);
    assert_eq!((out.as_slice().len(), desk.state(job)), (0, JobState::Running));
    // It does not ask to be called at once again.
    assert_eq!(desk.scheduler.deadline(), Some(secs(11)));
}

#[test]
fn a_log_is_rewritten_before_it_grows_without_bound() {
    let mut keep_nothing = config();
    keep_nothing.keep.completed = Span::ZERO;
    let mut desk = Desk::over(keep_nothing.clone(), opened(SimDisk::new(), EVERY));
    for _ in 0..2_000 {
        desk.enqueue(mail());
        let given = desk.fetch(ANN).expect("it is available");
        desk.complete(&given).expect("it is hers");
    }
    let disk = desk.scheduler.store().disk();
    let bytes: usize = disk.files().iter().map(|file| disk.read(*file).len()).sum();
    assert!(bytes < 5_000, "{bytes}");
    let left = opened(disk.clone().restart(), EVERY);
    let again = Scheduler::open(keep_nothing, left, desk.now).expect("readable");
    assert_eq!(again.rows(), desk.scheduler.rows());
}
