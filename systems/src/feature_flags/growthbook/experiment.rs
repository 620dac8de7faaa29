//! One experiment: who is in it, and with which value.

use super::bucketing::{
    Range, bucket_ranges, choose_variation, hash, in_namespace, in_range, query_string_override,
};
use super::condition::{Condition, Groups, text};
use super::definition::{BanditDefinition, ExperimentDefinition, Filter, ParentCondition};
use super::features::{Pass, Path, User};
use serde_json::Value;
use std::borrow::Cow;

/// An experiment, ready to be run.
#[derive(Clone, Debug)]
pub struct Experiment {
    pub(super) definition: ExperimentDefinition,
    key: String,
    condition: Option<Condition>,
    pub(super) parents: Vec<Parent>,
    ranges: Vec<Range>,
    bandit: Option<Bandit>,
}

/// A feature that has to be as said.
#[derive(Clone, Debug)]
pub(super) struct Parent {
    pub(super) feature: String,
    pub(super) condition: Condition,
    pub(super) is_gate: bool,
}

#[derive(Clone, Debug)]
struct Bandit {
    leaves: Vec<(Condition, Leaf)>,
    /// For whom no leaf is.
    rest: Leaf,
}

/// The weights that a bandit has for some.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// Its number; -1 if no condition held.
    pub id: i64,
    /// The weights that counted.
    pub weights: Vec<f64>,
    /// The bandit's version.
    pub bandit_version: Option<u64>,
    ranges: Vec<Range>,
}

/// What somebody gets from an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct ExperimentResult<'f> {
    /// Whether they are in it. If not, the value is the first one.
    pub in_experiment: bool,
    /// Which value.
    pub variation: usize,
    /// The value; `null` if there is none at all.
    pub value: &'f Value,
    /// By what the value is stored and reported.
    pub key: Cow<'f, str>,
    /// The value's name.
    pub name: Option<&'f str>,
    /// Whether the next rule decides.
    pub passthrough: bool,
    /// Whether the hash decided, now or when the bucket was stored.
    pub hash_used: bool,
    /// The hash.
    pub bucket: Option<f64>,
    /// The attribute that was hashed.
    pub hash_attribute: &'f str,
    /// Its value.
    pub hash_value: Option<String>,
    /// Whether a stored bucket decided.
    pub sticky_bucket_used: bool,
    /// What the bandit weighed by, if there is one and the hash decided.
    pub leaf: Option<&'f Leaf>,
}

/// What comes out of an experiment, before it is put into words.
#[derive(Clone, Copy)]
struct Choice {
    variation: Option<usize>,
    hash_used: bool,
    bucket: Option<f64>,
    is_sticky: bool,
}

const NOT_IN: Choice = Choice { variation: None, hash_used: false, bucket: None, is_sticky: false };

impl Parent {
    pub(super) fn compile(definitions: Option<&Vec<ParentCondition>>) -> Vec<Parent> {
        let compile = |parent: &ParentCondition| Parent {
            feature: parent.id.clone(),
            // Nothing said is nothing asked.
            condition: if parent.condition.is_null() {
                Condition::default()
            } else {
                Condition::compile(&parent.condition)
            },
            is_gate: parent.gate.unwrap_or(false),
        };
        definitions.into_iter().flatten().map(compile).collect()
    }
}

impl Experiment {
    /// Compiles it; `key` is its name if it has none.
    pub fn compile(key: &str, definition: &ExperimentDefinition) -> Experiment {
        let mut definition = definition.clone();
        let key = definition.key.get_or_insert_with(|| key.to_string()).clone();
        let ranges = match &definition.ranges {
            Some(ranges) => ranges.clone(),
            None => ranges_for(&definition, definition.weights.as_deref()),
        };
        Experiment {
            key,
            condition: definition.condition.as_ref().map(Condition::compile),
            parents: Parent::compile(definition.parent_conditions.as_ref()),
            ranges,
            bandit: None,
            definition,
        }
    }

    /// With the weights of a bandit.
    pub(super) fn with_bandit(mut self, bandit: &BanditDefinition) -> Experiment {
        let leaf = |id, weights: &[f64]| Leaf {
            id,
            weights: weights.to_vec(),
            bandit_version: bandit.bandit_version,
            ranges: ranges_for(&self.definition, Some(weights)),
        };
        let leaves = bandit
            .contexts
            .iter()
            .map(|context| (Condition::compile(&context.condition), leaf(context.leaf_id, &context.weights)));
        let leaves = leaves.collect();
        let rest = leaf(-1, self.definition.weights.as_deref().unwrap_or(&[]));
        self.bandit = Some(Bandit { leaves, rest });
        self
    }

