//! Which commit broke it? Says what a revision of the program is worth, given what building it and running the
//! scenario came to. Starts no process and knows no version control.

use serde_json::{Value, json};

use crate::explore::predicate::Predicate;
use crate::kernel::draw::Seed;

/// What building a revision and running the scenario with it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It could not be built; why.
    NotBuilt(String),
    /// It ran and ended with this code and this on standard output.
    Ran {
        /// The exit code; `None` if a signal ended it.
        code: Option<i32>,
        /// Standard output.
        out: Vec<u8>,
    },
}

/// What a revision is worth.
#[derive(Clone, Debug, PartialEq)]
pub enum Class {
    /// It does not fail.
    Good(Value),
    /// It fails.
    Bad(Value),
    /// It cannot be judged; why.
    Skip(String),
}

impl Class {
    /// `good`, `bad` or `skip`, as version control calls it.
    pub const fn word(&self) -> &'static str {
        match self {
            Class::Good(_) => "good",
            Class::Bad(_) => "bad",
            Class::Skip(_) => "skip",
        }
    }

    /// The report, if there is one.
    pub fn report(&self) -> Option<&Value> {
        match self {
            Class::Good(report) | Class::Bad(report) => Some(report),
            Class::Skip(_) => None,
        }
    }
}

/// The exit code of a scenario that this revision does not accept.
const INVALID_SCENARIO: i32 = 3;

/// What a revision is worth by what was tried.
pub fn classify(tried: &Tried, predicate: &Predicate) -> Class {
    let (code, out) = match tried {
        Tried::NotBuilt(reason) => return Class::Skip(format!("cannot be built: {reason}")),
        Tried::Ran { code, out } => (*code, out),
    };
    match code {
        Some(0 | 1) => {}
        Some(INVALID_SCENARIO) => return Class::Skip("does not accept the scenario".to_string()),
        Some(code) => return Class::Skip(format!("ended with exit code {code}")),
        None => return Class::Skip("was ended by a signal".to_string()),
    }
    match serde_json::from_slice(out) {
        Ok(report) => classify_report(report, predicate),
        Err(_) => Class::Skip("printed no report".to_string()),
    }
}

/// What a revision is worth by its report.
pub fn classify_report(report: Value, predicate: &Predicate) -> Class {
    match predicate.fails_in(&report) {
        Ok(true) => Class::Bad(report),
        Ok(false) => Class::Good(report),
        Err(reason) => Class::Skip(reason),
    }
}

/// What a search over commits came to.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitsFound {
    /// The first bad commit; several if those between could not be judged.
    pub candidates: Vec<String>,
    /// The first line of its message, if there is one candidate.
    pub subject: Option<String>,
    /// Revisions in the order in which they were tried: commit and what it is worth.
    pub tried: Vec<(String, &'static str)>,
    /// What the reports before and after the first bad commit differ in, in words.
    pub report_difference: Option<String>,
}

impl CommitsFound {
    /// For programs.
    pub fn to_json(&self, scenario: &str, seed: Seed, predicate: &Predicate, command: &str) -> Value {
        let tried: Vec<Value> =
            self.tried.iter().map(|(commit, class)| json!({"commit": commit, "class": class})).collect();
        json!({
            "schema": super::SCHEMA,
            "axis": "commits",
            "scenario": scenario,
            "seed": seed.0,
            "fails": predicate.to_string(),
            "first_bad": self.candidates,
            "subject": self.subject,
            "tried": tried,
            "report_difference": self.report_difference.as_ref().map(|text| text.lines().collect::<Vec<_>>()),
            "reproduce": [command],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_good_bad_or_cannot_be_judged() {
        let ran = |code, out: &str| Tried::Ran { code, out: out.as_bytes().to_vec() };
        let (passed, failed) = (r#"{"verdict": {"failing": []}}"#, r#"{"verdict": {"failing": ["p99"]}}"#);
        let cases = [
            (ran(Some(0), passed), "good"),
            (ran(Some(0), failed), "bad"),
            (ran(Some(1), failed), "bad"),
            (ran(Some(1), passed), "good"),
            (ran(Some(3), ""), "skip"),
            (ran(Some(101), failed), "skip"),
            (ran(None, passed), "skip"),
            (ran(Some(0), "hello"), "skip"),
            (ran(Some(0), "{}"), "skip"),
            (Tried::NotBuilt("no compiler".to_string()), "skip"),
        ];
        for (tried, word) in cases {
            assert_eq!(classify(&tried, &Predicate::Verdict).word(), word, "{tried:?}");
        }
        let unknown = Predicate::Broken("p98".to_string());
        assert_eq!(classify(&ran(Some(0), passed), &unknown).word(), "skip");
    }
}
