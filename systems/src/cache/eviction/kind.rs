//! The built-in policies by name. Never decides anything itself.

use super::{
    Arc, Clock, Eviction, Fifo, Gdsf, Lfu, Lirs, Lru, RandomEviction, S3Fifo, Sieve, Slru, TinyLfuFilter,
    TwoQ, WTinyLfu,
};
use std::fmt;
use std::str::FromStr;

/// The built-in policies, each with the parameters its authors published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionKind {
    /// The entry not used for the longest time goes.
    Lru,
    /// The entry that came first goes, used or not.
    Fifo,
    /// FIFO with a second chance for what was used.
    Clock,
    /// A hand sweeps over a FIFO queue and takes what was not used.
    Sieve,
    /// Segmented LRU: what was used twice is safe from what was used once.
    Slru,
    /// The least often used goes, the oldest of them first.
    Lfu,
    /// Two queues and a memory for what left the first.
    TwoQ,
    /// Balances recency and frequency by what it regrets.
    Arc,
    /// Low inter-reference recency: the distance between the last two uses counts.
    Lirs,
    /// Three FIFO queues: small, main, ghosts.
    S3Fifo,
    /// A small window before a segmented LRU that admits by estimated frequency.
    WTinyLfu,
    /// The same with a window that climbs to where most is found.
    WTinyLfuAdaptive,
    /// Greedy dual: frequency per weight, ageing.
    Gdsf,
    /// Any entry, by a seeded mixer.
    Random,
}

/// Each policy with its name in configs.
const NAMES: [(EvictionKind, &str); 14] = [
    (EvictionKind::Lru, "lru"),
    (EvictionKind::Fifo, "fifo"),
    (EvictionKind::Clock, "clock"),
    (EvictionKind::Sieve, "sieve"),
    (EvictionKind::Slru, "slru"),
    (EvictionKind::Lfu, "lfu"),
    (EvictionKind::TwoQ, "2q"),
    (EvictionKind::Arc, "arc"),
    (EvictionKind::Lirs, "lirs"),
    (EvictionKind::S3Fifo, "s3-fifo"),
    (EvictionKind::WTinyLfu, "w-tinylfu"),
    (EvictionKind::WTinyLfuAdaptive, "w-tinylfu-adaptive"),
    (EvictionKind::Gdsf, "gdsf"),
    (EvictionKind::Random, "random"),
];

impl EvictionKind {
    /// All of them.
    pub fn all() -> impl Iterator<Item = EvictionKind> {
        NAMES.iter().map(|(kind, _)| *kind)
    }

    /// A policy that knows no entries yet, for a cache of this capacity. `seed` matters to random eviction alone.
    pub fn build(self, capacity: u64, seed: u64) -> Box<dyn Eviction> {
        match self {
            EvictionKind::Lru => Box::new(Lru::default()),
            EvictionKind::Fifo => Box::new(Fifo::default()),
            EvictionKind::Clock => Box::new(Clock::default()),
            EvictionKind::Sieve => Box::new(Sieve::default()),
            EvictionKind::Slru => Box::new(Slru::new(capacity)),
            EvictionKind::Lfu => Box::new(Lfu::default()),
            EvictionKind::TwoQ => Box::new(TwoQ::new(capacity)),
            EvictionKind::Arc => Box::new(Arc::new(capacity)),
            EvictionKind::Lirs => Box::new(Lirs::new(capacity)),
            EvictionKind::S3Fifo => Box::new(S3Fifo::new(capacity)),
            EvictionKind::WTinyLfu => Box::new(WTinyLfu::new(capacity)),
            EvictionKind::WTinyLfuAdaptive => Box::new(WTinyLfu::adaptive(capacity)),
            EvictionKind::Gdsf => Box::new(Gdsf::default()),
            EvictionKind::Random => Box::new(RandomEviction::new(seed)),
        }
    }
}

impl fmt::Display for EvictionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(kind, _)| kind == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

/// A name that no built-in policy has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownEviction(
    /// The name.
    pub String,
);

impl fmt::Display for UnknownEviction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no eviction policy: use one of", self.0)?;
        NAMES.iter().try_for_each(|(_, name)| write!(f, " {name}"))
    }
}

impl std::error::Error for UnknownEviction {}

impl FromStr for EvictionKind {
    type Err = UnknownEviction;

    fn from_str(text: &str) -> Result<EvictionKind, UnknownEviction> {
        let known = NAMES.iter().find(|(_, name)| *name == text);
        known.map(|(kind, _)| *kind).ok_or_else(|| UnknownEviction(text.to_string()))
    }
}

/// Who is let in when something has to go for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// Everybody.
    #[default]
    All,
    /// Only what is estimated to be used more often than the victim ([`TinyLfuFilter`]).
    TinyLfu,
}

impl Admission {
    /// The policy behind this filter.
    pub fn guard(self, eviction: Box<dyn Eviction>, capacity: u64) -> Box<dyn Eviction> {
        match self {
            Admission::All => eviction,
            Admission::TinyLfu => Box::new(TinyLfuFilter::new(eviction, capacity)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_found_by_the_name_it_prints() {
        for kind in EvictionKind::all() {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        let unknown = "mru".parse::<EvictionKind>().expect_err("there is no such policy");
        assert!(unknown.to_string().contains("use one of lru fifo"), "{unknown}");
    }
}
