//! The service itself: a request uses the disk, then writes its lines, then is answered. Lines wait in a sink, go in
//! batches onto the disk, and stand in a journal there. Its own books are held against those of the sink at every step.

use std::collections::{BTreeMap, VecDeque};

use foreshock_systems::logging::{
    Appended, DropReason, Journal, JournalConfig, JournalError, JournalFsync, Levels, Offered, OnDiskFull,
    Position, Record, Severity, Sink, Violation,
};
use foreshock_systems::store::{DiskError, PowerCut, SimDisk};

use super::lost::LostBySyncs;
use super::settings::{self, Settings};
use super::{FORGETS, GROWS, HIDES, HURRIES, LIES};
use crate::cluster::{Cx, Durable, Probes, Ref, Request};
use crate::kernel::draw::{Key, chance_ppm};
use crate::kernel::time::{Span, Time};
use crate::measure::{Written, log_invariant};
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::scenario::plan::ServicePlan;

/// How soon a line that found the disk full is tried again.
const AGAIN_AFTER: Span = Span::from_millis(50);
/// Who says all lines of a service.
const LOGGER: &str = "service";
/// Of a defect that strikes now and then: every so many lines.
const NOW_AND_THEN: u64 = 50;

#[derive(Clone, Copy)]
struct Draws {
    fails: Key,
    audited: Key,
    trace: Key,
}

/// A request on its way through the service.
struct Flow {
    job: Ref,
    failed: bool,
    /// Lines it has still to write.
    lines: VecDeque<Record>,
    /// Under which number its line for the auditors goes; 0 is none.
    audit: u64,
    /// Whether its next line was decided to go in, and found no room.
    was_blocked: bool,
}

#[derive(Default)]
struct Counts {
    said: u64,
    errors: u64,
    gave_up: u64,
    reports: u64,
    reported: u64,
    audited: u64,
    answered_audited: u64,
    audit_stored: u64,
    lost_in_crashes: u64,
    failed_by_log: u64,
    blocked_ns: u64,
}

pub(super) struct Writer {
    settings: Settings,
    defect: u8,
    levels: Levels,
    sink: Sink,
    journal: Option<Journal<SimDisk>>,
    /// What a crash has left, until the process starts again.
    disk: SimDisk,
    /// The machine went down: what that leaves of the disk is drawn when a process looks again.
    has_lost_power: bool,
    /// What was durable when the process died, as far as the settings promise it.
    promised: u64,
    /// What was written when the process died.
    written: u64,
    lost: LostBySyncs,
    /// The last line found the disk full, and who logs is told.
    is_failing: bool,
    /// When the disk is free for the next request or batch.
    disk_free: Time,
    batch_done: Option<Time>,
    /// Whether a shipper reads the files, up to where it was shown them, and up to where it needs them no more.
    is_shipped: bool,
    shown: Position,
    shown_last: u64,
    released: u64,
    /// Requests whose work on the disk is done then.
    working: BTreeMap<(Time, u64), Flow>,
    /// Requests that wait for room in the buffer, in order.
    blocked: VecDeque<(Time, Flow)>,
    /// Requests that wait for their line to be stored.
    unaudited: BTreeMap<u64, Flow>,
    /// What the sink may hold: more than the settings say only where it held more when they changed.
    bound_bytes: u64,
    numbers: u64,
    crashes: u64,
    now: Time,
    draws: Option<Draws>,
    counts: Counts,
}

impl Writer {
    pub(super) fn new(plan: &ServicePlan, is_shipped: bool, defect: u8) -> Writer {
        let settings = read(plan);
        Writer {
            levels: Levels::new(settings.level),
            sink: Sink::new(sink_config(&settings, defect), Time::ZERO),
            settings,
            defect,
            journal: None,
            disk: SimDisk::new(),
            has_lost_power: false,
            promised: 0,
            written: 0,
            lost: LostBySyncs::default(),
            is_failing: false,
            disk_free: Time::ZERO,
            batch_done: None,
            is_shipped,
            shown: Position::default(),
            shown_last: 0,
            released: 0,
            working: BTreeMap::new(),
            blocked: VecDeque::new(),
            unaudited: BTreeMap::new(),
            bound_bytes: settings.max_bytes(),
            numbers: 0,
            crashes: 0,
            now: Time::ZERO,
            draws: None,
            counts: Counts::default(),
        }
    }

