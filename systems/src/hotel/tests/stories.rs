//! What a house does, told from the counter.

use super::*;

fn desk() -> DeskConfig {
    DeskConfig::default()
}

#[test]
fn a_stay_is_held_for_all_its_nights_or_for_none() {
    let mut world = World::new(house([1, 1], Overbooking::None), desk());
    world.hold(1, request(0, 2, 2)).expect("it is free");
    assert_eq!(world.hold(2, request(0, 0, 4)), Err(Rejected::Refused(Refusal::NotFree)));
    let night = |offset| HotelUnit::Night(RoomType(0), first_night().plus(offset));
    let held = [0, 1, 2, 3].map(|offset| world.hotel.desk().unit(night(offset)).held);
    assert_eq!(held, [0, 0, 1, 1]);
    let offers = world.hotel.search(first_night(), 4);
    assert!(offers.iter().all(|offer| offer.kind == RoomType(1)), "{offers:?}");
    assert_eq!(world.hotel.search(first_night(), 2).len(), 4, "both types by both plans");
    world.assert_clean();
}

#[test]
fn a_party_takes_several_rooms_and_pays_for_each() {
    let mut world = World::new(house([5, 1], Overbooking::None), desk());
    world.book(1, StayRequest { rooms: 3, ..request(0, 0, 2) }).expect("they are free");
    assert_eq!(world.taken_minor, 60_000);
    assert_eq!(
        world.hold(2, StayRequest { rooms: 3, ..request(0, 1, 1) }),
        Err(Rejected::Refused(Refusal::NotFree))
    );
    world.assert_clean();
}

#[test]
fn a_party_is_given_as_many_rooms_as_it_booked_or_walked_whole() {
    let mut world = World::new(house([3, 1], Overbooking::Factor(1_000_000)), desk());
    for id in 1..=2 {
        world.book(id, StayRequest { rooms: 2, ..request(0, 0, 1) }).expect("more is accepted than there is");
    }
    world.to(0, 900);
    let rooms = world.arrive(1).expect("they are expected");
    assert!(matches!(&rooms, Arrival::Rooms(rooms) if rooms.len() == 2 && rooms[0] != rooms[1]), "{rooms:?}");
    assert!(matches!(world.arrive(2), Ok(Arrival::Walked { .. })), "one room is no room for them");
    world.to(1, 600);
    world.depart(1).expect("they were here");
    assert_eq!(world.hotel.rooms_of(BookingId(1)), []);
    world.assert_clean();
}

#[test]
fn cancelling_is_free_until_the_deadline_of_the_plan_and_then_costs_a_night() {
    let mut world = World::new(house([2, 1], Overbooking::None), desk());
    world.book(1, request(0, 0, 3)).expect("it is free");
    world.book(2, request(0, 0, 3)).expect("it is free");
    assert_eq!(world.taken_minor, 60_000);
    let deadline = world.hotel.free_until(world.hotel.desk().booking(BookingId(1)).expect("it is there"));
    assert_eq!(deadline, world.hotel.calendar().at(Night(first_night().0 - 1), 18 * 60));
    world.now = deadline - Span::from_nanos(1);
    world.cancel(1).expect("it is confirmed");
    assert_eq!(world.taken_minor, 30_000);
    world.now = deadline;
    world.cancel(2).expect("it is confirmed");
    assert_eq!(world.taken_minor, 10_000, "the first night");
    world.cancel(2).expect("it is cancelled already");
    assert_eq!(world.taken_minor, 10_000);
    world.assert_clean();
}

#[test]
fn guests_are_given_rooms_and_whoever_is_too_many_is_walked_and_then_turned_away() {
    let mut world = World::new(house([2, 0], Overbooking::Factor(1_000_000)), desk());
    for id in 1..=4 {
        world.book(id, request(0, 0, 2)).expect("more is accepted than there is");
    }
    assert_eq!(world.hold(5, request(0, 0, 2)), Err(Rejected::Refused(Refusal::NotFree)));
    assert_eq!(world.arrive(1), Err(Rejected::Refused(Refusal::Closed)), "days too early");
    world.to(0, 15 * 60);
    let rooms: Vec<_> = [1, 2].map(|id| world.arrive(id)).into_iter().collect();
    assert_ne!(rooms[0], rooms[1]);
    assert!(matches!(rooms[0], Ok(Arrival::Rooms(_))));
    assert_eq!(world.arrive(3), Ok(Arrival::Walked { compensation_minor: 15_000 }));
    assert_eq!(world.arrive(4), Ok(Arrival::TurnedAway), "one partner room");
    assert_eq!(world.arrive(4), Err(Rejected::Refused(Refusal::Phase(Phase::TurnedAway))));
    assert_eq!(world.taken_minor, 40_000, "two stays of two nights");
    let figures = world.close_day(0);
    assert_eq!((figures.occupied, figures.booked, figures.revenue_minor), (2, 2, 20_000));
    assert_eq!((figures.occupancy_ppm(), figures.average_rate_minor()), (1_000_000, 10_000));
    world.assert_clean();
}

