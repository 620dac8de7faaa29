//! One limit for many nodes, over links that are late, lose and are cut: a small network carries the messages.

use super::*;
use crate::rate_limiter::distributed::*;
use std::collections::BTreeMap;

const LIMIT: RateLimitConfig = per_second(100, 50);

pub(super) const fn config(mode: SyncMode, on_store_error: OnStoreError) -> NodeConfig {
    NodeConfig {
        limit: SharedLimit::TokenBucket(LIMIT),
        nodes: 3,
        mode,
        timeout: ms(20),
        on_store_error,
        retry_store_after: ms(50),
        cache_refusals: false,
    }
}

pub(super) const SYNC: SyncMode = SyncMode::DelayedSync { every: ms(100) };
pub(super) const BATCHES: SyncMode = SyncMode::Batching { batch: 10, keep_for: ms(500) };

#[derive(Clone, Copy, Debug)]
enum Carried {
    Question(usize, ToStore),
    Answer(usize, FromStore),
}

/// Nodes, a store, and a link from each to it.
pub(super) struct Network {
    pub(super) nodes: Vec<LimiterNode>,
    pub(super) store: LimiterStore,
    /// By due time, then in sending order.
    under_way: BTreeMap<(Time, u64), Carried>,
    sent: u64,
    delay: Span,
    /// While it is in this stretch nothing gets through.
    pub(super) cut: std::ops::Range<u64>,
    /// Of so many messages one is lost; 0 loses none.
    one_lost_of: u64,
    /// Permits let through so far, and decisions made on the fallback.
    pub(super) admitted: u64,
    pub(super) fallbacks: u64,
    asked: BTreeMap<(usize, Ticket), u64>,
}

impl Network {
    pub(super) fn new(nodes: usize, config: NodeConfig, delay: Span) -> Network {
        let node =
            LimiterNode::new(NodeConfig { nodes: nodes as u32, ..config }).expect("the config is in range");
        Network {
            nodes: vec![node; nodes],
            store: LimiterStore::new(config.limit).expect("the limit is in range"),
            under_way: BTreeMap::new(),
            sent: 0,
            delay,
            cut: 0..0,
            one_lost_of: 0,
            admitted: 0,
            fallbacks: 0,
            asked: BTreeMap::new(),
        }
    }

    pub(super) fn check(&mut self, now: Time, node: usize, key: u64, cost: u64) {
        match self.nodes[node].check(now, key, cost) {
            Answer::Decided(decision) => self.decided(decision, cost),
            Answer::Asked(ticket) => {
                assert_eq!(self.asked.insert((node, ticket), cost), None, "every ticket is new");
            }
        }
        self.carry_off(now, node);
    }

    /// Lets everything happen that is due by `now`.
    pub(super) fn advance(&mut self, now: Time) {
        loop {
            let next_message = self.under_way.first_key_value().map(|((due, _), _)| *due);
            let next_deadline = self
                .nodes
                .iter()
                .enumerate()
                .filter_map(|(node, of)| of.deadline().map(|due| (due, node)))
                .min();
            match (next_message, next_deadline) {
                (Some(due), deadline)
                    if due <= now && deadline.is_none_or(|(deadline, _)| due <= deadline) =>
                {
                    self.deliver(due);
                }
                (_, Some((due, node))) if due <= now => {
                    self.nodes[node].expire(due);
                    self.carry_off(due, node);
                }
                (_, _) => return,
            }
        }
    }

    fn deliver(&mut self, due: Time) {
        let Some((_, carried)) = self.under_way.pop_first() else { return };
        match carried {
            Carried::Question(node, question) => {
                let from = NodeIdentity { node: node as u32, incarnation: 0 };
                let answer = self.store.handle(due, from, question);
                self.send(due, Carried::Answer(node, answer));
            }
            Carried::Answer(node, answer) => {
                self.nodes[node].handle(due, answer);
                self.carry_off(due, node);
            }
        }
    }

