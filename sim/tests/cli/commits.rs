//! `bisect commits` and `bisect step` on a repository of tiny shell scripts: each commit is a "program" that prints a
//! report.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::files::{CALM, Done, Folder};

/// A repository in a folder of one test, whose program is `program.sh`.
struct Repository {
    folder: Folder,
    commits: Vec<String>,
}

const GOOD: &str = r#"echo '{"schema": "foreshock.report/1", "verdict": {"failing": []}, "load": {"buyers": {"good": 500}}}'"#;
const BAD: &str = r#"echo '{"schema": "foreshock.report/1", "verdict": {"failing": ["errors"]}, "load": {"buyers": {"good": 20}}}'; exit 1"#;

impl Repository {
    /// So many commits, whose program is what `program` says for each number.
    fn new(test: &str, commits: usize, program: impl Fn(usize) -> String) -> Repository {
        let folder = Folder::with_scenarios(test, &[("calm.yaml", CALM)]);
        let mut repository = Repository { folder, commits: Vec::new() };
        repository.git("init --quiet --initial-branch=main repo");
        repository.folder.write("repo/tracked.txt", "as committed\n");
        for number in 0..commits {
            let text = format!("# {number}\nprintf x >> \"$RAN\"\n{}\n", program(number));
            repository.folder.write("repo/program.sh", text);
            repository.git("-C repo add --all");
            repository.git(&format!("-C repo commit --quiet -m commit-{number}"));
            let commit = repository.git("-C repo rev-parse HEAD");
            repository.commits.push(commit);
        }
        repository
    }

