//! What replicas and their configuration server say to each other: questions as the words of a request, all that is said
//! back as notes. Never decides.

use foreshock_systems::config_manager::{Answer, Push, Request, RequestId, Revision, View, WatchId};

use crate::kernel::time::Span;
use crate::scenario::plan::ServiceId;

/// What a configuration server says to a replica that follows it.
#[derive(Clone, Debug)]
pub struct Told {
    /// To which life of the process.
    pub life: u32,
    /// What.
    pub what: What,
}

/// An answer, or news.
#[derive(Clone, Debug)]
pub enum What {
    /// To a question.
    Answer(RequestId, Answer),
    /// For a watch.
    Push(WatchId, Push),
}

impl Told {
    /// Bytes it takes while it is under way, roughly.
    pub(crate) fn memory_bytes(&self) -> u64 {
        const ITEM_BYTES: usize = 128;
        let items = match &self.what {
            What::Answer(_, Answer::Snapshot { entries, .. }) => entries.len(),
            What::Answer(_, Answer::Changes { batches, .. }) => batches.iter().map(Vec::len).sum(),
            What::Push(_, Push::Batch(batch)) => batch.events.len(),
            What::Answer(..) | What::Push(..) => 0,
        };
        (ITEM_BYTES * (items + 1)) as u64
    }
}

/// One life of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Peer {
    pub(super) service: ServiceId,
    pub(super) replica: u32,
    pub(super) life: u32,
}

/// What a replica asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Snapshot,
    Watch {
        from: Revision,
    },
    Poll {
        have: Revision,
        hold: Span,
    },
    /// Ends a watch; its number stands in the place of the question's.
    Unwatch,
}

/// A question: whose, its number, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) peer: Peer,
    pub(super) number: u64,
    pub(super) ask: Ask,
}

const SNAPSHOT: u64 = 1;
const WATCH: u64 = 2;
const POLL: u64 = 3;
const UNWATCH: u64 = 4;
const LIFE_BITS: u32 = 24;

impl Asked {
    /// The question of a client; `None` if it is one that clients in the simulator do not have.
    pub(super) fn of(peer: Peer, request: RequestId, body: &Request) -> Option<Asked> {
        let (number, ask) = match body {
            Request::Snapshot { at: None, .. } => (request.0, Ask::Snapshot),
            Request::Watch { watch, from, .. } => (watch.0, Ask::Watch { from: *from }),
            Request::Poll { have, hold, .. } => (request.0, Ask::Poll { have: *have, hold: *hold }),
            Request::Unwatch(watch) => (watch.0, Ask::Unwatch),
            Request::Snapshot { .. }
            | Request::Get { .. }
            | Request::Txn(_)
            | Request::Release { .. }
            | Request::Audit { .. }
            | Request::Grant { .. }
            | Request::KeepAlive(_)
            | Request::Revoke(_)
            | Request::Compact(_)
            | Request::Progress(_) => return None,
        };
        Some(Asked { peer, number, ask })
    }

    /// Key and arguments.
    pub(super) fn words(self) -> (u64, [u64; 3]) {
        let (tag, third, hold) = match self.ask {
            Ask::Snapshot => (SNAPSHOT, 0, Span::ZERO),
            Ask::Watch { from } => (WATCH, from.0, Span::ZERO),
            Ask::Poll { have, hold } => (POLL, have.0, hold),
            Ask::Unwatch => (UNWATCH, 0, Span::ZERO),
        };
        let hold_ms = (hold.as_nanos() / 1_000_000).min(u64::from(u32::MAX));
        let life = u64::from(self.peer.life) & ((1 << LIFE_BITS) - 1);
        let key = u64::from(self.peer.service.0) << 32 | u64::from(self.peer.replica);
        (key, [tag | life << 8 | hold_ms << 32, self.number, third])
    }

    /// What was asked; `None` if it is nothing that a server understands.
    pub(super) fn read(key: u64, [head, number, third]: [u64; 3]) -> Option<Asked> {
        let life = (head >> 8) as u32 & ((1 << LIFE_BITS) - 1);
        let peer = Peer { service: ServiceId((key >> 32) as u32), replica: key as u32, life };
        let ask = match head & 0xFF {
            SNAPSHOT => Ask::Snapshot,
            WATCH => Ask::Watch { from: Revision(third) },
            POLL => Ask::Poll { have: Revision(third), hold: Span::from_millis(head >> 32) },
            UNWATCH => Ask::Unwatch,
            _ => return None,
        };
        Some(Asked { peer, number, ask })
    }

    /// The question as the library knows it, for whoever looks so.
    pub(super) fn request(self, view: View) -> Request {
        match self.ask {
            Ask::Snapshot => Request::Snapshot { view, at: None },
            Ask::Watch { from } => Request::Watch { watch: WatchId(self.number), view, from },
            Ask::Poll { have, hold } => Request::Poll { view, have, hold },
            Ask::Unwatch => Request::Unwatch(WatchId(self.number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_survive_being_words() {
        let peer = Peer { service: ServiceId(7), replica: 12, life: 3 };
        for ask in [
            Ask::Snapshot,
            Ask::Watch { from: Revision(u64::MAX) },
            Ask::Poll { have: Revision(5), hold: Span::from_secs(30) },
            Ask::Unwatch,
        ] {
            let asked = Asked { peer, number: 9, ask };
            let (key, arguments) = asked.words();
            assert_eq!(Asked::read(key, arguments), Some(asked));
            let again = Asked::of(
                peer,
                RequestId(9),
                &asked.request(View { instance: String::new(), scopes: Vec::new() }),
            );
            assert_eq!(again, Some(asked));
        }
        assert_eq!(Asked::read(0, [0; 3]), None, "any client may send a request without words");
    }
}
