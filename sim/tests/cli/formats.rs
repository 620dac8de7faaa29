//! What programs read: every command that shows something prints JSON if asked, of a named schema, the same bytes each
//! time, and what is wrong is one line of JSON on standard error.

use serde_json::{Value, json};

use crate::files::{CALM, Done, Folder, overloaded};

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A folder with a scenario that is blessed, one that surprises, one that is not blessed and one that is not valid.
fn one_of_each(test: &str) -> Folder {
    let folder = Folder::with_scenarios(test, &[("quiet/calm.yaml", CALM), ("quiet/moved.yaml", CALM)]);
    assert_eq!(folder.foreshock("accept").code, 0);
    folder.write("scenarios/quiet/moved.yaml", CALM.replace("rate: 50/s", "rate: 60/s"));
    folder.write("scenarios/loud/new.yaml", CALM);
    folder.write("scenarios/loud/overloaded.yaml", overloaded());
    folder.write("scenarios/loud/typo.yaml", CALM.replace("workers", "wrokers"));
    folder.write("reports/gone.json", "{}");
    folder
}

fn by_scenario<'a>(list: &'a Value, name: &str) -> &'a Value {
    let all = list.as_array().unwrap_or_else(|| panic!("a list: {list}"));
    let found = all.iter().find(|one| one["scenario"] == format!("scenarios/{name}.yaml"));
    found.unwrap_or_else(|| panic!("{name} is missing: {list:#}"))
}

#[test]
fn every_command_that_shows_something_prints_json_of_its_schema_and_the_same_bytes_again() {
    let folder = Folder::with_scenarios(
        "every-format",
        &[("calm.yaml", CALM), ("loud.yaml", &(overloaded() + "expect: {failing: [errors]}\n"))],
    );
    folder.foreshock("accept");
    folder.foreshock("sweep scenarios/calm.yaml --seeds 0..4 --partition 1/1 --out slice.json");
    let cases = [
        ("run scenarios/calm.yaml", "foreshock.report/1"),
        ("check", "foreshock.check/1"),
        ("accept", "foreshock.accept/1"),
        ("list", "foreshock.list/1"),
        ("verify scenarios/calm.yaml", "foreshock.verify/1"),
        ("sweep scenarios/calm.yaml --seeds 0..4", "foreshock.sweep/1"),
        ("sweep scenarios/calm.yaml --against scenarios/loud.yaml --seeds 0..4", "foreshock.paired/1"),
        ("merge slice.json", "foreshock.sweep/1"),
        ("why scenarios/loud.yaml --seeds 1", "foreshock.why/1"),
        ("shrink scenarios/loud.yaml --most-tests 3", "foreshock.shrink/1"),
        ("bisect keys scenarios/calm.yaml scenarios/loud.yaml", "foreshock.bisect/1"),
        ("diverge scenarios/calm.yaml --other-seed 1", "foreshock.diverge/1"),
        ("diff reports/calm.json reports/loud.json", "foreshock.diff/1"),
    ];
    for (command, schema) in cases {
        let command = format!("{command} --format json");
        let (once, twice) = (folder.foreshock(&command), folder.foreshock(&command));
        assert!(once.code <= 1, "{command}: {once:?}");
        assert_eq!(value(&once.out)["schema"], schema, "{command}");
        assert!(once.out.starts_with("{\n") && once.out.ends_with("}\n"), "{command}");
        assert_eq!(once.out, twice.out, "{command}");
    }
}

#[test]
fn check_tells_programs_how_every_scenario_stands() {
    let folder = one_of_each("check-json");
    let done = folder.foreshock("check --format json --jobs 1");
    assert_eq!((done.code, done.err.as_str()), (3, ""), "{done:?}");
    assert_eq!(folder.foreshock("check --format json --jobs 4").out, done.out);
    let check = value(&done.out);
    assert_eq!((&check["exit"], &check["stale"]), (&json!(3), &json!(["reports/gone.json"])), "{check:#}");
    assert_eq!(check["summary"], "5 scenarios, 5 things to look at");
    let standing = |name| by_scenario(&check["reports"], name)["is"].as_str();
    let all = ["quiet/calm", "quiet/moved", "loud/new", "loud/overloaded", "loud/typo"];
    assert_eq!(all.map(standing), ["ok", "diff", "new", "wrong", "error"].map(Some));

    let moved = by_scenario(&check["reports"], "quiet/moved");
    let offered = moved["changes"].as_array().and_then(|all| {
        all.iter().find(|change| change["path"] == "load.buyers.offered").map(|change| &change["before"])
    });
    assert!(offered.is_some_and(Value::is_u64), "{moved:#}");
    assert_eq!(moved["reproduce"], "foreshock run scenarios/quiet/moved.yaml --seed 42");
    let surprise = &by_scenario(&check["reports"], "loud/overloaded")["summary"];
    assert_eq!(surprise, "expected pass, was fail: errors failed");
    let typo = by_scenario(&check["reports"], "loud/typo");
    assert_eq!(typo["error"]["diagnostics"][0]["line"], 7, "{typo:#}");
}

