//! `foreshock verify`: proves that a scenario is deterministic, by runs in processes of their own.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::Args;

use super::Setup;
use super::exit::{Exit, Failure};
use super::format::{Format, json_text};
use super::scenario::{KindsChoice, ScenarioArguments, WITH_TEST_KINDS, load};
use super::terminal::Terminal;
use crate::explore::verify::{Identity, Parting, PartingEvent, Verified, Way, verify};
use crate::kernel::draw::Seed;
use crate::kernel::fingerprint::EventInterval;
use crate::kernel::time::Time;
use crate::report::count;

/// Prove that a scenario is deterministic
///
/// Runs it in two separate processes, once with another agenda and once with tracing on, and compares every event
/// and the report. Ends with 4 if anything differs, and names the first differing event.
#[derive(Args, Debug)]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

pub(super) fn execute(
    arguments: &VerifyArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let scenario = &arguments.scenario;
    let choice = KindsChoice::of(&scenario.scenario, setup.with_test_kinds);
    let plan = load(&scenario.scenario, &choice.table(&setup.kinds), terminal)?;
    let seed = scenario.seed(&plan);
    // Faulty edits are told once and here, not by every process.
    crate::scenario::edited(&plan, &scenario.edits(), &choice.table(&setup.kinds))?;
    let program = std::env::current_exe()
        .map_err(|error| Failure::Told(Exit::InputOutput, format!("cannot find this program: {error}")))?;
    let verified = {
        let progress = terminal.progress(Way::ALL.len() as u64, &format!("verifying {}", plan.name));
        verify(|way, interval| {
            let identity = launch(&program, arguments, seed, choice, way, interval);
            progress.step();
            identity
        })?
    };
    let reproduce = scenario.reproduce(seed, choice).replacen("foreshock run", "foreshock verify", 1);
    match (&verified, arguments.format) {
        (_, Format::Json) => {
            terminal.print(&json_text(verified.to_json(&plan.name, seed, &reproduce)));
        }
        (Verified::Deterministic(identity), Format::Text) => {
            terminal.print(&proof(&plan.name, seed, identity));
        }
        (Verified::Differs(parting), Format::Text) => {
            terminal.print(&refutation(&plan.name, seed, parting));
            terminal.line(&format!("reproduce: {reproduce}"));
        }
    }
    Ok(match verified {
        Verified::Deterministic(_) => Exit::AsExpected,
        Verified::Differs(_) => Exit::Nondeterministic,
    })
}

/// One run in a process of its own.
fn launch(
    program: &Path,
    arguments: &VerifyArguments,
    seed: Seed,
    choice: KindsChoice,
    way: Way,
    interval: Option<EventInterval>,
) -> Result<Identity, Failure> {
    let mut command = Command::new(program);
    command.arg("fingerprint").args(arguments.scenario.options(seed));
    if choice == KindsChoice::WithTestKinds {
        command.arg(WITH_TEST_KINDS);
    }
    match way {
        Way::First | Way::Second => {}
        Way::OtherAgenda => {
            command.args(["--agenda", "heap"]);
        }
        Way::Traced => {
            command.arg("--traced");
        }
    }
    if let Some(interval) = interval {
        let from = interval.after.saturating_add(1).to_string();
        command.args(["--from", &from, "--to", &interval.up_to.to_string()]);
    }
    command.arg("--").arg(&arguments.scenario.scenario);
    let failed = |what: String| Failure::Told(Exit::InputOutput, format!("the run `{}` {what}", way.name()));
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(format!("could not be started: {error}")))?;
    if !output.status.success() {
        return Err(failed(format!("ended with {}", output.status)));
    }
    let value: Option<serde_json::Value> = serde_json::from_slice(&output.stdout).ok();
    value
        .as_ref()
        .and_then(Identity::from_json)
        .ok_or_else(|| failed("did not say what identifies it".to_string()))
}

fn proof(name: &str, seed: Seed, identity: &Identity) -> String {
    let mut text = format!("{name}: deterministic\n");
    let _ = writeln!(
        text,
        "  seed {}, {} events, fingerprint {:016x}, report {:032x}",
        seed.0,
        count(identity.events),
        identity.fingerprint,
        identity.report
    );
    let ways: Vec<&str> = Way::ALL.iter().map(|way| way.name()).collect();
    let _ = writeln!(text, "  the same events and the same report: {}", ways.join(", "));
    text
}

fn refutation(name: &str, seed: Seed, parting: &Parting) -> String {
    let mut text = format!("{name}: NOT deterministic\n");
    for (way, identity) in [(Way::First, &parting.ours), (parting.way, &parting.theirs)] {
        let _ = writeln!(
            text,
            "  {:14}  seed {}, {} events, fingerprint {:016x}, report {:032x}",
            way.name(),
            seed.0,
            count(identity.events),
            identity.fingerprint,
            identity.report
        );
    }
    match (&parting.event, parting.interval) {
        (Some(event), _) => text.push_str(&described(parting.way, event)),
        (None, Some(interval)) => {
            let _ = writeln!(
                text,
                "  they part between events {} and {}; run again, they part elsewhere each time",
                count(interval.after.saturating_add(1)),
                count(interval.up_to)
            );
        }
        (None, None) => {
            text.push_str("  every event is the same: only what was measured or reported differs\n")
        }
    }
    text
}

fn described(way: Way, event: &PartingEvent) -> String {
    let mut text = format!("  the first differing event is number {}:\n", count(event.number));
    let side = |event: &Option<(Time, String)>| match event {
        Some((at, what)) => format!("at {at}: {what}"),
        None => "had ended".to_string(),
    };
    let _ = writeln!(text, "    {:14}  {}", Way::First.name(), side(&event.ours));
    let _ = writeln!(text, "    {:14}  {}", way.name(), side(&event.theirs));
    text
}
