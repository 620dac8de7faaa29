//! What a bank does, in short stories.

use super::traffic::{Day, Pattern, at, day, drive};
use crate::elevator::*;
use crate::time::Span;

fn arrive(bank: &mut Bank, s: u64, rider: u64, from: u16, to: u16) {
    let input = Input::Arrive { rider: RiderId(rider), from: Floor(from), to: Floor(to) };
    bank.handle(at(s), input, &mut Vec::new()).expect("floors that are there");
}

#[test]
fn a_rider_waits_for_the_way_of_the_car_and_its_doors_and_no_longer() {
    let mut bank = Bank::new(BankConfig { parking: None, ..BankConfig::office(11, 1, 8) }).expect("a bank");
    arrive(&mut bank, 0, 1, 5, 0);
    let mut seen = Day::default();
    drive(&mut bank, at(600), &mut seen);
    // 4 s start and stop, 5 floors, 2.5 s doors; then 1.2 s in, 3 s doors, 4 s, 5 floors, 2.5 s doors.
    assert_eq!(seen.waits_ms, [12_000]);
    assert_eq!(seen.travels_ms, [12_000 + 1_200 + 3_000 + 4_000 + 5_500 + 2_500]);
    assert_eq!(bank.moves_and_stops(), (10, 2));
}

#[test]
fn who_goes_the_other_way_is_not_taken_along() {
    let mut bank = Bank::new(BankConfig { parking: None, ..BankConfig::office(11, 1, 8) }).expect("a bank");
    arrive(&mut bank, 0, 1, 0, 9);
    arrive(&mut bank, 1, 2, 4, 0);
    arrive(&mut bank, 1, 3, 4, 9);
    let mut order = Vec::new();
    while let Some(due) = bank.deadline().filter(|due| *due <= at(600)) {
        let mut out = Vec::new();
        bank.expire(due, &mut out);
        bank.audit().expect("what must hold");
        order.extend(out);
    }
    let boarded: Vec<u64> = order
        .iter()
        .filter_map(|output| if let Output::Boarded { rider, .. } = output { Some(rider.0) } else { None })
        .collect();
    assert_eq!(boarded, [1, 3, 2]);
    assert_eq!(bank.counts().delivered, 3);
}

#[test]
fn a_full_car_passes_by_or_stops_in_vain_as_it_is_told() {
    let stops = |full_car: FullCar| {
        let config = BankConfig { parking: None, full_car, ..BankConfig::office(11, 1, 2) };
        let mut bank = Bank::new(config).expect("a bank");
        arrive(&mut bank, 0, 1, 0, 9);
        arrive(&mut bank, 0, 2, 0, 9);
        arrive(&mut bank, 8, 3, 5, 9);
        drive(&mut bank, at(600), &mut Day::default());
        assert_eq!(bank.counts().delivered, 3);
        bank.moves_and_stops().1
    };
    assert_eq!((stops(FullCar::Bypass), stops(FullCar::Stop)), (4, 5));
}

#[test]
fn with_destination_dispatch_a_rider_boards_the_car_that_was_named() {
    let config = BankConfig { strategy: Strategy::Destination, ..BankConfig::office(11, 3, 8) };
    for pattern in [Pattern::UpPeak, Pattern::Interfloor, Pattern::Lunch, Pattern::DownPeak] {
        let day = day(&config, pattern, Span::from_secs(5), 200, 3);
        assert_eq!(day.travels_ms.len(), 200, "{pattern:?}");
    }
}

#[test]
fn other_times_hold_from_the_next_step_on_and_the_building_stays() {
    let mut bank = Bank::new(BankConfig { parking: None, ..BankConfig::office(11, 1, 8) }).expect("a bank");
    let slow = BankConfig { floor_time: Span::from_secs(5), parking: None, ..BankConfig::office(3, 9, 1) };
    bank.set_rules(slow).expect("times that can be");
    arrive(&mut bank, 0, 1, 5, 0);
    let mut seen = Day::default();
    drive(&mut bank, at(600), &mut seen);
    assert_eq!(seen.waits_ms, [4_000 + 5 * 5_000 + 2_500]);
    let no_time = BankConfig { floor_time: Span::ZERO, ..BankConfig::office(11, 1, 8) };
    assert_eq!(bank.set_rules(no_time), Err(ConfigError::NoTime));
}

