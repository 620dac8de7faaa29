//! A hall: rows of seats in sections with prices, the best seats that are free, and the rule that nobody leaves a single
//! seat between others. Knows no bookings.

use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// A show, by its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShowId(pub u32);

/// A seat of a hall: row and number, both from 0; row 0 is the nearest to the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seat {
    /// The row.
    pub row: u16,
    /// The number within it.
    pub number: u16,
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} seat {}", self.row + 1, u32::from(self.number) + 1)
    }
}

/// What is sold: a seat of a show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShowSeat {
    /// Of which show.
    pub show: ShowId,
    /// Which.
    pub seat: Seat,
}

/// A row of seats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatRow {
    /// How many there are.
    pub seats: u16,
    /// In which section.
    pub section: u16,
    /// Numbers behind which an aisle is: those to the left and right of it are no neighbours.
    pub aisles_after: Vec<u16>,
}

/// What is wrong with a hall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// No rows, or rows without seats.
    Empty,
    /// This row is in a section that has no price.
    Section(u16),
    /// A price below zero.
    Price,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::Empty => f.write_str("a hall has rows, and rows have seats"),
            MapError::Section(row) => write!(f, "row {row} is in a section without a price: add one"),
            MapError::Price => f.write_str("a price is not below zero"),
        }
    }
}

impl std::error::Error for MapError {}

/// A hall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatMap {
    rows: Vec<SeatRow>,
    price_minor: Vec<i64>,
    seats: u32,
}

impl SeatMap {
    /// A hall of these rows, with a price by section.
    ///
    /// # Errors
    /// [`MapError`].
    pub fn new(rows: Vec<SeatRow>, price_minor: Vec<i64>) -> Result<SeatMap, MapError> {
        if rows.is_empty() || rows.len() > usize::from(u16::MAX) || rows.iter().any(|row| row.seats == 0) {
            return Err(MapError::Empty);
        }
        if price_minor.iter().any(|minor| *minor < 0) {
            return Err(MapError::Price);
        }
        for (row, number) in rows.iter().zip(0..) {
            if usize::from(row.section) >= price_minor.len() {
                return Err(MapError::Section(number));
            }
        }
        let seats = rows.iter().fold(0u32, |sum, row| sum.saturating_add(u32::from(row.seats)));
        Ok(SeatMap { rows, price_minor, seats })
    }

    /// A hall of equal rows in one section.
    ///
    /// # Errors
    /// [`MapError`].
    pub fn even(rows: u16, seats: u16, price_minor: i64) -> Result<SeatMap, MapError> {
        let row = SeatRow { seats, section: 0, aisles_after: Vec::new() };
        SeatMap::new(vec![row; usize::from(rows)], vec![price_minor])
    }

    /// How many seats there are.
    pub const fn seats(&self) -> u32 {
        self.seats
    }

    /// All seats, row by row.
    pub fn all(&self) -> impl Iterator<Item = Seat> {
        let rows = self.rows.iter().zip(0u16..);
        rows.flat_map(|(row, number)| (0..row.seats).map(move |seat| Seat { row: number, number: seat }))
    }

    /// Whether there is such a seat.
    pub fn has(&self, seat: Seat) -> bool {
        self.rows.get(usize::from(seat.row)).is_some_and(|row| seat.number < row.seats)
    }

    /// What a seat costs; `None` if there is no such seat.
    pub fn price_minor(&self, seat: Seat) -> Option<i64> {
        let row = self.rows.get(usize::from(seat.row)).filter(|row| seat.number < row.seats)?;
        self.price_minor.get(usize::from(row.section)).copied()
    }

    /// The seats beside one, to its left and to its right, without one beyond an aisle.
    pub fn beside(&self, seat: Seat) -> [Option<Seat>; 2] {
        let Some(row) = self.rows.get(usize::from(seat.row)) else { return [None, None] };
        let has_aisle = |number: u16| row.aisles_after.contains(&number);
        let left = seat.number.checked_sub(1).filter(|left| !has_aisle(*left));
        let right = seat.number.checked_add(1).filter(|right| *right < row.seats && !has_aisle(seat.number));
        [left, right].map(|number| number.map(|number| Seat { number, ..seat }))
    }

