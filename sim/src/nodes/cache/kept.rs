//! What a cache keeps and who is loading what: the cache of the library, with loads of one key told from another or
//! without. Knows nothing of requests but the places in which they wait.

use std::collections::{BTreeMap, BTreeSet};

use foreshock_systems::cache::{
    Answer, Cache, CacheStats, Found, Invalidation, Lease, LoadResult, LoadStats, Loaded, LoadingCache,
    Lookup, Terms,
};

use super::settings::Settings;
use crate::cluster::{Fill, Filled, Ref};
use crate::kernel::draw::{Key, below};
use crate::kernel::time::Time;

/// What a cache says of a key.
pub(super) enum Said {
    /// A value of this version.
    Value(u64),
    /// A value of this version, and whoever asked is to load the key anew, under this lease.
    ValueAndLoad(u64, u64),
    /// The origin has none.
    Absent,
    /// Loading it has failed just now.
    Failed,
    /// Nothing: it is to be loaded, under this lease or without one (0).
    Missing(u64),
    /// It is being loaded: wait.
    Loading,
}

/// What is kept.
pub(super) enum Kept {
    /// Every miss is a load of its own, and the last value brought counts. `None`: the origin has no value.
    Plain(Box<Cache<u64, Option<u64>>>),
    /// One load a key, by leases.
    Leased(Box<LoadingCache<u64, u64, Ref>>),
}

/// A cache of some settings, and the leases it has given out.
pub(super) struct Shelf {
    pub(super) kept: Kept,
    seed: u64,
    /// Draws the sizes of entries.
    sizes: Key,
    leases: BTreeMap<u64, (Lease, Time)>,
    late: BTreeSet<(Time, u64)>,
    last_lease: u64,
    /// Loads that nobody brought back in time.
    pub(super) timed_out: u64,
    /// Values that came after that.
    pub(super) late_fills: u64,
}

impl Shelf {
    pub(super) fn new(settings: &Settings, seed: u64, sizes: Key) -> Shelf {
        Shelf {
            kept: empty(settings, seed),
            seed,
            sizes,
            leases: BTreeMap::new(),
            late: BTreeSet::new(),
            last_lease: 0,
            timed_out: 0,
            late_fills: 0,
        }
    }

    /// Looks a key up. `word` decides about early expiry.
    pub(super) fn ask(&mut self, settings: &Settings, now: Time, key: u64, word: u64, job: Ref) -> Said {
        let cache = match &mut self.kept {
            Kept::Plain(cache) => {
                return match cache.get(now, &key) {
                    Lookup::Hit(Some(version)) => Said::Value(*version),
                    Lookup::Hit(None) => Said::Absent,
                    Lookup::Miss | Lookup::Expired => Said::Missing(0),
                };
            }
            Kept::Leased(cache) => cache,
        };
        let Answer { found, load } = cache.get(now, &key, word, job);
        let lease = load.map(|lease| self.grant(lease, now + settings.lease_timeout));
        match (found, lease) {
            (Found::Fresh(version) | Found::Stale(version), None) => Said::Value(version),
            (Found::Fresh(version) | Found::Stale(version), Some(lease)) => {
                Said::ValueAndLoad(version, lease)
            }
            (Found::Absent, _) => Said::Absent,
            (Found::Failed, _) => Said::Failed,
            (Found::Pending, Some(lease)) => Said::Missing(lease),
            // Where single flight was switched off while the process runs, nobody waits any more.
            (Found::Pending, None) if !settings.single_flight => Said::Missing(0),
            (Found::Pending, None) => Said::Loading,
        }
    }

    /// Takes up what a load has brought; who waited for it, and what all of them are to be told.
    pub(super) fn bring(
        &mut self,
        settings: &Settings,
        now: Time,
        fill: &Fill,
    ) -> Option<(Vec<Ref>, Found<u64>)> {
        let weight = self.weight(settings, fill.key);
        let cache = match &mut self.kept {
            Kept::Plain(cache) => {
                let (value, ttl) = match fill.found {
                    Filled::Value(version) => (Some(version), None),
                    Filled::Absent => (None, Some(settings.loading.absent_ttl?)),
                    Filled::Failed => return None,
                };
                cache.insert_with(now, fill.key, value, &Terms { ttl, weight, ..Terms::default() });
                return None;
            }
            Kept::Leased(cache) => cache,
        };
        if fill.lease == 0 {
            if let Filled::Value(version) = fill.found {
                cache.put(now, fill.key, version, &Terms { weight, version, ..Terms::default() });
            }
            return None;
        }
        let Some((lease, late_at)) = self.leases.remove(&fill.lease) else {
            self.late_fills += 1;
            return None;
        };
        self.late.remove(&(late_at, fill.lease));
        let (result, version) = match fill.found {
            Filled::Value(version) => (LoadResult::Value(version), version),
            Filled::Absent => (LoadResult::Absent, 0),
            Filled::Failed => (LoadResult::Failed, 0),
        };
        let loaded = cache.finish(now, lease, result, &Terms { weight, version, ..Terms::default() })?;
        Some(told(loaded))
    }

    /// Writes what did not come from a load.
    pub(super) fn put(&mut self, settings: &Settings, now: Time, key: u64, version: u64) {
        let weight = self.weight(settings, key);
        match &mut self.kept {
            Kept::Plain(cache) => {
                cache.insert_with(now, key, Some(version), &Terms { weight, ..Terms::default() });
            }
            Kept::Leased(cache) => {
                cache.put(now, key, version, &Terms { weight, version, ..Terms::default() });
            }
        }
    }

