//! Faults by name, and what has to be seen of them: two revisions while a part is cut off, a resync instead of a silent
//! gap, a resync storm that the jitter spreads, damage that stays within a canary.

use super::world::{CLIENTS, World};
use super::*;

#[test]
fn a_part_that_is_cut_off_during_a_publish_serves_the_old_release_and_then_the_new_one() {
    let mut world = World::new(4, None);
    world.publish(1);
    world.pass(Span::from_secs(1));
    world.cut(0, true);
    world.publish(2);
    world.pass(Span::from_secs(3));
    let (cut_off, others) = (world.revision(0), world.revision(1));
    assert!(cut_off < others, "{cut_off} and {others}");
    assert!(world.age(0) >= Span::from_secs(2) && world.age(1) <= Span::from_secs(1));
    world.cut(0, false);
    world.pass(Span::from_secs(2));
    assert_eq!(world.revision(0), others);
    world.finish();
    assert_eq!((&world.problems.len(), world.converged), (&0, CLIENTS as u64));
}

#[test]
fn who_comes_back_after_a_compaction_asks_for_everything_and_it_is_counted() {
    for index in [0, 1] {
        let mut world = World::new(6, None);
        world.publish(1);
        world.pass(Span::from_secs(1));
        world.cut(index, true);
        for number in 2..6 {
            world.publish(number);
        }
        world.pass(Span::from_secs(2));
        world.compact(0);
        assert_eq!(world.resyncs(), 0);
        world.finish();
        assert_eq!((&world.problems.len(), world.resyncs()), (&0, 1), "{:?}", world.problems);
    }
}

#[test]
fn a_leader_that_crashes_stalls_writes_and_loses_no_event() {
    for seed in [8, 9] {
        let mut world = World::new(seed, None);
        for number in 1..20 {
            world.publish(number);
            world.pass(Span::from_millis(30));
            if number % 5 == 0 {
                world.crash_server();
                world.pass(Span::from_millis(700));
                world.raise_server();
            }
        }
        world.finish();
        assert_eq!((&world.problems.len(), world.resyncs()), (&0, 0), "{:?}", world.problems);
    }
}

#[test]
fn a_thousand_clients_that_resync_are_spread_over_the_jitter() {
    let jitter = Span::from_secs(5);
    let mut asked_in_ms = BTreeMap::new();
    for seed in 0..1_000 {
        let config = ClientConfig { seed, resync_jitter: jitter, ..ClientConfig::new(view("node")) };
        let mut client =
            Client::new(config, Schema::default(), LocalLayers::default()).expect("it can be meant");
        let mut out = Vec::new();
        client.handle(at(0), client::Input::Start { cache: None }, &mut out).expect("it can begin");
        let refused = Answer::Refused(Refusal::Compacted(Revision(9)));
        let [client::Output::Send { request, .. }] = out[..] else { panic!("{out:?}") };
        client
            .handle(at(0), client::Input::Answer { request, answer: refused }, &mut out)
            .expect("it can be used");
        // Waiting to boot is not what is looked at.
        let due = client.deadline().expect("it will ask");
        *asked_in_ms.entry(due.as_micros() / 100_000).or_insert(0u32) += 1;
    }
    // 1,000 over 50 slots: 20 give or take 4.4; six deviations.
    assert!(asked_in_ms.len() >= 50, "{asked_in_ms:?}");
    assert!(asked_in_ms.values().all(|asked| *asked <= 47), "{asked_in_ms:?}");
}

#[test]
fn a_bad_value_in_a_canary_of_five_percent_reaches_five_percent_and_a_rollback_takes_it_back() {
    let mut desk = Desk::new();
    let good = desk.publish(&[("timeout_ms", 1_000)]);
    desk.edit("timeout_ms", Value::Integer(1));
    let rule = CanaryRule::share(50_000, 3);
    released(&desk.command(Command::PublishCanary { rule, comment: "faster".to_string() }));
    let damaged = |desk: &mut Desk<MemoryStore>| {
        let all = (0..1_000).map(|number| desk.seen(&format!("node-{number}")));
        all.filter(|seen| *seen == numbers(&[("timeout_ms", 1)])).count()
    };
    // Binomial(1,000, 5 %): 50 give or take 6.9; five deviations.
    assert!((16..=84).contains(&damaged(&mut desk)));
    released(&desk.command(Command::Rollback(good)));
    assert_eq!(damaged(&mut desk), 0);
}
