//! Faults of processes: crash, restart, pause.

use super::NodeSelector;
use crate::kernel::time::Span;

/// Replicas die when the fault begins and start again when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Which replicas.
    pub nodes: Vec<NodeSelector>,
    /// What callers notice.
    pub mode: CrashMode,
}

/// What callers notice of a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashMode {
    /// The operating system lives on: open connections are reset, new ones refused.
    Process,
    /// Nobody answers: callers run into their timeouts.
    Host,
}

/// Replicas are stopped and started again one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// Which replicas.
    pub nodes: Vec<NodeSelector>,
    /// How long each is away.
    pub downtime: Span,
    /// From one replica to the next; zero: all at once.
    pub every: Span,
}

/// Replicas stand still (a stop-the-world collection, a suspended machine): nothing is received, sent or worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Which replicas.
    pub nodes: Vec<NodeSelector>,
}
