//! What a desk does, told from the customer's side.

use super::world::{RULED, Travel, World, ask, config};
use super::*;

#[test]
fn held_paid_and_confirmed_once_however_often_it_is_said() {
    for travel in [Travel::Prompt, Travel::Twice, Travel::FirstLost] {
        let mut world = World::new(config(), travel);
        let token = world.hold(1, &[4, 5]).expect("they are free");
        assert_eq!(world.hold(1, &[4, 5]), Ok(token), "the same key is the same booking");
        assert_eq!(world.hold(2, &[5, 6]), Err(Rejected::Refused(Refusal::NotFree)), "all or none");
        assert_eq!(world.desk().unit(6).taken(), 0);
        assert!(matches!(world.pay(1, token), Ok(Answer::Charging { .. })));
        assert!(matches!(world.pay(1, token), Ok(Answer::Charging { .. })));
        world.pass(Span::from_secs(60));
        assert_eq!(world.phase(1), Some(Phase::Confirmed), "{travel:?}");
        assert_eq!(world.gateway.taken_minor(BookingId(1)), 1_000);
        let settled = world.outputs.iter().filter(|output| matches!(output, Output::Settled { .. })).count();
        assert_eq!(settled, 1);
        world.assert_clean();
    }
}

#[test]
fn the_same_key_for_another_wish_is_refused() {
    let mut world = World::new(config(), Travel::Prompt);
    world.hold(1, &[4]).expect("it is free");
    assert_eq!(world.hold(1, &[5]), Err(Rejected::Refused(Refusal::KeyReused)));
}

#[test]
fn money_that_comes_after_the_hold_takes_the_seat_again_if_it_is_free() {
    let mut world = World::new(config(), Travel::Late(Span::from_secs(700)));
    let token = world.hold(1, &[4]).expect("it is free");
    world.pass(Span::from_secs(590));
    assert!(world.pay(1, token).is_ok());
    world.pass(Span::from_secs(20));
    assert_eq!(world.phase(1), Some(Phase::Expired));
    assert!(world.outputs.iter().any(|output| matches!(output, Output::Void { .. })));
    world.pass(Span::from_secs(3_000));
    assert_eq!(world.phase(1), Some(Phase::Confirmed));
    assert_eq!(world.desk().totals().retaken, 1);
    assert!(world.desk().booking(BookingId(1)).is_some_and(|booking| booking.token > token));
    world.assert_clean();
}

#[test]
fn money_that_comes_after_the_seat_was_sold_again_goes_back() {
    for policy in [LatePayment::ReacquireElseRefund, LatePayment::Refund] {
        let mut world =
            World::new(DeskConfig { late_payment: policy, ..config() }, Travel::Late(Span::from_secs(700)));
        let token = world.hold(1, &[4]).expect("it is free");
        world.pass(Span::from_secs(590));
        assert!(world.pay(1, token).is_ok());
        world.pass(Span::from_secs(20));
        if policy == LatePayment::ReacquireElseRefund {
            assert!(world.say(Command::Sell(ask(2, &[4]))).is_some_and(|said| said.is_ok()));
        }
        world.pass(Span::from_secs(9_000));
        assert_eq!(world.phase(1), Some(Phase::Refused));
        assert_eq!(world.gateway.taken_minor(BookingId(1)), 0);
        assert!(world.desk().booking(BookingId(1)).is_some_and(Booking::is_settled));
        world.assert_clean();
    }
}

#[test]
fn a_refused_card_leaves_the_hold_and_may_be_tried_again() {
    let mut world = World::new(config(), Travel::Declines);
    let token = world.hold(1, &[4]).expect("it is free");
    assert!(world.pay(1, token).is_ok());
    world.pass(Span::from_secs(1));
    assert_eq!(world.phase(1), Some(Phase::Held));
    world.travel = Travel::Prompt;
    assert!(world.pay(1, token).is_ok());
    world.pass(Span::from_secs(1));
    assert_eq!(world.phase(1), Some(Phase::Confirmed));
    world.assert_clean();
}

