//! The laws of a pending-event set, as one checker that runs a script on it and on the sorted list side by side.
//! The wheel and the heap must pass any script; each broken variant below must be caught.

use proptest::prelude::*;

use super::heap::QuaternaryHeap;
use super::sorted::{Item, SortedList};
use super::wheel::Wheel;
use super::{Agenda, AgendaTuning, Handle, PendingSet, Time};

/// One step of a script. Delays and reaches count from the time reached; `nth` picks a handle, stale ones too.
#[derive(Clone, Copy, Debug)]
enum Step {
    Schedule { delay_ns: u64 },
    Burst { delay_ns: u64, count: u8 },
    Cancel { nth: usize },
    Reschedule { nth: usize, delay_ns: u64 },
    Pop { reach_ns: u64 },
    RunFor { span_ns: u64 },
    Peek,
}

/// A subject beside the oracle, with every handle both gave out.
struct Beside<P> {
    subject: P,
    oracle: SortedList<u32>,
    handles: Vec<(Handle, Handle)>,
    now_ns: u64,
    events: u32,
}

impl<P: PendingSet<u32>> Beside<P> {
    fn new(subject: P) -> Beside<P> {
        let handles = vec![(Handle::NONE, Handle::NONE)];
        Beside { subject, oracle: SortedList::new(), handles, now_ns: 0, events: 0 }
    }

    fn after(&self, delay_ns: u64) -> Time {
        Time::from_nanos(self.now_ns.saturating_add(delay_ns))
    }

    fn schedule(&mut self, delay_ns: u64) {
        let at = self.after(delay_ns);
        self.events += 1;
        self.handles.push((self.subject.schedule(at, self.events), self.oracle.schedule(at, self.events)));
    }

    /// Pops both; says whether there was anything, or how they differ.
    fn pop(&mut self, bound: Time) -> Result<bool, String> {
        let (found, expected) = (self.subject.pop_until(bound), self.oracle.pop_until(bound));
        if found != expected {
            return Err(format!("popping until {bound} gave {found:?} and not {expected:?}"));
        }
        if let Some((at, _)) = expected {
            self.now_ns = at.as_nanos();
        }
        Ok(expected.is_some())
    }

    fn cancel(&mut self, nth: usize) -> Result<(), String> {
        let (ours, theirs) = self.handles[nth % self.handles.len()];
        let (found, expected) = (self.subject.cancel(ours), self.oracle.cancel(theirs));
        if found == expected { Ok(()) } else { Err(format!("cancelling gave {found} and not {expected}")) }
    }

    fn reschedule(&mut self, nth: usize, delay_ns: u64) -> Result<(), String> {
        let at = self.after(delay_ns);
        let (ours, theirs) = self.handles[nth % self.handles.len()];
        let (found, expected) = (self.subject.reschedule(ours, at), self.oracle.reschedule(theirs, at));
        if found.is_none() != expected.is_none() {
            return Err(format!("rescheduling gave {found:?} where the oracle gave {expected:?}"));
        }
        self.handles.push((found, expected));
        Ok(())
    }

    fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Schedule { delay_ns } => self.schedule(delay_ns),
            Step::Burst { delay_ns, count } => (0..count).for_each(|_| self.schedule(delay_ns)),
            Step::Cancel { nth } => self.cancel(nth)?,
            Step::Reschedule { nth, delay_ns } => self.reschedule(nth, delay_ns)?,
            Step::Pop { reach_ns } => {
                self.pop(self.after(reach_ns))?;
            }
            Step::RunFor { span_ns } => {
                let bound = self.after(span_ns);
                while self.pop(bound)? {}
                self.now_ns = bound.as_nanos();
            }
            Step::Peek => {
                let (found, expected) = (self.subject.peek_time(), self.oracle.peek_time());
                if found != expected {
                    return Err(format!("peeking gave {found:?} and not {expected:?}"));
                }
            }
        }
        let (found, expected) = (self.subject.len(), self.oracle.len());
        if found == expected { Ok(()) } else { Err(format!("{found} are pending and not {expected}")) }
    }
}

