//! Conditions on attributes: GrowthBook's dialect of MongoDB's query language. Compiled once; to evaluate takes no
//! memory but what a number costs as a text. What cannot be read holds for nobody.

use super::compare::{equal_in_any_case, relational, same_in_any_case, strictly_equal, to_number, versions};
use crate::feature_flags::constraint::pattern;
use regex::Regex;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Saved groups: lists of values by their name.
pub type Groups = BTreeMap<String, Vec<Value>>;

/// A condition, compiled. All of its clauses have to hold.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    clauses: Vec<Clause>,
}

#[derive(Clone, Debug)]
enum Clause {
    Any(Vec<Condition>),
    None(Vec<Condition>),
    All(Vec<Condition>),
    Not(Condition),
    Attribute(Vec<Box<str>>, Expected),
    Never,
}

#[derive(Clone, Debug)]
enum Expected {
    /// Equal, a number and the text of it being the same.
    Like(Value),
    All(Vec<Operator>),
}

#[derive(Clone, Debug)]
enum Operator {
    Version(Relation, Box<str>),
    Equal(Value),
    Ordered(Relation, Value),
    Exists(bool),
    In(List),
    InGroup(Box<str>),
    Not(Box<Expected>),
    Negated(Box<Operator>),
    Size(Box<Expected>),
    AnyElement(Element),
    Every(Vec<Expected>, bool),
    Pattern(Regex),
    Type(Box<str>),
    Never,
}

#[derive(Clone, Debug)]
struct List {
    values: Vec<Value>,
    any_case: bool,
}

#[derive(Clone, Debug)]
enum Element {
    Is(Box<Expected>),
    Has(Condition),
}

#[derive(Clone, Copy, Debug)]
enum Relation {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

impl Relation {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Relation::Less => ordering.is_lt(),
            Relation::LessOrEqual => ordering.is_le(),
            Relation::Equal => ordering.is_eq(),
            Relation::NotEqual => ordering.is_ne(),
            Relation::GreaterOrEqual => ordering.is_ge(),
            Relation::Greater => ordering.is_gt(),
        }
    }
}

/// How deep conditions may be nested; deeper parts hold for nobody.
const MOST_DEPTH: usize = 64;

impl Condition {
    /// Compiles a condition. What in it is unknown or unreadable makes it hold for nobody.
    pub fn compile(condition: &Value) -> Condition {
        Condition::nested(condition, MOST_DEPTH)
    }

    fn nested(condition: &Value, depth: usize) -> Condition {
        let (Value::Object(map), Some(depth)) = (condition, depth.checked_sub(1)) else {
            return Condition { clauses: vec![Clause::Never] };
        };
        let several = |value: &Value| -> Option<Vec<Condition>> {
            Some(value.as_array()?.iter().map(|value| Condition::nested(value, depth)).collect())
        };
        let clauses = map.iter().map(|(key, value)| match key.as_str() {
            "$or" => several(value).map_or(Clause::Never, Clause::Any),
            "$nor" => several(value).map_or(Clause::Never, Clause::None),
            "$and" => several(value).map_or(Clause::Never, Clause::All),
            "$not" => Clause::Not(Condition::nested(value, depth)),
            path => {
                Clause::Attribute(path.split('.').map(Box::from).collect(), Expected::compile(value, depth))
            }
        });
        Condition { clauses: clauses.collect() }
    }

    /// Whether it holds for `attributes`.
    pub fn holds(&self, attributes: &Value, groups: &Groups) -> bool {
        self.clauses.iter().all(|clause| clause.holds(attributes, groups))
    }
}

impl Clause {
    fn holds(&self, attributes: &Value, groups: &Groups) -> bool {
        // No alternative at all counts as one that holds.
        let any = |conditions: &[Condition]| {
            conditions.is_empty() || conditions.iter().any(|condition| condition.holds(attributes, groups))
        };
        match self {
            Clause::Any(conditions) => any(conditions),
            Clause::None(conditions) => !any(conditions),
            Clause::All(conditions) => conditions.iter().all(|condition| condition.holds(attributes, groups)),
            Clause::Not(condition) => !condition.holds(attributes, groups),
            Clause::Attribute(path, expected) => {
                let found = path.iter().try_fold(attributes, |value, key| value.as_object()?.get(&**key));
                expected.holds(found.unwrap_or(&Value::Null), groups, false)
            }
            Clause::Never => false,
        }
    }
}

/// Whether all keys of it are operators, and there is one.
fn operators(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object().filter(|map| !map.is_empty() && map.keys().all(|key| key.starts_with('$')))
}

impl Expected {
    fn compile(value: &Value, depth: usize) -> Expected {
        match (operators(value), depth.checked_sub(1)) {
            (Some(map), Some(depth)) => Expected::All(
                map.iter().map(|(key, operand)| Operator::compile(key, operand, depth)).collect(),
            ),
            (Some(_), None) => Expected::All(vec![Operator::Never]),
            (None, _) => Expected::Like(value.clone()),
        }
    }