    /// The disk works for a request: until when, and whether it is in time.
    fn use_disk(&mut self, now: Time) -> (Time, bool) {
        let start = now.max(self.disk_free);
        if let Some(patience) = self.settings.gives_up_after.filter(|patience| start.since(now) > *patience) {
            self.counts.gave_up += 1;
            return (now + patience, false);
        }
        if !self.settings.disk_time.is_zero() {
            self.disk_free = start + self.settings.disk_time;
        }
        (start + self.settings.disk_time, true)
    }

    fn begin(&mut self, request: &Request, job: Ref, cx: &Cx<'_>) {
        let (now, identity) = (self.now, cx.redrawn(request.lineage.raw()));
        let drawn = |key: fn(&Draws) -> Key, share_ppm| {
            self.draws.as_ref().is_some_and(|draws| chance_ppm(key(draws).draw(identity), share_ppm))
        };
        let is_bad = drawn(|draws| draws.fails, self.settings.fails_ppm);
        let is_audited = drawn(|draws| draws.audited, self.settings.audited_ppm);
        let (until, in_time) = self.use_disk(now);
        self.numbers += 1;
        let failed = is_bad || !in_time;
        self.counts.errors += u64::from(failed);
        let (mut lines, line) = self.lines_of(failed, identity);
        if is_audited {
            lines.push_back(Record { is_audit: true, trace: self.numbers, ..line });
        }
        let audit = if is_audited { self.numbers } else { 0 };
        self.counts.audited += u64::from(is_audited);
        let flow = Flow { job, failed, lines, audit, was_blocked: false };
        self.working.insert((until, self.numbers), flow);
    }

    /// What a request has to say at the level that is in force, and a line as it says them.
    fn lines_of(&self, failed: bool, identity: u64) -> (VecDeque<Record>, Record) {
        let (count, severity, text) = match failed {
            true => (self.settings.error_lines, Severity::Error, "the request failed"),
            false => (self.settings.lines, Severity::Informational, "the request was served"),
        };
        let mut line = Record::new(self.now, severity, LOGGER, text);
        if let Some(draws) = self.draws.filter(|_| self.settings.sampling_ppm.is_some()) {
            line.trace = draws.trace.draw(identity);
        }
        let step = Record {
            severity: Severity::Debug,
            message: "a step of the request".to_string(),
            ..line.clone()
        };
        let said = [(self.settings.debug_lines, step), (count, line.clone())];
        let enabled = said.into_iter().filter(|(_, line)| self.levels.is_enabled(LOGGER, line.severity));
        (enabled.flat_map(|(count, line)| std::iter::repeat_n(line, count as usize)).collect(), line)
    }

    /// Writes what a request has to say, as far as there is room; how it goes on if all was said.
    fn say(&mut self, now: Time, mut flow: Flow) -> Option<Woken> {
        while let Some(line) = flow.lines.pop_front() {
            self.counts.said += 1;
            if self.defect == FORGETS && self.counts.said.is_multiple_of(NOW_AND_THEN) {
                continue;
            }
            let offered = match std::mem::take(&mut flow.was_blocked) {
                true => self.sink.offer_again(now, line),
                false => self.sink.offer(now, line),
            };
            match offered {
                Offered::Buffered | Offered::Dropped(_) => {}
                // The level was raised since.
                Offered::Filtered => self.counts.said -= 1,
                Offered::Blocked(line) => {
                    self.counts.said -= 1;
                    flow.was_blocked = true;
                    flow.lines.push_front(line);
                    self.blocked.push_back((now, flow));
                    self.begin_batch(now);
                    return None;
                }
            }
        }
        self.begin_batch(now);
        if self.is_failing {
            self.counts.failed_by_log += u64::from(!flow.failed);
            flow.failed = true;
        }
        if flow.audit != 0 && self.defect != HURRIES {
            self.unaudited.insert(flow.audit, flow);
            return None;
        }
        self.counts.answered_audited += u64::from(flow.audit != 0);
        Some(answer(&flow))
    }

    fn begin_batch(&mut self, now: Time) {
        if self.batch_done.is_some() {
            return;
        }
        let lines = self.sink.batch(self.settings.batch as usize, u64::MAX).len() as u64;
        if lines == 0 {
            return;
        }
        let start = if self.settings.shares_disk { now.max(self.disk_free) } else { now };
        let done = start + self.settings.line_time.saturating_mul(lines);
        if self.settings.shares_disk {
            self.disk_free = done;
        }
        self.batch_done = Some(done);
    }

