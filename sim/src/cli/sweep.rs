//! `foreshock sweep`: the same scenario with many seeds, and two scenarios with the same seeds.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use clap::Args;

use super::Setup;
use super::exit::{Exit, Failure};
use super::format::Format;
use super::interrupt;
use super::scenario::{KindsChoice, ScenarioArguments, load};
use super::slice_file::{program_digest, taken_up, write_whole};
use super::terminal::Terminal;
use crate::explore::parallel::default_jobs;
use crate::explore::sweep::{
    Aggregate, Ended, Header, Limits, PairedSlice, Partition, Piece, SEED_PLACE, Seeds, Slice, Subject,
    SweepError, SweepReport, compare, header, paired_json, paired_text, parse_seed, sweep, sweep_text,
};
use crate::kernel::draw::Seed;
use crate::nodes::Kinds;
use crate::scenario::plan::{Edit, Plan, Setting};
use crate::scenario::{materialized, parse_setting, to_yaml};

/// Run a scenario with many seeds: how often does it fail, in which ways, and with which seeds?
///
/// The same seeds give the same bytes, however many run at once. Ends with 0 if every seed ended as the scenario
/// expects and every `sometimes` mark was hit, with 1 if not, with 5 if it was interrupted. What an interrupted sweep
/// with --out did is in that file; the same command goes on from there.
#[derive(Args, Debug)]
pub(crate) struct SweepArguments {
    /// The scenario file
    scenario: PathBuf,
    /// Which seeds: from A up to but not with B, or one. A seed may be the hash of a commit: its first 16 digits count
    #[arg(long, value_name = "A..B", default_value = "0..100")]
    seeds: Seeds,
    /// How many run at once
    #[arg(long, value_name = "N", default_value_t = default_jobs())]
    jobs: NonZero<usize>,
    /// Write the result into this file: a report, or a slice if it is one or not complete
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// Stop when so many seeds have failed
    #[arg(long, value_name = "N")]
    fail_fast: Option<NonZero<u64>>,
    /// Run slice I of N into --out; `foreshock merge` joins the slices
    #[arg(long, value_name = "I/N", requires = "out", conflicts_with = "fail_fast")]
    partition: Option<Partition>,
    /// Compare with this scenario, seed by seed
    #[arg(long, value_name = "SCENARIO", conflicts_with_all = ["fail_fast", "materialize"])]
    against: Option<PathBuf>,
    /// Write out what this seed draws from the swarm, as an ordinary scenario
    #[arg(long, value_name = "SEED", value_parser = parse_seed, conflicts_with_all = ["partition", "fail_fast"])]
    materialize: Option<u64>,
    /// Give a key another value, as in `services.db.queue.capacity=64`; may be repeated
    #[arg(long, value_name = "PATH=VALUE", value_parser = parse_setting)]
    set: Vec<Setting>,
    /// Leave out a timeline entry by its id, or a policy by its path; may be repeated
    #[arg(long, value_name = "ID")]
    without: Vec<String>,
}

pub(super) fn execute(
    arguments: &SweepArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let swept = Swept::load(&arguments.scenario, arguments, setup, terminal)?;
    if let Some(seed) = arguments.materialize {
        return materialize(&swept, seed, arguments.out.as_deref(), terminal);
    }
    match &arguments.against {
        Some(other) => {
            let other = Swept::load(other, arguments, setup, terminal)?;
            compare_both(arguments, [&swept, &other], terminal)
        }
        None => sweep_one(arguments, &swept, terminal),
    }
}

/// A scenario to sweep, with everything that belongs to it.
struct Swept {
    plan: Plan,
    edits: Vec<Edit>,
    kinds: Kinds,
    /// The command that runs one seed again.
    command: String,
    /// The edits as they are typed.
    typed: Vec<String>,
}

