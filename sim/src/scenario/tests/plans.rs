//! What scenarios become: defaults, units, ids.

use std::collections::BTreeMap;

use super::super::plan::*;
use super::{CASCADE, CONFIGS, FLAGS, LARGE, compiled, completed, plan};
use crate::faults::{ClockChange, Cut, CutMode, Fault, Member, NodeSelector, Which};
use crate::kernel::draw::Distribution;
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;
use foreshock_systems::circuit_breaker::WindowConfig;
use foreshock_systems::feature_flags::{NodeConfig, Offline};
use foreshock_systems::retry::{BackoffKind, BudgetConfig, Jitter, PushbackRule};

fn entry<'p>(plan: &'p Plan, id: &str) -> &'p EntryPlan {
    plan.timeline.iter().find(|entry| entry.id == id).unwrap()
}

fn fault<'p>(plan: &'p Plan, id: &str) -> &'p Fault {
    match &entry(plan, id).action {
        Action::Fault(fault) => fault,
        other => panic!("{other:?}"),
    }
}

fn service<'p>(plan: &'p Plan, name: &str) -> &'p ServicePlan {
    plan.services.iter().find(|service| service.name == name).unwrap()
}

fn edge<'p>(plan: &'p Plan, name: &str) -> &'p EdgePlan {
    plan.edges.iter().find(|edge| edge.name == name).unwrap()
}

fn link_names(plan: &Plan, links: &[LinkId]) -> Vec<String> {
    links.iter().map(|link| plan.links[link.index()].name.clone()).collect()
}

#[test]
fn a_minimal_scenario_gets_every_default() {
    let plan = plan(&completed(""));
    assert_eq!(plan.run.warmup, Span::ZERO);
    assert_eq!(plan.run.drain, Span::from_secs(10));
    assert_eq!(plan.run.grid, Span::from_secs(1));
    assert_eq!(plan.run.intervals(), 310);
    assert_eq!(plan.seed.0, 1);
    let api = service(&plan, "api");
    assert_eq!((api.kind.as_str(), api.replicas, api.workers, api.blocking), ("service", 1, 1, true));
    assert_eq!(api.queue.capacity, u32::MAX);
    assert_eq!(api.balance, Balance::RoundRobin);
    assert_eq!((api.request_bytes, api.response_bytes), (1024, 4096));
    assert_eq!(
        api.operations,
        [OperationPlan { service_time: Distribution::ZERO, priority: 0, writes: false }]
    );
    assert_eq!(plan.operations, ["default"]);
    assert_eq!(edge(&plan, "users -> api").policy, CallPolicy::default());
    assert_eq!(plan.loads[0].mix, [(OperationId(0), 1_000_000)]);
    assert_eq!(plan.loads[0].keys, Keys::Uniform { items: 1 });
    let names: Vec<&str> = plan.links.iter().map(|link| link.name.as_str()).collect();
    assert_eq!(names, ["users -> api", "api -> users"]);
}

#[test]
fn long_runs_have_at_most_1200_intervals_of_whole_seconds() {
    for (duration, grid_s) in [("20m", 1), ("20m1s", 2), ("40m", 2), ("1h", 3), ("24h", 72), ("30d", 2160)] {
        let plan = plan(&completed(&format!("run: {{duration: {duration}}}\n")));
        assert_eq!(plan.run.grid, Span::from_secs(grid_s), "{duration}");
    }
}

