//! Builds a revision and runs the scenario with it, by commands that the user may choose.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use super::super::exit::{Exit, Failure};
use super::super::scenario::{ScenarioArguments, quoted};
use crate::explore::bisect::commits::Tried;
use crate::kernel::draw::Seed;

/// How a revision is built and run.
#[derive(Args, Clone, Debug)]
pub(super) struct RevisionArguments {
    /// The shell command that builds a revision, in its folder
    #[arg(long, value_name = "COMMAND", default_value = "cargo build --release --locked")]
    pub(super) build: String,
    /// The shell command that is the program then; it is given `run SCENARIO --seed N … --format json`
    #[arg(long, value_name = "COMMAND", default_value = "\"${CARGO_TARGET_DIR:-target}/release/foreshock\"")]
    pub(super) run: String,
}

impl RevisionArguments {
    /// Builds what is in `folder` and runs the scenario with it.
    pub(super) fn try_in(
        &self,
        folder: &Path,
        scenario: &ScenarioArguments,
        seed: Seed,
    ) -> Result<Tried, Failure> {
        let built = shell(&self.build, folder).output().map_err(|error| no_shell(&error))?;
        if !built.status.success() {
            let said = String::from_utf8_lossy(&built.stderr);
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            return Ok(Tried::NotBuilt(last.trim().to_string()));
        }
        let path = absolute(&scenario.scenario)?;
        let command = format!("{} \"$@\"", self.run);
        let mut command = shell(&command, folder);
        command.arg("run").args(scenario.options(seed)).args(["--format", "json", "--"]).arg(path);
        let ran = command.output().map_err(|error| no_shell(&error))?;
        Ok(Tried::Ran { code: ran.status.code(), out: ran.stdout })
    }

    /// The options again, as they are typed, where they are not the usual ones.
    pub(super) fn typed(&self) -> String {
        format!(" --build {} --run {}", quoted(&self.build), quoted(&self.run))
    }
}

/// The scenario is that of the user's checkout, whichever revision runs it.
fn absolute(scenario: &Path) -> Result<PathBuf, Failure> {
    scenario.canonicalize().map_err(|error| Failure::io("read the scenario", scenario, &error))
}

fn shell(command: &str, folder: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command, "sh"]).current_dir(folder).stdin(Stdio::null());
    shell
}

fn no_shell(error: &std::io::Error) -> Failure {
    Failure::Told(Exit::InputOutput, format!("a shell (`sh`) cannot be started: {error}"))
}
