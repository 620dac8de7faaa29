//! Constraints: a field of the context against operands. Operands are read once, when a flag is loaded; to test a value
//! takes no memory. An operator of your own is a trait with one method, what it prepares another.

use super::context::{Context, Field};
use super::date::Instant;
use super::definition::ConstraintDefinition;
use super::engine::UnjudgedInverted;
use super::network::Network;
use super::semver::{OwnedVersion, Version};
use super::text::{Set, Text, TextMatch};
use regex::{Regex, RegexBuilder};
use std::cmp::Ordering;
use std::fmt::Debug;

/// An operator: makes a test out of a constraint's operands.
pub trait Operator: Debug + Send + Sync {
    /// Reads the operands.
    ///
    /// # Errors
    /// Says what is wrong with them; the constraint then never holds.
    fn prepare(&self, constraint: &ConstraintDefinition) -> Result<Box<dyn Test>, String>;
}

/// What a constraint asks of a value.
pub trait Test: Debug + Send + Sync {
    /// Whether it holds. `None` if the value is none that could be judged: then neither the constraint nor, unless
    /// [`UnjudgedInverted`] says otherwise, its inversion holds.
    fn holds(&self, value: Option<&str>) -> Option<bool>;
}

/// A constraint, ready to be tested.
#[derive(Debug)]
pub(super) struct Constraint {
    field: Field,
    check: Check,
    inverted: bool,
    /// What it comes to for a value that cannot be judged.
    holds_unjudged: bool,
}

#[derive(Debug)]
enum Check {
    In(Set),
    NotIn(Set),
    Text(TextMatch, Vec<Text>),
    Number(Comparison, f64),
    Date(Comparison, Instant),
    SemVer(Comparison, OwnedVersion),
    Pattern(Regex),
    Networks(Vec<Network>),
    Custom(Box<dyn Test>),
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Comparison::Less => ordering.is_lt(),
            Comparison::LessOrEqual => ordering.is_le(),
            Comparison::Equal => ordering.is_eq(),
            Comparison::GreaterOrEqual => ordering.is_ge(),
            Comparison::Greater => ordering.is_gt(),
        }
    }
}

/// Memory that a pattern's program may take, in bytes. A pattern that needs more is refused when it is loaded.
const MOST_PATTERN_BYTES: usize = 1 << 20;

impl Constraint {
    /// Reads the operands. What is wrong with them is told in `problems`; the constraint then never holds.
    pub(super) fn compile(
        definition: &ConstraintDefinition,
        custom: Option<&dyn Operator>,
        unjudged: UnjudgedInverted,
        problems: &mut Vec<String>,
    ) -> Constraint {
        let check = match custom {
            Some(operator) => operator.prepare(definition).map(Check::Custom),
            None => Check::compile(definition),
        };
        let check = check.unwrap_or_else(|problem| {
            problems.push(format!("{} on `{}`: {problem}", definition.operator, definition.context_name));
            Check::Never
        });
        let inverted = definition.inverted;
        let holds_unjudged =
            inverted && unjudged == UnjudgedInverted::Holds && !matches!(check, Check::Never);
        Constraint { field: Field::named(&definition.context_name), check, inverted, holds_unjudged }
    }

    pub(super) fn holds(&self, context: &Context<'_>) -> bool {
        let holds = self.check.holds(context.value(&self.field));
        holds.map_or(self.holds_unjudged, |holds| holds != self.inverted)
    }
}

impl Check {
    fn compile(definition: &ConstraintDefinition) -> Result<Check, String> {
        let ConstraintDefinition { operator, value, values, case_insensitive, .. } = definition;
        let texts = || values.iter().map(|text| Text::new(text, *case_insensitive)).collect();
        let number = |how| match finite(value) {
            Some(number) => Ok(Check::Number(how, number)),
            None => Err(format!("`{value}` is no number")),
        };
        let date = |how| match Instant::parse(value) {
            Some(instant) => Ok(Check::Date(how, instant)),
            None => Err(format!("`{value}` is no date: write it as `2022-01-29T13:00:00Z`")),
        };
        let version = |how| match OwnedVersion::parse(value) {
            Some(version) => Ok(Check::SemVer(how, version)),
            None => Err(format!("`{value}` is no version: write it as `1.2.3` or `1.2.3-rc.1`")),
        };
        match operator.as_str() {
            "IN" => Ok(Check::In(Set::new(values))),
            "NOT_IN" => Ok(Check::NotIn(Set::new(values))),
            "STR_STARTS_WITH" => Ok(Check::Text(TextMatch::StartsWith, texts())),
            "STR_ENDS_WITH" => Ok(Check::Text(TextMatch::EndsWith, texts())),
            "STR_CONTAINS" => Ok(Check::Text(TextMatch::Contains, texts())),
            "NUM_LT" => number(Comparison::Less),
            "NUM_LTE" => number(Comparison::LessOrEqual),
            "NUM_EQ" => number(Comparison::Equal),
            "NUM_GTE" => number(Comparison::GreaterOrEqual),
            "NUM_GT" => number(Comparison::Greater),
            "DATE_BEFORE" => date(Comparison::Less),
            "DATE_AFTER" => date(Comparison::Greater),
            "SEMVER_LT" => version(Comparison::Less),
            "SEMVER_LTE" => version(Comparison::LessOrEqual),
            "SEMVER_EQ" => version(Comparison::Equal),
            "SEMVER_GTE" => version(Comparison::GreaterOrEqual),
            "SEMVER_GT" => version(Comparison::Greater),
            "REGEX" => pattern(value, *case_insensitive).map(Check::Pattern),
            "IN_CIDR" => {
                let networks: Vec<_> = values.iter().filter_map(|text| Network::parse(text)).collect();
                if networks.is_empty() {
                    Err("no network among its values".into())
                } else {
                    Ok(Check::Networks(networks))
                }
            }
            unknown => {
                Err(format!("no operator of the name `{unknown}`: register one with `Engine::with_operator`"))
            }
        }
    }

    /// As [`Test::holds`]. Whether somebody without the value is in a set is known; all else about them is not.
    fn holds(&self, value: Option<&str>) -> Option<bool> {
        match self {
            Check::In(set) => Some(value.is_some_and(|value| set.contains(value))),
            Check::NotIn(set) => Some(!value.is_some_and(|value| set.contains(value))),
            Check::Text(how, texts) => {
                let value = value?;
                Some(texts.iter().any(|text| text.matches(*how, value)))
            }
            Check::Number(how, than) => Some(how.holds(finite(value?)?.partial_cmp(than)?)),
            Check::Date(how, than) => Some(how.holds(Instant::parse(value?)?.cmp(than))),
            Check::SemVer(how, than) => {
                Some(how.holds(Version::parse(value?)?.precedence(&than.as_version())))
            }
            Check::Pattern(pattern) => Some(pattern.is_match(value?)),
            Check::Networks(networks) => Some(Network::any_contains(networks, value?)),
            Check::Custom(test) => test.holds(value),
            Check::Never => None,
        }
    }
}

/// A number that is one: neither infinite nor "not a number".
fn finite(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// A pattern of the RE2 family: no look-ahead, no back-references, time linear in the text.
pub(super) fn pattern(text: &str, case_insensitive: bool) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .case_insensitive(case_insensitive)
        .size_limit(MOST_PATTERN_BYTES)
        .dfa_size_limit(MOST_PATTERN_BYTES)
        .build()
        .map_err(|error| format!("`{text}` is no pattern: {error}"))
}
