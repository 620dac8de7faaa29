//! What a box office does, told from the front of the line.

use super::*;

#[test]
fn a_single_seat_between_others_is_left_to_nobody_if_the_house_says_so() {
    let strict = Show { allows_gaps: false, ..show(1, 8) };
    let mut office = office(strict, BoxOfficeConfig::default());
    assert_eq!(hold(&mut office, at(1), 1, &seats(0, &[1, 2])), Err(Rejected::Refused(Refusal::LeavesGap)));
    hold(&mut office, at(1), 2, &seats(0, &[0, 1])).expect("nobody is left alone");
    assert_eq!(hold(&mut office, at(1), 3, &seats(0, &[3, 4])), Err(Rejected::Refused(Refusal::LeavesGap)));
    hold(&mut office, at(1), 4, &seats(0, &[2, 3, 4])).expect("nobody is left alone");
    let best = office.ask_best(BookingId(5), CustomerId(5), SHOW, 2, None);
    assert_eq!(best.map(|ask| ask.units.len()).err(), Some(Refusal::NotFree), "one of three would be left");
    assert!(office.ask_best(BookingId(5), CustomerId(5), SHOW, 3, None).is_ok());
    assert_eq!(office.desk().violation(), None);
}

#[test]
fn two_who_each_leave_nobody_alone_do_so_together_unless_the_store_is_serializable() {
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        let desk = DeskConfig { isolation, ..DeskConfig::default() };
        let strict = Show { allows_gaps: false, ..show(1, 5) };
        let mut office = office(strict, BoxOfficeConfig { desk, ..BoxOfficeConfig::default() });
        let begun: Vec<_> = [(1, [0, 1]), (2, [3, 4])]
            .into_iter()
            .map(|(id, numbers)| {
                let ask =
                    office.ask(BookingId(id), CustomerId(id), SHOW, &seats(0, &numbers)).expect("they exist");
                office.begin(at(1), Command::Hold(ask)).expect("three others are free")
            })
            .collect();
        let done =
            begun.into_iter().map(|pending| office.commit(at(1).store, pending, &mut Vec::new()).is_ok());
        let held = done.filter(|done| *done).count();
        assert_eq!(held, if isolation == Isolation::Serializable { 1 } else { 2 }, "{isolation}");
    }
}

#[test]
fn tickets_are_taken_back_whole_or_in_part_until_shortly_before_the_show() {
    let config = BoxOfficeConfig {
        refundable_before: Span::from_secs(3_600),
        return_fee_ppm: 100_000,
        ..BoxOfficeConfig::default()
    };
    let mut office = office(show(4, 10), config);
    for id in 1..=3 {
        let token = hold(&mut office, at(1), id, &seats(id as u16, &[0, 1, 2])).expect("they are free");
        assert!(pay(&mut office, at(2), id, token));
    }
    let mut out = Vec::new();
    let whole = office.take_back(at(10), BookingId(1), &mut out);
    assert!(
        matches!(whole, Ok(Answer::Stands { phase: Phase::Cancelled, refund_minor: 2_430, .. })),
        "{whole:?}"
    );
    let part = office.take_seats_back(at(10), BookingId(2), &seats(2, &[1]), &mut out);
    assert!(
        matches!(part, Ok(Answer::Stands { phase: Phase::Confirmed, refund_minor: 810, .. })),
        "{part:?}"
    );
    assert_eq!(office.desk().totals().sold, 5);
    let late = office.take_back(at(96_401), BookingId(3), &mut out);
    assert_eq!(late, Err(Rejected::Refused(Refusal::Closed)));
    assert_eq!(hold(&mut office, at(100_000), 9, &seats(0, &[0])), Err(Rejected::Refused(Refusal::Closed)));
    assert_eq!(office.desk().violation(), None);
}

