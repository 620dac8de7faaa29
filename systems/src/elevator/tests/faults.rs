//! Cars that fail, doors that stick, fire, and a dispatcher that forgets: nobody is lost.

use super::traffic::{Day, Pattern, at, drive, trip};
use crate::elevator::*;
use crate::time::Span;

/// Two hundred people in ten minutes, and something that happens at some second of it.
fn with_faults(strategy: Strategy, faults: &[(u64, Input)]) -> (Bank, Day) {
    let config = BankConfig { strategy, ..BankConfig::office(11, 4, 8) };
    let mut bank = Bank::new(config).expect("a bank");
    let (mut seen, mut out) = (Day::default(), Vec::new());
    for number in 0..200 {
        for (when, fault) in faults.iter().filter(|(when, _)| (number * 3..number * 3 + 3).contains(when)) {
            drive(&mut bank, at(*when), &mut seen);
            bank.handle(at(*when), *fault, &mut out).expect("a car that is there");
            bank.audit().expect("what must hold");
            seen.take(&mut out);
        }
        drive(&mut bank, at(number * 3 + 3), &mut seen);
        let (from, to) = trip(Pattern::Lunch, 11, 7, number);
        bank.handle(at(number * 3 + 3), Input::Arrive { rider: RiderId(number), from, to }, &mut out)
            .expect("a floor");
        bank.audit().expect("what must hold");
    }
    drive(&mut bank, at(6_000), &mut seen);
    (bank, seen)
}

const ALL: [Strategy; 6] = [
    Strategy::Scan,
    Strategy::Look,
    Strategy::CLook,
    Strategy::NearestCar,
    Strategy::EstimatedArrival,
    Strategy::Destination,
];

#[test]
fn whenever_a_car_fails_its_riders_are_brought_by_others() {
    for strategy in ALL {
        for second in (0..600).step_by(37) {
            let (bank, _) = with_faults(strategy, &[(second, Input::Fail { car: CarId(1) })]);
            assert_eq!(
                (bank.counts().delivered, bank.in_service()),
                (200, 3),
                "{strategy:?}, second {second}"
            );
        }
    }
}

#[test]
fn a_car_that_is_back_in_service_serves_and_with_all_of_them_out_people_wait_for_it() {
    let fail = |car| Input::Fail { car: CarId(car) };
    let all_out = [(100, fail(0)), (100, fail(1)), (101, fail(2)), (102, fail(3))];
    let (bank, _) = with_faults(Strategy::EstimatedArrival, &all_out);
    assert!(bank.waiting() > 100 && bank.riding() == 0);
    for strategy in ALL {
        let back = (300, Input::Restore { car: CarId(2) });
        let (bank, _) = with_faults(strategy, &[all_out.as_slice(), &[back]].concat());
        assert_eq!(bank.counts().delivered, 200, "{strategy:?}");
    }
}

#[test]
fn a_dispatcher_that_was_restarted_knows_every_call_again_after_one_round_of_polling() {
    for strategy in ALL {
        let (bank, _) =
            with_faults(strategy, &[(90, Input::RestartDispatcher), (200, Input::RestartDispatcher)]);
        assert_eq!(bank.counts().delivered, 200, "{strategy:?}");
    }
}

#[test]
fn other_cars_take_over_the_calls_of_a_car_with_a_stuck_door() {
    let stick = Input::StickDoor { car: CarId(0), lasting: Span::from_secs(60) };
    for strategy in ALL {
        let (bank, _) = with_faults(strategy, &[(90, stick), (300, stick)]);
        assert_eq!(bank.counts().delivered, 200, "{strategy:?}");
    }
}

#[test]
fn in_a_fire_all_cars_go_to_the_lobby_and_let_everybody_out() {
    for strategy in ALL {
        let on = (200, Input::Recall { is_on: true });
        let (bank, _) = with_faults(strategy, &[on]);
        assert_eq!(bank.riding(), 0, "{strategy:?}");
        let (bank, _) = with_faults(strategy, &[on, (400, Input::Recall { is_on: false })]);
        assert_eq!(bank.counts().delivered, 200, "{strategy:?}");
    }
}
