//! What a simulation promises, told by a small world that arms, disarms and re-arms at random.

use proptest::prelude::*;

use super::*;

const NODES: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tick {
    node: u32,
    number: u32,
}

/// Nodes that on every tick schedule others, cancel one and move one, and remember the order of it all.
#[derive(Default)]
struct Churn {
    random: u64,
    ticks_to_come: u32,
    timers: Vec<Handle>,
    handled: Vec<(Time, Tick)>,
    bytes: u64,
}

impl Churn {
    /// A number below `below`, by a linear congruence.
    fn below(&mut self, below: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    /// Soon, at this very instant, or hours away.
    fn some_time_after(&mut self, now: Time) -> Time {
        let span_ns = match self.below(4) {
            0 => 0,
            1 => self.below(100),
            2 => self.below(1_000_000),
            _ => self.below(1 << 31) * 10_000,
        };
        now + Span::from_nanos(span_ns)
    }

    fn schedule(&mut self, now: Time, agenda: &mut Agenda<Tick>) {
        if self.ticks_to_come > 0 {
            self.ticks_to_come -= 1;
            let tick = Tick { node: self.below(NODES.into()) as u32, number: self.ticks_to_come };
            let at = self.some_time_after(now);
            self.timers.push(agenda.schedule(at, tick));
        }
    }
}

impl World for Churn {
    type Event = Tick;

    fn handle(&mut self, now: Time, tick: Tick, agenda: &mut Agenda<Tick>) {
        self.handled.push((now, tick));
        for _ in 0..=self.below(3) {
            self.schedule(now, agenda);
        }
        let (cancelled, moved) = (self.below(16) as usize, self.below(8) as usize);
        if let Some(timer) = self.timers.get(cancelled) {
            agenda.cancel(*timer);
        }
        if moved < self.timers.len() {
            let at = self.some_time_after(now);
            self.timers[moved] = agenda.reschedule(self.timers[moved], at);
        }
        self.timers.truncate(64);
    }

    fn digest(&self, tick: &Tick) -> EventDigest {
        EventDigest { node: tick.node, words: [tick.number.into(), 0] }
    }

    fn memory_bytes(&self) -> u64 {
        self.bytes + self.handled.len() as u64 * 16
    }

