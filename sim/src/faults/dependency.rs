//! Faults inside a service: errors, aborted requests, late answers, by share and operation.

use crate::kernel::draw::Distribution;
use crate::scenario::plan::{OperationId, ServiceId};

/// A share of requests is answered with an error at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependencyError {
    /// Which service.
    pub service: ServiceId,
    /// Which share.
    pub share_ppm: u32,
    /// Only these operations; `None` is all.
    pub operations: Option<Vec<OperationId>>,
}

/// A share of requests is dropped without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependencyAbort {
    /// Which service.
    pub service: ServiceId,
    /// Which share.
    pub share_ppm: u32,
    /// Only these operations; `None` is all.
    pub operations: Option<Vec<OperationId>>,
}

/// A share of requests is taken up later by a drawn time that occupies no worker.
#[derive(Clone, Debug, PartialEq)]
pub struct DependencyDelay {
    /// Which service.
    pub service: ServiceId,
    /// Which share.
    pub share_ppm: u32,
    /// How much later.
    pub add: Distribution,
    /// Only these operations; `None` is all.
    pub operations: Option<Vec<OperationId>>,
}
