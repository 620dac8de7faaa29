//! The alert side under the audit: laws for any history, and defects that it finds.

use super::alert_world::{AlertWorld, alert, at, routes};
use crate::notification::audit::check_routes;
use crate::notification::dispatch::{
    Alert, DispatchConfig, DispatchError, Dispatcher, Input, Rejected, Sabotage,
};
use crate::notification::*;
use crate::store::MemoryStore;
use crate::time::{Span, Time};
use proptest::prelude::*;

/// A day with everything in it that a defect needs.
fn story(count: u32, sabotage: Option<Sabotage>) -> AlertWorld {
    let mut world = AlertWorld::new(count, sabotage);
    let [slow, dead] = ["warning", "critical"]
        .map(|severity| alert(severity, &[("severity", severity), ("cluster", "a"), ("team", "db")]));
    let short = alert("short", &[("cluster", "b")]);
    let full = alert("full", &[("cluster", "b")]);
    world.run_until(at("1s"));
    world.fire(&slow);
    world.fire(&dead);
    world.fire(&short);
    world.fire(&full);
    world.run_until(at("20s"));
    world.resolve(&short);
    world.run_until(at("16m"));
    world.resolve(&dead);
    world.silence("s", "alertname=full", Span::from_secs(900));
    let hot = alert("hot", &[("cluster", "b")]);
    world.fire(&hot);
    world.run_until(at("17m"));
    world.silence("t", "alertname=hot", Span::from_secs(1_800));
    // Some minutes after the last silence, and before anything is repeated.
    world.run_until(at("55m"));
    world.run_until(at("90m"));
    world
}

/// Three nodes, the first cut off for ten minutes; alerts before, meanwhile and after.
fn split(sabotage: Option<Sabotage>) -> AlertWorld {
    let mut world = AlertWorld::new(3, sabotage);
    world.run_until(at("1m"));
    world.fire(&alert("before", &[("cluster", "a")]));
    world.run_until(at("5m"));
    world.cut(&[0]);
    world.fire(&alert("meanwhile", &[("cluster", "a")]));
    world.fire(&alert("other", &[("cluster", "b")]));
    world.run_until(at("15m"));
    world.heal();
    world.run_until(at("16m"));
    world.fire(&alert("after", &[("cluster", "c")]));
    world.run_until(at("2h"));
    world
}

#[test]
fn a_day_without_defects_keeps_every_invariant_on_one_node_and_on_three() {
    assert_eq!(story(1, None).found(), Vec::<String>::new());
    assert_eq!(story(3, None).found(), Vec::<String>::new());
    assert_eq!(split(None).found(), Vec::<String>::new());
}

#[test]
fn each_defect_is_found_by_its_invariant() {
    let cases = [
        (Sabotage::DropsContinue, 1, "Routes"),
        (Sabotage::ForgetsWhatWasTold, 1, "RepeatedTooSoon"),
        (Sabotage::NotifiesAtHalfTheWait, 1, "BeforeGroupWait"),
        (Sabotage::TellsAlertsThatAreGone, 1, "ToldWhenGone"),
        (Sabotage::IgnoresSilences, 1, "ToldWhenMuted"),
        (Sabotage::InhibitsItself, 1, "NotTold"),
        (Sabotage::TakesMutedForTold, 1, "NotTold"),
        (Sabotage::IgnoresGossip, 3, "ToldByTwoNodes"),
    ];
    for (sabotage, count, expected) in cases {
        let found = story(count, Some(sabotage)).found();
        assert!(found.iter().any(|violation| violation.starts_with(expected)), "{sabotage:?}: {found:?}");
    }
}

