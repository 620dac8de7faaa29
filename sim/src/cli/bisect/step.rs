//! `foreshock bisect step`: one revision, for those who drive `git bisect run` themselves.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::super::Setup;
use super::super::exit::{Exit, Failure};
use super::super::format::{Format, json_text};
use super::super::scenario::{KindsChoice, ScenarioArguments, load};
use super::super::terminal::Terminal;
use super::revision::RevisionArguments;
use crate::explore::bisect::SCHEMA;
use crate::explore::bisect::commits::{Class, Tried, classify};
use crate::explore::predicate::Predicate;

/// Build and judge the revision that is checked out here, for `git bisect run`
///
/// Ends with 0 if the scenario does not fail with it, with 1 if it does, with 125 if it cannot be judged, and with 128,
/// which stops `git bisect run`, if the command itself is wrong.
#[derive(Args, Debug)]
pub(crate) struct StepArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// What counts as a failure: `verdict`, the id of an objective or invariant, or a comparison
    #[arg(long, value_name = "PREDICATE", default_value = "verdict")]
    fails: Predicate,
    #[command(flatten)]
    revision: RevisionArguments,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

pub(super) fn execute(
    arguments: &StepArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let class = judged(arguments, setup, terminal).map_err(|failure| {
        // Any smaller code would be taken for an answer about the revision.
        Failure::Told(Exit::Abort, failure.render(false).trim_start_matches("error: ").to_string())
    })?;
    let (exit, reason) = match &class {
        Class::Good(_) => (Exit::AsExpected, format!("does not fail ({})", arguments.fails)),
        Class::Bad(_) => (Exit::Differs, format!("fails ({})", arguments.fails)),
        Class::Skip(reason) => (Exit::Skip, reason.clone()),
    };
    match arguments.format {
        Format::Text => terminal.line(&format!("{}: {reason}", class.word())),
        Format::Json => terminal.print(&json_text(json!({
            "schema": SCHEMA,
            "axis": "step",
            "class": class.word(),
            "fails": arguments.fails.to_string(),
            "reason": reason,
        }))),
    }
    Ok(exit)
}

fn judged(arguments: &StepArguments, setup: &Setup, terminal: &mut Terminal) -> Result<Class, Failure> {
    let scenario = &arguments.scenario;
    let kinds = KindsChoice::of(&scenario.scenario, setup.with_test_kinds).table(&setup.kinds);
    let seed = match scenario.seed {
        Some(seed) => crate::kernel::draw::Seed(seed),
        None => load(&scenario.scenario, &kinds, terminal)?.seed,
    };
    let tried = arguments.revision.try_in(Path::new("."), scenario, seed)?;
    let class = classify(&tried, &arguments.fails);
    match (&class, &tried) {
        // A report was there: then it is the predicate that is wrong, and would be for every revision.
        (Class::Skip(reason), Tried::Ran { code: Some(0 | 1), out })
            if serde_json::from_slice::<serde_json::Value>(out).is_ok() =>
        {
            Err(Failure::usage(format!("--fails: {reason}")))
        }
        _ => Ok(class),
    }
}