    fn carry_off(&mut self, now: Time, node: usize) {
        while let Some(question) = self.nodes[node].poll_message() {
            self.send(now, Carried::Question(node, question));
        }
        while let Some((ticket, decision)) = self.nodes[node].poll_decision() {
            let cost = self.asked.remove(&(node, ticket)).expect("decided once, and asked before");
            self.decided(decision, cost);
        }
    }

    fn send(&mut self, now: Time, carried: Carried) {
        self.sent += 1;
        let lost = self.one_lost_of > 0 && self.sent.is_multiple_of(self.one_lost_of);
        if !lost && !self.cut.contains(&(now.as_nanos() / 1_000_000)) {
            self.under_way.insert((now + self.delay, self.sent), carried);
        }
    }

    fn decided(&mut self, decision: Decision, cost: u64) {
        self.admitted += if decision.verdict.is_ok() { cost } else { 0 };
        self.fallbacks += u64::from(decision.by == DecidedBy::Fallback);
    }

    /// Every node is asked every millisecond.
    pub(super) fn overload(&mut self, millis: std::ops::Range<u64>) -> u64 {
        let before = self.admitted;
        for now in millis {
            self.advance(at(now));
            for node in 0..self.nodes.len() {
                self.check(at(now), node, 7, 1);
            }
        }
        self.admitted - before
    }
}

/// burst + rate * t, t in milliseconds.
const fn allowed(t_ms: u64) -> u64 {
    50 + 100 * t_ms / 1_000
}

#[test]
fn a_store_in_the_middle_keeps_all_nodes_together_within_the_limit() {
    for mode in [SyncMode::Central, BATCHES] {
        let mut network = Network::new(3, config(mode, OnStoreError::Closed), ms(2));
        let admitted = network.overload(0..10_000);
        assert!((allowed(10_000) - 10..=allowed(10_000)).contains(&admitted), "{mode:?}: {admitted}");
        assert_eq!(network.fallbacks, 0);
    }
}

#[test]
fn batches_save_messages() {
    let questions = |mode| {
        let mut network = Network::new(1, config(mode, OnStoreError::Closed), ms(0));
        for now in 0..2_000 {
            network.advance(at(now));
            if now % 20 == 0 {
                network.check(at(now), 0, 7, 1);
            }
        }
        assert_eq!(network.admitted, 100);
        network.sent / 2
    };
    assert_eq!((questions(SyncMode::Central), questions(BATCHES)), (100, 10));
}

#[test]
fn with_delayed_sync_the_overshoot_is_at_most_what_k_nodes_refill_between_syncs() {
    let mut network = Network::new(3, config(SYNC, OnStoreError::Closed), ms(2));
    let admitted = network.overload(0..10_000);
    let overshoot = 3 * 100 * 104 / 1_000 + 1;
    assert!(admitted <= allowed(10_000) + overshoot, "{admitted}");
    assert!(admitted >= allowed(10_000) * 9 / 10, "{admitted}");
    assert_eq!(network.fallbacks, 0);
}

#[test]
fn cut_off_nodes_pass_k_limits_if_open_one_together_if_local_none_if_closed() {
    let cases = [
        // what they do, permits in 20 s of a cut
        (OnStoreError::Open, 3 * allowed(20_000)),
        (OnStoreError::Local, allowed(20_000)),
        (OnStoreError::Closed, 0),
        (OnStoreError::Unlimited, 3 * 20_000),
    ];
    for mode in [SyncMode::Central, BATCHES, SYNC] {
        for (on_store_error, most) in cases {
            let mut network = Network::new(3, config(mode, on_store_error), ms(2));
            network.overload(0..5_000);
            network.cut = 5_000..25_000;
            let sync_age = network.overload(5_000..5_130);
            let admitted = network.overload(5_130..25_000);
            assert!(admitted <= most, "{mode:?}, {on_store_error:?}: {admitted} of at most {most}");
            assert!(admitted >= most * 9 / 10, "{mode:?}, {on_store_error:?}: {admitted} of at most {most}");
            assert!(
                sync_age <= most / 10 + 60,
                "{mode:?}, {on_store_error:?}: {sync_age} right after the cut"
            );
            let errors: u64 = network.nodes.iter().map(|node| node.stats().store_errors).sum();
            assert!(
                errors > 0 && network.fallbacks > 50_000,
                "{errors} errors, {} fallbacks",
                network.fallbacks
            );
            // The store answers again: the limit holds again.
            network.overload(25_000..26_000);
            let healed = network.overload(26_000..36_000);
            let overshoot = 3 * 100 * 104 / 1_000 + 1;
            assert!(
                healed <= allowed(10_000) + overshoot,
                "{mode:?}, {on_store_error:?}: {healed} after the cut"
            );
            assert!(healed >= 900, "{mode:?}, {on_store_error:?}: {healed} after the cut");
        }
    }
}