#[test]
fn a_cut_makes_duplicates_and_no_silence_and_they_end_after_it_heals() {
    let world = split(None);
    let by = |receiver_node: u32, from: &str, to: &str| {
        let within = |time: &Time| (at(from)..at(to)).contains(time);
        world.told.iter().filter(|(time, node, ..)| *node == receiver_node && within(time)).count()
    };
    assert_eq!([by(0, "1m", "5m"), by(1, "1m", "5m"), by(2, "1m", "5m")], [1, 0, 0]);
    // The other two agree among themselves: the second tells, fifteen seconds later or, once it is first, at once.
    assert_eq!([by(0, "5m", "15m"), by(1, "5m", "15m"), by(2, "5m", "15m")], [2, 2, 0]);
    assert_eq!([by(0, "15m", "20m"), by(1, "15m", "20m"), by(2, "15m", "20m")], [1, 0, 0]);
    // A node that does not speak up when it is second is silence on its side of the cut.
    let found = silent_first_node(Some(Sabotage::StaysSilentBehindOthers));
    assert!(found.iter().any(|violation| violation.starts_with("NotTold")), "{found:?}");
    assert_eq!(silent_first_node(None), Vec::<String>::new());
}

/// The first node is there and gossips, and never gets an alert: the second has to tell.
fn silent_first_node(sabotage: Option<Sabotage>) -> Vec<String> {
    let mut world = AlertWorld::new(2, sabotage);
    world.run_until(at("1m"));
    let alert = Alert { ends_at: Some(Time::MAX), ..alert("x", &[("cluster", "a")]) };
    world.audit.alert(world.now, &alert, Time::MAX);
    world.nodes[1].handle(world.now, Input::Alert(alert), &mut Vec::new()).unwrap();
    world.run_until(at("20m"));
    world.found()
}

#[test]
fn what_ends_while_a_node_waits_for_others_is_told_at_the_next_tick_and_not_by_those_that_waited() {
    let mut world = AlertWorld::new(3, None);
    let alert = alert("x", &[("cluster", "a")]);
    world.run_until(at("1s"));
    world.fire(&alert);
    world.run_until(at("10m31s"));
    // The tick is over for the first node; the others wait for fifteen seconds and for thirty.
    world.resolve(&alert);
    world.run_until(at("15m"));
    let told =
        |world: &AlertWorld| world.told.iter().map(|(time, node, ..)| (*time, *node)).collect::<Vec<_>>();
    assert_eq!(told(&world), [(at("31s"), 0)]);
    world.run_until(at("30m"));
    assert_eq!(told(&world), [(at("31s"), 0), (at("15m31s"), 0)]);
    assert_eq!(world.found(), Vec::<String>::new());
}

#[test]
fn a_single_leader_is_silent_without_a_majority() {
    let members: Vec<PeerId> = (0..3).map(PeerId).collect();
    let mut config = ClusterConfig::new(PeerId(0), members);
    config.mode = HaMode::SingleLeader;
    let mut cluster = Cluster::new(config.clone(), Time::ZERO);
    assert!(cluster.may_send(Time::ZERO));
    let later = at("10s");
    assert!(!cluster.may_send(later), "nobody was heard from");
    cluster.hear(later, PeerId(2));
    assert!(cluster.may_send(later), "two of three");
    let second = Cluster::new(ClusterConfig { me: PeerId(1), ..config }, Time::ZERO);
    assert!(!second.may_send(Time::ZERO), "the first is there");
}

#[test]
fn a_storm_of_one_cause_is_one_notification() {
    let mut world = AlertWorld::new(1, None);
    for number in 0..5_000u64 {
        world.now = Time::ZERO + Span::from_millis(number * 2);
        let ends_at = Some(Time::MAX);
        let labels = Labels::of(&[("cluster", "a"), ("host", &number.to_string())]);
        let alert = Alert { labels, annotations: Labels::default(), ends_at };
        world.nodes[0].handle(world.now, Input::Alert(alert), &mut Vec::new()).unwrap();
    }
    let mut out = Vec::new();
    world.nodes[0].expire(at("30s"), &mut out).unwrap();
    let [dispatch::Output::Notify(told)] = &out[..] else { panic!("{} outputs", out.len()) };
    assert_eq!((told.firing.len(), world.nodes[0].alert_count()), (5_000, 5_000));
}

