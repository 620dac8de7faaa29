//! Whatever people and faults do, what must hold holds; banks that are broken on purpose are found out.

use super::traffic::{Day, Pattern, at, drive, trip};
use crate::elevator::Strategy;
use crate::elevator::car::Doing;
use crate::elevator::*;
use crate::time::Span;
use proptest::prelude::*;
use proptest::strategy::Strategy as Values;

fn strategies() -> impl Values<Value = Strategy> {
    prop::sample::select(vec![
        Strategy::Scan,
        Strategy::Look,
        Strategy::CLook,
        Strategy::NearestCar,
        Strategy::EstimatedArrival,
        Strategy::Destination,
    ])
}

fn inputs() -> impl Values<Value = Input> {
    let car = || (0u16..4).prop_map(CarId);
    prop_oneof![
        12 => (0u64..400, 0u16..9, 0u16..9).prop_map(|(rider, from, to)| Input::Arrive {
            rider: RiderId(rider),
            from: Floor(from),
            to: Floor(to),
        }),
        1 => car().prop_map(|car| Input::Fail { car }),
        2 => car().prop_map(|car| Input::Restore { car }),
        1 => (car(), 0u64..90).prop_map(|(car, s)| Input::StickDoor { car, lasting: Span::from_secs(s) }),
        1 => any::<bool>().prop_map(|is_on| Input::Recall { is_on }),
        1 => Just(Input::RestartDispatcher),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nobody_is_lost_and_everybody_arrives_when_the_faults_are_over(
        strategy in strategies(), cars in 1u16..4, capacity in 1u16..5, fixed in any::<bool>(), stops in any::<bool>(),
        steps in prop::collection::vec((inputs(), 0u64..40), 1..60),
    ) {
        let config = BankConfig {
            strategy,
            reassign: if fixed { Reassign::Fixed } else { Reassign::UntilArrival },
            full_car: if stops { FullCar::Stop } else { FullCar::Bypass },
            wait_bound: Some(Span::from_secs(60)),
            ..BankConfig::office(8, cars, capacity)
        };
        let mut bank = Bank::new(config).expect("a bank");
        let (mut now, mut seen, mut out) = (0, Day::default(), Vec::new());
        for (input, later) in steps {
            now += later;
            drive(&mut bank, at(now), &mut seen);
            let _ = bank.handle(at(now), input, &mut out);
            prop_assert_eq!(bank.audit(), Ok(()));
        }
        bank.handle(at(now), Input::Recall { is_on: false }, &mut out).expect("always possible");
        for car in 0..cars {
            bank.handle(at(now), Input::Restore { car: CarId(car) }, &mut out).expect("a car");
        }
        drive(&mut bank, at(now + 20_000), &mut seen);
        prop_assert_eq!((bank.waiting(), bank.riding()), (0, 0));
        prop_assert_eq!(bank.counts().delivered, bank.counts().arrived);
    }
}

/// Only people who say where they go are named a car.
const NAMED: &str = "a car that was not named";

#[test]
fn each_broken_bank_is_found_out() {
    type Break = fn(&mut Bank);
    type Expected = fn(&Violation) -> bool;
    let cases: [(&str, Break, Expected); 7] = [
        (
            "boarding over capacity",
            |bank| {
                let rider = bank.cars[0].riders[0];
                bank.cars[0].riders.extend([rider; 8]);
                bank.counts.arrived += 8;
            },
            |found| matches!(found, Violation::Overloaded(_)),
        ),
        (
            "reversing early",
            |bank| bank.cars[0].direction = Direction::Down,
            |found| matches!(found, Violation::CarriedAway(_)),
        ),
        (
            "a rider lost with the car",
            |bank| bank.cars[0].riders.clear(),
            |found| matches!(found, Violation::Lost { .. }),
        ),
        (
            "a call dropped on reassignment",
            |bank| bank.cars.iter_mut().for_each(|car| car.calls.clear()),
            |found| matches!(found, Violation::CallOf(..)),
        ),
        (
            "nobody presses again",
            |bank| bank.look_at = None,
            |found| matches!(found, Violation::Forgotten(_)),
        ),
        (
            "out of the shaft",
            |bank| bank.cars[0].floor = Floor(99),
            |found| matches!(found, Violation::OutOfShaft(..)),
        ),
        (
            NAMED,
            |bank| bank.cars[0].riders[0].car = Some(CarId(1)),
            |found| matches!(found, Violation::WrongCar(_)),
        ),
    ];
    for (name, damage, expected) in cases {
        let strategy = if name == NAMED { Strategy::Destination } else { Strategy::EstimatedArrival };
        let config = BankConfig { strategy, ..BankConfig::office(11, 1, 8) };
        let mut bank = Bank::new(config).expect("a bank");
        for (rider, from, to) in [(1, 0, 9), (2, 7, 0)] {
            let input = Input::Arrive { rider: RiderId(rider), from: Floor(from), to: Floor(to) };
            bank.handle(at(0), input, &mut Vec::new()).expect("floors that are there");
        }
        drive(&mut bank, at(15), &mut Day::default());
        assert!(matches!(bank.cars[0].doing, Doing::Moves { .. }));
        assert_eq!(bank.audit(), Ok(()));
        damage(&mut bank);
        let found = bank.audit().expect_err(name);
        assert!(expected(&found), "{name}: {found}");
    }
}

#[test]
fn a_car_passes_one_floor_at_a_time_and_takes_the_time_for_it() {
    for strategy in [Strategy::Scan, Strategy::CLook, Strategy::NearestCar, Strategy::Destination] {
        let config = BankConfig { strategy, ..BankConfig::office(11, 3, 4) };
        let floor_time = config.floor_time;
        let (mut bank, mut out) = (Bank::new(config).expect("a bank"), Vec::new());
        for number in 0..40 {
            let (from, to) = trip(Pattern::Lunch, 11, 7, number);
            let input = Input::Arrive { rider: RiderId(number), from, to };
            bank.handle(at(0), input, &mut out).expect("a floor");
        }
        let mut seen: Vec<_> = bank.cars.iter().map(|car| (car.floor, at(0))).collect();
        while let Some(now) = bank.deadline().filter(|now| *now < at(3_600)) {
            bank.expire(now, &mut out);
            for (car, (floor, since)) in bank.cars.iter().zip(&mut seen) {
                let passed = car.floor.0.abs_diff(floor.0);
                assert!(passed == 0 || (passed == 1 && now.since(*since) >= floor_time), "{strategy:?}");
                if passed > 0 {
                    (*floor, *since) = (car.floor, now);
                }
            }
        }
        assert_eq!(bank.counts().delivered, 40, "{strategy:?}");
    }
}
