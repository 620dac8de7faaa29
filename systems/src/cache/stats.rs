//! What a cache has done so far. Counters saturate in about 584 years of one event each nanosecond.

/// What a cache has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Lookups that found a fresh value.
    pub hits: u64,
    /// Lookups that found nothing fresh, those that found something expired included.
    pub misses: u64,
    /// Lookups that found something expired.
    pub expired: u64,
    /// Entries that went for want of room.
    pub evicted: u64,
    /// Their weight.
    pub evicted_weight: u64,
    /// Values not let in: too heavy, outdated, or turned away by the policy.
    pub refused: u64,
}

impl CacheStats {
    /// Hits among the lookups, in parts per million; `None` before the first.
    pub fn hit_ratio_ppm(&self) -> Option<u32> {
        let lookups = u128::from(self.hits) + u128::from(self.misses);
        (lookups > 0).then(|| (u128::from(self.hits) * 1_000_000 / lookups) as u32)
    }

    /// Both together.
    pub fn plus(&self, other: &CacheStats) -> CacheStats {
        CacheStats {
            hits: self.hits.saturating_add(other.hits),
            misses: self.misses.saturating_add(other.misses),
            expired: self.expired.saturating_add(other.expired),
            evicted: self.evicted.saturating_add(other.evicted),
            evicted_weight: self.evicted_weight.saturating_add(other.evicted_weight),
            refused: self.refused.saturating_add(other.refused),
        }
    }
}
