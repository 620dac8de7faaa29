//! A long history in coarse steps: each sample goes into one bucket per resolution, and each resolution forgets on its
//! own. What a bucket keeps can be merged without loss: number, sum, extremes, last value, increase of a counter; those
//! are the aggregates Thanos keeps when it downsamples. Never interpolates, and never invents a bucket for a gap.

use super::series::AppendError;
use crate::time::{Span, Time};
use std::collections::VecDeque;
use std::fmt;

/// One resolution of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollupTier {
    /// Length of a bucket; buckets begin at its multiples since the origin of time.
    pub step: Span,
    /// Buckets kept at most, the one being filled included. 0 counts as 1.
    pub kept: usize,
}

/// Why resolutions are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RollupError {
    /// There is none.
    NoTier,
    /// A bucket has no length.
    NoStep {
        /// The position of the tier, from 0.
        tier: usize,
    },
    /// A bucket does not consist of whole buckets of the tier before, at least two.
    NotCoarser {
        /// The position of the tier, from 0.
        tier: usize,
    },
}

impl fmt::Display for RollupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RollupError::NoTier => f.write_str("a history without a resolution keeps nothing: name one"),
            RollupError::NoStep { tier } => write!(f, "tier {tier} has a step of zero: use a longer one"),
            RollupError::NotCoarser { tier } => {
                write!(f, "the step of tier {tier} is no multiple of the one before: go from fine to coarse")
            }
        }
    }
}

impl std::error::Error for RollupError {}

/// What is left of the samples of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RollupBucket {
    /// Where the step begins; it ends before the next.
    pub start: Time,
    /// Samples in it, at least 1.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
    /// The last.
    pub last: f64,
    /// By how much a counter has grown from the sample before the first of them to the last; a fall is a restart from
    /// zero. Nothing before the very first sample of a history counts. Without meaning for a gauge.
    pub increase: f64,
}

impl RollupBucket {
    fn of(start: Time, value: f64, increase: f64) -> RollupBucket {
        RollupBucket { start, count: 1, sum: value, min: value, max: value, last: value, increase }
    }

    /// The mean of the samples.
    pub fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }

    /// Takes in a later bucket of the same step, or a finer one: the same as if all samples had come here.
    pub fn merge(&mut self, later: &RollupBucket) {
        self.count = self.count.saturating_add(later.count);
        self.sum += later.sum;
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        self.last = later.last;
        self.increase += later.increase;
    }
}

/// A history of one series in several resolutions.
#[derive(Clone, Debug)]
pub struct Rollup {
    tiers: Vec<(RollupTier, VecDeque<RollupBucket>)>,
    newest: Option<Time>,
    last: Option<f64>,
}

impl Rollup {
    /// An empty history; tiers go from fine to coarse.
    ///
    /// # Errors
    /// [`RollupError`] names the first tier that does not fit.
    pub fn new(tiers: &[RollupTier]) -> Result<Rollup, RollupError> {
        if tiers.is_empty() {
            return Err(RollupError::NoTier);
        }
        if let Some(tier) = tiers.iter().position(|tier| tier.step == Span::ZERO) {
            return Err(RollupError::NoStep { tier });
        }
        let is_coarser = |pair: &[RollupTier]| {
            let (fine, coarse) = (pair[0].step.as_nanos(), pair[1].step.as_nanos());
            coarse > fine && coarse.is_multiple_of(fine)
        };
        if let Some(finer) = tiers.windows(2).position(|pair| !is_coarser(pair)) {
            return Err(RollupError::NotCoarser { tier: finer + 1 });
        }
        let tiers = tiers.iter().map(|tier| (*tier, VecDeque::new())).collect();
        Ok(Rollup { tiers, newest: None, last: None })
    }

