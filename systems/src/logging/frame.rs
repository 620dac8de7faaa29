//! A record as bytes on a disk: `length u32 | CRC-32 u32 | body`. Never believes a body before its checksum.

use super::record::Record;

/// Length and checksum.
const HEADER_BYTES: usize = 8;

/// What stands in a frame.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Content {
    /// The first frame of a segment.
    Segment {
        /// Counts up with every segment: its identity, whatever its file is called.
        generation: u64,
        /// The last line that was durable when it was begun: what older segments hold beyond that is not to be believed.
        trusted: u64,
    },
    /// A line.
    Line(Record),
}

/// Appends a frame.
pub(super) fn encode(content: &Content, to: &mut Vec<u8>) {
    let start = to.len();
    to.extend_from_slice(&[0; HEADER_BYTES]);
    let body = postcard::to_allocvec(content).expect("plain data always encodes");
    to.extend_from_slice(&body);
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    to[start..start + 4].copy_from_slice(&length.to_le_bytes());
    to[start + 4..start + HEADER_BYTES].copy_from_slice(&crc32fast::hash(&body).to_le_bytes());
}

/// The frame at the front, and how many bytes it takes; `None` if there is no whole, undamaged one.
pub(super) fn decode(bytes: &[u8]) -> Option<(Content, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let (body, _) = rest.split_at_checked(length)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return None;
    }
    Some((postcard::from_bytes(body).ok()?, HEADER_BYTES + length))
}

/// Whether a whole frame begins anywhere in these bytes: then what stands before it is damage, not a torn end.
pub(super) fn any_frame_in(bytes: &[u8]) -> bool {
    // An empty body has a checksum of zero, so zeros would look like one; no content is empty.
    (0..bytes.len()).any(|at| decode(&bytes[at..]).is_some())
}
