//! `foreshock bisect commits`: the first commit with which the scenario fails. Drives `git bisect` in a worktree of its
//! own and keeps what each revision reported.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use super::super::Setup;
use super::super::exit::{Exit, Failure};
use super::super::format::{Format, json_text};
use super::super::git::{Git, Standing, Worktree};
use super::super::scenario::{KindsChoice, ScenarioArguments, load, quoted};
use super::super::terminal::{Progress, Terminal};
use super::revision::RevisionArguments;
use crate::explore::bisect::commits::{Class, CommitsFound, classify, classify_report};
use crate::explore::predicate::Predicate;
use crate::kernel::draw::Seed;
use crate::report::counted;
use crate::report::diff::{differences, to_words};

/// Find the first commit with which a scenario fails
///
/// Builds and runs revisions in a worktree of its own: the checkout, its index and branches stay as they are. Reports
/// are kept below the repository's git folder, so that another search tries no revision twice.
#[derive(Args, Debug)]
pub(crate) struct CommitsArguments {
    #[command(flatten)]
    scenario: ScenarioArguments,
    /// A commit with which the scenario does not fail
    #[arg(long, value_name = "COMMIT")]
    good: String,
    /// A later commit with which it fails
    #[arg(long, value_name = "COMMIT", default_value = "HEAD")]
    bad: String,
    /// The repository of the program
    #[arg(long, value_name = "DIR", default_value = ".")]
    repository: PathBuf,
    /// What counts as a failure: `verdict`, the id of an objective or invariant, or a comparison such as
    /// `load.buyers.latency_us.p99 > 200ms`
    #[arg(long, value_name = "PREDICATE", default_value = "verdict")]
    fails: Predicate,
    #[command(flatten)]
    revision: RevisionArguments,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

pub(super) fn execute(
    arguments: &CommitsArguments,
    setup: &Setup,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let scenario = &arguments.scenario;
    let kinds = KindsChoice::of(&scenario.scenario, setup.with_test_kinds).table(&setup.kinds);
    let plan = load(&scenario.scenario, &kinds, terminal)?;
    crate::scenario::edited(&plan, &scenario.edits(), &kinds)?;
    let seed = scenario.seed(&plan);
    let git = Git::find(&arguments.repository)?;
    let (good, bad) = (git.commit(&arguments.good)?, git.commit(&arguments.bad)?);
    if good == bad || !git.is_ancestor(&good, &bad)? {
        let message = format!("`{}` does not come before `{}`", arguments.good, arguments.bad);
        return Err(Failure::usage(message));
    }
    if git.is_dirty()? {
        terminal.error_line("note: changes that are not committed are part of no revision");
    }
    let between = git.count_between(&good, &bad)?;
    let found = {
        // Two ends, then about as many as the number has binary digits.
        let steps = 3 + u64::from(64 - between.leading_zeros());
        let progress = terminal.progress(steps, &format!("bisecting {}", counted(between, "commit")));
        let cache = Cache::open(&git, arguments, seed)?;
        let worktree = git.worktree(&bad)?;
        Search { arguments, seed, worktree, cache, progress: &progress, tried: Vec::new() }
            .first_bad(&git, &good, &bad)?
    };
    let command = own_command(arguments, seed, &good, &bad);
    match arguments.format {
        Format::Text => terminal.print(&text(&plan.name, arguments, &found, between, &command)),
        Format::Json => {
            terminal.print(&json_text(found.to_json(&plan.name, seed, &arguments.fails, &command)));
        }
    }
    Ok(Exit::AsExpected)
}

/// A search under way.
struct Search<'a> {
    arguments: &'a CommitsArguments,
    seed: Seed,
    worktree: Worktree,
    cache: Cache,
    progress: &'a Progress,
    tried: Vec<(String, &'static str)>,
}

impl Search<'_> {
    fn first_bad(mut self, git: &Git, good: &str, bad: &str) -> Result<CommitsFound, Failure> {
        self.check_end(good, "good", &self.arguments.good)?;
        self.check_end(bad, "bad", &self.arguments.bad)?;
        let mut standing = self.worktree.begin(good, bad)?;
        let candidates = loop {
            let commit = match standing {
                Standing::Over(commits) => break commits,
                Standing::Try(commit) => commit,
            };
            let class = self.judge(&commit)?;
            standing = self.worktree.mark(class.word())?;
        };
        let (mut subject, mut report_difference) = (None, None);
        if let [commit] = candidates.as_slice() {
            subject = Some(git.subject(commit)?);
            report_difference = self.difference(git, commit)?;
        }
        Ok(CommitsFound { candidates, subject, tried: self.tried, report_difference })
    }

    /// A search between ends that are not what they are said to be finds something that means nothing.
    fn check_end(&mut self, commit: &str, expected: &str, name: &str) -> Result<(), Failure> {
        let class = self.check_out_and_judge(commit)?;
        let message = match &class {
            class if class.word() == expected => return Ok(()),
            Class::Skip(reason) => format!("the {expected} end `{name}` cannot be judged: it {reason}"),
            Class::Bad(_) => format!("the good end `{name}` fails too: name one that does not"),
            Class::Good(_) => format!("the bad end `{name}` does not fail: name one that does"),
        };
        Err(Failure::Told(Exit::Differs, message))
    }

