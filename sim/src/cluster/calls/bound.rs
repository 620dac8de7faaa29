//! The bound on the attempts of one call that are under way, found from how they fare. Stands between the rate limit
//! and the bulkhead; refuses at once and never makes anybody wait, so that waits further on are part of what it sees.

use std::collections::BTreeMap;

use foreshock_systems::rate_limiter::concurrency::{CallOutcome, InFlight};

use super::super::concurrency::{ConcurrencyBound, Entered};
use super::super::core::Engine;
use super::super::slab::Ref;
use super::AttemptEnd;
use crate::kernel::time::Time;
use crate::measure::{BoundVerdict, OutcomeKind};
use crate::scenario::plan::ConcurrencyPlan;

/// The bound of one edge at one caller replica, with the places that its attempts hold.
#[derive(Debug)]
pub(crate) struct CallBound {
    bound: ConcurrencyBound,
    /// By the slot of the attempt.
    places: BTreeMap<u32, InFlight>,
}

impl CallBound {
    fn new(bound: ConcurrencyBound) -> CallBound {
        CallBound { bound, places: BTreeMap::new() }
    }

    /// Follows new settings. Of attempts under way a bound of another kind knows nothing.
    pub(super) fn follow(
        held: &mut Option<Box<CallBound>>,
        former: Option<ConcurrencyPlan>,
        plan: Option<ConcurrencyPlan>,
    ) {
        if former == plan {
            return;
        }
        let goes_on = matches!((former, plan), (Some(former), Some(plan)) if former.kind == plan.kind);
        let before = held.take();
        let places = before.map(|before| (Some(before.bound), before.places));
        let (mut bound, places) = places.unwrap_or_default();
        ConcurrencyBound::follow(&mut bound, plan);
        *held = bound.map(|bound| {
            let places = if goes_on { places } else { BTreeMap::new() };
            Box::new(CallBound { bound, places })
        });
    }

    /// What the bound has come to: now, and at its lowest.
    pub(crate) const fn levels(&self) -> (u32, u32) {
        (self.bound.limit(), self.bound.lowest())
    }

    /// A new process knows nothing of what the former one had learned.
    pub(crate) fn restart(&mut self, plan: ConcurrencyPlan) {
        *self = CallBound::new(ConcurrencyBound::new(plan, Some(self.bound.lowest())));
    }

    fn enter(&mut self, attempt: Ref, local: Time) -> BoundVerdict {
        match self.bound.enter(local) {
            Entered::Inside(place) => {
                self.places.insert(attempt.slot(), place);
                BoundVerdict::Passed
            }
            Entered::Uncounted => BoundVerdict::WouldRefuse,
            Entered::Refused => BoundVerdict::Refused,
        }
    }

    /// An attempt is over, however it ended.
    pub(super) fn leave(&mut self, attempt: Ref, local: Time, outcome: OutcomeKind) {
        if let Some(place) = self.places.remove(&attempt.slot()) {
            self.bound.leave(local, place, fared(outcome));
        }
    }
}

/// What the end of an attempt tells a bound. Whoever ran out of patience waited in vain; who failed early did not wait.
fn fared(outcome: OutcomeKind) -> CallOutcome {
    if outcome == OutcomeKind::Ok {
        CallOutcome::Completed
    } else if outcome == OutcomeKind::Abandoned || outcome.is_overload() {
        CallOutcome::Dropped
    } else {
        CallOutcome::Ignored
    }
}

impl Engine<'_> {
    /// An attempt has its turn: is there room for one more under way?
    pub(super) fn enter_bound(&mut self, attempt: Ref) {
        let Some((index, owner)) = self.caller_of(attempt) else { return };
        let local = self.core.nodes[owner.index()].clock.local(self.now);
        let state = &mut self.core.edge_states[index];
        let Some(bound) = &mut state.bound else { return self.enter_bulkhead(attempt) };
        let verdict = bound.enter(attempt, local);
        self.core.recorder.call_bounded(state.edge, verdict, self.now);
        match verdict {
            BoundVerdict::Passed | BoundVerdict::WouldRefuse => self.enter_bulkhead(attempt),
            BoundVerdict::Refused => {
                self.end_attempt(attempt, AttemptEnd::early(OutcomeKind::ConcurrencyLimited));
            }
        }
    }
}
