//! The shared front: by one thread exactly the plain breaker, by many threads nothing is lost. A front broken on
//! purpose is caught by the same check.

use super::drive::{Subject, any_config, difference, steps};
use super::model::Model;
use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::sync::{Barrier, Mutex};
use std::thread;

struct Front {
    breaker: SharedBreaker,
    cursor: LogCursor,
}

impl Subject for Front {
    fn try_acquire(&mut self, now: Time) -> Result<Permit, BreakerRejection> {
        self.breaker.try_acquire(now)
    }
    fn record(&mut self, now: Time, permit: Permit, recorded: Recorded, took: Span) -> Taken {
        self.breaker.record(now, permit, recorded, took)
    }
    fn expire(&mut self, now: Time) {
        self.breaker.expire(now);
    }
    fn command(&mut self, now: Time, to: State) -> Result<(), IllegalTransition> {
        self.breaker.command(now, to)
    }
    fn deadline(&mut self) -> Option<Time> {
        self.breaker.deadline()
    }
    fn changes(&mut self) -> Vec<Transition> {
        let mut changes = Vec::new();
        self.breaker.read_transitions(&mut self.cursor, &mut changes);
        changes
    }
    fn metrics(&mut self, now: Time) -> BreakerMetrics {
        let metrics = self.breaker.metrics(now);
        assert_eq!(metrics.state, self.breaker.state());
        metrics
    }
}

proptest! {
    #[test]
    fn by_one_thread_it_decides_as_the_plain_one(
        config in any_config(), seed in any::<u64>(), steps in steps(true, true),
    ) {
        let breaker = SharedBreaker::from(Breaker::new(config.clone()).with_seed(seed));
        let mut front = Front { breaker, cursor: LogCursor::default() };
        prop_assert_eq!(difference(&mut front, &mut Model::new(&config, seed), &steps), None);
    }
}

/// Broken on purpose: leaves every result beside the breaker until somebody looks, three are together, or it may
/// not pass; also those that would open it.
struct TooMuchRoom {
    breaker: Breaker,
    left: Vec<(Time, Permit, Recorded, Span)>,
}

impl TooMuchRoom {
    fn tell(&mut self) -> &mut Breaker {
        for (now, permit, recorded, took) in self.left.drain(..) {
            self.breaker.record(now, permit, recorded, took);
        }
        &mut self.breaker
    }
}

impl Subject for TooMuchRoom {
    fn try_acquire(&mut self, now: Time) -> Result<Permit, BreakerRejection> {
        if self.breaker.state() != State::Closed {
            self.tell();
        }
        self.breaker.try_acquire(now)
    }
    fn record(&mut self, now: Time, permit: Permit, recorded: Recorded, took: Span) -> Taken {
        let is_simple =
            self.breaker.state() == State::Closed && permit.generation == self.breaker.generation();
        if is_simple && self.left.len() < 2 && matches!(recorded, Recorded::Success | Recorded::Failure) {
            self.left.push((now, permit, recorded, took));
            return Taken::Counted;
        }
        self.tell().record(now, permit, recorded, took)
    }
    fn expire(&mut self, now: Time) {
        self.tell().expire(now);
    }
    fn command(&mut self, now: Time, to: State) -> Result<(), IllegalTransition> {
        self.tell().command(now, to)
    }
    fn deadline(&mut self) -> Option<Time> {
        self.breaker.deadline()
    }
    fn changes(&mut self) -> Vec<Transition> {
        self.breaker.changes()
    }
    fn metrics(&mut self, now: Time) -> BreakerMetrics {
        self.tell().metrics(now)
    }
}

#[test]
fn a_front_that_leaves_results_which_open_the_breaker_is_caught() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let caught = (0..100).filter(|_| {
        let history = steps(false, false).new_tree(&mut runner).expect("a history can be drawn").current();
        let mut front = TooMuchRoom { breaker: Breaker::new(small()), left: Vec::new() };
        difference(&mut front, &mut Model::new(&small(), 0), &history).is_some()
    });
    assert!(caught.count() > 50);
}

