//! `foreshock diverge`: the first event in which two runs differ, and what led to it in each.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde_json::Value;

use super::Setup;
use super::exit::{Exit, Failure};
use super::format::{Format, json_text};
use super::scenario::{KindsChoice, ScenarioArguments, WITH_TEST_KINDS, load, quoted};
use super::terminal::Terminal;
use crate::explore::diverge::{Ask, Divergence, Parted, Side, diverge};
use crate::explore::verify::Identity;
use crate::kernel::draw::Seed;
use crate::nodes::Kinds;
use crate::report::{count, counted};
use crate::run::{self, Detail};
use crate::scenario::parse_setting;
use crate::scenario::plan::{Plan, Setting};

/// Find the first event in which two runs differ, and what led to it
///
/// The runs are two scenarios, or one with another seed, other settings or another program. `--seed`, `--set` and
/// `--without` hold for both, the options that begin with `--other` for the second one. Ends with 0 if not an event
/// differs, with 1 if one does.
#[derive(Args, Debug)]
pub(crate) struct DivergeArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// The scenario of the second run, if it is another one
    other: Option<PathBuf>,
    /// The seed of the second run
    #[arg(long, value_name = "N")]
    other_seed: Option<u64>,
    /// Give a key another value in the second run; may be repeated
    #[arg(long, value_name = "PATH=VALUE", value_parser = parse_setting)]
    other_set: Vec<Setting>,
    /// Leave out an entry or policy in the second run; may be repeated
    #[arg(long, value_name = "ID")]
    other_without: Vec<String>,
    /// The program that does the second run: another build of Foreshock
    #[arg(long, value_name = "PATH")]
    with_binary: Option<PathBuf>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

impl DivergeArguments {
    /// The second run as it would be typed.
    fn second(&self) -> ScenarioArguments {
        let mut second = self.scenario.clone();
        if let Some(other) = &self.other {
            second.scenario.clone_from(other);
        }
        second.seed = self.other_seed.or(second.seed);
        second.set.extend(self.other_set.iter().cloned());
        second.without.extend(self.other_without.iter().cloned());
        second
    }

    fn has_a_difference(&self) -> bool {
        let has_edits = !self.other_set.is_empty() || !self.other_without.is_empty();
        self.other.is_some() || self.other_seed.is_some() || has_edits || self.with_binary.is_some()
    }
}

pub(super) fn execute(
    arguments: &DivergeArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    if !arguments.has_a_difference() {
        let help = "nothing tells the two runs apart: name a second scenario, or use --other-seed, --other-set, \
                    --other-without or --with-binary";
        return Err(Failure::usage(help));
    }
    let (first, second) = (arguments.scenario.clone(), arguments.second());
    let mut a = InProcess::new(&first, setup, terminal)?;
    // A second scenario without a seed of its own on the command line follows the first: only what is asked for differs.
    let seed_b = second.seed.map_or(a.seed, Seed);
    let b = match &arguments.with_binary {
        None => {
            let mut b = InProcess { seed: seed_b, ..InProcess::new(&second, setup, terminal)? };
            if a.plan.slos != b.plan.slos {
                (a, b) = (a.without_objectives()?, b.without_objectives()?);
            }
            Runner::Own(Box::new(b))
        }
        Some(program) => {
            check_program(program)?;
            let choice = KindsChoice::of(&second.scenario, setup.with_test_kinds);
            Runner::Program { program: program.clone(), scenario: second.clone(), seed: seed_b, choice }
        }
    };
    let found = {
        let _progress = terminal.progress(1, "comparing two runs");
        diverge(|side, ask| match side {
            Side::A => a.identity(ask),
            Side::B => b.identity(ask),
        })?
    };
    let choice = |scenario: &ScenarioArguments| KindsChoice::of(&scenario.scenario, setup.with_test_kinds);
    let mut commands =
        vec![first.reproduce(a.seed, choice(&first)), second.reproduce(seed_b, choice(&second))];
    if let Some(program) = &arguments.with_binary {
        commands[1] = commands[1].replacen("foreshock", &quoted(&program.display().to_string()), 1);
    }
    match arguments.format {
        Format::Text => terminal.print(&text(&a.plan.name, &found, &commands)),
        Format::Json => terminal.print(&json_text(found.to_json(&commands))),
    }
    Ok(match found {
        Divergence::None { reports_differ: false, .. } => Exit::AsExpected,
        Divergence::None { .. } | Divergence::InNumbersOnly | Divergence::Parted(_) => Exit::Differs,
    })
}

/// A run in this process.
struct InProcess {
    plan: Plan,
    seed: Seed,
    kinds: Kinds,
}

impl InProcess {
    fn new(
        scenario: &ScenarioArguments,
        setup: &Setup,
        terminal: &mut Terminal,
    ) -> Result<InProcess, Failure> {
        let kinds = KindsChoice::of(&scenario.scenario, setup.with_test_kinds).table(&setup.kinds);
        let plan = load(&scenario.scenario, &kinds, terminal)?;
        let seed = scenario.seed(&plan);
        let plan = crate::scenario::edited(&plan, &scenario.edits(), &kinds)?;
        Ok(InProcess { plan, seed, kinds })
    }

    /// Objectives change nothing that happens, but their windows are events: where they differ, they would be all
    /// that is found.
    fn without_objectives(self) -> Result<InProcess, Failure> {
        let mut document = (*self.plan.document).clone();
        if let Some(map) = document.as_object_mut() {
            map.retain(|key, _| !["slo", "expect", "liveness"].contains(&key.as_str()));
        }
        let plan = crate::scenario::replanned(&[&self.plan], &document, &self.kinds)?;
        Ok(InProcess { plan, ..self })
    }

