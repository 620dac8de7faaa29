//! The other end of a fencing token: what keeps it, beside what a job writes to, refuses the writes of workers that lost
//! their lease. Never asks the scheduler.

use super::job::{JobId, Token};
use std::collections::BTreeMap;
use std::fmt;

/// The latest token seen of each job.
#[derive(Clone, Debug, Default)]
pub struct Fence {
    latest: BTreeMap<JobId, Token>,
}

/// A later lease has been here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FencedOut {
    /// Whose token was seen.
    pub latest: Token,
}

impl fmt::Display for FencedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lease {} has been here: stop, the job is somebody else's", self.latest.0)
    }
}

impl std::error::Error for FencedOut {}

impl Fence {
    /// Nothing seen yet.
    pub fn new() -> Fence {
        Fence::default()
    }

    /// Lets a write of a job through unless a later lease of the same job has been here. The same lease may write as
    /// often as it likes.
    ///
    /// # Errors
    /// [`FencedOut`]: do not write.
    pub fn admit(&mut self, job: JobId, token: Token) -> Result<(), FencedOut> {
        let latest = self.latest.entry(job).or_insert(token);
        if token < *latest {
            return Err(FencedOut { latest: *latest });
        }
        *latest = token;
        Ok(())
    }

    /// Forgets a job that has ended and is no longer kept.
    pub fn forget(&mut self, job: JobId) {
        self.latest.remove(&job);
    }
}
