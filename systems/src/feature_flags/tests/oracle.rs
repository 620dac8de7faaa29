//! A second implementation that reads the definitions for each question, copies every text and knows no shortcut. Both
//! answer alike for any flags and any context.

use crate::feature_flags::definition::{
    ConstraintDefinition, FlagDefinition, SegmentDefinition, State, StrategyDefinition,
};
use crate::feature_flags::{Context, Engine, Field, FlagConfig, Reason};
use proptest::prelude::*;

/// Which rule turns the flag on; an index past the end if it is on without any.
fn rule_that_matches(
    flag: &FlagDefinition,
    segments: &[SegmentDefinition],
    context: &Context<'_>,
) -> Option<usize> {
    if !flag.enabled {
        return None;
    }
    if flag.strategies.is_empty() {
        return Some(0);
    }
    flag.strategies.iter().position(|strategy| {
        let of_segments =
            strategy.segments.iter().map(|id| segments.iter().find(|segment| segment.id == *id));
        let mut all = strategy.constraints.clone();
        for segment in of_segments {
            match segment {
                Some(segment) => all.extend(segment.constraints.clone()),
                None => return false,
            }
        }
        all.iter().all(|constraint| constraint_holds(constraint, context))
            && strategy_holds(strategy, context)
    })
}

fn strategy_holds(strategy: &StrategyDefinition, context: &Context<'_>) -> bool {
    match strategy.name.as_str() {
        "default" => true,
        "userWithId" => {
            let wanted = strategy.parameters.get("userIds").unwrap_or("").to_string();
            let user = context.user_id.map(str::to_string);
            wanted.split(',').any(|id| user.as_deref() == Some(id.trim()) && !id.trim().is_empty())
        }
        _ => false,
    }
}

fn constraint_holds(constraint: &ConstraintDefinition, context: &Context<'_>) -> bool {
    let value = context.value(&Field::named(&constraint.context_name)).map(str::to_string);
    let lower = |text: &String| if constraint.case_insensitive { text.to_lowercase() } else { text.clone() };
    let is_in = value.as_ref().is_some_and(|value| constraint.values.contains(value));
    let among = |holds: &dyn Fn(&String, &String) -> bool| {
        let value = lower(value.as_ref()?);
        Some(constraint.values.iter().any(|operand| holds(&value, &lower(operand))))
    };
    let numbers = |holds: &dyn Fn(f64, f64) -> bool| {
        let operand: f64 = constraint.value.parse().ok()?;
        Some(holds(value.as_ref()?.parse().ok()?, operand))
    };
    let verdict = match constraint.operator.as_str() {
        "IN" => Some(is_in),
        "NOT_IN" => Some(!is_in),
        "STR_STARTS_WITH" => among(&|value, operand| value.starts_with(operand.as_str())),
        "STR_ENDS_WITH" => among(&|value, operand| value.ends_with(operand.as_str())),
        "STR_CONTAINS" => among(&|value, operand| value.contains(operand.as_str())),
        "NUM_EQ" => numbers(&|value, operand| value == operand),
        "NUM_GT" => numbers(&|value, operand| value > operand),
        "NUM_GTE" => numbers(&|value, operand| value >= operand),
        "NUM_LT" => numbers(&|value, operand| value < operand),
        "NUM_LTE" => numbers(&|value, operand| value <= operand),
        _ => None,
    };
    verdict.is_some_and(|verdict| verdict != constraint.inverted)
}

const OPERATORS: [&str; 11] = [
    "IN",
    "NOT_IN",
    "STR_STARTS_WITH",
    "STR_ENDS_WITH",
    "STR_CONTAINS",
    "NUM_EQ",
    "NUM_GT",
    "NUM_GTE",
    "NUM_LT",
    "NUM_LTE",
    "NO_SUCH_OPERATOR",
];

fn values() -> impl Strategy<Value = String> {
    prop_oneof!["[abAB]{0,2}", "[0-3](\\.5)?", Just("x".to_string())]
}