    /// Its name.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// It as data, with the name that it goes by. A bandit's weights are in the result.
    pub fn definition(&self) -> &ExperimentDefinition {
        &self.definition
    }

    fn attributes(&self) -> (&str, Option<&str>) {
        let definition = &self.definition;
        (definition.hash_attribute.as_deref().unwrap_or("id"), definition.fallback_attribute.as_deref())
    }

    fn is_sticky(&self, pass: &Pass<'_, '_>) -> bool {
        pass.sticky.is_active() && self.definition.disable_sticky_bucketing != Some(true)
    }

    pub(super) fn run<'f>(&'f self, pass: &mut Pass<'f, '_>, path: Path<'_>) -> ExperimentResult<'f> {
        let is_sticky = self.is_sticky(pass);
        let (attribute, fallback) = self.attributes();
        let (attribute, value) = hash_value(pass.user, attribute, fallback.filter(|_| is_sticky));
        let leaf = self.leaf(pass.user, pass.groups());
        let choice = self.choose(pass, path, value.as_deref(), leaf);
        let variations = &self.definition.variations;
        let variation = choice.variation.filter(|variation| *variation < variations.len());
        let index = variation.unwrap_or(0);
        let meta = self.definition.meta.as_ref().and_then(|meta| meta.get(index));
        let own_key = meta.and_then(|meta| meta.key.as_deref());
        let result = ExperimentResult {
            in_experiment: variation.is_some(),
            variation: index,
            value: variations.get(index).unwrap_or(&Value::Null),
            key: own_key.map_or_else(|| Cow::Owned(index.to_string()), Cow::Borrowed),
            name: meta.and_then(|meta| meta.name.as_deref()),
            passthrough: meta.is_some_and(|meta| meta.passthrough == Some(true)),
            hash_used: choice.hash_used,
            bucket: choice.bucket,
            hash_attribute: attribute,
            hash_value: value.map(Cow::into_owned),
            sticky_bucket_used: choice.is_sticky,
            leaf: leaf.filter(|_| choice.hash_used),
        };
        if let Some(value) = result.hash_value.as_deref().filter(|_| is_sticky && result.hash_used) {
            let bucket = format!("{}__{}", self.key, self.definition.bucket_version.unwrap_or(0));
            pass.sticky.put(attribute, value, bucket, result.key.clone().into_owned());
        }
        result
    }

    /// What a bandit weighs by for `user`, if there is one.
    pub fn leaf(&self, user: &User<'_>, groups: &Groups) -> Option<&Leaf> {
        let bandit = self.bandit.as_ref()?;
        let holds = |(condition, _): &&(Condition, Leaf)| condition.holds(user.attributes, groups);
        Some(bandit.leaves.iter().find(holds).map_or(&bandit.rest, |(_, leaf)| leaf))
    }