    fn identity(&self, ask: Ask) -> Result<Identity, Failure> {
        let events = ask.interval.map(|window| (window.after.saturating_add(1), window.up_to));
        let detail = Detail { events, look_at: ask.look_at, ..Detail::default() };
        Ok(Identity::of(&run::run(&self.plan, self.seed, &[], &self.kinds, &detail)?))
    }
}

/// Who does the second run.
enum Runner {
    Own(Box<InProcess>),
    Program { program: PathBuf, scenario: ScenarioArguments, seed: Seed, choice: KindsChoice },
}

impl Runner {
    fn identity(&self, ask: Ask) -> Result<Identity, Failure> {
        let (program, scenario, seed, choice) = match self {
            Runner::Own(own) => return own.identity(ask),
            Runner::Program { program, scenario, seed, choice } => (program, scenario, *seed, *choice),
        };
        let mut command = Command::new(program);
        command.arg("fingerprint").args(scenario.options(seed));
        if choice == KindsChoice::WithTestKinds {
            command.arg(WITH_TEST_KINDS);
        }
        if let Some(window) = ask.interval {
            let from = window.after.saturating_add(1).to_string();
            command.args(["--from", &from, "--to", &window.up_to.to_string()]);
        }
        if let Some(number) = ask.look_at {
            command.args(["--look", &number.to_string()]);
        }
        command.arg("--").arg(&scenario.scenario);
        let output =
            command.stdin(Stdio::null()).output().map_err(|error| unusable(program, &error.to_string()))?;
        if !output.status.success() {
            // A build from before close looks still says where the runs part.
            if ask.look_at.is_some() {
                return self.identity(Ask::default());
            }
            let said = String::from_utf8_lossy(&output.stderr);
            let message = format!("`{}` cannot do the second run: {}", program.display(), said.trim());
            return Err(Failure::Told(Exit::InputOutput, message));
        }
        let value: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        let identity = value.as_ref().and_then(Identity::from_json);
        identity.ok_or_else(|| unusable(program, "it did not say what identifies its run"))
    }
}

/// A program that is no Foreshock is told before anything runs.
fn check_program(program: &Path) -> Result<(), Failure> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| unusable(program, &error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.success() && said.starts_with("foreshock ") {
        true => Ok(()),
        false => Err(unusable(program, "asked for its version it does not say `foreshock`")),
    }
}

fn unusable(program: &Path, reason: &str) -> Failure {
    let message = format!("`{}` is not a Foreshock that can be compared with: {reason}", program.display());
    Failure::Told(Exit::InputOutput, message)
}

/// Differing counts that are shown.
const MOST_STATE: usize = 12;

fn text(name: &str, found: &Divergence, commands: &[String]) -> String {
    let mut text = match found {
        Divergence::None { events, reports_differ } => {
            let reports =
                if *reports_differ { "but the reports differ" } else { "and the reports are the same" };
            format!("{name}: the same {} in both runs, {reports}\n", counted(*events, "event"))
        }
        Divergence::InNumbersOnly => {
            format!(
                "{name}: the same events in both runs; only nodes or places in them are numbered differently\n"
            )
        }
        Divergence::Parted(parted) => parted_text(name, parted),
    };
    for (side, command) in ["A", "B"].into_iter().zip(commands) {
        let _ = write!(text, "\nreproduce: {command}   # {side}");
    }
    text.push('\n');
    text
}

fn parted_text(name: &str, parted: &Parted) -> String {
    let at = parted
        .event
        .ours
        .as_ref()
        .or(parted.event.theirs.as_ref())
        .map_or(String::new(), |(at, _)| at.to_string());
    let mut text = format!("{name}: the runs part at event {}, at {at}\n", count(parted.event.number));
    for (side, (events, fingerprint)) in ["A", "B"].into_iter().zip(parted.runs) {
        let _ = writeln!(text, "  {side}  {}, fingerprint {fingerprint:016x}", counted(events, "event"));
    }
    text.push_str("\nThe first differing event\n");
    for (side, event) in ["A", "B"].into_iter().zip([&parted.event.ours, &parted.event.theirs]) {
        let _ = match event {
            Some((at, what)) => writeln!(text, "  {side}  at {at}: {what}"),
            None => writeln!(text, "  {side}  had ended"),
        };
    }
    text.push_str("\nWhat led to it, the nearest cause last\n");
    for (side, look) in ["A", "B"].into_iter().zip(&parted.looks) {
        let parents = look.as_ref().map_or(&[][..], |look| &look.parents);
        for parent in parents {
            let _ =
                writeln!(text, "  {side}  event {} at {}: {}", count(parent.number), parent.at, parent.what);
        }
        if parents.is_empty() {
            let _ = writeln!(text, "  {side}  nothing that was seen: it stood there from the start");
        }
    }
    if !parted.state.is_empty() {
        text.push_str("\nNodes that differ just before (A | B)\n");
    }
    let shown = |value: Option<u64>| value.map_or("-".to_string(), count);
    for difference in parted.state.iter().take(MOST_STATE) {
        let [a, b] = difference.values.map(shown);
        let _ = writeln!(text, "  {}  {}  {a} | {b}", difference.node, difference.name);
    }
    if let Some(more) = parted.state.len().checked_sub(MOST_STATE).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more");
    }
    let all = parted.same_nodes.len() + parted.differing_nodes.len();
    let _ = match parted.same_nodes.is_empty() {
        true => writeln!(text, "\nEvery one of the {} is touched", counted(all as u64, "node")),
        false => writeln!(
            text,
            "\nNever parted: {} ({} of {})",
            parted.same_nodes.join(", "),
            parted.same_nodes.len(),
            counted(all as u64, "node")
        ),
    };
    text
}
