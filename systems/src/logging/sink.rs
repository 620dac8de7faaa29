//! A sink: level, sampling by trace, a limit per class, repeated lines told once, a bounded buffer, and batches out of
//! it. Every line that came in is delivered, dropped and counted, or still here, at every instant.

use super::audit::{DropReason, Drops, Violation};
use super::buffer::{Buffer, BufferConfig, Put};
use super::class_limit::{ClassLimit, ClassSeen};
use super::record::{Record, Severity};
use crate::arithmetic::{keyed_word, uniform};
use crate::rate_limiter::RateLimitConfig;
use crate::time::{Span, Time};

/// Which traces are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// The share of traces, in parts per million. All lines of a trace share its fate.
    pub share_ppm: u32,
    /// Lines this bad, or worse, are always kept.
    pub always: Severity,
    /// Differs between sinks that should not keep the same traces.
    pub salt: u64,
}

/// How a sink is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkConfig {
    /// What it takes: this and worse.
    pub level: Severity,
    /// Which traces it keeps; `None`: all.
    pub sampling: Option<Sampling>,
    /// How many lines of a class; `None`: all.
    pub class_limit: Option<RateLimitConfig>,
    /// Classes with a limit of their own; further ones share one.
    pub max_classes: u32,
    /// For how long lines that repeat the one before are only counted; zero: never.
    pub repeat_window: Span,
    /// Where they wait.
    pub buffer: BufferConfig,
    /// Drops are reported within this time; zero counts as a nanosecond.
    pub report_every: Span,
}

impl Default for SinkConfig {
    /// Everything down to informational, nothing sampled or limited, drops reported every 10 seconds.
    fn default() -> SinkConfig {
        SinkConfig {
            level: Severity::Informational,
            sampling: None,
            class_limit: None,
            max_classes: 1_000,
            repeat_window: Span::ZERO,
            buffer: BufferConfig::default(),
            report_every: Span::from_secs(10),
        }
    }
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offered {
    /// Below the sink's level: it never came in.
    Filtered,
    /// It waits in the buffer.
    Buffered,
    /// It was dropped, and counted.
    Dropped(DropReason),
    /// No room, and it may not be dropped: offer it again when a batch has gone. It has not come in yet.
    Blocked(Record),
}

/// Drops since the last report. Kept beside the buffer, so that it cannot be dropped itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropReport {
    /// From when.
    pub from: Time,
    /// Until when.
    pub until: Time,
    /// What was dropped in between.
    pub drops: Drops,
}

#[derive(Clone, Debug)]
struct Repeat {
    line: Record,
    until: Time,
    times: u64,
}

/// A sink and its books.
#[derive(Clone, Debug)]
pub struct Sink {
    config: SinkConfig,
    classes: ClassLimit,
    buffer: Buffer,
    repeat: Option<Repeat>,
    in_flight: Vec<Record>,
    in_flight_bytes: u64,
    emitted: u64,
    repeats_told: u64,
    delivered: u64,
    blocked: u64,
    audit_lost: u64,
    drops: Drops,
    reported: Drops,
    reported_at: Time,
    first_unreported: Option<Time>,
}

impl Sink {
    /// Nothing said yet.
    pub fn new(config: SinkConfig, now: Time) -> Sink {
        Sink {
            classes: ClassLimit::new(config.class_limit, config.max_classes),
            buffer: Buffer::new(config.buffer),
            config,
            repeat: None,
            in_flight: Vec::new(),
            in_flight_bytes: 0,
            emitted: 0,
            repeats_told: 0,
            delivered: 0,
            blocked: 0,
            audit_lost: 0,
            drops: Drops::default(),
            reported: Drops::default(),
            reported_at: now,
            first_unreported: None,
        }
    }

    /// Follows a new config. A changed class limit begins anew.
    pub fn reconfigure(&mut self, config: SinkConfig) {
        if (config.class_limit, config.max_classes) != (self.config.class_limit, self.config.max_classes) {
            self.classes = ClassLimit::new(config.class_limit, config.max_classes);
        }
        self.buffer.reconfigure(config.buffer, self.in_flight_bytes);
        self.config = config;
    }

