//! Valid scenarios, damaged at random: an error or a plan, never a panic. What compiles can be edited as well.

use proptest::prelude::*;

use super::super::plan::Edit;
use super::super::{edited, materialized, parse_setting, to_yaml};
use super::{CASCADE, CONFIGS, FewKinds, LARGE, SWEEPS, compiled_bytes};
use crate::kernel::draw::Seed;

/// One way to damage a text.
#[derive(Clone, Debug)]
enum Damage {
    DropLine(usize),
    RepeatLine(usize),
    SwapLines(usize, usize),
    Truncate(usize),
    InsertBytes(usize, Vec<u8>),
    ReplaceWord(usize, &'static str),
    RemoveCharacter(usize),
}

/// Scalars that do not belong everywhere.
const WORDS: [&str; 28] = [
    "1s..9s",
    "9%..1%",
    "..",
    "{one_of: [1s, 2s]}",
    "0",
    "-1",
    "1.5",
    "18446744073709551615",
    "99999999999999999999",
    "1e308",
    "~",
    "null",
    "true",
    "''",
    "[]",
    "{}",
    "0%",
    "100.00001%",
    "0s",
    "584y",
    "200000d",
    "unlimited",
    "x0",
    "a -> b",
    "*",
    "&a",
    "\"\\u0000\"",
    "<<",
];

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<usize>();
    prop_oneof![
        1 => place.prop_map(Damage::DropLine),
        1 => place.prop_map(Damage::RepeatLine),
        1 => (place, place).prop_map(|(one, other)| Damage::SwapLines(one, other)),
        1 => place.prop_map(Damage::Truncate),
        1 => (place, prop::collection::vec(any::<u8>(), 1..6)).prop_map(|(at, bytes)| Damage::InsertBytes(at, bytes)),
        8 => (place, prop::sample::select(WORDS.to_vec())).prop_map(|(at, word)| Damage::ReplaceWord(at, word)),
        1 => place.prop_map(Damage::RemoveCharacter),
    ]
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_%./".contains(&byte)
}

fn damaged(mut text: Vec<u8>, damage: &Damage) -> Vec<u8> {
    if text.is_empty() {
        return text;
    }
    let mut lines: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    match damage {
        Damage::DropLine(at) => drop(lines.remove(at % lines.len())),
        Damage::RepeatLine(at) => lines.insert(at % lines.len(), lines[at % lines.len()].clone()),
        Damage::SwapLines(one, other) => {
            let (one, other) = (one % lines.len(), other % lines.len());
            lines.swap(one, other);
        }
        Damage::Truncate(at) => {
            text.truncate(at % text.len());
            return text;
        }
        Damage::InsertBytes(at, bytes) => {
            let at = at % text.len();
            text.splice(at..at, bytes.iter().copied());
            return text;
        }
        Damage::ReplaceWord(at, word) => {
            let starts: Vec<usize> =
                (1..text.len()).filter(|at| is_word(text[*at]) && !is_word(text[at - 1])).collect();
            if starts.is_empty() {
                return text;
            }
            let start = starts[at % starts.len()];
            let end = (start..text.len()).find(|at| !is_word(text[*at])).unwrap_or(text.len());
            text.splice(start..end, word.bytes());
            return text;
        }
        Damage::RemoveCharacter(at) => {
            let at = at % text.len();
            text.remove(at);
            return text;
        }
    }
    lines.join(&b'\n')
}

/// What everybody does with the result: print it, render it, edit it.
fn use_it(text: &[u8]) {
    match compiled_bytes(text) {
        Ok(compiled) => {
            let _ = compiled.warnings.plain("case.yaml");
            let again = edited(&compiled.plan, &[], &FewKinds);
            assert_eq!(
                again.map(|plan| plan.digest).ok(),
                Some(compiled.plan.digest),
                "a plan's document compiles"
            );
            let written = to_yaml(&compiled.plan.document);
            let read = compiled_bytes(written.as_bytes()).map(|read| read.plan.digest);
            assert_eq!(
                read.ok(),
                Some(compiled.plan.digest),
                "and what is written of it reads back:\n{written}"
            );
            let _ = materialized(compiled.plan, Seed(1), &FewKinds).map_err(|error| error.to_string());
        }
        Err(error) => {
            assert!(error.diagnostics().has_errors());
            let _ = (error.to_string(), error.render(true), error.render(false));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn damaged_scenarios_never_panic(whole in prop::sample::select(vec![CASCADE, CONFIGS, LARGE, SWEEPS]), damages in prop::collection::vec(damage(), 1..4)) {
        let mut text = whole.as_bytes().to_vec();
        for one in &damages {
            text = damaged(text, one);
        }
        use_it(&text);
    }

    #[test]
    fn random_text_never_panics(text in "(version|name|run|services|load|slo|[a-z: \\-{}\\[\\],&*!|>'\"#%0-9\n]){0,60}") {
        use_it(text.as_bytes());
    }

    #[test]
    fn random_edits_never_panic(path in "(services|load|network|timeline|slo|checkout|buyers|calls|links|0|db|retry|->|[.]| |[a-z]){1,12}", value in "[a-z0-9{}\\[\\]:, ~%]{1,12}") {
        let plan = super::plan(LARGE);
        if let Ok(setting) = parse_setting(&format!("{path}={value}")) {
            let _ = edited(&plan, &[Edit::Set(setting)], &FewKinds).map_err(|error| error.to_string());
        }
        let _ = edited(&plan, &[Edit::Without(path)], &FewKinds).map_err(|error| error.render(false));
    }
}

#[test]
fn every_scalar_of_a_scenario_may_be_anything() {
    // A swarm is compiled several times over.
    for (text, step) in [(CASCADE, 5), (LARGE, 5), (SWEEPS, 11)] {
        let words = (0..text.len())
            .filter(|at| is_word(text.as_bytes()[*at]) && (*at == 0 || !is_word(text.as_bytes()[at - 1])));
        for (number, _) in words.enumerate().step_by(step) {
            let word = WORDS[number % WORDS.len()];
            use_it(&damaged(text.as_bytes().to_vec(), &Damage::ReplaceWord(number, word)));
        }
    }
}
