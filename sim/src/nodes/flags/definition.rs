//! Flags as JSON, in Unleash's format: what of a definition can be changed from outside, and what can be said of it
//! without evaluating it. Decides nothing about users.

use serde_json::{Map, Value, json};

use crate::scenario::plan::FlagChange;

/// The parameter that holds the percentage, if it is a strategy that has one.
fn parameter_of(strategy: &Value) -> Option<&'static str> {
    match strategy.get("name").and_then(Value::as_str)? {
        "flexibleRollout" => Some("rollout"),
        "gradualRolloutUserId" | "gradualRolloutSessionId" | "gradualRolloutRandom" => Some("percentage"),
        _ => None,
    }
}

fn strategies(definition: &Value) -> &[Value] {
    definition.get("strategies").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A flag for a share of the users, or for all of them, or switched off.
pub(super) fn simple(name: &str, percent: u32, enabled: bool) -> Value {
    let parameters = json!({"rollout": percent.to_string(), "stickiness": "userId", "groupId": name});
    let strategy = json!({"name": "flexibleRollout", "parameters": parameters});
    json!({"name": name, "enabled": enabled, "strategies": [strategy]})
}

/// Whether there is a percentage that can be changed.
pub(super) fn has_rollout(definition: &Value) -> bool {
    strategies(definition).iter().any(|strategy| parameter_of(strategy).is_some())
}

/// The definition with a change made.
pub(super) fn changed(definition: &mut Value, change: &FlagChange) {
    let Some(flag) = definition.as_object_mut() else { return };
    if let Some(enabled) = change.enabled {
        flag.insert("enabled".to_string(), Value::Bool(enabled));
    }
    let Some(percent) = change.rollout_percent else { return };
    for strategy in flag.get_mut("strategies").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(parameter) = parameter_of(strategy) {
            set_parameter(strategy, parameter, Value::String(percent.to_string()));
        }
    }
}

fn set_parameter(strategy: &mut Value, name: &str, value: Value) {
    let Some(strategy) = strategy.as_object_mut() else { return };
    let parameters = strategy.entry("parameters").or_insert_with(|| Value::Object(Map::new()));
    if let Some(parameters) = parameters.as_object_mut() {
        parameters.insert(name.to_string(), value);
    }
}

/// The percentage, and everything but it: definitions that are alike in the latter differ in nothing else. `None` if
/// not one strategy has the only percentage.
pub(crate) fn percentage(definition: &Value) -> Option<(u32, Value)> {
    let mut with_one = strategies(definition).iter().enumerate().filter_map(|(index, strategy)| {
        let parameter = parameter_of(strategy)?;
        let value = strategy.get("parameters")?.get(parameter)?;
        let percent = match value {
            Value::String(text) => text.trim().parse().ok()?,
            Value::Number(number) => u32::try_from(number.as_u64()?).ok()?,
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((index, parameter, percent))
    });
    let (index, parameter, percent) = with_one.next()?;
    if with_one.next().is_some() {
        return None;
    }
    let mut shape = definition.clone();
    let strategy = shape.get_mut("strategies")?.get_mut(index)?;
    set_parameter(strategy, parameter, Value::Null);
    Some((percent, shape))
}

/// Whether chance decides rather than who asks: the same user may get either answer.
pub(crate) fn is_random(definition: &Value) -> bool {
    strategies(definition).iter().any(|strategy| {
        let name = strategy.get("name").and_then(Value::as_str);
        let stickiness = strategy.get("parameters").and_then(|all| all.get("stickiness"));
        name == Some("gradualRolloutRandom") || stickiness.and_then(Value::as_str) == Some("random")
    })
}

/// Whether other flags or segments have a say in it.
pub(crate) fn depends_on_others(definition: &Value) -> bool {
    let has_any =
        |value: Option<&Value>| value.and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    has_any(definition.get("dependencies"))
        || strategies(definition).iter().any(|strategy| has_any(strategy.get("segments")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::plan::ServiceId;

    fn change(rollout_percent: Option<u32>, enabled: Option<bool>) -> FlagChange {
        FlagChange { server: ServiceId(0), flag: "f".to_string(), rollout_percent, enabled }
    }

    #[test]
    fn a_change_of_the_percentage_changes_nothing_else() {
        let mut flag = simple("f", 10, true);
        let (percent, shape) = percentage(&flag).unwrap();
        changed(&mut flag, &change(Some(25), None));
        assert_eq!((percent, percentage(&flag).unwrap()), (10, (25, shape)));
        changed(&mut flag, &change(None, Some(false)));
        assert_eq!(flag["enabled"], json!(false));
        assert_eq!(percentage(&flag).unwrap().0, 25);
    }

    #[test]
    fn numbers_are_percentages_as_well_and_two_of_them_are_not_one() {
        let strategy =
            |percent: Value| json!({"name": "flexibleRollout", "parameters": {"rollout": percent}});
        let flag = |strategies: Vec<Value>| json!({"name": "f", "strategies": strategies});
        assert_eq!(percentage(&flag(vec![strategy(json!(30))])).unwrap().0, 30);
        assert_eq!(percentage(&flag(vec![strategy(json!("x"))])), None);
        assert_eq!(percentage(&flag(vec![strategy(json!(1)), strategy(json!(2))])), None);
        assert_eq!(percentage(&flag(vec![json!({"name": "default"})])), None);
        assert!(!has_rollout(&flag(vec![json!({"name": "default"})])));
    }

    #[test]
    fn chance_and_others_are_seen_in_a_definition() {
        assert!(!is_random(&simple("f", 10, true)) && !depends_on_others(&simple("f", 10, true)));
        let strategy =
            json!({"name": "flexibleRollout", "parameters": {"stickiness": "random"}, "segments": [3]});
        let flag = json!({"name": "f", "strategies": [strategy]});
        assert!(is_random(&flag) && depends_on_others(&flag));
        assert!(depends_on_others(&json!({"name": "f", "dependencies": [{"feature": "g"}]})));
    }
}
