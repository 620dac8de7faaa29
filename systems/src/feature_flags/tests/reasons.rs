//! Why a flag has its value; constraints that cannot be judged; operators and strategies of one's own.

use super::{rules, rules_with, user};
use crate::feature_flags::definition::{ConstraintDefinition, StrategyDefinition};
use crate::feature_flags::{
    Activation, Context, Engine, ErrorKind, FlagConfig, MissingSticky, Operator, Reason, Resolved,
    StaleFlags, Strategy, Test, UnjudgedInverted,
};
use serde_json::{Value, json};
use std::sync::Arc;

fn strategy(constraints: Value) -> Value {
    json!({"name": "default", "id": "r1", "constraints": constraints})
}

#[test]
fn every_answer_has_its_reason() {
    let never = json!([{"contextName": "userId", "operator": "IN", "values": []}]);
    let features = json!([
        {"name": "off", "enabled": false},
        {"name": "static", "enabled": true},
        {"name": "targeted", "enabled": true, "strategies": [strategy(never.clone()), strategy(json!([]))]},
        {"name": "default", "enabled": true, "strategies": [strategy(never)]},
        {"name": "all", "enabled": true, "strategies": [{"name": "flexibleRollout", "parameters": {"rollout": "100"}}]},
        {"name": "some", "enabled": true, "strategies": [{"name": "flexibleRollout", "parameters": {"rollout": 99}}]},
        {"name": "drawn", "enabled": true, "variants": [{"name": "a", "weight": 1}, {"name": "b", "weight": 1}]},
        {"name": "single", "enabled": true, "variants": [{"name": "a", "weight": 1}, {"name": "b", "weight": 0}]},
        {"name": "child", "enabled": true, "dependencies": [{"feature": "off"}]},
        {"name": "unreadable", "enabled": "perhaps"},
    ]);
    let rules = rules(&features);
    for (flag, on, reason, rule) in [
        ("off", false, Reason::Disabled, None),
        ("static", true, Reason::Static, None),
        ("targeted", true, Reason::TargetingMatch, Some(1)),
        ("default", false, Reason::Default, None),
        ("all", true, Reason::TargetingMatch, Some(0)),
        ("some", true, Reason::Split, Some(0)),
        ("drawn", true, Reason::Split, None),
        ("single", true, Reason::Static, None),
        ("child", false, Reason::PrerequisiteFailed, None),
        ("unreadable", false, Reason::Error(ErrorKind::ParseError), None),
        ("missing", false, Reason::Error(ErrorKind::FlagNotFound), None),
    ] {
        let detail = rules.evaluate(flag, &user("ann"));
        assert_eq!((detail.on, detail.reason, detail.rule_index), (on, reason, rule), "{flag}");
        assert_eq!(detail.is_on(true), on || detail.error_kind().is_some(), "{flag}");
    }
    assert_eq!(rules.evaluate("targeted", &user("ann")).rule_id, Some("r1"));
    let empty = Engine::new(FlagConfig::default()).empty();
    assert_eq!(empty.evaluate("f", &user("ann")).error_kind(), Some(ErrorKind::ProviderNotReady));
    assert_eq!(rules.problems().len(), 1, "{:?}", rules.problems());
}

