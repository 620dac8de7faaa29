//! `foreshock fingerprint`, which nobody types: one of the runs that `verify` compares, in a process of its own.

use clap::{Args, ValueEnum};

use super::Setup;
use super::exit::{Exit, Failure};
use super::run::TRACED_REQUESTS;
use super::scenario::{KindsChoice, ScenarioArguments, compiled};
use super::terminal::Terminal;
use crate::explore::verify::Identity;
use crate::kernel::AgendaTuning;
use crate::run::{self, Detail};

/// Print what identifies a run
#[derive(Args, Debug)]
pub(crate) struct FingerprintArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// Which agenda is used
    #[arg(long, value_enum, default_value_t = Agenda::Wheel)]
    agenda: Agenda,
    /// Trace requests as well
    #[arg(long)]
    traced: bool,
    /// Describe the events from this number
    #[arg(long, value_name = "NUMBER", requires = "to")]
    from: Option<u64>,
    /// to this number
    #[arg(long, value_name = "NUMBER", requires = "from")]
    to: Option<u64>,
    /// Look closely at the event with this number
    #[arg(long, value_name = "NUMBER")]
    look: Option<u64>,
}

/// The agendas there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Agenda {
    Wheel,
    Heap,
}

pub(super) fn execute(
    arguments: &FingerprintArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let scenario = &arguments.scenario;
    let kinds = KindsChoice::of(&scenario.scenario, setup.with_test_kinds).table(&setup.kinds);
    let plan = compiled(&scenario.scenario, &scenario.scenario.display().to_string(), &kinds)?.plan;
    let detail = Detail {
        traced_requests: if arguments.traced { TRACED_REQUESTS } else { 0 },
        traced_from: Vec::new(),
        agenda: match arguments.agenda {
            Agenda::Wheel => AgendaTuning::Wheel,
            Agenda::Heap => AgendaTuning::Heap,
        },
        events: arguments.from.zip(arguments.to),
        look_at: arguments.look,
        ..Detail::default()
    };
    let outcome = run::run(&plan, scenario.seed(&plan), &scenario.edits(), &kinds, &detail)?;
    terminal.line(&Identity::of(&outcome).to_json().to_string());
    Ok(Exit::AsExpected)
}
