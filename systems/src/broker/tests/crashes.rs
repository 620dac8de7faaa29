//! What a power cut takes of a broker, a controller, a group and a queue that write to a disk, at each operation of the
//! disk. What was answered with the disk synced in each commit is there afterwards.

use crate::broker::group::{Coordinator, GroupConfig, GroupInput, GroupOutput};
use crate::broker::log::*;
use crate::broker::queue::{NewMessage, Queue, QueueConfig, QueueInput, QueueOutput};
use crate::broker::{BrokerId, LeaderEpoch, PartitionId};
use crate::store::{FsyncPolicy, PowerCut, SimDisk, WalConfig, WalStore};
use crate::time::{Span, Time};

const P: PartitionId = PartitionId { topic: 0, index: 0 };
const ME: BrokerId = BrokerId(1);

fn open(disk: SimDisk, fsync: FsyncPolicy) -> WalStore<SimDisk> {
    let config = WalConfig { fsync, compact_above_bytes: 700 };
    WalStore::open(disk, config).expect("a cut is no damage").0
}

/// Runs a story on disks that lose their power after 0, 1, 2, ... operations, and hands each disk, as it comes back, to
/// the check. Ends with the first disk that lasts.
fn at_each_cut<T>(story: impl Fn(WalStore<SimDisk>) -> (WalStore<SimDisk>, T), check: impl Fn(SimDisk, T)) {
    for after_operations in 0.. {
        let mut store = open(SimDisk::new(), FsyncPolicy::EveryCommit);
        let entropy = after_operations ^ 0x5EED;
        store.disk_mut().cut_power(PowerCut { after_operations, entropy });
        let (store, said) = story(store);
        let disk = store.into_disk();
        let lasted = !disk.is_off();
        check(disk.restart(), said);
        if lasted {
            assert!(after_operations > 10, "there was something to cut");
            return;
        }
    }
}

fn lead(epoch: u32) -> Input {
    Input::Assign(Assignment {
        partition: P,
        replicas: vec![ME],
        isr: vec![ME],
        leader: Some(ME),
        epoch: LeaderEpoch(epoch),
        version: u64::from(epoch),
        is_unclean: false,
    })
}

#[test]
fn what_a_broker_has_acknowledged_is_on_its_disk_if_each_commit_is_synced() {
    let config = BrokerConfig { min_insync_replicas: 1, ..BrokerConfig::default() };
    let story = |store| {
        let mut broker = Broker::open(ME, config, store, Time::ZERO);
        let mut out = Vec::new();
        let _ = broker.handle(Time::ZERO, lead(1), &mut out);
        let mut acknowledged = 0;
        for number in 0..12u8 {
            let records = vec![NewRecord::of(&[number], &[number; 40])];
            let produce = Produce { partition: P, acks: Acks::All, stamp: None, records };
            out.clear();
            let _ = broker.handle(Time::ZERO, Input::Produce { token: 1, produce }, &mut out);
            acknowledged +=
                out.iter().filter(|output| matches!(output, Output::Produced { .. })).count() as u64;
        }
        (broker.into_store(), acknowledged)
    };
    at_each_cut(story, |disk, acknowledged| {
        let broker = Broker::open(ME, config, open(disk, FsyncPolicy::EveryCommit), Time::ZERO);
        let end = broker.replica(P).map_or(0, |replica| replica.log().end());
        assert!(end >= acknowledged, "{acknowledged} acknowledged, {end} found");
    });
}

#[test]
fn a_queue_has_what_it_said_it_has_and_not_what_it_said_was_done() {
    let config = QueueConfig::default();
    let story = |store| {
        let mut queue = Queue::open(config, store);
        let (mut sent, mut deleted) = (0, 0);
        for number in 0..8u8 {
            let mut out = Vec::new();
            let message = NewMessage { body: [number].as_slice().into(), ..NewMessage::default() };
            let _ = queue.handle(Time::ZERO, QueueInput::Send { token: 0, message }, &mut out);
            let ask = QueueInput::Receive { token: 1, max: 1, wait: Span::ZERO, visibility: None };
            let _ = queue.handle(Time::ZERO, ask, &mut out);
            for output in out.clone() {
                sent += u64::from(matches!(output, QueueOutput::Sent { .. }));
                let QueueOutput::Received { messages, .. } = output else { continue };
                for delivery in messages.into_iter().filter(|_| number % 2 == 0) {
                    let done =
                        queue.handle(Time::ZERO, QueueInput::Delete { handle: delivery.handle }, &mut out);
                    deleted += u64::from(done.is_ok());
                }
            }
        }
        (queue.into_store(), (sent, deleted))
    };
    at_each_cut(story, |disk, (sent, deleted)| {
        let queue = Queue::open(config, open(disk, FsyncPolicy::EveryCommit));
        // One step more than was answered may have been written.
        let live = queue.live();
        assert!(live + deleted + 1 >= sent && live <= sent - deleted + 1, "{sent} - {deleted}: {live}");
        assert_eq!(queue.audit(), Ok(()));
    });
}

