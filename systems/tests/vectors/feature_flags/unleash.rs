//! Unleash's client specification: states, and what every client answers in them.

use crate::folder::vectors;
use foreshock_systems::feature_flags::definition::{Event, State};
use foreshock_systems::feature_flags::{Context, Engine, FlagConfig, RuleSet};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;

#[test]
fn every_case_of_the_client_specification_comes_out() {
    let Some(folder) = vectors("unleash") else { return };
    let read = |name: &str| -> Value {
        let text =
            fs::read_to_string(folder.join("specifications").join(name)).expect("the file can be read");
        serde_json::from_str(&text).expect("the file is JSON")
    };
    let (mut ran, mut wrong) = (0, Vec::new());
    for name in read("index.json").as_array().expect("the index is a list") {
        let name = name.as_str().expect("a file has a name");
        let suite = read(name);
        let rules = load(&suite["state"]);
        let mut check = |case: &Value, got: Value| {
            ran += 1;
            if got != case["expectedResult"] {
                wrong.push(format!("{name}: {}: {got}", case["description"]));
            }
        };
        for case in cases(&suite["tests"]) {
            let on = with_context(&case["context"], |context| rules.is_enabled(toggle(case), context));
            let detail_on =
                with_context(&case["context"], |context| rules.evaluate(toggle(case), context).on);
            assert_eq!(on, detail_on, "both ways of asking answer alike");
            check(case, json!(on));
        }
        for case in cases(&suite["variantTests"]) {
            check(case, with_context(&case["context"], |context| variant(&rules, toggle(case), context)));
        }
    }
    println!("unleash: ran {ran} cases, skipped 0");
    assert!(wrong.is_empty(), "{} of {ran} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(ran >= 279, "only {ran} cases were there");
}

fn cases(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn toggle(case: &Value) -> &str {
    case["toggleName"].as_str().expect("a case names its flag")
}

fn load(state: &Value) -> RuleSet {
    let empty = Engine::new(FlagConfig::default()).empty();
    match Vec::<Event>::deserialize(&state["events"]) {
        Ok(events) => empty.with_events(&events),
        Err(_) => empty.with_state(1, &State::deserialize(state).expect("a state has its form")),
    }
}

fn with_context<T>(json: &Value, ask: impl FnOnce(&Context<'_>) -> T) -> T {
    let properties: Vec<_> = json["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect();
    ask(&Context {
        user_id: json["userId"].as_str(),
        session_id: json["sessionId"].as_str(),
        remote_address: json["remoteAddress"].as_str(),
        environment: json["environment"].as_str(),
        app_name: json["appName"].as_str(),
        current_time: json["currentTime"].as_str(),
        properties: &properties,
        ..Context::default()
    })
}

fn variant(rules: &RuleSet, name: &str, context: &Context<'_>) -> Value {
    let detail = rules.evaluate(name, context);
    let mut answer = json!({
        "name": detail.variant_name(),
        "enabled": detail.variant.is_some(),
        "feature_enabled": detail.on,
    });
    if let Some(payload) = detail.variant.and_then(|variant| variant.payload()) {
        answer["payload"] = json!({"type": payload.kind(), "value": payload.text()});
    }
    answer
}
