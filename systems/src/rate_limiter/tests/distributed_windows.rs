//! One limit by window for many nodes: the network of the tests of rates, with windows of a second.

use super::distributed::{BATCHES, Network, SYNC, config};
use super::*;
use crate::rate_limiter::distributed::*;

/// A hundred in each second of the clock.
const WINDOW: WindowConfig =
    WindowConfig { limit: 100, window: Span::from_secs(1), alignment: WindowAlignment::Clock };
const KINDS: [SharedLimit; 2] = [SharedLimit::FixedWindow(WINDOW), SharedLimit::SlidingWindow(WINDOW)];

const fn windowed(limit: SharedLimit, mode: SyncMode, on_store_error: OnStoreError) -> NodeConfig {
    NodeConfig { limit, ..config(mode, on_store_error) }
}

/// What passes in each of the next seconds while every node is asked every millisecond.
fn by_second(network: &mut Network, seconds: std::ops::Range<u64>) -> Vec<u64> {
    seconds.map(|second| network.overload(second * 1_000..(second + 1) * 1_000)).collect()
}

#[test]
fn a_store_in_the_middle_keeps_all_nodes_together_within_each_window() {
    for limit in KINDS {
        let mut network = Network::new(3, windowed(limit, SyncMode::Central, OnStoreError::Closed), ms(2));
        for admitted in by_second(&mut network, 0..10) {
            // An answer that comes in the next window was a permit of this one: three nodes, four milliseconds.
            assert!((88..=112).contains(&admitted), "{limit:?}: {admitted}");
        }
        assert!((950..=1_000).contains(&network.admitted), "{limit:?}: {}", network.admitted);
        assert_eq!(network.fallbacks, 0);
    }
}

#[test]
fn batches_and_parts_are_used_later_than_they_were_granted_and_the_sum_stays_within_the_limit() {
    for limit in KINDS {
        for mode in [BATCHES, SYNC] {
            let mut network = Network::new(3, windowed(limit, mode, OnStoreError::Closed), ms(2));
            let admitted = by_second(&mut network, 0..10);
            let total: u64 = admitted.iter().sum();
            assert!(total <= 1_000, "{limit:?}, {mode:?}: {admitted:?}");
            // What slides comes back a little at a time, and a node that has its part of it has not used it yet.
            let least = if (limit, mode) == (KINDS[1], SYNC) { 750 } else { 900 };
            assert!(total >= least, "{limit:?}, {mode:?}: {admitted:?}");
            assert!(admitted.iter().all(|one| *one <= 200), "{limit:?}, {mode:?}: {admitted:?}");
        }
    }
}

#[test]
fn cut_off_nodes_pass_k_limits_if_open_one_together_if_local_none_if_closed() {
    let cases = [
        (OnStoreError::Open, 3 * 100),
        // A third of a hundred, three times.
        (OnStoreError::Local, 99),
        (OnStoreError::Closed, 0),
        // All that is asked, and some that was asked in the second before.
        (OnStoreError::Unlimited, 3_100),
    ];
    for limit in KINDS {
        for mode in [SyncMode::Central, BATCHES, SYNC] {
            for (on_store_error, most) in cases {
                let mut network = Network::new(3, windowed(limit, mode, on_store_error), ms(2));
                by_second(&mut network, 0..2);
                network.cut = 2_000..6_000;
                by_second(&mut network, 2..4);
                for admitted in by_second(&mut network, 4..6) {
                    let what = format!("{limit:?}, {mode:?}, {on_store_error:?}: {admitted} of {most}");
                    assert!(admitted <= most && admitted >= most * 9 / 10, "{what}");
                }
                assert!(network.fallbacks > 8_000, "{}", network.fallbacks);
                // The store answers again.
                by_second(&mut network, 6..8);
                let healed: u64 = by_second(&mut network, 8..12).iter().sum();
                assert!((300..=500).contains(&healed), "{limit:?}, {mode:?}, {on_store_error:?}: {healed}");
            }
        }
    }
}

const ANN: NodeIdentity = NodeIdentity { node: 1, incarnation: 0 };
const BOB: NodeIdentity = NodeIdentity { node: 2, incarnation: 0 };

const fn report(used_total: u64, nodes: u32) -> ToStore {
    ToStore::Report { request: 0, key: 7, used_total, confirmed_total: 0, nodes, leaving: false }
}

const fn take(cost: u64) -> ToStore {
    ToStore::Take { request: 0, key: 7, cost, wanted: cost }
}

#[test]
fn what_was_granted_in_one_window_is_not_given_back_into_the_next() {
    let mut store = LimiterStore::new(SharedLimit::FixedWindow(WINDOW)).unwrap();
    let part = |permits| FromStore::Part { request: 0, permits };
    assert_eq!(store.handle(at(0), ANN, report(0, 2)), part(50));
    assert_eq!(
        store.handle(at(500), ANN, report(10, 2)),
        part(45),
        "in the same window the unused 40 go back"
    );
    assert_eq!(store.handle(at(1_000), BOB, take(100)), FromStore::Granted { request: 0, permits: 100 });
    assert_eq!(store.handle(at(1_100), ANN, report(10, 2)), part(0), "nothing of this window was hers");
    assert_eq!(
        store.handle(at(1_200), ANN, report(30, 2)),
        part(-10),
        "told late, it counts when it is told"
    );
}

