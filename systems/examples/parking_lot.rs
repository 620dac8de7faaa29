//! A lot with two spots at a gate, by the clock on the wall: a car comes, another one, and a third that is turned away.
//! `cargo run --package foreshock-systems --example parking_lot`

#![allow(
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "an example runs by the real clock and prints"
)]

use foreshock_systems::Time;
use foreshock_systems::parking_lot::{
    GateId, Input, LotConfig, ParkingLot, Plate, RequestId, Vehicle, VehicleKind, Who,
};
use foreshock_systems::store::MemoryStore;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let now = || Time::from_nanos(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
    let mut lot = ParkingLot::open(LotConfig::simple([0, 2, 0, 0, 0], 200), MemoryStore::new())?;
    let mut out = Vec::new();
    for plate in 1..=3 {
        let vehicle = Vehicle { plate: Plate(plate), kind: VehicleKind::Car, has_permit: false };
        let enter = Input::Enter { gate: GateId(0), vehicle, request: RequestId(plate) };
        match lot.handle(now(), enter, &mut out) {
            Ok(()) => println!("car {plate} may come in"),
            Err(refused) => println!("car {plate}: {refused}"),
        }
    }
    if let Err(refused) =
        lot.handle(now(), Input::Exit { gate: GateId(0), who: Who::Plate(Plate(1)) }, &mut out)
    {
        println!("car 1 wants out: {refused}");
    }
    for said in out {
        println!("{said:?}");
    }
    lot.audit_thoroughly()?;
    Ok(())
}
