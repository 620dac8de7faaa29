//! Stories of leaders and followers, each with the mail in an order that matters.

use super::cluster::{Cluster, Mail, P, alone, config};
use crate::broker::log::*;
use crate::broker::{BrokerId, LeaderEpoch};
use crate::store::MemoryStore;
use crate::time::{Span, Time};

const A: BrokerId = BrokerId(0);
const B: BrokerId = BrokerId(1);

fn settled(replicas: u32, truncate_by: TruncateBy, unclean: bool) -> Cluster {
    let mut cluster = Cluster::new(replicas, config(truncate_by), unclean, None);
    cluster.settle(20);
    assert_eq!(cluster.leader().map(Replica::broker), Some(A));
    cluster
}

/// KIP-101, first scenario: B has all of A's records and does not know yet that they are committed; B restarts, A dies
/// before B has asked again, and B leads.
fn two_fast_leader_changes(truncate_by: TruncateBy) -> Cluster {
    let mut config = config(truncate_by);
    config.checkpoint_every = Span::from_secs(60);
    let mut cluster = Cluster::new(2, config, false, None);
    cluster.settle(20);
    cluster.write(0, Acks::All, 1).expect("both are in sync");
    cluster.settle(5);
    assert_eq!((cluster.audit.acknowledged(), cluster.replica(0).high_watermark()), (1, 1));
    cluster.crash(B);
    cluster.start(B, true);
    let assigned = cluster.mail.iter().position(|mail| matches!(mail, Mail::Assign(to, _) if *to == B));
    let assign = cluster.mail.remove(assigned.expect("whoever registers is told who leads"));
    cluster.deliver(assign);
    cluster.mail.clear();
    cluster.crash(A);
    cluster.heartbeats();
    cluster.settle(60);
    assert_eq!(cluster.leader().map(Replica::broker), Some(B));
    cluster
}

#[test]
fn two_fast_leader_changes_lose_an_acknowledged_record_if_followers_cut_at_their_high_watermark() {
    let cluster = two_fast_leader_changes(TruncateBy::HighWatermark);
    assert_eq!(cluster.broken, Some(Violation::AcknowledgedLost { partition: P, offset: 0 }));
    assert_eq!(cluster.audit.losses(), Losses { unexcused: 1, ..Losses::default() });
}

#[test]
fn two_fast_leader_changes_lose_nothing_if_followers_cut_where_the_epochs_part() {
    let mut cluster = two_fast_leader_changes(TruncateBy::LeaderEpoch);
    cluster.heal();
    assert_eq!((cluster.broken, cluster.audit.losses()), (None, Losses::default()));
    assert!(cluster.leader().is_some_and(|leader| leader.log().get(0).is_some()));
}

#[test]
fn a_leader_cut_off_from_its_followers_loses_what_it_alone_acknowledged_and_that_is_counted() {
    let mut cluster = settled(3, TruncateBy::LeaderEpoch, false);
    cluster.write(0, Acks::All, 1).expect("all are in sync");
    cluster.settle(10);
    cluster.cut.insert(A);
    for value in 2..7 {
        cluster.write(0, Acks::Leader, value).expect("it still believes to lead");
    }
    cluster.write(0, Acks::All, 9).expect("it waits for the others");
    cluster.settle(60);
    let leader = cluster.leader().map(Replica::broker);
    assert!(leader.is_some_and(|leader| leader != A));
    cluster.heal();
    assert_eq!(cluster.broken, None);
    assert_eq!(cluster.audit.losses(), Losses { of_leader_acks: 5, ..Losses::default() });
    // The five and the one that nobody has acknowledged.
    assert_eq!(cluster.truncated, 6);
    assert_eq!(cluster.replica(0).log().end(), 1);
}

#[test]
fn with_too_few_replicas_in_sync_whoever_wants_all_is_refused_and_whoever_wants_one_is_not() {
    let mut cluster = settled(3, TruncateBy::LeaderEpoch, false);
    cluster.crash(B);
    cluster.crash(BrokerId(2));
    cluster.settle(80);
    assert_eq!(cluster.replica(0).in_sync(), [A]);
    let refused = cluster.write(0, Acks::All, 1);
    assert_eq!(refused, Err(Rejected::NotEnoughReplicas { in_sync: 1, needed: 2 }));
    assert_eq!(cluster.write(0, Acks::Leader, 2), Ok(()));
    cluster.start(B, true);
    cluster.settle(40);
    assert_eq!(cluster.replica(0).in_sync(), [A, B], "whoever has caught up is in sync again");
    assert_eq!(cluster.write(0, Acks::All, 3), Ok(()));
}

#[test]
fn an_unclean_election_brings_the_partition_back_and_says_what_that_has_cost() {
    for unclean in [false, true] {
        let mut cluster = settled(2, TruncateBy::LeaderEpoch, unclean);
        cluster.crash(B);
        cluster.settle(60);
        cluster.config.min_insync_replicas = 1;
        cluster.crash(A);
        cluster.start(A, true);
        cluster.settle(60);
        cluster.write(0, Acks::All, 1).expect("one is enough");
        cluster.settle(10);
        assert_eq!(cluster.audit.acknowledged(), 1);
        cluster.crash(A);
        cluster.settle(60);
        cluster.start(B, true);
        cluster.settle(30);
        assert_eq!(cluster.leader().is_some(), unclean);
        cluster.heal();
        let lost = Losses { of_unclean_election: u64::from(unclean), ..Losses::default() };
        assert_eq!((cluster.broken, cluster.audit.losses()), (None, lost));
    }
}

