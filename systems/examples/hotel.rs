//! A week in a small house: bookings by several plans, a few too many on purpose, guests who come and some who do not.
//! Shows each night's figures. Days pass as fast as they can be counted; nothing of it needs a clock.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use foreshock_systems::Time;
use foreshock_systems::booking::{BookingId, Clocks, Command, CustomerId, DeskConfig, Output};
use foreshock_systems::hotel::{
    Arrival, Calendar, FixedOffset, Guarantee, Hotel, House, HouseConfig, Night, Overbooking, Plan, RatePlan,
    RoomKind, RoomType, Shows, StayRequest,
};
use foreshock_systems::store::MemoryStore;

const ROOMS: u32 = 20;
const SHOW_PPM: u32 = 850_000;

fn house() -> House {
    let margin = Overbooking::ByMargin { show_ppm: SHOW_PPM, earned_minor: 8_000, lost_minor: 20_000 };
    let usual = RatePlan {
        night_minor: vec![10_000],
        weekend_ppm: 1_250_000,
        tax_ppm: 70_000,
        guarantee: Guarantee::FirstNight,
        ..RatePlan::default()
    };
    let weekly = RatePlan { discounts: vec![(3, 100_000)], ..usual.clone() };
    House::new(HouseConfig {
        kinds: vec![RoomKind { rooms: ROOMS, overbooking: margin }],
        plans: vec![usual, weekly],
        max_nights: 14,
        compensation_minor: 20_000,
        partner_rooms: 3,
        ..HouseConfig::default()
    })
    .expect("a house with rooms and prices")
}

/// A payment system that says yes.
fn settle(hotel: &mut Hotel<MemoryStore>, clocks: Clocks, mut outputs: Vec<Output>) {
    while let Some(output) = outputs.pop() {
        let word = match output {
            Output::Charge { booking, attempt, token, minor, .. } => {
                Command::Paid { booking, token, payment: u64::from(attempt), minor }
            }
            Output::Void { booking, .. } => Command::NotPaid { booking },
            Output::Refund { booking, refund, minor } => Command::Refunded { booking, refund, minor },
            Output::Offered { .. } | Output::Settled { .. } => continue,
        };
        hotel.handle(clocks, word, &mut outputs).expect("it is about a booking of this house");
    }
}

fn main() {
    let monday = Night::on(2026, 6, 1).expect("a day");
    let calendar = Calendar { zone: Box::new(FixedOffset(19_800)), epoch_unix_s: 1_780_000_000 };
    let mut hotel =
        Hotel::open(MemoryStore::new(), house(), calendar, DeskConfig::default()).expect("a config in range");
    let accepted = hotel.desk().goods().accepted(RoomType(0));
    let shows = Shows::new(accepted, SHOW_PPM);
    println!(
        "{ROOMS} rooms, {accepted} bookings accepted, somebody walked in {} of 1000 full nights",
        shows.walk_ppb(ROOMS) / 1_000_000
    );
    let mut word = 7u64; // anything uniformly distributed
    let mut next = || {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        word >> 33
    };
    let before = Clocks::agreed(Time::ZERO);
    for id in 0..150 {
        let nights = 1 + (next() % 3) as u16;
        let request = StayRequest {
            arrival: monday.plus((next() % 7) as u16),
            nights,
            kind: RoomType(0),
            rooms: 1,
            plan: Plan(u16::from(nights >= 3)),
            channel: None,
        };
        let mut out = Vec::new();
        let held = hotel.hold(before, BookingId(id), CustomerId(id), request, &mut out);
        if let Ok(foreshock_systems::booking::Answer::Held { booking, token, .. }) = held {
            hotel.handle(before, Command::Pay { booking, token }, &mut out).expect("it is held");
        }
        settle(&mut hotel, before, out);
    }
    println!("night        occupied  ADR    RevPAR  walked so far");
    for day in 0..9 {
        let night = monday.plus(day);
        let clocks = Clocks::agreed(hotel.calendar().at(night, 15 * 60));
        let ids: Vec<_> = hotel
            .desk()
            .bookings()
            .map(|booking| (booking.id, booking.detail.arrival, booking.detail.departure()))
            .collect();
        let mut out = Vec::new();
        for (id, _, _) in ids.iter().filter(|(_, _, departure)| *departure == night) {
            let rooms = hotel.rooms_of(*id);
            if !rooms.is_empty() {
                hotel.depart(clocks, *id, &mut out).expect("they were here");
            }
            for room in rooms {
                hotel.set_usable(clocks, room, true, &mut out).expect("it is a room");
            }
        }
        for (id, _, _) in ids.iter().filter(|(_, arrival, _)| *arrival == night) {
            if next() % 1_000_000 < u64::from(SHOW_PPM)
                && let Ok(Arrival::Walked { compensation_minor }) = hotel.arrive(clocks, night, *id, &mut out)
            {
                println!("{night}   {id} is walked, and given {compensation_minor}");
            }
        }
        let late = Clocks::agreed(hotel.calendar().at(night, 23 * 60 + 59));
        let figures = hotel.close_day(late, night, &mut out).expect("memory does not fail");
        settle(&mut hotel, late, out);
        println!(
            "{night}   {:>8}  {:>5}  {:>6}  {}",
            figures.occupied,
            figures.average_rate_minor(),
            figures.revenue_a_room_minor(),
            hotel.arrivals().walked
        );
    }
    let totals = hotel.desk().totals();
    println!(
        "captured {}, refunded {}, kept {}",
        totals.captured_minor, totals.refunded_minor, totals.kept_minor
    );
    match hotel.desk().audit() {
        Ok(()) => println!("nights, rooms and money agree"),
        Err(violation) => println!("{violation}"),
    }
}
