//! Nodes and the control plane over a network that loses, doubles and reorders; life cycle and freshness.

use super::user;
use crate::feature_flags::definition::{Change, FlagDefinition, SegmentDefinition, State};
use crate::feature_flags::{
    ControlPlane, Engine, ErrorKind, FlagConfig, Input, Node, NodeConfig, NodeConfigError, Offline, Output,
    Reason, Rejected, RuleSet, Status,
};
use crate::{Span, Time};
use proptest::prelude::*;

fn at(seconds: u64) -> Time {
    Time::ZERO + Span::from_secs(seconds)
}

fn flag(name: &str, enabled: bool) -> Change {
    let flag = FlagDefinition { name: name.into(), enabled, ..FlagDefinition::default() };
    Change::FeatureUpdated { feature: flag.into() }
}

fn empty() -> RuleSet {
    Engine::new(FlagConfig::default()).empty()
}

const STEADY: NodeConfig = NodeConfig {
    poll_interval: Span::from_secs(10),
    poll_jitter: Span::ZERO,
    fetch_timeout: Span::from_secs(5),
    stale_after: Span::from_secs(20),
    streaming: false,
    offline: Offline::LastKnownGood,
    seed: 1,
};

/// Starts a node and answers its first poll.
fn started(config: NodeConfig, control: &ControlPlane) -> Node {
    let (mut node, mut out) = (Node::new(config, empty()), Vec::new());
    node.handle(at(0), Input::Start, &mut out).expect("it can begin");
    node.handle(at(0), control.answer(None), &mut out).expect("it can be used");
    node
}

#[test]
fn cut_off_it_serves_what_it_has_and_says_so_and_after_the_cut_it_is_ready_within_one_poll() {
    let mut control = ControlPlane::new(100);
    control.publish(at(0), "ann", flag("f", true));
    let (mut node, mut out) = (started(STEADY, &control), Vec::new());
    assert_eq!((node.status(), node.revision()), (Status::Ready, 1));
    control.publish(at(5), "bob", flag("f", false));
    let mut healed_at = None;
    while let Some(now) = node.deadline().filter(|now| *now <= at(100)) {
        out.clear();
        node.expire(now, &mut out);
        let polls = out.iter().any(|output| matches!(output, Output::Fetch { .. }));
        if polls && now >= at(60) {
            node.handle(now, control.answer(Some(node.revision())), &mut out).expect("it can be used");
            healed_at = healed_at.or(Some(now));
        }
        let healed = healed_at.is_some();
        assert_eq!(node.rules().is_enabled("f", &user("ann")), !healed, "at {now}");
        let expected = if healed || now < at(20) { Status::Ready } else { Status::Stale };
        assert_eq!(node.status(), expected, "at {now}");
    }
    let healed_at = healed_at.expect("it polls");
    assert!(healed_at <= at(60) + STEADY.poll_interval + STEADY.fetch_timeout, "{healed_at}");
    assert_eq!(control.audit_entry(2).map(|entry| entry.author.as_str()), Some("bob"));
}

#[test]
fn what_is_served_while_cut_off_can_be_chosen() {
    for (offline, revision) in
        [(Offline::LastKnownGood, 2), (Offline::Bootstrap, 1), (Offline::CallersDefault, 0)]
    {
        let mut control = ControlPlane::new(100);
        let first = control.publish(at(0), "ann", flag("f", false));
        let bootstrap = empty().with_events([&first]);
        let (mut node, mut out) = (Node::new(NodeConfig { offline, ..STEADY }, bootstrap), Vec::new());
        assert_eq!((node.status(), node.rules().revision()), (Status::NotReady, 1));
        node.handle(at(0), Input::Start, &mut out).expect("it can begin");
        control.publish(at(0), "ann", flag("f", true));
        node.handle(at(0), control.answer(Some(1)), &mut out).expect("it can be used");
        assert!(node.rules().is_enabled("f", &user("ann")));
        node.expire(at(20), &mut out);
        assert_eq!((node.status(), node.rules().revision()), (Status::Stale, revision));
        let error = node.rules().evaluate("f", &user("ann")).error_kind();
        assert_eq!(error, (revision == 0).then_some(ErrorKind::ProviderNotReady));
    }
}

