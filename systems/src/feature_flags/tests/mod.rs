//! What flags promise, as stories and as laws; for each law a broken variant that it catches.

mod control; // nodes and the control plane over a network that loses, doubles and reorders
mod growthbook; // conditions, and sticky buckets across a crash
mod laws; // shares, monotone rollouts, independence, moved boundaries
mod oracle; // the same rules, read each time from their definitions
mod prerequisites; // flags that wait for flags
mod reasons; // why a flag has its value; constraints that cannot be judged
mod sharing; // threads, exposures

use super::definition::{FlagDefinition, State, StrategyDefinition};
use super::{Context, Engine, FlagConfig, RuleSet};
use serde_json::{Value, json};

/// Flags from JSON, at revision 1.
fn rules_with(config: FlagConfig, features: &Value) -> RuleSet {
    Engine::new(config).load(1, &json!({ "features": features }).to_string()).expect("a state")
}

fn rules(features: &Value) -> RuleSet {
    rules_with(FlagConfig::default(), features)
}

/// One flag of the name `f` with these rules.
fn one_flag(strategies: Vec<StrategyDefinition>) -> RuleSet {
    let flag = FlagDefinition { name: "f".into(), enabled: true, strategies, ..FlagDefinition::default() };
    state_of(vec![flag])
}

fn state_of(flags: Vec<FlagDefinition>) -> RuleSet {
    let state = State { features: flags.into_iter().map(Into::into).collect(), segments: Vec::new() };
    Engine::new(FlagConfig::default()).empty().with_state(1, &state)
}

fn flexible(percent: u32, group: &str) -> StrategyDefinition {
    StrategyDefinition {
        name: "flexibleRollout".into(),
        parameters: [("rollout", percent.to_string().as_str()), ("groupId", group), ("stickiness", "userId")]
            .into(),
        ..StrategyDefinition::default()
    }
}

fn user(id: &str) -> Context<'_> {
    Context { user_id: Some(id), ..Context::default() }
}
