//! One breaker for many threads. Driven by one thread it decides exactly like [`Breaker`]; driven by many, every
//! permit and every result is counted once.

use super::super::breaker::Breaker;
use super::super::config::BreakerConfig;
use super::super::counters::BreakerMetrics;
use super::super::log::{LogCursor, TransitionLog};
use super::super::permit::{BreakerRejection, Permit, Recorded, Taken};
use super::super::state::{IllegalTransition, State, Transition};
use super::guard::CallGuard;
use super::word::{MOST_RESULTS, ONE_PASSAGE, Stay, Word};
use crate::time::{Span, Time};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Fewer results beside the breaker than this cost more than they save.
const WORTHWHILE_ROOM: u32 = 3;

/// A circuit breaker with `&self`.
///
/// While calls pass freely, [`try_acquire`](Self::try_acquire) is one atomic addition. While closed,
/// [`record`](Self::record) is one atomic exchange as long as the few results left beside the breaker could not open
/// it; every dozen of them, or where they could, it holds a lock for some nanoseconds. While open, a refusal is a few
/// loads and one addition. A sliding window needs the time of each result, so every one of them takes the lock.
/// Threads should read `now` from one monotonic clock; where theirs differ, a time that is
/// behind counts as a clock that stepped back.
#[derive(Debug)]
pub struct SharedBreaker {
    front: Front,
    inner: Mutex<Inner>,
}

/// What is used without the lock, on a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Front {
    word: AtomicU64,
    /// The present stay: its whole number and its state. Only looked at, and written before the word: reading it
    /// does not wait for what others add to the word.
    stay: AtomicU64,
    /// End of the wait in nanoseconds; written before the word.
    open_until_ns: AtomicU64,
    /// Refusals without the lock that were not yet taken over.
    rejections: AtomicU64,
    /// Before when results may be left in the word.
    results_until_ns: AtomicU64,
    /// From how long a call is slow; `u64::MAX` for no rule.
    slow_from_ns: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    breaker: Breaker,
    /// Of the word's passages, those the breaker knows of.
    taken_over: u64,
    log: TransitionLog,
}

impl SharedBreaker {
    /// A closed breaker that has seen no call. For one with a seed or a policy of its own, make a [`Breaker`] and
    /// turn it into a shared one.
    pub fn new(config: BreakerConfig) -> SharedBreaker {
        SharedBreaker::from(Breaker::new(config))
    }

    /// What it is doing, as of the latest call to it. Takes no lock.
    pub fn state(&self) -> State {
        Stay(self.front.stay.load(Ordering::Acquire)).state()
    }

    /// Asks to make a call.
    ///
    /// # Errors
    /// [`BreakerRejection`] while open, forced open, or half open with all probes under way or answered.
    #[inline]
    pub fn try_acquire(&self, now: Time) -> Result<Permit, BreakerRejection> {
        let seen = Stay(self.front.stay.load(Ordering::Acquire));
        let state = seen.state();
        if state.admits_all() {
            if let Some((permit, is_full)) = self.front.pass(seen) {
                if is_full {
                    self.locked(|_| ());
                }
                return Ok(permit);
            }
        } else if state == State::Open
            && let Some(refused) = self.front.refuse(seen, now)
        {
            return Err(refused);
        }
        self.locked(|breaker| breaker.try_acquire(now))
    }

