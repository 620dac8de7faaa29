//! Faults as data, one file per family. Each says what it changes; how active faults combine is in `effects`.
//! Never schedules anything itself: the timeline begins and ends them.

mod cache;
mod client;
mod clock;
mod connection;
mod cpu;
mod dependency;
mod describe;
mod network;
mod partition;
mod pool;
mod process;

pub use cache::CacheWipe;
pub use client::{HotKey, RetryStorm, Surge, ThunderingHerd};
pub use clock::{ClockChange, ClockFault};
pub use connection::{ConnectionRefuse, ConnectionReset};
pub use cpu::{CpuQuota, SlowCpu};
pub use dependency::{DependencyAbort, DependencyDelay, DependencyError};
pub use network::{AddedLatency, Bandwidth, Corruption, Duplication, Loss, Reordering};
pub use partition::{Cut, CutMode, Member, Partition};
pub use pool::PoolExhaustion;
pub use process::{Crash, CrashMode, Pause, Restart};

use crate::scenario::plan::ServiceId;

/// One fault; one line per kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Messages take longer.
    Latency(AddedLatency),
    /// Messages are lost.
    Loss(Loss),
    /// Messages arrive twice.
    Duplicate(Duplication),
    /// Messages overtake each other.
    Reorder(Reordering),
    /// Messages arrive damaged, are detected and dropped.
    Corrupt(Corruption),
    /// The line is narrower.
    Bandwidth(Bandwidth),
    /// Groups of nodes cannot reach each other.
    Partition(Partition),
    /// Connections are refused.
    Refuse(ConnectionRefuse),
    /// Connections break while a request is on its way.
    Reset(ConnectionReset),
    /// Processes or hosts die.
    Crash(Crash),
    /// Processes are restarted.
    Restart(Restart),
    /// Processes stand still.
    Pause(Pause),
    /// Processors are slower.
    Slow(SlowCpu),
    /// Processors stop when a quota is used up.
    Quota(CpuQuota),
    /// A service answers with errors.
    Error(DependencyError),
    /// A service drops requests without an answer.
    Abort(DependencyAbort),
    /// A service answers late.
    Delay(DependencyDelay),
    /// Callers drop their back-off and multiply attempts.
    RetryStorm(RetryStorm),
    /// More requests.
    Surge(Surge),
    /// Many requests in the same instant.
    ThunderingHerd(ThunderingHerd),
    /// One key takes a share of all requests.
    HotKey(HotKey),
    /// Caches lose all they keep.
    CacheWipe(CacheWipe),
    /// Connections of a pool leak.
    PoolExhaustion(PoolExhaustion),
    /// A node's clock is wrong.
    Clock(ClockFault),
}

/// Replicas of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSelector {
    /// Which service.
    pub service: ServiceId,
    /// Which of its replicas.
    pub which: Which,
}

/// Which replicas of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every one.
    All,
    /// The one with this index, from 0.
    Index(u32),
    /// One, drawn from the seed.
    One,
    /// The largest number below half, at least one, drawn from the seed.
    Minority,
    /// The smallest number above half, drawn from the seed.
    Majority,
    /// So many, drawn from the seed.
    Random(u32),
}
