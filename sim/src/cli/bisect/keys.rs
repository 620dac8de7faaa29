//! `foreshock bisect keys`: which of the keys in which two scenarios differ make one of them fail?

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::super::Setup;
use super::super::exit::{Exit, Failure};
use super::super::format::{Format, json_text};
use super::super::scenario::{KindsChoice, ScenarioArguments, load, quoted};
use super::super::shrink::check_output;
use super::super::terminal::Terminal;
use super::{SearchArguments, failure};
use crate::explore::bisect::keys::{Difference, KeysFound, bisect_keys};
use crate::kernel::draw::Seed;
use crate::report::counted;
use crate::scenario::write::{on_one_line, to_yaml};

/// Find which of the keys in which two scenarios differ make one of them fail
///
/// Keys that only act together are found together.
#[derive(Args, Debug)]
pub(crate) struct KeysArguments {
    /// The scenario that does not fail
    good: PathBuf,
    /// The scenario that fails
    bad: PathBuf,
    /// Run both with this seed in place of the good scenario's own
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write the good scenario with the found keys changed into this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    pub(super) search: SearchArguments,
}

pub(super) fn execute(
    arguments: &KeysArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    if let Some(output) = &arguments.output {
        check_output(output, &[&arguments.good, &arguments.bad])?;
    }
    let choice = KindsChoice::of(&arguments.bad, setup.with_test_kinds);
    let kinds = choice.table(&setup.kinds);
    let good = load(&arguments.good, &kinds, terminal)?;
    let bad = load(&arguments.bad, &kinds, terminal)?;
    let seed = arguments.seed.map_or(good.seed, Seed);
    let search = &arguments.search;
    let found = {
        let _progress = terminal.progress(1, "bisecting keys");
        bisect_keys(&good, &bad, seed, &kinds, &search.fails, search.jobs).map_err(failure)?
    };
    if let Some(output) = &arguments.output {
        let mut document = found.document.clone();
        if let Some(map) = document.as_object_mut() {
            map.insert("seed".to_string(), Value::from(seed.0));
        }
        fs::write(output, to_yaml(&document)).map_err(|error| Failure::io("write", output, &error))?;
    }
    let commands = commands(arguments, &found, seed, choice);
    match search.format {
        Format::Text => terminal.print(&text(arguments, &found, &commands)),
        Format::Json => {
            let json = found.to_json(&good.name, seed, &search.fails, &commands);
            terminal.print(&json_text(json));
        }
    }
    Ok(Exit::AsExpected)
}

/// Commands that show the good run and the failing one.
fn commands(arguments: &KeysArguments, found: &KeysFound, seed: Seed, choice: KindsChoice) -> Vec<String> {
    let good = ScenarioArguments { scenario: arguments.good.clone(), ..ScenarioArguments::default() };
    let failing = match (&found.settings, &arguments.output) {
        (Some(settings), _) => {
            ScenarioArguments { set: settings.clone(), ..good.clone() }.reproduce(seed, choice)
        }
        (None, Some(output)) => {
            ScenarioArguments { scenario: output.clone(), ..good.clone() }.reproduce(seed, choice)
        }
        (None, None) => {
            let file = |path: &PathBuf| quoted(&path.display().to_string());
            let fails = quoted(&arguments.search.fails.to_string());
            let (good, bad) = (file(&arguments.good), file(&arguments.bad));
            format!("foreshock bisect keys {good} {bad} --seed {} --fails {fails} -o minimal.yaml", seed.0)
        }
    };
    vec![good.reproduce(seed, choice), failing]
}

/// Keys that do not matter, as many as are named.
const MOST_NAMED: usize = 8;

fn text(arguments: &KeysArguments, found: &KeysFound, commands: &[String]) -> String {
    let count = found.minimal.len();
    let together = if count > 1 { ", only together" } else { ", alone" };
    let mut text = format!(
        "{count} of {} {} it fail{together}: {}\n",
        counted(found.differences.len() as u64, "differing key"),
        if count == 1 { "makes" } else { "make" },
        arguments.search.fails
    );
    for index in &found.minimal {
        let difference = &found.differences[*index];
        let (good, bad) = (shown(&difference.good), shown(&difference.bad));
        text.push_str(&format!("  {}: {good} -> {bad}\n", difference.path));
    }
    let others: Vec<&Difference> = found
        .differences
        .iter()
        .enumerate()
        .filter(|(index, _)| !found.minimal.contains(index))
        .map(|(_, other)| other)
        .collect();
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().take(MOST_NAMED).map(|other| other.path.as_str()).collect();
        let more = match others.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        text.push_str(&format!("  not needed: {}{more}\n", names.join(", ")));
    }
    text.push_str(&format!("  {} tried\n\n", counted(found.tests, "combination")));
    for (command, shows) in commands.iter().zip(["good", "fails"]) {
        text.push_str(&format!("reproduce: {command}   # {shows}\n"));
    }
    text
}

/// A value on one line; a long one is cut.
fn shown(value: &Option<Value>) -> String {
    const WIDEST: usize = 100;
    let Some(value) = value else { return "not there".to_string() };
    let text = on_one_line(value);
    match text.chars().count() > WIDEST {
        true => format!("{}…", text.chars().take(WIDEST).collect::<String>()),
        false => text,
    }
}
