//! How a message lies in a store: under its number, with everything but its place in the indexes.

use super::state::{Message, Place};
use crate::time::Time;

/// Body, group, deduplication id, when it was sent, how often received, place and its instant.
type Row = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>, u64, u32, u8, u64);

const ROWS: u8 = b'm';

/// The beginning of the keys of messages.
pub(super) const fn rows() -> [u8; 1] {
    [ROWS]
}

pub(super) fn key(id: u64) -> Vec<u8> {
    let mut key = vec![ROWS];
    key.extend_from_slice(&id.to_be_bytes());
    key
}

pub(super) fn number(key: &[u8]) -> Option<u64> {
    key.strip_prefix(&[ROWS])?.split_first_chunk().map(|(id, _)| u64::from_be_bytes(*id))
}

pub(super) fn bytes(message: &Message) -> Vec<u8> {
    let (place, at) = match message.place {
        Place::Delayed(until) => (0, until.as_nanos()),
        Place::Available => (1, 0),
        Place::InFlight(until) => (2, until.as_nanos()),
        Place::Dead(since) => (3, since.as_nanos()),
    };
    let part = |part: &Option<std::sync::Arc<[u8]>>| part.as_deref().map(<[u8]>::to_vec);
    let (group, dedup) = (part(&message.group), part(&message.dedup));
    let row: Row =
        (message.body.to_vec(), group, dedup, message.sent_at.as_nanos(), message.receives, place, at);
    // A tuple of numbers and bytes always has a form.
    postcard::to_allocvec(&row).expect("plain bytes can be written down")
}

pub(super) fn message(bytes: &[u8]) -> Option<Message> {
    let (body, group, dedup, sent_at, receives, place, at): Row = postcard::from_bytes(bytes).ok()?;
    let at = Time::from_nanos(at);
    let place = match place {
        0 => Place::Delayed(at),
        1 => Place::Available,
        2 => Place::InFlight(at),
        3 => Place::Dead(at),
        _ => return None,
    };
    Some(Message {
        body: body.into(),
        group: group.map(Into::into),
        dedup: dedup.map(Into::into),
        sent_at: Time::from_nanos(sent_at),
        receives,
        place,
    })
}
