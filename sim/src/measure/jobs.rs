//! What jobs truly came to: books of the harness beside every job scheduler, which no node sees. A few bytes for each
//! job that has not ended, and constant work for each thing that happens; after a restart all jobs are looked at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::workflows::{PlannedStep, Workflows};
use crate::kernel::time::{Span, Time};

/// No job that was promised is gone.
pub const JOBS_NOT_LOST: &str = "jobs_not_lost";
/// No job is completed twice, and none runs again once it was.
pub const JOBS_COMPLETED_ONCE: &str = "jobs_completed_once";
/// Nobody commits under a lease that is not the latest.
pub const JOBS_FENCED: &str = "jobs_fenced";
/// No tick of a schedule is enqueued twice.
pub const JOBS_TICKED_ONCE: &str = "jobs_ticked_once";
/// No step of a workflow starts before what it comes after has completed, or ended if it runs after a failure.
pub const JOBS_IN_ORDER: &str = "jobs_in_order";

/// A scheduler's own audit finds nothing.
pub const JOBS_CONSISTENT: &str = "jobs_consistent";

/// An invariant that was just seen broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) invariant: &'static str,
    pub(crate) witness: String,
}

/// A job as it lies in a scheduler's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredJob {
    /// Its serial number; `None` of one that a schedule enqueued.
    pub(crate) serial: Option<u64>,
    /// The scheduler's own number.
    pub(crate) job: u64,
    pub(crate) has_ended: bool,
}

/// A tick as the books note it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BookedTick {
    pub(crate) schedule: u32,
    /// By the clock of whoever named it.
    pub(crate) at: Time,
    /// The second on the wall of a schedule that enqueues each time of day once.
    pub(crate) wall_s: Option<i64>,
}

/// Remembers what was enqueued; whether it was not before.
fn is_first<T: Ord>(seen: &mut BTreeSet<T>, at: T) -> bool {
    let is_new = seen.insert(at);
    if seen.len() > REMEMBERED_TICKS {
        seen.pop_first();
    }
    is_new
}

/// Where a job truly is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Not ended.
    Open,
    /// A commit was taken and not answered yet: a crash may take it.
    Committing,
    Completed,
    /// Dead, or never let in.
    Closed,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    /// The latest lease; attempts are far fewer.
    token: u32,
    standing: Standing,
    /// Whether whoever enqueued it was told that it is in.
    promised: bool,
}

/// Ticks of a schedule that are remembered: two leaders are not further apart.
const REMEMBERED_TICKS: usize = 256;

/// The books on one scheduler.
#[derive(Debug)]
pub(crate) struct JobBook {
    is_kept: bool,
    /// Jobs by serial number, from `first` on. What has ended at the front is dropped.
    records: VecDeque<Record>,
    first: u64,
    /// Jobs that a schedule enqueued, by the scheduler's number.
    of_ticks: BTreeMap<u64, u64>,
    ticks: BTreeMap<u32, BTreeSet<u64>>,
    /// Times of day that a schedule may enqueue only once.
    walls: BTreeMap<u32, BTreeSet<i64>>,
    workflows: Workflows,
    believers: BTreeSet<u32>,
    /// Since when there are two believers or more.
    contested_since: Option<Time>,
    measured: JobsMeasured,
}

/// What the books say of one scheduler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobsMeasured {
    /// The scheduler.
    pub service: String,
    /// Jobs that were promised and are gone.
    pub lost: u64,
    /// Commits of jobs that were completed already, and runs begun after that.
    pub completed_again: u64,
    /// Commits under a lease that was not the latest, and leases given twice.
    pub unfenced: u64,
    /// Ticks enqueued a second time.
    pub ticked_again: u64,
    /// How long two nodes or more believed to lead.
    pub two_leaders: Span,
    /// What came of workflows, if there were any.
    pub workflows: Option<WorkflowsMeasured>,
}

/// What came of the workflows of one scheduler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkflowsMeasured {
    /// All steps completed.
    pub completed: u64,
    /// All steps ended, and not all of them well.
    pub failed: u64,
    /// Not ended at the end of the run.
    pub open: u64,
    /// Steps that started before their turn.
    pub out_of_order: u64,
}

