//! Renderers, each against the sample run of `judge` and against what a hostile or huge report could do to them.

use serde_json::Value;

use super::model::FindingReport;
use super::*;
use crate::judge::sample;
use crate::measure::{BreakerMeasured, LoadInterval, Measured, OutcomeKind};
use crate::scenario::plan::Plan;

/// The sample run with an outage that nobody recovers from.
fn outage() -> Report {
    let (mut plan, mut measured) = (sample::plan(), sample::measured());
    plan.liveness = Some(crate::scenario::plan::LivenessPlan {
        recovered_within: crate::kernel::time::Span::from_secs(30),
    });
    let load = &mut measured.loads[0];
    for interval in &mut load.intervals[30..] {
        *interval = LoadInterval { offered: 100, good: 0, failed: 100, attempts: 300, p99_us: 0 };
    }
    load.good = 3_000;
    load.failed[OutcomeKind::Timeout as usize] = 6_500;
    load.failed[OutcomeKind::Rejected as usize] = 500;
    load.all.good = 3_000;
    load.all.failed = 7_000;
    load.latency.count = 3_000;
    load.failed_latency = sample::summary(7_000, 1_000_000_000);
    load.attempts = 24_000;
    measured.slos[1].value = Some(700_000);
    measured.slos[1].intervals[30..].fill(Some(1_000_000));
    let call = &mut measured.edges[1];
    call.retries = 14_000;
    call.attempts = 24_000;
    call.ended[OutcomeKind::Timeout as usize] = 13_999;
    call.late_answers = 4_812;
    call.breaker = BreakerMeasured {
        present: true,
        opened: 3,
        half_opened: 2,
        closed: 2,
        rejected: 1_204,
        ..BreakerMeasured::default()
    };
    let db = &mut measured.services[1];
    db.rejected = 500;
    db.expired = 12;
    db.abandoned = 4_812;
    db.intervals[99].queue = 42;
    measured.systems.entry("db".to_string()).or_default().insert("hits".to_string(), 4_812);
    report(plan, measured)
}

fn report(plan: Plan, measured: Measured) -> Report {
    Report::new(&sample::outcome(plan, measured))
}

fn sound() -> Report {
    report(sample::plan(), sample::measured())
}

const REPRODUCE: &str = "foreshock run scenarios/sample.yaml --seed 7";

#[test]
fn the_text_of_a_sound_run_is_short_and_says_so_first() {
    insta::assert_snapshot!("sound", to_text(&sound(), REPRODUCE, Style::Plain));
}

#[test]
fn the_text_of_an_outage_tells_what_broke_what_happened_and_what_stands_in_the_way() {
    insta::assert_snapshot!("outage", to_text(&outage(), REPRODUCE, Style::Plain));
}

#[test]
fn text_fits_100_columns() {
    for report in [sound(), outage()] {
        let text = to_text(&report, REPRODUCE, Style::Plain);
        let widest = text.lines().max_by_key(|line| line.chars().count()).unwrap_or_default();
        assert!(widest.chars().count() <= 100, "{widest}");
    }
}

#[test]
fn colour_is_added_to_the_plain_text_and_changes_no_letter_of_it() {
    let report = outage();
    let (plain, coloured) =
        (to_text(&report, REPRODUCE, Style::Plain), to_text(&report, REPRODUCE, Style::Coloured));
    assert!(!plain.contains('\u{1b}'));
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some(at) = rest.find('\u{1b}') {
        stripped.push_str(&rest[..at]);
        let end = rest[at..].find('m').expect("an escape sequence ends with m");
        rest = &rest[at + end + 1..];
    }
    stripped.push_str(rest);
    let words = |text: &str| text.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    assert_eq!(words(&stripped), words(&plain));
    assert!(coloured.contains("\u{1b}[1;31mBROKEN\u{1b}[0m"));
}