#[test]
fn a_partition_returns_to_its_first_replica_when_asked_to() {
    let mut cluster = settled(3, TruncateBy::LeaderEpoch, false);
    cluster.crash(A);
    cluster.settle(60);
    cluster.start(A, true);
    cluster.settle(60);
    assert_eq!(cluster.leader().map(Replica::broker), Some(B));
    cluster.control(ControllerInput::Prefer { partition: P });
    cluster.settle(20);
    assert_eq!(cluster.leader().map(Replica::broker), Some(A));
    let last = cluster.elections.last();
    assert_eq!(last, Some(&(A, ElectionCause::Preferred)));
}

#[test]
fn a_broker_that_restarts_never_leads_in_an_epoch_of_its_earlier_life() {
    let store = MemoryStore::new();
    let config = config(TruncateBy::LeaderEpoch);
    let mut broker = Broker::open(A, config, store, Time::ZERO);
    let assignment = |epoch, version| Assignment {
        partition: P,
        replicas: vec![A, B],
        isr: vec![A, B],
        leader: Some(A),
        epoch: LeaderEpoch(epoch),
        version,
        is_unclean: false,
    };
    let mut out = Vec::new();
    broker.handle(Time::ZERO, Input::Assign(assignment(3, 5)), &mut out).expect("it has the partition");
    let mut broker = Broker::open(A, config, broker.into_store(), Time::ZERO);
    broker.handle(Time::ZERO, Input::Assign(assignment(3, 6)), &mut out).expect("it is heard");
    assert!(!broker.replica(P).is_some_and(Replica::leads));
    broker.handle(Time::ZERO, Input::Assign(assignment(4, 7)), &mut out).expect("it is heard");
    assert!(broker.replica(P).is_some_and(Replica::leads));
}

#[test]
fn a_controller_that_restarts_knows_who_leads_and_lets_the_brokers_go_on() {
    let mut cluster = settled(3, TruncateBy::LeaderEpoch, false);
    let before = cluster.controller.assignment(P).cloned().expect("it was created");
    let config = ControllerConfig { session: Span::from_millis(400), unclean_election: false };
    let old =
        std::mem::replace(&mut cluster.controller, Controller::open(config, MemoryStore::new(), Time::ZERO));
    cluster.controller = Controller::open(config, old.into_store(), cluster.now);
    cluster.settle(100);
    assert_eq!(cluster.controller.assignment(P), Some(&before));
}

#[test]
fn a_reader_waits_for_what_is_committed_and_gets_nothing_when_its_time_is_over() {
    let mut broker = Broker::open(A, config(TruncateBy::LeaderEpoch), MemoryStore::new(), Time::ZERO);
    let mut out = Vec::new();
    broker.handle(Time::ZERO, Input::Assign(alone(P, A, 1)), &mut out).expect("it has the partition");
    let read = Read { partition: P, from: 0, max_records: 10, max_wait: Span::from_millis(30) };
    out.clear();
    broker.handle(Time::ZERO, Input::Read { token: 1, read }, &mut out).expect("it waits");
    broker.handle(Time::ZERO, Input::Read { token: 2, read }, &mut out).expect("it waits");
    assert_eq!(out, []);
    let at = Time::ZERO + Span::from_millis(10);
    let produce = Produce {
        partition: P,
        acks: Acks::Leader,
        records: vec![NewRecord::of(b"k", b"v")],
        ..Produce::default()
    };
    broker.handle(at, Input::Produce { token: 3, produce }, &mut out).expect("it leads");
    let records =
        out.iter().filter(|output| matches!(output, Output::Records { records, .. } if records.len() == 1));
    assert_eq!(records.count(), 2);
    out.clear();
    let read = Read { from: 1, ..read };
    broker.handle(at, Input::Read { token: 4, read }, &mut out).expect("it waits");
    broker.expire(at + Span::from_millis(29), &mut out).expect("nothing is due for it");
    assert!(!out.iter().any(|output| matches!(output, Output::Records { .. })));
    broker.expire(at + Span::from_millis(30), &mut out).expect("it is due");
    assert!(
        out.iter()
            .any(|output| matches!(output, Output::Records { token: 4, records, .. } if records.is_empty()))
    );
    let beyond = broker.handle(at, Input::Read { token: 5, read: Read { from: 2, ..read } }, &mut out);
    assert_eq!(beyond, Err(Rejected::OffsetOutOfRange { start: 0, end: 1 }));
}

#[test]
fn a_quota_asks_for_silence_and_a_full_disk_for_patience() {
    let limits = BrokerConfig {
        quota_bytes_per_s: Some(100),
        storage_bytes: Some(1_000),
        max_batch_bytes: 600,
        ..config(TruncateBy::LeaderEpoch)
    };
    let mut broker = Broker::open(A, limits, MemoryStore::new(), Time::ZERO);
    let mut out = Vec::new();
    broker.handle(Time::ZERO, Input::Assign(alone(P, A, 1)), &mut out).expect("it has the partition");
    let write = |broker: &mut Broker<_>, bytes: usize| {
        let mut out = Vec::new();
        let records = vec![NewRecord { key: None, value: Some(vec![0; bytes].into()) }];
        let produce = Produce { partition: P, acks: Acks::Leader, records, ..Produce::default() };
        broker.handle(Time::ZERO, Input::Produce { token: 1, produce }, &mut out)?;
        let throttle = out.iter().find_map(|output| match output {
            Output::Produced { throttle, .. } => Some(*throttle),
            _ => None,
        });
        Ok(throttle)
    };
    assert_eq!(write(&mut broker, 52), Ok(Some(Span::ZERO)), "a second's worth is free");
    assert_eq!(write(&mut broker, 352), Ok(Some(Span::from_secs(4))));
    assert_eq!(write(&mut broker, 700), Err(Rejected::TooLarge { max_bytes: 600 }));
    assert_eq!(write(&mut broker, 500), Err(Rejected::StorageFull));
    assert_eq!(broker.bytes(), 500);
}
