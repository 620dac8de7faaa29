//! `to_yaml`: a document as text that a person can read and [`super::compile`] reads back to the same document.
//! Mappings and lists that fit on a line stand on one; comments go above the key they are about. Writes no file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// A line is at most so long if what stands on it can be broken.
const WIDEST: usize = 110;
/// What is deeper than this is written on one line, however long it is.
const DEEPEST: usize = 24;

/// Comments by the path of the key they stand above, as in `services.shop.workers` or `timeline.0`.
pub type Comments = BTreeMap<String, String>;

/// The document as YAML, closed by a line feed.
pub fn to_yaml(document: &Value) -> String {
    to_commented_yaml(document, "", &Comments::new())
}

/// As [`to_yaml`], below a comment about the whole and with comments above single keys.
pub fn to_commented_yaml(document: &Value, heading: &str, comments: &Comments) -> String {
    let mut writer = Writer { text: String::new(), comments };
    writer.comment(heading, 0);
    match document {
        Value::Object(map) if !map.is_empty() => writer.mapping(map, 0, "", false),
        Value::Array(items) if !items.is_empty() => writer.list(items, 0, ""),
        other => {
            writer.text.push_str(&on_one_line(other));
            writer.text.push('\n');
        }
    }
    writer.text
}

struct Writer<'a> {
    text: String,
    comments: &'a Comments,
}

impl Writer<'_> {
    /// `is_begun`: the first key follows a dash on the same line.
    fn mapping(&mut self, map: &Map<String, Value>, depth: usize, path: &str, mut is_begun: bool) {
        for (key, value) in map {
            let path = joined(path, key);
            if !is_begun {
                self.comment_at(&path, depth);
                self.indent(depth);
            }
            is_begun = false;
            self.text.push_str(&scalar_text(key));
            self.text.push(':');
            self.value(value, depth + 1, &path);
        }
    }

    fn list(&mut self, items: &[Value], depth: usize, path: &str) {
        for (index, item) in items.iter().enumerate() {
            let path = joined(path, &index.to_string());
            self.comment_at(&path, depth);
            self.indent(depth);
            self.text.push('-');
            match item {
                Value::Object(map) if !map.is_empty() && self.is_broken(item, depth + 1, &path) => {
                    self.text.push(' ');
                    self.mapping(map, depth + 1, &path, true);
                }
                other => self.value(other, depth + 1, &path),
            }
        }
    }

    /// What stands behind a colon or a dash, with the line feed.
    fn value(&mut self, value: &Value, depth: usize, path: &str) {
        match value {
            Value::Object(map) if !map.is_empty() && self.is_broken(value, depth, path) => {
                self.text.push('\n');
                self.mapping(map, depth, path, false);
            }
            Value::Array(items) if !items.is_empty() && self.is_broken(value, depth, path) => {
                self.text.push('\n');
                self.list(items, depth, path);
            }
            other => {
                self.text.push(' ');
                self.text.push_str(&on_one_line(other));
                self.text.push('\n');
            }
        }
    }

    /// Whether a mapping or list has lines of its own: because it is long, at the top, or has comments inside.
    fn is_broken(&self, value: &Value, depth: usize, path: &str) -> bool {
        let inside = format!("{path}.");
        let is_commented =
            self.comments.range(inside.clone()..).next().is_some_and(|(key, _)| key.starts_with(&inside));
        let is_list_of_mappings = matches!(value, Value::Array(items) if items.iter().any(Value::is_object));
        let is_top = depth <= 1 && (is_list_of_mappings || path == "services");
        let last_line = self.text.rsplit('\n').next().unwrap_or_default();
        let is_long = last_line.chars().count() + 1 + on_one_line(value).chars().count() > WIDEST;
        depth < DEEPEST && (is_commented || is_top || is_long)
    }

    fn comment_at(&mut self, path: &str, depth: usize) {
        if let Some(comment) = self.comments.get(path) {
            self.comment(comment, depth);
        }
    }

    fn comment(&mut self, comment: &str, depth: usize) {
        for line in comment.lines() {
            self.indent(depth);
            // A comment can neither end its line nor hold what YAML does not allow in text.
            let line: String = line.chars().map(|c| if is_printable(c) { c } else { ' ' }).collect();
            let _ = writeln!(self.text, "# {}", line.trim_end());
        }
    }

    fn indent(&mut self, depth: usize) {
        self.text.extend(std::iter::repeat_n("  ", depth));
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}

