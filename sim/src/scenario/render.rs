//! Diagnostics for people: each with the line it is about and a mark under the culprit. Text out, never a terminal.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Diagnostics, Location, Severity};

/// Lines longer than this many characters are not shown.
const LONGEST_LINE_SHOWN: usize = 400;

/// All findings about the file `name`, one below the other.
pub(crate) fn render(name: &str, text: Option<&str>, diagnostics: &Diagnostics, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let lines: Vec<&str> = text.map_or(Vec::new(), |text| text.lines().collect());
    let mut rendered = Vec::new();
    for diagnostic in diagnostics.iter() {
        let shown = diagnostic.location.and_then(|at| Some((at, line_to_show(&lines, at)?)));
        rendered.push(match shown {
            Some((at, line)) => with_line(&renderer, name, diagnostic, at, line),
            None => without_line(&renderer, name, diagnostic),
        });
    }
    if diagnostics.left_out() > 0 {
        rendered.push(format!("{} more not shown", diagnostics.left_out()));
    }
    rendered.join("\n\n")
}

fn line_to_show<'a>(lines: &[&'a str], at: Location) -> Option<&'a str> {
    let line = lines.get(at.line as usize - 1)?;
    (line.chars().count() <= LONGEST_LINE_SHOWN).then_some(line)
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    }
}

fn with_line(renderer: &Renderer, name: &str, diagnostic: &Diagnostic, at: Location, line: &str) -> String {
    let byte_of = |column: usize| line.char_indices().nth(column).map_or(line.len(), |(byte, _)| byte);
    let start = byte_of(at.column as usize - 1);
    let end = byte_of((at.column as usize - 1).saturating_add(at.length as usize)).max(start);
    let snippet = Snippet::source(line)
        .line_start(at.line as usize)
        .path(name)
        .annotation(AnnotationKind::Primary.span(start..end));
    let mut group = level(diagnostic.severity).primary_title(&diagnostic.message).element(snippet);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    renderer.render(&[group])
}

fn without_line(renderer: &Renderer, name: &str, diagnostic: &Diagnostic) -> String {
    let title = match diagnostic.location {
        Some(at) => format!("{name}:{}:{}: {}", at.line, at.column, diagnostic.message),
        None if diagnostic.path.is_empty() => format!("{name}: {}", diagnostic.message),
        None => format!("{name}: {}: {}", diagnostic.path, diagnostic.message),
    };
    let mut group = Group::with_title(level(diagnostic.severity).primary_title(title));
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    renderer.render(&[group])
}
