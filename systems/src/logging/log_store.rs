//! Where lines end up: streams by label, order per source by number, limits per stream, and on how many streams there
//! are. Takes every line once, whatever is sent again.

use super::audit::Violation;
use super::record::Record;
use crate::rate_limiter::{Gcra, Limiter, RateLimitConfig, RetryAt};
use crate::time::{Span, Time};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// What happens to a line with a smaller time than one before it in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfOrder {
    /// It is taken: order is by number.
    Accept,
    /// It is refused for good.
    Refuse,
}

/// What a store takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStoreConfig {
    /// Lines a second of each stream; `None`: any number.
    pub stream_limit: Option<RateLimitConfig>,
    /// Streams at most: the limit on the cardinality of labels.
    pub max_streams: u32,
    /// Lines that may wait to be indexed; a batch that finds no room is refused whole.
    pub queue_lines: u64,
    /// Lines older than this, by the store's clock, are refused for good.
    pub max_age: Span,
    /// When the clock of a source goes back.
    pub out_of_order: OutOfOrder,
    /// Lines kept to be looked at; older ones are only counted.
    pub keep_lines: u32,
}

impl Default for LogStoreConfig {
    /// No limit per stream, 10,000 streams, 100,000 lines in the queue, a week, any order, the last 1,000 lines kept.
    fn default() -> LogStoreConfig {
        LogStoreConfig {
            stream_limit: None,
            max_streams: 10_000,
            queue_lines: 100_000,
            max_age: Span::from_secs(7 * 86_400),
            out_of_order: OutOfOrder::Accept,
            keep_lines: 1_000,
        }
    }
}

/// Why a batch was refused whole: HTTP 429. Send it again after the pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The stream sends too much.
    StreamLimit(RetryAt),
    /// Too many streams.
    Cardinality,
    /// Too much waits to be indexed.
    QueueFull,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::StreamLimit(RetryAt(pause)) => write!(f, "the stream is over its limit: wait {pause}"),
            Refusal::Cardinality => f.write_str("too many streams: use fewer different labels"),
            Refusal::QueueFull => f.write_str("too much waits to be indexed: slow down"),
        }
    }
}

impl std::error::Error for Refusal {}

/// What became of a batch that was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Lines stored.
    pub stored: u64,
    /// Lines that were there already.
    pub duplicates: u64,
    /// Lines refused for good: too old, or out of order.
    pub refused: u64,
}

/// What a store counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStoreCounts {
    /// Lines stored.
    pub stored: u64,
    /// Lines that came again.
    pub duplicates: u64,
    /// Lines refused for good.
    pub refused: u64,
    /// Batches refused whole.
    pub throttled: u64,
    /// Lines for the auditors among those stored.
    pub audit_stored: u64,
    /// Lines of which the number skipped some before it.
    pub gaps: u64,
}

#[derive(Clone, Debug)]
struct Stream {
    limiter: Option<Gcra>,
    last_sequence: u64,
    latest: Time,
    stored: u64,
    lines: VecDeque<Record>,
}

/// Lines by stream. A stream is a source with its labels.
#[derive(Clone, Debug)]
pub struct LogStore {
    config: LogStoreConfig,
    streams: BTreeMap<u64, Stream>,
    waiting: u64,
    counts: LogStoreCounts,
}

impl LogStore {
    /// An empty one.
    pub fn new(config: LogStoreConfig) -> LogStore {
        LogStore { config, streams: BTreeMap::new(), waiting: 0, counts: LogStoreCounts::default() }
    }

    /// Of a stream that was kept elsewhere: its last number and how many lines are stored. For a store that comes back.
    pub fn restore(&mut self, now: Time, stream: u64, last_sequence: u64, stored: u64) {
        let limiter = self.config.stream_limit.map(|limit| Gcra::new(limit, now));
        let restored = Stream { limiter, last_sequence, latest: Time::ZERO, stored, lines: VecDeque::new() };
        let replaced = self.streams.insert(stream, restored).map_or(0, |replaced| replaced.stored);
        self.counts.stored = self.counts.stored.saturating_sub(replaced).saturating_add(stored);
    }

    /// Follows a new config. The limits of streams that are there stay as they are.
    pub const fn reconfigure(&mut self, config: LogStoreConfig) {
        self.config = config;
    }

