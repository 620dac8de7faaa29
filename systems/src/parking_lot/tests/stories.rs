//! What a lot does, in short stories.

use crate::parking_lot::*;
use crate::store::MemoryStore;
use crate::time::{Span, Time};

pub(super) const GATE: GateId = GateId(0);

pub(super) fn at(s: u64) -> Time {
    Time::from_nanos(s * 1_000_000_000)
}

pub(super) fn car(plate: u64) -> Vehicle {
    Vehicle { plate: Plate(plate), kind: VehicleKind::Car, has_permit: false }
}

pub(super) fn lot(config: LotConfig) -> ParkingLot<MemoryStore> {
    ParkingLot::open(config, MemoryStore::new()).expect("a lot that can be")
}

/// Two compact spots and a large one, 2.00 an hour.
pub(super) fn small() -> LotConfig {
    LotConfig::simple([0, 2, 1, 0, 0], 200)
}

pub(super) fn told(
    lot: &mut ParkingLot<MemoryStore>,
    now: Time,
    input: Input,
) -> Result<Vec<Output>, Rejected> {
    let mut out = Vec::new();
    let done = lot.handle(now, input, &mut out);
    lot.audit_thoroughly().expect("what must hold");
    done.map(|()| out)
}

fn enter(plate: u64) -> Input {
    Input::Enter { gate: GATE, vehicle: car(plate), request: RequestId(plate) }
}

/// Lets a car in, through the barrier as well.
fn parked(lot: &mut ParkingLot<MemoryStore>, now: Time, plate: u64) -> TicketId {
    let out = told(lot, now, enter(plate)).expect("there is room");
    let Output::Admitted { ticket, .. } = out[0] else { panic!("{out:?}") };
    told(lot, now, Input::Entered { ticket }).expect("it comes in");
    ticket
}

#[test]
fn the_last_spot_goes_to_one_of_two_and_an_asker_who_asks_again_gets_the_same_answer() {
    let mut lot = lot(LotConfig::simple([0, 1, 0, 0, 0], 200));
    let first = told(&mut lot, at(0), enter(1)).expect("the last spot");
    assert!(first.contains(&Output::Sign { kind: VehicleKind::Car, is_full: true }));
    assert_eq!(told(&mut lot, at(0), enter(2)), Err(Rejected::Full));
    assert_eq!(told(&mut lot, at(1), enter(1)).expect("again")[..1], first[..1]);
    assert_eq!((lot.totals().admitted, lot.refused()), (1, 1));
    let other = Input::Enter { gate: GATE, vehicle: car(1), request: RequestId(9) };
    assert_eq!(told(&mut lot, at(1), other), Err(Rejected::AlreadyInside(TicketId(1))));
}

#[test]
fn a_claim_that_nobody_takes_up_is_given_back_in_time() {
    let mut lot = lot(LotConfig::simple([0, 1, 0, 0, 0], 200));
    told(&mut lot, at(0), enter(1)).expect("the last spot");
    assert_eq!(lot.deadline(), Some(at(60)));
    let mut out = Vec::new();
    lot.expire(at(60), &mut out);
    assert_eq!(out[0], Output::Released { ticket: TicketId(1) });
    assert_eq!((lot.totals().released, lot.live()), (1, 0));
    told(&mut lot, at(61), enter(2)).expect("the spot is free again");
    assert_eq!(told(&mut lot, at(61), enter(1)), Err(Rejected::WrongPhase(TicketId(1))));
}

#[test]
fn a_repeated_exit_takes_the_money_once() {
    let mut lot = lot(small());
    let ticket = parked(&mut lot, at(0), 1);
    let exit = Input::Exit { gate: GATE, who: Who::Ticket(ticket) };
    assert_eq!(told(&mut lot, at(3_600), exit.clone()), Err(Rejected::Owes { due_minor: 200 }));
    let pay = Input::Pay { ticket, payment: PaymentId(7), minor: 200, quoted_at: at(3_600) };
    for _ in 0..2 {
        told(&mut lot, at(3_610), pay.clone()).expect("money is welcome");
    }
    for _ in 0..2 {
        let out = told(&mut lot, at(3_700), exit.clone()).expect("within the grace");
        assert_eq!(out[0], Output::Left { ticket, charged_minor: 200 });
    }
    let totals = lot.totals();
    assert_eq!((totals.left, totals.received_minor, totals.charged_minor), (1, 200, 200));
    // A second payment of somebody else for the same stay goes back.
    let again = Input::Pay { ticket, payment: PaymentId(8), minor: 200, quoted_at: at(3_600) };
    let out = told(&mut lot, at(3_800), again).expect("it is answered");
    assert_eq!(out[1], Output::Refund { ticket, payment: PaymentId(8), minor: 200 });
}