    /// Takes in a line, or says why not.
    pub fn offer(&mut self, now: Time, line: Record) -> Offered {
        if line.is_audit {
            return self.put(now, line);
        }
        if line.severity > self.config.level {
            return Offered::Filtered;
        }
        if !self.keeps_trace(&line) {
            self.classes.sampled_out(now, &line);
            return self.drop_at_once(now, DropReason::Sampled);
        }
        if self.is_repeated(now, &line) {
            return self.drop_at_once(now, DropReason::Repeated);
        }
        if !self.classes.passes(now, &line) {
            return self.drop_at_once(now, DropReason::RateLimited);
        }
        self.put(now, line)
    }

    /// Takes in a line that was blocked before: what may be dropped by sampling, limit and repetition was decided then.
    pub fn offer_again(&mut self, now: Time, line: Record) -> Offered {
        self.put(now, line)
    }

    fn keeps_trace(&self, line: &Record) -> bool {
        let Some(sampling) = self.config.sampling else { return true };
        let word = keyed_word(sampling.salt, line.trace);
        line.severity <= sampling.always || uniform(word, 0, 999_999) < u64::from(sampling.share_ppm)
    }

    /// Counts a repetition, or ends the run of them and says how many there were.
    fn is_repeated(&mut self, now: Time, line: &Record) -> bool {
        if self.config.repeat_window.is_zero() {
            return false;
        }
        if let Some(repeat) = &mut self.repeat
            && now < repeat.until
            && repeat.line.says_the_same_as(line)
        {
            repeat.times = repeat.times.saturating_add(1);
            return true;
        }
        self.end_repeats(now);
        self.repeat = Some(Repeat { line: line.clone(), until: now + self.config.repeat_window, times: 0 });
        false
    }

    /// Says how often the last line was repeated, as a line of its own that is dropped and counted if there is no room.
    fn end_repeats(&mut self, now: Time) {
        let Some(repeat) = self.repeat.take().filter(|repeat| repeat.times > 0) else { return };
        let mut line = repeat.line;
        line.at = now;
        line.message = format!("repeated {} times: {}", repeat.times, line.message);
        self.repeats_told = self.repeats_told.saturating_add(1);
        if let Offered::Blocked(_) = self.put(now, line) {
            self.drop_at_once(now, DropReason::Newest);
        }
    }

    fn put(&mut self, now: Time, line: Record) -> Offered {
        match self.buffer.put(line, self.in_flight_bytes) {
            Put::In { displaced } => {
                self.emitted = self.emitted.saturating_add(1);
                self.note_drops(now, DropReason::Oldest, displaced);
                Offered::Buffered
            }
            Put::Dropped(reason) => self.drop_at_once(now, reason),
            Put::Full(line) => {
                self.blocked = self.blocked.saturating_add(1);
                Offered::Blocked(line)
            }
        }
    }

    fn drop_at_once(&mut self, now: Time, reason: DropReason) -> Offered {
        self.emitted = self.emitted.saturating_add(1);
        self.note_drops(now, reason, 1);
        Offered::Dropped(reason)
    }

    fn note_drops(&mut self, now: Time, reason: DropReason, lines: u64) {
        if lines > 0 {
            self.drops.add(reason, lines);
            self.first_unreported.get_or_insert(now);
        }
    }

    /// Takes a batch to be written: at most so many lines and bytes, at least one if there is any. Nothing while one is on
    /// its way: order is kept by there being one.
    pub fn batch(&mut self, max_records: usize, max_bytes: u64) -> &[Record] {
        if !self.in_flight.is_empty() {
            return &[];
        }
        self.in_flight = self.buffer.take(max_records, max_bytes);
        self.in_flight_bytes = self.in_flight.iter().map(Record::size_bytes).sum();
        &self.in_flight
    }

    /// The batch that is on its way, for instance to send it again.
    pub fn in_flight(&self) -> &[Record] {
        &self.in_flight
    }

    /// The batch was written, but for `refused` of its lines that will never be.
    pub fn written(&mut self, now: Time, refused: u64, reason: DropReason) {
        self.written_first(now, self.in_flight.len(), refused, reason);
    }

