//! Which services ran out of workers after the onset, in which order, and what their load consisted of.

use serde::Serialize;

use crate::measure::ServiceInterval;
use crate::run::Outcome;

/// A service that ran out of workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Saturated {
    /// Which.
    pub service: String,
    /// From when on.
    pub at_us: u64,
    /// How busy it was before the onset.
    pub busy_before_ppm: u64,
    /// And from then on.
    pub busy_after_ppm: u64,
    /// The longest line from then on.
    pub queue_max: u64,
    /// Share of the requests that arrived from then on which were further attempts.
    pub retry_share_ppm: u64,
}

/// A service with this share of its workers busy has none to spare.
const SATURATED_PPM: u32 = 950_000;

/// Services that ran out of workers for three intervals in a row between `onset` and `end`, and for twice as long as in
/// the run without the cause, in the order in which they did.
pub fn saturated(failed: &Outcome, well: &Outcome, onset: usize, end: usize, grid_us: u64) -> Vec<Saturated> {
    let warm = (failed.plan.run.warmup.as_nanos() / failed.plan.run.grid.as_nanos().max(1)) as usize;
    let services = failed.measured.services.iter();
    let mut found: Vec<(usize, Saturated)> = services
        .filter_map(|service| {
            let intervals = service.intervals.get(..end.min(service.intervals.len()))?;
            let first = first_saturated(intervals, onset.saturating_sub(BEFORE_ONSET))?;
            let other = well.measured.services.iter().find(|other| other.name == service.name);
            let full = |intervals: &[ServiceInterval]| intervals.iter().filter(|it| is_full(it)).count();
            let without = other.and_then(|other| other.intervals.get(first..end.min(other.intervals.len())));
            // Full anyway, for half as long or longer.
            let anyway = full(without.unwrap_or(&[])) * 2 >= full(&intervals[first..]);
            if anyway {
                return None;
            }
            let after = intervals.get(first..)?;
            let arrivals: u64 = after.iter().map(|interval| u64::from(interval.arrivals)).sum();
            let retries: u64 = after.iter().map(|interval| u64::from(interval.retries)).sum();
            let told = Saturated {
                service: service.name.clone(),
                at_us: first as u64 * grid_us,
                busy_before_ppm: mean_busy(intervals.get(warm..first).unwrap_or(&[])),
                busy_after_ppm: mean_busy(after),
                queue_max: after.iter().map(|interval| u64::from(interval.queue)).max().unwrap_or(0),
                retry_share_ppm: retries.saturating_mul(1_000_000).checked_div(arrivals).unwrap_or(0),
            };
            Some((first, told))
        })
        .collect();
    // In one interval, the one with the longer line: the others wait for it.
    found.sort_by(|(a, one), (b, other)| {
        (a, std::cmp::Reverse(one.queue_max)).cmp(&(b, std::cmp::Reverse(other.queue_max)))
    });
    found.into_iter().map(|(_, told)| told).collect()
}

/// A service may run full a little before its callers notice.
const BEFORE_ONSET: usize = 10;

fn first_saturated(intervals: &[ServiceInterval], from: usize) -> Option<usize> {
    let is_full = |index: usize| intervals.get(index).is_some_and(is_full);
    (from..intervals.len()).find(|index| (*index..index + 3).all(is_full))
}

fn is_full(interval: &ServiceInterval) -> bool {
    interval.utilization_ppm >= SATURATED_PPM
}

fn mean_busy(intervals: &[ServiceInterval]) -> u64 {
    let sum: u64 = intervals.iter().map(|interval| u64::from(interval.utilization_ppm)).sum();
    sum.checked_div(intervals.len() as u64).unwrap_or(0)
}