fn constraints() -> impl Strategy<Value = Vec<ConstraintDefinition>> {
    let constraint = (
        prop::sample::select(&["userId", "environment", "plan", "age"][..]),
        prop::sample::select(&OPERATORS[..]),
        values(),
        prop::collection::vec(values(), 0..3),
        any::<bool>(),
        any::<bool>(),
    );
    let constraint = constraint.prop_map(|(name, operator, value, values, inverted, case_insensitive)| {
        ConstraintDefinition {
            context_name: name.into(),
            operator: operator.into(),
            value,
            values,
            inverted,
            case_insensitive,
        }
    });
    prop::collection::vec(constraint, 0..3)
}

fn strategies() -> impl Strategy<Value = Vec<StrategyDefinition>> {
    let name = prop::sample::select(&["default", "userWithId", "noSuchStrategy"][..]);
    let strategy = (name, constraints(), prop::collection::vec(0i64..3, 0..2), "[abx ,]{0,5}");
    let strategy = strategy.prop_map(|(name, constraints, segments, users)| StrategyDefinition {
        name: name.into(),
        constraints,
        segments,
        parameters: [("userIds", users.as_str())].into(),
        ..StrategyDefinition::default()
    });
    prop::collection::vec(strategy, 0..4)
}

proptest! {
    #[test]
    fn the_rules_answer_as_their_definitions_read(
        enabled in prop::bool::weighted(0.9),
        strategies in strategies(),
        of_segments in prop::collection::vec(constraints(), 0..3),
        user in prop::option::of(values()),
        environment in prop::option::of(values()),
        plan in prop::option::of(values()),
        age in prop::option::of(values())
    ) {
        let flag = FlagDefinition { name: "f".into(), enabled, strategies, ..FlagDefinition::default() };
        let segments: Vec<_> = of_segments
            .into_iter()
            .enumerate()
            .map(|(id, constraints)| SegmentDefinition { id: id as i64, constraints, segments: vec![] })
            .collect();
        let properties: Vec<_> = [("plan", plan.as_deref()), ("age", age.as_deref())]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let context = Context {
            user_id: user.as_deref(),
            environment: environment.as_deref(),
            properties: &properties,
            ..Context::default()
        };
        let expected = rule_that_matches(&flag, &segments, &context);
        let is_static = flag.strategies.is_empty();
        let state = State { features: vec![flag.into()], segments };
        let rules = Engine::new(FlagConfig::default()).empty().with_state(1, &state);
        let detail = rules.evaluate("f", &context);
        prop_assert_eq!(detail.on, expected.is_some());
        prop_assert_eq!(rules.is_enabled("f", &context), detail.on);
        let (index, reason) = match expected {
            _ if !enabled => (None, Reason::Disabled),
            None => (None, Reason::Default),
            Some(_) if is_static => (None, Reason::Static),
            Some(index) => (Some(index as u32), Reason::TargetingMatch),
        };
        prop_assert_eq!((detail.rule_index, detail.reason), (index, reason));
    }

    #[test]
    fn no_state_and_no_context_make_it_panic(json in "\\PC{0,60}", name in "\\PC{0,4}", value in "\\PC{0,8}") {
        let features = format!(
            r#"{{"features":[{json},{{"name":"f","enabled":true,"strategies":[{{"name":"default",
            "constraints":[{{"contextName":"userId","operator":"{name}","value":"{name}","values":["{value}"]}}]}}]}}]}}"#
        );
        for text in [json.as_str(), features.as_str()] {
            if let Ok(rules) = Engine::new(FlagConfig::default()).load(1, text) {
                let context = Context { user_id: Some(&value), properties: &[("a", "b")], ..Context::default() };
                for flag in rules.flags() {
                    let detail = rules.evaluate(flag.name(), &context);
                    prop_assert_eq!(detail.on, rules.is_enabled(flag.name(), &context));
                    prop_assert!(detail.on || detail.string("default").value == "default");
                }
            }
        }
    }
}
