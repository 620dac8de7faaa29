//! The control plane: the flags as they should be, every change with its revision, its time and its author, and the
//! answer for a node that knows some of them. Changes can be scheduled. Sends nothing itself.

use super::definition::{Change, Event, ReadFlag, SegmentDefinition, State};
use super::node::Input;
use crate::Time;
use std::collections::{BTreeMap, VecDeque};

/// Who changed what, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// The revision that it led to.
    pub revision: u64,
    /// When it took effect.
    pub at: Time,
    /// Who wanted it.
    pub author: String,
    /// The kind of change, as the event's type.
    pub kind: &'static str,
    /// The flag or segment that it was about; empty for a hydration.
    pub subject: String,
}

/// The flags as they should be.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    revision: u64,
    flags: BTreeMap<String, ReadFlag>,
    segments: BTreeMap<i64, SegmentDefinition>,
    /// The latest changes, oldest first, without a gap.
    log: VecDeque<Event>,
    audit: VecDeque<AuditEntry>,
    log_capacity: usize,
    /// By time, then in the order in which they were scheduled.
    scheduled: BTreeMap<(Time, u64), (String, Change)>,
    scheduled_in_all: u64,
}

impl ControlPlane {
    /// No flags. A node that misses more than `log_capacity` changes gets everything; the audit trail is as long.
    pub fn new(log_capacity: usize) -> ControlPlane {
        ControlPlane {
            revision: 0,
            flags: BTreeMap::new(),
            segments: BTreeMap::new(),
            log: VecDeque::new(),
            audit: VecDeque::new(),
            log_capacity,
            scheduled: BTreeMap::new(),
            scheduled_in_all: 0,
        }
    }

    /// The revision after the last change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The latest changes, oldest first.
    pub fn audit(&self) -> impl ExactSizeIterator<Item = &AuditEntry> {
        self.audit.iter()
    }

    /// The change that led to `revision`, with its author, if it is still known.
    pub fn audit_entry(&self, revision: u64) -> Option<&AuditEntry> {
        let index = self.audit.binary_search_by_key(&revision, |entry| entry.revision).ok()?;
        self.audit.get(index)
    }

    /// Changes something now. Returns the event to send down every stream, after [`Event::revision`]` - 1`.
    pub fn publish(&mut self, now: Time, author: &str, change: Change) -> Event {
        self.revision += 1;
        let (kind, subject) = self.apply(&change);
        let event = Event { revision: self.revision, change };
        let entry =
            AuditEntry { revision: self.revision, at: now, author: author.to_string(), kind, subject };
        push_bounded(&mut self.audit, entry, self.log_capacity);
        push_bounded(&mut self.log, event.clone(), self.log_capacity);
        event
    }

    fn apply(&mut self, change: &Change) -> (&'static str, String) {
        match change {
            Change::Hydration(state) => {
                self.flags.clear();
                self.segments = state.segments.iter().map(|segment| (segment.id, segment.clone())).collect();
                state.features.iter().for_each(|flag| self.set(flag));
                ("hydration", String::new())
            }
            Change::FeatureUpdated { feature } => {
                self.set(feature);
                ("feature-updated", feature.name().to_string())
            }
            Change::FeatureRemoved { feature_name } => {
                self.flags.remove(feature_name);
                ("feature-removed", feature_name.clone())
            }
            Change::SegmentUpdated { segment } => {
                self.segments.insert(segment.id, segment.clone());
                ("segment-updated", segment.id.to_string())
            }
            Change::SegmentRemoved { segment_id } => {
                self.segments.remove(segment_id);
                ("segment-removed", segment_id.to_string())
            }
            Change::Unknown => ("unknown", String::new()),
        }
    }

    fn set(&mut self, flag: &ReadFlag) {
        self.flags.insert(flag.name().to_string(), flag.clone());
    }

    /// Changes something at `at`, when [`ControlPlane::expire`] is called.
    pub fn schedule(&mut self, at: Time, author: &str, change: Change) {
        self.scheduled_in_all += 1;
        self.scheduled.insert((at, self.scheduled_in_all), (author.to_string(), change));
    }

    /// When the next scheduled change is due.
    pub fn deadline(&self) -> Option<Time> {
        self.scheduled.first_key_value().map(|((at, _), _)| *at)
    }

    /// Makes the changes that are due. Returns their events, for every stream.
    pub fn expire(&mut self, now: Time) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(entry) = self.scheduled.first_entry().filter(|entry| entry.key().0 <= now) {
            let (author, change) = entry.remove();
            events.push(self.publish(now, &author, change));
        }
        events
    }

    /// The answer for a node that has the revision `have`, or nothing: what it lacks, as little as possible.
    pub fn answer(&self, have: Option<u64>) -> Input {
        let oldest = self.log.front().map_or(self.revision + 1, |event| event.revision);
        match have {
            Some(have) if have == self.revision => Input::NotModified,
            Some(have) if have < self.revision && have + 1 >= oldest => {
                let known = self.log.partition_point(|event| event.revision <= have);
                Input::Delta { after: have, events: self.log.range(known..).cloned().collect() }
            }
            Some(_) | None => Input::Hydration { revision: self.revision, state: self.state() },
        }
    }

    /// Everything as it is now.
    pub fn state(&self) -> State {
        State {
            features: self.flags.values().cloned().collect(),
            segments: self.segments.values().cloned().collect(),
        }
    }
}

/// Drops the oldest if there is no room.
fn push_bounded<T>(list: &mut VecDeque<T>, item: T, capacity: usize) {
    if list.len() >= capacity {
        list.pop_front();
    }
    if capacity > 0 {
        list.push_back(item);
    }
}
