//! What is asked of a provider, and what it says became of that. Plain data: the facts everything else is counted
//! from.

use super::money::Money;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A provider (acquirer, processor, bank), by the number its operator gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProviderId(pub u32);

/// A payment as the merchant means it, whatever number of attempts it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IntentId(pub u64);

/// Something asked of a provider, once. Also the idempotency key towards the provider: however often it is sent, it
/// happens at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OperationId {
    /// The payment it belongs to.
    pub intent: IntentId,
    /// Its place there: 0, 1, 2, ...
    pub serial: u32,
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.intent.0, self.serial)
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationKind {
    /// Reserve.
    Authorize,
    /// Reserve and take.
    Sale,
    /// Take what is reserved.
    Capture {
        /// Release what remains.
        is_final: bool,
    },
    /// Release.
    Void {
        /// Because it should never have been reserved, rather than because the merchant asked.
        is_compensation: bool,
    },
    /// Give back what was taken.
    Refund {
        /// Because it should never have been taken, rather than because the merchant asked.
        is_compensation: bool,
    },
}

impl OperationKind {
    /// Whether it begins an attempt.
    pub const fn is_opening(self) -> bool {
        matches!(self, OperationKind::Authorize | OperationKind::Sale)
    }

    /// Whether it takes money from the payer.
    pub const fn takes_money(self) -> bool {
        matches!(self, OperationKind::Sale | OperationKind::Capture { .. })
    }

    /// Whether it gives money back.
    pub const fn gives_back(self) -> bool {
        matches!(self, OperationKind::Refund { .. })
    }
}

/// Why a provider refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decline {
    /// The issuer says no, for good: stolen, closed, forbidden. Nobody may try again.
    Hard,
    /// The issuer says no, for now: no funds, a limit. The payer may try again.
    Soft,
    /// The provider has not processed it and never will. Another provider may be asked.
    NotProcessed,
}

/// What a provider says about an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Done.
    Succeeded {
        /// How much moved, in minor units.
        minor: i64,
    },
    /// Not done, and never will be.
    Declined(Decline),
    /// Being worked on.
    Pending,
    /// Never heard of it. It may still be under way.
    NotFound,
}

/// What is known about an operation here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationState {
    /// Sent, and no word yet.
    InFlight,
    /// The provider works on it.
    Pending,
    /// All status checks are used up: a webhook or the settlement file will tell.
    Unresolved,
    /// The attempt ended without waiting for it. If it comes, it is undone.
    Abandoned,
    /// Done.
    Succeeded,
    /// Refused.
    Declined(Decline),
    /// Done with another amount, in minor units.
    Mismatched(i64),
}

impl OperationState {
    /// Whether a word of the provider is still awaited.
    pub const fn is_open(self) -> bool {
        matches!(self, OperationState::InFlight | OperationState::Pending | OperationState::Unresolved)
    }
}

/// Something asked of a provider, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its name, here and at the provider.
    pub id: OperationId,
    /// The attempt it belongs to, counted from 0.
    pub attempt: u32,
    /// What.
    pub kind: OperationKind,
    /// How much, in minor units.
    pub minor: i64,
    /// What is known.
    pub state: OperationState,
    /// Status checks made.
    pub checks: u32,
    /// When the next one is due, in nanoseconds.
    pub next_check_ns: u64,
    /// The idempotency key of the request that waits for it.
    pub key: Option<String>,
    /// Whether a settlement file has confirmed it.
    pub is_settled: bool,
}

impl Operation {
    /// The same without the key of whoever waits for it: what its outcome depends on.
    pub(super) fn facts(&self) -> Operation {
        Operation { key: None, ..*self }
    }

    /// When the next status check is due.
    pub const fn next_check(&self) -> Time {
        Time::from_nanos(self.next_check_ns)
    }
}

/// What is sent to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Do it, unless it was done before under this name.
    Execute {
        /// The name.
        operation: OperationId,
        /// What.
        kind: OperationKind,
        /// How much.
        amount: Money,
        /// The authorization or sale it builds on; itself, if it is one.
        opening: OperationId,
    },
    /// Say what became of it.
    Status {
        /// Of what.
        operation: OperationId,
    },
}
