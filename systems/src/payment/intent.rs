//! A payment as it is kept: the intent, its attempts, and the operations that are the facts. Amounts are counted from
//! operations, never kept beside them, so they cannot disagree.

use super::money::Money;
use super::operation::{IntentId, Operation, OperationId, OperationKind, OperationState, ProviderId};
use super::state::AttemptState;
use super::webhook::DisputePhase;
use serde::{Deserialize, Serialize};

/// When the money is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CaptureMethod {
    /// With the authorization.
    Automatic,
    /// By captures, later, perhaps in parts.
    Manual,
}

/// A try to get the money, at one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Where.
    pub provider: ProviderId,
    /// How far it is.
    pub state: AttemptState,
    /// What is paid with, as it may be shown.
    pub instrument: String,
}

/// A chargeback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// Its number at the provider.
    pub id: u64,
    /// The capture or sale it is about.
    pub operation: OperationId,
    /// How much, in minor units.
    pub minor: i64,
    /// How far it is.
    pub phase: DisputePhase,
}

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Its name.
    pub id: IntentId,
    /// Who is paid.
    pub merchant: u64,
    /// Who pays.
    pub payer: u64,
    /// How much.
    pub amount: Money,
    /// When the money is taken.
    pub capture: CaptureMethod,
    /// When it expires unless it is decided, in nanoseconds.
    pub expires_ns: u64,
    /// Whether the merchant has given it up.
    pub is_canceled: bool,
    /// Its attempts, in order.
    pub attempts: Vec<Attempt>,
    /// What was asked of providers, in order; a serial is a place here.
    pub operations: Vec<Operation>,
    /// Chargebacks, in the order in which they were first heard of.
    pub disputes: Vec<Dispute>,
}

/// Where an intent stands; the names are Stripe's. Follows from its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntentStatus {
    /// Nothing was tried, or the last attempt failed.
    RequiresPaymentMethod,
    /// The payer has to authenticate.
    RequiresAction,
    /// Under way, or not known.
    Processing,
    /// Reserved: waits for captures.
    RequiresCapture,
    /// Given up.
    Canceled,
    /// Paid.
    Succeeded,
}

/// What a merchant sees of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentView {
    /// Its name.
    pub id: IntentId,
    /// Where it stands.
    pub status: IntentStatus,
    /// The state of the last attempt.
    pub attempt: Option<AttemptState>,
    /// Reserved by the last attempt, in minor units.
    pub authorized_minor: i64,
    /// Taken, in minor units.
    pub captured_minor: i64,
    /// Given back, in minor units.
    pub refunded_minor: i64,
}

impl Intent {
    /// The operation of a name.
    pub fn operation(&self, id: OperationId) -> Option<&Operation> {
        self.operations.get(id.serial as usize).filter(|operation| operation.id == id)
    }

    fn sum(&self, attempt: u32, counts: impl Fn(&Operation) -> bool) -> i64 {
        let of_attempt = self.operations.iter().filter(|operation| operation.attempt == attempt);
        of_attempt
            .filter(|operation| counts(operation))
            .fold(0, |sum, operation| sum.saturating_add(operation.minor))
    }

    /// Reserved by an attempt, ever.
    pub fn authorized_minor(&self, attempt: u32) -> i64 {
        self.sum(attempt, |operation| {
            operation.kind.is_opening() && operation.state == OperationState::Succeeded
        })
    }

    /// Taken by an attempt.
    pub fn captured_minor(&self, attempt: u32) -> i64 {
        self.sum(attempt, |operation| {
            operation.kind.takes_money() && operation.state == OperationState::Succeeded
        })
    }

    /// Given back of what an attempt took.
    pub fn refunded_minor(&self, attempt: u32) -> i64 {
        self.sum(attempt, |operation| {
            operation.kind.gives_back() && operation.state == OperationState::Succeeded
        })
    }

    /// Given back, or asked to be, and not refused.
    pub fn refund_reserved_minor(&self, attempt: u32) -> i64 {
        self.sum(attempt, |operation| {
            operation.kind.gives_back() && !matches!(operation.state, OperationState::Declined(_))
        })
    }