#[test]
fn in_a_sliding_window_what_the_former_one_gave_and_was_not_used_goes_back_to_it() {
    let mut store = LimiterStore::new(SharedLimit::SlidingWindow(WINDOW)).unwrap();
    let part = |permits| FromStore::Part { request: 0, permits };
    assert_eq!(store.handle(at(0), ANN, report(0, 1)), part(100));
    let refused = store.handle(at(1_000), BOB, take(1));
    assert!(
        matches!(refused, FromStore::Refused { .. }),
        "all of the former window still counts: {refused:?}"
    );
    assert_eq!(store.handle(at(1_000), ANN, report(0, 2)), part(50), "she has used none of it");
    assert_eq!(store.handle(at(1_000), BOB, take(50)), FromStore::Granted { request: 0, permits: 50 });
}

#[test]
fn a_part_of_a_window_is_all_there_is_until_the_store_is_heard_again() {
    let limit = SharedLimit::FixedWindow(WINDOW);
    let mut node = LimiterNode::new(windowed(limit, SYNC, OnStoreError::Closed)).unwrap();
    assert!(matches!(node.check(at(0), 7, 1), Answer::Asked(_)));
    let Some(ToStore::Report { request, .. }) = node.poll_message() else { panic!("a first check reports") };
    node.handle(at(1), FromStore::Part { request, permits: 3 });
    assert!(node.poll_decision().is_some_and(|(_, decision)| decision.verdict.is_ok()));
    let mut verdict = |now, cost| match node.check(at(now), 7, cost) {
        Answer::Decided(decision) => decision.verdict,
        Answer::Asked(_) => panic!("the part is fresh"),
    };
    assert_eq!((verdict(2, 2), verdict(3, 0)), (Ok(()), Ok(())));
    assert_eq!(verdict(40, 1), Err(RetryAt(ms(60))), "the next sync is at 100 ms");
    assert_eq!(verdict(40, 101), Err(RetryAt(Span::MAX)), "more than a window has never passes");
}

#[test]
fn a_limit_that_becomes_one_of_another_kind_begins_anew_on_nodes_and_store() {
    for (before, after) in [(LIMIT_BY_RATE, KINDS[0]), (KINDS[0], KINDS[1]), (KINDS[1], LIMIT_BY_RATE)] {
        for mode in [SyncMode::Central, BATCHES, SYNC] {
            let mut network = Network::new(2, windowed(before, mode, OnStoreError::Local), ms(1));
            by_second(&mut network, 0..3);
            network.store.reconfigure(at(3_000), after, Inherit::Keep).unwrap();
            for node in &mut network.nodes {
                node.reconfigure(
                    at(3_000),
                    NodeConfig { nodes: 2, ..windowed(after, mode, OnStoreError::Local) },
                )
                .unwrap();
            }
            by_second(&mut network, 3..5);
            let admitted: u64 = by_second(&mut network, 5..15).iter().sum();
            assert!((750..=1_120).contains(&admitted), "{before:?} to {after:?}, {mode:?}: {admitted}");
        }
    }
}

const LIMIT_BY_RATE: SharedLimit = SharedLimit::TokenBucket(per_second(100, 50));

#[test]
fn windows_that_cannot_be_are_refused_with_what_to_write_instead() {
    for window in [WindowConfig { limit: 0, ..WINDOW }, WindowConfig { window: Span::ZERO, ..WINDOW }] {
        for limit in [SharedLimit::FixedWindow(window), SharedLimit::SlidingWindow(window)] {
            let node = LimiterNode::new(windowed(limit, SYNC, OnStoreError::Open)).unwrap_err().to_string();
            let store = LimiterStore::new(limit).unwrap_err().to_string();
            assert!(node.contains("use ") && store.contains("use "), "{node}, {store}");
        }
    }
}

proptest! {
    /// Nodes that ask a store without delay decide like one limiter that they share.
    #[test]
    fn without_delay_nodes_and_store_are_one_limiter(
        kind in 0usize..3, nodes in 1usize..4,
        requests in prop::collection::vec((0u64..300, any::<usize>(), 1u64..60), 1..100),
    ) {
        let limit = [LIMIT_BY_RATE, KINDS[0], KINDS[1]][kind];
        let central = windowed(limit, SyncMode::Central, OnStoreError::Closed);
        let mut network = Network::new(nodes, central, Span::ZERO);
        let mut alone: Box<dyn Limiter> = match limit {
            SharedLimit::TokenBucket(config) => Box::new(TokenBucket::new(config, at(0))),
            SharedLimit::FixedWindow(config) => Box::new(FixedWindow::new(config, at(0))),
            SharedLimit::SlidingWindow(config) => Box::new(SlidingWindowCounter::new(config, at(0))),
        };
        let (mut now, mut passed) = (0, 0);
        for (pause, node, cost) in requests {
            now += pause;
            network.check(at(now), node % nodes, 7, cost);
            network.advance(at(now));
            passed += if alone.check(at(now), cost).is_ok() { cost } else { 0 };
            prop_assert_eq!(network.admitted, passed);
        }
    }
}
