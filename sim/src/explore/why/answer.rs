//! The answer, as data: schema `foreshock.why/1`. Whole numbers with the unit in the key, no path, no clock, no float;
//! the same scenario, seed and number of seeds give the same bytes everywhere.

use serde::Serialize;

use super::mechanism::Mechanism;

/// The name of the format.
pub const SCHEMA: &str = "foreshock.why/1";

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The name of the format.
    pub schema: &'static str,
    /// The scenario's name.
    pub scenario: String,
    /// The seed of the run that is explained.
    pub seed: u64,
    /// Hash of what was run, in hexadecimal.
    pub plan_digest: String,
    /// The answer in short.
    pub verdict: Verdict,
    /// The root causes.
    pub root: Vec<Root>,
    /// Smallest sets that fail.
    pub minimal: Vec<Vec<String>>,
    /// How the damage is shared among those that act together.
    pub shapley: Vec<ShapleyShare>,
    /// What becomes of the failure without each candidate alone.
    pub but_for: Vec<ButFor>,
    /// How the cause led to the failure.
    pub mechanism: Option<Mechanism>,
    /// What would have held every objective.
    pub remedies: Vec<Remedy>,
    /// How sure this is.
    pub confidence: Confidence,
    /// Simulated runs that were made for it.
    pub runs: u64,
    /// Of these, those that were stopped as soon as it was certain that they fail.
    pub runs_stopped_early: u64,
}

/// The answer in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Of what kind.
    pub kind: VerdictKind,
    /// What failed.
    pub failing: Vec<String>,
    /// Of this, what fails on a quiet day as well.
    pub failing_on_a_quiet_day: Vec<String>,
    /// One sentence.
    pub sentence: String,
    /// Whether that is what the author of the scenario expects.
    pub as_expected: bool,
    /// Where it is not.
    pub surprises: Vec<String>,
}

/// What kind of answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// Nothing failed.
    Held,
    /// Faults or changes did it.
    Cause,
    /// A load grew beyond what the system can do.
    LoadGrowth,
    /// The design fails on a quiet day, and some of its policies are why.
    Design,
    /// The design fails on a quiet day, and nothing on the list matters.
    NothingMatters,
    /// Seeds disagree: the system is near a tipping point.
    NotIdentifiable,
}

/// A root cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Root {
    /// Its id.
    pub id: String,
    /// What kind of thing.
    pub kind: &'static str,
    /// When it began.
    pub started_us: Option<u64>,
    /// When its effect was gone.
    pub ended_us: Option<u64>,
    /// Of a change of several settings, those that matter.
    pub settings: Vec<String>,
    /// The options that show it.
    pub options: Vec<String>,
}

/// A share of the damage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShapleyShare {
    /// Whose.
    pub id: String,
    /// The share.
    pub share_ppm: i64,
    /// Its standard error; zero if it is exact.
    pub error_ppm: u64,
}

/// What becomes of the failure without one candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ButFor {
    /// Which candidate.
    pub id: String,
    /// What kind of thing.
    pub kind: &'static str,
    /// What it turned out to be.
    pub role: Role,
    /// Whether everything that failed holds without it.
    pub prevents: bool,
    /// How much of the damage is left without it; `None` if it could not be tried.
    pub damage_left_ppm: Option<u64>,
    /// Good requests more than in the run that is explained.
    pub good_more: Option<i64>,
    /// The options that show it.
    pub options: Vec<String>,
    /// Why it was not tried.
    pub not_tried: Option<String>,
}

/// What a candidate turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A root cause.
    Root,
    /// Makes a small failure a large one.
    Amplifier,
    /// Has to be so for the failure to happen: a load, a capacity.
    Condition,
    /// Without it, it is worse.
    Protects,
    /// Makes no difference.
    Innocent,
    /// Did nothing at all in the run.
    Idle,
    /// Could not be tried.
    Unknown,
}

/// Something that would have held every objective.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// In words.
    pub name: String,
    /// The smallest value that suffices, where there is one.
    pub value: Option<String>,
    /// Seeds under which it was tried and held.
    pub seeds: u64,
    /// Good requests less than on a day without the cause, in parts per million.
    pub good_less_ppm: i64,
    /// 99th percentile of the latency with it.
    pub latency_p99_us: u64,
    /// Requests refused with it.
    pub refused: u64,
    /// The options that show it.
    pub options: Vec<String>,
}

/// How sure the answer is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Confidence {
    /// Seeds that were run.
    pub seeds: u64,
    /// Of these, those that failed.
    pub failed: u64,
    /// Of those, the ones that name the same root.
    pub agreeing: u64,
    /// Bounds of the share that agrees, with 95 % confidence.
    pub agreement_low_ppm: u64,
    /// The upper one.
    pub agreement_high_ppm: u64,
    /// Whether that is enough to name a cause.
    pub identifiable: bool,
}

/// The canonical text of an answer, ending with a line feed.
pub fn to_json(answer: &Answer) -> String {
    let mut value = serde_json::to_value(answer).expect("an answer has string keys and plain values only");
    value.sort_all_objects();
    let mut text = serde_json::to_string_pretty(&value).expect("a JSON value can always be written");
    text.push('\n');
    text
}
