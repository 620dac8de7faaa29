//! `foreshock list`: which scenarios there are and what they show.

use super::Setup;
use super::exit::{Exit, Failure};
use super::repository::{Entry, select};
use super::scenario::{KindsChoice, compiled, is_coloured};
use super::terminal::Terminal;
use crate::report::aligned;
use crate::scenario::plan::{Expectation, ExpectedVerdict};

pub(super) fn execute(setup: &Setup, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let selection = select(&[])?;
    let mut exit = Exit::AsExpected;
    let mut rows = Vec::new();
    for entry in &selection.entries {
        let kinds = KindsChoice::of(&entry.path, setup.with_test_kinds).table(&setup.kinds);
        match compiled(&entry.path, &entry.shown, &kinds) {
            Ok(compiled) => {
                let plan = compiled.plan;
                rows.push(row(entry, &expected(&plan.expect), first_sentence(&plan.about)));
            }
            Err(failure) => {
                rows.push(row(entry, "-", "not valid: see below".to_string()));
                let coloured = is_coloured(terminal.error_style());
                terminal.error_line(&failure.render(coloured));
                exit = exit.max(failure.exit());
            }
        }
    }
    terminal.print(&aligned(&["scenario", "family", "expected", "about"], &[], rows));
    Ok(exit)
}

fn row(entry: &Entry, expected: &str, about: String) -> Vec<String> {
    vec![entry.name.clone(), entry.family.clone(), expected.to_string(), about]
}

fn expected(expect: &Expectation) -> String {
    let verdict = match expect.verdict {
        Some(ExpectedVerdict::Pass) => "pass",
        Some(ExpectedVerdict::Fail) => "fail",
        None if expect.failing.is_empty() => "pass",
        None => "fail",
    };
    if expect.failing.is_empty() {
        verdict.to_string()
    } else {
        format!("{verdict}: {}", expect.failing.join(", "))
    }
}

/// The text up to the end of its first sentence, on one line.
fn first_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = text
        .match_indices(['.', '!', '?'])
        .map(|(at, _)| at + 1)
        .find(|end| text[*end..].is_empty() || text[*end..].starts_with(' '));
    text[..end.unwrap_or(text.len())].to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sentence_ends_at_a_mark_that_a_space_follows() {
        let cases = [
            ("", ""),
            ("One thing", "One thing"),
            ("One\n  thing. Another.", "One thing."),
            ("Lowers v1.2 to v1.1! Why?", "Lowers v1.2 to v1.1!"),
        ];
        for (text, expected) in cases {
            assert_eq!(first_sentence(text), expected);
        }
    }
}
