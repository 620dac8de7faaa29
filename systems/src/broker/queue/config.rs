//! What a queue is told. Plain data with a check that says what to write instead; never decides. The bounds are those
//! that SQS documents.

use super::super::log::ConfigError;
use crate::time::Span;

/// Longest visibility timeout.
pub const SQS_MAX_VISIBILITY: Span = Span::from_secs(12 * 3_600);
/// Longest delay.
pub const SQS_MAX_DELAY: Span = Span::from_secs(900);
/// Longest wait of a receive.
pub const SQS_MAX_WAIT: Span = Span::from_secs(20);

/// Everything a queue is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// How long a received message is nobody else's. 0 to 12 hours.
    pub visibility: Span,
    /// How long a new message waits before it can be received. 0 to 15 minutes.
    pub delay: Span,
    /// How long a message is kept, and a dead one after it. A minute to 14 days.
    pub retention: Span,
    /// Received and not deleted messages; beyond it receives are refused. 1 to 120,000.
    pub max_in_flight: u32,
    /// How often a message may be received before it goes to the dead letters; `None` is no bound. At least 1.
    pub max_receives: Option<u32>,
    /// Whether messages have groups, whose order is kept.
    pub is_fifo: bool,
    /// How long a message id is remembered, so that the same is not taken again.
    pub dedup_window: Span,
    /// Largest message, in bytes. Above zero.
    pub max_message_bytes: u32,
    /// Messages kept, dead ones not counted; more are refused. At least 1.
    pub max_messages: u64,
}

impl Default for QueueConfig {
    /// Those of SQS: 30 s, no delay, four days, 120,000 in flight, ids for five minutes, 256 KiB; no dead letters.
    fn default() -> QueueConfig {
        QueueConfig {
            visibility: Span::from_secs(30),
            delay: Span::ZERO,
            retention: Span::from_secs(4 * 86_400),
            max_in_flight: 120_000,
            max_receives: None,
            is_fifo: false,
            dedup_window: Span::from_secs(300),
            max_message_bytes: 256 << 10,
            max_messages: u64::MAX,
        }
    }
}

impl QueueConfig {
    /// Checks the config. One that was not checked is safe, but is none that SQS would take.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        let seconds = |span: Span| span.as_nanos().div_ceil(1_000_000_000);
        let within = |name, value: u64, least: u64, most: u64| {
            let is_within = (least..=most).contains(&value);
            if is_within { Ok(()) } else { Err(ConfigError::OutOfRange(name, least, most)) }
        };
        within("visibility_s", seconds(self.visibility), 0, seconds(SQS_MAX_VISIBILITY))?;
        within("delay_s", seconds(self.delay), 0, seconds(SQS_MAX_DELAY))?;
        within("retention_s", self.retention.as_nanos() / 1_000_000_000, 60, 14 * 86_400)?;
        within("max_in_flight", u64::from(self.max_in_flight), 1, 120_000)?;
        within("max_receives", u64::from(self.max_receives.unwrap_or(1)), 1, 1_000)?;
        within("max_message_bytes", u64::from(self.max_message_bytes), 1, u64::from(u32::MAX))?;
        within("max_messages", self.max_messages, 1, u64::MAX)
    }
}

/// A defect, for tests of the checks that have to notice it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueSabotage {
    /// Deletes by any handle of the message.
    IgnoresHandles,
    /// Gives away what somebody else has.
    GivesTwice,
    /// Gives the next of a group before the one before is done.
    OvertakesInGroups,
    /// Counts no receives.
    NeverDead,
    /// Forgets a message whose visibility ends.
    ForgetsOnTimeout,
}
