//! A keyed limiter in shards, each behind its own lock: threads that work on different keys rarely meet. The caller's
//! key decides on the shard by a fixed hash.

use super::super::{Forgettable, Keyed, KeyedConfig, KeyedRefusal, KeyedStats, Limiter, NoKeysAllowed};
use super::{Latest, locked};
use crate::key_hash::hash_of;
use crate::key_index::table_of;
use crate::time::Time;
use std::hash::Hash;
use std::sync::Mutex;

/// A keyed limiter for many threads.
#[derive(Debug)]
pub struct SharedKeyed<K, L> {
    hash_seed: u64,
    shards: Vec<Shard<K, L>>,
}

/// On cache lines of its own (two: processors fetch them in pairs), so that the locks of two shards never share one.
#[derive(Debug)]
#[repr(align(128))]
struct Shard<K, L>(Mutex<(Keyed<K, L>, Latest)>);

/// Shards: enough that a handful of threads rarely meet.
const SHARDS: u32 = 16;

impl<K: Hash + Eq + Clone, L: Limiter + Forgettable> SharedKeyed<K, L> {
    /// No keys yet. `max_keys` is divided among the shards, at least one each.
    ///
    /// # Errors
    /// [`NoKeysAllowed`] if `max_keys` is 0.
    pub fn new(config: KeyedConfig, template: &L, now: Time) -> Result<SharedKeyed<K, L>, NoKeysAllowed> {
        let per_shard = KeyedConfig { max_keys: config.max_keys.div_ceil(SHARDS), ..config };
        let shard = |_| {
            let keyed = Keyed::new(per_shard, template.renewed(now), now)?;
            Ok(Shard(Mutex::new((keyed, Latest(now)))))
        };
        Ok(SharedKeyed {
            hash_seed: config.hash_seed,
            shards: (0..SHARDS).map(shard).collect::<Result<_, _>>()?,
        })
    }

    /// As [`Keyed::check`].
    ///
    /// # Errors
    /// As [`Keyed::check`].
    pub fn check(&self, now: Time, key: Option<&K>, cost: u64) -> Result<(), KeyedRefusal> {
        let hash = key.map_or(0, |key| hash_of(self.hash_seed, key));
        let mut shard = locked(&self.shards[table_of(hash, SHARDS as usize)].0);
        let (keyed, latest) = &mut *shard;
        let now = latest.settle(now);
        keyed.check_hashed(now, hash, key, cost)
    }

    /// Changes the limit of all keys, one shard after the other.
    pub fn reconfigure(&self, mut change: impl FnMut(&mut L)) {
        for shard in &self.shards {
            locked(&shard.0).0.reconfigure(&mut change);
        }
    }

    /// Keys kept at present.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| locked(&shard.0).0.len()).sum()
    }

    /// Whether no key is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What all shards have met so far.
    pub fn stats(&self) -> KeyedStats {
        self.shards.iter().map(|shard| locked(&shard.0).0.stats()).fold(
            KeyedStats::default(),
            |sum, shard| KeyedStats {
                empty_keys: sum.empty_keys + shard.empty_keys,
                idle_dropped: sum.idle_dropped + shard.idle_dropped,
                crowded_out: sum.crowded_out + shard.crowded_out,
                keys_refused: sum.keys_refused + shard.keys_refused,
            },
        )
    }
}
