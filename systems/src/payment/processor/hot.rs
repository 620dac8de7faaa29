//! Payments that were asked about last, decoded, beside what is stored of them. A step takes one out and puts it back
//! when its batch is written, so that what is here is never older than what is stored. What is not here is read from the
//! store. Decides nothing, and never holds more than twice [`MOST`].

use crate::payment::intent::Intent;
use crate::payment::operation::IntentId;
use std::collections::BTreeMap;

/// So many make a generation.
const MOST: usize = 4_096;

/// The payments of the last two generations.
#[derive(Debug, Default)]
pub(super) struct Hot {
    young: BTreeMap<IntentId, Box<Intent>>,
    /// Those that were put back before the young ones; gone with the next generation.
    old: BTreeMap<IntentId, Box<Intent>>,
}

impl Hot {
    /// Takes one out, to be changed.
    pub(super) fn take(&mut self, id: IntentId) -> Option<Box<Intent>> {
        self.young.remove(&id).or_else(|| self.old.remove(&id))
    }

    /// What a payment is, if it is here.
    pub(super) fn get(&self, id: IntentId) -> Option<&Intent> {
        self.young.get(&id).or_else(|| self.old.get(&id)).map(|intent| &**intent)
    }

    /// Puts one back that is stored as it is now.
    pub(super) fn put(&mut self, intent: Box<Intent>) {
        if self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(intent.id, intent);
    }
}
