//! A flash sale under the real clock: threads of customers, a payment system on threads of its own that answers late,
//! twice or never, and one loop that drives the box office by its law. Shows who waited, what was sold, and that money and
//! seats agree.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "an example runs under the real clock, on real threads, and shows what it does"
)]

use foreshock_systems::booking::{Answer, BookingId, Clocks, Command, CustomerId, DeskConfig, Output, Phase};
use foreshock_systems::store::MemoryStore;
use foreshock_systems::ticket_booking::{
    BoxOffice, BoxOfficeConfig, Order, SeatMap, Show, ShowId, ShowSeat, Theatre, WaitingRoomConfig,
};
use foreshock_systems::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const SHOW: ShowId = ShowId(1);
const PEOPLE: u64 = 200;

/// What the payment system has done, by booking and attempt: the same name is the same payment.
type Done = Arc<Mutex<BTreeMap<(BookingId, u32), bool>>>;

enum Event {
    Comes(CustomerId),
    Says(Command<ShowSeat, ShowId>),
}

/// The payment system: of five charges one is answered late, one twice, and one not before it is asked again.
fn serve(output: Output, done: &Done, events: Sender<Event>) {
    let (booking, attempt, token, minor) = match output {
        Output::Charge { booking, attempt, token, minor, .. } => (booking, attempt, token, minor),
        Output::Void { booking, attempt, token } => (booking, attempt, token, 0),
        Output::Refund { booking, refund, minor } => {
            let _ = events.send(Event::Says(Command::Refunded { booking, refund, minor }));
            return;
        }
        Output::Offered { .. } | Output::Settled { .. } => return,
    };
    let done = Arc::clone(done);
    thread::spawn(move || {
        let is_new = !done.lock().expect("no thread dies holding it").contains_key(&(booking, attempt));
        let charged =
            *done.lock().expect("no thread dies holding it").entry((booking, attempt)).or_insert(minor > 0);
        let delays_ms: &[u64] = match booking.0 % 5 {
            1 => &[700],
            2 => &[5, 5],
            3 if is_new => &[],
            _ => &[5],
        };
        for delay_ms in delays_ms {
            thread::sleep(Duration::from_millis(*delay_ms));
            let word = match charged {
                true => {
                    Command::Paid { booking, token, payment: u64::from(attempt), minor: minor.max(1_200) }
                }
                false => Command::NotPaid { booking },
            };
            let _ = events.send(Event::Says(word)); // nobody listens once the example is over
        }
    });
}

fn office() -> BoxOffice<MemoryStore> {
    let map = SeatMap::even(5, 12, 600).expect("a hall with seats");
    let show = Show {
        map: Arc::new(map),
        starts_at: Time::from_nanos(3_600_000_000_000),
        allows_gaps: true,
        blocked: BTreeSet::new(),
    };
    let config = BoxOfficeConfig {
        desk: DeskConfig {
            hold_ttl: Span::from_millis(500),
            ask_again: Span::from_millis(100),
            ..DeskConfig::default()
        },
        waiting_room: Some(WaitingRoomConfig {
            order: Order::Lottery,
            opens_at: Time::from_nanos(100_000_000),
            admitted_a_second_milli: 100_000,
            capacity: 0,
            pass_ttl: Span::from_secs(5),
        }),
        ..BoxOfficeConfig::default()
    };
    let theatre = Theatre::new().with(SHOW, show);
    BoxOffice::open(MemoryStore::new(), theatre, config).expect("a config in range")
}

fn main() {
    let (events, inbox) = channel();
    let done = Done::default();
    let start = Instant::now();
    let mut office = office();
    for person in 0..PEOPLE {
        let events = events.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(person * 37 % 90));
            let _ = events.send(Event::Comes(CustomerId(person)));
        });
    }
    let (mut out, mut admitted, mut refused) = (Vec::new(), Vec::new(), 0);
    loop {
        let now = || Time::from_nanos(start.elapsed().as_nanos() as u64);
        let wait = office
            .deadline()
            .map_or(Duration::from_secs(1), |due| Duration::from_nanos(due.since(now()).as_nanos()));
        match inbox.recv_timeout(wait.min(Duration::from_secs(1))) {
            Ok(Event::Comes(person)) => {
                let lot = person.0.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let _ = office.join(now(), person, lot);
            }
            Ok(Event::Says(command)) => drop(office.handle(Clocks::agreed(now()), command, &mut out)),
            Err(RecvTimeoutError::Timeout) => office.expire(now(), &mut out, &mut admitted).expect("memory"),
            Err(RecvTimeoutError::Disconnected) => break,
        }
        for admitted in admitted.drain(..) {
            let (id, clocks) = (BookingId(admitted.person.0), Clocks::agreed(now()));
            let held = office
                .ask_best(id, admitted.person, SHOW, 2, None)
                .map_err(Into::into)
                .and_then(|ask| office.handle(clocks, Command::Hold(ask), &mut out));
            match held {
                Ok(Answer::Held { booking, token, .. }) => {
                    let _ = office.handle(clocks, Command::Pay { booking, token }, &mut out);
                }
                Ok(_) | Err(_) => refused += 1,
            }
        }
        out.drain(..).for_each(|output| serve(output, &done, events.clone()));
        let is_over = office.room().is_some_and(|room| room.admitted() == PEOPLE);
        if is_over && office.desk().totals().open == 0 {
            break;
        }
    }
    let totals = office.desk().totals();
    println!("{PEOPLE} people, {} seats sold, {refused} found nothing", totals.sold);
    for phase in Phase::ALL.into_iter().filter(|phase| totals.of(*phase) > 0) {
        println!("  {phase:?}: {}", totals.of(phase));
    }
    let (captured, refunded) = (totals.captured_minor, totals.refunded_minor);
    println!("captured {captured}, refunded {refunded}, kept {}", totals.kept_minor);
    println!("taken again after their hold had ended: {}", totals.retaken);
    match office.desk().audit() {
        Ok(()) => println!("seats and money agree"),
        Err(violation) => println!("{violation}"),
    }
}
