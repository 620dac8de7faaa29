//! The sensors of a lot, some of which stick, and whoever looks at a spot that is said to lie. Beside them a list of
//! what the stuck ones say against who stands there: by it a lie that nobody names is noticed, whatever the lot believes.

use std::collections::{BTreeMap, BTreeSet};

use foreshock_systems::parking_lot::{Input, LotConfig, SpotClass, SpotId};

use super::settings::LotSettings;
use crate::kernel::time::{Span, Time};

#[derive(Debug, Default)]
pub(super) struct Sensors {
    are_there: bool,
    window: Span,
    inspect_after: Option<Span>,
    stuck: BTreeSet<SpotId>,
    stuck_says: bool,
    /// Stuck or repaired by a change of the settings, and the lot was not told yet.
    to_tell: Vec<Input>,
    /// When somebody looks at a spot.
    visits: BTreeSet<(Time, SpotId)>,
    /// Stuck sensors that contradict who stands there: since when, and whether the lot has named them.
    lying: BTreeMap<SpotId, (Time, bool)>,
    /// A person has been there: nobody listens to these any more.
    known: BTreeSet<SpotId>,
}

impl Sensors {
    /// Follows the settings, which may have changed.
    pub(super) fn follow(&mut self, settings: &LotSettings) {
        self.are_there = settings.has_sensors;
        self.window = settings.config.sensor_window;
        self.inspect_after = settings.inspect_after;
        let first = spots_of(&settings.config, SpotClass::Compact).take(settings.stuck_sensors as usize);
        let stuck: BTreeSet<SpotId> = first.collect();
        for spot in self.stuck.difference(&stuck) {
            self.lying.remove(spot);
            self.known.remove(spot);
            self.to_tell.push(Input::SensorRepaired { spot: *spot });
        }
        if self.stuck_says != settings.stuck_says {
            self.lying.clear();
        }
        self.stuck_says = settings.stuck_says;
        let says = |spot: &SpotId| Input::Sensor { spot: *spot, is_occupied: settings.stuck_says };
        self.to_tell.extend(stuck.iter().map(says));
        self.stuck = stuck;
    }

    /// The process begins anew, and has heard of nothing.
    pub(super) fn begin_again(&mut self) {
        self.lying.clear();
        self.known.clear();
        self.visits.clear();
        let says = |spot: &SpotId| Input::Sensor { spot: *spot, is_occupied: self.stuck_says };
        self.to_tell = self.stuck.iter().map(says).collect();
    }

    /// What the lot has to be told because of the settings.
    pub(super) fn news(&mut self) -> Vec<Input> {
        if self.are_there { std::mem::take(&mut self.to_tell) } else { Vec::new() }
    }

    /// What the sensor of a spot says now that a car has come or gone.
    pub(super) fn says(&self, spot: SpotId, is_occupied: bool) -> Option<Input> {
        let works = self.are_there && !self.stuck.contains(&spot);
        works.then_some(Input::Sensor { spot, is_occupied })
    }

    pub(super) fn found(&mut self, now: Time, spot: SpotId) {
        if let Some((_, is_named)) = self.lying.get_mut(&spot) {
            *is_named = true;
        }
        self.visits.extend(self.inspect_after.map(|after| (now + after, spot)));
    }

    /// Spots that somebody looks at now.
    pub(super) fn visited(&mut self, now: Time) -> Vec<SpotId> {
        let mut spots = Vec::new();
        while let Some((at, spot)) = self.visits.first().copied().filter(|(at, _)| *at <= now) {
            self.visits.remove(&(at, spot));
            spots.push(spot);
        }
        spots
    }

    /// Somebody has looked at a spot: a sensor that lied is not heard any more.
    pub(super) fn was_seen(&mut self, spot: SpotId, is_occupied: bool) {
        if self.stuck.contains(&spot) && self.stuck_says != is_occupied {
            self.known.insert(spot);
            self.lying.remove(&spot);
        }
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.visits.first().map(|(at, _)| *at)
    }

    /// A sensor that has lied for longer than the window, and the lot has not said so. `stands` says whether a car
    /// stands on a spot.
    pub(super) fn unnamed(&mut self, now: Time, stands: impl Fn(SpotId) -> bool) -> Option<SpotId> {
        if !self.are_there || self.stuck.is_empty() {
            return None;
        }
        for spot in self.stuck.difference(&self.known) {
            if stands(*spot) == self.stuck_says {
                self.lying.remove(spot);
            } else {
                self.lying.entry(*spot).or_insert((now, false));
            }
        }
        let mut lying = self.lying.iter();
        lying.find(|(_, (since, is_named))| !is_named && *since + self.window < now).map(|(spot, _)| *spot)
    }
}

/// The spots of a class, in the order in which the lot numbers them.
pub(super) fn spots_of(config: &LotConfig, class: SpotClass) -> impl Iterator<Item = SpotId> {
    let each = config.levels.iter().flat_map(|level| SpotClass::ALL.into_iter().zip(level.spots));
    let classes = each.flat_map(|(class, count)| std::iter::repeat_n(class, count as usize));
    classes.zip(0..).filter(move |(of, _)| *of == class).map(|(_, number)| SpotId(number))
}