    /// Runs git with an identity of its own and without the user's settings.
    fn git(&self, arguments: &str) -> String {
        let output = self
            .isolated(Command::new("git"))
            .args(arguments.split_whitespace())
            .output()
            .expect("git starts");
        assert!(output.status.success(), "git {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_string()
    }

    fn isolated(&self, mut command: Command) -> Command {
        command
            .current_dir(&self.folder.path)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE").env_remove("GIT_INDEX_FILE");
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "Test")
                .env(format!("GIT_{role}_EMAIL"), "test@example.org");
        }
        command.env("RAN", self.ran_file()).env("TMPDIR", self.temporary());
        command
    }

    fn temporary(&self) -> PathBuf {
        let folder = self.folder.path.join("tmp");
        fs::create_dir_all(&folder).expect("a folder can be made");
        folder
    }

    fn ran_file(&self) -> PathBuf {
        self.folder.path.join("ran")
    }

    /// How many programs ran since last asked.
    fn ran(&self) -> usize {
        let ran = fs::read_to_string(self.ran_file()).unwrap_or_default().len();
        let _ = fs::remove_file(self.ran_file());
        ran
    }

    fn foreshock(&self, arguments: &[&str]) -> Done {
        let output =
            self.isolated(self.folder.command()).args(arguments).output().expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Done {
            code: output.status.code().expect("a code"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    fn bisect(&self, more: &[&str]) -> Done {
        let first =
            ["bisect", "commits", "scenarios/calm.yaml", "--repository", "repo", "--good", &self.commits[0]];
        let scripts = ["--build", "test ! -f broken", "--run", "sh program.sh"];
        self.foreshock(&[&first[..], &scripts[..], more].concat())
    }

    /// Everything about the checkout that a search could disturb.
    fn state(&self) -> String {
        let parts = [
            "-C repo rev-parse HEAD",
            "-C repo symbolic-ref HEAD",
            "-C repo status --porcelain",
            "-C repo worktree list",
            "-C repo for-each-ref",
        ];
        parts.map(|part| self.git(part)).join("\n")
    }
}

fn json(done: &Done) -> Value {
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

#[test]
fn the_bad_commit_among_thirty_is_found_and_the_checkout_stays_as_it_is() {
    let repository =
        Repository::new("commits-30", 30, |number| if number < 19 { GOOD } else { BAD }.to_string());
    repository.folder.write("repo/tracked.txt", "changed and not committed\n");
    repository.folder.write("repo/untracked.txt", "mine\n");
    let before = repository.state();
    let done = repository.bisect(&[]);
    assert_eq!(done.code, 0, "{done:?}");
    let found = format!("calm: {} is the first bad commit: commit-19\n", &repository.commits[19][..12]);
    assert!(done.out.starts_with(&found), "{}", done.out);
    assert!(done.out.contains("load.buyers.good 500 -> 20"), "{}", done.out);
    assert!(done.err.contains("not committed are part of no revision"), "{}", done.err);
    assert_eq!(repository.state(), before);
    assert_eq!(repository.folder.read("repo/tracked.txt"), "changed and not committed\n");
    assert_eq!(fs::read_dir(repository.temporary()).expect("it is there").count(), 0, "no worktree is left");
    assert!(repository.ran() <= 8, "two ends and five halvings");

    let again = repository.bisect(&["--format", "json"]);
    assert_eq!(repository.ran(), 0, "every report was kept");
    let result = json(&again);
    assert_eq!(result["first_bad"], serde_json::json!([repository.commits[19]]));
    assert_eq!((&result["schema"], &result["axis"]), (&"foreshock.bisect/1".into(), &"commits".into()));
    let other = repository.bisect(&["--fails", "load.buyers.good < 100"]);
    assert!(other.out.starts_with(&found), "another question is answered by the same reports: {other:?}");
    assert_eq!(repository.ran(), 0);
}

#[test]
fn revisions_that_cannot_be_built_or_do_not_know_the_scenario_are_stepped_over() {
    let repository = Repository::new("commits-skip", 12, |number| match number {
        4 => "exit 3".to_string(),
        6 => "kill -9 $$".to_string(),
        7 => "echo no report".to_string(),
        _ if number < 8 => GOOD.to_string(),
        _ => BAD.to_string(),
    });
    let result = json(&repository.bisect(&["--format", "json"]));
    let candidates: Vec<&str> =
        result["first_bad"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let expected: Vec<&str> = repository.commits[6..=8].iter().map(String::as_str).collect();
    let sorted = |mut commits: Vec<&str>| -> Vec<String> {
        commits.sort_unstable();
        commits.into_iter().map(str::to_string).collect()
    };
    assert_eq!(sorted(candidates), sorted(expected), "6 and 7 cannot be judged: {result:#}");
}

#[test]
fn ends_that_are_not_what_they_are_said_to_be_and_places_without_a_repository_are_told() {
    let repository =
        Repository::new("commits-ends", 4, |number| if number < 2 { GOOD } else { BAD }.to_string());
    let commit = |number: usize| repository.commits[number].as_str();
    let before = repository.state();
    let cases: [(&[&str], i32, &str); 8] = [
        (&["--bad", commit(1)], 1, "the bad end `"),
        (&["--good", "main~1"], 2, "cannot be used multiple times"),
        (&["--bad", "no-such-branch"], 2, "there is no commit `no-such-branch`"),
        (&["--bad", commit(0)], 2, "does not come before"),
        (&["--fails", "erors"], 1, "erors"),
        (&["--set", "services.shpo.workers=1"], 3, "shop"),
        (&["--seed", "many"], 2, "--seed"),
        (&["--bad", "-x"], 2, "-x"),
    ];
    for (arguments, code, says) in cases {
        let done = repository.bisect(arguments);
        assert_eq!(done.code, code, "{arguments:?}: {done:?}");
        assert!(done.err.contains(says), "{arguments:?}: {done:?}");
    }
    let scripts = ["--build", "true", "--run", "sh program.sh"];
    let elsewhere = |place: &str| {
        let arguments = ["bisect", "commits", "scenarios/calm.yaml", "--good", "x", "--repository", place];
        repository.foreshock(&[&arguments[..], &scripts[..]].concat())
    };
    let (nowhere, outside) = (elsewhere("no/such/folder"), elsewhere("/"));
    assert!(nowhere.code == 5 && nowhere.err.contains("there is no folder"), "{nowhere:?}");
    assert!(outside.code == 5 && outside.err.contains("is in no git repository"), "{outside:?}");
    let bad_good = ["bisect", "commits", "scenarios/calm.yaml", "--repository", "repo", "--good", commit(2)];
    let done = repository.foreshock(&[&bad_good[..], &scripts[..]].concat());
    assert!(done.code == 1 && done.err.contains("fails too: name one that does not"), "{done:?}");
    assert_eq!(repository.state(), before);
}

#[test]
fn step_answers_in_the_numbers_of_git_bisect_run_and_drives_it() {
    let repository = Repository::new("commits-step", 9, |number| match number {
        3 => "exit 3".to_string(),
        _ if number < 6 => GOOD.to_string(),
        _ => BAD.to_string(),
    });
    let step = |run: &str, build: &str, more: &[&str]| {
        let arguments = ["bisect", "step", "scenarios/calm.yaml", "--run", run, "--build", build];
        repository.foreshock(&[&arguments[..], more].concat())
    };
    let here = "sh repo/program.sh";
    assert_eq!(step(here, "true", &[]).code, 1);
    assert_eq!(step(here, "false", &[]).code, 125);
    assert_eq!(step("exit 3;", "true", &[]).code, 125);
    let skipped = step(here, "echo no compiler >&2; false", &["--format", "json"]);
    assert_eq!(json(&skipped)["reason"], Value::from("cannot be built: no compiler"));
    assert_eq!(step(here, "true", &["--fails", "load.buyers.good > 1000"]).code, 0);
    assert_eq!(step(here, "true", &["--fails", "erors"]).code, 128, "a wrong question is no answer");
    assert_eq!(step(here, "true", &["--sed", "3"]).code, 128, "a wrong option is none either");

    let scenario = repository.folder.path.join("scenarios/calm.yaml");
    repository.git(&format!("-C repo bisect start {} {}", repository.commits[8], repository.commits[0]));
    let output = repository
        .isolated(Command::new("git"))
        .args(["-C", "repo", "bisect", "run", env!("CARGO_BIN_EXE_foreshock"), "bisect", "step"])
        .args([scenario.to_str().expect("text"), "--build", "true", "--run", "sh program.sh"])
        .output()
        .expect("git starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&format!("{} is the first bad commit", repository.commits[6])), "{said}");
}