    /// The first so many lines of the batch were written, but for `refused` of them that will never be; the others are
    /// still on their way.
    pub fn written_first(&mut self, now: Time, lines: usize, refused: u64, reason: DropReason) {
        let lines = lines.min(self.in_flight.len());
        let refused = refused.min(lines as u64);
        let (mut may_go, mut bytes) = (0, 0);
        for line in self.in_flight.drain(..lines) {
            may_go += u64::from(!line.is_audit);
            bytes += line.size_bytes();
        }
        self.delivered = self.delivered.saturating_add(lines as u64 - refused);
        self.audit_lost = self.audit_lost.saturating_add(refused.saturating_sub(may_go));
        self.in_flight_bytes -= bytes;
        self.note_drops(now, reason, refused);
    }

    /// The process dies: what is in memory is gone, and counted as far as anybody lives to tell.
    pub fn crash(&mut self, now: Time) {
        let lines = self.buffer.clear();
        self.note_drops(now, DropReason::Crashed, lines.saturating_add(self.in_flight.len() as u64));
        self.in_flight.clear();
        self.in_flight_bytes = 0;
        self.repeat = None;
    }

    /// When [`expire`](Sink::expire) wants to be called: drops wait to be reported, or a run of repeated lines to be told.
    pub fn deadline(&self) -> Option<Time> {
        let report = self.first_unreported.map(|first| first + self.config.report_every);
        let repeat = self.repeat.as_ref().filter(|repeat| repeat.times > 0).map(|repeat| repeat.until);
        report.into_iter().chain(repeat).min()
    }

    /// Tells repeated lines whose window is over, and reports the drops if that is due.
    pub fn expire(&mut self, now: Time) -> Option<DropReport> {
        if self.repeat.as_ref().is_some_and(|repeat| repeat.until <= now) {
            self.end_repeats(now);
        }
        self.first_unreported.filter(|first| *first + self.config.report_every <= now)?;
        let report =
            DropReport { from: self.reported_at, until: now, drops: self.drops.since(&self.reported) };
        self.reported = self.drops;
        self.reported_at = now;
        self.first_unreported = None;
        Some(report)
    }

    /// Lines that came in.
    pub const fn emitted(&self) -> u64 {
        self.emitted
    }

    /// Of these: the sink's own, which say how often another one was repeated.
    pub const fn repeats_told(&self) -> u64 {
        self.repeats_told
    }

    /// Lines written.
    pub const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Lines that wait, or are on their way.
    pub fn buffered(&self) -> u64 {
        (self.buffer.len() + self.in_flight.len()) as u64
    }

    /// How often somebody was made to wait.
    pub const fn blocked(&self) -> u64 {
        self.blocked
    }

    /// Lines dropped, by reason.
    pub const fn drops(&self) -> &Drops {
        &self.drops
    }

    /// Bytes held.
    pub const fn held_bytes(&self) -> u64 {
        self.buffer.held_bytes().saturating_add(self.in_flight_bytes)
    }

    /// Classes of which sampling and limits have let through nothing at all.
    pub fn hidden_classes(&self) -> impl Iterator<Item = ClassSeen> + '_ {
        self.classes.hidden()
    }

    /// The invariants, in no time: emitted = delivered + dropped + buffered, bytes within bounds, drops reported in time.
    /// To be asked after [`expire`](Sink::expire) was called for everything that is due.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn audit(&self, now: Time) -> Result<(), Violation> {
        let accounted = self.delivered.saturating_add(self.drops.total()).saturating_add(self.buffered());
        if self.emitted != accounted {
            return Err(Violation::Unaccounted { emitted: self.emitted, accounted });
        }
        self.buffer.audit(self.in_flight_bytes)?;
        if self.audit_lost > 0 {
            return Err(Violation::AuditDropped);
        }
        let unreported = self.drops.since(&self.reported).total();
        let is_late = match self.first_unreported {
            Some(first) => first + self.config.report_every < now,
            None => unreported > 0,
        };
        if is_late { Err(Violation::Unreported { drops: unreported }) } else { Ok(()) }
    }

    /// Also counts what the buffer holds.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn audit_whole(&self, now: Time) -> Result<(), Violation> {
        self.audit(now)?;
        self.buffer.audit_whole()
    }
}

#[cfg(test)]
impl Sink {
    /// A broken variant: lines vanish without being counted.
    pub(super) fn lose_uncounted(&mut self) {
        self.buffer.clear();
    }
}
