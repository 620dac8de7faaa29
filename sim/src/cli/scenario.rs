//! Reading scenarios from files, and the command line that runs one again. The only place that opens the files a
//! scenario names.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::{Exit, Failure};
use super::repository::Repository;
use super::terminal::Terminal;
use crate::explore::sweep::parse_seed;
use crate::kernel::draw::Seed;
use crate::nodes::Kinds;
use crate::report::Style;
use crate::scenario::plan::{Edit, Plan, Setting};
use crate::scenario::{Compiled, Files, Source, compile, parse_setting};

/// Which scenario is run, and what is changed about it.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ScenarioArguments {
    /// The scenario file
    pub(crate) scenario: PathBuf,
    /// Run with this seed in place of the scenario's own; the hash of a commit will do
    #[arg(long, value_name = "N", value_parser = parse_seed)]
    pub(crate) seed: Option<u64>,
    /// Give a key another value, as in `services.db.queue.capacity=64`; may be repeated
    #[arg(long, value_name = "PATH=VALUE", value_parser = parse_setting)]
    pub(crate) set: Vec<Setting>,
    /// Leave out a timeline entry by its id, or a policy by its path; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) without: Vec<String>,
}

impl ScenarioArguments {
    /// The seed to run with.
    pub(crate) fn seed(&self, plan: &Plan) -> Seed {
        self.seed.map_or(plan.seed, Seed)
    }

    /// The changes in the order in which they are made.
    pub(crate) fn edits(&self) -> Vec<Edit> {
        let set = self.set.iter().cloned().map(Edit::Set);
        set.chain(self.without.iter().cloned().map(Edit::Without)).collect()
    }

    /// The options again, as they are typed.
    pub(crate) fn options(&self, seed: Seed) -> Vec<String> {
        let mut options = vec!["--seed".to_string(), seed.0.to_string()];
        options.extend(self.typed_edits());
        options
    }

    /// The changes again, as they are typed.
    pub(crate) fn typed_edits(&self) -> Vec<String> {
        let mut options = Vec::new();
        for setting in &self.set {
            options.extend(["--set".to_string(), format!("{}={}", setting.path, as_typed(&setting.value))]);
        }
        for id in &self.without {
            options.extend(["--without".to_string(), id.clone()]);
        }
        options
    }

    /// The command that runs this again.
    pub(crate) fn reproduce(&self, seed: Seed, kinds: KindsChoice) -> String {
        self.reproduce_with(&seed.0.to_string(), kinds)
    }

    /// The same with any text in place of the seed.
    pub(crate) fn reproduce_with(&self, seed: &str, kinds: KindsChoice) -> String {
        let mut words = self.typed_edits();
        if kinds == KindsChoice::WithTestKinds && family_of(&self.scenario) != Some(NEGATIVE.as_ref()) {
            words.push(WITH_TEST_KINDS.to_string());
        }
        let further: String = words.iter().map(|word| format!(" {}", quoted(word))).collect();
        let scenario = quoted(&self.scenario.display().to_string());
        format!("foreshock run {scenario} --seed {seed}{further}")
    }
}

/// The option that makes the kinds known that only tests use.
pub(crate) const WITH_TEST_KINDS: &str = "--with-test-kinds";

/// Which kinds a scenario may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KindsChoice {
    /// Those that Foreshock and the user's program bring along.
    Usual,
    /// Those that only tests use as well.
    WithTestKinds,
}

/// The family of scenarios that must fail; some of them need a kind that does wrong.
const NEGATIVE: &str = "negative";

fn family_of(path: &Path) -> Option<&OsStr> {
    path.parent().and_then(Path::file_name)
}

impl KindsChoice {
    /// The choice for the scenario at `path`.
    pub(crate) fn of(path: &Path, asked_for: bool) -> KindsChoice {
        if asked_for || family_of(path) == Some(NEGATIVE.as_ref()) {
            KindsChoice::WithTestKinds
        } else {
            KindsChoice::Usual
        }
    }

    /// The table of kinds.
    pub(crate) fn table(self, usual: &Kinds) -> Kinds {
        match self {
            KindsChoice::Usual => usual.clone(),
            KindsChoice::WithTestKinds => usual.clone().with_test_kinds(),
        }
    }
}

/// Reads and checks the scenario at `path`; warnings go to standard error.
pub(crate) fn load(path: &Path, kinds: &Kinds, terminal: &mut Terminal) -> Result<Plan, Failure> {
    let compiled = compiled(path, &path.display().to_string(), kinds)?;
    terminal.warn(&path.display().to_string(), &compiled.warnings);
    Ok(compiled.plan)
}

/// Reads and checks the scenario at `path`, which messages call `name`.
pub(crate) fn compiled(path: &Path, name: &str, kinds: &Kinds) -> Result<Compiled, Failure> {
    let text = read(path).map_err(|error| unreadable(path, &error))?;
    let beside = Beside(path.parent().unwrap_or(Path::new("")));
    Ok(compile(Source { name, text: &text }, &beside, kinds)?)
}

/// More than this is never read of a file.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

/// The message for a scenario that cannot be read, with the one that was probably meant.
fn unreadable(path: &Path, error: &io::Error) -> Failure {
    if path.is_dir() {
        let message = format!("`{}` is a folder: name a scenario file in it", path.display());
        return Failure::Told(Exit::InputOutput, message);
    }
    let mut message = format!("cannot read the scenario `{}`: {error}", path.display());
    if let Some(meant) = meant(path) {
        message.push_str(&format!("; did you mean `{meant}`?"));
    } else {
        message.push_str("; `foreshock list` shows what there is");
    }
    Failure::Told(Exit::InputOutput, message)
}

/// The scenario of the repository whose file is called like `path`.
fn meant(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    let repository = Repository::find(Path::new("."))?;
    let entries = repository.scenarios().ok()?;
    let near = |name: &str| strsim::normalized_damerau_levenshtein(name, stem) > 0.7;
    let same = entries.iter().find(|entry| entry.name == stem);
    same.or_else(|| entries.iter().find(|entry| near(&entry.name))).map(|entry| entry.shown.clone())
}

/// The files that stand beside a scenario.
struct Beside<'a>(&'a Path);

impl Files for Beside<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        let bytes = read(&self.0.join(path)).map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|error| error.to_string())
    }
}

/// A value as it is typed after `--set path=`.
fn as_typed(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A word of a shell command.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,%+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Whether a style is the coloured one.
pub(crate) fn is_coloured(style: Style) -> bool {
    match style {
        Style::Coloured => true,
        Style::Plain => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_to_type_again_is_quoted_where_the_shell_needs_it() {
        let cases = [
            ("scenarios/x.yaml", "scenarios/x.yaml"),
            ("services.db.workers=4", "services.db.workers=4"),
            ("gateway.calls.db.retry.budget=20%", "gateway.calls.db.retry.budget=20%"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("{x: 1}", "'{x: 1}'"),
        ];
        for (word, expected) in cases {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn scenarios_that_must_fail_may_use_the_kinds_that_do_wrong() {
        let negative = Path::new("scenarios/negative/forgets.yaml");
        assert_eq!(KindsChoice::of(negative, false), KindsChoice::WithTestKinds);
        assert_eq!(KindsChoice::of(Path::new("scenarios/why/x.yaml"), false), KindsChoice::Usual);
        assert_eq!(KindsChoice::of(Path::new("x.yaml"), true), KindsChoice::WithTestKinds);
    }
}