    fn holds(&self, actual: &Value, groups: &Groups, any_case: bool) -> bool {
        match self {
            Expected::All(operators) => operators.iter().all(|operator| operator.holds(actual, groups)),
            Expected::Like(Value::String(expected)) => text(actual).is_some_and(|actual| {
                if any_case { same_in_any_case(&actual, expected) } else { actual == expected.as_str() }
            }),
            Expected::Like(expected @ Value::Number(_)) => to_number(actual) == to_number(expected),
            Expected::Like(Value::Bool(expected)) => {
                !actual.is_null() && super::compare::is_truthy(actual) == *expected
            }
            Expected::Like(expected) => strictly_equal(actual, expected),
        }
    }
}

/// A single value as a text; nothing and what has parts is none.
pub(super) fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        Value::Number(number) => Some(Cow::Owned(match (number.as_i64(), number.as_f64()) {
            (None, Some(float)) => float.to_string(),
            _ => number.to_string(),
        })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Operator {
    fn compile(name: &str, operand: &Value, depth: usize) -> Operator {
        let list = |any_case| {
            operand.as_array().map(|values| Operator::In(List { values: values.clone(), any_case }))
        };
        let not = |operator: Operator| Operator::Negated(Box::new(operator));
        let expected = || Box::new(Expected::compile(operand, depth));
        let group = || operand.as_str().map(|name| Operator::InGroup(name.into()));
        let every = |any_case| {
            let values = operand.as_array()?.iter().map(|value| Expected::compile(value, depth)).collect();
            Some(Operator::Every(values, any_case))
        };
        let regex = |any_case| pattern(operand.as_str()?, any_case).ok().map(Operator::Pattern);
        let version = |relation| Some(Operator::Version(relation, text(operand)?.into()));
        let ordered = |relation| Some(Operator::Ordered(relation, operand.clone()));
        let compiled = match name {
            "$veq" => version(Relation::Equal),
            "$vne" => version(Relation::NotEqual),
            "$vgt" => version(Relation::Greater),
            "$vgte" => version(Relation::GreaterOrEqual),
            "$vlt" => version(Relation::Less),
            "$vlte" => version(Relation::LessOrEqual),
            "$eq" => Some(Operator::Equal(operand.clone())),
            "$ne" => Some(not(Operator::Equal(operand.clone()))),
            "$gt" => ordered(Relation::Greater),
            "$gte" => ordered(Relation::GreaterOrEqual),
            "$lt" => ordered(Relation::Less),
            "$lte" => ordered(Relation::LessOrEqual),
            "$exists" => Some(Operator::Exists(super::compare::is_truthy(operand))),
            "$in" => list(false),
            "$ini" => list(true),
            "$nin" => list(false).map(not),
            "$nini" => list(true).map(not),
            "$inGroup" => group(),
            "$notInGroup" => group().map(not),
            "$not" => Some(Operator::Not(expected())),
            "$size" => Some(Operator::Size(expected())),
            "$elemMatch" => Some(Operator::AnyElement(match operators(operand) {
                Some(_) => Element::Is(expected()),
                None => Element::Has(Condition::nested(operand, depth)),
            })),
            "$all" => every(false),
            "$alli" => every(true),
            "$regex" => regex(false),
            "$regexi" => regex(true),
            "$type" => operand.as_str().map(|kind| Operator::Type(kind.into())),
            _ => None,
        };
        compiled.unwrap_or(Operator::Never)
    }

    fn holds(&self, actual: &Value, groups: &Groups) -> bool {
        match self {
            Operator::Version(relation, than) => {
                relation.holds(versions(&text(actual).unwrap_or(Cow::Borrowed("0")), than))
            }
            Operator::Equal(expected) => strictly_equal(actual, expected),
            Operator::Ordered(relation, than) => {
                relational(actual, than).is_some_and(|ordering| relation.holds(ordering))
            }
            Operator::Exists(expected) => actual.is_null() != *expected,
            Operator::In(list) => list.has(actual),
            Operator::InGroup(name) => {
                groups.get(&**name).is_some_and(|values| one_of(actual, values, strictly_equal))
            }
            Operator::Not(expected) => !expected.holds(actual, groups, false),
            Operator::Negated(operator) => !operator.holds(actual, groups),
            Operator::Size(expected) => actual
                .as_array()
                .is_some_and(|elements| expected.holds(&Value::from(elements.len()), groups, false)),
            Operator::AnyElement(element) => actual.as_array().is_some_and(|elements| {
                elements.iter().any(|actual| match element {
                    Element::Is(expected) => expected.holds(actual, groups, false),
                    Element::Has(condition) => condition.holds(actual, groups),
                })
            }),
            Operator::Every(all, any_case) => actual.as_array().is_some_and(|elements| {
                let found = |expected: &Expected| {
                    elements.iter().any(|actual| expected.holds(actual, groups, *any_case))
                };
                all.iter().all(found)
            }),
            Operator::Pattern(pattern) => text(actual).is_some_and(|text| pattern.is_match(&text)),
            Operator::Type(expected) => kind(actual) == &**expected,
            Operator::Never => false,
        }
    }
}

impl List {
    fn has(&self, actual: &Value) -> bool {
        one_of(actual, &self.values, if self.any_case { equal_in_any_case } else { strictly_equal })
    }
}

/// Whether a value, or one of several, is in the list.
fn one_of(actual: &Value, values: &[Value], equal: fn(&Value, &Value) -> bool) -> bool {
    let has = |actual: &Value| values.iter().any(|value| equal(actual, value));
    match actual {
        Value::Array(several) => several.iter().any(has),
        one => has(one),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