#[test]
fn a_hold_ends_by_itself_can_be_made_longer_once_and_is_swept_once() {
    let mut world = World::new(config(), Travel::Prompt);
    let token = world.hold(1, &[4]).expect("it is free");
    let booking = BookingId(1);
    world.pass(Span::from_secs(500));
    let extend = Command::Extend { booking, token };
    assert!(matches!(world.say(extend.clone()), Some(Ok(Answer::Held { .. }))));
    let again = world.say(extend);
    assert_eq!(again, Some(Err(Rejected::Refused(Refusal::NoExtensionLeft))));
    world.pass(Span::from_secs(600));
    assert_eq!(world.phase(1), Some(Phase::Held));
    world.pass(Span::from_secs(200));
    assert_eq!(world.phase(1), Some(Phase::Expired));
    for _ in 0..2 {
        let swept = world.say(Command::Sweep { booking });
        assert!(matches!(swept, Some(Ok(Answer::Stands { phase: Phase::Expired, .. }))));
    }
    assert_eq!(world.desk().unit(4).taken(), 0, "freed once, not below nothing");
    let next = world.hold(2, &[4]).expect("it is free again");
    assert!(next > token, "every hold of a seat has a newer token");
    let late = world.say(Command::Release { booking, token });
    assert!(matches!(late, Some(Ok(Answer::Stands { phase: Phase::Expired, .. }))));
    assert_eq!(world.phase(2), Some(Phase::Held), "nobody else's");
    world.assert_clean();
}

#[test]
fn where_the_desk_does_not_sweep_a_hold_that_has_ended_stays_taken_until_somebody_does() {
    let mut world = World::new(DeskConfig { sweeps: false, ..config() }, Travel::Prompt);
    world.hold(1, &[4]).expect("it is free");
    world.pass(Span::from_secs(5_000));
    assert_eq!(world.phase(1), Some(Phase::Held));
    assert_eq!(world.hold(2, &[4]), Err(Rejected::Refused(Refusal::NotFree)));
    let ended: Vec<BookingId> = world.desk().ended_holds(world.now).collect();
    assert_eq!(ended, [BookingId(1)]);
    // Two sweepers at once: one of them ends it.
    for _ in 0..2 {
        let swept = world.say(Command::Sweep { booking: BookingId(1) });
        assert!(matches!(swept, Some(Ok(Answer::Stands { phase: Phase::Expired, .. }))));
    }
    world.hold(3, &[4]).expect("it is free again");
    world.assert_clean();
}

#[test]
fn a_sweeper_whose_clock_is_ahead_ends_nothing_and_by_its_own_clock_it_would() {
    for (clock, expected) in [(HoldClock::Store, Phase::Held), (HoldClock::Caller, Phase::Expired)] {
        let mut world = World::new(DeskConfig { hold_clock: clock, ..config() }, Travel::Prompt);
        world.hold(1, &[4]).expect("it is free");
        let clocks = Clocks { store: world.now, caller: world.now + Span::from_secs(601) };
        let _ = world.say_at(clocks, Command::Sweep { booking: BookingId(1) });
        assert_eq!(world.phase(1), Some(expected));
        let is_clean = world.problems().is_empty();
        assert_eq!(is_clean, clock == HoldClock::Store, "the audit goes by the store's clock");
    }
}

#[test]
fn whoever_waits_is_offered_what_becomes_free_in_the_order_of_coming() {
    let mut world = World::new(config(), Travel::Prompt);
    let token = world.hold(1, &[4, 5]).expect("they are free");
    for (id, units) in [(2, vec![4]), (3, vec![4, 5]), (4, vec![5])] {
        let waits = world.say(Command::Wait(ask(id, &units)));
        assert!(matches!(waits, Some(Ok(Answer::Waiting { .. }))), "{waits:?}");
    }
    world.pass(Span::from_secs(1));
    assert!(matches!(world.say(Command::Wait(ask(3, &[4, 5]))), Some(Ok(Answer::Waiting { place: 1, .. }))));
    let _ = world.say(Command::Release { booking: BookingId(1), token });
    world.pass(Span::from_secs(1));
    assert_eq!([2, 3, 4].map(|id| world.phase(id)), [Some(Phase::Held), None, Some(Phase::Held)]);
    world.pass(Span::from_secs(1_300));
    assert_eq!(world.phase(3), Some(Phase::Expired), "it was offered when both had let go");
    world.assert_clean();
}

#[test]
fn a_customer_has_no_more_than_a_customer_may_have() {
    let mut world = World::new(DeskConfig { max_per_customer: 3, ..config() }, Travel::Prompt);
    let token = world.hold(1, &[1, 2]).expect("two may be had");
    let over = Err(Rejected::Refused(Refusal::CustomerLimit));
    assert_eq!(world.hold(8, &[3, 4]), over, "the same customer by another booking");
    world.hold(2, &[3, 4]).expect("another customer");
    let _ = world.say(Command::Release { booking: BookingId(1), token });
    world.hold(15, &[1, 2, 5]).expect("those were given back");
    world.assert_clean();
}

