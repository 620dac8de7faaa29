//! Second pass: does every value have the form the schema asks for? Notes everything that has not, and hands on what
//! is left, so that the third pass can still look at the rest. Knows nothing of services or faults.

use indexmap::IndexMap;
use serde_json::{Number, Value, json};

use super::diagnostic::{Diagnostic, Diagnostics, Location, Severity};
use super::path::{Lost, Path};
use super::quantity::{Problem, format_named};
use super::schema;
use super::suggest;
use super::tree::{Content, Entry, Node};

/// Checks a document against the schema of scenarios. What comes back matches it, unless nothing usable is left;
/// `lost` says where something was taken out.
pub(crate) fn check(document: Node, diagnostics: &mut Diagnostics, lost: &mut Lost) -> Option<Node> {
    let mut walker = Walker { diagnostics, lost };
    let at = document.at;
    if matches!(document.content, Content::Blank | Content::Null) {
        walker.error(&Path::root(), None, "the file is empty".to_string(), Some(EMPTY_HELP.to_string()));
        return None;
    }
    let is_mapping = matches!(document.content, Content::Mapping(_));
    let usable = walker.walk(document, schema::shared(), &Path::root())?;
    is_mapping.then(|| with_stand_ins(usable, at, lost))
}

/// Stands in for parts without which the third pass could not look at the rest. A long run keeps it from finding
/// things outside of the run. There is an error already, so that no plan is made of them.
fn with_stand_ins(document: Node, at: Option<Location>, lost: &mut Lost) -> Node {
    let Content::Mapping(mut entries) = document.content else { return document };
    let stand_ins = [
        ("version", json!(1)),
        ("name", json!("unnamed")),
        ("run", json!({"duration": "366d"})),
        ("services", json!({})),
        ("load", json!([])),
    ];
    for (key, value) in stand_ins {
        if !entries.contains_key(key) {
            lost.add(Path::root().key(key));
            entries.insert(key.to_string(), Entry { key_at: at, node: Node::from_value(&value) });
        }
    }
    Node { at, content: Content::Mapping(entries) }
}

const EMPTY_HELP: &str = "a scenario has at least `version`, `name`, `run`, `services` and `load`";

struct Walker<'d> {
    diagnostics: &'d mut Diagnostics,
    lost: &'d mut Lost,
}

