//! Producers and members: what they send, repeat, hold back and give up.

use crate::broker::client::*;
use crate::broker::group::{GroupRejected, LeaveReason};
use crate::broker::log::{NewRecord, Rejected};
use crate::broker::{MemberId, PartitionId, ProducerId};
use crate::time::{Span, Time};

const P: PartitionId = PartitionId { topic: 0, index: 0 };

fn at(ms: u64) -> Time {
    Time::ZERO + Span::from_millis(ms)
}

fn producer(config: ProducerConfig) -> Producer {
    Producer::new(ProducerConfig { identity: Some(ProducerId(1)), ..config })
}

fn sequences(sendings: &[Sending]) -> Vec<(u16, u64)> {
    let stamps = sendings.iter().filter_map(|sending| sending.produce.stamp);
    stamps.map(|stamp| (stamp.epoch, stamp.sequence)).collect()
}

fn all(producer: &mut Producer, now: Time) -> Vec<Sending> {
    std::iter::from_fn(|| producer.poll(now)).collect()
}

#[test]
fn records_wait_for_each_other_as_long_as_they_may_and_no_more_than_five_batches_are_in_flight() {
    let config =
        ProducerConfig { batch_records: 2, linger: Span::from_millis(5), ..ProducerConfig::default() };
    let mut producer = producer(config);
    for tag in 0..13 {
        producer.send(at(0), P, NewRecord::of(b"k", b"v"), tag).expect("there is room");
    }
    let sent = all(&mut producer, at(0));
    assert_eq!(sequences(&sent), [(0, 0), (0, 2), (0, 4), (0, 6), (0, 8)]);
    let mut out = Vec::new();
    for sending in &sent {
        producer.acknowledged(at(1), sending.id, Span::ZERO, &mut out);
    }
    assert_eq!(out[0], ProducerOutput::Delivered { tags: vec![0, 1], attempts: 1 });
    assert_eq!(sequences(&all(&mut producer, at(1))), [(0, 10)]);
    assert_eq!(producer.deadline(), Some(at(5)), "the last one waits for another");
    assert_eq!(sequences(&all(&mut producer, at(5))), [(0, 12)]);
}

#[test]
fn what_fails_is_sent_again_in_order_and_what_was_lost_before_it_begins_a_new_epoch() {
    let config = ProducerConfig { batch_records: 1, ..ProducerConfig::default() };
    let mut producer = producer(config);
    for tag in 0..3 {
        producer.send(at(0), P, NewRecord::of(b"k", b"v"), tag).expect("there is room");
    }
    let sent = all(&mut producer, at(0));
    let mut out = Vec::new();
    producer.failed(at(0), sent[0].id, None, &mut out);
    for late in &sent[1..] {
        let reason = Rejected::OutOfOrderSequence { expected: 0 };
        producer.failed(at(0), late.id, Some(reason), &mut out);
    }
    assert!(all(&mut producer, at(99)).is_empty());
    let again = all(&mut producer, at(100));
    assert_eq!(sequences(&again), [(0, 0), (0, 1), (0, 2)]);
    producer.acknowledged(at(100), again[0].id, Span::ZERO, &mut out);
    for late in again[1..].iter().rev() {
        let reason = Rejected::OutOfOrderSequence { expected: 0 };
        producer.failed(at(100), late.id, Some(reason), &mut out);
    }
    assert_eq!(sequences(&all(&mut producer, at(200))), [(1, 0), (1, 1)]);
    let counts = producer.counts();
    assert_eq!((counts.attempts, counts.retries, counts.epochs, counts.delivered), (8, 5, 1, 1));
}

#[test]
fn the_buffer_is_bounded_and_what_takes_too_long_is_given_up() {
    let record = NewRecord::of(b"k", b"v");
    let config = ProducerConfig {
        buffer_bytes: record.size_bytes() * 2,
        delivery_timeout: Span::from_millis(500),
        ..ProducerConfig::default()
    };
    let mut producer = producer(config);
    for tag in 0..2 {
        producer.send(at(0), P, record.clone(), tag).expect("there is room");
    }
    let full = producer.send(at(0), P, record.clone(), 2);
    assert_eq!(full, Err(BufferFull { buffer_bytes: config.buffer_bytes }));
    let sent = all(&mut producer, at(0));
    let mut out = Vec::new();
    producer.failed(at(1), sent[0].id, Some(Rejected::TimedOut), &mut out);
    producer.expire(at(500), &mut out);
    assert_eq!(out, [ProducerOutput::Failed { tags: vec![0, 1], reason: Some(Rejected::TimedOut) }]);
    assert_eq!((producer.buffered_bytes(), producer.counts().failed), (0, 2));
    // An answer that comes after that is nobody's.
    producer.acknowledged(at(501), sent[0].id, Span::ZERO, &mut out);
    assert_eq!(out.len(), 1);
}