#[test]
fn a_value_of_another_type_is_the_callers_default_and_an_error() {
    let variant = |name: &str, kind: &str, value: &str| {
        json!({"name": name, "enabled": true,
            "variants": [{"name": "v", "weight": 1, "payload": {"type": kind, "value": value}}]})
    };
    let rules = rules(&json!([
        variant("text", "string", "blue"),
        variant("list", "csv", "a, b"),
        variant("number", "number", "1.5"),
        variant("json", "json", "{\"a\":1}"),
        variant("broken", "number", "many"),
        {"name": "off", "enabled": false},
    ]));
    let ann = user("ann");
    let mismatch = Reason::Error(ErrorKind::TypeMismatch);
    let detail = |flag| rules.evaluate(flag, &ann);
    assert_eq!(detail("text").string("red"), Resolved { value: "blue", reason: Reason::Static });
    assert_eq!(detail("text").number(7.0), Resolved { value: 7.0, reason: mismatch });
    assert_eq!(detail("number").number(7.0), Resolved { value: 1.5, reason: Reason::Static });
    assert_eq!(detail("number").string("red"), Resolved { value: "red", reason: mismatch });
    assert_eq!(detail("json").json(&Value::Null).value, &json!({"a": 1}));
    assert_eq!(detail("broken").number(7.0), Resolved { value: 7.0, reason: mismatch });
    assert_eq!(detail("off").string("red"), Resolved { value: "red", reason: Reason::Disabled });
    let list = detail("list").variant.and_then(|variant| variant.payload()?.csv());
    assert_eq!(list.expect("a list").collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(rules.problems().len(), 1, "{:?}", rules.problems());
}

#[test]
fn what_cannot_be_judged_holds_for_nobody_inverted_or_not() {
    let constraint = |operator: &str, operand: &str, inverted: bool| {
        json!([{"name": "f", "enabled": true, "strategies": [strategy(json!([{"contextName": "x",
            "operator": operator, "value": operand, "values": [operand], "inverted": inverted}]))]}])
    };
    let holds = |operator, operand, inverted, value: Option<&str>| {
        let properties: Vec<_> = value.map(|value| ("x", value)).into_iter().collect();
        let context = Context { properties: &properties, ..Context::default() };
        rules(&constraint(operator, operand, inverted)).is_enabled("f", &context)
    };
    for (operator, operand, value) in [
        ("NUM_EQ", "1", Some("one")),
        ("NUM_EQ", "one", Some("1")),
        ("NUM_GT", "1", None),
        ("NUM_LT", "1", Some("NaN")),
        ("NUM_LT", "inf", Some("1")),
        ("DATE_AFTER", "2022-01-29T13:00:00Z", Some("yesterday")),
        ("DATE_BEFORE", "yesterday", Some("2022-01-29T13:00:00Z")),
        ("SEMVER_EQ", "1.0", Some("1.0.0")),
        ("SEMVER_EQ", "1.0.0", Some("v1.0.0")),
        ("REGEX", "(a", Some("a")),
        ("REGEX", "a{1000}{1000}{1000}", Some("a")),
        ("IN_CIDR", "nowhere", Some("10.0.0.1")),
        ("STR_CONTAINS", "a", None),
        ("NO_SUCH_OPERATOR", "a", Some("a")),
    ] {
        for inverted in [false, true] {
            assert!(!holds(operator, operand, inverted, value), "{operator} {operand} {inverted} {value:?}");
        }
    }
    // Whether somebody without the value is in a set is known.
    assert!(
        holds("IN", "a", true, None)
            && !holds("NOT_IN", "a", true, None)
            && holds("NOT_IN", "a", false, None)
    );
}

#[test]
fn policies_of_other_vendors_can_be_chosen() {
    let not_one = |operand: &str| json!([{"contextName": "x", "operator": "NUM_EQ", "value": operand, "inverted": true}]);
    let features = json!([
        {"name": "not-one", "enabled": true, "strategies": [strategy(not_one("1"))]},
        {"name": "broken", "enabled": true, "strategies": [strategy(not_one("one"))]},
        {"name": "tenants", "enabled": true, "strategies": [{"name": "flexibleRollout",
            "parameters": {"rollout": "100", "stickiness": "tenant", "groupId": "g"}}]},
        {"name": "old", "enabled": true, "stale": true},
    ]);
    let unleash = rules(&features);
    assert!(!unleash.is_enabled("tenants", &user("ann")) && unleash.is_enabled("old", &user("ann")));
    let config = FlagConfig {
        missing_sticky: MissingSticky::Default,
        stale_flags: StaleFlags::CallersDefault,
        unjudged_inverted: UnjudgedInverted::Holds,
        ..FlagConfig::default()
    };
    let other = rules_with(config, &features);
    assert!(other.is_enabled("tenants", &user("ann")));
    assert!(!unleash.is_enabled("not-one", &user("ann")) && other.is_enabled("not-one", &user("ann")));
    assert!(!unleash.is_enabled("broken", &user("ann")) && !other.is_enabled("broken", &user("ann")));
    let old = other.evaluate("old", &user("ann"));
    assert!(!old.is_on(false) && old.is_on(true));
}

/// Divisible by the operand.
#[derive(Debug)]
struct Divisible;

#[derive(Debug)]
struct By(u64);

impl Operator for Divisible {
    fn prepare(&self, constraint: &ConstraintDefinition) -> Result<Box<dyn Test>, String> {
        match constraint.value.parse() {
            Ok(0) | Err(_) => Err(format!("`{}` divides nothing", constraint.value)),
            Ok(divisor) => Ok(Box::new(By(divisor))),
        }
    }
}

impl Test for By {
    fn holds(&self, value: Option<&str>) -> Option<bool> {
        Some(value?.parse::<u64>().ok()?.is_multiple_of(self.0))
    }
}

/// On when the random word is small.
#[derive(Debug)]
struct Rarely;

impl Strategy for Rarely {
    fn prepare(&self, _flag: &str, definition: &StrategyDefinition) -> Result<Box<dyn Activation>, String> {
        let below =
            definition.parameters.get("below").and_then(|text| text.parse().ok()).ok_or("no `below`")?;
        Ok(Box::new(Below(below)))
    }
}

#[derive(Debug)]
struct Below(u64);

impl Activation for Below {
    fn is_active(&self, context: &Context<'_>) -> bool {
        context.random_word < self.0
    }
}

#[test]
fn operators_and_strategies_of_ones_own_stand_beside_the_built_in_ones() {
    let features = json!({"features": [
        {"name": "even", "enabled": true, "strategies": [strategy(json!([
            {"contextName": "userId", "operator": "DIVISIBLE", "value": "2"}]))]},
        {"name": "odd", "enabled": true, "strategies": [strategy(json!([
            {"contextName": "userId", "operator": "DIVISIBLE", "value": "2", "inverted": true}]))]},
        {"name": "broken", "enabled": true, "strategies": [strategy(json!([
            {"contextName": "userId", "operator": "DIVISIBLE", "value": "0", "inverted": true}]))]},
        {"name": "rare", "enabled": true, "strategies": [{"name": "rarely", "parameters": {"below": 3}}]},
    ]});
    let engine = Engine::new(FlagConfig::default())
        .with_operator("DIVISIBLE", Arc::new(Divisible))
        .with_strategy("rarely", Arc::new(Rarely));
    let rules = engine.load(1, &features.to_string()).expect("a state");
    let on = |flag, id| rules.is_enabled(flag, &user(id));
    assert!(on("even", "4") && !on("even", "5") && on("odd", "5") && !on("odd", "4"));
    assert!(!on("even", "ann") && !on("odd", "ann") && !on("broken", "5"));
    assert_eq!(rules.problems().len(), 1, "{:?}", rules.problems());
    let drawn = |random_word| rules.is_enabled("rare", &Context { random_word, ..Context::default() });
    assert!(drawn(2) && !drawn(3));
}

#[test]
fn a_kill_switch_outlasts_every_later_state() {
    let features = json!([{"name": "f", "enabled": true}]);
    let killed = rules(&features).with_kill_switch("f", true);
    assert_eq!(killed.evaluate("f", &user("ann")).reason, Reason::Disabled);
    let state = serde_json::from_value(json!({ "features": features })).expect("a state");
    let later = killed.with_state(2, &state);
    assert!(!later.is_enabled("f", &user("ann")));
    assert!(later.with_kill_switch("f", false).is_enabled("f", &user("ann")));
}

#[test]
fn disabled_rules_are_passed_over_and_the_order_is_the_one_that_is_said() {
    let rule = |id: &str, order: i64, disabled: bool| json!({"name": "default", "id": id, "sortOrder": order, "disabled": disabled});
    let rules = rules(&json!([{"name": "f", "enabled": true,
        "strategies": [rule("late", 2, false), rule("off", 0, true), rule("early", 1, false)]}]));
    assert_eq!(rules.evaluate("f", &user("ann")).rule_id, Some("early"));
}
