//! Bookings: a small transaction beside redb (in memory as well), and a whole sale of a ticket and of a stay, with the
//! audit on, which have no peer.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use foreshock_systems::booking::{
    Answer, BookingId, Clocks, Command, CustomerId, Database, DeskConfig, Isolation, Output,
};
use foreshock_systems::hotel::{
    Calendar, Hotel, House, HouseConfig, Night, Overbooking, Plan, RatePlan, RoomKind, RoomType, StayRequest,
};
use foreshock_systems::store::MemoryStore;
use foreshock_systems::ticket_booking::{BoxOffice, BoxOfficeConfig, Seat, SeatMap, Show, ShowId, Theatre};
use foreshock_systems::{Span, Time};
use redb::backends::InMemoryBackend;
use redb::{Database as Redb, ReadableTable, TableDefinition};

const TABLE: TableDefinition<'_, u64, u64> = TableDefinition::new("rows");
const KEYS: u64 = 1_000;

/// Two counters are read, and one more is written to each.
fn transactions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("booking_transaction_of_2_reads_and_2_writes");
    for level in Isolation::ALL {
        let mut db: Database<u64, u64, MemoryStore> =
            Database::open(MemoryStore::new()).expect("an empty store is a database");
        let mut number = 0;
        group.bench_function(format!("foreshock_{level}"), |bencher| {
            bencher.iter(|| {
                number += 1;
                let mut txn = db.begin(level);
                for key in [number % KEYS, (number * 7 + 1) % KEYS] {
                    let value = db.get(&mut txn, &key).unwrap_or(0);
                    txn.put(key, value + 1);
                }
                black_box(db.commit(Time::ZERO, txn, &mut |_, _, _| {})).expect("nobody else is there");
            });
        });
    }
    let redb = Redb::builder().create_with_backend(InMemoryBackend::new()).expect("memory does not fail");
    let mut number = 0;
    group.bench_function("redb", |bencher| {
        bencher.iter(|| {
            number += 1;
            let writing = redb.begin_write().expect("nobody else writes");
            {
                let mut table = writing.open_table(TABLE).expect("it is of this type");
                for key in [number % KEYS, (number * 7 + 1) % KEYS] {
                    let value =
                        table.get(key).expect("memory does not fail").map_or(0, |value| value.value());
                    table.insert(key, value + 1).expect("memory does not fail");
                }
            }
            writing.commit().expect("memory does not fail");
        });
    });
    group.finish();
}

/// The payment system says yes at once.
fn paid(outputs: &mut Vec<Output>) -> Option<(BookingId, foreshock_systems::booking::Token, i64)> {
    outputs.drain(..).find_map(|output| match output {
        Output::Charge { booking, token, minor, .. } => Some((booking, token, minor)),
        Output::Void { .. } | Output::Refund { .. } | Output::Offered { .. } | Output::Settled { .. } => None,
    })
}

const SHOW: ShowId = ShowId(1);
const ROW: u16 = 1_000;

fn box_office() -> BoxOffice<MemoryStore> {
    let map = SeatMap::even(1_000, ROW, 900).expect("it has seats");
    let (starts_at, blocked) = (Time::MAX, BTreeSet::new());
    let show = Show { map: Arc::new(map), starts_at, allows_gaps: true, blocked };
    let theatre = Theatre::new().with(SHOW, show);
    BoxOffice::open(MemoryStore::new(), theatre, BoxOfficeConfig::default()).expect("it is in range")
}

fn ticket(office: &mut BoxOffice<MemoryStore>, number: u64, out: &mut Vec<Output>) {
    let seat = Seat { row: (number / u64::from(ROW)) as u16, number: (number % u64::from(ROW)) as u16 };
    let clocks = Clocks::agreed(Time::ZERO + Span::from_micros(number));
    let ask = office.ask(BookingId(number), CustomerId(number), SHOW, &[seat]).expect("it exists");
    let held = office.handle(clocks, Command::Hold(ask), out);
    let Ok(Answer::Held { booking, token, .. }) = held else { return };
    office.handle(clocks, Command::Pay { booking, token }, out).expect("it is held");
    if let Some((booking, token, minor)) = paid(out) {
        let paid = Command::Paid { booking, token, payment: 1, minor };
        office.handle(clocks, paid, out).expect("it is held");
    }
    out.clear();
}

fn hotel() -> Hotel<MemoryStore> {
    let house = House::new(HouseConfig {
        kinds: vec![RoomKind { rooms: 1 << 30, overbooking: Overbooking::None }],
        plans: vec![RatePlan { night_minor: vec![9_000], ..RatePlan::default() }],
        max_nights: 14,
        ..HouseConfig::default()
    });
    let house = house.expect("it is a house");
    Hotel::open(MemoryStore::new(), house, Calendar::utc(), DeskConfig::default()).expect("it is in range")
}

fn stay(hotel: &mut Hotel<MemoryStore>, number: u64, out: &mut Vec<Output>) {
    let clocks = Clocks::agreed(Time::ZERO + Span::from_micros(number));
    let request = StayRequest {
        arrival: Night((number % 365) as i32),
        nights: 3,
        kind: RoomType(0),
        rooms: 1,
        plan: Plan(0),
        channel: None,
    };
    let held = hotel.hold(clocks, BookingId(number), CustomerId(number), request, out);
    let Ok(Answer::Held { booking, token, .. }) = held else { return };
    hotel.handle(clocks, Command::Pay { booking, token }, out).expect("it is held");
    if let Some((booking, token, minor)) = paid(out) {
        let paid = Command::Paid { booking, token, payment: 1, minor };
        hotel.handle(clocks, paid, out).expect("it is held");
    }
    out.clear();
}

fn sales(criterion: &mut Criterion) {
    let mut out = Vec::new();
    let (mut office, mut number) = (box_office(), 0);
    criterion.bench_function("ticket_held_paid_and_confirmed", |bencher| {
        bencher.iter(|| {
            if number == 1_000 * u64::from(ROW) {
                (office, number) = (box_office(), 0);
            }
            ticket(&mut office, number, &mut out);
            number += 1;
        });
    });
    let (mut house, mut number) = (hotel(), 0);
    criterion.bench_function("stay_of_3_nights_held_paid_and_confirmed", |bencher| {
        bencher.iter(|| {
            number += 1;
            stay(&mut house, number, &mut out);
        });
    });
}

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    transactions(criterion);
    sales(criterion);
}
