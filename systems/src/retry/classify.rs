//! What a result means for a retry. Tables for the usual protocols, and a trait with one method for everything else.
//! Classifies only: whether there is another attempt, and when, is decided elsewhere.

use super::budget::RetryCause;

/// What kind of failure an attempt ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureClass {
    /// Gone by the next attempt with luck: a broken connection, an overloaded or restarting server.
    Transient,
    /// The server asks to be called less often.
    Throttling,
    /// No answer in time.
    Timeout,
    /// The same again, however often it is sent.
    Permanent,
}

impl FailureClass {
    /// What another attempt is charged as; `None` if there is no point in one.
    pub const fn cause(self) -> Option<RetryCause> {
        match self {
            FailureClass::Transient => Some(RetryCause::Failure),
            FailureClass::Throttling => Some(RetryCause::Throttling),
            FailureClass::Timeout => Some(RetryCause::Timeout),
            FailureClass::Permanent => None,
        }
    }
}

/// What a result means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What was asked for was done.
    Success,
    /// It was not.
    Failure(FailureClass),
}

/// Judges results of type `R`. Implement it, or pass a closure, for results of your own: an answer that arrived can be
/// a failure as well (`status: "pending"`).
pub trait Classify<R: ?Sized> {
    /// What this result means.
    fn classify(&self, result: &R) -> Verdict;
}

impl<R: ?Sized, F: Fn(&R) -> Verdict> Classify<R> for F {
    fn classify(&self, result: &R) -> Verdict {
        self(result)
    }
}

/// gRPC status codes, 0 (OK) to 16 (UNAUTHENTICATED), of which some are retried: `retryableStatusCodes` of a service
/// config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcStatuses {
    retryable: u32,
}

impl GrpcStatuses {
    const OK: u32 = 0;
    const DEADLINE_EXCEEDED: u32 = 4;
    const RESOURCE_EXHAUSTED: u32 = 8;
    const LAST: u32 = 16;

    /// Only UNAVAILABLE (14): what gRPC's own documentation recommends.
    pub const UNAVAILABLE: GrpcStatuses = GrpcStatuses { retryable: 1 << 14 };

    /// These codes are retried. OK is never, and codes above 16 do not exist.
    pub fn retrying(codes: &[u32]) -> GrpcStatuses {
        let exist = codes.iter().filter(|code| (1..=GrpcStatuses::LAST).contains(*code));
        GrpcStatuses { retryable: exist.fold(0, |set, code| set | 1 << code) }
    }
}

impl Classify<u32> for GrpcStatuses {
    fn classify(&self, code: &u32) -> Verdict {
        let code = *code;
        if code == GrpcStatuses::OK {
            return Verdict::Success;
        }
        if code > GrpcStatuses::LAST || self.retryable >> code & 1 == 0 {
            return Verdict::Failure(FailureClass::Permanent);
        }
        Verdict::Failure(match code {
            GrpcStatuses::RESOURCE_EXHAUSTED => FailureClass::Throttling,
            GrpcStatuses::DEADLINE_EXCEEDED => FailureClass::Timeout,
            _ => FailureClass::Transient,
        })
    }
}

/// HTTP status codes by the classes of RFC 9110 and 6585: below 400 success, 408 and 504 a timeout, 429 throttling,
/// 500, 502 and 503 transient, everything else permanent. AWS SDKs agree, but for calling 504 transient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpStatuses;

impl Classify<u16> for HttpStatuses {
    fn classify(&self, status: &u16) -> Verdict {
        match *status {
            100..400 => Verdict::Success,
            408 | 504 => Verdict::Failure(FailureClass::Timeout),
            429 => Verdict::Failure(FailureClass::Throttling),
            500 | 502 | 503 => Verdict::Failure(FailureClass::Transient),
            _ => Verdict::Failure(FailureClass::Permanent),
        }
    }
}

/// Error codes of AWS services, by the lists that the AWS SDKs share; what is on none of them is permanent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AwsErrorCodes;

const AWS_THROTTLING: [&str; 14] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
];

const AWS_TRANSIENT: [&str; 2] = ["RequestTimeout", "RequestTimeoutException"];

impl Classify<str> for AwsErrorCodes {
    fn classify(&self, code: &str) -> Verdict {
        Verdict::Failure(if AWS_THROTTLING.contains(&code) {
            FailureClass::Throttling
        } else if AWS_TRANSIENT.contains(&code) {
            FailureClass::Transient
        } else {
            FailureClass::Permanent
        })
    }
}