    /// The same, with a permit that gives itself back as cancelled if it is dropped.
    ///
    /// # Errors
    /// [`BreakerRejection`] as for [`try_acquire`](Self::try_acquire).
    pub fn guard(&self, now: Time) -> Result<CallGuard<'_>, BreakerRejection> {
        self.try_acquire(now).map(|permit| CallGuard::new(self, permit, now))
    }

    /// Takes a permit back with the result of its call and the time the call took.
    #[inline]
    pub fn record(&self, now: Time, permit: Permit, recorded: Recorded, duration: Span) -> Taken {
        if self.front.leave_result(now, permit, recorded, duration) {
            return Taken::Counted;
        }
        self.locked(|breaker| breaker.record(now, permit, recorded, duration))
    }

    /// When [`expire`](Self::expire) would change something.
    pub fn deadline(&self) -> Option<Time> {
        self.locked(|breaker| breaker.deadline())
    }

    /// Makes the changes that are due by time alone.
    pub fn expire(&self, now: Time) {
        match self.state() {
            State::Open | State::HalfOpen => self.locked(|breaker| breaker.expire(now)),
            State::Closed | State::ForcedOpen | State::Disabled | State::MetricsOnly => {}
        }
    }

    /// Puts the breaker into another state on command; see [`Breaker::command`].
    ///
    /// # Errors
    /// [`IllegalTransition`] for `HalfOpen`, or the state it is in.
    pub fn command(&self, now: Time, to: State) -> Result<(), IllegalTransition> {
        self.locked(|breaker| breaker.command(now, to))
    }

    /// Follows a new config; see [`Breaker::reconfigure`].
    pub fn reconfigure(&self, config: BreakerConfig, now: Time) {
        self.locked(|breaker| breaker.reconfigure(config, now));
    }

    /// Everything about it at `now`.
    pub fn metrics(&self, now: Time) -> BreakerMetrics {
        self.locked(|breaker| {
            // A refusal may have been counted after the stay that refused was over.
            breaker.add_rejections(self.front.rejections.swap(0, Ordering::AcqRel));
            breaker.metrics(now)
        })
    }

    /// Appends to `out` the changes of state that `cursor` has not read yet, oldest first. Any number of readers
    /// may do so, each with a cursor of its own.
    pub fn read_transitions(&self, cursor: &mut LogCursor, out: &mut Vec<Transition>) {
        self.lock().log.read(cursor, out);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic of another thread inside left nothing half done that matters more than going on.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The only way to the breaker: tells it first what passed and ended without the lock, and the front
    /// afterwards what became of it.
    fn locked<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut inner = self.lock();
        let inner = &mut *inner;
        self.take_over(inner);
        let generation = inner.breaker.generation();
        let result = act(&mut inner.breaker);
        if inner.breaker.generation() != generation {
            while let Some(transition) = inner.breaker.take_transition() {
                inner.log.push(transition);
            }
            self.publish(inner);
        } else {
            self.make_room(inner);
        }
        result
    }

    /// Nobody leaves a result from here on until there is room again.
    fn take_over(&self, inner: &mut Inner) {
        let breaker = &mut inner.breaker;
        let seen = Word(self.front.word.load(Ordering::Acquire));
        if !seen.state().admits_all() {
            breaker.add_rejections(self.front.rejections.swap(0, Ordering::AcqRel));
        } else if seen.holds_results() || seen.is_full_of_passages() {
            let none = Word::new(breaker.generation(), breaker.state(), 0);
            let last = Word(self.front.word.swap(none.0, Ordering::AcqRel));
            breaker.add_permits(last.passages() - inner.taken_over);
            inner.taken_over = 0;
            last.results().for_each(|(failed, slow)| breaker.add_harmless(failed, slow));
        } else {
            breaker.add_permits(seen.passages() - inner.taken_over);
            inner.taken_over = seen.passages();
        }
    }

    /// In the same stay: lets results be left again, if they are enough to be worth it.
    fn make_room(&self, inner: &mut Inner) {
        let breaker = &mut inner.breaker;
        self.front.open_until_ns.store(breaker.open_until().as_nanos(), Ordering::Release);
        let room = breaker.harmless_results(MOST_RESULTS);
        if room >= WORTHWHILE_ROOM {
            self.front.show_rules(breaker);
            let next = Word::new(breaker.generation(), breaker.state(), room);
            let last = Word(self.front.word.swap(next.0, Ordering::AcqRel));
            breaker.add_permits(last.passages() - inner.taken_over);
            inner.taken_over = 0;
        }
    }

    /// Shows a new stay to those without the lock. Who passed since the last look belongs to the stay that is over.
    #[cold]
    fn publish(&self, inner: &mut Inner) {
        let breaker = &mut inner.breaker;
        self.front.open_until_ns.store(breaker.open_until().as_nanos(), Ordering::Release);
        self.front.stay.store(Stay::of(breaker).0, Ordering::Release);
        let next = Word::new(breaker.generation(), breaker.state(), 0);
        let last = Word(self.front.word.swap(next.0, Ordering::AcqRel));
        if last.state().admits_all() {
            breaker.add_late_permits(last.state(), last.passages() - inner.taken_over);
        }
        inner.taken_over = 0;
        breaker.add_rejections(self.front.rejections.swap(0, Ordering::AcqRel));
    }
}

