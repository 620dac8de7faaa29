//! GrowthBook's features as data, as its SDK endpoint sends them.

use super::bucketing::Range;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A feature.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FeatureDefinition {
    /// What it is if no rule matches.
    pub default_value: Value,
    /// Tried in this order; the first that matches decides.
    pub rules: Vec<RuleDefinition>,
}

/// A rule: forces a value, or is an experiment, or only asks for other features.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RuleDefinition {
    /// Told in the result.
    pub id: String,
    /// The value for whoever the rule is for; `null` is one as well.
    #[serde(deserialize_with = "present")]
    pub force: Option<Value>,
    /// For a forced value: the part of the hash that gets it, instead of the coverage.
    pub range: Option<Range>,
    /// The values of an experiment that a bandit weighs.
    pub contextual_variations: Vec<Value>,
    /// Which bandit.
    pub contextual_bandit_ref: Option<String>,
    /// What experiments and forced values have in common, and the rest of an experiment.
    #[serde(flatten)]
    pub experiment: ExperimentDefinition,
}

/// An experiment: several values, chosen by a hash.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentDefinition {
    /// Its name; the feature's if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The values.
    pub variations: Vec<Value>,
    /// Shares of the values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f64>>,
    /// `false`: nobody is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Which part of everybody is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// Parts of the hash, instead of weights and coverage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranges: Option<Vec<Range>>,
    /// Who can be in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Value>,
    /// A part of a namespace: name, from, to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<(String, f64, f64)>,
    /// The index of the value for all who are in it.
    #[serde(skip_serializing_if = "Option::is_none", rename = "force")]
    pub forced_variation: Option<i64>,
    /// The attribute that is hashed; `id` if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_attribute: Option<String>,
    /// The attribute that is hashed if that one is missing; only where buckets are sticky.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_attribute: Option<String>,
    /// 1 if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_version: Option<u64>,
    /// Names of the values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<Vec<VariationMeta>>,
    /// Holdouts and exclusions; instead of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filters: Option<Vec<Filter>>,
    /// What is hashed together with the attribute; the key if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Other features that have to be as said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_conditions: Option<Vec<ParentCondition>>,
    /// Whether stored buckets do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_sticky_bucketing: Option<bool>,
    /// Stored buckets of other versions do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_version: Option<u64>,
    /// Who has a stored bucket of an older version is no longer in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_bucket_version: Option<u64>,
}

/// What is said about one value of an experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VariationMeta {
    /// By what it is stored and reported; its index if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the next rule decides for whoever gets it: a holdout lets most through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passthrough: Option<bool>,
}

/// Parts of a hash that are let through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Filter {
    /// The attribute that is hashed; `id` if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// What is hashed together with it.
    pub seed: String,
    /// 2 if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_version: Option<u64>,
    /// The parts.
    pub ranges: Vec<Range>,
}

/// Another feature that has to be as said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ParentCondition {
    /// The feature.
    pub id: String,
    /// About its `value`.
    pub condition: Value,
    /// Whether the whole feature is off otherwise, and not only this rule passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<bool>,
}

/// A bandit: weights by conditions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BanditDefinition {
    /// Told in the result.
    pub bandit_version: Option<u64>,
    /// The first whose condition holds decides.
    pub contexts: Vec<LeafDefinition>,
}

/// The weights for some.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LeafDefinition {
    /// Told in the result.
    pub leaf_id: i64,
    /// For whom.
    pub condition: Value,
    /// One for each value.
    pub weights: Vec<f64>,
}

/// Everything that an SDK gets.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FeatureSetDefinition {
    /// Features by key.
    pub features: BTreeMap<String, ReadFeature>,
    /// Lists of values by name.
    pub saved_groups: super::Groups,
    /// Bandits by name.
    pub contextual_bandits: BTreeMap<String, BanditDefinition>,
}

/// A feature that is there by its key, but may not be readable.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadFeature {
    /// It is as it should be.
    Read(FeatureDefinition),
    /// What is wrong. It counts as unknown, and all others work.
    Unreadable(String),
}

impl<'de> Deserialize<'de> for ReadFeature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(match FeatureDefinition::deserialize(value) {
            Ok(feature) => ReadFeature::Read(feature),
            Err(error) => ReadFeature::Unreadable(error.to_string()),
        })
    }
}

/// Tells `null` from nothing.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
