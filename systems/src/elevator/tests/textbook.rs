//! Up-peak beside the textbook, and strategies beside each other on the same people.

use super::traffic::{Day, Pattern, at, day, drive};
use crate::arithmetic::{keyed_word, uniform};
use crate::elevator::*;
use crate::time::Span;

const REFERENCE: UpPeak =
    UpPeak { floors_above: 10, persons: 8.0, floor_s: 1.1, stop_s: 9.5, transfer_s: 1.2 };

#[test]
fn the_formula_gives_the_published_values() {
    let trip = REFERENCE.round_trip();
    assert!((trip.stops - 5.695_328).abs() < 1e-6);
    assert!((trip.highest - 9.322_687).abs() < 1e-6);
    assert!((trip.seconds - 103.315_526).abs() < 1e-6);
    let other = UpPeak { floors_above: 10, persons: 10.4, floor_s: 2.1, stop_s: 7.7, transfer_s: 1.2 };
    assert!((other.round_trip().seconds - 123.98).abs() < 0.01);
}

/// A lobby in which there are always enough people for a car.
#[test]
fn simulated_round_trips_have_the_stops_the_height_and_the_time_of_the_formula() {
    let config = BankConfig {
        parking: None,
        press_again: Span::from_secs(1_000_000_000),
        ..BankConfig::office(11, 1, 8)
    };
    let mut bank = Bank::new(config).expect("a bank that can be");
    let (trips, mut number, mut out) = (20_000_u64, 0, Vec::new());
    let mut begun = at(0);
    while bank.counts().delivered < trips * 8 {
        let now = bank.deadline().unwrap_or(begun);
        while bank.waiting_on(Floor(0)) < 16 {
            let to = Floor(uniform(keyed_word(11, number), 1, 10) as u16);
            bank.handle(now, Input::Arrive { rider: RiderId(number), from: Floor(0), to }, &mut out)
                .expect("a floor");
            number += 1;
        }
        bank.expire(now, &mut out);
        out.clear();
        begun = now;
    }
    let (moves, stops) = bank.moves_and_stops();
    let of_trip = |all: u64| all as f64 / trips as f64;
    let expected = REFERENCE.round_trip();
    let seconds = begun.as_nanos() as f64 / 1e9 / trips as f64;
    println!("highest {}, stops {}, {seconds} s", of_trip(moves) / 2.0, of_trip(stops) - 1.0);
    assert!((of_trip(moves) / 2.0 - expected.highest).abs() < 0.02, "highest {}", of_trip(moves) / 2.0);
    assert!((of_trip(stops) - 1.0 - expected.stops).abs() < 0.02, "stops {}", of_trip(stops) - 1.0);
    assert!((seconds - expected.seconds).abs() < 0.3, "round trip {seconds}");
}

#[test]
fn below_its_capacity_an_up_peak_is_stable_and_above_it_the_line_grows_by_the_difference() {
    let config = || BankConfig { parking: Some((Floor(0), Span::ZERO)), ..BankConfig::office(11, 4, 8) };
    let capacity_per_s = REFERENCE.handling_capacity(4) / 300.0;
    let line_after = |share: f64| {
        let mut bank = Bank::new(config()).expect("a bank that can be");
        let (mut seen, mut out) = (Day::default(), Vec::new());
        let people = (7_200.0 * capacity_per_s * share) as u64;
        for number in 0..people {
            let now = crate::Time::from_nanos((number as f64 / (capacity_per_s * share) * 1e9) as u64);
            drive(&mut bank, now, &mut seen);
            let to = Floor(uniform(keyed_word(9, number), 1, 10) as u16);
            bank.handle(now, Input::Arrive { rider: RiderId(number), from: Floor(0), to }, &mut out)
                .expect("a floor");
        }
        bank.waiting() as f64
    };
    assert!(line_after(0.8) < 20.0, "{}", line_after(0.8));
    let expected = 7_200.0 * capacity_per_s * 0.2;
    let grown = line_after(1.2);
    assert!((grown - expected).abs() < expected * 0.15, "{grown} wait, {expected} by the difference");
}

#[test]
fn on_the_same_people_the_estimated_arrival_waits_least_and_scan_most() {
    let seen = |strategy: Strategy| {
        let config = BankConfig { strategy, parking: None, ..BankConfig::office(16, 4, 8) };
        let days: Vec<Day> = (0..10)
            .map(|seed| day(&config, Pattern::Interfloor, Span::from_millis(6_000), 150, seed))
            .collect();
        let mean = days.iter().map(Day::mean_wait_ms).sum::<u64>() / 10;
        (mean, days.iter().map(Day::wait_p90_ms).sum::<u64>() / 10)
    };
    let all = [
        Strategy::Scan,
        Strategy::Look,
        Strategy::CLook,
        Strategy::NearestCar,
        Strategy::EstimatedArrival,
        Strategy::Destination,
    ];
    let table: Vec<_> = all.iter().map(|strategy| (*strategy, seen(*strategy))).collect();
    for (strategy, (mean, p90)) in &table {
        println!("{strategy:?}: mean wait {mean} ms, p90 {p90} ms");
    }
    let mean =
        |wanted: Strategy| table.iter().find(|(strategy, _)| *strategy == wanted).expect("measured").1.0;
    assert!(mean(Strategy::EstimatedArrival) <= mean(Strategy::NearestCar));
    assert!(mean(Strategy::NearestCar) <= mean(Strategy::Scan));
    assert!(mean(Strategy::Look) <= mean(Strategy::Scan));
}
