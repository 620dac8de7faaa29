//! A crash at each step: every operation of the disk and every output is a point to die at. Whatever the point, each
//! booking ends with its seat and its money, or with neither.

use super::world::{Travel, World, ask, config};
use super::*;
use crate::booking::desk::Sabotage;
use crate::store::{FsyncPolicy, PowerCut, SimDisk};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug)]
enum Point {
    Disk { after: u64, entropy: u64 },
    Output { after: u64 },
}

/// Says it until it is answered, over a crash if need be.
fn insist(world: &mut World, command: &Command<u32, ()>, died: &mut bool) -> Result<Answer, Rejected> {
    loop {
        match world.say(command.clone()) {
            Some(said) => return said,
            None => revive(world, died),
        }
    }
}

fn revive(world: &mut World, died: &mut bool) {
    if world.is_dead() {
        *died = true;
        world.open();
    }
}

fn pass(world: &mut World, span: Span, died: &mut bool) {
    world.pass(span);
    revive(world, died);
}

/// One buys and cancels, one pays too late for a seat that is free, one for a seat that is gone; whether it died, and
/// what was wrong.
fn run(
    travel: Travel,
    fsync: FsyncPolicy,
    point: Option<Point>,
    sabotage: Option<Sabotage>,
) -> (bool, BTreeSet<String>) {
    let mut disk = SimDisk::new();
    if let Some(Point::Disk { after, entropy }) = point {
        disk.cut_power(PowerCut { after_operations: after + 2, entropy });
    }
    let mut world = World::over(disk, config(), travel, fsync, sabotage);
    if let Some(Point::Output { after }) = point {
        world.dies_after = Some(after);
    }
    let (mut died, mut found) = (false, BTreeSet::new());
    let mut promised = Vec::new();
    for (id, seat) in [(1, 4), (2, 5), (3, 6)] {
        let held = insist(&mut world, &Command::Hold(ask(id, &[seat])), &mut died);
        let Ok(Answer::Held { token, .. }) = held else {
            found.insert(format!("hold {id} ended with {held:?}"));
            continue;
        };
        promised.push(id);
        if id > 1 {
            pass(&mut world, Span::from_secs(598), &mut died);
            world.travel = Travel::Late(Span::from_secs(4));
        }
        let pay = Command::Pay { booking: BookingId(id), token };
        let _ = insist(&mut world, &pay, &mut died);
        pass(&mut world, Span::from_secs(3), &mut died);
        if id == 3 && world.phase(3) == Some(Phase::Expired) {
            let _ = insist(&mut world, &Command::Sell(ask(4, &[seat])), &mut died);
        }
        pass(&mut world, Span::from_secs(60), &mut died);
        world.travel = travel;
    }
    let cancel = Command::Cancel { booking: BookingId(1), fee_minor: 100 };
    let _ = insist(&mut world, &cancel, &mut died);
    for _ in 0..4 {
        pass(&mut world, Span::from_secs(300), &mut died);
    }
    found.extend(world.problems());
    for id in promised {
        match world.desk().booking(BookingId(id)) {
            None => drop(found.insert(format!("booking {id} was promised and is gone"))),
            Some(booking) if !booking.is_settled() => {
                found.insert(format!("booking {id} is never settled: {:?}", booking.phase));
            }
            Some(booking) => {
                let is_theirs = booking.phase.claim() == Claim::Owns || booking.phase == Phase::Cancelled;
                if !is_theirs && world.gateway.taken_minor(booking.id) != 0 {
                    found.insert(format!("booking {id} has paid for nothing"));
                }
            }
        }
    }
    (died, found)
}

fn all_points(travel: Travel, fsync: FsyncPolicy, sabotage: Option<Sabotage>) -> (u32, BTreeSet<String>) {
    let (mut crashes, mut found) = (0, BTreeSet::new());
    let mut until_survived = |point_after: &dyn Fn(u64) -> Point| {
        for after in 0..2_000 {
            let (died, problems) = run(travel, fsync, Some(point_after(after)), sabotage);
            found.extend(problems);
            if !died {
                return;
            }
            crashes += 1;
        }
        panic!("it dies however late the crash is");
    };
    for entropy in [0, u64::MAX, 0x9E37_79B9_7F4A_7C15] {
        until_survived(&|after| Point::Disk { after, entropy });
    }
    until_survived(&|after| Point::Output { after });
    (crashes, found)
}

const GROUP: FsyncPolicy = FsyncPolicy::Group { max_commits: 3, max_wait: Span::from_millis(5) };

#[test]
fn wherever_it_dies_each_booking_ends_with_seat_and_money_or_with_neither() {
    let mut all = 0;
    // Where nothing fails, all is as told.
    assert_eq!(run(Travel::Prompt, FsyncPolicy::EveryCommit, None, None), (false, BTreeSet::new()));
    for travel in [Travel::Prompt, Travel::Twice, Travel::FirstLost, Travel::Late(Span::from_secs(2))] {
        let (crashes, found) = all_points(travel, FsyncPolicy::EveryCommit, None);
        assert!(found.is_empty(), "{travel:?}: {found:?}");
        assert!(crashes > 60, "only {crashes} points to die at");
        all += crashes;
    }
    println!("{all} crashes");
}

#[test]
fn with_group_commit_only_what_was_durable_was_said() {
    let (crashes, found) = all_points(Travel::Prompt, GROUP, None);
    // What was answered before it was durable may be gone; the driver holds answers back by `durable`. Money is not.
    let money: Vec<_> = found.iter().filter(|problem| !problem.contains("promised")).collect();
    assert!(money.is_empty(), "{money:?}");
    assert!(crashes > 40);
}

#[test]
fn a_desk_that_speaks_before_it_is_durable_or_never_syncs_is_found_out() {
    let slow = FsyncPolicy::Group { max_commits: 60, max_wait: Span::from_secs(50) };
    for (fsync, sabotage) in [(slow, Some(Sabotage::SpeaksTooEarly)), (FsyncPolicy::Never, None)] {
        let (_, found) = all_points(Travel::Prompt, fsync, sabotage);
        let lost: Vec<_> = found.iter().filter(|problem| !problem.contains("promised")).collect();
        assert!(!lost.is_empty(), "{fsync:?} {sabotage:?}");
    }
}
