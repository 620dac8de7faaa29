//! `foreshock bisect time`: when did a failure become inevitable?

use std::num::NonZero;

use clap::Args;

use super::super::Setup;
use super::super::exit::{Exit, Failure};
use super::super::format::{Format, json_text};
use super::super::scenario::{KindsChoice, ScenarioArguments, load};
use super::super::terminal::Terminal;
use super::{SearchArguments, failure};
use crate::explore::bisect::BisectError;
use crate::explore::bisect::time::{Point, TimeFound, TimeOptions, bisect_time};
use crate::report::counted;

/// Find when a failure became inevitable
///
/// Takes the run up to an instant, draws everything after it anew several times and counts how often it still fails.
#[derive(Args, Debug)]
pub(crate) struct TimeArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// How often everything after an instant is drawn anew
    #[arg(long, value_name = "N", default_value = "16")]
    variants: NonZero<u32>,
    /// How many instants are looked at before the step is narrowed down
    #[arg(long, value_name = "N", default_value = "12")]
    points: NonZero<u32>,
    #[command(flatten)]
    pub(super) search: SearchArguments,
}

pub(super) fn execute(
    arguments: &TimeArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let (scenario, search) = (&arguments.scenario, &arguments.search);
    let choice = KindsChoice::of(&scenario.scenario, setup.with_test_kinds);
    let kinds = choice.table(&setup.kinds);
    let plan = load(&scenario.scenario, &kinds, terminal)?;
    let seed = scenario.seed(&plan);
    let plan = crate::scenario::edited(&plan, &scenario.edits(), &kinds)?;
    let options = TimeOptions { variants: arguments.variants, points: arguments.points, jobs: search.jobs };
    let found = {
        let _progress = terminal.progress(1, &format!("bisecting the time of {}", plan.name));
        bisect_time(&plan, seed, &kinds, &search.fails, options)
    };
    let found = found.map_err(|error| match error {
        BisectError::BadPasses => {
            let message = format!("{} does not fail with seed {} ({})", plan.name, seed.0, search.fails);
            Failure::Told(Exit::Differs, message)
        }
        other => failure(other),
    })?;
    let run = scenario.reproduce(seed, choice);
    let redrawn = |point: &Point| format!("{run} --redraw-after {} --variant 1", point.at);
    let mut commands = vec![run.clone()];
    commands
        .extend(found.step.into_iter().flat_map(|step| found.points[step..=step + 1].iter().map(redrawn)));
    match search.format {
        Format::Text => terminal.print(&text(&plan.name, arguments, &found, &commands)),
        Format::Json => terminal.print(&json_text(found.to_json(&plan.name, seed, &search.fails, &commands))),
    }
    Ok(Exit::AsExpected)
}

/// Length of a bar for all variants.
const BAR: u32 = 24;

fn text(name: &str, arguments: &TimeArguments, found: &TimeFound, commands: &[String]) -> String {
    let fails = &arguments.search.fails;
    let mut text = match found.step {
        None => {
            format!("{name}: the failure was inevitable from the start, whatever chance does ({fails})\n")
        }
        Some(step) => format!(
            "{name}: the failure was decided between {} and {} ({fails})\n  inevitable from {} on\n",
            found.points[step].at,
            found.points[step + 1].at,
            found.inevitable_from
        ),
    };
    text.push_str(&format!(
        "  of {} with everything from then on drawn anew fail:\n",
        counted(u64::from(found.variants), "variant")
    ));
    let width = found.points.iter().map(|point| point.at.to_string().len()).max().unwrap_or(0);
    for (position, point) in found.points.iter().enumerate() {
        let filled = (u64::from(point.failed) * u64::from(BAR) / u64::from(found.variants)) as usize;
        let bar = format!("{:BAR$}", "#".repeat(filled), BAR = BAR as usize);
        let mark = if found.step == Some(position) { "  <- then it rises" } else { "" };
        text.push_str(
            format!("  {:>width$}  {bar}  {}{mark}", point.at.to_string(), point.failed).trim_end(),
        );
        text.push('\n');
    }
    if !found.around.is_empty() {
        text.push_str("\nWhat happened around it\n");
    }
    for happening in &found.around {
        text.push_str(&format!("  {}  {}\n", happening.at, happening.what));
    }
    text.push('\n');
    for command in commands {
        text.push_str(&format!("reproduce: {command}\n"));
    }
    text
}
