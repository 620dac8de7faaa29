//! Stories of one door, and any history against two plain lists.

use super::super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

const fn door(max_in_flight: u32, max_waiting: u32) -> Bulkhead<u32> {
    Bulkhead::new(BulkheadConfig { max_in_flight, max_waiting })
}

fn wait(bulkhead: &mut Bulkhead<u32>, who: u32) -> Ticket {
    match bulkhead.try_enter(who) {
        Entry::Waiting(ticket) => ticket,
        other => panic!("{who} should wait: {other:?}"),
    }
}

#[test]
fn the_longest_waiting_gets_the_place_that_comes_free() {
    let mut door = door(2, 2);
    assert_eq!((door.try_enter(1), door.try_enter(2)), (Entry::Admitted, Entry::Admitted));
    wait(&mut door, 3);
    wait(&mut door, 4);
    assert_eq!(door.try_enter(5), Entry::Full);
    assert_eq!((door.leave(), door.in_flight(), door.waiting()), (Some(3), 2, 1));
    assert_eq!((door.leave(), door.leave(), door.leave()), (Some(4), None, None));
    assert_eq!((door.in_flight(), door.waiting()), (0, 0));
}

#[test]
fn without_a_queue_everybody_else_is_turned_away() {
    let mut door = door(1, 0);
    assert_eq!((door.try_enter(1), door.try_enter(2)), (Entry::Admitted, Entry::Full));
    assert_eq!((door.leave(), door.try_enter(2)), (None, Entry::Admitted));
}

#[test]
fn who_gives_up_waiting_is_passed_over() {
    let mut door = door(1, 9);
    assert_eq!(door.try_enter(1), Entry::Admitted);
    let tickets: Vec<Ticket> = (2..6).map(|who| wait(&mut door, who)).collect();
    assert!(door.forget_ticket(tickets[0]));
    assert!(!door.forget_ticket(tickets[0]), "a ticket is good once");
    assert!(door.forget(4));
    assert!(!door.forget(4) && !door.forget(99));
    assert_eq!((door.waiting(), door.leave(), door.leave(), door.leave()), (2, Some(3), Some(5), None));
    assert!(!door.forget_ticket(tickets[3]), "who was let in no longer waits");
}

#[test]
fn a_ticket_is_not_mistaken_for_that_of_the_next_in_the_same_place() {
    let mut door = door(1, 1);
    assert_eq!(door.try_enter(1), Entry::Admitted);
    let first = wait(&mut door, 2);
    assert!(door.forget(2));
    let second = wait(&mut door, 3);
    assert_ne!(first, second);
    assert!(!door.forget_ticket(first));
    assert_eq!(door.leave(), Some(3));
}

#[test]
fn more_places_let_waiters_in_and_fewer_throw_nobody_out() {
    let mut door = door(1, 9);
    assert_eq!(door.try_enter(1), Entry::Admitted);
    for who in 2..6 {
        wait(&mut door, who);
    }
    assert_eq!(door.set_max_in_flight(3).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(door.set_max_in_flight(1).count(), 0);
    assert_eq!((door.in_flight(), door.leave(), door.leave(), door.leave()), (3, None, None, Some(4)));
    // Places not handed out are no reason to overtake.
    let _ = door.set_max_in_flight(5);
    wait(&mut door, 6);
    assert_eq!(std::iter::from_fn(|| door.admit_next()).collect::<Vec<_>>(), [5, 6]);
    door.set_max_waiting(0);
    assert_eq!(
        (door.try_enter(7), door.try_enter(8), door.try_enter(9)),
        (Entry::Admitted, Entry::Admitted, Entry::Full)
    );
}

#[test]
fn a_crash_forgets_everybody() {
    let mut door = door(1, 9);
    let _ = door.try_enter(1);
    let ticket = wait(&mut door, 2);
    door.clear();
    assert!(!door.forget_ticket(ticket));
    assert_eq!(
        (door.in_flight(), door.waiting(), door.try_enter(3), door.leave()),
        (0, 0, Entry::Admitted, None)
    );
}

#[test]
fn no_places_at_all_is_refused_as_a_config_and_harmless_as_a_fault() {
    let config = BulkheadConfig { max_in_flight: 0, max_waiting: 0 };
    assert!(config.validate().is_err_and(|error| error.to_string().contains("use 1")));
    assert_eq!(BulkheadConfig { max_in_flight: 1, max_waiting: 0 }.validate(), Ok(()));
    let mut door = door(1, 9);
    let _ = door.set_max_in_flight(0);
    wait(&mut door, 1);
    assert_eq!((door.leave(), door.set_max_in_flight(1).collect::<Vec<_>>()), (None, vec![1]));
}

#[test]
fn giving_up_over_and_over_takes_no_memory() {
    let mut door = door(1, 3);
    let _ = door.try_enter(0);
    wait(&mut door, 1);
    for who in 2..10_000 {
        let ticket = wait(&mut door, who);
        assert!(door.forget_ticket(ticket));
    }
    assert_eq!((door.waiters.len(), door.waiting(), door.leave()), (2, 1, Some(1)));
}

proptest! {
    #[test]
    fn the_door_is_two_plain_lists(
        max_in_flight in 0u32..4, max_waiting in 0u32..5,
        steps in prop::collection::vec((0u8..8, 0u32..6), 0..200),
    ) {
        let mut door = door(max_in_flight, max_waiting);
        let (mut places, mut queue_length) = (max_in_flight, max_waiting);
        let mut inside: Vec<u32> = Vec::new();
        let mut queue: VecDeque<(u32, Ticket)> = VecDeque::new();
        for (who, (what, number)) in (1000u32..).zip(steps) {
            match what {
                0..=2 => match door.try_enter(who) {
                    Entry::Admitted => {
                        prop_assert!(queue.is_empty() && inside.len() < places as usize);
                        inside.push(who);
                    }
                    Entry::Waiting(ticket) => {
                        prop_assert!(queue.len() < queue_length as usize);
                        queue.push_back((who, ticket));
                    }
                    Entry::Full => prop_assert!(queue.len() >= queue_length as usize),
                },
                3 | 4 => {
                    let next = if inside.pop().is_some() && inside.len() < places as usize {
                        queue.pop_front().map(|(who, _)| who)
                    } else {
                        None
                    };
                    prop_assert_eq!(door.leave(), next);
                    inside.extend(next);
                }
                5 => {
                    let position = number as usize;
                    let gone = (position < queue.len()).then(|| queue.remove(position)).flatten();
                    match gone {
                        Some((_, ticket)) if who % 2 == 0 => prop_assert!(door.forget_ticket(ticket)),
                        Some((who, _)) => prop_assert!(door.forget(who)),
                        None => prop_assert!(!door.forget(who)),
                    }
                }
                6 => {
                    places = number;
                    let admitted: Vec<u32> = door.set_max_in_flight(places).collect();
                    for who in admitted {
                        prop_assert_eq!(queue.pop_front().map(|(who, _)| who), Some(who));
                        inside.push(who);
                    }
                    prop_assert!(queue.is_empty() || inside.len() >= places as usize);
                }
                _ => {
                    queue_length = number;
                    door.set_max_waiting(queue_length);
                }
            }
            prop_assert_eq!(door.in_flight() as usize, inside.len());
            prop_assert_eq!(door.waiting() as usize, queue.len());
        }
    }
}
