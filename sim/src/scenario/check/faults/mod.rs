//! Faults in scenario files, one file per family: what the file says, and what it means once names are ids.
//! To add one: its struct with [`ResolveFault`] in its family's file, one line in the list below.

mod cache;
mod client;
mod clock;
mod connection;
mod cpu;
mod dependency;
mod network;
mod partition;
mod pool;
mod process;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Checker;
use crate::faults::Fault;
use crate::scenario::path::Path;

/// A fault as the file says it.
pub(crate) trait ResolveFault {
    /// The fault with ids, or `None` if something in it does not exist; that is noted at or below `path`.
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault>;
}

macro_rules! faults {
    ($( $(#[$doc:meta])* $name:literal = $variant:ident($raw:ty), )*) => {
        /// Something that breaks.
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        pub(crate) enum RawFault {
            $( $(#[$doc])* #[serde(rename = $name)] $variant($raw), )*
        }

        impl RawFault {
            /// The fault with ids.
            pub(crate) fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
                match self {
                    $( RawFault::$variant(raw) => raw.resolve(checker, &path.key($name)), )*
                }
            }
        }
    };
}

faults! {
    /// Messages take longer.
    "latency" = Latency(network::RawLatency),
    /// Messages are lost.
    "loss" = Loss(network::RawLoss),
    /// Messages arrive twice.
    "duplicate" = Duplicate(network::RawDuplicate),
    /// Messages overtake each other.
    "reorder" = Reorder(network::RawReordering),
    /// Messages arrive damaged and are dropped.
    "corrupt" = Corrupt(network::RawCorrupt),
    /// The line is narrower.
    "bandwidth" = Bandwidth(network::RawNarrowing),
    /// Groups of nodes cannot reach each other.
    "partition" = Partition(partition::RawPartition),
    /// Connections are refused.
    "refuse" = Refuse(connection::RawRefuse),
    /// Connections break while a request is on its way.
    "reset" = Reset(connection::RawReset),
    /// Processes or hosts die.
    "crash" = Crash(process::RawCrash),
    /// Processes are restarted.
    "restart" = Restart(process::RawRestart),
    /// Processes stand still.
    "pause" = Pause(process::RawPause),
    /// Processors are slower.
    "slow" = Slow(cpu::RawSlow),
    /// Processors stop when a quota is used up.
    "cpu_quota" = CpuQuota(cpu::RawCpuQuota),
    /// A service answers with errors.
    "error" = Error(dependency::RawError),
    /// A service drops requests without an answer.
    "abort" = Abort(dependency::RawAbort),
    /// A service answers late.
    "delay" = Delay(dependency::RawDelay),
    /// Callers drop their back-off and multiply attempts.
    "retry_storm" = RetryStorm(client::RawRetryStorm),
    /// More requests.
    "surge" = Surge(client::RawSurge),
    /// Many requests at once.
    "thundering_herd" = ThunderingHerd(client::RawHerd),
    /// One key takes a share of all requests.
    "hot_key" = HotKey(client::RawHotKey),
    /// Caches lose all they keep.
    "cache_wipe" = CacheWipe(cache::RawCacheWipe),
    /// Connections of a pool leak.
    "pool_exhaustion" = PoolExhaustion(pool::RawPoolExhaustion),
    /// A node's clock is wrong.
    "clock" = Clock(clock::RawClock),
}
