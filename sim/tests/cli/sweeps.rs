//! What `sweep` and `merge` print, write, keep and refuse.

use serde_json::Value;

use crate::files::{CALM, Done, Folder, overloaded};

/// Three seconds of a shop that sometimes refuses too much.
fn shop() -> String {
    CALM.replace("name: calm", "name: shop")
        .replace("duration: 10s, drain: 2s", "duration: 3s, drain: 1s")
        .replace("workers: 4, queue: {capacity: 16}", "workers: 1, queue: {capacity: 2}")
        .replace("10ms", "15ms")
        .replace("'< 1%'", "'< 20%'")
}

/// The same with faults that each seed draws.
fn swarm() -> String {
    shop().replace("name: shop", "name: swarm").replace(
        "slo:",
        "swarm:
  - {id: slow, at: 500ms..1500ms, for: 300ms..1s, fault: {slow: {service: shop, factor: x2..x6}}}
  - {id: cut, chance: 30%, at: 1s..2s, for: 100ms..400ms, fault: {partition: {between: [[buyers], [shop]], mode: {one_of: [drop, hold]}}}}
sometimes:
  - {id: full, branch: queue_full, at: shop}
slo:",
    )
}

fn folder(test: &str) -> Folder {
    Folder::with_scenarios(test, &[("shop.yaml", &shop()), ("swarm.yaml", &swarm())])
}

