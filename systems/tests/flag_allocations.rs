//! Evaluating a flag takes no memory, whether a rule matches or not: counted by an allocator that counts.

use allocation_counter::measure;
use foreshock_systems::feature_flags::{
    Context, Engine, ErrorKind, FlagConfig, Prerequisites, Reason, RuleSet,
};
use serde_json::{Value, json};

/// Every operator once, one per rule, none of which is for the user below; and flags around it.
fn features() -> Value {
    let rule = |operator: &str, name: &str, operand: &str, any_case: bool| {
        json!({
            "name": "flexibleRollout",
            "segments": [1],
            "parameters": {"rollout": "50", "stickiness": "default", "groupId": "checkout"},
            "constraints": [{"contextName": name, "operator": operator, "value": operand, "values": [operand],
                "caseInsensitive": any_case}]
        })
    };
    let rules = [
        rule("IN", "userId", "bob", false),
        rule("NOT_IN", "userId", "ann-0123456789", false),
        rule("STR_STARTS_WITH", "plan", "FREE", true),
        rule("STR_ENDS_WITH", "plan", "trial", true),
        rule("STR_CONTAINS", "plan", "ÉTÉ", true),
        rule("NUM_GT", "age", "99.5", false),
        rule("DATE_AFTER", "currentTime", "2030-01-01T00:00:00Z", false),
        rule("SEMVER_GT", "version", "2.0.0-release-candidate.1", false),
        rule("REGEX", "plan", "^(gold|silver)+$", true),
        rule("IN_CIDR", "remoteAddress", "10.0.0.0/8", false),
    ];
    let matching = json!({"name": "flexibleRollout", "parameters": {"rollout": "100", "groupId": "g"}});
    let variants = json!([{"name": "a", "weight": 1, "overrides": [{"contextName": "userId", "values": ["bob"]}]},
        {"name": "b", "weight": 1, "payload": {"type": "json", "value": "{\"a\":[1,2]}"}}]);
    json!({
        "segments": [{"id": 1, "constraints": [{"contextName": "environment", "operator": "IN", "values": ["prod"]}]}],
        "features": [
            {"name": "none", "enabled": true, "strategies": rules},
            {"name": "some", "enabled": true, "strategies": [rules[0], matching], "variants": variants},
            {"name": "child", "enabled": true, "dependencies": [{"feature": "some", "variants": ["a", "b"]}]},
            {"name": "grandchild", "enabled": true, "dependencies": [{"feature": "child"}]},
            {"name": "loop", "enabled": true, "dependencies": [{"feature": "loop"}]},
            {"name": "random", "enabled": true, "strategies": [
                {"name": "gradualRolloutRandom", "parameters": {"percentage": "50"}}]},
        ]
    })
}

#[test]
fn an_evaluation_allocates_nothing_whether_a_rule_matches_or_not() {
    let config = FlagConfig { prerequisites: Prerequisites::Chains, ..FlagConfig::default() };
    let rules: RuleSet = Engine::new(config).load(1, &features().to_string()).expect("a state");
    let process = Context { environment: Some("prod"), ..Context::default() };
    let context = Context {
        user_id: Some("ann-0123456789"),
        remote_address: Some("192.168.1.42"),
        current_time: Some("2026-01-29T13:00:00.123+02:00"),
        properties: &[
            ("plan", "Platinum Forever"),
            ("age", "42"),
            ("version", "1.99.0-release-candidate.12+build.7"),
        ],
        random_word: u64::MAX,
        outer: Some(&process),
        ..Context::default()
    };
    // A pattern takes its working memory when it is first used by a thread.
    assert!(!rules.is_enabled("none", &context));
    for (flag, reason) in [
        ("none", Reason::Default),
        ("some", Reason::Split),
        ("child", Reason::Static),
        ("grandchild", Reason::Static),
        ("loop", Reason::Error(ErrorKind::MalformedFlag)),
        ("missing", Reason::Error(ErrorKind::FlagNotFound)),
    ] {
        let mut answers = None;
        let counted = measure(|| {
            let detail = rules.evaluate(flag, &context);
            answers = Some((
                detail.reason,
                detail.on == rules.is_enabled(flag, &context),
                detail.json(&Value::Null),
            ));
        });
        let (got, alike, _) = answers.expect("it was asked");
        assert_eq!((got, alike, counted.count_total), (reason, true, 0), "{flag}");
    }
    let mut drawn = None;
    let counted = measure(|| drawn = Some(rules.is_enabled("random", &context)));
    assert!(drawn.is_some() && counted.count_total == 0, "the random word is hashed where it stands");
    assert!(measure(|| drop(String::from("the counter counts"))).count_total > 0);
}
