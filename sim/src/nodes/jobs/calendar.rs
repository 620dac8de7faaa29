//! When a schedule ticks: every so often, or by cron's notation in a time zone. Reads what the file says and makes the
//! library's calendar of it; never enqueues.

use foreshock_systems::job_scheduler::cron::{
    CronCalendar, CronFields, CronPolicy, CronSchedule, DomDow, DstGap, DstOverlap,
};
use foreshock_systems::job_scheduler::periodic::{Calendar, Every};
use foreshock_systems::zone::{NamedZone, Zone};
use serde_json::Value;

use crate::kernel::time::{Span, Time};
use crate::measure::BookedTick;
use crate::nodes::settings::Reader;

/// Shortest time between two ticks of a schedule.
const LEAST_PERIOD: Span = Span::from_millis(10);
/// The last instant at which a run can begin: 1 January 2199, a year before the calendars end.
const LATEST_BEGIN_UNIX_S: i64 = 7_226_582_400;

/// Settings of a schedule that say when it ticks.
pub(super) const CALENDAR_KEYS: [&str; 7] =
    ["every", "offset", "cron", "time_zone", "dst_gap", "dst_overlap", "days"];

/// When a schedule ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ticks {
    /// So often, from the beginning of the run.
    Every { period: Span, offset: Span },
    /// By the clock on a wall.
    Cron(Cron),
}

/// A pattern that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    pattern: String,
    zone: String,
    policy: CronPolicy,
}

/// The second since 1970 at which the run begins.
pub(super) fn begins(reader: &mut Reader<'_>) -> i64 {
    let Some(value) = reader.map.get("begins_unix_s") else { return 0 };
    let begins = value.as_i64().filter(|begins| (0..=LATEST_BEGIN_UNIX_S).contains(begins));
    if begins.is_none() {
        reader.wrong_at("begins_unix_s", "is no instant; write seconds since 1970, such as `1792879200`");
    }
    begins.unwrap_or(0)
}

/// When a schedule ticks, or `None` with what is wrong.
pub(super) fn ticks(reader: &mut Reader<'_>) -> Option<Ticks> {
    let has = |reader: &Reader<'_>, key: &str| reader.map.contains_key(key);
    match (has(reader, "every"), has(reader, "cron")) {
        (true, true) => {
            reader.wrong_at("cron", "and `every` are two calendars; keep one of them");
            None
        }
        (_, true) => {
            if has(reader, "offset") {
                reader.wrong_at("offset", "has no effect on `cron`; write the time into the pattern");
            }
            cron(reader).map(Ticks::Cron)
        }
        (is_periodic, false) => {
            for key in ["time_zone", "dst_gap", "dst_overlap", "days"] {
                if has(reader, key) {
                    reader.wrong_at(key, "has no effect without `cron`");
                }
            }
            if !is_periodic {
                reader.missing("never ticks; add `every: 1m` or `cron: \"30 2 * * *\"`");
            }
            every(reader)
        }
    }
}

fn every(reader: &mut Reader<'_>) -> Option<Ticks> {
    let period = reader.positive_span("every");
    if period.is_some_and(|period| period < LEAST_PERIOD) {
        reader.wrong_at("every", format!("is too often; {LEAST_PERIOD} is the least"));
    }
    Some(Ticks::Every { period: period?, offset: reader.span("offset").unwrap_or(Span::ZERO) })
}

