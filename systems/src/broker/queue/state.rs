//! All messages of a queue and every index over them. Keeps them in step; decides nothing.

use crate::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Not yet to be received.
    Delayed(Time),
    /// To be received, in its group's order.
    Available,
    /// In somebody's hands, until then.
    InFlight(Time),
    /// Among the dead letters, since then.
    Dead(Time),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) body: Arc<[u8]>,
    pub(super) group: Option<Arc<[u8]>>,
    pub(super) dedup: Option<Arc<[u8]>>,
    pub(super) sent_at: Time,
    pub(super) receives: u32,
    pub(super) place: Place,
}

/// What became of all messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Taken, without those that had been sent before.
    pub sent: u64,
    /// Sent again within the window, and not taken.
    pub duplicates: u64,
    /// Handed out, first time or again.
    pub received: u64,
    /// Handed out again.
    pub redelivered: u64,
    /// Done.
    pub deleted: u64,
    /// Deletes and changes by a handle that was void.
    pub stale: u64,
    /// Kept long enough, and never done.
    pub expired: u64,
    /// Gone to the dead letters.
    pub dead: u64,
    /// Dead letters kept long enough.
    pub dead_expired: u64,
    /// Dead letters taken back.
    pub redriven: u64,
}

/// A group's messages that are not done, in order, and how many of them are in somebody's hands.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) waiting: BTreeSet<u64>,
    pub(super) in_flight: u32,
}

/// All messages.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) messages: BTreeMap<u64, Message>,
    /// Those without a group that can be received.
    pub(super) available: BTreeSet<u64>,
    pub(super) groups: BTreeMap<Arc<[u8]>, Group>,
    /// Groups whose first message can be received, by that message.
    pub(super) ready_groups: BTreeMap<u64, Arc<[u8]>>,
    /// When a delay or a visibility ends.
    pub(super) timers: BTreeSet<(Time, u64)>,
    /// When retention ends, for those that live and for the dead.
    pub(super) retention: BTreeSet<(Time, u64)>,
    pub(super) dedup: BTreeMap<Arc<[u8]>, u64>,
    pub(super) dedup_until: VecDeque<(Time, Arc<[u8]>)>,
    pub(super) in_flight: u64,
    pub(super) dead: u64,
    pub(super) next: u64,
    pub(super) counts: QueueCounts,
    /// A defect: a group is ready although one of its messages is in somebody's hands.
    pub(super) overtakes: bool,
}

impl State {
    /// Puts a message where its place says, into every index.
    pub(super) fn insert(&mut self, id: u64, message: Message, retention: Span) {
        self.next = self.next.max(id.saturating_add(1));
        let kept_until = match message.place {
            Place::Dead(since) => since + retention,
            Place::Delayed(_) | Place::Available | Place::InFlight(_) => message.sent_at + retention,
        };
        self.retention.insert((kept_until, id));
        match message.place {
            Place::Delayed(until) => {
                self.timers.insert((until, id));
            }
            Place::Available => {}
            Place::InFlight(until) => {
                self.timers.insert((until, id));
                self.in_flight += 1;
            }
            Place::Dead(_) => self.dead += 1,
        }
        if let (Some(name), false) = (&message.group, matches!(message.place, Place::Dead(_))) {
            let group = self.groups.entry(name.clone()).or_default();
            if matches!(message.place, Place::InFlight(_)) {
                group.in_flight += 1;
            } else {
                group.waiting.insert(id);
            }
        } else if message.place == Place::Available {
            self.available.insert(id);
        }
        let name = message.group.clone();
        self.messages.insert(id, message);
        self.refresh(name.as_ref());
    }

    /// Takes a message out of every index.
    pub(super) fn remove(&mut self, id: u64, retention: Span) -> Option<Message> {
        let message = self.messages.remove(&id)?;
        let kept_until = match message.place {
            Place::Dead(since) => since + retention,
            Place::Delayed(_) | Place::Available | Place::InFlight(_) => message.sent_at + retention,
        };
        self.retention.remove(&(kept_until, id));
        match message.place {
            Place::Delayed(until) => {
                self.timers.remove(&(until, id));
            }
            Place::Available => {}
            Place::InFlight(until) => {
                self.timers.remove(&(until, id));
                self.in_flight -= 1;
            }
            Place::Dead(_) => self.dead -= 1,
        }
        self.available.remove(&id);
        if let (Some(name), false) = (&message.group, matches!(message.place, Place::Dead(_))) {
            self.ready_groups.remove(&id);
            if let Some(group) = self.groups.get_mut(name) {
                if matches!(message.place, Place::InFlight(_)) {
                    group.in_flight -= 1;
                } else {
                    group.waiting.remove(&id);
                }
                if group.waiting.is_empty() && group.in_flight == 0 {
                    self.groups.remove(name);
                }
            }
        }
        self.refresh(message.group.as_ref());
        Some(message)
    }

    /// Puts a group among the ready ones if its first message can be received, else takes it out.
    fn refresh(&mut self, name: Option<&Arc<[u8]>>) {
        let Some((name, group)) = name.and_then(|name| self.groups.get_key_value(name)) else { return };
        let first = group.waiting.first().copied();
        // One that comes back before the others goes before them.
        if let Some(second) = group.waiting.iter().nth(1) {
            self.ready_groups.remove(second);
        }
        let Some(first) = first else { return };
        let is_available = self.messages.get(&first).is_some_and(|message| message.place == Place::Available);
        if (group.in_flight == 0 || self.overtakes) && is_available {
            self.ready_groups.insert(first, name.clone());
        } else {
            self.ready_groups.remove(&first);
        }
    }

    /// Messages that are not dead.
    pub(super) fn live(&self) -> u64 {
        self.messages.len() as u64 - self.dead
    }
}
