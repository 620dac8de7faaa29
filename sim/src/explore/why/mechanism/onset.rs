//! When two runs part: the run that failed, and the same one without the cause. They share every draw, so what differs
//! is the cause's doing alone.

use crate::measure::LoadInterval;
use crate::run::Outcome;

/// In so many of four intervals in a row a run has to ail before it counts.
const LASTING: usize = 2;

/// The first interval of the grid from which on a load ails, before `end`.
pub fn onset(failed: &Outcome, well: &Outcome, end: usize) -> Option<usize> {
    let first = failed.measured.loads.iter().zip(&well.measured.loads).filter_map(|(failed, well)| {
        let ails = |index: usize| ails(failed.intervals.get(index), well.intervals.get(index));
        (0..end).find(|first| {
            ails(*first)
                && (*first..end.min(first + 4)).filter(|index| ails(*index)).count()
                    >= LASTING.min(end - first)
        })
    });
    first.min()
}

/// Whether a load ails in the intervals from `from` to `end` as a whole.
pub fn ails_in(failed: &Outcome, well: &Outcome, from: usize, end: usize) -> bool {
    failed.measured.loads.iter().zip(&well.measured.loads).any(|(failed, well)| {
        let sum = |intervals: &[LoadInterval]| {
            let part = intervals.get(from..end.min(intervals.len())).unwrap_or(&[]);
            part.iter().fold(LoadInterval::default(), |sum, interval| LoadInterval {
                good: sum.good.saturating_add(interval.good),
                failed: sum.failed.saturating_add(interval.failed),
                p99_us: sum.p99_us.max(interval.p99_us),
                ..sum
            })
        };
        ails(Some(&sum(&failed.intervals)), Some(&sum(&well.intervals)))
    })
}

/// Fewer than 19 of 20 requests as good as they would have been, or a tail twice as long.
fn ails(failed: Option<&LoadInterval>, well: Option<&LoadInterval>) -> bool {
    let (Some(failed), Some(well)) = (failed, well) else { return false };
    let fewer = u64::from(failed.good) * 20 < u64::from(well.good) * 19 && well.good > failed.good + 2;
    let slower = failed.good > 0 && failed.p99_us > well.p99_us.saturating_mul(2).saturating_add(1_000);
    fewer || slower
}