#[test]
fn a_change_takes_the_new_seats_or_leaves_the_old_ones() {
    let mut world = World::new(config(), Travel::Prompt);
    let token = world.hold(1, &[1, 2]).expect("they are free");
    world.hold(2, &[4]).expect("it is free");
    world.pay(1, token).expect("it is held");
    world.pass(Span::from_secs(1));
    let change = |units: &[u32], token| Command::Change { booking: BookingId(1), token, ask: ask(1, units) };
    let taken = world.say(change(&[3, 4], token));
    assert_eq!(taken, Some(Err(Rejected::Refused(Refusal::NotFree))));
    assert_eq!([1, 2, 3].map(|unit| world.desk().unit(unit).sold), [1, 1, 0]);
    let dearer = world.say(change(&[1, 2, 3], token));
    assert_eq!(dearer, Some(Err(Rejected::Refused(Refusal::Underpaid))));
    assert!(matches!(world.say(change(&[3], token)), Some(Ok(Answer::Stands { refund_minor: 500, .. }))));
    assert_eq!(world.say(change(&[1], token)), Some(Err(Rejected::Refused(Refusal::StaleToken))));
    world.pass(Span::from_secs(1));
    assert_eq!([1, 2, 3].map(|unit| world.desk().unit(unit).sold), [0, 0, 1]);
    assert_eq!(world.gateway.taken_minor(BookingId(1)), 500);
    world.assert_clean();
}

#[test]
fn cancelling_keeps_the_fee_and_giving_up_a_part_gives_back_its_price() {
    let mut world = World::new(config(), Travel::Twice);
    for (id, units) in [(1, [1, 2, 3]), (2, [11, 12, 13])] {
        let token = world.hold(id, &units).expect("they are free");
        world.pay(id, token).expect("it is held");
    }
    world.pass(Span::from_secs(1));
    let _ = world.say(Command::Cancel { booking: BookingId(1), fee_minor: 200 });
    let _ = world.say(Command::Shrink { booking: BookingId(2), units: vec![12], less_minor: 500 });
    world.pass(Span::from_secs(1));
    let taken = [1, 2].map(|id| world.gateway.taken_minor(BookingId(id)));
    assert_eq!(taken, [200, 1_000]);
    assert_eq!([2, 12, 13].map(|unit| world.desk().unit(unit).sold), [0, 0, 1]);
    world.assert_clean();
}

#[test]
fn what_is_off_sale_is_not_sold_and_nonsense_is_refused() {
    let mut world = World::new(config(), Travel::Prompt);
    let _ = world.say(Command::Block { unit: 4, count: 1 });
    assert_eq!(world.hold(1, &[4]), Err(Rejected::Refused(Refusal::NotFree)));
    for units in [vec![], vec![1, 1], vec![999]] {
        assert_eq!(world.hold(2, &units), Err(Rejected::Refused(Refusal::Malformed)), "{units:?}");
    }
    let odd = Ask { price_minor: -1, ..ask(3, &[1]) };
    assert_eq!(world.say(Command::Hold(odd)), Some(Err(Rejected::Refused(Refusal::Malformed))));
    assert_eq!(
        world.pay(77, Token(1)),
        Err(Rejected::Refused(Refusal::Unknown)),
        "nothing of that name was booked"
    );
    world.hold(4, &[RULED[0]]).expect("it is the first");
    assert_eq!(world.hold(5, &[RULED[1]]), Err(Rejected::Refused(Refusal::HouseFull)));
    world.assert_clean();
}

#[test]
fn what_is_between_two_steps_is_not_confirmed_after_its_hold_has_ended() {
    let mut world = World::new(config(), Travel::Prompt);
    let token = world.hold(1, &[4]).expect("it is free");
    let desk = world.desk.as_mut().expect("it is open");
    let booking = BookingId(1);
    let paid = Command::Paid { booking, token, payment: 9, minor: 500 };
    let pending = desk.begin(Clocks::agreed(world.now), paid.clone()).expect("it is held");
    let late = world.now + Span::from_secs(600);
    assert_eq!(desk.commit(late, pending, &mut Vec::new()), Err(Rejected::Conflict));
    let again = desk.handle(Clocks::agreed(late), paid, &mut Vec::new());
    assert_eq!(again, Ok(Answer::Confirmed { booking, was_retaken: true }));
}