impl JobBook {
    /// Empty books; `is_kept`: whether anything is written down at all.
    pub(crate) fn new(is_kept: bool) -> JobBook {
        JobBook {
            is_kept,
            records: VecDeque::new(),
            first: 0,
            of_ticks: BTreeMap::new(),
            ticks: BTreeMap::new(),
            walls: BTreeMap::new(),
            workflows: Workflows::default(),
            believers: BTreeSet::new(),
            contested_since: None,
            measured: JobsMeasured::default(),
        }
    }

    /// Bytes that the books take.
    pub(crate) fn memory_bytes(&self) -> u64 {
        (self.records.capacity() * size_of::<Record>()) as u64
    }

    fn record(&mut self, serial: u64) -> Option<&mut Record> {
        let at = serial.checked_sub(self.first)?;
        self.records.get_mut(usize::try_from(at).ok()?)
    }

    /// Somebody wants a job: its serial number, under which the books know it from now on.
    #[inline]
    pub(crate) fn wanted(&mut self) -> u64 {
        let serial = self.first + self.records.len() as u64;
        if self.is_kept {
            self.records.push_back(Record { token: 0, standing: Standing::Open, promised: false });
        } else {
            self.first += 1;
        }
        serial
    }

    /// It was not let in.
    pub(crate) fn refused(&mut self, serial: u64) {
        self.close(serial, Standing::Closed);
    }

    /// Whoever wanted it was told that it is in.
    #[inline]
    pub(crate) fn promised(&mut self, serial: u64) {
        if let Some(record) = self.record(serial) {
            record.promised = true;
        }
    }

    /// A worker was given a job under this lease.
    #[inline]
    pub(crate) fn given(&mut self, serial: u64, token: u64) -> Option<Broken> {
        if !self.is_kept {
            return None;
        }
        let token = u32::try_from(token).unwrap_or(u32::MAX);
        let latest = match self.record(serial) {
            Some(record) if record.standing != Standing::Completed => {
                let latest = record.token;
                record.token = latest.max(token);
                latest
            }
            Some(_) | None => {
                return self.again(format!("job {serial} was given to a worker after it had been completed"));
            }
        };
        if token <= latest {
            return Some(
                self.unfenced(format!("job {serial}: lease {token} was given after lease {latest}")),
            );
        }
        let witness = self.workflows.started(serial)?;
        Some(Broken { invariant: JOBS_IN_ORDER, witness })
    }

    /// A scheduler has taken jobs that depend on each other.
    pub(crate) fn workflow_begun(&mut self, steps: Vec<PlannedStep>) {
        if self.is_kept {
            self.workflows.begun(steps);
        }
    }

    /// A scheduler has taken a commit of a worker that ran `ran` under this lease for the job `serial`.
    #[inline]
    pub(crate) fn committed(&mut self, serial: u64, ran: u64, token: u64) -> Option<Broken> {
        if !self.is_kept {
            return None;
        }
        let Some(record) = self.record(serial) else {
            return self.again(format!("job {serial} was completed again, by lease {token}"));
        };
        let (latest, standing) = (record.token, record.standing);
        if standing != Standing::Open {
            return self.again(format!("job {serial} was completed again, by lease {token}"));
        }
        record.standing = Standing::Committing;
        if ran != serial {
            return Some(self.unfenced(format!("job {serial} was completed by a worker that ran job {ran}")));
        }
        (u64::from(latest) != token)
            .then(|| self.unfenced(format!("job {serial} was completed by lease {token}, it is at {latest}")))
    }

    /// The commit of a job was answered.
    #[inline]
    pub(crate) fn settled(&mut self, serial: u64) {
        self.close(serial, Standing::Completed);
    }

    /// A job was given up, and everybody may know it.
    pub(crate) fn died(&mut self, serial: u64) {
        self.close(serial, Standing::Closed);
    }

