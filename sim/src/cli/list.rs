//! `foreshock list`: which scenarios there are and what they show.

use clap::Args;
use serde_json::{Value, json};

use super::Setup;
use super::exit::{Exit, Failure};
use super::format::{Format, json_text};
use super::repository::{Entry, select};
use super::scenario::{KindsChoice, compiled};
use super::terminal::Terminal;
use crate::report::aligned;
use crate::scenario::plan::{Expectation, ExpectedVerdict, Plan};

/// Show which scenarios there are and what they expect
#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

/// The schema of what is printed for programs.
const SCHEMA: &str = "foreshock.list/1";

pub(super) fn execute(
    arguments: &ListArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let selection = select(&[])?;
    let mut exit = Exit::AsExpected;
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for entry in &selection.entries {
        let kinds = KindsChoice::of(&entry.path, setup.with_test_kinds).table(&setup.kinds);
        let plan = compiled(&entry.path, &entry.shown, &kinds).map(|compiled| compiled.plan);
        values.push(value(entry, &plan));
        match plan {
            Ok(plan) => rows.push(row(entry, &expected(&plan.expect), first_sentence(&plan.about))),
            Err(failure) => {
                rows.push(row(entry, "-", "not valid: see below".to_string()));
                exit = exit.max(failure.exit());
                match arguments.format {
                    Format::Text => terminal.complain(&failure),
                    Format::Json => {}
                }
            }
        }
    }
    match arguments.format {
        Format::Text => terminal.print(&aligned(&["scenario", "family", "expected", "about"], &[], rows)),
        Format::Json => terminal.print(&json_text(json!({"schema": SCHEMA, "scenarios": values}))),
    }
    Ok(exit)
}

fn row(entry: &Entry, expected: &str, about: String) -> Vec<String> {
    vec![entry.name.clone(), entry.family.clone(), expected.to_string(), about]
}

/// A scenario for programs; of one that is not valid, why.
fn value(entry: &Entry, plan: &Result<Plan, Failure>) -> Value {
    let mut value = json!({"scenario": entry.shown, "name": entry.name, "family": entry.family});
    match plan {
        Ok(plan) => {
            value["about"] = plan.about.trim().into();
            value["seed"] = plan.seed.0.into();
            value["expect"] = json!({
                "verdict": expected_verdict(&plan.expect),
                "failing": plan.expect.failing,
                "findings": plan.expect.findings,
                "why": {"root": plan.expect.why_root, "not_root": plan.expect.why_not_root},
            });
        }
        Err(failure) => value["error"] = failure.to_json(),
    }
    value
}

fn expected_verdict(expect: &Expectation) -> &'static str {
    match expect.verdict {
        Some(ExpectedVerdict::Pass) => "pass",
        Some(ExpectedVerdict::Fail) => "fail",
        None if expect.failing.is_empty() => "pass",
        None => "fail",
    }
}

fn expected(expect: &Expectation) -> String {
    let verdict = expected_verdict(expect);
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
