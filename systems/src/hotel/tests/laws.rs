//! What holds of a house whatever happens to it.

use super::*;
use crate::arithmetic::{keyed_word, uniform};
use proptest::prelude::*;

/// A channel that is cut off for so many seconds while both it and the house sell one room a second.
fn cut_off(cut_s: u64, rate_a_second: u64) -> (u64, u64) {
    let config =
        HouseConfig { channels: vec![ChannelConfig::default()], ..house([300, 1], Overbooking::None) };
    let mut world = World::new(config, DeskConfig::default());
    let mut view = ChannelView::new(Channel(0), Span::ZERO);
    view.told(world.now, &world.hotel, first_night(), 1);
    let mut queue = Vec::new();
    let (mut id, mut sold_while_cut) = (0, 0);
    for second in 0..cut_s {
        world.now += Span::from_secs(1);
        let _ = world.hold(1_000_000 + second, request(0, 0, 1));
        for _ in 0..rate_a_second {
            if view.sell(world.now, RoomType(0), first_night(), 1, 1).is_ok() {
                id += 1;
                queue.push(id);
                sold_while_cut += 1;
            }
        }
    }
    // It is connected again: all at once its sales arrive, and it is told what there is.
    for id in queue {
        let (clocks, mut out) = (world.clocks(), Vec::new());
        let sale = StayRequest { channel: Some(Channel(0)), ..request(0, 0, 1) };
        let _ = world.hotel.channel_sale(clocks, BookingId(id), CustomerId(id), sale, &mut out);
    }
    view.told(world.now, &world.hotel, first_night(), 1);
    let free = world.hotel.search(first_night(), 1).iter().any(|offer| offer.kind == RoomType(0));
    let knows = view.sell(world.now, RoomType(0), first_night(), 1, 1).is_ok();
    assert_eq!(free, knows, "once told, the channel knows what the store knows");
    assert_eq!(world.hotel.desk().violation(), None);
    (world.hotel.arrivals().channel_oversells, sold_while_cut)
}

#[test]
fn a_channel_that_is_cut_off_oversells_at_most_what_it_sold_meanwhile() {
    for (cut_s, rate) in [(10, 1), (100, 1), (200, 2), (250, 3)] {
        let (oversold, sold) = cut_off(cut_s, rate);
        assert!(oversold <= sold && sold <= rate * cut_s, "{oversold} of {sold} in {cut_s} s");
        assert_eq!(oversold > 0, cut_s + sold > 300, "{cut_s} s: {oversold}");
    }
}

