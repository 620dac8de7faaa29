//! How often each flag was asked for and what it answered, for whoever wants to know whom a change has reached. Names
//! that do not exist are counted together: callers cannot fill the memory with them.

use super::detail::Detail;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The answers of one flag at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Answered on.
    pub yes: u64,
    /// Answered off, or with an error.
    pub no: u64,
    /// Answered on, by the index of the variant.
    pub variants: BTreeMap<u32, u64>,
}

impl Exposure {
    /// All answers.
    pub fn evaluations(&self) -> u64 {
        self.yes.saturating_add(self.no)
    }
}

/// Answers since they were last drained.
#[derive(Clone, Debug, Default)]
pub struct Exposures {
    counts: BTreeMap<u64, BTreeMap<Arc<str>, Exposure>>,
    unknown: u64,
}

impl Exposures {
    /// Nothing counted.
    pub fn new() -> Exposures {
        Exposures::default()
    }

    /// Counts an answer.
    pub fn record(&mut self, detail: &Detail<'_>) {
        let Some(flag) = detail.flag else {
            self.unknown = self.unknown.saturating_add(1);
            return;
        };
        let flags = self.counts.entry(detail.revision).or_default();
        let exposure = match flags.get_mut(flag.name()) {
            Some(exposure) => exposure,
            None => flags.entry(Arc::clone(&flag.name)).or_default(),
        };
        let count = if detail.on { &mut exposure.yes } else { &mut exposure.no };
        *count = count.saturating_add(1);
        if let Some(index) = detail.variant_index {
            let count = exposure.variants.entry(index).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Questions for flags that are not there.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Takes everything that was counted: by revision, by flag.
    pub fn drain(&mut self) -> impl Iterator<Item = (u64, Arc<str>, Exposure)> + use<> {
        self.unknown = 0;
        let counts = std::mem::take(&mut self.counts);
        counts.into_iter().flat_map(|(revision, flags)| {
            flags.into_iter().map(move |(flag, exposure)| (revision, flag, exposure))
        })
    }
}
