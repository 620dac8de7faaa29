//! Templates in Jinja's language, by `minijinja`: loops over `events`, conditions, filters, and partials by
//! `{% include "footer" %}`, which come in the language of the template that includes them.

use super::{
    Catalogue, Escape, Facts, MissingVariable, Render, RenderRequest, Rendered, TemplateError, TemplateSource,
};
use minijinja::value::{Enumerator, Object, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Templates in Jinja's language.
#[derive(Clone, Debug)]
pub struct JinjaTemplates {
    environment: Environment<'static>,
    catalogue: Catalogue<Names>,
    missing: MissingVariable,
}

/// What the environment calls the parts of one template.
#[derive(Clone, Debug)]
struct Names {
    subject: String,
    body: String,
}

/// Stands between the parts of a name in the environment; no name of a template has it.
const BETWEEN: char = '\u{1f}';

fn name_of(part: &str, name: &str, version: u32, locale: &str) -> String {
    format!("{part}{BETWEEN}{name}{BETWEEN}{version}{BETWEEN}{locale}")
}

impl JinjaTemplates {
    /// These templates. The highest version of each is what others include.
    ///
    /// # Errors
    /// [`TemplateError::Broken`] for the first that cannot be read.
    pub fn new(
        sources: &[TemplateSource],
        missing: MissingVariable,
    ) -> Result<JinjaTemplates, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(match missing {
            MissingVariable::Error => UndefinedBehavior::Strict,
            MissingVariable::Empty | MissingVariable::Keep => UndefinedBehavior::Lenient,
        });
        let html: BTreeSet<String> = sources
            .iter()
            .filter(|source| source.escape == Escape::Html)
            .map(|source| name_of("body", &source.name, source.version, &source.locale))
            .collect();
        environment.set_auto_escape_callback(move |name| {
            if html.contains(name) { AutoEscape::Html } else { AutoEscape::None }
        });
        let mut catalogue = Catalogue::new();
        for source in sources {
            let [subject, body] =
                ["subject", "body"].map(|part| name_of(part, &source.name, source.version, &source.locale));
            for (name, text) in [(&subject, &source.subject), (&body, &source.body)] {
                environment.add_template_owned(name.clone(), text.clone()).map_err(|error| read(&error))?;
            }
            catalogue.insert(source, Names { subject, body });
        }
        let partials = catalogue.clone();
        environment.set_path_join_callback(move |name, parent| {
            let locale = parent.rsplit(BETWEEN).next().unwrap_or_default();
            let found = partials.version(name).and_then(|version| partials.find(name, version, locale).ok());
            found.map_or_else(|| name.to_string().into(), |names| names.body.clone().into())
        });
        Ok(JinjaTemplates { environment, catalogue, missing })
    }

    fn part(&self, name: &str, facts: &Facts) -> Result<String, TemplateError> {
        let template = self.environment.get_template(name).map_err(|error| read(&error))?;
        let mut known: BTreeMap<String, Value> =
            facts.values.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        let keeps = self.missing == MissingVariable::Keep;
        let events =
            facts.events.iter().map(|event| Value::from_object(Event { facts: event.clone(), keeps }));
        known.entry("event_count".into()).or_insert_with(|| Value::from(facts.events.len()));
        known.entry("events".into()).or_insert_with(|| events.collect());
        if keeps {
            let functions: BTreeSet<&str> = self.environment.globals().map(|(name, _)| name).collect();
            for name in template.undeclared_variables(false) {
                if !functions.contains(name.as_str()) {
                    let kept = Value::from_safe_string(format!("{{{{ {name} }}}}"));
                    known.entry(name).or_insert(kept);
                }
            }
        }
        template.render(known).map_err(|error| read(&error))
    }
}

impl Render for JinjaTemplates {
    fn version(&self, template: &str) -> Option<u32> {
        self.catalogue.version(template)
    }

    fn render(&self, request: &RenderRequest<'_>) -> Result<Rendered, TemplateError> {
        let names = self.catalogue.find(request.template, request.version, request.locale)?;
        Ok(Rendered {
            subject: self.part(&names.subject, request.facts)?,
            body: self.part(&names.body, request.facts)?,
        })
    }
}

/// The facts of one event; asked for one that it does not have, it may say what was asked for.
#[derive(Debug)]
struct Event {
    facts: BTreeMap<String, String>,
    keeps: bool,
}

impl Object for Event {
    fn get_value(self: &Arc<Event>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let kept = || self.keeps.then(|| Value::from_safe_string(format!("{{{{ event.{name} }}}}")));
        self.facts.get(name).map(|value| Value::from(value.as_str())).or_else(kept)
    }

    fn enumerate(self: &Arc<Event>) -> Enumerator {
        Enumerator::Values(self.facts.keys().map(|name| Value::from(name.as_str())).collect())
    }
}

fn read(error: &minijinja::Error) -> TemplateError {
    match error.kind() {
        // The library names what is missing only in its own words.
        ErrorKind::UndefinedError => TemplateError::MissingVariable(error.to_string()),
        _ => TemplateError::Broken(error.to_string()),
    }
}
