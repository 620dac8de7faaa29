//! Times of the calendar: mute and active intervals of routes, quiet hours of people. The clock on the wall is what the
//! caller says it is; the machine's is never read.

use crate::time::Time;
use crate::zone::{DAY_S, Zone, date_of_day, weekday_of_day};
use std::ops::RangeInclusive;

/// A minute as the wall shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Such as 2026.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 is Sunday, 6 Saturday.
    pub weekday: u8,
    /// Minutes since midnight, 0 to 1439.
    pub minute: u16,
}

impl Civil {
    /// What the wall shows there and then.
    pub fn at(unix_s: i64, zone: &dyn Zone) -> Civil {
        let local = unix_s.saturating_add(i64::from(zone.offset_s(unix_s)));
        let days = local.div_euclid(DAY_S);
        let minute = (local.rem_euclid(DAY_S) / 60) as u16;
        let (year, month, day) = date_of_day(days);
        Civil { year, month, day, weekday: weekday_of_day(days), minute }
    }

    fn month_len(self) -> u8 {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }
}

/// Minutes of the day, from `from` on and before `until`. 22:00 to 7:00 goes over midnight; the same twice is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minutes {
    /// 0 to 1440.
    pub from: u16,
    /// 0 to 1440.
    pub until: u16,
}

impl Minutes {
    /// From hour and minute to hour and minute.
    pub const fn between(from: (u16, u16), until: (u16, u16)) -> Minutes {
        Minutes {
            from: from.0.saturating_mul(60).saturating_add(from.1),
            until: until.0.saturating_mul(60).saturating_add(until.1),
        }
    }

    const fn contains(self, minute: u16) -> bool {
        if self.from <= self.until {
            self.from <= minute && minute < self.until
        } else {
            minute >= self.from || minute < self.until
        }
    }
}

/// A pattern of the calendar: in every list at least one entry has to fit; an empty list always fits. Alertmanager's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimePattern {
    /// At these times of the day.
    pub times: Vec<Minutes>,
    /// On these days of the week; 0 is Sunday.
    pub weekdays: Vec<RangeInclusive<u8>>,
    /// On these days of the month, 1 to 31; -1 is the last, -31 the earliest it can be.
    pub days_of_month: Vec<RangeInclusive<i8>>,
    /// In these months.
    pub months: Vec<RangeInclusive<u8>>,
    /// In these years.
    pub years: Vec<RangeInclusive<i64>>,
}

impl TimePattern {
    /// Whether a minute is in it.
    pub fn contains(&self, civil: Civil) -> bool {
        fits(&self.times, |times| times.contains(civil.minute))
            && fits(&self.weekdays, |days| days.contains(&civil.weekday))
            && fits(&self.days_of_month, |days| day_fits(days, civil))
            && fits(&self.months, |months| months.contains(&civil.month))
            && fits(&self.years, |years| years.contains(&civil.year))
    }
}

fn fits<T>(list: &[T], entry: impl Fn(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(entry)
}

fn day_fits(days: &RangeInclusive<i8>, civil: Civil) -> bool {
    let len = civil.month_len() as i8;
    let absolute = |day: i8| if day < 0 { len.saturating_add(day).saturating_add(1) } else { day };
    // A range that begins before the month begins with it, one that ends after it ends with it.
    (absolute(*days.start()).max(1)..=absolute(*days.end()).min(len)).contains(&(civil.day as i8))
}

/// When something holds: at a place, whenever one of the patterns fits.
#[derive(Debug)]
pub struct TimeInterval {
    /// One of them has to fit.
    pub patterns: Vec<TimePattern>,
    /// Where.
    pub zone: Box<dyn Zone + Send + Sync>,
}

/// What the wall clock shows at [`Time::ZERO`]. A clock that jumps gets a new origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WallClock {
    /// Seconds since 1970 at the driver's origin.
    pub origin_unix_s: i64,
}

impl WallClock {
    /// Seconds since 1970 at `now`.
    pub fn unix_s(self, now: Time) -> i64 {
        self.origin_unix_s.saturating_add((now.as_nanos() / 1_000_000_000) as i64)
    }

    /// The first instant at which the clock shows this; `None` if that is before the origin or never.
    fn time(self, unix_s: i64) -> Option<Time> {
        let since = u64::try_from(unix_s.checked_sub(self.origin_unix_s)?).ok()?;
        since.checked_mul(1_000_000_000).map(Time::from_nanos)
    }
}

/// How many steps [`TimeInterval::next_change`] looks ahead: some thousands of days.
const MAX_STEPS: u32 = 20_000;

impl TimeInterval {
    /// Whether it holds.
    pub fn contains(&self, now: Time, clock: WallClock) -> bool {
        self.holds(clock.unix_s(now))
    }

    fn holds(&self, unix_s: i64) -> bool {
        let civil = Civil::at(unix_s, &*self.zone);
        self.patterns.iter().any(|pattern| pattern.contains(civil))
    }

    /// The first instant after `now` at which it begins or ends to hold; `None` if it does not within years.
    ///
    /// Goes from one time of day that is named to the next, and minute by minute where the clocks of the zone are changed
    /// in between.
    pub fn next_change(&self, now: Time, clock: WallClock) -> Option<Time> {
        let mut at = clock.unix_s(now);
        let before = self.holds(at);
        for _ in 0..MAX_STEPS {
            at = self.next_candidate(at);
            if self.holds(at) != before {
                return clock.time(at);
            }
        }
        None
    }