/// Runs a script to its end and then empties both. The first disagreement, if any.
fn check(subject: impl PendingSet<u32>, script: &[Step]) -> Result<(), String> {
    let mut beside = Beside::new(subject);
    for (number, step) in script.iter().enumerate() {
        beside.take(*step).map_err(|difference| format!("step {number}, {step:?}: {difference}"))?;
    }
    while beside.pop(Time::MAX)? {}
    Ok(())
}

/// Delays of every magnitude, with a liking for ties and for both sides of a slot's edge.
fn delay_ns() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 0..4_u64,
        3 => 0..200_u64,
        3 => (0..64_u32, any::<u64>()).prop_map(|(bits, any)| any >> bits),
        2 => (0..11_u32, 0..3_u64).prop_map(|(digit, near)| ((1 << (6 * digit)) + near).saturating_sub(1)),
        1 => (0..5_u64).prop_map(|before_end| u64::MAX - before_end),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => delay_ns().prop_map(|delay_ns| Step::Schedule { delay_ns }),
        1 => (delay_ns(), 2..20_u8).prop_map(|(delay_ns, count)| Step::Burst { delay_ns, count }),
        3 => any::<usize>().prop_map(|nth| Step::Cancel { nth }),
        3 => (any::<usize>(), delay_ns()).prop_map(|(nth, delay_ns)| Step::Reschedule { nth, delay_ns }),
        5 => delay_ns().prop_map(|reach_ns| Step::Pop { reach_ns }),
        2 => (0..2_000_u64).prop_map(|span_ns| Step::RunFor { span_ns }),
        1 => delay_ns().prop_map(|span_ns| Step::RunFor { span_ns: span_ns / 16 }),
        2 => Just(Step::Peek),
    ]
}

fn script() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_wheel_agrees_with_a_sorted_list_on_every_script(script in script()) {
        prop_assert_eq!(check(Wheel::new(), &script), Ok(()));
    }

    #[test]
    fn the_heap_agrees_with_a_sorted_list_on_every_script(script in script()) {
        prop_assert_eq!(check(QuaternaryHeap::new(), &script), Ok(()));
    }

    #[test]
    fn every_tuning_gives_the_same_handles_and_counts_the_same_memory(script in script()) {
        let (mut wheel, mut heap) = (Beside::new(Wheel::new()), Beside::new(QuaternaryHeap::new()));
        for step in script {
            prop_assert_eq!(wheel.take(step), heap.take(step));
            prop_assert_eq!(&wheel.handles, &heap.handles);
            prop_assert_eq!(wheel.subject.peak_len(), heap.subject.peak_len());
        }
    }
}

/// A way to be wrong that a reader of the code might miss.
#[derive(Clone, Copy, Debug)]
enum Fault {
    RunsTiesLastInFirstOut,
    RunsTiesByEventAfterReschedule,
    LosesCancel,
    TrustsStaleHandles,
    PopsPastTheBound,
    StopsShortOfTheBound,
    MovesPastTheBoundWhenLooking,
}

/// A sorted list with one fault.
struct Broken {
    fault: Fault,
    list: SortedList<u32>,
    looked_at: Time,
}

fn broken(fault: Fault) -> Broken {
    Broken { fault, list: SortedList::new(), looked_at: Time::ZERO }
}

impl PendingSet<u32> for Broken {
    fn schedule(&mut self, at: Time, event: u32) -> Handle {
        match self.fault {
            Fault::RunsTiesLastInFirstOut => {
                let handle = self.list.fresh_handle();
                let before_ties = self.list.items.partition_point(|item| item.at < at);
                self.list.items.insert(before_ties, Item { at, event, handle });
                handle
            }
            Fault::MovesPastTheBoundWhenLooking => self.list.schedule(at.max(self.looked_at), event),
            Fault::RunsTiesByEventAfterReschedule
            | Fault::LosesCancel
            | Fault::TrustsStaleHandles
            | Fault::PopsPastTheBound
            | Fault::StopsShortOfTheBound => self.list.schedule(at, event),
        }
    }

