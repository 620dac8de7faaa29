//! The rows of robfig/cron's own tests, under its policies all of them, and under the other policies all but those that
//! are listed by name; and the published results about workers that share a queue.

use crate::folder::{reference_cases, vectors};
use foreshock_systems::job_scheduler::cron::{CronFields, CronPolicy, CronSchedule, DstGap, DstOverlap};
use foreshock_systems::job_scheduler::{
    Assignment, Input, NewJob, Outbox, Output, PoolId, Scheduler, SchedulerConfig, WorkerId,
};
use foreshock_systems::store::MemoryStore;
use foreshock_systems::{Span, Time};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// Rows of `next` that fail where skipped times run at the first instant after the gap.
const DIFFER_BY_GAP: [&str; 2] = [
    "2012-03-11T00:00:00-0500 | TZ=America/New_York 0 30 2 11 Mar ?",
    "2012-03-11T00:00:00-0500 | TZ=America/New_York 0 0 2 * * ?",
];

/// Rows of `next` that fail where a time that the clock shows twice counts once.
const DIFFER_BY_OVERLAP: [&str; 3] = [
    "2012-11-04T01:45:00-0400 | TZ=America/New_York 0 30 1 04 Nov ?",
    "2012-11-04T01:00:00-0400 | TZ=America/New_York 0 0 1 * * ?",
    "TZ=America/New_York 2012-11-04T01:00:00-0400 | 0 0 1 * * ?",
];

#[test]
fn every_row_of_robfig_passes_or_differs_by_a_named_policy() {
    let Some(path) = vectors("cron_robfig.json") else { return };
    let text = fs::read_to_string(path).expect("the rows can be read");
    let rows: Value = serde_json::from_str(&text).expect("the rows are JSON");
    let five = CronPolicy { fields: CronFields::Five, ..CronPolicy::robfig() };
    let activation = list(&rows, "activation").filter(|row| activates(row, five)).count();
    let invalid =
        list(&rows, "invalid").filter(|row| CronSchedule::parse(string(row), five).is_err()).count();
    assert_eq!((activation, invalid), (29, 4));
    let gap = CronPolicy { dst_gap: DstGap::FirstInstantAfter, ..CronPolicy::robfig() };
    let overlap = CronPolicy { dst_overlap: DstOverlap::OnceFirst, ..CronPolicy::robfig() };
    let both = CronPolicy { dst_gap: DstGap::FirstInstantAfter, ..overlap };
    let by_both: Vec<&str> = DIFFER_BY_GAP.into_iter().chain(DIFFER_BY_OVERLAP).collect();
    for (name, policy, differ) in [
        ("skip, twice (robfig)", CronPolicy::robfig(), &[][..]),
        ("first_instant_after, twice", gap, &DIFFER_BY_GAP[..]),
        ("skip, once_first (OCPS 1.4)", overlap, &DIFFER_BY_OVERLAP[..]),
        ("first_instant_after, once_first (croner)", both, &by_both[..]),
    ] {
        let failed: BTreeSet<String> =
            list(&rows, "next").filter(|row| !is_next(row, policy)).map(name_of).collect();
        let ran = list(&rows, "next").count();
        println!("cron, {name}: activation 29 of 29, invalid 4 of 4, next {} of {ran}", ran - failed.len());
        failed.iter().for_each(|row| println!("  differs: {row}"));
        assert_eq!(failed, differ.iter().map(|row| (*row).to_string()).collect(), "{name}");
        assert_eq!(ran, 58);
    }
}

fn list<'a>(rows: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    rows[name].as_array().expect("a list of rows").iter()
}

fn string(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn name_of(row: &Value) -> String {
    format!("{} | {}", string(&row["after"]), string(&row["spec"]))
}

fn activates(row: &Value, policy: CronPolicy) -> bool {
    let schedule = CronSchedule::parse(string(&row["spec"]), policy).expect("a pattern");
    let (at, _) = instant(string(&row["time"]));
    schedule.ticks_at_unix_s(at) == row["fires_at_time"].as_bool().expect("yes or no")
}

fn is_next(row: &Value, policy: CronPolicy) -> bool {
    let (after, zone) = instant(string(&row["after"]));
    let schedule = CronSchedule::parse(string(&row["spec"]), policy).expect("a pattern");
    let schedule = match zone {
        Some(zone) => schedule.in_zone(zone).expect("a zone"),
        None => schedule,
    };
    schedule.next_unix_s(after) == row["next"].as_str().map(|text| instant(text).0)
}

/// Seconds since 1970, and the zone that stands before it: `2012-03-11T00:00:00-0500` or `Mon Jul 9 15:04 2012`, whose
/// weekday may be wrong and is not looked at.
fn instant(text: &str) -> (i64, Option<&str>) {
    let (zone, text) = match text.strip_prefix("TZ=").and_then(|rest| rest.split_once(' ')) {
        Some((zone, rest)) => (Some(zone), rest),
        None => (None, text),
    };
    let seconds = if text.contains('T') && text.contains('-') { iso(text) } else { ansi(text) };
    (seconds.expect("a time"), zone)
}

fn iso(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once('T')?;
    let (clock, zone) = rest.split_at_checked(8)?;
    let mut date = date.split('-').map(str::parse::<i64>);
    let days = days(date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let (hours, minutes) = zone.split_at_checked(3)?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let offset = hours * 3_600 + hours.signum() * minutes * 60;
    Some(days * 86_400 + of_day(clock)? - offset)
}

fn ansi(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_weekday, month, day, clock, year] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    Some(days(year.parse().ok()?, month, day.parse().ok()?) * 86_400 + of_day(clock)?)
}

fn of_day(clock: &str) -> Option<i64> {
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().ok());
    Some(parts.next()?? * 3_600 + parts.next()?? * 60 + parts.next().unwrap_or(Some(0))?)
}

