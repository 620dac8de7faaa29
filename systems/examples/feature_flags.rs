//! A shop under the real clock: a control plane raises a rollout step by step, two nodes keep up by polling, the network
//! between one of them and the control plane is cut for a while. Prints who sees what, and the exposures.
//! `cargo run --package foreshock-systems --example feature_flags`

#![allow(clippy::print_stdout, reason = "an example talks to a person")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "an example runs under the real clock"
)]

use foreshock_systems::feature_flags::definition::{Change, FlagDefinition, StrategyDefinition};
use foreshock_systems::feature_flags::{
    Context, ControlPlane, Engine, Exposures, FlagConfig, Input, Node, NodeConfig, Output,
};
use foreshock_systems::{Span, Time};
use std::time::{Duration, Instant};

const RUN: Span = Span::from_millis(1_500);
const USERS: u32 = 1_000;

/// The new checkout, for so many percent of the users.
fn rollout(percent: u32) -> Change {
    let strategy = StrategyDefinition {
        name: "flexibleRollout".into(),
        parameters: [("rollout", percent.to_string().as_str()), ("groupId", "checkout")].into(),
        ..StrategyDefinition::default()
    };
    let flag = FlagDefinition {
        name: "new-checkout".into(),
        enabled: true,
        strategies: vec![strategy],
        ..FlagDefinition::default()
    };
    Change::FeatureUpdated { feature: flag.into() }
}

/// Carries a node's questions to the control plane, unless the network is cut.
fn carry(now: Time, name: &str, node: &mut Node, control: &ControlPlane, out: &mut Vec<Output>, cut: bool) {
    for output in std::mem::take(out) {
        match output {
            Output::Fetch { have } => {
                let answer = if cut { Input::FetchFailed } else { control.answer(have) };
                if let Err(rejected) = node.handle(now, answer, out) {
                    println!("{now}  {name}: {rejected}");
                }
            }
            Output::StatusChanged { from, to } => println!("{now}  {name}: {from:?} -> {to:?}"),
            Output::ConfigurationChanged { from, to } => println!("{now}  {name}: revision {from} -> {to}"),
            Output::OpenStream { .. } => {}
        }
    }
    if !out.is_empty() {
        carry(now, name, node, control, out, cut);
    }
}

fn main() {
    let config = NodeConfig {
        poll_interval: Span::from_millis(50),
        poll_jitter: Span::from_millis(20),
        fetch_timeout: Span::from_millis(30),
        stale_after: Span::from_millis(150),
        ..NodeConfig::default()
    };
    config.validate().expect("it can be meant");
    let start = Instant::now();
    let now = || Time::from_nanos(start.elapsed().as_nanos() as u64);

    let mut control = ControlPlane::new(100);
    control.publish(now(), "ann", rollout(10));
    for (ms, percent) in [(400, 20), (800, 50), (1_200, 0)] {
        control.schedule(Time::ZERO + Span::from_millis(ms), "ann", rollout(percent));
    }
    let empty = Engine::new(FlagConfig::default()).empty();
    let mut nodes =
        [1, 2].map(|seed| (format!("node {seed}"), Node::new(NodeConfig { seed, ..config }, empty.clone())));
    let (mut exposures, mut out) = (Exposures::new(), Vec::new());
    for (name, node) in &mut nodes {
        node.handle(now(), Input::Start, &mut out).expect("it can begin");
        carry(now(), name, node, &control, &mut out, false);
    }
    while now() < Time::ZERO + RUN {
        let at = now();
        if !control.expire(at).is_empty() {
            let change = control.audit().last().expect("something was changed");
            println!("{at}  {} made revision {}", change.author, change.revision);
        }
        for (index, (name, node)) in nodes.iter_mut().enumerate() {
            let cut = index == 1 && (300..700).contains(&(at.as_micros() / 1_000));
            node.expire(at, &mut out);
            carry(at, name, node, &control, &mut out, cut);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    for (name, node) in &nodes {
        // One request keeps one revision; here one that asks for all users.
        let rules = node.rules();
        let on = (0..USERS).filter(|id| {
            let id = id.to_string();
            let detail =
                rules.evaluate("new-checkout", &Context { user_id: Some(&id), ..Context::default() });
            exposures.record(&detail);
            detail.on
        });
        println!("{name}: {} of {USERS} have the new checkout at revision {}", on.count(), rules.revision());
    }
    for (revision, flag, exposure) in exposures.drain() {
        println!("revision {revision}, {flag}: {} yes, {} no", exposure.yes, exposure.no);
    }
}