impl Swept {
    fn load(
        path: &Path,
        arguments: &SweepArguments,
        setup: &Setup,
        terminal: &mut Terminal,
    ) -> Result<Swept, Failure> {
        let scenario = ScenarioArguments {
            scenario: path.to_path_buf(),
            seed: None,
            set: arguments.set.clone(),
            without: arguments.without.clone(),
        };
        let choice = KindsChoice::of(path, setup.with_test_kinds);
        let kinds = choice.table(&setup.kinds);
        let plan = load(path, &kinds, terminal)?;
        Ok(Swept {
            plan,
            edits: scenario.edits(),
            command: scenario.reproduce_with(SEED_PLACE, choice),
            typed: scenario.typed_edits(),
            kinds,
        })
    }

    fn subject(&self) -> Subject<'_> {
        Subject { plan: &self.plan, edits: &self.edits, kinds: &self.kinds }
    }

    fn header(&self, edited: &Plan, program_digest: String, seeds: Seeds) -> Header {
        header(edited, &self.typed, program_digest, seeds, self.command.clone())
    }
}

fn sweep_one(arguments: &SweepArguments, swept: &Swept, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let edited = swept.subject().edited()?;
    let digest = if arguments.out.is_some() { program_digest()? } else { String::new() };
    let header = swept.header(&edited, digest, arguments.seeds);
    let part = arguments.partition.unwrap_or(Partition::WHOLE);
    let mut slice = Slice::begun(header, part, Aggregate::of_none(&edited));
    if let Some(out) = &arguments.out {
        slice = taken_up(out, slice, arguments.partition.is_some(), terminal)?;
    }
    run_slice(arguments, swept, &mut slice, terminal)?;
    told(arguments, &slice, terminal)
}

/// After so many seeds the file on disk is brought up to date.
const SEEDS_BETWEEN_CHECKPOINTS: u64 = 500;

fn run_slice(
    arguments: &SweepArguments,
    swept: &Swept,
    slice: &mut Slice,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    if slice.is_complete() {
        return Ok(());
    }
    let stop: &AtomicBool = interrupt::requested()?;
    let mut checkpoints = Checkpoints::begun(arguments, || slice.to_json())?;
    let progress =
        terminal.sweep_progress(slice.missing().count(), &format!("sweeping {}", slice.header.scenario));
    let fail_fast = arguments.fail_fast.map(NonZero::get);
    let limits = Limits { jobs: arguments.jobs, fail_fast, stop };
    let done = sweep(swept.subject(), slice, &limits, |slice| {
        progress.step_with_failures(slice.seen.failing);
        if slice.is_complete() { Ok(()) } else { checkpoints.seed_done(|| slice.to_json()) }
    });
    drop(progress);
    ended(done, arguments, || slice.to_json(), terminal)
}

/// Where a run of many seeds is kept while it goes on, if it is.
struct Checkpoints<'a> {
    out: Option<&'a Path>,
    seeds_since: u64,
}

