//! When entries expire: an instant that fits beside an `Option`, and a queue of what expires next. Never reads a
//! clock.

use super::config::CacheConfig;
use crate::arithmetic::{WHOLE_PPM, share_of, uniform};
use crate::key_hash::mixed;
use crate::time::{Span, Time};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU64;

/// The instant from which on an entry is expired; one more than its nanoseconds, so that zero is free to mark an
/// empty place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Expiry(NonZeroU64);

impl Expiry {
    pub(super) const NEVER: Expiry = Expiry(NonZeroU64::MAX);

    pub(super) const fn at(time: Time) -> Expiry {
        Expiry(NonZeroU64::MIN.saturating_add(time.as_nanos()))
    }

    /// The instant; `None` is never.
    pub(super) fn time(self) -> Option<Time> {
        (self != Expiry::NEVER).then(|| Time::from_nanos(self.0.get() - 1))
    }

    /// Whether it has come: at the instant itself it has.
    #[inline]
    pub(super) fn is_past(self, now: Time) -> bool {
        now.as_nanos() >= self.0.get() - 1 && self != Expiry::NEVER
    }

    /// The end of the grace that follows.
    pub(super) fn with_grace(self, grace: Span) -> Expiry {
        self.time().map_or(Expiry::NEVER, |time| Expiry::at(time + grace))
    }

    /// When an entry expires under this config: by its writing, in jitter's way, or by its last use.
    pub(super) fn of(
        config: &CacheConfig,
        hash: u64,
        own_ttl: Option<Span>,
        written: Time,
        used: Time,
    ) -> Expiry {
        let ttl = own_ttl.or_else(|| {
            let spread = share_of(config.ttl?.as_nanos(), config.ttl_jitter_ppm.min(WHOLE_PPM));
            let word = mixed(hash ^ mixed(config.seed ^ written.as_nanos()));
            config.ttl.map(|ttl| ttl.saturating_sub(Span::from_nanos(uniform(word, 0, spread))))
        });
        let by_writing = ttl.map_or(Expiry::NEVER, |ttl| Expiry::at(written + ttl));
        let by_use = config.time_to_idle.map_or(Expiry::NEVER, |idle| Expiry::at(used + idle));
        by_writing.min(by_use)
    }
}

/// Slots by the instant at which they should be looked at, which is never later than their expiry. A slot whose
/// expiry has moved on is queued again when its turn comes, so a use costs nothing here.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    queue: BinaryHeap<Reverse<(Expiry, u32)>>,
    /// The earliest turn of each slot that counts; others are left-overs.
    turns: Vec<Option<Expiry>>,
}

impl Deadlines {
    /// Takes note of an expiry.
    #[inline]
    pub(super) fn note(&mut self, slot: u32, expiry: Expiry) {
        if expiry != Expiry::NEVER {
            self.note_some(slot, expiry);
        }
    }

    fn note_some(&mut self, slot: u32, expiry: Expiry) {
        if slot as usize >= self.turns.len() {
            self.turns.resize(slot as usize + 1, None);
        }
        let turn = &mut self.turns[slot as usize];
        if turn.is_none_or(|turn| expiry < turn) {
            *turn = Some(expiry);
            self.queue.push(Reverse((expiry, slot)));
            if self.queue.len() > 2 * self.turns.len() + 64 {
                let turns = &self.turns;
                self.queue.retain(|Reverse((expiry, slot))| turns[*slot as usize] == Some(*expiry));
            }
        }
    }

    /// A slot whose turn has come.
    pub(super) fn pop(&mut self, now: Time) -> Option<u32> {
        while let Some(Reverse((expiry, slot))) = self.queue.peek().copied() {
            if !expiry.is_past(now) {
                return None;
            }
            self.queue.pop();
            let turn = &mut self.turns[slot as usize];
            if *turn == Some(expiry) {
                *turn = None;
                return Some(slot);
            }
        }
        None
    }

    /// The next turn.
    pub(super) fn next(&self) -> Option<Time> {
        self.queue.peek().and_then(|Reverse((expiry, _))| expiry.time())
    }

    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.turns.clear();
    }
}