    fn check_out_and_judge(&mut self, commit: &str) -> Result<Class, Failure> {
        self.worktree.check_out(commit)?;
        self.judge(commit)
    }

    /// What the commit that is checked out is worth.
    fn judge(&mut self, commit: &str) -> Result<Class, Failure> {
        let class = match self.cache.report(commit) {
            Some(report) => classify_report(report, &self.arguments.fails),
            None => {
                let arguments = self.arguments;
                let tried =
                    arguments.revision.try_in(&self.worktree.folder, &arguments.scenario, self.seed)?;
                let class = classify(&tried, &arguments.fails);
                if let Some(report) = class.report() {
                    self.cache.keep(commit, report)?;
                }
                class
            }
        };
        self.progress.step();
        self.tried.push((commit.to_string(), class.word()));
        Ok(class)
    }

    /// What the reports of a commit and of the one before it differ in.
    fn difference(&mut self, git: &Git, commit: &str) -> Result<Option<String>, Failure> {
        let parent = git.commit(&format!("{commit}^"))?;
        let mut report = |commit: &str| -> Result<Option<Value>, Failure> {
            if let Some(report) = self.cache.report(commit) {
                return Ok(Some(report));
            }
            Ok(self.check_out_and_judge(commit)?.report().cloned())
        };
        let (before, after) = (report(&parent)?, report(commit)?);
        let (Some(before), Some(after)) = (before, after) else { return Ok(None) };
        Ok(Some(to_words(&differences(&before, &after), MOST_OF_SECTION)))
    }
}

/// Changed values that are named for each section of a report.
const MOST_OF_SECTION: usize = 6;

/// Reports of revisions, one file for each commit, kept for one scenario and one way to build and run.
struct Cache {
    folder: PathBuf,
}

impl Cache {
    fn open(git: &Git, arguments: &CommitsArguments, seed: Seed) -> Result<Cache, Failure> {
        let path = &arguments.scenario.scenario;
        let scenario = fs::read(path).map_err(|error| Failure::io("read", path, &error))?;
        let options = arguments.scenario.options(seed).join("\0");
        let revision = &arguments.revision;
        let key = [&scenario[..], options.as_bytes(), revision.build.as_bytes(), revision.run.as_bytes()];
        let key = xxh3_128(&key.join(&b"\0\0"[..]));
        let folder = git.shared_folder()?.join("foreshock").join("bisect").join(format!("{key:032x}"));
        fs::create_dir_all(&folder).map_err(|error| Failure::io("make the folder", &folder, &error))?;
        Ok(Cache { folder })
    }

    fn report(&self, commit: &str) -> Option<Value> {
        serde_json::from_slice(&fs::read(self.file(commit)).ok()?).ok()
    }

    fn keep(&self, commit: &str, report: &Value) -> Result<(), Failure> {
        let file = self.file(commit);
        // Written beside and renamed, so that an interrupted search leaves no half of a report.
        let half = file.with_extension("part");
        let written = fs::write(&half, report.to_string()).and_then(|()| fs::rename(&half, &file));
        written.map_err(|error| Failure::io("write", &file, &error))
    }

    fn file(&self, commit: &str) -> PathBuf {
        self.folder.join(format!("{commit}.json"))
    }
}

fn own_command(arguments: &CommitsArguments, seed: Seed, good: &str, bad: &str) -> String {
    let mut words = vec![arguments.scenario.scenario.display().to_string()];
    words.extend(arguments.scenario.options(seed));
    words.extend(["--fails".to_string(), arguments.fails.to_string()]);
    if arguments.repository != Path::new(".") {
        words.extend(["--repository".to_string(), arguments.repository.display().to_string()]);
    }
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let revision = arguments.revision.typed();
    format!(
        "foreshock bisect commits --good {} --bad {} {}{revision}",
        short(good),
        short(bad),
        words.join(" ")
    )
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

fn text(
    name: &str,
    arguments: &CommitsArguments,
    found: &CommitsFound,
    between: u64,
    command: &str,
) -> String {
    let mut text = match (found.candidates.as_slice(), &found.subject) {
        ([commit], Some(subject)) => {
            format!("{name}: {} is the first bad commit: {subject}\n", short(commit))
        }
        (candidates, _) => {
            let list: Vec<&str> = candidates.iter().map(|commit| short(commit)).collect();
            format!(
                "{name}: the first bad commit is one of {}: the others cannot be judged\n",
                list.join(", ")
            )
        }
    };
    let tried = counted(found.tried.len() as u64, "revision");
    text.push_str(&format!(
        "  fails: {}; {tried} tried of {}\n",
        arguments.fails,
        counted(between + 1, "commit")
    ));
    for (commit, class) in &found.tried {
        text.push_str(&format!("  {class:4}  {}\n", short(commit)));
    }
    if let Some(difference) = &found.report_difference {
        text.push_str("\nWhat it changed in the report\n");
        for line in difference.lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text.push_str(&format!("\nreproduce: {command}\n"));
    text
}