impl Checkpoints<'_> {
    /// Better now than after hours of work: can it be written at all?
    fn begun(arguments: &SweepArguments, json: impl FnOnce() -> String) -> Result<Checkpoints<'_>, Failure> {
        let out = arguments.out.as_deref();
        out.map_or(Ok(()), |out| write_whole(out, &json()))?;
        Ok(Checkpoints { out, seeds_since: 0 })
    }

    /// Another seed is done.
    fn seed_done(&mut self, json: impl FnOnce() -> String) -> Result<(), Failure> {
        self.seeds_since += 1;
        match self.out {
            Some(out) if self.seeds_since >= SEEDS_BETWEEN_CHECKPOINTS => {
                self.seeds_since = 0;
                write_whole(out, &json())
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Writes and prints the result.
fn told(arguments: &SweepArguments, slice: &Slice, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let report = SweepReport::new(slice);
    let is_result = slice.is_complete() && arguments.partition.is_none();
    if let Some(out) = &arguments.out {
        let text = if is_result { report.to_json() } else { slice.to_json() };
        write_whole(out, &text)?;
    }
    show(&report, arguments.format, terminal);
    if slice.ended == Ended::Interrupted {
        interrupted(arguments, terminal);
        return Ok(Exit::InputOutput);
    }
    Ok(if report.verdict.as_expected { Exit::AsExpected } else { Exit::Differs })
}

/// Prints a sweep's report.
pub(super) fn show(report: &SweepReport, format: Format, terminal: &mut Terminal) {
    match format {
        Format::Text => {
            let style = terminal.style();
            terminal.print(&sweep_text(report, style));
        }
        Format::Json => terminal.print(&report.to_json()),
    }
}

fn compare_both(
    arguments: &SweepArguments,
    both: [&Swept; 2],
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let edited = [both[0].subject().edited()?, both[1].subject().edited()?];
    let digest = if arguments.out.is_some() { program_digest()? } else { String::new() };
    let headers = [0, 1].map(|side| both[side].header(&edited[side], digest.clone(), arguments.seeds));
    let mut slice = PairedSlice::begun(headers, arguments.partition.unwrap_or(Partition::WHOLE));
    if let Some(out) = &arguments.out {
        slice = taken_up(out, slice, arguments.partition.is_some(), terminal)?;
    }
    compare_slice(arguments, both.map(Swept::subject), &mut slice, terminal)?;
    let is_result = slice.is_complete() && arguments.partition.is_none();
    if let Some(out) = &arguments.out {
        write_whole(out, &if is_result { paired_json(&slice) } else { slice.to_json() })?;
    }
    show_paired(&slice, arguments.format, terminal);
    if !slice.is_complete() {
        interrupted(arguments, terminal);
        return Ok(Exit::InputOutput);
    }
    Ok(Exit::AsExpected)
}

fn compare_slice(
    arguments: &SweepArguments,
    subjects: [Subject<'_>; 2],
    slice: &mut PairedSlice,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    if slice.is_complete() {
        return Ok(());
    }
    let stop = interrupt::requested()?;
    let mut checkpoints = Checkpoints::begun(arguments, || slice.to_json())?;
    let progress = terminal.sweep_progress(slice.missing().count(), "comparing");
    let done = compare(subjects, slice, arguments.jobs, stop, |slice| {
        let [_, both_fail, only_second_passes, only_first_passes] = slice.seen.verdicts;
        progress.step_with_failures(both_fail.seeds + only_second_passes.seeds + only_first_passes.seeds);
        if slice.is_complete() { Ok(()) } else { checkpoints.seed_done(|| slice.to_json()) }
    });
    drop(progress);
    ended(done, arguments, || slice.to_json(), terminal)
}

/// What a sweep that could not go on leaves behind.
fn ended(
    done: Result<(), SweepError<Failure>>,
    arguments: &SweepArguments,
    so_far: impl FnOnce() -> String,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    match done {
        Ok(()) => Ok(()),
        Err(SweepError::Told(failure)) => Err(failure),
        Err(SweepError::Scenario(seed, error)) => {
            if let Some(out) = &arguments.out {
                write_whole(out, &so_far())?;
            }
            terminal.error_line(&format!("seed {seed} cannot be run; every seed before it was"));
            Err(Failure::Scenario(error))
        }
    }
}

fn interrupted(arguments: &SweepArguments, terminal: &mut Terminal) {
    terminal.error_line(&match &arguments.out {
        Some(out) => format!(
            "interrupted: `{}` holds what ran so far, the same command goes on from there",
            out.display()
        ),
        None => "interrupted: with --out FILE, the same command would go on from here".to_string(),
    });
}

/// Prints a comparison.
pub(super) fn show_paired(slice: &PairedSlice, format: Format, terminal: &mut Terminal) {
    match format {
        Format::Text => {
            let style = terminal.style();
            terminal.print(&paired_text(slice, style));
        }
        Format::Json => terminal.print(&paired_json(slice)),
    }
}

fn materialize(
    swept: &Swept,
    seed: u64,
    out: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let edited = swept.subject().edited()?;
    if edited.swarm.is_empty() {
        return Err(Failure::usage(format!(
            "`{}` has no `swarm`: there is nothing to draw, it is an ordinary scenario already",
            edited.name
        )));
    }
    let text = to_yaml(&materialized(edited, Seed(seed), &swept.kinds)?.document);
    match out {
        Some(out) => write_whole(out, &text)?,
        None => terminal.print(&text),
    }
    Ok(Exit::AsExpected)
}
