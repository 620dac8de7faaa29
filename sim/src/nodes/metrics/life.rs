//! One life of one replica's process as its reports show it: which of them were taken, and what each adds. Restarts,
//! copies and overtaking change no total.

use foreshock_systems::metrics::temporality::CumulativeToDelta;

use crate::kernel::time::Time;
use crate::nodes::telemetry::{Distribution, Report};
use crate::scenario::plan::Temporality;

/// What one report adds to what was taken before.
pub(super) struct Addition {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) overflowed: u64,
    pub(super) latency: Distribution,
    pub(super) corrected: Option<Distribution>,
    /// Since when it counts, by the replica's clock.
    pub(super) from: Time,
    /// Whether it makes up for reports that did not come.
    pub(super) bridges: bool,
}

/// One life of a process.
pub(super) struct Life {
    pub(super) number: u32,
    /// Highest report taken.
    highest: u64,
    /// Those below it that were taken, the latest 64: the lowest bit is the highest report.
    taken: u64,
    requests: CumulativeToDelta,
    errors: CumulativeToDelta,
    overflowed: CumulativeToDelta,
    running: Option<(Distribution, Option<Distribution>)>,
    covered_to: Time,
}

impl Life {
    /// A life that began when it counted nothing.
    pub(super) fn new(report: &Report) -> Life {
        let from_zero = || {
            let mut counter = CumulativeToDelta::new();
            counter.observe(Time::ZERO, 0);
            counter
        };
        Life {
            number: report.life,
            highest: 0,
            taken: 0,
            requests: from_zero(),
            errors: from_zero(),
            overflowed: from_zero(),
            running: None,
            covered_to: report.started,
        }
    }

    /// Takes a report; `None` if it adds nothing, having been taken or overtaken.
    pub(super) fn take(&mut self, report: &Report) -> Option<Addition> {
        match report.temporality {
            Temporality::Delta => self.take_difference(report),
            Temporality::Cumulative => self.take_sum(report),
        }
    }

    fn take_difference(&mut self, report: &Report) -> Option<Addition> {
        if !self.is_new(report.sequence) {
            return None;
        }
        Some(Addition {
            requests: report.requests,
            errors: report.errors,
            overflowed: report.overflowed,
            latency: report.latency.clone(),
            corrected: report.corrected.clone(),
            from: report.from,
            bridges: false,
        })
    }

    /// Whether a report was not taken before. One that is 64 or more behind the latest is not taken at all: nobody
    /// could say whether it had been.
    fn is_new(&mut self, sequence: u64) -> bool {
        if sequence > self.highest {
            let ahead = sequence - self.highest;
            self.taken = if ahead < 64 { self.taken << ahead | 1 } else { 1 };
            self.highest = sequence;
            return true;
        }
        let behind = self.highest - sequence;
        if behind >= 64 || self.taken >> behind & 1 == 1 {
            return false;
        }
        self.taken |= 1 << behind;
        true
    }

    fn take_sum(&mut self, report: &Report) -> Option<Addition> {
        if report.sequence <= self.highest {
            return None;
        }
        // Reports are in order by their numbers, whatever the replica's clock does.
        let at = Time::from_nanos(report.sequence);
        let latency = match &self.running {
            Some((before, _)) => report.latency.since(before)?,
            None => report.latency.clone(),
        };
        let corrected = match (&self.running, &report.corrected) {
            (Some((_, Some(before))), Some(now)) => now.since(before),
            (Some((_, None)) | None, now) => now.clone(),
            (Some((_, Some(_))), None) => None,
        };
        let addition = Addition {
            requests: self.requests.observe(at, report.requests).amount(),
            errors: self.errors.observe(at, report.errors).amount(),
            overflowed: self.overflowed.observe(at, report.overflowed).amount(),
            latency,
            corrected,
            from: self.covered_to.min(report.to),
            bridges: report.sequence > self.highest + 1,
        };
        self.highest = report.sequence;
        self.covered_to = report.to;
        self.running = Some((report.latency.clone(), report.corrected.clone()));
        Some(addition)
    }
}
