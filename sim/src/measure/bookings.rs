//! The harness' own books on bookings: what people were told is theirs, beside what desks have in their stores. The
//! simulated world never sees them. Each fact costs a look-up for each unit; after a crash all of it is looked at.

use std::collections::{BTreeMap, BTreeSet};

use foreshock_systems::hashed_map::HashedMap;

use super::index::Index;
use super::money::Broken;
use crate::scenario::plan::ServiceId;

/// Ids of the invariants on bookings.
pub(crate) mod booked {
    /// Nothing is confirmed to more people than it may be.
    pub(crate) const ONCE: &str = "booked_once";
    /// What somebody was told is theirs is so, whatever dies.
    pub(crate) const KEPT: &str = "bookings_kept";
    /// What bookings claim is what units, customers and money say, and no hold ends or is confirmed at the wrong time.
    pub(crate) const CONSISTENT: &str = "bookings_consistent";
}

/// What has happened at a desk.
#[derive(Clone, Debug)]
pub(crate) enum BookingFact {
    /// It has come up.
    Starts,
    /// Somebody was told that this is theirs: units with how many of each, and how many there may be; and what a unit is
    /// called.
    Confirmed { booking: u64, units: Vec<(u64, u32, u32)>, name: fn(u64) -> String },
    /// They have given it up, or it was taken from them for a reason that they know.
    Ended { booking: u64 },
    /// After a crash it has these in its store.
    Found { owned: BTreeSet<u64> },
}

/// What the harness knows of bookings when the run is over.
#[derive(Clone, Debug, Default)]
pub struct BookingsMeasured {
    /// What is shown of each service.
    pub systems: BTreeMap<String, BTreeMap<&'static str, u64>>,
}

#[derive(Debug, Default)]
struct Book {
    taken: Index<u64, u32>,
    told: Told,
    told_in_all: u64,
    sold_twice: u64,
    forgotten: u64,
}

/// Units that bookings have, with how many of each: one behind the other.
#[derive(Debug, Default)]
struct Told {
    units: Vec<(u64, u32)>,
    /// By booking, where its units begin and how many they are.
    places: HashedMap<u64, (usize, u32)>,
    /// Units of bookings that have ended.
    ended: usize,
}

impl Told {
    fn has(&self, booking: u64) -> bool {
        self.places.get(&booking).is_some()
    }

    /// In an order that means nothing.
    fn bookings(&self) -> impl Iterator<Item = u64> {
        self.places.each().map(|(booking, _)| *booking)
    }

    fn add(&mut self, booking: u64, units: impl Iterator<Item = (u64, u32)>) {
        let start = self.units.len();
        self.units.extend(units);
        self.places.set(&booking, (start, (self.units.len() - start) as u32));
    }

    /// Shows what a booking has had, and forgets it.
    fn remove(&mut self, booking: u64, mut visit: impl FnMut(u64, u32)) {
        let Some((start, count)) = self.places.remove(&booking) else { return };
        let units = &self.units[start..start + count as usize];
        units.iter().for_each(|(unit, count)| visit(*unit, *count));
        self.ended += units.len();
        if self.ended > self.units.len() / 2 {
            self.close_ranks();
        }
    }

    /// Forgets the units of those that have ended: each was added once, and is moved less than once for it.
    fn close_ranks(&mut self) {
        let former = std::mem::take(&mut self.units);
        for (_, (start, count)) in self.places.each_mut() {
            let moved_to = self.units.len();
            self.units.extend_from_slice(&former[*start..*start + *count as usize]);
            *start = moved_to;
        }
        self.ended = 0;
    }
}

/// The books on all bookings of a run.
#[derive(Debug, Default)]
pub(crate) struct Bookings {
    books: BTreeMap<ServiceId, Book>,
}

impl Bookings {
    /// Writes a fact down; what it breaks.
    pub(crate) fn note(&mut self, service: ServiceId, fact: BookingFact) -> Vec<Broken> {
        let book = self.books.entry(service).or_default();
        match fact {
            BookingFact::Starts => Vec::new(),
            BookingFact::Confirmed { booking, units, name } => book.confirmed(booking, units, name),
            BookingFact::Ended { booking } => {
                book.ended(booking);
                Vec::new()
            }
            BookingFact::Found { owned } => book.found(&owned),
        }
    }