impl From<Breaker> for SharedBreaker {
    /// A front for a breaker as it stands. Changes of state it has not handed out yet begin the log.
    fn from(mut breaker: Breaker) -> SharedBreaker {
        let mut log = TransitionLog::default();
        while let Some(transition) = breaker.take_transition() {
            log.push(transition);
        }
        SharedBreaker {
            front: Front {
                word: AtomicU64::new(Word::new(breaker.generation(), breaker.state(), 0).0),
                stay: AtomicU64::new(Stay::of(&breaker).0),
                open_until_ns: AtomicU64::new(breaker.open_until().as_nanos()),
                rejections: AtomicU64::new(0),
                results_until_ns: AtomicU64::new(0),
                slow_from_ns: AtomicU64::new(u64::MAX),
            },
            inner: Mutex::new(Inner { breaker, taken_over: 0, log }),
        }
    }
}

impl Front {
    /// Passes without the lock, unless the state has changed since it was looked at; and whether the passages should
    /// be taken over.
    #[inline]
    fn pass(&self, seen: Stay) -> Option<(Permit, bool)> {
        let word = Word(self.word.fetch_add(ONE_PASSAGE, Ordering::AcqRel));
        // What is added to a word that lets nobody pass is never looked at.
        if !word.state().admits_all() {
            return None;
        }
        let generation = if word.is_of(seen.generation()) {
            seen.generation()
        } else {
            word.generation(Stay(self.stay.load(Ordering::Acquire)).generation())
        };
        Some((Permit { generation, probe: 0 }, word.is_full_of_passages()))
    }

    /// Refuses without the lock, if the wait is not over and it is still the wait of the stay that was seen.
    #[inline]
    fn refuse(&self, seen: Stay, now: Time) -> Option<BreakerRejection> {
        let open_until = Time::from_nanos(self.open_until_ns.load(Ordering::Acquire));
        let never = open_until == Time::MAX;
        let same_stay = seen == Stay(self.stay.load(Ordering::Acquire));
        if !same_stay || (open_until <= now && !never) {
            return None;
        }
        self.rejections.fetch_add(1, Ordering::AcqRel);
        Some(BreakerRejection { state: State::Open, retry_after: open_until.since(now) })
    }

    /// Leaves a result in the word, if it belongs to the present stay and cannot open the breaker.
    #[inline]
    fn leave_result(&self, now: Time, permit: Permit, recorded: Recorded, duration: Span) -> bool {
        let failed = match recorded {
            Recorded::Success => false,
            Recorded::Failure => true,
            Recorded::Ignored | Recorded::Cancelled => return false,
        };
        let in_time = now.as_nanos() < self.results_until_ns.load(Ordering::Acquire);
        if permit.is_probe() || !in_time || duration == Span::MAX {
            return false;
        }
        let slow = duration.as_nanos() >= self.slow_from_ns.load(Ordering::Acquire);
        let mut word = Word(self.word.load(Ordering::Acquire));
        while Stay(self.stay.load(Ordering::Acquire)).generation() == permit.generation
            && let Some(next) = word.with_result(permit.generation, failed, slow)
        {
            match self.word.compare_exchange_weak(word.0, next.0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(changed) => word = Word(changed),
            }
        }
        false
    }

    /// What those who leave results have to know.
    fn show_rules(&self, breaker: &Breaker) {
        let slow_from = breaker.slow_from().unwrap_or(Span::MAX);
        self.slow_from_ns.store(slow_from.as_nanos(), Ordering::Release);
        self.results_until_ns.store(breaker.window_unchanged_until().as_nanos(), Ordering::Release);
    }
}