#[test]
fn a_refusal_is_remembered_until_its_wait_is_over_so_that_the_store_is_left_alone() {
    for cache_refusals in [false, true] {
        let with_cache = NodeConfig { cache_refusals, ..config(SyncMode::Central, OnStoreError::Closed) };
        let mut network = Network::new(1, with_cache, ms(0));
        for now in [0, 1, 2, 3, 4] {
            network.advance(at(now));
            network.check(at(now), 0, 7, 50);
        }
        network.check(at(4), 0, 8, 1);
        network.advance(at(5));
        let asked = network.sent / 2;
        assert_eq!((asked, network.admitted), (if cache_refusals { 3 } else { 6 }, 51));
        assert_eq!(network.nodes[0].stats().remembered_refusals, if cache_refusals { 3 } else { 0 });
        network.advance(at(501));
        network.check(at(501), 0, 7, 50);
        network.advance(at(502));
        assert_eq!(network.admitted, 101, "asked again once the wait is over");
    }
}

#[test]
fn an_answer_that_comes_too_late_changes_no_decision() {
    let mut network = Network::new(1, config(SyncMode::Central, OnStoreError::Closed), ms(15));
    network.check(at(0), 0, 7, 1);
    network.advance(at(100));
    assert_eq!((network.admitted, network.fallbacks), (0, 1));
    let NodeStats { store_errors, late_answers, fallback_decisions, .. } = network.nodes[0].stats();
    assert_eq!((store_errors, late_answers, fallback_decisions), (1, 1, 1));
}

#[test]
fn a_report_lost_or_repeated_is_charged_once() {
    let mut store = LimiterStore::new(LIMIT).unwrap();
    let node = NodeIdentity { node: 1, incarnation: 0 };
    let report = |request, used_total, confirmed_total, leaving| ToStore::Report {
        request,
        key: 7,
        used_total,
        confirmed_total,
        nodes: 1,
        leaving,
    };
    let cases = [
        // total used, of those confirmed, what is left
        (0, 0, 50),
        (10, 0, 40),
        (10, 0, 40),
        (15, 0, 35),
        (15, 15, 35),
        (70, 15, -20),
    ];
    for (request, (used, confirmed, left)) in (0..).zip(cases) {
        let answer = store.handle(at(0), node, report(request, used, confirmed, false));
        assert_eq!(answer, FromStore::Part { request, permits: left });
    }
    // A new life of the node begins to count at zero.
    let reborn = NodeIdentity { incarnation: 1, ..node };
    let answer = store.handle(at(0), reborn, report(9, 1, 0, true));
    assert_eq!(answer, FromStore::Part { request: 9, permits: 0 });
    let other = NodeIdentity { node: 2, incarnation: 0 };
    let answer = store.handle(at(0), other, report(10, 0, 0, false));
    assert_eq!(answer, FromStore::Part { request: 10, permits: -21 });
}

#[test]
fn keys_not_used_for_a_while_are_forgotten_by_node_and_store() {
    for mode in [SyncMode::Central, BATCHES, SYNC] {
        let mut network = Network::new(2, config(mode, OnStoreError::Local), ms(1));
        for now in 0..20_000 {
            network.advance(at(now));
            network.check(at(now), now as usize % 2, 1_000 + now, 1);
        }
        network.advance(at(30_000));
        let (known, stored) = (network.nodes[0].len() + network.nodes[1].len(), network.store.len());
        assert!(known < 3_000 && stored < 3_000, "{mode:?}: {known} known, {stored} stored of 20 000");
        assert!(network.admitted > 19_900, "{mode:?}: {}", network.admitted);
        assert!(!network.store.is_empty() || mode != SyncMode::Central);
    }
}