    /// What was counted, by service.
    pub(crate) fn finish(&self, name: impl Fn(ServiceId) -> String) -> Option<BookingsMeasured> {
        if self.books.is_empty() {
            return None;
        }
        let systems = self.books.iter().map(|(service, book)| {
            let counts = BTreeMap::from([
                ("told_confirmed", book.told_in_all),
                ("sold_twice", book.sold_twice),
                ("forgotten_in_crashes", book.forgotten),
            ]);
            (name(*service), counts)
        });
        Some(BookingsMeasured { systems: systems.collect() })
    }
}

impl Book {
    fn confirmed(
        &mut self,
        booking: u64,
        units: Vec<(u64, u32, u32)>,
        name: fn(u64) -> String,
    ) -> Vec<Broken> {
        if self.told.has(booking) {
            return Vec::new();
        }
        self.told_in_all += 1;
        let mut broken = Vec::new();
        for (unit, count, limit) in &units {
            let taken = self.taken.entry(*unit).or_default();
            *taken = taken.saturating_add(*count);
            if *taken > *limit {
                self.sold_twice += 1;
                let witness = format!(
                    "{} was confirmed to {taken}, and there may be {limit}; the last is booking {booking:016x}",
                    name(*unit)
                );
                broken.push((booked::ONCE, witness));
            }
        }
        self.told.add(booking, units.into_iter().map(|(unit, count, _)| (unit, count)));
        broken
    }

    fn ended(&mut self, booking: u64) {
        let taken = &mut self.taken;
        self.told.remove(booking, |unit, count| {
            if let Some(taken) = taken.get_mut(&unit) {
                *taken = taken.saturating_sub(count);
            }
        });
    }

    fn found(&mut self, owned: &BTreeSet<u64>) -> Vec<Broken> {
        let mut lost: Vec<u64> = self.told.bookings().filter(|booking| !owned.contains(booking)).collect();
        lost.sort_unstable();
        self.forgotten += lost.len() as u64;
        lost.iter().for_each(|booking| self.ended(*booking));
        let told = lost.iter().map(|booking| {
            (booked::KEPT, format!("booking {booking:016x} was confirmed, and is not in the store any more"))
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESK: ServiceId = ServiceId(1);

    fn confirmed(booking: u64, unit: u64) -> BookingFact {
        BookingFact::Confirmed { booking, units: vec![(unit, 1, 1)], name: |unit| format!("seat {unit}") }
    }

    fn ids(broken: &[Broken]) -> Vec<&'static str> {
        broken.iter().map(|(id, _)| *id).collect()
    }

    #[test]
    fn a_seat_that_two_were_told_is_theirs_is_seen_and_one_that_was_given_up_is_not() {
        let mut books = Bookings::default();
        assert_eq!(ids(&books.note(DESK, confirmed(1, 7))), [""; 0]);
        assert_eq!(ids(&books.note(DESK, confirmed(1, 7))), [""; 0], "told again");
        assert_eq!(ids(&books.note(ServiceId(2), confirmed(3, 7))), [""; 0], "another house");
        assert_eq!(ids(&books.note(DESK, confirmed(2, 7))), [booked::ONCE]);
        for booking in [1, 2] {
            books.note(DESK, BookingFact::Ended { booking });
        }
        assert_eq!(ids(&books.note(DESK, confirmed(4, 7))), [""; 0]);
    }

    #[test]
    fn units_are_found_whatever_ended_before_them() {
        let mut told = Told::default();
        for booking in 0..100u64 {
            told.add(booking, (0..booking % 4).map(|unit| (booking << 8 | unit, 1)));
            if let Some(former) = booking.checked_sub(7) {
                let mut seen = Vec::new();
                told.remove(former, |unit, _| seen.push(unit));
                assert_eq!(seen, (0..former % 4).map(|unit| former << 8 | unit).collect::<Vec<_>>());
                assert!(!told.has(former));
            }
            assert!(told.units.len() <= 2 * 3 * 8, "{} units of 7 bookings", told.units.len());
        }
    }

    #[test]
    fn what_is_gone_after_a_crash_is_seen_once() {
        let mut books = Bookings::default();
        books.note(DESK, confirmed(1, 7));
        books.note(DESK, confirmed(2, 8));
        let found = |owned: &[u64]| BookingFact::Found { owned: owned.iter().copied().collect() };
        assert_eq!(ids(&books.note(DESK, found(&[2]))), [booked::KEPT]);
        assert_eq!(ids(&books.note(DESK, found(&[2]))), [""; 0]);
    }
}
