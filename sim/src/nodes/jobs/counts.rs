//! What a job scheduler has counted, for the report. Decides nothing.

use foreshock_systems::job_scheduler::{EndReason, JobState, KindId, ScheduleId, TickOutcome};

use super::settings::ScheduleSettings;

use crate::cluster::Probes;
use crate::kernel::time::Span;
use crate::measure::Durations;

/// Digits of the waits that are told apart.
const DIGITS: u8 = 2;

/// What has happened since the run began, over all restarts. What a crash took before anybody was told of it, and what
/// was then done again, is counted both times.
pub(super) struct Counts {
    pub(super) enqueued: u64,
    pub(super) workflows: u64,
    pub(super) duplicates: u64,
    pub(super) refused: u64,
    started: u64,
    pub(super) retried: u64,
    pub(super) failed: u64,
    completed: u64,
    dead: u64,
    poison: u64,
    cancelled: u64,
    pub(super) leases_lost: u64,
    pub(super) fenced: u64,
    pub(super) heartbeats: u64,
    pub(super) fenced_heartbeats: u64,
    pub(super) idle_fetches: u64,
    pub(super) terms: u64,
    pub(super) ticks_enqueued: u64,
    ticks_missed: u64,
    ticks_overlapped: u64,
    pub(super) ticks_refused: u64,
    pub(super) restarts: u64,
    attempts_max: u64,
    /// Of all kinds together; made when the first job starts.
    wait: Option<Box<Durations>>,
    /// By operation.
    by_kind: Vec<KindCounts>,
    /// By schedule; of those that tick by the clock on a wall.
    by_wall: Vec<WallCounts>,
}

/// What came of the ticks of a schedule that ticks by the clock on a wall.
#[derive(Clone, Copy, Default)]
struct WallCounts {
    /// Whether anything was noted before: the first note says where the schedule begins and is no tick.
    has_begun: bool,
    enqueued: u64,
    missed: u64,
    late_max_ns: u64,
}

#[derive(Default)]
struct KindCounts {
    /// Made when the first one starts.
    wait: Option<Box<Durations>>,
    completed: u64,
    dead: u64,
}

impl Counts {
    pub(super) fn new(kinds: usize, schedules: usize) -> Counts {
        Counts {
            enqueued: 0,
            workflows: 0,
            duplicates: 0,
            refused: 0,
            started: 0,
            retried: 0,
            failed: 0,
            completed: 0,
            dead: 0,
            poison: 0,
            cancelled: 0,
            leases_lost: 0,
            fenced: 0,
            heartbeats: 0,
            fenced_heartbeats: 0,
            idle_fetches: 0,
            terms: 0,
            ticks_enqueued: 0,
            ticks_missed: 0,
            ticks_overlapped: 0,
            ticks_refused: 0,
            restarts: 0,
            attempts_max: 0,
            wait: None,
            by_kind: (0..kinds).map(|_| KindCounts::default()).collect(),
            by_wall: vec![WallCounts::default(); schedules],
        }
    }

    #[inline]
    pub(super) fn started(&mut self, kind: KindId, waited: Span, attempt: u32) {
        self.started += 1;
        self.attempts_max = self.attempts_max.max(u64::from(attempt));
        let new = || Box::new(Durations::new(DIGITS));
        self.wait.get_or_insert_with(new).record(waited);
        if let Some(kind) = self.by_kind.get_mut(usize::from(kind.0)) {
            kind.wait.get_or_insert_with(new).record(waited);
        }
    }

    #[inline]
    pub(super) fn finished(&mut self, kind: KindId, state: JobState, reason: EndReason) {
        let of_kind = &mut self.by_kind[usize::from(kind.0)];
        match state {
            JobState::Completed => {
                self.completed += 1;
                of_kind.completed += 1;
            }
            JobState::Cancelled => self.cancelled += 1,
            JobState::Discarded => {
                self.dead += 1;
                of_kind.dead += 1;
                self.poison += u64::from(reason == EndReason::Poison);
            }
            JobState::Pending
            | JobState::Scheduled
            | JobState::Available
            | JobState::Running
            | JobState::Retryable => {}
        }
    }

