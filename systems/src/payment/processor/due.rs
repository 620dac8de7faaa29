//! What is due, in order. What is of one kind comes mostly in the order in which it is due, for it waits equally long:
//! then it stands in line, and costs nothing to find. What is only to be forgotten is due together. Carries nothing out.

use super::step::{SWEEP, Timer};
use crate::time::Time;
use std::collections::{BTreeSet, VecDeque};

/// Timers in the order of their instants, then of the timers.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers {
    /// By kind, each in order.
    lines: [VecDeque<(Time, Timer)>; Timer::KINDS],
    /// What came too late to stand in line.
    late: BTreeSet<(Time, Timer)>,
}

impl Timers {
    pub(super) fn insert(&mut self, due: Time, timer: Timer) {
        let due = if timer.is_sweeping() { swept_at(due) } else { due };
        let line = &mut self.lines[timer.kind()];
        let entry = (due, timer);
        match line.back() {
            Some(last) if *last == entry => {}
            Some(last) if *last > entry => {
                self.late.insert(entry);
            }
            Some(_) | None => line.push_back(entry),
        }
    }

    fn heads(&self) -> impl Iterator<Item = &(Time, Timer)> {
        self.lines.iter().filter_map(VecDeque::front).chain(self.late.first())
    }

    /// When the first of them is due.
    pub(super) fn first_due(&self) -> Option<Time> {
        self.heads().map(|(due, _)| *due).min()
    }

    /// Takes out the first one if it is due.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<(Time, Timer)> {
        self.pop_if(|(due, _)| *due <= now)
    }

    /// Takes out the first one if it is due and only forgets something.
    pub(super) fn pop_sweeping(&mut self, now: Time) -> Option<(Time, Timer)> {
        self.pop_if(|(due, timer)| *due <= now && timer.is_sweeping())
    }

    fn pop_if(&mut self, wanted: impl Fn(&(Time, Timer)) -> bool) -> Option<(Time, Timer)> {
        let first = self.heads().min().filter(|first| wanted(first))?;
        if self.late.first() == Some(first) {
            return self.late.pop_first();
        }
        let kind = first.1.kind();
        self.lines[kind].pop_front()
    }
}

/// The next whole sweep, or this one.
fn swept_at(due: Time) -> Time {
    let sweeps = due.as_nanos().div_ceil(SWEEP.as_nanos());
    Time::from_nanos(sweeps.saturating_mul(SWEEP.as_nanos()))
}

impl Extend<(Time, Timer)> for Timers {
    fn extend<I: IntoIterator<Item = (Time, Timer)>>(&mut self, timers: I) {
        for (due, timer) in timers {
            self.insert(due, timer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::operation::{IntentId, OperationId};
    use crate::time::Span;
    use proptest::prelude::*;

    fn timer(kind: u8, number: u64) -> Timer {
        let intent = IntentId(number);
        match kind {
            0 => Timer::Check(OperationId { intent, serial: 0 }),
            1 => Timer::Expiry(intent),
            2 => Timer::Key(number.to_string()),
            _ => Timer::Forget(intent),
        }
    }

    proptest! {
        #[test]
        fn timers_come_out_in_the_order_of_a_sorted_set(
            steps in prop::collection::vec((0u8..4, 0u64..20, 0u64..8, any::<bool>()), 0..200),
        ) {
            let (mut timers, mut set) = (Timers::default(), BTreeSet::new());
            for (step, (kind, after, number, pops)) in (0u64..).zip(steps) {
                // Mostly in order, now and then not; never the same one twice.
                let due = Time::ZERO + Span::from_nanos(step + after);
                let timer = timer(kind, number + step * 8);
                timers.insert(due, timer.clone());
                let due = if timer.is_sweeping() { swept_at(due) } else { due };
                set.insert((due, timer));
                prop_assert_eq!(timers.first_due(), set.first().map(|(due, _)| *due));
                let now = Time::ZERO + Span::from_nanos(if step % 2 == 0 { step } else { 2_000_000_000 });
                if pops {
                    let due = set.first().is_some_and(|(due, _)| *due <= now);
                    prop_assert_eq!(timers.pop_due(now), if due { set.pop_first() } else { None });
                }
            }
        }
    }
}
