//! The transition table against one written down a second time, state by state.

use super::*;

/// What each state allows, and nothing else.
const ALLOWED: [(AttemptState, &str); 20] = {
    use AttemptState as S;
    [
        (S::Started, "AuthenticationRequired AuthorizationSent TimeOver"),
        (S::AuthenticationPending, "AuthenticationPassed AuthenticationDenied TimeOver"),
        (S::AuthenticationSuccessful, "AuthorizationSent TimeOver"),
        (S::AuthenticationFailed, ""),
        (
            S::Authorizing,
            "Approved CapturedAll Declined ProviderPending OutcomeUnknown TimeOver AmountMismatch",
        ),
        (S::Authorized, "CaptureSent VoidSent"),
        (S::AuthorizationFailed, "LateCharge LateApproval AmountMismatch"),
        (
            S::CaptureInitiated,
            "CapturedAll CapturedFinalPart CapturedPart CaptureRefused ProviderPending OutcomeUnknown AmountMismatch",
        ),
        (S::Charged, ""),
        (S::PartialCharged, ""),
        (S::PartialChargedAndChargeable, "CaptureSent"),
        (S::CaptureFailed, "CaptureSent VoidSent"),
        (S::VoidInitiated, "VoidDone VoidRefused ProviderPending OutcomeUnknown AmountMismatch"),
        (S::Voided, ""),
        (S::VoidFailed, "CaptureSent VoidSent"),
        (S::AutoRefunded, ""),
        (
            S::Unresolved,
            "Approved Declined CapturedAll CapturedFinalPart CapturedPart CaptureRefused VoidDone VoidRefused \
             TimeOver AmountMismatch",
        ),
        (
            S::Pending,
            "Approved Declined CapturedAll CapturedFinalPart CapturedPart CaptureRefused VoidDone VoidRefused \
             OutcomeUnknown TimeOver AmountMismatch",
        ),
        (S::Expired, "LateCharge LateApproval AmountMismatch"),
        (S::IntegrityFailure, ""),
    ]
};

#[test]
fn each_of_the_four_hundred_pairs_is_allowed_or_refused_as_written() {
    let mut allowed_pairs = 0;
    for state in AttemptState::ALL {
        let (_, allowed) = ALLOWED.iter().find(|(of, _)| *of == state).expect("every state is written down");
        for event in AttemptEvent::ALL {
            let is_allowed = allowed.split_whitespace().any(|name| name == format!("{event:?}"));
            assert_eq!(state.after(event).is_some(), is_allowed, "{state:?} by {event:?}");
            allowed_pairs += usize::from(is_allowed);
        }
    }
    assert_eq!(allowed_pairs, WAYS.len(), "no pair stands twice in the table");
}

#[test]
fn what_has_ended_is_left_only_by_what_comes_late() {
    for state in AttemptState::ALL.into_iter().filter(|state| state.is_terminal()) {
        for event in AttemptEvent::ALL.into_iter().filter(|event| state.after(*event).is_some()) {
            let is_late = matches!(
                event,
                AttemptEvent::LateCharge | AttemptEvent::LateApproval | AttemptEvent::AmountMismatch
            );
            assert!(is_late && state.has_failed(), "{state:?} by {event:?}");
        }
    }
}

#[test]
fn every_state_can_be_reached() {
    let mut reached = vec![AttemptState::Started];
    let mut next = 0;
    while next < reached.len() {
        let from = reached[next];
        for event in AttemptEvent::ALL {
            reached.extend(from.after(event).filter(|to| !reached.contains(to)));
        }
        next += 1;
    }
    assert_eq!(reached.len(), AttemptState::ALL.len());
}
