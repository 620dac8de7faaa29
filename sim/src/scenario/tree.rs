//! A document as it stands in the file: values with their places, keys in order, merge keys resolved.

use indexmap::IndexMap;
use serde_json::{Map, Number, Value};

use super::diagnostic::Location;
use super::path::{Path, Step};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Where; `None` if it does not come from a file.
    pub(crate) at: Option<Location>,
    /// What.
    pub(crate) content: Content,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// Nothing: a key without a value.
    Blank,
    /// `null`, written out: the same as leaving the key out.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Any other scalar.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping.
    Mapping(IndexMap<String, Entry>),
}

/// A key's place and its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// Where the key stands.
    pub(crate) key_at: Option<Location>,
    /// Its value.
    pub(crate) node: Node,
}

impl Node {
    /// The tree of a value that does not come from a file.
    pub(crate) fn from_value(value: &Value) -> Node {
        let content = match value {
            Value::Null => Content::Null,
            Value::Bool(flag) => Content::Bool(*flag),
            Value::Number(number) => Content::Number(number.clone()),
            Value::String(text) => Content::Text(text.clone()),
            Value::Array(items) => Content::List(items.iter().map(Node::from_value).collect()),
            Value::Object(map) => Content::Mapping(
                map.iter()
                    .map(|(key, value)| (key.clone(), Entry { key_at: None, node: Node::from_value(value) }))
                    .collect(),
            ),
        };
        Node { at: None, content }
    }

    /// The value without places.
    pub(crate) fn to_value(&self) -> Value {
        match &self.content {
            Content::Blank | Content::Null => Value::Null,
            Content::Bool(flag) => Value::Bool(*flag),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            Content::Mapping(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, entry)| (key.clone(), entry.node.to_value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// The value of `key`, if this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.content {
            Content::Mapping(entries) => entries.get(key).map(|entry| &entry.node),
            Content::Blank
            | Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::Text(_)
            | Content::List(_) => None,
        }
    }

    /// The keys of a mapping in order; none for anything else.
    pub(crate) fn keys(&self) -> Vec<&str> {
        match &self.content {
            Content::Mapping(entries) => entries.keys().map(String::as_str).collect(),
            Content::Blank
            | Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::Text(_)
            | Content::List(_) => Vec::new(),
        }
    }

    /// The elements of a list; none for anything else.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            Content::Blank
            | Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::Text(_)
            | Content::Mapping(_) => &[],
        }
    }

    /// Where the value at `path` stands, or the nearest value above it that exists.
    pub(crate) fn value_at(&self, path: &Path) -> Option<Location> {
        self.locate(path).1
    }

    /// Where the key of the value at `path` stands, or the nearest above it.
    pub(crate) fn key_at(&self, path: &Path) -> Option<Location> {
        self.locate(path).0
    }

    fn locate(&self, path: &Path) -> (Option<Location>, Option<Location>) {
        let mut node = self;
        let mut key_at = self.at;
        for step in path.steps() {
            match (step, &node.content) {
                (Step::Key(key), Content::Mapping(entries)) => match entries.get(key) {
                    Some(entry) => {
                        key_at = entry.key_at;
                        node = &entry.node;
                    }
                    None => return (key_at, node.at),
                },
                (Step::Index(index), Content::List(items)) => match items.get(*index) {
                    Some(item) => {
                        key_at = item.at;
                        node = item;
                    }
                    None => return (key_at, node.at),
                },
                (Step::Key(_) | Step::Index(_), _) => return (key_at, node.at),
            }
        }
        (key_at, node.at)
    }
}
