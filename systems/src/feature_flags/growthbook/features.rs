//! GrowthBook's features: rules in order, the first that matches decides.

use super::bucketing::{Range, hash, in_range};
use super::compare::is_truthy;
use super::condition::{Condition, Groups};
use super::definition::{FeatureSetDefinition, Filter, ReadFeature, RuleDefinition};
use super::experiment::{Experiment, ExperimentResult, Parent, hash_value, is_filtered_out};
use super::sticky::StickyStore;
use serde_json::Value;
use std::collections::BTreeMap;

/// Whom a feature is evaluated for.
#[derive(Clone, Copy, Debug)]
pub struct User<'a> {
    /// What is known about them: an object.
    pub attributes: &'a Value,
    /// `false`: nobody is in an experiment.
    pub enabled: bool,
    /// Whether only forced variations count.
    pub qa_mode: bool,
    /// Experiments with the variation that they shall have.
    pub forced_variations: &'a [(&'a str, i64)],
    /// The page that they see; its query string may ask for a variation.
    pub url: Option<&'a str>,
}

impl<'a> User<'a> {
    /// Somebody with these attributes, and nothing out of the ordinary.
    pub fn new(attributes: &'a Value) -> User<'a> {
        User { attributes, enabled: true, qa_mode: false, forced_variations: &[], url: None }
    }
}

/// Why a feature has the value that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// There is no such feature.
    UnknownFeature,
    /// No rule matched.
    DefaultValue,
    /// A rule forces it.
    Force,
    /// An experiment chose it.
    Experiment,
    /// Another feature is not as it has to be.
    Prerequisite,
    /// It waits for itself, or for too many others.
    CyclicPrerequisite,
}

impl Source {
    /// GrowthBook's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::UnknownFeature => "unknownFeature",
            Source::DefaultValue => "defaultValue",
            Source::Force => "force",
            Source::Experiment => "experiment",
            Source::Prerequisite => "prerequisite",
            Source::CyclicPrerequisite => "cyclicPrerequisite",
        }
    }
}

/// A feature's value, and why.
#[derive(Clone, Debug)]
pub struct FeatureResult<'f> {
    /// The value; `null` if there is none.
    pub value: &'f Value,
    /// Why.
    pub source: Source,
    /// The rule that decided; empty if none did, or it has no name.
    pub rule_id: &'f str,
    /// What the experiment that decided said.
    pub experiment_result: Option<ExperimentResult<'f>>,
    /// That experiment.
    pub experiment: Option<&'f Experiment>,
}

impl FeatureResult<'_> {
    /// Whether the value counts as on: not `null`, `false`, `0` or an empty text.
    pub fn is_on(&self) -> bool {
        is_truthy(self.value)
    }
}

/// All features of an SDK, compiled.
#[derive(Clone, Debug, Default)]
pub struct Features {
    features: BTreeMap<String, Feature>,
    groups: Groups,
    problems: Vec<String>,
}

#[derive(Clone, Debug)]
struct Feature {
    default_value: Value,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    id: String,
    parents: Vec<Parent>,
    filters: Option<Vec<Filter>>,
    outcome: Outcome,
}

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "made once for each rule that is read, and taken apart at once")]
enum Outcome {
    Force(Force),
    Experiment(Box<Experiment>),
    /// Only asks for other features.
    Nothing,
}

#[derive(Clone, Debug)]
struct Force {
    value: Value,
    condition: Option<Condition>,
    seed: String,
    hash_attribute: String,
    fallback_attribute: Option<String>,
    range: Option<Range>,
    coverage: Option<f64>,
    hash_version: u64,
}

impl Features {
    /// Compiles a set of features.
    pub fn compile(definition: &FeatureSetDefinition) -> Features {
        let mut features = Features { groups: definition.saved_groups.clone(), ..Features::default() };
        for (key, feature) in &definition.features {
            match feature {
                ReadFeature::Unreadable(problem) => {
                    features.problems.push(format!("feature `{key}`: {problem}"))
                }
                ReadFeature::Read(feature) => {
                    let rules =
                        feature.rules.iter().map(|rule| Rule::compile(key, rule, definition)).collect();
                    let default_value = feature.default_value.clone();
                    features.features.insert(key.clone(), Feature { default_value, rules });
                }
            }
        }
        features
    }

    /// Features that could not be read, and why: they count as unknown.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The saved groups.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The value of the feature `key` for `user`. Where buckets are sticky, the user's are read from `sticky` and new
    /// ones put there.
    pub fn evaluate(&self, key: &str, user: &User<'_>, sticky: &mut dyn StickyStore) -> FeatureResult<'_> {
        let mut pass = Pass { features: self, user, sticky, steps_left: MOST_STEPS };
        pass.feature(key, None)
    }

    /// What `user` gets from an experiment that no feature refers to.
    pub fn run<'f>(
        &'f self,
        experiment: &'f Experiment,
        user: &User<'_>,
        sticky: &mut dyn StickyStore,
    ) -> ExperimentResult<'f> {
        let mut pass = Pass { features: self, user, sticky, steps_left: MOST_STEPS };
        experiment.run(&mut pass, None)
    }
}

