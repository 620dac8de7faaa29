//! Exit codes, messages and everything around a report.

use std::io::Read;
use std::process::Stdio;

use crate::files::{CALM, Folder, overloaded};

#[test]
fn every_kind_of_ending_has_its_exit_code_and_says_what_to_do() {
    let folder =
        Folder::with_scenarios("exit-codes", &[("calm.yaml", CALM), ("overloaded.yaml", &overloaded())]);
    folder.write("scenarios/typo.yaml", CALM.replace("workers", "wrokers"));
    folder.write("scenarios/garbage.yaml", [0_u8, 159, 146, 150]);
    folder.write("file", "not a folder");
    struct Case {
        arguments: &'static str,
        code: i32,
        says: &'static str,
    }
    let cases = [
        Case { arguments: "run scenarios/calm.yaml", code: 0, says: "calm: PASS, as expected" },
        Case {
            arguments: "run scenarios/overloaded.yaml",
            code: 1,
            says: "overloaded: FAIL, NOT as expected",
        },
        Case {
            arguments: "run scenarios/overloaded.yaml --format json",
            code: 1,
            says: "reproduce: foreshock run",
        },
        Case { arguments: "", code: 2, says: "Usage" },
        Case { arguments: "fly", code: 2, says: "unrecognized subcommand" },
        Case { arguments: "run", code: 2, says: "SCENARIO" },
        Case { arguments: "run scenarios/calm.yaml --seed many", code: 2, says: "--seed" },
        Case { arguments: "run scenarios/calm.yaml --set nothing", code: 2, says: "--set" },
        Case {
            arguments: "diff scenarios/calm.yaml scenarios/calm.yaml",
            code: 2,
            says: "is not a JSON report",
        },
        Case { arguments: "run scenarios/typo.yaml", code: 3, says: "workers" },
        Case { arguments: "run scenarios/garbage.yaml", code: 3, says: "scenarios/garbage.yaml" },
        Case { arguments: "run scenarios/calm.yaml --set services.shpo.workers=2", code: 3, says: "shop" },
        Case { arguments: "run scenarios/calm.yaml --without nobody", code: 3, says: "nobody" },
        Case { arguments: "run calm", code: 5, says: "did you mean `scenarios/calm.yaml`?" },
        Case { arguments: "why scenarios", code: 5, says: "`scenarios` is a folder: name a scenario file" },
        Case { arguments: "run scenarios/calm.yaml --out file", code: 5, says: "file" },
        Case { arguments: "run scenarios/calm.yaml --trace no/such/folder", code: 5, says: "no/such/folder" },
        Case { arguments: "diff nowhere.json nowhere.json", code: 5, says: "nowhere.json" },
        Case { arguments: "--help", code: 0, says: "Exit codes: 0 as expected" },
        Case { arguments: "--version", code: 0, says: "foreshock" },
    ];
    for case in cases {
        let done = folder.foreshock(case.arguments);
        assert_eq!(done.code, case.code, "{}: {done:?}", case.arguments);
        let said = format!("{}{}", done.out, done.err);
        assert!(said.contains(case.says), "{} should say `{}`: {said}", case.arguments, case.says);
        if case.code >= 2 {
            assert_eq!(done.out, "", "{}: an error belongs on standard error", case.arguments);
        }
    }
}

#[test]
fn outside_of_a_project_the_commands_for_projects_say_so() {
    let folder = Folder::new("no-project");
    // The folder of this test lies below this very project, which has scenarios: look from the root.
    for arguments in ["check", "list", "accept"] {
        let output = folder.command().current_dir("/").arg(arguments).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(5), "{arguments}");
        let err = String::from_utf8(output.stderr).expect("text");
        assert!(err.contains("no `scenarios` folder"), "{arguments}: {err}");
    }
    // A file that is named is not missing: it has no blessed report to compare with.
    let elsewhere = std::env::temp_dir().join(format!("foreshock-no-project-{}.yaml", std::process::id()));
    std::fs::write(&elsewhere, CALM).expect("a file can be written");
    let output = folder.command().current_dir("/").arg("check").arg(&elsewhere).output().expect("it starts");
    std::fs::remove_file(&elsewhere).expect("it is there");
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).expect("text");
    assert!(err.contains("belongs to no project") && err.contains("foreshock run "), "{err}");
}

#[test]
fn hidden_commands_are_not_in_the_help() {
    let help = Folder::new("help").foreshock("--help").out;
    let shown = [
        "run", "check", "accept", "list", "schema", "verify", "sweep", "merge", "diff", "shrink", "bisect",
        "diverge",
    ];
    for shown in shown {
        assert!(help.contains(&format!("\n  {shown} ")), "{shown}: {help}");
    }
    assert!(!help.contains("fingerprint") && !help.contains("test-kinds"), "{help}");
}

#[test]
fn list_shows_each_scenario_with_its_family_expectation_and_first_sentence() {
    let expected_to_fail = overloaded() + "expect: {verdict: fail, failing: [errors]}\n";
    let folder = Folder::with_scenarios(
        "list",
        &[("quiet/calm.yaml", CALM), ("loud/overloaded.yaml", &expected_to_fail), ("loud/trace.txt", "1s\n")],
    );
    let done = folder.foreshock("list");
    assert_eq!(done.code, 0, "{done:?}");
    let lines: Vec<Vec<&str>> =
        done.out.lines().map(|line| line.split("  ").filter(|word| !word.is_empty()).collect()).collect();
    let about = "A service with room to spare.";
    assert_eq!(lines[0], ["scenario", " family", " expected", " about"].map(str::trim));
    let trimmed = |index: usize| lines[index].iter().map(|word| word.trim()).collect::<Vec<_>>();
    assert_eq!(trimmed(1), ["overloaded", "loud", "fail: errors", about]);
    assert_eq!(trimmed(2), ["calm", "quiet", "pass", about]);

    folder.write("scenarios/quiet/broken.yaml", "version: 1\n");
    let broken = folder.foreshock("list");
    assert_eq!(broken.code, 3);
    assert!(broken.out.contains("not valid") && broken.out.contains("calm"), "{broken:?}");
}

#[test]
fn the_schema_is_json_and_knows_the_format() {
    let done = Folder::new("schema").foreshock("schema");
    let schema: serde_json::Value = serde_json::from_str(&done.out).expect("JSON");
    assert!(schema["properties"]["services"].is_object(), "{}", done.out);
}

#[test]
fn a_reader_that_goes_away_ends_the_output_quietly() {
    let folder = Folder::new("broken-pipe");
    let mut child = folder
        .command()
        .arg("schema")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut err).expect("text");
    assert_eq!((child.wait().expect("it ends").code(), err.as_str()), (Some(0), ""));
}

#[test]
fn a_program_that_nobody_watches_shows_no_progress_and_no_colour() {
    let folder = Folder::with_scenarios("quiet", &[("calm.yaml", CALM)]);
    let done = folder.foreshock("run scenarios/calm.yaml");
    assert_eq!(done.err, "");
}
