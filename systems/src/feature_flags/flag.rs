//! A flag and a segment, compiled: operands read, patterns built, hashes begun. Immutable from then on.

use super::constraint::Constraint;
use super::context::Context;
use super::definition::{
    DependencyDefinition, FlagDefinition, ReadFlag, SegmentDefinition, StrategyDefinition,
};
use super::engine::Engine;
use super::rollout::Rollout;
use super::text::Set;
use super::variant::Variants;
use std::sync::Arc;

/// A flag, ready to be evaluated.
#[derive(Debug)]
pub struct Flag {
    pub(super) name: Arc<str>,
    pub(super) enabled: bool,
    pub(super) stale: bool,
    pub(super) impression_data: bool,
    pub(super) is_unreadable: bool,
    pub(super) rules: Vec<Rule>,
    pub(super) variants: Variants,
    pub(super) dependencies: Vec<Dependency>,
    problems: Vec<String>,
}

/// An activation strategy.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: Option<Box<str>>,
    pub(super) constraints: Vec<Constraint>,
    pub(super) segments: Vec<i64>,
    pub(super) rollout: Rollout,
    pub(super) variants: Variants,
}

/// A flag that another one waits for.
#[derive(Debug)]
pub(super) struct Dependency {
    pub(super) flag: Arc<str>,
    pub(super) enabled: bool,
    /// All of them if there are none.
    pub(super) variants: Option<Set>,
}

/// A shared set of constraints.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) constraints: Vec<Constraint>,
    pub(super) segments: Vec<i64>,
    pub(super) problems: Vec<String>,
}

impl Flag {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its owners have marked it as no longer to be used.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// Whether evaluations are to be told to the control plane one by one.
    pub fn has_impression_data(&self) -> bool {
        self.impression_data
    }

    /// What of its definition could not be used, and what becomes of it.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    pub(super) fn compile(engine: &Engine, flag: &ReadFlag) -> Flag {
        match flag {
            ReadFlag::Read(definition) => Flag::of(engine, definition),
            ReadFlag::Unreadable(name, problem) => {
                let definition = FlagDefinition { name: name.clone(), ..FlagDefinition::default() };
                let problems = vec![problem.clone()];
                Flag { is_unreadable: true, problems, ..Flag::of(engine, &definition) }
            }
        }
    }

    fn of(engine: &Engine, definition: &FlagDefinition) -> Flag {
        let mut problems = Vec::new();
        let name = definition.name.as_str();
        let mut strategies: Vec<_> =
            definition.strategies.iter().filter(|strategy| !strategy.disabled).collect();
        strategies.sort_by_key(|strategy| strategy.sort_order);
        Flag {
            name: name.into(),
            enabled: definition.enabled,
            stale: definition.stale,
            impression_data: definition.impression_data,
            is_unreadable: false,
            rules: strategies
                .iter()
                .map(|strategy| Rule::compile(engine, name, strategy, &mut problems))
                .collect(),
            variants: Variants::compile(name, "default", &definition.variants, &mut problems),
            dependencies: definition.dependencies.iter().map(Dependency::compile).collect(),
            problems,
        }
    }
}

impl Rule {
    fn compile(
        engine: &Engine,
        flag: &str,
        definition: &StrategyDefinition,
        problems: &mut Vec<String>,
    ) -> Rule {
        let parameters = &definition.parameters;
        let group = parameters.get("groupId").unwrap_or(flag);
        let stickiness = parameters.get("stickiness").unwrap_or("default");
        let custom = engine.strategy(&definition.name);
        Rule {
            id: definition.id.as_deref().map(Box::from),
            constraints: engine.constraints(&definition.constraints, problems),
            segments: definition.segments.clone(),
            rollout: Rollout::compile(flag, definition, custom, engine.config().missing_sticky, problems),
            variants: Variants::compile(group, stickiness, &definition.variants, problems),
        }
    }
}

impl Dependency {
    fn compile(definition: &DependencyDefinition) -> Dependency {
        Dependency {
            flag: definition.feature.as_str().into(),
            enabled: definition.enabled,
            variants: (!definition.variants.is_empty()).then(|| Set::new(&definition.variants)),
        }
    }
}

impl Segment {
    pub(super) fn compile(engine: &Engine, definition: &SegmentDefinition) -> Segment {
        let mut problems = Vec::new();
        let constraints = engine.constraints(&definition.constraints, &mut problems);
        Segment { constraints, segments: definition.segments.clone(), problems }
    }
}

/// Whether all of them hold.
pub(super) fn all_hold(constraints: &[Constraint], context: &Context<'_>) -> bool {
    constraints.iter().all(|constraint| constraint.holds(context))
}
