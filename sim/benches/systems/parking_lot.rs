//! A whole stay: in, through the barrier, paid, out, with the quick audit after each of them. It has no peer.

use std::hint::black_box;

use criterion::Criterion;
use foreshock_systems::parking_lot::{
    GateId, Input, LotConfig, ParkingLot, PaymentId, Plate, RequestId, TicketId, Vehicle, VehicleKind, Who,
};
use foreshock_systems::store::MemoryStore;
use foreshock_systems::{Span, Time};

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    let mut config = LotConfig::simple([0, 500, 100, 0, 0], 200);
    config.keep_closed = Span::ZERO;
    let mut lot = ParkingLot::open(config, MemoryStore::new()).expect("a lot that can be");
    let (mut number, mut now, mut out) = (0, Time::ZERO, Vec::new());
    criterion.bench_function("parking_lot_stay", |bencher| {
        bencher.iter(|| {
            number += 1;
            now += Span::from_secs(3_600);
            let vehicle = Vehicle { plate: Plate(number), kind: VehicleKind::Car, has_permit: false };
            let ticket = TicketId(number);
            let inputs = [
                Input::Enter { gate: GateId(0), vehicle, request: RequestId(number) },
                Input::Entered { ticket },
                Input::Pay { ticket, payment: PaymentId(number), minor: 0, quoted_at: now },
                Input::Exit { gate: GateId(0), who: Who::Ticket(ticket) },
            ];
            for input in inputs {
                lot.handle(now, input, &mut out).expect("each is in order");
                lot.audit().expect("the books are in order");
            }
            lot.expire(now, &mut out);
            black_box(&out);
            out.clear();
        });
    });
}
