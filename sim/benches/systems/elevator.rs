//! A ride in an up-peak, with the audit after each step. It has no peer.

use std::hint::black_box;

use criterion::Criterion;
use foreshock_systems::Time;
use foreshock_systems::elevator::{Bank, BankConfig, Floor, Input, RiderId};

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    let mut bank = Bank::new(BankConfig::office(11, 4, 8)).expect("a bank that can be");
    let (mut number, mut now, mut out) = (0_u64, Time::ZERO, Vec::new());
    criterion.bench_function("elevator_ride", |bencher| {
        bencher.iter(|| {
            number += 1;
            let to = Floor((number * 7 % 10) as u16 + 1);
            let arrive = Input::Arrive { rider: RiderId(number), from: Floor(0), to };
            bank.handle(now, arrive, &mut out).expect("floors that are there");
            while bank.waiting() >= 16
                && let Some(due) = bank.deadline()
            {
                now = due;
                bank.expire(due, &mut out);
                bank.audit().expect("nobody is lost");
            }
            black_box(&out);
            out.clear();
        });
    });
}
