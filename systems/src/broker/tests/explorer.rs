//! Random walks: mail is late, lost and out of order, brokers crash, come back and are cut off, and the audit looks after
//! each step. What the sound cluster survives over all seeds, each defect fails on some.

use super::cluster::{P, walk};
use crate::broker::log::{LogAudit, Losses, Sabotage, TruncateBy, Violation};

const SEEDS: u64 = 40;
const STEPS: u64 = 400;

/// The first seed on which something breaks, and what.
fn first_broken(truncate_by: TruncateBy, sabotage: Option<Sabotage>) -> Option<(u64, Violation)> {
    (0..SEEDS * 5).find_map(|seed| {
        let cluster = walk(seed, STEPS, 2 + seed as u32 % 2, truncate_by, false, sabotage);
        cluster.broken.map(|violation| (seed, violation))
    })
}

#[test]
fn truncation_by_leader_epoch_loses_nothing_that_all_have_acknowledged_on_any_walk() {
    let (mut delivered, mut elections, mut truncated, mut losses) = (0, 0, 0, 0);
    for seed in 0..SEEDS {
        let cluster = walk(seed, STEPS, 2 + seed as u32 % 2, TruncateBy::LeaderEpoch, false, None);
        assert_eq!(cluster.broken, None, "seed {seed}");
        // What was delivered is there exactly once, and in order, although batches came again and again.
        let leader = cluster.leader().expect("after everything has healed somebody leads");
        assert_eq!(leader.in_sync().len(), leader.replica_count(), "seed {seed}: all are in sync again");
        let tags: Vec<u64> = leader
            .log()
            .from(0)
            .filter(|record| record.stamp.is_some())
            .filter_map(|record| record.value.as_deref()?.try_into().ok().map(u64::from_le_bytes))
            .collect();
        assert!(cluster.delivered.iter().all(|tag| tags.contains(tag)), "seed {seed}");
        assert_eq!(cluster.audit.losses().unexcused, 0);
        delivered += cluster.delivered.len();
        elections += cluster.elections.len();
        truncated += cluster.truncated;
        losses += cluster.audit.losses().of_leader_acks;
        for broker in cluster.brokers.values() {
            assert!(broker.replica(P).is_some_and(|replica| replica.log().is_consistent()), "seed {seed}");
        }
    }
    // The walks are worth something: leaders change, logs part, and acks = 1 does lose.
    assert!(delivered > 500 && elections > 100 && truncated > 20 && losses > 0);
}

#[test]
fn truncation_by_high_watermark_loses_acknowledged_records_and_the_walks_find_it() {
    let losing: Vec<(u64, u64)> = (0..SEEDS * 5)
        .map(|seed| (seed, walk(seed, STEPS, 2 + seed as u32 % 2, TruncateBy::HighWatermark, false, None)))
        .map(|(seed, cluster)| (seed, cluster.audit.losses().unexcused))
        .filter(|(_, lost)| *lost > 0)
        .collect();
    assert!(!losing.is_empty(), "KIP-101 describes how it happens");
    // The very same walks lose nothing when logs are compared by the epochs of their records.
    for (seed, _) in losing {
        let cluster = walk(seed, STEPS, 2 + seed as u32 % 2, TruncateBy::LeaderEpoch, false, None);
        assert_eq!((cluster.broken, cluster.audit.losses().unexcused), (None, 0), "seed {seed}");
    }
}

#[test]
fn an_unclean_election_loses_what_it_loses_and_every_record_of_it_is_counted() {
    let mut losses = Losses::default();
    for seed in 0..SEEDS {
        let cluster = walk(seed, STEPS, 3, TruncateBy::LeaderEpoch, true, None);
        assert_eq!(cluster.broken, None, "seed {seed}");
        losses.of_unclean_election += cluster.audit.losses().of_unclean_election;
        losses.unexcused += cluster.audit.losses().unexcused;
    }
    assert!(losses.of_unclean_election > 0);
    assert_eq!(losses.unexcused, 0);
}

#[test]
fn every_defect_of_the_log_is_found_by_some_walk() {
    type Catches = fn(&Violation) -> bool;
    let defects: [(Sabotage, Catches); 9] = [
        (Sabotage::HighWatermarkOfAllReplicas, |v| matches!(v, Violation::HighWatermarkMisplaced { .. })),
        (Sabotage::HighWatermarkOfLeader, |v| matches!(v, Violation::HighWatermarkMisplaced { .. })),
        (Sabotage::HighWatermarkFalls, |v| matches!(v, Violation::HighWatermarkFell(_))),
        (Sabotage::AnswersEarly, |v| matches!(v, Violation::AcknowledgedLost { .. })),
        (Sabotage::ReadsBeyondHighWatermark, |v| matches!(v, Violation::ReadTooFar(_))),
        (Sabotage::SkipsRecords, |v| matches!(v, Violation::ReadWithGap(_))),
        (Sabotage::IgnoresSequences, |v| {
            matches!(v, Violation::WrittenTwice(..) | Violation::SequenceGap(..))
        }),
        (Sabotage::KeepsDivergentTail, |v| matches!(v, Violation::NotAPrefix { .. })),
        (Sabotage::ElectsAnybody, |v| {
            matches!(v, Violation::AcknowledgedLost { .. } | Violation::CommittedLost { .. })
        }),
    ];
    for (sabotage, catches) in defects {
        let found = first_broken(TruncateBy::LeaderEpoch, Some(sabotage));
        let (seed, violation) = found.unwrap_or_else(|| panic!("{sabotage:?} was not found"));
        assert!(catches(&violation), "{sabotage:?} on seed {seed}: {violation}");
    }
}

#[test]
fn an_audit_that_has_seen_nothing_complains_about_nothing() {
    let mut audit = LogAudit::new();
    assert_eq!(audit.check(P, &[]), Ok(()));
    assert_eq!((audit.acknowledged(), audit.losses()), (0, Losses::default()));
}
