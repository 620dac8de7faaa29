//! Keeps copies close: a bounded key-value cache with a policy for what to drop, when to expire and how to load.
//! Never reads a clock, never starts a load itself, never touches a random source.

mod config; // how much is kept, for how long, and what goes first
mod core; // the cache itself
mod eviction; // which entry goes when there is no room
mod expiry; // when entries expire, and which is next
mod loading; // one load per key, stale values, refresh ahead, negative answers
mod lookup; // what a lookup finds and what a write does
mod reads; // what a key leads to
mod removal; // who is told what went, and why
pub mod ring; // which of several nodes keeps a key
pub mod shared; // the cache for many threads
mod snapshot; // everything that is there, to be put back later
mod stats; // what it has done so far
mod tags; // which entries carry which tag
mod tiered; // a cache before a larger, slower store

pub use config::{CacheConfig, CacheError, MAX_ENTRIES};
pub use core::Cache;
pub use eviction::{
    Admission, Arc, Clock, Departure, Eviction, EvictionKind, Fifo, FrequencySketch, Gdsf, Incoming, Lfu,
    Lirs, Lru, Optimal, RandomEviction, S3Fifo, Sieve, Slru, TinyLfuFilter, TwoQ, UnknownEviction, Victim,
    WTinyLfu, optimal_misses,
};
pub use loading::{
    Answer, Found, Invalidation, Lease, LoadResult, LoadStats, Loaded, LoadingCache, LoadingConfig,
    LoadingError, OnLoadError,
};
pub use lookup::{Inserted, Lookup, Stale, Terms};
pub use removal::{Removal, RemovalCause, RemovalListener, RemovalLog};
pub use snapshot::{CacheSnapshot, Kept};
pub use stats::CacheStats;
pub use tiered::{MemoryStore, Reading, SlowStore, Store, StoreError, TieredCache, WritePolicy};

#[cfg(test)]
mod tests;
