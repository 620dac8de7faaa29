//! Calendars written in cron's notation, in a time zone, with every disagreement between crons as a policy. The pattern
//! is `croner`'s, the zone data is `jiff`'s bundled copy and never the machine's; what happens on the night when a
//! clock is changed is decided here.

mod civil; // wall-clock time as the pattern's search sees it
mod schedule; // the search along the time line

pub use schedule::CronSchedule;

use crate::job_scheduler::periodic::Calendar;
use crate::time::Time;
use std::fmt;

/// How many fields a pattern has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CronFields {
    /// Minute, hour, day of month, month, day of week.
    #[default]
    Five,
    /// A second before them; the day of the week may be left out.
    Six,
}

/// Where crons disagree. The default is that of OCPS 1.4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CronPolicy {
    /// How many fields.
    pub fields: CronFields,
    /// What if the wall clock skips the time of a job.
    pub dst_gap: DstGap,
    /// What if the wall clock shows the time of a job twice.
    pub dst_overlap: DstOverlap,
    /// What if both the day of the month and the day of the week are given.
    pub dom_dow: DomDow,
}

impl CronPolicy {
    /// What robfig/cron does: six fields here, skipped times are skipped, doubled ones run twice.
    pub const fn robfig() -> CronPolicy {
        CronPolicy {
            fields: CronFields::Six,
            dst_gap: DstGap::Skip,
            dst_overlap: DstOverlap::Twice,
            dom_dow: DomDow::Or,
        }
    }

    /// What croner does by itself.
    pub const fn croner() -> CronPolicy {
        CronPolicy {
            fields: CronFields::Five,
            dst_gap: DstGap::FirstInstantAfter,
            dst_overlap: DstOverlap::OnceFirst,
            dom_dow: DomDow::Or,
        }
    }
}

/// What if the wall clock skips the time of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DstGap {
    /// It does not run that day: OCPS 1.4, robfig.
    #[default]
    Skip,
    /// It runs at the first instant after the gap, if it is a job at a fixed time of day: croner.
    FirstInstantAfter,
}

/// What if the wall clock shows the time of a job twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DstOverlap {
    /// It runs the first time only, if it is a job at a fixed time of day; one at intervals goes on at its intervals:
    /// OCPS 1.4, croner.
    #[default]
    OnceFirst,
    /// It runs both times: robfig.
    Twice,
}

/// What if both the day of the month and the day of the week are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DomDow {
    /// Either will do: OCPS 1.4, robfig, Vixie.
    #[default]
    Or,
    /// Both must match: Spring, Quartz, Cronos.
    And,
}

/// Why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CronError {
    /// It cannot be read; what `croner` says about it.
    Pattern(String),
    /// There is no such time zone.
    UnknownZone(String),
}

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CronError::Pattern(why) => write!(f, "not a cron pattern: {why}"),
            CronError::UnknownZone(zone) => {
                write!(f, "no time zone `{zone}`: use a name such as `Europe/Lisbon`, or `UTC`")
            }
        }
    }
}

impl std::error::Error for CronError {}

/// A cron schedule on the driver's time line.
#[derive(Clone, Debug)]
pub struct CronCalendar {
    /// When it ticks.
    pub schedule: CronSchedule,
    /// What [`Time::ZERO`] is in seconds since 1970.
    pub origin_unix_s: i64,
}

impl Calendar for CronCalendar {
    fn next(&self, after: Time) -> Option<Time> {
        let after_s = i64::try_from(after.as_nanos() / 1_000_000_000).ok()?;
        // A tick before the origin cannot be told.
        let next = self.schedule.next_unix_s(self.origin_unix_s.saturating_add(after_s))?;
        let since = u64::try_from(next.checked_sub(self.origin_unix_s)?).ok()?;
        since.checked_mul(1_000_000_000).map(Time::from_nanos)
    }
}

#[cfg(test)]
mod tests;
