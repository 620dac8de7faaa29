//! Files that are not meant well, or not meant for this program: an error each, quickly and in little memory.

use super::super::parse::MAX_FILE_BYTES;
use super::{compiled, compiled_bytes, completed};

fn first_message(text: &[u8]) -> String {
    let error = compiled_bytes(text).expect_err("this is no scenario");
    let _ = error.render(true);
    error.to_string().lines().next().unwrap_or_default().to_string()
}

#[test]
fn deep_nesting_is_refused_at_a_fixed_depth() {
    let block: String = (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    for text in
        ["[".repeat(1_000_000), "{a: ".repeat(500_000), "- ".repeat(1_000_000), "? ".repeat(500_000), block]
    {
        let message = first_message(text.as_bytes());
        assert!(message.contains("nested too deep"), "{message}");
    }
}

#[test]
fn alias_bombs_do_not_go_off() {
    let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_string();
    for (before, this) in "abcdefghijk".chars().zip("bcdefghijkl".chars()) {
        laughs.push_str(&format!("{this}: &{this} [{}]\n", vec![format!("*{before}"); 9].join(", ")));
    }
    let mut merges = "a0: &a0 {x: 1}\n".to_string();
    for step in 1..1_000 {
        merges.push_str(&format!("a{step}: &a{step} {{<<: [*a{0}, *a{0}], k{step}: 1}}\n", step - 1));
    }
    let mut many = "a: &a {x: 1, y: 2}\nlist:\n".to_string();
    many.push_str(&"- *a\n".repeat(100_000));
    for text in [laughs, merges, many] {
        let message = first_message(text.as_bytes());
        assert!(message.contains("too many") || message.contains("too deep"), "{message}");
    }
    first_message(b"a: &a [*a]\n");
    first_message(b"a: &a {<<: *a}\n");
}

#[test]
fn large_files_are_refused_unread() {
    let garbage = vec![b'['; 10 * 1024 * 1024];
    assert!(first_message(&garbage).contains("more than the 4194304 allowed"));
    let mut long = b"version: 1\nname: ".to_vec();
    long.resize(MAX_FILE_BYTES, b'x');
    assert!(first_message(&long).contains("missing field"));
    let many = "- 1\n".repeat(MAX_FILE_BYTES / 4 - 1);
    assert!(first_message(many.as_bytes()).contains("more than 100000 values"));
}

#[test]
fn bytes_that_are_no_text_are_placed() {
    assert_eq!(
        first_message(b"version: 1\nname: a\0b\n"),
        "case.yaml:2:8: error: a NUL byte; a scenario is text: is this the right file?"
    );
    assert_eq!(
        first_message(b"version: 1\nname: caf\xe9\n"),
        "case.yaml:2:10: error: not UTF-8 text; save the file as UTF-8"
    );
    assert_eq!(
        first_message(b"\xff\xfev\0e\0r\0"),
        "case.yaml:1:1: error: not UTF-8 text; save the file as UTF-8"
    );
    first_message(b"");
    first_message(b"\xef\xbb\xbf");
    first_message(b"%YAML 9.9\n---\n");
    first_message(b"\x1b[31mred\n");
}

#[test]
fn a_byte_order_mark_is_no_harm() {
    let text = format!("\u{feff}{}", completed(""));
    assert!(compiled(&text).is_ok());
    assert!(compiled(&completed("").replace('\n', "\r\n")).is_ok());
}

#[test]
fn thousands_of_errors_are_counted_and_a_hundred_are_shown() {
    let fields: String = (0..20_000).map(|number| format!("field{number}: 1\n")).collect();
    let error = compiled(&fields).unwrap_err();
    assert_eq!(error.diagnostics().iter().count(), 100);
    assert!(error.diagnostics().left_out() >= 19_900);
    assert!(error.to_string().ends_with("more not shown"));
    let mut services = "services:\n  api: {}\n".to_string();
    for number in 0..1_500 {
        services.push_str(&format!("  service{number}: {{calls: [{{to: other{number}}}]}}\n"));
    }
    assert_eq!(compiled(&completed(&services)).unwrap_err().diagnostics().iter().count(), 100);
}

#[test]
fn long_chains_are_followed_without_recursion() {
    let mut calls = "services:\n  api: {calls: [{to: s0}]}\n".to_string();
    for number in 0..1_500 {
        calls.push_str(&format!("  s{number}: {{calls: [{{to: s{}}}]}}\n", number + 1));
    }
    assert!(compiled(&completed(&format!("{calls}  s1500: {{}}\n"))).is_ok());
    let circle = compiled(&completed(&format!("{calls}  s1500: {{calls: [{{to: s0}}]}}\n"))).unwrap_err();
    assert!(circle.to_string().contains("the calls go in a circle"));
    let mut waits = "timeline:\n  - {id: e0, at: 0s, for: 1ms, fault: {pause: {service: api}}}\n".to_string();
    for number in 1..1_500 {
        let before = number - 1;
        waits.push_str(&format!(
            "  - {{id: e{number}, after: e{before}.end, for: 1ms, fault: {{pause: {{service: api}}}}}}\n"
        ));
    }
    assert!(compiled(&completed(&waits)).is_ok());
}

#[test]
fn scenarios_larger_than_by_hand_are_refused_by_name() {
    let services: String = (0..3_000).map(|number| format!("  s{number}: {{}}\n")).collect();
    let error = compiled(&completed(&format!("services:\n  api: {{}}\n{services}"))).unwrap_err();
    assert!(error.to_string().contains("3001 services are too many; the most is 2000"), "{error}");
    let changes: String = (0..1_900)
        .map(|number| format!("  - {{id: e{number}, at: 1s, config: {{api.workers: 2}}}}\n"))
        .collect();
    let error = compiled(&completed(&format!("timeline:\n{changes}"))).unwrap_err();
    assert!(error.to_string().contains("too many changes for a scenario of this size"), "{error}");
}
