//! Published results about queues: a house is a loss system (its rooms are servers, stays are service), a waiting room
//! lets people in as a queue with one server of constant pace.

use crate::folder::reference_cases;
use foreshock_systems::booking::{
    Ask, BookingId, Clocks, Command, CustomerId, DeskConfig, Refusal, Rejected,
};
use foreshock_systems::hotel::{
    Calendar, Hotel, HotelUnit, House, HouseConfig, Night, Plan, RatePlan, RoomKind, RoomType, Stay,
};
use foreshock_systems::store::MemoryStore;
use foreshock_systems::ticket_booking::{Order, WaitingRoom, WaitingRoomConfig};
use foreshock_systems::{Span, Time};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

const ARRIVALS: u64 = 30_000;

fn cases() -> Option<Vec<Value>> {
    let text = fs::read_to_string(reference_cases()?).expect("the cases can be read");
    let file: Value = serde_yaml::from_str(&text).expect("the cases are YAML");
    Some(file["cases"].as_array().expect("a list of cases").clone())
}

/// A uniformly distributed number above zero: SplitMix64 by number.
fn uniform(number: u64) -> f64 {
    let word = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (((word ^ (word >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

fn exponential(mean: f64, number: u64) -> f64 {
    -libm_log(uniform(number)) * mean
}

/// The natural logarithm; a test's own oracle may use the platform's.
#[allow(clippy::disallowed_methods, reason = "an oracle in a test, within a tolerance")]
fn libm_log(value: f64) -> f64 {
    value.ln()
}

/// The share of guests who find a house full, with one second as the mean stay.
fn turned_away(rooms: u32, erlang: f64, stay: impl Fn(u64) -> f64) -> f64 {
    let house = House::new(HouseConfig {
        kinds: vec![RoomKind { rooms, ..RoomKind::default() }],
        plans: vec![RatePlan { night_minor: vec![0], ..RatePlan::default() }],
        max_nights: 1,
        ..HouseConfig::default()
    });
    let (house, night) = (house.expect("it is a house"), Night(0));
    let hotel = Hotel::open(MemoryStore::new(), house, Calendar::utc(), DeskConfig::default());
    let mut hotel = hotel.expect("its config is in range");
    let (mut at_s, mut refused, mut out) = (0.0, 0u64, Vec::new());
    let mut leaving: BTreeMap<(u64, u64), BookingId> = BTreeMap::new();
    for number in 0..ARRIVALS {
        at_s += exponential(1.0 / erlang, number * 2);
        let now_ns = (at_s * 1e9) as u64;
        let clocks = Clocks::agreed(Time::from_nanos(now_ns));
        while let Some(entry) = leaving.first_entry().filter(|entry| entry.key().0 <= now_ns) {
            let cancel = Command::Cancel { booking: entry.remove(), fee_minor: 0 };
            hotel.handle(clocks, cancel, &mut out).expect("it is confirmed");
        }
        let kind = RoomType(0);
        let detail =
            Stay { arrival: night, nights: 1, kind, plan: Plan(0), channel: None, nightly_minor: vec![0] };
        let (price_minor, deposit_minor) = (0, 0);
        let (id, customer, units) = (BookingId(number), CustomerId(0), vec![HotelUnit::Night(kind, night)]);
        let ask = Ask { id, customer, scope: 0, units, quantity: 1, price_minor, deposit_minor, detail };
        match hotel.handle(clocks, Command::Sell(ask), &mut out) {
            Ok(_) => drop(leaving.insert((now_ns + (stay(number) * 1e9) as u64, number), id)),
            Err(Rejected::Refused(Refusal::NotFree)) => refused += 1,
            Err(other) => panic!("{other}"),
        }
        out.clear();
    }
    assert_eq!(hotel.desk().violation(), None);
    refused as f64 / ARRIVALS as f64
}

#[test]
fn a_full_house_turns_away_as_many_as_erlangs_formula_says_whatever_the_stays() {
    let Some(cases) = cases() else { return };
    let mut ran = 0;
    for case in cases {
        let (config, expected) = (&case["config"], &case["expected"]["Ploss"]);
        let (Some(rooms), Some(erlang), Some(loss)) =
            (config["servers"].as_u64(), config["offered_erlang"].as_f64(), expected.as_f64())
        else {
            continue;
        };
        if rooms > 20 {
            println!("skipped: {} needs more guests than a test has time for", case["id"]);
            continue;
        }
        // The share of a finite run, some of it correlated: three standard errors.
        for (name, share) in [
            ("exponential", turned_away(rooms as u32, erlang, |number| exponential(1.0, number * 2 + 1))),
            ("constant", turned_away(rooms as u32, erlang, |_| 1.0)),
        ] {
            println!("{} with {name} stays: {share:.4} for {loss:.4}", case["id"]);
            assert!((share - loss).abs() < 0.01, "{}: {share} for {loss}", case["id"]);
        }
        ran += 1;
    }
    println!("loss systems: {ran} cases");
    assert!(ran >= 2);
}

#[test]
fn a_waiting_room_is_a_queue_with_one_server_of_constant_pace() {
    let Some(cases) = cases() else { return };
    let case = cases.iter().find(|case| case["id"] == "q-md1-0.8").expect("it is among them");
    let wait = case["expected"]["Wq"].as_f64().expect("a number");
    let at_once = case["expected"]["P_Wq_le_0"].as_f64().expect("a number");
    let mut room = WaitingRoom::new(WaitingRoomConfig {
        order: Order::Fifo,
        opens_at: Time::ZERO,
        admitted_a_second_milli: 1_000,
        capacity: 0,
        pass_ttl: Span::ZERO,
    });
    let (mut at_s, mut admitted) = (0.0, Vec::new());
    for person in 0..300_000u64 {
        at_s += exponential(1.0 / 0.8, person);
        let now = Time::from_nanos((at_s * 1e9) as u64);
        while let Some(due) = room.deadline().filter(|due| *due <= now) {
            room.expire(due, &mut admitted);
        }
        room.join(now, CustomerId(person), 0).expect("it has no bound");
        room.expire(now, &mut admitted);
    }
    let waited: f64 = admitted.iter().map(|admitted| admitted.waited.as_nanos() as f64 / 1e9).sum();
    let mean = waited / admitted.len() as f64;
    let none = admitted.iter().filter(|admitted| admitted.waited.is_zero()).count() as f64;
    let share = none / admitted.len() as f64;
    println!("q-md1-0.8: mean wait {mean:.3} for {wait}, at once {share:.3} for {at_once}");
    assert!((mean - wait).abs() < 0.05 * wait && (share - at_once).abs() < 0.005);
}
