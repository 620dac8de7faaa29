//! What senders and receivers say to a queue, and what they hear. Plain data; never decides.

use crate::store::StoreError;
use crate::time::{Span, Time};
use std::fmt;
use std::sync::Arc;

/// A message, named by the order of sending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

/// One receive of a message: what deletes it, and gives it more time. Void once the message is received again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle {
    /// Which message.
    pub message: MessageId,
    /// The how-manieth receive of it.
    pub receive: u32,
}

/// What is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewMessage {
    /// What it says.
    pub body: Arc<[u8]>,
    /// How long until it can be received; `None`: as the queue says. Not of messages with a group, as in SQS.
    pub delay: Option<Span>,
    /// Whose order is kept. Every message of a FIFO queue has one, and no other.
    pub group: Option<Arc<[u8]>>,
    /// Within the window the same id is the same message.
    pub dedup: Option<Arc<[u8]>>,
}

/// What a queue is asked. `token`s come back with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueInput {
    /// Here is a message.
    Send {
        /// Comes back.
        token: u64,
        /// What.
        message: NewMessage,
    },
    /// What is there?
    Receive {
        /// Comes back.
        token: u64,
        /// Most messages; zero counts as one, and more than 10 as 10.
        max: u32,
        /// How long to wait if there is none (long poll); at most 20 s.
        wait: Span,
        /// For how long; `None`: as the queue says.
        visibility: Option<Span>,
    },
    /// Done.
    Delete {
        /// By which receive.
        handle: Handle,
    },
    /// More or less time, from now on; zero gives it back.
    ChangeVisibility {
        /// By which receive.
        handle: Handle,
        /// How long, from now on.
        visibility: Span,
    },
    /// Takes up to so many dead letters back, oldest first, as if they had never been received.
    Redrive {
        /// How many.
        max: u32,
    },
}

/// A message in somebody's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// This receive of it.
    pub handle: Handle,
    /// What it says.
    pub body: Arc<[u8]>,
    /// Its group.
    pub group: Option<Arc<[u8]>>,
    /// When it was sent.
    pub sent_at: Time,
    /// Until when it is nobody else's.
    pub visible_at: Time,
}

/// Why a message is among the dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadReason {
    /// It was received as often as it may be.
    MaxReceives,
}

/// What should happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueOutput {
    /// To whoever sent.
    Sent {
        /// Whose.
        token: u64,
        /// Its name.
        message: MessageId,
        /// Whether it had been sent before.
        is_duplicate: bool,
    },
    /// To whoever receives; none if there was none in time.
    Received {
        /// Whose.
        token: u64,
        /// What.
        messages: Vec<Delivery>,
    },
    /// For the record: it is done.
    Deleted {
        /// Which.
        message: MessageId,
    },
    /// For the record: it was received too often.
    Dead {
        /// Which.
        message: MessageId,
        /// Why.
        reason: DeadReason,
        /// How often it was received.
        receives: u32,
    },
    /// For the record: it was kept long enough.
    Expired {
        /// Which.
        message: MessageId,
        /// Whether it was a dead letter.
        was_dead: bool,
    },
    /// For the record: it is visible again without having been deleted.
    Returned {
        /// Which.
        message: MessageId,
    },
    /// For the record: it was a dead letter.
    Redriven {
        /// Which.
        message: MessageId,
    },
}

/// Why an input is refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueRejected {
    /// As many messages are in flight as may be (`OverLimit`).
    OverLimit {
        /// The bound.
        max_in_flight: u32,
    },
    /// The message was received again, and the handle is void: whoever has it now decides.
    StaleHandle {
        /// The latest receive.
        current: u32,
    },
    /// No such message: deleted, expired or dead.
    UnknownMessage(MessageId),
    /// It is in nobody's hands: receive it first.
    NotInFlight(MessageId),
    /// Beyond a bound.
    TooLong {
        /// What.
        what: &'static str,
        /// The bound.
        max: Span,
    },
    /// Larger than a message may be, in bytes.
    TooLarge {
        /// The bound.
        max_bytes: u32,
    },
    /// Messages of a FIFO queue have a group, and others have not; a single delay is of others only.
    Group,
    /// As many messages are kept as may be.
    Full {
        /// The bound.
        max_messages: u64,
    },
    /// Nothing could be written down. Try again.
    Store(StoreError),
}

impl fmt::Display for QueueRejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueueRejected::OverLimit { max_in_flight } => {
                write!(f, "{max_in_flight} messages are in flight: delete some, then receive more")
            }
            QueueRejected::StaleHandle { current } => {
                write!(f, "the message was received again (receive {current}): leave it to whoever has it")
            }
            QueueRejected::UnknownMessage(MessageId(id)) => write!(f, "there is no message {id} any more"),
            QueueRejected::NotInFlight(MessageId(id)) => {
                write!(f, "message {id} is in nobody's hands: receive it first")
            }
            QueueRejected::TooLong { what, max } => {
                write!(f, "{what} is at most {} s", max.as_nanos() / 1_000_000_000)
            }
            QueueRejected::TooLarge { max_bytes } => write!(f, "a message has at most {max_bytes} bytes"),
            QueueRejected::Group => {
                f.write_str("give each message of a FIFO queue a group and no delay, and others no group")
            }
            QueueRejected::Full { max_messages } => write!(f, "the queue has its {max_messages} messages"),
            QueueRejected::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for QueueRejected {}