    /// The disk has worked for a batch: its lines stand in the journal, or found it full.
    fn end_batch(&mut self, now: Time) -> Option<Woken> {
        let journal = self.journal.as_mut()?;
        // What its shipper has shipped makes room. A full disk does not refuse to remove.
        let _ = journal.release(self.released);
        let (mut done, mut dropped, mut audited) = (0, 0, None);
        let mut is_blocked = false;
        let fails = self.settings.on_disk_full == OnDiskFull::Fail;
        while let Some(line) = self.sink.in_flight().get(done).cloned() {
            let (is_audit, number, before) = (line.is_audit, line.trace, journal.counts().written);
            let appended = journal.append(now, line);
            let is_written = journal.counts().written > before;
            match appended {
                Ok(Appended::Dropped) => dropped += 1,
                Err(JournalError::Disk(DiskError::Full)) if fails && !is_audit => {
                    dropped += 1;
                    self.is_failing = true;
                }
                Err(_) if !is_written => {
                    is_blocked = true;
                    break;
                }
                // With an error a sync has failed and taken it.
                Ok(Appended::Written(_)) | Err(_) => self.is_failing = false,
            }
            done += 1;
            // Who waits for a line to be stored is answered when no crash takes it, or told that it is lost.
            if is_audit && is_written {
                let is_stored = appended.is_ok() && journal.sync().is_ok();
                self.counts.audit_stored += u64::from(is_stored);
                audited = self.unaudited.remove(&number).map(|flow| (flow, is_stored));
                if audited.is_some() {
                    break;
                }
            }
        }
        self.sink.written_first(now, done, dropped, DropReason::DiskFull);
        if let Some((mut flow, is_stored)) = audited {
            self.counts.answered_audited += u64::from(is_stored);
            flow.failed |= !is_stored;
            return Some(answer(&flow));
        }
        if is_blocked {
            self.batch_done = Some(now + AGAIN_AFTER);
            return None;
        }
        if !self.is_shipped {
            // Nobody ships these lines: what is durable need not be kept.
            let _ = journal.release(journal.durable());
        }
        self.batch_done = None;
        self.begin_batch(now);
        None
    }

    fn unblock(&mut self, now: Time) -> Option<Woken> {
        while let Some((since, flow)) = self.blocked.pop_front() {
            let waiting = self.blocked.len();
            let woken = self.say(now, flow);
            if self.blocked.len() > waiting {
                // It is still blocked, and goes on being the first.
                if let Some((_, flow)) = self.blocked.pop_back() {
                    self.blocked.push_front((since, flow));
                }
                return None;
            }
            self.counts.blocked_ns = self.counts.blocked_ns.saturating_add(now.since(since).as_nanos());
            if woken.is_some() {
                return woken;
            }
        }
        None
    }

    fn follow_disk(&mut self) {
        let is_full = self.settings.is_disk_full;
        if let Some(journal) = &mut self.journal {
            let capacity = if is_full { Some(0) } else { self.settings.disk_space };
            journal.disk_mut().set_capacity(capacity);
            journal.disk_mut().fail_syncs(if self.settings.sync_fails { u32::MAX } else { 0 });
        }
    }

    /// Shows its shipper what is synced since it was shown lines last, and tells the books where all others are.
    fn show(&mut self, cx: &mut Cx<'_>) {
        let Some(journal) = self.journal.as_ref().filter(|_| self.is_shipped) else { return };
        let mut synced = Vec::new();
        if journal.durable() > self.shown_last {
            (synced, self.shown) = journal.read_synced(self.shown, usize::MAX);
            self.shown_last = journal.durable();
        }
        let written = Written {
            emitted: self.counts.said + self.sink.repeats_told(),
            dropped: self.sink.drops().total(),
            in_ring: self.sink.buffered(),
            unsynced: (journal.last() - self.shown_last).saturating_sub(self.lost.above_durable),
            lost_in_crashes: self.counts.lost_in_crashes + self.lost.total,
        };
        cx.log_written(written, synced);
        self.released = cx.log_released();
    }

