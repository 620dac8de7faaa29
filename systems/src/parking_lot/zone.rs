//! Local time: how far the clock on the wall is from universal time, and when that changes. Never reads the machine's
//! zone data.

/// How a place counts its hours.
#[derive(Clone, Debug)]
pub enum Zone {
    /// Always this many seconds east of universal time.
    Fixed(i32),
    /// A named zone with its changes, from the bundled data.
    #[cfg(feature = "zones")]
    Named(Box<jiff::tz::TimeZone>),
}

impl Zone {
    /// Universal time.
    pub const UTC: Zone = Zone::Fixed(0);

    /// The zone with this name, such as `Europe/Lisbon`; `None` if there is none.
    #[cfg(feature = "zones")]
    pub fn named(name: &str) -> Option<Zone> {
        let zone = jiff::tz::TimeZoneDatabase::bundled().get(name).ok()?;
        Some(Zone::Named(Box::new(zone)))
    }

    /// Seconds to add to universal time to get local time.
    pub fn offset_s(&self, unix_s: i64) -> i32 {
        match self {
            Zone::Fixed(offset_s) => *offset_s,
            #[cfg(feature = "zones")]
            Zone::Named(zone) => {
                jiff::Timestamp::from_second(unix_s).map_or(0, |at| zone.to_offset(at).seconds())
            }
        }
    }

    /// The first change of the offset after an instant; `None` if there is none.
    pub fn next_change_s(&self, unix_s: i64) -> Option<i64> {
        match self {
            Zone::Fixed(_) => None,
            #[cfg(feature = "zones")]
            Zone::Named(zone) => {
                let at = jiff::Timestamp::from_second(unix_s).ok()?;
                zone.following(at).next().map(|change| change.timestamp().as_second())
            }
        }
    }
}
