//! One revision for one request, between threads; every answer counted.

use super::{rules, user};
use crate::feature_flags::definition::State;
use crate::feature_flags::{Exposures, RuleSet, SharedRules};
use serde_json::json;
use std::sync::Arc;

/// Two flags that are only ever both on or both off.
fn pair(revision: u64) -> RuleSet {
    let flag = |name: &str| json!({"name": name, "enabled": revision.is_multiple_of(2)});
    let state = json!({"features": [flag("one"), flag("two")]});
    let state: State = serde_json::from_value(state).expect("a state");
    rules(&json!([])).with_state(revision, &state)
}

#[test]
fn a_request_sees_one_revision_whatever_is_published_meanwhile() {
    const REVISIONS: u64 = 2_000;
    let shared = SharedRules::new(pair(1));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while last < REVISIONS {
                    let rules = shared.snapshot();
                    let answers = ["one", "two"].map(|flag| rules.is_enabled(flag, &user("ann")));
                    assert_eq!(answers[0], answers[1], "a mixed answer");
                    assert!(rules.revision() >= last, "back from {last} to {}", rules.revision());
                    last = rules.revision();
                }
            });
        }
        for revision in 2..=REVISIONS {
            assert!(shared.publish(Arc::new(pair(revision))));
        }
    });
    assert!(!shared.publish(Arc::new(pair(REVISIONS))) && !shared.publish(Arc::new(pair(1))));
}

#[test]
fn exposures_add_up_to_the_evaluations_of_each_flag_and_revision() {
    let variants = json!([{"name": "a", "weight": 1}, {"name": "b", "weight": 1}]);
    let features = json!([
        {"name": "some", "enabled": true, "variants": variants,
            "strategies": [{"name": "flexibleRollout", "parameters": {"rollout": "40"}}]},
        {"name": "off", "enabled": false},
    ]);
    let first = rules(&features);
    let second =
        first.with_state(2, &serde_json::from_value(json!({ "features": features })).expect("a state"));
    let mut exposures = Exposures::new();
    for id in 0..300 {
        let id = id.to_string();
        for (rules, flag) in [(&first, "some"), (&second, "some"), (&second, "off"), (&second, "missing")] {
            exposures.record(&rules.evaluate(flag, &user(&id)));
        }
    }
    assert_eq!(exposures.unknown(), 300);
    let drained: Vec<_> = exposures.drain().collect();
    let keys: Vec<_> = drained.iter().map(|(revision, flag, _)| (*revision, &**flag)).collect();
    assert_eq!(keys, [(1, "some"), (2, "off"), (2, "some")]);
    for (_, flag, exposure) in &drained {
        assert_eq!(exposure.evaluations(), 300);
        assert_eq!(exposure.variants.values().sum::<u64>(), exposure.yes, "{flag}");
    }
    assert_eq!((exposures.drain().count(), exposures.unknown()), (0, 0));
}
