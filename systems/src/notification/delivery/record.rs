//! A message as it is kept, and the states it goes through. Never decides.

use super::DigestKey;
use super::config::{CategoryId, Channel, ProviderId};
use super::message::{MessageId, RecipientId, TenantId};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Suppression {
    /// The recipient does not want it.
    OptedOut,
    /// It fell into quiet hours, and its category does not wait.
    QuietHours,
    /// The recipient had enough.
    Throttled,
    /// It was called off.
    Cancelled,
}

/// How a message failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FailureKind {
    /// No provider took it, as often as they were asked.
    Exhausted,
    /// It was refused for what it is.
    Refused,
    /// Nobody knows whether it was taken, and asking on could deliver it twice, or did not help.
    Uncertain,
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DeliveryState {
    /// It waits: for its time, in the queue, or for another attempt.
    Queued,
    /// A provider was given it and has not answered.
    Sending,
    /// A provider took it; a receipt will come.
    Sent,
    /// It has arrived.
    Delivered,
    /// The address does not exist.
    Bounced,
    /// It did not arrive, or nobody said so in time.
    Undelivered,
    /// It was shown.
    Seen,
    /// It was read.
    Read,
    /// No provider has it.
    Failed(FailureKind),
    /// It was worth nothing any more.
    Expired,
    /// It was not sent on purpose.
    Suppressed(Suppression),
}

/// Where a message is counted. Every accepted event of a message is in exactly one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Account {
    /// Not done with.
    Pending,
    /// Arrived, and perhaps more.
    Delivered,
    /// Not arrived.
    Failed,
    /// Too late.
    Expired,
    /// Not sent on purpose.
    Suppressed,
}

impl DeliveryState {
    /// Where it is counted.
    pub const fn account(self) -> Account {
        match self {
            DeliveryState::Queued | DeliveryState::Sending | DeliveryState::Sent => Account::Pending,
            DeliveryState::Delivered | DeliveryState::Seen | DeliveryState::Read => Account::Delivered,
            DeliveryState::Bounced | DeliveryState::Undelivered | DeliveryState::Failed(_) => Account::Failed,
            DeliveryState::Expired => Account::Expired,
            DeliveryState::Suppressed(_) => Account::Suppressed,
        }
    }
}

/// One trigger, as far as one message tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) trigger: String,
    pub(super) facts: BTreeMap<String, String>,
    pub(super) expires_ns: u64,
    pub(super) cancellation_key: Option<String>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) id: MessageId,
    pub(super) tenant: TenantId,
    pub(super) recipient: RecipientId,
    pub(super) category: CategoryId,
    pub(super) channel: Channel,
    pub(super) ladder: u8,
    pub(super) rung: u8,
    pub(super) priority: u8,
    pub(super) template_version: u32,
    pub(super) state: DeliveryState,
    pub(super) events: Vec<Event>,
    /// The key of the digest that is still open for more.
    pub(super) open_digest: Option<String>,
    /// While it waits: until when. In the queue: zero.
    pub(super) until_ns: u64,
    /// Since when it has been ready, for its place in the queue.
    pub(super) ready_ns: u64,
    /// How often it was handed out.
    pub(super) attempts: u32,
    /// How often all providers were asked.
    pub(super) rounds: u32,
    /// Which provider of the channel is next.
    pub(super) next_provider: u8,
    /// Who has it, or may have it.
    pub(super) provider: Option<ProviderId>,
    /// Whether that provider may have delivered it, so that no other may be asked.
    pub(super) is_uncertain: bool,
    /// When the next rung is taken; the end of time if it is not.
    pub(super) escalate_ns: u64,
    /// Whether the next rung was taken.
    pub(super) has_escalated: bool,
    /// Whether it was called off while a provider had it: no further attempt.
    pub(super) is_cancelled: bool,
    /// Whether the throttle has let it through.
    pub(super) is_cleared: bool,
    /// Whether it waits for quiet hours to end.
    pub(super) is_deferred: bool,
    /// When it may be forgotten, once it is done with.
    pub(super) forget_ns: u64,
    /// Under which time it stands among the timers; the end of time is none.
    #[serde(skip)]
    pub(super) timer: Time,
}

impl Message {
    /// When all of it has expired.
    pub(super) fn expires_at(&self) -> Time {
        Time::from_nanos(self.events.iter().map(|event| event.expires_ns).max().unwrap_or(u64::MAX))
    }

    /// Of the digest that is still open for more.
    pub(super) fn digest_key(&self) -> Option<DigestKey> {
        let key = self.open_digest.clone()?;
        Some((self.tenant, self.recipient, self.category, self.channel, key))
    }

    /// No more comes; the key under which more would have come.
    pub(super) fn close_digest(&mut self) -> Option<DigestKey> {
        let key = self.digest_key();
        self.open_digest = None;
        key
    }

    /// What a provider tells it from others by.
    pub(super) fn idempotency_key(&self) -> String {
        let first = self.events.first().map_or("", |event| event.trigger.as_str());
        format!("{first}/{}/{}", self.recipient.0, self.channel.name())
    }

    /// Its place in the queue of its channel, if it is in it.
    pub(super) fn place(&self) -> Option<(u8, Time)> {
        let is_ready = self.state == DeliveryState::Queued && !self.is_waiting();
        is_ready.then_some((self.priority, Time::from_nanos(self.ready_ns)))
    }

    pub(super) const fn is_waiting(&self) -> bool {
        self.until_ns > 0
    }

    /// When something is due.
    pub(super) fn due(&self) -> Time {
        let expires = self.expires_at();
        let until = if self.is_waiting() { self.until_ns } else { u64::MAX };
        let due = match self.state {
            DeliveryState::Queued => until.min(expires.as_nanos()),
            DeliveryState::Sending | DeliveryState::Sent => until,
            DeliveryState::Delivered
            | DeliveryState::Bounced
            | DeliveryState::Undelivered
            | DeliveryState::Seen
            | DeliveryState::Read
            | DeliveryState::Failed(_)
            | DeliveryState::Expired
            | DeliveryState::Suppressed(_) => self.forget_ns,
        };
        Time::from_nanos(due.min(self.escalate_ns))
    }
}
