//! A piece of a paired comparison in a file: of which two scenarios, how far it came, and what was seen. Opens no file.

use serde::{Deserialize, Serialize};

use super::paired::Paired;
use super::piece::{NotASlice, Piece, consistent, fit_together, sealed, unsealed};
use super::seeds::{Partition, Seeds};
use super::slice::Header;

/// Names this format and its version.
pub const PAIRED_SLICE_SCHEMA: &str = "foreshock.paired-slice/1";

/// A piece of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairedSlice {
    /// What the first runs of each pair are of, and all seeds.
    pub first: Header,
    /// What the second ones are of.
    pub second: Header,
    /// Which piece, from 1.
    pub slice: u64,
    /// Of how many.
    pub slices: u64,
    /// The seed after the last one that ran; all before it, from the first of the slice, did.
    pub done_to: u64,
    /// What was seen.
    pub seen: Paired,
}

impl PairedSlice {
    /// Nothing of the slice ran yet.
    pub fn begun([first, second]: [Header; 2], part: Partition) -> PairedSlice {
        let seen = Paired::of_none([&first, &second]);
        let done_to = first.seeds().slice(part).from;
        PairedSlice { first, second, slice: part.index, slices: part.of, done_to, seen }
    }

    /// What both sides are of.
    pub fn headers(&self) -> [&Header; 2] {
        [&self.first, &self.second]
    }
}

impl Piece for PairedSlice {
    fn from_json(text: &[u8]) -> Result<PairedSlice, NotASlice> {
        let value = unsealed(text, PAIRED_SLICE_SCHEMA)?;
        let damaged = |why: String| NotASlice::Damaged(why);
        let mut slice: PairedSlice =
            serde_json::from_value(value).map_err(|error| damaged(error.to_string()))?;
        consistent(&slice, slice.seen.seeds).map_err(|why| damaged(why.to_string()))?;
        // A canonical text has lost the order of the objectives.
        let mut seen = Paired::of_none(slice.headers());
        if !seen.objectives.keys().all(|id| slice.seen.objectives.contains_key(id)) {
            return Err(damaged("an objective is not there".to_string()));
        }
        seen.merge(&slice.seen);
        slice.seen = seen;
        Ok(slice)
    }

    fn to_json(&self) -> String {
        let value = serde_json::to_value(self).expect("a slice has string keys and plain values only");
        sealed(value, PAIRED_SLICE_SCHEMA)
    }

    fn part(&self) -> Partition {
        Partition { index: self.slice, of: self.slices }
    }

    fn all_seeds(&self) -> Seeds {
        self.first.seeds()
    }

    fn done_to(&self) -> u64 {
        self.done_to
    }

    fn foreign_to(&self, other: &PairedSlice) -> Option<&'static str> {
        self.first.foreign_to(&other.first).or_else(|| self.second.foreign_to(&other.second))
    }
}

/// Joins the slices of a comparison, given with the names of their files.
///
/// # Errors
/// What is wrong with which file, one sentence for each.
pub fn join_paired(mut slices: Vec<(String, PairedSlice)>) -> Result<PairedSlice, Vec<String>> {
    fit_together(&mut slices)?;
    let (_, first) = &slices[0];
    let mut whole = PairedSlice::begun([first.first.clone(), first.second.clone()], Partition::WHOLE);
    slices.iter().for_each(|(_, slice)| whole.seen.merge(&slice.seen));
    whole.done_to = whole.all_seeds().to;
    Ok(whole)
}