#[test]
fn a_payment_that_is_known_after_the_grace_counts_or_goes_back_and_never_both() {
    for (late_payment, owed, refunded) in [(LatePayment::Credit, 200, 0), (LatePayment::Refund, 400, 200)] {
        let mut lot = lot(LotConfig { late_payment, ..small() });
        let ticket = parked(&mut lot, at(0), 1);
        let pay = Input::Pay { ticket, payment: PaymentId(7), minor: 200, quoted_at: at(3_600) };
        told(&mut lot, at(5_000), pay).expect("late");
        let exit = Input::Exit { gate: GATE, who: Who::Plate(Plate(1)) };
        assert_eq!(told(&mut lot, at(5_000), exit.clone()), Err(Rejected::Owes { due_minor: owed }));
        assert_eq!(lot.totals().refunded_minor, refunded);
        let pay = Input::Pay { ticket, payment: PaymentId(8), minor: owed, quoted_at: at(5_000) };
        told(&mut lot, at(5_000), pay).expect("the rest");
        told(&mut lot, at(5_001), exit).expect("all is paid");
        assert_eq!(lot.totals().charged_minor, 400);
    }
}

#[test]
fn a_lost_ticket_costs_at_least_what_is_said_and_is_found_by_the_plate() {
    let mut config = small();
    config.tariff.lost_minor = 5_000;
    let mut lot = lot(config);
    let ticket = parked(&mut lot, at(0), 1);
    let out = told(&mut lot, at(60), Input::DeclareLost { plate: Plate(1) }).expect("it is inside");
    assert_eq!(out, [Output::Quoted { ticket, due_minor: 5_000 }]);
    let unknown = Input::DeclareLost { plate: Plate(2) };
    assert_eq!(told(&mut lot, at(60), unknown), Err(Rejected::NoSuchTicket));
}

#[test]
fn who_fits_elsewhere_spills_by_rule_and_a_reserve_stays() {
    let admitted = |config: LotConfig| {
        let mut lot = lot(config);
        (0..9).filter(|plate| told(&mut lot, at(0), enter(*plate)).is_ok()).count()
    };
    let config = || LotConfig::simple([0, 2, 4, 0, 0], 200);
    assert_eq!(admitted(LotConfig { spill: Spill::None, ..config() }), 2);
    assert_eq!(admitted(LotConfig { spill: Spill::Upward, ..config() }), 6);
    assert_eq!(admitted(LotConfig { spill: Spill::UpwardIfFreeAbove(500_000), ..config() }), 4);
    assert_eq!(admitted(LotConfig { reserve: [0, 0, 3, 0, 0], ..config() }), 3);
}

#[test]
fn the_nearest_spot_depends_on_the_gate_and_another_rule_can_be_plugged_in() {
    let level = Level { spots: [0, 2, 0, 0, 0] };
    let config = || LotConfig {
        levels: vec![level; 3],
        gates: vec![Gate { level: 0 }, Gate { level: 2 }],
        ..LotConfig::simple([0, 2, 0, 0, 0], 200)
    };
    let spot = |lot: &mut ParkingLot<MemoryStore>, gate: u16| {
        let plate = lot.live();
        let vehicle = car(plate);
        let out = told(lot, at(0), Input::Enter { gate: GateId(gate), vehicle, request: RequestId(plate) });
        let Output::Admitted { spot, .. } = out.expect("there is room")[0] else { panic!("no answer") };
        spot.expect("a spot").0
    };
    let mut near = lot(config());
    assert_eq!([0, 1, 1, 1, 0].map(|gate| spot(&mut near, gate)), [0, 4, 5, 2, 1]);
    let mut packed = lot(config()).with_allocation(Box::new(FullestLevel));
    assert_eq!([0, 1, 1].map(|gate| spot(&mut packed, gate)), [0, 1, 2]);
}