    /// Held back or lost by chargebacks of what an attempt took.
    pub fn disputed_minor(&self, attempt: u32) -> i64 {
        let of_attempt = self.disputes.iter().filter(|dispute| {
            dispute.phase != DisputePhase::Won
                && self.operation(dispute.operation).is_some_and(|operation| operation.attempt == attempt)
        });
        of_attempt.fold(0, |sum, dispute| sum.saturating_add(dispute.minor))
    }

    /// What may still be given back of what an attempt took; never below zero.
    pub fn refundable_minor(&self, attempt: u32) -> i64 {
        let taken = self.captured_minor(attempt);
        let gone = self.refund_reserved_minor(attempt).saturating_add(self.disputed_minor(attempt));
        taken.saturating_sub(gone).max(0)
    }

    /// The number of the last attempt.
    pub fn last_attempt(&self) -> Option<u32> {
        (self.attempts.len() as u32).checked_sub(1)
    }

    /// The attempt that took money and was not compensated, if any: what refunds are about.
    pub fn charged_attempt(&self) -> Option<u32> {
        (0..self.attempts.len() as u32).find(|attempt| {
            self.captured_minor(*attempt) > 0
                && self.attempts[*attempt as usize].state != AttemptState::AutoRefunded
        })
    }

    /// The operation that opened an attempt, if it was sent.
    pub fn opening(&self, attempt: u32) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.attempt == attempt && operation.kind.is_opening())
    }

    /// Whether an operation other than a refund is under way.
    pub fn is_busy(&self) -> bool {
        self.operations.iter().any(|operation| operation.state.is_open() && !operation.kind.gives_back())
    }

    /// Whether it has come to its end and nothing about it is in doubt: every provider has said what became of what it
    /// was asked, and no chargeback is open.
    pub fn is_settled(&self) -> bool {
        let has_ended = matches!(self.status(), IntentStatus::Succeeded | IntentStatus::Canceled);
        let is_known = |operation: &Operation| {
            matches!(operation.state, OperationState::Succeeded | OperationState::Declined(_))
        };
        has_ended
            && self.operations.iter().all(is_known)
            && self.disputes.iter().all(|dispute| dispute.phase != DisputePhase::Opened)
    }

    /// How often the money of an attempt was asked back because it should not have been taken.
    pub(super) fn compensations(&self, attempt: u32) -> usize {
        let is_one = |operation: &&Operation| {
            operation.attempt == attempt && operation.kind == OperationKind::Refund { is_compensation: true }
        };
        self.operations.iter().filter(is_one).count()
    }

    /// Where it stands.
    pub fn status(&self) -> IntentStatus {
        use AttemptState as S;
        let idle =
            if self.is_canceled { IntentStatus::Canceled } else { IntentStatus::RequiresPaymentMethod };
        let Some(last) = self.attempts.last() else { return idle };
        match last.state {
            S::Charged | S::PartialCharged => IntentStatus::Succeeded,
            S::Authorized | S::PartialChargedAndChargeable | S::CaptureFailed | S::VoidFailed => {
                IntentStatus::RequiresCapture
            }
            S::AuthenticationPending => IntentStatus::RequiresAction,
            S::AuthenticationFailed | S::AuthorizationFailed | S::Expired | S::AutoRefunded | S::Voided => {
                idle
            }
            S::Started | S::AuthenticationSuccessful | S::Authorizing | S::CaptureInitiated => {
                IntentStatus::Processing
            }
            S::VoidInitiated | S::Unresolved | S::Pending | S::IntegrityFailure => IntentStatus::Processing,
        }
    }

    /// What a merchant sees.
    pub fn view(&self) -> IntentView {
        let attempts = 0..self.attempts.len() as u32;
        let total =
            |of: fn(&Intent, u32) -> i64| attempts.clone().map(|n| of(self, n)).fold(0, i64::saturating_add);
        IntentView {
            id: self.id,
            status: self.status(),
            attempt: self.attempts.last().map(|attempt| attempt.state),
            authorized_minor: self.last_attempt().map_or(0, |last| self.authorized_minor(last)),
            captured_minor: total(Intent::captured_minor),
            refunded_minor: total(Intent::refunded_minor),
        }
    }
}