#[test]
fn a_party_that_nobody_remembers_and_one_in_a_room_of_others_are_seen() {
    let violation_of = |sabotage: Option<Sabotage>| {
        let mut world = World::new(house([1, 0], Overbooking::Factor(1_000_000)), desk());
        world.hotel.sabotage = sabotage;
        for id in 1..=2 {
            world.book(id, request(0, 0, 1)).expect("more is accepted than there is");
        }
        world.to(0, 900);
        for id in 1..=2 {
            world.arrive(id).expect("they have a confirmation");
        }
        world.hotel.audit(first_night()).err()
    };
    assert_eq!(violation_of(None), None);
    assert_eq!(
        violation_of(Some(Sabotage::ForgetsTheWalked)),
        Some(HouseViolation::Arrivals { arrived: 1, accounted: 2 })
    );
    assert_eq!(
        violation_of(Some(Sabotage::DoublesUp)),
        Some(HouseViolation::Occupied { night: first_night(), occupied: 2, rooms: 1 })
    );
}

#[test]
fn a_room_is_cleaned_before_somebody_else_is_given_it_and_guests_can_move() {
    let mut world = World::new(house([1, 1], Overbooking::None), desk());
    world.book(1, request(0, 0, 1)).expect("it is free");
    world.book(2, request(0, 1, 1)).expect("it is free");
    world.to(0, 900);
    let Ok(Arrival::Rooms(rooms)) = world.arrive(1) else { panic!("there is one") };
    let room = rooms[0];
    world.to(1, 660);
    world.depart(1).expect("they were here");
    assert!(matches!(world.arrive(2), Ok(Arrival::Walked { .. })), "nobody has cleaned it");
    let (clocks, mut out) = (world.clocks(), Vec::new());
    world.hotel.set_usable(clocks, room, true, &mut out).expect("it is a room");
    world.book(3, request(0, 1, 1)).expect("it is free");
    assert_eq!(world.arrive(3), Ok(Arrival::Rooms(vec![room])));
    let other = Room { kind: RoomType(1), number: 0 };
    world.hotel.move_to(clocks, BookingId(3), room, other, &mut out).expect("it is free");
    assert_eq!(world.hotel.rooms_of(BookingId(3)), [other]);
    assert_eq!(world.hotel.desk().unit(HotelUnit::Room(room)).taken(), 0);
    world.assert_clean();
}

#[test]
fn upgrades_are_given_if_the_house_does_so() {
    let mut world =
        World::new(HouseConfig { upgrades: true, ..house([1, 1], Overbooking::Factor(1_000_000)) }, desk());
    world.book(1, request(0, 0, 1)).expect("it is free");
    world.book(2, request(0, 0, 1)).expect("more is accepted than there is");
    world.to(0, 900);
    let room = |kind| Ok(Arrival::Rooms(vec![Room { kind: RoomType(kind), number: 0 }]));
    assert_eq!([1, 2].map(|id| world.arrive(id)), [room(0), room(1)]);
    assert_eq!(world.hotel.arrivals().moved_up, 1);
    world.assert_clean();
}

#[test]
fn whoever_does_not_come_pays_what_the_plan_says() {
    let mut world = World::new(house([3, 1], Overbooking::None), desk());
    world.book(1, request(0, 0, 2)).expect("it is free");
    world.book(2, StayRequest { plan: Plan(1), ..request(0, 0, 2) }).expect("it is paid at the counter");
    assert_eq!(world.taken_minor, 20_000);
    world.to(0, 1_439);
    let figures = world.close_day(0);
    assert_eq!((figures.booked, figures.occupied), (0, 0));
    assert_eq!([1, 2].map(|id| world.phase(id)), [Some(Phase::NoShow); 2]);
    assert_eq!(world.taken_minor, 10_000);
    assert_eq!(world.close_day(0), figures, "closing it again changes nothing");
    assert_eq!(world.hotel.arrivals().no_shows, 2);
    world.assert_clean();
}