    /// `wall`: the schedule and how late it was, if it ticks by the clock on a wall.
    pub(super) fn ticked(&mut self, outcome: TickOutcome, wall: Option<(ScheduleId, Span)>) {
        if let Some((schedule, late)) = wall {
            self.ticked_by_wall(outcome, schedule, late);
        }
        match outcome {
            TickOutcome::Enqueued(_) => {
                self.ticks_enqueued += 1;
                self.enqueued += 1;
            }
            TickOutcome::Missed => self.ticks_missed += 1,
            TickOutcome::Overlapped | TickOutcome::QueueFull => self.ticks_overlapped += 1,
        }
    }

    fn ticked_by_wall(&mut self, outcome: TickOutcome, schedule: ScheduleId, late: Span) {
        let at = usize::from(schedule.0);
        if at >= self.by_wall.len() {
            self.by_wall.resize(at + 1, WallCounts::default());
        }
        let counts = &mut self.by_wall[at];
        match outcome {
            TickOutcome::Enqueued(_) => {
                counts.enqueued += 1;
                counts.late_max_ns = counts.late_max_ns.max(late.as_nanos());
            }
            TickOutcome::Missed => counts.missed += u64::from(counts.has_begun),
            TickOutcome::Overlapped | TickOutcome::QueueFull => {}
        }
        counts.has_begun = true;
    }

    pub(super) fn probe(&self, operations: &[String], schedules: &[ScheduleSettings], out: &mut Probes) {
        for (schedule, counts) in schedules.iter().zip(&self.by_wall) {
            if schedule.ticks.is_by_wall() {
                let name = &schedule.name;
                out.named.insert(format!("{name}.ticks_enqueued"), counts.enqueued);
                out.named.insert(format!("{name}.ticks_missed"), counts.missed);
                out.named.insert(format!("{name}.late_max_us"), counts.late_max_ns / 1_000);
            }
        }
        let always = [
            ("enqueued", self.enqueued),
            ("duplicates", self.duplicates),
            ("refused", self.refused),
            ("started", self.started),
            ("retried", self.retried),
            ("failed", self.failed),
            ("completed", self.completed),
            ("dead", self.dead),
            ("leases_lost", self.leases_lost),
            ("fenced_refused", self.fenced),
            ("idle_fetches", self.idle_fetches),
        ];
        out.counts.extend(always);
        let where_there_are_any = [
            ("dead_poison", self.poison),
            ("cancelled", self.cancelled),
            ("heartbeats", self.heartbeats),
            ("fenced_heartbeats", self.fenced_heartbeats),
            ("restarts", self.restarts),
        ];
        out.counts.extend(where_there_are_any.into_iter().filter(|(_, count)| *count > 0));
        if self.terms > 0 || self.ticks_enqueued > 0 {
            out.counts.insert("ticks_enqueued", self.ticks_enqueued);
            out.counts.insert("ticks_missed", self.ticks_missed);
            out.counts.insert("ticks_overlapped", self.ticks_overlapped);
            out.counts.insert("ticks_refused", self.ticks_refused);
            out.maxima.insert("terms", self.terms);
        }
        out.maxima.insert("attempts_max", self.attempts_max);
        if let Some(wait) = &self.wait {
            let mut wait = wait.clone();
            out.maxima.insert("wait_p50_us", wait.quantile_ns(500_000) / 1_000);
            out.maxima.insert("wait_p99_us", wait.quantile_ns(990_000) / 1_000);
        }
        for (name, kind) in operations.iter().zip(&self.by_kind) {
            let Some(wait) = &kind.wait else { continue };
            let mut wait = wait.clone();
            out.named.insert(format!("{name}.wait_p50_us"), wait.quantile_ns(500_000) / 1_000);
            out.named.insert(format!("{name}.wait_p99_us"), wait.quantile_ns(990_000) / 1_000);
            out.named.insert(format!("{name}.completed"), kind.completed);
            if kind.dead > 0 {
                out.named.insert(format!("{name}.dead"), kind.dead);
            }
        }
    }
}
