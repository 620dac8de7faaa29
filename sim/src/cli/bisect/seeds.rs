//! `foreshock bisect seeds`: the first failing seed, and whether two versions fail at different rates.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::super::Setup;
use super::super::exit::{Exit, Failure};
use super::super::format::{Format, json_text};
use super::super::scenario::{KindsChoice, ScenarioArguments, load, quoted};
use super::super::terminal::Terminal;
use super::{SearchArguments, failure};
use crate::explore::bisect::SCHEMA;
use crate::explore::bisect::seeds::{Rates, compare_rates, first_failing_seed};
use crate::explore::sweep::Seeds;
use crate::kernel::draw::Seed;
use crate::report::counted;
use crate::scenario::parse_setting;
use crate::scenario::plan::{Edit, Setting};

/// Find the first failing seed, or tell whether two versions fail at different rates
///
/// With `--against` or `--against-set` both versions run on the same seeds until their rates are known to differ, by
/// a test that may be looked at after every seed: it calls equal rates different in one of 20 comparisons at most.
#[derive(Args, Debug)]
pub(crate) struct SeedsArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// Which seeds: from A up to but not with B. A seed may be the hash of a commit
    #[arg(long, value_name = "A..B", default_value = "0..1000", conflicts_with = "seed")]
    seeds: Seeds,
    /// Compare with this scenario
    #[arg(long, value_name = "SCENARIO", conflicts_with = "against_set")]
    against: Option<PathBuf>,
    /// Compare with the same scenario with this changed; may be repeated
    #[arg(long, value_name = "PATH=VALUE", value_parser = parse_setting)]
    against_set: Vec<Setting>,
    #[command(flatten)]
    pub(super) search: SearchArguments,
}

pub(super) fn execute(
    arguments: &SeedsArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let choice = KindsChoice::of(&arguments.scenario.scenario, setup.with_test_kinds);
    match arguments.against.is_some() || !arguments.against_set.is_empty() {
        false => first(arguments, setup, choice, terminal),
        true => rates(arguments, setup, choice, terminal),
    }
}

fn first(
    arguments: &SeedsArguments,
    setup: &Setup,
    choice: KindsChoice,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let (scenario, search) = (&arguments.scenario, &arguments.search);
    let kinds = choice.table(&setup.kinds);
    let plan = load(&scenario.scenario, &kinds, terminal)?;
    let plan = crate::scenario::edited(&plan, &scenario.edits(), &kinds)?;
    let (found, looked_at) = {
        let _progress = terminal.progress(1, "looking for a failing seed");
        first_failing_seed(
            &plan,
            arguments.seeds.from..arguments.seeds.to,
            &kinds,
            &search.fails,
            search.jobs,
        )
        .map_err(failure)?
    };
    let command = found.map(|seed| scenario.reproduce(seed, choice));
    match search.format {
        Format::Text => {
            let seeds = counted(looked_at, "seed");
            terminal.print(&match (found, &command) {
                (Some(seed), Some(command)) => format!(
                    "{}: seed {} is the first of {}..{} that fails ({}); {seeds} looked at\n\nreproduce: {command}\n",
                    plan.name, seed.0, arguments.seeds.from, arguments.seeds.to, search.fails
                ),
                _ => format!("{}: none of {seeds} fails ({})\n", plan.name, search.fails),
            });
        }
        Format::Json => terminal.print(&json_text(json!({
            "schema": SCHEMA,
            "axis": "seeds",
            "scenario": plan.name,
            "fails": search.fails.to_string(),
            "first_failing": found.map(|seed| seed.0),
            "looked_at": looked_at,
            "reproduce": command.into_iter().collect::<Vec<_>>(),
        }))),
    }
    Ok(if found.is_some() { Exit::AsExpected } else { Exit::Differs })
}

fn rates(
    arguments: &SeedsArguments,
    setup: &Setup,
    choice: KindsChoice,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let (scenario, search) = (&arguments.scenario, &arguments.search);
    let kinds = choice.table(&setup.kinds);
    let own = load(&scenario.scenario, &kinds, terminal)?;
    let other = match &arguments.against {
        Some(path) => load(path, &kinds, terminal)?,
        None => own.clone(),
    };
    let first = crate::scenario::edited(&own, &scenario.edits(), &kinds)?;
    let set = arguments.against_set.iter().cloned().map(Edit::Set);
    let edits: Vec<Edit> = scenario.edits().into_iter().chain(set).collect();
    let second = crate::scenario::edited(&other, &edits, &kinds)?;
    let rates = {
        let _progress = terminal.progress(1, "comparing failure rates");
        compare_rates(
            &first,
            &second,
            arguments.seeds.from..arguments.seeds.to,
            &kinds,
            &search.fails,
            search.jobs,
        )
        .map_err(failure)?
    };
    let again = again(arguments, choice);
    match search.format {
        Format::Text => terminal.print(&rates_text(&rates, arguments, &again)),
        Format::Json => {
            let mut value = rates.to_json();
            let details = json!({
                "schema": SCHEMA,
                "axis": "rates",
                "scenario": own.name,
                "fails": search.fails.to_string(),
                "reproduce": [again],
            });
            if let (Some(value), Value::Object(details)) = (value.as_object_mut(), details) {
                value.extend(details);
            }
            terminal.print(&json_text(value));
        }
    }
    Ok(if rates.differ() { Exit::AsExpected } else { Exit::Differs })
}

fn again(arguments: &SeedsArguments, choice: KindsChoice) -> String {
    let run = arguments.scenario.reproduce(Seed(0), choice);
    let mut command = run.replacen("foreshock run", "foreshock bisect seeds", 1).replacen(" --seed 0", "", 1);
    command.push_str(&format!(" --seeds {}..{}", arguments.seeds.from, arguments.seeds.to));
    if let Some(against) = &arguments.against {
        command.push_str(&format!(" --against {}", quoted(&against.display().to_string())));
    }
    let sets = ScenarioArguments { set: arguments.against_set.clone(), ..ScenarioArguments::default() };
    for pair in sets.options(Seed(0)).chunks(2).skip(1) {
        command.push_str(&format!(" --against-set {}", quoted(&pair[1])));
    }
    command.push_str(&format!(" --fails {}", quoted(&arguments.search.fails.to_string())));
    command
}

fn rates_text(rates: &Rates, arguments: &SeedsArguments, again: &str) -> String {
    let verdict = match (rates.differ(), rates.only_second > rates.only_first) {
        (true, true) => "the second version fails more often",
        (true, false) => "the second version fails less often",
        (false, _) => "no difference in the failure rate was shown",
    };
    format!(
        "{verdict} ({})\n  on {}: the first failed on {}, the second on {}\n  they disagree on {}: {} to {}; evidence {}.{:03} (20 is enough)\n\nreproduce: {again}\n",
        arguments.search.fails,
        counted(rates.seeds, "seed"),
        rates.both + rates.only_first,
        rates.both + rates.only_second,
        rates.only_first + rates.only_second,
        rates.only_first,
        rates.only_second,
        rates.evidence_milli() / 1_000,
        rates.evidence_milli() % 1_000,
    )
}
