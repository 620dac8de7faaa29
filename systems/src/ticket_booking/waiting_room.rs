//! A room in front of the sale: people wait in it in one order and are let out at one rate, so that behind it nobody
//! fights for more than there is. Never lets anybody in twice, and never faster than it says.

use crate::booking::CustomerId;
use crate::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// In which order people are let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they came.
    #[default]
    Fifo,
    /// By lot among all who are there when it opens, so that nobody gains by a faster line; then as they come.
    Lottery,
}

/// A waiting room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingRoomConfig {
    /// In which order people are let in.
    pub order: Order,
    /// When the first is let in.
    pub opens_at: Time,
    /// People let in a second, in thousandths; 0: nobody ever.
    pub admitted_a_second_milli: u64,
    /// How many may wait; 0 is no bound.
    pub capacity: u32,
    /// How long whoever was let in may go on; nothing: for ever.
    pub pass_ttl: Span,
}

impl WaitingRoomConfig {
    /// From one admission to the next.
    pub fn interval(&self) -> Span {
        let per_second = u128::from(self.admitted_a_second_milli);
        let ns = 1_000_000_000_000u128
            .checked_div(per_second)
            .map(|whole| whole + u128::from(!1_000_000_000_000u128.is_multiple_of(per_second)));
        ns.and_then(|ns| u64::try_from(ns).ok()).map_or(Span::MAX, Span::from_nanos)
    }
}

/// What whoever comes is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// So many are let in before, as far as is known: before the lots are drawn that is all who are there.
    Waits {
        /// How many.
        ahead: u64,
        /// When it will be their turn, if nobody leaves.
        expected_at: Time,
    },
    /// Let in.
    Inside {
        /// Until then.
        until: Time,
    },
}

/// Why somebody is not let into the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// As many wait as may.
    Full,
    /// They were inside, and their time is over.
    Over,
}

impl fmt::Display for TurnedAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TurnedAway::Full => "as many wait as may: come back later",
            TurnedAway::Over => "your time inside is over",
        })
    }
}

impl std::error::Error for TurnedAway {}

/// Who was let in, and until when they may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Who.
    pub person: CustomerId,
    /// Until then.
    pub until: Time,
    /// How long they have waited.
    pub waited: Span,
}

type Turn = (u64, u64);

/// A room in which people wait.
#[derive(Clone, Debug)]
pub struct WaitingRoom {
    config: WaitingRoomConfig,
    /// By turn: the lot, then the order of coming.
    line: BTreeMap<Turn, (CustomerId, Time)>,
    turns: BTreeMap<CustomerId, Turn>,
    inside: BTreeMap<CustomerId, Time>,
    leaving: BTreeSet<(Time, CustomerId)>,
    came: u64,
    admitted: u64,
    turned_away: u64,
    next_at: Time,
}

impl WaitingRoom {
    /// An empty one.
    pub const fn new(config: WaitingRoomConfig) -> WaitingRoom {
        WaitingRoom {
            next_at: config.opens_at,
            config,
            line: BTreeMap::new(),
            turns: BTreeMap::new(),
            inside: BTreeMap::new(),
            leaving: BTreeSet::new(),
            came: 0,
            admitted: 0,
            turned_away: 0,
        }
    }

    /// Somebody comes, or looks again where they stand. `lot` is a uniformly distributed word, looked at in a lottery.
    ///
    /// # Errors
    /// [`TurnedAway`].
    pub fn join(&mut self, now: Time, person: CustomerId, lot: u64) -> Result<Place, TurnedAway> {
        if let Some(until) = self.come(now, person, lot)? {
            return Ok(Place::Inside { until });
        }
        let turn = self.turns.get(&person).copied().unwrap_or_default();
        Ok(self.place(turn))
    }

