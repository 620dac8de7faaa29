//! What is written at once, and the conditions under which it is. Plain data.

use super::CommitNumber;

/// What has to be under a key for a batch to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Absent,
    /// What that commit wrote.
    Version(CommitNumber),
}

/// Writes that happen together or not at all. Of several writes to one key the last counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub(super) conditions: Vec<(Vec<u8>, Expected)>,
    pub(super) writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Bytes that stand for "removed" where the length of a value would stand.
const REMOVED: u32 = u32::MAX;

impl Batch {
    /// Nothing to be written yet.
    pub const fn new() -> Batch {
        Batch { conditions: Vec::new(), writes: Vec::new() }
    }

    /// Only if this is under the key before the batch.
    pub fn expect(&mut self, key: impl Into<Vec<u8>>, expected: Expected) -> &mut Batch {
        self.conditions.push((key.into(), expected));
        self
    }

    /// Writes a value.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> &mut Batch {
        self.writes.push((key.into(), Some(value.into())));
        self
    }

    /// Takes a key away; it need not be there.
    pub fn remove(&mut self, key: impl Into<Vec<u8>>) -> &mut Batch {
        self.writes.push((key.into(), None));
        self
    }

    /// The last write to a key in this batch: `Some(None)` if it removes it, `None` if it does not touch it.
    pub fn pending(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let write = self.writes.iter().rev().find(|(written, _)| written == key);
        write.map(|(_, value)| value.as_deref())
    }

    /// The keys it writes or removes, in the order of writing.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.writes.iter().map(|(key, _)| key.as_slice())
    }

    /// The same batch without what it does to one key.
    #[must_use]
    pub fn without(&self, key: &[u8]) -> Batch {
        let writes = self.writes.iter().filter(|(written, _)| written != key).cloned().collect();
        Batch { conditions: self.conditions.clone(), writes }
    }

    /// Whether there is nothing to write.
    pub const fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

/// Appends a key and its value, or that it is gone, each preceded by its length.
pub(super) fn encode_write(key: &[u8], value: Option<&[u8]>, into: &mut Vec<u8>) {
    into.extend_from_slice(&(key.len() as u32).to_le_bytes());
    into.extend_from_slice(&value.map_or(REMOVED, |value| value.len() as u32).to_le_bytes());
    into.extend_from_slice(key);
    into.extend_from_slice(value.unwrap_or_default());
}

/// Takes a key and its value from the front of `bytes`; `None` if they do not hold a whole one.
pub(super) fn decode_write<'a>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let key_len = take_u32(bytes)?;
    let value_len = take_u32(bytes)?;
    let key = take(bytes, key_len as usize)?;
    let value = if value_len == REMOVED { None } else { Some(take(bytes, value_len as usize)?) };
    Some((key, value))
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (word, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*word))
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}