fn cron(reader: &mut Reader<'_>) -> Option<Cron> {
    let gap = reader.choice("dst_gap", &[("skip", DstGap::Skip), ("first_after", DstGap::FirstInstantAfter)]);
    let overlap =
        reader.choice("dst_overlap", &[("once", DstOverlap::OnceFirst), ("twice", DstOverlap::Twice)]);
    let days = reader.choice("days", &[("either", DomDow::Or), ("both", DomDow::And)]);
    let zone = match reader.map.get("time_zone") {
        Some(zone) => zone.as_str().unwrap_or_default(),
        None => "UTC",
    };
    if NamedZone::new(zone).is_none() {
        reader.wrong_at("time_zone", format!("is `{zone}`, which is no time zone; write `Europe/Berlin`"));
        return None;
    }
    let Some(pattern) = reader.map.get("cron").and_then(Value::as_str) else {
        reader.wrong_at(
            "cron",
            "is no pattern; write `\"30 2 * * *\"`: minute, hour, day, month, day of the week",
        );
        return None;
    };
    if pattern.contains("TZ=") {
        reader.wrong_at("cron", "names its zone itself; write it as `time_zone`");
        return None;
    }
    let fields = match pattern.split_whitespace().count() {
        6 => CronFields::Six,
        _ => CronFields::Five,
    };
    let policy = CronPolicy {
        fields,
        dst_gap: gap.unwrap_or_default(),
        dst_overlap: overlap.unwrap_or_default(),
        dom_dow: days.unwrap_or_default(),
    };
    match CronSchedule::parse(pattern, policy) {
        Ok(schedule) if schedule.next_unix_s(0).is_some() => {
            Some(Cron { pattern: pattern.to_string(), zone: zone.to_string(), policy })
        }
        Ok(_) => {
            reader.wrong_at("cron", format!("is `{pattern}`, a day that never comes"));
            None
        }
        Err(error) => {
            reader.wrong_at("cron", format!("is {error}; write `\"30 2 * * *\"`"));
            None
        }
    }
}

impl Ticks {
    /// The library's calendar; the run begins at `origin_unix_s`.
    pub(super) fn calendar(&self, origin_unix_s: i64) -> Box<dyn Calendar + Send> {
        match self {
            Ticks::Every { period, offset } => Box::new(Every { period: *period, offset: *offset }),
            Ticks::Cron(cron) => Box::new(CronCalendar { schedule: cron.schedule(), origin_unix_s }),
        }
    }

    /// The same, but twice in the hour that the clock on the wall shows twice: the mistake of a broken variant.
    pub(super) fn doubled(&self) -> Ticks {
        match self {
            Ticks::Cron(cron) => {
                let policy = CronPolicy { dst_overlap: DstOverlap::Twice, ..cron.policy };
                Ticks::Cron(Cron { policy, ..cron.clone() })
            }
            Ticks::Every { .. } => self.clone(),
        }
    }

    /// Whether it ticks by the clock on a wall.
    pub(super) fn is_by_wall(&self) -> bool {
        matches!(self, Ticks::Cron(_))
    }

    /// The clock on the wall by which it ticks, if it has one.
    fn wall(&self, origin_unix_s: i64) -> Option<Wall> {
        let Ticks::Cron(cron) = self else { return None };
        let once = cron.policy.dst_overlap == DstOverlap::OnceFirst && cron.schedule().is_at_a_fixed_time();
        Some(Wall { zone: NamedZone::new(&cron.zone)?, origin_unix_s, once })
    }
}

impl Cron {
    fn schedule(&self) -> CronSchedule {
        let parsed =
            CronSchedule::parse(&self.pattern, self.policy).and_then(|read| read.in_zone(&self.zone));
        parsed.expect("the pattern and its zone were checked")
    }
}

/// The clocks on the walls of a scheduler's schedules, by their ids.
#[derive(Debug)]
pub(super) struct Walls(Vec<Option<Wall>>);

impl Walls {
    pub(super) fn new<'a>(all: impl IntoIterator<Item = &'a Ticks>, origin_unix_s: i64) -> Walls {
        Walls(all.into_iter().map(|ticks| ticks.wall(origin_unix_s)).collect())
    }

    fn of(&self, schedule: u16) -> Option<&Wall> {
        self.0.get(usize::from(schedule))?.as_ref()
    }

    /// Whether a schedule ticks by the clock on a wall.
    pub(super) fn has(&self, schedule: u16) -> bool {
        self.of(schedule).is_some()
    }

    /// A tick as the books note it.
    pub(super) fn booked(&self, schedule: u16, at: Time) -> BookedTick {
        let wall_s = self.of(schedule).and_then(|wall| wall.only_once(at));
        BookedTick { schedule: u32::from(schedule), at, wall_s }
    }
}

/// The clock on a wall, read without the pattern: so the books can tell a time of day that comes twice.
#[derive(Debug)]
struct Wall {
    zone: NamedZone,
    origin_unix_s: i64,
    /// Whether each time of day counts once.
    once: bool,
}