    /// Adds a sample to every resolution. One that is not a number says nothing and is left out.
    ///
    /// # Errors
    /// [`AppendError`] if it is not newer than everything before; nothing is changed then.
    pub fn append(&mut self, at: Time, value: f64) -> Result<(), AppendError> {
        match self.newest {
            Some(newest) if at < newest => return Err(AppendError::OutOfOrder { newest }),
            Some(newest) if at == newest => return Err(AppendError::Duplicate),
            Some(_) | None => self.newest = Some(at),
        }
        if value.is_nan() {
            return Ok(());
        }
        let increase = match self.last.replace(value) {
            Some(last) if value >= last => value - last,
            Some(_) => value,
            None => 0.0,
        };
        for (tier, buckets) in &mut self.tiers {
            let into_step = at.as_nanos() % tier.step.as_nanos();
            let bucket = RollupBucket::of(Time::from_nanos(at.as_nanos() - into_step), value, increase);
            match buckets.back_mut().filter(|last| last.start == bucket.start) {
                Some(last) => last.merge(&bucket),
                None => {
                    while buckets.len() >= tier.kept.max(1) {
                        buckets.pop_front();
                    }
                    buckets.push_back(bucket);
                }
            }
        }
        Ok(())
    }

    /// The buckets of a resolution, by its position, oldest first; none if there is no such tier.
    pub fn buckets(&self, tier: usize) -> impl Iterator<Item = &RollupBucket> {
        self.tiers.get(tier).into_iter().flat_map(|(_, buckets)| buckets)
    }

    /// The position of the finest resolution that still knows `since`, or else of the coarsest. One that has forgotten
    /// nothing yet knows everything.
    pub fn tier_since(&self, since: Time) -> usize {
        let knows = |(tier, buckets): &(RollupTier, VecDeque<RollupBucket>)| {
            buckets.len() < tier.kept.max(1) || buckets.front().is_some_and(|oldest| oldest.start <= since)
        };
        self.tiers.iter().position(knows).unwrap_or(self.tiers.len() - 1)
    }

