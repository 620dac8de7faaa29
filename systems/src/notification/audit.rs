//! The invariants, counted from outside: from what went in and what came out, with no look at how. [`AlertAudit`] watches
//! dispatchers, [`MessageAudit`] a delivery; [`check_routes`] says what the routes of an alert have to be. Slower than what
//! they watch, and simpler.

mod alerts; // of the alert side
mod messages; // of the product side

pub use alerts::{AlertAudit, check_routes};
pub use messages::MessageAudit;

use super::delivery::{Channel, MessageId, RecipientId, Tally};
use super::label::Labels;
use crate::time::Span;
use std::fmt;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// 1: the routes of an alert are not those of the tree, in its order.
    Routes(Labels),
    /// 2: a receiver was told the same of a group too soon.
    RepeatedTooSoon {
        /// Who.
        receiver: String,
        /// Of what.
        group: String,
        /// How soon.
        after: Span,
    },
    /// 3: a group was told of before its wait was over.
    BeforeGroupWait {
        /// Which.
        group: String,
        /// How much too early.
        early: Span,
    },
    /// 3: an alert was told as firing that is over.
    ToldWhenGone(Labels),
    /// 4: an alert was told of that is muted.
    ToldWhenMuted(Labels),
    /// 4 and 11: an alert that fires and is not muted was not told of in time by any node.
    NotTold {
        /// Who should have been told.
        receiver: String,
        /// Of what.
        labels: Labels,
    },
    /// 5: somebody was sent what they do not want.
    OptedOut(MessageId),
    /// 5: somebody was disturbed in their quiet hours.
    Disturbed(MessageId),
    /// 5: a message does not hold just the events that it should, once each.
    WrongEvents(MessageId),
    /// 5: a message was accepted and never ended.
    Lost(MessageId),
    /// 6: a tally is not what outputs and messages make it, or does not add up.
    Tally(Channel, Tally),
    /// 7: somebody got two messages of one trigger by one channel.
    Twice {
        /// Which trigger.
        trigger: String,
        /// Who.
        recipient: RecipientId,
        /// By which channel.
        channel: Channel,
    },
    /// 8: a message waited for longer than its class may.
    WaitedTooLong(MessageId, Span),
    /// 9: a message was handed out when it was worth nothing any more.
    HandedOutExpired(MessageId),
    /// 10: template errors are not counted.
    TemplateErrors(u64),
    /// 11: two nodes told the same, although they could have known.
    ToldByTwoNodes {
        /// Whom.
        receiver: String,
        /// Of what.
        group: String,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