#[test]
fn what_is_refused_changes_nothing_and_says_why() {
    let mut config = DispatchConfig::new(routes());
    config.max_alerts = 1;
    let mut dispatcher = Dispatcher::open(MemoryStore::new(), config, Time::ZERO).unwrap();
    let mut give = |input| dispatcher.handle(Time::ZERO, input, &mut Vec::new());
    assert_eq!(give(Input::Alert(Alert::default())), Err(Rejected::NoLabels));
    assert_eq!(give(Input::Alert(alert("a", &[]))), Ok(()));
    assert_eq!(give(Input::Alert(alert("a", &[]))), Ok(()), "it is there already");
    assert_eq!(give(Input::Alert(alert("b", &[]))), Err(Rejected::TooManyAlerts));
    assert!(matches!(
        give(Input::ExpireSilence { id: "s".into() }),
        Err(Rejected::Silence(SilenceError::Unknown))
    ));
    let unknown = dispatch::NotificationId { group: 0, number: 9 };
    assert_eq!(give(Input::Delivered(unknown)), Err(Rejected::UnknownNotification(unknown)));

    let wrong = |change: &dyn Fn(&mut RouteConfig)| {
        let mut routes = routes();
        change(&mut routes);
        Dispatcher::open(MemoryStore::new(), DispatchConfig::new(routes), Time::ZERO).err()
    };
    let route = |error| Some(DispatchError::Route(error));
    assert_eq!(wrong(&|root| root.receiver = None), route(RouteError::NoReceiver));
    assert_eq!(wrong(&|root| root.matchers.push("a=b".parse().unwrap())), route(RouteError::RootMatches));
    let key = "{}/{team=\"db\"}".to_string();
    let interval = RouteError::NoInterval { key: key.clone() };
    assert_eq!(wrong(&|root| root.routes[0].repeat_interval = Some(Span::ZERO)), route(interval));
    let unknown = RouteError::UnknownInterval { key, name: "night".into() };
    assert_eq!(wrong(&|root| root.routes[0].mute_intervals.push("night".into())), route(unknown));
    let mut deep = RouteConfig::default();
    (0..MAX_DEPTH).for_each(|_| deep = RouteConfig { routes: vec![deep.clone()], ..RouteConfig::default() });
    assert_eq!(wrong(&|root| root.routes.push(deep.clone())), route(RouteError::TooDeep));
}

#[test]
fn a_silence_reaches_every_node_and_survives_a_restart() {
    let mut world = AlertWorld::new(3, None);
    world.run_until(at("1s"));
    let silence = Silence {
        id: "s".into(),
        matchers: Matchers::parse(&["a=~\"x|y\"", "b!=z"]).unwrap(),
        starts_at: at("1s"),
        ends_at: at("1h"),
        updated_at: at("1s"),
        author: "ann".into(),
        comment: "known".into(),
    };
    let mut out = Vec::new();
    world.nodes[0].handle(world.now, Input::SetSilence(silence.clone()), &mut out).unwrap();
    // Told at once, and that is lost; then in turn, with all that is known.
    world.run_until(at("31s"));
    assert!(world.nodes.iter().all(|node| node.silences().get("s") == Some(&silence)));
    let store = world.nodes.remove(2).into_store();
    let again = Dispatcher::open(store, DispatchConfig::new(routes()), at("32s")).unwrap();
    assert_eq!(again.silences().get("s"), Some(&silence));
}

/// One step of a history.
#[derive(Clone, Copy, Debug)]
enum Step {
    Fire(u8),
    Resolve(u8),
    Silence(u8),
    Cut(u8),
    Heal,
}

fn step() -> impl Strategy<Value = (Step, u64)> {
    let step = prop_oneof![
        5 => (0u8..8).prop_map(Step::Fire),
        3 => (0u8..8).prop_map(Step::Resolve),
        2 => (0u8..8).prop_map(Step::Silence),
        1 => (0u8..3).prop_map(Step::Cut),
        1 => Just(Step::Heal),
    ];
    (step, 1u64..400)
}

