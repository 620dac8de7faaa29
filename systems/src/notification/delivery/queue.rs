//! Which message of a channel is next: four classes, the first come first in each, and no class waits for ever.

use super::config::Starvation;
use super::message::MessageId;
use crate::time::{Span, Time};
use std::collections::BTreeSet;

/// How many classes of urgency there are.
pub const CLASSES: usize = 4;

/// The messages of one channel that are ready.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    classes: [BTreeSet<(Time, MessageId)>; CLASSES],
    /// Whether the last message taken from the top had moved up to it.
    was_aged: bool,
}

impl Queue {
    pub(super) fn push(&mut self, class: u8, ready: Time, message: MessageId) {
        self.classes[usize::from(class).min(CLASSES - 1)].insert((ready, message));
    }

    pub(super) fn remove(&mut self, class: u8, ready: Time, message: MessageId) {
        self.classes[usize::from(class).min(CLASSES - 1)].remove(&(ready, message));
    }

    /// The first of the least urgent.
    #[cfg(test)]
    pub(super) fn last(&self) -> Option<MessageId> {
        let head = |class: &BTreeSet<(Time, MessageId)>| class.first().map(|(_, message)| *message);
        self.classes.iter().rev().find_map(head)
    }

    pub(super) fn len(&self) -> usize {
        self.classes.iter().map(BTreeSet::len).sum()
    }

    /// Who is next. Under [`Starvation::Aging`] the class that each head has moved up to decides; between one that
    /// belongs there and one that moved there they take turns, of those that moved the oldest first.
    ///
    /// So class 3 waits for three steps and then for twice what is ahead of it in its own class, however many of class 0
    /// come; and class 0 waits for twice what is ahead of it in class 0, however many of class 3 are there.
    pub(super) fn next(&self, now: Time, starvation: Starvation) -> Option<MessageId> {
        let head = |class: usize| self.classes[class].first().copied();
        let moved = |class: usize, ready: Time| match starvation {
            Starvation::Strict => class,
            Starvation::Aging(step) => class.saturating_sub(steps(now.since(ready), step)),
        };
        let heads = (0..CLASSES).filter_map(|class| {
            let (ready, message) = head(class)?;
            Some((moved(class, ready), class, ready, message))
        });
        let heads: Vec<_> = heads.collect();
        let top = heads.iter().map(|(effective, ..)| *effective).min()?;
        let native = heads.iter().find(|(effective, class, ..)| *effective == top && *class == top);
        let aged = heads.iter().filter(|(effective, class, ..)| *effective == top && *class != top);
        let aged = aged.min_by_key(|(_, _, ready, message)| (*ready, *message));
        let next = match (native, aged) {
            (Some(native), Some(aged)) => Some(if self.was_aged { native } else { aged }),
            (native, aged) => native.or(aged),
        };
        next.map(|(.., message)| *message)
    }

    /// Notes that a message was handed to a provider: whose turn it is next depends on it.
    pub(super) const fn note_taken(&mut self, now: Time, starvation: Starvation, class: u8, ready: Time) {
        self.was_aged = match starvation {
            Starvation::Strict => false,
            Starvation::Aging(step) => class > 0 && steps(now.since(ready), step) > 0,
        };
    }
}

const fn steps(waited: Span, step: Span) -> usize {
    let step_ns = if step.is_zero() { 1 } else { step.as_nanos() };
    let steps = waited.as_nanos() / step_ns;
    if steps > CLASSES as u64 { CLASSES } else { steps as usize }
}