    /// Does one of the things that are due.
    fn go_on(&mut self, local: Time) -> Option<Woken> {
        if self.defect != HIDES
            && let Some(report) = self.sink.expire(local)
        {
            self.counts.reports += 1;
            self.counts.reported = self.counts.reported.saturating_add(report.drops.total());
        }
        // A line that says how often another was repeated comes from the sink itself.
        self.begin_batch(local);
        if let Some(journal) =
            self.journal.as_mut().filter(|journal| journal.deadline().is_some_and(|due| due <= local))
        {
            // What a failed sync loses is in the journal's own counts.
            let _ = journal.sync();
        }
        while let Some(done) = self.batch_done.filter(|done| *done <= local) {
            let woken = self.end_batch(local);
            if woken.is_some() {
                return woken;
            }
            if self.batch_done == Some(done) {
                break;
            }
        }
        if let Some(woken) = self.unblock(local) {
            return Some(woken);
        }
        while let Some(first) = self.working.first_entry().filter(|first| first.key().0 <= local) {
            let flow = first.remove();
            if let Some(woken) = self.say(local, flow) {
                return Some(woken);
            }
        }
        None
    }

    fn check(&self, cx: &mut Cx<'_>) {
        let now = self.now;
        let (said, known) = (self.counts.said + self.sink.repeats_told(), self.sink.emitted());
        if said != known {
            cx.violation(
                log_invariant::ACCOUNTED,
                format!("{said} lines were said and {known} are known of"),
            );
        }
        let (held, bound) = (self.sink.held_bytes(), self.bound_bytes);
        if held > bound && self.settings.audited_ppm == 0 {
            cx.violation(log_invariant::BOUNDED, format!("{held} bytes are held where {bound} may be"));
        }
        if let Err(violation) = self.sink.audit(now) {
            let id = match violation {
                Violation::OverBound { .. } => log_invariant::BOUNDED,
                Violation::Unreported { .. } => log_invariant::REPORTED,
                Violation::AuditDropped => log_invariant::AUDIT,
                _ => log_invariant::ACCOUNTED,
            };
            cx.violation(id, violation.to_string());
        }
        let (answered, stored) = (self.counts.answered_audited, self.counts.audit_stored);
        if answered > stored {
            cx.violation(
                log_invariant::AUDIT,
                format!("{answered} audited requests were answered, and the lines of {stored} are stored"),
            );
        }
        if let Some(Err(violation)) = self.journal.as_ref().map(Journal::audit) {
            cx.violation(log_invariant::DURABLE, violation.to_string());
        }
    }
}

/// How a request goes on that has said everything.
fn answer(flow: &Flow) -> Woken {
    let verdict = if flow.failed { Verdict::Fail } else { Verdict::Proceed(Answered::default()) };
    Woken { jobs: vec![flow.job], verdict: Some(verdict) }
}

fn read(plan: &ServicePlan) -> Settings {
    settings::read(&plan.settings).expect("the plan's settings were checked")
}

/// Of a class of which nothing was kept.
const fn hidden_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Debug => "hidden_debug_lines",
        Severity::Informational | Severity::Notice => "hidden_info_lines",
        Severity::Warning => "hidden_warning_lines",
        Severity::Error | Severity::Critical | Severity::Alert | Severity::Emergency => "hidden_error_lines",
    }
}

fn sink_config(settings: &Settings, defect: u8) -> foreshock_systems::logging::SinkConfig {
    let mut config = settings.sink();
    if defect == GROWS {
        config.buffer.max_records = u32::MAX;
        config.buffer.max_bytes = u64::MAX;
    }
    config
}

fn journal_config(settings: &Settings, defect: u8) -> JournalConfig {
    let config = settings.journal();
    if defect == LIES { JournalConfig { fsync: JournalFsync::Never, ..config } } else { config }
}

