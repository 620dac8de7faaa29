//! The reference file as data: cases with their configuration, expected values and tolerance. Judges nothing.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// A case of the file.
pub(crate) struct Case {
    pub(crate) id: String,
    config: Map<String, Value>,
    pub(crate) expected: Map<String, Value>,
    /// In words, with the numbers in them.
    tolerance: String,
}

/// Where the file lies: beside the workspace.
pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases/reference.yaml")
}

pub(crate) fn read(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file: Value =
        serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let cases = file["cases"].as_array().expect("the file has a list `cases`");
    let object = |case: &Value, key: &str| {
        case[key].as_object().unwrap_or_else(|| panic!("{} has no mapping `{key}`", case["id"])).clone()
    };
    let text = |case: &Value, key: &str| {
        case[key].as_str().unwrap_or_else(|| panic!("{} has no text `{key}`", case["id"])).to_string()
    };
    cases
        .iter()
        .map(|case| Case {
            id: text(case, "id"),
            config: object(case, "config"),
            expected: object(case, "expected"),
            tolerance: text(case, "tolerance"),
        })
        .collect()
}

impl Case {
    /// A value of the configuration.
    pub(crate) fn setting(&self, key: &str) -> &Value {
        self.config.get(key).unwrap_or_else(|| panic!("the configuration of {} has no `{key}`", self.id))
    }

    /// A number of the configuration.
    pub(crate) fn config(&self, key: &str) -> f64 {
        number(self.setting(key)).unwrap_or_else(|| panic!("{}: `{key}` is no number", self.id))
    }

    /// An expected value.
    pub(crate) fn wanted(&self, key: &str) -> &Value {
        self.expected.get(key).unwrap_or_else(|| panic!("{} expects no `{key}`", self.id))
    }

    /// An expected number.
    pub(crate) fn expected(&self, key: &str) -> f64 {
        number(self.wanted(key)).unwrap_or_else(|| panic!("{}: `{key}` is no number", self.id))
    }

    /// The numbers of a list.
    pub(crate) fn numbers(&self, list: &Value) -> Vec<f64> {
        let items = list.as_array().unwrap_or_else(|| panic!("{}: {list} is no list", self.id));
        items
            .iter()
            .map(|item| number(item).unwrap_or_else(|| panic!("{}: {item} is no number", self.id)))
            .collect()
    }

    /// The number that follows `words` in the tolerance; a percentage as a share of one.
    pub(crate) fn stated(&self, words: &str) -> f64 {
        let stale = || panic!("the tolerance of {} no longer says `{words}`: {}", self.id, self.tolerance);
        let Some((_, rest)) = self.tolerance.split_once(words) else { stale() };
        let end = rest.find(|c: char| !(c.is_ascii_digit() || ".e-".contains(c))).unwrap_or(rest.len());
        let Ok(value) = rest[..end].trim_end_matches(['.', '-']).parse::<f64>() else { stale() };
        if rest[end..].starts_with('%') { value / 100.0 } else { value }
    }

    /// Panics unless the tolerance says `words`: what a reading has built into it.
    pub(crate) fn says(&self, words: &str) {
        assert!(self.tolerance.contains(words), "the tolerance of {} no longer says `{words}`", self.id);
    }
}

/// A number, also where it is written as text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}