    #[inline]
    fn close(&mut self, serial: u64, standing: Standing) {
        if let Some(record) = self.record(serial) {
            record.standing = standing;
        }
        self.workflows.ended(serial, standing == Standing::Completed);
        let has_ended = |record: &Record| matches!(record.standing, Standing::Completed | Standing::Closed);
        while self.records.front().is_some_and(has_ended) {
            self.records.pop_front();
            self.first += 1;
        }
    }

    /// A scheduler has enqueued the tick of a schedule as its own job `job`, which has the serial number `serial`.
    pub(crate) fn ticked(&mut self, tick: BookedTick, job: u64, serial: u64) -> Option<Broken> {
        self.of_ticks.insert(job, serial);
        if !self.is_kept {
            return None;
        }
        let BookedTick { schedule, at, wall_s } = tick;
        let is_new = is_first(self.ticks.entry(schedule).or_default(), at.as_nanos());
        let is_new_on_wall = wall_s.is_none_or(|at| is_first(self.walls.entry(schedule).or_default(), at));
        let witness = match (is_new, is_new_on_wall) {
            (true, true) => return None,
            (false, _) => {
                format!("the tick of schedule {schedule} at {at} was enqueued again, as job {serial}")
            }
            (true, false) => format!(
                "the time of day of schedule {schedule} at {at} was enqueued before, an hour of the wall clock \
                 earlier: job {serial} is one too many"
            ),
        };
        self.measured.ticked_again += 1;
        Some(Broken { invariant: JOBS_TICKED_ONCE, witness })
    }

    /// The serial number of a job that a schedule has enqueued.
    pub(crate) fn of_tick(&self, job: u64) -> Option<u64> {
        self.of_ticks.get(&job).copied()
    }

    /// A job that a schedule enqueued is no longer kept.
    pub(crate) fn forget_tick(&mut self, job: u64) {
        self.of_ticks.remove(&job);
    }

    /// Serial numbers in order, each with whether the job has ended.
    fn in_order(&self, stored: &[StoredJob]) -> Vec<(u64, bool)> {
        let known = stored.iter().filter_map(|stored| {
            Some((stored.serial.or_else(|| self.of_tick(stored.job))?, stored.has_ended))
        });
        let mut known: Vec<(u64, bool)> = known.collect();
        known.sort_unstable();
        known
    }

    /// A scheduler has come back from its store with these jobs.
    pub(crate) fn recovered(&mut self, stored: &[StoredJob]) -> Option<Broken> {
        let stored = self.in_order(stored);
        let mut lost = Vec::new();
        for (serial, record) in (self.first..).zip(&mut self.records) {
            let before = record.standing;
            let found = stored.binary_search_by_key(&serial, |job| job.0).ok().map(|at| stored[at].1);
            record.standing = match (record.standing, found) {
                (Standing::Open | Standing::Committing, Some(false)) => Standing::Open,
                (Standing::Committing, Some(true) | None) => Standing::Completed,
                (Standing::Open, Some(true)) => Standing::Closed,
                (Standing::Open, None) => {
                    if record.promised {
                        lost.push(serial);
                    }
                    Standing::Closed
                }
                (ended @ (Standing::Completed | Standing::Closed), _) => ended,
            };
            if record.standing != before && record.standing != Standing::Open {
                self.workflows.ended(serial, record.standing == Standing::Completed);
            }
        }
        self.lost(&lost, "the restart")
    }

    /// At the end these jobs are in the scheduler.
    pub(crate) fn ended(&mut self, stored: &[StoredJob]) -> Option<Broken> {
        let stored = self.in_order(stored);
        let is_gone = |(serial, record): &(u64, &Record)| {
            let is_open = record.promised && record.standing == Standing::Open;
            is_open && stored.binary_search_by_key(serial, |job| job.0).is_err()
        };
        let lost: Vec<u64> =
            (self.first..).zip(&self.records).filter(is_gone).map(|(serial, _)| serial).collect();
        self.lost(&lost, "the end")
    }