impl Walker<'_> {
    fn error(&mut self, path: &Path, location: Option<Location>, message: String, help: Option<String>) {
        self.diagnostics.push(Diagnostic {
            severity: Severity::Error,
            path: path.to_string(),
            location,
            message,
            help,
        });
    }

    /// The part of `node` that matches `schema`, or `None` if nothing of it can be used.
    fn walk(&mut self, node: Node, schema: &'static Value, path: &Path) -> Option<Node> {
        let all = schema::alternatives(schema);
        let fitting: Vec<&'static Value> =
            all.iter().copied().filter(|one| fits(one, &node.content)).collect();
        match (fitting.as_slice(), &node.content) {
            ([], _) => {
                let help = list_help(&all, &node.content);
                let message = format!("expected {}, found {}", describe_all(&all), found(&node.content));
                self.error(path, node.at, message, help);
                None
            }
            ([one], _) => self.walk_one(node, one, path),
            (several, Content::Mapping(_)) => self.walk_best_mapping(node, several, path),
            (several, Content::List(_)) => self.walk_first_clean(node, several, path),
            (several, _) => self.walk_scalar(node, several, path),
        }
    }

    fn walk_one(&mut self, node: Node, schema: &'static Value, path: &Path) -> Option<Node> {
        match node.content {
            Content::Mapping(_) => self.walk_mapping(node, schema, path),
            Content::List(items) => self.walk_list(node.at, items, schema, path),
            Content::Blank | Content::Null | Content::Bool(_) | Content::Number(_) | Content::Text(_) => {
                match scalar_problem(&node.content, schema) {
                    None => Some(node),
                    Some(problem) => {
                        self.error(path, node.at, problem.message, problem.help);
                        None
                    }
                }
            }
        }
    }

    fn walk_list(
        &mut self,
        at: Option<Location>,
        items: Vec<Node>,
        schema: &'static Value,
        path: &Path,
    ) -> Option<Node> {
        let Some(item_schema) = schema.get("items") else {
            return Some(Node { at, content: Content::List(items) });
        };
        let mut usable = Vec::with_capacity(items.len());
        for item in items {
            // Places are those in the list that is handed on.
            let item_path = path.index(usable.len());
            if matches!(item.content, Content::Blank | Content::Null) {
                let message = "an empty list element".to_string();
                self.error(
                    &item_path,
                    item.at.or(at),
                    message,
                    Some("fill it in or remove the `-`".to_string()),
                );
                self.lost.add(path.clone());
                continue;
            }
            match self.walk(item, item_schema, &item_path) {
                Some(item) => usable.push(item),
                None => self.lost.add(path.clone()),
            }
        }
        Some(Node { at, content: Content::List(usable) })
    }

    fn walk_mapping(&mut self, node: Node, schema: &'static Value, path: &Path) -> Option<Node> {
        let Content::Mapping(entries) = node.content else { return None };
        let mut usable: IndexMap<String, Entry> = IndexMap::with_capacity(entries.len());
        let mut missing_is_known: Vec<String> = Vec::new();
        for (key, entry) in entries {
            let entry_path = path.key(&key);
            let Some(value_schema) = schema::property(schema, &key) else {
                let known: Vec<&str> = schema::properties(schema)
                    .map_or(Vec::new(), |known| known.keys().map(String::as_str).collect());
                let message = format!("unknown field `{}`", shortened(&key));
                let help = if self.diagnostics.is_full() { None } else { suggest::help(&key, &known) };
                self.error(&entry_path, entry.key_at, message, help);
                self.lost.add(entry_path);
                continue;
            };
            match entry.node.content {
                // The same as leaving the key out; in a mapping of free values it is a value like any other.
                Content::Null if schema::properties(schema).is_none() && is_free(value_schema) => {
                    usable.insert(key, entry);
                }
                Content::Null => {}
                Content::Blank => {
                    let help = "give it a value or leave the key out".to_string();
                    self.error(&entry_path, entry.key_at, format!("`{key}` has no value"), Some(help));
                    self.lost.add(entry_path);
                    missing_is_known.push(key);
                }
                Content::Bool(_)
                | Content::Number(_)
                | Content::Text(_)
                | Content::List(_)
                | Content::Mapping(_) => match self.walk(entry.node, value_schema, &entry_path) {
                    Some(node) => {
                        usable.insert(key, Entry { key_at: entry.key_at, node });
                    }
                    None => {
                        self.lost.add(entry_path);
                        missing_is_known.push(key);
                    }
                },
            }
        }
        let mut whole = true;
        for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            let Some(required) = required.as_str() else { continue };
            if usable.contains_key(required) {
                continue;
            }
            whole = false;
            if !missing_is_known.iter().any(|known| known == required) {
                let message = format!("missing field `{required}`");
                self.error(path, node.at, message, field_help(schema, required));
            }
        }
        let usable = Node { at: node.at, content: Content::Mapping(usable) };
        (whole || path.steps().is_empty()).then_some(usable)
    }

    /// Of several forms a mapping may have, the one most of its keys belong to.
    fn walk_best_mapping(&mut self, node: Node, schemas: &[&'static Value], path: &Path) -> Option<Node> {
        let keys = node.keys();
        if schemas.iter().all(|schema| is_variant(schema)) {
            let names: Vec<&str> = schemas.iter().flat_map(|schema| variant_name(schema)).collect();
            let problem = match keys.as_slice() {
                [] => Some((
                    node.at,
                    "an empty mapping".to_string(),
                    Some(format!("write one of {}", suggest::listed(&names))),
                )),
                [one] if names.contains(one) => None,
                [one] => Some((
                    key_location(&node, one),
                    format!("unknown field `{one}`"),
                    suggest::help(one, &names),
                )),
                [first, second, ..] => Some((
                    key_location(&node, second),
                    format!("only one field may stand here, found `{first}` and `{second}`"),
                    Some("remove all but one".to_string()),
                )),
            };
            if let Some((location, message, help)) = problem {
                self.error(path, location, message, help);
                return None;
            }
        }
        let score = |schema: &&'static Value| {
            let known = keys.iter().filter(|key| schema::property(schema, key).is_some()).count();
            let given = keys.iter().filter(|key| schema::is_required(schema, key)).count();
            (known, given)
        };
        let mut best = *schemas.first()?;
        for candidate in schemas {
            if score(candidate) > score(&best) {
                best = candidate;
            }
        }
        self.walk_mapping(node, best, path)
    }

    /// Of several forms a list may have, the first without errors, or the last one's errors.
    fn walk_first_clean(&mut self, node: Node, schemas: &[&'static Value], path: &Path) -> Option<Node> {
        let mut last = None;
        for schema in schemas {
            let mut attempt = Diagnostics::new();
            let usable = Walker { diagnostics: &mut attempt, lost: &mut *self.lost }.walk_one(
                node.clone(),
                schema,
                path,
            );
            if !attempt.has_errors() {
                return usable;
            }
            last = Some((usable, attempt));
        }
        let (usable, errors) = last?;
        self.diagnostics.append(errors);
        usable
    }

    /// Of several forms a scalar may have, any that matches.
    fn walk_scalar(&mut self, node: Node, schemas: &[&'static Value], path: &Path) -> Option<Node> {
        let problems: Vec<Problem> = {
            let mut problems = Vec::new();
            for schema in schemas {
                match scalar_problem(&node.content, schema) {
                    None => return Some(node),
                    Some(problem) => problems.push((schema, problem)),
                }
            }
            // A quantity knows best what is wrong with a number.
            let numeric =
                scalar_text(&node.content).is_some_and(|text| text.starts_with(|c: char| c.is_ascii_digit()));
            problems
                .into_iter()
                .filter(|(schema, _)| numeric && schema.get("format").is_some())
                .map(|(_, problem)| problem)
                .collect()
        };
        let words: Vec<&str> = schemas.iter().flat_map(|schema| schema::words(schema)).collect();
        let text = scalar_text(&node.content).unwrap_or_default();
        let (message, help) = match problems.into_iter().next() {
            Some(problem) => (problem.message, problem.help),
            None => (
                format!("expected {}, found `{text}`", describe_all(schemas)),
                suggest::nearest(&text, words).map(|word| format!("did you mean `{word}`?")),
            ),
        };
        self.error(path, node.at, message, help);
        None
    }
}

fn key_location(node: &Node, key: &str) -> Option<Location> {
    node.key_at(&Path::root().key(key))
}

/// Whether the schema is one variant of an enumeration with a value: a mapping with exactly one key.
fn is_variant(schema: &Value) -> bool {
    variant_name(schema).is_some() && schema.get("additionalProperties") == Some(&Value::Bool(false))
}

/// Whether any value will do.
fn is_free(schema: &Value) -> bool {
    match schema {
        Value::Object(rules) => !is_typed(rules),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => true,
    }
}

fn variant_name(schema: &Value) -> Option<&str> {
    match schema.get("required").and_then(Value::as_array).map(Vec::as_slice) {
        Some([only])
            if schema.get("properties").and_then(Value::as_object).is_some_and(|all| all.len() == 1) =>
        {
            only.as_str()
        }
        Some(_) | None => None,
    }
}

/// Whether a value of this kind can match `schema` at all.
fn fits(schema: &Value, content: &Content) -> bool {
    let Value::Object(rules) = schema else { return true };
    match content {
        Content::Mapping(_) => schema::has_type(schema, "object") || !is_typed(rules),
        Content::List(_) => schema::has_type(schema, "array") || !is_typed(rules),
        Content::Blank | Content::Null | Content::Bool(_) | Content::Number(_) | Content::Text(_) => {
            !schema::has_type(schema, "object") && !schema::has_type(schema, "array")
        }
    }
}

fn is_typed(rules: &serde_json::Map<String, Value>) -> bool {
    ["type", "enum", "const", "format", "$ref", "anyOf", "oneOf"].iter().any(|key| rules.contains_key(*key))
}

fn scalar_text(content: &Content) -> Option<String> {
    match content {
        Content::Text(text) => Some(text.clone()),
        Content::Number(number) => Some(number.to_string()),
        Content::Bool(flag) => Some(flag.to_string()),
        Content::Blank | Content::Null | Content::List(_) | Content::Mapping(_) => None,
    }
}

/// Why a scalar does not match `schema`.
fn scalar_problem(content: &Content, schema: &Value) -> Option<Problem> {
    let Value::Object(rules) = schema else { return None };
    let expected = || format!("expected {}, found {}", describe(schema), found(content));
    if let Some(format) = schema.get("format").and_then(Value::as_str).and_then(format_named) {
        return match content {
            Content::Text(text) => (format.check)(text).err(),
            Content::Number(number) => (format.check)(&number.to_string()).err(),
            Content::Blank | Content::Null | Content::Bool(_) | Content::List(_) | Content::Mapping(_) => {
                Some(Problem { message: expected(), help: None })
            }
        };
    }
    let words = schema::words(schema);
    if !words.is_empty() {
        let text = scalar_text(content).unwrap_or_default();
        if words.contains(&text.as_str()) {
            return None;
        }
        let help =
            suggest::nearest(&text, words.iter().copied()).map(|word| format!("did you mean `{word}`?"));
        return Some(Problem { message: expected(), help });
    }
    if !is_typed(rules) {
        return None;
    }
    let matches = match content {
        Content::Text(_) => schema::has_type(schema, "string"),
        Content::Bool(_) => schema::has_type(schema, "boolean"),
        Content::Number(_) => schema::has_type(schema, "number") || schema::has_type(schema, "integer"),
        Content::Blank | Content::Null | Content::List(_) | Content::Mapping(_) => false,
    };
    if matches {
        return None;
    }
    let help = match content {
        Content::Number(number) if schema::has_type(schema, "string") => quoted(number),
        Content::Text(text) if schema::has_type(schema, "boolean") => Some(if is_yes(text) {
            "write `true`".to_string()
        } else {
            "write `true` or `false`".to_string()
        }),
        Content::Text(_)
        | Content::Number(_)
        | Content::Bool(_)
        | Content::Blank
        | Content::Null
        | Content::List(_)
        | Content::Mapping(_) => None,
    };
    Some(Problem { message: expected(), help })
}

fn quoted(number: &Number) -> Option<String> {
    Some(format!("if it is a name, write it in quotes: `\"{number}\"`"))
}

fn is_yes(text: &str) -> bool {
    ["yes", "on", "y"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn list_help(schemas: &[&'static Value], content: &Content) -> Option<String> {
    let wants_list = schemas.iter().all(|schema| schema::has_type(schema, "array"));
    match content {
        Content::List(_) => None,
        Content::Blank
        | Content::Null
        | Content::Bool(_)
        | Content::Number(_)
        | Content::Text(_)
        | Content::Mapping(_) => {
            wants_list.then(|| "write `- ` before each element, or `[a, b]`".to_string())
        }
    }
}

fn found(content: &Content) -> String {
    match content {
        Content::Blank | Content::Null => "nothing".to_string(),
        Content::Bool(flag) => format!("`{flag}`"),
        Content::Number(number) => format!("the number `{number}`"),
        Content::Text(text) => format!("`{}`", shortened(text)),
        Content::List(_) => "a list".to_string(),
        Content::Mapping(_) => "a mapping".to_string(),
    }
}

/// Most characters of a value quoted in a message.
const MOST_QUOTED: usize = 60;

fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(MOST_QUOTED) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.to_string(),
    }
}

fn describe_all(schemas: &[&'static Value]) -> String {
    let words: Vec<&str> = schemas.iter().flat_map(|schema| schema::words(schema)).collect();
    let mut parts: Vec<String> = Vec::new();
    if !words.is_empty() {
        parts.push(describe_words(&words));
    }
    for schema in schemas.iter().filter(|schema| schema::words(schema).is_empty()) {
        let part = describe(schema);
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.join(" or ")
}

fn describe_words(words: &[&str]) -> String {
    match words {
        [only] => format!("`{only}`"),
        several => format!("one of {}", suggest::listed(several)),
    }
}

fn describe(schema: &Value) -> String {
    if let Some(format) = schema.get("format").and_then(Value::as_str).and_then(format_named) {
        return format.what.to_string();
    }
    let words = schema::words(schema);
    if !words.is_empty() {
        return describe_words(&words);
    }
    let kinds = [
        ("object", "a mapping"),
        ("array", "a list"),
        ("boolean", "true or false"),
        ("integer", "a whole number"),
        ("number", "a number"),
        ("string", "a text"),
    ];
    kinds
        .iter()
        .find(|(name, _)| schema::has_type(schema, name))
        .map_or("a value", |(_, what)| what)
        .to_string()
}

/// What a missing field is for, from its doc comment.
fn field_help(schema: &'static Value, field: &str) -> Option<String> {
    let property = schema::properties(schema)?.get(field)?;
    let description = property.get("description").and_then(Value::as_str)?;
    let first_line = description.lines().next()?.trim_end_matches('.');
    Some(format!("add `{field}:` ({})", lower_first(first_line)))
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}
