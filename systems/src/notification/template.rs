//! What a message says: templates by name, language and version, with a policy for what they mention and nobody knows.
//! [`PlainTemplates`] knows `{{ name }}` and nothing else; with the feature `templates`, `JinjaTemplates` knows loops,
//! conditions and partials. A renderer of your own is a [`Render`].

#[cfg(feature = "templates")]
mod jinja; // minijinja
mod plain; // names in double braces

#[cfg(feature = "templates")]
pub use jinja::JinjaTemplates;
pub use plain::PlainTemplates;

use std::collections::BTreeMap;
use std::fmt;

/// What is known when a message is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// By name; for a digest, those of its first event.
    pub values: BTreeMap<String, String>,
    /// Of each event: one, or those of a digest, in the order in which they came. Called `events` in a template.
    pub events: Vec<BTreeMap<String, String>>,
}

impl Facts {
    /// A name's value. `event_count` is how many events there are, unless a fact has this name.
    pub fn get(&self, name: &str) -> Option<String> {
        let value = self.values.get(name).cloned();
        value.or_else(|| (name == "event_count").then(|| self.events.len().to_string()))
    }
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenderRequest<'a> {
    /// The name of the template.
    pub template: &'a str,
    /// Which version.
    pub version: u32,
    /// In which language: `pt-BR`, else `pt`, else the usual one.
    pub locale: &'a str,
    /// Of what.
    pub facts: &'a Facts,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// A line about it.
    pub subject: String,
    /// All of it.
    pub body: String,
}

/// Writes messages.
pub trait Render {
    /// The version of a template that new messages get; `None` if there is no such template.
    fn version(&self, template: &str) -> Option<u32>;

    /// Writes a message.
    ///
    /// # Errors
    /// [`TemplateError`]; then the fallback of the category is sent.
    fn render(&self, request: &RenderRequest<'_>) -> Result<Rendered, TemplateError>;
}

/// What if a template mentions what nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingVariable {
    /// It fails.
    #[default]
    Error,
    /// Nothing is written there.
    Empty,
    /// It stays as it is: `{{ name }}`.
    Keep,
}

/// What a text is written into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escape {
    /// Nothing needs to be escaped.
    #[default]
    None,
    /// `& < > " '` in facts are escaped; subjects are never HTML.
    Html,
}

/// A template as it is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateSource {
    /// Its name; also that of its translations and versions.
    pub name: String,
    /// Its language; empty is the usual one.
    pub locale: String,
    /// Its version. New messages get the highest.
    pub version: u32,
    /// A line about it.
    pub subject: String,
    /// All of it.
    pub body: String,
    /// What the body is written into.
    pub escape: Escape,
}

/// Why a message could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// There is no template of this name and version, in no language that would do.
    Unknown {
        /// The name.
        name: String,
        /// The version.
        version: u32,
    },
    /// It mentions what nobody knows.
    MissingVariable(String),
    /// It cannot be read, or fails.
    Broken(String),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemplateError::Unknown { name, version } => {
                write!(f, "there is no template `{name}` of version {version} in the usual language: add it")
            }
            TemplateError::MissingVariable(name) => {
                write!(f, "the template mentions `{name}`, which the trigger does not say")
            }
            TemplateError::Broken(why) => write!(f, "the template cannot be used: {why}"),
        }
    }
}

impl std::error::Error for TemplateError {}

/// Templates by name, version and language. `T` is what a renderer made of one.
#[derive(Clone, Debug)]
struct Catalogue<T> {
    by_name: BTreeMap<String, BTreeMap<u32, BTreeMap<String, T>>>,
}

impl<T> Catalogue<T> {
    const fn new() -> Catalogue<T> {
        Catalogue { by_name: BTreeMap::new() }
    }

    fn insert(&mut self, source: &TemplateSource, made: T) {
        let versions = self.by_name.entry(source.name.clone()).or_default();
        versions.entry(source.version).or_default().insert(source.locale.clone(), made);
    }

    fn version(&self, name: &str) -> Option<u32> {
        self.by_name.get(name)?.last_key_value().map(|(version, _)| *version)
    }

    /// The template in this language, or in the next wider one that there is.
    fn find(&self, name: &str, version: u32, locale: &str) -> Result<&T, TemplateError> {
        let unknown = || TemplateError::Unknown { name: name.into(), version };
        let by_locale =
            self.by_name.get(name).and_then(|versions| versions.get(&version)).ok_or_else(unknown)?;
        wider(locale).find_map(|locale| by_locale.get(locale)).ok_or_else(unknown)
    }
}

/// `zh-Hant-TW`, `zh-Hant`, `zh`, and the usual language.
fn wider(locale: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(locale), |locale| {
        (!locale.is_empty()).then(|| locale.rfind(['-', '_']).map_or("", |at| &locale[..at]))
    })
}

/// A text as HTML shows it.
fn escaped(text: &str, escape: Escape) -> String {
    match escape {
        Escape::None => text.to_string(),
        Escape::Html => {
            let mut html = String::with_capacity(text.len());
            for letter in text.chars() {
                match letter {
                    '&' => html.push_str("&amp;"),
                    '<' => html.push_str("&lt;"),
                    '>' => html.push_str("&gt;"),
                    '"' => html.push_str("&quot;"),
                    '\'' => html.push_str("&#x27;"),
                    other => html.push(other),
                }
            }
            html
        }
    }
}

#[cfg(test)]
mod tests;
