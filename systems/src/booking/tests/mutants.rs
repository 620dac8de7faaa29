//! Desks with one defect each, and the check that finds it.

use super::world::{Travel, World, config};
use super::*;
use crate::booking::desk::Sabotage;
use crate::store::{FsyncPolicy, SimDisk};

/// A story in which every defect has its chance.
fn findings(sabotage: Option<Sabotage>) -> Vec<String> {
    let mut world = World::over(SimDisk::new(), config(), Travel::Twice, FsyncPolicy::EveryCommit, sabotage);
    let mut found = Vec::new();
    let token = world.hold(1, &[1, 2]).expect("they are free");
    let _ = world.hold(2, &[2, 3]);
    let _ = world.say(Command::Sweep { booking: BookingId(1) });
    let _ = world.pay(1, token);
    world.pass(Span::from_secs(5));
    let _ = world.say(Command::Cancel { booking: BookingId(1), fee_minor: 0 });
    world.pass(Span::from_secs(5));
    // Somebody pays for a hold that another one has replaced, as after a lost update.
    let stale = world.hold(3, &[6]).expect("it is free");
    world.desk.as_mut().expect("it is open").tamper(6, |row| row.token.0 += 1);
    let late = Command::Paid { booking: BookingId(3), token: stale, payment: 1, minor: 500 };
    if matches!(world.say(late), Some(Ok(Answer::Confirmed { .. }))) {
        found.push("a hold that was overtaken was confirmed".to_string());
    }
    found.extend(world.problems());
    found
}

#[test]
fn each_defect_is_found() {
    assert_eq!(findings(None), Vec::<String>::new());
    for (sabotage, expected) in [
        (Sabotage::TakesOneByOne, "Partial"),
        (Sabotage::ComparesNoTokens, "a hold that was overtaken was confirmed"),
        (Sabotage::SweepsTheLiving, "SweptAlive"),
        (Sabotage::CountsRefundsTwice, "Money"),
    ] {
        let found = findings(Some(sabotage));
        assert!(found.iter().any(|problem| problem.starts_with(expected)), "{sabotage:?}: {found:?}");
    }
}

#[test]
fn rows_that_were_written_behind_its_back_are_found_at_once_and_when_counted_again() {
    type Change = fn(&mut UnitRow);
    let changes: [(Change, &str); 4] = [
        (|row| row.held = 0, "CountsDiffer"),
        (|row| row.sold += 1, "CountsDiffer"),
        (|row| row.token.0 = 0, "UnitTokenFell"),
        (|row| row.blocked += 1, ""),
    ];
    for (change, expected) in changes {
        let mut world = World::new(config(), Travel::Prompt);
        world.hold(1, &[1]).expect("it is free");
        let desk = world.desk.as_mut().expect("it is open");
        desk.tamper(1, change);
        let found = desk.violation().map(|(violation, _)| format!("{violation:?}")).unwrap_or_default();
        assert!(found.starts_with(expected), "{found} for {expected}");
        assert_eq!(desk.audit().is_err(), expected == "CountsDiffer");
    }
}
