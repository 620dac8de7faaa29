//! The JSON Schema of scenario files, made from the very types that read them.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::raw::RawScenario;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<RawScenario>().to_value();
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        *definitions =
            std::mem::take(definitions).into_iter().map(|(name, one)| (public(&name), one)).collect();
    }
    rename_references(&mut schema);
    schema
});

/// The name of a type as users see it: `Retry` for `RawRetry`.
fn public(name: &str) -> String {
    name.strip_prefix("Raw").unwrap_or(name).to_string()
}

fn rename_references(schema: &mut Value) {
    match schema {
        Value::Object(rules) => {
            for (key, rule) in rules {
                match (key.as_str(), &mut *rule) {
                    ("$ref", Value::String(reference)) => {
                        if let Some(name) = reference.strip_prefix("#/$defs/") {
                            *reference = format!("#/$defs/{}", public(name));
                        }
                    }
                    (_, other) => rename_references(other),
                }
            }
        }
        Value::Array(rules) => rules.iter_mut().for_each(rename_references),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The JSON Schema of scenario files (draft 2020-12): what `foreshock schema` prints and what files are checked
/// against. Formats that start with `foreshock-` are quantities with units.
pub fn json_schema() -> Value {
    SCHEMA.clone()
}

/// The same without a copy.
pub(crate) fn shared() -> &'static Value {
    &SCHEMA
}

/// Follows `$ref`s to the schema that says what a value looks like.
pub(crate) fn resolved(schema: &'static Value) -> &'static Value {
    let mut schema = schema;
    for _ in 0..16 {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { break };
        match reference.strip_prefix('#').and_then(|pointer| SCHEMA.pointer(pointer)) {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

/// The schemas one of which a value has to match: those of `anyOf` and `oneOf` without `null`, or the schema itself.
pub(crate) fn alternatives(schema: &'static Value) -> Vec<&'static Value> {
    let schema = resolved(schema);
    let listed = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
    match listed {
        Some(listed) => listed.iter().filter(|one| !is_null(one)).flat_map(alternatives).collect(),
        None => vec![schema],
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// Whether `schema` lists `name` as its type, alone or among others.
pub(crate) fn has_type(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(name)),
        Some(_) | None => false,
    }
}

/// The keys a mapping of this schema knows.
pub(crate) fn properties(schema: &'static Value) -> Option<&'static Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

/// What the values of keys that are not listed look like; `None` if there may be no others.
pub(crate) fn other_values(schema: &'static Value) -> Option<&'static Value> {
    let rule = schema.get("additionalProperties").or_else(|| schema.get("unevaluatedProperties"));
    match rule {
        Some(Value::Bool(false)) => None,
        Some(other) => Some(other),
        None => Some(&Value::Bool(true)),
    }
}

/// The schema of `key` in a mapping of this schema; `None` if there is no such key.
pub(crate) fn property(schema: &'static Value, key: &str) -> Option<&'static Value> {
    if let Some(listed) = properties(schema).and_then(|properties| properties.get(key)) {
        return Some(listed);
    }
    let prefixed = schema.get("patternProperties").and_then(Value::as_object);
    let by_prefix = prefixed.and_then(|patterns| {
        patterns
            .iter()
            .find(|(pattern, _)| pattern.strip_prefix('^').is_some_and(|prefix| key.starts_with(prefix)))
    });
    match by_prefix {
        Some((_, schema)) => Some(schema),
        None => other_values(schema),
    }
}

/// Whether a mapping of this schema has to have `key`.
pub(crate) fn is_required(schema: &Value, key: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|keys| keys.iter().any(|known| known.as_str() == Some(key)))
}

/// The words a scalar of this schema may be; empty if it is not an enumeration.
pub(crate) fn words(schema: &Value) -> Vec<&str> {
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return vec![word];
    }
    schema
        .get("enum")
        .and_then(Value::as_array)
        .map_or(Vec::new(), |words| words.iter().filter_map(Value::as_str).collect())
}