#[test]
fn the_example_of_the_design_compiles() {
    let compiled = compiled(CASCADE).unwrap();
    let plan = compiled.plan;
    assert_eq!(plan.about.lines().count(), 1);
    assert_eq!(service(&plan, "price-cache").settings.len(), 3);
    assert_eq!(service(&plan, "checkout").workers, 32, "merge keys are resolved");
    assert_eq!(service(&plan, "checkout").cores_milli, Some(2000));
    let steps = &service(&plan, "checkout").steps;
    assert_eq!((steps[0].branches[0].on_miss, steps[1].branches[0].loads_for), (Some(1), Some(0)));
    let retry = edge(&plan, "checkout -> orders-db").policy.retry.clone().unwrap();
    assert_eq!(retry.config.max_attempts, 3);
    assert_eq!(retry.config.backoff.kind, BackoffKind::Exponential { multiplier_milli: 2000 });
    assert_eq!(
        retry.budget,
        Some(BudgetConfig::Ratio { ratio_ppm: 200_000, reserve_per_s: 0, window: Span::from_secs(10) })
    );
    let to_db = plan.links.iter().find(|link| link.name == "checkout -> orders-db").unwrap();
    assert_eq!(
        to_db.latency,
        Distribution::Normal { mean: Span::from_micros(900), sd: Span::from_micros(150) }
    );
    assert_eq!(plan.slos[0].bound, Bound { comparison: Comparison::Below, limit: 500_000_000 });
    assert_eq!(plan.slos[2].bound, Bound { comparison: Comparison::AtMost, limit: 1300 });
    assert_eq!(plan.expect.why_root, ["deploy-v42"]);
    match &entry(&plan, "slow-link").action {
        Action::Fault(Fault::Latency(latency)) => assert_eq!(
            latency.add,
            Distribution::Uniform { min: Span::from_millis(15), max: Span::from_millis(20) }
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_feature_of_the_format_reaches_the_plan() {
    let plan = plan(LARGE);
    assert_eq!(plan.operations, ["default", "browse", "buy"]);
    let checkout = service(&plan, "checkout");
    assert_eq!(checkout.queue.on_full, OnFull::DropOldest);
    assert_eq!(checkout.queue.discipline, Discipline::Priority { preemptive: true });
    let codel = CodelPlan { target: Span::from_millis(10), interval: Span::from_millis(100) };
    assert_eq!(checkout.queue.codel, Some(codel));
    assert_eq!((checkout.replicas, checkout.max_replicas), (3, 4));
    assert_eq!(checkout.operations[2].priority, 3);
    assert_eq!(
        checkout.operations[1].service_time,
        Distribution::Gamma { mean: Span::from_millis(4), shape: 2.0 }
    );
    assert_eq!((checkout.error_ppm, checkout.response_bytes), (1_000, 10_000));
    assert_eq!(checkout.cold_start.map(|cold| cold.slowdown_milli), Some(3000));
    let pools: Vec<&str> = checkout.pools.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!(pools, ["shared", "checkout -> db #2"]);
    assert_eq!(checkout.steps[2].join, Join::AtLeast(2));
    assert_eq!(checkout.steps[3].branches[0].fan_out, 4);
    assert_eq!(checkout.steps[1].branches[0].share_ppm, 500_000);
    assert_eq!(checkout.steps[1].branches[0].operations, Some(vec![OperationId(2)]));
    assert_eq!(edge(&plan, "checkout -> db #2").occurrence, 1);
    assert_eq!(service(&plan, "db").workers, u32::MAX);
    assert_eq!(service(&plan, "edge").hosts, [HostId(0), HostId(1)]);
    assert_eq!(plan.hosts[1].cores_milli, 2500);
    let policy = &edge(&plan, "edge -> checkout").policy;
    assert!(policy.cancel && policy.propagate_deadline);
    let breaker = policy.breaker.clone().unwrap();
    assert_eq!(breaker.config.window, WindowConfig::Sliding { length: Span::from_secs(5), max_calls: 50 });
    assert_eq!((breaker.config.open_for, breaker.config.open_cap), (Span::from_secs(5), Span::from_secs(50)));
    assert_eq!(breaker.scope, BreakerScope::Endpoint);
    let retry = policy.retry.clone().unwrap();
    assert_eq!((retry.config.backoff.jitter, retry.config.pushback), (Jitter::Full, PushbackRule::Ignore));
    assert_eq!(retry.budget, Some(BudgetConfig::Grpc { max_tokens_milli: 10_000, token_ratio_milli: 100 }));
    assert!(retry.retry_on.contains(OutcomeKind::Refused) && !retry.retry_on.contains(OutcomeKind::Error));
    let Arrivals::Poisson(stages) = &plan.loads[0].arrivals else { panic!("poisson is the default") };
    assert_eq!((stages[0].from_milli_per_s, stages[0].to_milli_per_s), (0, 200_000));
    assert_eq!(plan.loads[0].mix, [(OperationId(1), 900_000), (OperationId(2), 100_000)]);
    let duplicate = plan.links.iter().find(|link| link.name == "checkout -> edge").unwrap();
    assert_eq!(
        (duplicate.duplicate_ppm, duplicate.loss_ppm),
        (1_000, 100),
        "an entry overrides field by field"
    );
    let clock = |id| match fault(&plan, id) {
        Fault::Clock(clock) => clock.change,
        other => panic!("{other:?}"),
    };
    assert_eq!(clock("skew"), ClockChange::Skew(500_000_000));
    assert_eq!(clock("drift"), ClockChange::DriftPpb(-200_000));
    assert_eq!(clock("jump"), ClockChange::Jump(-5_000_000_000));
    let metrics: BTreeMap<&str, Metric> = plan.slos.iter().map(|slo| (slo.id.as_str(), slo.metric)).collect();
    assert_eq!(metrics["p99"], Metric::Latency(Stat::Quantile(995_000)));
    assert_eq!(metrics["waiting"], Metric::QueueDepth(Stat::Max));
    assert_eq!(plan.slos[1].target, Target::Load(LoadId(0), Some(OperationId(2))));
}

#[test]
fn every_fault_of_the_list_is_in_the_large_scenario() {
    let plan = plan(LARGE);
    let mut kinds: Vec<&str> = plan.timeline.iter().map(|entry| entry.action.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), 24 + 5, "{kinds:?}");
}

#[test]
fn recorded_arrivals_keep_operation_and_key() {
    let plan = plan(LARGE);
    let Arrivals::Trace(arrivals) = &plan.loads[2].arrivals else { panic!("a trace") };
    let at = |ms| Time::ZERO + Span::from_millis(ms);
    let buy = Some(OperationId(2));
    let browse = Some(OperationId(1));
    assert_eq!(
        **arrivals,
        [
            TraceArrival { at: at(0), operation: buy, key: Some(1) },
            TraceArrival { at: at(1500), operation: browse, key: None },
            TraceArrival { at: at(2000), operation: None, key: Some(7) },
        ]
    );
}

#[test]
fn link_selectors_stand_for_directed_links() {
    let base = "
services:
  api: {calls: [{to: db}, {to: cache}]}
  db: {}
  cache: {}
";
    let cases = [
        ("api -> db", "api -> db"),
        ("db -> api", "db -> api"),
        ("api <-> db", "api -> db, db -> api"),
        ("api->cache", "api -> cache"),
        ("\"* -> api\"", "db -> api, cache -> api, users -> api"),
        ("api -> *", "api -> db, api -> cache, api -> users"),
        ("[api -> db, api -> cache, api -> db]", "api -> db, api -> cache"),
    ];
    for (selector, expected) in cases {
        let timeline =
            format!("timeline: [{{id: a, at: 1s, fault: {{loss: {{link: {selector}, share: 1%}}}}}}]\n");
        let plan = plan(&completed(&format!("{base}{timeline}")));
        let Fault::Loss(loss) = fault(&plan, "a") else { panic!("a loss") };
        assert_eq!(link_names(&plan, &loss.links).join(", "), expected, "{selector}");
    }
}

fn node(service: u32, which: Which) -> Member {
    Member::Nodes(NodeSelector { service: ServiceId(service), which })
}

fn cuts(shape: &str) -> (Vec<Cut>, CutMode) {
    let text = format!(
        "services:\n  a: {{replicas: 2, calls: [{{to: b}}]}}\n  b: {{replicas: 3}}\n  c: {{}}\n\
         load: [{{name: users, to: a, rate: 1/s}}]\n\
         timeline: [{{id: cut, at: 1s, fault: {{partition: {{{shape}}}}}}}]\n"
    );
    match fault(&plan(&completed(&text)), "cut").clone() {
        Fault::Partition(partition) => (partition.cuts, partition.mode),
        other => panic!("{other:?}"),
    }
}

#[test]
fn partitions_come_down_to_pairs_of_groups() {
    let (all, index) = (Which::All, Which::Index);
    let both = |left: Vec<Member>, right: Vec<Member>| {
        vec![Cut { from: right.clone(), to: left.clone() }, Cut { from: left, to: right }]
    };
    let clients = Member::Clients(LoadId(0));
    assert_eq!(
        cuts("between: [[a/1], [b]]"),
        (both(vec![node(0, index(0))], vec![node(1, all)]), CutMode::Drop)
    );
    let one_way = Cut { from: vec![node(0, all)], to: vec![node(1, all)] };
    assert_eq!(cuts("between: [[a], [b]], one_way: true, mode: hold"), (vec![one_way], CutMode::Hold));
    assert_eq!(cuts("between: [[a], [b], [c]], mode: {slow: 2s}").0.len(), 6);
    let rest = vec![node(1, index(1)), node(1, index(2)), node(2, all), clients.clone()];
    assert_eq!(cuts("isolate: [a, b/1]").0, both(vec![node(0, all), node(1, index(0))], rest));
    let rest = vec![node(0, all), node(2, all), clients.clone()];
    let isolated = cuts("isolate: [{service: b, pick: one}]").0;
    assert_eq!(isolated, both(vec![node(1, Which::One)], rest));
    let first = vec![node(0, index(0)), node(1, index(0)), node(1, index(1)), node(2, all)];
    let second = vec![node(0, index(1)), node(1, index(2)), clients.clone()];
    assert_eq!(cuts("halves: [a, b, c, users]").0, both(first, second));
    let opposite = |left: Member, right: Member| both(vec![left], vec![right]);
    let ring =
        [opposite(node(0, index(0)), node(1, all)), opposite(node(0, index(1)), node(2, all))].concat();
    assert_eq!(cuts("ring: [a/1, a/2, b, c]").0, ring);
    assert_eq!(cuts("bridge: {left: [a], right: [b], bridge: [c]}").0, opposite(node(0, all), node(1, all)));
}

#[test]
fn an_extra_hop_is_a_service_with_four_links() {
    let plan = plan(LARGE);
    let proxy = service(&plan, "proxy");
    assert_eq!(proxy.hop_of.map(|entry| plan.timeline[entry.index()].id.as_str()), Some("hop"));
    assert_eq!((proxy.workers, proxy.operations.len()), (8, 3));
    let Action::ExtraHop { links, .. } = &entry(&plan, "hop").action else { panic!("a hop") };
    assert_eq!(
        link_names(&plan, links),
        ["checkout -> proxy", "proxy -> db", "db -> proxy", "proxy -> checkout"]
    );
    let way_on = &plan.links[links[1].index()];
    assert_eq!(
        (way_on.latency.clone(), way_on.loss_ppm),
        (Distribution::Constant(Span::from_millis(2)), 10_000)
    );
}

#[test]
fn entries_may_wait_for_entries_below_them() {
    let plan = plan(&completed(
        "timeline:
  - {id: b, after: a.end + 5s, for: 1s, fault: {pause: {service: api}}}
  - {id: a, at: 10s, for: 2s, fault: {pause: {service: api}}}
",
    ));
    let edge = EntryEdge { entry: EntryId(1), phase: Phase::End };
    assert_eq!(entry(&plan, "b").trigger, Trigger::After(edge, Span::from_secs(5)));
}

#[test]
fn the_digest_knows_what_influences_a_run() {
    let digest = |text: &str| plan(text).digest;
    let base = digest(CASCADE);
    let same = [
        ("seed: 42", "seed: 43"),
        ("name: checkout-config-cascade", "name: other"),
        ("Logs stay clean", "Logs are full"),
        ("verdict: fail, failing: [p99], ", ""),
        ("version: 1\n", "version: 1\nx-note: more\n"),
        ("drain: 10s}", "drain: 10s}   # a comment"),
        ("{at: 60s, id: deploy-v42,", "{id: deploy-v42, at: 60s,"),
    ];
    for (old, new) in same {
        assert!(CASCADE.contains(old), "{old}");
        assert_eq!(digest(&CASCADE.replace(old, new)), base, "{new}");
    }
    for (old, new) in [("rate: 200/s", "rate: 201/s"), ("drain: 10s", "drain: 11s"), ("sd: 80us", "sd: 81us")]
    {
        assert_ne!(digest(&CASCADE.replace(old, new)), base, "{new}");
    }
}

#[test]
fn the_digest_knows_what_a_trace_holds() {
    use super::super::{Files, Source, compile};
    struct One(&'static str);
    impl Files for One {
        fn read(&self, _: &str) -> Result<String, String> {
            Ok(self.0.to_string())
        }
    }
    let text = completed("load: [{name: users, to: api, arrivals: {trace: t.txt}}]\n");
    let digest = |trace| {
        let source = Source { name: "case.yaml", text: text.as_bytes() };
        compile(source, &One(trace), &super::FewKinds).unwrap().plan.digest
    };
    assert_eq!(digest("1s buy\n"), digest("# same\n1000ms  buy\n"));
    for other in ["1s buy 3\n", "1s\n", "2s buy\n", "1s sell\n", ""] {
        assert_ne!(digest("1s buy\n"), digest(other), "{other:?}");
    }
}

#[test]
fn flags_become_bits_of_a_request_and_gates_of_calls() {
    let plan = plan(FLAGS);
    let shop = service(&plan, "shop");
    let flags = shop.flags.as_ref().unwrap();
    // In the order in which something depends on them, each with its position at the server.
    let uses = [("new-page", 0, false), ("old-page", 1, true)].map(|(name, flag, default_on)| FlagUse {
        flag,
        name: name.to_string(),
        default_on,
    });
    assert_eq!(flags.uses, uses);
    let gates: Vec<_> = shop.steps.iter().flat_map(|step| &step.branches).map(|branch| branch.gate).collect();
    let gate = |position, on| Some(FlagGate { position, on });
    assert_eq!(gates, [gate(0, false), None, gate(1, true)]);
    assert_eq!(flags.costs.len(), 1);
    assert_eq!(
        (flags.costs[0].gate, flags.boot),
        (FlagGate { position: 0, on: true }, BootPolicy::Bootstrap)
    );
    assert_eq!(
        flags.node,
        NodeConfig {
            poll_interval: Span::from_secs(10),
            poll_jitter: Span::from_secs(1),
            fetch_timeout: Span::from_secs(2),
            stale_after: Span::from_secs(40),
            streaming: false,
            offline: Offline::CallersDefault,
            seed: 0,
        }
    );
    assert_eq!(link_names(&plan, &[flags.ask_link, flags.answer_link]), ["shop -> flags", "flags -> shop"]);
    assert_eq!(service(&plan, "flags").serves_flags, ["new-page", "old-page"]);

    let cart = service(&plan, "cart").flags.as_ref().unwrap();
    assert_eq!((cart.boot, cart.node.offline), (BootPolicy::LastKnownGood, Offline::LastKnownGood));
    assert!(cart.node.streaming && cart.node.stale_after == Span::from_secs(15));

    let change = |rollout_percent, enabled, flag: &str| {
        Action::Flag(FlagChange { server: flags.from, flag: flag.to_string(), rollout_percent, enabled })
    };
    assert_eq!(entry(&plan, "more").action, change(Some(20), None, "new-page"));
    assert_eq!(entry(&plan, "none").action, change(None, Some(false), "old-page"));
}

#[test]
fn a_gate_is_open_for_one_answer_and_shut_for_the_other() {
    for position in [0, 5, 63] {
        for on in [false, true] {
            let gate = FlagGate { position, on };
            assert_eq!((gate.is_open(0), gate.is_open(1 << position)), (!on, on));
            assert_eq!(gate.is_open(!(1 << position)), !on);
        }
    }
}

#[test]
fn a_service_follows_a_server_as_it_is_written() {
    use foreshock_systems::config_manager::{Apply, OnStoreDown, Transport, Value};
    let plan = plan(CONFIGS);
    let client = service(&plan, "api").config_client.as_ref().unwrap();
    let edge = &plan.edges[client.edge.index()];
    assert_eq!(edge.name, "api -> config");
    assert_eq!(edge.policy.timeout, Some(Span::from_secs(22)), "as long as a poll may take");
    let config = &client.client;
    let poll = Transport::Poll { hold: Span::from_secs(20), pause: Span::from_secs(1) };
    assert_eq!((config.transport, config.apply), (poll, Apply::Immediately));
    assert_eq!(config.on_store_down, OnStoreDown::FailFastAtBoot);
    assert_eq!(config.view.scopes[0].as_str(), "shop/default/application");
    assert_eq!(client.defaults, [("slowdown".to_string(), Value::Integer(1_000))]);
    assert!(!client.is_cached);
    let Action::Publish(publish) = &entry(&plan, "gray").action else { panic!("it is a release") };
    assert_eq!(publish.set, [("slowdown".to_string(), Value::Integer(2_000))]);
    let rule = publish.canary.as_ref().unwrap();
    assert_eq!((rule.share_ppm, rule.reaches("api/2")), (100_000, true));
}