impl Behaviour for Writer {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        self.now = cx.local_time();
        self.begin(request, job, cx);
        Verdict::Wait
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.now = cx.local_time();
        self.draws = Some(Draws {
            fails: cx.key("log fails"),
            audited: cx.key("log audited"),
            trace: cx.key("log trace"),
        });
        let mut disk = std::mem::take(&mut self.disk);
        if std::mem::take(&mut self.has_lost_power) {
            let entropy = cx.key("log crash").draw(cx.redrawn(self.crashes));
            disk.cut_power(PowerCut { after_operations: 0, entropy });
            disk = disk.restart();
        }
        // A process that starts finds a disk that it can open; what fails then fails later.
        disk.fail_syncs(0);
        self.lost = self.lost.of_next_process();
        let config = journal_config(&self.settings, self.defect);
        // No number that was shipped is given again.
        match Journal::open(disk, config, self.shown_last, self.now) {
            Ok((journal, recovered)) => {
                let kept = recovered.last.max(self.shown_last);
                let lost = std::mem::take(&mut self.written).saturating_sub(kept);
                self.counts.lost_in_crashes = self.counts.lost_in_crashes.saturating_add(lost);
                if recovered.last < self.promised {
                    let (last, promised) = (recovered.last, self.promised);
                    cx.violation(
                        log_invariant::DURABLE,
                        format!("{promised} lines were durable, and after a crash {last} are there"),
                    );
                }
                self.journal = Some(journal);
            }
            Err(error) => cx.violation(log_invariant::DURABLE, error.to_string()),
        }
        self.follow_disk();
        self.show(cx);
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        self.settings = read(plan);
        self.levels.set("", Some(self.settings.level));
        self.is_failing &= self.settings.on_disk_full == OnDiskFull::Fail;
        self.bound_bytes = self.settings.max_bytes().max(self.sink.held_bytes());
        self.sink.reconfigure(sink_config(&self.settings, self.defect));
        if let Some(journal) = &mut self.journal {
            journal.reconfigure(journal_config(&self.settings, self.defect));
        }
        self.follow_disk();
    }

    fn deadline(&self) -> Option<Time> {
        let working = self.working.keys().next().map(|(at, _)| *at);
        let report = if self.defect == HIDES { None } else { self.sink.deadline() };
        let sync = self.journal.as_ref().and_then(Journal::deadline);
        working.into_iter().chain(self.batch_done).chain(report).chain(sync).min()
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        self.now = local;
        let woken = self.go_on(local);
        if let Some(journal) = &self.journal {
            self.lost.follow(journal);
        }
        self.show(cx);
        if woken.is_none() {
            self.check(cx);
        }
        woken
    }

    fn crash(&mut self, keep: Durable) {
        self.crashes += 1;
        self.sink.crash(self.now);
        self.working.clear();
        self.blocked.clear();
        self.unaudited.clear();
        (self.batch_done, self.disk_free) = (None, self.now);
        self.is_failing = false;
        let Some(journal) = self.journal.take() else { return };
        self.lost.follow(&journal);
        let is_all_promised =
            self.settings.fsync == JournalFsync::EveryRecord && self.lost.above_durable == 0;
        self.promised = if is_all_promised { journal.last() } else { journal.durable() };
        self.written = journal.last().saturating_sub(self.lost.above_durable);
        self.has_lost_power = keep == Durable::Disk;
        self.disk = match keep {
            Durable::Written | Durable::Disk => journal.into_disk(),
            Durable::Nothing => {
                self.promised = 0;
                SimDisk::new()
            }
        };
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("lines_emitted", self.sink.emitted()),
            ("lines_delivered", self.sink.delivered()),
            ("lines_dropped", self.sink.drops().total()),
            ("lines_buffered", self.sink.buffered()),
            ("blocked", self.sink.blocked()),
            ("blocked_us", counts.blocked_ns / 1_000),
            ("errors", counts.errors),
            ("gave_up_on_disk", counts.gave_up),
            ("drop_reports", counts.reports),
            ("drops_reported", counts.reported),
            ("lost_in_crashes", counts.lost_in_crashes),
        ]);
        for (reason, lines) in self.sink.drops().by_reason().filter(|(_, lines)| *lines > 0) {
            out.counts.insert(reason.name(), lines);
        }
        let seldom = [
            ("repeats_told", self.sink.repeats_told()),
            ("failed_by_log", counts.failed_by_log),
            ("lost_by_syncs", self.lost.total),
        ];
        out.counts.extend(seldom.into_iter().filter(|(_, count)| *count > 0));
        if self.settings.sampling_ppm.is_some() {
            for class in self.sink.hidden_classes() {
                *out.counts.entry(hidden_name(class.severity)).or_default() += class.seen;
            }
        }
        if self.settings.audited_ppm > 0 {
            out.counts.insert("audited", counts.audited);
            out.counts.insert("audit_stored", counts.audit_stored);
        }
    }
}