proptest! {
    #[test]
    fn what_is_called_harmless_does_not_open_it(
        config in any_config(),
        history in prop::collection::vec((any::<bool>(), any::<bool>(), 0u64..60), 0..40),
        more in prop::collection::vec(any::<(bool, bool)>(), 12),
    ) {
        let mut breaker = Breaker::new(config);
        let mut now = at(0);
        let end = |breaker: &mut Breaker, now: Time, failed: bool, slow: bool| {
            if let Ok(permit) = breaker.try_acquire(now) {
                let recorded = if failed { Recorded::Failure } else { Recorded::Success };
                breaker.record(now, permit, recorded, ms(if slow { 150 } else { 1 }));
            }
        };
        for (failed, slow, pause) in history {
            now += ms(pause);
            end(&mut breaker, now, failed, slow);
        }
        let harmless = breaker.harmless_results(12) as usize;
        prop_assert!(harmless == 0 || breaker.state() == State::Closed);
        for (failed, slow) in &more[..harmless] {
            end(&mut breaker, now, *failed, *slow);
            prop_assert_eq!(breaker.state(), State::Closed);
        }
    }
}

/// What threads need of a front.
trait Door: Sync {
    fn ask(&self, now: Time) -> Option<Permit>;
    fn end(&self, now: Time, permit: Permit, recorded: Recorded);
    fn counters(&self) -> BreakerCounters;
}

impl Door for SharedBreaker {
    fn ask(&self, now: Time) -> Option<Permit> {
        self.try_acquire(now).ok()
    }
    fn end(&self, now: Time, permit: Permit, recorded: Recorded) {
        self.record(now, permit, recorded, ms(1));
    }
    fn counters(&self) -> BreakerCounters {
        self.metrics(at(0)).counters
    }
}

/// Broken on purpose: reads the breaker, lets the other thread read it too, and writes back what it made of it.
struct Forgetful {
    breaker: Mutex<Breaker>,
    both_have_read: Barrier,
}

impl Forgetful {
    fn change<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut copy = self.breaker.lock().expect("no thread panics").clone();
        let result = act(&mut copy);
        self.both_have_read.wait();
        *self.breaker.lock().expect("no thread panics") = copy;
        result
    }
}

impl Door for Forgetful {
    fn ask(&self, now: Time) -> Option<Permit> {
        self.change(|breaker| breaker.try_acquire(now).ok())
    }
    fn end(&self, now: Time, permit: Permit, recorded: Recorded) {
        self.change(|breaker| breaker.record(now, permit, recorded, ms(1)));
    }
    fn counters(&self) -> BreakerCounters {
        self.breaker.lock().expect("no thread panics").counters()
    }
}

/// Two threads make so many calls each; `None` if the books agree with what the threads saw.
fn lost_between_threads(door: &impl Door, rounds: u64, failing: bool) -> Option<String> {
    let seen = thread::scope(|scope| {
        let work = |offset: u64| {
            let (mut admitted, mut refused, mut failures) = (0u64, 0u64, 0u64);
            for round in 0..rounds {
                let now = at(round);
                match door.ask(now) {
                    Some(permit) => {
                        let failed = failing && (round / 64 + offset).is_multiple_of(3);
                        door.end(now, permit, if failed { Recorded::Failure } else { Recorded::Success });
                        admitted += 1;
                        failures += u64::from(failed);
                    }
                    None => refused += 1,
                }
            }
            [admitted, refused, failures]
        };
        let threads = [0, 1].map(|offset| scope.spawn(move || work(offset)));
        threads.map(|thread| thread.join().expect("no thread panics"))
    });
    let [admitted, refused, failures] = [0, 1, 2].map(|what| seen[0][what] + seen[1][what]);
    let counters = door.counters();
    let agree = counters.permitted() == admitted
        && counters.rejected() == refused
        && counters.under_way() == 0
        && counters.stray == 0
        && counters.succeeded + counters.failed + counters.late == admitted
        && counters.failed <= failures;
    (!agree).then(|| format!("{admitted} admitted, {refused} refused, {failures} failed: {counters:?}"))
}

#[test]
fn no_call_is_lost_between_threads() {
    let closed = SharedBreaker::new(small());
    assert_eq!(lost_between_threads(&closed, 50_000, false), None);
    assert_eq!(closed.metrics(at(0)).counters.succeeded, 100_000);
    // Opening, probing and closing all the while.
    let config = BreakerConfig { open_for: ms(20), open_cap: ms(20), half_open_max_wait: ms(50), ..small() };
    let busy = SharedBreaker::new(config);
    assert_eq!(lost_between_threads(&busy, 50_000, true), None);
    let counters = busy.metrics(at(0)).counters;
    assert!(counters.opened() > 10 && counters.closed() > 10 && counters.rejected() > 0, "{counters:?}");
}

