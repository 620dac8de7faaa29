//! Settings of kind `flag-server`, read from the file or refused with the place and what to write instead.

use std::collections::BTreeMap;

use foreshock_systems::feature_flags::definition::{FlagDefinition, SegmentDefinition, State};
use foreshock_systems::feature_flags::{Engine, FlagConfig};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::definition;
use crate::kernel::time::Span;
use crate::scenario::quantity::{Duration, Positive, Problem, Share, scalar_text};

/// Signs of life on a stream, unless said otherwise.
const HEARTBEAT: Span = Span::from_secs(5);
/// Changes that are kept for those who missed some, unless said otherwise.
const LOG: u32 = 100;
/// Most changes that are kept.
const MOST_LOG: u32 = 100_000;
/// Most flags: each is followed for each user.
const MOST_FLAGS: usize = 1_000;

/// Settings of whoever keeps flags.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    /// The flags by name, each in Unleash's format.
    pub(super) flags: BTreeMap<String, Value>,
    /// Shared sets of constraints.
    pub(super) segments: Vec<SegmentDefinition>,
    /// From one sign of life on a stream to the next.
    pub(super) heartbeat: Span,
    /// Changes that are kept for those who missed some; whoever missed more gets everything.
    pub(super) log: u32,
}

type Wrong = (String, String);

/// Reads the settings.
///
/// # Errors
/// All that is wrong with them, with the place inside them.
pub(super) fn read(settings: &Map<String, Value>) -> Result<Settings, Vec<Wrong>> {
    let mut read = Settings { flags: BTreeMap::new(), segments: Vec::new(), heartbeat: HEARTBEAT, log: LOG };
    let mut wrong: Vec<Wrong> = Vec::new();
    // The long form first, so that a flag in both is told of in the same way in whatever order they stand.
    let (features_first, others): (Vec<_>, Vec<_>) = settings.iter().partition(|(key, _)| *key == "features");
    for (key, value) in features_first.into_iter().chain(others) {
        let result = match key.as_str() {
            "features" => features(value, &mut read.flags),
            "rollouts" => rollouts(value, &mut read.flags),
            "segments" => segments(value, &mut read.segments),
            "heartbeat" => duration(value).map(|span| read.heartbeat = span).map_err(at(key)),
            "log" => count(value).map(|log| read.log = log).map_err(at(key)),
            _ => {
                let known = "features, rollouts, segments, heartbeat and log";
                Err(vec![(key.clone(), format!("a flag server has no setting `{key}`; it has {known}"))])
            }
        };
        wrong.extend(result.err().into_iter().flatten());
    }
    if read.flags.len() > MOST_FLAGS {
        let message = format!("{} flags are too many; the most is {MOST_FLAGS}", read.flags.len());
        wrong.push(("features".to_string(), message));
    }
    if wrong.is_empty() {
        wrong.extend(problems(&read).into_iter().map(|problem| ("features".to_string(), problem)));
    }
    if wrong.is_empty() { Ok(read) } else { Err(wrong) }
}

/// A message about one setting.
fn at(key: &str) -> impl FnOnce(Problem) -> Vec<Wrong> {
    let key = key.to_string();
    move |problem| vec![(key, problem.sentence())]
}

/// What the library cannot use of the definitions: it would quietly match nobody.
fn problems(settings: &Settings) -> Vec<String> {
    let state = settings.state();
    Engine::new(FlagConfig::default()).empty().with_state(1, &state).problems()
}

impl Settings {
    /// Everything as the library reads it.
    pub(super) fn state(&self) -> State {
        let features = self.flags.values().cloned().map(Into::into).collect();
        State { features, segments: self.segments.clone() }
    }
}