#[test]
fn check_and_accept_tell_programs_of_answers_if_asked_why() {
    let with_why = overloaded()
        + "timeline: [{at: 3s, for: 2s, id: late, fault: {latency: {link: buyers -> shop, add: 5ms}}}]\n\
           expect: {failing: [errors], why: {not_root: [late]}}\n";
    let folder = Folder::with_scenarios("why-json", &[("loud.yaml", &with_why)]);
    let accepted = value(&folder.foreshock("accept --why --format json").out);
    assert_eq!(by_scenario(&accepted["answers"], "loud")["is"], "new", "{accepted:#}");
    assert!(folder.exists("reports/loud.why.json"));
    let check = value(&folder.foreshock("check --why --format json").out);
    assert_eq!(by_scenario(&check["answers"], "loud")["is"], "ok", "{check:#}");
    assert_eq!(check["exit"], 0);
    assert!(value(&folder.foreshock("check --format json").out)["answers"].is_null(), "nobody asked");
}

#[test]
fn accept_tells_programs_what_it_wrote_what_it_refused_and_what_it_removed() {
    let folder = one_of_each("accept-json");
    let done = folder.foreshock("accept --format json");
    assert_eq!((done.code, done.err.as_str()), (3, ""), "{done:?}");
    let accepted = value(&done.out);
    let is = |name| by_scenario(&accepted["reports"], name)["is"].as_str();
    let told = ["quiet/moved", "loud/new", "loud/overloaded", "loud/typo"];
    assert_eq!(told.map(is), ["changed", "new", "refused", "refused"].map(Some));
    assert_eq!(accepted["removed"], json!(["reports/gone.json"]));
    assert_eq!(accepted["reports"].as_array().map(Vec::len), Some(4), "of what stays nothing is told");
    let reason = &by_scenario(&accepted["reports"], "loud/overloaded")["error"]["message"];
    assert!(reason.as_str().is_some_and(|reason| reason.contains("is not blessed")), "{reason}");
}

#[test]
fn list_tells_programs_what_each_scenario_expects() {
    let expecting = overloaded() + "expect: {verdict: fail, failing: [errors]}\n";
    let folder =
        Folder::with_scenarios("list-json", &[("quiet/calm.yaml", CALM), ("loud/a.yaml", &expecting)]);
    folder.write("scenarios/loud/typo.yaml", CALM.replace("workers", "wrokers"));
    let done = folder.foreshock("list --format json");
    assert_eq!((done.code, done.err.as_str()), (3, ""), "{done:?}");
    let list = value(&done.out);
    let loud = by_scenario(&list["scenarios"], "loud/a");
    assert_eq!((&loud["name"], &loud["family"], &loud["seed"]), (&json!("a"), &json!("loud"), &json!(42)));
    let expect = json!({"verdict": "fail", "failing": ["errors"], "findings": [],
                        "why": {"root": [], "not_root": []}});
    assert_eq!(loud["expect"], expect);
    assert_eq!(by_scenario(&list["scenarios"], "quiet/calm")["expect"]["verdict"], "pass");
    assert_eq!(by_scenario(&list["scenarios"], "loud/typo")["error"]["exit"], 3);
}

#[test]
fn diff_tells_programs_every_value_and_ends_the_same_way() {
    let folder = Folder::with_scenarios("diff-json", &[("calm.yaml", CALM)]);
    folder.write("a.json", folder.foreshock("run scenarios/calm.yaml --format json").out);
    folder.write("b.json", folder.foreshock("run scenarios/calm.yaml --seed 7 --format json").out);
    let same = folder.foreshock("diff a.json a.json --format json");
    assert_eq!((same.code, &value(&same.out)["differences"]), (0, &json!([])));
    let other = folder.foreshock("diff a.json b.json --format json");
    assert_eq!(other.code, 1);
    let all = value(&other.out)["differences"].clone();
    assert!(
        all.as_array().is_some_and(|all| all.contains(&json!({"path": "seed", "before": 42, "after": 7}))),
        "{all:#}"
    );
    assert_eq!(
        folder.foreshock("diff a.json b.json").out.lines().count(),
        all.as_array().map_or(0, Vec::len)
    );
}

