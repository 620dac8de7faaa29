//! A piece of a sweep in a file: what it is a piece of, how far it came, and everything seen so far. Written and
//! read as canonical JSON with a checksum; says why a file is not the piece that is looked for. Opens no file.

use serde::{Deserialize, Serialize};

use super::aggregate::Aggregate;
use super::piece::{NotASlice, Piece, consistent, fit_together, sealed, unsealed};
use super::seeds::{Partition, Seeds};

/// Names this format and its version.
pub const SLICE_SCHEMA: &str = "foreshock.sweep-slice/1";

/// What all slices of one sweep have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The scenario's name.
    pub scenario: String,
    /// Hash of the whole scenario with its edits: what ran, what is looked for and what is expected.
    pub scenario_digest: String,
    /// Hash of the program that ran it.
    pub program_digest: String,
    /// The first seed of the sweep.
    pub seeds_from: u64,
    /// The seed after the last one.
    pub seeds_to: u64,
    /// The command that runs one seed again, up to the seed.
    pub command: String,
    /// `pass` or `fail`: what the author expects.
    pub expected: String,
    /// The objectives in the scenario's order.
    pub objectives: Vec<ObjectiveHeader>,
    /// The marks in the scenario's order: id, and what hits it.
    pub marks: Vec<(String, String)>,
}

/// What an objective is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveHeader {
    /// Its id.
    pub id: String,
    /// `latency p99`.
    pub metric: String,
    /// `buyers`.
    pub of: String,
    /// `< 500ms`.
    pub bound: String,
    /// `30s..5m`.
    pub window: String,
    /// `us`, `ppm`, `milli`, `milli_per_s`.
    pub unit: String,
    /// Whether a smaller value is a better one.
    pub less_is_better: bool,
}

impl Header {
    /// All seeds of the sweep.
    pub fn seeds(&self) -> Seeds {
        Seeds { from: self.seeds_from, to: self.seeds_to }
    }

    /// In what this is of something else than `other`; `None` if it is of the same, for whatever seeds.
    pub fn foreign_to(&self, other: &Header) -> Option<&'static str> {
        if self.scenario != other.scenario || self.scenario_digest != other.scenario_digest {
            return Some("another scenario, or other edits of it");
        }
        if self.program_digest != other.program_digest {
            return Some("another build of the program");
        }
        (self.command != other.command).then_some("the same scenario at another path")
    }
}

/// Why a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Every seed ran.
    Complete,
    /// So many seeds failed that nobody wanted more.
    FailFast,
    /// Somebody stopped it.
    Interrupted,
}

/// A piece of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// What it is a piece of.
    #[serde(flatten)]
    pub header: Header,
    /// Which piece, from 1.
    pub slice: u64,
    /// Of how many.
    pub slices: u64,
    /// The seed after the last one that ran; all before it, from the first of the slice, did.
    pub done_to: u64,
    /// Why it ended.
    pub ended: Ended,
    /// What was seen.
    pub seen: Aggregate,
}

impl Slice {
    /// Nothing of the slice ran yet.
    pub fn begun(header: Header, part: Partition, none: Aggregate) -> Slice {
        let seeds = header.seeds().slice(part);
        // With more slices than seeds some have nothing to do.
        let ended = if seeds.count() == 0 { Ended::Complete } else { Ended::Interrupted };
        Slice { header, slice: part.index, slices: part.of, done_to: seeds.from, ended, seen: none }
    }
}

impl Piece for Slice {
    fn from_json(text: &[u8]) -> Result<Slice, NotASlice> {
        let value = unsealed(text, SLICE_SCHEMA)?;
        let damaged = |why: String| NotASlice::Damaged(why);
        let slice: Slice = serde_json::from_value(value).map_err(|error| damaged(error.to_string()))?;
        consistent(&slice, slice.seen.seeds).map_err(|why| damaged(why.to_string()))?;
        if slice.seen.failing > slice.seen.seeds || (slice.ended == Ended::Complete) != slice.is_complete() {
            return Err(damaged("its counts contradict each other".to_string()));
        }
        Ok(slice)
    }

    fn to_json(&self) -> String {
        let value = serde_json::to_value(self).expect("a slice has string keys and plain values only");
        sealed(value, SLICE_SCHEMA)
    }

    fn part(&self) -> Partition {
        Partition { index: self.slice, of: self.slices }
    }

    fn all_seeds(&self) -> Seeds {
        self.header.seeds()
    }

    fn done_to(&self) -> u64 {
        self.done_to
    }

    fn foreign_to(&self, other: &Slice) -> Option<&'static str> {
        self.header.foreign_to(&other.header)
    }
}

/// Joins the slices of a sweep, given with the names of their files.
///
/// # Errors
/// What is wrong with which file, one sentence for each.
pub fn join(mut slices: Vec<(String, Slice)>) -> Result<Slice, Vec<String>> {
    fit_together(&mut slices)?;
    let mut whole = Slice::begun(slices[0].1.header.clone(), Partition::WHOLE, Aggregate::default());
    slices.iter().for_each(|(_, slice)| whole.seen.merge(&slice.seen));
    (whole.done_to, whole.ended) = (whole.header.seeds_to, Ended::Complete);
    Ok(whole)
}