/// The value in flow style.
pub fn on_one_line(value: &Value) -> String {
    match value {
        Value::Null => "null".to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => scalar_text(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(on_one_line).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", scalar_text(key), on_one_line(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// A text that is read as this text and nothing else: plain where that is certain, in quotes where not.
fn scalar_text(text: &str) -> String {
    if is_plain(text) { text.to_string() } else { quoted(text) }
}

/// Words that are something else than text to some reader of YAML.
const RESERVED: [&str; 14] =
    ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity", "none", "nil"];

fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-./%()>+ ".contains(c);
    if !text.chars().all(harmless) || text.ends_with(' ') || text.contains(" >") && !text.contains(" -> ") {
        return false;
    }
    if first.is_ascii_alphabetic() {
        return !RESERVED.contains(&text.to_ascii_lowercase().as_str());
    }
    first.is_ascii_digit() && is_quantity(text)
}

/// A number with a unit, as in `800ms`, `4m30s`, `600/s` or `0.5%`: no reader takes it for a number.
fn is_quantity(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let known = ["ns", "us", "ms", "s", "m", "h", "d", "%", "/s", "/m", "/h", "B", "kB", "KiB", "MiB", "GiB"];
    let is_compound = |unit: &str| {
        let mut parts = unit.split(|c: char| c.is_ascii_digit() || c == '.').filter(|part| !part.is_empty());
        parts.all(|part| known[..7].contains(&part))
    };
    text.chars().all(|c| c.is_ascii_alphanumeric() || "./%".contains(c))
        && (known.contains(&unit) || (!unit.is_empty() && is_compound(unit)))
}

fn is_printable(c: char) -> bool {
    !c.is_control() && !['\u{2028}', '\u{2029}', '\u{feff}', '\u{fffe}', '\u{ffff}'].contains(&c)
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read_back(text: &str) -> Value {
        let (tree, doubled) = parse(text.as_bytes()).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
        assert!(doubled.is_empty(), "{text}");
        tree.to_value()
    }

    fn scalars() -> impl Strategy<Value = Value> {
        let words = prop::sample::select(vec![
            "800ms",
            "4m30s",
            "600/s",
            "20%",
            "1e3",
            "0x1f",
            "1_000",
            "on",
            "No",
            "~",
            "null",
            "12:30:45",
            "-",
            "? a",
            "a: b",
            "a #b",
            "a -> b",
            "svc/*",
            "{",
            "",
            " ",
            "x ",
            "< 500ms",
            ">",
            ".5",
            "1.",
            "2024-01-01",
            "0b1",
            ".inf",
            "1e3s",
            "é",
            "\u{85}",
            "&a",
            "*a",
            "!t",
            "`",
            "@",
            "<<",
            "=",
            "0o17",
            "1.5d",
            "-5s",
            "+5s",
        ]);
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            words.prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
            any::<String>().prop_map(|text| Value::from(text.replace('\0', "0"))),
        ]
    }

    fn documents() -> impl Strategy<Value = Value> {
        scalars().prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec(("[a-z0-9 ->]{1,8}", inner), 0..6)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_document_is_read_back_as_it_was(document in documents()) {
            let document = json!({ "top": document });
            let text = to_yaml(&document);
            prop_assert_eq!(read_back(&text), document, "{}", text);
        }
    }

    #[test]
    fn a_scenario_reads_like_one_written_by_hand() {
        let document = json!({
            "version": 1,
            "run": {"duration": "10s"},
            "services": {"shop": {"workers": 4, "calls": [{"to": "db", "timeout": "1s"}]}},
            "timeline": [{"at": "3s", "id": "cut", "fault": {"partition": {"between": [["shop"], ["db"]]}}}],
            "slo": [{"id": "errors", "must_be": "< 1%"}],
        });
        let comments = Comments::from([("timeline".to_string(), "The cause.".to_string())]);
        let text = to_commented_yaml(&document, "Made small.\nTwice.", &comments);
        let expected = r#"# Made small.
# Twice.
version: 1
run: {duration: 10s}
services:
  shop: {workers: 4, calls: [{to: db, timeout: 1s}]}
# The cause.
timeline:
  - {at: 3s, id: cut, fault: {partition: {between: [[shop], [db]]}}}
slo:
  - {id: errors, must_be: "< 1%"}
"#;
        assert_eq!(text, expected);
        assert_eq!(read_back(&text), document);
    }

    #[test]
    fn a_comment_stays_a_comment_whatever_it_says() {
        let comments = Comments::from([("a".to_string(), "one\r\u{2028}b: 2\nthree".to_string())]);
        assert_eq!(read_back(&to_commented_yaml(&json!({"a": 1}), "", &comments)), json!({"a": 1}));
    }
}
