//! `parse`: the only place that reads YAML. Text in, a tree with places out; duplicate keys, strict booleans and
//! budgets are decided here and nowhere else.

use std::fmt;

use indexmap::IndexMap;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_yaml::budget::BudgetBreach;
use serde_yaml::{DuplicateKeyPolicy, Spanned, UserMessageFormatter};

use super::diagnostic::{Diagnostic, Diagnostics, Location, Severity};
use super::tree::{Content, Entry, Node};

/// Largest scenario file in bytes.
pub(crate) const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;
/// Deepest nesting of mappings and lists.
const MAX_DEPTH: usize = 48;
/// Most values in a file.
const MAX_NODES: usize = 100_000;
/// Most values that aliases may stand for in all.
const MAX_REPLAYED: usize = 100_000;

/// Reads a document. Of keys that stand twice in a mapping the first one is in the tree, and the second is an error
/// among the diagnostics.
///
/// # Errors
/// What keeps the text from being a tree: not UTF-8, NUL bytes, not YAML, too big, too deep, too many aliases.
pub(crate) fn parse(text: &[u8]) -> Result<(Node, Diagnostics), Diagnostics> {
    let text = readable(text).map_err(only)?;
    let located: Located = match serde_yaml::from_str_with_options(text, options()) {
        Ok(located) => located,
        Err(error) => return Err(only(syntax_error(text, &error))),
    };
    let mut builder = Builder { text, diagnostics: Diagnostics::new() };
    let tree = builder.node(located);
    Ok((tree, builder.diagnostics))
}

fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_events: 4 * MAX_NODES,
            max_nodes: MAX_NODES,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 1,
            max_aliases: 10_000,
            max_anchors: 1_000,
            max_merge_keys: 2_000,
            max_recorded_anchor_events: MAX_REPLAYED,
            max_recorded_anchor_bytes: 8 * MAX_FILE_BYTES,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_yaml::alias_limits! {
            max_total_replayed_events: MAX_REPLAYED,
            max_replay_stack_depth: 16,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn only(diagnostic: Diagnostic) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    diagnostics.push(diagnostic);
    diagnostics
}

fn error(location: Option<Location>, message: String, help: Option<&str>) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        path: String::new(),
        location,
        message,
        help: help.map(str::to_string),
    }
}

/// The bytes as text that a YAML reader may look at.
fn readable(bytes: &[u8]) -> Result<&str, Diagnostic> {
    if bytes.len() > MAX_FILE_BYTES {
        let message = format!("the file has {} bytes, more than the {MAX_FILE_BYTES} allowed", bytes.len());
        return Err(error(None, message, Some("a scenario is a few kilobytes: is this the right file?")));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(invalid) => {
            let at = location_of_byte(bytes, invalid.valid_up_to());
            return Err(error(Some(at), "not UTF-8 text".to_string(), Some("save the file as UTF-8")));
        }
    };
    match bytes.iter().position(|byte| *byte == 0) {
        Some(position) => {
            let at = location_of_byte(bytes, position);
            Err(error(
                Some(at),
                "a NUL byte".to_string(),
                Some("a scenario is text: is this the right file?"),
            ))
        }
        None => Ok(text),
    }
}

fn location_of_byte(bytes: &[u8], position: usize) -> Location {
    let before = &bytes[..position];
    let line = before.iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() as u32 + 1;
    Location { line, column, length: 1 }
}

fn syntax_error(text: &str, cause: &serde_yaml::Error) -> Diagnostic {
    let at = cause.location().and_then(location);
    let mut inner = cause.without_snippet();
    while let serde_yaml::Error::AliasError { error, .. } = inner {
        inner = error.without_snippet();
    }
    if let serde_yaml::Error::Budget { breach, .. } = inner {
        let (message, help) = exceeded(breach);
        return error(at, message, help);
    }
    let rendered = inner.render_with_formatter(&UserMessageFormatter);
    let first_line = rendered.lines().next().unwrap_or("not YAML");
    let message = first_line.split(" at line ").next().unwrap_or(first_line).trim();
    if message.contains("recursion limit") {
        return error(at, TOO_DEEP.to_string(), Some(FLATTEN));
    }
    let tab = at.is_some_and(|at| {
        let line = text.lines().nth(at.line as usize - 1);
        line.is_some_and(|line| line.trim_start_matches(' ').starts_with('\t'))
    });
    if message.contains("expected string scalar") {
        return error(at, "a key has to be text".to_string(), None);
    }
    let help = if message.contains("unknown value") {
        Some("no anchor of this name stands above")
    } else if tab {
        Some("indent with spaces: YAML does not allow tabs")
    } else if message.contains("mapping values are not allowed") {
        Some("check the indentation; a value that holds `: ` stands in quotes")
    } else {
        None
    };
    error(at, message.to_string(), help)
}

