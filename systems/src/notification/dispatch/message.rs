//! What a dispatcher is told and what it wants done. Plain data; never decides.

use crate::notification::cluster::{Gossip, PeerId};
use crate::notification::interval::WallClock;
use crate::notification::label::Labels;
use crate::notification::silence::{Silence, SilenceError};
use crate::store::StoreError;
use crate::time::Time;
use std::fmt;
use std::sync::Arc;

/// Something is wrong, or no longer is. The labels are what it is known by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alert {
    /// What it is known by.
    pub labels: Labels,
    /// What people want to read about it.
    pub annotations: Labels,
    /// When it is over; one that does not say is over
    /// [`resolve_timeout`](super::DispatchConfig::resolve_timeout) after it was last heard of.
    pub ends_at: Option<Time>,
}

/// The name of a notification: never used twice by the dispatchers over one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotificationId {
    /// The number of its group.
    pub group: u64,
    /// Its own number.
    pub number: u64,
}

/// Why a receiver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It knows nothing of the group yet.
    First,
    /// An alert is firing that it does not know of.
    NewAlerts,
    /// Alerts it knows of are over.
    Resolved,
    /// Nothing has changed for the repeat interval.
    Repeat,
}

/// What a receiver is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Its name.
    pub id: NotificationId,
    /// Which attempt; 1 is the first.
    pub attempt: u32,
    /// Who is told.
    pub receiver: String,
    /// The key of the group's route and its labels.
    pub group: String,
    /// The labels by which the group was put together.
    pub group_labels: Labels,
    /// At which tick of the group.
    pub at: Time,
    /// Why.
    pub reason: Reason,
    /// What is firing.
    pub firing: Vec<Arc<Alert>>,
    /// What the receiver knows as firing and is over.
    pub resolved: Vec<Arc<Alert>>,
}

impl Notification {
    /// The same for every node that tells the same of the same tick: a receiver that is given it twice may drop one.
    pub fn idempotency_key(&self) -> String {
        let sum = |alerts: &[Arc<Alert>]| {
            alerts
                .iter()
                .fold(0u64, |sum, alert| sum.wrapping_mul(31).wrapping_add(alert.labels.fingerprint()))
        };
        let (firing, resolved) = (sum(&self.firing), sum(&self.resolved));
        format!("{}/{}/{}/{firing:016x}/{resolved:016x}", self.receiver, self.group, self.at.as_nanos())
    }
}

/// What happens to a dispatcher.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// An alert fires, fires still, or is over.
    Alert(Alert),
    /// A silence is made or changed.
    SetSilence(Silence),
    /// A silence is ended.
    ExpireSilence {
        /// Which.
        id: String,
    },
    /// A receiver was told.
    Delivered(NotificationId),
    /// It was not.
    Failed {
        /// What.
        id: NotificationId,
        /// Whether to try again.
        retryable: bool,
    },
    /// Another node tells.
    Gossip {
        /// Which.
        from: PeerId,
        /// What.
        gossip: Gossip,
    },
    /// The wall clock was set.
    SetClock(WallClock),
}

/// What a dispatcher wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Tell a receiver, and say how it went.
    Notify(Notification),
    /// A notification is not tried again before the next tick.
    GaveUp(NotificationId),
    /// Tell another node. What is lost is told again.
    Gossip {
        /// Whom.
        to: PeerId,
        /// What.
        gossip: Gossip,
    },
}

/// Why an input changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// An alert without labels cannot be told from another.
    NoLabels,
    /// There is no room for more alerts.
    TooManyAlerts,
    /// The silence is refused.
    Silence(SilenceError),
    /// No notification of this name is under way: it is over, or another took its place.
    UnknownNotification(NotificationId),
    /// The store failed: open it again, and the dispatcher from it.
    Store(StoreError),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::NoLabels => f.write_str("an alert needs at least one label with a value"),
            Rejected::TooManyAlerts => f.write_str("there are max_alerts alerts: raise it, or group less"),
            Rejected::Silence(error) => error.fmt(f),
            Rejected::UnknownNotification(id) => write!(f, "notification {} is not under way", id.number),
            Rejected::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Rejected {}
