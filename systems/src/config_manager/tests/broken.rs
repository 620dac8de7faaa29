//! Servers with one defect each. For the watch: each defect breaks exactly its own guarantee, seen by a watcher that
//! believes everything. For the rest: the story in which it shows, and the invariant that finds it.

use super::laws::{Act, play};
use super::watch_log::{Guarantee, violations};
use super::world::World;
use super::*;

/// A watcher that sees twenty revisions of two keys each, goes away, comes back and sees more.
fn guarantees_broken(sabotage: Option<Sabotage>, compacted: Option<u64>) -> Vec<Guarantee> {
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
    // The revision at which it goes away; 24 is a deletion, the last before it comes back.
    let reached = if compacted == Some(24) { Revision(23) } else { Revision(20) };
    if let Some(through) = compacted {
        desk.ask(Request::Compact(Revision(through)));
        log.push(LogEntry::Resynced(reached));
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
    assert_eq!(guarantees_broken(None, None), []);
    for (sabotage, guarantee) in cases {
        assert_eq!(guarantees_broken(Some(sabotage), None), [guarantee], "{sabotage:?}");
    }
}

#[test]
fn a_silent_gap_after_a_compaction_is_found() {
    for (sabotage, through) in [(Sabotage::HidesCompaction, 22), (Sabotage::ForgetsDeletionOnCompact, 24)] {
        assert_eq!(guarantees_broken(None, Some(through)), []);
        assert_eq!(guarantees_broken(Some(sabotage), Some(through)), [Guarantee::Resumable], "{sabotage:?}");
    }
}

/// The same short story for every defect.
fn problems(sabotage: Option<Sabotage>, seed: u64) -> Vec<&'static str> {
    problems_in(World::new(seed, sabotage))
}

fn problems_in(mut world: World) -> Vec<&'static str> {
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
        (Sabotage::IgnoresCompare, "2: compare-and-set is not linearizable"),
        (Sabotage::TearsReleases, "3: half a release is seen"),
        (Sabotage::RollbackKeepsAdded, "6: a rollback is not what was"),
        (Sabotage::CanaryForAll, "7: a canary reached somebody else"),
        (Sabotage::SkipsSchema, "9: a value that is not allowed is effective"),
    ];
    for (sabotage, problem) in cases {
        let found = problems(Some(sabotage), 2);
        assert!(found.contains(&problem), "{sabotage:?}: {found:?}");
    }
    // Only a log that is synced in groups has something to lose, and chance says whether it does.
    let lost = (3..40).step_by(2).map(|seed| problems(Some(Sabotage::SpeaksBeforeDurable), seed));
    let found = lost.filter(|found| found.contains(&"told of what a crash took")).count();
    assert!(found > 5, "{found} of 19");
}

#[test]
fn each_defect_of_a_client_breaks_its_invariant() {
    let cases = [
        (client::Sabotage::IgnoresGaps, "1: not reliable"),
        (client::Sabotage::GivesUp, "4: a client does not have the last release"),
        (client::Sabotage::ForgetsWhatWaits, "5: a listener is told something that does not follow"),
        (client::Sabotage::IgnoresCache, "8: a cache did not start a process"),
    ];
    for (sabotage, problem) in cases {
        let mut world = World::with(2, None, Some(sabotage));
        world.publish(1);
        world.pass(Span::from_secs(1));
        world.crash_client(0);
        world.pass(Span::from_secs(1));
        world.start_client(0);
        world.lose(30);
        let found = problems_in(world);
        assert!(found.contains(&problem), "{sabotage:?}: {found:?}");
    }
}