    /// Everything since `since` in one bucket, in the finest resolution that still knows it; a bucket that begins
    /// earlier is left out. `None` if there is nothing.
    pub fn total_since(&self, since: Time) -> Option<RollupBucket> {
        let mut whole = self.buckets(self.tier_since(since)).filter(|bucket| bucket.start >= since);
        let mut total = *whole.next()?;
        whole.for_each(|bucket| total.merge(bucket));
        Some(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn at(s: u64) -> Time {
        Time::from_nanos(s * 1_000_000_000)
    }

    const fn tier(step_s: u64, kept: usize) -> RollupTier {
        RollupTier { step: Span::from_secs(step_s), kept }
    }

    fn rollup(tiers: &[RollupTier]) -> Rollup {
        Rollup::new(tiers).expect("from fine to coarse")
    }

    #[test]
    fn an_hour_is_forgotten_in_seconds_and_remembered_in_minutes() {
        let mut history = rollup(&[tier(1, 60), tier(60, 100)]);
        (0..3_600).for_each(|s| history.append(at(s), (s % 10) as f64).expect("in order"));
        assert_eq!((history.buckets(0).count(), history.buckets(1).count()), (60, 60));
        assert_eq!((history.tier_since(at(3_550)), history.tier_since(at(100))), (0, 1));
        let hour = history.total_since(at(0)).expect("there are samples");
        assert_eq!((hour.count, hour.min, hour.max, hour.mean()), (3_600, 0.0, 9.0, 4.5));
    }

    #[test]
    fn a_peak_survives_every_resolution_where_an_average_would_bury_it() {
        let mut history = rollup(&[tier(10, 2), tier(3_600, 10)]);
        (0..3_600)
            .for_each(|s| history.append(at(s), if s == 1_234 { 900.0 } else { 5.0 }).expect("in order"));
        let hour = history.buckets(1).next().expect("one hour");
        assert!(hour.max == 900.0 && hour.mean() < 6.0);
    }

    #[test]
    fn a_counter_that_restarts_grows_on_and_the_restart_is_not_negative() {
        let mut history = rollup(&[tier(10, 100)]);
        for (s, value) in [(1, 100.0), (5, 130.0), (11, 10.0), (12, f64::NAN), (19, 15.0), (35, 20.0)] {
            history.append(at(s), value).expect("in order");
        }
        let increases: Vec<(Time, f64)> = history.buckets(0).map(|b| (b.start, b.increase)).collect();
        assert_eq!(increases, [(at(0), 30.0), (at(10), 15.0), (at(30), 5.0)], "and a gap is a gap");
    }

    #[test]
    fn resolutions_that_do_not_fit_are_refused_by_position() {
        let refused = |tiers: &[RollupTier]| Rollup::new(tiers).expect_err("they do not fit");
        assert_eq!(refused(&[]), RollupError::NoTier);
        assert_eq!(refused(&[tier(1, 1), tier(0, 1)]), RollupError::NoStep { tier: 1 });
        for wrong in [tier(10, 1), tier(25, 1), tier(5, 1)] {
            assert_eq!(refused(&[tier(10, 1), wrong]), RollupError::NotCoarser { tier: 1 });
        }
        let mut history = rollup(&[tier(1, 0)]);
        history.append(at(5), 1.0).expect("the first");
        assert_eq!(history.append(at(5), 2.0), Err(AppendError::Duplicate));
        assert_eq!(history.append(at(4), 2.0), Err(AppendError::OutOfOrder { newest: at(5) }));
        assert_eq!(history.total_since(at(0)).map(|bucket| bucket.sum), Some(1.0));
    }

    /// The dumber twin: keeps every sample. Whole numbers, so that sums are exact.
    fn plain(samples: &[(u64, u64)], start: u64, step: u64, restarts_count: bool) -> Option<RollupBucket> {
        let inside: Vec<usize> =
            (0..samples.len()).filter(|place| (start..start + step).contains(&samples[*place].0)).collect();
        let values = || inside.iter().map(|place| samples[*place].1 as f64);
        let grown = |place: &usize| match place.checked_sub(1).map(|before| samples[before].1) {
            Some(before) if samples[*place].1 >= before => (samples[*place].1 - before) as f64,
            Some(_) if restarts_count => samples[*place].1 as f64,
            Some(_) | None => 0.0,
        };
        Some(RollupBucket {
            start: at(start),
            count: inside.len() as u64,
            sum: values().sum(),
            min: values().fold(f64::INFINITY, f64::min),
            max: values().fold(0.0, f64::max),
            last: samples[*inside.last()?].1 as f64,
            increase: inside.iter().map(grown).sum(),
        })
    }

    /// Whether a history agrees with all its samples, in every resolution.
    fn agrees(samples: &[(u64, u64)], restarts_count: bool) -> bool {
        let steps = [3, 12, 60];
        let mut history = rollup(&steps.map(|step| tier(step, 1_000)));
        samples.iter().for_each(|(s, value)| history.append(at(*s), *value as f64).expect("in order"));
        steps.iter().enumerate().all(|(tier, step)| {
            let expected = (0..2_000 / step).filter_map(|n| plain(samples, n * step, *step, restarts_count));
            history.buckets(tier).copied().eq(expected)
        })
    }

    proptest! {
        #[test]
        fn every_resolution_tells_what_all_samples_together_tell(
            gaps in prop::collection::vec((1u64..20, 0u64..50), 0..80),
        ) {
            let mut now = 0;
            let samples: Vec<(u64, u64)> = gaps.into_iter().map(|(gap, value)| { now += gap; (now, value) }).collect();
            prop_assert!(agrees(&samples, true));
        }
    }

    #[test]
    fn a_twin_that_loses_what_a_restarted_counter_has_counted_since_is_caught() {
        let samples = [(1, 10), (2, 4)];
        assert!(agrees(&samples, true) && !agrees(&samples, false));
    }
}
