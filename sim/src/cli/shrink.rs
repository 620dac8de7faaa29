//! `foreshock shrink`: the smallest scenario that still fails in the same way.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::Setup;
use super::exit::{Exit, Failure};
use super::format::{Format, json_text};
use super::scenario::{KindsChoice, ScenarioArguments, load};
use super::terminal::Terminal;
use crate::explore::parallel::default_jobs;
use crate::explore::shrink::{ShrinkError, ShrinkOptions, Shrunk, shrink};
use crate::kernel::draw::Seed;

/// Make a scenario that fails as small as it can be while it fails in the same way
///
/// Drops timeline entries, loads, services, calls and policies, shortens faults and the run, lowers load and
/// replicas, and rounds numbers, as long as the same objectives and invariants break in the same order. Ends with 0
/// if it did, with 1 if the scenario does not fail.
#[derive(Args, Debug)]
pub(crate) struct ShrinkArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// Write the small scenario into this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// The same things may break in another order
    #[arg(long)]
    any_order: bool,
    /// Take out timeline entries only: which of them is it?
    #[arg(long)]
    timeline_only: bool,
    /// Try at most so many candidates
    #[arg(long, value_name = "N", default_value_t = 3_000)]
    most_tests: u64,
    /// How many candidates are tried at once
    #[arg(long, value_name = "N", default_value_t = default_jobs())]
    jobs: NonZero<usize>,
}

pub(super) fn execute(
    arguments: &ShrinkArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let scenario = &arguments.scenario;
    if let Some(output) = &arguments.output {
        check_output(output, &[&scenario.scenario])?;
    }
    let choice = KindsChoice::of(&scenario.scenario, setup.with_test_kinds);
    let kinds = choice.table(&setup.kinds);
    let plan = load(&scenario.scenario, &kinds, terminal)?;
    let seed = scenario.seed(&plan);
    let options = ShrinkOptions {
        jobs: arguments.jobs,
        most_tests: arguments.most_tests,
        any_order: arguments.any_order,
        timeline_only: arguments.timeline_only,
    };
    let is_told = arguments.format == Format::Text;
    let shrunk = {
        let progress = terminal.progress(1, &format!("shrinking {}", plan.name));
        let mut tell = |step: &str| {
            if is_told {
                progress.aside(|| terminal.line(step));
            }
        };
        shrink(&plan, seed, &scenario.edits(), &kinds, options, &mut tell)
    };
    let mut shrunk = match shrunk {
        Ok(shrunk) => shrunk,
        Err(ShrinkError::Scenario(error)) => return Err(Failure::Scenario(error)),
        Err(ShrinkError::Passes) => {
            let message =
                format!("{} does not fail with seed {}: there is nothing to shrink", plan.name, seed.0);
            return Err(Failure::Told(Exit::Differs, message));
        }
    };
    let origin = own_command(arguments, seed, choice);
    let reproduce = match &arguments.output {
        Some(output) => {
            let small = ScenarioArguments { scenario: output.clone(), ..ScenarioArguments::default() };
            small.reproduce(seed, choice)
        }
        None => format!("{origin} -o small.yaml"),
    };
    if let Some(output) = &arguments.output {
        write(output, &mut shrunk, &scenario.scenario, &origin, terminal)?;
    }
    match arguments.format {
        Format::Text => terminal.print(&format!("\n{}", shrunk.to_text(&reproduce))),
        Format::Json => terminal.print(&json_text(shrunk.to_json(&reproduce))),
    }
    Ok(Exit::AsExpected)
}

fn own_command(arguments: &ShrinkArguments, seed: Seed, choice: KindsChoice) -> String {
    let mut command =
        arguments.scenario.reproduce(seed, choice).replacen("foreshock run", "foreshock shrink", 1);
    let options = [(arguments.any_order, " --any-order"), (arguments.timeline_only, " --timeline-only")];
    options.into_iter().filter(|(is_on, _)| *is_on).for_each(|(_, option)| command.push_str(option));
    command
}

/// Whether a result can be written there without replacing what it is made from: what would be found out after a long
/// search is found out before it.
///
/// # Errors
/// When it cannot.
pub(super) fn check_output(output: &Path, origins: &[&PathBuf]) -> Result<(), Failure> {
    let folder = match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    if output.is_dir() || !folder.is_dir() {
        let message = format!("cannot write `{}`: name a file in a folder that exists", output.display());
        return Err(Failure::Told(Exit::InputOutput, message));
    }
    let is_output = |origin: &&PathBuf| {
        output.canonicalize().is_ok_and(|output| origin.canonicalize().is_ok_and(|own| own == output))
    };
    match origins.iter().any(is_output) {
        true => {
            Err(Failure::usage("the result would replace the scenario it is made from: name another file"))
        }
        false => Ok(()),
    }
}

/// Writes the small scenario. If that fails, it goes to standard output: what was found is not lost.
fn write(
    output: &Path,
    shrunk: &mut Shrunk,
    scenario: &Path,
    origin: &str,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    keep_traces(&mut shrunk.document, scenario, output);
    let yaml = shrunk.to_yaml(origin);
    fs::write(output, &yaml).map_err(|error| {
        terminal.print(&yaml);
        Failure::io("write", output, &error)
    })
}

/// Paths of trace files are relative to the scenario file: where that is written elsewhere, they name the whole path.
fn keep_traces(document: &mut Value, scenario: &Path, output: &Path) {
    let folder = |file: &Path| file.parent().unwrap_or(Path::new("")).join(".").canonicalize().ok();
    let (from, to) = (folder(scenario), folder(output));
    let Some(from) = from.filter(|from| to.as_ref() != Some(from)) else { return };
    for load in document.get_mut("load").and_then(Value::as_array_mut).into_iter().flatten() {
        let trace = load.get_mut("arrivals").and_then(|arrivals| arrivals.get_mut("trace"));
        if let Some(Value::String(file)) = trace {
            *file = from.join(&*file).to_string_lossy().into_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_trace_is_found_from_another_folder_too() {
        let mut document = json!({"load": [{"arrivals": {"trace": "t.txt"}}, {"rate": "1/s"}]});
        let same = document.clone();
        keep_traces(&mut document, Path::new("a.yaml"), Path::new("b.yaml"));
        assert_eq!(document, same);
        keep_traces(&mut document, Path::new("a.yaml"), Path::new("/b.yaml"));
        let path = document.pointer("/load/0/arrivals/trace").and_then(Value::as_str).expect("a path");
        assert!(Path::new(path).is_absolute() && path.ends_with("t.txt"), "{path}");
    }
}