#[test]
fn a_gap_is_answered_by_asking_for_everything_and_what_is_old_is_left() {
    let mut control = ControlPlane::new(100);
    control.publish(at(0), "ann", flag("f", true));
    let (mut node, mut out) = (started(STEADY, &control), Vec::new());
    let second = control.publish(at(1), "ann", flag("g", true));
    let third = control.publish(at(1), "ann", flag("h", true));
    let delta = |after, events| Input::Delta { after, events };
    let gap = node.handle(at(1), delta(2, vec![third.clone()]), &mut out);
    assert_eq!(gap, Err(Rejected::Gap { have: 1, after: 2 }));
    assert_eq!((out.pop(), node.revision()), (Some(Output::Fetch { have: None }), 1));
    let disorder = node.handle(at(1), delta(1, vec![third.clone(), second.clone()]), &mut out);
    assert_eq!(disorder, Err(Rejected::Disorder));
    node.handle(at(1), delta(1, vec![second.clone(), third]), &mut out).expect("in order");
    node.handle(at(1), delta(1, vec![second]), &mut out).expect("known already");
    let old = node.handle(at(2), Input::Hydration { revision: 1, state: State::default() }, &mut out);
    assert_eq!(old, Err(Rejected::Outdated { have: 3, got: 1 }));
    let counters = node.counters();
    assert_eq!((counters.resyncs, counters.duplicates, counters.outdated, node.revision()), (1, 1, 1, 3));
}

#[test]
fn a_stream_replaces_polls_and_when_it_breaks_the_node_polls_at_once() {
    let control = {
        let mut control = ControlPlane::new(100);
        control.publish(at(0), "ann", flag("f", true));
        control
    };
    let (mut node, mut out) = (started(NodeConfig { streaming: true, ..STEADY }, &control), Vec::new());
    node.handle(at(1), Input::StreamOpened, &mut out).expect("it can be used");
    assert_eq!(node.deadline(), Some(at(20)), "only to become stale");
    node.handle(at(15), Input::NotModified, &mut out).expect("a sign of life");
    assert_eq!(node.deadline(), Some(at(35)));
    node.handle(at(16), Input::StreamClosed, &mut out).expect("it can be used");
    assert_eq!(node.deadline(), Some(at(16)));
    out.clear();
    node.expire(at(16), &mut out);
    assert_eq!(out, [Output::Fetch { have: Some(1) }, Output::OpenStream { have: 1 }]);
}

#[test]
fn a_refused_node_asks_no_more_and_goes_on_with_what_it_has() {
    let mut control = ControlPlane::new(100);
    control.publish(at(0), "ann", flag("f", true));
    let (mut node, mut out) = (started(STEADY, &control), Vec::new());
    node.handle(at(1), Input::Refused, &mut out).expect("it can be used");
    node.handle(at(2), Input::FetchFailed, &mut out).expect("it can be used");
    assert_eq!((node.status(), node.deadline()), (Status::Error, None));
    assert!(node.rules().is_enabled("f", &user("ann")));
}

#[test]
fn a_killed_flag_stays_off_on_its_node_whatever_comes() {
    let mut control = ControlPlane::new(100);
    control.publish(at(0), "ann", flag("f", true));
    let (mut node, mut out) = (started(STEADY, &control), Vec::new());
    node.kill("f", true);
    control.publish(at(1), "ann", flag("f", true));
    node.handle(at(1), control.answer(Some(1)), &mut out).expect("it can be used");
    assert_eq!(node.rules().evaluate("f", &user("ann")).reason, Reason::Disabled);
    node.kill("f", false);
    assert!(node.rules().is_enabled("f", &user("ann")));
}

#[test]
fn scheduled_changes_happen_in_their_order_and_a_short_log_answers_with_everything() {
    let mut control = ControlPlane::new(2);
    control.schedule(at(20), "ann", flag("f", false));
    control.schedule(at(10), "bob", flag("f", true));
    assert_eq!(control.deadline(), Some(at(10)));
    assert!(control.expire(at(9)).is_empty());
    assert_eq!(control.expire(at(30)).iter().map(|event| event.revision).collect::<Vec<_>>(), [1, 2]);
    control.publish(at(31), "cyd", Change::SegmentUpdated { segment: SegmentDefinition::default() });
    let authors: Vec<_> = control.audit().map(|entry| (entry.revision, entry.author.as_str())).collect();
    assert_eq!(authors, [(2, "ann"), (3, "cyd")]);
    assert!(matches!(control.answer(Some(0)), Input::Hydration { revision: 3, .. }));
    assert!(matches!(control.answer(Some(1)), Input::Delta { after: 1, events } if events.len() == 2));
    assert!(matches!(control.answer(Some(3)), Input::NotModified));
    assert!(matches!(control.answer(Some(9)), Input::Hydration { .. }), "from another life");
}

#[test]
fn configs_that_cannot_be_meant_say_what_to_write() {
    assert_eq!(NodeConfig::default().validate(), Ok(()));
    for (config, error) in [
        (NodeConfig { poll_interval: Span::ZERO, ..STEADY }, NodeConfigError::NoInterval),
        (NodeConfig { fetch_timeout: Span::ZERO, ..STEADY }, NodeConfigError::NoTimeout),
        (
            NodeConfig { stale_after: Span::from_secs(1), ..STEADY },
            NodeConfigError::StaleTooSoon(Span::from_secs(15)),
        ),
    ] {
        assert_eq!(config.validate(), Err(error));
    }
    // Unchecked, the worst of them still makes progress.
    let config = NodeConfig { poll_interval: Span::ZERO, fetch_timeout: Span::ZERO, ..STEADY };
    let (mut node, mut out) = (Node::new(config, empty()), Vec::new());
    node.handle(at(0), Input::Start, &mut out).expect("it can begin");
    for _ in 0..10 {
        let now = node.deadline().expect("it goes on");
        node.expire(now, &mut out);
    }
    assert!(node.deadline().expect("it goes on") > at(0));
}

