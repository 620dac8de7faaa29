//! The sign before a gate: the lot is asked now and then whether it is full, and drivers who read that it is go
//! elsewhere. It is as old as the last answer; a lot that does not answer leaves it as it was.

use foreshock_systems::parking_lot::VehicleKind;

use super::wire::Ask;
use crate::cluster::{CallSpec, Cx, Done, Ref};
use crate::kernel::draw::{Lineage, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;
use crate::scenario::plan::EdgeId;

/// The token of a call that asks for what the sign shows.
pub(super) const SIGNS: u64 = u64::MAX - 2;

#[derive(Default)]
pub(super) struct Sign {
    /// A bit for each kind of vehicle that there is no spot for.
    full: u64,
    asks_at: Option<Time>,
    is_asking: bool,
    asked: u64,
    turned_away: u64,
}

impl Sign {
    /// When it asks next.
    pub(super) const fn deadline(&self) -> Option<Time> {
        self.asks_at
    }

    /// The gate has come up, or its settings have changed: `every` so often it asks from now on, or never.
    pub(super) fn begin(&mut self, now: Time, every: Option<Span>) {
        self.asks_at = every.map(|_| now);
        if every.is_none() {
            self.full = 0;
        }
    }

    /// Asks the lot, if it is time to.
    pub(super) fn ask(&mut self, local: Time, every: Option<Span>, edge: EdgeId, cx: &mut Cx<'_>) {
        let Some(every) = every.filter(|_| self.asks_at.is_some_and(|at| at <= local)) else { return };
        self.asks_at = Some(local + every);
        if self.is_asking {
            return;
        }
        self.is_asking = true;
        self.asked += 1;
        let lineage = Lineage::root(cx.name_of(cx.node()), self.asked).call(name_hash("sign"), 0);
        let arguments = Ask::Sign.arguments();
        let spec = CallSpec { arguments, token: SIGNS, ..CallSpec::of_its_own(edge, lineage, cx.now()) };
        cx.call(spec, Ref::NONE);
    }

    pub(super) fn heard(&mut self, done: &Done) {
        self.is_asking = false;
        if done.outcome == OutcomeKind::Ok {
            self.full = done.value;
        }
    }

    /// The process has ended: the lamp is dark until the lot has answered.
    pub(super) fn crash(&mut self) {
        (self.full, self.is_asking) = (0, false);
    }

    /// Whether who comes with such a vehicle reads that it is full, and goes.
    pub(super) fn turns_away(&mut self, kind: VehicleKind) -> bool {
        if self.full & bit(kind) == 0 {
            return false;
        }
        self.turned_away += 1;
        true
    }

    pub(super) const fn turned_away(&self) -> u64 {
        self.turned_away
    }
}

/// What the sign says of one kind.
pub(super) const fn bit(kind: VehicleKind) -> u64 {
    1 << kind as u64
}
