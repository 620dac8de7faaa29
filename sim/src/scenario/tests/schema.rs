//! The schema and the types that read files are one thing.

use serde_json::Value;

use super::super::quantity::{FORMATS, format_named};
use super::super::{json_schema, parse};
use super::{CASCADE, CONFIGS, FLAGS, LARGE, LIMITS, MONITORING, SWEEPS};

fn every_schema<'s>(schema: &'s Value, visit: &mut dyn FnMut(&'s Value)) {
    visit(schema);
    match schema {
        Value::Object(rules) => rules.values().for_each(|rule| every_schema(rule, visit)),
        Value::Array(rules) => rules.iter().for_each(|rule| every_schema(rule, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let schema = json_schema();
    let mut references = 0;
    every_schema(&schema, &mut |one| {
        if let Some(reference) = one.get("$ref").and_then(Value::as_str) {
            references += 1;
            assert!(schema.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    });
    assert!(references > 100);
}

#[test]
fn every_format_is_known_and_its_example_is_right() {
    let schema = json_schema();
    let mut seen = Vec::new();
    every_schema(&schema, &mut |one| {
        let name = one.get("format").and_then(Value::as_str).filter(|name| name.starts_with("foreshock-"));
        if let Some(name) = name {
            let format = format_named(name).unwrap_or_else(|| panic!("{name}"));
            let example = one["examples"][0].as_str().unwrap();
            assert_eq!((format.check)(example), Ok(()), "{name}");
            seen.push(name);
        }
    });
    for format in FORMATS {
        assert!(seen.contains(&format.name), "no field uses {}", format.name);
    }
}

#[test]
fn every_field_is_explained() {
    let schema = json_schema();
    every_schema(&schema, &mut |one| {
        for (name, field) in one.get("properties").and_then(Value::as_object).into_iter().flatten() {
            // Of an enumeration the variant is explained, not the value below it.
            let explained = field.get("description").or(one.get("description"));
            assert!(!field.is_object() || explained.is_some(), "{name}: {field}");
        }
    });
}

#[test]
fn names_of_types_are_those_of_users() {
    let text = json_schema().to_string();
    assert!(!text.contains("Raw"), "{}", &text[text.find("Raw").unwrap_or(0)..][..80]);
}

/// All keys of the schema that a document does not use.
fn unused(schema: &Value) -> Vec<String> {
    let documents = [LARGE, CASCADE, CONFIGS, FLAGS, LIMITS, MONITORING, SWEEPS]
        .map(|text| parse::parse(text.as_bytes()).unwrap().0.to_value());
    let mut used = std::collections::BTreeSet::new();
    for document in &documents {
        every_schema(document, &mut |value| {
            used.extend(value.as_object().into_iter().flat_map(|map| map.keys().cloned()));
        });
    }
    let mut unused = Vec::new();
    every_schema(schema, &mut |one| {
        for name in
            one.get("properties").and_then(Value::as_object).into_iter().flat_map(|fields| fields.keys())
        {
            if !used.contains(name) {
                unused.push(name.clone());
            }
        }
    });
    unused.sort();
    unused.dedup();
    unused
}

#[test]
fn every_field_is_used_by_the_test_scenarios() {
    assert_eq!(unused(&json_schema()), [""; 0]);
}
