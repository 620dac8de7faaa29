//! `foreshock run`: one scenario, one report.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::Setup;
use super::exit::{Exit, Failure};
use super::format::Format;
use super::scenario::{KindsChoice, ScenarioArguments, load};
use super::terminal::Terminal;
use crate::kernel::time::{Span, Time};
use crate::report::{Report, Style, series_csv, to_json, to_text, to_trace_events};
use crate::run::{self, Detail, Outcome};
use crate::scenario::plan::{Plan, Redraw};
use crate::scenario::to_yaml;

/// Run a scenario and print its report
///
/// Ends with 0 if the verdict is what the scenario expects, with 1 if it is not.
#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// Write report.json, report.txt and the time series as CSV into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the first requests of each load hop by hop, for Perfetto or chrome://tracing
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Draw everything from this instant on anew; what comes before stays as it is
    #[arg(long, value_name = "TIME")]
    redraw_after: Option<Span>,
    /// Which of the things that could happen then
    #[arg(long, value_name = "N", default_value_t = 1, requires = "redraw_after")]
    variant: u64,
}

/// How many requests of each load a trace holds.
pub(super) const TRACED_REQUESTS: u32 = 100;

pub(super) fn execute(
    arguments: &RunArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let scenario = &arguments.scenario;
    let choice = KindsChoice::of(&scenario.scenario, setup.with_test_kinds);
    let kinds = choice.table(&setup.kinds);
    let mut plan = load(&scenario.scenario, &kinds, terminal)?;
    plan.run.redraw =
        arguments.redraw_after.map(|from| Redraw { from: Time::ZERO + from, variant: arguments.variant });
    let seed = scenario.seed(&plan);
    let traced_requests = if arguments.trace.is_some() { TRACED_REQUESTS } else { 0 };
    let detail = Detail { traced_requests, ..Detail::default() };
    let outcome = {
        let _progress = terminal.progress(1, &format!("running {}", plan.name));
        run::run(&plan, seed, &scenario.edits(), &kinds, &detail)?
    };
    let report = Report::new(&outcome);
    let mut reproduce = scenario.reproduce(seed, choice);
    if let Some(from) = arguments.redraw_after {
        reproduce.push_str(&format!(" --redraw-after {from} --variant {}", arguments.variant));
    }
    if let Some(folder) = &arguments.out {
        write_folder(folder, &outcome, &report, &reproduce)?;
    }
    if let Some(file) = &arguments.trace {
        write(file, &to_trace_events(&outcome.trace))?;
    }
    match arguments.format {
        Format::Text => {
            let style = terminal.style();
            if !plan.swarm.is_empty() {
                terminal.print(&drawn(&plan, &outcome));
            }
            terminal.print(&to_text(&report, &reproduce, style));
        }
        Format::Json => terminal.print(&to_json(&report)),
    }
    if report.verdict.as_expected {
        return Ok(Exit::AsExpected);
    }
    if arguments.format == Format::Json {
        for surprise in &report.verdict.surprises {
            terminal.error_line(surprise);
        }
        terminal.error_line(&format!("reproduce: {reproduce}"));
    }
    Ok(Exit::Differs)
}

/// What the seed drew from the swarm, as it would stand in a timeline.
fn drawn(plan: &Plan, outcome: &Outcome) -> String {
    let (seed, document) = (outcome.seed.0, &outcome.plan.document);
    let of_swarm = |entry: &&Value| plan.swarm.iter().any(|drawn| entry["id"] == drawn.id.as_str());
    let timeline = document.get("timeline").and_then(Value::as_array);
    let entries: Vec<Value> = timeline.into_iter().flatten().filter(of_swarm).cloned().collect();
    let left_out =
        plan.swarm.iter().filter(|drawn| entries.iter().all(|entry| entry["id"] != drawn.id.as_str()));
    let left_out: Vec<&str> = left_out.map(|drawn| drawn.id.as_str()).collect();
    let mut text = format!("drawn by seed {seed}, {} of {} entries\n", entries.len(), plan.swarm.len());
    if !entries.is_empty() {
        text.push_str(&to_yaml(&json!({ "timeline": entries })));
    }
    if !left_out.is_empty() {
        text.push_str(&format!("not drawn: {}\n", left_out.join(", ")));
    }
    text.push('\n');
    text
}

fn write_folder(folder: &Path, outcome: &Outcome, report: &Report, reproduce: &str) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::io("make the folder", folder, &error))?;
    write(&folder.join("report.json"), &to_json(report))?;
    write(&folder.join("report.txt"), &to_text(report, reproduce, Style::Plain))?;
    for series in series_csv(outcome) {
        write(&folder.join(series.name), &series.text)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::io("write", path, &error))
}
