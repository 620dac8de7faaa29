//! A node's own clock: what it reads when it asks for the time. Measurement never uses it.

use crate::kernel::time::Time;

/// How far a clock is off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    offset_ns: i64,
    drifts: Vec<Drift>,
}

/// A gain that grows with time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drift {
    pub(crate) since: Time,
    pub(crate) ppb: i64,
}

impl Clock {
    pub(crate) fn new(offset_ns: i64, drifts: Vec<Drift>) -> Clock {
        Clock { offset_ns, drifts }
    }

    /// What the clock shows at the true instant `now`; never below zero.
    pub(crate) fn local(&self, now: Time) -> Time {
        if self.offset_ns == 0 && self.drifts.is_empty() {
            return now;
        }
        let gained: i128 = self
            .drifts
            .iter()
            .map(|drift| {
                i128::from(now.since(drift.since).as_nanos()) * i128::from(drift.ppb) / 1_000_000_000
            })
            .sum();
        let shown = i128::from(now.as_nanos()) + i128::from(self.offset_ns) + gained;
        Time::from_nanos(u64::try_from(shown.max(0)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::time::Span;

    fn s(n: u64) -> Time {
        Time::ZERO + Span::from_secs(n)
    }

    #[test]
    fn skew_and_drift_add_up_and_a_clock_never_shows_less_than_zero() {
        assert_eq!(Clock::default().local(s(5)), s(5));
        let ahead = Clock::new(2_000_000_000, vec![]);
        assert_eq!(ahead.local(s(5)), s(7));
        let drifting = Clock::new(0, vec![Drift { since: s(10), ppb: 100_000_000 }]);
        assert_eq!(drifting.local(s(10)), s(10));
        assert_eq!(drifting.local(s(30)), s(32));
        let behind = Clock::new(-9_000_000_000, vec![]);
        assert_eq!(behind.local(s(5)), Time::ZERO);
    }
}