/// Most nodes that poll within one of `windows` of a second each, after all were answered at once.
fn peak(jitter: Span) -> usize {
    let mut control = ControlPlane::new(1);
    control.publish(at(0), "ann", flag("f", true));
    let mut polls = std::collections::BTreeMap::<u64, usize>::new();
    for seed in 0..500 {
        let node = started(NodeConfig { poll_jitter: jitter, seed, ..STEADY }, &control);
        let due = [node.deadline(), Some(at(10) + jitter)].into_iter().flatten().min().expect("it polls");
        *polls.entry(due.as_nanos() / 1_000_000_000).or_default() += 1;
    }
    polls.into_values().max().expect("there are nodes")
}

#[test]
fn jitter_spreads_the_polls_of_a_fleet_that_was_answered_at_once() {
    assert_eq!(peak(Span::ZERO), 500);
    let expected = 500 / 5;
    assert!(peak(Span::from_secs(5)) < expected + 4 * 9, "{}", peak(Span::from_secs(5))); // 9 is a deviation
}

/// What a network does with a message, and to which revision it was an answer.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Deliver,
    Lose,
    Twice,
    Late,
}

fn fates() -> impl Strategy<Value = Vec<(Fate, bool)>> {
    let fate = prop::sample::select(&[Fate::Deliver, Fate::Lose, Fate::Twice, Fate::Late][..]);
    prop::collection::vec((fate, any::<bool>()), 1..40)
}

/// Sends every change and some hydrations over such a network. Returns the revisions that `take` came to.
fn revisions(fates: &[(Fate, bool)], mut take: impl FnMut(Input) -> (u64, bool)) -> Vec<u64> {
    let mut control = ControlPlane::new(100);
    let (mut late, mut seen) = (Vec::new(), Vec::new());
    for (number, (fate, everything)) in fates.iter().enumerate() {
        let name = format!("flag{}", number % 3);
        let event = control.publish(at(number as u64), "ann", flag(&name, number % 2 == 0));
        let message = match everything {
            true => control.answer(None),
            false => Input::Delta { after: event.revision - 1, events: vec![event] },
        };
        let messages = match fate {
            Fate::Deliver => vec![message],
            Fate::Twice => vec![message.clone(), message],
            Fate::Lose => vec![],
            Fate::Late => {
                late.push(message);
                vec![]
            }
        };
        let due = if number % 4 == 3 { std::mem::take(&mut late) } else { vec![] };
        for message in messages.into_iter().chain(due) {
            let (revision, wants_everything) = take(message);
            seen.push(revision);
            if wants_everything {
                seen.push(take(control.answer(None)).0);
            }
        }
    }
    seen.push(take(control.answer(None)).0);
    seen
}

proptest! {
    #[test]
    fn no_network_makes_a_node_go_back_or_end_up_with_other_flags(fates in fates()) {
        let (mut node, mut out) = (Node::new(STEADY, empty()), Vec::new());
        let mut applied = Vec::new();
        let seen = revisions(&fates, |message| {
            out.clear();
            let before = node.revision();
            let result = node.handle(at(1), message, &mut out);
            if node.revision() != before {
                applied.push(node.revision());
            }
            let wants_everything = out.contains(&Output::Fetch { have: None });
            assert_eq!(matches!(result, Err(Rejected::Gap { .. })), wants_everything);
            (node.revision(), wants_everything)
        });
        prop_assert!(seen.is_sorted(), "{:?}", seen);
        prop_assert!(applied.is_sorted_by(|one, next| one < next), "once each: {:?}", applied);
        prop_assert_eq!(node.revision(), fates.len() as u64);
        for number in fates.len().saturating_sub(3)..fates.len() {
            let on = node.rules().is_enabled(&format!("flag{}", number % 3), &user("ann"));
            prop_assert_eq!(on, number % 2 == 0);
        }
    }
}

#[test]
fn a_node_that_takes_whatever_comes_is_caught_going_back() {
    let fates = [(Fate::Late, true), (Fate::Deliver, true), (Fate::Deliver, true), (Fate::Deliver, false)];
    let mut rules = empty();
    let seen = revisions(&fates, |message| {
        rules = match message {
            Input::Hydration { revision, state } => rules.with_state(revision, &state),
            Input::Delta { events, .. } => rules.with_events(&events),
            _ => rules.clone(),
        };
        (rules.revision(), false)
    });
    assert!(!seen.is_sorted(), "{seen:?}");
}