#[test]
fn a_report_about_very_many_things_stays_near_60_lines_and_shows_the_troubled_ones() {
    let mut report = outage();
    let (service, call, load) = (
        report.services["shop"].clone(),
        report.calls["buyers -> shop"].clone(),
        report.load["buyers"].clone(),
    );
    for index in 0..200 {
        report.services.insert(format!("service-{index}"), service.clone());
        report.calls.insert(format!("call-{index}"), call.clone());
        report.load.insert(format!("load-{index}"), load.clone());
        report.timeline.push(report.timeline[0].clone());
        report.slo.push(report.slo[0].clone());
        report.findings.push(FindingReport { kind: "saturated", text: "x ".repeat(90) });
    }
    let text = to_text(&report, REPRODUCE, Style::Plain);
    assert!(text.lines().count() <= 60, "{} lines", text.lines().count());
    for troubled in ["errors", "\n  db ", "shop -> db", "and 197 more", "reproduce: "] {
        assert!(text.contains(troubled), "`{troubled}` is missing:\n{text}");
    }
}

#[test]
fn names_with_control_characters_cannot_break_lines_or_reach_the_terminal() {
    let mut report = sound();
    report.timeline[0].detail = "two\nlines\u{1b}[2J".to_string();
    let text = to_text(&report, REPRODUCE, Style::Plain);
    assert!(!text.contains('\u{1b}') && text.contains("two lines"), "{text}");
}

/// Every key of the report, those of maps by name replaced by `*`.
fn key_paths(path: &str, value: &Value, paths: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let named = ["load", "services", "calls", "links", "entries", "liveness.loads"]
                    .contains(&path)
                    || path == "systems"
                    || path == "systems.*"
                    || path.ends_with(".failed")
                    || path.ends_with(".ended");
                let key = if named { "*" } else { key };
                let path = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
                key_paths(&path, value, paths);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().for_each(|item| key_paths(&format!("{path}[]"), item, paths));
        }
        Value::Array(_) => paths.push(format!("{path}[]")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => paths.push(path.to_string()),
    }
}

#[test]
fn the_keys_that_other_tools_rely_on_are_the_ones_written_down() {
    let value: Value = serde_json::from_str(&to_json(&outage())).expect("the report is JSON");
    let mut paths = Vec::new();
    key_paths("", &value, &mut paths);
    paths.sort();
    paths.dedup();
    insta::assert_snapshot!("keys", paths.join("\n"));
}

#[test]
fn the_json_is_sorted_whole_numbers_only_and_ends_with_a_line_feed() {
    fn look(value: &Value) {
        match value {
            Value::Object(map) => {
                let keys: Vec<_> = map.keys().collect();
                assert!(keys.is_sorted(), "{keys:?}");
                map.values().for_each(look);
            }
            Value::Array(items) => items.iter().for_each(look),
            Value::Number(number) => assert!(number.is_u64(), "{number}"),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
    let text = to_json(&outage());
    look(&serde_json::from_str(&text).expect("JSON"));
    assert!(text.ends_with("}\n") && !text.contains('\r'));
    assert_eq!(text, to_json(&outage()), "the same outcome gives the same bytes");
}

#[test]
fn the_largest_numbers_are_written_without_overflow() {
    let mut measured = sample::measured();
    measured.loads[0].latency.sum_ns = u128::MAX;
    measured.loads[0].path.queue_ns = u128::MAX;
    measured.loads[0].path.service_ns = u128::MAX;
    measured.edges[1].attempts = u64::MAX;
    measured.edges[1].retries = u64::MAX;
    measured.services[0].rejected = u64::MAX;
    measured.services[0].expired = u64::MAX;
    measured.services[0].errors = u64::MAX;
    let report = report(sample::plan(), measured);
    assert!(to_text(&report, REPRODUCE, Style::Plain).contains("18 446 744 073 709 551 615"));
    assert!(to_json(&report).contains("18446744073709551615"));
}

#[test]
fn series_have_a_line_for_each_interval_and_quote_awkward_names() {
    let mut measured = sample::measured();
    measured.loads[0].name = "a \"b\", c".to_string();
    let files = series_csv(&sample::outcome(sample::plan(), measured));
    let names: Vec<&str> = files.iter().map(|file| file.name).collect();
    assert_eq!(names, ["series-load.csv", "series-services.csv", "series-calls.csv", "series-slo.csv"]);
    let load = &files[0].text;
    assert_eq!(load.lines().count() as u64, sample::LOAD_SECONDS + 1);
    assert_eq!(load.lines().nth(31), Some("30000000,\"a \"\"b\"\", c\",100,100,0,100,20000"));
}
