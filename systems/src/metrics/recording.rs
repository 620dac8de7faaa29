//! Recording rules: what many would ask for over and over is computed once per interval and kept as a series of its own.
//! Never reads a clock, never knows a query language: an expression is a function of what there is.

use super::series::{LOOKBACK, Range, Retention, Sample, Series};
use crate::time::{Span, Time};
use std::fmt;

/// Computes a value at an instant from a source of the caller's and from what the rules before it have recorded;
/// `None` if there is nothing to compute it from.
pub trait Expression<S: ?Sized>: Send {
    /// The value at `at`.
    fn value(&self, at: Time, source: &S, recorded: &Recorded<'_>) -> Option<f64>;
}

impl<S: ?Sized, F: Fn(Time, &S, &Recorded<'_>) -> Option<f64> + Send> Expression<S> for F {
    fn value(&self, at: Time, source: &S, recorded: &Recorded<'_>) -> Option<f64> {
        self(at, source, recorded)
    }
}

/// What the rules before this one have recorded, the present evaluation included.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    names: &'a [String],
    series: &'a [Series],
}

impl Recorded<'_> {
    /// What a rule recorded, as of an instant.
    pub fn at(&self, name: &str, instant: Time) -> Option<Sample> {
        self.series(name)?.at(instant, LOOKBACK)
    }

    /// What a rule recorded in a stretch of time.
    pub fn range(&self, name: &str, end: Time, length: Span) -> Option<Range<'_>> {
        Some(self.series(name)?.range(end, length))
    }

    fn series(&self, name: &str) -> Option<&Series> {
        let place = self.names.iter().position(|known| known == name)?;
        self.series.get(place)
    }
}

/// Why a group of rules is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// The interval is zero.
    NoInterval,
    /// A rule has no name.
    NoName,
    /// Two rules record under the same name.
    Twice {
        /// The name.
        name: String,
    },
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleError::NoInterval => f.write_str("an interval of zero never ends: use a longer one"),
            RuleError::NoName => f.write_str("a rule without a name records nothing: give it one"),
            RuleError::Twice { name } => write!(f, "two rules record `{name}`: rename one of them"),
        }
    }
}

impl std::error::Error for RuleError {}

/// Rules that are evaluated together, one after the other, so that a later one sees what an earlier one has recorded at
/// the same instant. As in Prometheus, instants are multiples of the interval, one that was slept through is left out
/// and counted, and a rule that finds nothing leaves a gap rather than a zero.
pub struct RuleGroup<S: ?Sized> {
    every: Span,
    retention: Retention,
    next: Time,
    names: Vec<String>,
    expressions: Vec<Box<dyn Expression<S>>>,
    series: Vec<Series>,
    missed: u64,
}

impl<S: ?Sized> fmt::Debug for RuleGroup<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RuleGroup");
        shown.field("every", &self.every).field("next", &self.next).field("names", &self.names);
        shown.field("missed", &self.missed).finish_non_exhaustive()
    }
}

impl<S: ?Sized> RuleGroup<S> {
    /// A group without rules, to be evaluated at every multiple of `every` from `now` on.
    ///
    /// # Errors
    /// [`RuleError::NoInterval`].
    pub fn new(every: Span, retention: Retention, now: Time) -> Result<RuleGroup<S>, RuleError> {
        if every == Span::ZERO {
            return Err(RuleError::NoInterval);
        }
        let next =
            Time::from_nanos(now.as_nanos().checked_next_multiple_of(every.as_nanos()).unwrap_or(u64::MAX));
        let (names, expressions, series) = (Vec::new(), Vec::new(), Vec::new());
        Ok(RuleGroup { every, retention, next, names, expressions, series, missed: 0 })
    }

    /// Adds a rule behind the others.
    ///
    /// # Errors
    /// [`RuleError`] if its name is empty or taken.
    pub fn add(&mut self, name: &str, expression: impl Expression<S> + 'static) -> Result<(), RuleError> {
        if name.is_empty() {
            return Err(RuleError::NoName);
        }
        if self.names.iter().any(|known| known == name) {
            return Err(RuleError::Twice { name: name.to_string() });
        }
        self.names.push(name.to_string());
        self.expressions.push(Box::new(expression));
        self.series.push(Series::new(self.retention));
        Ok(())
    }

    /// When [`expire`](Self::expire) wants to be called next.
    pub const fn deadline(&self) -> Time {
        self.next
    }