#[test]
fn a_car_without_work_goes_where_it_parks() {
    let parking = Some((Floor(4), Span::from_secs(20)));
    let mut bank = Bank::new(BankConfig { parking, ..BankConfig::office(11, 1, 8) }).expect("a bank");
    arrive(&mut bank, 0, 1, 0, 10);
    drive(&mut bank, at(300), &mut Day::default());
    assert_eq!(bank.moves_and_stops().0, 16);
    assert_eq!(bank.deadline(), None);
}

#[test]
fn a_far_caller_starves_under_the_nearest_car_and_not_under_look() {
    let far_wait = |strategy: Strategy| {
        let wait_bound = Some(Span::from_secs(300));
        let config = BankConfig { strategy, parking: None, wait_bound, ..BankConfig::office(21, 1, 8) };
        let mut bank = Bank::new(config).expect("a bank");
        let mut seen = Day::default();
        arrive(&mut bank, 0, 0, 0, 1);
        arrive(&mut bank, 1, 1, 20, 0);
        for number in 2..400 {
            drive(&mut bank, at(number * 10), &mut seen);
            let (from, to) = if number % 2 == 0 { (0, 1) } else { (1, 0) };
            arrive(&mut bank, number * 10, number, from, to);
        }
        (bank.waiting_on(Floor(20)), bank.counts().overdue > 0)
    };
    assert_eq!(far_wait(Strategy::NearestCar), (1, true));
    assert_eq!(far_wait(Strategy::Look), (0, false));
}

#[test]
fn a_rule_of_ones_own_can_be_plugged_in() {
    struct Last;
    impl Dispatch for Last {
        fn cost(&self, car: &CarView<'_>, _call: HallCall, _to: Option<Floor>) -> u64 {
            u64::MAX - u64::from(car.car.0)
        }
    }
    let mut bank = Bank::new(BankConfig::office(11, 3, 8)).expect("a bank").with_dispatch(Box::new(Last));
    arrive(&mut bank, 0, 1, 5, 0);
    let mut out = Vec::new();
    bank.expire(at(60), &mut out);
    assert!(matches!(out[0], Output::Boarded { car: CarId(2), .. }));
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let no = |config: BankConfig| Bank::new(config).err().expect("it cannot be");
    assert_eq!(no(BankConfig::office(1, 1, 8)), ConfigError::Floors(1));
    assert_eq!(no(BankConfig::office(9, 0, 8)), ConfigError::Cars(0));
    assert_eq!(no(BankConfig::office(9, 1, 0)), ConfigError::NoCapacity);
    assert_eq!(no(BankConfig { floor_time: Span::ZERO, ..BankConfig::office(9, 1, 8) }), ConfigError::NoTime);
    let zoned = |zones| BankConfig { zones, strategy: Strategy::Destination, ..BankConfig::office(9, 2, 8) };
    assert_eq!(no(zoned(3)), ConfigError::Zones { zones: 3, most: 2 });
    let look = BankConfig { strategy: Strategy::Look, ..zoned(2) };
    assert_eq!(no(look), ConfigError::Zones { zones: 2, most: 2 });
    let still = Motion { floor_mm: 0, speed_mm_s: 1, acceleration_mm_s2: 1, jerk_mm_s3: 1 };
    assert_eq!(no(BankConfig { motion: Some(still), ..BankConfig::office(9, 1, 8) }), ConfigError::NoMotion);
    let parking = Some((Floor(9), Span::ZERO));
    assert_eq!(no(BankConfig { parking, ..BankConfig::office(9, 1, 8) }), ConfigError::NoSuchFloor(Floor(9)));
    let mut bank = Bank::new(BankConfig::office(9, 1, 8)).expect("a bank");
    let mut told = |rider, from, to| {
        let input = Input::Arrive { rider: RiderId(rider), from: Floor(from), to: Floor(to) };
        bank.handle(at(0), input, &mut Vec::new())
    };
    assert_eq!(told(1, 0, 9), Err(Rejected::NoSuchFloor(Floor(9))));
    assert_eq!(told(1, 3, 3), Err(Rejected::AlreadyThere));
    assert_eq!(told(1, 3, 4), Ok(()));
    assert_eq!(told(1, 3, 4), Err(Rejected::AlreadyHere(RiderId(1))));
}
