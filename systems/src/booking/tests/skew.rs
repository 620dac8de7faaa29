//! Two customers at once, at every level of isolation: what the desk sells twice where the store lets it, and never
//! where it does not.

use super::world::{RULED, Stalls, Travel, World, ask, config};
use super::*;
use crate::arithmetic::keyed_word;
use crate::store::MemoryStore;
use proptest::prelude::*;

type MemoryDesk = Desk<Stalls, MemoryStore>;

fn desk(isolation: Isolation, contention: Contention) -> MemoryDesk {
    let config = DeskConfig { isolation, contention, ..config() };
    Desk::open(MemoryStore::new(), Stalls, config).expect("its config is in range")
}

const NOW: Clocks = Clocks::agreed(Time::from_nanos(1_000));

/// Two decide before either commits; whether both did.
fn overlapping(desk: &mut MemoryDesk, commands: [Command<u32, ()>; 2]) -> bool {
    let [first, second] = commands.map(|command| desk.begin(NOW, command));
    let done = [first, second]
        .map(|begun| begun.and_then(|pending| desk.commit(NOW.store, pending, &mut Vec::new())).is_ok());
    done == [true, true]
}

#[test]
fn the_last_seat_is_held_twice_where_updates_can_be_lost_and_nowhere_else() {
    for isolation in Isolation::ALL {
        let mut desk = desk(isolation, Contention::Optimistic);
        let both = overlapping(&mut desk, [1, 2].map(|id| Command::Hold(ask(id, &[4]))));
        assert_eq!(both, !isolation.prevents(Anomaly::LostUpdate), "{isolation}");
        assert_eq!(desk.violation().is_some(), both, "{isolation}: {:?}", desk.violation());
        assert_eq!(desk.audit().is_err(), both);
    }
}

#[test]
fn the_last_seat_is_sold_twice_at_two_counters_where_updates_can_be_lost() {
    for isolation in Isolation::ALL {
        let mut desk = desk(isolation, Contention::Optimistic);
        let both = overlapping(&mut desk, [1, 2].map(|id| Command::Sell(ask(id, &[4]))));
        assert_eq!(both, !isolation.prevents(Anomaly::LostUpdate), "{isolation}");
        let is_oversold =
            matches!(desk.violation(), Some((Violation::Oversold { unit: 4, sold: 2, limit: 1 }, _)));
        assert_eq!(is_oversold, both, "{isolation}");
    }
}

#[test]
fn two_who_each_see_one_of_two_rooms_free_both_take_one_unless_the_store_is_serializable() {
    for isolation in Isolation::ALL {
        let mut desk = desk(isolation, Contention::Optimistic);
        let [first, second] = RULED;
        let both = overlapping(
            &mut desk,
            [(1, first), (2, second)].map(|(id, unit)| Command::Hold(ask(id, &[unit]))),
        );
        assert_eq!(both, !isolation.prevents(Anomaly::ItemWriteSkew), "{isolation}");
        assert_eq!(RULED.map(|unit| desk.unit(unit).held).iter().sum::<u32>(), 1 + u32::from(both));
    }
}

#[test]
fn locks_in_the_order_of_names_keep_the_weakest_level_right() {
    let mut desk = desk(Isolation::ReadCommitted, Contention::Pessimistic);
    let first = desk.begin(NOW, Command::Hold(ask(1, &[5, 4]))).expect("they are free");
    let second = desk.begin(NOW, Command::Hold(ask(2, &[4, 5])));
    assert!(matches!(second, Err(Rejected::Locked(LockError::HeldBy(_)))));
    desk.commit(NOW.store, first, &mut Vec::new()).expect("nobody was faster");
    let again = desk.handle(NOW, Command::Hold(ask(2, &[4, 5])), &mut Vec::new());
    assert_eq!(again, Err(Rejected::Refused(Refusal::NotFree)));
    assert_eq!(desk.violation(), None);
}

#[test]
fn of_many_who_want_one_seat_one_gets_it_and_the_others_are_told_to_begin_again() {
    let mut desk = desk(Isolation::Serializable, Contention::Optimistic);
    let begun: Vec<_> = (0..50).map(|id| desk.begin(NOW, Command::Hold(ask(id, &[4])))).collect();
    let done = begun.into_iter().map(|begun| {
        let pending = begun.expect("all see it free");
        desk.commit(NOW.store, pending, &mut Vec::new()).is_ok()
    });
    assert_eq!(done.filter(|done| *done).count(), 1);
    assert_eq!(desk.conflicts(), 49);
}