#[test]
fn a_new_limit_holds_on_nodes_and_store() {
    let mut network = Network::new(2, config(SYNC, OnStoreError::Closed), ms(1));
    network.overload(0..3_000);
    let tenth = per_second(10, 5);
    network.store.reconfigure(at(3_000), tenth, Inherit::Keep).unwrap();
    for node in &mut network.nodes {
        node.reconfigure(
            at(3_000),
            NodeConfig { limit: tenth.into(), nodes: 2, ..config(SYNC, OnStoreError::Closed) },
        )
        .unwrap();
    }
    network.overload(3_000..4_000);
    let admitted = network.overload(4_000..14_000);
    assert!((90..=110).contains(&admitted), "{admitted}");
    assert!(network.store.reconfigure(at(0), per_second(0, 0), Inherit::Keep).is_err());
}

#[test]
fn a_clock_that_jumps_back_leaves_nobody_waiting() {
    for mode in [SyncMode::Central, BATCHES, SYNC] {
        let mut node = LimiterNode::new(config(mode, OnStoreError::Open)).unwrap();
        assert!(matches!(node.check(at(9_000), 7, 1), Answer::Asked(_)));
        node.expire(at(4_000));
        let (_, decision) =
            node.poll_decision().expect("a deadline further off than the time-out has passed");
        assert_eq!((decision.verdict, decision.by), (Ok(()), DecidedBy::Fallback));
    }
}

#[test]
fn a_config_that_cannot_be_is_refused_with_what_to_write_instead() {
    let good = config(SyncMode::Central, OnStoreError::Local);
    let cases = [
        NodeConfig { limit: per_second(0, 1).into(), ..good },
        NodeConfig { nodes: 0, ..good },
        NodeConfig { timeout: Span::ZERO, ..good },
        NodeConfig { mode: SyncMode::Batching { batch: 0, keep_for: ms(1) }, ..good },
        NodeConfig { mode: SyncMode::DelayedSync { every: Span::ZERO }, ..good },
    ];
    for config in cases {
        let error = LimiterNode::new(config).unwrap_err().to_string();
        assert!(error.contains("use "), "{error}");
    }
}

fn any_mode() -> impl Strategy<Value = SyncMode> {
    prop_oneof![
        Just(SyncMode::Central),
        (1u64..30).prop_map(|batch| SyncMode::Batching { batch, keep_for: ms(300) }),
        (20u64..300).prop_map(|every| SyncMode::DelayedSync { every: ms(every) }),
    ]
}

/// How far permits let through are above the bound: burst + rate * t, and what k nodes may go beyond it.
fn above_bound(network: &Network, mode: SyncMode, t_ms: u64) -> u64 {
    let k = network.nodes.len() as u64;
    let overshoot = match mode {
        SyncMode::Central | SyncMode::Batching { .. } => 0,
        SyncMode::DelayedSync { every } => {
            // Every node refills by itself while its knowledge ages: an interval, and a message there and back.
            let age = every + network.delay + network.delay;
            k * (100 * age.as_nanos()).div_ceil(1_000_000_000) + k
        }
    };
    network.admitted.saturating_sub(allowed(t_ms) + overshoot)
}

fn any_requests() -> impl Strategy<Value = Vec<(u64, usize, u64)>> {
    prop::collection::vec((prop_oneof![5 => 0u64..4, 1 => 0u64..400], any::<usize>(), 1u64..4), 1..600)
}

/// Plays requests on one key through the network; the time at the end.
fn play(network: &mut Network, requests: &[(u64, usize, u64)]) -> u64 {
    let mut now = 0;
    for (pause, node, cost) in requests {
        now += pause;
        network.advance(at(now));
        network.check(at(now), node % network.nodes.len(), 7, *cost);
    }
    network.advance(at(now + 1_000));
    now
}

