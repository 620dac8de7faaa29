//! How flags are compiled: policies that differ between vendors, and operators and strategies of your own.

use super::constraint::{Constraint, Operator};
use super::context::MissingSticky;
use super::definition::{ConstraintDefinition, State};
use super::rollout::Strategy;
use super::rules::RuleSet;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Policies that differ between vendors. The defaults are those of Unleash's client specification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlagConfig {
    /// Who is bucketed by `flexibleRollout` when the field of its stickiness is missing.
    pub missing_sticky: MissingSticky,
    /// Whether a flag that another one waits for may wait for a third.
    pub prerequisites: Prerequisites,
    /// What flags that their owners call stale answer.
    pub stale_flags: StaleFlags,
    /// Whether an inverted constraint holds for a value that is missing or cannot be read.
    pub unjudged_inverted: UnjudgedInverted,
}

/// What an inverted constraint comes to for a value that is missing or cannot be read. Whoever cannot be placed gets
/// nothing by default. An operand that cannot be read holds for nobody in any case, and whether a missing value is in a
/// set is known in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnjudgedInverted {
    /// It does not hold.
    #[default]
    HoldsNot,
    /// It holds. Unleash's own engine; its specification has no case for it.
    Holds,
}

/// How deep dependencies may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prerequisites {
    /// One level: a parent with parents of its own switches the child off. Unleash.
    #[default]
    OneLevel,
    /// Chains of up to [`MOST_PREREQUISITES`](super::MOST_PREREQUISITES). LaunchDarkly.
    Chains,
}

/// What a flag answers that its owners have marked as stale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StaleFlags {
    /// The same as before: the mark is for people. Unleash.
    #[default]
    Evaluate,
    /// The caller's default, as for a flag that is gone already.
    CallersDefault,
}

/// Compiles flags.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    config: FlagConfig,
    operators: BTreeMap<String, Arc<dyn Operator>>,
    strategies: BTreeMap<String, Arc<dyn Strategy>>,
}

/// Why a text is no set of flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError(String);

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a state of flags: {}; it has to be an object with the list `features`", self.0)
    }
}

impl std::error::Error for LoadError {}

impl Engine {
    /// Only what is built in.
    pub fn new(config: FlagConfig) -> Engine {
        Engine { config, ..Engine::default() }
    }

    /// With an operator for constraints, also instead of a built-in one of that name.
    #[must_use]
    pub fn with_operator(mut self, name: &str, operator: Arc<dyn Operator>) -> Engine {
        self.operators.insert(name.to_string(), operator);
        self
    }

    /// With an activation strategy, also instead of a built-in one of that name.
    #[must_use]
    pub fn with_strategy(mut self, name: &str, strategy: Arc<dyn Strategy>) -> Engine {
        self.strategies.insert(name.to_string(), strategy);
        self
    }

    /// The policies.
    pub fn config(&self) -> FlagConfig {
        self.config
    }

    /// No flags, at revision 0.
    pub fn empty(self) -> RuleSet {
        RuleSet::empty(Arc::new(self))
    }

    /// The flags in a JSON text as Unleash's `client/features` answers it.
    ///
    /// # Errors
    /// If the text is no JSON, or none of a state. A single flag that cannot be read is no error: whoever asks for it
    /// is told, and all others work.
    pub fn load(self, revision: u64, json: &str) -> Result<RuleSet, LoadError> {
        let state: State = serde_json::from_str(json).map_err(|error| LoadError(error.to_string()))?;
        Ok(self.empty().with_state(revision, &state))
    }

    pub(super) fn strategy(&self, name: &str) -> Option<&dyn Strategy> {
        self.strategies.get(name).map(Arc::as_ref)
    }

    pub(super) fn constraints(
        &self,
        definitions: &[ConstraintDefinition],
        problems: &mut Vec<String>,
    ) -> Vec<Constraint> {
        let compiled = definitions.iter().map(|definition| {
            let custom = self.operators.get(&definition.operator).map(Arc::as_ref);
            Constraint::compile(definition, custom, self.config.unjudged_inverted, problems)
        });
        compiled.collect()
    }
}
