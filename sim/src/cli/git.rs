//! Git as a program: a separate worktree and the commands of `git bisect` in it. Never touches the user's checkout,
//! index or branches, and runs no hooks.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::exit::{Exit, Failure};

/// A repository.
#[derive(Clone, Debug)]
pub(super) struct Git {
    folder: PathBuf,
}

impl Git {
    /// The repository that `folder` lies in.
    pub(super) fn find(folder: &Path) -> Result<Git, Failure> {
        let git = Git { folder: folder.to_path_buf() };
        if !folder.is_dir() {
            return Err(failed(format!("there is no folder `{}`", folder.display())));
        }
        let output = git.output(["rev-parse", "--git-dir"])?;
        match output.status.success() {
            true => Ok(git),
            false => Err(failed(format!(
                "`{}` is in no git repository: change to one, or name it with --repository ({})",
                folder.display(),
                text(&output.stderr)
            ))),
        }
    }

    /// The commit that a name stands for.
    pub(super) fn commit(&self, name: &str) -> Result<String, Failure> {
        let wanted = format!("{name}^{{commit}}");
        let output = self.output(["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted])?;
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(Failure::usage(format!("there is no commit `{name}` in this repository"))),
        }
    }

    /// Whether a commit comes before another.
    pub(super) fn is_ancestor(&self, earlier: &str, later: &str) -> Result<bool, Failure> {
        Ok(self.output(["merge-base", "--is-ancestor", earlier, later])?.status.success())
    }

    /// How many commits lie between, the later one included.
    pub(super) fn count_between(&self, earlier: &str, later: &str) -> Result<u64, Failure> {
        let range = format!("{earlier}..{later}");
        self.said(["rev-list", "--count", &range]).map(|count| count.parse().unwrap_or(0))
    }

    /// The first line of a commit's message.
    pub(super) fn subject(&self, commit: &str) -> Result<String, Failure> {
        self.said(["show", "--no-patch", "--format=%s", commit])
    }

    /// Whether the checkout holds changes that no commit has.
    pub(super) fn is_dirty(&self) -> Result<bool, Failure> {
        Ok(!self.said(["status", "--porcelain", "--untracked-files=no"])?.is_empty())
    }

    /// The folder that all worktrees of the repository share; nothing in it is ever part of a checkout.
    pub(super) fn shared_folder(&self) -> Result<PathBuf, Failure> {
        Ok(self.folder.join(self.said(["rev-parse", "--git-common-dir"])?))
    }

    /// A checkout of its own in a temporary folder.
    pub(super) fn worktree(&self, commit: &str) -> Result<Worktree, Failure> {
        let folder = std::env::temp_dir().join(format!("foreshock-bisect-{}", std::process::id()));
        if folder.exists() {
            // Only an earlier process of the same number can have left it.
            fs::remove_dir_all(&folder).map_err(|error| Failure::io("remove", &folder, &error))?;
            self.said(["worktree", "prune"])?;
        }
        let path = folder.to_string_lossy().into_owned();
        self.said(["worktree", "add", "--quiet", "--detach", "--force", &path, commit])?;
        Ok(Worktree { git: Git { folder: folder.clone() }, repository: self.clone(), folder })
    }

    /// What a command prints, which has to succeed.
    pub(super) fn said<const N: usize>(&self, arguments: [&str; N]) -> Result<String, Failure> {
        let output = self.output(arguments)?;
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => {
                let reason = text(&output.stderr);
                Err(failed(format!("`git {}` failed: {reason}", arguments.join(" "))))
            }
        }
    }

    fn output<const N: usize>(&self, arguments: [&str; N]) -> Result<Output, Failure> {
        self.command(arguments)
            .output()
            .map_err(|error| failed(format!("git cannot be started: {error}; bisecting commits needs it")))
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.folder).stdin(Stdio::null());
        command.args(["-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false"]);
        // What git says is read, so it has to say it in one language; a surrounding git must not name another place.
        command
            .env("LC_ALL", "C")
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE");
        command.args(arguments);
        command
    }
}

/// A checkout in a temporary folder, gone when it is dropped.
#[derive(Debug)]
pub(super) struct Worktree {
    git: Git,
    repository: Git,
    pub(super) folder: PathBuf,
}

/// How a search stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// This commit is to be tried.
    Try(String),
    /// It is over: the first bad commit, or all that could be it.
    Over(Vec<String>),
}

impl Worktree {
    /// Checks out a commit.
    pub(super) fn check_out(&self, commit: &str) -> Result<(), Failure> {
        self.git.said(["checkout", "--quiet", "--detach", "--force", commit]).map(|_| ())
    }

    /// Begins a search.
    pub(super) fn begin(&self, good: &str, bad: &str) -> Result<Standing, Failure> {
        let said = self.git.said(["bisect", "start", bad, good])?;
        self.standing(&said)
    }

    /// Goes on with `good`, `bad` or `skip`.
    pub(super) fn mark(&self, word: &str) -> Result<Standing, Failure> {
        // A build may leave changed files, such as a lock file, which would be in the way of the next checkout.
        self.git.said(["reset", "--quiet", "--hard"])?;
        let output = self.git.output(["bisect", word])?;
        let said = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
        match output.status.success() || said.contains(ONLY_SKIPPED) {
            true => self.standing(&said),
            false => Err(failed(format!("`git bisect {word}` failed: {}", said.trim()))),
        }
    }

    fn standing(&self, said: &str) -> Result<Standing, Failure> {
        match over(said) {
            Some(commits) => Ok(Standing::Over(commits)),
            None => self.git.said(["rev-parse", "HEAD"]).map(Standing::Try),
        }
    }
}

/// What git says when the commits that are left cannot be judged.
const ONLY_SKIPPED: &str = "The first bad commit could be any of:";

/// The commits that a search ended with, if it has.
fn over(said: &str) -> Option<Vec<String>> {
    let is_commit = |word: &str| word.len() >= 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let first_bad = said.lines().find_map(|line| line.strip_suffix(" is the first bad commit"));
    if let Some(commit) = first_bad.filter(|commit| is_commit(commit)) {
        return Some(vec![commit.to_string()]);
    }
    let (_, list) = said.split_once(ONLY_SKIPPED)?;
    Some(list.lines().map(str::trim).filter(|line| is_commit(line)).map(str::to_string).collect())
}

impl Drop for Worktree {
    fn drop(&mut self) {
        // A worktree that cannot be removed is forgotten by git when its folder is gone.
        let path = self.folder.to_string_lossy().into_owned();
        if self.repository.said(["worktree", "remove", "--force", &path]).is_err() {
            let _ = fs::remove_dir_all(&self.folder);
            let _ = self.repository.said(["worktree", "prune"]);
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_string()
}

fn failed(message: String) -> Failure {
    Failure::Told(Exit::InputOutput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_search_is_read_from_what_git_says() {
        let (one, two) = ("1".repeat(40), "a".repeat(40));
        assert_eq!(over(&format!("{one} is the first bad commit\ncommit {one}\n")), Some(vec![one.clone()]));
        let any = format!(
            "There are only 'skip'ped commits left to test.\n{ONLY_SKIPPED}\n{one}\n{two}\nWe cannot bisect more!\n"
        );
        assert_eq!(over(&any), Some(vec![one, two]));
        assert_eq!(over("Bisecting: 7 revisions left to test after this\n"), None);
        assert_eq!(over("this is the first bad commit\n"), None);
    }
}
