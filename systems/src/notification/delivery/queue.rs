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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, by looking at every message each time.
    #[derive(Default)]
    struct Naive {
        waiting: Vec<(u8, Time, MessageId)>,
        was_aged: bool,
    }

    impl Naive {
        fn take(&mut self, now: Time, step: Span) -> Option<MessageId> {
            let moved = |(class, ready, _): &(u8, Time, MessageId)| {
                u64::from(*class).saturating_sub(now.since(*ready).as_nanos() / step.as_nanos())
            };
            let top = self.waiting.iter().map(moved).min()?;
            let first = |is_native: bool| {
                let of_kind = self
                    .waiting
                    .iter()
                    .filter(|entry| moved(entry) == top && (u64::from(entry.0) == top) == is_native);
                of_kind.min_by_key(|(_, ready, id)| (*ready, *id)).copied()
            };
            let (native, aged) = (first(true), first(false));
            let next = if self.was_aged { native.or(aged) } else { aged.or(native) }?;
            self.was_aged = u64::from(next.0) > moved(&next);
            self.waiting.retain(|entry| *entry != next);
            Some(next.2)
        }
    }

    fn take(queue: &mut Queue, now: Time, step: Span, all: &[(u8, Time)]) -> Option<MessageId> {
        let starvation = Starvation::Aging(step);
        let id = queue.next(now, starvation)?;
        let (class, ready) = all[id.0 as usize];
        queue.remove(class, ready, id);
        queue.note_taken(now, starvation, class, ready);
        Some(id)
    }

    proptest! {
        #[test]
        fn the_heads_of_the_classes_decide_as_all_messages_would(
            steps in proptest::collection::vec((proptest::option::of(0u8..4), 0u64..10), 1..60), step_s in 1u64..20,
        ) {
            let (mut queue, mut naive, mut all) = (Queue::default(), Naive::default(), Vec::new());
            let (mut now, step) = (Time::ZERO, Span::from_secs(step_s));
            for (push, seconds) in steps {
                now += Span::from_secs(seconds);
                match push {
                    Some(class) => {
                        let id = MessageId(all.len() as u64);
                        all.push((class, now));
                        queue.push(class, now, id);
                        naive.waiting.push((class, now, id));
                    }
                    None => prop_assert_eq!(take(&mut queue, now, step, &all), naive.take(now, step)),
                }
            }
            prop_assert_eq!(queue.len(), naive.waiting.len());
        }

        #[test]
        fn no_class_starves_in_a_flood_of_any_other(
            flooding in 0u8..4, class in 0u8..4, backlog in 0u64..30, step_s in 1u64..40, at_s in 0u64..60,
        ) {
            let (mut queue, mut all, step) = (Queue::default(), Vec::new(), Span::from_secs(step_s));
            let push = |queue: &mut Queue, all: &mut Vec<(u8, Time)>, class, now| {
                queue.push(class, now, MessageId(all.len() as u64));
                all.push((class, now));
            };
            (0..backlog).for_each(|_| push(&mut queue, &mut all, flooding, Time::ZERO));
            let (mut ours, mut waited_s) = (None, None);
            // One comes and one goes in each second.
            for second in 0..600 {
                let now = Time::ZERO + Span::from_secs(second);
                push(&mut queue, &mut all, flooding, now);
                if second == at_s {
                    ours = Some(MessageId(all.len() as u64));
                    push(&mut queue, &mut all, class, now);
                }
                if take(&mut queue, now, step, &all) == ours && ours.is_some() {
                    waited_s = Some(second - at_s);
                    break;
                }
            }
            let bound_s = u64::from(class) * step_s + 2 * (backlog + 2);
            prop_assert!(waited_s.is_some_and(|waited_s| waited_s <= bound_s), "{waited_s:?} above {bound_s}");
        }
    }
}