    /// A free seat that would be left alone between others, walls or aisles if these seats were taken, and has
    /// somebody to talk to now; `None` if there is none.
    pub fn left_alone(&self, taken: &[Seat], is_free: &mut dyn FnMut(Seat) -> bool) -> Option<Seat> {
        let neighbours = taken.iter().flat_map(|seat| self.beside(*seat)).flatten();
        for seat in neighbours {
            if taken.contains(&seat) || !is_free(seat) {
                continue;
            }
            let mut is_open =
                |beside: Option<Seat>| beside.is_some_and(|seat| !taken.contains(&seat) && is_free(seat));
            let [left, right] = self.beside(seat);
            if !is_open(left) && !is_open(right) {
                return Some(seat);
            }
        }
        None
    }

    /// So many seats beside each other, as far in the middle as there are any; `None` if no row has so many. With
    /// `no_gaps` only such that leave nobody alone.
    pub fn best(
        &self,
        count: u16,
        section: Option<u16>,
        no_gaps: bool,
        is_free: &mut dyn FnMut(Seat) -> bool,
    ) -> Option<Vec<Seat>> {
        let mut best: Option<(u64, u16, u16)> = None;
        for (row, number) in self.rows.iter().zip(0u16..) {
            if count == 0 || row.seats < count || section.is_some_and(|section| section != row.section) {
                continue;
            }
            for first in from_the_middle(row.seats - count) {
                let distance = self.distance(number, first, count, row.seats);
                if best.is_some_and(|(least, _, _)| least <= distance) {
                    break; // the others of this row are no nearer
                }
                let last = first + (count - 1);
                let is_split = row.aisles_after.iter().any(|aisle| (first..last).contains(aisle));
                let mut seats = (first..=last).map(|seat| Seat { row: number, number: seat });
                if is_split || !seats.all(&mut *is_free) {
                    continue;
                }
                if !no_gaps || self.left_alone(&block(number, first, count), is_free).is_none() {
                    best = Some((distance, number, first));
                }
            }
        }
        best.map(|(_, row, first)| block(row, first, count))
    }

    /// How far a block is from the best place, which is in the middle of the row two thirds back.
    fn distance(&self, row: u16, first: u16, count: u16, seats: u16) -> u64 {
        let best_row = self.rows.len() as u64 * 2 / 3;
        let off_row = u64::from(row).abs_diff(best_row);
        let twice_middle = u64::from(first) * 2 + u64::from(count);
        let off_middle = twice_middle.abs_diff(u64::from(seats));
        off_row * 4 + off_middle
    }
}

fn block(row: u16, first: u16, count: u16) -> Vec<Seat> {
    (first..first.saturating_add(count)).map(|number| Seat { row, number }).collect()
}

/// Where a block may begin, 0 to `last`: those nearest to the middle first, and of two the one to the left.
fn from_the_middle(last: u16) -> impl Iterator<Item = u16> {
    let middle = last.is_multiple_of(2).then_some(last / 2);
    let to_the_left = (0..last.div_ceil(2)).rev();
    let pairs = to_the_left.flat_map(move |left| [left, last - left]);
    middle.into_iter().chain(pairs)
}

/// A show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Show {
    /// In this hall.
    pub map: Arc<SeatMap>,
    /// When it begins; from then on nothing is sold.
    pub starts_at: Time,
    /// Whether a booking may leave a single seat between others.
    pub allows_gaps: bool,
    /// Seats that are never sold: pillars, the house's own.
    pub blocked: BTreeSet<Seat>,
}

/// The goods of a box office: its shows.
#[derive(Clone, Debug, Default)]
pub struct Theatre {
    pub(super) shows: BTreeMap<ShowId, Show>,
}

impl Theatre {
    /// Without shows.
    pub fn new() -> Theatre {
        Theatre::default()
    }

    /// With one more show, or one that replaces it.
    #[must_use]
    pub fn with(mut self, id: ShowId, show: Show) -> Theatre {
        self.shows.insert(id, show);
        self
    }