#[test]
fn a_front_that_loses_calls_is_caught() {
    let door = Forgetful { breaker: Mutex::new(Breaker::new(small())), both_have_read: Barrier::new(2) };
    assert!(lost_between_threads(&door, 50, false).is_some());
}

#[test]
fn of_many_threads_at_a_half_open_door_n_get_in() {
    let breaker = SharedBreaker::new(fragile());
    for round in 0..50 {
        let opened_at = at(round * 100_000);
        let now = opened_at + Span::from_secs(50);
        breaker.command(opened_at, State::Open).expect("listed");
        let start = Barrier::new(4);
        let admitted: usize = thread::scope(|scope| {
            let ask = || {
                start.wait();
                (0..10).filter(|_| breaker.try_acquire(now).is_ok()).count()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no thread panics")).sum()
        });
        assert_eq!((admitted, breaker.state()), (2, State::HalfOpen));
    }
}

#[test]
fn a_guard_gives_its_permit_back_whatever_happens() {
    let breaker = SharedBreaker::new(fragile());
    drop(breaker.guard(at(0)).expect("closed"));
    assert_eq!(breaker.metrics(at(0)).counters.cancelled, 1);
    let failed = thread::scope(|scope| {
        let call = || {
            let _guard = breaker.guard(at(1)).expect("closed");
            panic!("the call blew up");
        };
        scope.spawn(call).join().is_err()
    });
    assert!(failed && breaker.metrics(at(1)).counters.under_way() == 0);

    let guard = breaker.guard(at(2)).expect("closed");
    assert!(!guard.is_probe());
    assert_eq!(guard.finish(at(3), Recorded::Failure), Taken::Counted);
    assert_eq!(breaker.state(), State::Open);
    let probe = breaker.guard(at(1_003)).expect("half open");
    assert!(probe.is_probe());
    drop(probe);
    assert!(breaker.guard(at(1_003)).is_ok() && breaker.metrics(at(1_003)).probes_under_way == 0);
}

#[test]
fn a_new_config_moves_the_end_of_a_wait_for_those_without_the_lock_too() {
    let breaker = SharedBreaker::new(fragile());
    let permit = breaker.try_acquire(at(0)).expect("closed");
    breaker.record(at(0), permit, Recorded::Failure, ms(1));
    let wait = |now| breaker.try_acquire(at(now)).expect_err("open").retry_after;
    assert_eq!(wait(100), ms(900));
    breaker.reconfigure(BreakerConfig { open_for: ms(2_000), ..fragile() }, at(100));
    assert_eq!((wait(100), breaker.deadline()), (ms(1_900), Some(at(2_000))));
}

#[test]
fn the_registry_hands_all_threads_the_same_breaker() {
    let registry = BreakerRegistry::new(fragile(), 4, 1);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..400 {
                    let breaker = registry.get_or_create(&(round % 4)).expect("there is room for four");
                    let permit = breaker.try_acquire(at(0)).expect("closed");
                    breaker.record(at(0), permit, Recorded::Success, ms(1));
                }
            });
        }
    });
    let succeeded: Vec<u64> =
        registry.metrics(at(0)).iter().map(|(_, metrics)| metrics.counters.succeeded).collect();
    assert_eq!((succeeded, registry.evicted()), (vec![400; 4], 0));
}

#[test]
fn the_registry_lets_go_only_of_what_nobody_holds_and_holds_nobody_back() {
    let registry = BreakerRegistry::new(fragile(), 2, 1);
    let held = registry.get_or_create(&1).expect("room");
    let opened = registry.get_or_create_with(&2, |_| small()).expect("room");
    opened.command(at(0), State::ForcedOpen).expect("listed");
    drop(opened);
    let full = registry.get_or_create(&3).expect_err("neither may go");
    assert_eq!((full, registry.len()), (RegistryFull { max_breakers: 2 }, 2));
    assert!(full.to_string().contains("raise max_breakers"));
    drop(held);
    assert!(registry.get_or_create(&3).is_ok() && registry.get(&1).is_none() && registry.get(&2).is_some());
    assert!(registry.remove(&2).is_some() && registry.remove(&2).is_none() && !registry.is_empty());
    assert_eq!(registry.evicted(), 1);
}