const TOO_DEEP: &str = "nested too deep";
const FLATTEN: &str = "no scenario needs more than a dozen levels";

/// A bound of the reader in words.
fn exceeded(breach: &BudgetBreach) -> (String, Option<&'static str>) {
    match breach {
        BudgetBreach::Depth { .. } => (TOO_DEEP.to_string(), Some(FLATTEN)),
        BudgetBreach::Documents { .. } => {
            ("more than one document".to_string(), Some("a scenario is one document: remove the `---`"))
        }
        BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => {
            (format!("more than {MAX_NODES} values"), Some("is this the right file?"))
        }
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::MergeKeys { .. }
        | BudgetBreach::RecordedAnchorEvents { .. }
        | BudgetBreach::RecordedAnchorBytes { .. } => {
            ("too many anchors and aliases".to_string(), Some("write some of them out"))
        }
        // The reader's list is open, and its other bounds are about features that are off.
        _ => ("too large".to_string(), Some("is this the right file?")),
    }
}

fn location(at: serde_yaml::Location) -> Option<Location> {
    if at.line() == 0 {
        return None;
    }
    let narrow = |wide: u64| u32::try_from(wide).unwrap_or(u32::MAX);
    let length = at.span().len().max(1);
    Some(Location { line: narrow(at.line()), column: narrow(at.column()), length: narrow(length) })
}

/// A value with its place, as the YAML reader gives it.
struct Located {
    content: Loose,
    at: Option<Location>,
    byte: Option<u64>,
}

/// What a value holds before duplicate keys are sorted out.
enum Loose {
    Nothing,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Located>),
    Mapping(Vec<(Spanned<String>, Located)>),
}

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Located, D::Error> {
        let spanned: Spanned<Loose> = Spanned::deserialize(deserializer)?;
        let byte = spanned.defined.span().byte_offset();
        Ok(Located { content: spanned.value, at: location(spanned.defined), byte })
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Loose, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar, a list or a mapping")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Loose, E> {
        Ok(Loose::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Loose, E> {
        Ok(Loose::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Loose, E> {
        Ok(Loose::Number(value.into()))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Loose, E> {
        Ok(Loose::Text(value.to_string()))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Loose, E> {
        Ok(Loose::Text(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Loose, E> {
        match Number::from_f64(value) {
            Some(number) => Ok(Loose::Number(number)),
            None => Err(E::custom("not a finite number")),
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Loose, E> {
        Ok(Loose::Text(value.to_string()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Loose, E> {
        Ok(Loose::Nothing)
    }

    fn visit_none<E: de::Error>(self) -> Result<Loose, E> {
        Ok(Loose::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Loose, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Loose, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Loose::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Loose, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Loose::Mapping(entries))
    }
}

/// Turns what the reader gave into the tree and notes duplicate keys.
struct Builder<'a> {
    text: &'a str,
    diagnostics: Diagnostics,
}

impl Builder<'_> {
    fn node(&mut self, located: Located) -> Node {
        let at = located.at;
        let content = match located.content {
            Loose::Nothing => self.nothing(located.byte),
            Loose::Bool(flag) => Content::Bool(flag),
            Loose::Number(number) => Content::Number(number),
            Loose::Text(text) => Content::Text(text),
            Loose::List(items) => Content::List(items.into_iter().map(|item| self.node(item)).collect()),
            Loose::Mapping(entries) => self.mapping(entries),
        };
        Node { at, content }
    }

    /// Whether nothing was written, or `null`.
    fn nothing(&self, byte: Option<u64>) -> Content {
        let written = byte.and_then(|byte| self.text.get(byte as usize..)).is_some_and(|rest| {
            rest.starts_with('~') || rest.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("null"))
        });
        if written { Content::Null } else { Content::Blank }
    }

    fn mapping(&mut self, loose: Vec<(Spanned<String>, Located)>) -> Content {
        let mut entries: IndexMap<String, Entry> = IndexMap::with_capacity(loose.len());
        for (key, value) in loose {
            let key_at = location(key.defined);
            if let Some(first) = entries.get(&key.value) {
                let before = first.key_at.map_or(String::new(), |at| format!(", first on line {}", at.line));
                let message = format!("`{}` stands twice in this mapping{before}", key.value);
                self.diagnostics.push(error(key_at, message, Some("remove or rename one of the two")));
                continue;
            }
            let node = self.node(value);
            entries.insert(key.value, Entry { key_at, node });
        }
        Content::Mapping(entries)
    }
}
