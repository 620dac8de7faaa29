//! `why`, and the blessed answers of `check --why` and `accept --why`.

use crate::files::{CALM, Folder};

/// Ten seconds in which one of two faults breaks an objective.
fn broken() -> String {
    CALM.replace("name: calm", "name: broken").replace(
        "slo:",
        "timeline:
  - {id: slow, at: 3s, for: 6s, fault: {slow: {service: shop, factor: x9}}}
  - {id: jitter, at: 4s, for: 2s, fault: {latency: {link: buyers -> shop, add: 1ms}}}
slo:",
    ) + "expect: {failing: [errors], why: {root: slow, not_root: jitter}}\n"
}

#[test]
fn an_answer_names_the_cause_and_the_commands_that_show_it() {
    let folder = Folder::with_scenarios("why", &[("why/broken.yaml", &broken())]);
    let told = folder.foreshock("why scenarios/why/broken.yaml --seeds 2");
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:?}");
    let first = told.out.lines().next().unwrap_or_default();
    assert!(first.contains("`errors` failed because of `slow`"), "{first}");
    assert!(told.out.lines().count() <= 48, "{}", told.out);
    assert!(told.out.contains("innocent"), "{}", told.out);
    // Every command that is printed can be typed, and taking the cause away holds everything.
    let without = "foreshock run scenarios/why/broken.yaml --seed 42 --without slow";
    assert!(told.out.contains(without), "{}", told.out);
    assert_eq!(folder.foreshock(without.trim_start_matches("foreshock ")).code, 0);

    let json = folder.foreshock("why scenarios/why/broken.yaml --seeds 2 --format json");
    let answer: serde_json::Value = serde_json::from_str(&json.out).expect("an answer is JSON");
    assert_eq!(answer["schema"], "foreshock.why/1");
    assert_eq!(answer["root"][0]["id"], "slow");
    assert!(!json.out.contains("broken.yaml"), "an answer knows no path: {}", json.out);
    let again = folder.foreshock("why scenarios/why/broken.yaml --seeds 2 --format json --jobs 1");
    assert_eq!(json.out, again.out);
}

/// The words of a printed command, as a shell would take them apart.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (position, part) in command.split('\'').enumerate() {
        let inside = position % 2 == 1;
        if inside {
            words.last_mut().expect("there is one").push_str(part);
            continue;
        }
        for (nth, piece) in part.split(' ').enumerate() {
            if nth > 0 {
                words.push(String::new());
            }
            words.last_mut().expect("there is one").push_str(piece);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_printed_command_shows_what_is_said_when_it_is_pasted() {
    // Work nobody wants keeps the line long; remedies need quoting.
    let text = "\
version: 1
name: lasting
seed: 3
run: {duration: 40s, warmup: 1s, drain: 1s}
services:
  backend: {workers: 1, service_time: 20ms, admission: {rate_limit: {rate: 1000/s, burst: 100}}}
network: {default: {latency: 300us}}
load:
  - {name: users, to: backend, rate: 35/s, timeout: 300ms, retry: {max_attempts: 3, backoff: {base: 20ms, cap: 50ms}}}
timeline:
  - {id: cut, at: 5s, for: 3s, fault: {partition: {between: [[users], [backend]], mode: hold}}}
slo:
  - {id: errors, metric: error_rate, of: users, must_be: '< 1%', over: 30s..40s}
";
    let folder = Folder::with_scenarios("why-pasted", &[("lasting.yaml", text)]);
    let told = folder.foreshock("why scenarios/lasting.yaml --seeds 1");
    let (_, commands) = told.out.split_once("Reproduce\n").expect("commands are printed");
    let commands: Vec<&str> = commands.lines().map(str::trim).collect();
    assert!(commands.len() >= 4, "{}", told.out);
    for (position, command) in commands.iter().enumerate() {
        let output = folder.command().args(&words(command)[1..]).output().expect("the program starts");
        // The first shows the failure. That of the loop ends it ten seconds later, in time for the objective.
        let expected = if position == 0 { 1 } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "{command}");
    }
}

