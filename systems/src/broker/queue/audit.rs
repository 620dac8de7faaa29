//! The invariants of a queue: its messages against its own indexes, and what it says against what it has said. Changes
//! nothing.

use super::message::{Delivery, Handle, MessageId, QueueOutput};
use super::state::Place;
use super::steps::Queue;
use crate::store::Store;
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// An invariant that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueViolation {
    /// Somebody received what another one had.
    TwoHolders(MessageId),
    /// A message was deleted by a void handle.
    StaleDelete(MessageId),
    /// A message was received more often than it may be.
    TooManyReceives(MessageId),
    /// A message of a group was received before an earlier one was done.
    Overtaken(MessageId),
    /// A message that was never sent, or had ended.
    Unknown(MessageId),
    /// Messages sent are not those that live, are dead, were deleted or have expired.
    Lost {
        /// Ever sent.
        sent: u64,
        /// Live, dead or ended.
        accounted: u64,
    },
    /// An index does not say what the messages say.
    Index(&'static str),
}

impl fmt::Display for QueueViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueueViolation::TwoHolders(MessageId(id)) => {
                write!(f, "message {id} was received by two at once")
            }
            QueueViolation::StaleDelete(MessageId(id)) => {
                write!(f, "message {id} was deleted by a void handle")
            }
            QueueViolation::TooManyReceives(MessageId(id)) => {
                write!(f, "message {id} was received more often than it may be")
            }
            QueueViolation::Overtaken(MessageId(id)) => {
                write!(f, "message {id} was received before an earlier one of its group was done")
            }
            QueueViolation::Unknown(MessageId(id)) => write!(f, "message {id} was never sent, or had ended"),
            QueueViolation::Lost { sent, accounted } => {
                write!(f, "{sent} messages were sent and {accounted} are accounted for")
            }
            QueueViolation::Index(which) => write!(f, "the index of {which} does not say what is there"),
        }
    }
}

impl std::error::Error for QueueViolation {}

#[derive(Clone, Debug, Default)]
struct Seen {
    receives: u32,
    held_until: Option<Time>,
    group: Option<Arc<[u8]>>,
    is_dead: bool,
}

/// What a queue has said, held against what it may say. Hand it every output, over crashes and all.
#[derive(Clone, Debug, Default)]
pub struct QueueAudit {
    messages: BTreeMap<MessageId, Seen>,
    /// By group, what is not done.
    groups: BTreeMap<Arc<[u8]>, BTreeSet<MessageId>>,
    max_receives: Option<u32>,
}

impl QueueAudit {
    /// Has heard nothing of a queue with this bound.
    pub fn new(max_receives: Option<u32>) -> QueueAudit {
        QueueAudit { max_receives, ..QueueAudit::default() }
    }

    /// The queue has said something, at that instant.
    ///
    /// # Errors
    /// [`QueueViolation`].
    pub fn said(&mut self, now: Time, output: &QueueOutput) -> Result<(), QueueViolation> {
        match output {
            QueueOutput::Sent { message, is_duplicate, .. } => {
                if !is_duplicate {
                    self.messages.insert(*message, Seen::default());
                }
                Ok(())
            }
            QueueOutput::Received { messages, .. } => self.received(now, messages),
            QueueOutput::Deleted { message } | QueueOutput::Expired { message, .. } => {
                let seen = self.messages.remove(message).ok_or(QueueViolation::Unknown(*message))?;
                self.done(*message, seen.group.as_ref());
                Ok(())
            }
            QueueOutput::Dead { message, .. } => {
                let seen = self.messages.get_mut(message).ok_or(QueueViolation::Unknown(*message))?;
                (seen.is_dead, seen.held_until) = (true, None);
                let group = seen.group.clone();
                self.done(*message, group.as_ref());
                Ok(())
            }
            QueueOutput::Returned { message } => {
                let seen = self.messages.get_mut(message).ok_or(QueueViolation::Unknown(*message))?;
                seen.held_until = None;
                Ok(())
            }
            QueueOutput::Redriven { message } => {
                let seen = self.messages.get_mut(message).ok_or(QueueViolation::Unknown(*message))?;
                (seen.is_dead, seen.receives) = (false, 0);
                Ok(())
            }
        }
    }

    /// A message of a group was sent: groups are known to whoever sends, not to whoever hears the answer.
    pub fn sent_to_group(&mut self, message: MessageId, group: Arc<[u8]>) {
        if let Some(seen) = self.messages.get_mut(&message) {
            seen.group = Some(group.clone());
            self.groups.entry(group).or_default().insert(message);
        }
    }

