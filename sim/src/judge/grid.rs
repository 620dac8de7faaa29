//! The measuring grid: which interval an instant lies in, when a load counts as well, and from when on a state
//! lasts. Pure arithmetic on interval indices.

use crate::kernel::time::Time;
use crate::measure::LoadInterval;
use crate::scenario::plan::RunPlan;

/// How many intervals in a row a recovery has to last.
pub(super) const LASTING_INTERVALS: usize = 5;

/// The grid of a run.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    grid_ns: u64,
    /// The first interval that is not wholly inside the time in which load is generated.
    load_end: usize,
}

impl Grid {
    pub(super) fn of(run: &RunPlan) -> Grid {
        let grid_ns = run.grid.as_nanos().max(1);
        Grid { grid_ns, load_end: (run.duration.as_nanos() / grid_ns) as usize }
    }

    /// The interval that `at` lies in.
    pub(super) fn index(self, at: Time) -> usize {
        (at.as_nanos() / self.grid_ns) as usize
    }

    /// When interval `index` begins.
    pub(super) fn start(self, index: usize) -> Time {
        Time::from_nanos((index as u64).saturating_mul(self.grid_ns))
    }

    /// The first interval that is not wholly inside the time in which load is generated.
    pub(super) fn load_end(self) -> usize {
        self.load_end
    }

    /// The intervals that overlap `from..to`.
    pub(super) fn overlapping(self, from: Time, to: Time) -> std::ops::Range<usize> {
        self.index(from)..to.as_nanos().div_ceil(self.grid_ns) as usize
    }
}

/// The first interval of `from..end` that is well and is followed by no unwell one for
/// [`LASTING_INTERVALS`] in all, or to `end`. `None` as a state says nothing either way, so that it neither
/// starts a recovery nor ends one.
pub(super) fn lasts_from(from: usize, end: usize, state: impl Fn(usize) -> Option<bool>) -> Option<usize> {
    (from..end).find(|first| {
        let lasting = *first..end.min(first + LASTING_INTERVALS);
        state(*first) == Some(true) && lasting.into_iter().all(|index| state(index) != Some(false))
    })
}

/// Whether a load is well in an interval: 95 % of what was offered ended well. A request that ends in the
/// interval after its start is no sign of trouble, so with few failures a difference of one standard deviation
/// of the number offered is allowed as well. `None` where nothing was offered and nothing ended.
pub(super) fn is_well(interval: &LoadInterval) -> Option<bool> {
    let (offered, good, failed) =
        (u64::from(interval.offered), u64::from(interval.good), u64::from(interval.failed));
    let ended = good + failed;
    if offered == 0 && ended == 0 {
        return None;
    }
    if ended == 0 {
        return Some(false);
    }
    let few_failed = failed * 100 <= ended * 5;
    let short_by = offered.saturating_sub(good);
    let enough_good = good * 100 >= offered * 95;
    Some(if offered == 0 { few_failed } else { enough_good || (few_failed && short_by <= offered.isqrt()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(offered: u32, good: u32, failed: u32) -> LoadInterval {
        LoadInterval { offered, good, failed, ..LoadInterval::default() }
    }

    #[test]
    fn a_load_is_well_when_95_percent_of_what_is_offered_ends_well() {
        let cases = [
            (interval(0, 0, 0), None, "nothing happened"),
            (interval(600, 600, 0), Some(true), "all good"),
            (interval(600, 570, 30), Some(true), "just enough"),
            (interval(600, 569, 31), Some(false), "just not enough"),
            (interval(100, 100, 40), Some(true), "the last failures of an outage end beside good requests"),
            (interval(600, 0, 0), Some(false), "everything hangs"),
            (interval(600, 300, 0), Some(false), "half of it hangs"),
            (interval(3, 2, 0), Some(true), "one of few ends in the next interval"),
            (interval(3, 2, 1), Some(false), "one of few fails"),
            (interval(0, 5, 0), Some(true), "the last ones end after the load"),
            (interval(0, 0, 5), Some(false), "the last ones fail after the load"),
        ];
        for (interval, expected, why) in cases {
            assert_eq!(is_well(&interval), expected, "{why}");
        }
    }

    #[test]
    fn a_recovery_is_the_first_well_interval_that_no_unwell_one_follows_for_five() {
        let cases = [
            ("-------", None),
            ("+++++++", Some(0)),
            ("--+++++", Some(2)),
            ("-++++-+++++", Some(6)),
            ("-+++++-", Some(1)),
            ("-----++", Some(5)),
            ("--..+.+++", Some(4)),
            ("--.......", None),
            ("", None),
        ];
        for (states, expected) in cases {
            let state = |index: usize| match states.as_bytes()[index] {
                b'+' => Some(true),
                b'-' => Some(false),
                _ => None,
            };
            assert_eq!(lasts_from(0, states.len(), state), expected, "{states}");
        }
    }
}
