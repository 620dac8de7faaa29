//! The calendar's laws against a dumber twin that looks at every minute, and the nights when clocks change.

use super::*;
use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("a time").as_second()
}

fn listed(pattern: &str, policy: CronPolicy, from: &str, until: &str) -> Vec<String> {
    let schedule = CronSchedule::parse(pattern, policy).expect("a pattern");
    let mut ticks = Vec::new();
    let mut last = at(from) - 1;
    while let Some(next) = schedule.next_unix_s(last).filter(|next| *next < at(until)) {
        ticks.push(Timestamp::from_second(next).expect("a time").to_string());
        last = next;
    }
    ticks
}

const FIVE: CronPolicy = CronPolicy {
    fields: CronFields::Five,
    dst_gap: DstGap::Skip,
    dst_overlap: DstOverlap::OnceFirst,
    dom_dow: DomDow::Or,
};

#[test]
fn on_the_night_that_skips_half_past_two_a_job_is_skipped_or_runs_at_three() {
    let night = |dst_gap| {
        let policy = CronPolicy { dst_gap, ..FIVE };
        listed("TZ=America/New_York 30 2 * * *", policy, "2012-03-10T12:00:00Z", "2012-03-12T12:00:00Z")
    };
    assert_eq!(night(DstGap::Skip), ["2012-03-12T06:30:00Z"]);
    assert_eq!(night(DstGap::FirstInstantAfter), ["2012-03-11T07:00:00Z", "2012-03-12T06:30:00Z"]);
    // A job at intervals keeps its intervals: no extra run at three.
    let policy = CronPolicy { dst_gap: DstGap::FirstInstantAfter, ..FIVE };
    let hourly =
        listed("TZ=America/New_York 30 * * * *", policy, "2012-03-11T06:00:00Z", "2012-03-11T09:00:00Z");
    assert_eq!(hourly, ["2012-03-11T06:30:00Z", "2012-03-11T07:30:00Z", "2012-03-11T08:30:00Z"]);
}

#[test]
fn on_the_night_that_has_half_past_one_twice_a_job_runs_once_or_twice() {
    let night = |pattern, dst_overlap| {
        let policy = CronPolicy { dst_overlap, ..FIVE };
        listed(pattern, policy, "2012-11-04T04:00:00Z", "2012-11-05T05:00:00Z")
    };
    let fixed = "TZ=America/New_York 30 1 * * *";
    assert_eq!(night(fixed, DstOverlap::OnceFirst), ["2012-11-04T05:30:00Z"]);
    assert_eq!(night(fixed, DstOverlap::Twice), ["2012-11-04T05:30:00Z", "2012-11-04T06:30:00Z"]);
    // 25 hours, 25 runs, under either policy.
    for policy in [DstOverlap::OnceFirst, DstOverlap::Twice] {
        assert_eq!(night("TZ=America/New_York 0 * * * *", policy).len(), 25);
    }
}

#[test]
fn asked_in_the_middle_of_the_second_half_past_one_nothing_is_doubled() {
    let schedule = CronSchedule::parse("TZ=America/New_York 30 1 * * *", FIVE).expect("a pattern");
    let next = schedule.next_unix_s(at("2012-11-04T06:10:00Z"));
    assert_eq!(next, Some(at("2012-11-05T06:30:00Z")));
}

#[test]
fn two_restricted_days_match_either_or_both() {
    let july = |dom_dow| {
        listed("0 0 13 * FRI", CronPolicy { dom_dow, ..FIVE }, "2012-07-01T00:00:00Z", "2012-08-01T00:00:00Z")
    };
    assert_eq!(july(DomDow::Or).len(), 4);
    assert_eq!(july(DomDow::And), ["2012-07-13T00:00:00Z"]);
    assert_eq!(listed("0 0 13 * MON", FIVE, "2012-07-01T00:00:00Z", "2012-08-01T00:00:00Z").len(), 6);
}

#[test]
fn an_impossible_date_never_comes_and_neither_does_the_year_2200() {
    for pattern in ["0 0 30 2 *", "0 0 31 4 *", "TZ=America/New_York 0 3 31 11 *"] {
        let schedule = CronSchedule::parse(pattern, FIVE).expect("a pattern");
        assert_eq!(schedule.next_unix_s(0), None, "{pattern}");
    }
    let yearly = CronSchedule::parse("0 0 1 1 *", FIVE).expect("a pattern");
    assert_eq!(yearly.next_unix_s(at("2198-06-01T00:00:00Z")), Some(at("2199-01-01T00:00:00Z")));
    assert_eq!(yearly.next_unix_s(at("2199-01-01T00:00:00Z")), None);
    assert_eq!(yearly.next_unix_s(i64::MIN), Some(0));
    assert_eq!(yearly.next_unix_s(i64::MAX), None);
}

#[test]
fn a_calendar_begins_at_the_drivers_origin() {
    let schedule = CronSchedule::parse("@hourly", FIVE).expect("a pattern");
    let calendar = CronCalendar { schedule, origin_unix_s: at("2012-07-09T14:59:30Z") };
    let first = Time::from_nanos(30_000_000_000);
    assert_eq!(calendar.next(Time::ZERO), Some(first));
    assert_eq!(calendar.next(Time::from_nanos(29_999_999_999)), Some(first));
    assert_eq!(calendar.next(first), Some(Time::from_nanos(3_630_000_000_000)));
    assert_eq!(calendar.next(Time::MAX), None);
}

