//! Flags as data: Unleash's feature format, and the events of its delta stream. What is read here is checked when it
//! is compiled; nothing here decides anything.

use serde::Deserialize;
use serde_json::Value;

/// A feature.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FlagDefinition {
    /// Its name, any text.
    pub name: String,
    /// `false`: off for everybody, whatever the rules say. The kill switch.
    pub enabled: bool,
    /// Marked by its owners as no longer to be used; see [`StaleFlags`](super::StaleFlags).
    pub stale: bool,
    /// The rules: on if one matches, or if there is none.
    #[serde(deserialize_with = "or_nothing")]
    pub strategies: Vec<StrategyDefinition>,
    /// What a rule without variants of its own gives.
    #[serde(deserialize_with = "or_nothing")]
    pub variants: Vec<VariantDefinition>,
    /// Flags that have to be on, or off, before this one can be.
    #[serde(deserialize_with = "or_nothing")]
    pub dependencies: Vec<DependencyDefinition>,
    /// Whether evaluations are to be told to the control plane one by one.
    pub impression_data: bool,
}

/// An activation strategy: one rule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StrategyDefinition {
    /// Told in the evaluation's detail.
    pub id: Option<String>,
    /// `default`, `flexibleRollout`, … or one of your own.
    pub name: String,
    /// Rules are tried in this order, and as listed among equals.
    pub sort_order: i64,
    /// Not tried at all.
    pub disabled: bool,
    /// What the strategy of this name takes.
    #[serde(deserialize_with = "or_nothing")]
    pub parameters: Parameters,
    /// All of them have to hold.
    #[serde(deserialize_with = "or_nothing")]
    pub constraints: Vec<ConstraintDefinition>,
    /// All of them have to exist and to hold.
    #[serde(deserialize_with = "or_nothing")]
    pub segments: Vec<i64>,
    /// Instead of the flag's.
    #[serde(deserialize_with = "or_nothing")]
    pub variants: Vec<VariantDefinition>,
}

/// Parameters by name. A value that is no text is taken as its JSON.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "serde_json::Map<String, Value>")]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The parameter of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

impl From<serde_json::Map<String, Value>> for Parameters {
    fn from(map: serde_json::Map<String, Value>) -> Parameters {
        let text = |value| if let Value::String(text) = value { text } else { value.to_string() };
        Parameters(map.into_iter().map(|(name, value)| (name, text(value))).collect())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Parameters {
    fn from(pairs: [(&str, &str); N]) -> Parameters {
        Parameters(pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }
}

/// A condition on one field of the context.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConstraintDefinition {
    /// The field, or the property, that is looked at.
    pub context_name: String,
    /// `IN`, `SEMVER_GT`, … or one of your own.
    pub operator: String,
    /// The operand of operators that take one.
    #[serde(deserialize_with = "or_nothing")]
    pub value: String,
    /// The operands of operators that take several: one of them is enough.
    #[serde(deserialize_with = "or_nothing")]
    pub values: Vec<String>,
    /// Whether it has to be the other way round.
    pub inverted: bool,
    /// For `STR_*` and `REGEX`.
    pub case_insensitive: bool,
}

/// A set of constraints that strategies share.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SegmentDefinition {
    /// By what strategies refer to it.
    pub id: i64,
    /// All of them have to hold.
    #[serde(deserialize_with = "or_nothing")]
    pub constraints: Vec<ConstraintDefinition>,
    /// Other segments that have to hold as well. Unleash does not have this.
    #[serde(deserialize_with = "or_nothing")]
    pub segments: Vec<i64>,
}

/// One of several values that a flag can have.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VariantDefinition {
    /// Its name.
    pub name: String,
    /// Its share is this in the sum of all weights.
    pub weight: u32,
    /// By what it stays the same; the strategy's if it is not said.
    pub stickiness: Option<String>,
    /// What it stands for.
    pub payload: Option<PayloadDefinition>,
    /// Who gets it whatever the hash says.
    #[serde(deserialize_with = "or_nothing")]
    pub overrides: Vec<OverrideDefinition>,
}

/// A value with its type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PayloadDefinition {
    /// `string`, `json`, `csv` or `number`.
    #[serde(rename = "type")]
    pub kind: String,
    /// As text, whatever the type.
    pub value: String,
}

/// Who gets a variant whatever the hash says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OverrideDefinition {
    /// The field that is looked at.
    pub context_name: String,
    /// The values of it that count.
    #[serde(deserialize_with = "or_nothing")]
    pub values: Vec<String>,
}

/// A flag that another one waits for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct DependencyDefinition {
    /// Its name.
    pub feature: String,
    /// Whether it has to be on; `false`: it has to be off.
    pub enabled: bool,
    /// The variants that count; if there are none, all.
    #[serde(deserialize_with = "or_nothing")]
    pub variants: Vec<String>,
}

impl Default for DependencyDefinition {
    fn default() -> Self {
        DependencyDefinition { feature: String::new(), enabled: true, variants: Vec::new() }
    }
}

/// A feature that is there by name, but may not be readable.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadFlag {
    /// It is as it should be.
    Read(Box<FlagDefinition>),
    /// Its name, and what is wrong. Whoever asks for it gets the default and this error.
    Unreadable(String, String),
}

impl ReadFlag {
    /// The flag's name.
    pub fn name(&self) -> &str {
        match self {
            ReadFlag::Read(flag) => &flag.name,
            ReadFlag::Unreadable(name, _) => name,
        }
    }
}

impl From<FlagDefinition> for ReadFlag {
    fn from(flag: FlagDefinition) -> ReadFlag {
        ReadFlag::Read(Box::new(flag))
    }
}

impl From<Value> for ReadFlag {
    fn from(value: Value) -> ReadFlag {
        match FlagDefinition::deserialize(&value) {
            Ok(flag) => flag.into(),
            Err(error) => {
                let name = value.get("name").and_then(Value::as_str).unwrap_or_default();
                ReadFlag::Unreadable(name.to_string(), error.to_string())
            }
        }
    }
}

impl<'de> Deserialize<'de> for ReadFlag {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(ReadFlag::from)
    }
}

/// Everything at once: what `client/features` answers, and the body of a hydration.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct State {
    /// All flags.
    #[serde(deserialize_with = "or_nothing")]
    pub features: Vec<ReadFlag>,
    /// All segments.
    #[serde(deserialize_with = "or_nothing")]
    pub segments: Vec<SegmentDefinition>,
}

/// A change, with the revision that it leads to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Event {
    /// The revision after it.
    #[serde(rename = "eventId")]
    pub revision: u64,
    /// What changes.
    #[serde(flatten)]
    pub change: Change,
}

/// What an event changes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Change {
    /// Everything is replaced.
    Hydration(State),
    /// A flag is new or different.
    FeatureUpdated {
        /// All of it.
        feature: ReadFlag,
    },
    /// A flag is gone.
    FeatureRemoved {
        /// Its name.
        feature_name: String,
    },
    /// A segment is new or different.
    SegmentUpdated {
        /// All of it.
        segment: SegmentDefinition,
    },
    /// A segment is gone: what refers to it matches nobody.
    SegmentRemoved {
        /// Its number.
        segment_id: i64,
    },
    /// A kind of event that is not known. It changes nothing but the revision.
    #[serde(other)]
    Unknown,
}

/// `null` is the same as nothing.
fn or_nothing<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