    fn next_candidate(&self, unix_s: i64) -> i64 {
        let offset = self.zone.offset_s(unix_s);
        let second_of_day = unix_s.saturating_add(i64::from(offset)).rem_euclid(DAY_S);
        let named = self.patterns.iter().flat_map(|pattern| &pattern.times);
        let next_of_day = named
            .flat_map(|times| [times.from, times.until])
            .map(|minute| i64::from(minute) * 60)
            .chain([DAY_S])
            .filter(|second| *second > second_of_day && *second <= DAY_S)
            .min()
            .unwrap_or(DAY_S);
        let there = unix_s.saturating_add(next_of_day - second_of_day);
        if self.zone.offset_s(there) == offset {
            return there;
        }
        // To the next full minute of the wall, or to the end of the gap.
        unix_s.saturating_add(60 - second_of_day % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;
    use crate::zone::FixedOffset;
    #[cfg(feature = "time_zones")]
    use crate::zone::NamedZone;
    use proptest::prelude::*;

    const MIDNIGHT_2026_01_01: i64 = 1_767_225_600;

    fn quiet(zone: impl Zone + Send + Sync + 'static) -> TimeInterval {
        let times = vec![Minutes::between((22, 0), (7, 0))];
        TimeInterval { patterns: vec![TimePattern { times, ..TimePattern::default() }], zone: Box::new(zone) }
    }

    #[test]
    fn the_calendar_knows_weekdays_leap_days_and_the_last_of_the_month() {
        let at = |unix_s| Civil::at(unix_s, &FixedOffset(0));
        assert_eq!(at(0), Civil { year: 1970, month: 1, day: 1, weekday: 4, minute: 0 });
        let leap = Civil { year: 2024, month: 2, day: 29, weekday: 4, minute: 1_439 };
        assert_eq!(at(1_709_251_199), leap);
        let before = Civil { year: 1969, month: 12, day: 31, weekday: 3, minute: 1_439 };
        assert_eq!(at(-1), before);
        assert!(day_fits(&(-1..=-1), leap) && !day_fits(&(-1..=-1), Civil { day: 28, ..leap }));
        assert!(!day_fits(&(30..=31), leap) && day_fits(&(1..=31), leap));
        assert!(day_fits(&(-31..=5), Civil { day: 1, ..leap }));
    }

    #[test]
    fn quiet_hours_go_over_midnight_and_end_on_the_minute() {
        let (quiet, clock) = (quiet(FixedOffset(0)), WallClock { origin_unix_s: MIDNIGHT_2026_01_01 });
        assert!(quiet.contains(Time::ZERO, clock));
        let seven = Time::ZERO + "7h".parse::<Span>().unwrap();
        assert_eq!(quiet.next_change(Time::from_nanos(1), clock), Some(seven));
        assert!(!quiet.contains(seven, clock) && quiet.contains(seven - Span::from_nanos(1), clock));
        assert_eq!(quiet.next_change(seven, clock), Some(Time::ZERO + "22h".parse::<Span>().unwrap()));
    }

    #[test]
    fn what_never_changes_has_no_next_change() {
        let always = TimeInterval { patterns: vec![TimePattern::default()], zone: Box::new(FixedOffset(0)) };
        assert_eq!(always.next_change(Time::ZERO, WallClock::default()), None);
    }

    #[cfg(feature = "time_zones")]
    #[test]
    fn quiet_hours_end_at_seven_on_the_wall_also_in_the_night_when_clocks_change() {
        // 2026-03-29 01:00 UTC: Lisbon goes from 1:00 to 2:00. 2026-10-25 01:00 UTC: from 2:00 back to 1:00.
        let quiet = quiet(NamedZone::new("Europe/Lisbon").unwrap());
        for (evening_unix_s, hours) in [(1_774_735_200, 8), (1_774_735_200 + 210 * DAY_S - 3_600, 10)] {
            let clock = WallClock { origin_unix_s: evening_unix_s };
            assert!(quiet.contains(Time::ZERO, clock));
            let ends = quiet.next_change(Time::ZERO, clock).unwrap();
            let shown = Civil::at(clock.unix_s(ends), &*quiet.zone);
            assert_eq!((shown.minute, ends), (7 * 60, Time::ZERO + Span::from_secs(hours * 3_600)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_next_change_is_the_one_that_looking_at_every_minute_finds(
            from in 0u16..1_440, until in 0u16..1_440, weekday in 0u8..7, days in -3i8..4, start_min in 0u64..20_000,
        ) {
            let days_of_month = if days == 0 { vec![] } else { vec![days..=days] };
            let pattern = TimePattern {
                times: vec![Minutes { from, until }],
                weekdays: if days == 0 { vec![weekday..=6] } else { vec![] },
                days_of_month,
                ..TimePattern::default()
            };
            let interval = TimeInterval { patterns: vec![pattern], zone: Box::new(FixedOffset(3_600)) };
            let clock = WallClock { origin_unix_s: MIDNIGHT_2026_01_01 };
            let now = Time::ZERO + Span::from_secs(start_min * 60);
            let minutes = (1..60 * 24 * 62).map(|minute| now + Span::from_secs(minute * 60));
            let slow = minutes.into_iter().find(|at| interval.contains(*at, clock) != interval.contains(now, clock));
            prop_assert_eq!(interval.next_change(now, clock), slow);
        }
    }
}
