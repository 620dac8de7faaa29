//! What values a scope may have: typed fields with ranges, choices and patterns. Checked before anything is
//! published, and again before anything is used. Never changes a value.

use super::value::{Kind, Value};
use crate::time::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What may stand under one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its type.
    pub kind: Kind,
    /// The least: of an integer, of the nanoseconds of a duration, of the bytes of a text, of the items of a list.
    pub least: Option<i64>,
    /// The most, in the same units.
    pub most: Option<i64>,
    /// If not empty, one of these.
    pub one_of: Vec<Value>,
    /// For texts: `*` stands for any letters, `?` for one, everything else for itself.
    pub pattern: Option<String>,
    /// Whether a scope is incomplete without it.
    pub is_required: bool,
}

impl Field {
    /// Any value of a kind.
    pub const fn of(kind: Kind) -> Field {
        Field { kind, least: None, most: None, one_of: Vec::new(), pattern: None, is_required: false }
    }

    /// An integer between two, both included.
    pub fn integer(least: i64, most: i64) -> Field {
        Field { least: Some(least), most: Some(most), ..Field::of(Kind::Integer) }
    }

    /// A duration between two, both included.
    pub fn duration(least: Span, most: Span) -> Field {
        let bound = |span: Span| Some(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX));
        Field { least: bound(least), most: bound(most), ..Field::of(Kind::Duration) }
    }

    /// One of several texts.
    pub fn choice(choices: &[&str]) -> Field {
        Field { one_of: choices.iter().map(|text| Value::text(text)).collect(), ..Field::of(Kind::Text) }
    }

    /// The same, and it has to be there.
    #[must_use]
    pub fn required(self) -> Field {
        Field { is_required: true, ..self }
    }

    /// Whether a value may stand here.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, value: &Value) -> Result<(), Problem> {
        if !self.kind.admits(value) {
            return Err(Problem::Kind { expected: self.kind.clone() });
        }
        let size = size_of(value);
        if let Some(least) = self.least.filter(|least| size < i128::from(*least)) {
            return Err(Problem::Below { least });
        }
        if let Some(most) = self.most.filter(|most| size > i128::from(*most)) {
            return Err(Problem::Above { most });
        }
        if !self.one_of.is_empty() && !self.one_of.contains(value) {
            return Err(Problem::NoneOf { choices: self.one_of.clone() });
        }
        match (&self.pattern, value) {
            (Some(pattern), Value::Text(text)) if !matches(pattern, text) => {
                Err(Problem::Pattern { pattern: pattern.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Whether a text may contain placeholders: what they will stand for is not known when it is published, so only
    /// where every text is allowed.
    fn allows_placeholders(&self) -> bool {
        self.least.is_none() && self.most.is_none() && self.one_of.is_empty() && self.pattern.is_none()
    }
}

/// What `least` and `most` bound.
fn size_of(value: &Value) -> i128 {
    match value {
        Value::Text(text) => text.len() as i128,
        Value::Integer(number) => i128::from(*number),
        Value::Boolean(boolean) => i128::from(*boolean),
        Value::Duration(span) => i128::from(span.as_nanos()),
        Value::List(items) => items.len() as i128,
        Value::Secret(secret) => secret.reveal().len() as i128,
    }
}

/// Whether a text is what a pattern of `*` and `?` describes. The work is at most the product of their lengths.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    // The last star, and how much of the text it stands for so far.
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        if pattern.get(at) == Some(&'*') {
            star = Some((at, read));
            at += 1;
        } else if pattern.get(at).is_some_and(|letter| *letter == '?' || *letter == text[read]) {
            (at, read) = (at + 1, read + 1);
        } else if let Some((star_at, from)) = star {
            star = Some((star_at, from + 1));
            (at, read) = (star_at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Another type.
    Kind {
        /// The type it should have.
        expected: Kind,
    },
    /// Too small, short or few.
    Below {
        /// The least that is allowed.
        least: i64,
    },
    /// Too large, long or many.
    Above {
        /// The most that is allowed.
        most: i64,
    },
    /// Not among the choices.
    NoneOf {
        /// They.
        choices: Vec<Value>,
    },
    /// Does not look as it should.
    Pattern {
        /// How it should.
        pattern: String,
    },
    /// Not there, and has to be.
    Missing,
    /// The schema does not know the name.
    Unknown,
    /// A placeholder where the value is bounded.
    Placeholder,
    /// A text that is no value of its type.
    Unreadable {
        /// The type it should have.
        expected: Kind,
    },
    /// A placeholder that leads to itself, to nothing, or too far.
    Unresolved {
        /// The name in the placeholder.
        name: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Kind { expected } => write!(f, "has another type: write a {expected}"),
            Problem::Below { least } => write!(f, "is too small: write at least {least}"),
            Problem::Above { most } => write!(f, "is too large: write at most {most}"),
            Problem::NoneOf { choices } => {
                write!(f, "is no choice: write one of {}", Value::List(choices.clone()))
            }
            Problem::Pattern { pattern } => write!(f, "does not look like `{pattern}`"),
            Problem::Missing => f.write_str("is missing: it is required"),
            Problem::Unknown => f.write_str("is not in the schema: correct the name, or add a field"),
            Problem::Placeholder => {
                f.write_str("is bounded, so that a placeholder cannot be checked: write the value")
            }
            Problem::Unreadable { expected } => write!(f, "cannot be read: write a {expected}"),
            Problem::Unresolved { name } => {
                write!(
                    f,
                    "refers to `${{{name}}}`, which leads to nothing or to itself: give it a value or a default"
                )
            }
        }
    }
}

/// A name and what is wrong with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Of the setting.
    pub name: String,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.name, self.problem)
    }
}

impl std::error::Error for Violation {}

/// What values a scope may have, and which it has to have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// By name.
    pub fields: BTreeMap<String, Field>,
    /// Whether names that are no field are refused.
    pub is_closed: bool,
}

impl Schema {
    /// A schema that knows these names and lets others be.
    pub fn open<const N: usize>(fields: [(&str, Field); N]) -> Schema {
        let fields = fields.into_iter().map(|(name, field)| (name.to_string(), field)).collect();
        Schema { fields, is_closed: false }
    }

    /// Whether a value may stand under a name, as it is.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, name: &str, value: &Value) -> Result<(), Violation> {
        let found = match self.fields.get(name) {
            Some(field) => field.check(value),
            None if self.is_closed => Err(Problem::Unknown),
            None => Ok(()),
        };
        found.map_err(|problem| Violation { name: name.to_string(), problem })
    }

    /// Whether a value may be published under a name.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_published(&self, name: &str, value: &Value) -> Result<(), Violation> {
        self.check(name, value)?;
        let has_placeholder = value.as_text().is_some_and(|text| text.contains("${"));
        if has_placeholder && self.fields.get(name).is_some_and(|field| !field.allows_placeholders()) {
            return Err(Violation { name: name.to_string(), problem: Problem::Placeholder });
        }
        Ok(())
    }

    /// The names that have to be there and are not.
    pub fn missing<'a>(&'a self, has: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = Violation> + 'a {
        let required = self.fields.iter().filter(|(_, field)| field.is_required);
        required
            .filter(move |(name, _)| !has(name))
            .map(|(name, _)| Violation { name: name.clone(), problem: Problem::Missing })
    }

    /// Everything that is wrong with the values of a scope that are to be published.
    pub fn violations(&self, values: &BTreeMap<String, Value>) -> Vec<Violation> {
        let wrong = values.iter().filter_map(|(name, value)| self.check_published(name, value).err());
        wrong.chain(self.missing(|name| values.contains_key(name))).collect()
    }
}