#[test]
fn a_sensor_that_sticks_is_named_and_fills_the_lot_early_if_it_is_trusted() {
    for trust_sensors in [false, true] {
        let mut lot = lot(LotConfig { trust_sensors, ..LotConfig::simple([0, 2, 0, 0, 0], 200) });
        told(&mut lot, at(0), Input::Sensor { spot: SpotId(1), is_occupied: true }).expect("a spot");
        parked(&mut lot, at(1), 1);
        assert_eq!(told(&mut lot, at(2), enter(2)).is_err(), trust_sensors);
        let mut out = Vec::new();
        lot.expire(at(119), &mut out);
        let finding = Output::Found(Finding::Sensor { spot: SpotId(1), says_occupied: true });
        assert!(!out.contains(&finding));
        lot.expire(at(120), &mut out);
        assert_eq!(out.contains(&finding), trust_sensors, "only while the tickets say otherwise");
    }
}

#[test]
fn a_sensor_that_somebody_has_found_lying_is_not_listened_to_until_it_is_repaired() {
    let mut lot = lot(LotConfig { trust_sensors: true, ..LotConfig::simple([0, 1, 0, 0, 0], 200) });
    let spot = SpotId(0);
    let says = |is_occupied| Input::Sensor { spot, is_occupied };
    told(&mut lot, at(0), says(true)).expect("a spot");
    assert_eq!(told(&mut lot, at(1), enter(1)), Err(Rejected::Full));
    told(&mut lot, at(2), Input::Inspected { spot, is_occupied: true }).expect("a spot");
    assert_eq!(told(&mut lot, at(3), enter(1)), Err(Rejected::Full), "the person agrees with it");
    told(&mut lot, at(4), Input::Inspected { spot, is_occupied: false }).expect("a spot");
    told(&mut lot, at(5), says(true)).expect("it goes on lying");
    let ticket = parked(&mut lot, at(6), 1);
    told(&mut lot, at(7), Input::Exit { gate: GATE, who: Who::Ticket(ticket) }).expect_err("not paid");
    told(&mut lot, at(8), Input::SensorRepaired { spot }).expect("a spot");
    told(&mut lot, at(9), says(false)).expect("a spot");
    let mut out = Vec::new();
    lot.expire(at(129), &mut out);
    let finding = Output::Found(Finding::Sensor { spot, says_occupied: false });
    assert!(out.contains(&finding), "it is listened to again: {out:?}");
    assert_eq!(
        told(&mut lot, at(9), Input::SensorRepaired { spot: SpotId(9) }),
        Err(Rejected::NoSuchSpot(SpotId(9)))
    );
}

#[test]
fn every_promise_is_in_the_books_until_it_is_kept_taken_back_or_over() {
    let mut lot = lot(LotConfig { reservable: [0, 3, 0, 0, 0], ..LotConfig::simple([0, 3, 0, 0, 0], 200) });
    for plate in 1..=3 {
        let reservation = ReservationId(plate);
        let (from, until) = (at(3_600), at(7_200));
        told(&mut lot, at(0), Input::Reserve { reservation, vehicle: car(plate), from, until })
            .expect("free");
    }
    let mut out = Vec::new();
    lot.expire(at(2_700), &mut out);
    assert_eq!(out.iter().filter(|output| matches!(output, Output::Kept { .. })).count(), 3);
    parked(&mut lot, at(3_600), 1);
    told(&mut lot, at(3_600), Input::CancelReservation { reservation: ReservationId(2) }).expect("it stands");
    out.clear();
    lot.expire(at(5_400), &mut out);
    assert!(out.contains(&Output::Lapsed { reservation: ReservationId(3) }));
    let totals = lot.totals();
    assert_eq!((totals.reserved, totals.honoured, totals.cancelled, totals.lapsed), (3, 1, 1, 1));
    assert_eq!(lot.open_reservations(), 0);
}

#[test]
fn a_camera_moves_a_stay_to_where_the_car_stands() {
    let mut lot = lot(small());
    let ticket = parked(&mut lot, at(0), 1);
    told(&mut lot, at(9), Input::PlateSeen { spot: SpotId(1), plate: Plate(1) }).expect("seen");
    assert_eq!(lot.ticket(ticket).expect("a stay").spot, Some(SpotId(1)));
    let out = told(&mut lot, at(9), Input::PlateSeen { spot: SpotId(0), plate: Plate(5) }).expect("seen");
    assert_eq!(out, [Output::Found(Finding::Unknown { spot: SpotId(0), plate: Plate(5) })]);
}

