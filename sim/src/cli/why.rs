//! `foreshock why`: what made a run fail.

use std::num::NonZero;

use clap::Args;

use super::Setup;
use super::exit::{Exit, Failure};
use super::format::Format;
use super::scenario::{KindsChoice, ScenarioArguments, load, quoted};
use super::terminal::Terminal;
use crate::explore::parallel::default_jobs;
use crate::explore::why::answer::{VerdictKind, to_json};
use crate::explore::why::{Question, explain};
use crate::report::{counted, why_to_text};
use crate::scenario::plan::Expectation;
use crate::scenario::{edited, materialized};

/// Say why a scenario fails, by replaying it with one thing changed
///
/// Names the root cause, how it led to the failure, what is innocent, and what would have helped. Ends with 1 if the
/// scenario expects another answer.
#[derive(Args, Debug)]
pub(crate) struct WhyArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// How many seeds are asked whether they name the same cause
    #[arg(long, value_name = "K", default_value_t = SEEDS, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    seeds: u32,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// How many runs are made at once
    #[arg(long, value_name = "N", default_value_t = default_jobs())]
    jobs: NonZero<usize>,
}

/// Where nothing fails, these may be worth a look.
const OTHER_SEEDS: &str = "0..1000";

/// Seeds that are asked where nobody says how many.
pub(super) const SEEDS: u32 = 5;

pub(super) fn execute(
    arguments: &WhyArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let scenario = &arguments.scenario;
    let choice = KindsChoice::of(&scenario.scenario, setup.with_test_kinds);
    let kinds = choice.table(&setup.kinds);
    let mut plan = load(&scenario.scenario, &kinds, terminal)?;
    let (seed, edits) = (scenario.seed(&plan), scenario.edits());
    if !edits.is_empty() {
        plan = edited(&plan, &edits, &kinds)?;
        plan.expect = Expectation::default();
    }
    // Of a swarm, what this seed draws is explained.
    plan = materialized(plan, seed, &kinds)?;
    let question =
        Question { plan: &plan, seed, kinds: &kinds, seeds: arguments.seeds, jobs: arguments.jobs };
    let (answer, took) = {
        let progress = terminal.progress(1, &format!("explaining {}", plan.name));
        let answer = explain(&question)?;
        (answer, progress.took())
    };
    match arguments.format {
        Format::Text => {
            let base = scenario.reproduce(seed, choice);
            let command = |options: &[String]| {
                options.iter().fold(base.clone(), |command, word| format!("{command} {}", quoted(word)))
            };
            terminal.print(&why_to_text(&answer, &command, terminal.style()));
            if answer.verdict.kind == VerdictKind::Held {
                let sweep = scenario.reproduce_with(OTHER_SEEDS, choice);
                let sweep =
                    sweep.replacen("foreshock run", "foreshock sweep", 1).replacen("--seed ", "--seeds ", 1);
                terminal.line(&format!("  {sweep}   # does another seed fail?"));
            }
        }
        Format::Json => terminal.print(&to_json(&answer)),
    }
    if let Some(took) = took {
        let runs = counted(answer.runs, "run");
        terminal.error_line(&format!("{runs} in {}.{} s", took.as_secs(), took.subsec_millis() / 100));
    }
    if answer.verdict.as_expected {
        return Ok(Exit::AsExpected);
    }
    for surprise in &answer.verdict.surprises {
        terminal.error_line(surprise);
    }
    Ok(Exit::Differs)
}