#[test]
fn a_group_remembers_what_was_committed_and_never_begins_a_generation_twice() {
    let story = |store| {
        let mut group = Coordinator::open("g", GroupConfig::default(), store);
        let mut out = Vec::new();
        let _ = group.handle(Time::ZERO, GroupInput::Partitions(vec![P]), &mut out);
        let (mut generation, mut committed) = (0, None);
        for round in 0..6u64 {
            out.clear();
            let join = GroupInput::Join { token: 0, member: None, owned: Vec::new() };
            let _ = group.handle(Time::ZERO, join, &mut out);
            let _ = group.expire(Time::ZERO + Span::from_secs(400 * (round + 1)), &mut out);
            let Some(GroupOutput::Joined { member, generation: begun, .. }) =
                out.iter().rfind(|output| matches!(output, GroupOutput::Joined { .. })).cloned()
            else {
                continue;
            };
            generation = begun;
            let offsets = vec![(P, round)];
            let commit = GroupInput::Commit { member, generation, offsets };
            if group.handle(Time::ZERO, commit, &mut out).is_ok() {
                committed = Some(round);
            }
        }
        (group.into_store(), (generation, committed))
    };
    at_each_cut(story, |disk, (generation, committed)| {
        let group = Coordinator::open("g", GroupConfig::default(), open(disk, FsyncPolicy::EveryCommit));
        assert!(group.generation() >= generation && group.committed(P) >= committed);
    });
}

#[test]
fn a_last_replica_that_has_lost_what_it_had_not_synced_is_an_unclean_leader_and_said_to_be() {
    let store = open(SimDisk::new(), FsyncPolicy::EveryCommit);
    let mut controller = Controller::open(ControllerConfig::default(), store, Time::ZERO);
    let mut out = Vec::new();
    let now = Time::ZERO;
    let register = |broker, incarnation, has_everything| ControllerInput::Register {
        broker: BrokerId(broker),
        incarnation,
        has_everything,
    };
    let create = ControllerInput::Create { partition: P, replicas: vec![BrokerId(1), BrokerId(2)] };
    let inputs = [create, register(1, 1, true), register(2, 2, true), register(1, 3, false)];
    for input in inputs {
        controller.handle(now, input, &mut out).expect("the disk works");
    }
    let assignment = controller.assignment(P).expect("it was created");
    assert_eq!((assignment.leader, assignment.isr.as_slice()), (Some(BrokerId(2)), [BrokerId(2)].as_slice()));
    assert!(!assignment.is_unclean);
    controller.handle(now, register(2, 4, false), &mut out).expect("the disk works");
    let assignment = controller.assignment(P).expect("it was created").clone();
    assert_eq!((assignment.leader, assignment.is_unclean), (Some(BrokerId(2)), true));
    let again = Controller::open(ControllerConfig::default(), controller.into_store(), now);
    assert_eq!(again.assignment(P), Some(&assignment));
}

#[test]
fn a_disk_that_fails_stops_the_broker_before_it_says_anything() {
    let mut store = open(SimDisk::new(), FsyncPolicy::EveryCommit);
    store.disk_mut().set_capacity(Some(400));
    let config = BrokerConfig { min_insync_replicas: 1, ..BrokerConfig::default() };
    let mut broker = Broker::open(ME, config, store, Time::ZERO);
    let mut out = Vec::new();
    broker.handle(Time::ZERO, lead(1), &mut out).expect("there is room for that");
    let write = |broker: &mut Broker<_>, out: &mut Vec<Output>| {
        let records = vec![NewRecord::of(b"k", &[0; 50])];
        let produce = Produce { partition: P, acks: Acks::All, stamp: None, records };
        broker.handle(Time::ZERO, Input::Produce { token: 1, produce }, out)
    };
    out.clear();
    let mut written = 0;
    while write(&mut broker, &mut out).is_ok() {
        written += 1;
    }
    let acknowledged = out.iter().filter(|output| matches!(output, Output::Produced { .. })).count();
    assert!(written > 0 && acknowledged == written);
    assert!(matches!(write(&mut broker, &mut out), Err(Rejected::Store(_))));
    assert_eq!(broker.deadline(), None);
}