impl Rule {
    fn compile(key: &str, rule: &RuleDefinition, all: &FeatureSetDefinition) -> Rule {
        let experiment = &rule.experiment;
        let bandit_values = !rule.contextual_variations.is_empty();
        let outcome = match &rule.force {
            Some(value) => Outcome::Force(Force {
                value: value.clone(),
                condition: experiment.condition.as_ref().map(Condition::compile),
                seed: experiment.seed.clone().unwrap_or_else(|| key.to_string()),
                hash_attribute: experiment.hash_attribute.clone().unwrap_or_else(|| "id".to_string()),
                fallback_attribute: experiment
                    .fallback_attribute
                    .clone()
                    .filter(|_| experiment.disable_sticky_bucketing != Some(true)),
                range: rule.range,
                coverage: experiment.coverage,
                hash_version: experiment.hash_version.unwrap_or(1),
            }),
            None if !bandit_values && experiment.variations.is_empty() => Outcome::Nothing,
            None => {
                let mut definition = experiment.clone();
                // Those of a rule are asked for before its experiment is run.
                definition.parent_conditions = None;
                if bandit_values {
                    definition.variations = rule.contextual_variations.clone();
                }
                let bandit =
                    rule.contextual_bandit_ref.as_ref().and_then(|name| all.contextual_bandits.get(name));
                let compiled = Experiment::compile(key, &definition);
                Outcome::Experiment(Box::new(match bandit.filter(|_| bandit_values) {
                    Some(bandit) => compiled.with_bandit(bandit),
                    None => compiled,
                }))
            }
        };
        Rule {
            id: rule.id.clone(),
            parents: Parent::compile(experiment.parent_conditions.as_ref()),
            filters: experiment.filters.clone(),
            outcome,
        }
    }
}

/// How many features one evaluation may look at.
const MOST_STEPS: u32 = 1_024;

/// How deep features may wait for features.
const MOST_DEPTH: u32 = 64;

/// The features that are being evaluated, from the last to the first.
pub(super) type Path<'p> = Option<&'p Step<'p>>;

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Step<'p> {
    feature: &'p str,
    depth: u32,
    before: Path<'p>,
}

/// One evaluation.
pub(super) struct Pass<'f, 'c> {
    features: &'f Features,
    pub(super) user: &'c User<'c>,
    pub(super) sticky: &'c mut dyn StickyStore,
    steps_left: u32,
}

/// What a rule comes to.
enum Ruled<'f> {
    Next,
    Decided(FeatureResult<'f>),
}

fn without_rule(value: &Value, source: Source) -> FeatureResult<'_> {
    FeatureResult { value, source, rule_id: "", experiment_result: None, experiment: None }
}

impl<'f> Pass<'f, '_> {
    pub(super) fn groups(&self) -> &'f Groups {
        &self.features.groups
    }

    fn feature(&mut self, key: &str, before: Path<'_>) -> FeatureResult<'f> {
        let depth = before.map_or(0, |step| step.depth + 1);
        let mut steps = std::iter::successors(before, |step| step.before);
        if steps.any(|step| step.feature == key) || depth > MOST_DEPTH || self.steps_left == 0 {
            return without_rule(&Value::Null, Source::CyclicPrerequisite);
        }
        self.steps_left -= 1;
        let Some(feature) = self.features.features.get(key) else {
            return without_rule(&Value::Null, Source::UnknownFeature);
        };
        let step = Step { feature: key, depth, before };
        for rule in &feature.rules {
            if let Ruled::Decided(result) = self.rule(rule, &step) {
                return result;
            }
        }
        without_rule(&feature.default_value, Source::DefaultValue)
    }

    fn rule(&mut self, rule: &'f Rule, step: &Step<'_>) -> Ruled<'f> {
        for parent in &rule.parents {
            match self.parent_holds(parent, Some(step)) {
                Some(true) => {}
                Some(false) if parent.is_gate => {
                    return Ruled::Decided(without_rule(&Value::Null, Source::Prerequisite));
                }
                Some(false) => return Ruled::Next,
                None => return Ruled::Decided(without_rule(&Value::Null, Source::CyclicPrerequisite)),
            }
        }
        if rule.filters.as_ref().is_some_and(|filters| is_filtered_out(self.user, filters)) {
            return Ruled::Next;
        }
        match &rule.outcome {
            Outcome::Nothing => Ruled::Next,
            Outcome::Force(force) if !self.is_forced(force) => Ruled::Next,
            Outcome::Force(force) => Ruled::Decided(FeatureResult {
                rule_id: &rule.id,
                ..without_rule(&force.value, Source::Force)
            }),
            Outcome::Experiment(experiment) => {
                let result = experiment.run(self, Some(step));
                if !result.in_experiment || result.passthrough {
                    return Ruled::Next;
                }
                Ruled::Decided(FeatureResult {
                    value: result.value,
                    source: Source::Experiment,
                    rule_id: &rule.id,
                    experiment: Some(experiment),
                    experiment_result: Some(result),
                })
            }
        }
    }

    /// Whether another feature is as it has to be; `None` if it waits for itself.
    pub(super) fn parent_holds(&mut self, parent: &Parent, path: Path<'_>) -> Option<bool> {
        let result = self.feature(&parent.feature, path);
        if result.source == Source::CyclicPrerequisite {
            return None;
        }
        let value = Value::Object([("value".to_string(), result.value.clone())].into_iter().collect());
        Some(parent.condition.holds(&value, self.groups()))
    }

    fn is_forced(&self, force: &Force) -> bool {
        if force
            .condition
            .as_ref()
            .is_some_and(|condition| !condition.holds(self.user.attributes, self.groups()))
        {
            return false;
        }
        match (force.range, force.coverage) {
            (None, None) => return true,
            (None, Some(0.0)) => return false,
            (Some(_), _) | (None, Some(_)) => {}
        }
        let fallback = force.fallback_attribute.as_deref().filter(|_| self.sticky.is_active());
        let (_, value) = hash_value(self.user, &force.hash_attribute, fallback);
        let number = value.and_then(|value| hash(&force.seed, &value, force.hash_version));
        number.is_some_and(|number| match (force.range, force.coverage) {
            (Some(range), _) => in_range(number, range),
            (None, Some(coverage)) => number <= coverage,
            (None, None) => true,
        })
    }
}
