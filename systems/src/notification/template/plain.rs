//! Names in double braces, and nothing else: `Hello {{ name }}`. Cannot loop, cannot fail but for a missing name.

use super::{
    Catalogue, Escape, Facts, MissingVariable, Render, RenderRequest, Rendered, TemplateError,
    TemplateSource, escaped,
};

/// Templates with names in double braces.
#[derive(Clone, Debug)]
pub struct PlainTemplates {
    catalogue: Catalogue<TemplateSource>,
    missing: MissingVariable,
}

impl PlainTemplates {
    /// None yet.
    pub const fn new(missing: MissingVariable) -> PlainTemplates {
        PlainTemplates { catalogue: Catalogue::new(), missing }
    }

    /// Adds a template, or replaces the one with its name, version and language.
    #[must_use]
    pub fn with(mut self, source: TemplateSource) -> PlainTemplates {
        self.catalogue.insert(&source.clone(), source);
        self
    }
}

impl Render for PlainTemplates {
    fn version(&self, template: &str) -> Option<u32> {
        self.catalogue.version(template)
    }

    fn render(&self, request: &RenderRequest<'_>) -> Result<Rendered, TemplateError> {
        let source = self.catalogue.find(request.template, request.version, request.locale)?;
        Ok(Rendered {
            subject: filled(&source.subject, request.facts, Escape::None, self.missing)?,
            body: filled(&source.body, request.facts, source.escape, self.missing)?,
        })
    }
}

/// A text with its names replaced by what they stand for. Braces that are not closed are text.
fn filled(
    text: &str,
    facts: &Facts,
    escape: Escape,
    missing: MissingVariable,
) -> Result<String, TemplateError> {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inside, behind)) = after.split_once("}}") else { break };
        written.push_str(before);
        let name = inside.trim();
        match (facts.get(name), missing) {
            (Some(value), _) => written.push_str(&escaped(&value, escape)),
            (None, MissingVariable::Empty) => {}
            (None, MissingVariable::Keep) => written.extend(["{{", inside, "}}"]),
            (None, MissingVariable::Error) => return Err(TemplateError::MissingVariable(name.into())),
        }
        rest = behind;
    }
    written.push_str(rest);
    Ok(written)
}
