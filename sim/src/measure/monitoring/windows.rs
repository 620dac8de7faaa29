//! Windows of a service's latency as they were, beside what was told of them. Keeps the latest and folds older ones
//! into extremes, so that memory does not grow with virtual time.

use std::collections::BTreeMap;

use crate::kernel::time::{Span, Time};
use crate::measure::histogram::Durations;

/// What a dashboard shows of one window. Latencies in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowTold {
    /// Begin of the window, by the clocks of those who reported.
    pub start: Time,
    /// Latencies in it.
    pub events: u64,
    /// Their 99th percentile, joined by bucket.
    pub p99_ns: u64,
    /// The average of the replicas' own 99th percentiles.
    pub averaged_p99_ns: u64,
    /// Requests a second, thousandths.
    pub rate_milli_per_s: u64,
    /// Replicas that it has reports of.
    pub replicas: u32,
    /// Whether it takes the place of what was told before.
    pub revised: bool,
}

/// A window told against what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Begin of the window.
    pub start: Time,
    /// What was told.
    pub told_ns: u64,
    /// What it was.
    pub was_ns: u64,
}

impl Gap {
    /// How many times the larger is the smaller, thousandths.
    pub fn ratio_milli(&self) -> u64 {
        let (low, high) = (self.told_ns.min(self.was_ns), self.told_ns.max(self.was_ns));
        let ratio = u128::from(high) * 1_000 / u128::from(low.max(1));
        u64::try_from(ratio).unwrap_or(u64::MAX)
    }

    fn larger(self, other: Option<Gap>) -> Gap {
        match other {
            Some(other) if other.ratio_milli() >= self.ratio_milli() => other,
            Some(_) | None => self,
        }
    }
}

/// All windows of a service. Latencies in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowsMeasured {
    /// Windows told, each once.
    pub told: u64,
    /// Times a window was told again.
    pub revised: u64,
    /// Windows in which requests were answered, and of which nothing was told although later ones were.
    pub untold: u64,
    /// Highest 99th percentile told, of windows with a hundred requests or more.
    pub highest_told_ns: u64,
    /// Highest 99th percentile there was, of such windows.
    pub highest_true_ns: u64,
    /// The window whose told 99th percentile was furthest below the true one.
    pub too_low: Option<Gap>,
    /// The window whose averaged percentile was furthest from the joined one, as what was told and what it was.
    pub averaged: Option<Gap>,
    /// Lowest and highest rate told, thousandths a second, of such windows.
    pub rates_milli_per_s: Option<(u64, u64)>,
    /// Fewest replicas that a window had reports of.
    pub fewest_replicas: Option<u32>,
}

/// Fewer requests than this make no percentile.
const FEW: u64 = 100;
/// So many windows are kept until what is told of them is final.
const KEPT: usize = 1_024;

/// Windows as they were, and as they were told.
pub(super) struct Windows {
    length: Option<Span>,
    /// The window that fills now, by number.
    current: u64,
    filling: Durations,
    kept: BTreeMap<u64, Window>,
    done: WindowsMeasured,
}

#[derive(Clone, Copy, Default)]
struct Window {
    events: u64,
    p99_ns: u64,
    told: Option<WindowTold>,
}

impl Windows {
    pub(super) fn new() -> Windows {
        Windows {
            length: None,
            current: 0,
            filling: Durations::new(2),
            kept: BTreeMap::new(),
            done: WindowsMeasured::default(),
        }
    }

    /// Windows of another length begin a new count.
    pub(super) fn set_length(&mut self, length: Span) {
        if self.length != Some(length) {
            self.fold_all();
            self.filling.clear();
            self.length = Some(length);
        }
    }

    #[inline]
    pub(super) fn record(&mut self, latency: Span, now: Time) {
        let Some(length) = self.length else { return };
        let number = now.as_nanos() / length.as_nanos().max(1);
        if number != self.current {
            self.close();
            self.current = number;
        }
        self.filling.record(latency);
    }

    /// The window that was filling is over.
    fn close(&mut self) {
        let events = self.filling.count();
        if events > 0 {
            let p99_ns = self.filling.quantile_ns(990_000);
            let window = self.window(self.current);
            window.events = events;
            window.p99_ns = p99_ns;
            self.filling.clear();
        }
    }

    fn window(&mut self, number: u64) -> &mut Window {
        if self.kept.len() >= KEPT
            && !self.kept.contains_key(&number)
            && let Some((_, oldest)) = self.kept.pop_first()
        {
            fold(&mut self.done, &oldest);
        }
        self.kept.entry(number).or_default()
    }