/// Unleash's own format: the list of features that `client/features` answers.
fn features(value: &Value, flags: &mut BTreeMap<String, Value>) -> Result<(), Vec<Wrong>> {
    let Some(list) = value.as_array() else {
        let message =
            "this is no list of features; write `[{name: new-checkout, enabled: true, strategies: […]}]`";
        return Err(vec![("features".to_string(), message.to_string())]);
    };
    let mut wrong = Vec::new();
    for (index, feature) in list.iter().enumerate() {
        let name = feature.get("name").and_then(Value::as_str).unwrap_or_default();
        let fault = match FlagDefinition::deserialize(feature) {
            Err(error) => Some(format!("feature {} cannot be read: {error}", index + 1)),
            Ok(_) if name.is_empty() => Some(format!("feature {} has no name; add `name`", index + 1)),
            Ok(_) if flags.contains_key(name) => {
                Some(format!("the flag `{name}` stands here twice; keep one"))
            }
            Ok(_) => None,
        };
        match fault {
            Some(message) => wrong.push(("features".to_string(), message)),
            None => drop(flags.insert(name.to_string(), feature.clone())),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// The short form: `{new-checkout: 10%, dark-mode: false}`.
fn rollouts(value: &Value, flags: &mut BTreeMap<String, Value>) -> Result<(), Vec<Wrong>> {
    let Some(map) = value.as_object() else {
        let message = "these are no rollouts; write `{new-checkout: 10%, dark-mode: false}`";
        return Err(vec![("rollouts".to_string(), message.to_string())]);
    };
    let mut wrong = Vec::new();
    for (name, value) in map {
        match rollout(value) {
            Err(problem) => wrong.push((format!("rollouts.{name}"), problem.sentence())),
            Ok(_) if flags.contains_key(name) => {
                let message = format!("the flag `{name}` stands in `features` as well; keep one");
                wrong.push((format!("rollouts.{name}"), message));
            }
            Ok((percent, enabled)) => {
                flags.insert(name.clone(), definition::simple(name, percent, enabled));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Percent, and whether it is switched on.
fn rollout(value: &Value) -> Result<(u32, bool), Problem> {
    if let Some(enabled) = value.as_bool() {
        return Ok((100, enabled));
    }
    let help = "write `10%`, `true` or `false`";
    let text = scalar_text(value).ok_or_else(|| Problem::new("this is no rollout", help))?;
    match Share::read(&text)?.0 {
        ppm if ppm % 10_000 == 0 => Ok((ppm / 10_000, true)),
        _ => Err(Problem::new(
            "a rollout is in whole percent",
            "users are told apart by the hundred: write `10%`",
        )),
    }
}

fn segments(value: &Value, segments: &mut Vec<SegmentDefinition>) -> Result<(), Vec<Wrong>> {
    match Vec::<SegmentDefinition>::deserialize(value) {
        Ok(read) => {
            *segments = read;
            Ok(())
        }
        Err(error) => Err(vec![("segments".to_string(), format!("these are no segments: {error}"))]),
    }
}

fn duration(value: &Value) -> Result<Span, Problem> {
    let help = "write a duration such as `5s`";
    let text = scalar_text(value).ok_or_else(|| Problem::new("this is no duration", help))?;
    match Duration::read(&text)?.0 {
        span if span < Span::from_millis(1) => {
            Err(Problem::new("a heart that never rests", "use at least `1ms`"))
        }
        span => Ok(span),
    }
}

fn count(value: &Value) -> Result<u32, Problem> {
    let help = "write a number such as 100";
    let text = scalar_text(value).ok_or_else(|| Problem::new("this is no number", help))?;
    match Positive::read(&text)?.0 {
        log if log > MOST_LOG => {
            Err(Problem::new("nobody keeps so many changes", format!("the most is {MOST_LOG}")))
        }
        log => Ok(log),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrong(settings: Value) -> Vec<(String, String)> {
        read(settings.as_object().unwrap()).err().unwrap_or_default()
    }

    #[test]
    fn the_short_form_and_the_long_one_are_read_side_by_side() {
        let settings = json!({
            "rollouts": {"a": "10%", "b": true, "c": false},
            "features": [{"name": "d", "enabled": true, "strategies": [{"name": "default", "segments": [1]}]}],
            "segments": [{"id": 1, "constraints": []}],
            "heartbeat": "2s",
            "log": 5,
        });
        let read = read(settings.as_object().unwrap()).unwrap();
        assert_eq!(read.flags.keys().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!((read.segments.len(), read.heartbeat, read.log), (1, Span::from_secs(2), 5));
        let percent = |name: &str| definition::percentage(&read.flags[name]).map(|(percent, _)| percent);
        assert_eq!(
            (percent("a"), percent("b"), percent("c"), percent("d")),
            (Some(10), Some(100), Some(100), None)
        );
        assert_eq!((&read.flags["b"]["enabled"], &read.flags["c"]["enabled"]), (&json!(true), &json!(false)));
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_its_place() {
        let strategy = |name: &str, rollout: &str| json!({"name": name, "parameters": {"rollout": rollout}});
        let feature =
            |strategy: Value| json!({"features": [{"name": "f", "enabled": true, "strategies": [strategy]}]});
        for (settings, place, word) in [
            (json!({"flags": {}}), "flags", "no setting"),
            (json!({"rollouts": {"f": "12.5%"}}), "rollouts.f", "whole percent"),
            (json!({"rollouts": {"f": [1]}}), "rollouts.f", "no rollout"),
            (json!({"rollouts": 3}), "rollouts", "no rollouts"),
            (json!({"rollouts": {"f": "1%"}, "features": [{"name": "f"}]}), "rollouts.f", "as well"),
            (json!({"features": {}}), "features", "no list"),
            (json!({"features": [{"enabled": true}]}), "features", "no name"),
            (json!({"features": [{"name": "f"}, {"name": "f"}]}), "features", "twice"),
            (json!({"features": [{"name": "f", "strategies": 3}]}), "features", "cannot be read"),
            (feature(strategy("flexibleRolout", "10")), "features", "flexibleRolout"),
            (feature(strategy("flexibleRollout", "ten")), "features", "ten"),
            (json!({"segments": 3}), "segments", "no segments"),
            (json!({"heartbeat": "0s"}), "heartbeat", "never rests"),
            (json!({"heartbeat": 5}), "heartbeat", "unit"),
            (json!({"log": 0}), "log", ""),
            (json!({"log": 1_000_000}), "log", "the most"),
        ] {
            let found = wrong(settings.clone());
            let told = found.iter().any(|(at, message)| at == place && message.contains(word));
            assert!(told, "{settings}: {found:?}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let found = wrong(json!({"heartbeat": "0s", "log": 0, "rollouts": {"a": "x", "b": "y"}}));
        assert_eq!(found.len(), 4, "{found:?}");
    }
}