    fn node_count(&self) -> u32 {
        NODES
    }
}

fn churn(seed: u64, ticks: u32, tuning: AgendaTuning, limits: Limits) -> Simulation<Churn> {
    let world = Churn { random: seed, ticks_to_come: ticks, ..Churn::default() };
    let mut simulation = Simulation::new(world, tuning, limits);
    let (world, agenda) = simulation.parts_mut();
    for _ in 0..10 {
        world.schedule(Time::ZERO, agenda);
    }
    simulation
}

/// Everything by which two runs could differ.
fn outcome(simulation: Simulation<Churn>) -> (Trail, Vec<u64>, Vec<(Time, Tick)>) {
    (simulation.trail(), simulation.fingerprint().nodes().to_vec(), simulation.into_world().handled)
}

proptest! {
    #[test]
    fn the_agendas_tuning_changes_nothing(seed in any::<u64>(), ticks in 0..3_000_u32) {
        let [wheel, heap] = AgendaTuning::ALL.map(|tuning| {
            let mut simulation = churn(seed, ticks, tuning, Limits::NONE);
            prop_assert_eq!(simulation.run(), StopReason::Finished);
            Ok(outcome(simulation))
        });
        prop_assert_eq!(wheel?, heap?);
    }

    #[test]
    fn a_run_in_pieces_is_the_same_run(
        seed in any::<u64>(),
        pieces in prop::collection::vec(prop_oneof![
            (0..1_u64 << 40).prop_map(|ns| (Some(Span::from_nanos(ns)), 0)),
            (0..200_u64).prop_map(|events| (None, events)),
        ], 0..20),
    ) {
        let mut whole = churn(seed, 1_000, AgendaTuning::Wheel, Limits::NONE);
        whole.run();
        let mut pieced = churn(seed, 1_000, AgendaTuning::Wheel, Limits::NONE);
        for (span, events) in pieces {
            match span {
                Some(span) => {
                    let bound = pieced.now() + span;
                    match pieced.run_until(bound) {
                        None => prop_assert_eq!(pieced.now(), bound),
                        Some(reason) => prop_assert_eq!(reason, StopReason::Finished),
                    }
                }
                None => {
                    let target = pieced.events_handled() + events;
                    if pieced.run_to_event(target).is_none() {
                        prop_assert_eq!(pieced.events_handled(), target);
                    }
                }
            }
        }
        pieced.run();
        prop_assert_eq!(outcome(whole), outcome(pieced));
    }

    #[test]
    fn an_observer_sees_every_event_and_changes_none(seed in any::<u64>()) {
        let mut unseen = churn(seed, 500, AgendaTuning::Wheel, Limits::NONE);
        unseen.run();
        let mut seen = churn(seed, 500, AgendaTuning::Wheel, Limits::NONE);
        let (mut events, mut last_fingerprint) = (Vec::new(), 0);
        seen.run_observed(&mut |number, at, tick, world, fingerprint| {
            assert_eq!((number, world.handled.len()), (events.len() as u64 + 1, events.len()));
            events.push((at, *tick));
            last_fingerprint = fingerprint;
        });
        prop_assert_eq!(last_fingerprint, seen.fingerprint().run());
        prop_assert_eq!(&events, &seen.world().handled);
        prop_assert_eq!(outcome(unseen), outcome(seen));
    }
}

/// A world in which every event schedules one more, `step_ns` later, and holds on to `bytes_per_event`.
struct Endless {
    step_ns: u64,
    bytes_per_event: u64,
    bytes: u64,
}

impl World for Endless {
    type Event = ();

    fn handle(&mut self, now: Time, (): (), agenda: &mut Agenda<()>) {
        self.bytes += self.bytes_per_event;
        agenda.schedule(now + Span::from_nanos(self.step_ns), ());
    }

    fn digest(&self, (): &()) -> EventDigest {
        EventDigest { node: EventDigest::NO_NODE, words: [0; 2] }
    }

