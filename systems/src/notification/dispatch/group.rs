//! One group: alerts that are told together, its ticks, and what is under way. Knows no silence and no other group.

use super::message::{Alert, Notification};
use crate::notification::label::Labels;
use crate::notification::route::RouteId;
use crate::time::{Span, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An alert of a group.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) alert: Arc<Alert>,
    pub(super) fingerprint: u64,
    pub(super) ends_at: Time,
}

/// A notification that was handed out.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    pub(super) notification: Notification,
    /// When it counts as failed, or is tried again.
    pub(super) due: Time,
    /// Whether it has failed and waits for another attempt.
    pub(super) is_waiting: bool,
    /// The pause before the attempt under way, and the random word that made it.
    pub(super) pause: (Span, u64),
}

impl InFlight {
    /// Whether it says that just these are firing, and these over.
    pub(super) fn says(&self, firing: &[Arc<Alert>], resolved: &[Arc<Alert>]) -> bool {
        let same = |a: &[Arc<Alert>], b: &[Arc<Alert>]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.labels == b.labels)
        };
        same(&self.notification.firing, firing) && same(&self.notification.resolved, resolved)
    }
}

/// Alerts as they were before, and whether they were over.
pub(super) type Before = BTreeMap<Labels, bool>;

/// The alerts of a tick that waits for nodes before this one.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) tick: Time,
    pub(super) until: Time,
    pub(super) members: Before,
}

/// A group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) route: RouteId,
    pub(super) labels: Labels,
    /// The route's key and the labels: how the log calls it.
    pub(super) key: String,
    pub(super) members: BTreeMap<Labels, Member>,
    pub(super) next_tick: Time,
    pub(super) waiting: Option<Waiting>,
    pub(super) in_flight: Option<InFlight>,
    /// Under which time it stands among the timers.
    pub(super) timer: Time,
}

impl Group {
    /// When something is due.
    pub(super) fn due(&self) -> Time {
        let waiting = self.waiting.as_ref().map_or(Time::MAX, |waiting| waiting.until);
        let in_flight = self.in_flight.as_ref().map_or(Time::MAX, |in_flight| in_flight.due);
        self.next_tick.min(waiting).min(in_flight)
    }

    /// The tick that is due, and the next one: after `now`, however late it is.
    pub(super) fn take_tick(&mut self, now: Time, interval: Span) -> Time {
        let tick = self.next_tick;
        let missed = now.since(tick).as_nanos() / interval.as_nanos().max(1);
        self.next_tick = tick + interval.saturating_mul(missed.saturating_add(1));
        // However late: the last tick that is over is the one that is taken.
        tick + interval.saturating_mul(missed)
    }
}