#[test]
fn a_stay_that_is_paid_at_the_counter_is_paid_when_they_leave() {
    let mut world = World::new(house([1, 1], Overbooking::None), desk());
    world.book(1, StayRequest { plan: Plan(1), ..request(0, 0, 2) }).expect("it is free");
    world.to(0, 900);
    assert!(matches!(world.arrive(1), Ok(Arrival::Rooms(_))));
    let token = world.hotel.desk().booking(BookingId(1)).map_or(Token(0), |booking| booking.token);
    let (clocks, mut out) = (world.clocks(), Vec::new());
    let paid = Command::Paid { booking: BookingId(1), token, payment: 77, minor: 30_000 };
    world.hotel.handle(clocks, paid, &mut out).expect("they are here");
    world.taken_minor += 30_000;
    world.carry_out(out);
    assert_eq!(world.taken_minor, 24_000, "what was too much went back");
    world.to(2, 600);
    world.depart(1).expect("they were here");
    assert_eq!(world.phase(1), Some(Phase::Departed));
    world.assert_clean();
}

#[test]
fn other_dates_are_taken_whole_or_the_old_ones_are_kept() {
    let mut world = World::new(house([1, 1], Overbooking::None), desk());
    world.book(1, request(0, 0, 3)).expect("it is free");
    world.book(2, request(0, 5, 2)).expect("it is free");
    let token = world.hotel.desk().booking(BookingId(1)).map_or(Token(0), |booking| booking.token);
    let (clocks, mut out) = (world.clocks(), Vec::new());
    let taken = world.hotel.change(clocks, BookingId(1), token, request(0, 4, 3), &mut out);
    assert_eq!(taken, Err(Rejected::Refused(Refusal::NotFree)));
    let moved = world.hotel.change(clocks, BookingId(1), token, request(0, 2, 2), &mut out);
    assert!(matches!(moved, Ok(Answer::Stands { refund_minor: 10_000, .. })), "{moved:?}");
    world.carry_out(out);
    assert_eq!(world.taken_minor, 40_000);
    world.hold(3, request(0, 0, 2)).expect("those nights are free again");
    world.assert_clean();
}

#[test]
fn a_stop_sell_closes_a_night_and_a_house_limit_counts_all_types() {
    let config = HouseConfig { house_limit: Some(2), ..house([2, 2], Overbooking::None) };
    let mut world = World::new(config, desk());
    world.hotel.desk_mut().goods_mut().set_closed(RoomType(0), first_night(), true);
    assert_eq!(world.hold(1, request(0, 0, 2)), Err(Rejected::Refused(Refusal::Closed)));
    world.hold(2, request(0, 1, 1)).expect("the night after is open");
    world.hold(3, request(1, 1, 1)).expect("another type");
    assert_eq!(world.hold(4, request(1, 1, 1)), Err(Rejected::Refused(Refusal::HouseFull)));
    world.assert_clean();
}

#[test]
fn a_house_that_cannot_be_is_refused() {
    let fine = house([2, 1], Overbooking::None);
    let allotted = HouseConfig {
        channels: vec![ChannelConfig { allotment: vec![1] }, ChannelConfig { allotment: vec![2] }],
        ..fine.clone()
    };
    assert_eq!(House::new(allotted).err(), Some(HouseError::Allotments(RoomType(0))));
    assert_eq!(House::new(HouseConfig { plans: Vec::new(), ..fine.clone() }).err(), Some(HouseError::Empty));
    let plan = RatePlan { night_minor: vec![1], ..RatePlan::default() };
    let priceless = HouseConfig { plans: vec![plan], ..fine };
    assert_eq!(House::new(priceless).err(), Some(HouseError::Price(RoomType(1))));
}

#[test]
fn a_channel_with_an_allotment_never_sells_what_is_gone() {
    let config = HouseConfig {
        channels: vec![ChannelConfig { allotment: vec![2] }],
        ..house([5, 1], Overbooking::None)
    };
    let mut world = World::new(config, desk());
    let mut view = ChannelView::new(Channel(0), Span::ZERO);
    view.told(world.now, &world.hotel, first_night(), 3);
    for id in 0..3 {
        world.hold(id, request(0, 0, 1)).expect("three are not the channel's");
    }
    assert_eq!(world.hold(3, request(0, 0, 1)), Err(Rejected::Refused(Refusal::NotFree)));
    for id in 10..12 {
        view.sell(world.now, RoomType(0), first_night(), 1, 1).expect("its allotment is its own");
        let (clocks, mut out) = (world.clocks(), Vec::new());
        let sale = StayRequest { channel: Some(Channel(0)), ..request(0, 0, 1) };
        let sold = world.hotel.channel_sale(clocks, BookingId(id), CustomerId(id), sale, &mut out);
        assert!(sold.is_ok(), "{sold:?}");
        world.taken_minor += 10_000; // by the channel
    }
    assert_eq!(view.sell(world.now, RoomType(0), first_night(), 1, 1), Err(SaleRefused::SoldOut));
    assert_eq!(world.hotel.arrivals().channel_oversells, 0);
    world.assert_clean();
}
