//! Wall-clock time without a zone, as `croner` searches it: every time of day exists, once. Zones are the caller's
//! business.

use croner::errors::CronError;
use croner::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use std::cmp::Ordering;

/// A wall-clock time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Civil(DateTime);

impl Civil {
    /// Counted as if the zone were UTC; `None` beyond the year 9999.
    pub(super) fn from_seconds(seconds: i64) -> Option<Civil> {
        Timestamp::from_second(seconds).ok().map(|at| Civil(Offset::UTC.to_datetime(at)))
    }

    pub(super) fn seconds(self) -> Option<i64> {
        Offset::UTC.to_timestamp(self.0).ok().map(Timestamp::as_second)
    }
}

impl CronDateTime for Civil {
    fn to_civil(&self) -> CivilDateTime {
        let (date, time) = (self.0.date(), self.0.time());
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        let parts = [time.hour(), time.minute(), time.second()].map(|part| u32::from(part.unsigned_abs()));
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(i32::from(date.year()), u32::from(month), u32::from(day)),
            CivilTime::from_parts_unchecked(parts[0], parts[1], parts[2]),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        let days = self.0.weekday().to_sunday_zero_offset();
        Weekday::from_days_from_sunday(u32::from(days.unsigned_abs()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Civil>, CronError> {
        let small = |part: u32| i8::try_from(part).map_err(|_| CronError::InvalidDate);
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let (hour, minute, second) = (small(civil.hour())?, small(civil.minute())?, small(civil.second())?);
        DateTime::new(year, small(civil.month())?, small(civil.day())?, hour, minute, second, 0)
            .map(|at| Resolution::Single(Civil(at)))
            .map_err(|_| CronError::InvalidDate)
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Civil> {
        Civil::from_seconds(self.seconds()?.checked_add(seconds)?)
    }

    fn cmp_instant(&self, other: &Civil) -> Ordering {
        self.cmp(other)
    }
}
