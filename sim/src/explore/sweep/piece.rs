//! What the pieces of a sweep and those of a comparison have in common: a place among others, a sealed text, and what
//! has to be so before they can be joined. Opens no file and knows not what a piece holds.

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use super::seeds::{MOST_SLICES, Partition, Seeds};

/// Why a file is not the piece that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotASlice {
    /// It is something else altogether.
    SomethingElse,
    /// It was one, and something in it is not as it was written.
    Damaged(String),
}

/// A piece of something that is done seed by seed.
pub trait Piece: Sized {
    /// Reads what [`Piece::to_json`] wrote.
    ///
    /// # Errors
    /// Whether it is something else, or damaged.
    fn from_json(text: &[u8]) -> Result<Self, NotASlice>;

    /// The canonical text: sorted keys, whole numbers, a checksum over the rest.
    fn to_json(&self) -> String;

    /// Which piece it is.
    fn part(&self) -> Partition;

    /// All seeds, those of the other pieces too.
    fn all_seeds(&self) -> Seeds;

    /// The seed after the last one that ran; all before it, from the first of the piece, did.
    fn done_to(&self) -> u64;

    /// In what this is of something else than `other`; `None` if it is of the same, for whatever seeds.
    fn foreign_to(&self, other: &Self) -> Option<&'static str>;

    /// The seeds it is for.
    fn seeds(&self) -> Seeds {
        self.all_seeds().slice(self.part())
    }

    /// Those of them that did not run yet.
    fn missing(&self) -> Seeds {
        Seeds { from: self.done_to(), to: self.seeds().to }
    }

    /// Whether every seed of it ran.
    fn is_complete(&self) -> bool {
        self.missing().count() == 0
    }
}

/// The text of a piece with its schema and a checksum.
pub(super) fn sealed(mut value: Value, schema: &str) -> String {
    if let Value::Object(map) = &mut value {
        map.insert("schema".to_string(), Value::from(schema));
    }
    let checksum = checksum(&mut value);
    if let Value::Object(map) = &mut value {
        map.insert("checksum".to_string(), Value::from(checksum));
    }
    value.sort_all_objects();
    format!("{value}\n")
}

/// What was sealed, if nothing in it was changed.
///
/// # Errors
/// Whether it is something else, or damaged.
pub(super) fn unsealed(text: &[u8], schema: &str) -> Result<Value, NotASlice> {
    let named = text.windows(schema.len()).any(|part| part == schema.as_bytes());
    let unreadable = |why: String| if named { NotASlice::Damaged(why) } else { NotASlice::SomethingElse };
    let mut value: Value =
        serde_json::from_slice(text).map_err(|error| unreadable(format!("it is no JSON: {error}")))?;
    let Value::Object(map) = &mut value else { return Err(NotASlice::SomethingElse) };
    let written = map.shift_remove("checksum");
    if map.get("schema").and_then(Value::as_str) != Some(schema) {
        return Err(unreadable("its schema is not the one of a slice".to_string()));
    }
    let found = checksum(&mut value);
    if written.as_ref().and_then(Value::as_str) != Some(found.as_str()) {
        return Err(NotASlice::Damaged("its checksum is not the one of its content".to_string()));
    }
    if let Value::Object(map) = &mut value {
        map.shift_remove("schema");
    }
    Ok(value)
}

/// The checksum of a value without one.
fn checksum(value: &mut Value) -> String {
    value.sort_all_objects();
    format!("{:032x}", xxh3_128(value.to_string().as_bytes()))
}

/// Whether numbers that a checksum cannot vouch for fit together; `seen` is how many seeds the content is of.
pub(super) fn consistent(piece: &impl Piece, seen: u64) -> Result<(), &'static str> {
    let (all, part) = (piece.all_seeds(), piece.part());
    if all.from >= all.to {
        return Err("it is for no seed");
    }
    if part.index == 0 || part.index > part.of || part.of > MOST_SLICES {
        return Err("there is no such slice");
    }
    let seeds = piece.seeds();
    if piece.done_to() < seeds.from || piece.done_to() > seeds.to {
        return Err("it came further than it goes");
    }
    if seen != piece.done_to() - seeds.from {
        return Err("it did not see as many seeds as ran");
    }
    Ok(())
}

/// Sorts pieces, given with the names of their files, by their places and finds out whether they are a whole.
///
/// # Errors
/// What is wrong with which file, one sentence for each.
pub(super) fn fit_together<P: Piece>(pieces: &mut [(String, P)]) -> Result<(), Vec<String>> {
    pieces.sort_by_key(|(name, piece)| (piece.part(), name.clone()));
    let Some((first_name, first)) = pieces.first() else {
        return Err(vec!["there is no slice to merge".to_string()]);
    };
    let of = first.part().of;
    let mut problems = Vec::new();
    let mut found: Vec<Option<&str>> = vec![None; usize::try_from(of).unwrap_or(0)];
    for (name, piece) in pieces.iter() {
        let other_seeds = (piece.all_seeds() != first.all_seeds()).then_some("other seeds");
        if let Some(what) = piece.foreign_to(first).or(other_seeds) {
            problems.push(format!("`{name}` is foreign: {what} than in `{first_name}`"));
            continue;
        }
        let part = piece.part();
        let place = found.get_mut(usize::try_from(part.index - 1).unwrap_or(usize::MAX));
        match place.filter(|_| part.of == of) {
            None => problems.push(format!(
                "`{name}` is foreign: it is one of {} slices, `{first_name}` one of {of}",
                part.of
            )),
            Some(Some(other)) => {
                problems.push(format!("`{name}` is slice {part} a second time, after `{other}`"));
            }
            Some(place) => {
                *place = Some(name);
                if !piece.is_complete() {
                    let missing = piece.missing();
                    problems.push(format!("`{name}` is not complete: the seeds {missing} did not run"));
                }
            }
        }
    }
    let absent: Vec<String> = (1..)
        .zip(&found)
        .filter(|(_, found)| found.is_none())
        .map(|(index, _)| Partition { index, of }.to_string())
        .collect();
    if !absent.is_empty() {
        problems.push(format!("missing: slice {}", absent.join(", ")));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}