    /// A delete by this handle was taken; tell it before the queue's own outputs of that step.
    ///
    /// # Errors
    /// [`QueueViolation::StaleDelete`].
    pub fn deletes(&self, handle: Handle) -> Result<(), QueueViolation> {
        let seen = self.messages.get(&handle.message).ok_or(QueueViolation::Unknown(handle.message))?;
        let is_latest = seen.receives == handle.receive;
        if is_latest { Ok(()) } else { Err(QueueViolation::StaleDelete(handle.message)) }
    }

    /// Whoever holds a message has more or less time.
    pub fn changed(&mut self, handle: Handle, until: Time) {
        if let Some(seen) = self.messages.get_mut(&handle.message) {
            seen.held_until = Some(until);
        }
    }

    fn done(&mut self, message: MessageId, group: Option<&Arc<[u8]>>) {
        if let Some(open) = group.and_then(|group| self.groups.get_mut(group)) {
            open.remove(&message);
        }
    }

    fn received(&mut self, now: Time, messages: &[Delivery]) -> Result<(), QueueViolation> {
        let batch: BTreeSet<MessageId> = messages.iter().map(|delivery| delivery.handle.message).collect();
        for delivery in messages {
            let id = delivery.handle.message;
            let seen = self.messages.get_mut(&id).ok_or(QueueViolation::Unknown(id))?;
            if seen.is_dead {
                return Err(QueueViolation::Unknown(id));
            }
            if seen.held_until.is_some_and(|until| until > now) {
                return Err(QueueViolation::TwoHolders(id));
            }
            // It may be given away with the very step in which it is sent, before anybody has said to which group.
            seen.group = seen.group.take().or_else(|| delivery.group.clone());
            seen.receives += 1;
            seen.held_until = Some(delivery.visible_at);
            if self.max_receives.is_some_and(|most| seen.receives > most) {
                return Err(QueueViolation::TooManyReceives(id));
            }
            let open = seen.group.as_ref().and_then(|group| self.groups.get(group));
            let earlier = open.into_iter().flat_map(|open| open.range(..id));
            if earlier.into_iter().any(|earlier| !batch.contains(earlier)) {
                return Err(QueueViolation::Overtaken(id));
            }
        }
        Ok(())
    }
}

impl<S: Store> Queue<S> {
    /// Whether everything that was sent is accounted for. Cheap enough for every step.
    ///
    /// # Errors
    /// [`QueueViolation`].
    pub fn balance(&self) -> Result<(), QueueViolation> {
        let counts = self.counts();
        let accounted = self.live() + self.dead() + counts.deleted + counts.expired + counts.dead_expired;
        if counts.sent != accounted {
            return Err(QueueViolation::Lost { sent: counts.sent, accounted });
        }
        if self.in_flight() > u64::from(self.config().max_in_flight) {
            return Err(QueueViolation::Index("in flight"));
        }
        Ok(())
    }

    /// Everything against everything else, from scratch.
    ///
    /// # Errors
    /// [`QueueViolation`].
    pub fn audit(&self) -> Result<(), QueueViolation> {
        self.balance()?;
        let state = &self.state;
        let places = |wanted: fn(&Place) -> bool| {
            state.messages.values().filter(|message| wanted(&message.place)).count() as u64
        };
        if places(|place| matches!(place, Place::InFlight(_))) != state.in_flight
            || places(|place| matches!(place, Place::Dead(_))) != state.dead
        {
            return Err(QueueViolation::Index("places"));
        }
        let ungrouped = state
            .messages
            .iter()
            .filter(|(_, message)| message.group.is_none() && message.place == Place::Available);
        if !ungrouped.map(|(id, _)| id).eq(&state.available) {
            return Err(QueueViolation::Index("available messages"));
        }
        let timed = places(|place| matches!(place, Place::InFlight(_) | Place::Delayed(_)));
        if timed != state.timers.len() as u64 || state.retention.len() != state.messages.len() {
            return Err(QueueViolation::Index("timers"));
        }
        for (first, name) in &state.ready_groups {
            let group = state.groups.get(name);
            let is_ready = group.is_some_and(|group| {
                group.waiting.first() == Some(first) && (group.in_flight == 0 || state.overtakes)
            });
            if !is_ready {
                return Err(QueueViolation::Index("groups"));
            }
        }
        Ok(())
    }
}
