//! Samples of one series over time, as a scraper stores them: bounded by age and number, in order of time. A node
//! that is gone leaves a gap, never a zero. Never computes; see [`functions`](super::functions).

use crate::time::{Span, Time};
use std::fmt;

/// A measured number at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When it was measured.
    pub at: Time,
    /// What was measured. A scraped number can be anything, "not a number" included; what the functions make of
    /// that is defined.
    pub value: f64,
}

/// How far an instant look-up looks back: Prometheus' five minutes.
pub const LOOKBACK: Span = Span::from_secs(300);

/// Why a sample is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// Older than the newest one kept.
    OutOfOrder {
        /// When the newest one kept was measured.
        newest: Time,
    },
    /// As old as the newest one kept.
    Duplicate,
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::OutOfOrder { newest } => {
                write!(
                    f,
                    "older than the newest sample, of {newest}: sort before appending, or count it as late"
                )
            }
            AppendError::Duplicate => f.write_str("this time has a sample already: the first one counts"),
        }
    }
}

impl std::error::Error for AppendError {}

/// The samples of a stretch of time that is open to the left: later than `end - length`, not later than `end`.
#[derive(Clone, Copy, Debug)]
pub struct Range<'a> {
    samples: &'a [Sample],
    end: Time,
    length: Span,
}

impl<'a> Range<'a> {
    /// The part of `samples`, ascending in time, that lies in the stretch of `length` that ends with `end`.
    pub fn of(samples: &'a [Sample], end: Time, length: Span) -> Range<'a> {
        let first = samples.partition_point(|sample| !is_after_start(sample.at, end, length));
        let beyond = samples.partition_point(|sample| sample.at <= end);
        Range { samples: samples.get(first..beyond).unwrap_or(&[]), end, length }
    }

    /// The samples, ascending in time.
    pub const fn samples(&self) -> &'a [Sample] {
        self.samples
    }

    /// The end, which belongs to the range.
    pub const fn end(&self) -> Time {
        self.end
    }

    /// The length.
    pub const fn length(&self) -> Span {
        self.length
    }
}

/// Whether `at` is later than `end - length`, which may lie before the origin of time.
fn is_after_start(at: Time, end: Time, length: Span) -> bool {
    at > end || end.since(at) < length
}

/// How much a series keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Samples older than this, counted from the newest, are forgotten.
    pub age: Span,
    /// Samples kept at most. 0 counts as 1.
    pub samples: usize,
}

/// A series: its samples, and the moments from which on it was known to be gone.
///
/// Appending takes no memory once the series has as many samples as it may keep.
#[derive(Clone, Debug)]
pub struct Series {
    retention: Retention,
    samples: Kept<Sample>,
    gone: Kept<Time>,
    newest: Option<Time>,
}

impl Series {
    /// An empty series.
    pub const fn new(retention: Retention) -> Series {
        Series { retention, samples: Kept::new(), gone: Kept::new(), newest: None }
    }

    /// Adds a sample.
    ///
    /// # Errors
    /// [`AppendError`] if it is not newer than everything before; the series is as it was then.
    pub fn append(&mut self, at: Time, value: f64) -> Result<(), AppendError> {
        self.accept(at)?;
        self.samples.push(Sample { at, value }, self.retention.samples.max(1));
        self.samples.forget(|sample| at.since(sample.at) > self.retention.age);
        Ok(())
    }

    /// Notes that the series was not there at `at`: the node was not reached, or no longer has the series. Instant
    /// look-ups find nothing until the next sample.
    ///
    /// # Errors
    /// [`AppendError`] as for a sample.
    pub fn mark_stale(&mut self, at: Time) -> Result<(), AppendError> {
        self.accept(at)?;
        self.gone.push(at, self.retention.samples.max(1));
        self.gone.forget(|gone| at.since(*gone) > self.retention.age);
        Ok(())
    }

    fn accept(&mut self, at: Time) -> Result<(), AppendError> {
        match self.newest {
            Some(newest) if at < newest => return Err(AppendError::OutOfOrder { newest }),
            Some(newest) if at == newest => return Err(AppendError::Duplicate),
            Some(_) | None => {}
        }
        self.newest = Some(at);
        Ok(())
    }

    /// The value at an instant: that of the newest sample, if it is younger than `lookback` and the series was
    /// not gone since.
    pub fn at(&self, instant: Time, lookback: Span) -> Option<Sample> {
        let sample = *Range::of(self.samples.all(), instant, lookback).samples().last()?;
        let gone = self.gone.all();
        let last_gone = gone[..gone.partition_point(|at| *at <= instant)].last();
        let gone_since = last_gone.is_some_and(|at| *at > sample.at);
        (!gone_since).then_some(sample)
    }

    /// The samples of the stretch of `length` that ends with `end`.
    pub fn range(&self, end: Time, length: Span) -> Range<'_> {
        Range::of(self.samples.all(), end, length)
    }

    /// When the newest sample or gap was noted.
    pub const fn newest(&self) -> Option<Time> {
        self.newest
    }
}

/// The latest of many, in one piece: the front is given up by moving a mark, and the rest moves down now and then.
#[derive(Clone, Debug)]
struct Kept<T> {
    items: Vec<T>,
    front: usize,
}

impl<T: Copy> Kept<T> {
    const fn new() -> Kept<T> {
        Kept { items: Vec::new(), front: 0 }
    }

    fn all(&self) -> &[T] {
        &self.items[self.front..]
    }

    fn push(&mut self, item: T, most: usize) {
        if self.all().len() >= most {
            self.front += 1;
        }
        // Moved down when half is given up: on average one move per item, and never more than twice the memory.
        if self.front > 0 && self.front >= self.all().len() {
            self.items.copy_within(self.front.., 0);
            self.items.truncate(self.items.len() - self.front);
            self.front = 0;
        }
        self.items.push(item);
    }

    fn forget(&mut self, mut too_old: impl FnMut(&T) -> bool) {
        while self.all().first().is_some_and(&mut too_old) {
            self.front += 1;
        }
    }
}

#[cfg(test)]
mod tests;
