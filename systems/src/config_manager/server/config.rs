//! How a server is set up.

use crate::time::Span;
use std::fmt;

/// How a server is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Every watch gets a bookmark so often: how far it has come, and that the server lives.
    pub progress_interval: Span,
    /// So many revisions stay in the history at least; when there are twice as many, the older half is forgotten.
    /// `None` keeps them until [`Request::Compact`](super::super::Request::Compact).
    pub keep_revisions: Option<u64>,
    /// So many releases of a scope can be rolled back to.
    pub keep_releases: u64,
    /// So many entries of the audit are kept.
    pub keep_audit: u64,
    /// The longest that a long poll waits, whatever it asks for.
    pub most_hold: Span,
    /// One more, and the oldest is cancelled.
    pub most_watches_per_peer: usize,
}

impl Default for ServerConfig {
    /// Bookmarks each 5 s; 10,000 revisions, 100 releases, 10,000 audit entries; polls wait up to 90 s (Apollo's client
    /// gives up after that), 16 watches a peer.
    fn default() -> ServerConfig {
        ServerConfig {
            progress_interval: Span::from_secs(5),
            keep_revisions: Some(10_000),
            keep_releases: 100,
            keep_audit: 10_000,
            most_hold: Span::from_secs(90),
            most_watches_per_peer: 16,
        }
    }
}

/// Why a config cannot be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerConfigError {
    /// Bookmarks all the time.
    NoInterval,
    /// Every watch would have to begin anew after every write.
    NoHistory,
    /// Nothing could be rolled back to.
    NoReleases,
    /// Nobody could watch.
    NoWatches,
}

impl fmt::Display for ServerConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ServerConfigError::NoInterval => "`progress_interval` is zero: write how often, as 5 s",
            ServerConfigError::NoHistory => {
                "`keep_revisions` is zero: write how many, as 10000, or none at all"
            }
            ServerConfigError::NoReleases => "`keep_releases` is below 2: there is nothing to roll back to",
            ServerConfigError::NoWatches => "`most_watches_per_peer` is zero: nobody could watch",
        })
    }
}

impl std::error::Error for ServerConfigError {}

impl ServerConfig {
    /// Whether it can be meant.
    ///
    /// # Errors
    /// Says what to write instead.
    pub fn validate(&self) -> Result<(), ServerConfigError> {
        if self.progress_interval.is_zero() {
            Err(ServerConfigError::NoInterval)
        } else if self.keep_revisions == Some(0) {
            Err(ServerConfigError::NoHistory)
        } else if self.keep_releases < 2 {
            Err(ServerConfigError::NoReleases)
        } else if self.most_watches_per_peer == 0 {
            Err(ServerConfigError::NoWatches)
        } else {
            Ok(())
        }
    }
}

/// Defects for tests: each breaks one promise, and a check has to find it.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config_manager) enum Sabotage {
    /// Of two revisions to be told, the later is told first.
    SwapsRevisions,
    /// The first event of a batch is told twice.
    DoublesEvents,
    /// A revision is told in pieces.
    SplitsRevisions,
    /// Every fifth revision is not told.
    DropsRevisions,
    /// A watch that begins in the past begins one revision too late.
    SkipsOnResume,
    /// A bookmark is given before the events it covers.
    BookmarksEarly,
    /// A watch from a forgotten revision begins with what is left, without a word.
    HidesCompaction,
    /// Compacting on a deletion forgets that it has to be told (etcd, issue 18089).
    ForgetsDeletionOnCompact,
    /// The conditions of a transaction are not looked at.
    IgnoresCompare,
    /// A release takes one revision per key.
    TearsReleases,
    /// A rollback keeps what has been added since.
    RollbackKeepsAdded,
    /// A canary is for everybody.
    CanaryForAll,
    /// What is published is not checked.
    SkipsSchema,
    /// Tells of a revision before it is durable.
    SpeaksBeforeDurable,
}