#[test]
fn walks_over_many_nights_agree_with_the_closed_form() {
    // 10 rooms, 12 bookings a night, each comes with 0.8.
    let (rooms, bookings, show_ppm, nights) = (10u32, 12u64, 800_000u64, 400u16);
    let overbooking = Overbooking::Factor(200_000);
    let mut config = house([rooms, 0], overbooking);
    config.partner_rooms = u32::MAX;
    let mut world = World::new(config, DeskConfig::default());
    let mut nights_with_walks = 0u64;
    for night in 0..nights {
        let id = |guest: u64| u64::from(night) * 100 + guest;
        world.now = world.hotel.calendar().at(first_night().plus(night), 720);
        for guest in 0..bookings {
            world.book(id(guest), request(0, night, 1)).expect("so many are accepted");
        }
        world.to(night, 900);
        let before = world.hotel.arrivals().walked;
        let mut housed = Vec::new();
        for guest in 0..bookings {
            if uniform(keyed_word(11, id(guest)), 0, 999_999) < show_ppm {
                match world.arrive(id(guest)) {
                    Ok(Arrival::Rooms(rooms)) => housed.push((id(guest), rooms[0])),
                    Ok(Arrival::Walked { .. }) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        nights_with_walks += u64::from(world.hotel.arrivals().walked > before);
        let figures = world.close_day(night);
        assert!(figures.occupied <= u64::from(rooms));
        assert_eq!(figures.occupied, housed.len() as u64);
        let per_room = figures.revenue_minor / i64::from(rooms);
        assert_eq!(figures.revenue_a_room_minor(), per_room, "RevPAR from the same integers");
        world.to(night + 1, 600);
        for (id, room) in housed {
            world.depart(id).expect("they were here");
            let (clocks, mut out) = (world.clocks(), Vec::new());
            world.hotel.set_usable(clocks, room, true, &mut out).expect("it is a room");
        }
    }
    world.assert_clean();
    let shows = Shows::new(12, 800_000);
    let expected = shows.walked_micro(rooms) as f64 / 1e6 * f64::from(nights);
    let walked = world.hotel.arrivals().walked as f64;
    // Five standard deviations of a sum of independent nights.
    assert!((walked - expected).abs() < 5.0 * libm::sqrt(expected * 2.0), "{walked} for {expected}");
    let share = nights_with_walks as f64 / f64::from(nights);
    assert!((share - shows.walk_ppb(rooms) as f64 / 1e9).abs() < 0.11, "{share}");
}

#[derive(Clone, Debug)]
enum Act {
    Book(u64, u16, u16, u16, u32),
    Hold(u64, u16, u16, u16),
    Cancel(u64),
    Change(u64, u16, u16),
    Arrive(u64),
    Depart(u64),
    CloseDay,
    Pass,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let id = 0u64..10;
    let act = prop_oneof![
        5 => (id.clone(), 0u16..2, 0u16..4, 1u16..4, 1u32..3)
            .prop_map(|(id, kind, from, nights, rooms)| Act::Book(id, kind, from, nights, rooms)),
        2 => (id.clone(), 0u16..2, 0u16..4, 1u16..4)
            .prop_map(|(id, kind, from, nights)| Act::Hold(id, kind, from, nights)),
        1 => id.clone().prop_map(Act::Cancel),
        1 => (id.clone(), 0u16..4, 1u16..4).prop_map(|(id, from, nights)| Act::Change(id, from, nights)),
        4 => id.clone().prop_map(Act::Arrive),
        1 => id.prop_map(Act::Depart),
        1 => Just(Act::CloseDay),
        2 => Just(Act::Pass),
    ];
    proptest::collection::vec(act, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_guests_do_rooms_nights_and_money_agree(acts in acts()) {
        let config = HouseConfig { house_limit: Some(5), ..house([2, 2], Overbooking::Factor(500_000)) };
        let mut world = World::new(config, DeskConfig { isolation: Isolation::Snapshot, ..DeskConfig::default() });
        world.now = world.hotel.calendar().at(first_night(), 600);
        let mut day = 0;
        for act in acts {
            let (clocks, mut out) = (world.clocks(), Vec::new());
            match act {
                Act::Book(id, kind, from, nights, rooms) => {
                    let _ = world.book_if_new(id, StayRequest { rooms, ..request(kind, from, nights) });
                }
                Act::Hold(id, kind, from, nights) => {
                    let _ = world.hold_if_new(id, request(kind, from, nights));
                }
                Act::Cancel(id) => drop(world.cancel(id)),
                Act::Change(id, from, nights) => {
                    if let Some(booking) = world.hotel.desk().booking(BookingId(id)) {
                        let token = booking.token;
                        let wish = request(booking.detail.kind.0, from, nights);
                        let _ = world.hotel.change(clocks, BookingId(id), token, wish, &mut out);
                        world.carry_out(out);
                    }
                }
                Act::Arrive(id) => drop(world.arrive(id)),
                Act::Depart(id) => drop(world.depart(id)),
                Act::CloseDay => drop(world.close_day(day)),
                Act::Pass => {
                    day += 1;
                    world.to(day, 600);
                }
            }
            world.assert_clean();
        }
    }
}

impl World {
    fn hold_if_new(&mut self, id: u64, request: StayRequest) -> Option<Token> {
        if self.phase(id).is_some() { None } else { self.hold(id, request).ok() }
    }

    fn book_if_new(&mut self, id: u64, request: StayRequest) -> Option<()> {
        if self.phase(id).is_some() { None } else { self.book(id, request).ok() }
    }
}
