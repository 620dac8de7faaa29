//! `check` and `accept`, told as the life of a project.

use crate::files::{CALM, Folder, overloaded};

#[test]
fn a_report_is_new_then_blessed_then_differs_then_is_blessed_again_and_goes_with_its_scenario() {
    let folder = Folder::with_scenarios("life", &[("quiet/calm.yaml", CALM)]);
    let golden = "reports/quiet/calm.json";

    let new = folder.foreshock("check");
    assert_eq!(new.code, 1, "{new:?}");
    assert!(new.out.contains("has no blessed report"), "{}", new.out);
    assert!(new.out.contains("foreshock accept scenarios/quiet/calm.yaml"), "{}", new.out);
    assert!(!folder.exists(golden), "check writes nothing");

    let blessed = folder.foreshock("accept");
    assert_eq!(blessed.code, 0, "{blessed:?}");
    assert!(blessed.out.contains("1 scenario, 1 blessed report changed"), "{}", blessed.out);
    let first = folder.read(golden);

    let (once, twice) = (folder.foreshock("check"), folder.foreshock("check"));
    assert_eq!((once.code, &once.out), (0, &twice.out), "{once:?}");
    assert!(once.out.contains("ok     scenarios/quiet/calm.yaml  pass as expected"), "{}", once.out);
    assert_eq!(folder.foreshock("accept").out, "1 scenario, 0 blessed reports changed\n");
    assert_eq!(folder.read(golden), first);

    folder.write("scenarios/quiet/calm.yaml", CALM.replace("rate: 50/s", "rate: 60/s"));
    let differs = folder.foreshock("check");
    assert_eq!(differs.code, 1, "{differs:?}");
    assert!(differs.out.contains("load.buyers.offered "), "{}", differs.out);
    let reproduce = "reproduce: foreshock run scenarios/quiet/calm.yaml --seed 42";
    assert!(differs.out.contains(reproduce), "{}", differs.out);
    assert_eq!(folder.read(golden), first);

    let accepted = folder.foreshock("accept scenarios/quiet");
    assert!(accepted.out.contains("changed  scenarios/quiet/calm.yaml"), "{}", accepted.out);
    assert!(accepted.out.contains("load.buyers.offered "), "{}", accepted.out);
    assert_eq!(folder.foreshock("check scenarios/quiet/calm.yaml").code, 0);

    std::fs::remove_file(folder.path.join("scenarios/quiet/calm.yaml")).expect("it is there");
    let stale = folder.foreshock("check");
    assert_eq!(stale.code, 1);
    assert!(stale.out.contains("stale  reports/quiet/calm.json"), "{}", stale.out);
    assert!(folder.foreshock("accept").out.contains("removed  reports/quiet/calm.json"));
    assert!(!folder.exists(golden));
}

#[test]
fn a_report_that_somebody_edited_by_hand_is_noticed_to_the_byte() {
    let folder = Folder::with_scenarios("edited", &[("calm.yaml", CALM)]);
    folder.foreshock("accept");
    let golden = folder.read("reports/calm.json");
    let cases = [
        (golden.replace("\n", "\r\n"), "the bytes are not"),
        (golden.replace("\"seed\": 42", "\"seed\": 41"), "seed 41 -> 42"),
        ("{}".to_string(), "nothing -> "),
        ("no report at all".to_string(), "nothing -> "),
        (String::new(), "nothing -> "),
    ];
    for (edited, says) in cases {
        folder.write("reports/calm.json", &edited);
        let done = folder.foreshock("check");
        assert_eq!(done.code, 1, "{edited}");
        assert!(done.out.contains(says), "`{says}` is missing: {}", done.out);
    }
    folder.write("reports/calm.json", [0xff, 0xfe]);
    assert_eq!(folder.foreshock("check").code, 1);
}

#[test]
fn a_verdict_that_its_scenario_does_not_expect_is_never_blessed() {
    let folder = Folder::with_scenarios("unexpected", &[("overloaded.yaml", &overloaded())]);
    let accepted = folder.foreshock("accept");
    assert_eq!(accepted.code, 1, "{accepted:?}");
    assert!(
        accepted.err.contains("is not blessed: expected pass, was fail: errors failed"),
        "{}",
        accepted.err
    );
    assert!(!folder.exists("reports/overloaded.json"));
    let checked = folder.foreshock("check");
    assert_eq!(checked.code, 1);
    assert!(checked.out.contains("wrong  scenarios/overloaded.yaml"), "{}", checked.out);
    assert!(checked.out.contains("reproduce: "), "{}", checked.out);

    folder.write("scenarios/overloaded.yaml", overloaded() + "expect: {failing: [errors]}\n");
    assert_eq!(folder.foreshock("accept").code, 0);
    let checked = folder.foreshock("check");
    assert!(checked.out.contains("fail as expected: errors"), "{}", checked.out);
}

#[test]
fn how_many_run_at_once_changes_no_byte_of_the_output() {
    let seeds: Vec<(String, String)> = (0..7)
        .map(|seed| (format!("many/s{seed}.yaml"), CALM.replace("seed: 42", &format!("seed: {seed}"))))
        .collect();
    let files: Vec<(&str, &str)> = seeds.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let folder = Folder::with_scenarios("jobs", &files);
    folder.write("scenarios/many/broken.yaml", "version: 1\nnonsense: true\n");
    folder.foreshock("accept --jobs 3");
    let (one, many) = (folder.foreshock("check --jobs 1"), folder.foreshock("check --jobs 5"));
    assert_eq!((one.code, many.code), (3, 3), "{one:?}");
    assert_eq!(one.out, many.out);
    assert_eq!(one.out.lines().filter(|line| line.starts_with("ok ")).count(), 7, "{}", one.out);
    assert!(
        one.out.contains(" scenarios/many/broken.yaml:2:1"),
        "paths are those of the project: {}",
        one.out
    );
}

#[test]
fn only_scenarios_of_the_project_can_be_checked() {
    let folder = Folder::with_scenarios("elsewhere", &[("calm.yaml", CALM)]);
    folder.write("other/calm.yaml", CALM);
    assert_eq!(folder.foreshock("check other").code, 2);
    assert_eq!(folder.foreshock("check scenarios/nowhere.yaml").code, 5);
    folder.foreshock("accept");
    let below =
        folder.command().current_dir(folder.path.join("other")).arg("check").output().expect("starts");
    assert_eq!(below.status.code(), Some(0), "the project is found from below");
}
