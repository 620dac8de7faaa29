//! Local time: how far the clocks of a place are ahead of universal time, and which day it is there. A zone is a trait,
//! and the clock on the wall is what the caller says it is; the machine's clock and zone data are never read.

use std::fmt;

/// A day that is not the one on which clocks change.
pub(crate) const DAY_S: i64 = 86_400;

/// How far a place's clocks are ahead of UTC.
pub trait Zone: fmt::Debug {
    /// In seconds, at an instant given in seconds since 1970; less than a day either way.
    fn offset_s(&self, unix_s: i64) -> i32;
}

/// Always so far ahead of UTC, in seconds; 0 is UTC itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FixedOffset(pub i32);

impl Zone for FixedOffset {
    fn offset_s(&self, _unix_s: i64) -> i32 {
        self.0
    }
}

/// A zone of the bundled IANA database.
#[cfg(feature = "time_zones")]
#[derive(Clone, Debug)]
pub struct NamedZone(jiff::tz::TimeZone);

#[cfg(feature = "time_zones")]
impl NamedZone {
    /// The zone with this name, such as `Europe/Lisbon`; `None` if there is none.
    pub fn new(name: &str) -> Option<NamedZone> {
        jiff::tz::TimeZoneDatabase::bundled().get(name).ok().map(NamedZone)
    }

    /// The first change of the offset after an instant, both in seconds since 1970; `None` if there is none.
    pub fn next_change_s(&self, unix_s: i64) -> Option<i64> {
        let at = jiff::Timestamp::from_second(unix_s).ok()?;
        self.0.following(at).next().map(|change| change.timestamp().as_second())
    }
}

#[cfg(feature = "time_zones")]
impl Zone for NamedZone {
    fn offset_s(&self, unix_s: i64) -> i32 {
        jiff::Timestamp::from_second(unix_s).map_or(0, |at| self.0.to_offset(at).seconds())
    }
}

/// Year, month and day so many days after 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
pub(crate) fn date_of_day(days: i64) -> (i64, u8, u8) {
    // Years that begin in March, in cycles of 400.
    let shifted = days + 719_468;
    let (cycle, day_of_cycle) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_cycle + cycle * 400 + i64::from(month <= 2), month as u8, day as u8)
}

/// The day of the week so many days after 1970-01-01: 0 is Sunday, 6 Saturday.
pub(crate) const fn weekday_of_day(days: i64) -> u8 {
    (days + 4).rem_euclid(7) as u8
}
