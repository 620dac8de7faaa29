//! Reads the settings of a kind out of one mapping and notes what is wrong, each with its place and what to write
//! instead. Knows no kind.

use serde_json::{Map, Value};

use crate::kernel::time::Span;
use crate::nodes::store::{StoreKind, store_kind};
use crate::scenario::quantity::{Duration, Problem, scalar_text};
use crate::scenario::suggest;

/// Found wrong: place below the service, and what.
pub(super) type Wrong = Vec<(String, String)>;

/// Reads the keys of one mapping and notes what is wrong.
pub(super) struct Reader<'a> {
    pub(super) map: &'a Map<String, Value>,
    /// Where the mapping stands, with a dot at the end unless it is the service itself.
    pub(super) at: String,
    pub(super) wrong: &'a mut Wrong,
}

impl Reader<'_> {
    pub(super) fn wrong_at(&mut self, key: &str, message: impl Into<String>) {
        self.wrong.push((format!("{}{key}", self.at), message.into()));
    }

    /// Something is missing: said at the mapping itself.
    pub(super) fn missing(&mut self, message: &str) {
        self.wrong.push((self.at.trim_end_matches('.').to_string(), message.to_string()));
    }

    pub(super) fn refuse_unknown(&mut self, known: &[&str], of: &str) {
        for key in self.map.keys().filter(|key| !known.contains(&key.as_str())) {
            let help = suggest::help(key, known).map_or_else(String::new, |help| format!("; {help}"));
            self.wrong.push((format!("{}{key}", self.at), format!("is no setting of {of}{help}")));
        }
    }

    pub(super) fn value<T>(&mut self, key: &str, read: fn(&str) -> Result<T, Problem>) -> Option<T> {
        let value = self.map.get(key)?;
        let text = scalar_text(value).unwrap_or_default();
        match read(&text) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.wrong_at(key, problem.sentence());
                None
            }
        }
    }

    pub(super) fn span(&mut self, key: &str) -> Option<Span> {
        self.value(key, Duration::read).map(|span| span.0)
    }

    pub(super) fn positive_span(&mut self, key: &str) -> Option<Span> {
        let span = self.span(key)?;
        if span.is_zero() {
            self.wrong_at(key, "has to have a length; write `10s`");
            return None;
        }
        Some(span)
    }

    pub(super) fn switch(&mut self, key: &str) -> Option<bool> {
        let switch = self.map.get(key)?.as_bool();
        if switch.is_none() {
            self.wrong_at(key, "is neither true nor false; write `true` or `false`");
        }
        switch
    }

    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.map.get(key)?.as_str().unwrap_or_default();
        let chosen = choices.iter().find(|(name, _)| *name == text);
        if chosen.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.wrong_at(key, format!("is none of {}", names.join(", ")));
        }
        chosen.map(|(_, value)| *value)
    }

    /// Where what is known is kept, by the settings `store` and `fsync` of a whole kind.
    pub(super) fn store(&mut self) -> StoreKind {
        store_kind(self.map).unwrap_or_else(|wrong| {
            self.wrong.extend(wrong);
            StoreKind::Memory
        })
    }

    /// The mappings below `key`, each with its name; `help` says what to write where there is none.
    pub(super) fn mappings<T>(
        &mut self,
        key: &str,
        help: &str,
        mut read: impl FnMut(&str, &mut Reader<'_>) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = self.map.get(key) else { return Vec::new() };
        let Value::Object(named) = value else {
            self.wrong_at(key, format!("has a name for each: {help}"));
            return Vec::new();
        };
        let mut all = Vec::with_capacity(named.len());
        for (name, value) in named {
            let at = format!("{}{key}.{name}.", self.at);
            let Value::Object(map) = value else {
                self.wrong_at(&format!("{key}.{name}"), format!("is no mapping: {help}"));
                continue;
            };
            all.extend(read(name, &mut Reader { map, at, wrong: self.wrong }));
        }
        all
    }
}
