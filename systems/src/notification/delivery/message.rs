//! What a delivery is told and what it wants done. Plain data; never decides.

use super::config::{CategoryId, Channel, ProviderId};
use super::record::DeliveryState;
use crate::notification::template::TemplateError;
use crate::store::StoreError;
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecipientId(pub u64);

/// Whose customer that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TenantId(pub u32);

/// A message: to one recipient by one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId(pub u64);

/// When a message may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At once.
    #[default]
    Now,
    /// After a while.
    After(Span),
    /// Not before.
    At(Time),
}

/// Something happened that people are to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The same key is the same trigger, however often it comes.
    pub key: String,
    /// What it is about.
    pub category: CategoryId,
    /// Whose customers are told.
    pub tenant: TenantId,
    /// Who is told; each once.
    pub recipients: Vec<RecipientId>,
    /// For the template.
    pub facts: BTreeMap<String, String>,
    /// Events with different keys go into different digests.
    pub digest_key: String,
    /// When it may go.
    pub start: Start,
    /// After that it is worth nothing; the earlier of this and the category's `ttl` counts.
    pub expires_at: Option<Time>,
    /// By which it can be called off.
    pub cancellation_key: Option<String>,
    /// In place of the category's.
    pub priority: Option<u8>,
}

impl Trigger {
    /// To one recipient, at once.
    pub fn new(key: impl Into<String>, category: CategoryId, recipient: RecipientId) -> Trigger {
        Trigger {
            key: key.into(),
            category,
            tenant: TenantId::default(),
            recipients: vec![recipient],
            facts: BTreeMap::new(),
            digest_key: String::new(),
            start: Start::Now,
            expires_at: None,
            cancellation_key: None,
            priority: None,
        }
    }

    /// With a fact for the template.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Trigger {
        self.facts.insert(name.into(), value.into());
        self
    }
}

/// What a provider answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It took the message.
    Accepted,
    /// It does not take this message, and no other would: the address is wrong.
    Refused,
    /// It did not take it, and could not now. Another may.
    Failed,
    /// Nobody knows whether it did.
    Unknown,
}

/// What a provider tells later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It has arrived.
    Delivered,
    /// The address does not exist.
    Bounced,
    /// It could not be delivered.
    Undelivered,
    /// It was shown.
    Seen,
    /// It was read.
    Read,
}

/// What happens to a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Tell people.
    Trigger(Trigger),
    /// Do not tell what was not handed to a provider yet.
    Cancel {
        /// The cancellation key.
        key: String,
    },
    /// A provider answers.
    Answer {
        /// To which message.
        message: MessageId,
        /// To which attempt.
        attempt: u32,
        /// What.
        answer: Answer,
    },
    /// A provider tells what became of a message.
    Receipt {
        /// Which.
        message: MessageId,
        /// What.
        receipt: Receipt,
    },
}

/// A message for a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Which.
    pub message: MessageId,
    /// Which attempt; 1 is the first.
    pub attempt: u32,
    /// Who carries it.
    pub provider: ProviderId,
    /// How.
    pub channel: Channel,
    /// To whom.
    pub recipient: RecipientId,
    /// A line about it.
    pub subject: String,
    /// All of it.
    pub body: String,
    /// The same for all attempts: a provider that knows such keys delivers it once.
    pub idempotency_key: String,
    /// The triggers it tells of: one, or those of a digest.
    pub triggers: Vec<String>,
    /// After that it is worth nothing.
    pub expires_at: Option<Time>,
}

/// What a delivery wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A message is to be sent, or an event is in a digest that is.
    Accepted {
        /// Which message.
        message: MessageId,
        /// Of which trigger.
        trigger: String,
        /// To whom.
        recipient: RecipientId,
        /// By which channel.
        channel: Channel,
    },
    /// A trigger with this key was there before: nothing is done.
    Duplicate {
        /// The key.
        key: String,
    },
    /// Give this to a provider, and say what it answers.
    Send(Order),
    /// So far a message has come, for now.
    State {
        /// Which.
        message: MessageId,
        /// How far.
        state: DeliveryState,
        /// How many events that is about.
        events: usize,
    },
    /// A template failed, and the fallback was sent instead.
    TemplateFailed {
        /// In which message.
        message: MessageId,
        /// How.
        error: TemplateError,
    },
}

/// Why an input changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// There is no such category.
    UnknownCategory(CategoryId),
    /// A trigger without a key could not be told from another.
    NoKey,
    /// A priority above 3.
    Priority(u8),
    /// Too much is waiting.
    Full,
    /// There is no such message, or it is forgotten.
    UnknownMessage(MessageId),
    /// The message cannot get there from where it is.
    IllegalTransition(DeliveryState, Receipt),
    /// An answer to an attempt that was not made, or that is answered.
    NotExpected(MessageId, u32),
    /// The store failed: open it again, and the delivery from it.
    Store(StoreError),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::UnknownCategory(id) => write!(f, "there is no category {}: add it to the config", id.0),
            Rejected::NoKey => f.write_str("a trigger needs a key: the id of what happened"),
            Rejected::Priority(given) => write!(f, "priority {given}: use 0 (urgent) to 3"),
            Rejected::Full => f.write_str("max_pending messages wait: try again later"),
            Rejected::UnknownMessage(id) => write!(f, "there is no message {}", id.0),
            Rejected::IllegalTransition(state, receipt) => {
                write!(f, "{receipt:?} is not possible in {state:?}")
            }
            Rejected::NotExpected(id, attempt) => {
                write!(f, "no answer to attempt {attempt} of message {} is expected", id.0)
            }
            Rejected::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Rejected {}