#[test]
fn an_exchange_takes_other_seats_at_once_or_leaves_them_as_they_are() {
    let mut office = office(show(2, 4), BoxOfficeConfig::default());
    let token = hold(&mut office, at(1), 1, &seats(0, &[0, 1])).expect("they are free");
    hold(&mut office, at(1), 2, &seats(1, &[1])).expect("it is free");
    let mut out = Vec::new();
    let taken = office.exchange(at(2), BookingId(1), token, &seats(1, &[0, 1]), &mut out);
    assert_eq!(taken, Err(Rejected::Refused(Refusal::NotFree)));
    let moved = office.exchange(at(2), BookingId(1), token, &seats(0, &[1, 2]), &mut out);
    let Ok(Answer::Held { token: newer, .. }) = moved else { panic!("{moved:?}") };
    assert!(newer > token, "who comes with the old one is refused");
    assert!(!pay(&mut office, at(3), 1, token));
    assert!(pay(&mut office, at(3), 1, newer));
    assert_eq!(office.desk().violation(), None);
}

#[test]
fn a_map_that_is_shown_may_be_old_and_a_booking_never_is() {
    let config = BoxOfficeConfig { seat_view_ttl: Span::from_secs(5), ..BoxOfficeConfig::default() };
    let mut office = office(show(1, 4), config);
    assert_eq!(office.view(at(1).store, SHOW).map(|view| view.free().len()), Some(4));
    hold(&mut office, at(2), 1, &seats(0, &[0, 1])).expect("they are free");
    assert_eq!(office.view(at(5).store, SHOW).map(|view| view.free().len()), Some(4), "old");
    assert_eq!(hold(&mut office, at(5), 2, &seats(0, &[1])), Err(Rejected::Refused(Refusal::NotFree)));
    assert_eq!(office.counts().stale_offers, 1);
    assert_eq!(office.view(at(6).store, SHOW).map(|view| view.free().len()), Some(2));
    assert_eq!(office.view(at(6).store, ShowId(1)), None);
}

#[test]
fn whoever_comes_past_the_waiting_room_is_sent_back() {
    let room = WaitingRoomConfig {
        order: Order::Fifo,
        opens_at: Time::ZERO,
        admitted_a_second_milli: 1_000,
        capacity: 0,
        pass_ttl: Span::from_secs(60),
    };
    let config = BoxOfficeConfig { waiting_room: Some(room), ..BoxOfficeConfig::default() };
    let mut office = office(show(1, 4), config);
    assert_eq!(hold(&mut office, at(1), 1, &seats(0, &[0])), Err(Rejected::Refused(Refusal::Closed)));
    let _ = office.join(at(1).store, CustomerId(1), 0);
    let mut admitted = Vec::new();
    office.expire(at(1).store, &mut Vec::new(), &mut admitted).expect("memory does not fail");
    assert_eq!(admitted.len(), 1);
    hold(&mut office, at(2), 1, &seats(0, &[0])).expect("they were let in");
    assert_eq!(
        hold(&mut office, at(61), 1, &seats(0, &[1])),
        Err(Rejected::Refused(Refusal::Closed)),
        "over"
    );
    assert_eq!(office.counts().without_pass, 2);
}

#[test]
fn by_the_callers_clock_a_seat_is_sold_to_two() {
    for clock in [HoldClock::Store, HoldClock::Caller] {
        let desk = DeskConfig { hold_clock: clock, ..DeskConfig::default() };
        let mut office = office(show(1, 1), BoxOfficeConfig { desk, ..BoxOfficeConfig::default() });
        let token = hold(&mut office, at(1), 1, &seats(0, &[0])).expect("it is free");
        // A sweeper whose clock is ahead by more than a hold lasts.
        let ahead = Clocks { caller: at(700).store, ..at(2) };
        let _ = office.handle(ahead, Command::Sweep { booking: BookingId(1) }, &mut Vec::new());
        let other = hold(&mut office, at(3), 2, &seats(0, &[0]));
        assert_eq!(other.is_ok(), clock == HoldClock::Caller, "somebody else holds what is held");
        if let Ok(other) = other {
            assert!(other > token);
            assert!(pay(&mut office, at(4), 2, other));
        }
        // The first pays: the fence keeps it from being sold twice all the same.
        let paid = Command::Paid { booking: BookingId(1), token, payment: 1, minor: 900 };
        let answer = office.handle(at(5), paid, &mut Vec::new()).expect("it is known");
        assert_eq!(matches!(answer, Answer::Confirmed { .. }), clock == HoldClock::Store);
        assert_eq!(office.desk().violation().is_some(), clock == HoldClock::Caller);
    }
}