    fn cancel(&mut self, handle: Handle) -> bool {
        let pending = self.list.position(handle).is_some();
        match self.fault {
            Fault::LosesCancel => pending,
            Fault::TrustsStaleHandles if !pending && !self.list.items.is_empty() => {
                self.list.items.remove(0);
                true
            }
            Fault::TrustsStaleHandles
            | Fault::RunsTiesLastInFirstOut
            | Fault::RunsTiesByEventAfterReschedule
            | Fault::PopsPastTheBound
            | Fault::StopsShortOfTheBound
            | Fault::MovesPastTheBoundWhenLooking => self.list.cancel(handle),
        }
    }

    fn reschedule(&mut self, handle: Handle, at: Time) -> Handle {
        let moved = self.list.reschedule(handle, at);
        if let Fault::RunsTiesByEventAfterReschedule = self.fault {
            self.list.items.sort_by_key(|item| (item.at, item.event));
        }
        moved
    }

    fn pop_until(&mut self, bound: Time) -> Option<(Time, u32)> {
        let next = self.list.peek_time()?;
        match self.fault {
            Fault::PopsPastTheBound => self.list.pop_until(Time::from_nanos(bound.as_nanos() | 63)),
            Fault::StopsShortOfTheBound if next == bound && bound < Time::MAX => None,
            Fault::MovesPastTheBoundWhenLooking if next > bound => {
                self.looked_at = next;
                None
            }
            Fault::StopsShortOfTheBound
            | Fault::MovesPastTheBoundWhenLooking
            | Fault::RunsTiesLastInFirstOut
            | Fault::RunsTiesByEventAfterReschedule
            | Fault::LosesCancel
            | Fault::TrustsStaleHandles => self.list.pop_until(bound),
        }
    }

    fn peek_time(&self) -> Option<Time> {
        self.list.peek_time()
    }

    fn len(&self) -> usize {
        self.list.len()
    }

    fn peak_len(&self) -> usize {
        self.list.peak_len()
    }
}

#[test]
fn the_checker_catches_every_broken_variant_by_a_short_script() {
    let short_scripts = [
        (Fault::RunsTiesLastInFirstOut, vec![Step::Burst { delay_ns: 5, count: 2 }]),
        (
            Fault::RunsTiesByEventAfterReschedule,
            vec![Step::Burst { delay_ns: 5, count: 2 }, Step::Reschedule { nth: 1, delay_ns: 5 }],
        ),
        (Fault::LosesCancel, vec![Step::Schedule { delay_ns: 5 }, Step::Cancel { nth: 1 }]),
        (Fault::TrustsStaleHandles, vec![Step::Schedule { delay_ns: 5 }, Step::Cancel { nth: 0 }]),
        (Fault::PopsPastTheBound, vec![Step::Schedule { delay_ns: 5 }, Step::Pop { reach_ns: 4 }]),
        (Fault::StopsShortOfTheBound, vec![Step::Schedule { delay_ns: 5 }, Step::Pop { reach_ns: 5 }]),
        (
            Fault::MovesPastTheBoundWhenLooking,
            vec![Step::Schedule { delay_ns: 5 }, Step::Pop { reach_ns: 4 }, Step::Schedule { delay_ns: 4 }],
        ),
    ];
    for (fault, script) in short_scripts {
        assert!(check(broken(fault), &script).is_err(), "{fault:?} went unnoticed");
        assert_eq!(check(Wheel::new(), &script), Ok(()), "{fault:?}");
    }
}

#[test]
fn random_scripts_catch_every_broken_variant_too() {
    use proptest::test_runner::{TestError, TestRunner};
    for fault in [
        Fault::RunsTiesLastInFirstOut,
        Fault::RunsTiesByEventAfterReschedule,
        Fault::LosesCancel,
        Fault::TrustsStaleHandles,
        Fault::PopsPastTheBound,
        Fault::StopsShortOfTheBound,
        Fault::MovesPastTheBoundWhenLooking,
    ] {
        let outcome = TestRunner::deterministic()
            .run(&script(), |script| check(broken(fault), &script).map_err(TestCaseError::fail));
        assert!(matches!(outcome, Err(TestError::Fail(..))), "{fault:?} went unnoticed");
    }
}