fn json(done: &Done) -> Value {
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

#[test]
fn a_sweep_prints_the_same_for_any_number_of_jobs_and_names_seeds_that_reproduce_each_way_to_fail() {
    let folder = folder("sweep");
    let one = folder.foreshock("sweep scenarios/shop.yaml --seeds 0..30 --jobs 1 --format json");
    let two = folder.foreshock("sweep scenarios/shop.yaml --seeds 0..30 --jobs 2 --format json");
    assert_eq!(one.out, two.out);
    assert_eq!(one.code, 1, "some seeds fail and none was expected to: {one:?}");
    let report = json(&one);
    assert_eq!(report["schema"], "foreshock.sweep/1");
    assert_eq!(report["seeds"]["ran"], 30);
    let failing = report["failing"]["seeds"].as_u64().expect("a number");
    assert!(failing > 0 && failing < 30, "{failing}");
    let group = &report["groups"][0];
    assert_eq!(group["failing"][0], "errors");
    for seed in ["earliest", "cheapest"] {
        let line = group[seed]["reproduce"].as_str().expect("a command");
        let arguments = line.strip_prefix("foreshock ").expect("a command of this program");
        let run = folder.foreshock(&format!("{arguments} --format json"));
        assert_eq!((run.code, &json(&run)["verdict"]["failing"][0]), (1, &group["failing"][0]), "{line}");
    }
    let text = folder.foreshock("sweep scenarios/shop.yaml --seeds 0..30").out;
    assert!(text.starts_with(&format!("shop: {failing} of 30 seeds failed, NOT as expected\n")), "{text}");
    assert!(
        text.contains("reproduce: foreshock run scenarios/shop.yaml --seed ") && text.lines().count() <= 40,
        "{text}"
    );
}

#[test]
fn slices_are_kept_skipped_and_merged_to_the_bytes_of_the_sweep_in_one_piece() {
    let folder = folder("merge");
    let whole = folder.foreshock("sweep scenarios/swarm.yaml --seeds 5..25 --format json --out whole.json");
    assert_eq!(folder.read("whole.json"), whole.out);
    for of in [1, 7] {
        let mut names = String::new();
        for index in 1..=of {
            let sweep = format!(
                "sweep scenarios/swarm.yaml --seeds 5..25 --partition {index}/{of} --out {index}-{of}.json"
            );
            assert!(folder.foreshock(&sweep).code <= 1);
            let before = folder.read(&format!("{index}-{of}.json"));
            let again = folder.foreshock(&sweep);
            assert!(again.err.contains("is there already and valid"), "{again:?}");
            assert_eq!(folder.read(&format!("{index}-{of}.json")), before);
            names = format!("{index}-{of}.json {names}");
        }
        let merged = folder.foreshock(&format!("merge {names} --format json --out merged.json"));
        assert_eq!((merged.out, merged.code), (whole.out.clone(), whole.code), "{of} slices");
        assert_eq!(folder.read("merged.json"), whole.out);
    }
}

#[test]
fn merge_names_slices_that_are_missing_foreign_or_damaged() {
    let folder = folder("merge-faults");
    for (index, scenario) in [(1, "shop"), (2, "shop"), (3, "swarm")] {
        folder.foreshock(&format!(
            "sweep scenarios/{scenario}.yaml --seeds 0..3 --partition {index}/3 --out {index}.json"
        ));
    }
    let slice = folder.read("2.json");
    folder.write(
        "2.json",
        slice.replace("\"failing\":0", "\"failing\":1").replace("\"seeds\":1", "\"seeds\":2"),
    );
    folder.write("4.json", "something else");
    let merged = folder.foreshock("merge 1.json 2.json 3.json 4.json nowhere.json");
    assert_eq!((merged.code, merged.out.as_str()), (5, ""), "{merged:?}");
    for named in [
        "`2.json` is damaged",
        "`3.json` is foreign: another scenario",
        "`4.json` is no slice",
        "`nowhere.json` cannot be read",
        "missing: slice 2/3, 3/3",
    ] {
        assert!(merged.err.contains(named), "{named}: {}", merged.err);
    }
    let again = folder.foreshock("sweep scenarios/shop.yaml --seeds 0..3 --partition 2/3 --out 2.json");
    assert!(again.err.contains("is damaged and runs again"), "{again:?}");
    assert_eq!(folder.read("2.json"), slice, "what was damaged is whole again");
    let refused = folder.foreshock("sweep scenarios/shop.yaml --seeds 0..3 --out 4.json");
    assert_eq!((refused.code, folder.read("4.json").as_str()), (5, "something else"), "{refused:?}");
}

#[test]
fn a_sweep_that_has_seen_enough_failures_goes_on_later_where_it_stopped() {
    let folder = folder("fail-fast");
    let fast = folder
        .foreshock("sweep scenarios/shop.yaml --seeds 0..30 --fail-fast 1 --out out.json --format json");
    let report = json(&fast);
    assert_eq!(
        (&report["failing"]["seeds"], &report["seeds"]["ended"]),
        (&Value::from(1), &Value::from("fail_fast"))
    );
    let on = folder.foreshock("sweep scenarios/shop.yaml --seeds 0..30 --out out.json --format json");
    assert!(on.err.contains("goes on after"), "{on:?}");
    let whole = folder.foreshock("sweep scenarios/shop.yaml --seeds 0..30 --format json");
    assert_eq!(on.out, whole.out);
    assert_eq!(folder.read("out.json"), whole.out);
}

/// Begins what would take years, ends it by Ctrl-C once the first checkpoint is written, and reads what it printed and
/// what it left.
#[cfg(unix)]
fn interrupted(folder: &Folder, arguments: &str) -> (Value, Value) {
    use std::process::{Command, Stdio};
    let mut command = folder.command();
    command.args(format!("{arguments} --seeds 0..1000000000 --format json").split(' '));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    // The first checkpoint says that it is under way; until then there is nothing to wait for but the file.
    while !folder.exists("out.json") {
        std::thread::yield_now();
    }
    let killed =
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill is there");
    assert!(killed.success());
    let output = child.wait_with_output().expect("it ends");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(5), "{err}");
    assert!(err.contains("the same command goes on from there"), "{err}");
    let report = serde_json::from_str(&out).expect("a partial result is a result");
    (report, serde_json::from_str(&folder.read("out.json")).expect("JSON"))
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_keeps_what_ran_says_so_and_goes_on_from_there() {
    let folder = folder("interrupt");
    let (report, slice) = interrupted(&folder, "sweep scenarios/shop.yaml --jobs 1 --out out.json");
    assert_eq!(
        (&report["seeds"]["complete"], &report["seeds"]["ended"]),
        (&Value::from(false), &Value::from("interrupted"))
    );
    assert_eq!(slice["done_to"], report["seeds"]["done_to"]);
    let on = folder.foreshock("sweep scenarios/shop.yaml --seeds 0..1000000000 --fail-fast 1 --out out.json");
    assert!(on.err.contains("goes on after"), "{on:?}");
}

#[test]
fn what_a_seed_draws_can_be_written_out_and_runs_to_the_very_same_report() {
    let folder = folder("materialize");
    for seed in [1, 2, 9] {
        let drawn = folder.foreshock(&format!("sweep scenarios/swarm.yaml --materialize {seed}"));
        assert_eq!(drawn.code, 0, "{drawn:?}");
        assert!(!drawn.out.contains("swarm:"), "{}", drawn.out);
        folder.write("scenarios/drawn.yaml", &drawn.out);
        let swarm = folder.foreshock(&format!("run scenarios/swarm.yaml --seed {seed} --format json"));
        let ordinary = folder.foreshock("run scenarios/drawn.yaml --format json");
        assert_eq!(swarm.out, ordinary.out, "seed {seed}");
    }
    let nothing = folder.foreshock("sweep scenarios/shop.yaml --materialize 1");
    assert_eq!((nothing.code, nothing.err.contains("has no `swarm`")), (2, true), "{nothing:?}");
}

#[test]
fn a_mark_that_is_never_hit_makes_a_sweep_differ_and_a_run_only_shows_it() {
    let text = CALM.replace("slo:", "sometimes:\n  - {id: full, branch: queue_full, at: shop}\nslo:");
    let folder = Folder::with_scenarios("marks", &[("calm.yaml", &text.replace("10s", "2s"))]);
    let run = folder.foreshock("run scenarios/calm.yaml");
    assert_eq!((run.code, run.out.contains("sometimes: full not hit")), (0, true), "{run:?}");
    let sweep = folder.foreshock("sweep scenarios/calm.yaml --seeds 0..3");
    assert_eq!(sweep.code, 1);
    assert!(sweep.out.contains("the mark `full` was never hit: queue_full at shop"), "{}", sweep.out);
    assert!(sweep.out.contains("never: ") && sweep.out.contains("shop queue_full"), "{}", sweep.out);
}

#[test]
fn two_scenarios_are_compared_seed_by_seed() {
    let folder = folder("against");
    folder.write(
        "scenarios/wide.yaml",
        shop().replace("workers: 1", "workers: 2").replace("name: shop", "name: wide"),
    );
    let compared = folder
        .foreshock("sweep scenarios/shop.yaml --against scenarios/wide.yaml --seeds 0..20 --format json");
    assert_eq!(compared.code, 0, "{compared:?}");
    let report = json(&compared);
    let errors = &report["objectives"][0];
    assert_eq!(
        (errors["better"]["seeds"].as_u64(), errors["worse"].as_u64()),
        (Some(20), Some(0)),
        "{report:#}"
    );
    assert!(errors["sign_test_ppm"].as_u64().expect("a number") < 10, "{report:#}");
    assert!(errors["difference"]["high"].as_i64().expect("a number") < 0, "{report:#}");
    let text = folder
        .foreshock("sweep scenarios/shop.yaml --against scenarios/wide.yaml --seeds 0..20 --jobs 1")
        .out;
    assert!(text.starts_with("shop (A) against wide (B), 20 seeds\n"), "{text}");
}

#[test]
fn slices_of_a_comparison_are_kept_skipped_and_merged_to_the_bytes_of_the_one_in_one_piece() {
    let folder = folder("against-merge");
    let both = "sweep scenarios/shop.yaml --against scenarios/swarm.yaml --seeds 3..14";
    let whole = folder.foreshock(&format!("{both} --format json --out whole.json"));
    assert_eq!((whole.code, &folder.read("whole.json")), (0, &whole.out));
    let mut names = String::new();
    for index in 1..=4 {
        let sweep = format!("{both} --partition {index}/4 --out {index}.json");
        assert_eq!(folder.foreshock(&sweep).code, 0);
        let again = folder.foreshock(&sweep);
        assert!(again.err.contains("is there already and valid"), "{again:?}");
        names = format!("{index}.json {names}");
    }
    let merged = folder.foreshock(&format!("merge {names} --format json --out merged.json"));
    assert_eq!((merged.code, &merged.out), (0, &whole.out));
    assert_eq!(folder.read("merged.json"), whole.out);

    folder.foreshock("sweep scenarios/shop.yaml --seeds 3..14 --partition 2/4 --out alone.json");
    let other = "sweep scenarios/shop.yaml --against scenarios/shop.yaml --seeds 3..14";
    folder.foreshock(&format!("{other} --partition 2/4 --out foreign.json"));
    folder.write("damaged.json", folder.read("3.json").replace("\"seeds\":", "\"seeds\": 1"));
    let cases = [
        ("merge 1.json 3.json 4.json", "missing: slice 2/4"),
        ("merge 1.json alone.json 3.json 4.json", "`alone.json` is of a sweep, `1.json` of a comparison"),
        ("merge 1.json foreign.json 3.json 4.json", "`foreign.json` is foreign: another scenario"),
        ("merge 1.json 2.json damaged.json 4.json", "`damaged.json` is damaged"),
    ];
    for (arguments, says) in cases {
        let done = folder.foreshock(arguments);
        assert_eq!((done.code, done.out.as_str()), (5, ""), "{arguments}: {done:?}");
        assert!(done.err.contains(says), "{arguments} should say `{says}`: {}", done.err);
    }
    folder.write("precious.txt", "not a result");
    let refused = folder.foreshock(&format!("{both} --out precious.txt"));
    assert_eq!((refused.code, folder.read("precious.txt").as_str()), (5, "not a result"), "{refused:?}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_comparison_keeps_what_ran_says_so_and_goes_on_from_there() {
    let folder = folder("interrupt-against");
    let both = "sweep scenarios/shop.yaml --against scenarios/swarm.yaml --jobs 1 --out out.json";
    let (report, slice) = interrupted(&folder, both);
    assert_eq!(report["complete"], Value::from(false));
    assert_eq!(slice["done_to"], report["seeds"]);
    let other = folder.foreshock(&format!("{both} --seeds 0..5"));
    assert!(other.code == 5 && other.err.contains("write into another file"), "{other:?}");
}

#[test]
fn seeds_and_slices_that_cannot_be_are_refused() {
    let folder = Folder::with_scenarios("seeds", &[("calm.yaml", CALM), ("overloaded.yaml", &overloaded())]);
    let cases = [
        ("sweep scenarios/calm.yaml --seeds 7..7", 2, "holds no seed"),
        ("sweep scenarios/calm.yaml --seeds 0..18446744073709551616000000000000000000000", 2, "too large"),
        ("sweep scenarios/calm.yaml --seeds many", 2, "is not a seed"),
        ("sweep scenarios/calm.yaml --jobs 0", 2, "--jobs"),
        ("sweep scenarios/calm.yaml --partition 1/2", 2, "--out"),
        ("sweep scenarios/calm.yaml --partition 3/2 --out x.json", 2, "the slices are 1/2 to 2/2"),
        ("sweep scenarios/calm.yaml --without nobody", 3, "nobody"),
        ("sweep scenarios/calm.yaml --out no/such/folder.json --seeds 0..1", 5, "no/such/folder"),
        ("merge", 2, "SLICES"),
        ("manual fly", 2, "no command `fly`"),
        ("completions tcl", 2, "tcl"),
    ];
    for (arguments, code, says) in cases {
        let done = folder.foreshock(arguments);
        assert_eq!(done.code, code, "{arguments}: {done:?}");
        assert!(done.err.contains(says), "{arguments} should say `{says}`: {}", done.err);
    }
    let hash = folder.foreshock("run scenarios/calm.yaml --seed 00000000000000ffabcdef --format json");
    assert_eq!(json(&hash)["seed"], 255);
}

#[test]
fn shells_and_manual_pages_know_the_commands() {
    let folder = Folder::new("manual");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = folder.foreshock(&format!("completions {shell}"));
        assert!(done.code == 0 && done.out.contains("materialize"), "{shell}");
    }
    let page = folder.foreshock("manual");
    assert!(page.code == 0 && page.out.contains(".TH foreshock 1") && page.out.contains("sweep"), "{page:?}");
    assert!(folder.foreshock("manual sweep").out.contains("fail\\-fast"));
}
