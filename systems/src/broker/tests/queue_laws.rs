//! Random walks through a queue, beside a dumber one that knows every message by heart and searches through all of them.

use super::queues::{Desk, ms, of_group, says};
use crate::arithmetic::keyed_word;
use crate::broker::queue::{Handle, Queue, QueueConfig};
use crate::time::{Span, Time};
use proptest::prelude::*;

/// A message as the dumb queue knows it.
struct Known {
    id: u64,
    group: u8,
    receives: u32,
    held_until: Option<Time>,
}

/// What a receive of one message has to give: the first that is free, and of a group only if nothing of it is held and
/// nothing earlier is left.
fn expected(all: &[Known], is_fifo: bool) -> Option<(u64, u32)> {
    let is_free = |message: &&Known| {
        let of_group = |other: &&Known| other.group == message.group;
        let is_blocked = is_fifo
            && all.iter().filter(of_group).any(|other| other.held_until.is_some() || other.id < message.id);
        message.held_until.is_none() && !is_blocked
    };
    all.iter().find(is_free).map(|message| (message.id, message.receives + 1))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn one_message_at_a_time_the_queue_gives_what_a_search_through_everything_gives(
        seed in any::<u64>(), is_fifo in any::<bool>(), most in proptest::option::of(1u32..4),
    ) {
        let config = QueueConfig { is_fifo, max_receives: most, visibility: ms(1_000), ..QueueConfig::default() };
        let mut desk = Desk::new(config, None);
        let mut all: Vec<Known> = Vec::new();
        let mut handles: Vec<Handle> = Vec::new();
        for step in 0..120 {
            let word = keyed_word(seed, step);
            match word % 6 {
                0 | 1 => {
                    let group = (word >> 8) as u8 % 3;
                    let new = if is_fifo { of_group(group, 1) } else { says(1) };
                    let id = desk.send(new).expect("there is room").0;
                    all.push(Known { id, group, receives: 0, held_until: None });
                }
                2 | 3 => {
                    let given = desk.receive(1).expect("there is room in flight");
                    let should = expected(&all, is_fifo);
                    prop_assert_eq!(given.first().map(|handle| (handle.message.0, handle.receive)), should);
                    let until = desk.now + ms(1_000);
                    for message in all.iter_mut().filter(|message| Some(message.id) == should.map(|(id, _)| id)) {
                        (message.receives, message.held_until) = (message.receives + 1, Some(until));
                    }
                    handles.extend(given);
                }
                4 if !handles.is_empty() => {
                    let handle = handles.swap_remove((word >> 8) as usize % handles.len());
                    let at = all.iter().position(|message| (message.id, message.receives) == (handle.message.0, handle.receive));
                    prop_assert_eq!(desk.delete(handle).is_ok(), at.is_some());
                    at.map(|at| all.remove(at));
                }
                _ => {
                    desk.pass(ms(word >> 8 & 0x1FF));
                    for message in &mut all {
                        message.held_until = message.held_until.filter(|until| *until > desk.now);
                    }
                    all.retain(|message| {
                        message.held_until.is_some() || most.is_none_or(|most| message.receives < most)
                    });
                }
            }
            prop_assert_eq!((desk.broken, desk.queue.audit()), (None, Ok(())));
            prop_assert_eq!(desk.queue.live(), all.len() as u64);
        }
        // In the end everything is done, dead, or still there after a restart.
        let (live, dead) = (desk.queue.live(), desk.queue.dead());
        let again = Queue::open(config, desk.queue.into_store());
        prop_assert_eq!((again.live(), again.dead(), again.audit()), (live, dead, Ok(())));
    }

    #[test]
    fn no_span_however_long_and_no_time_however_late_makes_a_queue_panic(
        spans in proptest::collection::vec(any::<u64>(), 1..20),
    ) {
        let mut desk = Desk::new(QueueConfig::default(), None);
        for span in spans {
            let _ = desk.send(says(1));
            if let Ok(Some(handle)) = desk.receive(3).map(|handles| handles.first().copied()) {
                let _ = desk.change(handle, Span::from_nanos(span));
            }
            desk.pass(Span::from_nanos(span));
            prop_assert_eq!(desk.queue.audit(), Ok(()));
        }
    }
}