    /// Who is let in, in the order in which the reference asks.
    fn choose<'f>(
        &'f self,
        pass: &mut Pass<'f, '_>,
        path: Path<'_>,
        value: Option<&str>,
        leaf: Option<&Leaf>,
    ) -> Choice {
        let definition = &self.definition;
        let count = definition.variations.len();
        let user = pass.user;
        if count < 2 || !user.enabled {
            return NOT_IN;
        }
        let asked = user.url.and_then(|url| query_string_override(&self.key, url, count));
        if let Some(variation) = asked.or_else(|| forced(user, &self.key)) {
            return Choice { variation: Some(variation), ..NOT_IN };
        }
        let Some(value) = value.filter(|_| definition.active != Some(false)) else { return NOT_IN };
        let stored = if self.is_sticky(pass) { self.stored(pass) } else { Stored::Nothing };
        if stored == Stored::Nothing && !self.is_for(pass, path, value) {
            return NOT_IN;
        }
        let seed = definition.seed.as_deref().unwrap_or(&self.key);
        let Some(number) = hash(seed, value, definition.hash_version.unwrap_or(1)) else { return NOT_IN };
        let variation = match stored {
            Stored::Blocked => return NOT_IN,
            Stored::Variation(variation) => Some(variation),
            Stored::Nothing => choose_variation(number, leaf.map_or(&self.ranges, |leaf| &leaf.ranges)),
        };
        match (variation, definition.forced_variation) {
            (None, _) => NOT_IN,
            (Some(_), Some(forced)) => Choice { variation: usize::try_from(forced).ok(), ..NOT_IN },
            (Some(_), None) if user.qa_mode => NOT_IN,
            (Some(variation), None) => Choice {
                variation: Some(variation),
                hash_used: true,
                bucket: Some(number),
                is_sticky: stored != Stored::Nothing,
            },
        }
    }

    fn is_for<'f>(&'f self, pass: &mut Pass<'f, '_>, path: Path<'_>, value: &str) -> bool {
        let in_its_part = match (&self.definition.filters, &self.definition.namespace) {
            (Some(filters), _) => !is_filtered_out(pass.user, filters),
            (None, Some((name, from, to))) => in_namespace(value, name, (*from, *to)),
            (None, None) => true,
        };
        in_its_part
            && self
                .condition
                .as_ref()
                .is_none_or(|condition| condition.holds(pass.user.attributes, pass.groups()))
            && self.parents.iter().all(|parent| pass.parent_holds(parent, path) == Some(true))
    }

    fn stored(&self, pass: &Pass<'_, '_>) -> Stored {
        let (own, fallback) = self.attributes();
        let of = |name: &str| pass.sticky.get(name, text(pass.user.attributes.get(name)?)?.as_ref());
        // What is stored for the attribute itself counts before what is stored for the other one.
        let documents = [of(own), fallback.and_then(of)];
        let current = self.definition.bucket_version.unwrap_or(0);
        let least = self.definition.min_bucket_version.unwrap_or(0);
        let version = |bucket: &str| -> Option<u64> {
            bucket.strip_prefix(self.key.as_str())?.strip_prefix("__")?.parse().ok()
        };
        let mut all = documents.iter().flatten().flat_map(|document| document.iter());
        if all.clone().any(|(bucket, _)| version(bucket).is_some_and(|version| version < least)) {
            return Stored::Blocked;
        }
        let Some((_, key)) = all.find(|(bucket, _)| version(bucket) == Some(current)) else {
            return Stored::Nothing;
        };
        let meta = self.definition.meta.as_deref().unwrap_or(&[]);
        let variation = meta.iter().position(|meta| meta.key.as_deref() == Some(key.as_str()));
        variation.map_or(Stored::Nothing, Stored::Variation)
    }
}

/// What there is for somebody among stored buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    Nothing,
    Variation(usize),
    /// One of a version that may take part no longer.
    Blocked,
}

fn ranges_for(definition: &ExperimentDefinition, weights: Option<&[f64]>) -> Vec<Range> {
    bucket_ranges(definition.variations.len(), definition.coverage.unwrap_or(1.0), weights)
}

/// The variation that the caller wants. One that does not exist puts them in none.
fn forced(user: &User<'_>, key: &str) -> Option<usize> {
    let (_, variation) = user.forced_variations.iter().find(|(experiment, _)| *experiment == key)?;
    Some(usize::try_from(*variation).unwrap_or(usize::MAX))
}

/// The first of the two attributes that has a value, and the value as a text; an empty text is none.
pub(super) fn hash_value<'f, 'u>(
    user: &User<'u>,
    attribute: &'f str,
    fallback: Option<&'f str>,
) -> (&'f str, Option<Cow<'u, str>>) {
    let value = |name: &str| user.attributes.get(name).and_then(text).filter(|text| !text.is_empty());
    match (value(attribute), fallback) {
        (None, Some(fallback)) => match value(fallback) {
            Some(text) => (fallback, Some(text)),
            None => (attribute, None),
        },
        (found, _) => (attribute, found),
    }
}

/// Whether one of the filters does not let somebody through.
pub(super) fn is_filtered_out(user: &User<'_>, filters: &[Filter]) -> bool {
    filters.iter().any(|filter| {
        let (_, value) = hash_value(user, filter.attribute.as_deref().unwrap_or("id"), None);
        let number = value.and_then(|value| hash(&filter.seed, &value, filter.hash_version.unwrap_or(2)));
        !number.is_some_and(|number| filter.ranges.iter().any(|range| in_range(number, *range)))
    })
}