fn random_alert(number: u8) -> Alert {
    let severity = if number.is_multiple_of(3) { "critical" } else { "warning" };
    let team = ["", "db", "web"][usize::from(number % 3)];
    let cluster = if number < 4 { "a" } else { "b" };
    alert(&format!("n{number}"), &[("severity", severity), ("team", team), ("cluster", cluster)])
}

fn tree_strategy() -> impl Strategy<Value = RouteConfig> {
    let matchers = proptest::collection::vec(("[ab]", "[xy]", any::<bool>()), 0..2);
    let leaf = (matchers, any::<bool>()).prop_map(|(matchers, continues)| RouteConfig {
        matchers: matchers
            .into_iter()
            .map(|(name, value, is)| {
                let op = if is { MatchOp::Equal } else { MatchOp::MatchesNot };
                Matcher::new(name, op, value).unwrap()
            })
            .collect(),
        continues,
        ..RouteConfig::default()
    });
    leaf.prop_recursive(3, 16, 4, |inner| {
        (inner.clone(), proptest::collection::vec(inner, 0..4))
            .prop_map(|(node, routes)| RouteConfig { routes, ..node })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_history_keeps_every_invariant(
        steps in proptest::collection::vec(step(), 1..16), three in any::<bool>(),
    ) {
        let mut world = AlertWorld::new(if three { 3 } else { 1 }, None);
        for (step, seconds) in steps {
            let until = world.now + Span::from_secs(seconds);
            world.run_until(until);
            match step {
                Step::Fire(number) => world.fire(&random_alert(number)),
                Step::Resolve(number) => world.resolve(&random_alert(number)),
                Step::Silence(number) => {
                    let name = format!("n{number}");
                    world.silence(&name, &format!("alertname={name}"), Span::from_secs(600));
                }
                Step::Cut(node) => world.cut(&[u32::from(node)]),
                Step::Heal => world.heal(),
            }
        }
        let end = world.now + Span::from_secs(2_000);
        world.run_until(end);
        prop_assert_eq!(world.found(), Vec::<String>::new());
    }

    #[test]
    fn the_walk_through_any_tree_finds_what_the_definition_says(
        routes in proptest::collection::vec(tree_strategy(), 0..4), a in "[xyz]{0,1}", b in "[xyz]{0,1}",
    ) {
        let root = RouteConfig { receiver: Some("r".into()), routes, ..RouteConfig::default() };
        let tree = RouteTree::new(&root).unwrap();
        let labels = Labels::of(&[("a", &a), ("b", &b)]);
        prop_assert_eq!(check_routes(&tree, &labels, &tree.matching(&labels)), Ok(()));
    }

    #[test]
    fn an_unchanging_group_is_told_as_often_as_the_formula_says(
        wait_s in 0u64..100, interval_s in 1u64..100, repeat_s in 1u64..500, until_s in 100u64..5_000,
    ) {
        let secs = |seconds| Some(Span::from_secs(seconds));
        let root = RouteConfig {
            receiver: Some("r".into()),
            group_wait: secs(wait_s),
            group_interval: secs(interval_s),
            repeat_interval: secs(repeat_s),
            ..RouteConfig::default()
        };
        let mut config = DispatchConfig::new(root);
        config.resolve_timeout = Span::MAX;
        let mut dispatcher = Dispatcher::open(MemoryStore::new(), config, Time::ZERO).unwrap();
        dispatcher.handle(Time::ZERO, Input::Alert(alert("x", &[])), &mut Vec::new()).unwrap();
        let (mut count, until) = (0, Time::ZERO + Span::from_secs(until_s));
        while let Some(due) = dispatcher.deadline().filter(|due| *due <= until) {
            let mut out = Vec::new();
            dispatcher.expire(due, &mut out).unwrap();
            for output in out {
                if let dispatch::Output::Notify(told) = output {
                    count += 1;
                    dispatcher.handle(due, Input::Delivered(told.id), &mut Vec::new()).unwrap();
                }
            }
        }
        let repeat_tick_s = repeat_s.div_ceil(interval_s) * interval_s;
        prop_assert_eq!(count, 1 + (until_s - wait_s) / repeat_tick_s);
    }
}
