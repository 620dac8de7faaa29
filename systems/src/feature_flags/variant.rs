//! Variants: which of several values somebody gets. A boundary that moves moves only the ids between its old and its
//! new place.

use super::context::{Context, Field, MissingSticky, Stickiness};
use super::definition::{OverrideDefinition, PayloadDefinition, VariantDefinition};
use super::hash::Murmur3;
use super::text::Set;
use serde_json::Value;

/// One of several values that a flag can have.
#[derive(Clone, Debug)]
pub struct Variant {
    name: Box<str>,
    payload: Option<Payload>,
}

impl Variant {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it stands for.
    pub fn payload(&self) -> Option<&Payload> {
        self.payload.as_ref()
    }
}

/// What a variant stands for: the text as it was given, and what it says.
#[derive(Clone, Debug)]
pub struct Payload {
    definition: PayloadDefinition,
    value: PayloadValue,
}

/// What a payload says, by its type.
#[derive(Clone, Debug, PartialEq)]
pub enum PayloadValue {
    /// `string`, and every type that is not known.
    Text,
    /// `csv`: see [`Payload::csv`].
    Csv,
    /// `number`, finite.
    Number(f64),
    /// `json`
    Json(Value),
    /// It is not what its type says.
    Malformed,
}

impl Payload {
    /// `string`, `json`, `csv`, `number`.
    pub fn kind(&self) -> &str {
        &self.definition.kind
    }

    /// As text, whatever the type.
    pub fn text(&self) -> &str {
        &self.definition.value
    }

    /// What the text says.
    pub fn value(&self) -> &PayloadValue {
        &self.value
    }

    /// The entries of a `csv` payload, without the blanks around them.
    pub fn csv(&self) -> Option<impl Iterator<Item = &str>> {
        (self.value == PayloadValue::Csv).then(|| self.definition.value.split(',').map(str::trim))
    }

    fn compile(definition: &PayloadDefinition, problems: &mut Vec<String>) -> Payload {
        let text = &definition.value;
        let value = match definition.kind.as_str() {
            "csv" => PayloadValue::Csv,
            "number" => match text.trim().parse() {
                Ok(number) if f64::is_finite(number) => PayloadValue::Number(number),
                _ => PayloadValue::Malformed,
            },
            "json" => serde_json::from_str(text).map_or(PayloadValue::Malformed, PayloadValue::Json),
            _ => PayloadValue::Text,
        };
        if value == PayloadValue::Malformed {
            problems.push(format!("payload `{text}` is no {}", definition.kind));
        }
        Payload { definition: definition.clone(), value }
    }
}

/// Variants with their weights.
#[derive(Debug)]
pub(super) struct Variants {
    entries: Vec<Entry>,
    total_weight: u32,
    /// The hash after `group:`.
    prefix: Murmur3,
    stickiness: Stickiness,
}

#[derive(Debug)]
struct Entry {
    variant: Variant,
    /// The sum of the weights up to this one.
    up_to: u32,
    overrides: Vec<(Field, Set)>,
}

/// Another seed than the rollout's: who is in by a low hash is not therefore in the first variant.
const VARIANT_SEED: u32 = 86_028_157;

impl Variants {
    /// Hashed with `group`; sticky by what the first variant says, else by `stickiness`.
    pub(super) fn compile(
        group: &str,
        stickiness: &str,
        definitions: &[VariantDefinition],
        problems: &mut Vec<String>,
    ) -> Variants {
        let own_stickiness = definitions.first().and_then(|variant| variant.stickiness.as_deref());
        let mut total_weight = 0u32;
        let mut entries = Vec::with_capacity(definitions.len());
        for definition in definitions {
            total_weight = total_weight.checked_add(definition.weight).unwrap_or_else(|| {
                problems.push(format!("weights up to variant `{}` exceed {}", definition.name, u32::MAX));
                u32::MAX
            });
            let payload = definition.payload.as_ref().map(|payload| Payload::compile(payload, problems));
            let variant = Variant { name: definition.name.as_str().into(), payload };
            let overrides = |OverrideDefinition { context_name, values }: &OverrideDefinition| {
                (Field::named(context_name), Set::new(values))
            };
            let overrides = definition.overrides.iter().map(overrides).collect();
            entries.push(Entry { variant, up_to: total_weight, overrides });
        }
        Variants {
            entries,
            total_weight,
            prefix: Murmur3::new(VARIANT_SEED).with(group).with(":"),
            stickiness: Stickiness::named(own_stickiness.unwrap_or(stickiness)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a hash chooses between several.
    pub(super) fn is_split(&self) -> bool {
        let is_whole = |entry: &Entry| entry.up_to == 0 || entry.up_to == self.total_weight;
        !self.entries.iter().all(is_whole)
    }

    /// The variant of whoever `context` is, with its index. `None` if there is none with any weight.
    pub(super) fn choose(&self, context: &Context<'_>) -> Option<(u32, &Variant)> {
        let index = self.overriding(context).or_else(|| self.hashed(context))?;
        self.entries.get(index).map(|entry| (index as u32, &entry.variant))
    }

    fn overriding(&self, context: &Context<'_>) -> Option<usize> {
        self.entries.iter().position(|entry| {
            let says = |(field, values): &(Field, Set)| {
                context.value(field).is_some_and(|value| values.contains(value))
            };
            entry.overrides.iter().any(says)
        })
    }

    fn hashed(&self, context: &Context<'_>) -> Option<usize> {
        let hash = self.stickiness.hash(self.prefix, context, MissingSticky::Random)?;
        let target = hash.checked_rem(self.total_weight)? + 1;
        Some(self.entries.partition_point(|entry| entry.up_to < target))
    }
}