    fn lost(&mut self, lost: &[u64], when: &str) -> Option<Broken> {
        let first = lost.first()?;
        self.measured.lost += lost.len() as u64;
        let witness = format!(
            "{} jobs that were promised were gone at {when}, the first of them job {first}",
            lost.len()
        );
        Some(Broken { invariant: JOBS_NOT_LOST, witness })
    }

    fn again(&mut self, witness: String) -> Option<Broken> {
        self.measured.completed_again += 1;
        Some(Broken { invariant: JOBS_COMPLETED_ONCE, witness })
    }

    fn unfenced(&mut self, witness: String) -> Broken {
        self.measured.unfenced += 1;
        Broken { invariant: JOBS_FENCED, witness }
    }

    /// A node believes from now on that it leads, or no longer.
    pub(crate) fn believes(&mut self, node: u32, leads: bool, now: Time) {
        let changed = if leads { self.believers.insert(node) } else { self.believers.remove(&node) };
        if !changed {
            return;
        }
        match (self.believers.len() > 1, self.contested_since) {
            (true, None) => self.contested_since = Some(now),
            (false, Some(since)) => {
                self.measured.two_leaders += now.since(since);
                self.contested_since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// What the books say at the end of the run.
    pub(crate) fn finish(mut self, service: String, now: Time) -> JobsMeasured {
        if let Some(since) = self.contested_since {
            self.measured.two_leaders += now.since(since);
        }
        self.measured.service = service;
        self.measured.workflows = (!self.workflows.is_empty()).then_some(WorkflowsMeasured {
            completed: self.workflows.completed,
            failed: self.workflows.failed,
            open: self.workflows.open(),
            out_of_order: self.workflows.out_of_order,
        });
        self.measured
    }
}

impl JobsMeasured {
    /// Under the names of the report.
    pub(crate) fn counts(&self) -> Vec<(String, u64)> {
        let workflows = self.workflows.iter().flat_map(|workflows| {
            [
                ("workflows_completed", workflows.completed),
                ("workflows_failed", workflows.failed),
                ("workflows_open", workflows.open),
                ("out_of_order", workflows.out_of_order),
            ]
        });
        let always = [
            ("lost", self.lost),
            ("completed_again", self.completed_again),
            ("unfenced_commits", self.unfenced),
            ("ticked_again", self.ticked_again),
            ("two_leaders_us", self.two_leaders.as_nanos() / 1_000),
        ];
        always.into_iter().chain(workflows).map(|(name, count)| (name.to_string(), count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promised(book: &mut JobBook) -> u64 {
        let serial = book.wanted();
        book.promised(serial);
        serial
    }

    fn stored(jobs: &[(u64, bool)]) -> Vec<StoredJob> {
        let stored = |(serial, has_ended): &(u64, bool)| StoredJob {
            serial: Some(*serial),
            job: 1,
            has_ended: *has_ended,
        };
        jobs.iter().map(stored).collect()
    }

    fn invariant(broken: Option<Broken>) -> Option<&'static str> {
        broken.map(|broken| broken.invariant)
    }

    #[test]
    fn a_job_that_runs_twice_and_is_completed_by_its_latest_lease_breaks_nothing() {
        let mut book = JobBook::new(true);
        let job = promised(&mut book);
        assert_eq!(book.given(job, 1), None);
        assert_eq!(book.given(job, 2), None);
        assert_eq!(book.committed(job, job, 2), None);
        book.settled(job);
        assert_eq!((book.records.len(), book.first), (0, 1));
        assert_eq!(book.ended(&[]), None);
    }

    #[test]
    fn a_second_commit_is_seen_while_the_books_know_the_job_and_after_they_have_dropped_it() {
        let mut book = JobBook::new(true);
        let (first, second) = (promised(&mut book), promised(&mut book));
        assert_eq!(book.given(second, 1), None);
        assert_eq!(book.committed(second, second, 1), None);
        book.settled(second);
        assert_eq!(invariant(book.committed(second, second, 1)), Some(JOBS_COMPLETED_ONCE));
        assert_eq!(invariant(book.given(second, 2)), Some(JOBS_COMPLETED_ONCE));
        book.died(first);
        assert_eq!(book.records.len(), 0);
        assert_eq!(invariant(book.committed(second, second, 1)), Some(JOBS_COMPLETED_ONCE));
    }

    #[test]
    fn a_stale_lease_a_lease_given_twice_and_the_work_of_another_job_are_seen() {
        let mut book = JobBook::new(true);
        let (job, other) = (promised(&mut book), promised(&mut book));
        assert_eq!(book.given(job, 2), None);
        assert_eq!(invariant(book.given(job, 2)), Some(JOBS_FENCED));
        assert_eq!(invariant(book.committed(job, job, 1)), Some(JOBS_FENCED));
        assert_eq!(book.given(other, 1), None);
        assert_eq!(invariant(book.committed(other, job, 1)), Some(JOBS_FENCED));
    }

    #[test]
    fn a_restart_may_take_what_was_not_promised_and_nothing_else() {
        let mut book = JobBook::new(true);
        let (kept, unheard, lost) = (promised(&mut book), book.wanted(), promised(&mut book));
        assert_eq!(unheard, 1);
        assert_eq!(invariant(book.recovered(&stored(&[(kept, false)]))), Some(JOBS_NOT_LOST));
        assert_eq!((book.measured.lost, lost), (1, 2));
        assert_eq!(invariant(book.ended(&stored(&[(kept, false)]))), None);
        assert_eq!(invariant(book.ended(&[])), Some(JOBS_NOT_LOST));
    }

    #[test]
    fn a_commit_that_nobody_heard_of_may_be_there_after_a_restart_or_not() {
        for (found, then) in
            [(stored(&[(0, false)]), None), (stored(&[(0, true)]), Some(JOBS_COMPLETED_ONCE))]
        {
            let mut book = JobBook::new(true);
            let job = promised(&mut book);
            book.given(job, 1);
            book.committed(job, job, 1);
            assert_eq!(book.recovered(&found), None);
            assert_eq!(invariant(book.given(job, 2)), then);
        }
    }

    #[test]
    fn ticks_count_once_and_two_leaders_for_as_long_as_there_are_two() {
        let at = |second: u64| Time::from_nanos(second * 1_000_000_000);
        let mut book = JobBook::new(true);
        let tick = |schedule, second| BookedTick { schedule, at: at(second), wall_s: None };
        assert_eq!(book.ticked(tick(0, 1), 1, 0), None);
        assert_eq!(book.ticked(tick(1, 1), 2, 1), None);
        assert_eq!(invariant(book.ticked(tick(0, 1), 3, 2)), Some(JOBS_TICKED_ONCE));
        book.believes(1, true, at(1));
        book.believes(2, true, at(5));
        book.believes(1, false, at(7));
        book.believes(1, true, at(9));
        assert_eq!(book.finish(String::new(), at(10)).two_leaders, Span::from_secs(3));
    }

    #[test]
    fn a_time_of_day_that_comes_twice_is_enqueued_once_where_that_was_promised() {
        let at = |hour: u64| Time::from_nanos(hour * 3_600_000_000_000);
        let mut book = JobBook::new(true);
        let tick = |hour, wall_s| BookedTick { schedule: 0, at: at(hour), wall_s };
        assert_eq!(book.ticked(tick(1, Some(7_200)), 1, 0), None);
        assert_eq!(book.ticked(tick(2, None), 2, 1), None);
        assert_eq!(invariant(book.ticked(tick(3, Some(7_200)), 3, 2)), Some(JOBS_TICKED_ONCE));
        assert_eq!(book.ticked(tick(4, Some(10_800)), 4, 3), None);
    }

    #[test]
    fn books_that_are_not_kept_number_the_jobs_all_the_same() {
        let mut book = JobBook::new(false);
        assert_eq!((book.wanted(), book.wanted()), (0, 1));
        assert_eq!((book.given(0, 1), book.committed(0, 0, 9), book.given(0, 1)), (None, None, None));
        assert_eq!(book.memory_bytes(), 0);
    }
}