#[test]
fn whoever_is_asked_for_silence_is_silent() {
    let mut producer = producer(ProducerConfig::default());
    producer.send(at(0), P, NewRecord::of(b"k", b"v"), 0).expect("there is room");
    let sent = all(&mut producer, at(0));
    producer.acknowledged(at(1), sent[0].id, Span::from_millis(50), &mut Vec::new());
    producer.send(at(2), P, NewRecord::of(b"k", b"v"), 1).expect("there is room");
    assert!(all(&mut producer, at(50)).is_empty());
    assert_eq!(producer.deadline(), Some(at(51)));
    assert_eq!(all(&mut producer, at(51)).len(), 1);
}

fn member(commit: CommitWhen) -> Poller {
    let config = PollerConfig {
        heartbeat_every: Span::from_millis(100),
        poll_interval: Span::from_millis(1_000),
        commit,
        reads_on: false,
    };
    let mut poller = Poller::new(config);
    poller.joined(at(0), MemberId(4), 2, &[(P, Some(10))], 0);
    poller
}

#[test]
fn a_member_is_heard_of_while_it_works_and_leaves_by_itself_when_it_is_stuck() {
    let mut poller = member(CommitWhen::After);
    let (mut out, mut heartbeats) = (Vec::new(), 0);
    while let Some(due) = poller.deadline().filter(|due| *due < at(5_000)) {
        poller.expire(due, &mut out);
        heartbeats += out.iter().filter(|output| matches!(output, PollerOutput::Heartbeat { .. })).count();
        out.retain(|output| !matches!(output, PollerOutput::Heartbeat { .. }));
    }
    assert_eq!(heartbeats, 9);
    let leaves = PollerOutput::Leave { member: MemberId(4), reason: LeaveReason::PollBound };
    assert_eq!(out, [leaves, PollerOutput::Join { member: None }]);
    assert_eq!((poller.member(), poller.owned()), (None, vec![]));
}

#[test]
fn what_is_committed_is_what_is_processed_or_what_is_received_as_one_wants() {
    for (commit, expected) in [(CommitWhen::After, 12), (CommitWhen::Before, 15)] {
        let mut poller = member(commit);
        poller.received(P, 15);
        poller.processed(P, 10);
        poller.processed(P, 11);
        assert_eq!(poller.to_commit(), [(P, expected)]);
        poller.committed(&[(P, expected)]);
        assert_eq!(poller.to_commit(), []);
        // A partition that stays goes on where it was; one that is new, where the group is.
        let new = PartitionId { index: 1, ..P };
        poller.joined(at(9), MemberId(4), 3, &[(P, Some(12)), (new, None)], 7);
        assert_eq!(poller.positions().collect::<Vec<_>>(), [(P, 15), (new, 7)]);
    }
}

#[test]
fn a_cooperative_member_reads_on_while_the_group_rebalances_and_an_eager_one_does_not() {
    for reads_on in [true, false] {
        let mut poller = member(CommitWhen::After);
        poller.reconfigure(PollerConfig { reads_on, ..PollerConfig::default() });
        let mut out = Vec::new();
        poller.refused(&GroupRejected::Rebalancing, &mut out);
        assert_eq!((poller.reads(), poller.is_member()), (reads_on, false));
        assert_eq!(poller.deadline(), None, "joining says that it is there");
        poller.refused(&GroupRejected::IllegalGeneration { current: 9 }, &mut out);
        assert!(!poller.reads(), "somebody else may read it by now");
        poller.joined(at(9), MemberId(4), 9, &[(P, Some(12))], 0);
        assert!(poller.reads());
        poller.refused(&GroupRejected::IllegalGeneration { current: 9 }, &mut out);
        assert!(poller.is_member(), "a commit of the generation before was refused");
    }
}

#[test]
fn what_a_coordinator_refuses_makes_a_member_join_again_or_begin_anew() {
    let mut poller = member(CommitWhen::After);
    let mut out = Vec::new();
    poller.refused(&GroupRejected::Rebalancing, &mut out);
    assert_eq!((out[0], poller.owned()), (PollerOutput::Join { member: Some(MemberId(4)) }, vec![P]));
    poller.refused(&GroupRejected::UnknownMember(MemberId(4)), &mut out);
    assert_eq!((out[1], poller.owned()), (PollerOutput::Join { member: None }, vec![]));
}
