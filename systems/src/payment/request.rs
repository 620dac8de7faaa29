//! What merchants ask and what they are told. Plain data.

use super::intent::{CaptureMethod, IntentView};
use super::money::Money;
use super::operation::{Decline, IntentId};
use super::state::AttemptState;
use super::validate::{Instrument, Invalid};
use serde::{Deserialize, Serialize};

/// Names a request while its sender waits; the sender's choice, and not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A merchant's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// For the answer.
    pub id: RequestId,
    /// The same for every repetition of the same request, and nobody else's: put the merchant in it.
    pub key: Option<String>,
    /// What is asked for.
    pub command: Command,
}

/// What a merchant may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A payment to be made.
    Create {
        /// Who is paid.
        merchant: u64,
        /// Who pays.
        payer: u64,
        /// How much.
        amount: Money,
        /// When the money is taken.
        capture: CaptureMethod,
    },
    /// Try to get the money.
    Confirm {
        /// Of which payment.
        intent: IntentId,
        /// With what.
        instrument: Instrument,
        /// Whether the payer has to authenticate first.
        needs_authentication: bool,
    },
    /// The payer has come back from authentication.
    Authenticated {
        /// For which payment.
        intent: IntentId,
        /// With success or without.
        has_passed: bool,
    },
    /// Take what is reserved, or a part of it.
    Capture {
        /// Of which payment.
        intent: IntentId,
        /// How much, in minor units.
        minor: i64,
        /// Release what remains.
        is_final: bool,
    },
    /// Give it up: release what is reserved.
    Cancel {
        /// Which payment.
        intent: IntentId,
    },
    /// Give back what was taken, or a part of it.
    Refund {
        /// Of which payment.
        intent: IntentId,
        /// How much, in minor units.
        minor: i64,
    },
}

/// What a merchant is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// As in HTTP: 200 done, 202 under way, 4xx refused.
    pub status: u16,
    /// The payment, if there is one.
    pub intent: Option<IntentView>,
    /// Why not, if it was refused.
    pub refusal: Option<Refusal>,
}

/// Why a request is refused, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// 400: send an idempotency key.
    KeyMissing,
    /// 409: the first request with this key still runs; ask again later, with the same key.
    KeyInProgress,
    /// 422: this key belongs to another request; use a new one.
    KeyReused,
    /// 400: correct the request.
    Invalid(Invalid),
    /// 404: there is no such payment.
    NoSuchIntent,
    /// 422: not in this state.
    WrongState(Option<AttemptState>),
    /// 422: more than is authorized, or than may be refunded; at most so many minor units.
    TooMuch(i64),
    /// 422: this payment has been through too many operations; make a new one.
    TooManyOperations,
    /// 409: another operation is under way; ask again when it has ended.
    Busy,
    /// 503: no provider takes this payment.
    NoProvider,
    /// 402: the provider has refused.
    Declined(Decline),
    /// 402: the payer has not authenticated.
    NotAuthenticated,
    /// 410: time was over before it was decided.
    Expired,
}

impl Refusal {
    /// As in HTTP.
    pub const fn status(self) -> u16 {
        match self {
            Refusal::KeyMissing | Refusal::Invalid(_) => 400,
            Refusal::Declined(_) | Refusal::NotAuthenticated => 402,
            Refusal::NoSuchIntent => 404,
            Refusal::KeyInProgress | Refusal::Busy => 409,
            Refusal::Expired => 410,
            Refusal::KeyReused | Refusal::WrongState(_) | Refusal::TooMuch(_) => 422,
            Refusal::TooManyOperations => 422,
            Refusal::NoProvider => 503,
        }
    }
}

impl Answer {
    /// Done, or under way.
    pub const fn of(status: u16, intent: IntentView) -> Answer {
        Answer { status, intent: Some(intent), refusal: None }
    }

    /// Refused.
    pub const fn refused(refusal: Refusal, intent: Option<IntentView>) -> Answer {
        Answer { status: refusal.status(), intent, refusal: Some(refusal) }
    }
}
