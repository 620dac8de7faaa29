//! Twenty people and two lifts, in a time of its own: one second is gone as soon as it has been looked at.
//! `cargo run --package foreshock-systems --example elevator`

#![allow(clippy::print_stdout, reason = "an example prints")]

use foreshock_systems::elevator::{Bank, BankConfig, Floor, Input, Output, RiderId, UpPeak};
use foreshock_systems::{Span, Time};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut bank = Bank::new(BankConfig::office(11, 2, 8))?;
    let (mut now, mut out) = (Time::ZERO, Vec::new());
    for person in 0..20_u16 {
        let to = Floor(1 + person * 7 % 10);
        bank.handle(now, Input::Arrive { rider: RiderId(person.into()), from: Floor(0), to }, &mut out)?;
        now += Span::from_secs(5);
        bank.expire(now, &mut out);
    }
    while bank.counts().delivered < 20
        && let Some(due) = bank.deadline()
    {
        bank.expire(due, &mut out);
        bank.audit()?;
    }
    for said in &out {
        if let Output::Delivered { rider, car, travelled } = said {
            println!("person {} by car {} after {travelled}", rider.0, car.0);
        }
    }
    let peak = UpPeak { floors_above: 10, persons: 8.0, floor_s: 1.1, stop_s: 9.5, transfer_s: 1.2 };
    println!("in an up-peak two cars bring {:.1} persons up in five minutes", peak.handling_capacity(2));
    Ok(())
}