#[test]
fn what_cannot_be_read_is_refused() {
    for (pattern, fields) in [
        ("", CronFields::Five),
        ("* * * *", CronFields::Five),
        ("60 * * * *", CronFields::Five),
        ("0 * * * * *", CronFields::Five),
        ("* * * *", CronFields::Six),
        ("@never", CronFields::Five),
        ("TZ=UTC", CronFields::Five),
    ] {
        let policy = CronPolicy { fields, ..FIVE };
        assert!(matches!(CronSchedule::parse(pattern, policy), Err(CronError::Pattern(_))), "{pattern}");
    }
    let nowhere = CronSchedule::parse("TZ=Atlantis/Centre * * * * *", FIVE);
    assert_eq!(nowhere.err(), Some(CronError::UnknownZone("Atlantis/Centre".into())));
}

/// What a pattern may match, for a twin that knows nothing of cron's notation.
#[derive(Clone, Debug)]
struct Fields {
    minute: u8,
    hour: Option<u8>,
    day: Option<u8>,
    weekday: Option<u8>,
}

impl Fields {
    fn pattern(&self, zone: &str) -> String {
        let field = |value: Option<u8>| value.map_or_else(|| "*".to_string(), |value| value.to_string());
        let (hour, day, weekday) = (field(self.hour), field(self.day), field(self.weekday));
        format!("TZ={zone} {} {hour} {day} * {weekday}", self.minute)
    }

    /// Whether the wall clock shows a time that matches, whatever it showed before.
    fn matches(&self, zone: &jiff::tz::TimeZone, at: i64) -> bool {
        let wall = zone.to_datetime(Timestamp::from_second(at).expect("a time"));
        let days = match (self.day, self.weekday) {
            (None, None) => true,
            (Some(day), None) => wall.day() == day as i8,
            (None, Some(weekday)) => wall.weekday().to_sunday_zero_offset() == weekday as i8,
            (Some(day), Some(weekday)) => {
                wall.day() == day as i8 || wall.weekday().to_sunday_zero_offset() == weekday as i8
            }
        };
        let hour = self.hour.is_none_or(|hour| wall.hour() == hour as i8);
        days && hour && wall.minute() == self.minute as i8 && wall.second() == 0
    }
}

fn fields() -> impl Strategy<Value = Fields> {
    let day = prop::option::weighted(0.2, 1u8..=31);
    let weekday = prop::option::weighted(0.2, 0u8..7);
    (0u8..60, prop::option::of(0u8..5), day, weekday).prop_map(|(minute, hour, day, weekday)| Fields {
        minute,
        hour,
        day,
        weekday,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Under skip and twice a tick is exactly an instant at which the wall clock shows a matching time: nothing between
    /// an instant and its next, and the next matches, over a week around a change of the clock.
    #[test]
    fn the_next_tick_is_the_first_minute_whose_wall_clock_matches(
        fields in fields(), zone in 0usize..4, day in 0i64..8, minute in 0i64..1_440,
    ) {
        let (name, change) = [
            ("America/New_York", "2012-03-11T07:00:00Z"),
            ("America/New_York", "2012-11-04T06:00:00Z"),
            ("Australia/Lord_Howe", "2024-04-06T15:00:00Z"),
            ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
        ][zone];
        let policy = CronPolicy { dst_overlap: DstOverlap::Twice, ..FIVE };
        let schedule = CronSchedule::parse(&fields.pattern(name), policy).expect("a pattern");
        let zone = TimeZoneDatabase::bundled().get(name).expect("a zone");
        let after = at(change) - 4 * 86_400 + day * 86_400 + minute * 60;
        let until = after + 9 * 86_400;
        let expected = (1..=9 * 1_440).map(|minutes| after + minutes * 60).find(|at| fields.matches(&zone, *at));
        prop_assert_eq!(schedule.next_unix_s(after).filter(|next| *next <= until), expected);
    }

    /// The four policies differ only by ticks within the hours that a changed clock swallows or doubles, and a fixed job
    /// runs exactly once a day where gaps are filled and doubles count once.
    #[test]
    fn a_daily_job_runs_once_a_day_if_gaps_are_filled_and_doubles_count_once(hour in 0u8..24, minute in 0u8..60) {
        let policy = CronPolicy { dst_gap: DstGap::FirstInstantAfter, ..FIVE };
        let pattern = format!("TZ=America/New_York {minute} {hour} * * *");
        let ticks = listed(&pattern, policy, "2012-01-01T05:00:00Z", "2013-01-01T05:00:00Z");
        prop_assert_eq!(ticks.len(), 366);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,40}", six in any::<bool>()) {
        let fields = if six { CronFields::Six } else { CronFields::Five };
        if let Ok(schedule) = CronSchedule::parse(&text, CronPolicy { fields, ..FIVE }) {
            let _ = schedule.next_unix_s(1_341_846_000);
        }
    }
}
