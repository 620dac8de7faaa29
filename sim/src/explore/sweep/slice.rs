//! A piece of a sweep in a file: what it is a piece of, how far it came, and everything seen so far. Written and
//! read as canonical JSON with a checksum; says why a file is not the piece that is looked for. Opens no file.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use super::aggregate::Aggregate;
use super::seeds::{MOST_SLICES, Partition, Seeds};

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

/// Why a file is not the slice that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotASlice {
    /// It is something else altogether.
    SomethingElse,
    /// It was one, and something in it is not as it was written.
    Damaged(String),
}

impl Slice {
    /// Nothing of the slice ran yet.
    pub fn begun(header: Header, part: Partition, none: Aggregate) -> Slice {
        let seeds = header.seeds().slice(part);
        // With more slices than seeds some have nothing to do.
        let ended = if seeds.count() == 0 { Ended::Complete } else { Ended::Interrupted };
        Slice { header, slice: part.index, slices: part.of, done_to: seeds.from, ended, seen: none }
    }

    /// Which piece it is.
    pub fn part(&self) -> Partition {
        Partition { index: self.slice, of: self.slices }
    }

    /// The seeds it is for.
    pub fn seeds(&self) -> Seeds {
        self.header.seeds().slice(self.part())
    }

    /// Those of them that did not run yet.
    pub fn missing(&self) -> Seeds {
        Seeds { from: self.done_to, to: self.seeds().to }
    }

    /// Whether every seed of it ran.
    pub fn is_complete(&self) -> bool {
        self.missing().count() == 0
    }

    /// The canonical text: sorted keys, whole numbers, a checksum over the rest.
    pub fn to_json(&self) -> String {
        let mut value = serde_json::to_value(self).expect("a slice has string keys and plain values only");
        if let Value::Object(map) = &mut value {
            map.insert("schema".to_string(), Value::from(SLICE_SCHEMA));
        }
        let checksum = checksum(&mut value);
        if let Value::Object(map) = &mut value {
            map.insert("checksum".to_string(), Value::from(checksum));
        }
        value.sort_all_objects();
        format!("{value}\n")
    }

    /// Reads what [`Slice::to_json`] wrote.
    ///
    /// # Errors
    /// Whether it is something else, or damaged.
    pub fn from_json(text: &[u8]) -> Result<Slice, NotASlice> {
        let named = text.windows(SLICE_SCHEMA.len()).any(|part| part == SLICE_SCHEMA.as_bytes());
        let unreadable = |why: String| if named { NotASlice::Damaged(why) } else { NotASlice::SomethingElse };
        let mut value: Value =
            serde_json::from_slice(text).map_err(|error| unreadable(format!("it is no JSON: {error}")))?;
        let Value::Object(map) = &mut value else { return Err(NotASlice::SomethingElse) };
        let written = map.shift_remove("checksum");
        if map.get("schema").and_then(Value::as_str) != Some(SLICE_SCHEMA) {
            return Err(unreadable("its schema is not the one of a slice".to_string()));
        }
        let found = checksum(&mut value);
        if written.as_ref().and_then(Value::as_str) != Some(found.as_str()) {
            return Err(NotASlice::Damaged("its checksum is not the one of its content".to_string()));
        }
        if let Value::Object(map) = &mut value {
            map.shift_remove("schema");
        }
        let slice: Slice =
            serde_json::from_value(value).map_err(|error| NotASlice::Damaged(error.to_string()))?;
        slice.consistent().map_err(|why| NotASlice::Damaged(why.to_string()))?;
        Ok(slice)
    }

    /// Whether numbers that a checksum cannot vouch for fit together.
    fn consistent(&self) -> Result<(), &'static str> {
        if self.header.seeds_from >= self.header.seeds_to {
            return Err("it is for no seed");
        }
        if self.slice == 0 || self.slice > self.slices || self.slices > MOST_SLICES {
            return Err("there is no such slice");
        }
        let seeds = self.seeds();
        if self.done_to < seeds.from || self.done_to > seeds.to {
            return Err("it came further than it goes");
        }
        if self.seen.seeds != self.done_to - seeds.from {
            return Err("it did not see as many seeds as ran");
        }
        if self.seen.failing > self.seen.seeds || (self.ended == Ended::Complete) != self.is_complete() {
            return Err("its counts contradict each other");
        }
        Ok(())
    }

    /// In what this is of something else than `header`; `None` if it is of the same, for whatever seeds.
    pub fn foreign_to(&self, header: &Header) -> Option<&'static str> {
        let mine = &self.header;
        if mine.scenario != header.scenario || mine.scenario_digest != header.scenario_digest {
            return Some("another scenario, or other edits of it");
        }
        if mine.program_digest != header.program_digest {
            return Some("another build of the program");
        }
        let at_other_path = mine.command != header.command;
        at_other_path.then_some("the same scenario at another path")
    }
}

/// The checksum of a value without one.
fn checksum(value: &mut Value) -> String {
    value.sort_all_objects();
    format!("{:032x}", xxh3_128(value.to_string().as_bytes()))
}

/// Joins the slices of a sweep, given with the names of their files.
///
/// # Errors
/// What is wrong with which file, one sentence for each.
pub fn join(mut slices: Vec<(String, Slice)>) -> Result<Slice, Vec<String>> {
    slices.sort_by_key(|(name, slice)| (slice.part(), name.clone()));
    let Some((first_name, first)) = slices.first().cloned() else {
        return Err(vec!["there is no slice to merge".to_string()]);
    };
    let mut problems = Vec::new();
    let mut found: Vec<Option<&str>> = vec![None; usize::try_from(first.slices).unwrap_or(0)];
    let mut whole = Slice::begun(first.header.clone(), Partition::WHOLE, Aggregate::default());
    for (name, slice) in &slices {
        let other_seeds = (slice.header.seeds() != first.header.seeds()).then_some("other seeds");
        if let Some(what) = slice.foreign_to(&first.header).or(other_seeds) {
            problems.push(format!("`{name}` is foreign: {what} than in `{first_name}`"));
            continue;
        }
        let place = found.get_mut(usize::try_from(slice.slice - 1).unwrap_or(usize::MAX));
        match place.filter(|_| slice.slices == first.slices) {
            None => problems.push(format!(
                "`{name}` is foreign: it is one of {} slices, `{first_name}` one of {}",
                slice.slices, first.slices
            )),
            Some(Some(other)) => {
                problems.push(format!("`{name}` is slice {} a second time, after `{other}`", slice.part()));
            }
            Some(place) => {
                *place = Some(name);
                if !slice.is_complete() {
                    let missing = slice.missing();
                    problems.push(format!("`{name}` is not complete: the seeds {missing} did not run"));
                }
                whole.seen.merge(&slice.seen);
            }
        }
    }
    let absent: Vec<String> = (1..)
        .zip(&found)
        .filter(|(_, found)| found.is_none())
        .map(|(index, _)| Partition { index, of: first.slices }.to_string())
        .collect();
    if !absent.is_empty() {
        problems.push(format!("missing: slice {}", absent.join(", ")));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    (whole.done_to, whole.ended) = (whole.header.seeds_to, Ended::Complete);
    Ok(whole)
}
