//! The search for the next tick. Between two changes of the clock, wall-clock time and the time line differ by a
//! constant: the pattern is searched in one such stretch after the other, and what the policies say is decided at the
//! seams. Never reads the machine's zone data.

use super::civil::Civil;
use super::{CronError, CronFields, CronPolicy, DomDow, DstGap, DstOverlap};
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, JobType};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The first second that is not looked at: 1 January 2200. A pattern that has not matched by then never does.
const END_UNIX_S: i64 = 7_258_118_400;

/// A cron pattern in a time zone. Ticks are whole seconds from 1970 to 2199.
#[derive(Clone, Debug)]
pub struct CronSchedule {
    pattern: Cron,
    zone: TimeZone,
    policy: CronPolicy,
    /// At one fixed time of day: the jobs whose runs a changed clock may swallow or double.
    fixed: bool,
}

/// A stretch of the time line with one offset.
struct Stretch {
    offset_s: i64,
    /// What it was before.
    offset_before_s: i64,
    starts_at: i64,
    /// The first second of the next; `None` if there is none.
    ends_at: Option<i64>,
}

impl CronSchedule {
    /// Reads a pattern: `*`, `?`, lists, ranges, steps, names, `a/n` from a to the end, `@hourly` and its like; `TZ=zone`
    /// or `CRON_TZ=zone` may stand before it. Without either the zone is UTC.
    ///
    /// # Errors
    /// [`CronError`] says what cannot be read.
    pub fn parse(text: &str, policy: CronPolicy) -> Result<CronSchedule, CronError> {
        let (zone, pattern) = split_zone(text.trim());
        let zone = zone_named(zone.unwrap_or("UTC"))?;
        let seconds = match policy.fields {
            CronFields::Five => Seconds::Disallowed,
            CronFields::Six if pattern.starts_with('@') => Seconds::Optional,
            CronFields::Six => Seconds::Required,
        };
        let parser = CronParser::builder()
            .seconds(seconds)
            .year(Year::Disallowed)
            .sloppy_ranges(true)
            .dom_and_dow(policy.dom_dow == DomDow::And)
            .build();
        let without_weekday = policy.fields == CronFields::Six && pattern.split_whitespace().count() == 5;
        let pattern = if without_weekday { format!("{pattern} *") } else { pattern.to_string() };
        let pattern = parser.parse(&pattern).map_err(|error| CronError::Pattern(error.to_string()))?;
        let fixed = pattern.determine_job_type() == JobType::FixedTime;
        Ok(CronSchedule { pattern, zone, policy, fixed })
    }

    /// The same pattern in another zone.
    ///
    /// # Errors
    /// [`CronError::UnknownZone`].
    pub fn in_zone(self, zone: &str) -> Result<CronSchedule, CronError> {
        Ok(CronSchedule { zone: zone_named(zone)?, ..self })
    }

    /// The first tick after an instant, both in seconds since 1970; `None` if there is none before 2200.
    pub fn next_unix_s(&self, after: i64) -> Option<i64> {
        let mut from = after.max(-1).checked_add(1)?;
        while from < END_UNIX_S {
            let stretch = self.stretch(from)?;
            let found = self.next_civil(self.first_civil(&stretch, from))?;
            let at = found - stretch.offset_s;
            let Some(ends_at) = stretch.ends_at.filter(|ends_at| *ends_at <= at) else {
                return Some(at).filter(|at| *at < END_UNIX_S);
            };
            if self.fixed && self.policy.dst_gap == DstGap::FirstInstantAfter {
                let resumes = ends_at + self.stretch(ends_at)?.offset_s;
                if found < resumes && ends_at < END_UNIX_S {
                    return Some(ends_at);
                }
            }
            from = ends_at;
        }
        None
    }

    /// Whether it ticks at fixed times of the day, and not at intervals.
    pub fn is_at_a_fixed_time(&self) -> bool {
        self.fixed
    }

    /// Whether it ticks at an instant, in seconds since 1970.
    pub fn ticks_at_unix_s(&self, at: i64) -> bool {
        self.next_unix_s(at.saturating_sub(1)) == Some(at)
    }

    /// The wall-clock time from which a stretch is searched: not the hour that the stretch before has shown already, if
    /// that counts once.
    fn first_civil(&self, stretch: &Stretch, from: i64) -> i64 {
        let civil = from + stretch.offset_s;
        if self.fixed && self.policy.dst_overlap == DstOverlap::OnceFirst {
            civil.max(stretch.starts_at.saturating_add(stretch.offset_before_s))
        } else {
            civil
        }
    }

    /// The first wall-clock time from `from` on that matches.
    fn next_civil(&self, from: i64) -> Option<i64> {
        self.pattern.find_next_occurrence(&Civil::from_seconds(from)?, true).ok()?.seconds()
    }

    fn stretch(&self, at: i64) -> Option<Stretch> {
        let instant = Timestamp::from_second(at).ok()?;
        let offset = |at| i64::from(self.zone.to_offset(at).seconds());
        let ends_at = self.zone.following(instant).next().map(|change| change.timestamp().as_second());
        let second_after = Timestamp::from_second(at + 1).ok()?;
        let starts_at = self.zone.preceding(second_after).next().map(|change| change.timestamp().as_second());
        let before = starts_at.and_then(|at| Timestamp::from_second(at - 1).ok());
        let offset_s = offset(instant);
        Some(Stretch {
            offset_s,
            offset_before_s: before.map_or(offset_s, offset),
            // Far enough back never to matter.
            starts_at: starts_at.unwrap_or(i64::MIN / 2),
            ends_at,
        })
    }
}

/// The zone and the rest of `TZ=zone rest`.
fn split_zone(text: &str) -> (Option<&str>, &str) {
    let named = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ="));
    match named.and_then(|rest| rest.split_once(char::is_whitespace)) {
        Some((zone, rest)) => (Some(zone), rest.trim_start()),
        None => (None, text),
    }
}

fn zone_named(name: &str) -> Result<TimeZone, CronError> {
    TimeZoneDatabase::bundled().get(name).map_err(|_| CronError::UnknownZone(name.to_string()))
}
