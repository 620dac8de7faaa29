//! Typed values. A secret is shown to the program that asks for it, and to nobody else.

use crate::time::Span;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A setting's value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Value {
    /// Any text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Boolean(bool),
    /// A length of time.
    Duration(#[serde(serialize_with = "write_span", deserialize_with = "read_span")] Span),
    /// Several, in order.
    List(Vec<Value>),
    /// A text that is not printed.
    Secret(Secret),
}

fn write_span<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
    span.as_nanos().serialize(serializer)
}

fn read_span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    u64::deserialize(deserializer).map(Span::from_nanos)
}

/// A text that neither `Debug` nor `Display` prints. Compared and stored as it is: who may read the store, may read it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Secret(String);

/// What is printed instead of a secret.
const HIDDEN: &str = "******";

impl Secret {
    /// A secret.
    pub const fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// [`Value::Text`].
    Text,
    /// [`Value::Integer`].
    Integer,
    /// [`Value::Boolean`].
    Boolean,
    /// [`Value::Duration`].
    Duration,
    /// [`Value::List`] of one kind.
    List(Box<Kind>),
    /// [`Value::Secret`].
    Secret,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Text => f.write_str("text"),
            Kind::Integer => f.write_str("integer"),
            Kind::Boolean => f.write_str("boolean"),
            Kind::Duration => f.write_str("duration"),
            Kind::List(of) => write!(f, "list of {of}"),
            Kind::Secret => f.write_str("secret"),
        }
    }
}

/// Lists in lists are read this deep.
const MOST_NESTING: u32 = 8;

impl Kind {
    /// Whether a value is of it.
    pub fn admits(&self, value: &Value) -> bool {
        match (self, value) {
            (Kind::Text, Value::Text(_))
            | (Kind::Integer, Value::Integer(_))
            | (Kind::Boolean, Value::Boolean(_))
            | (Kind::Duration, Value::Duration(_))
            | (Kind::Secret, Value::Secret(_)) => true,
            (Kind::List(of), Value::List(items)) => items.iter().all(|item| of.admits(item)),
            (
                Kind::Text | Kind::Integer | Kind::Boolean | Kind::Duration | Kind::Secret | Kind::List(_),
                _,
            ) => false,
        }
    }

    /// Reads a text, as it stands in a file or the environment, as a value of this kind; items of a list are separated
    /// by commas. `None` if it is none.
    pub fn read(&self, text: &str) -> Option<Value> {
        self.read_nested(text, MOST_NESTING)
    }

    fn read_nested(&self, text: &str, depth_left: u32) -> Option<Value> {
        let depth_left = depth_left.checked_sub(1)?;
        match self {
            Kind::Text => Some(Value::Text(text.to_string())),
            Kind::Integer => text.trim().parse().ok().map(Value::Integer),
            Kind::Boolean => match text.trim() {
                "true" => Some(Value::Boolean(true)),
                "false" => Some(Value::Boolean(false)),
                _ => None,
            },
            Kind::Duration => text.parse().ok().map(Value::Duration),
            Kind::List(_) if text.trim().is_empty() => Some(Value::List(Vec::new())),
            Kind::List(of) => {
                let items = text.split(',').map(|item| of.read_nested(item.trim(), depth_left));
                items.collect::<Option<Vec<_>>>().map(Value::List)
            }
            Kind::Secret => Some(Value::Secret(Secret::new(text.to_string()))),
        }
    }
}

impl Value {
    /// A text.
    pub fn text(text: &str) -> Value {
        Value::Text(text.to_string())
    }

    /// The text, if it is one that may be seen.
    pub fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    /// The number, if it is one.
    pub const fn as_integer(&self) -> Option<i64> {
        if let Value::Integer(number) = self { Some(*number) } else { None }
    }

    /// The length of time, if it is one.
    pub const fn as_duration(&self) -> Option<Span> {
        if let Value::Duration(span) = self { Some(*span) } else { None }
    }

    /// Yes or no, if it is one of them.
    pub const fn as_boolean(&self) -> Option<bool> {
        if let Value::Boolean(boolean) = self { Some(*boolean) } else { None }
    }
}

impl fmt::Display for Value {
    /// As a person writes it; [`Kind::read`] reads it back, secrets and texts with commas in lists excepted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Integer(number) => number.fmt(f),
            Value::Boolean(boolean) => boolean.fmt(f),
            Value::Duration(span) => span.fmt(f),
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    item.fmt(f)?;
                }
                Ok(())
            }
            Value::Secret(_) => f.write_str(HIDDEN),
        }
    }
}