#[test]
fn what_is_changed_on_the_command_line_is_what_is_explained() {
    let folder = Folder::with_scenarios("why-edited", &[("broken.yaml", &broken())]);
    let told = folder.foreshock("why scenarios/broken.yaml --without slow");
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.out.contains("Nothing failed"), "{}", told.out);
    let next =
        "foreshock sweep scenarios/broken.yaml --seeds 0..1000 --without slow   # does another seed fail?";
    assert!(told.out.contains(next), "{}", told.out);
    assert_eq!(folder.foreshock("why scenarios/broken.yaml --without nobody").code, 3);
    assert_eq!(folder.foreshock("why scenarios/broken.yaml --seeds 0").code, 2);
}

#[test]
fn a_scenario_without_objectives_is_told_that_nothing_in_it_could_fail() {
    let (without, _) = CALM.split_once("slo:").expect("it has objectives");
    let folder = Folder::with_scenarios("why-nothing", &[("calm.yaml", without)]);
    let told = folder.foreshock("why scenarios/calm.yaml");
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.out.contains("add one under `slo`"), "{}", told.out);
}

#[test]
fn a_design_that_is_too_small_is_told_with_what_would_have_helped() {
    let folder = Folder::with_scenarios("why-small", &[("small.yaml", &crate::files::overloaded())]);
    let told = folder.foreshock("why scenarios/small.yaml --seeds 1");
    let first = told.out.lines().next().unwrap_or_default();
    assert!(first.contains("`errors` fails on a quiet day too"), "{first}");
    assert!(told.out.contains("more workers at shop"), "{}", told.out);
}

#[test]
fn a_blessed_answer_is_new_then_blessed_then_differs_and_goes_with_its_scenario() {
    let folder = Folder::with_scenarios("why-life", &[("why/broken.yaml", &broken()), ("calm.yaml", CALM)]);
    assert_eq!(folder.foreshock("accept").code, 0);
    let golden = "reports/why/broken.why.json";
    let new = folder.foreshock("check --why");
    assert_eq!(new.code, 1, "{new:?}");
    assert!(new.out.contains("foreshock accept --why scenarios/why/broken.yaml"), "{}", new.out);

    let blessed = folder.foreshock("accept --why");
    assert_eq!(blessed.code, 0, "{blessed:?}");
    assert!(folder.exists(golden) && !folder.exists("reports/calm.why.json"), "calm expects no answer");
    let checked = folder.foreshock("check --why");
    assert_eq!(checked.code, 0, "{}", checked.out);
    assert!(checked.out.contains("because of slow as expected"), "{}", checked.out);
    let plainly = folder.foreshock("check");
    assert_eq!(plainly.code, 0, "answers are not stale where nobody asks why: {}", plainly.out);
    assert_eq!(folder.foreshock("accept").out, "2 scenarios, 0 blessed reports changed\n");

    folder.write(golden, folder.read(golden).replace("\"slow\"", "\"jitter\""));
    let differs = folder.foreshock("check --why");
    assert_eq!(differs.code, 1);
    assert!(differs.out.contains("differs from its blessed answer"), "{}", differs.out);
    assert!(
        differs.out.contains("reproduce: foreshock why scenarios/why/broken.yaml --seed 42"),
        "{}",
        differs.out
    );

    std::fs::remove_file(folder.path.join("scenarios/why/broken.yaml")).expect("it is there");
    let stale = folder.foreshock("check");
    assert!(stale.out.contains("stale  reports/why/broken.why.json"), "{}", stale.out);
    folder.foreshock("accept");
    assert!(!folder.exists(golden));
}

#[test]
fn an_answer_that_its_scenario_does_not_expect_is_never_blessed() {
    let wrong = broken().replace("root: slow, not_root: jitter", "root: jitter");
    let folder = Folder::with_scenarios("why-wrong", &[("broken.yaml", &wrong)]);
    let accepted = folder.foreshock("accept --why");
    assert_eq!(accepted.code, 1, "{accepted:?}");
    assert!(accepted.err.contains("`jitter` was expected to be named"), "{}", accepted.err);
    assert!(!folder.exists("reports/broken.why.json"));
    assert_eq!(folder.foreshock("why scenarios/broken.yaml --seeds 1").code, 1);
}