/// Days from 1 January 1970 in the Gregorian calendar, counting years from March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[test]
fn a_pool_of_workers_waits_as_erlang_c_says() {
    let Some(path) = reference_cases() else { return };
    let text = fs::read_to_string(&path).expect("the published results can be read");
    let cases: Value = serde_yaml::from_str(&text).expect("the published results are YAML");
    let cases = cases["cases"].as_array().expect("the published results are a list");
    let mut ran = 0;
    for case in cases {
        let id = case["id"].as_str().expect("every case has an id");
        if !["q-mm2-1.6", "q-mm10-7", "q-mm10-9"].contains(&id) {
            continue;
        }
        let number = |of: &str, name: &str| case[of][name].as_f64().expect("a number");
        let (rate, workers) = (number("config", "lam"), number("config", "c"));
        let expected = number("expected", "Wq");
        let waited = mean_wait(rate, workers as u32);
        println!("job_scheduler: {id}: mean wait {waited:.4}, published {expected}");
        // A fixed seed; a day's mean of so many jobs lies within a few percent.
        assert!((waited / expected - 1.0).abs() < 0.07, "{id}: {waited} where {expected} is published");
        ran += 1;
    }
    println!("job_scheduler: {ran} cases ran, 0 skipped");
    assert_eq!(ran, 3);
}

/// The mean wait in units of the mean service time: Poisson arrivals, exponential jobs, a worker each for `workers` jobs.
fn mean_wait(rate: f64, workers: u32) -> f64 {
    const JOBS: u32 = 200_000;
    let unit = Span::from_secs(1);
    let mut word = 88_172_645_463_325_252_u64;
    let mut exponential = move |mean: f64| {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        let uniform = ((word >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        Span::from_nanos((-libm::log(uniform) * mean * unit.as_nanos() as f64) as u64)
    };
    let mut config = SchedulerConfig::default();
    config.queues[0].max_running = workers;
    config.kinds[0].lease = Span::from_secs(1_000_000);
    config.keep.completed = Span::ZERO;
    let mut pool = Pool {
        scheduler: Scheduler::open(config, MemoryStore::new(), Time::ZERO).expect("in range"),
        out: Outbox::new(),
        busy: BTreeSet::new(),
        waited_ns: 0,
    };
    let mut arrival = Time::ZERO;
    for _ in 0..JOBS {
        arrival += exponential(1.0 / rate);
        while let Some(done) = pool.busy.first().copied().filter(|(at, ..)| *at <= arrival) {
            pool.busy.remove(&done);
            pool.ask(done.0, Input::Complete { job: done.1, token: done.2, result: None });
            pool.fetch(done.0, &mut exponential);
        }
        pool.ask(arrival, Input::Enqueue(NewJob::of(Default::default())));
        pool.fetch(arrival, &mut exponential);
    }
    pool.waited_ns as f64 / f64::from(JOBS) / unit.as_nanos() as f64
}

struct Pool {
    scheduler: Scheduler<MemoryStore>,
    out: Outbox<Output>,
    busy: BTreeSet<(Time, foreshock_systems::job_scheduler::JobId, foreshock_systems::job_scheduler::Token)>,
    waited_ns: u64,
}

impl Pool {
    fn ask(&mut self, now: Time, input: Input) -> Option<Assignment> {
        self.scheduler.handle(now, input, &mut self.out).expect("nothing is refused");
        self.out.drain().find_map(|output| match output {
            Output::Started(given) => Some(given),
            _ => None,
        })
    }

    fn fetch(&mut self, now: Time, service: &mut impl FnMut(f64) -> Span) {
        let input = Input::Fetch { worker: WorkerId(0), pool: PoolId(0), max: 1, entropy: 0 };
        if let Some(given) = self.ask(now, input) {
            self.waited_ns += given.waited.as_nanos();
            self.busy.insert((now + service(1.0), given.job, given.token));
        }
    }
}