    pub(super) fn told(&mut self, told: WindowTold) {
        let Some(length) = self.length else { return };
        let window = self.window(told.start.as_nanos() / length.as_nanos().max(1));
        let again = window.told.replace(told).is_some();
        self.done.revised += u64::from(again || told.revised);
    }

    fn fold_all(&mut self) {
        self.close();
        let last_told = self.kept.iter().rev().find(|(_, window)| window.told.is_some());
        let last_told = last_told.map_or(0, |(number, _)| *number);
        for (number, window) in std::mem::take(&mut self.kept) {
            // What comes after the last one told was still to be told.
            if number <= last_told {
                fold(&mut self.done, &window);
            }
        }
    }

    pub(super) fn finish(mut self) -> WindowsMeasured {
        self.fold_all();
        self.done
    }
}

fn fold(done: &mut WindowsMeasured, window: &Window) {
    if window.events >= FEW {
        done.highest_true_ns = done.highest_true_ns.max(window.p99_ns);
    }
    let Some(told) = window.told else {
        done.untold += u64::from(window.events > 0);
        return;
    };
    done.told += 1;
    done.fewest_replicas = Some(done.fewest_replicas.map_or(told.replicas, |few| few.min(told.replicas)));
    if window.events >= FEW && window.p99_ns > told.p99_ns {
        let gap = Gap { start: told.start, told_ns: told.p99_ns, was_ns: window.p99_ns };
        done.too_low = Some(gap.larger(done.too_low));
    }
    if told.events >= FEW {
        done.highest_told_ns = done.highest_told_ns.max(told.p99_ns);
        let (low, high) = done.rates_milli_per_s.unwrap_or((u64::MAX, 0));
        done.rates_milli_per_s = Some((low.min(told.rate_milli_per_s), high.max(told.rate_milli_per_s)));
        let gap = Gap { start: told.start, told_ns: told.averaged_p99_ns, was_ns: told.p99_ns };
        done.averaged = Some(gap.larger(done.averaged));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Time {
        Time::ZERO + Span::from_secs(s)
    }

    fn told(start: u64, p99_ms: u64) -> WindowTold {
        let p99_ns = p99_ms * 1_000_000;
        WindowTold {
            start: at(start),
            events: 200,
            p99_ns,
            averaged_p99_ns: p99_ns / 3,
            rate_milli_per_s: 20_000,
            replicas: 2,
            revised: false,
        }
    }

    fn filled(windows: &mut Windows, seconds: std::ops::Range<u64>, latency_ms: u64) {
        for second in seconds {
            (0..20).for_each(|_| windows.record(Span::from_millis(latency_ms), at(second)));
        }
    }

    #[test]
    fn what_was_told_last_of_a_window_is_compared_with_what_it_was() {
        let mut windows = Windows::new();
        windows.set_length(Span::from_secs(10));
        filled(&mut windows, 0..10, 10);
        filled(&mut windows, 10..20, 400);
        filled(&mut windows, 20..30, 10);
        filled(&mut windows, 30..40, 10);
        windows.told(told(0, 10));
        windows.told(told(10, 40));
        windows.told(told(10, 100));
        windows.told(told(30, 10));
        let measured = windows.finish();
        assert_eq!((measured.told, measured.revised, measured.untold), (3, 1, 1));
        let gap = measured.too_low.unwrap();
        assert_eq!((gap.start, gap.told_ns, gap.ratio_milli() / 100), (at(10), 100_000_000, 40));
        assert_eq!(measured.averaged.unwrap().ratio_milli(), 3_000);
        assert_eq!(measured.rates_milli_per_s, Some((20_000, 20_000)));
    }

    #[test]
    fn windows_that_are_not_told_yet_when_the_run_ends_are_not_missing() {
        let mut windows = Windows::new();
        windows.set_length(Span::from_secs(10));
        filled(&mut windows, 0..30, 10);
        windows.told(told(0, 10));
        let measured = windows.finish();
        assert_eq!((measured.told, measured.untold), (1, 0));
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_forgotten_uncounted() {
        let mut windows = Windows::new();
        windows.set_length(Span::from_secs(1));
        for second in 0..5_000 {
            filled(&mut windows, second..second + 1, 10);
            windows.told(told(second, 10));
            assert!(windows.kept.len() <= KEPT);
        }
        assert_eq!(windows.finish().told, 5_000);
    }
}