#[test]
fn verify_tells_programs_the_proof_and_where_two_runs_part() {
    let careless = CALM.replace("shop: {workers: 4, queue: {capacity: 16}, ", "shop: {kind: test-address, ");
    let folder = Folder::with_scenarios("verify-json", &[("calm.yaml", CALM), ("careless.yaml", &careless)]);
    let proved = value(&folder.foreshock("verify scenarios/calm.yaml --seed 3 --format json").out);
    let report = value(&folder.foreshock("run scenarios/calm.yaml --seed 3 --format json").out);
    assert_eq!((&proved["deterministic"], &proved["parting"]), (&json!(true), &Value::Null));
    assert_eq!(proved["run"]["fingerprint"], report["fingerprint"], "{proved:#}");
    assert_eq!(proved["ways"].as_array().map(Vec::len), Some(4));

    let caught = folder.foreshock("verify scenarios/careless.yaml --with-test-kinds --format json");
    assert_eq!(caught.code, 4, "{caught:?}");
    let caught = value(&caught.out);
    assert_eq!(
        (&caught["deterministic"], &caught["parting"]["way"]),
        (&json!(false), &json!("second process"))
    );
    let event = &caught["parting"]["event"];
    assert!(event["number"].as_u64() > caught["parting"]["after_event"].as_u64(), "{caught:#}");
    assert_ne!(event["first"], event["other"]);
    assert!(event["first"]["at_ns"].is_u64(), "{caught:#}");
}

/// The one line of JSON that a program finds on standard error.
fn complaint(done: &Done) -> Value {
    let lines: Vec<&str> = done.err.lines().collect();
    let [line] = lines.as_slice() else { panic!("one line: {done:?}") };
    assert_eq!(done.out, "", "an error belongs on standard error");
    value(line)
}

#[test]
fn whatever_command_meets_an_invalid_scenario_says_where_and_why_in_json() {
    let folder = Folder::with_scenarios("complaints", &[("calm.yaml", CALM)]);
    folder.write("scenarios/typo.yaml", CALM.replace("workers", "wrokers").replace("50/s", "50"));
    let commands = ["run", "verify", "why", "sweep --seeds 0..2", "shrink", "bisect seeds", "bisect time"];
    let both = ["diverge scenarios/calm.yaml", "bisect keys scenarios/calm.yaml"];
    for command in commands.into_iter().chain(both) {
        let done = folder.foreshock(&format!("{command} scenarios/typo.yaml --format json"));
        assert_eq!(done.code, 3, "{command}: {done:?}");
        let told = complaint(&done);
        assert_eq!((&told["schema"], &told["exit"]), (&json!("foreshock.error/1"), &json!(3)), "{command}");
        assert_eq!(told["file"], "scenarios/typo.yaml", "{command}");
        let found = told["diagnostics"].as_array().expect("a list");
        let at = |line: u64| found.iter().find(|one| one["line"] == line).expect("something is wrong there");
        assert_eq!(at(7)["path"], "services.shop.wrokers", "{command}: {told:#}");
        assert!(at(7)["help"].as_str().is_some_and(|help| help.contains("workers")), "{told:#}");
        assert_eq!((&at(9)["severity"], at(9)["column"].is_u64()), (&json!("error"), true), "{told:#}");
    }
    let edited = complaint(&folder.foreshock("run scenarios/calm.yaml --without nobody --format json"));
    assert_eq!((&edited["exit"], &edited["diagnostics"][0]["line"]), (&json!(3), &Value::Null), "{edited:#}");
}

#[test]
fn other_failures_are_a_sentence_with_the_exit_code_in_json_as_well() {
    let folder = Folder::with_scenarios("sentences", &[("calm.yaml", CALM)]);
    let cases = [
        ("run calm", 5, "did you mean `scenarios/calm.yaml`?"),
        ("diff nowhere.json nowhere.json", 5, "nowhere.json"),
        ("diff scenarios/calm.yaml scenarios/calm.yaml", 2, "is not a JSON report"),
        ("shrink scenarios/calm.yaml", 1, "nothing to shrink"),
        ("merge scenarios/calm.yaml", 5, "is no slice of a sweep"),
        ("check scenarios/nowhere.yaml", 5, "nowhere.yaml"),
    ];
    for (command, code, says) in cases {
        let done = folder.foreshock(&format!("{command} --format json"));
        let told = complaint(&done);
        assert_eq!((done.code, &told["exit"]), (code, &json!(code)), "{command}: {told}");
        assert!(told["message"].as_str().is_some_and(|message| message.contains(says)), "{command}: {told}");
    }
}