#[test]
fn a_look_ahead_that_found_nothing_leaves_room_before_what_it_saw() {
    for tuning in AgendaTuning::ALL {
        let mut agenda = Agenda::with_tuning(tuning);
        agenda.schedule(Time::from_nanos(1_000_000), "far");
        agenda.schedule(Time::from_nanos(1_000_001), "farther");
        assert_eq!(agenda.pop_until(Time::from_nanos(999_999)), None);
        assert_eq!(agenda.peek_time(), Some(Time::from_nanos(1_000_000)));
        agenda.schedule(Time::from_nanos(7), "near");
        let order: Vec<_> =
            std::iter::from_fn(|| agenda.pop_until(Time::MAX)).map(|(_, event)| event).collect();
        assert_eq!(order, ["near", "far", "farther"], "{}", tuning.name());
    }
}

#[test]
fn a_burst_of_ties_leaves_in_the_order_in_which_it_came() {
    // So many that looking at all of them for each would not end.
    const TIES: u32 = 200_000;
    for tuning in AgendaTuning::ALL {
        let mut agenda = Agenda::with_tuning(tuning);
        let at = Time::from_nanos(3_600_000_000_000);
        (0..TIES).for_each(|tie| {
            agenda.schedule(at, tie);
        });
        for tie in 0..TIES {
            assert_eq!(agenda.pop_until(at), Some((at, tie)), "{}", tuning.name());
        }
    }
}

#[test]
fn looking_in_small_steps_past_cancelled_timers_stays_cheap() {
    // So many that looking at all of them at each step would not end.
    const TIMERS: u64 = 100_000;
    let mut agenda = Agenda::new();
    let far = |number: u64| Time::from_nanos((1 << 50) | number);
    let first = agenda.schedule(far(0), 0);
    (1..TIMERS).for_each(|number| {
        agenda.schedule(far(number), number);
    });
    assert!(agenda.cancel(first));
    for step in 0..TIMERS {
        assert_eq!(agenda.pop_until(Time::from_nanos((1 << 50) | (step / TIMERS))), None);
    }
    assert_eq!(agenda.pop_until(Time::MAX), Some((far(1), 1)));
}

#[test]
fn a_handle_is_good_for_one_entry_only() {
    for tuning in AgendaTuning::ALL {
        let mut agenda = Agenda::with_tuning(tuning);
        let at = Time::from_nanos(9);
        let first = agenda.schedule(at, 1);
        assert!(agenda.cancel(first) && !agenda.cancel(first));
        let second = agenda.schedule(at, 2);
        assert!(!agenda.cancel(first), "the place is in use again, by another entry");
        let moved = agenda.reschedule(second, Time::from_nanos(10));
        assert!(!agenda.cancel(second) && agenda.reschedule(second, at).is_none());
        assert_eq!(agenda.pop_until(Time::MAX), Some((Time::from_nanos(10), 2)));
        assert!(!agenda.cancel(moved), "popped entries cannot be cancelled");
        assert!(!agenda.cancel(Handle::NONE) && !agenda.cancel(Handle::default()));
    }
}

#[test]
fn timeouts_that_are_always_disarmed_take_no_room() {
    for tuning in AgendaTuning::ALL {
        let mut agenda = Agenda::with_tuning(tuning);
        for _ in 0..10_000 {
            let timeout = agenda.schedule(Time::from_nanos(3_600_000_000_000), 0);
            agenda.cancel(timeout);
        }
        assert_eq!((agenda.len(), agenda.memory_bytes()), (0, 24), "{}", tuning.name());
    }
}

#[test]
#[cfg(not(debug_assertions))]
fn the_past_counts_as_now() {
    for tuning in AgendaTuning::ALL {
        let mut agenda = Agenda::with_tuning(tuning);
        agenda.schedule(Time::from_nanos(100), 1);
        agenda.pop_until(Time::MAX);
        agenda.schedule(Time::from_nanos(5), 2);
        assert_eq!(agenda.pop_until(Time::MAX), Some((Time::from_nanos(100), 2)));
    }
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "scheduled at 5ns, which is before 100ns")]
fn scheduling_in_the_past_stops_a_debug_build() {
    let mut agenda = Agenda::new();
    agenda.schedule(Time::from_nanos(100), 1);
    agenda.pop_until(Time::MAX);
    agenda.schedule(Time::from_nanos(5), 2);
}
