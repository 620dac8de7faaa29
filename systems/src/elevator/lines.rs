//! Who waits where: a line for each button, in the order of arrival. Knows nothing of cars.

use super::model::{Direction, Floor, HallCall, Rider};
use std::collections::VecDeque;

/// The lines of all floors.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    /// By floor, up before down: a place for each button, so that a step allocates nothing.
    lines: Vec<VecDeque<Rider>>,
    waiting: u64,
}

impl Lines {
    pub(super) fn new(floors: u16) -> Lines {
        Lines { lines: vec![VecDeque::new(); usize::from(floors) * 2], waiting: 0 }
    }

    /// How many wait.
    pub(super) const fn waiting(&self) -> u64 {
        self.waiting
    }

    /// How many wait, line by line: what [`Lines::waiting`] has to say.
    pub(super) fn counted(&self) -> u64 {
        self.lines.iter().map(|line| line.len() as u64).sum()
    }

    /// The line at a button.
    pub(super) fn of(&self, call: HallCall) -> &VecDeque<Rider> {
        &self.lines[place(call)]
    }

    pub(super) fn join(&mut self, call: HallCall, rider: Rider) {
        self.lines[place(call)].push_back(rider);
        self.waiting += 1;
    }

    /// Somebody leaves a line, named by the place in it.
    pub(super) fn leave(&mut self, call: HallCall, position: usize) -> Option<Rider> {
        let rider = self.lines[place(call)].remove(position)?;
        self.waiting -= 1;
        Some(rider)
    }

    /// The buttons at which somebody waits.
    pub(super) fn calls(&self) -> impl Iterator<Item = HallCall> {
        self.lines.iter().enumerate().filter(|(_, line)| !line.is_empty()).map(|(place, _)| call(place))
    }

    /// Everybody, with the button at which they wait.
    pub(super) fn riders(&self) -> impl Iterator<Item = (HallCall, &Rider)> {
        let lines = self.lines.iter().enumerate();
        lines.flat_map(|(place, line)| line.iter().map(move |rider| (call(place), rider)))
    }

    pub(super) fn riders_mut(&mut self) -> impl Iterator<Item = &mut Rider> {
        self.lines.iter_mut().flatten()
    }

    pub(super) fn riders_at_mut(&mut self, call: HallCall) -> impl Iterator<Item = &mut Rider> {
        self.lines[place(call)].iter_mut()
    }
}

const fn place(call: HallCall) -> usize {
    call.floor.0 as usize * 2 + matches!(call.direction, Direction::Down) as usize
}

const fn call(place: usize) -> HallCall {
    let direction = if place.is_multiple_of(2) { Direction::Up } else { Direction::Down };
    HallCall { floor: Floor((place / 2) as u16), direction }
}