    fn memory_bytes(&self) -> u64 {
        self.bytes
    }
}

fn endless(step_ns: u64, bytes_per_event: u64, limits: Limits) -> Simulation<Endless> {
    let world = Endless { step_ns, bytes_per_event, bytes: 0 };
    let mut simulation = Simulation::new(world, AgendaTuning::Wheel, limits);
    simulation.parts_mut().1.schedule(Time::ZERO, ());
    simulation
}

#[test]
fn every_endless_run_stops_for_a_reason_with_a_name() {
    let bounded = Limits { max_events: 100_000, until: Time::from_nanos(1_000), max_memory_bytes: 1 << 20 };
    let cases = [
        ("time passes: the end of time", 10, 0, "end_of_time", 101, 1_000),
        ("time stands still: too many events", 0, 0, "too_many_events", 100_000, 0),
        ("memory grows: out of memory", 0, 1_000, "out_of_memory", 4_096, 0),
    ];
    for (story, step_ns, bytes_per_event, reason, events, now_ns) in cases {
        let mut simulation = endless(step_ns, bytes_per_event, bounded);
        for again in ["first", "again"] {
            assert_eq!(simulation.run().to_string(), reason, "{story}, {again}");
            assert_eq!(simulation.events_handled(), events, "{story}, {again}");
            assert_eq!(simulation.now(), Time::from_nanos(now_ns), "{story}, {again}");
        }
    }
}

#[test]
fn a_world_with_nothing_left_to_do_is_finished_at_its_last_event() {
    let limits = Limits { max_events: 1, ..Limits::NONE };
    let mut simulation = endless(5, 0, limits);
    let (_, agenda) = simulation.parts_mut();
    assert_eq!(agenda.len(), 1);
    assert_eq!(simulation.run(), StopReason::TooManyEvents, "one was handled and another is due");
    while simulation.parts_mut().1.pop_until(Time::MAX).is_some() {}
    assert_eq!(simulation.run(), StopReason::Finished, "none is left, so the bound does not matter");
    assert_eq!((simulation.events_handled(), simulation.events_pending()), (1, 0));
}

#[test]
fn reaching_a_bound_in_between_is_not_a_stop() {
    let limits = Limits { until: Time::from_nanos(100), ..Limits::NONE };
    let mut simulation = endless(10, 0, limits);
    assert_eq!(simulation.run_until(Time::from_nanos(45)), None);
    assert_eq!((simulation.now(), simulation.events_handled()), (Time::from_nanos(45), 5));
    simulation.parts_mut().1.schedule(Time::from_nanos(46), ());
    assert_eq!(simulation.run_until(Time::from_nanos(46)), None);
    assert_eq!(simulation.events_handled(), 6, "what was scheduled before the next known event came first");
    assert_eq!(simulation.run_until(Time::from_nanos(100)), Some(StopReason::EndOfTime));
    assert_eq!(simulation.run_until(Time::from_nanos(1_000)), Some(StopReason::EndOfTime));
    assert_eq!(simulation.now(), Time::from_nanos(100), "time ends at its limit");
}

#[test]
fn the_memory_bound_strikes_at_the_same_event_on_every_tuning() {
    let limits = Limits { max_memory_bytes: 150_000, ..Limits::NONE };
    let stops = AgendaTuning::ALL.map(|tuning| {
        let mut simulation = churn(3, u32::MAX, tuning, limits);
        (simulation.run(), outcome(simulation).0)
    });
    assert_eq!(stops[0].0, StopReason::OutOfMemory);
    assert_eq!(stops[0], stops[1]);
}

/// At one instant: the first event cancels the second and lets the third be followed by a fourth.
struct Instant {
    second: Handle,
    handled: Vec<&'static str>,
}

impl World for Instant {
    type Event = &'static str;

    fn handle(&mut self, now: Time, event: &'static str, agenda: &mut Agenda<&'static str>) {
        self.handled.push(event);
        if event == "first" {
            assert!(agenda.cancel(self.second));
            agenda.schedule(now, "fourth");
        }
    }

    fn digest(&self, event: &&'static str) -> EventDigest {
        EventDigest { node: 0, words: [event.len() as u64, 0] }
    }
}

#[test]
fn an_event_may_cancel_and_schedule_within_its_own_instant() {
    for tuning in AgendaTuning::ALL {
        let world = Instant { second: Handle::NONE, handled: Vec::new() };
        let mut simulation = Simulation::new(world, tuning, Limits::NONE);
        let (world, agenda) = simulation.parts_mut();
        let at = Time::from_nanos(70);
        agenda.schedule(at, "first");
        world.second = agenda.schedule(at, "second");
        agenda.schedule(at, "third");
        assert_eq!(simulation.run(), StopReason::Finished);
        assert_eq!(simulation.into_world().handled, ["first", "third", "fourth"], "{}", tuning.name());
    }
}

#[test]
fn two_runs_that_part_are_told_apart_within_one_interval() {
    let mut ours = churn(1, 5_000, AgendaTuning::Wheel, Limits::NONE);
    let mut theirs = churn(1, 5_000, AgendaTuning::Wheel, Limits::NONE);
    ours.run_to_event(1_234);
    theirs.run_to_event(1_234);
    theirs.parts_mut().0.random += 1;
    ours.run();
    theirs.run();
    let interval = ours.trail().first_difference(&theirs.trail()).expect("they differ");
    let (ours, theirs) = (ours.into_world().handled, theirs.into_world().handled);
    let first =
        ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs).expect("they differ") as u64 + 1;
    assert!(interval.after < first && first <= interval.up_to, "event {first} is not in {interval:?}");
    assert!(interval.up_to - interval.after <= 8, "{interval:?}");
}