    /// The same without a look at who is ahead, which in a lottery takes as long as there are such: until when they may stay
    /// if they are inside, nothing if they wait.
    ///
    /// # Errors
    /// [`TurnedAway`].
    pub fn come(&mut self, now: Time, person: CustomerId, lot: u64) -> Result<Option<Time>, TurnedAway> {
        if let Some(until) = self.inside.get(&person) {
            return if now < *until { Ok(Some(*until)) } else { Err(TurnedAway::Over) };
        }
        if self.turns.contains_key(&person) {
            return Ok(None);
        }
        if self.config.capacity > 0 && self.line.len() as u64 >= u64::from(self.config.capacity) {
            self.turned_away = self.turned_away.saturating_add(1);
            return Err(TurnedAway::Full);
        }
        self.came = self.came.saturating_add(1);
        let is_drawn = self.config.order == Order::Lottery && now < self.config.opens_at;
        // Whoever comes when the lots are drawn stands behind all of them.
        let lot = match (self.config.order, is_drawn) {
            (Order::Fifo, _) => 0,
            (Order::Lottery, true) => lot.min(u64::MAX - 1),
            (Order::Lottery, false) => u64::MAX,
        };
        let turn = (lot, self.came);
        self.line.insert(turn, (person, now));
        self.turns.insert(person, turn);
        Ok(None)
    }

    /// Where somebody stands. Counting those ahead takes as long as there are such; ask for it seldom.
    fn place(&self, turn: Turn) -> Place {
        // In order of coming the number of those who were let in or left is enough, up to who left in between.
        let ahead = match self.config.order {
            Order::Fifo => {
                let first = self.line.keys().next().map_or(turn.1, |first| first.1);
                turn.1.saturating_sub(first)
            }
            Order::Lottery => self.line.range(..turn).count() as u64,
        };
        let expected_at = self.next_at + self.config.interval().saturating_mul(ahead);
        Place::Waits { ahead, expected_at }
    }

    /// Somebody goes away.
    pub fn leave(&mut self, person: CustomerId) {
        if let Some(turn) = self.turns.remove(&person) {
            self.line.remove(&turn);
        }
    }

    /// Whether somebody may buy.
    pub fn is_inside(&self, now: Time, person: CustomerId) -> bool {
        self.inside.get(&person).is_some_and(|until| now < *until)
    }

    /// When [`expire`](WaitingRoom::expire) wants to be called.
    pub fn deadline(&self) -> Option<Time> {
        let next = (!self.line.is_empty() && self.config.admitted_a_second_milli > 0).then_some(self.next_at);
        next.into_iter().chain(self.leaving.first().map(|(until, _)| *until)).min()
    }

    /// Lets in whose turn it is. One who is called late is let in late: the rate is never made up for.
    pub fn expire(&mut self, now: Time, out: &mut Vec<Admitted>) {
        while let Some((until, person)) = self.leaving.first().copied().filter(|(until, _)| *until <= now) {
            self.leaving.remove(&(until, person));
        }
        let is_running = self.config.admitted_a_second_milli > 0 && now >= self.next_at;
        let Some(entry) = self.line.first_entry().filter(|_| is_running) else { return };
        let (person, since) = entry.remove();
        self.turns.remove(&person);
        let until = if self.config.pass_ttl.is_zero() { Time::MAX } else { now + self.config.pass_ttl };
        self.inside.insert(person, until);
        if until < Time::MAX {
            self.leaving.insert((until, person));
        }
        self.admitted = self.admitted.saturating_add(1);
        self.next_at = now + self.config.interval();
        out.push(Admitted { person, until, waited: now.since(since.max(self.config.opens_at.min(now))) });
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.line.len()
    }

    /// How many were let in so far.
    pub const fn admitted(&self) -> u64 {
        self.admitted
    }

