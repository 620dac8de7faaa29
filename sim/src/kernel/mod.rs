//! A generic discrete-event kernel: virtual time, the pending-event set, the loop, the fingerprint.
//! It knows nothing of services, reads no clock, starts no thread, and draws only from keys it is given.
//!
//! A [`World`] says what an event is and what it does. A [`Simulation`] owns a world and its [`Agenda`], and
//! takes the next event from the one to the other until a [`StopReason`] is reached:
//!
//! ```text
//! let mut simulation = Simulation::new(world, AgendaTuning::default(), limits);
//! let (world, agenda) = simulation.parts_mut();
//! world.start(agenda);                                   // schedule the first events
//! let stop = simulation.run();
//! ```
//!
//! Events are handled in the total order (time, scheduling order). Everything a run does is a function of the
//! world, the events scheduled from outside and the limits; the agenda's tuning, an observer or a run cut into
//! several calls of [`Simulation::run_until`] change nothing.

pub mod agenda;
pub mod draw;
pub mod fingerprint;
pub mod time;

#[cfg(test)]
mod tests;

pub use agenda::{Agenda, AgendaTuning, Handle};
pub use fingerprint::{Checkpoint, EventDigest, EventInterval, Fingerprint, Trail};
pub use time::{ParseSpanError, Span, Time};

/// What is simulated: the state, and what an event does to it.
pub trait World {
    /// Something that happens. Small, because it is copied; at most 12 bytes with 4-byte alignment keep an
    /// agenda entry at half a cache line.
    type Event: Copy;

    /// Lets `event` happen at `now`. What follows from it is scheduled on `agenda`, at `now` or later.
    fn handle(&mut self, now: Time, event: Self::Event, agenda: &mut Agenda<Self::Event>);

    /// The event in integers, for the fingerprint. Called before [`World::handle`] and once per event.
    fn digest(&self, event: &Self::Event) -> EventDigest;

    /// Bytes to count against [`Limits::max_memory_bytes`], as a function of lengths and counts, so that every
    /// machine gives the same number. Called every few thousand events.
    fn memory_bytes(&self) -> u64 {
        0
    }

    /// How many nodes there are when the simulation is made; more may appear later.
    fn node_count(&self) -> u32 {
        0
    }
}

/// The bounds of a run. Every run has all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most events that are handled.
    pub max_events: u64,
    /// The last instant whose events are handled.
    pub until: Time,
    /// The most bytes that the world, the agenda and the fingerprint may count.
    pub max_memory_bytes: u64,
}

impl Limits {
    /// No bound but those of the integers; for worlds that are known to end.
    pub const NONE: Limits = Limits { max_events: u64::MAX, until: Time::MAX, max_memory_bytes: u64::MAX };
}

/// Why a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopReason {
    /// Nothing is pending.
    Finished,
    /// What is pending lies after [`Limits::until`].
    EndOfTime,
    /// [`Limits::max_events`] were handled and more were due.
    TooManyEvents,
    /// More than [`Limits::max_memory_bytes`] were counted.
    OutOfMemory,
}

impl StopReason {
    /// Every reason there is.
    pub const ALL: [StopReason; 4] =
        [StopReason::Finished, StopReason::EndOfTime, StopReason::TooManyEvents, StopReason::OutOfMemory];

    /// The stable name which reports print.
    pub const fn name(self) -> &'static str {
        match self {
            StopReason::Finished => "finished",
            StopReason::EndOfTime => "end_of_time",
            StopReason::TooManyEvents => "too_many_events",
            StopReason::OutOfMemory => "out_of_memory",
        }
    }
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// After how many events, each time, memory is counted. A power of two.
pub const MEMORY_CHECK_EVENTS: u64 = 4096;

const STOPS: &str = "without a bound of its own a call ends only where the run stops";

/// A world, its pending events, and the loop that takes the one to the other.
pub struct Simulation<W: World> {
    world: W,
    agenda: Agenda<W::Event>,
    limits: Limits,
    events_handled: u64,
    last_event_at: Time,
    fingerprint: Fingerprint,
}

/// What is shown of every event of an observed run, before it is handled: its number counting from one, its
/// time, the event, the world as it finds it, and the run's fingerprint with it.
pub type Observe<'a, W> = dyn FnMut(u64, Time, &<W as World>::Event, &W, u64) + 'a;

/// Is shown every event, or compiled away.
trait Observer<W: World> {
    fn observe(&mut self, number: u64, at: Time, event: &W::Event, world: &W, fingerprint: u64);
}

struct Unobserved;

impl<W: World> Observer<W> for Unobserved {
    #[inline]
    fn observe(&mut self, _: u64, _: Time, _: &W::Event, _: &W, _: u64) {}
}

impl<W: World, F: FnMut(u64, Time, &W::Event, &W, u64) + ?Sized> Observer<W> for &mut F {
    fn observe(&mut self, number: u64, at: Time, event: &W::Event, world: &W, fingerprint: u64) {
        self(number, at, event, world, fingerprint);
    }
}

impl<W: World> Simulation<W> {
    /// A simulation at the origin of time with nothing pending.
    pub fn new(world: W, tuning: AgendaTuning, limits: Limits) -> Simulation<W> {
        Simulation {
            fingerprint: Fingerprint::new(world.node_count()),
            world,
            agenda: Agenda::with_tuning(tuning),
            limits,
            events_handled: 0,
            last_event_at: Time::ZERO,
        }
    }

