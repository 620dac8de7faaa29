//! Alertmanager's own tests of its routing tree, of its command line's routing and of its inhibition: every case.

use crate::folder::vectors;
use foreshock_systems::Span;
use foreshock_systems::Time;
use foreshock_systems::notification::{
    GroupBy, InhibitRule, Inhibitor, Labels, MatchOp, Matcher, Matchers, RouteConfig, RouteOptions, RouteTree,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A route as Alertmanager's files have it. A number is a text, as there.
#[derive(Deserialize)]
struct RouteFile {
    receiver: Option<String>,
    #[serde(default, rename = "match")]
    equal: BTreeMap<String, Scalar>,
    #[serde(default)]
    match_re: BTreeMap<String, Scalar>,
    group_by: Option<Vec<String>>,
    group_wait: Option<String>,
    group_interval: Option<String>,
    repeat_interval: Option<String>,
    #[serde(default, rename = "continue")]
    continues: bool,
    #[serde(default)]
    routes: Vec<RouteFile>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Number(i64),
    Text(String),
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Scalar::Number(number) => number.to_string(),
            Scalar::Text(text) => text.clone(),
        }
    }
}

#[derive(Deserialize)]
struct ConfigFile {
    route: RouteFile,
}

impl RouteFile {
    fn config(&self) -> RouteConfig {
        let matcher = |op| {
            move |(name, value): (&String, &Scalar)| {
                Matcher::new(name, op, value.text()).expect("the file has matchers")
            }
        };
        let span =
            |text: &Option<String>| text.as_ref().map(|text| text.parse().expect("the file has durations"));
        let equal = self.equal.iter().map(matcher(MatchOp::Equal));
        RouteConfig {
            receiver: self.receiver.clone(),
            matchers: equal.chain(self.match_re.iter().map(matcher(MatchOp::Matches))).collect(),
            group_by: self
                .group_by
                .as_ref()
                .map(|names| if names == &["..."] { GroupBy::All } else { GroupBy::Labels(names.clone()) }),
            group_wait: span(&self.group_wait),
            group_interval: span(&self.group_interval),
            repeat_interval: span(&self.repeat_interval),
            continues: self.continues,
            routes: self.routes.iter().map(RouteFile::config).collect(),
            ..RouteConfig::default()
        }
    }
}

fn tree(file: &RouteFile) -> RouteTree {
    RouteTree::new(&file.config()).expect("the file has a tree")
}

fn yaml<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_yaml::from_str(&fs::read_to_string(path).expect("the file can be read")).expect("the file is YAML")
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("the file can be read")).expect("the file is JSON")
}

fn labels(value: &Value) -> Labels {
    let pairs = value.as_object().expect("labels are an object").iter();
    Labels::new(pairs.map(|(name, value)| (name.clone(), text(value))).collect())
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_string()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// `default`, or a product as Go writes it: `2 * time.Minute`.
fn span(value: &Value, usual: Span) -> Span {
    let text = text(value);
    if text == "default" {
        return usual;
    }
    let (count, unit) = text.split_once(" * time.").expect("a product");
    let seconds = match unit {
        "Second" => 1,
        "Minute" => 60,
        "Hour" => 3_600,
        other => panic!("unit {other}"),
    };
    Span::from_secs(seconds).saturating_mul(count.parse().expect("a number"))
}

fn assert_options(found: &RouteOptions, expected: &Value) {
    let usual = RouteOptions::default();
    assert_eq!(found.receiver, text(&expected["receiver"]));
    assert_eq!(found.group_wait, span(&expected["GroupWait"], usual.group_wait));
    assert_eq!(found.group_interval, span(&expected["GroupInterval"], usual.group_interval));
    assert_eq!(found.repeat_interval, span(&expected["RepeatInterval"], usual.repeat_interval));
    let names: BTreeSet<String> = match &expected["group_by"] {
        Value::String(default) if default == "default" => BTreeSet::new(),
        names => list(names).iter().map(text).collect(),
    };
    match &found.group_by {
        GroupBy::All => assert!(expected["group_by_all"] == true && names.is_empty()),
        GroupBy::Labels(found) => {
            assert_eq!(
                (found.iter().cloned().collect(), &expected["group_by_all"]),
                (names, &Value::Bool(false))
            );
        }
    }
}

#[test]
fn every_case_of_alertmanagers_route_test_passes() {
    let Some(folder) = vectors("alertmanager") else { return };
    let tree = tree(&yaml(&folder.join("route_match.yml")));
    let file = json(&folder.join("route_match.json"));
    let cases = list(&file["cases"]);
    for case in cases {
        let found = tree.matching(&labels(&case["labels"]));
        let routes: Vec<_> = found.iter().filter_map(|id| tree.get(*id)).collect();
        let keys: Vec<&str> = routes.iter().map(|route| route.key.as_str()).collect();
        assert_eq!(keys, list(&case["keys"]).iter().filter_map(Value::as_str).collect::<Vec<_>>());
        assert_eq!(routes.len(), list(&case["routes"]).len());
        for (route, expected) in routes.iter().zip(list(&case["routes"])) {
            assert_options(&route.options, expected);
        }
    }
    println!("alertmanager, route_match: {} of {} cases, none skipped", cases.len(), 8);
    assert_eq!(cases.len(), 8);
}

#[test]
fn every_case_of_alertmanagers_command_line_routing_passes() {
    let Some(folder) = vectors("alertmanager") else { return };
    let file = json(&folder.join("cli_routing.json"));
    let cases = list(&file["cases"]);
    for case in cases {
        let config: ConfigFile = yaml(&folder.join(text(&case[0])));
        let tree = tree(&config.route);
        let found = tree.matching(&labels(&case[1]));
        let receivers =
            found.iter().filter_map(|id| tree.get(*id)).map(|route| route.options.receiver.clone());
        assert_eq!(
            receivers.collect::<Vec<_>>(),
            list(&case[2]).iter().map(text).collect::<Vec<_>>(),
            "{case}"
        );
    }
    println!("alertmanager, cli_routing: {} of {} cases, none skipped", cases.len(), 4);
    assert_eq!(cases.len(), 4);
}

#[test]
fn every_case_of_alertmanagers_inhibition_test_passes() {
    let Some(folder) = vectors("alertmanager") else { return };
    let file = json(&folder.join("inhibit_matches.json"));
    let matchers = |value: &Value| {
        let pairs = value.as_object().expect("an object").iter();
        let equal = pairs.map(|(name, value)| Matcher::equal(name, text(value)).expect("a matcher"));
        Matchers::new(equal.collect())
    };
    let rules = list(&file["rules"]).iter().map(|rule| InhibitRule {
        source: matchers(&rule["source_match"]),
        target: matchers(&rule["target_match"]),
        equal: list(&rule["equal"]).iter().map(text).collect(),
    });
    let mut inhibitor = Inhibitor::new(rules.collect());
    for source in list(&file["active_source_alerts"]) {
        inhibitor.observe(Time::ZERO, &labels(source), Time::MAX);
    }
    let cases = list(&file["cases"]);
    for case in cases {
        let muted = inhibitor.muted_by(Time::ZERO, &labels(&case["target"])).is_some();
        assert_eq!(case["muted"], muted, "{case}");
    }
    println!("alertmanager, inhibit_matches: {} of {} cases, none skipped", cases.len(), 8);
    assert_eq!(cases.len(), 8);
}
