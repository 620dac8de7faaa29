//! A gate that was cut off, and the books afterwards.

use super::stories::{at, car, lot, told};
use crate::parking_lot::*;
use crate::store::MemoryStore;

const GATE: GateId = GateId(0);

fn config() -> LotConfig {
    LotConfig { gates: vec![Gate { level: 0 }; 2], ..LotConfig::simple([0, 3, 0, 0, 0], 200) }
}

fn gate(policy: OfflinePolicy, lot: &mut ParkingLot<MemoryStore>, count: u32) -> OfflineGate {
    let mut gate = OfflineGate::new(GATE, policy, config().tariff);
    let allot = Input::Allot { gate: GATE, class: SpotClass::Compact, count };
    match told(lot, at(0), allot).expect("a gate").as_slice() {
        [Output::Allotted { spots, .. }, ..] => gate.handle_allotted(spots),
        other => panic!("{other:?}"),
    }
    gate
}

fn reconciled(lot: &mut ParkingLot<MemoryStore>, gate: &mut OfflineGate) -> Vec<Output> {
    let entries: Vec<OfflineEntry> = gate.unreconciled().collect();
    let out = told(lot, at(900), Input::Reconcile { gate: GATE, entries }).expect("in order");
    for output in &out {
        if let Output::Reconciled { up_to, .. } = output {
            gate.handle_reconciled(*up_to);
        }
    }
    out
}

#[test]
fn an_allotment_bounds_what_a_gate_gives_away_and_closes_the_books_exactly() {
    let mut lot = lot(config());
    let mut gate = gate(OfflinePolicy::Allotment, &mut lot, 2);
    let online = Input::Enter { gate: GateId(1), vehicle: car(1), request: RequestId(1) };
    told(&mut lot, at(1), online).expect("one spot is not set aside");
    let online = Input::Enter { gate: GateId(1), vehicle: car(2), request: RequestId(2) };
    assert_eq!(told(&mut lot, at(1), online), Err(Rejected::Full));
    let first = gate.admit(at(10), car(3)).expect("allotted");
    assert_eq!(gate.admit(at(11), car(3)), Err(OfflineRefusal::AlreadyInside(first)));
    gate.admit(at(11), car(4)).expect("allotted");
    assert_eq!(gate.admit(at(12), car(5)), Err(OfflineRefusal::AllotmentUsed));
    assert_eq!(gate.let_out(at(700), first, at(10), 0), 200);
    reconciled(&mut lot, &mut gate);
    assert_eq!(gate.unreconciled().len(), 0);
    let totals = lot.totals();
    assert_eq!((totals.admitted, totals.left, totals.excess, totals.charged_minor), (3, 1, 0, 200));
}

#[test]
fn what_is_told_twice_counts_once_and_a_gap_is_refused() {
    let mut lot = lot(config());
    let mut gate = gate(OfflinePolicy::AdmitAndReconcile, &mut lot, 0);
    let ticket = gate.admit(at(10), car(3)).expect("everybody comes in");
    gate.let_out(at(700), ticket, at(10), 0);
    let entries: Vec<OfflineEntry> = gate.unreconciled().collect();
    let late = Input::Reconcile { gate: GATE, entries: entries[1..].to_vec() };
    assert_eq!(told(&mut lot, at(800), late), Err(Rejected::Gap { known: 0 }));
    for _ in 0..2 {
        told(&mut lot, at(900), Input::Reconcile { gate: GATE, entries: entries.clone() }).expect("in order");
    }
    assert_eq!((lot.totals().admitted, lot.totals().left, lot.totals().received_minor), (1, 1, 200));
}

#[test]
fn who_lets_everybody_in_has_the_excess_counted() {
    let mut lot = lot(config());
    let mut gate = gate(OfflinePolicy::AdmitAndReconcile, &mut lot, 0);
    for plate in 0..5 {
        gate.admit(at(plate), car(plate)).expect("everybody comes in");
    }
    let out = reconciled(&mut lot, &mut gate);
    let excess = out.iter().filter(|output| matches!(output, Output::Found(Finding::Excess { .. }))).count();
    assert_eq!((excess, lot.totals().excess, lot.live()), (2, 2, 5));
    assert_eq!(lot.without_spot().count(), 2);
}

#[test]
fn a_stay_that_ended_at_a_quicker_gate_is_in_order_when_the_slower_one_has_told() {
    let mut lot = lot(config());
    let mut slow = gate(OfflinePolicy::AdmitAndReconcile, &mut lot, 0);
    let mut quick = OfflineGate::new(GateId(1), OfflinePolicy::AdmitAndReconcile, config().tariff);
    let ticket = slow.admit(at(10), car(3)).expect("everybody comes in");
    quick.let_out(at(700), ticket, at(10), 0);
    let entries = quick.unreconciled().collect();
    told(&mut lot, at(800), Input::Reconcile { gate: GateId(1), entries }).expect("in order");
    assert_eq!((lot.totals().ahead_minor, lot.live()), (200, 0));
    reconciled(&mut lot, &mut slow);
    assert_eq!((lot.totals().ahead_minor, lot.totals().charged_minor, lot.live()), (0, 200, 0));
}

#[test]
fn money_that_an_offline_gate_took_a_second_time_goes_back() {
    let mut lot = lot(config());
    let online = Input::Enter { gate: GATE, vehicle: car(1), request: RequestId(1) };
    told(&mut lot, at(0), online).expect("there is room");
    let ticket = TicketId(1);
    told(&mut lot, at(60), Input::Pay { ticket, payment: PaymentId(1), minor: 200, quoted_at: at(60) })
        .expect("money");
    told(&mut lot, at(61), Input::Exit { gate: GATE, who: Who::Ticket(ticket) }).expect("paid");
    let mut gate = gate(OfflinePolicy::Refuse, &mut lot, 0);
    assert_eq!(gate.admit(at(62), car(2)), Err(OfflineRefusal::CutOff));
    gate.let_out(at(62), ticket, at(0), 0);
    let out = reconciled(&mut lot, &mut gate);
    assert_eq!(out[0], Output::Refund { ticket, payment: PaymentId(0), minor: 200 });
    assert_eq!(lot.totals().charged_minor, 200);
}

#[test]
fn a_car_that_is_inside_with_a_claim_that_was_given_back_is_written_down_whatever_the_rule() {
    for rule in [OfflinePolicy::Refuse, OfflinePolicy::Allotment, OfflinePolicy::AdmitAndReconcile] {
        let mut lot = lot(config());
        let mut gate = gate(rule, &mut lot, 0);
        let enter = Input::Enter { gate: GATE, vehicle: car(1), request: RequestId(1) };
        told(&mut lot, at(0), enter).expect("there is room");
        lot.expire(at(100), &mut Vec::new());
        let late = Input::Entered { ticket: TicketId(1) };
        assert_eq!(told(&mut lot, at(200), late), Err(Rejected::WrongPhase(TicketId(1))), "{rule:?}");
        let ticket = gate.came_in(at(1), car(1));
        assert_eq!(gate.came_in(at(1), car(1)), ticket, "once");
        reconciled(&mut lot, &mut gate);
        assert_eq!((lot.totals().released, lot.live(), lot.totals().excess), (1, 1, 0), "{rule:?}");
        assert!(lot.ticket(ticket).is_some_and(|ticket| ticket.spot.is_some()));
    }
}
