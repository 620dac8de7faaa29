//! Servers with one defect each. For the watch: each defect breaks exactly its own guarantee, seen by a watcher that
//! believes everything. For the rest: the story in which it shows, and the invariant that finds it.

use super::laws::{Act, play};
use super::watch_log::{Guarantee, violations};
use super::world::World;
use super::*;

/// A watcher that sees twenty revisions of two keys each, goes away, comes back and sees more.
fn guarantees_broken(sabotage: Option<Sabotage>, is_compacted: bool) -> Vec<Guarantee> {
    let mut desk = Desk::over(MemoryStore::new(), sabotage);
    let mut truth = Truth::default();
    desk.watch(1, "node", 1);
    let mut log = vec![LogEntry::Begun { from: Revision(1) }];
    for number in 1..=20 {
        desk.publish(&[("a", number), ("b", number)]);
        if number % 4 == 0 {
            desk.pass(Span::from_secs(6));
        }
    }
    log.extend(logged(desk.told(1)));
    desk.ask_nothing(Request::Unwatch(WatchId(1)));
    desk.publish(&[("a", 21), ("b", 21)]);
    desk.publish(&[("a", 22), ("b", 22)]);
    desk.put("c", 23);
    desk.delete("c");
    truth.follow(&desk.server, &view("node"));
    if is_compacted {
        desk.ask(Request::Compact(Revision(22)));
    }
    // Where a watcher goes on that has understood its log.
    let reached = match sabotage {
        Some(Sabotage::ForgetsDeletionOnCompact) => Revision(23),
        _ => Revision(20),
    };
    if reached == Revision(23) {
        // It has seen up to 23, and 24, a deletion, is just what was compacted.
        log.push(LogEntry::Resynced(reached));
        desk.ask(Request::Compact(Revision(24)));
    }
    desk.watch(2, "node", reached.next().0);
    log.push(LogEntry::Begun { from: reached.next() });
    desk.publish(&[("a", 25), ("b", 25)]);
    desk.publish(&[("a", 26), ("b", 26)]);
    truth.follow(&desk.server, &view("node"));
    log.extend(logged(desk.told(2)));
    violations(&log, &truth.events).iter().map(watch_log::Violation::guarantee).collect()
}

impl<S: Store> Desk<S> {
    fn ask_nothing(&mut self, body: Request) {
        let answers = self.send(body);
        assert!(answers.is_empty(), "{answers:?}");
    }
}

#[test]
fn each_way_to_tell_a_watch_wrongly_breaks_exactly_its_own_guarantee() {
    let cases = [
        (Sabotage::SwapsRevisions, Guarantee::Ordered),
        (Sabotage::DoublesEvents, Guarantee::Unique),
        (Sabotage::SplitsRevisions, Guarantee::Atomic),
        (Sabotage::DropsRevisions, Guarantee::Reliable),
        (Sabotage::SkipsOnResume, Guarantee::Resumable),
        (Sabotage::BookmarksEarly, Guarantee::Bookmarkable),
    ];
    assert_eq!(guarantees_broken(None, false), []);
    for (sabotage, guarantee) in cases {
        assert_eq!(guarantees_broken(Some(sabotage), false), [guarantee], "{sabotage:?}");
    }
}

#[test]
fn a_silent_gap_after_a_compaction_is_found() {
    assert_eq!(guarantees_broken(None, true), []);
    assert_eq!(guarantees_broken(Some(Sabotage::HidesCompaction), true), [Guarantee::Resumable]);
    let deletion = guarantees_broken(Some(Sabotage::ForgetsDeletionOnCompact), false);
    assert_eq!(deletion, [Guarantee::Resumable]);
}

/// The same short story for every defect.
fn problems(sabotage: Option<Sabotage>, seed: u64) -> Vec<&'static str> {
    let mut world = World::new(seed, sabotage);
    let mut acts = Vec::new();
    for round in 0..6 {
        acts.extend([
            Act::Write(0),
            Act::Write(1),
            Act::Publish(10 + round),
            Act::Pass(40),
            Act::Write(0),
            Act::Write(1),
            Act::Pass(40),
        ]);
    }
    acts.extend([
        Act::Canary(500, 0, true),
        Act::Pass(300),
        Act::Abandon,
        Act::Rollback(4),
        Act::Pass(300),
        Act::PublishBad,
        Act::Pass(40),
        Act::Publish(30),
        Act::Pass(300),
        Act::Publish(31),
        Act::ServerCrash,
        Act::Pass(40),
        Act::ServerUp,
    ]);
    play(&mut world, &acts);
    world.problems.into_iter().collect()
}

#[test]
fn each_other_defect_breaks_its_invariant() {
    for seed in [2, 3] {
        assert_eq!(problems(None, seed), [""; 0]);
    }
    let cases = [
        (Sabotage::IgnoresCompare, 2, "2: compare-and-set is not linearizable"),
        (Sabotage::TearsReleases, 2, "3: half a release is seen"),
        (Sabotage::RollbackKeepsAdded, 2, "6: a rollback is not what was"),
        (Sabotage::CanaryForAll, 2, "7: a canary reached somebody else"),
        (Sabotage::SkipsSchema, 2, "9: a value that is not allowed is effective"),
        (Sabotage::SpeaksBeforeDurable, 3, "told of what a crash took"),
    ];
    for (sabotage, seed, problem) in cases {
        let found = problems(Some(sabotage), seed);
        assert!(found.contains(&problem), "{sabotage:?}: {found:?}");
    }
}
