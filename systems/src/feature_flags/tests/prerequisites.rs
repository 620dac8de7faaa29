//! Flags that wait for flags: one level or chains, with cycles that end.

use super::{rules, rules_with, user};
use crate::feature_flags::definition::{DependencyDefinition, FlagDefinition, State};
use crate::feature_flags::{
    Engine, ErrorKind, FlagConfig, MOST_PREREQUISITES, Prerequisites, Reason, RuleSet,
};
use proptest::prelude::*;
use serde_json::json;

fn chains() -> FlagConfig {
    FlagConfig { prerequisites: Prerequisites::Chains, ..FlagConfig::default() }
}

/// Flags by number, each on and waiting for others by their numbers.
fn graph(config: FlagConfig, parents: &[Vec<usize>]) -> RuleSet {
    let flag = |(index, parents): (usize, &Vec<usize>)| FlagDefinition {
        name: index.to_string(),
        enabled: true,
        dependencies: parents
            .iter()
            .map(|parent| DependencyDefinition {
                feature: parent.to_string(),
                ..DependencyDefinition::default()
            })
            .collect(),
        ..FlagDefinition::default()
    };
    let features = parents.iter().enumerate().map(flag).map(Into::into).collect();
    Engine::new(config).empty().with_state(1, &State { features, segments: vec![] })
}

fn reason(rules: &RuleSet, flag: usize) -> Reason {
    rules.evaluate(&flag.to_string(), &user("ann")).reason
}

#[test]
fn with_one_level_a_grandchild_is_off_and_with_chains_it_is_on() {
    let parents = [vec![], vec![0], vec![1]];
    assert_eq!(reason(&graph(FlagConfig::default(), &parents), 2), Reason::PrerequisiteFailed);
    assert_eq!(reason(&graph(chains(), &parents), 2), Reason::Static);
}

#[test]
fn a_flag_on_a_cycle_is_malformed_and_one_that_waits_for_it_is_only_off() {
    for config in [FlagConfig::default(), chains()] {
        let rules = graph(config, &[vec![1], vec![0], vec![0], vec![3]]);
        for on_cycle in [0, 1, 3] {
            assert_eq!(reason(&rules, on_cycle), Reason::Error(ErrorKind::MalformedFlag));
        }
        assert_eq!(reason(&rules, 2), Reason::PrerequisiteFailed);
        assert_eq!(rules.problems().len(), 3);
    }
}

#[test]
fn chains_end_at_their_longest_and_wide_ones_at_their_widest() {
    let chain: Vec<_> =
        (0..100_000usize).map(|index| index.checked_sub(1).into_iter().collect::<Vec<_>>()).collect();
    let rules = graph(chains(), &chain);
    assert_eq!(reason(&rules, MOST_PREREQUISITES as usize), Reason::Static);
    assert_ne!(reason(&rules, MOST_PREREQUISITES as usize + 1), Reason::Static);
    assert_ne!(reason(&rules, 99_999), Reason::Static);
    // Each asks the one before it four times: 4^12 questions if nobody counted.
    let wide: Vec<_> =
        (0..13usize).map(|index| vec![index.wrapping_sub(1); if index == 0 { 0 } else { 4 }]).collect();
    assert_ne!(reason(&graph(chains(), &wide), 12), Reason::Static);
}

#[test]
fn a_child_waits_for_its_parent_to_be_on_off_or_to_have_a_variant() {
    let parent = |variants: serde_json::Value, enabled: bool| json!({"name": "parent", "enabled": enabled, "variants": variants});
    let blue = json!([{"name": "blue", "weight": 1}]);
    for (parent, dependency, on) in [
        (parent(json!([]), true), json!({"feature": "parent"}), true),
        (parent(json!([]), false), json!({"feature": "parent"}), false),
        (parent(json!([]), false), json!({"feature": "parent", "enabled": false}), true),
        (parent(blue.clone(), true), json!({"feature": "parent", "variants": ["blue"]}), true),
        (parent(blue, true), json!({"feature": "parent", "variants": ["red"]}), false),
        (parent(json!([]), true), json!({"feature": "parent", "variants": ["disabled"]}), true),
        (parent(json!([]), true), json!({"feature": "nowhere"}), false),
    ] {
        let child = json!({"name": "child", "enabled": true, "dependencies": [dependency]});
        assert_eq!(
            rules(&json!([parent, child])).is_enabled("child", &user("ann")),
            on,
            "{child} of {parent}"
        );
    }
}

#[test]
fn a_segment_that_has_itself_holds_for_nobody_and_ends() {
    let features =
        json!([{"name": "f", "enabled": true, "strategies": [{"name": "default", "segments": [1]}]}]);
    let with = |segments: serde_json::Value| {
        let text = json!({"features": features, "segments": segments}).to_string();
        Engine::new(FlagConfig::default()).load(1, &text).expect("a state").is_enabled("f", &user("ann"))
    };
    assert!(with(json!([{"id": 1, "segments": [2]}, {"id": 2}])));
    assert!(!with(json!([{"id": 1, "segments": [2]}])), "the second is missing");
    assert!(!with(json!([{"id": 1, "segments": [1, 1, 1, 1]}])));
    assert!(!with(json!([{"id": 1, "segments": [2, 2]}, {"id": 2, "segments": [1, 1]}])));
}

/// The second implementation follows every path.
fn can_reach(parents: &[Vec<usize>], from: usize, to: usize, seen: &mut Vec<usize>) -> bool {
    parents[from].iter().any(|next| {
        *next == to
            || (!seen.contains(next) && {
                seen.push(*next);
                can_reach(parents, *next, to, seen)
            })
    })
}

proptest! {
    #[test]
    fn exactly_those_who_can_reach_themselves_are_malformed(
        parents in prop::collection::vec(prop::collection::vec(0usize..7, 0..3), 7)
    ) {
        for config in [FlagConfig::default(), chains()] {
            let rules = graph(config, &parents);
            for flag in 0..parents.len() {
                let malformed = reason(&rules, flag) == Reason::Error(ErrorKind::MalformedFlag);
                prop_assert_eq!(malformed, can_reach(&parents, flag, flag, &mut vec![]), "flag {}", flag);
            }
        }
    }
}

#[test]
fn what_chains_depend_on_can_be_taken_from_json() {
    let features = json!([
        {"name": "a", "enabled": true},
        {"name": "b", "enabled": true, "dependencies": [{"feature": "a"}]},
        {"name": "c", "enabled": true, "dependencies": [{"feature": "b"}]},
    ]);
    assert!(rules_with(chains(), &features).is_enabled("c", &user("ann")));
}
