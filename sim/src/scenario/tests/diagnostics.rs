//! Walks the cases in `tests/diagnostics`: a scenario, `----`, and the messages it gets, one a line. Parts every
//! scenario needs are added below the text, unless the name ends in `[alone]`.
//! To write the expected messages anew, run with `FORESHOCK_BLESS=1` and review the difference.

use std::fs;
use std::path::PathBuf;

use super::{compiled, completed};

/// A case: its name, the scenario, the messages expected.
struct Case {
    name: String,
    scenario: String,
    expected: String,
}

fn cases_of(text: &str) -> (String, Vec<Case>) {
    let mut parts = text.split("\n## ");
    let preamble = parts.next().unwrap().to_string();
    let cases = parts.map(|part| {
        let (name, body) = part.split_once('\n').unwrap();
        let (scenario, expected) = body.split_once("\n----\n").unwrap_or((body.trim_end(), ""));
        Case {
            name: name.to_string(),
            scenario: format!("{}\n", scenario.trim_end()),
            expected: expected.trim().to_string(),
        }
    });
    (preamble, cases.collect())
}

fn messages(case: &Case) -> String {
    let text = if case.name.ends_with("[alone]") { case.scenario.clone() } else { completed(&case.scenario) };
    let messages = match compiled(&text) {
        Ok(compiled) => format!("{}fine", compiled.warnings.plain("case.yaml")),
        Err(error) => error.to_string(),
    };
    messages.lines().map(|line| line.trim_start_matches("case.yaml:").trim()).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_case_gets_exactly_the_messages_it_names() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut wrong = Vec::new();
    let mut walked = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let (preamble, cases) = cases_of(&text);
        let mut blessed = preamble.trim_end().to_string();
        for case in &cases {
            walked += 1;
            let found = messages(case);
            blessed.push_str(&format!("\n\n## {}\n{}----\n{found}", case.name, case.scenario));
            if found != case.expected {
                wrong.push(format!(
                    "{} / {}\nexpected:\n{}\nfound:\n{found}\n",
                    file.display(),
                    case.name,
                    case.expected
                ));
            }
        }
        if std::env::var_os("FORESHOCK_BLESS").is_some() {
            fs::write(&file, blessed + "\n").unwrap();
        }
    }
    assert!(walked > 60, "only {walked} cases were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