#[test]
fn a_spot_that_is_out_of_service_is_given_to_nobody_and_none_is_closed_under_a_car() {
    let mut lot = lot(LotConfig::simple([0, 1, 0, 0, 0], 200));
    let service = |is_open| Input::Service { spot: SpotId(0), is_open };
    told(&mut lot, at(0), service(false)).expect("it is free");
    assert_eq!(told(&mut lot, at(0), enter(1)), Err(Rejected::Full));
    told(&mut lot, at(0), service(true)).expect("it is closed");
    parked(&mut lot, at(0), 1);
    assert_eq!(told(&mut lot, at(0), service(false)), Err(Rejected::Occupied(SpotId(0))));
}

#[test]
fn a_reservation_has_its_spot_when_its_time_has_come_and_loses_it_when_nobody_comes() {
    let config = || LotConfig { reservable: [0, 1, 0, 0, 0], ..LotConfig::simple([0, 1, 0, 0, 0], 200) };
    let reserve = |id: u64| Input::Reserve {
        reservation: ReservationId(id),
        vehicle: car(7),
        from: at(7_200),
        until: at(9_000),
    };
    let mut lot = lot(config());
    told(&mut lot, at(0), reserve(1)).expect("it can be");
    assert_eq!(told(&mut lot, at(0), reserve(2)), Err(Rejected::ReservedOut));
    let first = parked(&mut lot, at(0), 1);
    let mut out = Vec::new();
    lot.expire(at(6_300), &mut out);
    // The spot is taken when its time comes; as soon as it is free it is kept.
    told(
        &mut lot,
        at(6_400),
        Input::Pay { ticket: first, payment: PaymentId(1), minor: 400, quoted_at: at(6_400) },
    )
    .expect("money");
    told(&mut lot, at(6_401), Input::Exit { gate: GATE, who: Who::Ticket(first) }).expect("paid");
    assert_eq!(lot.count(SpotClass::Compact).held, 1);
    assert_eq!(told(&mut lot, at(6_402), enter(2)), Err(Rejected::Full));
    let mut came = lot.into_store();
    let mut other = ParkingLot::open(config(), std::mem::take(&mut came)).expect("as before");
    other.expire(at(6_500), &mut out);
    told(&mut other, at(7_000), enter(7)).expect("its own spot");
    assert_eq!(
        other.count(SpotClass::Compact),
        ClassCount { capacity: 1, occupied: 1, ..ClassCount::default() }
    );

    let mut nobody = super::stories::lot(config());
    told(&mut nobody, at(0), reserve(1)).expect("it can be");
    nobody.expire(at(6_300), &mut out);
    assert_eq!(nobody.count(SpotClass::Compact).held, 1);
    nobody.expire(at(9_000), &mut out);
    assert_eq!(nobody.count(SpotClass::Compact).held, 0);
}

#[test]
fn a_car_that_stays_for_too_long_is_reported_once() {
    let mut lot = lot(LotConfig { max_stay: Some(Span::from_secs(86_400)), ..small() });
    let ticket = parked(&mut lot, at(0), 1);
    let mut out = Vec::new();
    lot.expire(at(86_400), &mut out);
    lot.expire(at(99_999), &mut out);
    assert_eq!(out, [Output::Found(Finding::Overstay { ticket })]);
}

#[test]
fn a_lot_that_cannot_be_is_refused_with_the_reason() {
    let no = |config: LotConfig| ParkingLot::open(config, MemoryStore::new()).err().expect("it cannot be");
    assert_eq!(no(LotConfig::simple([0; 5], 1)), ConfigError::NoSpots);
    assert_eq!(no(LotConfig { gates: vec![], ..small() }), ConfigError::NoGate);
    assert_eq!(
        no(LotConfig { gates: vec![Gate { level: 3 }], ..small() }),
        ConfigError::NoSuchLevel { gate: 0, level: 3 }
    );
    let reservable = [1, 0, 0, 0, 0];
    let class = SpotClass::Motorcycle;
    assert_eq!(no(LotConfig { reservable, ..small() }), ConfigError::ReservesMoreThanThereIs { class });
    assert_eq!(
        no(LotConfig::simple([u32::MAX; 5], 1)),
        ConfigError::TooManySpots { spots: 5 * u64::from(u32::MAX) }
    );
}
