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
    let (mut number, mut out, mut now) = (0, Vec::new(), at(0));
    let (mut batches, mut before) = (Vec::new(), [0.0; 3]);
    for batch in 1..=BATCHES {
        while bank.counts().delivered < batch * (TRIPS / BATCHES) * 8 {
            now = bank.deadline().unwrap_or(now);
            while bank.waiting_on(Floor(0)) < 16 {
                let to = Floor(uniform(keyed_word(11, number), 1, 10) as u16);
                bank.handle(now, Input::Arrive { rider: RiderId(number), from: Floor(0), to }, &mut out)
                    .expect("a floor");
                number += 1;
            }
            bank.expire(now, &mut out);
            out.clear();
        }
        let (moves, stops) = bank.moves_and_stops();
        let so_far = [moves as f64 / 2.0, stops as f64, now.as_nanos() as f64 / 1e9];
        batches.push([0, 1, 2].map(|at| (so_far[at] - before[at]) / (TRIPS / BATCHES) as f64));
        before = so_far;
    }
    let expected = REFERENCE.round_trip();
    let published = [
        ("highest", expected.highest, 0.02),
        ("stops", expected.stops + 1.0, 0.02),
        ("seconds", expected.seconds, 0.3),
    ];
    for (at, (what, wanted, tolerance)) in published.into_iter().enumerate() {
        let (mean, error) = mean_and_error(batches.iter().map(|batch| batch[at]));
        println!("{what}: {mean:.4}, {wanted:.4} by the formula, standard error {error:.5}");
        assert!(4.0 * error < tolerance, "{what}: so many trips say it, whatever the seed: {error}");
        assert!((mean - wanted).abs() < tolerance, "{what}: {mean}, {wanted} by the formula");
    }
}

/// Trips of the published case.
const TRIPS: u64 = 100_000;
const BATCHES: u64 = 100;

fn mean_and_error(values: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let squares: f64 = values.map(|value| (value - mean) * (value - mean)).sum();
    (mean, libm::sqrt(squares / (count - 1.0) / count))
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
fn zones_make_rounds_of_an_up_peak_shorter_and_bring_up_more_people() {
    // A lobby in which there are always enough people for every car.
    let brought_up = |zones: u16| {
        let config = BankConfig {
            strategy: Strategy::Destination,
            zones,
            parking: Some((Floor(0), Span::ZERO)),
            ..BankConfig::office(17, 4, 8)
        };
        let mut bank = Bank::new(config).expect("a bank that can be");
        let (mut seen, mut number, mut out) = (Day::default(), 0, Vec::new());
        for second in 0..7_200 {
            drive(&mut bank, at(second), &mut seen);
            while bank.waiting_on(Floor(0)) < 80 {
                let to = Floor(uniform(keyed_word(13, number), 1, 16) as u16);
                bank.handle(
                    at(second),
                    Input::Arrive { rider: RiderId(number), from: Floor(0), to },
                    &mut out,
                )
                .expect("a floor");
                number += 1;
            }
        }
        bank.counts().delivered
    };
    let (without, with) = (brought_up(0), brought_up(2));
    println!("{without} people in two hours without zones, {with} with two");
    assert!(with as f64 > without as f64 * 1.05, "{without} without zones, {with} with two");
}

#[test]
fn a_zone_without_a_car_is_served_by_the_others() {
    let config = BankConfig { strategy: Strategy::Destination, zones: 2, ..BankConfig::office(11, 2, 8) };
    let mut bank = Bank::new(config).expect("a bank that can be");
    let mut out = Vec::new();
    bank.handle(at(0), Input::Fail { car: CarId(1) }, &mut out).expect("a car");
    for number in 0..10 {
        let to = Floor(number + 1);
        bank.handle(at(1), Input::Arrive { rider: RiderId(u64::from(number)), from: Floor(0), to }, &mut out)
            .expect("a floor");
    }
    drive(&mut bank, at(900), &mut Day::default());
    assert_eq!(bank.counts().delivered, 10);
}

#[test]
fn runs_with_limits_take_the_time_of_the_ideal_motion_and_short_ones_never_reach_full_speed() {
    let motion = Motion { floor_mm: 3_500, speed_mm_s: 2_500, acceleration_mm_s2: 1_000, jerk_mm_s3: 1_500 };
    let config = BankConfig { motion: Some(motion), parking: None, ..BankConfig::office(11, 1, 8) };
    for floors in [1, 2, 10] {
        let mut bank = Bank::new(config.clone()).expect("a bank that can be");
        let mut seen = Day::default();
        let input = Input::Arrive { rider: RiderId(1), from: Floor(0), to: Floor(floors) };
        bank.handle(at(0), input, &mut Vec::new()).expect("a floor");
        drive(&mut bank, at(600), &mut seen);
        // Doors, one person in, doors, the run, doors.
        let run_ms = motion.run_time(floors).as_nanos() / 1_000_000;
        let doors_ms = 2_500 + 1_200 + 3_000 + 2_500;
        assert!(seen.travels_ms[0].abs_diff(run_ms + doors_ms) <= 1, "{floors}: {:?}", seen.travels_ms);
    }
    // Full speed takes 2500/1000 + 1000/1500 s and the same way back: 7.92 m, more than two floors.
    let cruise_ms = 3_500 * 1_000 / 2_500;
    let leg = |floors: u16| {
        (motion.run_time(floors + 1).as_nanos() - motion.run_time(floors).as_nanos()) / 1_000_000
    };
    assert!(leg(1) > cruise_ms + 50 && leg(5).abs_diff(cruise_ms) <= 1, "{} {}", leg(1), leg(5));
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
