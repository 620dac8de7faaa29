//! What goes to a provider or receiver, as the words of a request; and what the end of such a call means.

use foreshock_systems::notification::delivery::Answer;

use crate::cluster::Done;
use crate::kernel::draw::name_hash;
use crate::measure::OutcomeKind;

/// The words of a request: the idempotency key comes first.
pub(super) fn arguments(key: u64, number: u64, attempt: u32) -> [u64; 3] {
    [key, number, u64::from(attempt)]
}

/// The idempotency key of a request; `None` if it has none.
pub(super) const fn key_of(arguments: [u64; 3]) -> Option<u64> {
    match arguments[0] {
        0 => None,
        key => Some(key),
    }
}

/// An idempotency key as it travels.
pub(super) fn key_word(key: &str) -> u64 {
    name_hash(key).max(1)
}

/// What the end of a call to a provider means. A call that was sent and not answered may have been heard.
pub(super) fn answer(done: &Done) -> Answer {
    match done.outcome {
        OutcomeKind::Ok if done.missed => Answer::Refused,
        OutcomeKind::Ok => Answer::Accepted,
        OutcomeKind::Timeout
        | OutcomeKind::DeadlineExceeded
        | OutcomeKind::Reset
        | OutcomeKind::Abandoned
        | OutcomeKind::Cancelled => Answer::Unknown,
        // Of several attempts only the last is known.
        _ if done.attempts > 1 => Answer::Unknown,
        OutcomeKind::Error
        | OutcomeKind::Rejected
        | OutcomeKind::Refused
        | OutcomeKind::BreakerOpen
        | OutcomeKind::RateLimited
        | OutcomeKind::BulkheadFull
        | OutcomeKind::PoolTimeout
        | OutcomeKind::NoHealthyReplica
        | OutcomeKind::ConcurrencyLimited => Answer::Failed,
    }
}
