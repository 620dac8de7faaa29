//! Settings of kinds that are known to turn a small failure into a large one, and what they could be instead: what a
//! policy is to a call, these are to a scheduler, a flag server's client, a router of alerts. Reads the plan, runs
//! nothing.

use serde_json::{Value, json};

use super::candidates::{place_of_service, set};
use crate::scenario::plan::{Edit, Plan, ServicePlan};

/// A setting that could be safer.
pub(super) struct Weak {
    /// Its path, as `--set` takes it.
    pub(super) path: String,
    /// What it is about: `durability`, `boot`, …
    pub(super) kind: &'static str,
    /// What the safer value does, in words.
    pub(super) instead: String,
    /// What makes it safer.
    pub(super) edit: Edit,
}

/// A key below a service, the value that is weak, the one that is not, what it is about, and that in words.
type Row = (&'static str, Value, Value, &'static str, &'static str);

fn table() -> [Row; 7] {
    [
        (
            "fsync",
            json!("never"),
            json!("every_commit"),
            "durability",
            "an answer only once it is on the disk, at",
        ),
        (
            "flags.boot",
            json!("defaults"),
            json!("last_known_good"),
            "boot",
            "the last flags that were known to be good at the start of",
        ),
        (
            "config_client.on_store_down",
            json!("fail_fast_at_boot"),
            json!("last_known_good"),
            "boot",
            "the last configuration that was known to be good at the start of",
        ),
        (
            "config_client.resync_jitter",
            json!("0s"),
            json!("20s"),
            "jitter",
            "each replica asks for everything at a time of its own, of",
        ),
        ("idempotency_keys", json!(false), json!(true), "idempotency", "idempotency keys are heeded by"),
        ("key", json!("attempt"), json!("order"), "idempotency", "one idempotency key for each order of"),
        (
            "route.group_by",
            json!(["..."]),
            json!(["alertname"]),
            "grouping",
            "alerts of one name are one group at",
        ),
    ]
}

/// Those of a service, in a fixed order.
pub(super) fn of_service(plan: &Plan, service: &ServicePlan) -> Vec<Weak> {
    let Some(written) = plan.document.get("services").and_then(|services| services.get(&service.name)) else {
        return Vec::new();
    };
    let place = place_of_service(plan, &service.name);
    let found = table().into_iter().filter(|(key, weak, ..)| {
        key.split('.').try_fold(written, |value, word| value.get(word)) == Some(weak)
    });
    found
        .map(|(key, _, safer, kind, instead)| {
            let path = format!("{place}.{key}");
            Weak {
                edit: set(path.clone(), safer),
                path,
                kind,
                instead: format!("{instead} `{}`", service.name),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::nodes::Kinds;
    use crate::scenario::{Files, Source, compile, edited};

    struct NoFiles;

    impl Files for NoFiles {
        fn read(&self, relative: &str) -> Result<String, String> {
            Err(format!("{relative} is not read here"))
        }
    }

    #[test]
    fn every_weak_setting_is_in_some_shipped_scenario_and_its_safer_value_can_be_set_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/business");
        let kinds = Kinds::default();
        let mut found = BTreeSet::new();
        for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let text = fs::read(&file).unwrap();
            let plan = compile(Source { name: "shipped", text: &text }, &NoFiles, &kinds).unwrap().plan;
            for weak in plan.services.iter().flat_map(|service| of_service(&plan, service)) {
                let key = weak.path.split_once('.').unwrap().1.to_string();
                let changed = edited(&plan, std::slice::from_ref(&weak.edit), &kinds);
                assert!(changed.is_ok(), "{} of {}: {:?}", weak.path, file.display(), changed.err());
                let changed = changed.unwrap();
                assert!(
                    changed
                        .services
                        .iter()
                        .all(|it| of_service(&changed, it).iter().all(|it| it.path != weak.path)),
                    "{} is no longer weak",
                    weak.path
                );
                found.insert(key);
            }
        }
        let all: BTreeSet<String> = table().iter().map(|(key, ..)| (*key).to_string()).collect();
        assert_eq!(found, all);
    }
}
