//! Settings of kinds beside the fields that every service has: a name means one thing. Asks the kinds themselves, so
//! that a kind that is added is looked at as well.

use foreshock::nodes::Kinds;
use foreshock::scenario::{KindsCheck, json_schema};
use serde_json::{Map, Value, json};

/// The fields of a service, which the scenario's reader takes before the kind sees any.
fn fields_of_services() -> Vec<String> {
    let schema = json_schema();
    let fields = schema["$defs"]["Service"]["properties"].as_object().unwrap();
    fields.keys().cloned().collect()
}

/// Whether a kind has a setting of this name, by what it says of one: that it has no such setting, or else.
fn has_setting(kinds: &Kinds, kind: &str, name: &str) -> bool {
    let says_it_has_none = |value: Value| {
        let settings = Map::from_iter([(name.to_string(), value)]);
        kinds
            .check_settings(kind, &settings)
            .iter()
            .any(|(key, what)| key == name && what.contains("no setting"))
    };
    ![json!("1s"), json!(1), json!(true), json!({})].into_iter().any(says_it_has_none)
}

#[test]
fn no_kind_has_a_setting_with_the_name_of_a_field_of_services() {
    let kinds = Kinds::default().with_test_kinds();
    let fields = fields_of_services();
    assert!(fields.len() > 20, "{fields:?}");
    let mut swallowed = Vec::new();
    // A kind that takes whatever is written reads none of it.
    let reads_settings = |kind: &String| !has_setting(&kinds, kind, "no-kind-has-this");
    for kind in kinds.names().into_iter().filter(reads_settings) {
        for field in &fields {
            if has_setting(&kinds, &kind, field) {
                swallowed.push(format!("{kind}: {field}"));
            }
        }
    }
    assert_eq!(swallowed, Vec::<String>::new(), "the service's own field takes what is meant for the kind");
}

#[test]
fn a_setting_that_a_kind_has_is_told_from_one_that_it_has_not() {
    let kinds = Kinds::default();
    assert!(has_setting(&kinds, "job-enqueuer", "campaign"));
    assert!(has_setting(&kinds, "payments", "store"));
    assert!(!has_setting(&kinds, "job-enqueuer", "replicas"));
    assert!(!has_setting(&kinds, "payments", "replicas"));
}
