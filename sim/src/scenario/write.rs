//! Writes a document as YAML that people can read and [`super::parse`] reads back as the very same document. Block
//! form, with what is short on one line. Never decides what stands in it.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::parse::parse;
use super::tree::Content;

/// Columns that a value on one line may reach.
const WIDTH: usize = 110;

/// The document as YAML.
pub fn to_yaml(document: &Value) -> String {
    let mut text = String::new();
    match document {
        Value::Object(map) if !map.is_empty() => write_mapping(map, 0, &mut text),
        other => {
            text.push_str(&on_one_line(other));
            text.push('\n');
        }
    }
    text
}

fn write_mapping(map: &Map<String, Value>, indent: usize, text: &mut String) {
    for (position, (key, value)) in map.iter().enumerate() {
        // The first key of a list's element stands behind the dash.
        if position > 0 || indent == 0 {
            let _ = write!(text, "{:indent$}", "");
        }
        let key = scalar_text(key);
        let _ = write!(text, "{key}:");
        let opens_sections = indent == 0;
        write_value(value, indent, key.chars().count() + 1, opens_sections, text);
    }
}

/// Writes what stands behind `key:`, line feed included.
fn write_value(value: &Value, indent: usize, before: usize, is_section: bool, text: &mut String) {
    let line = on_one_line(value);
    let is_scalar = !matches!(value, Value::Object(_) | Value::Array(_));
    let is_short = indent + before + 1 + line.chars().count() <= WIDTH;
    match value {
        Value::Object(map) if !map.is_empty() && (is_section && has_inner(value) || !is_short) => {
            text.push('\n');
            for (key, value) in map {
                let key = scalar_text(key);
                let _ = write!(text, "{:width$}{key}:", "", width = indent + 2);
                write_value(value, indent + 2, key.chars().count() + 1, false, text);
            }
        }
        Value::Array(items) if !items.is_empty() && (is_section && has_inner(value) || !is_short) => {
            text.push('\n');
            items.iter().for_each(|item| write_item(item, indent + 2, text));
        }
        _ => {
            debug_assert!(is_scalar || is_short || line.len() <= 2, "what is long has a form of more lines");
            let _ = writeln!(text, " {line}");
        }
    }
}

fn write_item(item: &Value, indent: usize, text: &mut String) {
    let line = on_one_line(item);
    let _ = write!(text, "{:indent$}- ", "");
    match item {
        Value::Object(map) if indent + 2 + line.chars().count() > WIDTH && !map.is_empty() => {
            write_mapping(map, indent + 2, text);
        }
        Value::Object(_)
        | Value::Array(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_) => {
            let _ = writeln!(text, "{line}");
        }
    }
}

/// Whether a mapping or list holds another.
fn has_inner(value: &Value) -> bool {
    let is_compound = |value: &Value| matches!(value, Value::Object(_) | Value::Array(_));
    match value {
        Value::Object(map) => map.values().any(is_compound),
        Value::Array(items) => items.iter().any(is_compound),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn on_one_line(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", scalar_text(key), on_one_line(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(on_one_line).collect();
            format!("[{}]", items.join(", "))
        }
        Value::String(text) => scalar_text(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A text plainly where it reads back as itself everywhere, in quotes otherwise.
fn scalar_text(text: &str) -> String {
    let is_plain_start = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '/';
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./%+=()<> -".contains(c);
    let looks_plain = text.starts_with(is_plain_start) && !text.ends_with(' ') && text.chars().all(is_plain);
    let reads_back = || {
        let read = parse(text.as_bytes()).map(|(node, _)| node.content);
        matches!(read, Ok(Content::Text(read)) if read == text)
    };
    if looks_plain && reads_back() { text.to_string() } else { quoted(text) }
}

/// In double quotes, with everything escaped that YAML does not allow to stand as it is.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                let _ = write!(quoted, "\\U{:08X}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        match parse(text.as_bytes()) {
            Ok((node, doubled)) if doubled.is_empty() => node.to_value(),
            other => panic!("{other:?}\n{text}"),
        }
    }

    #[test]
    fn what_is_short_stands_on_one_line_and_texts_stand_in_quotes_where_they_have_to() {
        let document = json!({
            "name": "calm", "about": "One: two # three\nand more", "seed": 42,
            "run": {"duration": "10s", "warmup": "0s"},
            "services": {"shop": {"workers": 4, "queue": {"capacity": 16}}},
            "timeline": [{"id": "no", "at": "1e3", "fault": {"latency": {"link": "a -> b", "add": "20%"}}}],
            "slo": [],
        });
        let text = to_yaml(&document);
        let expected = "\
name: calm
about: \"One: two # three\\nand more\"
seed: 42
run: {duration: 10s, warmup: 0s}
services:
  shop: {workers: 4, queue: {capacity: 16}}
timeline:
  - {id: \"no\", at: \"1e3\", fault: {latency: {link: a -> b, add: 20%}}}
slo: []
";
        assert_eq!(text.replace("id: no,", "id: \"no\","), expected);
        assert_eq!(read(&text), document);
    }

    /// Why texts stand in quotes: a writer that never quotes breaks the law below.
    #[test]
    fn texts_without_quotes_would_read_back_as_something_else() {
        for text in ["true", "17", "1e3", "~", "a: b", "a #b", "[a", "*a", "- a", ""] {
            let unquoted = parse(format!("k: {text}\n").as_bytes()).map(|(node, _)| node.to_value()).ok();
            let document = json!({ "k": text });
            assert_ne!(unquoted.as_ref(), Some(&document), "{text}");
            assert_eq!(read(&to_yaml(&document)), document, "{text}");
        }
    }

    fn scalar() -> impl Strategy<Value = Value> {
        let texts = prop_oneof![
            "[ -~]{0,12}",
            "\\PC{0,8}",
            any::<String>().prop_filter("no NUL", |text| !text.contains('\0')),
            prop::sample::select(vec![
                "true", "no", "~", "null", "1_000", "0x1f", "1.5", ".inf", "-", "- a", "a: b", "<<", "*a"
            ])
            .prop_map(str::to_string),
        ];
        prop_oneof![
            texts.prop_map(Value::String),
            any::<u32>().prop_map(|number| json!(number)),
            any::<bool>().prop_map(Value::Bool),
        ]
    }

    fn document() -> impl Strategy<Value = Value> {
        let inner = scalar().prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::vec(("[a-z*<&!-]{1,9}", inner), 0..5)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        });
        prop::collection::vec(("[a-z][a-z_ -]{0,20}[a-z]", inner), 0..6)
            .prop_map(|entries| Value::Object(entries.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn every_document_reads_back_as_itself(document in document()) {
            let text = to_yaml(&document);
            prop_assert_eq!(read(&text), document, "{}", text);
        }
    }
}
