//! Under random commands everything that must hold holds after each of them, a crash at any step takes nothing that was
//! promised, and lots that are broken on purpose are found out.

use super::stories::at;
use crate::parking_lot::spots::Use;
use crate::parking_lot::*;
use crate::store::{FsyncPolicy, MemoryStore, PowerCut, SimDisk, WalConfig, WalStore};
use crate::time::Span;
use proptest::prelude::*;

fn config() -> LotConfig {
    LotConfig {
        levels: vec![Level { spots: [1, 2, 1, 1, 1] }; 2],
        gates: vec![Gate { level: 0 }, Gate { level: 1 }],
        reserve: [0, 0, 1, 0, 0],
        trust_sensors: true,
        max_stay: Some(Span::from_secs(9_000)),
        reservable: [1, 2, 1, 1, 1],
        ..LotConfig::simple([0; 5], 200)
    }
}

fn vehicles() -> impl Strategy<Value = Vehicle> {
    (0u64..12, 0usize..4, any::<bool>()).prop_map(|(plate, kind, has_permit)| Vehicle {
        plate: Plate(plate),
        kind: VehicleKind::ALL[kind],
        has_permit,
    })
}

fn inputs() -> impl Strategy<Value = Input> {
    let ticket = || (1u64..30).prop_map(TicketId);
    let spot = || (0u32..13).prop_map(SpotId);
    let gate = || (0u16..3).prop_map(GateId);
    prop_oneof![
        6 => (gate(), vehicles(), 0u64..60).prop_map(|(gate, vehicle, request)| {
            Input::Enter { gate, vehicle, request: RequestId(request) }
        }),
        3 => ticket().prop_map(|ticket| Input::Entered { ticket }),
        1 => ticket().prop_map(|ticket| Input::Withdraw { ticket }),
        1 => ticket().prop_map(|ticket| Input::Quote { who: Who::Ticket(ticket) }),
        4 => (ticket(), 0u64..20, 0u64..900, 0u64..40_000).prop_map(|(ticket, payment, minor, quoted)| {
            Input::Pay { ticket, payment: PaymentId(payment), minor, quoted_at: at(quoted) }
        }),
        4 => (gate(), ticket()).prop_map(|(gate, ticket)| Input::Exit { gate, who: Who::Ticket(ticket) }),
        1 => (0u64..12).prop_map(|plate| Input::DeclareLost { plate: Plate(plate) }),
        1 => (0u64..9, vehicles(), 0u64..40_000, 0u64..9_000).prop_map(|(id, vehicle, from, length)| {
            Input::Reserve { reservation: ReservationId(id), vehicle, from: at(from), until: at(from + length) }
        }),
        1 => (0u64..9).prop_map(|id| Input::CancelReservation { reservation: ReservationId(id) }),
        1 => (spot(), any::<bool>()).prop_map(|(spot, is_open)| Input::Service { spot, is_open }),
        1 => (spot(), any::<bool>()).prop_map(|(spot, is_occupied)| Input::Sensor { spot, is_occupied }),
        1 => (spot(), any::<bool>()).prop_map(|(spot, is_occupied)| Input::Inspected { spot, is_occupied }),
        1 => spot().prop_map(|spot| Input::SensorRepaired { spot }),
        1 => (spot(), 0u64..12).prop_map(|(spot, plate)| Input::PlateSeen { spot, plate: Plate(plate) }),
        1 => (gate(), 0u32..4).prop_map(|(gate, count)| Input::Allot { gate, class: SpotClass::Compact, count }),
        1 => (gate(), vehicles(), prop::option::of(spot()), 0u64..500).prop_map(|(gate, vehicle, spot, charged_minor)| {
            let ticket = TicketId::offline(gate, vehicle.plate.0);
            let events = [OfflineEvent::Entered { ticket, vehicle, spot }, OfflineEvent::Left { ticket, charged_minor }];
            let numbered = events.into_iter().zip(1..);
            let entries = numbered.map(|(event, number)| OfflineEntry { number, at: at(5), event }).collect();
            Input::Reconcile { gate, entries }
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_comes_all_laws_hold_and_a_reopened_lot_is_the_same(
        commands in prop::collection::vec((inputs(), 0u64..900), 1..80),
    ) {
        let mut lot = ParkingLot::open(config(), MemoryStore::new()).expect("a lot that can be");
        let (mut now, mut out) = (0, Vec::new());
        for (input, later) in commands {
            now += later;
            lot.expire(at(now), &mut out);
            prop_assert_eq!(lot.audit_thoroughly(), Ok(()));
            let before = lot.totals();
            if lot.handle(at(now), input.clone(), &mut out).is_err() && !matches!(input, Input::Reconcile { .. }) {
                prop_assert_eq!(lot.totals(), before, "a refusal changes nothing");
            }
            prop_assert_eq!(lot.audit_thoroughly(), Ok(()));
        }
        let seen = |lot: &ParkingLot<MemoryStore>| {
            (lot.totals(), lot.live(), SpotClass::ALL.map(|class| lot.count(class).occupied))
        };
        let before = seen(&lot);
        let again = ParkingLot::open(config(), lot.into_store()).expect("as before");
        prop_assert_eq!(again.audit_thoroughly(), Ok(()));
        prop_assert_eq!(seen(&again), before);
    }

    #[test]
    fn a_power_cut_at_any_step_takes_nothing_that_was_said(
        commands in prop::collection::vec((inputs(), 0u64..900), 1..40), cut in 0usize..40, entropy in any::<u64>(),
        every_commit in any::<bool>(),
    ) {
        let fsync = if every_commit {
            FsyncPolicy::EveryCommit
        } else {
            FsyncPolicy::Group { max_commits: 3, max_wait: Span::from_secs(200) }
        };
        let wal = WalConfig { fsync, ..WalConfig::default() };
        let (store, _) = WalStore::open(SimDisk::new(), wal).expect("an empty disk");
        let mut lot = ParkingLot::open(config(), store).expect("a lot that can be");
        let (mut now, mut out) = (0, Vec::new());
        for (input, later) in commands.into_iter().take(cut) {
            now += later;
            lot.expire(at(now), &mut out);
            let _ = lot.handle(at(now), input, &mut out);
        }
        let mut disk = lot.into_store().into_disk();
        disk.cut_power(PowerCut { after_operations: 0, entropy });
        let (store, _) = WalStore::open(disk.restart(), wal).expect("what is durable can be read");
        let lot = ParkingLot::open(config(), store).expect("as before");
        prop_assert_eq!(lot.audit_thoroughly(), Ok(()));
        for output in out {
            match output {
                // A ticket that was given out is known, unless its stay was over long enough to be forgotten.
                Output::Admitted { ticket, .. } => prop_assert!(lot.totals().admitted > 0 && ticket.0 <= lot.totals().numbered),
                Output::Left { ticket, charged_minor } => {
                    prop_assert!(lot.ticket(ticket).is_none_or(|kept| !kept.is_live() && kept.paid_minor == charged_minor));
                    prop_assert!(lot.totals().charged_minor >= charged_minor);
                }
                Output::Released { .. } | Output::Quoted { .. } | Output::Paid { .. } | Output::Refund { .. }
                | Output::Sign { .. } | Output::Reserved { .. } | Output::Kept { .. } | Output::Lapsed { .. } | Output::Allotted { .. } | Output::Reconciled { .. }
                | Output::Found(_) => {}
            }
        }
    }
}

/// What somebody could get wrong, and what the audit calls it.
#[test]
fn each_broken_lot_is_found_out() {
    type Break = fn(&mut ParkingLot<MemoryStore>);
    type Expected = fn(&Violation) -> bool;
    let cases: [(&str, Break, Expected); 8] = [
        (
            "a reservation that nobody remembers",
            |lot| lot.totals.reserved += 1,
            |found| matches!(found, Violation::Promises { .. }),
        ),
        (
            "a spot released twice",
            |lot| lot.spots.put(SpotId(1), Use::Free),
            |found| matches!(found, Violation::SpotOfTicket(..) | Violation::Sign(_)),
        ),
        (
            "a claim after the ticket: two tickets on a spot",
            |lot| {
                let mut other = lot.tickets[&TicketId(1)].clone();
                other.id = TicketId(2);
                other.vehicle.plate = Plate(2);
                lot.by_plate.insert(Plate(2), TicketId(2));
                lot.totals.admitted += 1;
                lot.tickets.insert(TicketId(2), other);
            },
            |found| matches!(found, Violation::SpotOfTicket(..)),
        ),
        (
            "a car that vanished",
            |lot| {
                lot.by_plate.clear();
            },
            |found| matches!(found, Violation::Lost { .. }),
        ),
        (
            "money taken twice",
            |lot| lot.totals.charged_minor += 200,
            |found| matches!(found, Violation::Money { .. }),
        ),
        (
            "a refund that nobody booked",
            |lot| lot.totals.received_minor += 1,
            |found| matches!(found, Violation::Money { .. }),
        ),
        (
            "a sign that was forgotten",
            |lot| lot.signs = [true; 4],
            |found| matches!(found, Violation::Sign(_)),
        ),
        (
            "a plate that leads elsewhere",
            |lot| {
                lot.by_plate.clear();
                lot.by_plate.insert(Plate(9), TicketId(1));
            },
            |found| matches!(found, Violation::Plate(_)),
        ),
    ];
    for (name, damage, expected) in cases {
        let mut lot = ParkingLot::open(config(), MemoryStore::new()).expect("a lot that can be");
        let vehicle = Vehicle { plate: Plate(1), kind: VehicleKind::Car, has_permit: false };
        let enter = Input::Enter { gate: GateId(0), vehicle, request: RequestId(1) };
        lot.handle(at(0), enter, &mut Vec::new()).expect("there is room");
        assert_eq!(lot.audit_thoroughly(), Ok(()));
        damage(&mut lot);
        let found = lot.audit_thoroughly().expect_err(name);
        assert!(expected(&found), "{name}: {found}");
    }
}