    /// How many found it full.
    pub const fn turned_away(&self) -> u64 {
        self.turned_away
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::keyed_word;
    use proptest::prelude::*;

    fn config(order: Order) -> WaitingRoomConfig {
        WaitingRoomConfig {
            order,
            opens_at: Time::from_nanos(10_000_000_000),
            admitted_a_second_milli: 5_000,
            capacity: 0,
            pass_ttl: Span::from_secs(120),
        }
    }

    /// Who was let in, and when.
    fn drained(room: &mut WaitingRoom) -> Vec<(Time, CustomerId)> {
        let (mut seen, mut out) = (Vec::new(), Vec::new());
        while let Some(due) = room.deadline().filter(|_| room.waiting() > 0) {
            room.expire(due, &mut out);
            seen.extend(out.drain(..).map(|admitted| (due, admitted.person)));
        }
        seen
    }

    #[test]
    fn in_order_of_coming_everybody_waits_as_long_as_there_are_people_ahead() {
        let mut room = WaitingRoom::new(config(Order::Fifo));
        for person in 0..100 {
            let at = Time::from_nanos(person);
            let place = room.join(at, CustomerId(person), 0).expect("there is room");
            let expected_at = Time::from_nanos(10_000_000_000 + person * 200_000_000);
            assert_eq!(place, Place::Waits { ahead: person, expected_at });
            assert_eq!(room.join(at, CustomerId(person), 9), Ok(place), "one place a person");
        }
        let seen = drained(&mut room);
        assert_eq!(seen.len(), 100);
        assert!(seen.iter().map(|(_, person)| person.0).eq(0..100));
        assert_eq!(seen[99].0, Time::from_nanos(10_000_000_000 + 99 * 200_000_000));
        assert!(matches!(room.join(seen[99].0, CustomerId(99), 0), Ok(Place::Inside { .. })));
        let later = seen[0].0 + Span::from_secs(120);
        assert_eq!(room.join(later, CustomerId(0), 0), Err(TurnedAway::Over), "nobody is let in twice");
    }

    #[test]
    fn a_lottery_takes_no_heed_of_who_came_first_and_late_comers_stand_behind() {
        let mut room = WaitingRoom::new(config(Order::Lottery));
        for person in 0..1_000 {
            let _ = room.join(Time::ZERO, CustomerId(person), keyed_word(1, person));
        }
        let _ = room.join(Time::from_nanos(10_000_000_000), CustomerId(5_000), 0);
        let order: Vec<u64> = drained(&mut room).into_iter().map(|(_, person)| person.0).collect();
        assert_eq!(order.last(), Some(&5_000));
        let early: usize = order.iter().take(500).filter(|person| **person < 500).count();
        assert!((200..300).contains(&early), "half of the first half came first: {early}");
    }

    #[test]
    fn a_driver_who_oversleeps_lets_nobody_in_faster() {
        let mut room = WaitingRoom::new(config(Order::Fifo));
        for person in 0..50 {
            let _ = room.join(Time::ZERO, CustomerId(person), 0);
        }
        let mut out = Vec::new();
        let late = Time::from_nanos(60_000_000_000);
        for _ in 0..10 {
            room.expire(late, &mut out);
        }
        assert_eq!(out.len(), 1);
    }

    proptest! {
        #[test]
        fn never_more_a_second_than_the_rate_and_nobody_twice(
            comings in proptest::collection::vec((0u64..40, 0u64..3_000_000_000), 1..80),
            rate in 1u64..9_000, is_lottery: bool,
        ) {
            let order = if is_lottery { Order::Lottery } else { Order::Fifo };
            let mut room = WaitingRoom::new(WaitingRoomConfig {
                admitted_a_second_milli: rate, opens_at: Time::from_nanos(1_000_000_000), ..config(order)
            });
            let (mut now, mut out, mut seen) = (Time::ZERO, Vec::new(), Vec::new());
            for (person, pause) in comings {
                now += Span::from_nanos(pause);
                let _ = room.join(now, CustomerId(person), keyed_word(7, person));
                room.expire(now, &mut out);
                seen.extend(out.drain(..).map(|admitted| (now, admitted.person)));
            }
            seen.extend(drained(&mut room));
            let people: BTreeSet<_> = seen.iter().map(|(_, person)| *person).collect();
            prop_assert_eq!(people.len(), seen.len());
            let interval = room.config.interval();
            prop_assert!(seen.windows(2).all(|pair| pair[1].0.since(pair[0].0) >= interval));
            prop_assert!(u128::from(interval.as_nanos()) * u128::from(rate) >= 1_000_000_000_000);
        }
    }
}
