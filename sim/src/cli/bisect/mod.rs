//! `foreshock bisect`: where between good and bad does it tip over? One file for each axis.

mod commits;
mod keys;
mod revision;
mod seeds;
mod step;
mod time;

use std::num::NonZero;

use clap::{Args, Subcommand};

use super::Setup;
use super::exit::{Exit, Failure};
use super::format::Format;
use super::terminal::Terminal;
use crate::explore::bisect::BisectError;
use crate::explore::parallel::default_jobs;
use crate::explore::predicate::Predicate;

/// Find where between good and bad a failure begins: over seeds, keys, virtual time or commits
///
/// Ends with 0 if it was found, with 1 if there is nothing between the two ends.
#[derive(Args, Debug)]
pub(crate) struct BisectArguments {
    #[command(subcommand)]
    axis: Axis,
}

#[derive(Subcommand, Debug)]
enum Axis {
    Seeds(seeds::SeedsArguments),
    Keys(keys::KeysArguments),
    Time(time::TimeArguments),
    Commits(commits::CommitsArguments),
    Step(step::StepArguments),
}

/// What every axis has.
#[derive(Args, Clone, Debug)]
struct SearchArguments {
    /// What counts as a failure: `verdict`, the id of an objective or invariant, or a comparison such as
    /// `load.buyers.latency_us.p99 > 200ms`
    #[arg(long, value_name = "PREDICATE", default_value = "verdict")]
    fails: Predicate,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// How many runs go on at once
    #[arg(long, value_name = "N", default_value_t = default_jobs())]
    jobs: NonZero<usize>,
}

impl BisectArguments {
    /// For whom it prints.
    pub(super) fn format(&self) -> Format {
        match &self.axis {
            Axis::Seeds(arguments) => arguments.search.format,
            Axis::Keys(arguments) => arguments.search.format,
            Axis::Time(arguments) => arguments.search.format,
            Axis::Commits(arguments) => arguments.format,
            Axis::Step(arguments) => arguments.format,
        }
    }
}

pub(super) fn execute(
    arguments: &BisectArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    match &arguments.axis {
        Axis::Seeds(arguments) => seeds::execute(arguments, setup, terminal),
        Axis::Keys(arguments) => keys::execute(arguments, setup, terminal),
        Axis::Time(arguments) => time::execute(arguments, setup, terminal),
        Axis::Commits(arguments) => commits::execute(arguments, setup, terminal),
        Axis::Step(arguments) => step::execute(arguments, setup, terminal),
    }
}

/// The failure for people: an unusable end is no wrong use of the command.
fn failure(error: BisectError) -> Failure {
    match error {
        BisectError::Scenario(error) => Failure::Scenario(error),
        BisectError::Predicate(reason) => Failure::usage(format!("--fails: {reason}")),
        BisectError::GoodFails | BisectError::BadPasses | BisectError::Same => {
            Failure::Told(Exit::Differs, error.to_string())
        }
    }
}
