//! The states of an attempt and the only ways between them, as a table. Knows no amounts: what may be captured or
//! refunded is counted from operations.

use serde::{Deserialize, Serialize};

/// Where an attempt stands; the names are Hyperswitch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AttemptState {
    /// Made, nothing sent.
    Started,
    /// The payer is asked to authenticate.
    AuthenticationPending,
    /// The payer has authenticated.
    AuthenticationSuccessful,
    /// The payer could not, or would not.
    AuthenticationFailed,
    /// Asked for; no answer yet.
    Authorizing,
    /// The money is reserved.
    Authorized,
    /// Refused.
    AuthorizationFailed,
    /// A capture was sent; no answer yet.
    CaptureInitiated,
    /// All that was authorized is captured.
    Charged,
    /// Less than was authorized is captured; the rest is released.
    PartialCharged,
    /// A part is captured, and more may be.
    PartialChargedAndChargeable,
    /// The last capture was refused; the authorization stands.
    CaptureFailed,
    /// A void was sent; no answer yet.
    VoidInitiated,
    /// The reservation is released.
    Voided,
    /// The void was refused; the authorization stands.
    VoidFailed,
    /// Approved when it was too late, and given back.
    AutoRefunded,
    /// Nobody says what became of it: a webhook or the settlement file will.
    Unresolved,
    /// The provider has it and works on it.
    Pending,
    /// Its time was over before it was decided.
    Expired,
    /// The provider moved another amount than asked for: a person has to look.
    IntegrityFailure,
}

/// What happens to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AttemptEvent {
    /// The payer has to authenticate.
    AuthenticationRequired,
    /// And did.
    AuthenticationPassed,
    /// And did not.
    AuthenticationDenied,
    /// An authorization (or a sale) goes out.
    AuthorizationSent,
    /// The money is reserved.
    Approved,
    /// The authorization is refused.
    Declined,
    /// The provider works on it.
    ProviderPending,
    /// All status checks are used up.
    OutcomeUnknown,
    /// A capture goes out.
    CaptureSent,
    /// Captured, and nothing is left of the authorization.
    CapturedAll,
    /// Captured for the last time, less than authorized.
    CapturedFinalPart,
    /// Captured, and more may follow.
    CapturedPart,
    /// A capture is refused.
    CaptureRefused,
    /// A void goes out.
    VoidSent,
    /// The reservation is released.
    VoidDone,
    /// The void is refused.
    VoidRefused,
    /// Time is over.
    TimeOver,
    /// A charge came to light after the attempt had ended without one; it is being refunded.
    LateCharge,
    /// An authorization came to light after the attempt had ended; it is being voided.
    LateApproval,
    /// Another amount than asked for.
    AmountMismatch,
}

use AttemptEvent as E;
use AttemptState as S;

impl AttemptState {
    /// Every state.
    pub const ALL: [AttemptState; 20] = [
        S::Started,
        S::AuthenticationPending,
        S::AuthenticationSuccessful,
        S::AuthenticationFailed,
        S::Authorizing,
        S::Authorized,
        S::AuthorizationFailed,
        S::CaptureInitiated,
        S::Charged,
        S::PartialCharged,
        S::PartialChargedAndChargeable,
        S::CaptureFailed,
        S::VoidInitiated,
        S::Voided,
        S::VoidFailed,
        S::AutoRefunded,
        S::Unresolved,
        S::Pending,
        S::Expired,
        S::IntegrityFailure,
    ];

    /// The state after an event; `None` if that is not possible.
    pub fn after(self, event: AttemptEvent) -> Option<AttemptState> {
        WAYS.iter().find(|(from, by, _)| *from == self && *by == event).map(|(_, _, to)| *to)
    }

    /// Whether nothing that is asked for changes it any more. What failed or expired is still left by a charge that
    /// comes to light late.
    pub const fn is_terminal(self) -> bool {
        match self {
            S::Charged | S::PartialCharged | S::Voided | S::AutoRefunded | S::IntegrityFailure => true,
            S::AuthenticationFailed | S::AuthorizationFailed | S::Expired => true,
            S::Started | S::AuthenticationPending | S::AuthenticationSuccessful | S::Authorizing => false,
            S::Authorized | S::CaptureInitiated | S::PartialChargedAndChargeable | S::CaptureFailed => false,
            S::VoidInitiated | S::VoidFailed | S::Unresolved | S::Pending => false,
        }
    }

    /// Whether it ended without the payer owing anything, so that another attempt may begin.
    pub const fn has_failed(self) -> bool {
        match self {
            S::AuthenticationFailed | S::AuthorizationFailed | S::Expired | S::AutoRefunded | S::Voided => {
                true
            }
            S::Started | S::AuthenticationPending | S::AuthenticationSuccessful | S::Authorizing => false,
            S::Authorized | S::CaptureInitiated | S::PartialChargedAndChargeable | S::CaptureFailed => false,
            S::VoidInitiated | S::VoidFailed | S::Unresolved | S::Pending => false,
            S::Charged | S::PartialCharged | S::IntegrityFailure => false,
        }
    }
}

