//! A crash at each step: every operation of the disk, and every output carried out, is a point to die at. Whatever
//! the point, and whatever way the providers' words travel, the payer has paid once and the books say so.

use super::world::{Travel, World, config, opened};
use super::*;
use crate::payment::processor::Sabotage;
use crate::store::{FsyncPolicy, PowerCut, SimDisk, WalConfig, WalStore};
use std::collections::BTreeSet;

type Disk = WalStore<SimDisk>;

/// Where to die.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// At the operation of the disk after so many.
    Disk { after: u64, entropy: u64 },
    /// After so many outputs were carried out.
    Output { after: u64 },
}

fn store(fsync: FsyncPolicy) -> Disk {
    let config = WalConfig { fsync, compact_above_bytes: 4_000 };
    WalStore::open(SimDisk::new(), config).expect("an empty disk is an empty store").0
}

fn reopened(disk: SimDisk, fsync: FsyncPolicy) -> Disk {
    let config = WalConfig { fsync, compact_above_bytes: 4_000 };
    WalStore::open(disk.restart(), config).expect("the log is whole").0
}

/// What came of a run.
struct Ending {
    died: bool,
    problems: BTreeSet<String>,
}

/// Authorizes 1,000, captures 600 and 400, refunds 250; dies once on the way, comes back, and asks again with the
/// same keys.
fn run(travel: Travel, fsync: FsyncPolicy, point: Option<Point>, sabotage: Option<Sabotage>) -> Ending {
    let break_it = |processor: Processor<Disk>| match sabotage {
        Some(sabotage) => processor.sabotaged(sabotage),
        None => processor,
    };
    let mut fresh = store(fsync);
    if let Some(Point::Disk { after, entropy }) = point {
        fresh.disk_mut().cut_power(PowerCut { after_operations: after, entropy });
    }
    let mut world = World::over(break_it(opened(fresh, config())), travel);
    if let Some(Point::Output { after }) = point {
        world.dies_after = Some(after);
    }
    let intent = IntentId(1);
    let commands = [
        Command::Create { merchant: 5, payer: 9, amount: rupees(1_000), capture: CaptureMethod::Manual },
        Command::Confirm { intent, instrument: card(), needs_authentication: false },
        Command::Capture { intent, minor: 600, is_final: false },
        Command::Capture { intent, minor: 400, is_final: false },
        Command::Refund { intent, minor: 250 },
    ];
    let (mut died, mut problems) = (false, BTreeSet::new());
    for (number, command) in commands.iter().enumerate() {
        let key = format!("step {number}");
        let mut answer = world.ask(&key, command);
        if world.has_died {
            died = true;
            world = world.restarted(|store| break_it(opened(reopened(store.into_disk(), fsync), config())));
            answer = world.ask(&key, command);
        }
        if answer.map(|answer| answer.status) != Some(200) {
            problems.insert(format!("step {number} ended with {answer:?}"));
        }
    }
    if world.taken_minor() != 750 {
        problems.insert("the payer has not paid once".to_string());
    }
    if world.booked_minor() != i128::from(world.taken_minor()) {
        problems.insert("the books differ from the providers".to_string());
    }
    problems.extend(world.violations);
    Ending { died, problems }
}

/// Every point to die at; ends at the first that is never reached.
fn all_points(travel: Travel, fsync: FsyncPolicy, sabotage: Option<Sabotage>) -> (u32, BTreeSet<String>) {
    let (mut crashes, mut problems) = (0, BTreeSet::new());
    let mut run_until_survived = |point_after: &dyn Fn(u64) -> Point| {
        for after in 0..2_000 {
            let ending = run(travel, fsync, Some(point_after(after)), sabotage);
            problems.extend(ending.problems);
            if !ending.died {
                return;
            }
            crashes += 1;
        }
        panic!("it dies however late the crash is");
    };
    for entropy in [0, 1 << 63, u64::MAX, 0x9E37_79B9_7F4A_7C15] {
        run_until_survived(&|after| Point::Disk { after, entropy });
    }
    run_until_survived(&|after| Point::Output { after });
    (crashes, problems)
}

const TRAVELS: [Travel; 6] = [
    Travel::Answer,
    Travel::AnswerThenWebhooks,
    Travel::WebhookThenAnswer,
    Travel::WebhookOnly,
    Travel::Silence,
    Travel::RequestLost,
];

const GROUP: FsyncPolicy = FsyncPolicy::Group { max_commits: 4, max_wait: Span::from_millis(2) };

#[test]
fn wherever_it_dies_the_payer_has_paid_once_and_the_books_say_so() {
    let mut all_crashes = 0;
    for fsync in [FsyncPolicy::EveryCommit, GROUP] {
        for travel in TRAVELS {
            let (crashes, problems) = all_points(travel, fsync, None);
            assert!(problems.is_empty(), "{travel:?}, {fsync:?}: {problems:?}");
            assert!(crashes > 60, "only {crashes} points to die at");
            all_crashes += crashes;
        }
    }
    println!("{all_crashes} crashes");
}

#[test]
fn without_syncs_or_if_it_speaks_too_early_a_crash_loses_money() {
    let cases = [
        (FsyncPolicy::Never, None),
        (
            FsyncPolicy::Group { max_commits: 40, max_wait: Span::from_secs(5) },
            Some(Sabotage::SendsBeforeDurable),
        ),
    ];
    for (fsync, sabotage) in cases {
        let (_, problems) = all_points(Travel::Answer, fsync, sabotage);
        assert!(!problems.is_empty(), "{fsync:?} {sabotage:?} was not found out");
    }
}
