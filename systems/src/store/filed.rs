//! Rows whose values are in a file: in memory are the keys, each with the place of its value. Appends nothing by itself.

use super::CommitNumber;
use super::batch::{HEADER_BYTES, decode_write, encode_write};
use super::table::{Key, Table};
use std::num::NonZeroUsize;
use std::ops::Range;

/// A commit's number.
pub(super) const VERSION_BYTES: usize = 8;

/// What stands before the key of a row in a snapshot.
const ROW_HEADER_BYTES: usize = VERSION_BYTES + HEADER_BYTES;

/// Where a value is in the file. Zero is no place, so that a row without one costs nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    at: NonZeroUsize,
    bytes: u32,
}

impl Place {
    pub(super) fn new(at: usize, bytes: usize) -> Place {
        let at = NonZeroUsize::new(at).expect("a frame begins with a header");
        Place { at, bytes: bytes as u32 }
    }

    pub(super) fn read(self, file: &[u8]) -> &[u8] {
        file.get(self.at.get()..self.end()).unwrap_or_default()
    }

    const fn end(self) -> usize {
        self.at.get().saturating_add(self.bytes as usize)
    }

    /// The whole row, if it is of a snapshot.
    const fn row(self, key: &Key) -> Range<usize> {
        self.at.get().saturating_sub(ROW_HEADER_BYTES + key.len())..self.end()
    }
}

/// Takes in the writes of a commit, which stand at this place of the file.
pub(super) fn apply(table: &mut Table<Place>, number: CommitNumber, mut writes: &[u8], mut at: usize) {
    while let Some((key, value)) = decode_write(&mut writes) {
        at += HEADER_BYTES + key.len();
        table.write(number, key, value.map(|value| Place::new(at, value.len())));
        at += value.map_or(0, <[u8]>::len);
    }
    table.last = number;
}

/// Appends all rows as they stand in a snapshot. Of `file`, where their values are, so many bytes are of a snapshot: what
/// has not been written since is copied as it is, and many together.
pub(super) fn append_rows(table: &Table<Place>, file: &[u8], snapshot_bytes: usize, frame: &mut Vec<u8>) {
    let mut same = 0..0;
    let copy = |same: Range<usize>, frame: &mut Vec<u8>| {
        frame.extend_from_slice(file.get(same).unwrap_or_default());
    };
    for (key, version, place) in table.rows() {
        if place.end() <= snapshot_bytes {
            let row = place.row(key);
            if row.start != same.end {
                copy(std::mem::replace(&mut same, row.start..row.start), frame);
            }
            same.end = row.end;
        } else {
            copy(std::mem::take(&mut same), frame);
            frame.extend_from_slice(&version.0.to_le_bytes());
            key.read(|key| encode_write(key, Some(place.read(file)), frame));
        }
    }
    copy(same, frame);
}

/// The rows are in a new file now, one behind the other from this place on, as they were appended.
pub(super) fn moved(table: &mut Table<Place>, mut at: usize) {
    for (key, place) in table.places_mut() {
        at += ROW_HEADER_BYTES + key.len();
        *place = Place::new(at, place.bytes as usize);
        at = place.end();
    }
}