impl Wall {
    /// The second on the wall at an instant of the run, where that may be enqueued only once.
    fn only_once(&self, at: Time) -> Option<i64> {
        let unix_s = self.origin_unix_s.saturating_add((at.as_nanos() / 1_000_000_000) as i64);
        self.once.then(|| unix_s + i64::from(self.zone.offset_s(unix_s)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::settings::Wrong;
    use serde_json::json;

    /// Midnight before the night of 25 October 2026 in Berlin, on which the hour from two to three comes twice.
    const AUTUMN_UNIX_S: i64 = 1_792_879_200;

    fn read(settings: Value) -> Result<Ticks, Wrong> {
        let mut wrong = Wrong::new();
        let map = settings.as_object().expect("a mapping");
        let read = ticks(&mut Reader { map, at: String::new(), wrong: &mut wrong });
        read.filter(|_| wrong.is_empty()).ok_or(wrong)
    }

    /// Minutes of the first day of the run.
    fn minutes(ticks: &Ticks) -> Vec<u64> {
        let calendar = ticks.calendar(AUTUMN_UNIX_S);
        let mut all = Vec::new();
        let mut at = Time::ZERO;
        while let Some(tick) = calendar.next(at).filter(|tick| tick.as_nanos() < 86_400_000_000_000) {
            all.push(tick.as_nanos() / 60_000_000_000);
            at = tick;
        }
        all
    }

    #[test]
    fn half_past_two_comes_once_on_a_night_that_has_it_twice_unless_told_otherwise() {
        let once =
            read(json!({"cron": "30 2 * * *", "time_zone": "Europe/Berlin"})).expect("it is a calendar");
        assert_eq!(minutes(&once), [150]);
        assert_eq!(minutes(&once.doubled()), [150, 210]);
        let twice = json!({"cron": "30 2 * * *", "time_zone": "Europe/Berlin", "dst_overlap": "twice"});
        assert_eq!(minutes(&read(twice).expect("it is a calendar")), [150, 210]);
    }

    #[test]
    fn the_wall_shows_both_of_them_as_the_same_time_of_day() {
        let ticks =
            read(json!({"cron": "30 2 * * *", "time_zone": "Europe/Berlin"})).expect("it is a calendar");
        let wall = ticks.wall(AUTUMN_UNIX_S).expect("a cron pattern has a wall");
        let at = |minutes: u64| wall.only_once(Time::from_nanos(minutes * 60_000_000_000));
        assert_eq!(at(150), at(210));
        assert_ne!(at(150), at(270));
        let hourly =
            read(json!({"cron": "30 * * * *", "time_zone": "Europe/Berlin"})).expect("it is a calendar");
        let wall = hourly.wall(AUTUMN_UNIX_S).expect("a cron pattern has a wall");
        assert_eq!(wall.only_once(Time::ZERO), None, "what ticks at intervals goes on at its intervals");
    }

    #[test]
    fn a_calendar_that_says_too_much_or_too_little_is_refused() {
        let cases = [
            (json!({}), "never ticks"),
            (json!({"every": "1m", "cron": "* * * * *"}), "and `every` are two calendars"),
            (json!({"every": "1m", "time_zone": "UTC"}), "has no effect without `cron`"),
            (json!({"cron": "* * * * *", "offset": "1s"}), "has no effect on `cron`"),
            (json!({"cron": "61 * * * *"}), "is not a cron pattern"),
            (json!({"cron": "0 0 31 2 *"}), "a day that never comes"),
            (json!({"cron": 5}), "is no pattern"),
            (json!({"cron": "TZ=UTC 0 0 * * *"}), "names its zone itself"),
            (json!({"cron": "* * * * *", "time_zone": "Europe/Berin"}), "which is no time zone"),
            (json!({"cron": "* * * * *", "dst_gap": "later"}), "is none of skip, first_after"),
        ];
        for (settings, expected) in cases {
            let wrong = read(settings.clone()).expect_err("something is wrong");
            assert!(wrong.len() == 1 && wrong[0].1.contains(expected), "{settings}: {wrong:?}");
        }
    }
}