    /// Takes a batch of a stream, all of it or nothing.
    ///
    /// # Errors
    /// [`Refusal`]: nothing was taken; send it again.
    pub fn push(&mut self, now: Time, stream: u64, lines: &[Record]) -> Result<Pushed, Refusal> {
        let admitted = self.admit(now, stream, lines.len() as u64);
        self.counts.throttled += u64::from(admitted.is_err());
        admitted?;
        let (config, counts) = (self.config, &mut self.counts);
        let Some(stream) = self.streams.get_mut(&stream) else { return Ok(Pushed::default()) };
        let mut pushed = Pushed::default();
        for line in lines {
            if line.sequence <= stream.last_sequence {
                pushed.duplicates += 1;
                continue;
            }
            counts.gaps += u64::from(line.sequence > stream.last_sequence + 1);
            stream.last_sequence = line.sequence;
            let is_late = config.out_of_order == OutOfOrder::Refuse && line.at < stream.latest;
            if !line.is_audit && (is_late || now.since(line.at) > config.max_age) {
                pushed.refused += 1;
                continue;
            }
            stream.latest = stream.latest.max(line.at);
            stream.stored += 1;
            counts.audit_stored += u64::from(line.is_audit);
            pushed.stored += 1;
            if config.keep_lines > 0 {
                if stream.lines.len() >= config.keep_lines as usize {
                    stream.lines.pop_front();
                }
                stream.lines.push_back(line.clone());
            }
        }
        counts.stored += pushed.stored;
        counts.duplicates += pushed.duplicates;
        counts.refused += pushed.refused;
        self.waiting = self.waiting.saturating_add(pushed.stored);
        Ok(pushed)
    }

    fn admit(&mut self, now: Time, stream: u64, lines: u64) -> Result<(), Refusal> {
        if self.waiting.saturating_add(lines) > self.config.queue_lines {
            return Err(Refusal::QueueFull);
        }
        let is_known = self.streams.contains_key(&stream);
        if !is_known && self.streams.len() >= self.config.max_streams as usize {
            return Err(Refusal::Cardinality);
        }
        let limit = self.config.stream_limit;
        let stream = self.streams.entry(stream).or_insert_with(|| Stream {
            limiter: limit.map(|limit| Gcra::new(limit, now)),
            last_sequence: 0,
            latest: Time::ZERO,
            stored: 0,
            lines: VecDeque::new(),
        });
        match (&mut stream.limiter, limit) {
            // A batch larger than the burst would never pass: it pays as much as there can be.
            (Some(limiter), Some(limit)) => {
                limiter.check(now, lines.min(limit.burst)).map_err(Refusal::StreamLimit)
            }
            (None, _) | (_, None) => Ok(()),
        }
    }

    /// So many lines have been indexed and do not wait any more.
    pub const fn indexed(&mut self, lines: u64) {
        self.waiting = self.waiting.saturating_sub(lines);
    }

    /// Lines that wait to be indexed.
    pub const fn waiting(&self) -> u64 {
        self.waiting
    }

    /// What was counted.
    pub const fn counts(&self) -> LogStoreCounts {
        self.counts
    }

    /// The last number of a stream that was taken.
    pub fn last_sequence(&self, stream: u64) -> u64 {
        self.streams.get(&stream).map_or(0, |stream| stream.last_sequence)
    }

    /// The last lines of a stream, as far as they are kept.
    pub fn lines(&self, stream: u64) -> impl Iterator<Item = &Record> {
        self.streams.get(&stream).into_iter().flat_map(|stream| &stream.lines)
    }

    /// Every stream's lines are in the order of their numbers, and all stored lines are those of the streams.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn audit(&self) -> Result<(), Violation> {
        for (source, stream) in &self.streams {
            let mut pairs = stream.lines.iter().zip(stream.lines.iter().skip(1));
            if pairs.any(|(a, b)| a.sequence >= b.sequence) {
                return Err(Violation::Disordered { source: *source });
            }
        }
        let accounted = self.streams.values().map(|stream| stream.stored).sum();
        let emitted = self.counts.stored;
        if emitted == accounted { Ok(()) } else { Err(Violation::Unaccounted { emitted, accounted }) }
    }
}
