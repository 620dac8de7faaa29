//! What came of comparing something a scenario says now (its report or its answer to `why`) with what is blessed: as
//! data, then as lines for people or as JSON. Runs nothing and writes nothing.

use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::scenario::is_coloured;
use crate::report::diff::{Difference, differences, to_words};
use crate::report::{Role, Style};

/// One scenario, compared.
pub(super) struct Compared {
    /// The scenario, as the project calls it.
    pub(super) scenario: String,
    /// How it stands.
    pub(super) standing: Standing,
    /// That in words.
    pub(super) summary: String,
    /// How it differs from what is blessed.
    pub(super) change: Change,
    /// The command that shows it again; `None` if it cannot be run.
    pub(super) reproduce: Option<String>,
}

/// How a scenario stands.
pub(super) enum Standing {
    /// As its author expects, and to the byte as blessed.
    Same,
    /// As expected, and nothing is blessed: this command does it.
    New {
        /// What to type.
        bless: String,
    },
    /// As expected, and not what is blessed.
    Differs,
    /// Not what its author expects, whatever is blessed.
    Unexpected,
    /// It cannot be run.
    Failed(Failure),
}

/// How what is said now differs from what is blessed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Not by a byte.
    None,
    /// Nothing is blessed.
    New,
    /// By these values.
    Values(Vec<Difference>),
    /// The values are the same, the bytes are not.
    BytesOnly,
}

/// Changed values that are named for each section of a report.
const MOST_OF_SECTION: usize = 8;

impl Change {
    /// From what is blessed, if anything is, to what is said now.
    pub(super) fn between(blessed: Option<&str>, now: &str) -> Change {
        let Some(golden) = blessed else { return Change::New };
        if golden == now {
            return Change::None;
        }
        // What is not JSON differs in everything.
        let before: Value = serde_json::from_str(golden).unwrap_or(Value::Null);
        let after: Value = serde_json::from_str(now).unwrap_or(Value::Null);
        let found = differences(&before, &after);
        if found.is_empty() { Change::BytesOnly } else { Change::Values(found) }
    }

    /// Whether nothing has to be written.
    pub(super) fn is_none(&self) -> bool {
        *self == Change::None
    }

    /// For people, a line for each change; empty if there is none to tell.
    pub(super) fn words(&self) -> String {
        match self {
            Change::None | Change::New => String::new(),
            Change::Values(found) => to_words(found, MOST_OF_SECTION),
            Change::BytesOnly => {
                "the values are the same, the bytes are not: the blessed report was edited by hand\n"
                    .to_string()
            }
        }
    }

    /// For programs: every value that differs.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Change::None | Change::New | Change::BytesOnly => json!([]),
            Change::Values(found) => found.iter().map(Difference::to_json).collect(),
        }
    }
}

impl Compared {
    /// One that cannot be run.
    pub(super) fn failed(scenario: &str, summary: &str, failure: Failure) -> Compared {
        Compared {
            scenario: scenario.to_string(),
            standing: Standing::Failed(failure),
            summary: summary.to_string(),
            change: Change::None,
            reproduce: None,
        }
    }

    /// How one stands that ran: `bless` is what blesses it.
    pub(super) fn standing(is_expected: bool, change: &Change, bless: String) -> Standing {
        match (is_expected, change) {
            (false, _) => Standing::Unexpected,
            (true, Change::None) => Standing::Same,
            (true, Change::New) => Standing::New { bless },
            (true, Change::Values(_) | Change::BytesOnly) => Standing::Differs,
        }
    }

    /// The exit code of this scenario alone.
    pub(super) fn exit(&self) -> Exit {
        match &self.standing {
            Standing::Same => Exit::AsExpected,
            Standing::New { .. } | Standing::Differs | Standing::Unexpected => Exit::Differs,
            Standing::Failed(failure) => failure.exit(),
        }
    }

    /// `ok`, or what is the matter.
    fn word(&self) -> &'static str {
        match &self.standing {
            Standing::Same => "ok",
            Standing::New { .. } => "new",
            Standing::Differs => "diff",
            Standing::Unexpected => "wrong",
            Standing::Failed(_) => "error",
        }
    }

    /// The lines about it, the names of scenarios padded to `width`.
    pub(super) fn to_text(&self, width: usize, style: Style) -> String {
        let (role, details) = match &self.standing {
            Standing::Same => (Role::Good, String::new()),
            Standing::New { bless } => (Role::Bad, format!("{bless}\n")),
            Standing::Differs | Standing::Unexpected => (Role::Bad, self.change.words()),
            Standing::Failed(failure) => (Role::Bad, failure.render(is_coloured(style))),
        };
        let word = self.word();
        let mut text = format!(
            "{}{:pad$}  {:width$}  {}\n",
            style.paint(role, word),
            "",
            self.scenario,
            self.summary,
            pad = LONGEST_WORD - word.len()
        );
        text.push_str(&indented(&details));
        if let (Some(reproduce), false) = (&self.reproduce, matches!(self.standing, Standing::Same)) {
            text.push_str(&indented(&format!("reproduce: {reproduce}")));
        }
        text
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let mut value = json!({
            "scenario": self.scenario,
            "is": self.word(),
            "summary": self.summary,
            "changes": self.change.to_json(),
            "reproduce": self.reproduce,
        });
        if let Standing::Failed(failure) = &self.standing {
            value["error"] = failure.to_json();
        }
        value
    }
}

/// The length of `wrong` and `error`.
const LONGEST_WORD: usize = 5;

/// Details below the line they belong to.
pub(super) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("       {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_from_none_from_nothing_blessed_and_from_other_bytes() {
        let report = "{\"seed\": 1}";
        let values = |change: &Change| change.to_json().as_array().map_or(0, Vec::len);
        let cases = [
            (Some(report), Change::None, 0),
            (None, Change::New, 0),
            (Some("{\"seed\":1}"), Change::BytesOnly, 0),
        ];
        for (blessed, expected, count) in cases {
            let change = Change::between(blessed, report);
            assert_eq!((values(&change), change), (count, expected));
        }
        for blessed in ["", "no JSON", "[]", "{\"seed\": 2}"] {
            let change = Change::between(Some(blessed), report);
            assert_eq!(values(&change), 1, "{blessed}: {change:?}");
            assert!(change.words().starts_with("seed "), "{blessed}: {}", change.words());
        }
    }
}