    /// A show.
    pub fn show(&self, id: ShowId) -> Option<&Show> {
        self.shows.get(&id)
    }
}

impl crate::booking::Goods for Theatre {
    type Unit = ShowSeat;
    type Detail = ShowId;

    fn limit(&self, unit: ShowSeat) -> u32 {
        let show = self.shows.get(&unit.show);
        u32::from(show.is_some_and(|show| show.map.has(unit.seat) && !show.blocked.contains(&unit.seat)))
    }

    fn is_exclusive(&self, _unit: ShowSeat) -> bool {
        true
    }

    fn admits(
        &self,
        ask: &crate::booking::Ask<ShowSeat, ShowId>,
        row: &mut dyn FnMut(ShowSeat) -> crate::booking::UnitRow,
    ) -> Result<(), crate::booking::Refusal> {
        use crate::booking::Refusal;
        let show = self.shows.get(&ask.detail).ok_or(Refusal::Unknown)?;
        if ask.quantity != 1 || ask.units.iter().any(|unit| unit.show != ask.detail) {
            return Err(Refusal::Malformed);
        }
        if show.allows_gaps {
            return Ok(());
        }
        let seats: Vec<Seat> = ask.units.iter().map(|unit| unit.seat).collect();
        let mut is_free = |seat| {
            let unit = ShowSeat { show: ask.detail, seat };
            row(unit).free(self.limit(unit)) > 0
        };
        show.map.left_alone(&seats, &mut is_free).map_or(Ok(()), |_| Err(Refusal::LeavesGap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(row: u16, numbers: &[u16]) -> Vec<Seat> {
        numbers.iter().map(|number| Seat { row, number: *number }).collect()
    }

    #[test]
    fn the_best_seats_are_beside_each_other_in_the_middle_two_thirds_back() {
        let hall = SeatMap::even(9, 10, 500).expect("it has seats");
        assert_eq!(hall.best(2, None, true, &mut |_| true), Some(seats(6, &[4, 5])));
        assert_eq!(
            hall.best(2, None, true, &mut |seat| seat.row != 6 || seat.number < 3),
            Some(seats(5, &[4, 5]))
        );
        assert_eq!(hall.best(11, None, false, &mut |_| true), None, "no row is so long");
        assert_eq!(hall.best(0, None, false, &mut |_| true), None);
        let lone = |seat: Seat| seat.row == 0 && seat.number < 3;
        assert_eq!(hall.best(2, None, true, &mut { lone }), None, "one seat would be left");
        assert_eq!(hall.best(2, None, false, &mut { lone }), Some(seats(0, &[1, 2])));
        assert_eq!(hall.best(3, None, true, &mut { lone }), Some(seats(0, &[0, 1, 2])));
    }

    #[test]
    fn an_aisle_is_a_wall_between_seats() {
        let row = SeatRow { seats: 6, section: 0, aisles_after: vec![2] };
        let hall = SeatMap::new(vec![row], vec![900]).expect("it has seats");
        assert_eq!(hall.beside(Seat { row: 0, number: 2 }), [Some(Seat { row: 0, number: 1 }), None]);
        assert_eq!(hall.beside(Seat { row: 0, number: 3 }), [None, Some(Seat { row: 0, number: 4 })]);
        assert_eq!(hall.best(4, None, false, &mut |_| true), None);
        assert_eq!(
            hall.left_alone(&seats(0, &[0, 1]), &mut |_| true),
            Some(Seat { row: 0, number: 2 }),
            "between them and the aisle"
        );
    }

    #[test]
    fn a_hall_that_cannot_be_is_refused() {
        assert_eq!(SeatMap::even(0, 5, 1), Err(MapError::Empty));
        assert_eq!(SeatMap::even(1, 0, 1), Err(MapError::Empty));
        assert_eq!(SeatMap::even(1, 1, -1), Err(MapError::Price));
        let row = SeatRow { seats: 1, section: 1, aisles_after: Vec::new() };
        assert_eq!(SeatMap::new(vec![row], vec![5]), Err(MapError::Section(0)));
    }
}