    /// Evaluates all rules if it is time to: once, for the latest instant that has come. How many rules found a value.
    pub fn expire(&mut self, now: Time, source: &S) -> usize {
        if now < self.next {
            return 0;
        }
        let slept = now.since(self.next).as_nanos() / self.every.as_nanos();
        self.missed = self.missed.saturating_add(slept);
        let at = self.next + self.every.saturating_mul(slept);
        self.next = at + self.every;
        let mut found = 0;
        for (place, expression) in self.expressions.iter().enumerate() {
            let (earlier, rest) = self.series.split_at_mut(place);
            let recorded = Recorded { names: &self.names, series: earlier };
            let value = expression.value(at, source, &recorded);
            let Some(own) = rest.first_mut() else { continue };
            // Instants only grow, until time itself ends.
            let kept = match value {
                Some(value) => own.append(at, value),
                None => own.mark_stale(at),
            };
            found += usize::from(kept.is_ok() && value.is_some());
        }
        found
    }

    /// What the rules have recorded.
    pub fn recorded(&self) -> Recorded<'_> {
        Recorded { names: &self.names, series: &self.series }
    }

    /// Instants that were left out because nobody called in time.
    pub const fn missed(&self) -> u64 {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(s: u64) -> Time {
        Time::from_nanos(s * 1_000_000_000)
    }

    const RETENTION: Retention = Retention { age: Span::from_secs(3_600), samples: 100 };

    /// Requests and errors so far; `None` while the node is away.
    type Counts = Option<(f64, f64)>;

    fn group(every_s: u64, now: Time) -> RuleGroup<Counts> {
        let mut rules = RuleGroup::new(Span::from_secs(every_s), RETENTION, now).expect("it has an interval");
        let requests = |_: Time, counts: &Counts, _: &Recorded<'_>| counts.map(|counts| counts.0);
        let errors = |_: Time, counts: &Counts, _: &Recorded<'_>| counts.map(|counts| counts.1);
        let ratio = |at: Time, _: &Counts, recorded: &Recorded<'_>| {
            Some(recorded.at("errors", at)?.value / recorded.at("requests", at)?.value)
        };
        rules.add("requests", requests).expect("a new name");
        rules.add("errors", errors).expect("a new name");
        rules.add("error_ratio", ratio).expect("a new name");
        rules
    }

    fn ratio(rules: &RuleGroup<Counts>, instant: Time) -> Option<f64> {
        rules.recorded().at("error_ratio", instant).map(|sample| sample.value)
    }

    #[test]
    fn a_later_rule_sees_what_an_earlier_one_recorded_at_the_same_instant() {
        let mut rules = group(15, at(7));
        assert_eq!((rules.deadline(), rules.expire(at(14), &Some((1.0, 1.0)))), (at(15), 0));
        assert_eq!(rules.expire(at(16), &Some((200.0, 5.0))), 3);
        assert_eq!((ratio(&rules, at(15)), rules.deadline()), (Some(0.025), at(30)));
    }

    #[test]
    fn a_source_that_is_away_leaves_a_gap_and_no_zero() {
        let mut rules = group(10, at(0));
        rules.expire(at(0), &Some((10.0, 1.0)));
        assert_eq!(rules.expire(at(10), &None), 0);
        assert_eq!((ratio(&rules, at(9)), ratio(&rules, at(10))), (Some(0.1), None));
        rules.expire(at(20), &Some((40.0, 1.0)));
        let samples =
            rules.recorded().range("requests", at(20), Span::from_secs(60)).map(|r| r.samples().len());
        assert_eq!((ratio(&rules, at(20)), samples), (Some(0.025), Some(2)));
    }

    #[test]
    fn whoever_sleeps_through_instants_gets_the_latest_and_a_count_of_the_rest() {
        let mut rules = group(10, at(0));
        rules.expire(at(0), &Some((1.0, 0.0)));
        rules.expire(at(47), &Some((9.0, 0.0)));
        assert_eq!((rules.missed(), rules.deadline()), (3, at(50)));
        let recorded = |instant| rules.recorded().at("requests", instant).map(|sample| sample.value);
        assert_eq!((recorded(at(39)), recorded(at(40))), (Some(1.0), Some(9.0)));
    }

    #[test]
    fn rules_that_cannot_be_told_apart_or_never_end_are_refused() {
        let refused = RuleGroup::<Counts>::new(Span::ZERO, RETENTION, at(0)).map(|_| ());
        assert_eq!(refused, Err(RuleError::NoInterval));
        let mut rules = group(10, at(0));
        let constant = |_: Time, _: &Counts, _: &Recorded<'_>| Some(1.0);
        assert_eq!(rules.add("", constant), Err(RuleError::NoName));
        assert_eq!(rules.add("errors", constant), Err(RuleError::Twice { name: "errors".to_string() }));
    }

    #[test]
    fn the_end_of_time_is_evaluated_without_overflow() {
        let mut rules = group(10, Time::MAX);
        rules.expire(Time::MAX, &Some((1.0, 0.0)));
        rules.expire(Time::MAX, &Some((2.0, 0.0)));
        assert_eq!(rules.deadline(), Time::MAX);
    }
}