    /// Handles events until the run stops.
    pub fn run(&mut self) -> StopReason {
        self.drive(Time::MAX, u64::MAX, &mut Unobserved).expect(STOPS)
    }

    /// Handles every event up to and at `bound`, then makes `bound` the current time. `None` when the run can
    /// go on from there; the reason when it has stopped.
    pub fn run_until(&mut self, bound: Time) -> Option<StopReason> {
        self.drive(bound, u64::MAX, &mut Unobserved)
    }

    /// Handles events until `events` have been handled since the start. `None` when the run can go on from
    /// there; the reason when it has stopped.
    pub fn run_to_event(&mut self, events: u64) -> Option<StopReason> {
        self.drive(Time::MAX, events, &mut Unobserved)
    }

    /// As [`Simulation::run`], and shows every event to `observe`. To look only at a part of a run, go to its
    /// start with [`Simulation::run_to_event`] first.
    pub fn run_observed(&mut self, observe: &mut Observe<'_, W>) -> StopReason {
        self.drive(Time::MAX, u64::MAX, &mut { observe }).expect(STOPS)
    }

    /// As [`Simulation::run_to_event`], and shows every event to `observe` as [`Simulation::run_observed`] does.
    pub fn run_to_event_observed(&mut self, events: u64, observe: &mut Observe<'_, W>) -> Option<StopReason> {
        self.drive(Time::MAX, events, &mut { observe })
    }

    /// As [`Simulation::run_to_event_observed`], and goes no further than `bound` either.
    pub fn run_within_observed(
        &mut self,
        bound: Time,
        events: u64,
        observe: &mut Observe<'_, W>,
    ) -> Option<StopReason> {
        self.drive(bound, events, &mut { observe })
    }

    /// As [`Simulation::run_until`], and handles no more events than until `events` have been since the start.
    pub fn run_within(&mut self, bound: Time, events: u64) -> Option<StopReason> {
        self.drive(bound, events, &mut Unobserved)
    }

    /// The loop. Whatever is not due after every event is due after a number of events that is known before.
    fn drive<O: Observer<W>>(&mut self, bound: Time, events: u64, observer: &mut O) -> Option<StopReason> {
        let bounded = bound.min(self.limits.until);
        loop {
            self.fingerprint.checkpoint(self.events_handled, self.last_event_at);
            if self.events_handled.is_multiple_of(MEMORY_CHECK_EVENTS) && self.is_out_of_memory() {
                return Some(StopReason::OutOfMemory);
            }
            if self.events_handled >= events.min(self.limits.max_events) {
                return self.pause(bound, self.is_due(bounded));
            }
            let next_memory_check = (self.events_handled | (MEMORY_CHECK_EVENTS - 1)).saturating_add(1);
            let pause_at = self
                .fingerprint
                .next_checkpoint(self.events_handled)
                .min(next_memory_check)
                .min(events)
                .min(self.limits.max_events);
            while self.events_handled < pause_at {
                let Some((now, event)) = self.agenda.pop_until(bounded) else {
                    return self.pause(bound, false);
                };
                self.events_handled += 1;
                self.last_event_at = now;
                self.fingerprint.fold(now, self.world.digest(&event));
                observer.observe(self.events_handled, now, &event, &self.world, self.fingerprint.run());
                self.world.handle(now, event, &mut self.agenda);
            }
        }
    }

    /// No event may be handled for now: says why, or nothing if it was only this call's bound.
    fn pause(&mut self, bound: Time, is_due: bool) -> Option<StopReason> {
        if self.agenda.is_empty() {
            return Some(StopReason::Finished);
        }
        if is_due {
            return (self.events_handled >= self.limits.max_events).then_some(StopReason::TooManyEvents);
        }
        self.agenda.advance(bound.min(self.limits.until));
        (bound >= self.limits.until).then_some(StopReason::EndOfTime)
    }

    fn is_due(&self, bound: Time) -> bool {
        self.agenda.peek_time().is_some_and(|next| next <= bound)
    }

    fn is_out_of_memory(&self) -> bool {
        let own_bytes = (self.agenda.memory_bytes() + self.fingerprint.memory_bytes()) as u64;
        self.world.memory_bytes().saturating_add(own_bytes) > self.limits.max_memory_bytes
    }

    /// The agenda, to look at.
    pub fn agenda(&self) -> &Agenda<W::Event> {
        &self.agenda
    }

    /// The world.
    pub fn world(&self) -> &W {
        &self.world
    }

    /// The world and its agenda, to schedule from outside: the first events, or something between two runs.
    pub fn parts_mut(&mut self) -> (&mut W, &mut Agenda<W::Event>) {
        (&mut self.world, &mut self.agenda)
    }

    /// Ends the simulation and keeps the world.
    pub fn into_world(self) -> W {
        self.world
    }

    /// The current virtual time.
    pub fn now(&self) -> Time {
        self.agenda.now()
    }

    /// How many events were handled.
    pub fn events_handled(&self) -> u64 {
        self.events_handled
    }

    /// How many events are pending.
    pub fn events_pending(&self) -> usize {
        self.agenda.len()
    }

    /// The fingerprint of everything handled so far.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The checkpoints of everything handled so far.
    pub fn trail(&self) -> Trail {
        self.fingerprint.trail(self.events_handled, self.last_event_at)
    }
}
