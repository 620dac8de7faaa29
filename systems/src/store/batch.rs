//! What is written at once, and the conditions under which it is. Plain data, laid out as a log takes it, so that
//! writing it down is a copy.

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
    /// One behind the other, as [`encode_write`] makes them.
    bytes: Vec<u8>,
    /// Where each begins.
    starts: Vec<usize>,
}

/// A key, and what is written to it; `None` removes it.
pub(super) type Write<'a> = (&'a [u8], Option<&'a [u8]>);

/// Bytes that stand for "removed" where the length of a value would stand.
const REMOVED: u32 = u32::MAX;

/// A key's length and its value's.
pub(super) const HEADER_BYTES: usize = 8;

impl Batch {
    /// Nothing to be written yet.
    pub const fn new() -> Batch {
        Batch { conditions: Vec::new(), bytes: Vec::new(), starts: Vec::new() }
    }

    /// Only if this is under the key before the batch.
    pub fn expect(&mut self, key: impl Into<Vec<u8>>, expected: Expected) -> &mut Batch {
        self.conditions.push((key.into(), expected));
        self
    }

    /// Writes a value.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Batch {
        self.write(key.as_ref(), Some(value.as_ref()))
    }

    /// Writes what `append` appends, without a copy on the way. It must only append.
    pub fn put_with(&mut self, key: impl AsRef<[u8]>, append: impl FnOnce(Vec<u8>) -> Vec<u8>) -> &mut Batch {
        let start = self.bytes.len();
        self.write(key.as_ref(), Some(&[]));
        let value = self.bytes.len();
        self.bytes = append(std::mem::take(&mut self.bytes));
        let length = (self.bytes.len().saturating_sub(value) as u32).to_le_bytes();
        if let Some(field) = self.bytes.get_mut(start + HEADER_BYTES / 2..start + HEADER_BYTES) {
            field.copy_from_slice(&length);
        }
        self
    }

    /// Writes what two functions append as key and value, without a copy on the way; without a value the key is removed.
    /// Both must only append.
    pub(crate) fn write_with(
        &mut self,
        key: impl FnOnce(&mut Vec<u8>),
        value: Option<impl FnOnce(&mut Vec<u8>)>,
    ) -> &mut Batch {
        let start = self.bytes.len();
        self.starts.push(start);
        self.bytes.extend_from_slice(&[0; HEADER_BYTES]);
        key(&mut self.bytes);
        let key_end = self.bytes.len();
        let key_len = key_end.saturating_sub(start + HEADER_BYTES) as u32;
        let value_len = value.map_or(REMOVED, |value| {
            value(&mut self.bytes);
            self.bytes.len().saturating_sub(key_end) as u32
        });
        let header = u64::from(value_len) << 32 | u64::from(key_len);
        if let Some(place) = self.bytes.get_mut(start..start + HEADER_BYTES) {
            place.copy_from_slice(&header.to_le_bytes());
        }
        self
    }

    /// Takes a key away; it need not be there.
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> &mut Batch {
        self.write(key.as_ref(), None)
    }

    fn write(&mut self, key: &[u8], value: Option<&[u8]>) -> &mut Batch {
        self.starts.push(self.bytes.len());
        encode_write(key, value, &mut self.bytes);
        self
    }

    /// The last write to a key in this batch: `Some(None)` if it removes it, `None` if it does not touch it.
    pub fn pending(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let mut writes = self.starts.iter().rev().filter_map(|start| self.write_at(*start));
        writes.find(|(written, _)| *written == key).map(|(_, value)| value)
    }

    fn write_at(&self, start: usize) -> Option<Write<'_>> {
        decode_write(&mut self.bytes.get(start..)?)
    }

    /// The writes in their order.
    pub(super) fn writes(&self) -> impl Iterator<Item = Write<'_>> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || decode_write(&mut rest))
    }

    /// The same as a log takes it.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.bytes
    }

    /// The keys it writes or removes, in the order of writing.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.writes().map(|(key, _)| key)
    }

    /// The same batch without what it does to one key.
    #[must_use]
    pub fn without(&self, key: &[u8]) -> Batch {
        self.filtered(|(written, _)| written != key)
    }

    /// The same conditions, and those of the writes that `keeps` keeps.
    pub(super) fn filtered(&self, mut keeps: impl FnMut(Write<'_>) -> bool) -> Batch {
        let mut kept = Batch { conditions: self.conditions.clone(), ..Batch::new() };
        for (key, value) in self.writes().filter(|write| keeps(*write)) {
            kept.write(key, value);
        }
        kept
    }

    /// Nothing to be written again; the memory stays for what comes next.
    pub fn clear(&mut self) {
        self.conditions.clear();
        self.bytes.clear();
        self.starts.clear();
    }

    /// Whether there is nothing to write.
    pub const fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }
}

/// Appends a key and its value, or that it is gone, each preceded by its length.
pub(super) fn encode_write(key: &[u8], value: Option<&[u8]>, into: &mut Vec<u8>) {
    into.reserve(HEADER_BYTES + key.len() + value.map_or(0, <[u8]>::len));
    into.extend_from_slice(&(key.len() as u32).to_le_bytes());
    into.extend_from_slice(&value.map_or(REMOVED, |value| value.len() as u32).to_le_bytes());
    into.extend_from_slice(key);
    into.extend_from_slice(value.unwrap_or_default());
}

/// Takes a key and its value from the front of `bytes`; `None` if they do not hold a whole one.
pub(super) fn decode_write<'a>(bytes: &mut &'a [u8]) -> Option<Write<'a>> {
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
