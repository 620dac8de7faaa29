//! Where a lot is: the zone of its tariff, and when its clocks change.

#[cfg(feature = "time_zones")]
use crate::zone::{NamedZone, Zone as _};

/// How a place counts its hours.
#[derive(Clone, Debug)]
pub enum Zone {
    /// Always this many seconds east of universal time.
    Fixed(i32),
    /// A named zone with its changes, from the bundled data.
    #[cfg(feature = "time_zones")]
    Named(Box<NamedZone>),
}

impl Zone {
    /// Universal time.
    pub const UTC: Zone = Zone::Fixed(0);

    /// The zone with this name, such as `Europe/Lisbon`; `None` if there is none.
    #[cfg(feature = "time_zones")]
    pub fn named(name: &str) -> Option<Zone> {
        NamedZone::new(name).map(|zone| Zone::Named(Box::new(zone)))
    }

    /// Seconds to add to universal time to get local time.
    pub fn offset_s(&self, unix_s: i64) -> i32 {
        match self {
            Zone::Fixed(offset_s) => *offset_s,
            #[cfg(feature = "time_zones")]
            Zone::Named(zone) => zone.offset_s(unix_s),
        }
    }

    /// The first change of the offset after an instant; `None` if there is none.
    pub fn next_change_s(&self, unix_s: i64) -> Option<i64> {
        match self {
            Zone::Fixed(_) => None,
            #[cfg(feature = "time_zones")]
            Zone::Named(zone) => zone.next_change_s(unix_s),
        }
    }
}
