//! What is written, and what is not.

use super::*;
use proptest::prelude::*;

fn source(name: &str, locale: &str, version: u32, subject: &str, body: &str) -> TemplateSource {
    let [name, locale, subject, body] = [name, locale, subject, body].map(str::to_string);
    TemplateSource { name, locale, version, subject, body, escape: Escape::Html }
}

fn facts(values: &[(&str, &str)]) -> Facts {
    let values: BTreeMap<String, String> =
        values.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Facts { events: vec![values.clone()], values }
}

fn ask<'a>(template: &'a str, version: u32, locale: &'a str, facts: &'a Facts) -> RenderRequest<'a> {
    RenderRequest { template, version, locale, facts }
}

fn sources() -> Vec<TemplateSource> {
    vec![
        source("order", "", 1, "Order {{ id }}", "Hi {{ name }}"),
        source("order", "", 2, "Order {{ id }}!", "Hello {{ name }}"),
        source("order", "pt", 2, "Pedido {{ id }}", "Ola {{ name }}"),
        source("order", "pt-BR", 2, "Pedido {{ id }}", "Oi {{ name }}"),
    ]
}

fn check_renderer(templates: &dyn Render) {
    let ann = facts(&[("id", "<7>"), ("name", "<Ann> & \"Bob\"")]);
    let body = |version, locale| templates.render(&ask("order", version, locale, &ann)).unwrap().body;
    assert_eq!(templates.version("order"), Some(2));
    assert_eq!(templates.version("gone"), None);
    let cases = [("pt-BR", "Oi"), ("pt-PT", "Ola"), ("pt_AO", "Ola"), ("de", "Hello"), ("", "Hello")];
    for (locale, hello) in cases {
        assert_eq!(body(2, locale), format!("{hello} &lt;Ann&gt; &amp; &quot;Bob&quot;"), "{locale}");
    }
    assert!(body(1, "pt").starts_with("Hi "), "version 1 was never translated");
    assert_eq!(templates.render(&ask("order", 2, "", &ann)).unwrap().subject, "Order <7>!");
    for (name, version) in [("gone", 1), ("order", 3)] {
        let refused = templates.render(&ask(name, version, "", &ann));
        assert_eq!(refused, Err(TemplateError::Unknown { name: name.into(), version }));
    }
}

fn check_missing(make: &dyn Fn(MissingVariable) -> Box<dyn Render>) {
    let nobody = facts(&[("id", "7")]);
    let body = |missing| make(missing).render(&ask("order", 2, "", &nobody)).map(|written| written.body);
    assert!(matches!(body(MissingVariable::Error), Err(TemplateError::MissingVariable(_))));
    assert_eq!(body(MissingVariable::Empty).as_deref(), Ok("Hello "));
    assert_eq!(body(MissingVariable::Keep).as_deref(), Ok("Hello {{ name }}"));
}

#[test]
fn plain_templates_know_versions_languages_and_escapes() {
    let make = |missing| sources().into_iter().fold(PlainTemplates::new(missing), PlainTemplates::with);
    check_renderer(&make(MissingVariable::Error));
    check_missing(&|missing| Box::new(make(missing)));
}

#[test]
fn braces_that_are_not_closed_are_text() {
    let templates =
        PlainTemplates::new(MissingVariable::Error).with(source("t", "", 0, "{{", "a {{ id }} b }} {{ c"));
    let written = templates.render(&ask("t", 0, "", &facts(&[("id", "7")]))).unwrap();
    assert_eq!((written.subject.as_str(), written.body.as_str()), ("{{", "a 7 b }} {{ c"));
}

#[cfg(feature = "templates")]
#[test]
fn jinja_templates_know_versions_languages_and_escapes() {
    let make = |missing| JinjaTemplates::new(&sources(), missing).unwrap();
    check_renderer(&make(MissingVariable::Error));
    check_missing(&|missing| Box::new(make(missing)));
}

#[cfg(feature = "templates")]
#[test]
fn jinja_templates_loop_over_events_and_include_partials_in_their_language() {
    let body = "{% for event in events %}{{ event.id }}{{ event.gone }};{% endfor %}{{ event_count }} {% include 'foot' %}";
    let sources = [
        source("digest", "pt", 1, "", body),
        source("foot", "", 1, "", "bye"),
        source("foot", "pt", 3, "", "adeus"),
    ];
    let mut two = facts(&[("id", "1")]);
    two.events.push([("id".to_string(), "2".to_string())].into());
    let body = |missing| {
        let templates = JinjaTemplates::new(&sources, missing).unwrap();
        templates.render(&ask("digest", 1, "pt", &two)).map(|written| written.body)
    };
    assert_eq!(body(MissingVariable::Empty).as_deref(), Ok("1;2;2 adeus"));
    assert_eq!(body(MissingVariable::Keep).as_deref(), Ok("1{{ event.gone }};2{{ event.gone }};2 adeus"));
    assert!(matches!(body(MissingVariable::Error), Err(TemplateError::MissingVariable(_))));
    let broken = JinjaTemplates::new(&[source("t", "", 1, "", "{% if %}")], MissingVariable::Error);
    assert!(matches!(broken, Err(TemplateError::Broken(_))));
}

proptest! {
    #[test]
    fn a_plain_text_is_written_as_it_is_and_no_text_panics(text in ".{0,40}") {
        let templates = PlainTemplates::new(MissingVariable::Keep).with(source("t", "", 0, "", &text));
        let written = templates.render(&ask("t", 0, "", &Facts::default())).unwrap().body;
        prop_assert_eq!(written, text);
    }
}