impl AttemptEvent {
    /// Every event.
    pub const ALL: [AttemptEvent; 20] = [
        E::AuthenticationRequired,
        E::AuthenticationPassed,
        E::AuthenticationDenied,
        E::AuthorizationSent,
        E::Approved,
        E::Declined,
        E::ProviderPending,
        E::OutcomeUnknown,
        E::CaptureSent,
        E::CapturedAll,
        E::CapturedFinalPart,
        E::CapturedPart,
        E::CaptureRefused,
        E::VoidSent,
        E::VoidDone,
        E::VoidRefused,
        E::TimeOver,
        E::LateCharge,
        E::LateApproval,
        E::AmountMismatch,
    ];
}

/// Every way there is: from, by, to. Any other pair of state and event is refused.
pub const WAYS: &[(AttemptState, AttemptEvent, AttemptState)] = &[
    (S::Started, E::AuthenticationRequired, S::AuthenticationPending),
    (S::Started, E::AuthorizationSent, S::Authorizing),
    (S::Started, E::TimeOver, S::Expired),
    (S::AuthenticationPending, E::AuthenticationPassed, S::AuthenticationSuccessful),
    (S::AuthenticationPending, E::AuthenticationDenied, S::AuthenticationFailed),
    (S::AuthenticationPending, E::TimeOver, S::Expired),
    (S::AuthenticationSuccessful, E::AuthorizationSent, S::Authorizing),
    (S::AuthenticationSuccessful, E::TimeOver, S::Expired),
    // An authorization (Approved) or a sale (CapturedAll) under way.
    (S::Authorizing, E::Approved, S::Authorized),
    (S::Authorizing, E::CapturedAll, S::Charged),
    (S::Authorizing, E::Declined, S::AuthorizationFailed),
    (S::Authorizing, E::ProviderPending, S::Pending),
    (S::Authorizing, E::OutcomeUnknown, S::Unresolved),
    (S::Authorizing, E::TimeOver, S::Expired),
    (S::Authorizing, E::AmountMismatch, S::IntegrityFailure),
    (S::Authorized, E::CaptureSent, S::CaptureInitiated),
    (S::Authorized, E::VoidSent, S::VoidInitiated),
    (S::CaptureInitiated, E::CapturedAll, S::Charged),
    (S::CaptureInitiated, E::CapturedFinalPart, S::PartialCharged),
    (S::CaptureInitiated, E::CapturedPart, S::PartialChargedAndChargeable),
    (S::CaptureInitiated, E::CaptureRefused, S::CaptureFailed),
    (S::CaptureInitiated, E::ProviderPending, S::Pending),
    (S::CaptureInitiated, E::OutcomeUnknown, S::Unresolved),
    (S::CaptureInitiated, E::AmountMismatch, S::IntegrityFailure),
    (S::PartialChargedAndChargeable, E::CaptureSent, S::CaptureInitiated),
    (S::CaptureFailed, E::CaptureSent, S::CaptureInitiated),
    (S::CaptureFailed, E::VoidSent, S::VoidInitiated),
    (S::VoidInitiated, E::VoidDone, S::Voided),
    (S::VoidInitiated, E::VoidRefused, S::VoidFailed),
    (S::VoidInitiated, E::ProviderPending, S::Pending),
    (S::VoidInitiated, E::OutcomeUnknown, S::Unresolved),
    (S::VoidInitiated, E::AmountMismatch, S::IntegrityFailure),
    (S::VoidFailed, E::CaptureSent, S::CaptureInitiated),
    (S::VoidFailed, E::VoidSent, S::VoidInitiated),
    // The provider works on it: whatever was under way ends as it would have.
    (S::Pending, E::Approved, S::Authorized),
    (S::Pending, E::Declined, S::AuthorizationFailed),
    (S::Pending, E::CapturedAll, S::Charged),
    (S::Pending, E::CapturedFinalPart, S::PartialCharged),
    (S::Pending, E::CapturedPart, S::PartialChargedAndChargeable),
    (S::Pending, E::CaptureRefused, S::CaptureFailed),
    (S::Pending, E::VoidDone, S::Voided),
    (S::Pending, E::VoidRefused, S::VoidFailed),
    (S::Pending, E::OutcomeUnknown, S::Unresolved),
    (S::Pending, E::TimeOver, S::Expired),
    (S::Pending, E::AmountMismatch, S::IntegrityFailure),
    // Nobody knows: the first word that comes decides.
    (S::Unresolved, E::Approved, S::Authorized),
    (S::Unresolved, E::Declined, S::AuthorizationFailed),
    (S::Unresolved, E::CapturedAll, S::Charged),
    (S::Unresolved, E::CapturedFinalPart, S::PartialCharged),
    (S::Unresolved, E::CapturedPart, S::PartialChargedAndChargeable),
    (S::Unresolved, E::CaptureRefused, S::CaptureFailed),
    (S::Unresolved, E::VoidDone, S::Voided),
    (S::Unresolved, E::VoidRefused, S::VoidFailed),
    (S::Unresolved, E::TimeOver, S::Expired),
    (S::Unresolved, E::AmountMismatch, S::IntegrityFailure),
    // Late.
    (S::Expired, E::LateCharge, S::AutoRefunded),
    (S::Expired, E::LateApproval, S::VoidInitiated),
    (S::Expired, E::AmountMismatch, S::IntegrityFailure),
    (S::AuthorizationFailed, E::LateCharge, S::AutoRefunded),
    (S::AuthorizationFailed, E::LateApproval, S::VoidInitiated),
    (S::AuthorizationFailed, E::AmountMismatch, S::IntegrityFailure),
];