proptest! {
    #[test]
    fn whatever_comes_over_whatever_link_the_bound_holds_when_closed(
        mode in any_mode(), nodes in 1usize..5, delay in 0u64..9, one_lost_of in prop_oneof![Just(0u64), 3u64..50],
        requests in any_requests(),
    ) {
        let mut network = Network::new(nodes, config(mode, OnStoreError::Closed), ms(delay));
        network.one_lost_of = one_lost_of;
        let end = play(&mut network, &requests);
        // Knowledge may age by one more interval and time-out when an answer is lost.
        let slack = if one_lost_of == 0 { 0 } else { above_bound_when_lost(mode, nodes) };
        let above = above_bound(&network, mode, end);
        prop_assert!(above <= slack, "{} above the bound", above);
        prop_assert!(network.asked.is_empty(), "every check is decided");
    }

    #[test]
    fn nothing_makes_node_or_store_panic(
        mode in any_mode(), kind in 0u8..3, extremes in any::<(u64, u64, u32)>(), cache_refusals in any::<bool>(),
        acts in prop::collection::vec((0u8..9, any::<u64>(), any::<u64>(), any::<u64>()), 0..80),
    ) {
        let burst = extremes.1.max(1);
        let rate = RateLimitConfig { rate_per_s_milli: extremes.0 % MAX_RATE_PER_S_MILLI + 1, burst };
        let window = Span::from_nanos(extremes.0.max(1));
        let window = WindowConfig { limit: burst, window, alignment: WindowAlignment::Clock };
        let limit = match kind {
            0 => SharedLimit::TokenBucket(rate),
            1 => SharedLimit::FixedWindow(window),
            _ => SharedLimit::SlidingWindow(window),
        };
        let config = NodeConfig { limit, nodes: extremes.2.max(1), cache_refusals, ..config(mode, OnStoreError::Open) };
        let mut node = LimiterNode::new(config).unwrap();
        let mut store = LimiterStore::new(limit).unwrap();
        let identity = NodeIdentity { node: 0, incarnation: 0 };
        for (act, ns, a, b) in acts {
            let now = Time::from_nanos(ns);
            match act {
                0 => node.handle(now, FromStore::Granted { request: a % 20, permits: b }),
                1 => node.handle(now, FromStore::Refused { request: a % 20, retry_at: RetryAt(Span::from_nanos(b)) }),
                2 => node.handle(now, FromStore::Part { request: a % 20, permits: b as i64 }),
                3 => node.expire(now),
                4 => drop(store.handle(now, identity, ToStore::Take { request: 0, key: 1, cost: a, wanted: b })),
                5 => {
                    let nodes = b as u32;
                    let (used_total, confirmed_total, leaving) = (a, b, a % 2 == 0);
                    let report = ToStore::Report { request: 0, key: 1, used_total, confirmed_total, nodes, leaving };
                    store.handle(now, identity, report);
                }
                6 => node.reconfigure(now, config).unwrap(),
                _ => drop(node.check(now, a % 3, b)),
            }
            while let Some(question) = node.poll_message() {
                if act % 2 == 0 {
                    node.handle(now, store.handle(now, identity, question));
                }
            }
        }
    }
}

fn above_bound_when_lost(mode: SyncMode, nodes: usize) -> u64 {
    match mode {
        SyncMode::Central | SyncMode::Batching { .. } => 0,
        SyncMode::DelayedSync { every } => {
            nodes as u64 * (100 * (every + ms(20)).as_nanos()).div_ceil(1_000_000_000)
        }
    }
}

#[test]
fn a_store_each_instead_of_one_for_all_is_caught() {
    let mut right = Network::new(3, config(SYNC, OnStoreError::Closed), ms(2));
    right.overload(0..3_000);
    assert_eq!(above_bound(&right, SYNC, 3_000), 0);
    // What one node uses the others do not learn.
    let mut apart = Network::new(3, config(SYNC, OnStoreError::Closed), ms(2));
    let alone = || Network::new(1, config(SYNC, OnStoreError::Closed), ms(2)).overload(0..3_000);
    apart.admitted = (0..3).map(|_| alone()).sum();
    assert!(above_bound(&apart, SYNC, 3_000) > 0);
}
