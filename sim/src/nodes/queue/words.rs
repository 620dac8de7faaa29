//! What consumers say to a queue, as the arguments of a request, and what they hear, as the value of its answer. Never
//! decides.

use foreshock_systems::broker::queue::{Handle, MessageId};

use crate::kernel::time::Span;

/// What is asked. A request without arguments sends: any client can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A message of the request's operation, for its key.
    Send,
    /// A message, after waiting for one so long at most.
    Receive { wait: Span },
    /// The message is done.
    Delete { handle: Handle },
}

/// Bits of a handle's word that are the receive.
const RECEIVE_BITS: u32 = 20;

impl Ask {
    pub(super) const fn arguments(self) -> [u64; 3] {
        match self {
            Ask::Send => [0; 3],
            Ask::Receive { wait } => [1, wait.as_nanos(), 0],
            Ask::Delete { handle } => [2, word(handle), 0],
        }
    }

    /// What the arguments ask; words that nobody says send.
    pub(super) const fn of([tag, first, _]: [u64; 3]) -> Ask {
        match tag {
            1 => Ask::Receive { wait: Span::from_nanos(first) },
            2 => Ask::Delete { handle: handle(first) },
            _ => Ask::Send,
        }
    }
}

/// A handle as a word.
pub(super) const fn word(handle: Handle) -> u64 {
    handle.message.0 << RECEIVE_BITS | (handle.receive as u64 & ((1 << RECEIVE_BITS) - 1))
}

/// The handle that a word is.
pub(super) const fn handle(word: u64) -> Handle {
    let receive = (word & ((1 << RECEIVE_BITS) - 1)) as u32;
    Handle { message: MessageId(word >> RECEIVE_BITS), receive }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_survives_being_arguments() {
        let handle = Handle { message: MessageId((1 << 44) - 1), receive: 9 };
        for ask in [Ask::Send, Ask::Receive { wait: Span::from_secs(20) }, Ask::Delete { handle }] {
            assert_eq!(Ask::of(ask.arguments()), ask);
        }
    }
}
