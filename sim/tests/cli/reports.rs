//! What `run` prints and writes, and what `diff` says about it.

use serde_json::Value;

use crate::files::{CALM, Folder, overloaded};

#[test]
fn out_writes_the_report_twice_and_the_series_and_trace_writes_single_requests() {
    let folder = Folder::with_scenarios("out", &[("calm.yaml", CALM)]);
    let text = folder.foreshock("run scenarios/calm.yaml --out out --trace trace.json");
    let json = folder.foreshock("run scenarios/calm.yaml --format json");
    assert_eq!((text.code, json.code), (0, 0), "{text:?}");
    assert_eq!(folder.read("out/report.json"), json.out, "tracing changes no byte of the report");
    assert_eq!(folder.read("out/report.txt"), text.out);
    let series = folder.read("out/series-load.csv");
    assert_eq!(series.lines().next(), Some("from_us,load,offered,good,failed,attempts,p99_us"));
    assert!(series.lines().count() > 10, "{series}");
    let trace: Value = serde_json::from_str(&folder.read("trace.json")).expect("the trace is JSON");
    let events = trace["traceEvents"].as_array().expect("a list");
    assert!(events.iter().any(|event| event["cat"] == "service"), "{trace:#}");
}

#[test]
fn a_report_names_no_path_and_no_folder() {
    let folder = Folder::with_scenarios("no-path", &[("calm.yaml", CALM)]);
    let json = folder.foreshock("run scenarios/calm.yaml --format json").out;
    assert!(!json.contains(".yaml") && !json.contains("scenarios/") && !json.contains("no-path"), "{json}");
    let here = folder.foreshock("run ./scenarios/../scenarios/calm.yaml --format json").out;
    assert_eq!(json, here);
}

#[test]
fn the_line_to_reproduce_a_run_can_be_typed_and_gives_the_same_run() {
    let folder = Folder::with_scenarios("reproduce", &[("overloaded.yaml", &overloaded())]);
    let first =
        folder.foreshock("run scenarios/overloaded.yaml --seed 7 --set services.shop.queue.capacity=3");
    let line = first.out.lines().last().expect("a line");
    let command = line.strip_prefix("reproduce: foreshock ").expect("the last line says how to reproduce");
    assert_eq!(command, "run scenarios/overloaded.yaml --seed 7 --set services.shop.queue.capacity=3");
    assert_eq!(folder.foreshock(command).out, first.out);
}

#[test]
fn seeds_and_changes_make_another_run_and_diff_says_what_changed() {
    let folder = Folder::with_scenarios("diff", &[("calm.yaml", CALM)]);
    folder.write("a.json", folder.foreshock("run scenarios/calm.yaml --format json").out);
    folder.write("b.json", folder.foreshock("run scenarios/calm.yaml --format json --seed 43").out);
    let narrow = "run scenarios/calm.yaml --format json --set services.shop.queue.capacity=0 --set services.shop.workers=1";
    folder.write("c.json", folder.foreshock(narrow).out);

    let same = folder.foreshock("diff a.json a.json");
    assert_eq!((same.code, same.out.as_str()), (0, "no difference\n"));
    let other_seed = folder.foreshock("diff a.json b.json");
    assert_eq!(other_seed.code, 1);
    assert!(other_seed.out.contains("\nseed 42 -> 43\n"), "{}", other_seed.out);
    let narrower = folder.foreshock("diff a.json c.json").out;
    assert!(narrower.starts_with("verdict.as_expected true -> false\n"), "{narrower}");
    assert!(narrower.contains("services.shop.rejected 0 -> "), "{narrower}");
}

#[test]
fn json_has_the_keys_that_other_tools_rely_on() {
    let folder = Folder::with_scenarios("keys", &[("calm.yaml", CALM)]);
    let json = folder.foreshock("run scenarios/calm.yaml --format json").out;
    let report: Value = serde_json::from_str(&json).expect("JSON");
    let pointers = [
        "/schema",
        "/scenario",
        "/seed",
        "/plan_digest",
        "/fingerprint",
        "/events",
        "/stop",
        "/verdict/outcome",
        "/verdict/expected",
        "/verdict/as_expected",
        "/slo/0/id",
        "/slo/0/metric",
        "/slo/0/of",
        "/slo/0/bound",
        "/slo/0/value",
        "/slo/0/held",
        "/slo/0/first_broken_us",
        "/invariants/0/id",
        "/invariants/0/held",
        "/invariants/0/violations",
        "/invariants/0/first_us",
        "/invariants/0/witness",
        "/timeline",
        "/load/buyers/offered",
        "/load/buyers/good",
        "/load/buyers/failed",
        "/load/buyers/attempts",
        "/load/buyers/latency_us/p999",
        "/services/shop/arrivals",
        "/services/shop/completed",
        "/services/shop/rejected",
        "/services/shop/abandoned",
        "/services/shop/utilization_ppm",
        "/services/shop/queue/mean_milli",
        "/services/shop/queue/max",
        "/services/shop/wait_us/p99",
        "/services/shop/service_us/mean",
        "/calls/buyers -> shop/requests",
        "/calls/buyers -> shop/attempts",
        "/calls/buyers -> shop/retries",
        "/calls/buyers -> shop/timeouts",
        "/calls/buyers -> shop/rejected",
        "/calls/buyers -> shop/amplification_milli",
        "/calls/buyers -> shop/breaker",
        "/systems",
        "/findings",
    ];
    for pointer in pointers {
        assert!(report.pointer(pointer).is_some(), "{pointer} is missing: {json}");
    }
}
