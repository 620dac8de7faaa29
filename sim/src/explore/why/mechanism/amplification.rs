//! How many attempts each call was worth: before the onset, at it, at its worst, after it, and as a series.

use serde::Serialize;

use crate::measure::EdgeInterval;
use crate::run::Outcome;
use crate::scenario::plan::EdgeId;

/// A call that is made more often than it is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Amplified {
    /// Which.
    pub call: String,
    /// Attempts for each call before the onset, thousandths.
    pub before_milli: u64,
    /// In the first intervals from the onset on.
    pub at_onset_milli: u64,
    /// After it.
    pub after_milli: u64,
    /// At most in one interval.
    pub peak_milli: u64,
    /// Which.
    pub peak_at_us: u64,
    /// Over the whole load, from its start: one value for each `series_every_us`.
    pub series_milli: Vec<u64>,
    /// How long each part of the series is.
    pub series_every_us: u64,
    /// Where it stands in the plan.
    #[serde(skip)]
    pub(crate) edge: EdgeId,
}

/// Fewer attempts for each call than this are not worth a word.
const WORTH_MILLI: u64 = 1_050;
/// At most so many values of a series, however long the run.
const MOST_VALUES: usize = 30;
/// The onset is told by so many intervals, as one may have few calls.
const AT_ONSET: usize = 3;

/// Calls that are repeated from `onset` to `end`, in the order of the file.
pub fn amplified(failed: &Outcome, onset: usize, end: usize, grid_us: u64) -> Vec<Amplified> {
    let edges = failed.measured.edges.iter().enumerate();
    let told = edges.filter_map(|(index, edge)| {
        let until = end.min(edge.intervals.len());
        let (before, after) = edge.intervals.get(..until)?.split_at_checked(onset.min(until))?;
        let after_milli = attempts_milli(after);
        let each = after
            .iter()
            .enumerate()
            .map(|(index, interval)| (attempts_milli(std::slice::from_ref(interval)), index));
        let (peak_milli, peak) = each.max_by_key(|(milli, index)| (*milli, std::cmp::Reverse(*index)))?;
        let each = until.div_ceil(MOST_VALUES).max(1);
        (after_milli >= WORTH_MILLI).then(|| Amplified {
            call: edge.name.clone(),
            before_milli: attempts_milli(before),
            at_onset_milli: attempts_milli(after.get(..AT_ONSET).unwrap_or(after)),
            after_milli,
            peak_milli,
            peak_at_us: (onset + peak) as u64 * grid_us,
            series_milli: edge.intervals[..until].chunks(each).map(attempts_milli).collect(),
            series_every_us: each as u64 * grid_us,
            edge: EdgeId(index as u32),
        })
    });
    told.collect()
}

/// Attempts for each call, thousandths; at least 1000. Few calls say nothing.
fn attempts_milli(intervals: &[EdgeInterval]) -> u64 {
    let requests: u64 = intervals.iter().map(|interval| u64::from(interval.requests)).sum();
    let attempts: u64 = intervals.iter().map(|interval| u64::from(interval.attempts)).sum();
    if requests < FEW { 1_000 } else { (attempts.saturating_mul(1_000) / requests).max(1_000) }
}

const FEW: u64 = 5;
