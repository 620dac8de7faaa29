//! Spots that the settings put out of service: which the lot still has to close or to open. Decides nothing about cars.

use std::collections::BTreeSet;

use foreshock_systems::parking_lot::{SpotClass, SpotId};

use super::sensors::spots_of;
use super::settings::LotSettings;

#[derive(Debug, Default)]
pub(super) struct Closures {
    wanted: BTreeSet<SpotId>,
    closed: BTreeSet<SpotId>,
    closed_max: u64,
}

impl Closures {
    /// Follows the settings, which may have changed: the last of the compact spots are out of service.
    pub(super) fn follow(&mut self, settings: &LotSettings) {
        let all = settings.config.capacity(SpotClass::Compact);
        let open = all.saturating_sub(u64::from(settings.out_of_service)) as usize;
        self.wanted = spots_of(&settings.config, SpotClass::Compact).skip(open).collect();
    }

    /// The process begins anew: what is closed may have been forgotten.
    pub(super) fn begin_again(&mut self) {
        self.closed.retain(|spot| !self.wanted.contains(spot));
    }

    /// What the lot has still to do: spots to open, and spots to close.
    pub(super) fn to_do(&self) -> Vec<(SpotId, bool)> {
        if self.wanted == self.closed {
            return Vec::new();
        }
        let to_open = self.closed.difference(&self.wanted).map(|spot| (*spot, true));
        to_open.chain(self.wanted.difference(&self.closed).map(|spot| (*spot, false))).collect()
    }

    pub(super) fn was_done(&mut self, spot: SpotId, is_open: bool) {
        if is_open {
            self.closed.remove(&spot);
        } else {
            self.closed.insert(spot);
        }
        self.closed_max = self.closed_max.max(self.closed.len() as u64);
    }

    /// The most that were closed at once.
    pub(super) const fn closed_max(&self) -> u64 {
        self.closed_max
    }
}
