//! Calls, in the order of floors: those of a car, and those of the bank with the car that has each. There are few at a
//! time, so they lie side by side.

use super::model::{CarId, HallCall};

/// Calls that a car was given.
#[derive(Clone, Debug, Default)]
pub(super) struct CarCalls(Vec<HallCall>);

impl CarCalls {
    pub(super) fn contains(&self, call: HallCall) -> bool {
        self.0.contains(&call)
    }

    pub(super) fn insert(&mut self, call: HallCall) {
        if let Err(place) = self.0.binary_search(&call) {
            self.0.insert(place, call);
        }
    }

    pub(super) fn remove(&mut self, call: HallCall) {
        if let Ok(place) = self.0.binary_search(&call) {
            self.0.remove(place);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = HallCall> {
        self.0.iter().copied()
    }

    /// Takes all of them.
    pub(super) fn take(&mut self) -> Vec<HallCall> {
        std::mem::take(&mut self.0)
    }
}

/// Every call that the dispatcher knows, and the car that has it.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownCalls(Vec<(HallCall, Option<CarId>)>);

impl KnownCalls {
    fn find(&self, call: HallCall) -> Result<usize, usize> {
        self.0.binary_search_by_key(&call, |(known, _)| *known)
    }

    pub(super) fn contains(&self, call: HallCall) -> bool {
        self.find(call).is_ok()
    }

    /// The car that has a call.
    pub(super) fn car_of(&self, call: HallCall) -> Option<CarId> {
        self.find(call).ok().and_then(|place| self.0[place].1)
    }

    /// A call that has no car yet, unless it is known.
    pub(super) fn press(&mut self, call: HallCall) {
        if let Err(place) = self.find(call) {
            self.0.insert(place, (call, None));
        }
    }

    /// Gives a call that is known to a car, or takes it from the one that has it.
    pub(super) fn assign(&mut self, call: HallCall, car: Option<CarId>) {
        if let Ok(place) = self.find(call) {
            self.0[place].1 = car;
        }
    }

    pub(super) fn remove(&mut self, call: HallCall) {
        if let Ok(place) = self.find(call) {
            self.0.remove(place);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether some have no car.
    pub(super) fn are_open(&self) -> bool {
        self.0.iter().any(|(_, car)| car.is_none())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (HallCall, Option<CarId>)> {
        self.0.iter().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn at(&self, place: usize) -> (HallCall, Option<CarId>) {
        self.0[place]
    }
}