    /// Drops a key, or what is older than a version of it if that is known; whether there was anything to drop.
    pub(super) fn invalidate(&mut self, now: Time, key: u64, version: u64) -> bool {
        match &mut self.kept {
            // It cannot tell older values from newer ones.
            Kept::Plain(cache) => cache.remove(now, &key).is_some(),
            Kept::Leased(cache) => {
                let before = cache.len();
                let what = match version {
                    0 => Invalidation::Key(key),
                    version => Invalidation::Older { key, version },
                };
                cache.handle_invalidation(now, &what);
                cache.len() < before
            }
        }
    }

    /// Loses everything. Who is loading goes on, and who waits goes on waiting.
    pub(super) fn wipe(&mut self) {
        match &mut self.kept {
            Kept::Plain(cache) => cache.clear(),
            Kept::Leased(cache) => cache.clear(),
        }
    }

    /// Whether there is an entry of a key, expired or not.
    pub(super) fn has(&self, key: u64) -> bool {
        match &self.kept {
            Kept::Plain(cache) => cache.has(&key),
            Kept::Leased(cache) => cache.has(&key),
        }
    }

    /// When the next lease ends.
    pub(super) fn next_late(&self) -> Option<Time> {
        self.late.first().map(|(at, _)| *at)
    }

    /// Ends one lease whose time is over; its key, who waited, and what they are to be told.
    pub(super) fn end_late(&mut self, now: Time) -> Option<(u64, Vec<Ref>, Found<u64>)> {
        while let Some((at, number)) = self.late.first().copied().filter(|(at, _)| *at <= now) {
            self.late.remove(&(at, number));
            let (Some((lease, _)), Kept::Leased(cache)) = (self.leases.remove(&number), &mut self.kept)
            else {
                continue;
            };
            if let Some(loaded) = cache.finish(now, lease, LoadResult::Failed, &Terms::default()) {
                self.timed_out += 1;
                let key = loaded.key;
                let (jobs, found) = told(loaded);
                return Some((key, jobs, found));
            }
        }
        None
    }

    /// The process starts anew: nobody waits or loads any more, and nothing is there unless it was kept.
    pub(super) fn restart(&mut self, now: Time, keeps: bool) {
        match &mut self.kept {
            Kept::Plain(cache) if !keeps => cache.clear(),
            Kept::Plain(_) => {}
            Kept::Leased(cache) => {
                if keeps {
                    cache.invalidate_if(now, |_, _| false);
                } else {
                    cache.handle_invalidation(now, &Invalidation::All);
                }
                for (lease, _) in std::mem::take(&mut self.leases).into_values() {
                    cache.finish(now, lease, LoadResult::Failed, &Terms::default());
                }
            }
        }
        self.leases.clear();
        self.late.clear();
    }

    /// Follows other settings. What is there stays, as far as it fits.
    pub(super) fn reconfigure(&mut self, settings: &Settings) {
        let seed = self.seed;
        let mut loading = settings.loading;
        loading.cache.seed = seed;
        match &mut self.kept {
            Kept::Plain(cache) if settings.single_flight => {
                let mut leased = LoadingCache::new(loading);
                for entry in cache.snapshot().entries {
                    if let Some(version) = entry.value {
                        let terms = Terms { weight: entry.weight, version, ..Terms::default() };
                        leased.put(entry.written, entry.key, version, &terms);
                    }
                }
                self.kept = Kept::Leased(Box::new(leased));
            }
            Kept::Plain(cache) => cache.reconfigure(loading.cache),
            Kept::Leased(cache) => cache.reconfigure(loading),
        }
    }

    pub(super) fn stats(&self) -> (CacheStats, LoadStats) {
        match &self.kept {
            Kept::Plain(cache) => (cache.stats(), LoadStats::default()),
            Kept::Leased(cache) => (cache.cache_stats(), cache.load_stats()),
        }
    }

    pub(super) fn len(&self) -> u32 {
        match &self.kept {
            Kept::Plain(cache) => cache.len(),
            Kept::Leased(cache) => cache.len(),
        }
    }

    fn grant(&mut self, lease: Lease, late_at: Time) -> u64 {
        self.last_lease += 1;
        self.leases.insert(self.last_lease, (lease, late_at));
        self.late.insert((late_at, self.last_lease));
        self.last_lease
    }

    /// What an entry takes of the capacity: the size of a key's value never changes.
    fn weight(&self, settings: &Settings, key: u64) -> u32 {
        let Some((least, most)) = settings.entry_bytes else { return 1 };
        least + below(self.sizes.draw(key), u64::from(most - least) + 1) as u32
    }
}

fn told(loaded: Loaded<u64, u64, Ref>) -> (Vec<Ref>, Found<u64>) {
    (loaded.waiters, loaded.found)
}

fn empty(settings: &Settings, seed: u64) -> Kept {
    let mut loading = settings.loading;
    loading.cache.seed = seed;
    if settings.single_flight {
        Kept::Leased(Box::new(LoadingCache::new(loading)))
    } else {
        Kept::Plain(Box::new(Cache::new(loading.cache)))
    }
}
