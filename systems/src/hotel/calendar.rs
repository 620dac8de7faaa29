//! Nights and the hours of a house: from the store's clock to the calendar of the place. The zone is what the caller
//! says it is; the machine's is never read.

use crate::time::Time;
use crate::zone::{DAY_S, FixedOffset, Zone, date_of_day, weekday_of_day};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A night, by the day on which it begins: days since 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Night(pub i32);

impl Night {
    /// The night that begins on a day of the Gregorian calendar; `None` if there is no such day in the years 1 to 9999.
    pub fn on(year: i32, month: u8, day: u8) -> Option<Night> {
        if !(1..=9_999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        // Days before the first of March of a year count with the year before (Richards, Explanatory Supplement 2013).
        let shifted_year = i64::from(year) - i64::from(month <= 2);
        let (era, year_of_era) = (shifted_year.div_euclid(400), shifted_year.rem_euclid(400));
        let month_from_march = (i64::from(month) + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let night = Night(i32::try_from(era * 146_097 + day_of_era - 719_468).ok()?);
        (night.date() == (year, month, day)).then_some(night)
    }

    /// Year, month and day.
    pub fn date(self) -> (i32, u8, u8) {
        let (year, month, day) = date_of_day(i64::from(self.0));
        (year as i32, month, day)
    }

    /// 0 is Sunday, 6 Saturday.
    pub const fn weekday(self) -> u8 {
        weekday_of_day(self.0 as i64)
    }

    /// So many nights later.
    #[must_use]
    pub const fn plus(self, nights: u16) -> Night {
        Night(self.0.saturating_add(nights as i32))
    }
}

impl fmt::Display for Night {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// The calendar of a house.
#[derive(Debug)]
pub struct Calendar {
    /// Where it is.
    pub zone: Box<dyn Zone>,
    /// What the store's clock calls zero, in seconds since 1970.
    pub epoch_unix_s: i64,
}

impl Calendar {
    /// UTC, from 1970 on.
    pub fn utc() -> Calendar {
        Calendar { zone: Box::new(FixedOffset(0)), epoch_unix_s: 0 }
    }

    fn unix_s(&self, now: Time) -> i64 {
        self.epoch_unix_s.saturating_add((now.as_nanos() / 1_000_000_000) as i64)
    }

    /// The day that it is in the house.
    pub fn day(&self, now: Time) -> Night {
        let unix_s = self.unix_s(now);
        let local_s = unix_s.saturating_add(i64::from(self.zone.offset_s(unix_s)));
        Night(i32::try_from(local_s.div_euclid(DAY_S)).unwrap_or(i32::MAX))
    }

    /// When a wall clock in the house shows so many minutes after midnight of a day; the first time, if it does so
    /// twice, and the end of the gap if it never does. An instant before the store's zero is zero.
    pub fn at(&self, day: Night, minute: u16) -> Time {
        let local_s = i64::from(day.0) * DAY_S + i64::from(minute) * 60;
        // Offsets are less than a day: the earlier of the two around the instant is right unless it leads elsewhere.
        let [before, after] = [local_s - DAY_S, local_s + DAY_S].map(|at| i64::from(self.zone.offset_s(at)));
        let [first, second] = [before, after].map(|offset| local_s - offset);
        let shows = |unix_s: i64| unix_s + i64::from(self.zone.offset_s(unix_s)) == local_s;
        let unix_s = match (shows(first), shows(second)) {
            (true, true) => first.min(second),
            (true, false) => first,
            (false, true) => second,
            (false, false) => first.max(second), // in the gap: as long after it as the wall says
        };
        let since_s = unix_s.saturating_sub(self.epoch_unix_s).max(0) as u64;
        Time::from_nanos(since_s.saturating_mul(1_000_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "time_zones")]
    use crate::zone::NamedZone;
    use proptest::prelude::*;

    #[test]
    fn nights_know_their_date_and_weekday() {
        let cases = [
            ((1970, 1, 1), 0, 4),
            ((2000, 2, 29), 11_016, 2),
            ((2026, 11, 27), 20_784, 5),
            ((1969, 12, 31), -1, 3),
            ((2100, 3, 1), 47_541, 1),
        ];
        for ((year, month, day), number, weekday) in cases {
            let night = Night::on(year, month, day).expect("it is a day");
            assert_eq!((night, night.weekday(), night.date()), (Night(number), weekday, (year, month, day)));
        }
        assert_eq!(Night::on(2100, 2, 29), None);
        assert_eq!(Night::on(2026, 4, 31), None);
        assert_eq!(Night(20_784).to_string(), "2026-11-27");
    }

    #[test]
    fn a_day_begins_where_the_house_is() {
        let kolkata = Calendar { zone: Box::new(FixedOffset(19_800)), epoch_unix_s: 0 };
        assert_eq!(kolkata.at(Night(1), 0), Time::from_nanos((86_400 - 19_800) * 1_000_000_000));
        assert_eq!(kolkata.day(Time::ZERO), Night(0));
        assert_eq!(kolkata.day(kolkata.at(Night(7), 0)), Night(7));
        assert_eq!(kolkata.at(Night(-400), 0), Time::ZERO, "before the store's zero");
    }

    #[cfg(feature = "time_zones")]
    #[test]
    fn the_day_on_which_clocks_go_forward_is_an_hour_shorter() {
        let zone = NamedZone::new("Europe/Lisbon").expect("it is in the database");
        let lisbon = Calendar { zone: Box::new(zone), epoch_unix_s: 0 };
        let hours =
            |day: Night| lisbon.at(day.plus(1), 0).since(lisbon.at(day, 0)).as_nanos() / 3_600_000_000_000;
        let (spring, autumn) = (Night::on(2026, 3, 29), Night::on(2026, 10, 25));
        assert_eq!(spring.map(hours), Some(23));
        assert_eq!(autumn.map(hours), Some(25));
        assert_eq!(Night::on(2026, 6, 1).map(hours), Some(24));
    }

    proptest! {
        #[test]
        fn dates_agree_with_a_calendar_of_others(days in -700_000i32..2_900_000) {
            let night = Night(days);
            let (year, month, day) = night.date();
            let epoch = jiff::civil::date(1970, 1, 1);
            if let Ok(date) = epoch.checked_add(jiff::Span::new().days(days)) {
                let theirs = (i32::from(date.year()), date.month() as u8, date.day() as u8);
                prop_assert_eq!((year, month, day), theirs);
                prop_assert_eq!(night.weekday(), date.weekday().to_sunday_zero_offset() as u8);
                if year >= 1 {
                    prop_assert_eq!(Night::on(year, month, day), Some(night));
                }
            }
        }

        #[test]
        fn the_day_at_any_minute_of_it_is_that_day(
            day in 0i32..40_000, minute in 0u16..1_440, offset in -50_000i32..50_000,
        ) {
            let calendar = Calendar { zone: Box::new(FixedOffset(offset)), epoch_unix_s: -100_000 };
            prop_assert_eq!(calendar.day(calendar.at(Night(day), minute)), Night(day));
        }
    }
}