#[test]
fn as_many_seats_find_an_owner_in_one_go_as_the_formula_says() {
    // n people pick among m seats at once: m (1 - (1 - 1/m)^n) of them get one.
    let (seats, people, rounds) = (40u64, 30u64, 400u64);
    let mut winners = 0;
    for round in 0..rounds {
        let mut desk = desk(Isolation::Snapshot, Contention::Optimistic);
        let begun: Vec<_> = (0..people)
            .map(|id| {
                let word = keyed_word(round, id);
                let seat = crate::arithmetic::uniform(word, 0, seats - 1) as u32;
                desk.begin(NOW, Command::Hold(ask(id, &[seat]))).expect("all see it free")
            })
            .collect();
        let done = begun.into_iter().map(|pending| desk.commit(NOW.store, pending, &mut Vec::new()).is_ok());
        winners += done.filter(|done| *done).count();
        assert_eq!(desk.violation(), None);
    }
    let expected = 40.0 * (1.0 - libm::pow(39.0 / 40.0, 30.0));
    let got = winners as f64 / rounds as f64;
    assert!((got - expected).abs() < 0.25, "{got} for {expected}");
}

#[derive(Clone, Debug)]
enum Move {
    Begin(Command<u32, ()>),
    Commit(usize),
    Rollback(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let id = 0u64..6;
    let command = prop_oneof![
        (id.clone(), proptest::collection::btree_set(0u32..4, 1..3))
            .prop_map(|(id, units)| { Command::Hold(ask(id, &units.into_iter().collect::<Vec<_>>())) }),
        (10u64..14, 0u32..4).prop_map(|(id, unit)| Command::Sell(ask(id, &[unit]))),
        (id.clone(), 1u64..4).prop_map(|(id, token)| Command::Paid {
            booking: BookingId(id),
            token: Token(token),
            payment: id,
            minor: 1_000
        }),
        (id.clone(), 1u64..4)
            .prop_map(|(id, token)| Command::Release { booking: BookingId(id), token: Token(token) }),
        id.prop_map(|id| Command::Cancel { booking: BookingId(id), fee_minor: 0 }),
    ];
    let step = prop_oneof![
        3 => command.prop_map(Move::Begin),
        3 => (0usize..4).prop_map(Move::Commit),
        1 => (0usize..4).prop_map(Move::Rollback),
    ];
    proptest::collection::vec(step, 1..60)
}

fn play(isolation: Isolation, contention: Contention, moves: Vec<Move>) -> MemoryDesk {
    let mut desk = desk(isolation, contention);
    let mut open: Vec<Pending<Stalls>> = Vec::new();
    for step in moves {
        match step {
            Move::Begin(command) => open.extend(desk.begin(NOW, command)),
            Move::Commit(number) if number < open.len() => {
                let _ = desk.commit(NOW.store, open.remove(number), &mut Vec::new());
            }
            Move::Rollback(number) if number < open.len() => desk.rollback(open.remove(number)),
            Move::Commit(_) | Move::Rollback(_) => {}
        }
    }
    open.into_iter().for_each(|pending| desk.rollback(pending));
    desk
}

proptest! {
    #[test]
    fn however_transactions_overlap_no_seat_is_sold_twice_where_updates_are_not_lost(moves in moves()) {
        for (isolation, contention) in [
            (Isolation::VersionCheck, Contention::Optimistic),
            (Isolation::Snapshot, Contention::Optimistic),
            (Isolation::Serializable, Contention::Optimistic),
            (Isolation::Serializable, Contention::Pessimistic),
        ] {
            let desk = play(isolation, contention, moves.clone());
            prop_assert_eq!(desk.violation(), None);
            prop_assert_eq!(desk.audit(), Ok(()));
        }
    }
}

#[test]
fn a_store_that_survives_knows_the_same_after_it_was_opened_again() {
    let mut world = World::new(config(), Travel::Prompt);
    for id in 0..20 {
        if let Ok(token) = world.hold(id, &[(id % 9) as u32, 100 + id as u32 % 4]) {
            let _ = world.pay(id, token);
        }
        world.pass(Span::from_millis(10));
    }
    let before: Vec<_> = world.desk().bookings().cloned().collect();
    let totals = world.desk().totals().clone();
    world.die();
    world.open();
    assert_eq!(world.desk().bookings().cloned().collect::<Vec<_>>(), before);
    assert_eq!(world.desk().totals(), &totals);
    world.pass(Span::from_secs(2_000));
    world.assert_clean();
}
